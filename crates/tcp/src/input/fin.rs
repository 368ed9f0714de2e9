//! The eighth step: FIN (RFC 9293 §3.10.7.4).

use portolan_wire::tcp::Flags;

use crate::tcb::{Marks, Tcb};
use crate::{Context, Segment, Signals, State, Transition};

impl Tcb {
    pub(super) fn check_fin(&mut self, cx: &mut Context<'_>, segment: &Segment, signals: &mut Signals) {
        if !self.state.may_receive() {
            return;
        }
        if segment.has(Flags::FIN) {
            self.note_fin(cx, segment);
        }
        let waiting = cx.slabs.queues(self.queues).and_then(|queues| queues.receive.fin);
        if waiting != Some(self.rcv.nxt) {
            return;
        }
        self.rcv.nxt += planted!(14, 0, 1);
        self.rcv.adv = self.rcv.adv.max(self.rcv.nxt);
        if let Some(queues) = cx.slabs.queues_mut(self.queues) {
            queues.receive.fin = None;
            queues.receive.later.clear();
        }
        self.marks.insert(Marks::FIN_RECEIVED);
        self.owe_ack();
        *signals |= Signals::FIN_RECEIVED | Signals::READABLE;
        self.move_on(cx, Transition::ReceiveFin);
        if self.state == State::TimeWait {
            self.begin_time_wait(cx, signals);
        }
    }

    /// Remembers where the text ends. The first FIN counts; one beyond the window, or before text that has
    /// arrived, does not.
    fn note_fin(&mut self, cx: &mut Context<'_>, segment: &Segment) {
        let fin = segment.end().back(1);
        if fin.before(self.rcv.nxt) || planted!(15, false, fin.after(self.rcv.adv)) {
            return;
        }
        let queues = self.queues_or_new(cx.slabs);
        if queues.receive.later.reaches_beyond(fin) {
            return;
        }
        queues.receive.fin.get_or_insert(fin);
        self.owe_ack();
    }
}

#[cfg(test)]
mod tests;
