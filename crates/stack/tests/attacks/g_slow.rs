//! Class G, peers that hold the host's text back, and a network that drops it in step with the host's timers.

use std::collections::{BTreeMap, VecDeque};

use portolan_stack::*;
use portolan_wire::Endpoint;
use portolan_wire::tcp::{Flags, Options, SackBlocks};

use crate::arena::*;
use crate::common::*;

/// Octets that the application has for each peer that asks.
const RESPONSE: usize = 1 << 20;

/// G2, sockstress: peers ask for much, shut their windows and answer every probe. The text that waits for them stays
/// within the host's budget, others are served, and once the application lets go nobody waits for them any more
/// (CVE-2009-1926, RFC 6429).
#[test]
fn g2_shut_windows_hold_a_bounded_amount_of_text_for_a_bounded_time() {
    let mut config = Config::default();
    config.tcp.memory_max = 4 << 20;
    let mut arena = Arena::with(config);
    let listener = arena.listen(80, 4096);
    let honest = arena.listen(81, 16);
    let connections = arena.victim().counts().connections;
    let total = count(10_000, 200);
    let mut held = 0;
    let mut peers = BTreeMap::new();
    let mut sockets = Vec::new();
    for n in 0..total {
        let at = Endpoint::new(Arena::stranger(n), 4000);
        let (mut peer, socket) = arena.accepted(listener, at, 80, plain_options());
        let text = pattern(64 * 1024);
        let mut written = 0;
        while written < RESPONSE
            && let Ok(len) = arena.pair.write(B, socket, &text[written % text.len()..])
        {
            written += len;
        }
        let sent: u32 = arena.hear().iter().map(|heard| heard.text.len() as u32).sum();
        peer.ack += sent;
        peer.window = 0;
        arena.ack(&peer);
        held += written as u64 - u64::from(sent);
        peers.insert(at, peer);
        sockets.push(socket);
    }
    let floor = u64::from(arena.victim().config().tcp.memory_min) * u64::from(total);
    assert!(held <= (4 << 20) + floor + (1 << 20), "{held} octets wait");
    assert!(held > 1 << 20, "{held} octets wait");
    // They answer all probes, and for now nothing is freed, but nothing grows and others are served.
    let mut probes = 0;
    let mut answer_probes = |arena: &mut Arena, seconds: u32| {
        for _ in 0..seconds {
            arena.pass(1_000_000);
            for heard in arena.hear() {
                let Some(peer) = peers.get(&heard.to).filter(|_| !heard.has(Flags::RST)) else { continue };
                assert!(heard.text.is_empty(), "no text into a shut window");
                probes += 1;
                arena.ack(peer);
            }
        }
    };
    answer_probes(&mut arena, 20);
    assert!(arena.serves_honest_client(honest, 81));
    assert!(arena.victim().counts().connections >= connections + total as usize);
    let now = arena.pair.now;
    for socket in sockets {
        arena.victim().close(now, socket).unwrap();
    }
    answer_probes(&mut arena, 400);
    assert!(probes > 4 * total, "{probes} probes");
    let left = arena.victim().counts().connections - connections;
    assert!(left <= 2, "{left} connections are left, and only the honest client's may be");
    assert!(arena.serves_honest_client(honest, 81));
}

/// G2: while memory is short, the connections whose windows have been shut for longest are given up, and no more of
/// them than have to be; while it is not, a window may be shut for as long as its peer likes (RFC 6429).
#[test]
fn g2_under_pressure_the_longest_shut_windows_are_given_up_first() {
    let mut config = Config::default();
    config.tcp.memory_max = 1 << 20;
    let patience_s = config.tcp.shut_window_patience_us / 1_000_000;
    let (mut arena, honest, peers) = besieged(config, true);
    assert_eq!(alive(&mut arena, &peers), [true; 40], "none has waited for long");
    live(&mut arena, &peers, patience_s - 30);
    let after = alive(&mut arena, &peers);
    let dead = after.iter().take_while(|alive| !**alive).count();
    assert!((1..20).contains(&dead), "{dead} were given up");
    assert!(after[dead..].iter().all(|alive| *alive), "the first and no other: {after:?}");
    assert_eq!(arena.victim().stats().tcp.shut_out_given_up, dead as u64);
    let (_, first) = peers[0];
    assert_eq!(arena.victim().take_error(first), Some(SocketError::TimedOut));
    // There is memory now, so that the others may wait.
    live(&mut arena, &peers, 3 * patience_s);
    assert_eq!(alive(&mut arena, &peers), after);
    assert!(arena.serves_honest_client(honest, 81));
    // Until somebody wants it.
    let (_, greedy) = peers[39];
    while arena.pair.write(B, greedy, &pattern(16 * 1024)).is_ok() {}
    for (_, socket) in &peers[dead..39] {
        while arena.pair.write(B, *socket, &pattern(16 * 1024)).is_ok_and(|len| len > 0) {}
    }
    live(&mut arena, &peers, 2 * patience_s);
    let later = alive(&mut arena, &peers);
    let more = later.iter().take_while(|alive| !**alive).count();
    assert!(more > dead && later[more..].iter().all(|alive| *alive), "{later:?}");
}

