//! UDP, echo, neighbours and fragments between two hosts.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod common;

use common::*;
use portolan_stack::*;
use portolan_wire::{Address, Endpoint, Family, icmpv4, icmpv6, ipv4, ipv6, protocol};

fn udp(pair: &mut Pair, host: usize, family: Family, port: u16) -> SocketId {
    let id = pair.hosts[host].udp_socket(family).unwrap();
    let any = if family == Family::V4 { Address::V4_UNSPECIFIED } else { Address::UNSPECIFIED };
    pair.hosts[host].bind(pair.now, id, Endpoint::new(any, port)).unwrap();
    id
}

fn receive(pair: &mut Pair, host: usize, id: SocketId) -> Result<(Vec<u8>, Datagram), SocketError> {
    let mut out = vec![0; 70_000];
    let datagram = pair.hosts[host].recv_from(pair.now, id, &mut out)?;
    out.truncate(datagram.len);
    Ok((out, datagram))
}

// RFC 1122 §3.2.1.4, INET-16; §3.3.2, INET-112 to INET-114; §3.3.3, INET-119; §3.3.4.2, INET-123; §4.1.3.5, UDP-11
#[test]
fn datagrams_of_every_length_go_both_ways() {
    for family in [Family::V4, Family::V6] {
        let mut pair = Pair::new();
        let server = udp(&mut pair, B, family, 53);
        let client = pair.hosts[A].udp_socket(family).unwrap();
        for len in [0, 1, 1472, 1473, 9000, 65_507] {
            let payload = pattern(len);
            let to = Endpoint::new(address(B, family), 53);
            assert_eq!(pair.hosts[A].send_to(pair.now, client, &payload, Some(to), None), Ok(len));
            pair.settle();
            let (got, datagram) = receive(&mut pair, B, server).unwrap();
            assert!(got == payload, "{len}");
            assert_eq!((datagram.from.address, datagram.to), (address(A, family), to));
            let answered = pair.hosts[B].send_to(pair.now, server, &payload, Some(datagram.from), None);
            assert_eq!(answered, Ok(len));
            pair.settle();
            assert!(receive(&mut pair, A, client).unwrap().0 == payload);
        }
        let big = vec![0; 65_508];
        let to = Endpoint::new(address(B, family), 53);
        assert_eq!(
            pair.hosts[A].send_to(pair.now, client, &big, Some(to), None),
            Err(SocketError::MessageTooLong)
        );
        assert_eq!(pair.hosts[B].counts().reassemblies, 0);
        assert_eq!(pair.dropped(B), 0);
    }
}

// RFC 1122 §3.2.2, INET-40; §3.2.2.1, INET-49, INET-50; §3.4, INET-153; §4.1.3.3, UDP-5
#[test]
fn a_closed_port_is_reported_to_a_connected_socket() {
    for family in [Family::V4, Family::V6] {
        let mut pair = Pair::new();
        let client = pair.hosts[A].udp_socket(family).unwrap();
        let to = Endpoint::new(address(B, family), 9);
        pair.hosts[A].connect(pair.now, client, to).unwrap();
        pair.hosts[A].send_to(pair.now, client, b"anybody?", None, None).unwrap();
        pair.settle();
        assert_eq!(pair.hosts[B].stats().drops.count(DropReason::UdpNoPort), 1);
        assert_eq!(receive(&mut pair, A, client), Err(SocketError::ConnectionRefused));
        assert_eq!(receive(&mut pair, A, client), Err(SocketError::WouldBlock));
    }
}

