use super::*;

const SRC: Address = Address::v4(192, 0, 2, 1);
const DST: Address = Address::v4(192, 0, 2, 2);

fn datagram(covered: u16) -> [u8; 13] {
    let mut datagram = [0, 1, 0, 2, 0, 0, 0, 0, b'h', b'e', b'l', b'l', b'o'];
    fill(SRC, DST, &mut datagram, covered).unwrap();
    datagram
}

#[test]
fn damage_counts_only_where_the_checksum_covers() {
    for (covered, is_seen) in [(0, true), (13, true), (9, false), (8, false), (3, false), (99, true)] {
        let mut datagram = datagram(covered);
        assert!(check(SRC, DST, &datagram).is_ok(), "{covered}");
        datagram[12] ^= 1;
        let seen = check(SRC, DST, &datagram);
        assert_eq!(seen == Err(WireError::BadChecksum), is_seen, "{covered}: {seen:?}");
    }
}

#[test]
fn the_length_is_in_the_pseudo_header() {
    let datagram = datagram(8);
    assert_eq!(check(SRC, DST, &datagram), Ok(8));
    assert_eq!(check(SRC, DST, &datagram[..12]), Err(WireError::BadChecksum));
}

#[test]
fn impossible_coverages_and_missing_checksums_are_refused() {
    let mut short = datagram(0);
    short[5] = 7;
    assert_eq!(coverage(&short), Err(WireError::BadLength));
    short[5] = 14;
    assert_eq!(coverage(&short), Err(WireError::BadLength));
    let mut bare = datagram(0);
    bare[6..8].fill(0);
    assert_eq!(check(SRC, DST, &bare), Err(WireError::BadChecksum));
    assert_eq!(check(SRC, DST, &bare[..7]), Err(WireError::Truncated));
}
