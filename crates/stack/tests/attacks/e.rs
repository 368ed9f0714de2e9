//! Class E: segments and options that are malformed, impossible, or in the wrong place. E9 is `tests/state_table`; E7
//! and E14 are in `e_wrap`.

use portolan_stack::*;
use portolan_wire::tcp::{self, Flags, Options, Timestamps, fill_checksum};
use portolan_wire::{Endpoint, SeqNumber, WindowScale};

use crate::arena::*;
use crate::common::*;

/// A segment of a peer's with options as octets, filled up with zeros, and any data offset.
fn raw(peer: &Peer, flags: Flags, options: &[u8], text: &[u8]) -> Vec<u8> {
    let ack = if flags.contains(Flags::ACK) { peer.ack } else { SeqNumber(0) };
    let (src_port, dst_port, seq, window) = (peer.at.port, peer.port, peer.seq, peer.window);
    let header = tcp::Emit { src_port, dst_port, seq, ack, flags, window, ..tcp::Emit::default() };
    let words = options.len().div_ceil(4);
    let mut octets = vec![0; 20 + 4 * words];
    header.emit(&mut octets).unwrap();
    octets[12] = ((5 + words) as u8) << 4 | octets[12] & 15;
    octets[20..20 + options.len()].copy_from_slice(options);
    octets.extend_from_slice(text);
    fill_checksum(peer.at.address, v4(B), &mut octets).unwrap();
    octets
}

fn say_raw(arena: &mut Arena, peer: &Peer, flags: Flags, options: &[u8], text: &[u8]) {
    let octets = raw(peer, flags, options, text);
    arena.tcp_octets(peer.at.address, &octets);
}

fn dropped(arena: &mut Arena, reason: DropReason) -> u64 {
    arena.victim().stats().drops.count(reason)
}

/// The figures of the connection with a peer.
fn info(arena: &mut Arena, peer: &Peer) -> Info {
    let flows = arena.victim().flows();
    flows.into_iter().find(|flow| flow.remote == peer.at).unwrap().info.unwrap()
}

/// The connection still carries text both ways, and the peer was never reset.
fn lives(arena: &mut Arena, peer: &mut Peer, socket: SocketId, options: Options) {
    let heard = arena.hear();
    assert!(!heard.iter().any(|heard| heard.has(Flags::RST)), "{heard:?}");
    arena.say(peer, Flags::ACK | Flags::PSH, options, b"still here");
    peer.seq += 10;
    arena.turn();
    assert_eq!(arena.pair.read(B, socket), Ok(b"still here".to_vec()));
    arena.pair.write(B, socket, b"so am I").unwrap();
    let heard = arena.hear();
    assert!(heard.iter().any(|heard| heard.text == b"so am I"), "{heard:?}");
    peer.ack += 7;
}

/// A connection with a stranger who offers `options`.
fn open(arena: &mut Arena, options: Options) -> (Peer, SocketId) {
    let listener = arena.listen(80, 16);
    let at = Endpoint::new(Arena::stranger(1), 4000);
    let mut peer = Peer { at, port: 80, seq: SeqNumber(u32::MAX), ack: SeqNumber(0), window: u16::MAX };
    arena.say(&peer, Flags::SYN, options, &[]);
    (peer.seq, peer.ack) = (peer.seq + 1, arena.hear()[0].end());
    arena.say(&peer, Flags::ACK, Options { timestamps: options.timestamps, ..Options::NONE }, &[]);
    let now = arena.pair.now;
    let (socket, ..) = arena.victim().accept(now, listener).unwrap();
    (peer, socket)
}

/// E1: lengths of 0 and 1, and past the end, at every place of the options.
#[test]
fn e1_malformed_options_drop_the_segment_and_no_more() {
    let mut arena = Arena::new();
    let (mut peer, socket) = open(&mut arena, plain_options());
    let before = dropped(&mut arena, DropReason::TcpMalformed);
    let places: Vec<usize> = if full() { (0..40).collect() } else { vec![0, 1, 20, 37, 38, 39] };
    let mut malformed = 0;
    for kind in 2..=255 {
        for len in 0..=41_u8 {
            for &place in &places {
                let mut options = [1; 40];
                options[place] = kind;
                if let Some(octet) = options.get_mut(place + 1) {
                    *octet = len;
                }
                malformed += u64::from(place == 39 || len < 2 || place + usize::from(len) > 40);
                say_raw(&mut arena, &peer, Flags::ACK, &options, &[]);
            }
        }
    }
    assert_eq!(dropped(&mut arena, DropReason::TcpMalformed) - before, malformed);
    lives(&mut arena, &mut peer, socket, Options::NONE);
}

