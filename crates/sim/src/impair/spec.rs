//! The description of a wire's faults.

mod parse;

use std::fmt;

use super::distribution::Distribution;
use super::loss::Burst;
use super::percent::Percent;
use super::units::{BitRate, Microseconds};

/// What one direction of a wire does to packets. The default does nothing.
///
/// Parsed from netem's words in any order, as in `delay 80ms 10ms loss 2% duplicate 0.1% reorder 25% corrupt 0.01%
/// rate 10mbit limit 100`. `Display` gives them back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Impairment {
    /// Time on the way, in microseconds.
    pub delay_us: u64,
    /// The delay of each packet is drawn around `delay_us` with this width; packets may overtake.
    pub jitter_us: u64,
    /// How much each delay resembles the one before.
    pub delay_correlation: Percent,
    /// How delays are drawn.
    pub distribution: Distribution,
    /// Packets that vanish, each for itself.
    pub loss: Percent,
    /// How much the fate of each packet resembles that of the one before.
    pub loss_correlation: Percent,
    /// Losses in bursts, in place of `loss`.
    pub burst: Option<Burst>,
    /// Packets that would be lost are marked instead, where ECN allows it (RFC 3168 §5).
    pub ecn: bool,
    /// Packets that arrive twice.
    pub duplicate: Percent,
    /// The same as with loss.
    pub duplicate_correlation: Percent,
    /// Packets that skip the delay, and so overtake those before them.
    pub reorder: Percent,
    /// The same as with loss.
    pub reorder_correlation: Percent,
    /// Only every so many packets may be reordered; 1 is every one.
    pub gap: u32,
    /// Packets of which one random bit is flipped.
    pub corrupt: Percent,
    /// The same as with loss.
    pub corrupt_correlation: Percent,
    /// Bits per second, link header included; `None` if not limited.
    pub rate: Option<u64>,
    /// What the rate counts beyond a packet's own octets.
    pub framing: Framing,
    /// Packets held at one time, in the queue and on the way; more are dropped.
    pub limit: u32,
    /// Packets leave in slots only.
    pub slot: Option<Slot>,
}

/// What a rate's link adds to each packet, as netem's PACKETOVERHEAD, CELLSIZE and CELLOVERHEAD say: ATM has cells of 48
/// octets with 5 more each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Framing {
    /// Octets that each packet has more; may be negative.
    pub packet: i32,
    /// Octets of a packet that a cell holds; 0 if there are no cells.
    pub cell: u32,
    /// Octets that each cell has more; may be negative.
    pub per_cell: i32,
}

/// A link that sends in turns, as radio links do: packets wait for the next slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot {
    /// The shortest time to the next slot, in microseconds.
    pub min_us: u64,
    /// The longest.
    pub max_us: u64,
    /// Packets that a slot takes; 0 for any number.
    pub packets: u32,
    /// Octets after which a slot is over; 0 for any number.
    pub octets: u32,
}

impl Default for Impairment {
    fn default() -> Impairment {
        Impairment {
            delay_us: 0,
            jitter_us: 0,
            delay_correlation: Percent::ZERO,
            distribution: Distribution::Uniform,
            loss: Percent::ZERO,
            loss_correlation: Percent::ZERO,
            burst: None,
            ecn: false,
            duplicate: Percent::ZERO,
            duplicate_correlation: Percent::ZERO,
            reorder: Percent::ZERO,
            reorder_correlation: Percent::ZERO,
            gap: 1,
            corrupt: Percent::ZERO,
            corrupt_correlation: Percent::ZERO,
            rate: None,
            framing: Framing::default(),
            limit: 1000,
            slot: None,
        }
    }
}

impl Impairment {
    /// Whether packets pass as they are.
    pub fn is_none(&self) -> bool {
        *self == Impairment { limit: self.limit, ..Impairment::default() }
    }

    /// Octets that a packet of `len` octets takes on a link with this rate.
    pub(crate) fn octets_on_link(&self, len: usize) -> u64 {
        let len = i64::try_from(len).unwrap_or(i64::MAX).saturating_add(self.framing.packet.into()).max(0);
        let cell = i64::from(self.framing.cell);
        let total = if cell == 0 {
            len
        } else {
            let cells = (len + cell - 1) / cell;
            cells.saturating_mul((cell + i64::from(self.framing.per_cell)).max(0))
        };
        u64::try_from(total).unwrap_or(0)
    }
}

impl fmt::Display for Impairment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.delay_us > 0 || self.jitter_us > 0 {
            write!(f, "delay {} ", Microseconds(self.delay_us))?;
        }
        if self.jitter_us > 0 {
            write!(f, "{} ", Microseconds(self.jitter_us))?;
            if !self.delay_correlation.is_zero() {
                write!(f, "{} ", self.delay_correlation)?;
            }
            if self.distribution != Distribution::Uniform {
                write!(f, "distribution {} ", self.distribution)?;
            }
        }
        match self.burst {
            Some(Burst::Gilbert { p, r, bad, good }) => write!(f, "loss gemodel {p} {r} {bad} {good} ")?,
            Some(Burst::Markov { p13, p31, p32, p23, p14 }) => {
                write!(f, "loss state {p13} {p31} {p32} {p23} {p14} ")?;
            }
            None => {}
        }
        for (word, share, correlation) in [
            ("loss", self.loss, self.loss_correlation),
            ("duplicate", self.duplicate, self.duplicate_correlation),
            ("reorder", self.reorder, self.reorder_correlation),
            ("corrupt", self.corrupt, self.corrupt_correlation),
        ] {
            if share.is_zero() {
                continue;
            }
            write!(f, "{word} {share} ")?;
            if !correlation.is_zero() {
                write!(f, "{correlation} ")?;
            }
            if word == "reorder" && self.gap > 1 {
                write!(f, "gap {} ", self.gap)?;
            }
        }
        if self.ecn {
            f.write_str("ecn ")?;
        }
        if let Some(rate) = self.rate {
            write!(f, "rate {} ", BitRate(rate))?;
            let Framing { packet, cell, per_cell } = self.framing;
            if self.framing != Framing::default() {
                write!(f, "{packet} {cell} {per_cell} ")?;
            }
        }
        if let Some(slot) = self.slot {
            write!(f, "slot {} {} ", Microseconds(slot.min_us), Microseconds(slot.max_us))?;
            if slot.packets > 0 {
                write!(f, "packets {} ", slot.packets)?;
            }
            if slot.octets > 0 {
                write!(f, "bytes {} ", slot.octets)?;
            }
        }
        write!(f, "limit {}", self.limit)
    }
}

#[cfg(test)]
mod tests;