/// G2: nor is a peer spared that leaves a segment unacknowledged, so that retransmissions take the place of probes.
#[test]
fn g2_text_under_way_does_not_spare_a_shut_window() {
    let mut config = Config::default();
    config.tcp.memory_max = 1 << 20;
    let patience_s = config.tcp.shut_window_patience_us / 1_000_000;
    let (mut arena, honest, peers) = besieged(config, false);
    live(&mut arena, &peers, patience_s - 2);
    assert_eq!(alive(&mut arena, &peers), [true; 40], "none has waited for long");
    live(&mut arena, &peers, 2 * patience_s);
    let dead = alive(&mut arena, &peers).iter().filter(|alive| !**alive).count();
    assert!((1..40).contains(&dead), "{dead} were given up");
    assert_eq!(arena.victim().stats().tcp.shut_out_given_up, dead as u64);
    assert!(arena.serves_honest_client(honest, 81));
}

/// G5: text beyond gaps that nobody closes goes when others need the memory, and its connections go on.
#[test]
fn g5_text_beyond_a_gap_is_given_back_under_pressure() {
    let mut config = Config::default();
    config.tcp.memory_max = 1 << 20;
    let patience_us = u64::from(config.tcp.shut_window_patience_us);
    let mut arena = Arena::with(config);
    let listener = arena.listen(80, 64);
    let honest = arena.listen(81, 16);
    let text = pattern(32 * 1400);
    // All windows are promised before the first text comes.
    let open = |n| arena.accepted(listener, Endpoint::new(Arena::stranger(n), 4000), 80, sack_options());
    let peers: Vec<_> = (0..40).map(open).collect();
    for (peer, _) in peers.clone() {
        // All but the first segment.
        for (number, piece) in text.chunks(1400).enumerate().skip(1) {
            let beyond = Peer { seq: peer.seq + number as u32 * 1400, ..peer };
            arena.say(&beyond, Flags::ACK, Options::NONE, piece);
        }
    }
    assert!(arena.victim().stats().tcp.memory_drops > 0, "there was more than the host has memory for");
    arena.pass(patience_us / 2);
    assert!(arena.serves_honest_client(honest, 81));
    assert_eq!(arena.victim().stats().tcp.out_of_order_forgotten, 0, "none has waited for long");
    arena.pass(patience_us);
    assert!(arena.serves_honest_client(honest, 81));
    assert!((1..40).contains(&arena.victim().stats().tcp.out_of_order_forgotten));
    // The first of them sends all again.
    let (peer, socket) = peers[0];
    let mut came = Vec::new();
    for (number, piece) in text.chunks(1400).enumerate() {
        let next = Peer { seq: peer.seq + number as u32 * 1400, ..peer };
        arena.say(&next, Flags::ACK, Options::NONE, piece);
        came.extend(arena.pair.read(B, socket).unwrap_or_default());
    }
    assert!(came == text, "{} octets came", came.len());
}

/// A host, the listener of its honest clients, and 40 peers that ask for more than there is memory for and shut their
/// windows. Either they acknowledge what they got, one peer a second; or nothing, all at once.
fn besieged(config: Config, acknowledge: bool) -> (Arena, SocketId, Vec<(Peer, SocketId)>) {
    let mut arena = Arena::with(config);
    let listener = arena.listen(80, 64);
    let honest = arena.listen(81, 16);
    let mut peers: Vec<(Peer, SocketId)> = Vec::new();
    for n in 0..40 {
        let at = Endpoint::new(Arena::stranger(n), 4000);
        let (mut peer, socket) = arena.accepted(listener, at, 80, plain_options());
        while arena.pair.write(B, socket, &pattern(16 * 1024)).is_ok() {}
        let sent = arena.hear().iter().map(|heard| heard.text.len() as u32).sum::<u32>();
        assert!(sent > 0 || n > 20);
        peer.ack += if acknowledge { sent } else { 0 };
        peer.window = 0;
        arena.ack(&peer);
        peers.push((peer, socket));
        if acknowledge {
            live(&mut arena, &peers, 1);
        }
    }
    (arena, honest, peers)
}

