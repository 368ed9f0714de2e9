//! The description of a wire's faults, and its parser.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The words that a description may have, for error messages.
const WORDS: &str = "delay, loss, duplicate, reorder, corrupt, rate, limit";
/// The longest delay or jitter, in microseconds: one hour.
const TIME_MAX_US: u64 = 3_600_000_000;
/// The highest rate in bits per second: 100 Tbit/s.
const RATE_MAX: u64 = 100_000_000_000_000;
/// The longest queue in packets.
const LIMIT_MAX: u32 = 1_000_000;

/// A share from 0 to 100 %, kept in parts of `u32::MAX` so that a draw compares exactly.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Percent(u32);

impl Percent {
    /// Never.
    pub const ZERO: Percent = Percent(0);

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

/// What one direction of a wire does to packets. The default does nothing.
///
/// Parsed from netem's words in any order, as in `delay 80ms 10ms loss 2% duplicate 0.1% reorder 25% corrupt 0.01%
/// rate 10mbit limit 100`. `Display` gives them back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Impairment {
    /// Time on the way, in microseconds.
    pub delay_us: u64,
    /// The delay of each packet is drawn from `delay_us` plus or minus this, uniformly; packets may overtake.
    pub jitter_us: u64,
    /// Packets that vanish.
    pub loss: Percent,
    /// Packets that arrive twice.
    pub duplicate: Percent,
    /// Packets that skip the delay, and so overtake those before them.
    pub reorder: Percent,
    /// Packets of which one random bit is flipped.
    pub corrupt: Percent,
    /// Bits per second, link header included; `None` if not limited.
    pub rate: Option<u64>,
    /// Packets held at one time, in the queue and on the way; more are dropped.
    pub limit: u32,
}

impl Default for Impairment {
    fn default() -> Impairment {
        Impairment {
            delay_us: 0,
            jitter_us: 0,
            loss: Percent::ZERO,
            duplicate: Percent::ZERO,
            reorder: Percent::ZERO,
            corrupt: Percent::ZERO,
            rate: None,
            limit: 1000,
        }
    }
}

/// What is wrong with a description, naming the word and what is allowed.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ImpairmentError {
    /// There is no word at all.
    #[error("an empty impairment; allowed are {WORDS}, as in 'delay 20ms loss 1%'")]
    Empty,
    /// A word that is not known here.
    #[error("unknown word '{}' in an impairment; allowed are {WORDS}", word.escape_default())]
    UnknownWord {
        /// The word.
        word: String,
    },
    /// A word of netem's that is not supported.
    #[error("'{word}' is netem's but not supported here; allowed are {WORDS}")]
    Unsupported {
        /// The word.
        word: &'static str,
    },
    /// A word stands twice.
    #[error("'{word}' stands twice; give it once")]
    Twice {
        /// The word.
        word: &'static str,
    },
    /// A word without its value.
    #[error("'{word}' needs a value: {allowed}")]
    Missing {
        /// The word.
        word: &'static str,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A value that cannot be read or is out of range.
    #[error("'{word} {}': {allowed}", value.escape_default())]
    BadValue {
        /// The word.
        word: &'static str,
        /// The value as given.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A correlation, which netem knows.
    #[error(
        "'{word} ... {}': correlations are not supported, packets are drawn independently; leave it out",
        value.escape_default()
    )]
    Correlation {
        /// The word that it belongs to.
        word: &'static str,
        /// The correlation as given.
        value: String,
    },
    /// Reordering without a delay to skip.
    #[error(
        "'reorder' lets packets skip the delay, so it needs one: add 'delay', as in 'delay 10ms reorder 25%'"
    )]
    ReorderWithoutDelay,
}

const TIME: &str = "a time from 0us to 3600s with its unit us, ms or s, as in 20ms";
const SHARE: &str = "a share from 0% to 100%, as in 2% or 0.1%";
const RATE: &str = "a rate from 1bit to 100tbit with its unit bit, kbit, mbit, gbit, tbit, or bps, kbps, mbps, gbps for \
                    octets, as in 10mbit";
const LIMIT: &str = "a number of packets from 1 to 1000000";

impl Impairment {
    /// Whether packets pass as they are.
    pub fn is_none(&self) -> bool {
        *self == Impairment { limit: self.limit, ..Impairment::default() }
    }
}

impl FromStr for Impairment {
    type Err = ImpairmentError;

