//! Fast Open between two hosts (RFC 7413).
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod common;

use common::*;
use portolan_stack::*;
use portolan_tcp::FastOpenKnob;
use portolan_wire::{Endpoint, Family};

const MSS: usize = 1460;

fn pair(knob: FastOpenKnob) -> Pair {
    let tcp = portolan_tcp::Config { fast_open: knob, ..portolan_tcp::Config::default() };
    Pair::with(Config { tcp, ..Config::default() }, ethernet_caps(1500), 1)
}

fn both() -> Pair {
    pair(FastOpenKnob::CLIENT | FastOpenKnob::SERVER)
}

fn listen(pair: &mut Pair, family: Family, pending: u32) -> SocketId {
    let listener = pair.listen(B, family, 80, 16);
    pair.hosts[B].set_option(pair.now, listener, SocketOption::FastOpen(pending)).unwrap();
    listener
}

fn to(family: Family) -> Endpoint {
    Endpoint::new(address(B, family), 80)
}

/// A new socket of A and what its fast open says.
fn open(pair: &mut Pair, family: Family, octets: &[u8]) -> (SocketId, Result<usize, SocketError>) {
    let id = pair.hosts[A].tcp_socket(family).unwrap();
    let sent = pair.hosts[A].send_fast_open(pair.now, id, to(family), octets);
    (id, sent)
}

fn open_again(pair: &mut Pair, id: SocketId) -> Result<usize, SocketError> {
    let to = pair.hosts[A].remote(id).unwrap();
    pair.hosts[A].send_fast_open(pair.now, id, to, b"more")
}

fn accept(pair: &mut Pair, listener: SocketId) -> SocketId {
    pair.hosts[B].accept(pair.now, listener).unwrap().0
}

/// Makes A know B's cookie.
fn warm_up(pair: &mut Pair, family: Family, listener: SocketId) {
    let (id, sent) = open(pair, family, b"lost on nobody");
    assert_eq!(sent, Err(SocketError::InProgress));
    pair.settle();
    assert!(!pair.hosts[A].info(id).unwrap().syn_data);
    let server = accept(pair, listener);
    pair.hosts[A].close(pair.now, id).unwrap();
    pair.hosts[B].close(pair.now, server).unwrap();
    pair.settle();
}

// RFC 7413 §2
#[test]
fn with_a_cookie_the_text_is_there_before_the_handshake_is_over() {
    for family in [Family::V4, Family::V6] {
        let mut pair = both();
        let listener = listen(&mut pair, family, 4);
        warm_up(&mut pair, family, listener);
        let (client, sent) = open(&mut pair, family, &pattern(3000));
        let took = MSS - 40 - if family == Family::V6 { 20 } else { 0 };
        assert_eq!(sent, Ok(took));
        assert_eq!(open_again(&mut pair, client), Err(SocketError::AlreadyConnecting));
        // Only the SYN has crossed, and the answer is on its way.
        pair.carry(A);
        let server = accept(&mut pair, listener);
        assert_eq!(pair.hosts[B].state(server), Ok(State::SynReceived));
        assert_eq!(pair.read(B, server).unwrap(), pattern(3000)[..took]);
        assert_eq!(pair.write(B, server, b"answer"), Ok(6));
        pair.settle();
        assert_eq!(pair.hosts[B].state(server), Ok(State::Established));
        assert_eq!(pair.read(A, client).unwrap(), b"answer");
        for (host, id) in [(A, client), (B, server)] {
            assert!(pair.hosts[host].info(id).unwrap().syn_data);
            assert!(!pair.saw(host, |event| matches!(event, Event::ConnectFailed(..) | Event::Failed(..))));
        }
        assert!(pair.saw(A, |event| matches!(event, Event::Connected(id) if *id == client)));
        let rest = pattern(3000)[took..].to_vec();
        assert_eq!(pair.transfer(A, client, server, &rest), rest);
        let stats = (pair.hosts[A].stats().tcp, pair.hosts[B].stats().tcp);
        assert_eq!((stats.0.fast_open_active, stats.1.fast_open_passive), (1, 1));
        assert_eq!(pair.hosts[B].stats().tcp_host.fast_open_requests, 1);
    }
}

