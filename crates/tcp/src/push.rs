//! Where segments carry PSH (RFC 9293 §3.9.1.2).
//!
//! As on Linux: at the end of each write, unless the application has said that more is to come, and within a long write
//! at the end of a unit of text (`send_buffer.rs`) when no other push was within half of the peer's largest window. A
//! write that goes on in a unit which waits takes the push of the write before it away; what was sent with PSH keeps it
//! when it is sent again.

use alloc::collections::VecDeque;

use portolan_wire::SeqNumber;

/// The ends of pushed text that is not acknowledged, in their order.
#[derive(Debug, Default)]
pub(crate) struct Pushes {
    ends: VecDeque<SeqNumber>,
    /// How far text was written when a push was last asked for.
    last: SeqNumber,
}

impl Pushes {
    /// Nothing is written yet; the next octet will have number `seq`.
    pub(crate) fn begin(&mut self, seq: SeqNumber) {
        self.ends.clear();
        self.last = seq;
    }

    /// Text before `end` is pushed.
    pub(crate) fn push(&mut self, end: SeqNumber) {
        self.last = end;
        self.mark(end);
    }

    /// A segment that ends at `end` carries PSH, though the push was asked for before it was as long.
    pub(crate) fn mark(&mut self, end: SeqNumber) {
        if self.ends.back().is_none_or(|last| last.before(end)) {
            self.ends.push_back(end);
        }
    }

    /// Notes that a push was asked for when text was written up to `end`.
    pub(crate) fn ask(&mut self, end: SeqNumber) {
        self.last = end;
    }

    /// Takes the last push away if it is at `end`: more has come, and goes with it.
    pub(crate) fn retract(&mut self, end: SeqNumber) {
        self.ends.pop_back_if(|last| *last == end);
    }

    /// Whether the last push is more than half of the peer's largest window ago, with text written up to `end`.
    pub(crate) fn is_overdue(&self, end: SeqNumber, max_wnd: u32) -> bool {
        end.after(self.last + max_wnd / 2)
    }

    /// Whether a segment that ends at `end` carries PSH.
    pub(crate) fn contains(&self, end: SeqNumber) -> bool {
        let before = self.ends.partition_point(|push| push.before(end));
        self.ends.get(before) == Some(&end)
    }

    /// Forgets what is before `una`.
    pub(crate) fn acknowledge(&mut self, una: SeqNumber) {
        while self.ends.front().is_some_and(|end| end.at_or_before(una)) {
            self.ends.pop_front();
        }
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.ends.clear();
    }

    /// Octets of memory for the list.
    pub(crate) fn heap_octets(&self) -> usize {
        self.ends.capacity() * size_of::<SeqNumber>()
    }
}

#[cfg(test)]
mod tests;
