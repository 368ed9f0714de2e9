//! What a worker needs of a link beside [`Link`]: a way to sleep until a call is worth making.

use std::os::fd::BorrowedFd;

use portolan_link::Link;

use crate::wire::WireHandle;

/// A link that a worker can wait for.
pub trait PollLink: Link + Send {
    /// What to wait on. After it has told, [`Link::receive`] is worth a call, and so is [`Link::transmit`] if the
    /// last one left frames.
    ///
    /// A link with timers ([`Link::next_deadline`]) may have frames to deliver after [`Link::handle_timeout`]
    /// too, without anything that was waited on having told.
    fn readiness(&self) -> Readiness<'_>;
}

impl<L: PollLink + ?Sized> PollLink for Box<L> {
    fn readiness(&self) -> Readiness<'_> {
        (**self).readiness()
    }
}

/// What tells that a link is ready.
#[derive(Clone, Copy, Debug)]
pub enum Readiness<'a> {
    /// A descriptor for `poll` or `epoll`: readable when frames wait, writable when there is room.
    Fd(BorrowedFd<'a>),
    /// An end of an in-process wire: it calls a [`std::task::Waker`], or fills an eventfd.
    Wakers(&'a WireHandle),
}
