//! RFC 1122 §2 to §4.1: the link layer, the internet layer and UDP, as far as a host on one Ethernet can show it.

use portolan_link::{PacketBuf, RxBatch, TxBatch};
use portolan_stack::*;
use portolan_wire::{Address, Endpoint, Family, icmpv4, ipv4, protocol, udp};

use crate::common::{A, B, Pair, cidr, endpoint, ethernet_caps, station, v4};
use crate::raw::deliver;

/// An IPv4 packet.
fn ip(src: Address, dst: Address, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; 20];
    let payload_len = payload.len() as u16;
    ipv4::Emit { src, dst, protocol, ttl: 64, payload_len, ..ipv4::Emit::default() }
        .emit(&mut packet)
        .unwrap();
    [&packet, payload].concat()
}

/// A UDP datagram from A to port 9, where nobody listens.
fn datagram(src: Address, dst: Address, text: &[u8]) -> Vec<u8> {
    let mut payload = vec![0; 8 + text.len()];
    payload[8..].copy_from_slice(text);
    udp::Emit { src_port: 5000, dst_port: 9, payload_len: text.len() as u16 }.emit(&mut payload).unwrap();
    udp::fill_checksum(src, dst, &mut payload).unwrap();
    ip(src, dst, protocol::UDP, &payload)
}

/// The IPv4 packets that B has sent since the wire had `since` frames.
fn sent(pair: &Pair, since: usize) -> Vec<Vec<u8>> {
    let frames = pair.wire[since..].iter().filter(|(from, frame)| *from == B && frame[12..14] == [8, 0]);
    frames.map(|(_, frame)| frame[14..].to_vec()).collect()
}

/// A frame arrives at B, whatever stands in it.
fn deliver_frame(pair: &mut Pair, frame: &[u8]) {
    let mut frames = RxBatch::new(1);
    frames.push(PacketBuf::copy(pair.hosts[B].pool(), frame)).unwrap();
    pair.hosts[B].receive(pair.now, pair.links[B], &mut frames);
    pair.settle();
}

/// A host B that knows A's station, and has answered nobody yet.
fn acquainted() -> Pair {
    let mut pair = Pair::new();
    let link = pair.links[B];
    pair.hosts[B].set_neighbour(link, v4(A), station(A)).unwrap();
    pair
}

// RFC 1122 §3.2.2, INET-38, INET-39, INET-42, INET-47, INET-48, INET-152, INET-154; §4.1.3.1, UDP-1
#[test]
fn a_closed_port_is_answered_with_the_packet_that_asked() {
    for len in [0, 1, 100, 1400] {
        let mut pair = acquainted();
        let packet = datagram(v4(A), v4(B), &vec![7; len]);
        let since = pair.wire.len();
        deliver(&mut pair, B, &packet);
        let [answer] = &sent(&pair, since)[..] else { panic!("one answer") };
        let (message, quote) = icmpv4::parse(&answer[20..]).unwrap();
        assert_eq!(message, icmpv4::Message::Unreachable { code: 3, next_hop_mtu: 0 });
        assert_eq!(quote, &packet[..packet.len().min(548)]);
        let about_an_error = ip(v4(A), v4(B), protocol::ICMPV4, &answer[20..]);
        let since = pair.wire.len();
        deliver(&mut pair, B, &about_an_error);
        assert_eq!(sent(&pair, since).len(), 0);
    }
    let mut pair = acquainted();
    let since = pair.wire.len();
    deliver(&mut pair, B, &ip(v4(A), v4(B), 99, b"no such protocol"));
    assert_eq!(sent(&pair, since)[0][20..22], [3, 2]);
}

