//! Links: neighbours that lie, offloads, link-local addresses, devices, MTUs.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]
mod common;

use common::*;
use portolan_link::{Checksum, Gso, LinkCaps, Medium, PacketBuf, RxBatch, TxBatch};
use portolan_stack::*;
use portolan_wire::arp::{Op, Packet};
use portolan_wire::ndp;
use portolan_wire::{Address, Endpoint, EthernetAddress, Family, icmpv4, icmpv6, ipv4, ipv6, protocol};

fn deliver(pair: &mut Pair, host: usize, frame: &[u8]) {
    let mut batch = RxBatch::new(1);
    batch.push(PacketBuf::copy(pair.hosts[host].pool(), frame)).unwrap();
    let link = pair.links[host];
    pair.hosts[host].receive(pair.now, link, &mut batch);
}

const LIAR: EthernetAddress = EthernetAddress([2, 6, 6, 6, 6, 6]);

fn lying_reply() -> Vec<u8> {
    let lie = Packet {
        op: Op::Reply,
        sender_mac: LIAR,
        sender_ip: v4(B),
        target_mac: station(A),
        target_ip: v4(A),
    };
    [&station(A).0[..], &LIAR.0, &[8, 6], &lie.emit()].concat()
}

fn destination_of_next(pair: &mut Pair) -> EthernetAddress {
    let udp = pair.hosts[A].udp_socket(Family::V4).unwrap();
    pair.hosts[A].send_to(pair.now, udp, b"x", Some(Endpoint::new(v4(B), 9)), None).unwrap();
    pair.hosts[A].close(pair.now, udp).unwrap();
    pair.settle();
    let sent = pair.wire.iter().rev().find(|(from, frame)| *from == A && frame[12..14] == [8, 0]).unwrap();
    EthernetAddress(sent.1[..6].try_into().unwrap())
}

#[test]
fn a_liar_does_not_move_a_neighbour_that_answers() {
    let mut pair = Pair::new();
    assert_eq!(destination_of_next(&mut pair), station(B));
    deliver(&mut pair, A, &lying_reply());
    assert_eq!(destination_of_next(&mut pair), station(B));
    // The true neighbour answers the question that the lie has caused.
    pair.pass(100_000);
    deliver(&mut pair, A, &lying_reply());
    assert_eq!(destination_of_next(&mut pair), station(B));
    // It is silent: now the other one may have the address.
    pair.lose = |_, _| true;
    deliver(&mut pair, A, &lying_reply());
    pair.pass(4_000_000);
    pair.lose = |_, _| false;
    assert_eq!(pair.hosts[A].counts().neighbours, 0);
    // A permanent entry listens to nobody.
    let link = pair.links[A];
    pair.hosts[A].set_neighbour(link, v4(B), station(B)).unwrap();
    for _ in 0..3 {
        deliver(&mut pair, A, &lying_reply());
        pair.pass(5_000_000);
    }
    assert_eq!(destination_of_next(&mut pair), station(B));
}

#[test]
fn groups_and_strangers_are_no_neighbours() {
    let mut pair = Pair::new();
    let group = Packet {
        op: Op::Request,
        sender_mac: EthernetAddress([1, 0, 0x5e, 0, 0, 1]),
        sender_ip: v4(B),
        target_mac: station(A),
        target_ip: v4(A),
    };
    deliver(&mut pair, A, &[&station(A).0[..], &LIAR.0, &[8, 6], &group.emit()].concat());
    assert_eq!(pair.hosts[A].stats().drops.count(DropReason::ArpSender), 1);
    deliver(&mut pair, A, &lying_reply());
    assert_eq!(pair.hosts[A].counts().neighbours, 0, "an answer to nothing makes no entry");
}

#[test]
fn neighbor_discovery_counts_only_from_the_link_itself() {
    let mut pair = Pair::new();
    for (hop_limit, answers) in [(254, 0), (255, 1)] {
        let mut packet = vec![0; 40 + 32];
        let dst = v6(B).solicited_node();
        let header = ipv6::Emit {
            src: v6(A),
            dst,
            next_header: protocol::ICMPV6,
            hop_limit,
            payload_len: 32,
            ..Default::default()
        };
        header.emit(&mut packet).unwrap();
        let mut option = [0; 8];
        ndp::NdpOption::SourceLinkLayer(station(A)).emit(&mut option).unwrap();
        let message = icmpv6::Message::Ndp(ndp::Message::NeighborSolicitation { target: v6(B) });
        message.emit(v6(A), dst, &option, &mut packet[40..]).unwrap();
        let before = pair.wire.len();
        let frame = [&dst.multicast_ethernet().0[..], &station(A).0, &[0x86, 0xdd], &packet].concat();
        deliver(&mut pair, B, &frame);
        pair.settle();
        assert_eq!(pair.wire.len(), before + answers, "hop limit {hop_limit}");
    }
    assert_eq!(pair.hosts[B].stats().drops.count(DropReason::NdpInvalid), 1);
}

