//! The tail loss probe as a segment (RFC 8985 §7.3). When it is due, `alarm.rs` decides.

use super::{Action, Run};
use crate::Context;
use crate::tcb::Tcb;

impl Tcb {
    /// TLP_send_probe(): new text if the peer's window takes a segment of it, or else the last segment again; the
    /// congestion window does not count.
    pub(super) fn decide_loss_probe(&self, cx: &Context<'_>) -> Option<Action> {
        let is_due = cx.slabs.flight(self.flight).is_some_and(|flight| flight.recovery.probe.due);
        if is_due { self.loss_probe(cx) } else { None }
    }

    /// What a probe sent now would be. None goes beyond the peer's window, but for the first octet.
    pub(crate) fn loss_probe(&self, cx: &Context<'_>) -> Option<Action> {
        let flight = cx.slabs.flight(self.flight)?;
        let full = u32::from(self.full_new_text(cx));
        let len = (self.unsent() + u32::from(self.fin_is_due())).min(full);
        if len > 0 && len <= self.window_from(self.snd.nxt) && !flight.is_full() {
            return Some(Action::Send(Run { seq: self.snd.nxt, len }));
        }
        let (seq, len) = flight.last_segment()?;
        let fits = len <= self.window_from(seq) || seq == self.snd.una;
        fits.then_some(Action::Resend(Run { seq, len }))
    }
}

#[cfg(test)]
mod tests;
