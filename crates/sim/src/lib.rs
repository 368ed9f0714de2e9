//! A seeded virtual network: hosts, wires with faults, a virtual clock.
//!
//! [`Net`] holds hosts, each a [`portolan_stack::Stack`], and the wires between them, and moves time from one thing that
//! is due to the next. Everything random follows from one seed, which every failure names together with the line that
//! replays it. [`scenario`] holds whole stories played on such a net.
//!
//! [`obstacle`] holds what can stand in the middle of a wire; [`impair`] holds its faults in netem's words, which serve
//! the simulator's wires and, through [`impair::ShapedLink`], any link of a real program.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::cast_possible_truncation))]

mod failure;
pub mod impair;
mod net;
pub mod obstacle;
mod random;
pub mod scenario;
mod trace;
mod wire;

pub use failure::{Failure, SEED_VARIABLE};
pub use net::{HostId, Net, WireId};
pub use random::Random;
pub use trace::TraceHash;
pub use wire::WireOptions;
