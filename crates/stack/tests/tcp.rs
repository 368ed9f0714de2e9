//! TCP between two hosts.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod common;

use common::*;
use portolan_link::{PacketBuf, RxBatch, TxBatch};
use portolan_stack::*;
use portolan_wire::{Address, Endpoint, Family};

// RFC 9293 MUST-13
#[test]
fn text_goes_both_ways_over_both_families_and_the_tables_are_empty_at_the_end() {
    for family in [Family::V4, Family::V6] {
        let mut pair = Pair::new();
        let (client, server) = pair.connected(family, 80);
        assert_eq!(pair.hosts[A].state(client), Ok(State::Established));
        assert_eq!(pair.hosts[A].remote(client).unwrap(), Endpoint::new(address(B, family), 80));
        assert_eq!(pair.hosts[A].local(client).unwrap(), pair.hosts[B].remote(server).unwrap());
        let text = pattern(300_000);
        assert!(pair.transfer(A, client, server, &text) == text);
        assert!(pair.transfer(B, server, client, &text) == text);
        pair.hosts[A].shutdown_socket(pair.now, client, How::Write).unwrap();
        pair.settle();
        assert!(pair.saw(B, |event| matches!(event, Event::PeerClosed(id) if *id == server)));
        assert_eq!(pair.read(B, server), Ok(vec![]));
        assert_eq!(pair.write(B, server, b"last words"), Ok(10));
        pair.hosts[B].close(pair.now, server).unwrap();
        pair.settle();
        assert_eq!(pair.read(A, client), Ok(b"last words".to_vec()));
        assert_eq!(pair.read(A, client), Ok(vec![]));
        assert_eq!(pair.hosts[A].counts().time_waits, 1);
        pair.hosts[A].close(pair.now, client).unwrap();
        pair.pass(61_000_000);
        for (n, host) in pair.hosts.iter().enumerate() {
            let counts = host.counts();
            assert_eq!(
                (counts.sockets, counts.connections, counts.flows, counts.ports, counts.time_waits),
                (0, 0, 0, 0, 0),
                "{counts:?}"
            );
            assert_eq!(pair.dropped(n), 0, "{:?}", host.stats().drops);
        }
    }
}

#[test]
fn a_closed_port_refuses_at_once() {
    for family in [Family::V4, Family::V6] {
        let mut pair = Pair::new();
        let client = pair.connect(A, Endpoint::new(address(B, family), 81));
        pair.settle();
        let refused = SocketError::ConnectionRefused;
        assert!(pair.saw(
            A,
            |event| matches!(event, Event::ConnectFailed(id, error) if *id == client && *error == refused)
        ));
        assert_eq!(pair.hosts[A].take_error(client), Some(refused));
        assert_eq!(pair.hosts[A].counts().flows, 0);
        assert_eq!(pair.hosts[B].stats().drops.count(DropReason::TcpNoConnection), 1);
        pair.hosts[A].close(pair.now, client).unwrap();
        assert_eq!(pair.hosts[A].counts().connections, 0);
    }
}

#[test]
fn a_silent_neighbour_is_host_unreachable_after_three_questions() {
    let mut pair = Pair::new();
    for to in ["10.0.0.77:80", "[fd00::77]:80"] {
        let client = pair.connect(A, endpoint(to));
        pair.pass(2_900_000);
        assert!(!pair.saw(A, |event| matches!(event, Event::ConnectFailed(..))));
        pair.pass(200_000);
        let unreachable = SocketError::HostUnreachable;
        assert!(pair.saw(
            A,
            |event| matches!(event, Event::ConnectFailed(id, error) if *id == client && *error == unreachable)
        ));
        pair.hosts[A].close(pair.now, client).unwrap();
    }
    assert_eq!(pair.hosts[A].counts().timers, 0);
}