#[test]
fn link_local_addresses_connect_within_their_zone() {
    let mut pair = Pair::new();
    let link_local: Address = "fe80::ff:fe00:2".parse().unwrap();
    let listener = pair.listen(B, Family::V6, 80, 1);
    let client = pair.connect(A, Endpoint::new(link_local, 80));
    pair.settle();
    assert_eq!(pair.hosts[A].state(client), Ok(State::Established));
    let (server, local, remote) = pair.hosts[B].accept(pair.now, listener).unwrap();
    assert_eq!((local.address, remote.address), (link_local, "fe80::ff:fe00:1".parse().unwrap()));
    assert!(pair.transfer(A, client, server, &pattern(10_000)) == pattern(10_000));
}

// RFC 1122 §3.1, INET-3; §3.4, INET-150
#[test]
fn sockets_that_are_bound_to_a_link_use_and_hear_only_that() {
    let mut pair = Pair::new();
    let caps = ethernet_caps(1500);
    let settings = LinkConfig { name: "other".into(), ethernet: EthernetAddress([2, 0, 0, 0, 1, 1]) };
    let other = pair.hosts[B].add_link(pair.now, caps, settings);
    pair.hosts[B].add_address(pair.now, other, cidr("10.9.0.1/24")).unwrap();
    let bound = |pair: &mut Pair, link, port| {
        let id = pair.hosts[B].tcp_socket(Family::V4).unwrap();
        pair.hosts[B].set_option(pair.now, id, SocketOption::BindToLink(Some(link))).unwrap();
        pair.hosts[B].bind(pair.now, id, Endpoint::new(Address::V4_UNSPECIFIED, port)).unwrap();
        id
    };
    let (here, there) = (pair.links[B], other);
    let (listener, deaf) = (bound(&mut pair, here, 80), bound(&mut pair, there, 81));
    pair.hosts[B].listen(pair.now, listener, 1).unwrap();
    pair.hosts[B].listen(pair.now, deaf, 1).unwrap();
    let heard = pair.connect(A, Endpoint::new(v4(B), 80));
    let unheard = pair.connect(A, Endpoint::new(v4(B), 81));
    pair.settle();
    assert_eq!(pair.hosts[A].state(heard), Ok(State::Established));
    assert_eq!(pair.hosts[A].take_error(unheard), Some(SocketError::ConnectionRefused));
    let (server, ..) = pair.hosts[B].accept(pair.now, listener).unwrap();
    assert!(pair.transfer(B, server, heard, &pattern(5000)) == pattern(5000));
    let astray = pair.hosts[B].tcp_socket(Family::V4).unwrap();
    pair.hosts[B].set_option(pair.now, astray, SocketOption::BindToLink(Some(there))).unwrap();
    assert_eq!(
        pair.hosts[B].connect(pair.now, astray, Endpoint::new(v4(A), 1)),
        Err(SocketError::NetworkUnreachable)
    );
}

// RFC 9293 MUST-2
#[test]
fn offloads_are_asked_for_as_the_link_allows_and_the_finished_frame_is_right() {
    let caps = LinkCaps { medium: Medium::Ethernet, mtu: 1500, gso_max: 65_535, checksum: true };
    let mut pair = Pair::with(Config::default(), caps, 1);
    let (client, server) = pair.connected(Family::V6, 80);
    assert!(pair.transfer(A, client, server, &pattern(500_000)) == pattern(500_000));
    pair.write(A, client, &pattern(20_000)).unwrap();
    let mut out = TxBatch::new(16);
    pair.hosts[A].poll_transmit(pair.now, pair.links[A], &mut out);
    let entry = out.front().unwrap();
    let Gso::Tcp { size, .. } = entry.offload.gso else { panic!("{:?}", entry.offload) };
    assert_eq!(usize::from(size), 1500 - 40 - 32);
    let Checksum::Partial { start, offset } = entry.offload.checksum else { panic!("{:?}", entry.offload) };
    assert_eq!((start, offset, entry.offload.header_len), (54, 16, 86));
    let mut frame: Vec<u8> = entry.slices().flatten().copied().collect();
    assert_eq!(frame.len(), 86 + 20_000);
    portolan_wire::checksum::complete(&mut frame, start.into(), offset.into()).unwrap();
    assert!(portolan_wire::tcp::checksum_ok(v6(A), v6(B), &frame[54..]));
}