/// E2: an MSS of 0 or 1, any window scale, and options cut short.
#[test]
fn e2_absurd_offers_make_a_connection_that_works() {
    let offers: [&[u8]; 8] = [
        &[2, 4, 0, 0],
        &[2, 4, 0, 1],
        &[2, 4, 0, 7, 3, 3, 15],
        &[2, 4, 255, 255, 3, 3, 255],
        &[2, 3, 5, 1],
        &[3, 3, 14, 1],
        &[3, 4, 7, 7],
        &[8, 9, 0, 0, 0, 1, 0, 0, 0, 4, 2],
    ];
    let mut arena = Arena::new();
    let listener = arena.listen(80, 16);
    for (port, offer) in (4000..).zip(offers) {
        let at = Endpoint::new(Arena::stranger(1), port);
        let mut peer = Peer { at, port: 80, seq: SeqNumber(port.into()), ack: SeqNumber(0), window: 60_000 };
        arena.heard.clear();
        say_raw(&mut arena, &peer, Flags::SYN, offer, &[]);
        peer.ack = arena.hear()[0].end();
        peer.seq += 1;
        arena.ack(&peer);
        let now = arena.pair.now;
        let (socket, ..) = arena.victim().accept(now, listener).unwrap();
        assert!(info(&mut arena, &peer).snd_wscale <= WindowScale::MAX.get());
        let text = pattern(5000);
        arena.pair.write(B, socket, &text).unwrap();
        let mut got: Vec<u8> = Vec::new();
        for _ in 0..200 {
            for heard in arena.hear() {
                assert!(
                    (got.len() + heard.text.len() == text.len()) || (64..=1460).contains(&heard.text.len())
                );
                if heard.seq == peer.ack {
                    got.extend(&heard.text);
                    peer.ack = heard.end();
                }
            }
            arena.ack(&peer);
        }
        assert!(got == text, "{offer:?}: {} of {}", got.len(), text.len());
    }
    assert!(arena.serves_honest_client(listener, 80));
}

/// E3: urgent pointers of all kinds, across the end of the numbers too, where urgent text stays in line.
#[test]
fn e3_urgent_pointers_leave_the_text_as_it_is() {
    for (port, start) in (4000..).zip([u32::MAX - 40, 0, 1 << 31]) {
        let mut arena = Arena::new();
        let listener = arena.listen(80, 16);
        let at = Endpoint::new(Arena::stranger(1), port);
        let mut peer = Peer { at, port: 80, seq: SeqNumber(start), ack: SeqNumber(0), window: 60_000 };
        let urgent = |arena: &mut Arena, peer: &Peer, flags: Flags, pointer: u16, text: &[u8]| {
            let (src_port, dst_port, seq, window) = (peer.at.port, peer.port, peer.seq, peer.window);
            let (flags, ack) = (flags | Flags::URG, peer.ack);
            let header = tcp::Emit {
                src_port,
                dst_port,
                seq,
                ack,
                flags,
                window,
                urgent: pointer,
                ..tcp::Emit::default()
            };
            arena.segment(peer.at, &header, text);
        };
        urgent(&mut arena, &peer, Flags::SYN, 9, &[]);
        peer.ack = arena.hear()[0].end();
        peer.seq += 1;
        urgent(&mut arena, &peer, Flags::ACK, u16::MAX, &[]);
        let now = arena.pair.now;
        let (socket, ..) = arena.victim().accept(now, listener).unwrap();
        arena.victim().set_option(now, socket, SocketOption::OobInline(true)).unwrap();
        let text = pattern(200);
        let mut got = Vec::new();
        for (octets, pointer) in text.chunks(10).zip([0, 1, 5, 10, 11, 60_000, u16::MAX].into_iter().cycle())
        {
            urgent(&mut arena, &peer, Flags::ACK, pointer, octets);
            peer.seq += 10;
            arena.turn();
            while let Ok(some) = arena.pair.read(B, socket) {
                got.extend(some);
            }
        }
        assert!(got == text);
        urgent(&mut arena, &peer, Flags::ACK | Flags::FIN, 0, &[]);
        peer.seq += 1;
        arena.turn();
        assert_eq!(arena.pair.read(B, socket), Ok(vec![]));
        urgent(&mut arena, &peer, Flags::RST, 1, &[]);
        arena.turn();
        assert_eq!(arena.victim().state(socket), Ok(State::Closed));
        assert!(arena.serves_honest_client(listener, 80));
    }
}