#[test]
fn no_route_fails_the_call_itself() {
    let mut pair = Pair::new();
    let id = pair.hosts[A].tcp_socket(Family::V4).unwrap();
    let result = pair.hosts[A].connect(pair.now, id, endpoint("192.0.2.1:80"));
    assert_eq!(result, Err(SocketError::NetworkUnreachable));
    let link = pair.links[A];
    let route =
        |kind, destination| Route { destination: cidr(destination), via: None, link, kind, metric: 0 };
    pair.hosts[A].add_route(pair.now, route(RouteKind::Unreachable, "192.0.2.0/24")).unwrap();
    assert_eq!(
        pair.hosts[A].connect(pair.now, id, endpoint("192.0.2.1:80")),
        Err(SocketError::HostUnreachable)
    );
    let id = pair.hosts[A].tcp_socket(Family::V6).unwrap();
    assert_eq!(
        pair.hosts[A].connect(pair.now, id, endpoint("[2001:db8::1]:80")),
        Err(SocketError::NetworkUnreachable)
    );
}

#[test]
fn the_accept_queue_holds_one_more_than_the_backlog_and_a_full_one_drops_syns() {
    let mut pair = Pair::new();
    let listener = pair.listen(B, Family::V4, 80, 2);
    let clients: Vec<_> = (0..5)
        .map(|_| {
            let client = pair.connect(A, Endpoint::new(v4(B), 80));
            pair.settle();
            client
        })
        .collect();
    let connected = clients.iter().filter(|id| pair.hosts[A].state(**id) == Ok(State::Established)).count();
    assert_eq!(connected, 3);
    assert!(pair.hosts[B].stats().drops.count(DropReason::AcceptQueueFull) >= 2);
    for _ in 0..3 {
        pair.hosts[B].accept(pair.now, listener).unwrap();
    }
    assert_eq!(pair.hosts[B].accept(pair.now, listener), Err(SocketError::WouldBlock));
    // The SYNs come again and find room.
    pair.pass(4_000_000);
    assert!(clients.iter().all(|id| pair.hosts[A].state(*id) == Ok(State::Established)));
    assert!(pair.hosts[B].accept(pair.now, listener).is_ok());
}

#[test]
fn the_syn_queue_is_bounded_and_its_syn_acks_are_sent_again_and_then_given_up() {
    let tcp = portolan_tcp::Config { syn_cookies: 0, ..portolan_tcp::Config::default() };
    let mut pair = Pair::with(Config { tcp, ..Config::default() }, ethernet_caps(1500), 1);
    // The handshake's last ACK never arrives: frames of A after its SYN (66 octets and more with options) are lost.
    pair.lose = |from, frame| from == A && frame.len() > 47 && frame[23] == 6 && frame[47] == 0x10;
    let _listener = pair.listen(B, Family::V4, 80, 4);
    for _ in 0..6 {
        pair.connect(A, Endpoint::new(v4(B), 80));
        pair.settle();
    }
    assert_eq!(pair.hosts[B].counts().embryos, 4);
    assert_eq!(pair.hosts[B].stats().drops.count(DropReason::SynQueueFull), 2);
    let before = pair.hosts[B].stats().tcp_host.out_segs;
    pair.pass(10_000_000);
    assert!(pair.hosts[B].stats().tcp_host.out_segs >= before + 4 * 2, "SYN-ACKs are sent again");
    pair.pass(200_000_000);
    assert_eq!(pair.hosts[B].counts().embryos, 0, "and then given up");
}

#[test]
fn a_listener_that_is_closed_resets_what_waits_for_it() {
    let mut pair = Pair::new();
    let listener = pair.listen(B, Family::V4, 80, 4);
    let client = pair.connect(A, Endpoint::new(v4(B), 80));
    pair.settle();
    pair.hosts[B].close(pair.now, listener).unwrap();
    pair.settle();
    assert!(
        pair.saw(
            A,
            |event| matches!(event, Event::Failed(id, SocketError::ConnectionReset) if *id == client)
        )
    );
    assert_eq!(pair.read(A, client), Err(SocketError::ConnectionReset));
    let counts = pair.hosts[B].counts();
    assert_eq!((counts.connections, counts.flows, counts.ports), (0, 0, 0));
}