/// Lets seconds pass in which the peers answer all probes.
fn live(arena: &mut Arena, peers: &[(Peer, SocketId)], seconds: u32) {
    for _ in 0..seconds {
        arena.pass(1_000_000);
        for heard in arena.hear() {
            let peer = peers.iter().find(|(peer, _)| peer.at == heard.to);
            if let Some((peer, _)) = peer.filter(|_| !heard.has(Flags::RST)) {
                arena.ack(peer);
            }
        }
    }
}

/// Which of the peers' connections are still open.
fn alive(arena: &mut Arena, peers: &[(Peer, SocketId)]) -> Vec<bool> {
    let states = peers.iter().map(|(_, socket)| arena.victim().state(*socket));
    states.map(|state| state == Ok(State::Established)).collect()
}

/// Milliseconds from the host to its peer, and back.
const ONE_WAY_MS: u64 = 10;

/// A peer that is honest, behind a path with a delay, that loses what is sent while `is_down`.
struct FarPeer {
    peer: Peer,
    /// Octets in order, and ranges beyond them.
    have: u32,
    later: BTreeMap<u32, u32>,
    /// What is under way, with the millisecond of its arrival: ranges of text, and acknowledgements.
    text: VecDeque<(u64, u32, u32)>,
    acks: VecDeque<(u64, u32, SackBlocks)>,
}

impl FarPeer {
    fn new(peer: Peer) -> FarPeer {
        FarPeer { peer, have: 0, later: BTreeMap::new(), text: VecDeque::new(), acks: VecDeque::new() }
    }

    /// Takes the octets from `from` to before `end`, and acknowledges what there is.
    fn take(&mut self, ms: u64, from: u32, end: u32) {
        self.later.insert(from, self.later.get(&from).map_or(end, |known| end.max(*known)));
        while let Some((&from, &end)) = self.later.first_key_value()
            && from <= self.have
        {
            self.have = self.have.max(end);
            self.later.remove(&from);
        }
        let mut blocks: Vec<(u32, u32)> = Vec::new();
        for (&from, &end) in &self.later {
            match blocks.last_mut() {
                Some((_, last)) if from <= *last => *last = end.max(*last),
                _ => blocks.push((from, end)),
            }
        }
        let start = self.peer.ack;
        let sack = blocks.iter().rev().take(4).map(|&(from, end)| (start + from, start + end)).collect();
        self.acks.push_back((ms + ONE_WAY_MS, self.have, sack));
    }
}

/// Octets that arrive in `seconds` from a host that always has more to send.
fn goodput(seconds: u32, is_down: impl Fn(u64) -> bool) -> u32 {
    let mut arena = Arena::new();
    let listener = arena.listen(80, 16);
    let at = Endpoint::new(Arena::stranger(1), 4000);
    let (peer, socket) = arena.accepted(listener, at, 80, sack_options());
    let text = pattern(64 * 1024);
    let mut far = FarPeer::new(peer);
    for ms in 0..u64::from(seconds) * 1_000 {
        while arena.pair.write(B, socket, &text).is_ok() {}
        arena.pass(1_000);
        for heard in arena.hear() {
            let from = heard.seq.since(peer.ack).unwrap();
            if !heard.text.is_empty() && !is_down(ms) {
                far.text.push_back((ms + ONE_WAY_MS, from, from + heard.text.len() as u32));
            }
        }
        while let Some((_, from, end)) = far.text.pop_front_if(|(at, ..)| *at <= ms) {
            far.take(ms, from, end);
        }
        while let Some((_, have, sack)) = far.acks.pop_front_if(|(at, ..)| *at <= ms) {
            let peer = Peer { ack: peer.ack + have, ..peer };
            arena.say(&peer, Flags::ACK, Options { sack, ..Options::NONE }, &[]);
        }
    }
    assert_eq!(arena.victim().state(socket), Ok(State::Established));
    far.have
}

/// G15, Shrew: everything is lost for 100 ms of each second, which starves a sender whose timeout is a second, because
/// all its retransmissions meet the next burst.
///
/// What is left to a sender that recovers: a burst takes 100 ms; the timeout comes no later than a round trip (20 ms),
/// the probe's two round trips and the least timeout with a round trip (220 ms) after its begin, so 280 ms, when the
/// burst is over; slow start is back at half of the window of 44 segments after 5 round trips, 100 ms. So 600 ms of
/// each second pass at half of the undisturbed rate or more: three tenths. A quarter is asked for.
#[test]
fn g15_bursts_of_loss_in_step_with_the_timer_leave_a_quarter() {
    let seconds = count(60, 8);
    let calm = goodput(seconds, |_| false);
    let attacked = goodput(seconds, |ms| ms % 1_000 < 100);
    assert!(attacked >= calm / 4, "{attacked} octets, and {calm} without bursts");
}
