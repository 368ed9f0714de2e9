//! One valid frame of every kind, and every parser on any bytes.

use portolan_wire::ethernet::{self, EtherType};
use portolan_wire::ipv6::{Fragment, extension};
use portolan_wire::ndp::{NdpOption, PrefixInformation, RouterAdvertisement, Servers};
use portolan_wire::tcp::{FastOpen, Flags, Options, SackBlocks, Timestamps};
use portolan_wire::{
    Address, EthernetAddress, Mss, SeqNumber, arp, icmpv4, icmpv6, ipv4, ipv6, ndp, protocol, tcp, udp, vlan,
};

pub(crate) const STATION: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);
pub(crate) const PEER: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 2]);
pub(crate) const V4: (Address, Address) = (Address::v4(10, 0, 0, 1), Address::v4(10, 0, 0, 2));

pub(crate) fn v6() -> (Address, Address) {
    (address("2001:db8::1"), address("2001:db8::2"))
}

pub(crate) fn address(text: &str) -> Address {
    text.parse().unwrap()
}

pub(crate) fn ethernet(ethertype: EtherType, payload: &[u8]) -> Vec<u8> {
    let header = ethernet::Header::new(PEER, STATION, ethertype);
    [&header.as_bytes()[..], payload].concat()
}

pub(crate) fn ipv4_packet(emit: ipv4::Emit, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; ipv4::Header::MAX_LEN];
    let emit = ipv4::Emit { src: V4.0, dst: V4.1, ttl: 64, payload_len: payload.len() as u16, ..emit };
    let len = emit.emit_with_options(options, &mut out).unwrap();
    out.truncate(len);
    out.extend(payload);
    out
}

pub(crate) fn ipv6_packet(emit: ipv6::Emit, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; ipv6::Header::LEN];
    let ends = v6();
    let emit =
        ipv6::Emit { src: ends.0, dst: ends.1, hop_limit: 255, payload_len: payload.len() as u16, ..emit };
    emit.emit(&mut out).unwrap();
    out.extend(payload);
    out
}

pub(crate) fn v4_of(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_packet(ipv4::Emit { protocol, ..Default::default() }, &[], payload)
}

pub(crate) fn v6_of(next_header: u8, payload: &[u8]) -> Vec<u8> {
    ipv6_packet(ipv6::Emit { next_header, ..Default::default() }, payload)
}

pub(crate) fn segment((src, dst): (Address, Address), emit: tcp::Emit, text: &[u8]) -> Vec<u8> {
    let mut out = vec![0; tcp::Header::MAX_LEN];
    let len = tcp::Emit { src_port: 80, dst_port: 5000, ..emit }.emit(&mut out).unwrap();
    out.truncate(len);
    out.extend(text);
    tcp::fill_checksum(src, dst, &mut out).unwrap();
    out
}

pub(crate) fn datagram((src, dst): (Address, Address), payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; udp::Header::LEN];
    let emit = udp::Emit { src_port: 5353, dst_port: 7777, payload_len: payload.len() as u16 };
    emit.emit(&mut out).unwrap();
    out.extend(payload);
    udp::fill_checksum(src, dst, &mut out).unwrap();
    out
}

pub(crate) fn icmp(message: icmpv4::Message, data: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 8 + data.len()];
    let len = message.emit(data, &mut out).unwrap();
    out.truncate(len);
    v4_of(protocol::ICMPV4, &out)
}

pub(crate) fn icmp6(message: icmpv6::Message, data: &[u8]) -> Vec<u8> {
    let (src, dst) = v6();
    let mut out = vec![0; 40 + data.len()];
    let len = message.emit(src, dst, data, &mut out).unwrap();
    out.truncate(len);
    v6_of(protocol::ICMPV6, &out)
}

