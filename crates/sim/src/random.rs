//! The one source of chance of a simulation.

use chacha20::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use crate::impair::Percent;

/// Draws that follow from a seed.
#[derive(Debug)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// The draws that follow from `seed`.
    pub fn new(seed: u64) -> Random {
        Random(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A draw of all 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number from `low` to `high`, both included; `low` if `high` is smaller. The bias, of about the range's share
    /// of 2^64, is of no account.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        let span = u128::from(high.saturating_sub(low)) + 1;
        let offset = (u128::from(self.0.next_u64()) * span) >> 64;
        low + u64::try_from(offset).unwrap_or(0)
    }

    /// True once in `of` draws, on average.
    pub fn one_in(&mut self, of: u64) -> bool {
        self.between(1, of) == 1
    }

    /// A share from 0 to `max` thousandths of a percent.
    pub fn share(&mut self, max: u64) -> Percent {
        #[expect(clippy::cast_precision_loss, reason = "at most 100,000")]
        let percent = self.between(0, max.min(100_000)) as f64 / 1000.0;
        Percent::new(percent).unwrap_or_default()
    }

    /// 32 octets, for a secret.
    pub fn secret(&mut self) -> [u8; 32] {
        let mut out = [0; 32];
        self.0.fill_bytes(&mut out);
        out
    }
}

#[cfg(test)]
mod tests;