#[test]
fn after_the_handshake_it_is_a_write() {
    let mut pair = both();
    let (client, server) = pair.connected(Family::V4, 80);
    assert_eq!(open_again(&mut pair, client), Ok(4));
    pair.settle();
    assert_eq!(pair.read(B, server).unwrap(), b"more");
}

#[test]
fn connect_waits_for_the_first_write_if_there_is_a_cookie() {
    let mut pair = both();
    let listener = listen(&mut pair, Family::V4, 4);
    warm_up(&mut pair, Family::V4, listener);
    let host = &mut pair.hosts[A];
    let id = host.tcp_socket(Family::V4).unwrap();
    host.set_option(pair.now, id, SocketOption::FastOpenConnect(true)).unwrap();
    host.connect(pair.now, id, to(Family::V4)).unwrap();
    assert!(host.awaits_first_write(id) && host.readiness(id).unwrap().writable);
    assert_eq!(host.connect(pair.now, id, to(Family::V4)), Err(SocketError::AlreadyConnected));
    assert_eq!(host.read(pair.now, id, &mut [0; 9]), Err(SocketError::WouldBlock));
    pair.settle();
    assert!(pair.saw(A, |event| matches!(event, Event::Connected(own) if *own == id)));
    assert_eq!(pair.hosts[B].stats().tcp.fast_open_passive, 0, "no SYN yet");
    assert_eq!(pair.write(A, id, b"first"), Ok(5));
    assert!(!pair.hosts[A].awaits_first_write(id));
    pair.settle();
    let server = accept(&mut pair, listener);
    assert_eq!(pair.read(B, server).unwrap(), b"first");
    // A write of nothing sends the SYN alone.
    let id = pair.hosts[A].tcp_socket(Family::V4).unwrap();
    pair.hosts[A].set_option(pair.now, id, SocketOption::FastOpenConnect(true)).unwrap();
    pair.hosts[A].connect(pair.now, id, to(Family::V4)).unwrap();
    assert_eq!(pair.write(A, id, b""), Err(SocketError::InProgress));
    pair.settle();
    assert_eq!(pair.hosts[A].state(id), Ok(State::Established));
}

#[test]
fn the_knob_decides_who_takes_part() {
    let mut off = pair(FastOpenKnob::SERVER);
    let (id, sent) = open(&mut off, Family::V4, b"x");
    assert_eq!(sent, Err(SocketError::NotSupported));
    let set = off.hosts[A].set_option(off.now, id, SocketOption::FastOpenConnect(true));
    assert_eq!(set, Err(SocketError::NotSupported));
    // No cookie is needed, and every listener takes part.
    let mut free = pair(FastOpenKnob::all());
    let listener = free.listen(B, Family::V4, 80, 16);
    let (_, sent) = open(&mut free, Family::V4, b"free");
    assert_eq!(sent, Ok(4));
    free.settle();
    let server = accept(&mut free, listener);
    assert_eq!(free.read(B, server).unwrap(), b"free");
    // One side alone: the text arrives later.
    for (knob, server_alone) in
        [(FastOpenKnob::CLIENT | FastOpenKnob::CLIENT_NO_COOKIE, false), (FastOpenKnob::all(), true)]
    {
        let mut pair = pair(knob);
        let listener = pair.listen(B, Family::V4, 80, 16);
        if server_alone {
            pair.hosts[B].set_option(pair.now, listener, SocketOption::FastOpen(0)).unwrap();
        }
        let (client, sent) = open(&mut pair, Family::V4, b"late");
        assert_eq!(sent, Ok(4));
        pair.settle();
        let server = accept(&mut pair, listener);
        assert_eq!(pair.read(B, server).unwrap(), b"late");
        assert!(!pair.hosts[A].info(client).unwrap().syn_data);
    }
}

