//! ICMP echo sockets, raw sockets, and groups.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod common;

use common::*;
use portolan_stack::*;
use portolan_wire::{Address, Endpoint, Family, ipv4, protocol};

const ICMP_FILTER: i32 = 1;
const SOL_RAW: i32 = 255;
const IP_HDRINCL: i32 = 3;
const IP_MULTICAST_TTL: i32 = 33;
const IP_MULTICAST_LOOP: i32 = 34;
const IP_ADD_MEMBERSHIP: i32 = 35;
const IP_DROP_MEMBERSHIP: i32 = 36;
const IPV6_JOIN_GROUP: i32 = 20;

fn receive(pair: &mut Pair, host: usize, id: SocketId) -> Result<(Vec<u8>, Datagram), SocketError> {
    let mut out = vec![0; 2000];
    let datagram = pair.hosts[host].recv_from(pair.now, id, &mut out)?;
    out.truncate(datagram.len);
    Ok((out, datagram))
}

fn to(address: Address) -> Option<Endpoint> {
    Some(Endpoint::new(address, 0))
}

#[test]
fn an_echo_socket_hears_the_answer_to_its_own_request() {
    for (family, request, reply) in [(Family::V4, 8, 0), (Family::V6, 128, 129)] {
        let mut pair = Pair::new();
        let pinger = pair.hosts[A].echo_socket(family).unwrap();
        let other = pair.hosts[A].echo_socket(family).unwrap();
        pair.hosts[A].bind(pair.now, other, Endpoint::new(address(A, family), 77)).unwrap();
        // Whatever identifier it writes, the socket's own goes out.
        let message = [request, 0, 9, 9, 0, 77, 0, 5, b'?'];
        assert_eq!(pair.hosts[A].send_to(pair.now, pinger, &message, to(address(B, family)), None), Ok(9));
        pair.settle();
        let (got, datagram) = receive(&mut pair, A, pinger).unwrap();
        let ident = pair.hosts[A].local(pinger).unwrap().port.to_be_bytes();
        assert_ne!(ident, [0, 77]);
        assert_eq!((got[0], &got[4..6], &got[6..]), (reply, &ident[..], &[0, 5, b'?'][..]));
        assert_eq!(datagram.from, Endpoint::new(address(B, family), 0));
        assert_eq!(receive(&mut pair, A, other), Err(SocketError::WouldBlock));
        // Nothing but echo requests leaves by it.
        for wrong in [&[reply, 0, 0, 0, 0, 1, 0, 1][..], &[request, 1, 0, 0, 0, 1, 0, 1], &[request, 0, 0]] {
            let sent = pair.hosts[A].send_to(pair.now, pinger, wrong, to(address(B, family)), None);
            assert_eq!(sent, Err(SocketError::InvalidArgument), "{wrong:?}");
        }
        assert_eq!(pair.hosts[A].counts().ports, 2);
        pair.hosts[A].close(pair.now, pinger).unwrap();
        pair.hosts[A].close(pair.now, other).unwrap();
        assert_eq!(pair.hosts[A].counts().ports, 0);
    }
}

#[test]
fn a_host_can_ping_itself() {
    let mut pair = Pair::new();
    let pinger = pair.hosts[A].echo_socket(Family::V4).unwrap();
    let message = [8, 0, 0, 0, 0, 0, 0, 1];
    pair.hosts[A].send_to(pair.now, pinger, &message, to(Address::LOOPBACK_V4), None).unwrap();
    pair.settle();
    assert_eq!(receive(&mut pair, A, pinger).unwrap().0[0], 0);
}

#[test]
fn a_raw_socket_reads_every_packet_of_its_protocol() {
    let mut pair = Pair::new();
    let raw = pair.hosts[B].raw_socket(Family::V4, protocol::ICMPV4).unwrap();
    let pinger = pair.hosts[A].echo_socket(Family::V4).unwrap();
    let message = [8, 0, 0, 0, 0, 0, 0, 1];
    pair.hosts[A].send_to(pair.now, pinger, &message, to(v4(B)), None).unwrap();
    pair.settle();
    // With the IP header; and the host has answered all the same.
    let (packet, _) = receive(&mut pair, B, raw).unwrap();
    let packet = ipv4::parse(&packet).unwrap();
    assert_eq!((packet.header.src(), packet.payload[0]), (v4(A), 8));
    assert!(receive(&mut pair, A, pinger).is_ok());
    // The filter keeps echo requests away.
    let blocked = (1_u32 << 8).to_ne_bytes();
    pair.hosts[B].setsockopt(pair.now, raw, SOL_RAW, ICMP_FILTER, &blocked).unwrap();
    assert_eq!(pair.hosts[B].getsockopt(pair.now, raw, SOL_RAW, ICMP_FILTER).unwrap(), blocked);
    pair.hosts[A].send_to(pair.now, pinger, &message, to(v4(B)), None).unwrap();
    pair.settle();
    assert_eq!(receive(&mut pair, B, raw), Err(SocketError::WouldBlock));
    pair.hosts[B].close(pair.now, raw).unwrap();
    pair.hosts[A].send_to(pair.now, pinger, &message, to(v4(B)), None).unwrap();
    pair.settle();
}

