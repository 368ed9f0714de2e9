extern crate std;

use std::vec;
use std::vec::Vec;

use super::*;

fn summed(mut octets: Vec<u8>) -> Vec<u8> {
    let len = octets.len();
    sum_igmp(&mut octets, len).unwrap();
    octets
}

fn igmp(code: u8, group: [u8; 4], rest: &[u8]) -> Result<Option<Query>, WireError> {
    parse_igmp(&summed([&[QUERY, code, 0, 0][..], &group, rest].concat()))
}

#[test]
fn a_query_tells_its_version_by_its_length() {
    let all = |version, response_ms| Ok(Some(Query { version, response_ms, group: None }));
    assert_eq!(igmp(0, [0; 4], &[]), all(Version::Oldest, 10_000));
    assert_eq!(igmp(100, [0; 4], &[]), all(Version::Old, 10_000));
    assert_eq!(igmp(100, [0; 4], &[0; 4]), all(Version::Current, 10_000));
    assert_eq!(igmp(0, [0; 4], &[0; 4]), all(Version::Current, 1), "at once, and never in no time");
    assert_eq!(igmp(0xff, [0; 4], &[0; 4]), all(Version::Current, (31 << 10) * 100));
    let one = Some(Address::v4(239, 1, 2, 3));
    assert_eq!(igmp(1, [239, 1, 2, 3], &[]).unwrap().unwrap().group, one);
    assert_eq!(igmp(1, [10, 1, 2, 3], &[]), Err(WireError::BadHeader));
    for short in [&[0][..], &[0; 3], &[0, 0, 0, 1], &[0, 0, 0xff, 0xff, 1, 2, 3, 4]] {
        assert_eq!(igmp(1, [0; 4], short), Err(WireError::BadLength), "{short:?}");
    }
    let mut wrong = summed(vec![QUERY, 1, 0, 0, 0, 0, 0, 0]);
    wrong[7] = 1;
    assert_eq!(parse_igmp(&wrong), Err(WireError::BadChecksum));
    assert_eq!(parse_igmp(&wrong[..7]), Err(WireError::Truncated));
    assert_eq!(parse_igmp(&summed(vec![REPORT_V2, 0, 0, 0, 239, 1, 2, 3])), Ok(None));
}

#[test]
fn a_query_of_mld_is_read_too() {
    let query = |code: u16, rest: &[u8]| parse_mld_query(&[&code.to_be_bytes()[..], &[0; 18], rest].concat());
    let all = |version, response_ms| Ok(Query { version, response_ms, group: None });
    assert_eq!(query(1000, &[]), all(Version::Old, 1000));
    assert_eq!(query(0, &[0; 4]), all(Version::Current, 1));
    assert_eq!(query(0x7fff, &[0; 4]), all(Version::Current, 0x7fff));
    assert_eq!(query(0xffff, &[0; 4]), all(Version::Current, 0x1fff << 10));
    assert_eq!(query(0, &[0, 0, 0, 1, 1]), Err(WireError::BadLength));
    assert_eq!(parse_mld_query(&[0; 19]), Err(WireError::Truncated));
}

#[test]
fn reports_are_laid_out_as_the_rfcs_say() {
    let (group, source) = (Address::v4(232, 1, 2, 3), Address::v4(10, 0, 0, 9));
    let record = Record { kind: RecordKind::Allow, group, sources: &[source] };
    let mut out = [0; 64];
    let len = emit_report(Family::V4, &[record], &mut out).unwrap();
    assert_eq!((len, record.len()), (20, 12));
    assert_eq!(out[..2], [0x22, 0]);
    assert_eq!(out[4..20], [0, 0, 0, 1, 5, 0, 0, 1, 232, 1, 2, 3, 10, 0, 0, 9]);
    assert_eq!(Checksum::new().add(&out[..len]).finish(), 0);
    let six = Record { kind: RecordKind::ToExclude, group: "ff05::1".parse().unwrap(), sources: &[] };
    assert_eq!(emit_report(Family::V6, &[six], &mut out), Ok(24));
    assert_eq!(out[..8], [0, 0, 0, 1, 4, 0, 0, 0]);
    assert_eq!(emit_report(Family::V4, &[six], &mut out), Err(WireError::BadHeader));
    assert_eq!(emit_report(Family::V4, &[record], &mut out[..19]), Err(WireError::Truncated));
    for (version, leaves, ty) in
        [(Version::Oldest, false, 0x12), (Version::Old, false, 0x16), (Version::Old, true, 0x17)]
    {
        assert_eq!(emit_old(group, version, leaves, &mut out), Ok(8));
        assert_eq!((out[0], &out[4..8]), (ty, &[232, 1, 2, 3][..]));
    }
    assert_eq!(emit_old(six.group, Version::Old, true, &mut out), Ok(20));
}

#[test]
fn any_octets_are_a_query_or_an_error() {
    for len in 0..40 {
        for fill in [0, 1, 0x7f, 0x80, 0xff] {
            let mut octets = vec![fill; len];
            let _ = parse_mld_query(&octets);
            let _ = parse_igmp(&octets);
            if let Some(first) = octets.first_mut() {
                *first = QUERY;
            }
            if len >= 4 {
                let _ = parse_igmp(&summed(octets));
            }
        }
    }
}