// RFC 1122 §3.2.2, INET-43 to INET-46
#[test]
fn nobody_is_told_of_what_was_sent_to_many_or_by_nobody() {
    let mut pair = acquainted();
    let since = pair.wire.len();
    for dst in [Address::v4(10, 0, 0, 255), Address::BROADCAST, Address::v4(224, 0, 0, 1)] {
        deliver(&mut pair, B, &datagram(v4(A), dst, b"to many"));
    }
    for src in
        [Address::V4_UNSPECIFIED, Address::v4(224, 0, 0, 5), Address::v4(10, 0, 0, 255), Address::BROADCAST]
    {
        deliver(&mut pair, B, &datagram(src, v4(B), b"by nobody"));
    }
    let broadcast =
        [&[0xff; 6][..], &station(A).0, &[8, 0], &datagram(v4(A), v4(B), b"by the link")].concat();
    deliver_frame(&mut pair, &broadcast);
    let mut fragment = datagram(v4(A), v4(B), b"sixteen octets..");
    let header = ipv4::Emit {
        src: v4(A),
        dst: v4(B),
        protocol: 99,
        ttl: 64,
        fragment_offset: 64,
        payload_len: 24,
        ..ipv4::Emit::default()
    };
    header.emit(&mut fragment).unwrap();
    deliver(&mut pair, B, &fragment);
    pair.pass(60_000_000);
    assert_eq!(sent(&pair, since), Vec::<Vec<u8>>::new());
}

// RFC 1122 §3.2.2, INET-37; §3.2.2.7, INET-72; RFC 6918 §2
#[test]
fn icmp_of_unknown_and_forgotten_types_is_dropped_in_silence() {
    let mut pair = acquainted();
    let since = pair.wire.len();
    for kind in (0..=255).filter(|kind| *kind != 8) {
        let mut message = [0; 36];
        message[0] = kind;
        message[2..4].copy_from_slice(&(!(u16::from(kind) << 8)).to_be_bytes());
        deliver(&mut pair, B, &ip(v4(A), v4(B), protocol::ICMPV4, &message));
    }
    assert_eq!(sent(&pair, since), Vec::<Vec<u8>>::new());
}

// RFC 1122 §3.2.1.1, INET-10; §3.2.1.2, INET-11; §3.2.1.7, INET-22
#[test]
fn headers_are_checked_but_a_low_ttl_is_no_fault_here() {
    let mut pair = acquainted();
    let good = datagram(v4(A), v4(B), b"well?");
    for version in (0..16).filter(|version| *version != 4) {
        let since = pair.wire.len();
        let mut bad = good.clone();
        bad[0] = version << 4 | 5;
        deliver_frame(&mut pair, &[&station(B).0[..], &station(A).0, &[8, 0], &bad].concat());
        assert_eq!(sent(&pair, since).len(), 0, "version {version}");
    }
    let since = pair.wire.len();
    let mut bad = good.clone();
    bad[10] ^= 1;
    deliver(&mut pair, B, &bad);
    assert_eq!((sent(&pair, since).len(), pair.hosts[B].stats().drops.count(DropReason::IpChecksum)), (0, 1));
    for ttl in [0, 1] {
        let since = pair.wire.len();
        let mut low = good.clone();
        ipv4::Header::parse_mut(&mut low).unwrap().0.set_ttl(ttl);
        deliver(&mut pair, B, &low);
        assert_eq!(sent(&pair, since).len(), 1, "TTL {ttl}");
    }
}

// RFC 1122 §3.3.2, INET-116, INET-117
#[test]
fn a_datagram_that_stays_in_parts_is_reported_once_after_a_fixed_time() {
    let mut pair = acquainted();
    let mut first = datagram(v4(A), v4(B), &[1; 16]);
    let header = ipv4::Emit {
        src: v4(A),
        dst: v4(B),
        protocol: protocol::UDP,
        ttl: 64,
        id: 7,
        more_fragments: true,
        payload_len: 24,
        ..ipv4::Emit::default()
    };
    header.emit(&mut first).unwrap();
    let since = pair.wire.len();
    deliver(&mut pair, B, &first);
    pair.pass(pair.hosts[B].config().reassembly_timeout_us - 100_000);
    assert_eq!(sent(&pair, since).len(), 0);
    pair.pass(200_000);
    let answers = sent(&pair, since);
    assert_eq!((answers.len(), &answers[0][20..22]), (1, &[11, 1][..]));
}