#[test]
fn a_protocol_that_only_raw_sockets_speak_is_not_complained_about() {
    for (family, head) in [(Family::V4, ipv4::Header::LEN), (Family::V6, 0)] {
        let mut pair = Pair::new();
        let sender = pair.hosts[A].raw_socket(family, 253).unwrap();
        let hearer = pair.hosts[B].raw_socket(family, 253).unwrap();
        pair.hosts[A].send_to(pair.now, sender, b"any octets", to(address(B, family)), None).unwrap();
        pair.settle();
        let (got, datagram) = receive(&mut pair, B, hearer).unwrap();
        assert_eq!((&got[head..], datagram.from.address), (&b"any octets"[..], address(A, family)));
        assert_eq!(pair.dropped(B), 0);
        pair.hosts[B].close(pair.now, hearer).unwrap();
        pair.hosts[A].send_to(pair.now, sender, b"any octets", to(address(B, family)), None).unwrap();
        pair.settle();
        assert_eq!(pair.hosts[B].stats().drops.count(DropReason::ProtocolUnknown), 1);
    }
}

#[test]
fn a_raw_socket_may_write_the_header_too() {
    let mut pair = Pair::new();
    let sender = pair.hosts[A].raw_socket(Family::V4, 253).unwrap();
    let hearer = pair.hosts[B].raw_socket(Family::V4, 253).unwrap();
    pair.hosts[A].setsockopt(pair.now, sender, 0, IP_HDRINCL, &1_i32.to_ne_bytes()).unwrap();
    let mut packet = vec![0; 23];
    let own =
        ipv4::Emit { src: v4(A), dst: v4(B), protocol: 253, ttl: 7, payload_len: 3, ..Default::default() };
    own.emit(&mut packet).unwrap();
    packet[20..].copy_from_slice(b"own");
    // The length and the checksum are the host's business.
    packet[2..4].fill(0);
    packet[10..12].fill(0);
    pair.hosts[A].send_to(pair.now, sender, &packet, to(v4(B)), None).unwrap();
    pair.settle();
    let (got, datagram) = receive(&mut pair, B, hearer).unwrap();
    assert_eq!((&got[20..], datagram.told.unwrap().hop_limit), (&b"own"[..], 7));
    for wrong in [&packet[..19], &[0x46; 30][..], &[]] {
        let sent = pair.hosts[A].send_to(pair.now, sender, wrong, to(v4(B)), None);
        assert_eq!(sent, Err(SocketError::InvalidArgument));
    }
}

fn request(group: Address) -> Vec<u8> {
    [group.v4_octets().unwrap(), [0; 4]].concat()
}

#[test]
fn a_group_is_heard_as_long_as_somebody_is_a_member() {
    let mut pair = Pair::new();
    let group = Address::v4(239, 1, 2, 3);
    let server = pair.hosts[B].udp_socket(Family::V4).unwrap();
    pair.hosts[B].bind(pair.now, server, Endpoint::new(Address::V4_UNSPECIFIED, 53)).unwrap();
    let client = pair.hosts[A].udp_socket(Family::V4).unwrap();
    let arrives = |pair: &mut Pair| {
        pair.hosts[A].send_to(pair.now, client, b"all", Some(Endpoint::new(group, 53)), None).unwrap();
        pair.settle();
        receive(pair, B, server).is_ok()
    };
    let option = |pair: &mut Pair, name: i32, value: &[u8]| {
        pair.hosts[B].setsockopt(pair.now, server, IPPROTO_IP, name, value)
    };
    assert!(!arrives(&mut pair));
    assert_eq!(option(&mut pair, IP_ADD_MEMBERSHIP, &request(group)), Ok(()));
    assert!(arrives(&mut pair));
    assert_eq!(option(&mut pair, IP_ADD_MEMBERSHIP, &request(group)), Err(SocketError::AddressInUse));
    assert_eq!(option(&mut pair, IP_DROP_MEMBERSHIP, &request(group)), Ok(()));
    assert_eq!(option(&mut pair, IP_DROP_MEMBERSHIP, &request(group)), Err(SocketError::AddressNotAvailable));
    assert!(!arrives(&mut pair));
    assert_eq!(option(&mut pair, IP_ADD_MEMBERSHIP, &request(v4(A))), Err(SocketError::InvalidArgument));
    let elsewhere = [group.v4_octets().unwrap(), [9; 4]].concat();
    assert_eq!(option(&mut pair, IP_ADD_MEMBERSHIP, &elsewhere), Err(SocketError::NoSuchLink));
    for last in 0..20 {
        assert_eq!(option(&mut pair, IP_ADD_MEMBERSHIP, &request(Address::v4(239, 0, 0, last))), Ok(()));
    }
    assert_eq!(option(&mut pair, IP_ADD_MEMBERSHIP, &request(group)), Err(SocketError::NoBuffers));
}