// RFC 9293 MUST-12, MAY-1, SHLD-3
#[test]
fn linger_zero_and_unread_text_reset() {
    let mut pair = Pair::new();
    let (client, server) = pair.connected(Family::V4, 80);
    pair.hosts[A].set_option(pair.now, client, SocketOption::Linger(Some(0))).unwrap();
    pair.hosts[A].close(pair.now, client).unwrap();
    pair.settle();
    assert_eq!(pair.read(B, server), Err(SocketError::ConnectionReset));
    let (client, server) = pair.connected(Family::V4, 81);
    pair.write(A, client, b"nobody reads this").unwrap();
    pair.settle();
    pair.hosts[B].close(pair.now, server).unwrap();
    pair.settle();
    assert_eq!(pair.read(A, client), Err(SocketError::ConnectionReset));
}

#[test]
fn a_dual_stack_listener_hears_both_families_unless_it_is_v6_only() {
    let mut pair = Pair::new();
    let listener = pair.listen(B, Family::V6, 80, 4);
    for family in [Family::V4, Family::V6] {
        let client = pair.connect(A, Endpoint::new(address(B, family), 80));
        pair.settle();
        assert_eq!(pair.hosts[A].state(client), Ok(State::Established));
        let (_, local, remote) = pair.hosts[B].accept(pair.now, listener).unwrap();
        assert_eq!((local.address.family(), remote.address), (family, address(A, family)));
    }
    let only = pair.hosts[B].tcp_socket(Family::V6).unwrap();
    pair.hosts[B].set_option(pair.now, only, SocketOption::V6Only(true)).unwrap();
    pair.hosts[B].bind(pair.now, only, Endpoint::new(Address::UNSPECIFIED, 81)).unwrap();
    pair.hosts[B].listen(pair.now, only, 4).unwrap();
    let client = pair.connect(A, Endpoint::new(v4(B), 81));
    pair.settle();
    assert_eq!(pair.hosts[A].take_error(client), Some(SocketError::ConnectionRefused));
}

#[test]
fn loopback_never_leaves_the_host() {
    for (listen, to) in
        [("127.0.0.1:80", "127.0.0.1:80"), ("[::1]:80", "[::1]:80"), ("0.0.0.0:80", "10.0.0.1:80")]
    {
        let mut pair = Pair::new();
        pair.settle();
        let before = pair.wire.len();
        let listener = pair.hosts[A].tcp_socket(endpoint(listen).address.family()).unwrap();
        pair.hosts[A].bind(pair.now, listener, endpoint(listen)).unwrap();
        pair.hosts[A].listen(pair.now, listener, 1).unwrap();
        let client = pair.connect(A, endpoint(to));
        pair.settle();
        let (server, ..) = pair.hosts[A].accept(pair.now, listener).unwrap();
        let text = pattern(200_000);
        let (mut sent, mut got) = (0, Vec::new());
        while got.len() < text.len() {
            if let Ok(len) = pair.write(A, client, &text[sent..]) {
                sent += len;
            }
            pair.pass(100);
            while let Ok(some) = pair.read(A, server) {
                got.extend(some);
            }
        }
        assert!(got == text);
        assert_eq!(pair.wire.len(), before, "nothing of it is on the wire");
    }
}

#[test]
fn shutdown_resets_everything() {
    let mut pair = Pair::new();
    let (client, server) = pair.connected(Family::V4, 80);
    let waiting = pair.listen(A, Family::V4, 90, 4);
    let queued = pair.connect(B, Endpoint::new(v4(A), 90));
    pair.settle();
    pair.hosts[A].shutdown(pair.now);
    pair.settle();
    assert_eq!(pair.read(B, server), Err(SocketError::ConnectionReset));
    assert_eq!(pair.read(B, queued), Err(SocketError::ConnectionReset));
    assert_eq!(pair.hosts[A].take_error(client), Some(SocketError::ConnectionAborted));
    assert_eq!(pair.hosts[A].take_error(waiting), Some(SocketError::NetworkDown));
    assert_eq!(pair.hosts[A].tcp_socket(Family::V4), Err(SocketError::NetworkDown));
    assert!(pair.hosts[A].is_quiet());
    assert_eq!(pair.hosts[A].counts().flows, 0);
}

