use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use super::*;
use crate::ipv6::extension;
use crate::ndp::{self, NdpOption, PrefixInformation, Servers};
use crate::tcp::{self, FastOpen, Flags, Options, Timestamps};
use crate::{Address, EthernetAddress, Mss, SeqNumber, icmpv4, icmpv6, ipv4, ipv6, protocol, udp};

const STATION: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);
const SRC: Address = Address::v4(10, 0, 0, 1);
const DST: Address = Address::v4(10, 0, 0, 2);

fn v4(emit: ipv4::Emit, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 60];
    let emit = ipv4::Emit { src: SRC, dst: DST, ttl: 64, payload_len: payload.len() as u16, ..emit };
    let len = emit.emit_with_options(options, &mut out).unwrap();
    out.truncate(len);
    out.extend(payload);
    out
}

fn v4_of(protocol: u8, payload: &[u8]) -> Vec<u8> {
    v4(ipv4::Emit { protocol, ..Default::default() }, &[], payload)
}

fn v6_of(next_header: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 40];
    let emit = ipv6::Emit {
        src: "fe80::1".parse().unwrap(),
        dst: "fe80::2".parse().unwrap(),
        next_header,
        payload_len: payload.len() as u16,
        ..Default::default()
    };
    emit.emit(&mut out).unwrap();
    out.extend(payload);
    out
}

fn segment(emit: tcp::Emit, text: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 60];
    let len = tcp::Emit { src_port: 80, dst_port: 5000, ..emit }.emit(&mut out).unwrap();
    out.truncate(len);
    out.extend(text);
    out
}

fn datagram(payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 8];
    udp::Emit { src_port: 5353, dst_port: 53, payload_len: payload.len() as u16 }.emit(&mut out).unwrap();
    out.extend(payload);
    out
}

fn icmp(message: icmpv4::Message, data: &[u8]) -> String {
    let mut out = vec![0; 8 + data.len()];
    let len = message.emit(data, &mut out).unwrap();
    line(&v4_of(protocol::ICMPV4, &out[..len]))
}

fn icmp6(message: icmpv6::Message, data: &[u8]) -> String {
    let mut out = vec![0; 40 + data.len()];
    let len = message.emit(Address::UNSPECIFIED, Address::UNSPECIFIED, data, &mut out).unwrap();
    line(&v6_of(protocol::ICMPV6, &out[..len]))
}

fn line(packet: &[u8]) -> String {
    ip(packet).to_string()
}

#[test]
fn a_syn_ack_prints_as_tcpdump_prints_it() {
    let emit = tcp::Emit {
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
        ..Default::default()
    };
    let expected = "IP 10.0.0.1.80 > 10.0.0.2.5000: Flags [S.], seq 1, ack 2, win 65535, \
                    options [mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7], length 0";
    assert_eq!(line(&v4_of(protocol::TCP, &segment(emit, &[]))), expected);
    let expected =
        expected.replace("10.0.0.1", "fe80::1").replace("10.0.0.2", "fe80::2").replace("IP", "IP6");
    assert_eq!(line(&v6_of(protocol::TCP, &segment(emit, &[]))), expected);
}

#[test]
fn text_prints_its_range_and_sack_its_blocks() {
    let sack = [(SeqNumber(7), SeqNumber(9)), (SeqNumber(11), SeqNumber(12))].into_iter().collect();
    let emit = tcp::Emit {
        seq: SeqNumber(u32::MAX),
        flags: Flags::PSH | Flags::ACK | Flags::URG,
        urgent: 3,
        options: Options { sack, ..Options::NONE },
        ..Default::default()
    };
    assert_eq!(
        line(&v4_of(protocol::TCP, &segment(emit, b"text"))),
        "IP 10.0.0.1.80 > 10.0.0.2.5000: Flags [P.U], seq 4294967295:3, ack 0, win 0, urg 3, \
         options [nop,nop,sack 2 {7:9}{11:12}], length 4"
    );
    let ack = tcp::Emit { flags: Flags::ACK, ..Default::default() };
    assert_eq!(
        line(&v4_of(protocol::TCP, &segment(ack, &[]))),
        "IP 10.0.0.1.80 > 10.0.0.2.5000: Flags [.], ack 0, win 0, length 0"
    );
}