    fn from_str(text: &str) -> Result<Impairment, ImpairmentError> {
        let mut words = text.split_whitespace().peekable();
        if words.peek().is_none() {
            return Err(ImpairmentError::Empty);
        }
        let mut out = Impairment::default();
        let mut seen: Vec<&'static str> = Vec::new();
        while let Some(given) = words.next() {
            let word = keyword(given)?;
            if seen.contains(&word) {
                return Err(ImpairmentError::Twice { word });
            }
            seen.push(word);
            let allowed = match word {
                "delay" => TIME,
                "rate" => RATE,
                "limit" => LIMIT,
                _ => SHARE,
            };
            let value = words.next_if(|next| keyword(next).is_err());
            let value = value.ok_or(ImpairmentError::Missing { word, allowed })?;
            let bad = |value: &str| ImpairmentError::BadValue { word, value: value.to_owned(), allowed };
            match word {
                "delay" => {
                    out.delay_us = time_us(value).ok_or_else(|| bad(value))?;
                    if let Some(jitter) = words.next_if(|next| starts_a_time(next)) {
                        out.jitter_us = time_us(jitter).ok_or_else(|| bad(jitter))?;
                    }
                }
                "loss" => {
                    // netem writes the plain model out as 'loss random 2%'.
                    let value = if value == "random" { words.next().unwrap_or_default() } else { value };
                    out.loss = percent(value).ok_or_else(|| bad(value))?;
                }
                "duplicate" => out.duplicate = percent(value).ok_or_else(|| bad(value))?,
                "reorder" => out.reorder = percent(value).ok_or_else(|| bad(value))?,
                "corrupt" => out.corrupt = percent(value).ok_or_else(|| bad(value))?,
                "rate" => out.rate = Some(rate(value).ok_or_else(|| bad(value))?),
                _ => out.limit = limit(value).ok_or_else(|| bad(value))?,
            }
            if let Some(value) = words.next_if(|next| percent(next).is_some()) {
                return Err(ImpairmentError::Correlation { word, value: value.to_owned() });
            }
        }
        if !out.reorder.is_zero() && out.delay_us == 0 {
            return Err(ImpairmentError::ReorderWithoutDelay);
        }
        Ok(out)
    }
}

impl fmt::Display for Impairment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.delay_us > 0 || self.jitter_us > 0 {
            parts.push(format!("delay {}", Microseconds(self.delay_us)));
        }
        if self.jitter_us > 0 {
            parts.push(Microseconds(self.jitter_us).to_string());
        }
        let shares = [
            ("loss", self.loss),
            ("duplicate", self.duplicate),
            ("reorder", self.reorder),
            ("corrupt", self.corrupt),
        ];
        for (word, share) in shares.into_iter().filter(|(_, share)| !share.is_zero()) {
            parts.push(format!("{word} {share}"));
        }
        if let Some(rate) = self.rate {
            parts.push(format!("rate {}", BitRate(rate)));
        }
        parts.push(format!("limit {}", self.limit));
        f.write_str(&parts.join(" "))
    }
}

/// A time in the largest unit that keeps it whole.
struct Microseconds(u64);

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
struct BitRate(u64);

impl fmt::Display for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1_000_000_000, "gbit"), (1_000_000, "mbit"), (1_000, "kbit"), (1, "bit")];
        let unit = units.into_iter().find(|(size, _)| self.0.is_multiple_of(*size));
        let (size, name) = unit.unwrap_or((1, "bit"));
        write!(f, "{}{name}", self.0 / size)
    }
}

/// The word in its one spelling. netem lets words be cut short; here only its own short form `dup` is taken.
fn keyword(word: &str) -> Result<&'static str, ImpairmentError> {
    const SUPPORTED: [&str; 7] = ["delay", "loss", "duplicate", "reorder", "corrupt", "rate", "limit"];
    const NETEM_ONLY: [&str; 7] = ["distribution", "gap", "ecn", "slot", "state", "gemodel", "seed"];
    let full = match word {
        "latency" => "delay",
        "drop" => "loss",
        "dup" => "duplicate",
        other => other,
    };
    if let Some(word) = SUPPORTED.into_iter().find(|known| *known == full) {
        return Ok(word);
    }
    match NETEM_ONLY.into_iter().find(|known| *known == full) {
        Some(word) => Err(ImpairmentError::Unsupported { word }),
        None => Err(ImpairmentError::UnknownWord { word: word.to_owned() }),
    }
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

fn time_us(text: &str) -> Option<u64> {
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
fn starts_a_time(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit()) && !text.ends_with('%')
}

fn percent(text: &str) -> Option<Percent> {
    match number(text)? {
        (value, "%") => Percent::new(value),
        _ => None,
    }
}

fn rate(text: &str) -> Option<u64> {
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

fn limit(text: &str) -> Option<u32> {
    text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit))
}

#[cfg(test)]
mod tests;
