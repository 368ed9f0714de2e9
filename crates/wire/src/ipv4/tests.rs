use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// A header with a checksum that others have computed.
const KNOWN: [u8; 20] = [
    0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01, 0xc0,
    0xa8, 0x00, 0xc7,
];

fn emit() -> Emit {
    Emit {
        src: Address::v4(192, 168, 0, 1),
        dst: Address::v4(192, 168, 0, 199),
        protocol: 17,
        ttl: 64,
        dont_fragment: true,
        payload_len: 0x73 - 20,
        ..Emit::default()
    }
}

/// A header of the given words and lengths, with a right checksum, in front of `len` octets in all.
fn raw(ihl: u8, total_len: u16, len: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
    bytes[..20].copy_from_slice(&KNOWN);
    bytes[0] = 0x40 | ihl;
    bytes[2..4].copy_from_slice(&total_len.to_be_bytes());
    bytes[10..12].fill(0);
    let covered = (usize::from(ihl) * 4).min(len);
    let sum = Checksum::new().add(&bytes[..covered]).finish();
    bytes[10..12].copy_from_slice(&sum.to_be_bytes());
    bytes
}

#[test]
fn a_known_header_is_read() {
    let mut bytes = KNOWN.to_vec();
    bytes.resize(0x73 + 9, 7);
    let packet = parse(&bytes).unwrap();
    let header = packet.header;
    assert_eq!(header.src(), Address::v4(192, 168, 0, 1));
    assert_eq!(header.dst(), Address::v4(192, 168, 0, 199));
    assert_eq!((header.protocol(), header.ttl(), header.tos(), header.id()), (17, 64, 0, 0));
    assert!(header.dont_fragment() && !header.more_fragments() && !header.is_fragment());
    assert_eq!((header.fragment_offset(), header.total_len(), header.header_len()), (0, 0x73, 20));
    assert_eq!(packet.options, []);
    assert_eq!(packet.payload, [7; 0x73 - 20], "padding is cut");
}

#[test]
fn a_known_header_is_written() {
    let mut out = [0; 20];
    assert_eq!(emit().emit(&mut out), Ok(20));
    assert_eq!(out, KNOWN);
}

#[test]
fn b1_every_pair_of_lengths_is_dropped_or_exact() {
    for len in 20..=70usize {
        for ihl in 0..16 {
            for total_len in (0..=70).chain([len as u16 + 1, u16::MAX]) {
                let bytes = raw(ihl, total_len, len);
                let (header_len, total) = (usize::from(ihl) * 4, usize::from(total_len));
                let good = header_len >= 20 && total >= header_len && total <= len;
                match parse(&bytes) {
                    Ok(packet) => {
                        assert!(good);
                        assert_eq!(packet.options, &bytes[20..header_len]);
                        assert_eq!(packet.payload, &bytes[header_len..total]);
                    }
                    Err(error) => {
                        assert!(!good);
                        let expected = if header_len < 20 {
                            WireError::BadHeader
                        } else if total < header_len {
                            WireError::BadLength
                        } else {
                            WireError::Truncated
                        };
                        assert_eq!(error, expected, "ihl {ihl}, total length {total_len} of {len}");
                    }
                }
            }
        }
    }
}

// RFC 1122 §3.2.1.2, INET-11
#[test]
fn b14_every_flipped_bit_of_a_header_is_noticed() {
    let mut bytes = KNOWN.to_vec();
    bytes.resize(0x73, 0);
    assert!(parse(&bytes).is_ok());
    for bit in 0..20 * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(parse(&bytes).is_err(), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn a_quotation_may_end_early_and_have_another_checksum() {
    let mut bytes = KNOWN.to_vec();
    bytes.extend([1, 2, 3, 4, 5, 6, 7, 8]);
    bytes[8] = 1;
    assert_eq!(parse_unchecked(&bytes).err(), Some(WireError::Truncated));
    assert_eq!(parse_quoted(&bytes).unwrap().payload, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(parse_quoted(&bytes[..19]).err(), Some(WireError::Truncated));
}

#[test]
fn o4_values_that_do_not_fit_are_refused_not_cut() {
    let mut out = [0; 60];
    let longest = Emit { payload_len: u16::MAX - 20, ..emit() };
    assert_eq!(longest.emit(&mut out), Ok(20));
    assert_eq!(longest.emit_with_options(&[1; 4], &mut out), Err(WireError::BadLength));
    assert_eq!(Emit { payload_len: u16::MAX, ..emit() }.emit(&mut out), Err(WireError::BadLength));
    assert_eq!(Emit { fragment_offset: 4, ..emit() }.emit(&mut out), Err(WireError::BadHeader));
    assert_eq!(Emit { src: Address::LOOPBACK_V6, ..emit() }.emit(&mut out), Err(WireError::BadHeader));
    assert_eq!(Emit { dst: Address::UNSPECIFIED, ..emit() }.emit(&mut out), Err(WireError::BadHeader));
    assert_eq!(emit().emit_with_options(&[1; 3], &mut out), Err(WireError::BadOption));
    assert_eq!(emit().emit_with_options(&[1; 44], &mut out), Err(WireError::BadOption));
    assert_eq!(emit().emit_with_options(&[1; 40], &mut out), Ok(60));
    for len in 0..24 {
        assert_eq!(emit().emit_with_options(&[1; 4], &mut out[..len]), Err(WireError::Truncated));
    }
}

#[test]
fn setters_keep_the_checksum_right() {
    let mut bytes = KNOWN.to_vec();
    bytes.resize(0x73, 0);
    for value in [0, 1, 63, 254, 255] {
        let (header, _) = Header::parse_mut(&mut bytes).unwrap();
        header.set_ttl(value);
        header.set_ecn(value);
        header.set_id(u16::from(value) << 7);
        header.set_total_len(100 + u16::from(value % 8));
        let header = *header;
        assert_eq!((header.ttl(), header.ecn(), header.id()), (value, value & 3, u16::from(value) << 7));
        assert_eq!(header.dscp(), 0);
        assert!(parse(&bytes).is_ok(), "{value}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        src in any::<[u8; 4]>(), dst in any::<[u8; 4]>(), fields in any::<[u8; 3]>(), id in any::<u16>(),
        offset in 0u16..8192, flags in any::<[bool; 2]>(), words in 0usize..=10, payload_len in 0u16..100,
    ) {
        let emit = Emit {
            src: src.into(),
            dst: dst.into(),
            protocol: fields[0],
            ttl: fields[1],
            tos: fields[2],
            id,
            dont_fragment: flags[0],
            more_fragments: flags[1],
            fragment_offset: offset * 8,
            payload_len,
        };
        let options = vec![1; words * 4];
        let mut out = vec![9; 160];
        let len = emit.emit_with_options(&options, &mut out).unwrap();
        let packet = parse(&out).unwrap();
        prop_assert_eq!(packet.options, &options[..]);
        prop_assert_eq!(packet.payload, &out[len..len + usize::from(payload_len)]);
        let header = packet.header;
        let read = Emit {
            src: header.src(),
            dst: header.dst(),
            protocol: header.protocol(),
            ttl: header.ttl(),
            tos: header.tos(),
            id: header.id(),
            dont_fragment: header.dont_fragment(),
            more_fragments: header.more_fragments(),
            fragment_offset: header.fragment_offset(),
            payload_len: header.total_len() - len as u16,
        };
        prop_assert_eq!(read, emit);
        prop_assert_eq!(header.dscp() << 2 | header.ecn(), emit.tos);
    }
}