pub(crate) fn options(options: &[NdpOption<'_>]) -> Vec<u8> {
    let mut out = vec![0; 2048];
    let mut len = 0;
    for option in options {
        len += option.emit(&mut out[len..]).unwrap();
    }
    out.truncate(len);
    out
}

/// A SYN-ACK with the options of a Linux host.
pub(crate) fn syn_ack() -> tcp::Emit {
    tcp::Emit {
        seq: SeqNumber(1),
        ack: SeqNumber(2),
        flags: Flags::SYN | Flags::ACK,
        window: 65_535,
        options: Options {
            mss: Mss::new(1460),
            window_scale: Some(7),
            sack_permitted: true,
            timestamps: Some(Timestamps { value: 1, echo: 0 }),
            ..Options::NONE
        },
        ..tcp::Emit::default()
    }
}

/// Text with timestamps and three SACK blocks.
pub(crate) fn text() -> tcp::Emit {
    let mut sack = SackBlocks::new();
    for edge in [100, 200, 300] {
        assert!(sack.push((SeqNumber(edge), SeqNumber(edge + 50))));
    }
    tcp::Emit {
        seq: SeqNumber(u32::MAX),
        ack: SeqNumber(2),
        flags: Flags::PSH | Flags::ACK,
        window: 512,
        options: Options { sack, timestamps: Some(Timestamps { value: 3, echo: 4 }), ..Options::NONE },
        ..tcp::Emit::default()
    }
}

pub(crate) fn arp_request() -> arp::Packet {
    arp::Packet {
        op: arp::Op::Request,
        sender_mac: STATION,
        sender_ip: V4.0,
        target_mac: EthernetAddress::default(),
        target_ip: V4.1,
    }
}

pub(crate) fn router_advertisement() -> Vec<u8> {
    let advertisement =
        RouterAdvertisement { hop_limit: 64, managed: true, lifetime_s: 1800, ..Default::default() };
    let prefix = PrefixInformation {
        prefix: address("2001:db8::"),
        prefix_len: 64,
        on_link: true,
        autonomous: true,
        valid_s: 86_400,
        preferred_s: 14_400,
    };
    let servers = [address("2001:db8::53").octets()];
    let options = options(&[
        NdpOption::SourceLinkLayer(STATION),
        NdpOption::Mtu(1500),
        NdpOption::PrefixInformation(prefix),
        NdpOption::Rdnss { lifetime_s: 1800, servers: Servers::new(&servers).unwrap() },
    ]);
    icmp6(icmpv6::Message::Ndp(ndp::Message::RouterAdvertisement(advertisement)), &options)
}

/// A TCP segment behind Hop-by-Hop Options, Destination Options, a Routing header and an atomic Fragment
/// header.
pub(crate) fn behind_extensions() -> Vec<u8> {
    let mut payload = extension::router_alert(protocol::DESTINATION_OPTIONS, 0).to_vec();
    payload.extend([protocol::ROUTING, 0, 1, 4, 0, 0, 0, 0]);
    payload.extend([protocol::FRAGMENT, 0, 253, 0, 0, 0, 0, 0]);
    let mut fragment = [0; 8];
    Fragment { id: 7, next_header: protocol::TCP, ..Fragment::default() }.emit(&mut fragment).unwrap();
    payload.extend(fragment);
    payload.extend(segment(v6(), text(), b"hello"));
    v6_of(protocol::HOP_BY_HOP, &payload)
}

/// A valid frame of every kind that this crate writes.
pub(crate) fn frames() -> Vec<Vec<u8>> {
    let fast_open =
        Options { fast_open: FastOpen::cookie(&[7; 8]), user_timeout: Some(0x8003), ..Options::NONE };
    let syn = tcp::Emit { flags: Flags::SYN, options: fast_open, ..tcp::Emit::default() };
    let echo = icmpv4::Message::EchoRequest { ident: 1, seq: 2 };
    let quoted = v4_of(protocol::UDP, &datagram(V4, b"question"));
    let quoted6 = v6_of(protocol::UDP, &datagram(v6(), b"question"));
    let solicitation = ndp::Message::NeighborSolicitation { target: v6().1 };
    let redirect = ndp::Message::Redirect { target: v6().0, destination: v6().1 };
    let middle = ipv4::Emit {
        protocol: protocol::UDP,
        fragment_offset: 1480,
        id: 9,
        more_fragments: true,
        ..Default::default()
    };
    let routed = ipv4::Emit { protocol: protocol::TCP, ..Default::default() };
    let v4_options = [148, 4, 0, 0, 7, 7, 4, 192, 0, 2, 1, 1];
    let tagged = {
        let tag = vlan::Tag::new(3, true, 100, EtherType::IPV4).unwrap();
        [tag.as_bytes(), &quoted[..]].concat()
    };
    let v4 = [
        v4_of(protocol::TCP, &segment(V4, syn_ack(), &[])),
        v4_of(protocol::TCP, &segment(V4, text(), b"text")),
        v4_of(protocol::TCP, &segment(V4, syn, b"early")),
        ipv4_packet(routed, &v4_options, &segment(V4, text(), &[])),
        ipv4_packet(middle, &[], &[0xaa; 64]),
        v4_of(protocol::IPV4, &quoted),
        icmp(echo, b"0123456789"),
        icmp(icmpv4::Message::Unreachable { code: 3, next_hop_mtu: 0 }, &quoted[..28]),
        icmp(icmpv4::Message::Redirect { code: 1, gateway: V4.1 }, &quoted[..28]),
        quoted,
    ];
    let v6 = [
        v6_of(protocol::TCP, &segment(v6(), syn_ack(), &[])),
        behind_extensions(),
        icmp6(icmpv6::Message::EchoReply { ident: 1, seq: 2 }, b"0123456789"),
        icmp6(icmpv6::Message::Unreachable { code: 4 }, &quoted6),
        icmp6(icmpv6::Message::PacketTooBig { mtu: 1280 }, &quoted6),
        icmp6(icmpv6::Message::Ndp(solicitation), &options(&[NdpOption::SourceLinkLayer(STATION)])),
        icmp6(icmpv6::Message::Ndp(redirect), &options(&[NdpOption::RedirectedHeader(&quoted6)])),
        router_advertisement(),
        quoted6,
    ];
    let others = [(EtherType::ARP, arp_request().emit().to_vec()), (EtherType::VLAN, tagged)];
    (v4.into_iter().map(|packet| (EtherType::IPV4, packet)))
        .chain(v6.into_iter().map(|packet| (EtherType::IPV6, packet)))
        .chain(others)
        .map(|(ethertype, packet)| ethernet(ethertype, &packet))
        .collect()
}

/// Calls every parser, every iterator and both displays on `bytes`, and checks what must hold for any bytes.
pub(crate) fn everything(bytes: &[u8]) {
    let (src, dst) = V4;
    for line in
        [portolan_wire::display::frame(bytes).to_string(), portolan_wire::display::ip(bytes).to_string()]
    {
        assert!(!line.is_empty() && line.len() < 8192, "{line}");
        assert!(line.bytes().all(|octet| (0x20..0x7f).contains(&octet)), "{line:?}");
    }
    _ = ethernet::Header::parse(bytes);
    _ = vlan::Tag::parse(bytes);
    _ = arp::Packet::parse(bytes);
    for packet in
        [ipv4::parse(bytes), ipv4::parse_unchecked(bytes), ipv4::parse_quoted(bytes)].into_iter().flatten()
    {
        assert!(
            packet.options.len() <= 40 && packet.options.len() + packet.payload.len() + 20 <= bytes.len()
        );
    }
    assert!(ipv4::Options::new(bytes).count() <= 40);
    for packet in [ipv6::parse(bytes), ipv6::parse_quoted(bytes)].into_iter().flatten() {
        assert!(packet.iter_extensions().count() <= extension::MAX_HEADERS + 1);
        if let Ok(upper) = packet.extensions() {
            assert_eq!(bytes[upper.offset..][..upper.payload.len()], *upper.payload);
            assert_eq!(bytes[upper.next_header_at], upper.protocol);
        }
    }
    _ = icmpv4::parse(bytes);
    _ = icmpv4::parse_unchecked(bytes);
    _ = icmpv6::parse(src, dst, bytes);
    _ = icmpv6::parse_unchecked(bytes);
    for ty in 130..140 {
        _ = ndp::Message::parse(ty, 0, bytes);
    }
    assert!(ndp::Options::new(bytes).count() <= bytes.len() / 8 + 1);
    _ = udp::parse(bytes);
    _ = udp::checksum_ok(src, dst, bytes);
    _ = tcp::parse(bytes);
    _ = tcp::checksum_ok(src, dst, bytes);
    _ = tcp::Options::parse(bytes);
    assert!(tcp::RawOptions::new(bytes).count() <= 40);
}
