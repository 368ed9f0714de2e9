//! Class G, what openings and closings may cost.

use portolan_stack::*;
use portolan_wire::tcp::{Flags, Options};
use portolan_wire::{Address, Endpoint, Family, SeqNumber};

use crate::arena::*;
use crate::common::*;

/// A SYN from an address that nobody has.
fn spoofed(arena: &mut Arena, port: u16) -> Peer {
    let n = arena.random.below(1 << 24) as u32;
    let at = Endpoint::new(Arena::stranger(n), 1024 + arena.random.below(60_000) as u16);
    let peer = Peer { at, port, seq: arena.random.seq(), ack: SeqNumber(0), window: 1000 };
    arena.say(&peer, Flags::SYN, sack_options(), &[]);
    peer
}

/// G1, RFC 4987: while spoofed SYNs fill the queue 100 times over, every honest client gets in, at once; and the flood
/// costs no more than the queue holds.
#[test]
fn g1_every_honest_client_gets_in_during_a_syn_flood() {
    let mut arena = Arena::new();
    let listener = arena.listen(80, 128);
    let rounds = count(2_000, 100);
    for round in 0..rounds {
        for _ in 0..200 {
            spoofed(&mut arena, 80);
        }
        arena.turn();
        arena.heard.clear();
        let client = arena.pair.connect(A, Endpoint::new(v4(B), 80));
        arena.turn();
        assert_eq!(arena.pair.hosts[A].state(client), Ok(State::Established), "round {round}");
        assert_eq!(arena.pair.write(A, client, b"hello"), Ok(5));
        arena.turn();
        let now = arena.pair.now;
        let (server, ..) = arena.victim().accept(now, listener).unwrap();
        assert_eq!(arena.pair.read(B, server).unwrap(), b"hello");
        arena.pair.hosts[A].abort(now, client).unwrap();
        arena.turn();
        arena.victim().close(now, server).unwrap();
        arena.pair.now = arena.pair.now.plus_micros(100_000);
        assert!(arena.victim().counts().embryos <= 128);
    }
    let stats = arena.victim().stats().tcp_host;
    // Each minute, which is 600 rounds, places become free in the queue just before an honest client comes.
    let cookies = (stats.syn_cookies_sent, stats.syn_cookies_received);
    assert!(
        cookies.0 > u64::from(rounds) * 100 && cookies.1 >= u64::from(rounds - 1 - rounds / 600),
        "{cookies:?}"
    );
    // And guesses of cookies open nothing: one in 2^27 would.
    let before = arena.victim().counts().connections;
    for _ in 0..count(1_000_000, 10_000) {
        let n = arena.random.below(1 << 24) as u32;
        let at = Endpoint::new(Arena::stranger(n), 4000);
        let guess = Peer { at, port: 80, seq: arena.random.seq(), ack: arena.random.seq(), window: 1000 };
        arena.ack(&guess);
    }
    assert_eq!(arena.victim().counts().connections, before);
}

/// G9: handshakes that are completed and never accepted fill the accept queue and nothing else; once it is emptied,
/// clients get in again.
#[test]
fn g9_a_full_accept_queue_costs_nothing_and_recovers() {
    for syn_cookies in [1, 2] {
        let tcp = portolan_tcp::Config { syn_cookies, ..portolan_tcp::Config::default() };
        let mut arena = Arena::with(Config { tcp, ..Config::default() });
        let listener = arena.listen(80, 64);
        let connections = arena.victim().counts().connections;
        for _ in 0..count(100_000, 3_000) {
            let mut peer = spoofed(&mut arena, 80);
            let Some(answer) = arena.hear().into_iter().find(|heard| heard.has(Flags::SYN)) else { continue };
            peer.ack = answer.seq + 1;
            peer.seq += 1;
            arena.ack(&peer);
            arena.say(&peer, Flags::ACK | Flags::PSH, Options::NONE, b"request");
        }
        let counts = arena.victim().counts();
        assert_eq!(counts.connections - connections, 65, "the backlog and one");
        assert!(counts.embryos <= 64, "{counts:?}");
        let now = arena.pair.now;
        while let Ok((id, ..)) = arena.victim().accept(now, listener) {
            arena.victim().abort(now, id).unwrap();
        }
        arena.turn();
        let client = arena.pair.connect(A, Endpoint::new(v4(B), 80));
        arena.turn();
        assert_eq!(arena.pair.hosts[A].state(client), Ok(State::Established), "within a round trip");
        let now = arena.pair.now;
        assert!(arena.victim().accept(now, listener).is_ok());
        assert!(arena.serves_honest_client(listener, 80));
    }
}