#[test]
fn members_on_the_sending_host_hear_too_unless_that_is_switched_off() {
    let mut pair = Pair::new();
    let group: Address = "ff05::99".parse().unwrap();
    let id = pair.hosts[A].udp_socket(Family::V6).unwrap();
    pair.hosts[A].bind(pair.now, id, Endpoint::new(Address::UNSPECIFIED, 53)).unwrap();
    let join = [&group.octets()[..], &0_i32.to_ne_bytes()].concat();
    pair.hosts[A].setsockopt(pair.now, id, IPPROTO_IPV6, IPV6_JOIN_GROUP, &join).unwrap();
    pair.hosts[A].send_to(pair.now, id, b"own", Some(Endpoint::new(group, 53)), None).unwrap();
    let (got, datagram) = receive(&mut pair, A, id).unwrap();
    assert_eq!((&got[..], datagram.to.address, datagram.told.unwrap().hop_limit), (&b"own"[..], group, 1));
    let level = IPPROTO_IPV6;
    pair.hosts[A].setsockopt(pair.now, id, level, 19, &0_i32.to_ne_bytes()).unwrap();
    pair.hosts[A].send_to(pair.now, id, b"own", Some(Endpoint::new(group, 53)), None).unwrap();
    assert_eq!(receive(&mut pair, A, id), Err(SocketError::WouldBlock));
}

#[test]
fn settings_of_groups_are_given_back() {
    let mut pair = Pair::new();
    let id = pair.hosts[A].udp_socket(Family::V4).unwrap();
    let stack = &mut pair.hosts[A];
    for (name, default, value) in [(IP_MULTICAST_TTL, 1, 9_i32), (IP_MULTICAST_LOOP, 1, 0)] {
        assert_eq!(stack.getsockopt(pair.now, id, IPPROTO_IP, name).unwrap(), i32::to_ne_bytes(default));
        stack.setsockopt(pair.now, id, IPPROTO_IP, name, &value.to_ne_bytes()).unwrap();
        assert_eq!(stack.getsockopt(pair.now, id, IPPROTO_IP, name).unwrap(), value.to_ne_bytes());
    }
    let tcp = stack.tcp_socket(Family::V4).unwrap();
    let ttl = stack.setsockopt(pair.now, tcp, IPPROTO_IP, IP_MULTICAST_TTL, &[9]);
    assert_eq!(ttl, Err(SocketError::InvalidArgument));
    let join =
        stack.setsockopt(pair.now, tcp, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request(Address::v4(239, 1, 1, 1)));
    assert_eq!(join, Err(SocketError::ProtocolError));
}

#[test]
fn no_index_of_a_link_is_too_odd() {
    let mut pair = Pair::new();
    let v4 = pair.hosts[A].udp_socket(Family::V4).unwrap();
    let v6 = pair.hosts[A].udp_socket(Family::V6).unwrap();
    let group: Address = "ff05::99".parse().unwrap();
    for index in [i32::MIN, -1, i32::MAX, 65_537] {
        let octets = index.to_ne_bytes();
        let mreqn = [&[239, 1, 1, 1, 0, 0, 0, 0][..], &octets].concat();
        let mreq6 = [&group.octets()[..], &octets].concat();
        let group_req =
            [&octets[..], &[0; 4], &2_u16.to_ne_bytes(), &[0, 0, 239, 1, 1, 1], &[0; 120]].concat();
        for (id, level, name, value) in [
            (v4, IPPROTO_IP, 32, &mreqn[..]),
            (v4, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mreqn),
            (v4, IPPROTO_IP, 42, &group_req),
            (v6, IPPROTO_IPV6, 17, &octets),
            (v6, IPPROTO_IPV6, IPV6_JOIN_GROUP, &mreq6),
        ] {
            let set = pair.hosts[A].setsockopt(pair.now, id, level, name, value);
            assert_eq!(set, Err(SocketError::NoSuchLink), "level {level} option {name} index {index}");
        }
    }
}

#[test]
fn a_group_without_hops_is_this_hosts_alone() {
    let mut pair = Pair::new();
    let group = Address::v4(239, 1, 1, 1);
    let [own, other] = [A, B].map(|host| {
        let id = pair.hosts[host].udp_socket(Family::V4).unwrap();
        pair.hosts[host].bind(pair.now, id, Endpoint::new(Address::V4_UNSPECIFIED, 53)).unwrap();
        pair.hosts[host].setsockopt(pair.now, id, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request(group)).unwrap();
        id
    });
    for (hops, reaches_the_other) in [(0_i32, false), (1, true)] {
        let level = IPPROTO_IP;
        pair.hosts[A].setsockopt(pair.now, own, level, IP_MULTICAST_TTL, &hops.to_ne_bytes()).unwrap();
        pair.hosts[A].send_to(pair.now, own, b"hear", Some(Endpoint::new(group, 53)), None).unwrap();
        pair.settle();
        assert_eq!(receive(&mut pair, A, own).map(|(got, _)| got), Ok(b"hear".to_vec()));
        assert_eq!(receive(&mut pair, B, other).is_ok(), reaches_the_other, "{hops} hops");
    }
}
