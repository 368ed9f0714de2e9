use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// RFC 1071 §4.1, word by word.
fn model(bytes: &[u8]) -> u16 {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[test]
fn rfc_1071_section_3_example() {
    let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
    let mut sum = Checksum::new();
    sum.add(&bytes);
    assert_eq!(sum.partial(), 0xddf2);
    assert_eq!(sum.finish(), !0xddf2);
}

#[test]
fn rfc_1624_section_4_example() {
    // Equation 3 gives 0, where RFC 1141's gave the other zero.
    assert_eq!(update(0xdd2f, 0x5555, 0x3285), 0x0000);
}

#[test]
fn the_sum_of_nothing_is_zero() {
    assert_eq!(Checksum::new().partial(), 0);
    assert_eq!(Checksum::new().add(&[]).add(&[0; 100]).finish(), 0xffff);
}

#[test]
fn long_runs_of_ones_carry_all_the_way() {
    for len in [2, 64, 65_534, 65_536, 1 << 20] {
        assert_eq!(Checksum::new().add(&std::vec![0xff; len]).finish(), 0, "{len}");
    }
    assert_eq!(Checksum::new().add(&std::vec![0xff; 65_535]).finish(), model(&std::vec![0xff; 65_535]));
}

#[test]
fn pseudo_headers_are_those_of_the_rfcs() {
    let (src, dst) = (Address::v4(192, 0, 2, 1), Address::v4(198, 51, 100, 7));
    let v4 = [192, 0, 2, 1, 198, 51, 100, 7, 0, 6, 0x12, 0x34];
    assert_eq!(Checksum::pseudo(src, dst, 6, 0x1234).finish(), model(&v4));

    let (src, dst): (Address, Address) = ("2001:db8::1".parse().unwrap(), "fe80::2".parse().unwrap());
    let mut v6 = Vec::new();
    v6.extend(src.octets());
    v6.extend(dst.octets());
    v6.extend([0, 1, 0x12, 0x34, 0, 0, 0, 58]);
    assert_eq!(Checksum::pseudo(src, dst, 58, 0x0001_1234).finish(), model(&v6));
}

#[test]
fn a_partial_sum_is_completed_in_software() {
    let (src, dst) = (Address::v4(10, 0, 0, 1), Address::v4(10, 0, 0, 2));
    let mut whole: Vec<u8> = (0..77).collect();
    let mut partial = whole.clone();
    fill_transport(src, dst, 6, &mut whole, 16).unwrap();
    fill_partial(src, dst, 6, &mut partial, 16).unwrap();
    assert_ne!(whole, partial);
    let mut frame = std::vec![0xaa; 34];
    frame.extend(&partial);
    complete(&mut frame, 34, 16).unwrap();
    assert_eq!(frame[34..], whole);
    assert_eq!(transport(src, dst, 6, &whole), 0);
}

#[test]
fn fields_outside_the_bytes_are_refused() {
    for (start, offset) in [(5, 0), (0, 4), (0, 3), (4, 0), (usize::MAX, 0), (0, usize::MAX)] {
        assert_eq!(complete(&mut [0; 4], start, offset), Err(WireError::Truncated), "{start} {offset}");
    }
}

#[test]
fn a_sum_of_zero_is_written_as_ones() {
    let mut bytes = [0xff, 0xff, 0, 0];
    complete(&mut bytes, 0, 2).unwrap();
    assert_eq!(bytes, [0xff, 0xff, 0xff, 0xff]);
}

proptest! {
    #[test]
    fn any_slice_at_any_place_agrees_with_the_model(
        bytes in proptest::collection::vec(any::<u8>(), 0..600), start in 0usize..16,
    ) {
        let bytes = bytes.get(start..).unwrap_or_default();
        prop_assert_eq!(Checksum::new().add(bytes).finish(), model(bytes));
    }

    #[test]
    fn parts_of_any_length_agree_with_the_whole(
        parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..90), 0..8),
        word in any::<u32>(),
    ) {
        let mut sum = Checksum::new();
        for part in &parts {
            sum.add(part);
        }
        let mut whole = parts.concat();
        prop_assert_eq!(sum.finish(), model(&whole));
        let half = word as u16;
        sum.add_u32(word).add_u16(half).add(&[7]);
        whole.extend(word.to_be_bytes());
        whole.extend(half.to_be_bytes());
        whole.push(7);
        prop_assert_eq!(sum.finish(), model(&whole));
    }

    #[test]
    fn incremental_updates_agree_with_the_whole(
        mut bytes in proptest::collection::vec(any::<u8>(), 20..64), new in any::<u32>(), at in 0usize..8,
    ) {
        // A header is never all zero, for which equation 3 would give the other zero.
        bytes[19] |= 1;
        let at = at * 2;
        let old_sum = model(&bytes);
        let old = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        bytes[at..at + 4].copy_from_slice(&new.to_be_bytes());
        let new_sum = model(&bytes);
        prop_assert_eq!(update_u32(old_sum, old, new), new_sum);
        prop_assert_eq!(update_bytes(old_sum, &old.to_be_bytes(), &new.to_be_bytes()), new_sum);
        let once = update(old_sum, (old >> 16) as u16, (new >> 16) as u16);
        prop_assert_eq!(update(once, old as u16, new as u16), new_sum);
    }
}