/// E4: malformed and misplaced options in forged segments, in the window and outside.
#[test]
fn e4_bad_options_never_reset_a_connection() {
    let mut arena = Arena::new();
    let timestamps = |value| Options { timestamps: Some(Timestamps { value, echo: 0 }), ..Options::NONE };
    let (mut peer, socket) =
        open(&mut arena, Options { timestamps: timestamps(5).timestamps, ..sack_options() });
    for options in [
        &[8, 9, 0, 0, 0, 6, 0, 0, 0][..],
        &[8, 0, 0, 0],
        &[8, 40, 0, 0],
        &[5, 9, 0, 0, 0, 0, 0, 0, 0],
        &[2, 4, 0, 1],
        &[3, 3, 9, 1],
        &[4, 2, 4, 2],
        &[19, 2, 29, 3, 0, 34, 3, 0],
    ] {
        for offset in [0, 1000, 1 << 29, 1 << 31] {
            let forged = Peer { seq: peer.seq + offset, ..peer };
            for flags in [Flags::ACK, Flags::ACK | Flags::FIN, Flags::SYN, Flags::SYN | Flags::ACK] {
                say_raw(&mut arena, &forged, flags, options, b"forged");
            }
        }
    }
    assert_eq!(arena.pair.read(B, socket), Err(SocketError::WouldBlock));
    lives(&mut arena, &mut peer, socket, timestamps(6));
}

/// E5: SACK options of every length, and blocks that cannot be.
#[test]
fn e5_impossible_sacks_change_nothing() {
    let mut arena = Arena::new();
    let (peer, socket) = open(&mut arena, sack_options());
    arena.pair.write(B, socket, &pattern(14_600)).unwrap();
    let flight = arena.hear();
    let (una, nxt) = (peer.ack, flight.last().unwrap().end());
    for len in (2..=38_u8).filter(|len| len % 8 != 2) {
        let mut options = vec![5, len];
        options.extend((una + MSS).0.to_be_bytes().repeat(9));
        say_raw(&mut arena, &peer, Flags::ACK, &options[..usize::from(len)], &[]);
    }
    let half = 1 << 31;
    for (left, right) in [
        (una + 2 * MSS, una + MSS),
        (una + MSS, una + MSS),
        (una.back(MSS), una + MSS),
        (una + MSS, nxt + 1),
        (nxt, nxt + MSS),
        (una + MSS, una + MSS + half),
        (una + MSS + half, una + 2 * MSS),
        (nxt + half, una + 2 * MSS),
    ] {
        let sack = [(left, right)].into_iter().collect();
        arena.say(&peer, Flags::ACK, Options { sack, ..Options::NONE }, &[]);
        assert_eq!(info(&mut arena, &peer).sacked, 0, "{left:?} to {right:?}");
    }
    let sack = [(una + MSS, una + 2 * MSS)].into_iter().collect();
    arena.say(&peer, Flags::ACK, Options { sack, ..Options::NONE }, &[]);
    assert_eq!(info(&mut arena, &peer).sacked, MSS);
}

/// E6: edges anywhere on the circle of numbers, held against a set of segments.
#[test]
fn e6_the_scoreboard_agrees_with_a_set() {
    const SEGMENTS: u64 = 10;
    for round in 0..count(200_000, 300) {
        let mut arena = Arena::new();
        arena.random = Random(u64::from(round) + 1);
        let (peer, socket) = open(&mut arena, sack_options());
        arena.pair.write(B, socket, &pattern(SEGMENTS as usize * MSS as usize)).unwrap();
        assert_eq!(arena.hear().len() as u64, SEGMENTS);
        let (una, mut model) = (peer.ack, [false; SEGMENTS as usize]);
        for _ in 0..40 {
            let mut edge = || {
                let near = (arena.random.below(SEGMENTS + 5) as u32).wrapping_sub(2).wrapping_mul(MSS);
                let far = if arena.random.below(3) == 0 { 1 << 31 } else { 0 };
                near.wrapping_add(far)
            };
            let (left, right) = (edge(), edge());
            let sack = [(una + left, una + right)].into_iter().collect();
            arena.say(&peer, Flags::ACK, Options { sack, ..Options::NONE }, &[]);
            if 0 < left && left < right && right <= SEGMENTS as u32 * MSS {
                model[(left / MSS) as usize..(right / MSS) as usize].fill(true);
            }
            let sacked = model.iter().filter(|sacked| **sacked).count() as u32 * MSS;
            assert_eq!(info(&mut arena, &peer).sacked, sacked, "round {round}: {left} to {right}");
        }
    }
}