#[test]
fn a_connected_socket_hears_only_its_peer() {
    let mut pair = Pair::new();
    let server = udp(&mut pair, B, Family::V4, 53);
    let other = udp(&mut pair, B, Family::V4, 54);
    let client = pair.hosts[A].udp_socket(Family::V4).unwrap();
    pair.hosts[A].connect(pair.now, client, Endpoint::new(v4(B), 53)).unwrap();
    let local = pair.hosts[A].local(client).unwrap();
    assert_eq!(local.address, v4(A));
    pair.hosts[B].send_to(pair.now, other, b"not for you", Some(local), None).unwrap();
    pair.hosts[B].send_to(pair.now, server, b"for you", Some(local), None).unwrap();
    pair.settle();
    assert_eq!(receive(&mut pair, A, client).unwrap().0, b"for you");
    assert_eq!(receive(&mut pair, A, client).unwrap_err(), SocketError::WouldBlock);
    // Without a peer it hears all again.
    pair.hosts[A].connect(pair.now, client, Endpoint::new(Address::V4_UNSPECIFIED, 0)).unwrap();
    pair.hosts[B].send_to(pair.now, other, b"now", Some(local), None).unwrap();
    pair.settle();
    assert_eq!(receive(&mut pair, A, client).unwrap().0, b"now");
}

#[test]
fn a_full_receive_queue_drops_and_counts() {
    let mut pair = Pair::new();
    let server = udp(&mut pair, B, Family::V4, 53);
    let client = pair.hosts[A].udp_socket(Family::V4).unwrap();
    let to = Endpoint::new(v4(B), 53);
    for _ in 0..300 {
        pair.hosts[A].send_to(pair.now, client, &[7; 100], Some(to), None).unwrap();
        pair.settle();
    }
    let dropped = pair.hosts[B].stats().drops.count(DropReason::UdpQueueFull);
    assert!(dropped > 100, "{dropped}");
    let mut got = 0;
    while receive(&mut pair, B, server).is_ok() {
        got += 1;
    }
    assert_eq!(got + dropped, 300);
}

#[test]
fn a_full_link_blocks_the_sender_and_tells_him_when_there_is_room() {
    let config = Config { datagram_queue_max: 10, ..Config::default() };
    let mut pair = Pair::with(config, ethernet_caps(1500), 1);
    let _server = udp(&mut pair, B, Family::V4, 53);
    let client = pair.hosts[A].udp_socket(Family::V4).unwrap();
    let to = Some(Endpoint::new(v4(B), 53));
    pair.hosts[A].send_to(pair.now, client, b"resolve", to, None).unwrap();
    pair.settle();
    let sent = (0..20).filter(|_| pair.hosts[A].send_to(pair.now, client, b"x", to, None).is_ok()).count();
    assert_eq!(sent, 10);
    assert!(!pair.hosts[A].readiness(client).unwrap().writable);
    pair.settle();
    assert!(pair.saw(A, |event| matches!(event, Event::Writable(id) if *id == client)));
    assert!(pair.hosts[A].readiness(client).unwrap().writable);
}

// RFC 1122 §2.3.2.2, LINK-6
#[test]
fn packets_wait_for_a_neighbour_in_a_bounded_queue_and_the_latest_are_kept() {
    let config = Config { neighbour_queue_max: 4, ..Config::default() };
    let mut pair = Pair::with(config, ethernet_caps(1500), 1);
    let server = udp(&mut pair, B, Family::V4, 53);
    let client = pair.hosts[A].udp_socket(Family::V4).unwrap();
    for n in 0..10u8 {
        pair.hosts[A].send_to(pair.now, client, &[n], Some(Endpoint::new(v4(B), 53)), None).unwrap();
    }
    pair.settle();
    let mut got = Vec::new();
    while let Ok((payload, _)) = receive(&mut pair, B, server) {
        got.extend(payload);
    }
    assert_eq!(got, [6, 7, 8, 9]);
    assert_eq!(pair.hosts[A].stats().drops.count(DropReason::NeighbourUnresolved), 6);
}

