//! What happens when time passes: the retransmission, persist, delayed-ACK and idle timers.

use portolan_link::Instant;

use crate::congestion::record::Record;
use crate::output::Blocked;
use crate::rare::Rare;
use crate::tcb::{Marks, Tcb};
use crate::timers::Timers;
use crate::{Context, Error, Signals, State, TraceEvent, Transition};

impl Tcb {
    /// When [`Tcb::on_deadline`] is wanted. Calling it earlier or later does no harm.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Does what is due at `cx.now`.
    pub fn on_deadline(&mut self, cx: &mut Context<'_>) -> Signals {
        let figures = self.figures(cx);
        let mut signals = Signals::empty();
        if cx.now >= self.timers.ack {
            self.timers.ack = Instant::MAX;
            self.on_delayed_ack(cx);
        }
        if cx.now >= self.timers.retransmit {
            self.timers.retransmit = Instant::MAX;
            signals |= self.on_retransmit_deadline(cx);
        }
        if cx.now >= self.timers.idle {
            self.timers.idle = Instant::MAX;
            signals |= self.on_idle_deadline(cx);
        }
        let signals = self.finish(cx, signals);
        self.trace_changes(cx, figures);
        signals
    }

    /// The ACK found no company in time, so text does not go both ways in turn.
    fn on_delayed_ack(&mut self, cx: &mut Context<'_>) {
        cx.stats.delayed_acks += 1;
        self.marks.remove(Marks::INTERACTIVE);
        self.owe_ack();
    }

    fn on_retransmit_deadline(&mut self, cx: &mut Context<'_>) -> Signals {
        if self.has(Marks::UNPROVEN) {
            return self.on_unproven_timeout(cx);
        }
        if !self.has(Marks::PERSIST) && self.outstanding() > 0 && self.has_early_alarm(cx) {
            self.on_alarm(cx);
            return Signals::empty();
        }
        let given_up = self.is_given_up(cx);
        let news = self.suspect_black_hole(cx, given_up);
        if given_up {
            return news | self.give_up(cx, Error::TimedOut);
        }
        let retries = self.retries;
        if self.has(Marks::PERSIST) {
            self.on_persist_timeout(cx);
        } else if self.state.is_synchronized() && self.outstanding() > 0 {
            self.on_alarm(cx);
        } else if self.state.is_synchronized() {
            // Nothing was sent, so nothing is known of the path.
            self.retries = self.retries.saturating_add(1);
            self.backoffs = self.backoffs.saturating_add(1);
        } else {
            // RFC 9293 MUST-22: a SYN is sent again as anything else.
            self.retries = self.retries.saturating_add(1);
            self.backoffs = self.backoffs.saturating_add(1);
            cx.stats.timeouts += 1;
            self.marks.insert(Marks::SYN_DUE);
            self.timers.retransmit = self.retransmit_deadline(cx);
            self.trace(cx, TraceEvent::Timeout { backoffs: self.backoffs });
        }
        // RFC 9293 MUST-20: once, when R1 is reached.
        let reached = self.retries > retries && self.retries == cx.config.retries1;
        if reached { news | Signals::PATH_DOUBTED } else { news }
    }

    /// RFC 9293 §3.8.3, MUST-20: R2 is reached. It is a number of retransmissions, or of probes without an
    /// answer; or a time, if the application has set one (MUST-21).
    fn is_given_up(&self, cx: &Context<'_>) -> bool {
        let most = match self.state {
            State::SynSent => self.syn_retries(cx),
            State::SynReceived => cx.config.synack_retries,
            _ if self.has(Marks::ORPHAN) => cx.config.orphan_retries.min(cx.config.retries2),
            _ => cx.config.retries2,
        };
        let tries = match (self.has(Marks::PERSIST), self.has(Marks::ORPHAN)) {
            (false, _) => self.retries,
            // MUST-37: probes that are answered do not count,
            (true, false) => planted!(53, self.backoffs, self.probes),
            // but nobody waits for an orphan, and a peer must not keep its text in memory for ever
            // (CVE-2009-1926).
            (true, true) => self.backoffs,
        };
        // RFC 5482 §3.1: the time that both sides have agreed to wait stands in for a number.
        if tries >= most && (self.adopted_timeout_s(cx) == 0 || !self.state.is_synchronized()) {
            return true;
        }
        let user_timeout_us = self.user_timeout_us(cx);
        if user_timeout_us == 0 {
            return false;
        }
        if self.has(Marks::UNSENDABLE) && self.outstanding() == 0 {
            // What has gone by since the host could not send.
            return self.waits_us(cx, 0..=self.retries) >= user_timeout_us;
        }
        // RFC 6429 §3: answers to probes of a shut window do not move the application's limit; as on Linux, the time
        // since the first probe counts. What the peer has asked for (RFC 5482) is about acknowledgements, and answers
        // keep a connection open (MUST-37).
        let limit_us = u64::from(self.options.user_timeout_ms) * 1_000;
        if self.has(Marks::PERSIST) && limit_us > 0 && self.waits_us(cx, 1..=self.backoffs) >= limit_us {
            return true;
        }
        let since = match cx.slabs.flight(self.flight).filter(|flight| !flight.is_empty()) {
            Some(flight) => flight.progress_at,
            None => self.heard_at,
        };
        cx.now.micros_since(since) >= user_timeout_us
    }

    /// The waits that follow one another after so many timeouts, together.
    fn waits_us(&self, cx: &Context<'_>, backoffs: core::ops::RangeInclusive<u8>) -> u64 {
        backoffs.map(|backoffs| u64::from(self.rtt.rto_us(cx.config, backoffs))).sum()
    }

