use std::vec::Vec;

use super::*;

const TIMESTAMPS: Timestamps = Timestamps { value: 0x0102_0304, echo: 0x0506_0708 };

fn emitted(options: Options) -> Vec<u8> {
    let mut out = [0xee; 44];
    let len = options.emit(&mut out).unwrap();
    assert_eq!(len, options.len());
    assert_eq!(out[len..], [0xee; 44][len..], "nothing beyond the length is touched");
    out[..len].to_vec()
}

#[test]
fn the_options_of_a_syn_are_in_linuxs_order() {
    let options = Options {
        mss: Mss::new(1460),
        window_scale: Some(7),
        sack_permitted: true,
        timestamps: Some(TIMESTAMPS),
        ..Options::NONE
    };
    assert_eq!(emitted(options), [2, 4, 0x05, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 3, 3, 7]);
    let plain = Options { timestamps: None, ..options };
    assert_eq!(emitted(plain), [2, 4, 0x05, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7]);
}

#[test]
fn the_options_of_a_syn_are_in_freebsds_order_where_that_is_wanted() {
    let options = Options {
        mss: Mss::new(1460),
        window_scale: Some(6),
        sack_permitted: true,
        timestamps: Some(TIMESTAMPS),
        order: OptionOrder::Freebsd,
        ..Options::NONE
    };
    assert_eq!(emitted(options), [2, 4, 0x05, 0xb4, 1, 3, 3, 6, 4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8]);
    let plain = Options { timestamps: None, ..options };
    assert_eq!(emitted(plain), [2, 4, 0x05, 0xb4, 1, 3, 3, 6, 4, 2, 1, 1]);
    assert_eq!(Options::parse(&emitted(options)), Ok(Options { order: OptionOrder::Linux, ..options }));
}