/// G10: short connections leave no more records in TIME-WAIT than the limit, and ports run out only when all are taken.
#[test]
fn g10_time_wait_is_bounded_and_ports_last_as_long_as_there_are_any() {
    let limit = 500;
    let ports = 200_u16;
    let config =
        Config { time_wait_max: limit, ephemeral_ports: (40_000, 40_000 + ports - 1), ..Config::default() };
    let mut pair = Pair::with(config, ethernet_caps(1500), 5);
    pair.record = false;
    let listener = pair.listen(B, Family::V4, 80, 16);
    let to = Endpoint::new(v4(B), 80);
    // The client closes first, so that its side waits.
    let connect_and_close = |pair: &mut Pair| {
        let client = pair.hosts[A].tcp_socket(Family::V4).unwrap();
        pair.hosts[A].connect(pair.now, client, to)?;
        pair.settle();
        let (server, ..) = pair.hosts[B].accept(pair.now, listener).unwrap();
        pair.hosts[A].close(pair.now, client).unwrap();
        pair.settle();
        pair.hosts[B].close(pair.now, server).unwrap();
        pair.settle();
        Ok(())
    };
    for n in 0..ports {
        assert_eq!(connect_and_close(&mut pair), Ok(()), "port {n} of {ports}");
    }
    assert_eq!(pair.hosts[A].counts().time_waits, usize::from(ports));
    assert_eq!(connect_and_close(&mut pair), Err(SocketError::AddressNotAvailable), "all are truly in use");
    assert_eq!(connect_and_close(&mut pair), Err(SocketError::AddressNotAvailable));
    pair.settle();
    let told: Vec<String> = pair.events[A]
        .iter()
        .filter_map(|event| match event {
            Event::PortsExhausted(exhausted) => Some(exhausted.to_string()),
            _ => None,
        })
        .collect();
    let (what, next) = told[0].split_once("; ").unwrap();
    assert_eq!(
        what,
        "cannot connect from 10.0.0.1 to 10.0.0.2:80: all ports from 40000 to 40199 are in use for this destination, 200 \
         of them in TIME-WAIT"
    );
    assert!(
        told.len() == 1 && next.contains("another address") && !told[0].contains('\n'),
        "once, and what to do"
    );
    let elsewhere = pair.hosts[A].tcp_socket(Family::V4).unwrap();
    let other = Endpoint::new(Address::v4(10, 0, 0, 77), 80);
    assert_eq!(
        pair.hosts[A].connect(pair.now, elsewhere, other),
        Ok(()),
        "but not those to another destination"
    );
    pair.pass(61_000_000);
    assert_eq!(pair.hosts[A].counts().time_waits, 0);
    assert_eq!(connect_and_close(&mut pair), Ok(()));
    // A server that closes first, and clients without number.
    let mut arena = Arena::with(Config { time_wait_max: limit, ..Config::default() });
    let listener = arena.listen(80, 16);
    for n in 0..count(1_000_000, 2_000) {
        let at = Endpoint::new(Arena::stranger(n), 4000);
        let (peer, socket) = arena.accepted(listener, at, 80, plain_options());
        let now = arena.pair.now;
        arena.victim().close(now, socket).unwrap();
        let fin = arena.hear();
        let last = Peer { ack: fin[0].end(), ..peer };
        arena.say(&last, Flags::FIN | Flags::ACK, Options::NONE, &[]);
        arena.turn();
        arena.heard.clear();
        assert!(arena.victim().counts().time_waits <= limit);
    }
    let counts = arena.victim().counts();
    assert!(counts.time_waits == limit && counts.flows <= limit + 2, "{counts:?}");
    assert!(arena.serves_honest_client(listener, 80));
}

/// G13: a spoofed SYN makes the host send little: with a record as many SYN-ACKs as the knob says, with a cookie one,
/// to a closed port one reset.
#[test]
fn g13_a_spoofed_syn_is_not_amplified() {
    let answers = |syn_cookies: u8, port: u16| {
        let tcp = portolan_tcp::Config { syn_cookies, ..portolan_tcp::Config::default() };
        let mut arena = Arena::with(Config { tcp, ..Config::default() });
        arena.listen(80, 4096);
        for _ in 0..50 {
            spoofed(&mut arena, port);
        }
        arena.pass(300_000_000);
        let heard = arena.hear();
        assert!(heard.iter().all(|heard| heard.text.is_empty()));
        heard.len()
    };
    assert_eq!(answers(1, 80), 50 * 6, "one SYN-ACK and five retransmissions, 1 s to 32 s apart");
    assert_eq!(answers(2, 80), 50);
    assert_eq!(answers(1, 81), 50);
    // In a flood, nearly all get cookies.
    let mut arena = Arena::new();
    arena.listen(80, 128);
    for _ in 0..5_000 {
        spoofed(&mut arena, 80);
        arena.turn();
    }
    arena.pass(300_000_000);
    let sent = arena.hear().len();
    assert!(sent <= 5_000 + 128 * 5, "{sent}");
}
