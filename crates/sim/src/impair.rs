//! What a wire does to packets: delay, loss, duplication, reordering, corruption and a limited rate, in the words of
//! netem (tc-netem(8)).
//!
//! [`Impairment`] is the description and its parser, [`Impairer`] does it to one direction of a wire, and
//! [`ShapedLink`] puts one on each direction of any link. All act on packets of at most the MTU with finished
//! checksums: a wire does not lose half a super-segment, and a checksum that is finished later would hide corruption.

mod impairer;
mod shaped;
mod spec;

pub use impairer::{Impairer, ImpairerStats};
pub use shaped::ShapedLink;
pub use spec::{Impairment, ImpairmentError, Percent};