#[test]
fn the_options_of_text_are_timestamps_and_sack() {
    let sack = [(SeqNumber(1), SeqNumber(2))].into_iter().collect();
    let options = Options { timestamps: Some(TIMESTAMPS), sack, ..Options::NONE };
    assert_eq!(emitted(options), [1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
    assert_eq!(emitted(Options::NONE), []);
    assert!(Options::NONE.is_empty() && !options.is_empty());
}

/// RFC 2385 §3, RFC 5925 §2.2.
#[test]
fn a_signature_comes_first_and_is_filled_in_last() {
    let md5 = emitted(Options { signature: Some(Signature::Md5), mss: Mss::new(1460), ..Options::NONE });
    assert_eq!(md5, [&[1, 1, 19, 18][..], &[0; 16], &[2, 4, 5, 0xb4]].concat());
    let ao = Signature::Ao { key_id: 61, next_key_id: 84 };
    let written = emitted(Options { signature: Some(ao), ..Options::NONE });
    assert_eq!(written, [&[29, 16, 61, 84][..], &[0; 12]].concat());
    let mut segment = [std::vec![0; 20], written].concat();
    ao.put(&mut segment, &[7; 12]).unwrap();
    assert_eq!(segment[20..], [&[29, 16, 61, 84][..], &[7; 12]].concat());
    assert!(Options::parse(&segment[20..]).unwrap().ao);
    assert!(ao.put(&mut segment[..35], &[7; 12]).is_err());
    assert!(ao.put(&mut segment, &[7; 16]).is_err());
}

#[test]
fn cookies_of_every_length_are_aligned() {
    assert_eq!(emitted(Options { fast_open: Some(FastOpen::REQUEST), ..Options::NONE }), [34, 2, 1, 1]);
    for len in 0..=20 {
        let octets = &[9; 20][..len];
        let cookie = FastOpen::cookie(octets);
        assert_eq!(cookie.is_some(), matches!(len, 4..=16) && len % 2 == 0);
        for (experimental, header) in [(false, &[34][..]), (true, &[254])] {
            let Some(cookie) = cookie.map(|cookie| cookie.in_experiment(experimental)) else { continue };
            let options = Options { fast_open: Some(cookie), ..Options::NONE };
            let bytes = emitted(options);
            let at = if experimental { 4 } else { 2 };
            assert!(bytes.len().is_multiple_of(4) && bytes.starts_with(header));
            assert_eq!(usize::from(bytes[1]), at + len);
            assert_eq!(bytes[at..at + len], *octets);
            assert!(bytes[at + len..].iter().all(|pad| *pad == 1), "NOPs follow");
            assert_eq!(Options::parse(&bytes), Ok(options));
        }
    }
}

#[test]
fn an_experiment_is_fast_open_only_by_its_number() {
    let parsed = |bytes: &[u8]| Options::parse(bytes).unwrap().fast_open;
    assert_eq!(parsed(&[254, 4, 0xf9, 0x89]), Some(FastOpen::REQUEST.in_experiment(true)));
    for other in [&[254, 4, 0xf9, 0x88][..], &[254, 3, 0xf9, 1], &[254, 2, 1, 1], &[254, 5, 0xf9, 0x89, 1]] {
        assert_eq!(parsed(other), None, "{other:?}");
    }
    // Of two, the last that is a cookie or a request counts.
    let two = [34, 6, 1, 2, 3, 4, 34, 4, 1, 2];
    assert_eq!(parsed(&two), FastOpen::cookie(&[1, 2, 3, 4]));
}

#[test]
fn four_blocks_fit_and_three_beside_timestamps() {
    let blocks = |n: u32| (0..n).map(|i| (SeqNumber(i), SeqNumber(i + 1))).collect();
    let four = Options { sack: blocks(9), ..Options::NONE };
    assert_eq!(four.sack.len(), 4);
    assert_eq!(emitted(four).len(), 36);
    let three = Options { sack: blocks(3), timestamps: Some(TIMESTAMPS), ..Options::NONE };
    assert_eq!(emitted(three).len(), 40);
    let too_long = Options { sack: blocks(4), ..three };
    assert_eq!(too_long.emit(&mut [0; 60]), Err(WireError::BadLength));
    for len in 0..40 {
        assert_eq!(three.emit(&mut [0; 40][..len]), Err(WireError::Truncated));
    }
    let mut full = four.sack;
    assert!(!full.push((SeqNumber(0), SeqNumber(0))));
    assert_eq!(full, four.sack);
}

// RFC 9293 MUST-4, MUST-6, MUST-64
#[test]
fn everything_is_read() {
    let bytes = [
        1, 2, 4, 2, 24, 3, 3, 200, 4, 2, 34, 6, 1, 2, 3, 4, 28, 4, 0x80, 5, 99, 3, 0, 29, 4, 1, 0, 0, 2, 4,
        9, 9,
    ];
    let options = Options::parse(&bytes).unwrap();
    assert_eq!(options.mss.unwrap().get(), 536, "what follows the end of the list is padding");
    assert_eq!(options.window_scale, Some(200));
    assert!(options.sack_permitted && options.ao && !options.md5);
    assert_eq!(options.fast_open, FastOpen::cookie(&[1, 2, 3, 4]));
    assert_eq!(options.user_timeout, Some(0x8005));
    let mut md5 = [0; 20];
    md5[..2].copy_from_slice(&[19, 18]);
    assert!(Options::parse(&md5).unwrap().md5);
}

#[test]
fn of_an_option_that_stands_twice_the_last_counts() {
    let options = Options::parse(&[2, 4, 0, 100, 2, 4, 0, 200]).unwrap();
    assert_eq!(options.mss.unwrap().get(), 200);
}

// RFC 9293 MUST-7, MUST-64, MUST-68
#[test]
fn e1_every_kind_and_length_at_every_offset_ends() {
    for kind in 2..=255 {
        for len in 0..=41u8 {
            for offset in 0..40usize {
                let mut bytes = [kind::NO_OPERATION; 40];
                bytes[offset] = kind;
                if let Some(octet) = bytes.get_mut(offset + 1) {
                    *octet = len;
                }
                let fits = offset < 39 && len >= 2 && offset + usize::from(len) <= 40;
                assert_eq!(Options::parse(&bytes).is_ok(), fits, "kind {kind}, length {len} at {offset}");
                assert!(RawOptions::new(&bytes).count() <= 40);
            }
        }
    }
}

#[test]
fn e2_bad_values_are_ignored_or_left_to_the_caller() {
    for (bytes, mss) in [
        (&[2, 4, 0, 0][..], None),
        (&[2, 4, 0, 1], Some(1)),
        (&[2, 4, 0, 7], Some(7)),
        (&[2, 4, 255, 255], Some(65_535)),
        (&[2, 3, 255, 1], None),
        (&[2, 2, 1, 1], None),
    ] {
        assert_eq!(Options::parse(bytes).unwrap().mss.map(Mss::get), mss, "{bytes:?}");
    }
    for shift in 0..=255 {
        assert_eq!(Options::parse(&[3, 3, shift]).unwrap().window_scale, Some(shift));
    }
}

// RFC 9293 MUST-6, MUST-7
#[test]
fn e4_a_known_option_of_a_wrong_length_is_ignored() {
    for kind in 2..=255 {
        for len in 2..=40u8 {
            let mut bytes = [kind::NO_OPERATION; 40];
            bytes[..2].copy_from_slice(&[kind, len]);
            let options = Options::parse(&bytes).unwrap();
            let read = options != Options::NONE;
            let allowed = match kind {
                kind::MSS | kind::USER_TIMEOUT => len == 4,
                kind::WINDOW_SCALE => len == 3,
                kind::SACK_PERMITTED => len == 2,
                kind::SACK => matches!(len, 10 | 18 | 26 | 34),
                kind::TIMESTAMPS => len == 10,
                kind::MD5 => len == 18,
                kind::AO => len >= 4,
                kind::ACCURATE_ECN_0 | kind::ACCURATE_ECN_1 => len == 11,
                kind::FAST_OPEN => len == 2 || (6..=18).contains(&len) && len % 2 == 0,
                _ => false,
            };
            assert_eq!(read, allowed, "kind {kind}, length {len}");
        }
    }
}

#[test]
fn e5_sack_of_every_length() {
    for len in 2..=40u8 {
        let mut bytes = [7; 40];
        bytes[..2].copy_from_slice(&[kind::SACK, len]);
        let sack = Options::parse(&bytes[..usize::from(len)]).unwrap().sack;
        let expected = if len % 8 == 2 { usize::from(len / 8) } else { 0 };
        assert_eq!(sack.len(), expected, "length {len}");
        assert!(sack.iter().all(|block| block == (SeqNumber(0x0707_0707), SeqNumber(0x0707_0707))));
    }
}

#[test]
fn the_short_way_for_timestamps_is_no_other_way() {
    let short = [1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8];
    let long = [1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1];
    assert_eq!(Options::parse(&short), Options::parse(&long));
    assert_eq!(Options::parse(&short).unwrap().timestamps, Some(TIMESTAMPS));
    let more = [&short[..], &[2, 4, 1, 0]].concat();
    assert_eq!(Options::parse(&more).unwrap().mss, Mss::new(256));
}

// RFC 9293 MUST-69: the header ends with its options, so that there is no padding that could be anything but zero.
#[test]
fn options_fill_whole_words_and_need_no_padding() {
    let one = |options: Options| {
        let bytes = emitted(options);
        assert!(bytes.len().is_multiple_of(4) && !bytes.is_empty());
        let read: Vec<_> = RawOptions::new(&bytes).map(Result::unwrap).collect();
        let octets: usize = read.iter().map(|raw| if raw.kind == 1 { 1 } else { raw.data.len() + 2 }).sum();
        assert_eq!(octets, bytes.len(), "{bytes:?}: nothing lies behind the last option");
    };
    one(Options { mss: Mss::new(1460), ..Options::NONE });
    one(Options { window_scale: Some(7), ..Options::NONE });
    one(Options { sack_permitted: true, ..Options::NONE });
    one(Options { timestamps: Some(TIMESTAMPS), ..Options::NONE });
    one(Options { user_timeout: Some(30), ..Options::NONE });
    one(Options { fast_open: Some(FastOpen::REQUEST), ..Options::NONE });
    one(Options { sack: [(SeqNumber(1), SeqNumber(2))].into_iter().collect(), ..Options::NONE });
}

// RFC 9768 §3.2.3
#[test]
fn counters_of_accurate_ecn_stand_in_either_order() {
    let counters = [0, 0, 1, 0, 0, 2, 0, 0, 3];
    let read = |kind| Options::parse(&[&[kind, 11], &counters[..], &[1]].concat()).unwrap().accurate_ecn;
    assert_eq!(read(kind::ACCURATE_ECN_0), Some(AccEcnOption { e0b: 1, ceb: 2, e1b: 3 }));
    assert_eq!(read(kind::ACCURATE_ECN_1), Some(AccEcnOption { e0b: 3, ceb: 2, e1b: 1 }));
}
