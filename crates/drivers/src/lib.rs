//! Links over real devices and within a process.
//!
//! A driver is a [`portolan_link::Link`] whose readiness a worker can wait for, which is [`PollLink`]. Here are
//! [`Tap`], an Ethernet device of the Linux kernel; [`wire::pair`], a cable between two stacks of one process; and
//! [`CaptureLink`], which records what crosses any other link. [`segmentation`] does in software what hardware
//! offloads do, for all who need packets as a real wire would carry them.
//!
//! Unsafe code is confined to `tap/ioctl.rs`.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::cast_possible_truncation))]

pub mod capture;
#[cfg(test)]
mod fixture;
mod poll_link;
pub mod segmentation;
mod tap;
mod virtio;
pub mod wire;

pub use capture::{Capture, CaptureError, CaptureLink, Direction, InterfaceId, Monitor, Seen};
pub use poll_link::{PollLink, Readiness};
pub use tap::{Tap, TapError, TapOptions, TapStats};
