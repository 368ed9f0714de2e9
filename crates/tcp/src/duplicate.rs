//! Reporting duplicates to the peer, so that it learns which of its retransmissions were for nothing (RFC 2883).
//!
//! Every segment or part of one that had arrived before is reported once, as the first block of the SACK option of
//! the next segment sent, which follows at once.

use portolan_wire::SeqNumber;

use crate::Context;
use crate::tcb::{Marks, Tcb};

impl Tcb {
    /// `start` to before `end` arrived, and what of it lies before RCV.NXT had arrived before.
    pub(crate) fn note_old(&mut self, cx: &mut Context<'_>, start: SeqNumber, end: SeqNumber) {
        let received = self.counters.bytes_received + u64::from(self.has(Marks::FIN_RECEIVED));
        let received = u32::try_from(received).unwrap_or(u32::MAX).min(u32::MAX / 2);
        if start.at_or_after(self.rcv.nxt.back(received)) {
            self.note_duplicate(cx, start, planted!(28, end, end.min(self.rcv.nxt)));
        }
    }

    /// `start` to before `end` had arrived before.
    pub(crate) fn note_duplicate(&mut self, cx: &mut Context<'_>, start: SeqNumber, end: SeqNumber) {
        if self.has(Marks::SACK) && cx.config.dsack && start.before(end) {
            self.queues_or_new(cx.slabs).duplicate = Some((start, end));
        }
    }

    /// A segment was planned with all that there is to report.
    pub(crate) fn duplicate_is_reported(&mut self, cx: &mut Context<'_>) {
        if let Some(queues) = cx.slabs.queues_mut(self.queues) {
            cx.stats.dsacks_sent += u64::from(queues.duplicate.take().is_some());
        }
    }
}

#[cfg(test)]
mod tests;
