//! Losses that come in bursts: the two models of netem's that have states (tc-netem(8), `loss state` and `loss gemodel`).
//!
//! The models are those of "Definition of a general and intuitive loss model for packet networks and its implementation in
//! the Netem module in the Linux kernel" (Salsano, Ludovici, Ordine, Giannuzzi, 2012); the order of draws is netem's.

use super::Percent;
use super::chance::Chance;

/// A loss model with states.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Burst {
    /// `gemodel`: Gilbert's and Elliott's two states, good and bad.
    Gilbert {
        /// From good to bad.
        p: Percent,
        /// From bad to good.
        r: Percent,
        /// `1-h`: lost in the bad state.
        bad: Percent,
        /// `1-k`: lost in the good state.
        good: Percent,
    },
    /// `state`: Markov's four. 1 is a gap between bursts, 2 a packet that gets through within a burst, 3 one lost within
    /// a burst, 4 one lost alone.
    Markov {
        /// From 1 to 3.
        p13: Percent,
        /// From 3 to 1.
        p31: Percent,
        /// From 3 to 2.
        p32: Percent,
        /// From 2 to 3.
        p23: Percent,
        /// From 1 to 4.
        p14: Percent,
    },
}

/// Where a model stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Weather {
    /// Good, or between bursts.
    #[default]
    Gap,
    /// Bad, or lost within a burst.
    Burst,
    /// Passed within a burst.
    PassedInBurst,
    /// Lost alone.
    LostAlone,
}

impl Burst {
    /// Decides over one packet: whether it is lost.
    pub(crate) fn loses(&self, weather: &mut Weather, chance: &mut Chance) -> bool {
        match *self {
            Burst::Gilbert { p, r, bad, good } => {
                let (leaves, loses, other) = match weather {
                    Weather::Gap => (p, good, Weather::Burst),
                    _ => (r, bad, Weather::Gap),
                };
                if chance.happens(leaves) {
                    *weather = other;
                }
                chance.happens(loses)
            }
            Burst::Markov { p13, p31, p32, p23, p14 } => {
                let draw = chance.bits();
                let within = |first: Percent, second: Percent| {
                    !second.is_zero() && draw <= first.parts().saturating_add(second.parts())
                };
                *weather = match *weather {
                    Weather::Gap if p14.holds(draw) => Weather::LostAlone,
                    Weather::Gap if within(p14, p13) => Weather::Burst,
                    Weather::Gap | Weather::LostAlone => Weather::Gap,
                    Weather::PassedInBurst if p23.holds(draw) => Weather::Burst,
                    Weather::PassedInBurst => Weather::PassedInBurst,
                    Weather::Burst if p32.holds(draw) => Weather::PassedInBurst,
                    Weather::Burst if within(p32, p31) => Weather::Gap,
                    Weather::Burst => Weather::Burst,
                };
                matches!(*weather, Weather::Burst | Weather::LostAlone)
            }
        }
    }
}

#[cfg(test)]
mod tests;