#[test]
fn every_option_prints() {
    let emit = tcp::Emit { flags: Flags::SYN, ..Default::default() };
    let options = |bytes: &[u8]| {
        assert!(bytes.len().is_multiple_of(4));
        let mut segment = segment(emit, &[]);
        segment[12] = 0x50 + ((bytes.len() as u8) << 2);
        segment.extend(bytes);
        let line = line(&v4_of(protocol::TCP, &segment));
        line.split(['[', ']']).skip(3).collect::<Vec<_>>().join("|")
    };
    let cookie = Options { fast_open: FastOpen::cookie(&[0xab; 4]), ..Options::NONE };
    let mut out = [0; 40];
    let len = cookie.emit(&mut out).unwrap();
    assert_eq!(options(&out[..len]), "tfo cookie abababab,nop,nop|, length 0");
    assert_eq!(options(&[254, 4, 0xf9, 0x89]), "exp-tfo cookiereq|, length 0");
    assert_eq!(
        options(&[34, 2, 28, 4, 0x80, 5, 28, 4, 0, 9, 0, 0]),
        "tfo cookiereq,uto 5m,uto 9s|, length 0"
    );
    assert_eq!(
        options(&[254, 4, 0x1b, 7, 4, 3, 0, 1]),
        "unknown-254 0x1b07,sackOK |bad opt len 3|,nop|, length 0"
    );
    assert_eq!(options(&[2, 0, 0, 0]), "|bad opt||, length 0");
    assert_eq!(options(&[29, 4, 1, 2]), "ao|, length 0");
}

#[test]
fn arp_prints_as_tcpdump_prints_it() {
    let mut packet = arp::Packet {
        op: arp::Op::Request,
        sender_mac: STATION,
        sender_ip: SRC,
        target_mac: EthernetAddress::default(),
        target_ip: DST,
    };
    let line = |packet: &arp::Packet| {
        let header = ethernet::Header::new(EthernetAddress::BROADCAST, STATION, EtherType::ARP);
        frame(&[&header.as_bytes()[..], &packet.emit()].concat()).to_string()
    };
    assert_eq!(line(&packet), "ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28");
    packet.op = arp::Op::Reply;
    assert_eq!(line(&packet), "ARP, Reply 10.0.0.1 is-at 02:00:00:00:00:01, length 28");
    packet.op = arp::Op::Other(3);
    assert_eq!(line(&packet), "ARP, op 3 from 10.0.0.1 (02:00:00:00:00:01) to 10.0.0.2, length 28");
}

#[test]
fn frames_print_their_tags_and_types() {
    let header = ethernet::Header::new(EthernetAddress::BROADCAST, STATION, EtherType::VLAN);
    let tag = vlan::Tag::new(3, false, 100, EtherType::IPV4).unwrap();
    let packet = v4_of(protocol::UDP, &datagram(b"abc"));
    let bytes = [&header.as_bytes()[..], tag.as_bytes(), &packet].concat();
    assert_eq!(frame(&bytes).to_string(), "vlan 100, p 3, IP 10.0.0.1.5353 > 10.0.0.2.53: UDP, length 3");
    let mut bytes = [0; 60];
    bytes[12..14].copy_from_slice(&[0x88, 0xcc]);
    assert_eq!(
        frame(&bytes).to_string(),
        "00:00:00:00:00:00 > 00:00:00:00:00:00, ethertype 0x88cc, length 46"
    );
    bytes[12..14].copy_from_slice(&[0, 38]);
    assert_eq!(frame(&bytes).to_string(), "00:00:00:00:00:00 > 00:00:00:00:00:00, 802.3, length 38");
}

#[test]
fn icmpv4_prints_as_tcpdump_prints_it() {
    use icmpv4::Message;
    let quoted = v4_of(protocol::UDP, &datagram(b"question"));
    let quoted = &quoted[..28];
    for (message, data, expected) in [
        (Message::EchoRequest { ident: 7, seq: 9 }, &b"0123"[..], "echo request, id 7, seq 9, length 12"),
        (Message::EchoReply { ident: 7, seq: 9 }, b"", "echo reply, id 7, seq 9, length 8"),
        (Message::Unreachable { code: 0, next_hop_mtu: 0 }, quoted, "net 10.0.0.2 unreachable, length 36"),
        (Message::Unreachable { code: 1, next_hop_mtu: 0 }, quoted, "host 10.0.0.2 unreachable, length 36"),
        (
            Message::Unreachable { code: 2, next_hop_mtu: 0 },
            quoted,
            "10.0.0.2 protocol 17 unreachable, length 36",
        ),
        (
            Message::Unreachable { code: 3, next_hop_mtu: 0 },
            quoted,
            "10.0.0.2 udp port 53 unreachable, length 36",
        ),
        (
            Message::Unreachable { code: 4, next_hop_mtu: 1400 },
            quoted,
            "10.0.0.2 unreachable - need to frag (mtu 1400), length 36",
        ),
        (Message::Unreachable { code: 3, next_hop_mtu: 0 }, b"", "unreachable, code 3 [|icmp], length 8"),
        (Message::TimeExceeded { code: 0 }, quoted, "time exceeded in-transit, length 36"),
        (Message::TimeExceeded { code: 1 }, quoted, "ip reassembly time exceeded, length 36"),
        (
            Message::Redirect { code: 1, gateway: SRC },
            quoted,
            "redirect 10.0.0.2 to host 10.0.0.1, length 36",
        ),
        (Message::ParameterProblem { pointer: 20 }, quoted, "parameter problem - octet 20, length 36"),
        (Message::Other { ty: 13, code: 0 }, b"", "type 13, code 0, length 4"),
    ] {
        assert_eq!(icmp(message, data), std::format!("IP 10.0.0.1 > 10.0.0.2: ICMP {expected}"));
    }
}