// RFC 1122 §3.3.1.1, INET-94, INET-95; §3.3.1.2, INET-98 to INET-100; §3.3.1.6, INET-111; §3.2.1.3, INET-12
#[test]
fn the_network_is_reached_directly_and_the_rest_by_the_best_router() {
    let mut pair = Pair::new();
    let link = pair.links[A];
    let mac = |n: u8| portolan_wire::EthernetAddress([2, 0, 0, 0, 9, n]);
    let route = |destination, via: &str, metric| Route {
        destination: cidr(destination),
        via: Some(via.parse().unwrap()),
        link,
        kind: RouteKind::Unicast,
        metric,
    };
    for (at, n) in [("10.0.0.3", 3), ("10.0.0.4", 4), ("10.0.0.5", 5)] {
        pair.hosts[A].set_neighbour(link, at.parse().unwrap(), mac(n)).unwrap();
    }
    for route in [
        route("0.0.0.0/0", "10.0.0.4", 20),
        route("0.0.0.0/0", "10.0.0.3", 10),
        route("192.0.2.0/24", "10.0.0.5", 99),
    ] {
        pair.hosts[A].add_route(pair.now, route).unwrap();
    }
    let client = pair.hosts[A].udp_socket(Family::V4).unwrap();
    for (to, next_hop) in [
        ("10.0.0.2:9", station(B)),
        ("198.51.100.1:9", mac(3)),
        ("192.0.2.1:9", mac(5)),
        ("10.0.0.4:9", mac(4)),
    ] {
        let since = pair.wire.len();
        pair.hosts[A].send_to(pair.now, client, b"x", Some(endpoint(to)), None).unwrap();
        pair.settle();
        let frame =
            pair.wire[since..].iter().find(|(from, frame)| *from == A && frame[12..14] == [8, 0]).unwrap();
        assert_eq!(frame.1[..6], next_hop.0, "{to}");
    }
}

// RFC 1122 §3.1, INET-6, INET-7; §3.2.1.3, INET-14; §3.3.4.2, INET-125; §3.2.2.2, INET-52
#[test]
fn a_host_with_two_links_forwards_nothing() {
    let mut pair = acquainted();
    let settings = LinkConfig { name: "eth1".into(), ethernet: station(5) };
    let second = pair.hosts[B].add_link(pair.now, ethernet_caps(1500), settings);
    pair.hosts[B].add_address(pair.now, second, cidr("192.0.2.1/24")).unwrap();
    pair.settle();
    let mut announcements = TxBatch::new(64);
    pair.hosts[B].poll_transmit(pair.now, second, &mut announcements);
    let since = pair.wire.len();
    for dst in ["192.0.2.9", "192.0.2.1", "198.51.100.1", "10.0.0.77"] {
        let before = pair.hosts[B].stats().drops.count(DropReason::NotLocal);
        deliver(&mut pair, B, &datagram(v4(A), dst.parse().unwrap(), b"pass it on"));
        assert_eq!(pair.hosts[B].stats().drops.count(DropReason::NotLocal), before + 1, "{dst}");
        assert!(!pair.hosts[B].wants_transmit(second), "{dst}");
    }
    assert_eq!(sent(&pair, since), Vec::<Vec<u8>>::new());
}

// RFC 1122 §2.3.2.1, LINK-4; §2.3.3, LINK-2, LINK-7, LINK-11, LINK-12; §2.4, LINK-15
#[test]
fn arp_asks_once_a_second_and_frames_are_those_of_rfc_894() {
    let mut pair = Pair::new();
    let since = pair.wire.len();
    pair.connect(A, endpoint("10.0.0.77:80"));
    let asked = |pair: &Pair| pair.wire[since..].iter().filter(|(_, frame)| frame[12..14] == [8, 6]).count();
    for (wait_us, count) in [(0, 1), (900_000, 1), (200_000, 2), (1_000_000, 3), (5_000_000, 3)] {
        pair.pass(wait_us);
        assert_eq!(asked(&pair), count, "after {wait_us}");
        if count < 3 {
            assert!(
                !pair.saw(A, |event| matches!(event, Event::ConnectFailed(..))),
                "none is not unreachable"
            );
        }
    }
    pair.connected(Family::V4, 80);
    pair.connected(Family::V6, 81);
    let types = [[8, 0], [8, 6], [0x86, 0xdd]];
    assert!(pair.wire.iter().all(|(_, frame)| types.iter().any(|kind| frame[12..14] == *kind)));
}

