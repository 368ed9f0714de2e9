use super::*;

#[test]
fn order_holds_across_the_wrap() {
    let before = SeqNumber(u32::MAX - 1);
    let after = before + 5;
    assert_eq!(after, SeqNumber(3));
    assert!(before.before(after) && before.at_or_before(after));
    assert!(after.after(before) && after.at_or_after(before));
    assert!(!after.before(before) && !before.after(after));
    assert_eq!(after.since(before), Some(5));
    assert_eq!(before.since(after), None);
    assert_eq!(before.max(after), after);
    assert_eq!(before.min(after), before);
    assert_eq!(after.back(5), before);
}

#[test]
fn a_number_is_at_but_not_before_itself() {
    let n = SeqNumber(7);
    assert!(n.at_or_before(n) && n.at_or_after(n));
    assert!(!n.before(n) && !n.after(n));
    assert_eq!(n.since(n), Some(0));
}

#[test]
fn e6_half_the_circle_apart_fails_every_comparison() {
    for start in [0, 1, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
        let (a, b) = (SeqNumber(start), SeqNumber(start) + 0x8000_0000);
        for (a, b) in [(a, b), (b, a)] {
            assert!(!a.before(b) && !a.at_or_before(b) && !a.after(b) && !a.at_or_after(b));
            assert_eq!(a.since(b), None);
        }
        assert!(a.before(a + 0x7fff_ffff));
        assert!(a.after(a + 0x8000_0001));
    }
}

#[test]
fn a_window_contains_its_numbers_and_no_others() {
    let start = SeqNumber(u32::MAX);
    assert!(start.in_window(start, 1));
    assert!((start + 1).in_window(start, 2));
    assert!(!(start + 2).in_window(start, 2));
    assert!(!start.back(1).in_window(start, u32::MAX));
    assert!(!start.in_window(start, 0));
}

#[test]
fn e7_addition_wraps_without_panic() {
    let mut n = SeqNumber(u32::MAX);
    n += u32::MAX;
    assert_eq!(n, SeqNumber(u32::MAX - 1));
}

#[test]
fn e2_window_scale_stops_at_14() {
    assert_eq!(WindowScale::new(7).get(), 7);
    for shift in 14..=u8::MAX {
        assert_eq!(WindowScale::new(shift), WindowScale::MAX);
    }
    assert_eq!(WindowScale::new(255).window_octets(u16::MAX), 65_535 << 14);
}

#[test]
fn e2_mss_is_never_zero() {
    assert_eq!(Mss::new(0), None);
    assert_eq!(Mss::new(1460).map(Mss::get), Some(1460));
    assert_eq!((Mss::DEFAULT_V4.get(), Mss::DEFAULT_V6.get()), (536, 1220));
}
