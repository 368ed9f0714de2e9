//! Class G: exhaustion of memory, time, and whatever else there is only so much of.

use std::time::{Duration, Instant as Clock};

use portolan_stack::*;
use portolan_wire::tcp::{self, Flags, Options, SackBlocks};
use portolan_wire::{Endpoint, Family, Mss, SeqNumber};

use crate::arena::*;
use crate::common::*;

/// Which state a peer falls silent in.
const STATES: [State; 9] = [
    State::SynSent,
    State::SynReceived,
    State::Established,
    State::FinWait1,
    State::FinWait2,
    State::Closing,
    State::CloseWait,
    State::LastAck,
    State::TimeWait,
];

/// G3: a thousand peers fall silent in each state; everything that the application has let go is freed in time.
#[test]
fn g3_peers_that_vanish_leave_nothing_behind() {
    let each = count(10_000, 200);
    for state in STATES {
        let mut arena = Arena::new();
        let listener = arena.listen(80, 4096);
        for n in 0..each {
            let at = Endpoint::new(Arena::stranger(n), 4000);
            vanish_in(&mut arena, state, listener, at);
        }
        let before = arena.victim().counts();
        // What an application may hold for as long as it likes it gives up now.
        let now = arena.pair.now;
        arena.victim().close(now, listener).unwrap();
        // Linux's longest: text that is sent again with backoff, a little more than 15 minutes for an orphan's.
        for _ in 0..40 {
            arena.pass(60_000_000);
        }
        let counts = arena.victim().counts();
        // The arena's own connection stays. Sockets that an application still holds are its business.
        assert_eq!((counts.flows, counts.timers), (1, 0), "{state:?}: {counts:?}");
        assert!(before.flows > 1, "{state:?}: nothing was held");
    }
}

/// Opens a connection whose peer stops answering when the victim is in `state`, and lets the application close where
/// that leads there.
fn vanish_in(arena: &mut Arena, state: State, listener: SocketId, at: Endpoint) {
    if state == State::SynSent {
        let now = arena.pair.now;
        let socket = arena.victim().tcp_socket(Family::V4).unwrap();
        arena.victim().connect(now, socket, at).unwrap();
        return arena.turn();
    }
    if state == State::SynReceived {
        let peer = Peer { at, port: 80, seq: arena.random.seq(), ack: SeqNumber(0), window: 1000 };
        arena.say(&peer, Flags::SYN, plain_options(), &[]);
        return arena.turn();
    }
    let (mut peer, socket) = arena.accepted(listener, at, 80, plain_options());
    let now = arena.pair.now;
    let close = |arena: &mut Arena| arena.victim().close(now, socket).unwrap();
    match state {
        State::Established => {
            arena.pair.write(B, socket, b"anybody there?").unwrap();
            arena.turn();
            close(arena);
        }
        State::FinWait1 => close(arena),
        State::FinWait2 | State::Closing | State::TimeWait => {
            close(arena);
            arena.turn();
            if state != State::Closing {
                peer.ack += 1;
                arena.ack(&peer);
            }
            if state != State::FinWait2 {
                arena.say(&peer, Flags::FIN | Flags::ACK, Options::NONE, &[]);
            }
        }
        _ => {
            arena.say(&peer, Flags::FIN | Flags::ACK, Options::NONE, &[]);
            arena.turn();
            assert_eq!(arena.victim().state(socket), Ok(State::CloseWait));
            if state == State::CloseWait {
                arena.pair.write(B, socket, b"one more thing").unwrap();
            }
            close(arena);
        }
    }
    arena.turn();
}

/// G4: an MSS of 8 to 64 with selective acknowledgements of single octets neither overflows nor loses text.
#[test]
fn g4_tiny_segments_with_selective_acknowledgements() {
    for mss in [8, 16, 48, 64] {
        let mut arena = Arena::new();
        let listener = arena.listen(80, 16);
        let options = Options { mss: Mss::new(mss), window_scale: Some(14), ..sack_options() };
        let at = Endpoint::new(Arena::stranger(1), 4000);
        let (mut peer, socket) = arena.accepted(listener, at, 80, options);
        let text = pattern(60_000);
        let start = peer.ack;
        let mut have: Vec<Option<u8>> = vec![None; text.len()];
        let (mut written, mut next) = (0, 0);
        for _ in 0..8_000 {
            written += arena.pair.write(B, socket, &text[written..]).unwrap_or(0);
            for heard in arena.hear() {
                assert!(heard.text.len() <= 64, "{} octets", heard.text.len());
                let at = heard.seq.since(start).unwrap() as usize;
                // Of every seventh segment, single octets are taken and the others held for lost.
                let step = if arena.random.below(7) == 0 { 2 } else { 1 };
                let mut sack = SackBlocks::new();
                for (place, octet) in (at..).zip(&heard.text).skip(step - 1).step_by(step) {
                    have[place] = Some(*octet);
                    sack.push((start + place as u32, start + place as u32 + 1));
                }
                next += have[next..].iter().take_while(|octet| octet.is_some()).count();
                peer.ack = start + next as u32;
                let options = Options { sack, ..Options::NONE };
                arena.say(&peer, Flags::ACK, if at > next { options } else { Options::NONE }, &[]);
            }
            arena.pass(20_000);
            if next == text.len() {
                break;
            }
        }
        let have: Vec<u8> = have.into_iter().flatten().collect();
        assert!(have == text, "MSS {mss}: {} octets of {}", have.len(), text.len());
    }
}