#[test]
fn a_port_in_time_wait_is_in_use_unless_both_reuse_it() {
    let any = Endpoint::new(Address::V4_UNSPECIFIED, 80);
    for (first, second, free) in
        [(false, false, false), (true, false, false), (false, true, false), (true, true, true)]
    {
        let mut pair = Pair::new();
        let reusing = |pair: &mut Pair, on| {
            let id = pair.hosts[B].tcp_socket(Family::V4).unwrap();
            pair.hosts[B].set_option(pair.now, id, SocketOption::ReuseAddress(on)).unwrap();
            id
        };
        let listener = reusing(&mut pair, first);
        pair.hosts[B].bind(pair.now, listener, any).unwrap();
        pair.hosts[B].listen(pair.now, listener, 1).unwrap();
        let client = pair.connect(A, Endpoint::new(v4(B), 80));
        pair.settle();
        let (server, ..) = pair.hosts[B].accept(pair.now, listener).unwrap();
        for (host, id) in [(B, listener), (B, server), (A, client)] {
            pair.hosts[host].close(pair.now, id).unwrap();
            pair.settle();
        }
        assert_eq!(pair.hosts[B].counts().time_waits, 1);
        let listener = reusing(&mut pair, second);
        let bound = pair.hosts[B].bind(pair.now, listener, any);
        assert_eq!(bound.is_ok(), free, "{first} {second}: {bound:?}");
        assert!(free || bound == Err(SocketError::AddressInUse));
        // RFC 9293 §3.6.1: and after TIME-WAIT it is free for anybody.
        pair.pass(61_000_000);
        let listener = reusing(&mut pair, false);
        let bound = pair.hosts[B].bind(pair.now, listener, any);
        assert_eq!(bound.is_ok(), !free, "only who was bound above has it now");
    }
}

#[test]
fn summaries_tell_how_a_flow_went() {
    let config = Config { flow_summaries: true, ..Config::default() };
    let mut pair = Pair::with(config, ethernet_caps(1500), 3);
    let (client, server) = pair.connected(Family::V4, 80);
    pair.transfer(A, client, server, &pattern(10_000));
    pair.hosts[A].close(pair.now, client).unwrap();
    pair.hosts[B].close(pair.now, server).unwrap();
    pair.pass(100_000);
    let summary = pair.events[A].iter().find_map(|event| match event {
        Event::FlowClosed(summary) => Some((**summary).clone()),
        _ => None,
    });
    let summary = summary.unwrap();
    assert_eq!((summary.octets_sent, summary.octets_received, summary.end), (10_000, 0, FlowEnd::Closed));
    assert_eq!(summary.handshake_us(), Some(0));
}

// RFC 9293 MUST-30, MUST-32, MUST-33, MUST-62
#[test]
fn urgent_text_is_told_at_once_and_read_in_line_up_to_its_mark() {
    let mut pair = Pair::new();
    let (client, server) = pair.connected(Family::V4, 80);
    pair.write(A, client, b"plain ").unwrap();
    let now = pair.now;
    let written = pair.hosts[A].write_with(now, client, b"urgent", WriteFlags::URGENT);
    assert_eq!(written, Ok(6));
    pair.write(A, client, b" and after").unwrap();
    pair.settle();
    assert!(pair.saw(B, |event| matches!(event, Event::Urgent(id) if *id == server)));
    assert!(pair.hosts[B].readiness(server).unwrap().priority);
    assert_eq!(pair.hosts[B].urgent_remaining(server), Ok(12));
    assert_eq!(pair.hosts[B].at_mark(server), Ok(false));
    let mut out = [0; 64];
    assert_eq!(pair.hosts[B].read(now, server, &mut out), Ok(11));
    assert_eq!(out[..11], *b"plain urgen");
    assert_eq!(pair.hosts[B].at_mark(server), Ok(true));
    assert_eq!(pair.hosts[B].read(now, server, &mut out), Ok(11));
    assert_eq!(out[..11], *b"t and after");
    assert_eq!((pair.hosts[B].at_mark(server), pair.hosts[B].urgent_remaining(server)), (Ok(false), Ok(0)));
    assert!(!pair.hosts[B].readiness(server).unwrap().priority);
}

