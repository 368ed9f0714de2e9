//! The contract between a stack's worker and a link.

use core::fmt;

use crate::{Instant, Pool, RxBatch, TxBatch};

/// What kind of frames a link carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Medium {
    /// Ethernet II frames without a frame check sequence.
    Ethernet,
    /// Bare IP packets, as a TUN device or a tunnel carries them.
    Ip,
}

/// What a link can do. It may change while the link is in use; the worker then tells the stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkCaps {
    /// The kind of frames.
    pub medium: Medium,
    /// The largest IP packet in octets, link header not counted.
    pub mtu: u16,
    /// The largest super-segment in octets of IP packet that [`crate::Gso`] may ask for; 0 if none.
    pub gso_max: u32,
    /// Whether [`crate::Checksum::Partial`] may be asked for on transmit.
    pub checksum: bool,
}

/// Why a link can no longer be used, or not now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkError {
    /// The link is down but may come back; frames are lost meanwhile.
    Down,
    /// The link is gone for good: the device was removed or the other end closed.
    Gone,
    /// The system refused the operation, with its errno.
    Io(i32),
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkError::Down => f.write_str("the link is down"),
            LinkError::Gone => f.write_str("the link is gone"),
            LinkError::Io(errno) => write!(f, "the system refused with errno {errno}"),
        }
    }
}

impl core::error::Error for LinkError {}

/// One network interface, driven by a worker. No call blocks.
///
/// Whether a call is worth making, the worker learns from the driver's readiness (a file descriptor, or a waker
/// of the driver's own), from [`Link::next_deadline`], or by trying.
pub trait Link {
    /// What this link can do now.
    fn caps(&self) -> LinkCaps;

    /// Puts frames that have arrived into `batch`, until it is full or none is left. Returns how many were added;
    /// 0 says that none is waiting. Whatever a frame holds is no error: the stack judges it.
    fn receive(&mut self, now: Instant, pool: &mut Pool, batch: &mut RxBatch) -> Result<usize, LinkError>;

    /// Sends frames from the front of `batch` and advances it past those that were taken. Returns how many; fewer
    /// than there are says that the link is full, and the worker offers the rest again. A frame that the link can
    /// never send is taken and dropped.
    fn transmit(&mut self, now: Instant, batch: &mut TxBatch) -> Result<usize, LinkError>;

    /// When [`Link::handle_timeout`] is wanted: shaped wires and tunnels have timers of their own.
    fn next_deadline(&self) -> Option<Instant> {
        None
    }

    /// Does what is due at `now`.
    fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }
}

impl<L: Link + ?Sized> Link for alloc::boxed::Box<L> {
    fn caps(&self) -> LinkCaps {
        (**self).caps()
    }

    fn receive(&mut self, now: Instant, pool: &mut Pool, batch: &mut RxBatch) -> Result<usize, LinkError> {
        (**self).receive(now, pool, batch)
    }

    fn transmit(&mut self, now: Instant, batch: &mut TxBatch) -> Result<usize, LinkError> {
        (**self).transmit(now, batch)
    }

    fn next_deadline(&self) -> Option<Instant> {
        (**self).next_deadline()
    }

    fn handle_timeout(&mut self, now: Instant) {
        (**self).handle_timeout(now);
    }
}