/// E8: data offsets that do not fit, in segments of every length.
#[test]
fn e8_data_offsets_beyond_the_segment_are_dropped() {
    let mut arena = Arena::new();
    let listener = arena.listen(80, 16);
    let at = Endpoint::new(Arena::stranger(1), 4000);
    let peer = Peer { at, port: 80, seq: SeqNumber(7), ack: SeqNumber(9), window: 100 };
    for words in 0..16_u8 {
        for len in 0..=60_usize {
            let mut octets = raw(&peer, Flags::ACK, &[0; 40], &[]);
            octets[12] = words << 4;
            octets.truncate(len);
            if len >= 20 {
                octets[16..18].fill(0);
                fill_checksum(at.address, v4(B), &mut octets).unwrap();
            }
            let before = dropped(&mut arena, DropReason::TcpMalformed);
            arena.tcp_octets(at.address, &octets);
            let fits = words >= 5 && usize::from(words) * 4 <= len;
            let after = dropped(&mut arena, DropReason::TcpMalformed);
            assert_eq!(after - before, u64::from(!fits), "offset {words}, length {len}");
        }
    }
    assert!(arena.serves_honest_client(listener, 80));
}

/// E10: text on SYN, FIN and RST.
#[test]
fn e10_text_counts_only_on_a_connection_that_is_proved() {
    let mut arena = Arena::new();
    let listener = arena.listen(80, 16);
    let at = Endpoint::new(Arena::stranger(1), 4000);
    let mut peer = Peer { at, port: 80, seq: SeqNumber(100), ack: SeqNumber(0), window: 60_000 };
    arena.say(&peer, Flags::SYN, plain_options(), b"too early");
    let syn_ack = arena.hear().pop().unwrap();
    assert_eq!(syn_ack.ack, peer.seq + 1, "the text is not acknowledged");
    let now = arena.pair.now;
    assert_eq!(arena.victim().accept(now, listener), Err(SocketError::WouldBlock));
    (peer.seq, peer.ack) = (peer.seq + 1, syn_ack.end());
    arena.ack(&peer);
    let (socket, ..) = arena.victim().accept(now, listener).unwrap();
    assert_eq!(arena.pair.read(B, socket), Err(SocketError::WouldBlock));
    arena.say(&peer, Flags::ACK | Flags::FIN, Options::NONE, b"the end");
    arena.turn();
    assert_eq!(arena.pair.read(B, socket), Ok(b"the end".to_vec()));
    assert_eq!(arena.pair.read(B, socket), Ok(vec![]));
    let at = Endpoint::new(Arena::stranger(2), 4000);
    let (peer, socket) = arena.accepted(listener, at, 80, plain_options());
    arena.say(&peer, Flags::RST, Options::NONE, b"why I go");
    arena.turn();
    assert_eq!(arena.pair.read(B, socket), Err(SocketError::ConnectionReset));
    assert!(arena.serves_honest_client(listener, 80));
}

/// E12, E13: timestamps of the future in segments that a stranger can forge, and segments without any.
#[test]
fn e12_e13_forged_and_missing_timestamps_spoil_nothing() {
    let mut arena = Arena::new();
    let timestamps = |value| Options { timestamps: Some(Timestamps { value, echo: 0 }), ..Options::NONE };
    let (mut peer, socket) =
        open(&mut arena, Options { timestamps: timestamps(1000).timestamps, ..plain_options() });
    let future = timestamps(1000 + (1 << 30));
    for forged in [
        Peer { seq: peer.seq + (1 << 30), ..peer },
        Peer { seq: peer.seq.back(70_000), ..peer },
        Peer { ack: peer.ack + (1 << 30), ..peer },
        Peer { ack: peer.ack.back(1 << 30), ..peer },
        Peer { seq: peer.seq + 500, ..peer },
    ] {
        arena.say(&forged, Flags::ACK, future, b"forged");
    }
    arena.hear();
    let before = dropped(&mut arena, DropReason::TcpSegment);
    arena.say(&peer, Flags::ACK, Options::NONE, b"without");
    assert_eq!(arena.hear().len(), 0, "no answer");
    assert_eq!(dropped(&mut arena, DropReason::TcpSegment), before + 1);
    assert_eq!(arena.pair.read(B, socket), Err(SocketError::WouldBlock));
    lives(&mut arena, &mut peer, socket, timestamps(1001));
    // And the other way round: they mean nothing where they were not agreed on.
    let mut arena = Arena::new();
    let (mut peer, socket) = open(&mut arena, plain_options());
    lives(&mut arena, &mut peer, socket, future);
    lives(&mut arena, &mut peer, socket, timestamps(1));
    lives(&mut arena, &mut peer, socket, Options::NONE);
}