#[test]
fn a_bad_cookie_costs_a_round_trip_and_is_replaced() {
    let mut pair = both();
    let listener = listen(&mut pair, Family::V4, 4);
    warm_up(&mut pair, Family::V4, listener);
    pair.hosts[B].set_fast_open_keys(FastOpenKeys { primary: [1; 16], backup: None });
    for took in [false, true] {
        let (client, sent) = open(&mut pair, Family::V4, b"hello");
        assert_eq!(sent, Ok(5));
        pair.settle();
        let server = accept(&mut pair, listener);
        assert_eq!(pair.read(B, server).unwrap(), b"hello");
        assert_eq!(pair.hosts[A].info(client).unwrap().syn_data, took);
    }
    // A listener's own keys, the old ones as backup.
    let keys = FastOpenKeys { primary: [2; 16], backup: Some([1; 16]) };
    pair.hosts[B].set_option(pair.now, listener, SocketOption::FastOpenKey(keys)).unwrap();
    let (level, name) = (IPPROTO_TCP, 33);
    let octets = pair.hosts[B].getsockopt(pair.now, listener, level, name).unwrap();
    assert_eq!(octets, [[2; 16], [1; 16]].concat());
    assert_eq!(
        pair.hosts[B].setsockopt(pair.now, listener, level, name, &octets[..17]),
        Err(SocketError::InvalidArgument)
    );
    let (client, _) = open(&mut pair, Family::V4, b"hello");
    pair.settle();
    assert!(pair.hosts[A].info(client).unwrap().syn_data);
    assert_eq!(pair.hosts[B].stats().tcp_host.fast_open_bad_cookies, 1);
}

// RFC 7413 §5.1
#[test]
fn pending_fast_opens_are_bounded_and_the_others_shake_hands() {
    let mut pair = both();
    let listener = listen(&mut pair, Family::V4, 2);
    warm_up(&mut pair, Family::V4, listener);
    let clients: Vec<_> = (0..5).map(|_| open(&mut pair, Family::V4, b"hi").0).collect();
    pair.carry(A);
    assert_eq!(pair.hosts[B].stats().tcp.fast_open_passive, 2);
    assert_eq!(pair.hosts[B].counts().embryos, 3);
    pair.settle();
    for client in clients {
        assert_eq!(pair.hosts[A].state(client), Ok(State::Established));
        let server = accept(&mut pair, listener);
        assert_eq!(pair.read(B, server).unwrap(), b"hi");
    }
    // Those that were proved make room.
    assert_eq!(open(&mut pair, Family::V4, b"hi").1, Ok(2));
    pair.settle();
    assert_eq!(pair.hosts[B].stats().tcp.fast_open_passive, 3);
}

#[test]
fn a_listener_that_closes_resets_what_nobody_accepted() {
    let mut pair = both();
    let listener = listen(&mut pair, Family::V4, 4);
    warm_up(&mut pair, Family::V4, listener);
    let (client, _) = open(&mut pair, Family::V4, b"hi");
    pair.carry(A);
    pair.hosts[B].close(pair.now, listener).unwrap();
    pair.settle();
    assert!(pair.hosts[A].take_error(client).is_some());
    assert_eq!(pair.hosts[B].counts().connections, 0);
}

// RFC 7413 §4.1.3.1
#[test]
fn a_network_that_drops_fast_open_is_noticed() {
    let tcp = portolan_tcp::Config {
        fast_open: FastOpenKnob::CLIENT | FastOpenKnob::SERVER,
        fast_open_black_hole_s: 60,
        ..portolan_tcp::Config::default()
    };
    let mut pair = Pair::with(Config { tcp, ..Config::default() }, ethernet_caps(1500), 1);
    let listener = listen(&mut pair, Family::V4, 4);
    warm_up(&mut pair, Family::V4, listener);
    let first = open(&mut pair, Family::V4, b"hi").0;
    pair.lose = |from, frame| from == A && frame.len() > 47 && frame[23] == 6 && frame[47] == 2;
    pair.pass(10_000_000);
    assert_eq!(pair.hosts[A].stats().tcp.fast_open_black_holes, 1);
    pair.lose = |_, _| false;
    let (second, sent) = open(&mut pair, Family::V4, b"hi");
    assert_eq!(sent, Err(SocketError::InProgress), "a plain SYN, while it pauses");
    pair.pass(30_000_000);
    for id in [first, second] {
        assert_eq!(pair.hosts[A].state(id), Ok(State::Established));
    }
    pair.pass(60_000_000);
    assert_eq!(open(&mut pair, Family::V4, b"hi").1, Ok(2));
}
