//! What goes with datagrams: control messages of ip(7) and ipv6(7), and UDP-Lite's coverage (RFC 3828).
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod common;

use common::*;
use portolan_stack::*;
use portolan_wire::{Endpoint, Family, protocol};

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
