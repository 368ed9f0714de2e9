//! The core's clock reading: a count of nanoseconds that the caller supplies.

use core::ops::Add;
use core::time::Duration;

/// A moment on the caller's monotonic clock, in nanoseconds since an origin of the caller's choice.
///
/// 64 bits last 584 years. All arithmetic saturates, so that no clock, however odd, makes the core panic.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Instant(u64);

impl Instant {
    /// The origin of the clock.
    pub const ZERO: Instant = Instant(0);
    /// The latest moment there is; a deadline that never comes.
    pub const MAX: Instant = Instant(u64::MAX);

    /// The moment `nanos` nanoseconds after the origin.
    pub const fn from_nanos(nanos: u64) -> Instant {
        Instant(nanos)
    }

    /// The moment `micros` microseconds after the origin.
    pub const fn from_micros(micros: u64) -> Instant {
        Instant(micros.saturating_mul(1_000))
    }

    /// The moment `millis` milliseconds after the origin.
    pub const fn from_millis(millis: u64) -> Instant {
        Instant(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole microseconds since the origin.
    pub const fn as_micros(self) -> u64 {
        self.0 / 1_000
    }

    /// Whole milliseconds since the origin.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// The time from `earlier` to `self`, zero if `earlier` is later.
    pub const fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Whole microseconds from `earlier` to `self`, zero if `earlier` is later.
    pub const fn micros_since(self, earlier: Instant) -> u64 {
        self.0.saturating_sub(earlier.0) / 1_000
    }

    /// The moment `micros` microseconds after `self`.
    pub const fn plus_micros(self, micros: u64) -> Instant {
        Instant(self.0.saturating_add(micros.saturating_mul(1_000)))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, rhs: Duration) -> Instant {
        Instant(self.0.saturating_add(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// An [`Instant`] that is aligned to 4 octets, for records of which there are very many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(Rust, packed(4))]
pub struct CompactInstant(Instant);

impl CompactInstant {
    /// The moment.
    #[must_use]
    pub const fn get(self) -> Instant {
        self.0
    }
}

impl From<Instant> for CompactInstant {
    fn from(instant: Instant) -> CompactInstant {
        CompactInstant(instant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Instant::MAX + Duration::from_secs(1), Instant::MAX);
        assert_eq!(Instant::ZERO.since(Instant::MAX), Duration::ZERO);
        assert_eq!(Instant::ZERO + Duration::MAX, Instant::MAX);
        assert_eq!(Instant::from_millis(u64::MAX), Instant::MAX);
    }

    #[test]
    fn units_agree() {
        let moment = Instant::from_micros(1_500);
        assert_eq!(moment.as_nanos(), 1_500_000);
        assert_eq!(moment.as_millis(), 1);
        assert_eq!(moment.plus_micros(500), Instant::from_millis(2));
        assert_eq!(moment.micros_since(Instant::from_micros(400)), 1_100);
    }
}