/// G6: a peer with a tiny MSS does not make the victim send more than one packet for each 36 octets or so.
#[test]
fn g6_a_small_mss_is_raised_to_the_floor() {
    let mut arena = Arena::new();
    let listener = arena.listen(80, 16);
    let options = Options { mss: Mss::new(1), window_scale: Some(8), ..Options::NONE };
    let at = Endpoint::new(Arena::stranger(1), 4000);
    let (_, socket) = arena.accepted(listener, at, 80, options);
    arena.pair.write(B, socket, &pattern(10_000)).unwrap();
    let heard = arena.hear();
    let floor = usize::from(arena.victim().config().tcp.min_mss);
    assert!(heard.len() >= 10 && heard[..9].iter().all(|heard| heard.text.len() >= floor - 12), "{heard:?}");
}

/// G7: text octet by octet and out of order is kept in bounded memory, in time that does not grow.
#[test]
fn g7_single_octets_out_of_order_cost_flat_time() {
    let total = count(1_000_000, 60_000);
    let mut arena = Arena::new();
    let (mut peer, socket) = arena.plain_peer();
    let start = peer.seq;
    let steps = total / 10;
    let mut part = 0;
    let mut times = Vec::new();
    let least = |times: &[Duration]| times.iter().min().copied().unwrap_or_default();
    let becomes_slow = |times: &[Duration]| least(&times[7..]) >= 10 * least(&times[..3]);
    // Ten parts, and more if other programs have made all of the late ones slow.
    while times.len() < 10 || times.len() < 40 && becomes_slow(&times) {
        let began = Clock::now();
        for n in 0..steps {
            // Every second octet of the window, again and again.
            let at = 2 * ((part * steps + n) % 30_000) + 1;
            peer.seq = start + at;
            arena.say(&peer, Flags::ACK, Options::NONE, b"x");
        }
        times.push(began.elapsed());
        part += 1;
        arena.turn();
        arena.heard.clear();
    }
    arena.victim().check().unwrap();
    assert!(!becomes_slow(&times), "{times:?}");
    // The gap closes, and the connection goes on.
    for at in (0..60_000).step_by(1_000) {
        peer.seq = start + at;
        arena.say(&peer, Flags::ACK, Options::NONE, &[b'y'; 1_000]);
        arena.turn();
        let _ = arena.pair.read(B, socket);
    }
    assert_eq!(arena.victim().state(socket), Ok(State::Established));
    assert!(arena.victim().info(socket).unwrap().bytes_received >= 60_000);
}

/// G11: text that nobody reads on many connections stays within the host's budget, and others are served.
#[test]
fn g11_readers_that_never_read_do_not_exhaust_the_memory() {
    let mut config = Config::default();
    config.tcp.memory_max = 4 << 20;
    let mut arena = Arena::with(config);
    let listener = arena.listen(80, 4096);
    let honest = arena.listen(81, 16);
    let mut received = 0;
    for n in 0..count(10_000, 500) {
        let at = Endpoint::new(Arena::stranger(n), 4000);
        let (mut peer, socket) = arena.accepted(listener, at, 80, plain_options());
        for _ in 0..20 {
            arena.say(&peer, Flags::ACK, Options::NONE, &[7; MSS as usize]);
            peer.seq += MSS;
        }
        arena.turn();
        received += u64::from(arena.victim().receive_queued(socket).unwrap());
    }
    // Each connection may hold a little however short memory is.
    let floor = u64::from(arena.victim().config().tcp.memory_min) * u64::from(count(10_000, 500));
    assert!(received <= (4 << 20) + floor + (1 << 20), "{received} octets held");
    assert!(received > 1 << 20);
    assert!(arena.serves_honest_client(honest, 81));
}

