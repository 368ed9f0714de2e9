//! Links over real devices and within a process.
//!
//! A driver is a [`portolan_link::Link`] whose readiness a worker can wait for, which is [`PollLink`]. Here are
//! [`Tap`], a TAP or TUN device of the Linux kernel; [`Packet`], any Ethernet interface of it; [`wire::pair`], a cable
//! between two stacks of one process; [`lan`], an Ethernet between processes; and [`CaptureLink`], which records what
//! crosses any other link. [`segmentation`] does in software what hardware offloads do, for all who need packets as a
//! real wire would carry them.
//!
//! Unsafe code is confined to `tap/ioctl.rs` and `packet/socket.rs`.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::cast_possible_truncation))]

pub mod capture;
#[cfg(test)]
mod fixture;
pub mod lan;
mod packet;
mod poll_link;
pub mod segmentation;
mod tap;
mod virtio;
pub mod wire;

pub use capture::{Capture, CaptureError, CaptureLink, Direction, InterfaceId, Monitor, Seen};
pub use packet::{Packet, PacketError};
pub use poll_link::{PollLink, Readiness};
pub use tap::{Device, Tap, TapError, TapOptions, TapStats};
