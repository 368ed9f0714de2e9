//! A descriptor that is kept for the moment when no other is left.
//!
//! A connection that cannot be accepted cannot be refused either: whoever waits for it would wait until another one
//! ends. The spare one makes room for just as long as it takes to accept it and to close it again.

use std::os::fd::{AsFd, OwnedFd};

use portolan_protocol::Name;

use crate::os::unix;

/// The kept descriptor; `None` while even it is taken.
pub(super) struct Spare(Option<OwnedFd>);

impl Spare {
    /// Keeps a copy of the listener's descriptor: it is at hand.
    pub(super) fn new(listener: &OwnedFd) -> Self {
        Self(listener.try_clone().ok())
    }

    /// Accepts one connection in the spare's place. `refuse` closes it. Another thread may be quicker to take the
    /// place; then nothing is accepted, and the caller tries again later.
    pub(super) fn with(&mut self, listener: &OwnedFd, refuse: impl FnOnce(OwnedFd, Option<Name>)) {
        drop(self.0.take());
        if let Ok((end, name)) = unix::accept(listener.as_fd()) {
            refuse(end, name);
        }
        *self = Self::new(listener);
    }
}