// RFC 9293 MUST-54, SHLD-6
#[test]
fn a_router_that_needs_smaller_segments_is_believed_only_about_what_is_under_way() {
    let mut pair = Pair::new();
    let (client, _server) = pair.connected(Family::V4, 80);
    // The segment is lost where the path narrows.
    pair.lose = |from, frame| from == A && frame.len() > 1300;
    pair.write(A, client, &pattern(3000)).unwrap();
    pair.settle();
    let lost =
        pair.wire.iter().rev().find(|(from, frame)| *from == A && frame.len() > 1300).unwrap().1.clone();
    let report = |pair: &mut Pair, quote: &[u8]| {
        let mut packet = vec![0; 56];
        let header = ipv4::Emit {
            src: v4(B),
            dst: v4(A),
            protocol: protocol::ICMPV4,
            ttl: 64,
            payload_len: 36,
            ..Default::default()
        };
        header.emit(&mut packet).unwrap();
        let message = icmpv4::Message::Unreachable { code: 4, next_hop_mtu: 1200 };
        message.emit(quote, &mut packet[20..]).unwrap();
        let frame = [&station(A).0[..], &station(B).0, &[8, 0], &packet].concat();
        deliver(pair, A, &frame);
        pair.settle();
    };
    let longest = |pair: &Pair, since: usize| {
        pair.wire[since..]
            .iter()
            .filter(|(from, _)| *from == A)
            .map(|(_, frame)| frame.len())
            .max()
            .unwrap_or(0)
    };
    let mut forged = lost[14..42].to_vec();
    forged[24] ^= 0x40;
    let before = pair.wire.len();
    report(&mut pair, &forged);
    assert_eq!(longest(&pair, before), 0, "a wrong sequence number changes nothing");
    report(&mut pair, &lost[14..42]);
    assert_eq!(longest(&pair, before), 14 + 1200);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let mut pair = Pair::new();
    let (now, link) = (pair.now, pair.links[A]);
    let host = &mut pair.hosts[A];
    for bad in ["0.0.0.0/0", "224.0.0.1/4", "255.255.255.255/32", "127.0.0.5/8", "::1/128", "10.5.0.255/24"] {
        assert_eq!(host.add_address(now, link, cidr(bad)), Err(SettingError::NotAHostAddress), "{bad}");
    }
    assert_eq!(host.add_address(now, link, cidr("10.0.0.1/8")), Err(SettingError::Duplicate));
    assert_eq!(host.add_address(now, LinkId::LOOPBACK, cidr("10.5.0.1/8")), Err(SettingError::Loopback));
    for n in 0..61 {
        host.add_address(now, link, cidr(&format!("10.77.{n}.1/24"))).unwrap();
    }
    assert_eq!(host.add_address(now, link, cidr("10.78.0.1/24")), Err(SettingError::Full(64)));
    let route =
        Route { destination: cidr("0.0.0.0/0"), via: Some(v6(B)), link, kind: RouteKind::Unicast, metric: 0 };
    assert_eq!(host.add_route(now, route), Err(SettingError::BadNextHop));
    host.remove_link(now, link).unwrap();
    assert_eq!(host.remove_link(now, link), Err(SettingError::NoSuchLink));
    assert_eq!(host.routes().count(), 0);
    assert_eq!(host.counts().neighbours, 0);
}

#[test]
fn a_connection_survives_the_loss_of_its_link_until_a_route_is_back() {
    let mut pair = Pair::new();
    let (client, server) = pair.connected(Family::V4, 80);
    let caps = ethernet_caps(900);
    let link = pair.links[A];
    pair.hosts[A].set_link_caps(pair.now, link, caps).unwrap();
    let before = pair.wire.len();
    assert!(pair.transfer(A, client, server, &pattern(9000)) == pattern(9000));
    assert!(pair.wire[before..].iter().all(|(from, frame)| *from == B || frame.len() <= 914));
    pair.hosts[A].remove_link(pair.now, link).unwrap();
    pair.write(A, client, b"waits").unwrap();
    pair.pass(1_000_000);
    let settings = LinkConfig { name: "eth1".into(), ethernet: station(A) };
    pair.links[A] = pair.hosts[A].add_link(pair.now, ethernet_caps(1500), settings);
    let link = pair.links[A];
    pair.hosts[A].add_address(pair.now, link, cidr("10.0.0.1/24")).unwrap();
    pair.pass(5_000_000);
    assert_eq!(pair.read(B, server), Ok(b"waits".to_vec()));
}