#[test]
fn icmpv6_prints_as_tcpdump_prints_it() {
    use icmpv6::Message;
    let quoted = v6_of(protocol::UDP, &datagram(b"question"));
    for (message, data, expected) in [
        (Message::EchoRequest { ident: 7, seq: 9 }, &b"0123"[..], "echo request, id 7, seq 9, length 12"),
        (
            Message::Unreachable { code: 4 },
            &quoted,
            "destination unreachable, unreachable port, fe80::2 udp port 53, length 64",
        ),
        (
            Message::Unreachable { code: 0 },
            &quoted,
            "destination unreachable, unreachable route fe80::2, length 64",
        ),
        (Message::PacketTooBig { mtu: 1280 }, &quoted, "packet too big, mtu 1280, length 64"),
        (Message::TimeExceeded { code: 0 }, &quoted, "time exceeded in-transit, length 64"),
        (
            Message::ParameterProblem { code: 1, pointer: 6 },
            &quoted,
            "parameter problem, next header - octet 6, length 64",
        ),
        (Message::Other { ty: 143, code: 0 }, &[0; 4], "multicast listener report v2, length 8"),
    ] {
        assert_eq!(icmp6(message, data), std::format!("IP6 fe80::1 > fe80::2: ICMP6, {expected}"));
    }
}

#[test]
fn neighbor_discovery_prints_its_options() {
    let target = "fe80::9".parse().unwrap();
    let mut option = [0; 8];
    NdpOption::SourceLinkLayer(STATION).emit(&mut option).unwrap();
    let solicitation = ndp::Message::NeighborSolicitation { target };
    assert_eq!(
        icmp6(icmpv6::Message::Ndp(solicitation), &option),
        "IP6 fe80::1 > fe80::2: ICMP6, neighbor solicitation, who has fe80::9, \
         source link-address 02:00:00:00:00:01, length 32"
    );
    let advertisement =
        ndp::Message::NeighborAdvertisement { target, router: true, solicited: true, override_cached: true };
    assert_eq!(
        icmp6(icmpv6::Message::Ndp(advertisement), &[1, 0]),
        "IP6 fe80::1 > fe80::2: ICMP6, neighbor advertisement, tgt is fe80::9, router, solicited, override, \
         [ndp opt: bad option], length 26"
    );
    let prefix = PrefixInformation {
        prefix: "2001:db8::".parse().unwrap(),
        prefix_len: 64,
        on_link: true,
        autonomous: true,
        valid_s: 2,
        preferred_s: 1,
    };
    let servers = [target.octets()];
    let mut options = [0; 64];
    let mut len = NdpOption::PrefixInformation(prefix).emit(&mut options).unwrap();
    let rdnss = NdpOption::Rdnss { lifetime_s: 3, servers: Servers::new(&servers).unwrap() };
    len += rdnss.emit(&mut options[len..]).unwrap();
    let advertisement = ndp::RouterAdvertisement { hop_limit: 64, lifetime_s: 1800, ..Default::default() };
    assert_eq!(
        icmp6(icmpv6::Message::Ndp(ndp::Message::RouterAdvertisement(advertisement)), &options[..len]),
        "IP6 fe80::1 > fe80::2: ICMP6, router advertisement, hop limit 64, router lifetime 1800s, \
         prefix 2001:db8::/64 valid 2s preferred 1s onlink auto, rdnss 3s fe80::9, length 72"
    );
}

#[test]
fn a_long_list_of_options_is_cut() {
    let many = [99, 1, 0, 0, 0, 0, 0, 0].repeat(100);
    let line = icmp6(icmpv6::Message::Ndp(ndp::Message::RouterSolicitation), &many);
    assert_eq!(line.matches("option 99").count(), ITEMS_MAX);
    assert!(line.ends_with("..., length 808"), "{line}");
}

