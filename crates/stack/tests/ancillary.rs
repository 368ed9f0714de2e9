//! What goes with datagrams: control messages of ip(7) and ipv6(7), and UDP-Lite's coverage (RFC 3828).
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod common;

use common::*;
use portolan_stack::*;
use portolan_wire::{Address, Cidr, Endpoint, Family, protocol};

const IP_TOS_RECEIVED: i32 = 13;
const IP_TTL_RECEIVED: i32 = 12;
const IPV6_HOP_LIMIT_RECEIVED: i32 = 51;
const SO_TIMESTAMPNS: i32 = 35;
const SEND_COVERAGE: i32 = 10;
const RECEIVE_COVERAGE: i32 = 11;
const IPPROTO_UDPLITE: i32 = 136;

fn set(pair: &mut Pair, host: usize, id: SocketId, level: i32, name: i32, value: i32) {
    let now = pair.now;
    pair.hosts[host].setsockopt(now, id, level, name, &value.to_ne_bytes()).unwrap();
}

fn bound(pair: &mut Pair, host: usize, family: Family, lite: bool) -> SocketId {
    let stack = &mut pair.hosts[host];
    let id = if lite { stack.udp_lite_socket(family) } else { stack.udp_socket(family) }.unwrap();
    stack.bind(pair.now, id, Endpoint::new(address(host, family), 53)).unwrap();
    id
}

fn told(pair: &mut Pair, host: usize, id: SocketId) -> Result<(Datagram, Told), SocketError> {
    let datagram = pair.hosts[host].recv_from(pair.now, id, &mut [0; 64])?;
    Ok((datagram, datagram.told.unwrap()))
}

#[test]
fn a_datagram_leaves_as_asked_and_its_receiver_is_told() {
    for family in [Family::V4, Family::V6] {
        let mut pair = Pair::new();
        let server = bound(&mut pair, B, family, false);
        let client = pair.hosts[A].udp_socket(family).unwrap();
        let to = Some(Endpoint::new(address(B, family), 53));
        let asked = Outgoing { to, hop_limit: Some(9), tos: Some(0x2e << 2), ..Outgoing::default() };
        pair.hosts[A].send_message(pair.now, client, b"as asked", &asked).unwrap();
        pair.hosts[A].send_to(pair.now, client, b"as usual", to, None).unwrap();
        pair.settle();
        let (datagram, first) = told(&mut pair, B, server).unwrap();
        assert_eq!((first.hop_limit, first.tos), (9, 0x2e << 2));
        assert_eq!(first.at, pair.now);
        assert_ne!(datagram.link, LinkId::LOOPBACK);
        let (_, second) = told(&mut pair, B, server).unwrap();
        assert_eq!((second.hop_limit, second.tos), (64, 0));
    }
}

#[test]
fn a_link_that_is_asked_for_is_the_only_one() {
    let mut pair = Pair::new();
    let client = pair.hosts[A].udp_socket(Family::V4).unwrap();
    let to = Some(Endpoint::new(v4(B), 53));
    let other = Outgoing { to, link: Some(LinkId::LOOPBACK), ..Outgoing::default() };
    // As for the kernel, index 0 is no wish at all.
    assert_eq!(pair.hosts[A].send_message(pair.now, client, b"x", &other), Ok(1));
    assert_eq!(pair.hosts[A].link_at(7), None);
    assert_eq!(pair.hosts[A].link_at(1).map(LinkId::index), Some(1));
}

#[test]
fn wishes_are_switched_on_and_off() {
    let mut pair = Pair::new();
    let server = bound(&mut pair, B, Family::V4, false);
    let client = pair.hosts[A].udp_socket(Family::V4).unwrap();
    let to = Some(Endpoint::new(v4(B), 53));
    let wishes = |pair: &mut Pair, options: &[(i32, i32, i32)]| {
        for &(level, name, value) in options {
            set(pair, B, server, level, name, value);
        }
        pair.hosts[A].send_to(pair.now, client, b"?", to, None).unwrap();
        pair.settle();
        let told = told(pair, B, server).unwrap().1;
        (told.tells, told.timestamp)
    };
    assert_eq!(wishes(&mut pair, &[]), (Tells::empty(), 0));
    let on =
        [(IPPROTO_IP, IP_TTL_RECEIVED, 1), (IPPROTO_IP, IP_TOS_RECEIVED, 1), (SOL_SOCKET, SO_TIMESTAMPNS, 1)];
    assert_eq!(wishes(&mut pair, &on), (Tells::TTL | Tells::TOS, 35));
    let off = on.map(|(level, name, _)| (level, name, 0));
    assert_eq!(wishes(&mut pair, &off), (Tells::empty(), 0));
    let now = pair.now;
    let wrong = pair.hosts[B].setsockopt(now, server, IPPROTO_IPV6, IPV6_HOP_LIMIT_RECEIVED, &[1; 4]);
    assert_eq!(wrong, Err(SocketError::NoSuchOption));
}

