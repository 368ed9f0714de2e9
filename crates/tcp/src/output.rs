//! What a connection sends. [`Tcb::poll_segment`] is the only place: everything else just says what is due.
//!
//! [`Tcb::decide`] looks at the connection without changing it and names the one thing to send next: a RST, a
//! SYN, a loss probe, a retransmission, a probe of the path's size, new text or a FIN, a probe of the window, an ACK, in
//! this order. The files below carry each of them out.

mod ack;
mod data;
mod loss_probe;
mod nagle;
pub(crate) mod options;
mod probe;
mod retransmit;
mod size_probe;
mod super_segment;

use portolan_link::Chunks;
use portolan_wire::SeqNumber;
use portolan_wire::tcp::Flags;

use crate::limits::Limit;
use crate::tcb::{Marks, Tcb};
use crate::{Context, SegmentPlan, Slabs, State, TraceEvent};

/// A run of sequence space to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Run {
    pub(crate) seq: SeqNumber,
    /// Octets of sequence space; our FIN counts as one.
    pub(crate) len: u32,
}

/// Why text is not sent now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Blocked {
    /// There is none.
    NoText,
    /// The congestion window is full, or there are too many flight records.
    Congestion,
    /// The peer's window is full, or what is left of it is too small to be worth a segment.
    Window,
    /// It has its time, which is not yet (`pacing.rs`).
    Pacing,
    /// Nagle: a small segment waits for the ACK of another.
    Nagle,
    /// The application wants it to wait for more (`TCP_CORK`, `MSG_MORE`).
    Held,
}

/// What to send next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    Reset,
    StrayReset,
    Syn,
    Resend(Run),
    Send(Run),
    SizeProbe(Run),
    Probe,
    Ack,
    Nothing(Blocked),
}

impl Tcb {
    /// The next segment to send, if any; its text is appended to `text`, at most [`portolan_link::SLICES_MAX`]
    /// chunks and `budget` octets, but a whole segment at least. Call until `None`, or until the link is full.
    pub fn poll_segment(
        &mut self,
        cx: &mut Context<'_>,
        budget: u32,
        text: &mut Chunks,
    ) -> Option<SegmentPlan> {
        let figures = self.figures(cx);
        self.end_unsendable();
        self.restart_if_idle(cx);
        let action = self.decide(cx, budget);
        let plan = match action {
            Action::Reset => Some(self.plan_reset(cx)),
            Action::StrayReset => Some(self.plan_stray_reset(cx)),
            Action::Syn => Some(self.plan_syn(cx, text)),
            Action::Resend(run) => self.plan_resend(cx, run, text),
            Action::Send(run) => {
                let full = u32::from(self.full_new_text(cx));
                self.plan_text(cx, run, full, text)
            }
            Action::SizeProbe(run) => self.plan_size_probe(cx, run, text),
            Action::Probe => Some(self.plan_probe(cx)),
            Action::Ack => Some(self.plan_ack(cx)),
            Action::Nothing(_) => None,
        };
        let signature = self.signature(cx.slabs);
        let plan = plan.map(|plan| SegmentPlan { options: plan.options.signed(signature), ..plan });
        if let Some(plan) = &plan {
            self.count(cx, plan);
        }
        if let Action::Ack | Action::Nothing(_) = action {
            self.note_limit(cx);
        }
        if let Action::Nothing(blocked) = action
            && let Some(record) = cx.slabs.congestion_mut(self.cc.slot)
        {
            record.pacing.note(blocked == Blocked::Pacing);
        }
        self.rearm(cx);
        self.trace_changes(cx, figures);
        plan
    }

    /// Whether `poll_segment` would give a segment.
    #[must_use]
    pub fn wants_transmit(&self, cx: &Context<'_>) -> bool {
        !matches!(self.decide(cx, u32::MAX), Action::Nothing(_))
    }

    /// What to send next, with at most `budget` octets of text.
    pub(crate) fn decide(&self, cx: &Context<'_>, budget: u32) -> Action {
        if self.has(Marks::RESET_DUE) {
            return Action::Reset;
        }
        if self.has(Marks::STRAY_RESET_DUE) {
            return Action::StrayReset;
        }
        if self.has(Marks::SYN_DUE) {
            return Action::Syn;
        }
        if !self.state.is_synchronized() {
            return if self.acks_owed > 0 && self.state == State::SynReceived {
                Action::Ack
            } else {
                Action::Nothing(Blocked::NoText)
            };
        }
        if let Some(action) = self.decide_loss_probe(cx) {
            return action;
        }
        let blocked = match self.decide_resend(cx, budget) {
            Some(run) if self.may_resend_now(cx) => return Action::Resend(run),
            Some(_) => Blocked::Pacing,
            None => match self.decide_size_probe(cx, budget) {
                Some(Ok(run)) => return Action::SizeProbe(run),
                Some(Err(blocked)) => blocked,
                None => match self.decide_text(cx, budget) {
                    Ok(run) => return Action::Send(run),
                    Err(blocked) => blocked,
                },
            },
        };
        if self.has(Marks::PROBE_DUE) {
            return Action::Probe;
        }
        if self.acks_owed > 0 {
            return Action::Ack;
        }
        Action::Nothing(blocked)
    }

