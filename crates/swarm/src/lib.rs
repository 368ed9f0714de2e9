//! Random stories on the simulated network: drawn from seeds, judged, and shrunk when they fail.
//!
//! A [`Plan`] is a story as a plain value: hosts with their knobs, wires, connections with the habits of both applications,
//! and faults of fourteen kinds. [`Plan::draw`] makes one of a seed, [`play`] plays it and judges every octet, every error
//! and the time that it took, and [`shrink()`] makes the smallest plan that still fails of one that does. A plan is one line
//! of text, so that `cargo xtask sim --replay` plays it again.
//!
//! Start reading at `plan.rs`, then `story.rs`.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::cast_possible_truncation))]

mod clock;
mod draw;
mod excuse;
pub mod plan;
mod setting;
mod shrink;
mod side;
mod story;
mod text;
mod trial;
mod weather;

pub use plan::Plan;
pub use shrink::{Shrunk, shrink};
pub use story::{Report, play};
pub use trial::{Verdict, attempt, quieten_panics};
