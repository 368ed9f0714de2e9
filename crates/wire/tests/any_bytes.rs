//! Bytes from outside never make a parser or a display panic, hang or print a control character.

mod common;

use common::{everything, frames};
use portolan_wire::ethernet::{self, EtherType};
use portolan_wire::{icmpv6, ipv4, ipv6, protocol, tcp, udp};
use proptest::prelude::*;

/// Whether a whole frame is acceptable from Ethernet to the transport's checksum.
fn accepted(frame: &[u8]) -> bool {
    let Ok((header, packet)) = ethernet::Header::parse(frame) else { return false };
    match header.ethertype() {
        EtherType::IPV4 => ipv4::parse(packet).is_ok_and(|packet| {
            let header = packet.header;
            upper(header.src(), header.dst(), header.protocol(), packet.payload, header.is_fragment())
        }),
        EtherType::IPV6 => ipv6::parse(packet).is_ok_and(|packet| {
            let header = packet.header;
            packet
                .extensions()
                .is_ok_and(|found| upper(header.src(), header.dst(), found.protocol, found.payload, false))
        }),
        EtherType::ARP => portolan_wire::arp::Packet::parse(packet).is_ok(),
        EtherType::VLAN => accepted(&[&frame[..12], packet.get(2..).unwrap_or_default()].concat()),
        _ => false,
    }
}

fn upper(
    src: portolan_wire::Address,
    dst: portolan_wire::Address,
    kind: u8,
    bytes: &[u8],
    fragment: bool,
) -> bool {
    match kind {
        _ if fragment => true,
        protocol::TCP => tcp::parse(bytes).is_ok() && tcp::checksum_ok(src, dst, bytes),
        protocol::UDP => udp::parse(bytes).is_ok() && udp::checksum_ok(src, dst, bytes),
        protocol::ICMPV4 => portolan_wire::icmpv4::parse(bytes).is_ok(),
        protocol::ICMPV6 => icmpv6::parse(src, dst, bytes).is_ok(),
        protocol::IPV4 => ipv4::parse(bytes).is_ok(),
        _ => false,
    }
}

#[test]
fn every_frame_is_accepted_whole_and_padded() {
    for frame in frames() {
        assert!(accepted(&frame), "{}", portolan_wire::display::frame(&frame));
        everything(&frame);
        let padded = [&frame[..], &[0; 18]].concat();
        assert!(accepted(&padded), "{}", portolan_wire::display::frame(&frame));
    }
}

#[test]
fn every_truncation_of_every_frame_is_refused() {
    for frame in frames() {
        for len in 0..frame.len() {
            assert!(!accepted(&frame[..len]), "{len} octets of {}", portolan_wire::display::frame(&frame));
            everything(&frame[..len]);
            everything(frame.get(14..len).unwrap_or_default());
        }
    }
}

#[test]
fn every_octet_of_every_frame_may_be_anything() {
    for frame in frames() {
        for at in 0..frame.len() {
            let mut frame = frame.clone();
            for value in [0, 1, 2, 7, 8, 0x3f, 0x40, 0x7f, 0x80, 0xfe, 0xff] {
                frame[at] = value;
                everything(&frame);
            }
        }
    }
}

#[test]
fn headers_deep_in_one_another_end() {
    let mut bytes = vec![0x45; 4];
    for depth in 0..500u16 {
        let mut header = vec![0; 20];
        let emit = ipv4::Emit {
            src: common::V4.0,
            dst: common::V4.1,
            protocol: protocol::IPV4,
            payload_len: 4 + depth * 20,
            ..ipv4::Emit::default()
        };
        emit.emit(&mut header).unwrap();
        bytes.splice(0..0, header);
    }
    everything(&bytes);
    everything(&common::ethernet(EtherType::VLAN, &[0x81, 0].repeat(1000)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        everything(&bytes);
    }

    #[test]
    fn any_ip_packet(version in prop_oneof![Just(4u8), Just(6)], low in any::<u8>(), next in 0..=64u8,
        bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut bytes = bytes;
        for (at, value) in [(0, version << 4 | low & 0xf), (if version == 4 { 9 } else { 6 }, next)] {
            if let Some(octet) = bytes.get_mut(at) {
                *octet = value;
            }
        }
        everything(&bytes);
    }

    #[test]
    fn any_damage_to_a_valid_frame(
        which in any::<prop::sample::Index>(),
        damage in proptest::collection::vec(any::<(prop::sample::Index, u8)>(), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let frames = frames();
        let mut frame = which.get(&frames).clone();
        for (at, value) in damage {
            let at = at.index(frame.len());
            frame[at] = value;
        }
        everything(&frame);
        everything(&frame[14..]);
        everything(&frame[..cut.index(frame.len())]);
    }
}