    /// Retransmissions of our SYN.
    fn syn_retries(&self, cx: &Context<'_>) -> u8 {
        match self.seldom(cx.slabs).syn_retries {
            0 => cx.config.syn_retries,
            chosen => chosen,
        }
    }

    fn on_idle_deadline(&mut self, cx: &mut Context<'_>) -> Signals {
        match self.state {
            State::TimeWait => {
                self.move_on(cx, Transition::TimeWaitOver);
                self.end(cx, None)
            }
            // Linux ends FIN-WAIT-2 in silence: the peer will find out when it sends.
            State::FinWait2 if self.has(Marks::ORPHAN) => self.end(cx, None),
            _ => {
                self.release_if_idle(cx);
                self.on_keepalive_deadline(cx)
            }
        }
    }

    /// Gives flight records and queues back that have been empty for long.
    fn release_if_idle(&mut self, cx: &mut Context<'_>) {
        if self.release_deadline(cx) > cx.now {
            return;
        }
        // Text that waits for its time to be sent (pacing) needs what says when that is.
        if self.outstanding() == 0 && self.unsent() == 0 {
            cx.slabs.rest_flight(&mut self.flight, &mut self.rare);
            if cx.slabs.congestion(self.cc.slot).is_some_and(Record::is_replaceable) {
                cx.slabs.give_congestion(&mut self.cc.slot);
            }
        }
        if cx.slabs.queues(self.queues).is_some_and(crate::context::Queues::is_empty) {
            cx.slabs.give_queues(&mut self.queues, cx.pool);
        }
        if self.has_plain_rare(cx) {
            cx.slabs.rest_rare(&mut self.rare);
        }
    }

    /// Whether the record of rarely used features holds none.
    fn has_plain_rare(&self, cx: &Context<'_>) -> bool {
        !self.has(Marks::STRAY_RESET_DUE) && cx.slabs.rare(self.rare).is_some_and(Rare::is_plain)
    }

    /// When the connection will have been idle for long enough to give memory back; never, if it has none.
    fn release_deadline(&self, cx: &Context<'_>) -> Instant {
        let controller = cx.slabs.congestion(self.cc.slot).is_some_and(Record::is_replaceable);
        if self.flight.is_none() && self.queues.is_none() && !controller && !self.has_plain_rare(cx) {
            return Instant::MAX;
        }
        self.heard_at.max(self.sent_at).plus_micros(u64::from(cx.config.queues_idle_us))
    }

    /// Sets every timer that what has happened calls for, and stops those that have lost their reason.
    pub(crate) fn rearm(&mut self, cx: &Context<'_>) {
        if self.state == State::Closed {
            self.timers = Timers::NONE;
            return;
        }
        self.rearm_retransmit(cx);
        if self.timers.idle == Instant::MAX {
            let release = self.release_deadline(cx);
            // What is due but cannot be given back yet is looked at again later.
            let soonest = cx.now.plus_micros(u64::from(cx.config.queues_idle_us));
            let release = if release > cx.now { release } else { soonest };
            self.timers.idle = release.min(self.keepalive_deadline(cx));
        }
        self.timers.idle = self.timers.idle.min(self.pacing_deadline(cx));
    }

    /// The host cannot send what this connection wants to send: it has no route, or its neighbour is not known. If
    /// that lasts, the connection is given up as if it had been sent and lost; or it would wait for ever.
    pub fn on_unsendable(&mut self, cx: &mut Context<'_>) {
        if self.waits_to_send() {
            self.marks.insert(Marks::UNSENDABLE);
        }
        self.rearm(cx);
    }

    /// Whether there is something to send that a peer would have to answer.
    fn waits_to_send(&self) -> bool {
        self.has(Marks::SYN_DUE) || self.state.sends_text() && (self.unsent() > 0 || self.fin_is_due())
    }

    /// The host can send again.
    pub(crate) fn end_unsendable(&mut self) {
        if self.has(Marks::UNSENDABLE) {
            self.marks.remove(Marks::UNSENDABLE);
            if self.outstanding() == 0 && self.state.is_synchronized() {
                (self.retries, self.backoffs) = (0, 0);
                self.timers.retransmit = Instant::MAX;
            }
        }
    }

    fn rearm_retransmit(&mut self, cx: &Context<'_>) {
        if self.outstanding() > 0 || self.has(Marks::UNPROVEN) {
            if self.has(Marks::PERSIST) {
                self.stop_persist();
            }
            if self.timers.retransmit == Instant::MAX {
                self.timers.retransmit = self.retransmit_deadline(cx);
            }
        } else if self.has(Marks::OVERRIDE)
            || matches!(self.decide_text(cx, u32::MAX), Err(Blocked::Window | Blocked::Held))
        {
            // RFC 9293 §3.8.6.1: text waits for a window, and only a probe can tell whether the update was lost.
            if !self.has(Marks::PERSIST) {
                // SHLD-29: the first probe after one RTO, whatever was lost before.
                self.marks.insert(Marks::PERSIST);
                (self.backoffs, self.timers.retransmit) = (0, Instant::MAX);
            }
            if self.timers.retransmit == Instant::MAX {
                self.timers.retransmit = self.retransmit_deadline(cx);
            }
        } else if self.has(Marks::UNSENDABLE) && self.waits_to_send() {
            self.stop_persist();
            if self.timers.retransmit == Instant::MAX {
                self.timers.retransmit = self.retransmit_deadline(cx);
            }
        } else {
            self.stop_persist();
            self.timers.retransmit = Instant::MAX;
        }
    }

    /// The timer runs for probes no more.
    pub(crate) fn stop_persist(&mut self) {
        if self.has(Marks::PERSIST) {
            self.marks.remove(Marks::PERSIST | Marks::OVERRIDE);
            self.timers.retransmit = Instant::MAX;
            self.backoffs = 0;
        }
    }
}

#[cfg(test)]
mod tests;