/// G12: a peer that is gone is noticed when keepalive or the user timeout say so.
#[test]
fn g12_a_dead_peer_is_noticed_in_time() {
    let mut arena = Arena::new();
    let listener = arena.listen(80, 16);
    let (_, idle) = arena.accepted(listener, Endpoint::new(Arena::stranger(1), 4000), 80, plain_options());
    let (_, busy) = arena.accepted(listener, Endpoint::new(Arena::stranger(2), 4000), 80, plain_options());
    let now = arena.pair.now;
    for option in [
        SocketOption::KeepIdle(10),
        SocketOption::KeepInterval(5),
        SocketOption::KeepCount(3),
        SocketOption::KeepAlive(true),
    ] {
        arena.victim().set_option(now, idle, option).unwrap();
    }
    arena.victim().set_option(now, busy, SocketOption::UserTimeout(20_000)).unwrap();
    arena.pair.write(B, busy, b"hello?").unwrap();
    let ended = |arena: &mut Arena, socket| {
        for second in 0..120_u32 {
            arena.pass(1_000_000);
            if arena.victim().take_error(socket).is_some_and(|error| error == SocketError::TimedOut) {
                return Some(second + 1);
            }
        }
        None
    };
    let at = ended(&mut arena, busy).unwrap();
    assert!((19..=40).contains(&at), "user timeout after {at} s");
    let at = at + ended(&mut arena, idle).unwrap_or(0);
    assert!((20..=40).contains(&at), "keepalive after {at} s");
}

/// G14: resets for SYNs to closed ports are limited in number per second.
#[test]
fn g14_resets_for_closed_ports_are_limited() {
    let mut arena = Arena::new();
    let limit = u64::from(arena.victim().config().resets_per_second);
    let total = count(1_000_000, 100_000);
    let mut resets = 0_u64;
    for n in 0..total {
        let header = tcp::Emit {
            src_port: (n % 60_000) as u16 + 1,
            dst_port: 9_999,
            seq: SeqNumber(n),
            flags: Flags::SYN,
            window: 1000,
            ..Default::default()
        };
        arena.segment(Endpoint::new(Arena::stranger(n), header.src_port), &header, &[]);
        if n % 64 == 63 {
            resets += arena.hear().iter().filter(|heard| heard.has(Flags::RST)).count() as u64;
            // A million SYNs a second.
            arena.pair.now = arena.pair.now.plus_micros(64);
        }
    }
    let seconds = u64::from(total).div_ceil(1_000_000);
    assert!(resets > 0 && resets <= limit * (seconds + 1), "{resets} resets in {seconds} s");
}

/// G16: whatever arrives and whenever, the host comes to rest, and no call takes long.
#[test]
fn g16_no_stream_of_events_makes_a_loop_without_progress() {
    let mut arena = Arena::new();
    let listener = arena.listen(80, 64);
    let mut peers = Vec::new();
    for n in 0..8 {
        let at = Endpoint::new(Arena::stranger(n), 4000);
        peers.push(arena.accepted(listener, at, 80, sack_options()));
    }
    let mut random = Random(0x1234_5678_9abc_def1);
    let mut worst = Duration::ZERO;
    for _ in 0..count(200_000, 20_000) {
        let (peer, socket) = &mut peers[random.below(8) as usize];
        let began = Clock::now();
        match random.below(8) {
            0 => drop(arena.pair.write(B, *socket, &[1; 3_000])),
            1 => drop(arena.pair.read(B, *socket)),
            2 => arena.pair.now = arena.pair.now.plus_micros(random.below(2_000_000)),
            _ => {
                let mut stray = *peer;
                stray.seq += random.below(70_000) as u32;
                stray.ack += random.below(20_000) as u32;
                stray.window = random.next() as u16;
                let flags = Flags::from_bits(random.next() as u16).without(Flags::RST);
                let mut sack = SackBlocks::new();
                sack.push((stray.ack + 100, stray.ack + random.below(5_000) as u32));
                let text = vec![3; random.below(1_400) as usize];
                arena.say(&stray, flags, Options { sack, ..Options::NONE }, &text);
            }
        }
        // `turn` panics if the hosts do not come to rest.
        arena.turn();
        arena.heard.clear();
        worst = worst.max(began.elapsed());
    }
    arena.victim().check().unwrap();
    assert!(worst < Duration::from_millis(500), "{worst:?} for one step");
}

/// The honest pair of this test program works at all.
#[test]
fn the_arena_carries_text_between_victim_and_client() {
    let mut arena = Arena::new();
    let listener = arena.listen(80, 16);
    assert!(arena.serves_honest_client(listener, 80));
    let (client, server) = arena.pair.connected(Family::V4, 82);
    let text = pattern(10_000);
    assert_eq!(arena.pair.transfer(A, client, server, &text), text);
}