#[test]
fn neighbours_that_are_looked_for_are_bounded_and_do_not_evict_those_that_answer() {
    let config = Config { neighbours_incomplete_max: 8, neighbours_max: 16, ..Config::default() };
    let mut pair = Pair::with(config, ethernet_caps(1500), 1);
    let client = pair.hosts[A].udp_socket(Family::V4).unwrap();
    let send = |pair: &mut Pair, to: Address| {
        pair.hosts[A].send_to(pair.now, client, b"x", Some(Endpoint::new(to, 9)), None).unwrap();
        pair.settle();
    };
    send(&mut pair, v4(B));
    for n in 10..250 {
        send(&mut pair, Address::v4(10, 0, 0, n));
    }
    assert!(pair.hosts[A].counts().neighbours <= 9);
    assert!(pair.hosts[A].stats().drops.count(DropReason::NeighbourLimit) > 200);
    let before = pair.wire.len();
    send(&mut pair, v4(B));
    assert!(
        pair.wire[before..].iter().all(|(_, frame)| frame[12..14] == [8, 0]),
        "no ARP for one that is known"
    );
    pair.pass(4_000_000);
    send(&mut pair, Address::v4(10, 0, 0, 99));
    assert_eq!(pair.hosts[A].counts().neighbours, 2, "those that did not answer are gone");
}

// RFC 1122 §2.3.2.1, LINK-3; §3.3.1.4, INET-104, INET-105
#[test]
fn a_neighbour_that_answers_no_more_is_asked_and_then_forgotten() {
    let mut pair = Pair::new();
    let client = pair.hosts[A].udp_socket(Family::V4).unwrap();
    let send = |pair: &mut Pair| {
        pair.hosts[A].send_to(pair.now, client, b"x", Some(Endpoint::new(v4(B), 9)), None).unwrap();
    };
    send(&mut pair);
    pair.pass(50_000_000);
    pair.lose = |_, _| true;
    send(&mut pair);
    pair.pass(5_000_000 + 3_100_000);
    assert_eq!(pair.hosts[A].counts().neighbours, 0);
    assert_eq!(pair.hosts[A].counts().timers, 0);
}

/// Sends a ready packet from A's station to B and returns the frames of B's answer.
fn inject(pair: &mut Pair, packet: &[u8]) -> Vec<Vec<u8>> {
    use portolan_link::{PacketBuf, RxBatch};
    let ethertype = if packet[0] >> 4 == 4 { [8, 0] } else { [0x86, 0xdd] };
    let frame = [&station(B).0[..], &station(A).0, &ethertype, packet].concat();
    let mut batch = RxBatch::new(1);
    let buffer = PacketBuf::copy(pair.hosts[B].pool(), &frame);
    batch.push(buffer).unwrap();
    let before = pair.wire.len();
    let link = pair.links[B];
    pair.hosts[B].receive(pair.now, link, &mut batch);
    pair.settle();
    pair.wire[before..].iter().filter(|(from, _)| *from == B).map(|(_, frame)| frame.clone()).collect()
}

fn echo_v4(from: Address, to: Address, data: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 28 + data.len()];
    let payload_len = u16::try_from(8 + data.len()).unwrap();
    let header = ipv4::Emit {
        src: from,
        dst: to,
        protocol: protocol::ICMPV4,
        ttl: 64,
        payload_len,
        ..Default::default()
    };
    header.emit(&mut out).unwrap();
    icmpv4::Message::EchoRequest { ident: 7, seq: 9 }.emit(data, &mut out[20..]).unwrap();
    out
}

