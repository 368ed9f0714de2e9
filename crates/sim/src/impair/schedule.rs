//! What a wire does and when that changes: `delay 20ms; at 5s: loss 100%; at 8s: loss 0`.
//!
//! A step says only what changes: the words that it has replace the same words of before, all others stay, and `none`
//! clears everything. A preset may stand first, in a step too; then it replaces everything, and words after it change it.
//! Times count from the beginning of the run, or from when the description was set.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use portolan_link::Instant;

use super::preset::Preset;
use super::units::{self, Microseconds, TIME};
use super::{Direction, Impairment, ImpairmentError};

/// Steps of a schedule.
const STEPS_MAX: usize = 10_000;

/// An impairment, and those that follow it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Schedule {
    first: Impairment,
    /// From when, in microseconds, and what.
    later: Arc<[(u64, Impairment)]>,
}

impl From<Impairment> for Schedule {
    fn from(first: Impairment) -> Schedule {
        Schedule { first, later: Arc::default() }
    }
}

impl FromStr for Schedule {
    type Err = ImpairmentError;

    /// For a wire whose directions are alike: a preset is taken as it is downward.
    fn from_str(text: &str) -> Result<Schedule, ImpairmentError> {
        Schedule::parse(text, Direction::Down)
    }
}

impl Schedule {
    /// Reads a description for one direction.
    pub fn parse(text: &str, direction: Direction) -> Result<Schedule, ImpairmentError> {
        let mut now = Impairment::default();
        let mut first = now;
        let mut later: Vec<(u64, Impairment)> = Vec::new();
        if text.trim().is_empty() {
            return Err(ImpairmentError::Empty);
        }
        for (index, step) in text.split(';').map(str::trim).enumerate() {
            let Some((time, words)) = at(step)? else {
                if index > 0 {
                    return Err(ImpairmentError::StepWithoutTime { step: step.to_owned() });
                }
                now = amended(now, step, direction)?;
                first = now;
                continue;
            };
            now = amended(now, words, direction)?;
            if later.last().is_some_and(|(before, _)| *before >= time) {
                return Err(ImpairmentError::StepTooEarly { time: Microseconds(time).to_string() });
            }
            if later.len() >= STEPS_MAX {
                return Err(ImpairmentError::TooManySteps(STEPS_MAX));
            }
            later.push((time, now));
        }
        Ok(Schedule { first, later: later.into() })
    }

    /// Whether packets pass as they are, always.
    pub fn is_none(&self) -> bool {
        self.first.is_none() && self.later.is_empty()
    }

    /// What holds at the beginning.
    pub fn first(&self) -> Impairment {
        self.first
    }

    /// Every change: how many microseconds after the beginning, and what holds then.
    pub fn later(&self) -> &[(u64, Impairment)] {
        &self.later
    }
}

impl fmt::Display for Schedule {
    /// In words that mean the same when they are read again: each step clears what was before.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first.is_none() {
            true => f.write_str("none")?,
            false => write!(f, "{}", self.first)?,
        }
        self.later.iter().try_for_each(|(at, impairment)| match impairment.is_none() {
            true => write!(f, "; at {}: none", Microseconds(*at)),
            false => write!(f, "; at {}: none {impairment}", Microseconds(*at)),
        })
    }
}

/// A schedule that runs.
#[derive(Debug)]
pub(crate) struct Course {
    schedule: Schedule,
    origin: Instant,
    /// Steps that were taken.
    taken: usize,
}

impl Course {
    /// A schedule whose time counts from `origin`.
    pub(crate) fn new(schedule: Schedule, origin: Instant) -> Course {
        Course { schedule, origin, taken: 0 }
    }

    /// What holds from now on, if that has changed since it was last asked.
    pub(crate) fn change(&mut self, now: Instant) -> Option<Impairment> {
        let mut changed = None;
        while let Some((at, impairment)) = self.schedule.later.get(self.taken)
            && self.origin.plus_micros(*at) <= now
        {
            changed = Some(*impairment);
            self.taken += 1;
        }
        changed
    }

    /// Whether it still changes.
    pub(crate) fn goes_on(&self) -> bool {
        self.taken < self.schedule.later.len()
    }
}

/// A step's time and words; `None` for one that has no time.
fn at(step: &str) -> Result<Option<(u64, &str)>, ImpairmentError> {
    let Some(rest) = step.strip_prefix("at").filter(|rest| rest.starts_with(char::is_whitespace)) else {
        return Ok(None);
    };
    let Some((time, words)) = rest.split_once(':') else {
        return Err(ImpairmentError::StepWithoutTime { step: step.to_owned() });
    };
    let time = time.trim();
    let bad = || ImpairmentError::BadValue { word: "at", value: time.to_owned(), allowed: TIME };
    Ok(Some((units::time_us(time).ok_or_else(bad)?, words)))
}

/// What holds after a step.
fn amended(before: Impairment, words: &str, direction: Direction) -> Result<Impairment, ImpairmentError> {
    let words = words.trim();
    let (word, rest) = words.split_once(char::is_whitespace).unwrap_or((words, ""));
    match Preset::find(word) {
        Some(preset) if rest.trim().is_empty() => preset.impairment(direction),
        Some(preset) => preset.impairment(direction)?.amended(rest),
        None => before.amended(words),
    }
}

#[cfg(test)]
mod tests;
