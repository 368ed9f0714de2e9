//! B is a gateway: it accepts any destination and asks its application what to do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod common;

use common::*;
use portolan_stack::*;
use portolan_wire::{Endpoint, Family, FlowKey};

fn gateway(config: Config) -> Pair {
    let mut pair = Pair::with(config, ethernet_caps(1500), 1);
    let (now, link) = (pair.now, pair.links[A]);
    for (all, via) in [("0.0.0.0/0", v4(B)), ("::/0", v6(B))] {
        let route =
            Route { destination: cidr(all), via: Some(via), link, kind: RouteKind::Unicast, metric: 0 };
        pair.hosts[A].add_route(now, route).unwrap();
        let link = pair.links[B];
        let route = Route { destination: cidr(all), via: None, link, kind: RouteKind::Local, metric: 0 };
        pair.hosts[B].add_route(now, route).unwrap();
    }
    let link = pair.links[B];
    pair.hosts[B].set_intercept(link, Intercept { tcp: true, udp: true, echo: true }).unwrap();
    pair.settle();
    pair
}

fn outside(family: Family) -> Endpoint {
    endpoint(if family == Family::V4 { "93.184.216.34:80" } else { "[2001:db8::34]:80" })
}

fn request(pair: &mut Pair) -> Option<(RequestId, FlowKey)> {
    let at = pair.events[B].iter().position(|event| matches!(event, Event::Request(..)))?;
    match pair.events[B].remove(at) {
        Event::Request(id, _, flow) => Some((id, flow)),
        _ => None,
    }
}

#[test]
fn a_request_waits_joins_its_repetitions_and_becomes_a_connection() {
    for family in [Family::V4, Family::V6] {
        let mut pair = gateway(Config::default());
        let client = pair.connect(A, outside(family));
        pair.pass(8_000_000);
        let (id, flow) = request(&mut pair).unwrap();
        assert!(request(&mut pair).is_none(), "SYNs that come again join the request");
        assert_eq!((flow.local, flow.remote), (outside(family), pair.hosts[A].local(client).unwrap()));
        assert_eq!(pair.hosts[A].state(client), Ok(State::SynSent));
        let server = pair.hosts[B].accept_request(pair.now, id).unwrap();
        assert_eq!(pair.hosts[B].state(server), Ok(State::SynReceived));
        pair.settle();
        assert!(pair.saw(A, |event| matches!(event, Event::Connected(id) if *id == client)));
        assert!(pair.saw(B, |event| matches!(event, Event::Connected(id) if *id == server)));
        assert_eq!(pair.hosts[B].local(server).unwrap(), outside(family));
        let text = pattern(50_000);
        assert!(pair.transfer(A, client, server, &text) == text);
        assert!(pair.transfer(B, server, client, &text) == text);
        pair.hosts[A].close(pair.now, client).unwrap();
        pair.settle();
        assert!(pair.saw(B, |event| matches!(event, Event::PeerClosed(id) if *id == server)));
        pair.hosts[B].close(pair.now, server).unwrap();
        pair.pass(61_000_000);
        assert_eq!(pair.hosts[B].accept_request(pair.now, id), Err(SocketError::InvalidArgument));
        let counts = pair.hosts[B].counts();
        assert_eq!((counts.sockets, counts.connections, counts.flows, counts.ports), (0, 0, 0, 0));
    }
}

#[test]
fn every_refusal_reaches_the_program_as_its_errno() {
    use UnreachableCode::*;
    let v4_cases = [
        (Refusal::Reset, SocketError::ConnectionRefused),
        (Refusal::Unreachable(Network), SocketError::NetworkUnreachable),
        (Refusal::Unreachable(Host), SocketError::HostUnreachable),
        (Refusal::Unreachable(Port), SocketError::ConnectionRefused),
        (Refusal::Unreachable(Admin), SocketError::HostUnreachable),
    ];
    let v6_cases = [
        (Refusal::Reset, SocketError::ConnectionRefused),
        (Refusal::Unreachable(Network), SocketError::NetworkUnreachable),
        (Refusal::Unreachable(Host), SocketError::HostUnreachable),
        (Refusal::Unreachable(Port), SocketError::ConnectionRefused),
        (Refusal::Unreachable(Admin), SocketError::AccessDenied),
    ];
    for (family, cases) in [(Family::V4, v4_cases), (Family::V6, v6_cases)] {
        for (refusal, errno) in cases {
            let mut pair = gateway(Config::default());
            let client = pair.connect(A, outside(family));
            pair.settle();
            let (id, _) = request(&mut pair).unwrap();
            pair.hosts[B].refuse_request(pair.now, id, refusal);
            pair.settle();
            assert!(
                pair.saw(A, |event| matches!(event, Event::ConnectFailed(id, error) if *id == client && *error == errno)),
                "{family:?} {refusal:?}: {:?}",
                pair.events[A]
            );
            assert_eq!(pair.hosts[B].counts().requests, 0);
        }
    }
}