    /// The octets of text in a full segment that is sent now, SACK blocks deducted.
    fn full_text_now(&self, cx: &Context<'_>) -> u16 {
        let options = self.options_len(cx.slabs);
        self.text_and_options(cx) - options
    }

    /// The same for new text, which may have the option of accurate ECN, too.
    fn full_new_text(&self, cx: &Context<'_>) -> u16 {
        self.full_text_now(cx) - self.option_of_text_len(cx)
    }

    /// What every segment of an open connection has in common; takes care of the ACK. RFC 9293 MUST-58: ACKs
    /// that are due go with text.
    fn plan(&mut self, cx: &mut Context<'_>, seq: SeqNumber, flags: Flags) -> SegmentPlan {
        let mut plan = SegmentPlan::control(seq, self.rcv.nxt, flags | Flags::ACK);
        plan.options = self.segment_options(cx.slabs, cx.now);
        self.duplicate_is_reported(cx);
        self.mark_segment(cx, &mut plan);
        self.point_to_urgent(cx.slabs, &mut plan);
        plan.window = self.offer_window(cx);
        self.rcv.last_ack_sent = self.rcv.nxt;
        self.timers.ack = portolan_link::Instant::MAX;
        self.acks_owed = 0;
        plan
    }

    fn count(&mut self, cx: &mut Context<'_>, plan: &SegmentPlan) {
        let segments = if plan.gso_size == 0 { 1 } else { plan.text_len.div_ceil(u32::from(plan.gso_size)) };
        self.counters.segs_out = self.counters.segs_out.saturating_add(segments);
        if plan.text_len > 0 {
            self.counters.text_segs_out = self.counters.text_segs_out.saturating_add(segments);
        }
        if plan.retransmission {
            cx.stats.retrans_segs += u64::from(segments);
            cx.slabs.mishaps_or_new(&mut self.rare).on_resent(segments, plan.text_len);
        } else {
            cx.stats.out_segs += u64::from(segments);
        }
        cx.stats.out_rsts += u64::from(plan.flags.contains(Flags::RST));
        let (seq, text_len, retransmission) = (plan.seq, plan.text_len, plan.retransmission);
        self.trace(cx, TraceEvent::Transmit { seq, text_len, retransmission });
    }

    /// After a call of the application: if nothing can go now, notes why.
    pub(crate) fn note_limit_if_blocked(&mut self, cx: &mut Context<'_>) {
        if self.state.is_synchronized() && matches!(self.decide(cx, u32::MAX), Action::Nothing(_)) {
            self.note_limit(cx);
        }
    }

    /// Notes what keeps the connection from sending more, for the controller and for `TCP_INFO`.
    fn note_limit(&mut self, cx: &mut Context<'_>) {
        let in_flight = self.in_flight(cx.slabs);
        let cwnd = self.cwnd(cx.slabs);
        let limited = in_flight.saturating_add(self.full_text(cx).into()) > cwnd;
        if let Some(record) = cx.slabs.congestion_mut(self.cc.slot).filter(|_| self.outstanding() > 0) {
            record.usage.note(self.snd.una, self.snd.nxt, limited);
        }
        let limit = match self.decide_text(cx, u32::MAX) {
            _ if !self.state.is_synchronized() => Limit::Idle,
            Err(Blocked::Window) => Limit::ReceiveWindow,
            Err(Blocked::NoText) if self.outstanding() == 0 => Limit::Idle,
            Err(Blocked::NoText) if self.has(Marks::WANTS_WRITE) && !limited => Limit::SendBuffer,
            _ => Limit::Network,
        };
        self.set_limit(cx.now, limit);
        let nothing_to_send =
            matches!(self.decide_text(cx, u32::MAX), Err(Blocked::NoText | Blocked::Nagle | Blocked::Held));
        let delivered = self.delivered(cx.slabs);
        if nothing_to_send
            && in_flight < cwnd
            && let Some(flight) = cx.slabs.flight_mut(self.flight)
        {
            flight.rate.on_app_limited(delivered, in_flight);
        }
    }

    /// The number of sequence space that the peer's window still takes from `seq` on.
    pub(crate) fn window_from(&self, seq: SeqNumber) -> u32 {
        (self.snd.una + self.snd.wnd).since(seq).unwrap_or(0)
    }

    /// Octets of the congestion window that are free.
    pub(crate) fn congestion_room(&self, slabs: &Slabs) -> u32 {
        self.cwnd(slabs).saturating_sub(self.in_flight(slabs))
    }
}

#[cfg(test)]
mod tests;
