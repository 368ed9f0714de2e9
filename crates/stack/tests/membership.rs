//! Groups with sources (RFC 3678), and what routers are told of them: IGMP (RFC 3376) and MLD (RFC 3810).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]
mod common;

use common::*;
use portolan_link::{PacketBuf, RxBatch};
use portolan_stack::*;
use portolan_wire::{Address, Checksum, Endpoint, Family, checksum, protocol};

const ADD_MEMBERSHIP: i32 = 35;
const DROP_MEMBERSHIP: i32 = 36;
const UNBLOCK_SOURCE: i32 = 37;
const BLOCK_SOURCE: i32 = 38;
const ADD_SOURCE: i32 = 39;
const DROP_SOURCE: i32 = 40;
const MSFILTER: i32 = 41;
const MCAST_JOIN_SOURCE: i32 = 46;
const IPV6_JOIN_GROUP: i32 = 20;

const GROUP: Address = Address::v4(232, 1, 2, 3);

fn bound(pair: &mut Pair, family: Family) -> SocketId {
    let id = pair.hosts[B].udp_socket(family).unwrap();
    let any = if family == Family::V4 { Address::V4_UNSPECIFIED } else { Address::UNSPECIFIED };
    pair.hosts[B].bind(pair.now, id, Endpoint::new(any, 53)).unwrap();
    id
}

fn octets(addresses: &[Address]) -> Vec<u8> {
    addresses.iter().flat_map(|address| address.v4_octets().unwrap()).collect()
}

fn option(pair: &mut Pair, id: SocketId, name: i32, value: &[u8]) -> Result<(), SocketError> {
    pair.hosts[B].setsockopt(pair.now, id, IPPROTO_IP, name, value)
}

/// `struct ip_mreq_source`.
fn source(pair: &mut Pair, id: SocketId, name: i32, source: Address) -> Result<(), SocketError> {
    option(pair, id, name, &octets(&[GROUP, v4(B), source]))
}

/// What B has said of groups since the last time: the octets behind the IP header, and behind MLD's option.
fn said(pair: &mut Pair) -> Vec<Vec<u8>> {
    let wire = core::mem::take(&mut pair.wire);
    let mut all = Vec::new();
    for (_, frame) in wire.into_iter().filter(|(from, _)| *from == B) {
        if frame[12..14] == [8, 0] && frame[23] == protocol::IGMP {
            assert_eq!((frame[22], &frame[34..38]), (1, &[148, 4, 0, 0][..]), "one hop, and an alert");
            let message = frame[38..].to_vec();
            assert_eq!(Checksum::new().add(&message).finish(), 0);
            all.push(message);
        } else if frame[12..14] == [0x86, 0xdd] && frame[20] == protocol::HOP_BY_HOP {
            assert_eq!((frame[21], &frame[54..62]), (1, &[protocol::ICMPV6, 0, 5, 2, 0, 0, 1, 0][..]));
            let message = frame[62..].to_vec();
            let [src, dst] = [22, 38].map(|at| Address::from_octets(frame[at..at + 16].try_into().unwrap()));
            assert!(src.is_link_local());
            assert_eq!(checksum::transport(src, dst, protocol::ICMPV6, &message), 0);
            all.push(message);
        }
    }
    all
}

