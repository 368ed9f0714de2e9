//! Class F, first part: segments from who cannot see the connection.

use portolan_stack::*;
use portolan_wire::tcp::{Flags, Options};
use portolan_wire::{Endpoint, Mss, SeqNumber};

use crate::arena::*;

/// A peer whose window and ours are as wide as can be, and the victim's socket.
fn wide(arena: &mut Arena) -> (Peer, SocketId) {
    let listener = arena.listen(80, 16);
    let options = Options { mss: Mss::new(1460), window_scale: Some(14), ..Options::NONE };
    arena.accepted(listener, Endpoint::new(Arena::stranger(1), 4000), 80, options)
}

fn is_alive(arena: &mut Arena, peer: &Peer, socket: SocketId) -> bool {
    let now = arena.pair.now;
    arena.say(peer, Flags::ACK | Flags::PSH, Options::NONE, b"alive");
    arena.turn();
    let mut out = [0; 100];
    let host = arena.victim();
    host.state(socket) == Ok(State::Established)
        && host.read(now, socket, &mut out) == Ok(5)
        && &out[..5] == b"alive"
}

/// F4, RFC 5961 §3.2: a reset counts only with the very number that is expected next.
#[test]
fn f4_a_blind_reset_hits_only_with_the_exact_number() {
    let mut arena = Arena::new();
    let (peer, socket) = wide(&mut arena);
    // Every window/64 of the whole number space, then anywhere.
    let step = u64::from(u32::MAX) / u64::from(count(10_000_000, 20_000));
    let mut at = 0;
    while at < u64::from(u32::MAX) {
        let mut forged = peer;
        forged.seq = SeqNumber(at as u32);
        at += step.max(1);
        if forged.seq == peer.seq {
            continue;
        }
        let flags = if at % 2 == 0 { Flags::RST } else { Flags::RST | Flags::ACK };
        arena.say(&forged, flags, Options::NONE, &[]);
    }
    arena.pair.now = arena.pair.now.plus_micros(10_000_000);
    assert!(is_alive(&mut arena, &peer, socket));
    let stats = arena.victim().stats().tcp;
    assert_eq!(stats.estab_resets, 0);
    assert!(stats.challenge_acks > 0, "those in the window are answered, if seldom");
    let exact = Peer { seq: peer.seq + 5, ..peer };
    arena.say(&exact, Flags::RST, Options::NONE, &[]);
    assert_eq!(arena.victim().stats().tcp.estab_resets, 1);
}

/// F5, RFC 5961 §4: a SYN never ends a connection, and gets a challenge ACK once in a while.
#[test]
fn f5_a_blind_syn_gets_a_challenge_and_resets_nothing() {
    let mut arena = Arena::new();
    let (peer, socket) = wide(&mut arena);
    arena.heard.clear();
    for _ in 0..count(1_000_000, 5_000) {
        let mut forged = peer;
        forged.seq = arena.random.seq();
        let flags = if forged.seq.0 % 2 == 0 { Flags::SYN } else { Flags::SYN | Flags::ACK };
        arena.say(&forged, flags, plain_options(), &[]);
    }
    let answers = arena.hear();
    assert_eq!(answers.len(), 1, "one challenge, as no time has passed");
    assert!(answers[0].flags == Flags::ACK && answers[0].seq == peer.ack);
    arena.pair.now = arena.pair.now.plus_micros(10_000_000);
    assert!(is_alive(&mut arena, &peer, socket));
}

/// F6, CVE-2023-52881: with a window of a gigabyte, nearly every acknowledgement number would be a fresh enough old
/// one; what was never sent was never acknowledged either.
#[test]
fn f6_an_ack_of_octets_that_never_were_brings_no_text() {
    let mut arena = Arena::new();
    let (peer, socket) = wide(&mut arena);
    arena.heard.clear();
    // The peer's window is 65,535 << 14 octets from now on.
    arena.ack(&peer);
    let mut ghost = peer;
    ghost.ack = peer.ack.back(1 << 30);
    arena.say(&ghost, Flags::ACK | Flags::PSH, Options::NONE, b"forged");
    let answers = arena.hear();
    assert!(answers.len() == 1 && answers[0].flags == Flags::ACK && answers[0].end() == peer.ack);
    for _ in 0..count(1_000_000, 20_000) {
        let mut forged = peer;
        forged.seq = peer.seq + arena.random.below(60_000) as u32;
        forged.ack = arena.random.seq();
        if peer.ack.since(forged.ack) == Some(0) || peer.ack.since(forged.ack) == Some(1) {
            continue;
        }
        arena.say(&forged, Flags::ACK | Flags::PSH, Options::NONE, b"forged");
    }
    let now = arena.pair.now;
    assert_eq!(arena.victim().receive_queued(socket), Ok(0));
    assert_eq!(arena.victim().read(now, socket, &mut [0; 10]), Err(SocketError::WouldBlock));
    arena.pair.now = arena.pair.now.plus_micros(10_000_000);
    assert!(is_alive(&mut arena, &peer, socket));
}

/// F7, CVE-2016-5696: no count of answers is shared such that a stranger, by counting his own, learns whether a forged
/// segment was answered elsewhere.
#[test]
fn f7_challenges_elsewhere_are_not_seen_by_who_counts_his_own() {
    let mut arena = Arena::new();
    let listener = arena.listen(80, 16);
    let at = |n| Endpoint::new(Arena::stranger(n), 4000);
    let (victim, _) = arena.accepted(listener, at(1), 80, plain_options());
    let (own, _) = arena.accepted(listener, at(2), 80, plain_options());
    let rounds = count(10_000, 600);
    let mut counts = Vec::new();
    for _ in 0..rounds {
        arena.pair.now = arena.pair.now.plus_micros(1_000_000);
        arena.turn();
        arena.heard.clear();
        let right = arena.random.below(2) == 0;
        // The guess: a connection that is there, or one that is not.
        let mut guess = victim;
        guess.at.port += u16::from(!right);
        for n in 0..20 {
            guess.seq = victim.seq + 100 + n;
            arena.say(&guess, Flags::RST, Options::NONE, &[]);
        }
        // What is left for the attacker: challenges of his own connection, and resets of a closed port.
        for n in 0..20 {
            let probe = Peer { seq: own.seq + 100 + n, ..own };
            arena.say(&probe, Flags::RST, Options::NONE, &[]);
            let closed = Peer { port: 81, ..own };
            arena.ack(&closed);
        }
        let answers = arena.hear().iter().filter(|heard| heard.to == own.at).count();
        counts.push((answers, right));
    }
    // The best that he can do is to choose a threshold.
    let best = (0..60).map(|threshold| {
        let hits = counts.iter().filter(|(answers, right)| (*answers < threshold) == *right).count();
        hits.max(rounds as usize - hits)
    });
    let accuracy = best.max().unwrap() as f64 / f64::from(rounds);
    let allowed = if full() { 0.52 } else { 0.56 };
    assert!(accuracy < allowed, "{accuracy}");
}
