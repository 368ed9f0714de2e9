//! Wires that have a name.
//!
//! Figures and where they come from:
//!
//! * `dsl`, `cable`, `fiber`, `dial-up`, `3g`, `3g-slow`, `edge`, `2g`: WebPageTest's connectivity profiles
//!   (`www/settings/connectivity.ini.sample`, 2022: rates, and round trips of which each direction here has half);
//!   `4g` and `lte` from the profiles of its public instance, 9 Mbit/s with 170 ms and 12 Mbit/s with 70 ms.
//! * `lossy-3g`: `3g` with the 1.5 % loss that the tool `comcast` lists for 3G (README, "Network Condition Profiles"), in
//!   bursts of four packets on average, as radio losses come: a Gilbert model with r = 25 % and p = 0.381 %, since
//!   p / (p + r) = 1.5 %.
//! * `wifi`: 30 Mbit/s and 0.2 % loss from the same list; 2 ms each way is an assumption.
//! * `satellite`: a geostationary hop takes 240 to 280 ms one way (RFC 2488 §2), 25 and 3 Mbit/s is what the FCC called
//!   broadband from 2015, the loss of 0.2 % from the list of `comcast`.
//! * `lan`: gigabit Ethernet behind a few switches, 0.1 ms each way.
//!
//! Below 10 Mbit/s the queue has 50 places, which is dummynet's own, on top of what is on the way; above that netem's
//! 1000. Nothing here has a jitter: a jitter is drawn for each packet, and reorders.

use super::{Direction, Impairment, ImpairmentError};

/// A wire with a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Preset {
    /// What it is called.
    pub name: &'static str,
    /// What it is like, in a few words.
    pub about: &'static str,
    /// Towards the user, in netem's words.
    pub down: &'static str,
    /// From the user.
    pub up: &'static str,
}

/// Every preset, the slowest last.
pub const PRESETS: [Preset; 14] = [
    preset("lan", "gigabit Ethernet", "delay 100us rate 1gbit", "delay 100us rate 1gbit"),
    preset(
        "wifi",
        "wireless LAN in a good place",
        "delay 2ms loss 0.2% rate 30mbit",
        "delay 2ms loss 0.2% rate 30mbit",
    ),
    preset("fiber", "fiber to the home", "delay 2ms rate 20mbit", "delay 2ms rate 5mbit limit 51"),
    preset("cable", "cable television's", "delay 14ms rate 5mbit limit 56", "delay 14ms rate 1mbit limit 51"),
    preset(
        "dsl",
        "a telephone line",
        "delay 25ms rate 1500kbit limit 54",
        "delay 25ms rate 384kbit limit 51",
    ),
    preset("lte", "mobile, fourth generation", "delay 35ms rate 12mbit", "delay 35ms rate 12mbit"),
    preset(
        "4g",
        "the same, far from the mast",
        "delay 85ms rate 9mbit limit 114",
        "delay 85ms rate 9mbit limit 114",
    ),
    preset(
        "3g",
        "mobile, third generation",
        "delay 150ms rate 1600kbit limit 70",
        "delay 150ms rate 768kbit limit 60",
    ),
    preset(
        "lossy-3g",
        "the same with bursts of loss",
        "delay 150ms loss gemodel 0.381% 25% rate 1600kbit limit 70",
        "delay 150ms loss gemodel 0.381% 25% rate 768kbit limit 60",
    ),
    preset(
        "3g-slow",
        "the same, crowded",
        "delay 100ms rate 780kbit limit 57",
        "delay 100ms rate 330kbit limit 53",
    ),
    preset(
        "edge",
        "mobile, between the second and the third",
        "delay 420ms rate 240kbit limit 59",
        "delay 420ms rate 200kbit limit 57",
    ),
    preset(
        "2g",
        "mobile, second generation",
        "delay 650ms rate 35kbit limit 52",
        "delay 650ms rate 32kbit limit 52",
    ),
    preset(
        "dial-up",
        "a telephone modem",
        "delay 60ms rate 49kbit limit 51",
        "delay 60ms rate 30kbit limit 51",
    ),
    preset(
        "satellite",
        "a geostationary satellite",
        "delay 250ms loss 0.2% rate 25mbit",
        "delay 250ms loss 0.2% rate 3mbit limit 113",
    ),
];

const fn preset(name: &'static str, about: &'static str, down: &'static str, up: &'static str) -> Preset {
    Preset { name, about, down, up }
}

impl Preset {
    /// The preset of a name.
    pub fn find(name: &str) -> Option<Preset> {
        PRESETS.into_iter().find(|preset| preset.name == name)
    }

    /// What it does to one direction.
    pub fn impairment(&self, direction: Direction) -> Result<Impairment, ImpairmentError> {
        match direction {
            Direction::Up => self.up.parse(),
            Direction::Down => self.down.parse(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_well_formed() {
        for preset in PRESETS {
            for direction in [Direction::Up, Direction::Down] {
                let impairment =
                    preset.impairment(direction).unwrap_or_else(|error| panic!("{}: {error}", preset.name));
                assert!(!impairment.is_none() && impairment.rate.is_some(), "{}", preset.name);
            }
            assert!(preset.name.parse::<Impairment>().is_err(), "a preset is no word of netem's");
        }
        assert!(Preset::find("none").is_none());
    }

    #[test]
    fn slow_links_have_queues_for_what_is_on_the_way_and_fifty_more() {
        for preset in PRESETS {
            for direction in [Direction::Up, Direction::Down] {
                let impairment = preset.impairment(direction).unwrap();
                let rate = impairment.rate.unwrap();
                let on_the_way = (rate * impairment.delay_us).div_ceil(1_000_000 * 12_000);
                let expected = if rate < 10_000_000 { 50 + on_the_way } else { 1000 };
                let given = u64::from(impairment.limit);
                assert!(
                    given.abs_diff(expected) <= 1,
                    "{} {direction:?}: {given}, not {expected}",
                    preset.name
                );
            }
        }
    }
}