/// A jumbo frame may come in a packet of two parts, and the checksum is over both. RFC 9293 MUST-3
#[test]
fn the_checksum_is_over_both_parts_of_a_packet() {
    let mut pair = Pair::with(Config::default(), ethernet_caps(9000), 1);
    let (client, server) = pair.connected(Family::V4, 80);
    let text = pattern(8_000);
    for damaged in [false, true] {
        // What came before is acknowledged.
        pair.pass(100_000);
        pair.write(A, client, &text).unwrap();
        let (mut batch, mut received) = (TxBatch::new(64), RxBatch::new(64));
        pair.hosts[A].poll_transmit(pair.now, pair.links[A], &mut batch);
        while let Some(entry) = batch.front() {
            let mut frame = vec![0; entry.len()];
            entry.copy_to(&mut frame);
            *frame.last_mut().unwrap() ^= u8::from(damaged);
            batch.advance(1);
            let pool = pair.hosts[B].pool();
            let mut packet = PacketBuf::in_two_parts(pool, 64, frame.len());
            let [head, tail] = packet.room_mut();
            let (first, second) = frame.split_at(head.len().min(frame.len()));
            head[..first.len()].copy_from_slice(first);
            tail[..second.len()].copy_from_slice(second);
            packet.set_filled(pool, frame.len());
            assert!(!packet.tail().is_empty());
            assert!(received.push(packet).is_ok());
        }
        pair.hosts[B].receive(pair.now, pair.links[B], &mut received);
        let expected = if damaged { Err(SocketError::WouldBlock) } else { Ok(text.clone()) };
        assert_eq!(pair.read(B, server), expected);
    }
    assert_eq!(pair.hosts[B].stats().drops.count(DropReason::TcpChecksum), 1);
}

// SO_RCVLOWAT: a reader is not woken for less, but a read takes what there is, and the end is always news.
#[test]
fn a_reader_waits_for_its_low_water() {
    let mut pair = Pair::new();
    let (client, server) = pair.connected(Family::V4, 80);
    let readable = |pair: &mut Pair| pair.hosts[B].readiness(server).unwrap().readable;
    pair.hosts[B].set_option(pair.now, server, SocketOption::ReceiveLowWater(1000)).unwrap();
    pair.write(A, client, &pattern(999)).unwrap();
    pair.settle();
    assert!(!readable(&mut pair));
    pair.write(A, client, &[9]).unwrap();
    pair.pass(500_000);
    assert!(readable(&mut pair));
    assert_eq!(pair.read(B, server).unwrap().len(), 1000);
    pair.write(A, client, b"short").unwrap();
    pair.settle();
    assert!(!readable(&mut pair));
    assert_eq!(pair.read(B, server).unwrap(), b"short");
    pair.write(A, client, b"the end").unwrap();
    pair.hosts[A].close(pair.now, client).unwrap();
    pair.pass(500_000);
    assert!(readable(&mut pair));
}

// SO_RCVLOWAT: no more is waited for than half of the buffer, or the window would shut before.
#[test]
fn a_low_water_beyond_the_buffer_is_reached_all_the_same() {
    let mut pair = Pair::new();
    let (client, server) = pair.connected(Family::V4, 80);
    for option in [SocketOption::ReceiveBuffer(20_000), SocketOption::ReceiveLowWater(1 << 30)] {
        pair.hosts[B].set_option(pair.now, server, option).unwrap();
    }
    let text = pattern(40_000);
    let mut written = 0;
    for _ in 0..50 {
        written += pair.write(A, client, &text[written..]).unwrap_or(0);
        pair.pass(100_000);
        if pair.hosts[B].readiness(server).unwrap().readable {
            return;
        }
    }
    panic!("{} octets wait", pair.hosts[B].receive_queued(server).unwrap());
}