#[test]
fn silence_lets_the_program_try_again_and_ask_again() {
    let mut pair = gateway(Config::default());
    pair.connect(A, outside(Family::V4));
    pair.settle();
    let (id, _) = request(&mut pair).unwrap();
    pair.hosts[B].refuse_request(pair.now, id, Refusal::Silent);
    pair.settle();
    assert!(request(&mut pair).is_none());
    pair.pass(1_100_000);
    assert!(request(&mut pair).is_some(), "the next SYN is a request again");
}

#[test]
fn requests_are_bounded_and_end_by_time() {
    let mut pair = gateway(Config { requests_max: 3, ..Config::default() });
    for port in 1..=5 {
        pair.connect(A, Endpoint::new(outside(Family::V4).address, port));
    }
    pair.settle();
    assert_eq!(pair.hosts[B].counts().requests, 3);
    assert_eq!(pair.hosts[B].stats().drops.count(DropReason::RequestsFull), 2);
    pair.lose = |_, _| true;
    pair.pass(131_000_000);
    assert_eq!(pair.hosts[B].counts().requests, 0);
    assert_eq!((0..5).filter(|_| pair.saw(B, |event| matches!(event, Event::RequestGone(_)))).count(), 3);
}

#[test]
fn a_socket_of_the_gateways_own_hears_first_but_only_for_its_own_address() {
    let mut pair = gateway(Config::default());
    let listener = pair.listen(B, Family::V4, 80, 4);
    let own = pair.connect(A, Endpoint::new(v4(B), 80));
    let other = pair.connect(A, outside(Family::V4));
    let closed = pair.connect(A, Endpoint::new(v4(B), 81));
    pair.settle();
    assert_eq!(pair.hosts[A].state(own), Ok(State::Established));
    assert!(pair.hosts[B].accept(pair.now, listener).is_ok());
    assert_eq!(pair.hosts[A].state(other), Ok(State::SynSent));
    assert_eq!(request(&mut pair).unwrap().1.local, outside(Family::V4));
    assert_eq!(request(&mut pair).unwrap().1.local, Endpoint::new(v4(B), 81));
    assert_eq!(pair.hosts[A].state(closed), Ok(State::SynSent));
}

#[test]
fn datagrams_are_handed_up_and_answered_from_outside() {
    for family in [Family::V4, Family::V6] {
        let mut pair = gateway(Config::default());
        let client = pair.hosts[A].udp_socket(family).unwrap();
        pair.hosts[A].connect(pair.now, client, outside(family)).unwrap();
        for len in [5, 4000] {
            let payload = pattern(len);
            pair.hosts[A].send_to(pair.now, client, &payload, None, None).unwrap();
            pair.settle();
            let datagram = match pair.events[B].pop() {
                Some(Event::Datagram(datagram)) => datagram,
                other => panic!("{other:?}"),
            };
            assert_eq!(datagram.flow.local, outside(family));
            assert!(datagram.payload.as_slice() == payload);
            pair.hosts[B].udp_reply(pair.now, datagram.link, &datagram.flow, &payload).unwrap();
            pair.settle();
            let mut out = [0; 9000];
            let answer = pair.hosts[A].recv_from(pair.now, client, &mut out).unwrap();
            assert_eq!((answer.len, answer.from), (len, outside(family)));
        }
        for (refusal, errno) in [
            (Refusal::Unreachable(UnreachableCode::Port), SocketError::ConnectionRefused),
            (Refusal::Unreachable(UnreachableCode::Network), SocketError::NetworkUnreachable),
            (Refusal::PacketTooBig(1300), SocketError::MessageTooLong),
        ] {
            pair.hosts[A].send_to(pair.now, client, b"x", None, None).unwrap();
            pair.settle();
            let Some(Event::Datagram(datagram)) = pair.events[B].pop() else { panic!() };
            pair.hosts[B].udp_refuse(pair.now, &datagram, refusal);
            pair.settle();
            assert_eq!(pair.hosts[A].take_error(client), Some(errno), "{family:?} {refusal:?}");
        }
        // The path's MTU is learned: a datagram of 1400 octets now goes in two fragments.
        let before = pair.wire.len();
        pair.hosts[A].send_to(pair.now, client, &pattern(1400), None, None).unwrap();
        pair.settle();
        assert_eq!(pair.wire.len(), before + 2);
    }
}

