use portolan_link::Instant;

use super::Timestamps;

#[test]
fn an_older_value_is_old_also_across_the_end_of_the_numbers() {
    let mut ts = Timestamps::new(0);
    let now = Instant::from_millis(1);
    ts.take_first(3, now);
    assert!(ts.is_old(u32::MAX, now));
    assert!(!ts.is_old(3, now));
    assert!(!ts.is_old(4, now));
    ts.take(1, now);
    assert_eq!(ts.recent, 3);
}

// RFC 7323 §5.5
#[test]
fn after_24_days_any_value_is_new() {
    let mut ts = Timestamps::new(0);
    ts.take_first(1000, Instant::ZERO);
    let day = 24 * 3600 * 1000;
    assert!(ts.is_old(999, Instant::from_millis(24 * day)));
    assert!(!ts.is_old(999, Instant::from_millis(25 * day)));
}

#[test]
fn an_echo_measures_in_ticks_and_never_zero() {
    let ts = Timestamps::new(u32::MAX - 5);
    let echo = ts.value(Instant::from_millis(4));
    assert_eq!(ts.round_trip_us(echo, Instant::from_millis(24)), Some(20_000));
    assert_eq!(ts.round_trip_us(echo, Instant::from_millis(4)), Some(1_000));
    assert_eq!(ts.round_trip_us(echo, Instant::from_millis(3)), None, "an echo from the future");
}
