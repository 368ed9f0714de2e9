//! The cubic function, in integers: time in 1/1024 s, windows in octets (RFC 9438 §4.2).

/// RFC 9438 §5.1: C = 0.4 segments per second cubed, as a fraction.
const C: (u64, u64) = (2, 5);

/// Units of time in a second.
const SECOND: u64 = 1024;

/// Times beyond this count as this: by then every window is at its limit.
const TIME_MAX: u64 = 1 << 20;

/// Microseconds as units of time.
pub(super) fn units(micros: u64) -> u64 {
    (micros.min(TIME_MAX * 1_000) * SECOND / 1_000_000).min(TIME_MAX)
}

/// `value` times `numerator` by `denominator`.
pub(super) fn share(value: u32, numerator: u32, denominator: u32) -> u32 {
    let product = u64::from(value) * u64::from(numerator) / u64::from(denominator.max(1));
    u32::try_from(product).unwrap_or(u32::MAX)
}

/// K: the units of time in which the function grows by `octets` to its plateau (RFC 9438 §4.2, figure 2).
pub(super) fn time_to_grow(octets: u32, mss: u16) -> u64 {
    // K^3 = octets / mss / C. One second cubed is 2^30 units cubed.
    let cube = u128::from(octets) * u128::from(C.1) * u128::from(SECOND.pow(3));
    cube_root(cube / (u128::from(C.0) * u128::from(mss.max(1)))).min(TIME_MAX)
}

/// How far the function is from its plateau after `time` units, if it reaches it after `k`: octets, and whether it is
/// above (RFC 9438 §4.2, figure 1).
pub(super) fn offset(time: u64, k: u64, mss: u16) -> (u32, bool) {
    let distance = u128::from(time.abs_diff(k).min(TIME_MAX));
    let segments = distance * distance * distance * u128::from(C.0) * u128::from(mss) / u128::from(C.1);
    let octets = segments / u128::from(SECOND.pow(3));
    (u32::try_from(octets).unwrap_or(u32::MAX), time > k)
}

/// The largest number whose cube is no larger than `cube`.
fn cube_root(cube: u128) -> u64 {
    let mut root: u128 = 0;
    // Bit by bit from the top: the cubes of 2^42 and more do not fit.
    for bit in (0..42).rev() {
        let candidate = root | 1 << bit;
        if candidate * candidate * candidate <= cube {
            root = candidate;
        }
    }
    u64::try_from(root).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
