//! Numbers of TCP: sequence numbers (RFC 9293 §3.4), the window scale (RFC 7323 §2) and the segment size.

use core::fmt;
use core::num::NonZeroU16;
use core::ops::{Add, AddAssign};

#[cfg(test)]
mod tests;

/// The largest distance at which one sequence number still counts as after another.
const HALF: u32 = u32::MAX / 2;

/// A sequence number, modulo 2^32 (RFC 9293 §3.4).
///
/// It has no `Ord`, because order on a circle is not transitive, and no subtraction, because a distance
/// exists only one way round: see [`since`](Self::since). Of two numbers exactly 2^31 apart neither is before
/// the other, so a forged number on the far side of the circle fails every comparison.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct SeqNumber(pub u32);

impl SeqNumber {
    /// Whether `self` is 1 to 2^31 - 1 octets before `other`.
    #[must_use]
    pub const fn before(self, other: Self) -> bool {
        self.0 != other.0 && self.at_or_before(other)
    }

    /// Whether `self` is 0 to 2^31 - 1 octets before `other`.
    #[must_use]
    pub const fn at_or_before(self, other: Self) -> bool {
        other.0.wrapping_sub(self.0) <= HALF
    }

    /// Whether `self` is 1 to 2^31 - 1 octets after `other`.
    #[must_use]
    pub const fn after(self, other: Self) -> bool {
        other.before(self)
    }

    /// Whether `self` is 0 to 2^31 - 1 octets after `other`.
    #[must_use]
    pub const fn at_or_after(self, other: Self) -> bool {
        other.at_or_before(self)
    }

    /// The octets from `earlier` to `self`, or `None` if `self` is not at or after `earlier`.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Option<u32> {
        if earlier.at_or_before(self) { Some(self.0.wrapping_sub(earlier.0)) } else { None }
    }

    /// Whether `self` is one of the `len` numbers from `start` on.
    #[must_use]
    pub const fn in_window(self, start: Self, len: u32) -> bool {
        self.0.wrapping_sub(start.0) < len
    }

    /// The later of the two; `self` if neither is.
    #[must_use]
    pub const fn max(self, other: Self) -> Self {
        if self.before(other) { other } else { self }
    }

    /// The earlier of the two; `self` if neither is.
    #[must_use]
    pub const fn min(self, other: Self) -> Self {
        if other.before(self) { other } else { self }
    }

    /// The number `n` octets back.
    #[must_use]
    pub const fn back(self, n: u32) -> Self {
        Self(self.0.wrapping_sub(n))
    }
}

impl Add<u32> for SeqNumber {
    type Output = Self;

    fn add(self, n: u32) -> Self {
        Self(self.0.wrapping_add(n))
    }
}

impl AddAssign<u32> for SeqNumber {
    fn add_assign(&mut self, n: u32) {
        *self = *self + n;
    }
}

impl fmt::Display for SeqNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of bits by which the window field is shifted: 0 to 14 (RFC 7323 §2.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct WindowScale(u8);

impl WindowScale {
    /// The largest shift, which makes a window of almost 1 GiB.
    pub const MAX: Self = Self(14);

    /// The scale `shift`; RFC 7323 §2.3 wants more than 14 to be taken as 14.
    #[must_use]
    pub const fn new(shift: u8) -> Self {
        if shift > Self::MAX.0 { Self::MAX } else { Self(shift) }
    }

    /// The number of bits, at most 14.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The octets that a window field of `field` stands for.
    #[must_use]
    pub fn window_octets(self, field: u16) -> u32 {
        u32::from(field) << self.0
    }
}

/// A maximum segment size in octets of text, without headers and options; never 0 (RFC 9293 §3.7.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Mss(NonZeroU16);

impl Mss {
    /// RFC 9293 §3.7.1 (MUST-15): what an IPv4 peer takes that sent no MSS option.
    pub const DEFAULT_V4: Self = Self(NonZeroU16::new(536).expect("536 is not 0"));
    /// RFC 9293 §3.7.1 (MUST-15): what an IPv6 peer takes that sent no MSS option.
    pub const DEFAULT_V6: Self = Self(NonZeroU16::new(1220).expect("1220 is not 0"));

    /// The size `octets`, or `None` for 0.
    #[must_use]
    pub const fn new(octets: u16) -> Option<Self> {
        match NonZeroU16::new(octets) {
            Some(octets) => Some(Self(octets)),
            None => None,
        }
    }

    /// The size in octets.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}
