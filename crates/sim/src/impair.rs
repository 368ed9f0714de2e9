//! What a wire does to packets: delay, loss, duplication, reordering, corruption and a limited rate, in the words of
//! netem (tc-netem(8)), and when that changes.
//!
//! [`Impairment`] is the description and its parser, [`Schedule`] a row of them in time, [`PRESETS`] those that have names;
//! [`Impairer`] does it to one direction of a wire, and [`ShapedLink`] puts one on each direction of any link. All act on
//! packets of at most the MTU with finished checksums: a wire does not lose half a super-segment, and a checksum that is
//! finished later would hide corruption.

mod chance;
mod distribution;
mod ecn;
mod error;
mod impairer;
mod loss;
mod percent;
mod preset;
mod schedule;
mod shaped;
mod spec;
mod units;

pub use distribution::Distribution;
pub use error::ImpairmentError;
pub use impairer::{Impairer, ImpairerStats};
pub use loss::Burst;
pub use percent::Percent;
pub use preset::{PRESETS, Preset};
pub use schedule::Schedule;
pub use shaped::{ShapeHandle, ShapedLink};
pub use spec::{Framing, Impairment, Slot};

/// A direction, as the user of a host sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// What the host sends.
    Up,
    /// What it receives.
    Down,
}