#[test]
fn udp_lite_is_a_protocol_of_its_own() {
    for family in [Family::V4, Family::V6] {
        let mut pair = Pair::new();
        let lite = bound(&mut pair, B, family, true);
        // The same port, and another protocol's.
        let udp = bound(&mut pair, B, family, false);
        let client = pair.hosts[A].udp_lite_socket(family).unwrap();
        let to = Endpoint::new(address(B, family), 53);
        pair.hosts[A].connect(pair.now, client, to).unwrap();
        for len in [0, 1, 1472, 4000] {
            pair.hosts[A].send_to(pair.now, client, &pattern(len), None, None).unwrap();
            pair.settle();
            assert_eq!(told(&mut pair, B, lite).unwrap().0.full_len, len);
        }
        assert_eq!(told(&mut pair, B, udp), Err(SocketError::WouldBlock));
        assert!(pair.hosts[B].stats().drops.count(DropReason::UdpChecksum) == 0);
        // Nobody there: told as for UDP.
        pair.hosts[B].close(pair.now, lite).unwrap();
        pair.hosts[A].send_to(pair.now, client, b"gone", None, None).unwrap();
        pair.settle();
        assert_eq!(told(&mut pair, A, client), Err(SocketError::ConnectionRefused));
    }
}

#[test]
fn what_is_covered_less_than_wanted_is_not_delivered() {
    let mut pair = Pair::new();
    let server = bound(&mut pair, B, Family::V4, true);
    let client = pair.hosts[A].udp_lite_socket(Family::V4).unwrap();
    let to = Some(Endpoint::new(v4(B), 53));
    let arrives = |pair: &mut Pair, sent: i32, wanted: Option<i32>| {
        set(pair, A, client, IPPROTO_UDPLITE, SEND_COVERAGE, sent);
        if let Some(wanted) = wanted {
            set(pair, B, server, IPPROTO_UDPLITE, RECEIVE_COVERAGE, wanted);
        }
        pair.hosts[A].send_to(pair.now, client, b"twelve bytes", to, None).unwrap();
        pair.settle();
        told(pair, B, server).is_ok()
    };
    assert!(arrives(&mut pair, 8, None), "nothing is wanted");
    assert!(!arrives(&mut pair, 8, Some(12)));
    assert!(arrives(&mut pair, 12, Some(12)));
    assert!(!arrives(&mut pair, 12, Some(0)), "all is wanted");
    assert!(arrives(&mut pair, 0, Some(0)));
    let level = IPPROTO_UDPLITE;
    let kept = pair.hosts[A].getsockopt(pair.now, client, level, SEND_COVERAGE).unwrap();
    assert_eq!(kept, 0_i32.to_ne_bytes());
    set(&mut pair, A, client, level, SEND_COVERAGE, 3);
    let kept = pair.hosts[A].getsockopt(pair.now, client, level, SEND_COVERAGE).unwrap();
    assert_eq!(kept, 8_i32.to_ne_bytes());
    let udp = pair.hosts[A].udp_socket(Family::V4).unwrap();
    let refused = pair.hosts[A].setsockopt(pair.now, udp, level, SEND_COVERAGE, &[8, 0, 0, 0]);
    assert_eq!(refused, Err(SocketError::NoSuchOption));
    assert_eq!(i32::from(protocol::UDPLITE), level);
}

const IP_RECVERR: i32 = 11;

#[test]
fn who_wants_all_errors_gets_them_one_by_one() {
    for (family, level, name, ty, code) in
        [(Family::V4, IPPROTO_IP, IP_RECVERR, 3, 3), (Family::V6, IPPROTO_IPV6, 25, 1, 4)]
    {
        let mut pair = Pair::new();
        let client = pair.hosts[A].udp_socket(family).unwrap();
        let ask = |pair: &mut Pair, text: &[u8], port: u16| {
            let to = Endpoint::new(address(B, family), port);
            pair.hosts[A].send_to(pair.now, client, text, Some(to), None).unwrap();
            pair.settle();
        };
        // Nothing is kept of what nobody asked for, and a socket without a peer is told nothing.
        ask(&mut pair, b"first", 7);
        assert_eq!(pair.hosts[A].take_report(client), Err(SocketError::WouldBlock));
        assert_eq!(told(&mut pair, A, client), Err(SocketError::WouldBlock));
        set(&mut pair, A, client, level, name, 1);
        ask(&mut pair, b"second", 8);
        let report = pair.hosts[A].take_report(client).unwrap();
        assert_eq!((report.error, report.ty, report.code), (SocketError::ConnectionRefused, ty, code));
        assert_eq!((report.from, report.to), (address(B, family), Endpoint::new(address(B, family), 8)));
        assert_eq!(report.payload, b"second");
        // The error went with its report.
        assert_eq!(told(&mut pair, A, client), Err(SocketError::WouldBlock));
        ask(&mut pair, b"third", 9);
        assert_eq!(told(&mut pair, A, client), Err(SocketError::ConnectionRefused));
        assert!(pair.hosts[A].take_report(client).is_ok(), "the report outlives the errno");
    }
}

