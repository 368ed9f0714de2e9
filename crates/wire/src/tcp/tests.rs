use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::Mss;

fn ends(v6: bool) -> (Address, Address) {
    if v6 {
        ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap())
    } else {
        (Address::v4(10, 0, 0, 1), Address::v4(10, 0, 0, 2))
    }
}

fn syn() -> Emit {
    Emit {
        src_port: 5000,
        dst_port: 80,
        seq: SeqNumber(0xfedc_ba98),
        ack: SeqNumber(0x0123_4567),
        flags: Flags::SYN | Flags::AE,
        window: 0x8001,
        urgent: 0x0203,
        options: Options { mss: Mss::new(1460), ..Options::NONE },
    }
}

fn segment(emit: Emit, text: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 60];
    let len = emit.emit(&mut bytes).unwrap();
    assert_eq!(len, emit.len());
    bytes.truncate(len);
    bytes.extend(text);
    bytes
}

#[test]
fn a_header_is_written_and_read() {
    let bytes = segment(syn(), b"hi");
    let expected = [
        0x13, 0x88, 0, 80, 0xfe, 0xdc, 0xba, 0x98, 0x01, 0x23, 0x45, 0x67, 0x61, 0x02, 0x80, 0x01, 0, 0, 2,
        3, 2, 4, 5, 0xb4, b'h', b'i',
    ];
    assert_eq!(bytes, expected);
    let (header, options, text) = parse(&bytes).unwrap();
    assert_eq!((header.src_port(), header.dst_port()), (5000, 80));
    assert_eq!((header.seq(), header.ack()), (SeqNumber(0xfedc_ba98), SeqNumber(0x0123_4567)));
    assert_eq!((header.flags(), header.reserved()), (Flags::SYN | Flags::AE, 0));
    assert_eq!((header.window(), header.urgent(), header.data_offset()), (0x8001, 0x0203, 24));
    assert_eq!((options, text), (syn().options, &b"hi"[..]));
}

#[test]
fn e8_every_data_offset_and_length_is_refused_or_exact() {
    for len in 0..=60usize {
        for words in 0..16u8 {
            let mut bytes = [1; 60];
            bytes[12] = words << 4;
            let offset = usize::from(words) * 4;
            match parse(&bytes[..len]) {
                Ok((_, _, text)) => {
                    assert!(offset >= 20 && offset <= len);
                    assert_eq!(text.len(), len - offset);
                }
                Err(WireError::BadLength) => assert!(len >= 20 && offset < 20),
                Err(error) => {
                    assert_eq!(error, WireError::Truncated);
                    assert!(len < 20 || offset > len);
                }
            }
        }
    }
}

// RFC 9293 MUST-3
#[test]
fn b14_every_flipped_bit_is_noticed() {
    for v6 in [false, true] {
        let (src, dst) = ends(v6);
        let mut bytes = segment(syn(), b"odd");
        fill_checksum(src, dst, &mut bytes).unwrap();
        assert!(checksum_ok(src, dst, &bytes));
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(!checksum_ok(src, dst, &bytes), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn a_partial_checksum_is_completed_to_the_whole_one() {
    let (src, dst) = ends(true);
    let mut whole = segment(syn(), b"text");
    let mut partial = whole.clone();
    fill_checksum(src, dst, &mut whole).unwrap();
    fill_partial_checksum(src, dst, &mut partial).unwrap();
    assert!(!checksum_ok(src, dst, &partial));
    checksum::complete(&mut partial, 0, CHECKSUM_OFFSET).unwrap();
    assert_eq!(partial, whole);
}

#[test]
fn setters_touch_nothing_else() {
    let mut bytes = segment(syn(), &[]);
    bytes[12] |= 0x0e;
    let (header, _) = Header::parse_mut(&mut bytes).unwrap();
    header.set_seq(SeqNumber(5));
    header.set_flags(Flags::ACK);
    header.set_checksum(0xabcd);
    assert_eq!((header.reserved(), header.data_offset()), (7, 24));
    let mut expected = segment(Emit { seq: SeqNumber(5), flags: Flags::ACK, ..syn() }, &[]);
    expected[12] |= 0x0e;
    expected[16..18].copy_from_slice(&[0xab, 0xcd]);
    assert_eq!(bytes, expected);
}

#[test]
fn short_buffers_are_refused() {
    for len in 0..24 {
        assert_eq!(syn().emit(&mut [0; 24][..len]), Err(WireError::Truncated));
    }
}

fn any_options() -> impl Strategy<Value = Options> {
    let timestamps =
        any::<Option<[u32; 2]>>().prop_map(|t| t.map(|[value, echo]| Timestamps { value, echo }));
    let fast_open = prop_oneof![
        Just(None),
        (0..=7usize, any::<[u8; 16]>(), any::<bool>()).prop_map(|(half, octets, experimental)| {
            let read = FastOpen::cookie(&octets[..2 + half * 2]).unwrap_or(FastOpen::REQUEST);
            Some(read.in_experiment(experimental))
        }),
    ];
    let sack = proptest::collection::vec(any::<[u32; 2]>(), 0..5)
        .prop_map(|blocks| blocks.into_iter().map(|[l, r]| (SeqNumber(l), SeqNumber(r))).collect());
    (
        any::<Option<u16>>(),
        any::<Option<u8>>(),
        any::<bool>(),
        timestamps,
        fast_open,
        any::<Option<u16>>(),
        sack,
        any::<Option<[u32; 3]>>(),
    )
        .prop_map(
            |(mss, window_scale, sack_permitted, timestamps, fast_open, user_timeout, sack, counters)| {
                let accurate_ecn = counters.map(|counters| {
                    let [e0b, ceb, e1b] = counters.map(|counter| counter & 0xff_ffff);
                    AccEcnOption { e0b, ceb, e1b }
                });
                Options {
                    accurate_ecn,
                    mss: mss.and_then(Mss::new),
                    window_scale,
                    sack_permitted,
                    timestamps,
                    sack,
                    fast_open,
                    user_timeout,
                    md5: false,
                    ao: false,
                    signature: None,
                    order: OptionOrder::Linux,
                }
            },
        )
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        numbers in any::<[u32; 2]>(), fields in any::<[u16; 4]>(), flags in 0u16..512,
        options in any_options(), text in proptest::collection::vec(any::<u8>(), 0..50),
    ) {
        let emit = Emit {
            src_port: fields[0],
            dst_port: fields[1],
            seq: SeqNumber(numbers[0]),
            ack: SeqNumber(numbers[1]),
            flags: Flags::from_bits(flags),
            window: fields[2],
            urgent: fields[3],
            options,
        };
        let mut bytes = vec![0; 60];
        let Ok(len) = emit.emit(&mut bytes) else {
            prop_assert!(options.len() > 40);
            return Ok(());
        };
        prop_assert_eq!(len, emit.len());
        bytes.truncate(len);
        bytes.extend(&text);
        let (header, read, read_text) = parse(&bytes).unwrap();
        let read = Emit {
            src_port: header.src_port(),
            dst_port: header.dst_port(),
            seq: header.seq(),
            ack: header.ack(),
            flags: header.flags(),
            window: header.window(),
            urgent: header.urgent(),
            options: read,
        };
        prop_assert_eq!(read, emit);
        prop_assert_eq!(read_text, &text[..]);
    }
}