// RFC 1122 §3.1, INET-1; §3.2.2.6, INET-63, INET-67, INET-68
#[test]
fn echo_requests_are_answered_with_their_data() {
    let mut pair = Pair::new();
    for len in [0, 1, 56, 1400, 4000] {
        let data = pattern(len);
        let answer = inject(&mut pair, &echo_v4(v4(A), v4(B), &data));
        let replies: Vec<_> = answer.iter().filter(|frame| frame[12..14] == [8, 0]).collect();
        assert_eq!(replies.len(), if len > 1472 { 3 } else { 1 }, "{len}");
        if len <= 1472 {
            let packet = ipv4::parse(&replies[0][14..]).unwrap();
            let (message, got) = icmpv4::parse(packet.payload).unwrap();
            assert_eq!(message, icmpv4::Message::EchoReply { ident: 7, seq: 9 });
            assert!(got == data);
        }
    }
    let mut request = vec![0; 40 + 8 + 56];
    let header = ipv6::Emit {
        src: v6(A),
        dst: v6(B),
        next_header: protocol::ICMPV6,
        hop_limit: 64,
        payload_len: 64,
        ..Default::default()
    };
    header.emit(&mut request).unwrap();
    icmpv6::Message::EchoRequest { ident: 1, seq: 2 }
        .emit(v6(A), v6(B), &[5; 56], &mut request[40..])
        .unwrap();
    let answer = inject(&mut pair, &request);
    let reply = answer.iter().find(|frame| frame[20] == protocol::ICMPV6 && frame[54] == 129).unwrap();
    let packet = ipv6::parse(&reply[14..]).unwrap();
    let (message, got) = icmpv6::parse(v6(B), v6(A), packet.payload).unwrap();
    assert_eq!((message, got), (icmpv6::Message::EchoReply { ident: 1, seq: 2 }, &[5; 56][..]));
}

// RFC 1122 §3.2.1.3, INET-14, INET-15; §3.2.2.6, INET-65, INET-66; §3.3.7, INET-147
#[test]
fn martians_groups_and_strangers_are_never_answered() {
    let mut pair = Pair::new();
    let cases = [
        (v4(B), v4(B), DropReason::Martian),
        (Address::LOOPBACK_V4, v4(B), DropReason::Martian),
        (v4(A), Address::LOOPBACK_V4, DropReason::Martian),
        (Address::BROADCAST, v4(B), DropReason::Martian),
        (Address::v4(224, 0, 0, 1), v4(B), DropReason::Martian),
        (Address::V4_UNSPECIFIED, v4(B), DropReason::Martian),
        (Address::v4(10, 0, 0, 255), v4(B), DropReason::Martian),
        (v4(A), Address::v4(10, 0, 0, 255), DropReason::IcmpIgnored),
        (v4(A), Address::BROADCAST, DropReason::IcmpIgnored),
        (v4(A), Address::v4(224, 0, 0, 1), DropReason::IcmpIgnored),
        (v4(A), Address::v4(224, 0, 0, 251), DropReason::NotLocal),
        (v4(A), Address::v4(10, 0, 0, 3), DropReason::NotLocal),
    ];
    for (from, to, reason) in cases {
        let before = pair.hosts[B].stats().drops.count(reason);
        assert_eq!(inject(&mut pair, &echo_v4(from, to, b"ping")), Vec::<Vec<u8>>::new(), "{from} > {to}");
        assert_eq!(pair.hosts[B].stats().drops.count(reason), before + 1, "{from} > {to}");
    }
}

#[test]
fn icmp_errors_are_limited_in_rate_and_never_answer_errors() {
    let mut pair = Pair::new();
    let mut out = vec![0; 28];
    let header =
        ipv4::Emit { src: v4(A), dst: v4(B), protocol: 99, ttl: 64, payload_len: 8, ..Default::default() };
    header.emit(&mut out).unwrap();
    inject(&mut pair, &out);
    let answers: usize = (0..200).map(|_| inject(&mut pair, &out).len()).sum();
    // Each costs 0 to 2 by chance, so that the number tells nothing of others'.
    assert!((25..80).contains(&answers), "a burst of about 50 and no more: {answers}");
    let mut error = vec![0; 56];
    let header = ipv4::Emit {
        src: v4(A),
        dst: v4(B),
        protocol: protocol::ICMPV4,
        ttl: 64,
        payload_len: 36,
        ..Default::default()
    };
    header.emit(&mut error).unwrap();
    icmpv4::Message::Unreachable { code: 3, next_hop_mtu: 0 }.emit(&out, &mut error[20..]).unwrap();
    pair.pass(2_000_000);
    assert_eq!(inject(&mut pair, &error).len(), 0);
}