#[test]
fn fragments_print_where_they_belong() {
    let first = ipv4::Emit { protocol: 17, id: 9, more_fragments: true, ..Default::default() };
    let mut bytes = datagram(&[0; 16]);
    bytes[4..6].copy_from_slice(&3000u16.to_be_bytes());
    assert_eq!(
        line(&v4(first, &[], &bytes)),
        "IP 10.0.0.1.5353 > 10.0.0.2.53: UDP, length 2992 (frag 9:24@0+)"
    );
    let last = ipv4::Emit { more_fragments: false, fragment_offset: 1480, ..first };
    assert_eq!(line(&v4(last, &[], &[0; 8])), "IP 10.0.0.1 > 10.0.0.2: udp (frag 9:8@1480)");
    let mut payload = vec![0; 8];
    let fragment = ipv6::Fragment { offset: 1480, more: true, id: 9, next_header: 17, at: 0 };
    fragment.emit(&mut payload).unwrap();
    payload.extend([0; 8]);
    assert_eq!(line(&v6_of(44, &payload)), "IP6 fe80::1 > fe80::2: frag (0x00000009:1480+) udp");
}

#[test]
fn extension_headers_and_options_print() {
    let mut payload = extension::router_alert(protocol::UDP, 0).to_vec();
    payload.extend(datagram(b"abc"));
    assert_eq!(line(&v6_of(0, &payload)), "IP6 fe80::1.5353 > fe80::2.53: HBH UDP, length 3");
    payload[1] = 200;
    assert_eq!(line(&v6_of(0, &payload)), "IP6 fe80::1 > fe80::2: [|hopopt]");
    let bytes = v4(Default::default(), &[1, 7, 7, 4, 1, 2, 3, 4, 148, 4, 0, 0, 131, 9, 4, 0], &[]);
    assert_eq!(
        line(&bytes),
        "IP 10.0.0.1 > 10.0.0.2: hopopt, length 0, options (NOP,RR ptr 4 1.2.3.4,RA 0,[bad at octet 33])"
    );
}

#[test]
fn malformed_packets_say_what_is_wrong() {
    let segment = segment(tcp::Emit::default(), &[]);
    let mut bad_offset = segment.clone();
    bad_offset[12] = 0x40;
    let mut long_offset = segment.clone();
    long_offset[12] = 0xf0;
    for (payload, expected) in [
        (&segment[..19], "IP 10.0.0.1 > 10.0.0.2: [|tcp]"),
        (&bad_offset, "IP 10.0.0.1 > 10.0.0.2: [tcp: bad length]"),
        (&long_offset, "IP 10.0.0.1.80 > 10.0.0.2.5000: Flags [none] [|tcp]"),
    ] {
        assert_eq!(line(&v4_of(protocol::TCP, payload)), expected);
    }
    let mut udp = datagram(&[]);
    udp[5] = 9;
    let expected = "IP 10.0.0.1.5353 > 10.0.0.2.53: UDP, bad length 9 > 8";
    assert_eq!(line(&v4_of(protocol::UDP, &udp)), expected);

    let mut packet = v4_of(protocol::TCP, &segment);
    packet[8] = 9;
    let sum = u16::from_be_bytes([packet[10], packet[11]]);
    assert!(line(&packet).ends_with(&std::format!("length 0, bad ip cksum {sum:04x}")));
    assert!(
        line(&packet[..30]).starts_with("truncated-ip - 10 bytes missing! IP 10.0.0.1 > 10.0.0.2: [|tcp]")
    );
    for (bytes, expected) in [
        (&[][..], "[|ip]"),
        (&[0x45], "[|ip]"),
        (&[0x44; 20], "[ip: bad header]"),
        (&[0x60], "[|ip6]"),
        (&[0x90, 0], "IP version 9, length 2"),
    ] {
        assert_eq!(line(bytes), expected);
    }
    assert_eq!(frame(&[0; 13]).to_string(), "[|ether]");
    let arp = ethernet::Header::new(STATION, STATION, EtherType::ARP);
    assert_eq!(frame(arp.as_bytes()).to_string(), "[|arp]");
    assert_eq!(frame(&[&arp.as_bytes()[..], &[0; 28]].concat()).to_string(), "[arp: bad header]");
}

#[test]
fn e11_all_twelve_bits_beside_the_data_offset_print() {
    let mut packet = v4_of(protocol::TCP, &segment(tcp::Emit::default(), &[]));
    for bits in 0..0x1000u16 {
        packet[32..34].copy_from_slice(&(0x5000 | bits).to_be_bytes());
        let line = line(&packet);
        assert!(line.contains(&std::format!("Flags [{}]", Flags::from_bits(bits))), "{line}");
        assert_eq!(line.contains("reserved"), bits & 0xe00 != 0, "{line}");
    }
}
