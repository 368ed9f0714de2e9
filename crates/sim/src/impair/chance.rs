//! Draws of one direction of a wire, and those that remember the one before.

use chacha20::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::Percent;

/// The draws that follow from a seed.
#[derive(Debug)]
pub(crate) struct Chance(ChaCha8Rng);

impl Chance {
    /// The draws that follow from `seed`.
    pub(crate) fn new(seed: u64) -> Chance {
        Chance(ChaCha8Rng::seed_from_u64(seed))
    }

    /// 32 bits, each as likely as the other.
    pub(crate) fn bits(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// Whether something that has this share happens. What cannot happen draws nothing.
    pub(crate) fn happens(&mut self, share: Percent) -> bool {
        !share.is_zero() && share.holds(self.bits())
    }

    /// A draw from 0 to `bound` - 1; `None` for a bound of 0. The bias, below 2^-30 for what is drawn here, is of no
    /// account.
    pub(crate) fn below(&mut self, bound: u64) -> Option<u64> {
        if bound <= 1 {
            return bound.checked_sub(1);
        }
        let scaled = u128::from(self.0.next_u64()) * u128::from(bound);
        u64::try_from(scaled >> 64).ok()
    }
}

/// A series of draws in which each leans towards the one before, as netem's do: with a correlation of ρ the nth is
/// (1 - ρ) times a fresh draw plus ρ times the (n-1)th.
///
/// The mean stays, the spread shrinks to (1 - ρ) / (1 + ρ) of its square: so a share that is far from 50 % happens less
/// often than it says (below 50 %) or more often (above), which tc-netem(8) warns of. `loss gemodel` and `loss state`
/// make bursts without that.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Series {
    last: Option<u32>,
}

impl Series {
    /// The next draw, of all 32 bits.
    pub(crate) fn next(&mut self, chance: &mut Chance, correlation: Percent) -> u32 {
        let fresh = chance.bits();
        if correlation.is_zero() {
            return fresh;
        }
        let last = self.last.unwrap_or(fresh);
        let weight = u64::from(correlation.parts()) + 1;
        let mixed = u64::from(fresh) * ((1 << 32) - weight) + u64::from(last) * weight;
        let mixed = u32::try_from(mixed >> 32).unwrap_or(u32::MAX);
        self.last = Some(mixed);
        mixed
    }

    /// Whether something with this share happens now. What cannot happen draws nothing.
    pub(crate) fn happens(&mut self, chance: &mut Chance, share: Percent, correlation: Percent) -> bool {
        !share.is_zero() && share.holds(self.next(chance, correlation))
    }
}

#[cfg(test)]
mod tests;
