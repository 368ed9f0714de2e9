//! The figures of a connection that are traced by comparison: before a call and after it. So no place that changes
//! one of them can forget to say so.

use portolan_wire::SeqNumber;

use crate::tcb::Tcb;
use crate::{CaState, Context, State, TraceEvent};

/// What the figures were before a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Figures {
    is_synchronized: bool,
    /// Octets ever held for lost, modulo 2^32.
    lost: u32,
    recovery: (CaState, Option<SeqNumber>),
    congestion: (u32, u32),
    rto: (u32, u8),
    mss: u16,
    reordering: u32,
}

impl Tcb {
    /// The figures now, if anybody listens.
    pub(crate) fn figures(&self, cx: &Context<'_>) -> Option<Figures> {
        if !cx.tracer.is_on() {
            return None;
        }
        let flight = cx.slabs.flight(self.flight);
        let recovery = flight.map(|flight| flight.recovery).unwrap_or_default();
        let reordering =
            flight.map_or(u32::from(cx.config.reordering), |flight| flight.reordering.degree(cx.config));
        Some(Figures {
            is_synchronized: self.state.is_synchronized(),
            lost: flight.map_or(0, |flight| flight.rate.lost()),
            recovery: (recovery.state, recovery.recover.filter(|_| recovery.state > CaState::Disorder)),
            congestion: (self.cwnd(cx.slabs), self.cc.threshold()),
            rto: (self.rtt.rto_us(cx.config, self.backoffs), self.backoffs),
            mss: self.full_text(cx),
            reordering,
        })
    }

    /// Tells which figures are not those of `before`; after a handshake, all.
    pub(crate) fn trace_changes(&self, cx: &mut Context<'_>, before: Option<Figures>) {
        let Some((before, now)) = before.zip(self.figures(cx)) else { return };
        let is_new = !before.is_synchronized && now.is_synchronized;
        if self.state == State::Closed || now == before {
            return;
        }
        if is_new || now.rto != before.rto {
            let (rto_us, backoffs) = now.rto;
            self.trace(cx, TraceEvent::Rto { rto_us, backoffs });
        }
        if !now.is_synchronized {
            return;
        }
        self.trace_lost(cx, before.lost, now.lost);
        if now.recovery != before.recovery {
            let (from, (to, recover)) = (before.recovery.0, now.recovery);
            self.trace(cx, TraceEvent::Recovery { from, to, recover });
        }
        if is_new || now.congestion != before.congestion {
            let (cwnd, ssthresh) = now.congestion;
            self.trace(cx, TraceEvent::Congestion { cwnd, ssthresh });
        }
        if is_new || now.mss != before.mss {
            self.trace(cx, TraceEvent::Mss { octets: now.mss });
        }
        if is_new || now.reordering != before.reordering {
            self.trace(cx, TraceEvent::Reordering { segments: now.reordering });
        }
    }

    /// A flight that was given back counts from 0 again; but then nothing is outstanding, and nothing can be lost.
    fn trace_lost(&self, cx: &mut Context<'_>, before: u32, now: u32) {
        let octets = now.wrapping_sub(before);
        if octets > 0 && self.outstanding() > 0 {
            let total = cx.slabs.flight(self.flight).map_or(0, |flight| flight.lost.octets);
            self.trace(cx, TraceEvent::Lost { octets, total });
        }
    }
}