#[test]
fn reports_are_bounded_in_number_and_size() {
    let mut pair = Pair::new();
    let client = pair.hosts[A].udp_socket(Family::V4).unwrap();
    set(&mut pair, A, client, IPPROTO_IP, IP_RECVERR, 1);
    let to = Some(Endpoint::new(v4(B), 9));
    for _ in 0..40 {
        let _ = pair.hosts[A].take_error(client);
        pair.hosts[A].send_to(pair.now, client, &pattern(1400), to, None).unwrap();
        pair.settle();
        pair.pass(1_000_000);
    }
    let mut kept = 0;
    while let Ok(report) = pair.hosts[A].take_report(client) {
        assert_eq!(report.payload, pattern(256));
        kept += 1;
    }
    assert_eq!(kept, 16);
}

#[test]
fn a_datagram_that_must_not_be_fragmented_is_not() {
    for (family, level, name, most) in
        [(Family::V4, IPPROTO_IP, 10, 1472), (Family::V6, IPPROTO_IPV6, 23, 1452)]
    {
        let mut pair = Pair::new();
        let server = bound(&mut pair, B, family, false);
        let client = pair.hosts[A].udp_socket(family).unwrap();
        let to = Some(Endpoint::new(address(B, family), 53));
        for (value, is_whole) in [(0, false), (1, false), (2, true), (3, true)] {
            set(&mut pair, A, client, level, name, value);
            for len in [most, most + 1] {
                let sent = pair.hosts[A].send_to(pair.now, client, &pattern(len), to, None);
                let refused = is_whole && len > most;
                assert_eq!(sent, if refused { Err(SocketError::MessageTooLong) } else { Ok(len) }, "{value}");
                pair.settle();
                assert_eq!(told(&mut pair, B, server).is_ok(), !refused, "{value}");
            }
        }
    }
}

#[test]
fn what_is_not_there_is_said_so() {
    let mut pair = Pair::new();
    let id = pair.hosts[A].udp_socket(Family::V4).unwrap();
    for (level, name) in [
        (IPPROTO_UDP, 1),   // UDP_CORK
        (IPPROTO_UDP, 100), // UDP_ENCAP
        (IPPROTO_IP, 6),    // IP_RECVOPTS
        (IPPROTO_IP, 19),   // IP_TRANSPARENT
        (IPPROTO_IP, 20),   // IP_RECVORIGDSTADDR
        (IPPROTO_IP, 48),   // MCAST_MSFILTER
        (SOL_SOCKET, 26),   // SO_ATTACH_FILTER
        (SOL_SOCKET, 50),   // SO_ATTACH_BPF
        (4321, 1),
    ] {
        let refused = pair.hosts[A].setsockopt(pair.now, id, level, name, &[1; 16]);
        assert_eq!(refused, Err(SocketError::NoSuchOption), "{level} {name}");
    }
}

// RFC 1122 §3.2.1.3, §3.3.4.2: a source is one of the host's own addresses.
#[test]
fn nobody_sends_in_anothers_name() {
    for family in [Family::V4, Family::V6] {
        let mut pair = Pair::new();
        let client = bound(&mut pair, A, family, false);
        let to = Some(Endpoint::new(address(B, family), 53));
        let (loopback, group) = match family {
            Family::V4 => ("127.0.0.1", "224.0.0.5"),
            Family::V6 => ("::1", "ff02::5"),
        };
        let others = [loopback.parse().unwrap(), group.parse().unwrap(), address(B, family)];
        for from in others {
            let sent = pair.hosts[A].send_to(pair.now, client, b"forged", to, Some(from));
            assert_eq!(sent, Err(SocketError::InvalidArgument), "{from}");
        }
        let own = address(A, family);
        assert_eq!(pair.hosts[A].send_to(pair.now, client, b"own", to, Some(own)), Ok(3));
        // A local route lends a host the addresses that it covers: a gateway answers in their name.
        let any = if family == Family::V4 { Address::V4_UNSPECIFIED } else { Address::UNSPECIFIED };
        let covers = Cidr::new(any, 0).unwrap();
        let link = pair.hosts[A].link_at(1).unwrap();
        let route = Route { destination: covers, via: None, link, kind: RouteKind::Local, metric: 0 };
        pair.hosts[A].add_route(pair.now, route).unwrap();
        assert_eq!(pair.hosts[A].send_to(pair.now, client, b"lent", to, Some(address(B, family))), Ok(4));
    }
}

#[test]
fn a_device_that_cannot_be_bound_to_is_said_so() {
    const SO_BINDTODEVICE: i32 = 25;
    let mut pair = Pair::new();
    let id = pair.hosts[A].udp_socket(Family::V4).unwrap();
    let name = pair.hosts[A].link_name(pair.links[A]).unwrap().to_owned();
    let mut bind = |name: &[u8]| pair.hosts[A].setsockopt(pair.now, id, SOL_SOCKET, SO_BINDTODEVICE, name);
    assert_eq!(bind(b"no-such"), Err(SocketError::NoSuchLink));
    assert_eq!(bind(b"lo"), Err(SocketError::NotSupported));
    assert_eq!(bind(name.as_bytes()), Ok(()));
    assert_eq!(bind(b""), Ok(()));
}
