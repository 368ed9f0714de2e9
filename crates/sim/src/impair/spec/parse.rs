//! The parser of netem's words.

use std::iter::Peekable;
use std::str::{FromStr, SplitWhitespace};

use super::{Framing, Impairment, Slot};
use crate::impair::distribution::Distribution;
use crate::impair::error::ImpairmentError;
use crate::impair::loss::Burst;
use crate::impair::percent::Percent;
use crate::impair::preset::Preset;
use crate::impair::units::{self, RATE, SHARE, TIME};

/// The longest queue in packets, and the largest of other counts.
const COUNT_MAX: u32 = 1_000_000;
/// The largest cell and overhead, in octets.
const OVERHEAD_MAX: i32 = 65_535;

const LIMIT: &str = "a number of packets from 1 to 1000000";
const GAP: &str = "a number of packets from 1 to 1000000, as in 'reorder 25% gap 5'";
const COUNT: &str = "a number from 1 to 1000000";
const OVERHEAD: &str = "octets from -65535 to 65535";
const DISTRIBUTION: &str = "uniform, normal, pareto or paretonormal";

impl FromStr for Impairment {
    type Err = ImpairmentError;

    fn from_str(text: &str) -> Result<Impairment, ImpairmentError> {
        Impairment::default().amended(text)
    }
}

impl Impairment {
    /// What `text` says, and for the words that it does not have what is here already. `none` clears all.
    pub fn amended(self, text: &str) -> Result<Impairment, ImpairmentError> {
        let mut parser = Parser { words: text.split_whitespace().peekable(), out: self, seen: Vec::new() };
        match parser.words.peek() {
            None => return Err(ImpairmentError::Empty),
            Some(&"none") => {
                parser.words.next();
                parser.out = Impairment::default();
            }
            Some(_) => {}
        }
        while let Some(given) = parser.words.next() {
            parser.word(keyword(given)?)?;
        }
        parser.out.checked()
    }

    /// Refuses what says nothing without another word.
    fn checked(self) -> Result<Impairment, ImpairmentError> {
        if !self.reorder.is_zero() && self.delay_us == 0 {
            return Err(ImpairmentError::ReorderWithoutDelay);
        }
        if self.ecn && self.loss.is_zero() && self.burst.is_none() {
            return Err(ImpairmentError::Without { word: "ecn", of: "loss" });
        }
        Ok(self)
    }
}

struct Parser<'a> {
    words: Peekable<SplitWhitespace<'a>>,
    out: Impairment,
    seen: Vec<&'static str>,
}

impl<'a> Parser<'a> {
    /// One word and its values.
    fn word(&mut self, word: &'static str) -> Result<(), ImpairmentError> {
        if self.seen.contains(&word) {
            return Err(ImpairmentError::Twice { word });
        }
        self.seen.push(word);
        match word {
            "delay" => self.delay(),
            "distribution" => self.distribution(),
            "loss" => self.loss(),
            "duplicate" => {
                (self.out.duplicate, self.out.duplicate_correlation) = self.share_and_correlation(word)?;
                Ok(())
            }
            "corrupt" => {
                (self.out.corrupt, self.out.corrupt_correlation) = self.share_and_correlation(word)?;
                Ok(())
            }
            "reorder" => {
                (self.out.reorder, self.out.reorder_correlation) = self.share_and_correlation(word)?;
                self.out.gap = 1;
                Ok(())
            }
            "gap" if !self.seen.contains(&"reorder") => Err(ImpairmentError::Without { word, of: "reorder" }),
            "gap" => {
                self.out.gap = self.count(word, GAP)?;
                Ok(())
            }
            "ecn" => {
                self.out.ecn = true;
                Ok(())
            }
            "rate" => self.rate(),
            "slot" => self.slot(),
            _ => {
                self.out.limit = self.count(word, LIMIT)?;
                Ok(())
            }
        }
    }

    fn delay(&mut self) -> Result<(), ImpairmentError> {
        let word = "delay";
        let value = self.value(word, TIME)?;
        self.out.delay_us = units::time_us(value).ok_or_else(|| bad(word, value, TIME))?;
        (self.out.jitter_us, self.out.delay_correlation) = (0, Percent::ZERO);
        self.out.distribution = Distribution::Uniform;
        if let Some(jitter) = self.words.next_if(|next| units::starts_a_time(next)) {
            self.out.jitter_us = units::time_us(jitter).ok_or_else(|| bad(word, jitter, TIME))?;
            self.out.delay_correlation = self.optional_share(word, Percent::ZERO)?;
        }
        Ok(())
    }

    fn distribution(&mut self) -> Result<(), ImpairmentError> {
        let word = "distribution";
        if self.out.jitter_us == 0 {
            return Err(ImpairmentError::Without { word, of: "delay TIME JITTER" });
        }
        let value = self.words.next().ok_or(ImpairmentError::Missing { word, allowed: DISTRIBUTION })?;
        let known = Distribution::ALL.into_iter().find(|known| known.name() == value);
        self.out.distribution = known.ok_or_else(|| bad(word, value, DISTRIBUTION))?;
        Ok(())
    }