#[test]
fn echoes_are_handed_up_and_answered_from_outside() {
    use portolan_link::{PacketBuf, RxBatch};
    use portolan_wire::{icmpv4, ipv4, protocol};
    let mut pair = gateway(Config::default());
    let target = outside(Family::V4).address;
    let mut packet = vec![0; 28 + 4];
    let header = ipv4::Emit {
        src: v4(A),
        dst: target,
        protocol: protocol::ICMPV4,
        ttl: 9,
        payload_len: 12,
        ..Default::default()
    };
    header.emit(&mut packet).unwrap();
    icmpv4::Message::EchoRequest { ident: 3, seq: 4 }.emit(b"data", &mut packet[20..]).unwrap();
    let frame = [&station(B).0[..], &station(A).0, &[8, 0], &packet].concat();
    let send = |pair: &mut Pair| {
        let mut batch = RxBatch::new(1);
        batch.push(PacketBuf::copy(pair.hosts[B].pool(), &frame)).unwrap();
        let link = pair.links[B];
        pair.hosts[B].receive(pair.now, link, &mut batch);
        pair.settle();
        match pair.events[B].pop() {
            Some(Event::Echo(request)) => request,
            other => panic!("{other:?}"),
        }
    };
    let request = send(&mut pair);
    assert_eq!((request.from, request.to, request.ident, request.seq), (v4(A), target, 3, 4));
    pair.hosts[B].echo_reply(pair.now, &request, request.data.as_slice());
    pair.settle();
    let reply = ipv4::parse(&pair.wire.last().unwrap().1[14..]).unwrap();
    assert_eq!((reply.header.src(), reply.header.dst()), (target, v4(A)));
    assert_eq!(
        icmpv4::parse(reply.payload).unwrap(),
        (icmpv4::Message::EchoReply { ident: 3, seq: 4 }, &b"data"[..])
    );
    let request = send(&mut pair);
    pair.hosts[B].echo_refuse(pair.now, &request, Refusal::Unreachable(UnreachableCode::Admin));
    pair.settle();
    let refusal = ipv4::parse(&pair.wire.last().unwrap().1[14..]).unwrap();
    assert_eq!(refusal.header.src(), v4(B), "the gateway signs its own refusals");
    let (message, quote) = icmpv4::parse(refusal.payload).unwrap();
    assert_eq!(message, icmpv4::Message::Unreachable { code: 13, next_hop_mtu: 0 });
    assert_eq!(quote, packet);
}

#[test]
fn what_is_not_intercepted_is_refused_as_usual() {
    let mut pair = gateway(Config::default());
    let link = pair.links[B];
    pair.hosts[B].set_intercept(link, Intercept::default()).unwrap();
    let client = pair.connect(A, outside(Family::V4));
    pair.settle();
    assert_eq!(pair.hosts[A].take_error(client), Some(SocketError::ConnectionRefused));
    // The loopback takes the setting as well: a host may share what nobody on it listens for.
    assert_eq!(pair.hosts[B].set_intercept(LinkId::LOOPBACK, Intercept::default()), Ok(()));
    // A wildcard listener hears for any destination that is accepted.
    let listener = pair.listen(B, Family::V4, 80, 4);
    pair.connect(A, outside(Family::V4));
    pair.settle();
    let (_, local, _) = pair.hosts[B].accept(pair.now, listener).unwrap();
    assert_eq!(local, outside(Family::V4));
}

#[test]
fn a_shutdown_refuses_what_was_asked() {
    let mut pair = gateway(Config::default());
    let client = pair.connect(A, outside(Family::V4));
    pair.settle();
    pair.hosts[B].shutdown(pair.now);
    pair.settle();
    assert_eq!(pair.hosts[A].take_error(client), Some(SocketError::ConnectionRefused));
    assert!(pair.hosts[B].is_quiet());
}

#[test]
fn a_gateway_speaks_in_the_name_of_those_it_accepts_packets_for() {
    for family in [Family::V4, Family::V6] {
        let mut pair = gateway(Config::default());
        let listener = pair.listen(A, family, 80, 5);
        let (client, server) = (outside(family), Endpoint::new(address(A, family), 80));
        let now = pair.now;
        let socket = pair.hosts[B].tcp_socket(family).unwrap();
        pair.hosts[B].bind(now, socket, client).unwrap();
        assert!(pair.hosts[A].has_listener(pair.links[A], server));
        assert!(!pair.hosts[A].has_listener(LinkId::LOOPBACK, Endpoint::new(server.address, 81)));
        pair.hosts[B].connect(now, socket, server).unwrap();
        pair.settle();
        let (accepted, local, remote) = pair.hosts[A].accept(pair.now, listener).unwrap();
        assert_eq!((local, remote), (server, client));
        let text = pattern(50_000);
        assert!(pair.transfer(A, accepted, socket, &text) == text);
        assert!(pair.transfer(B, socket, accepted, &text) == text);
        // A host that accepts nobody's packets has only its own names.
        let socket = pair.hosts[A].tcp_socket(family).unwrap();
        assert_eq!(pair.hosts[A].bind(pair.now, socket, client), Err(SocketError::AddressNotAvailable));
        let socket = pair.hosts[B].tcp_socket(Family::V4).unwrap();
        let group = endpoint("224.0.0.9:80");
        assert_eq!(pair.hosts[B].bind(pair.now, socket, group), Err(SocketError::AddressNotAvailable));
    }
}
