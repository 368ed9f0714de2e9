use super::*;

/// RFC 9438 §4.2: K = cbrt((W_max - cwnd) / 0.4) seconds, for differences in segments.
#[test]
fn k_is_the_cube_root() {
    // 0.4 segments in 1 s, 3.2 in 2 s, 10.8 in 3 s, 400 in 10 s, 50 in 5 s.
    for (octets, seconds) in [(400, 1), (3_200, 2), (10_800, 3), (50_000, 5), (400_000, 10)] {
        assert_eq!(time_to_grow(octets, 1000), seconds * SECOND, "{octets} octets");
    }
    // cbrt(30 / 0.4) = 4.217163 s.
    assert_eq!(time_to_grow(30_000, 1000), 4318);
    assert_eq!(time_to_grow(0, 1000), 0);
}

/// RFC 9438 §4.2: 0.4 (t - K)^3.
#[test]
fn the_function_is_flat_at_k_and_symmetric_about_it() {
    let at = |tenths: u64| units(tenths * 100_000);
    for (tenths, octets, above) in
        [(0, 50_000, false), (25, 6_250, false), (50, 0, false), (75, 6_250, true), (100, 50_000, true)]
    {
        let (distance, is_above) = offset(at(tenths), at(50), 1000);
        assert!(distance.abs_diff(octets) <= 8, "{distance} after {tenths} tenths of a second");
        assert_eq!(is_above, above);
    }
}

#[test]
fn nothing_overflows() {
    assert_eq!(units(u64::MAX), TIME_MAX);
    assert_eq!(offset(u64::MAX, 0, u16::MAX).0, u32::MAX);
    assert!(time_to_grow(u32::MAX, 1) <= TIME_MAX);
    assert_eq!(share(u32::MAX, 3, 2), u32::MAX);
    for root in [0, 1, 2, 1_000_000, (1 << 42) - 1] {
        let cube = u128::from(root) * u128::from(root) * u128::from(root);
        assert_eq!(cube_root(cube), root);
        assert_eq!(cube_root(cube + u128::from(root > 0)), root);
    }
}