    fn loss(&mut self) -> Result<(), ImpairmentError> {
        let word = "loss";
        (self.out.loss, self.out.loss_correlation, self.out.burst) = (Percent::ZERO, Percent::ZERO, None);
        match self.words.next_if(|next| matches!(*next, "random" | "state" | "gemodel")) {
            Some("state") => {
                let p13 = self.share(word)?;
                let p31 = self.optional_share(word, p13.rest())?;
                let p32 = self.optional_share(word, Percent::ZERO)?;
                let p23 = self.optional_share(word, Percent::ALL)?;
                let p14 = self.optional_share(word, Percent::ZERO)?;
                self.out.burst = Some(Burst::Markov { p13, p31, p32, p23, p14 });
            }
            Some("gemodel") => {
                let p = self.share(word)?;
                let r = self.optional_share(word, p.rest())?;
                let bad = self.optional_share(word, Percent::ALL)?;
                let good = self.optional_share(word, Percent::ZERO)?;
                self.out.burst = Some(Burst::Gilbert { p, r, bad, good });
            }
            _ => (self.out.loss, self.out.loss_correlation) = self.share_and_correlation(word)?,
        }
        Ok(())
    }

    fn rate(&mut self) -> Result<(), ImpairmentError> {
        let word = "rate";
        let value = self.value(word, RATE)?;
        self.out.rate = Some(units::rate(value).ok_or_else(|| bad(word, value, RATE))?);
        let packet = self.overhead(word)?.unwrap_or(0);
        let cell = self.overhead(word)?.unwrap_or(0);
        let per_cell = self.overhead(word)?.unwrap_or(0);
        let cell =
            u32::try_from(cell).map_err(|_| bad(word, &cell.to_string(), "a cell of 0 to 65535 octets"))?;
        if i64::from(cell) + i64::from(per_cell) < i64::from(cell > 0) {
            return Err(bad(word, &per_cell.to_string(), "an overhead that leaves something of the cell"));
        }
        self.out.framing = Framing { packet, cell, per_cell };
        Ok(())
    }

    fn slot(&mut self) -> Result<(), ImpairmentError> {
        let word = "slot";
        let value = self.value(word, TIME)?;
        let min_us = units::time_us(value).ok_or_else(|| bad(word, value, TIME))?;
        let mut slot = Slot { min_us, max_us: min_us, packets: 0, octets: 0 };
        if let Some(most) = self.words.next_if(|next| units::starts_a_time(next)) {
            let most_us = units::time_us(most).filter(|most_us| *most_us >= min_us);
            slot.max_us = most_us.ok_or_else(|| bad(word, most, "a time that is not below the first"))?;
        }
        while let Some(what) = self.words.next_if(|next| matches!(*next, "packets" | "bytes")) {
            let count = self.count(word, COUNT)?;
            *(if what == "packets" { &mut slot.packets } else { &mut slot.octets }) = count;
        }
        self.out.slot = Some(slot);
        Ok(())
    }

    /// A word's first value, which is whatever follows and is no word itself.
    fn value(&mut self, word: &'static str, allowed: &'static str) -> Result<&'a str, ImpairmentError> {
        let value = self.words.next_if(|next| keyword(next).is_err());
        value.ok_or(ImpairmentError::Missing { word, allowed })
    }

    fn share(&mut self, word: &'static str) -> Result<Percent, ImpairmentError> {
        let value = self.value(word, SHARE)?;
        units::percent(value).ok_or_else(|| bad(word, value, SHARE))
    }

    fn optional_share(&mut self, word: &'static str, or: Percent) -> Result<Percent, ImpairmentError> {
        match self.words.next_if(|next| units::starts_a_number(next)) {
            Some(value) => units::percent(value).ok_or_else(|| bad(word, value, SHARE)),
            None => Ok(or),
        }
    }

    fn share_and_correlation(&mut self, word: &'static str) -> Result<(Percent, Percent), ImpairmentError> {
        Ok((self.share(word)?, self.optional_share(word, Percent::ZERO)?))
    }

    fn count(&mut self, word: &'static str, allowed: &'static str) -> Result<u32, ImpairmentError> {
        let value = self.value(word, allowed)?;
        let is_plain = value.bytes().all(|octet| octet.is_ascii_digit());
        let count = value.parse().ok().filter(|count| is_plain && (1..=COUNT_MAX).contains(count));
        count.ok_or_else(|| bad(word, value, allowed))
    }

    fn overhead(&mut self, word: &'static str) -> Result<Option<i32>, ImpairmentError> {
        let is_number = |next: &&str| units::starts_a_number(next.strip_prefix('-').unwrap_or(next));
        let Some(value) = self.words.next_if(is_number) else { return Ok(None) };
        let octets = value.parse().ok().filter(|octets| (-OVERHEAD_MAX..=OVERHEAD_MAX).contains(octets));
        octets.map(Some).ok_or_else(|| bad(word, value, OVERHEAD))
    }
}

fn bad(word: &'static str, value: &str, allowed: &'static str) -> ImpairmentError {
    ImpairmentError::BadValue { word, value: value.to_owned(), allowed }
}

/// The word in its one spelling. netem lets words be cut short; here only its own short form `dup` is taken.
fn keyword(word: &str) -> Result<&'static str, ImpairmentError> {
    const KNOWN: [&str; 11] = [
        "delay",
        "distribution",
        "loss",
        "duplicate",
        "reorder",
        "gap",
        "corrupt",
        "rate",
        "limit",
        "ecn",
        "slot",
    ];
    let full = match word {
        "latency" => "delay",
        "drop" => "loss",
        "dup" => "duplicate",
        other => other,
    };
    if let Some(word) = KNOWN.into_iter().find(|known| *known == full) {
        return Ok(word);
    }
    if let Some(preset) = Preset::find(word) {
        return Err(ImpairmentError::PresetNotFirst { name: preset.name });
    }
    match word {
        "seed" => Err(ImpairmentError::Unsupported { word: "seed" }),
        _ => Err(ImpairmentError::UnknownWord { word: word.to_owned() }),
    }
}
