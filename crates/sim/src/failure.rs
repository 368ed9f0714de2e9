//! What went wrong in a simulation, and how to see it again.

use std::fmt;

use portolan_link::Instant;

/// The environment variable that makes a test play one seed instead of many.
pub const SEED_VARIABLE: &str = "PORTOLAN_SEED";

/// What went wrong, where and when, with the seed that makes it happen again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The seed of the simulation.
    pub seed: u64,
    /// The virtual time.
    pub at: Instant,
    /// What went wrong, on which host.
    pub what: String,
    /// Whether nothing was wrong but that it took too long, or that nothing was left to happen.
    pub is_stuck: bool,
    /// The last frames on the wires, one per line.
    pub last_frames: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} failed at {} us: {}", self.seed, self.at.as_micros(), self.what)?;
        writeln!(f, "replay: {}", replay_line(self.seed))?;
        for line in &self.last_frames {
            writeln!(f, "  {line}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

/// The command that plays `seed` again.
pub(crate) fn replay_line(seed: u64) -> String {
    format!("{SEED_VARIABLE}={seed} cargo test -p portolan-sim --test transfer -- --nocapture")
}

#[cfg(test)]
mod tests;