#[test]
fn overlapping_and_impossible_fragments_spoil_their_datagram() {
    let mut pair = Pair::new();
    let fragment = |offset: u16, more: bool, len: usize| {
        let mut out = vec![0; 20 + len];
        let header = ipv4::Emit {
            src: v4(A),
            dst: v4(B),
            protocol: protocol::UDP,
            ttl: 64,
            id: 5,
            more_fragments: more,
            fragment_offset: offset,
            payload_len: u16::try_from(len).unwrap(),
            ..Default::default()
        };
        header.emit(&mut out).unwrap();
        out
    };
    inject(&mut pair, &fragment(0, true, 800));
    inject(&mut pair, &fragment(0, true, 800));
    assert_eq!(pair.hosts[B].counts().reassemblies, 1, "a repetition does no harm");
    inject(&mut pair, &fragment(792, true, 800));
    assert_eq!(pair.hosts[B].counts().reassemblies, 0);
    assert_eq!(pair.hosts[B].stats().drops.count(DropReason::FragmentOverlap), 1);
    for bad in [fragment(65_528, false, 100), fragment(0, true, 9), fragment(8, true, 0)] {
        inject(&mut pair, &bad);
    }
    assert_eq!(pair.hosts[B].stats().drops.count(DropReason::FragmentMalformed), 3);
    inject(&mut pair, &fragment(0, true, 800));
    pair.pass(31_000_000);
    assert_eq!(pair.hosts[B].stats().drops.count(DropReason::FragmentTimeout), 1);
    assert_eq!(pair.hosts[B].counts().timers, 0);
}

#[test]
fn broadcasts_need_permission() {
    let mut pair = Pair::new();
    let server = udp(&mut pair, B, Family::V4, 67);
    let client = pair.hosts[A].udp_socket(Family::V4).unwrap();
    let to = Some(endpoint("10.0.0.255:67"));
    assert_eq!(pair.hosts[A].send_to(pair.now, client, b"x", to, None), Err(SocketError::AccessDenied));
    pair.hosts[A].set_option(pair.now, client, SocketOption::Broadcast(true)).unwrap();
    pair.hosts[A].send_to(pair.now, client, b"x", to, None).unwrap();
    pair.settle();
    assert_eq!(receive(&mut pair, B, server).unwrap().1.to, endpoint("10.0.0.255:67"));
}

#[test]
fn a_claim_to_our_address_is_reported_and_answered_once_per_interval() {
    use portolan_wire::arp::{Op, Packet};
    let mut pair = Pair::new();
    pair.settle();
    let claim = Packet {
        op: Op::Request,
        sender_mac: portolan_wire::EthernetAddress([2, 9, 9, 9, 9, 9]),
        sender_ip: v4(B),
        target_mac: Default::default(),
        target_ip: v4(B),
    };
    let frame = [&[0xff; 6][..], &[2, 9, 9, 9, 9, 9], &[8, 6], &claim.emit()].concat();
    let before = pair.wire.len();
    for _ in 0..5 {
        let mut batch = portolan_link::RxBatch::new(1);
        batch.push(portolan_link::PacketBuf::copy(pair.hosts[B].pool(), &frame)).unwrap();
        let link = pair.links[B];
        pair.hosts[B].receive(pair.now, link, &mut batch);
        pair.settle();
    }
    assert!(pair.saw(B, |event| matches!(event, Event::AddressConflict(..))));
    assert!(!pair.saw(B, |event| matches!(event, Event::AddressConflict(..))));
    assert_eq!(pair.wire.len(), before + 1);
}
