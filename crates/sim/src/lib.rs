//! A seeded virtual network: hosts, wires with faults, a virtual clock.
//!
//! [`impair`] holds the faults of a wire, in netem's words. They serve the simulator's wires and, through
//! [`impair::ShapedLink`], any link of a real program.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::cast_possible_truncation))]

pub mod impair;