/// An IGMPv3 report of one record.
fn record(kind: u8, sources: &[Address]) -> Vec<u8> {
    let mut message = vec![0x22, 0, 0, 0, 0, 0, 0, 1, kind, 0, 0, sources.len() as u8];
    message.extend(octets(&[GROUP]));
    message.extend(octets(sources));
    let sum = Checksum::new().add(&message).finish();
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// An IGMP query, from A.
fn query(pair: &mut Pair, code: u8, group: Address, rest: &[u8]) {
    let mut message = [&[0x11, code, 0, 0][..], &group.v4_octets().unwrap(), rest].concat();
    let sum = Checksum::new().add(&message).finish();
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let to = if group.is_unspecified() { Address::v4(224, 0, 0, 1) } else { group };
    packet_v4(pair, to, &message);
}

fn packet_v4(pair: &mut Pair, to: Address, message: &[u8]) {
    let mut frame = [&to.multicast_ethernet().0[..], &station(A).0, &[8, 0, 0x45, 0]].concat();
    frame.extend((20 + message.len() as u16).to_be_bytes());
    frame.extend([0, 0, 0, 0, 1, protocol::IGMP, 0, 0]);
    frame.extend(octets(&[v4(A), to]));
    let sum = Checksum::new().add(&frame[14..34]).finish();
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame.extend(message);
    inject(pair, &frame);
}

fn inject(pair: &mut Pair, frame: &[u8]) {
    let mut batch = RxBatch::new(1);
    assert!(batch.push(PacketBuf::copy(pair.hosts[B].pool(), frame)).is_ok());
    pair.hosts[B].receive(pair.now, pair.links[B], &mut batch);
}

// RFC 1122 §3.3.7, INET-145
#[test]
fn only_the_sources_that_are_wanted_are_heard() {
    let mut pair = Pair::new();
    let server = bound(&mut pair, Family::V4);
    let client = pair.hosts[A].udp_socket(Family::V4).unwrap();
    let hears = |pair: &mut Pair| {
        pair.hosts[A].send_to(pair.now, client, b"all", Some(Endpoint::new(GROUP, 53)), None).unwrap();
        pair.settle();
        pair.hosts[B].recv_from(pair.now, server, &mut [0; 9]).is_ok()
    };
    assert!(!hears(&mut pair));
    source(&mut pair, server, ADD_SOURCE, Address::v4(10, 0, 0, 9)).unwrap();
    assert!(!hears(&mut pair), "from somebody else");
    source(&mut pair, server, ADD_SOURCE, v4(A)).unwrap();
    assert!(hears(&mut pair));
    source(&mut pair, server, DROP_SOURCE, v4(A)).unwrap();
    assert!(!hears(&mut pair));
    source(&mut pair, server, DROP_SOURCE, Address::v4(10, 0, 0, 9)).unwrap();
    option(&mut pair, server, ADD_MEMBERSHIP, &octets(&[GROUP, v4(B)])).unwrap();
    assert!(hears(&mut pair), "from everybody");
    source(&mut pair, server, BLOCK_SOURCE, v4(A)).unwrap();
    assert!(!hears(&mut pair));
    source(&mut pair, server, UNBLOCK_SOURCE, v4(A)).unwrap();
    assert!(hears(&mut pair));
    // All at once: nobody but 10.0.0.9.
    let filter =
        [octets(&[GROUP, v4(B)]), 1_i32.to_ne_bytes().to_vec(), 1_i32.to_ne_bytes().to_vec()].concat();
    let filter = [filter, octets(&[Address::v4(10, 0, 0, 9)])].concat();
    option(&mut pair, server, MSFILTER, &filter).unwrap();
    assert!(!hears(&mut pair));
    assert_eq!(option(&mut pair, server, MSFILTER, &filter[..19]), Err(SocketError::InvalidArgument));
}

#[test]
fn a_socket_of_ipv6_wants_sources_too() {
    let mut pair = Pair::new();
    let server = bound(&mut pair, Family::V6);
    let client = pair.hosts[A].udp_socket(Family::V6).unwrap();
    let group: Address = "ff3e::77".parse().unwrap();
    let link = i32::from(pair.links[B].index()) + 1;
    let request = |source: Address| {
        let mut value = link.to_ne_bytes().to_vec();
        for address in [group, source] {
            value.resize(value.len().next_multiple_of(8), 0);
            let start = value.len();
            value.extend(10_u16.to_ne_bytes());
            value.extend([0; 6]);
            value.extend(address.octets());
            value.resize(start + 128, 0);
        }
        value
    };
    let join = |pair: &mut Pair, source| {
        pair.hosts[B].setsockopt(pair.now, server, IPPROTO_IPV6, MCAST_JOIN_SOURCE, &request(source))
    };
    let hears = |pair: &mut Pair| {
        pair.hosts[A].send_to(pair.now, client, b"all", Some(Endpoint::new(group, 53)), Some(v6(A))).unwrap();
        pair.settle();
        pair.hosts[B].recv_from(pair.now, server, &mut [0; 9]).is_ok()
    };
    let via = Route {
        destination: cidr("ff00::/8"),
        via: None,
        link: pair.links[A],
        kind: RouteKind::Unicast,
        metric: 0,
    };
    let _ = pair.hosts[A].add_route(pair.now, via);
    join(&mut pair, "fd00::9".parse().unwrap()).unwrap();
    assert!(!hears(&mut pair));
    join(&mut pair, v6(A)).unwrap();
    assert!(hears(&mut pair));
    assert_eq!(join(&mut pair, v6(A)), Err(SocketError::AddressNotAvailable));
    assert_eq!(join(&mut pair, Address::UNSPECIFIED), Ok(()));
}

#[test]
fn changes_are_told_at_once_and_once_more() {
    let mut pair = Pair::new();
    let (one, two) = (bound(&mut pair, Family::V4), pair.hosts[B].udp_socket(Family::V4).unwrap());
    let (a, b) = (Address::v4(10, 0, 0, 8), Address::v4(10, 0, 0, 9));
    let told = |pair: &mut Pair, expected: &[Vec<u8>]| {
        pair.settle();
        assert_eq!(said(pair), expected, "at once");
        pair.pass(1_100_000);
        let again = said(pair);
        assert_eq!(again.len(), usize::from(!expected.is_empty()), "once more, in one report: {again:?}");
        pair.pass(5_000_000);
        assert!(said(pair).is_empty());
    };
    source(&mut pair, one, ADD_SOURCE, a).unwrap();
    told(&mut pair, &[record(5, &[a])]);
    source(&mut pair, two, ADD_SOURCE, a).unwrap();
    told(&mut pair, &[]);
    source(&mut pair, two, ADD_SOURCE, b).unwrap();
    told(&mut pair, &[record(5, &[b])]);
    source(&mut pair, one, DROP_SOURCE, a).unwrap();
    told(&mut pair, &[]);
    source(&mut pair, two, DROP_SOURCE, a).unwrap();
    told(&mut pair, &[record(6, &[a])]);
    option(&mut pair, one, ADD_MEMBERSHIP, &octets(&[GROUP, v4(B)])).unwrap();
    told(&mut pair, &[record(4, &[])]);
    source(&mut pair, one, BLOCK_SOURCE, a).unwrap();
    told(&mut pair, &[record(6, &[a])]);
    // What another socket wants is not blocked.
    source(&mut pair, one, BLOCK_SOURCE, b).unwrap();
    told(&mut pair, &[]);
    pair.hosts[B].close(pair.now, one).unwrap();
    told(&mut pair, &[record(3, &[b])]);
    pair.hosts[B].close(pair.now, two).unwrap();
    told(&mut pair, &[record(6, &[b])]);
}

// RFC 1122 §3.3.7, INET-146
#[test]
fn a_router_that_asks_is_answered_in_its_own_version() {
    let mut pair = Pair::new();
    let server = bound(&mut pair, Family::V4);
    option(&mut pair, server, ADD_MEMBERSHIP, &octets(&[GROUP, v4(B)])).unwrap();
    pair.pass(2_000_000);
    said(&mut pair);
    // All, within ten seconds; a sooner question does not make it later.
    query(&mut pair, 100, Address::V4_UNSPECIFIED, &[0; 4]);
    query(&mut pair, 100, Address::V4_UNSPECIFIED, &[0; 4]);
    pair.pass(10_100_000);
    assert_eq!(said(&mut pair), [record(2, &[])]);
    // This one, at once; one that nobody has joined is not answered.
    query(&mut pair, 1, GROUP, &[0; 4]);
    query(&mut pair, 1, Address::v4(239, 9, 9, 9), &[0; 4]);
    pair.pass(200_000);
    assert_eq!(said(&mut pair), [record(2, &[])]);
    // Version 2.
    query(&mut pair, 10, Address::V4_UNSPECIFIED, &[]);
    pair.pass(1_100_000);
    let all = said(&mut pair);
    assert_eq!((all.len(), all[0][0], &all[0][4..]), (1, 0x16, &GROUP.v4_octets().unwrap()[..]));
    option(&mut pair, server, DROP_MEMBERSHIP, &octets(&[GROUP, v4(B)])).unwrap();
    pair.settle();
    assert_eq!(said(&mut pair)[0][0], 0x17);
    // It is forgotten when it asks no more.
    pair.pass(300_000_000);
    said(&mut pair);
    option(&mut pair, server, ADD_MEMBERSHIP, &octets(&[GROUP, v4(B)])).unwrap();
    pair.settle();
    assert_eq!(said(&mut pair), [record(4, &[])]);
}

#[test]
fn mld_is_spoken_for_ipv6() {
    let mut pair = Pair::new();
    let server = bound(&mut pair, Family::V6);
    let group: Address = "ff05::77".parse().unwrap();
    let link = i32::from(pair.links[B].index()) + 1;
    let value = [&group.octets()[..], &link.to_ne_bytes()].concat();
    pair.hosts[B].setsockopt(pair.now, server, IPPROTO_IPV6, IPV6_JOIN_GROUP, &value).unwrap();
    pair.settle();
    let told = said(&mut pair);
    assert_eq!((told.len(), told[0][0], told[0][8]), (1, 143, 4));
    assert_eq!(told[0][12..28], group.octets());
    pair.pass(2_000_000);
    said(&mut pair);
    // A question from the link is answered, with the groups of the host's own addresses; one from far away is not.
    for (hop_limit, answers) in [(1, true), (64, false)] {
        let src: Address = "fe80::1".parse().unwrap();
        let mut message = vec![130, 0, 0, 0, 0, 10, 0, 0];
        message.extend([0; 20]);
        let sum = checksum::transport(src, Address::ALL_NODES, protocol::ICMPV6, &message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        let to = Address::ALL_NODES;
        let mut frame =
            [&to.multicast_ethernet().0[..], &station(A).0, &[0x86, 0xdd, 0x60, 0, 0, 0]].concat();
        frame.extend((message.len() as u16).to_be_bytes());
        frame.extend([protocol::ICMPV6, hop_limit]);
        frame.extend(src.octets());
        frame.extend(to.octets());
        frame.extend(&message);
        inject(&mut pair, &frame);
        pair.pass(100_000);
        let told = said(&mut pair);
        assert_eq!(told.len(), usize::from(answers));
        if answers {
            assert_eq!(
                u16::from_be_bytes([told[0][6], told[0][7]]),
                2,
                "this group, and that of both addresses"
            );
        }
    }
}

// Attacks D9, D10.
#[test]
fn no_message_is_too_odd_and_none_takes_memory() {
    let mut pair = Pair::new();
    let server = bound(&mut pair, Family::V4);
    option(&mut pair, server, ADD_MEMBERSHIP, &octets(&[GROUP, v4(B)])).unwrap();
    pair.pass(2_000_000);
    said(&mut pair);
    let timers = pair.hosts[B].counts().timers;
    for round in 0..2000_u32 {
        let group = if round % 3 == 0 { GROUP } else { Address::v4(239, 0, (round >> 8) as u8, round as u8) };
        query(&mut pair, round as u8, group, &[0, 0, 0xff, 0xff][..(round % 5).min(4) as usize]);
        query(&mut pair, round as u8, Address::V4_UNSPECIFIED, &[0; 4]);
        for len in 0..12 {
            packet_v4(&mut pair, Address::v4(224, 0, 0, 1), &vec![(round & 0xff) as u8; len]);
        }
        // A report that says more than it holds is nobody's question.
        packet_v4(
            &mut pair,
            Address::v4(224, 0, 0, 1),
            &[0x22, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 0xff, 0xff, 0xff],
        );
    }
    assert!(pair.hosts[B].counts().timers <= timers + 1);
    pair.settle();
    said(&mut pair);
    pair.pass(4_000_000_000);
    // However often it was asked: a report when each time was over, no more.
    assert!(said(&mut pair).len() <= 4);
    pair.hosts[B].check().unwrap();
}
