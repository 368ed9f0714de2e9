//! What a program has written and the other host has not acknowledged, wherever it is: in the program's own queue, with
//! the carrier, or in the stack's socket.

use std::os::fd::AsFd;

use super::{Phase, Record};
use crate::os::unix;

/// How far a connection's carrier has come with what the program writes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Carried {
    /// Octets at the front of the program's queue that are no text, or were taken already.
    stale: usize,
    /// Octets taken for which the stack's socket had no room.
    pending: usize,
}

impl Record {
    /// How far the carrier has come: octets at the front of the program's queue that are no new text, and octets taken
    /// that wait for room.
    pub(in crate::control) fn note_carried(&self, stale: usize, pending: usize) {
        self.carried.set(Carried { stale, pending });
    }

    /// SIOCOUTQ: text that the program has written and the other host has not acknowledged, wherever it is.
    pub(in crate::control) fn out_queue(&self) -> u32 {
        let Ok(socket) = self.socket() else { return 0 };
        let end = self.end.borrow().upgrade().filter(|_| self.phase.get() == Phase::Connected);
        let queued = end.map_or(0, |end| unix::queued(end.get_ref().as_fd()).unwrap_or(0));
        let Carried { stale, pending } = self.carried.get();
        let untaken = u32::try_from(queued.saturating_sub(stale) + pending).unwrap_or(u32::MAX);
        socket.unacknowledged().saturating_add(untaken)
    }

    /// Text that a program which has closed its connection still has to deliver, in octets: at least one while it is
    /// being carried; 0 while somebody holds the connection.
    pub(in crate::control) fn undelivered(&self) -> u32 {
        let end = self.end.borrow().upgrade();
        let is_closed = end.is_some_and(|end| unix::hangup(end.get_ref().as_fd()).is_closed);
        match self.socket() {
            Ok(socket) if is_closed && self.phase.get() == Phase::Connected => socket.unacknowledged().max(1),
            _ => 0,
        }
    }
}
