//! Segments that are not full: which of them may go now.
//!
//! RFC 9293 §3.7.4 (Nagle) in the form of Minshall, as Linux has it: a small segment waits only while another small
//! one is unacknowledged, so that the tail of a long write does not wait for the acknowledgement of its front. Then
//! the sender's side of silly-window avoidance (RFC 9293 §3.8.6.2.1), `TCP_CORK` and `MSG_MORE`.

use super::{Blocked, Run};
use crate::tcb::{Marks, Tcb};
use crate::{Context, OptionFlags};

impl Tcb {
    /// The run of `len` octets from SND.NXT, cut to what may go: `everything` says that nothing is queued behind it.
    pub(super) fn decide_small(
        &self,
        cx: &Context<'_>,
        len: u32,
        full: u32,
        everything: bool,
    ) -> Result<Run, Blocked> {
        let run = |len| Ok(Run { seq: self.snd.nxt, len });
        if len.is_multiple_of(full) {
            return run(len);
        }
        let blocked = if everything {
            match self.why_tail_waits(cx) {
                None => return run(len),
                Some(blocked) => blocked,
            }
        } else {
            Blocked::Window
        };
        if len > full {
            return run(len - len % full);
        }
        // RFC 9293 §3.8.6.2.1, MUST-38: what the window does not take in full segments waits, unless it is worth half
        // of the largest window the peer ever had, or has waited long enough.
        let half_window = self.snd.max_wnd / 2;
        let worth = !everything && half_window > 0 && len >= half_window;
        if worth || self.has(Marks::OVERRIDE) { run(len) } else { Err(blocked) }
    }

    /// Why a segment that is not full and ends with the last octet written has to wait.
    fn why_tail_waits(&self, cx: &Context<'_>) -> Option<Blocked> {
        // As on Linux, urgent text waits for nothing.
        let urgent = self.urgent_pointer(cx.slabs, self.snd.nxt).is_some();
        if self.has(Marks::OVERRIDE) || self.fin_is_due() || urgent {
            return None;
        }
        if self.has(Marks::HELD) || planted!(49, false, self.options.has(OptionFlags::CORK)) {
            return Some(Blocked::Held);
        }
        // SHLD-7, MUST-17.
        let small = cx.slabs.flight(self.flight).and_then(|flight| flight.small_end);
        let under_way =
            self.outstanding() > 0 && planted!(48, true, small.is_some_and(|end| end.after(self.snd.una)));
        (under_way && !self.options.has(OptionFlags::NODELAY)).then_some(Blocked::Nagle)
    }

    /// The application wants what is queued to go at once, as if `MSG_MORE` had never been said (`TCP_NODELAY` was set,
    /// be it again, or `TCP_CORK` taken back).
    pub fn push(&mut self, cx: &Context<'_>) {
        self.marks.remove(Marks::HELD);
        if self.unsent() > 0 && self.options.has(OptionFlags::NODELAY) {
            self.marks.insert(Marks::OVERRIDE);
        }
        self.rearm(cx);
    }
}

#[cfg(test)]
mod tests;
