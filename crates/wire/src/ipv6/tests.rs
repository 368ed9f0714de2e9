use std::vec;

use proptest::prelude::*;

use super::*;

fn emit() -> Emit {
    Emit {
        src: "2001:db8::1".parse().unwrap(),
        dst: "2001:db8::2".parse().unwrap(),
        next_header: 59,
        hop_limit: 64,
        traffic_class: 0xb9,
        flow_label: 0xf_1234,
        payload_len: 4,
    }
}

fn packet() -> [u8; 44] {
    let mut out = [7; 44];
    emit().emit(&mut out).unwrap();
    out
}

#[test]
fn a_header_is_written_and_read() {
    let bytes = packet();
    assert_eq!(bytes[..8], [0x6b, 0x9f, 0x12, 0x34, 0, 4, 59, 64]);
    let read = parse(&bytes).unwrap();
    let header = read.header;
    assert_eq!((header.src(), header.dst()), (emit().src, emit().dst));
    assert_eq!((header.next_header(), header.hop_limit(), header.payload_len()), (59, 64, 4));
    assert_eq!((header.traffic_class(), header.dscp(), header.ecn()), (0xb9, 0x2e, 1));
    assert_eq!(header.flow_label(), 0xf_1234);
    assert_eq!(read.payload, [7; 4]);
}

#[test]
fn b2_the_payload_length_is_within_the_bytes() {
    for len in 40..=44 {
        for payload_len in [0, 1, 3, 4, 5, 6, 65_535] {
            let mut bytes = packet();
            bytes[4..6].copy_from_slice(&u16::to_be_bytes(payload_len));
            let there = len - 40;
            match parse(&bytes[..len]) {
                Ok(packet) => assert_eq!(packet.payload, &bytes[40..40 + usize::from(payload_len)]),
                Err(error) => {
                    assert_eq!(error, WireError::Truncated);
                    assert!(usize::from(payload_len) > there);
                }
            }
            let quoted = parse_quoted(&bytes[..len]).unwrap().payload.len();
            assert_eq!(quoted, there.min(payload_len.into()));
        }
    }
}

#[test]
fn every_truncation_and_other_version_is_refused() {
    let bytes = packet();
    for len in 0..44 {
        assert_eq!(parse(&bytes[..len]).err(), Some(WireError::Truncated));
    }
    for version in (0..16).filter(|version| *version != 6) {
        let mut bytes = bytes;
        bytes[0] = version << 4;
        assert_eq!(parse(&bytes).err(), Some(WireError::BadVersion));
    }
}

#[test]
fn b8_mapped_addresses_are_refused_both_ways() {
    for at in [8, 24] {
        let mut bytes = packet();
        bytes[at..at + 16].copy_from_slice(&Address::LOOPBACK_V4.octets());
        assert_eq!(parse(&bytes).err(), Some(WireError::BadHeader));
        assert_eq!(Header::parse_mut(&mut bytes).err(), Some(WireError::BadHeader));
    }
    let mut out = [0; 40];
    assert_eq!(Emit { src: Address::LOOPBACK_V4, ..emit() }.emit(&mut out), Err(WireError::BadHeader));
    assert_eq!(Emit { dst: Address::LOOPBACK_V4, ..emit() }.emit(&mut out), Err(WireError::BadHeader));
    assert_eq!(emit().emit(&mut out[..39]), Err(WireError::Truncated));
}

#[test]
fn setters_touch_nothing_else() {
    let mut bytes = packet();
    let (header, _) = Header::parse_mut(&mut bytes).unwrap();
    header.set_hop_limit(3);
    header.set_ecn(3);
    header.set_payload_len(2);
    let mut out = [7; 44];
    Emit { hop_limit: 3, traffic_class: 0xbb, payload_len: 2, ..emit() }.emit(&mut out).unwrap();
    assert_eq!(bytes, out);
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        addresses in any::<[[u8; 16]; 2]>(), fields in any::<[u8; 3]>(), flow_label in 0u32..1 << 20,
        payload_len in 0u16..100,
    ) {
        let emit = Emit {
            src: Address::from_octets(addresses[0]),
            dst: Address::from_octets(addresses[1]),
            next_header: fields[0],
            hop_limit: fields[1],
            traffic_class: fields[2],
            flow_label,
            payload_len,
        };
        let mut out = vec![0; 140];
        prop_assert_eq!(emit.emit(&mut out), Ok(40));
        let packet = parse(&out).unwrap();
        let header = packet.header;
        let read = Emit {
            src: header.src(),
            dst: header.dst(),
            next_header: header.next_header(),
            hop_limit: header.hop_limit(),
            traffic_class: header.traffic_class(),
            flow_label: header.flow_label(),
            payload_len: header.payload_len(),
        };
        prop_assert_eq!(read, emit);
        prop_assert_eq!(packet.payload.len(), usize::from(payload_len));
    }
}
