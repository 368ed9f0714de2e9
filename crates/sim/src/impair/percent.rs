//! A share of all packets.

use std::fmt;

/// A share from 0 to 100 %, kept in parts of `u32::MAX` so that a draw compares exactly.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Percent(u32);

impl Percent {
    /// Never.
    pub const ZERO: Percent = Percent(0);
    /// Always.
    pub const ALL: Percent = Percent(u32::MAX);

    /// `percent` of 100; `None` outside 0 to 100.
    pub fn new(percent: f64) -> Option<Percent> {
        if !(0.0..=100.0).contains(&percent) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to 100 % of u32::MAX fits"
        )]
        Some(Percent((percent / 100.0 * f64::from(u32::MAX)).round() as u32))
    }

    /// The share as a number from 0 to 100.
    pub fn get(self) -> f64 {
        f64::from(self.0) * 100.0 / f64::from(u32::MAX)
    }

    /// Whether this is never.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// What is missing to 100 %.
    pub fn rest(self) -> Percent {
        Percent(u32::MAX - self.0)
    }

    /// Whether a uniform draw falls within the share.
    pub(crate) fn holds(self, draw: u32) -> bool {
        self.0 != 0 && draw <= self.0
    }

    /// The share in parts of `u32::MAX`.
    pub(crate) fn parts(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Seven digits give back any figure that a person types.
        let rounded = (self.get() * 1e7).round() / 1e7;
        write!(f, "{rounded}%")
    }
}