// RFC 1122 §3.3.6, INET-137, INET-142
#[test]
fn broadcasts_and_groups_go_to_many_stations_and_come_from_none() {
    let mut pair = Pair::new();
    let (now, link) = (pair.now, pair.links[A]);
    let client = pair.hosts[A].udp_socket(Family::V4).unwrap();
    pair.hosts[A].set_option(now, client, SocketOption::Broadcast(true)).unwrap();
    for (to, first) in [("10.0.0.255:9", 0xff), ("255.255.255.255:9", 0xff), ("224.0.0.1:9", 1)] {
        let since = pair.wire.len();
        pair.hosts[A].send_to(now, client, b"x", Some(endpoint(to)), None).unwrap();
        pair.settle();
        assert_eq!(pair.wire[since].1[0], first, "{to}");
    }
    let refused = Err(SettingError::NotAHostAddress);
    for group in ["10.0.9.255/24", "255.255.255.255/32", "224.0.0.1/32"] {
        assert_eq!(pair.hosts[A].add_address(now, link, cidr(group)), refused, "{group}");
    }
}

// RFC 1122 §4.1.3.4, UDP-6, UDP-7, UDP-9; §4.1.3.6, UDP-15
#[test]
fn udp_checks_checksums_and_sources_and_writes_checksums() {
    let mut pair = acquainted();
    let server = pair.hosts[B].udp_socket(Family::V4).unwrap();
    pair.hosts[B].bind(pair.now, server, endpoint("0.0.0.0:9")).unwrap();
    let good = datagram(v4(A), v4(B), b"text");
    let mut bad = good.clone();
    bad[29] ^= 1;
    deliver(&mut pair, B, &bad);
    deliver(&mut pair, B, &datagram(Address::LOOPBACK_V4, v4(B), b"from nowhere"));
    let mut out = [0; 100];
    assert_eq!(pair.hosts[B].recv_from(pair.now, server, &mut out).unwrap_err(), SocketError::WouldBlock);
    deliver(&mut pair, B, &good);
    assert_eq!(pair.hosts[B].recv_from(pair.now, server, &mut out).unwrap().len, 4);
    let since = pair.wire.len();
    let to = Some(Endpoint::new(v4(A), 5000));
    pair.hosts[B].send_to(pair.now, server, b"answer", to, None).unwrap();
    pair.settle();
    assert_ne!(sent(&pair, since)[0][26..28], [0, 0]);
}

// RFC 1122 §3.2.1.3, INET-13; §3.3.4.2, INET-124; §4.1.3.5, UDP-12 to UDP-14; §4.1.3.6, UDP-16
#[test]
fn a_socket_speaks_by_an_address_of_the_hosts_and_of_no_other() {
    let mut pair = Pair::new();
    let now = pair.now;
    let tcp = pair.hosts[A].tcp_socket(Family::V4).unwrap();
    let datagrams = pair.hosts[A].udp_socket(Family::V4).unwrap();
    for id in [tcp, datagrams] {
        let foreign = pair.hosts[A].bind(now, id, endpoint("10.0.0.66:0"));
        assert_eq!(foreign, Err(SocketError::AddressNotAvailable));
    }
    assert_eq!(pair.hosts[A].bind(now, tcp, endpoint("10.0.0.1:700")), Ok(endpoint("10.0.0.1:700")));
    pair.hosts[A].bind(now, datagrams, endpoint("0.0.0.0:701")).unwrap();
    pair.hosts[A].connect(now, datagrams, Endpoint::new(v4(B), 9)).unwrap();
    assert_eq!(
        pair.hosts[A].local(datagrams).unwrap(),
        endpoint("10.0.0.1:701"),
        "it learns which one is used"
    );
}

// RFC 1122 §3.2.1.7, INET-24
#[test]
fn the_usual_ttl_is_a_knob() {
    let config = Config { hop_limit: 33, ..Config::default() };
    let mut pair = Pair::with(config, ethernet_caps(1500), 1);
    pair.connected(Family::V4, 80);
    let ttls: Vec<u8> = sent(&pair, 0).iter().map(|packet| packet[8]).collect();
    assert!(!ttls.is_empty() && ttls.iter().all(|ttl| *ttl == 33));
}
