use super::super::testing::Path;
use super::*;
use crate::Config;

/// Rounds of so many samples of one RTT; returns how much of 12,000 acknowledged octets the window would grow.
fn rounds(hystart: &mut HyStart, path: &mut Path, rtts_us: &[u32]) -> (u32, bool) {
    let mut ended = false;
    for rtt_us in rtts_us {
        for _ in 0..8 {
            hystart.measure(*rtt_us);
        }
        path.una = path.nxt;
        path.nxt += 10_000;
        ended |= hystart.ends_round(&path.cx());
    }
    (hystart.growth(12_000, &path.cx()), ended)
}

/// RFC 9406 §4.2: an eighth more than in the round before, within 4 and 16 ms.
#[test]
fn a_growing_round_trip_time_slows_growth_to_a_quarter() {
    for (rtts, growth) in [
        ([100_000, 112_499], 12_000),
        ([100_000, 112_500], 3_000),
        ([10_000, 13_999], 12_000),
        ([10_000, 14_000], 3_000),
        ([400_000, 415_999], 12_000),
        ([400_000, 416_000], 3_000),
    ] {
        let (mut hystart, mut path) = (HyStart::NEW, Path::new(Config::default()));
        assert_eq!(rounds(&mut hystart, &mut path, &rtts), (growth, false), "{rtts:?}");
    }
}

/// RFC 9406 §4.2: five rounds of conservative slow start, then congestion avoidance.
#[test]
fn conservative_slow_start_lasts_five_rounds() {
    let (mut hystart, mut path) = (HyStart::NEW, Path::new(Config::default()));
    assert_eq!(
        rounds(&mut hystart, &mut path, &[100_000, 120_000, 120_000, 120_000, 120_000]),
        (3_000, false)
    );
    assert!(rounds(&mut hystart, &mut path, &[120_000]).1);
}

/// RFC 9406 §4.2: what looked like a queue was jitter, and slow start goes on.
#[test]
fn a_mistake_is_found_by_a_shorter_round_trip() {
    let (mut hystart, mut path) = (HyStart::NEW, Path::new(Config::default()));
    assert_eq!(rounds(&mut hystart, &mut path, &[100_000, 120_000]).0, 3_000);
    assert_eq!(rounds(&mut hystart, &mut path, &[110_000]).0, 12_000);
}

#[test]
fn fewer_than_eight_samples_say_nothing() {
    let (mut hystart, mut path) = (HyStart::NEW, Path::new(Config::default()));
    rounds(&mut hystart, &mut path, &[100_000]);
    for _ in 0..7 {
        hystart.measure(300_000);
    }
    assert_eq!(hystart.growth(12_000, &path.cx()), 12_000);
}

/// RFC 9406 §4.2: L.
#[test]
fn one_ack_counts_up_to_a_limit() {
    let mut path = Path::new(Config { abc_limit: 8, ..Config::default() });
    let mut hystart = HyStart::NEW;
    assert_eq!(rounds(&mut hystart, &mut path, &[100_000]).0, 8_000);
}
