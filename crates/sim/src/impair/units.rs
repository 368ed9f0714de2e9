//! Numbers with units, read and written: times, rates, shares.

use std::fmt;

use super::Percent;

/// The longest delay or jitter, in microseconds: one hour.
const TIME_MAX_US: u64 = 3_600_000_000;
/// The highest rate in bits per second: 100 Tbit/s.
const RATE_MAX: u64 = 100_000_000_000_000;

/// What times look like, for error messages.
pub(super) const TIME: &str = "a time from 0us to 3600s with its unit us, ms or s, as in 20ms";
/// What shares look like.
pub(super) const SHARE: &str = "a share from 0% to 100%, as in 2% or 0.1%";
/// What rates look like.
pub(super) const RATE: &str = "a rate from 1bit to 100tbit with its unit bit, kbit, mbit, gbit, tbit, or bps, kbps, mbps, gbps for \
                               octets, as in 10mbit";

/// Microseconds.
pub(super) fn time_us(text: &str) -> Option<u64> {
    let (value, unit) = number(text)?;
    let unit = match unit {
        "us" | "usec" | "usecs" => 1.0,
        "ms" | "msec" | "msecs" => 1e3,
        "s" | "sec" | "secs" => 1e6,
        // Zero needs no unit.
        "" if value == 0.0 => 1.0,
        _ => return None,
    };
    scaled(value, unit, TIME_MAX_US)
}

/// Whether a word is meant as a time, though perhaps a wrong one.
pub(super) fn starts_a_time(text: &str) -> bool {
    starts_a_number(text) && !text.ends_with('%')
}

/// Whether a word begins as numbers do.
pub(super) fn starts_a_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

pub(super) fn percent(text: &str) -> Option<Percent> {
    match number(text)? {
        (value, "%") => Percent::new(value),
        // Zero needs no unit.
        (0.0, "") => Some(Percent::ZERO),
        _ => None,
    }
}

/// Bits per second.
pub(super) fn rate(text: &str) -> Option<u64> {
    let (value, unit) = number(text)?;
    let unit = match unit.to_ascii_lowercase().as_str() {
        "bit" => 1.0,
        "kbit" => 1e3,
        "mbit" => 1e6,
        "gbit" => 1e9,
        "tbit" => 1e12,
        // As in tc, where "bps" counts octets.
        "bps" => 8.0,
        "kbps" => 8e3,
        "mbps" => 8e6,
        "gbps" => 8e9,
        _ => return None,
    };
    scaled(value, unit, RATE_MAX).filter(|&rate| rate > 0)
}

/// A number and what follows it. Signs, exponents, `inf` and `nan` are not numbers here.
fn number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, unit))
}

/// A value in its base unit, rounded, if it is at most `max`.
fn scaled(value: f64, unit: f64, max: u64) -> Option<u64> {
    let scaled = (value * unit).round();
    #[expect(clippy::cast_precision_loss, reason = "limits are round numbers below 2^53")]
    let fits = (0.0..=max as f64).contains(&scaled);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to max, as was just checked"
    )]
    fits.then_some(scaled as u64)
}

/// A time in the largest unit that keeps it whole.
pub(super) struct Microseconds(pub(super) u64);

impl fmt::Display for Microseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            us if us % 1_000_000 == 0 => write!(f, "{}s", us / 1_000_000),
            us if us % 1_000 == 0 => write!(f, "{}ms", us / 1_000),
            us => write!(f, "{us}us"),
        }
    }
}

/// A rate in the largest unit that keeps it whole.
pub(super) struct BitRate(pub(super) u64);

impl fmt::Display for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1_000_000_000, "gbit"), (1_000_000, "mbit"), (1_000, "kbit"), (1, "bit")];
        let unit = units.into_iter().find(|(size, _)| self.0.is_multiple_of(*size));
        let (size, name) = unit.unwrap_or((1, "bit"));
        write!(f, "{}{name}", self.0 / size)
    }
}
