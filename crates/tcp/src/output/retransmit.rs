//! Text, SYN and FIN sent again (RFC 6298 §5, RFC 6675 §5, RFC 6582 §3.2). What is lost, `recovery.rs` has
//! decided.

use portolan_link::{Chunks, Instant};

use super::Run;
use super::data::text_flags;
use super::super_segment::set_super_segment;
use crate::congestion::Sent;
use crate::flight::{AckClock, Delivery, Flight, Sending};
use crate::recovery::Timeout;
use crate::tcb::{Marks, Tcb};
use crate::timers::Alarm;
use crate::{Context, SegmentPlan};

impl Tcb {
    /// The run to send again now, if any.
    pub(super) fn decide_resend(&self, cx: &Context<'_>, budget: u32) -> Option<Run> {
        let flight = cx.slabs.flight(self.flight)?;
        let record = flight.next_to_resend()?;
        if flight.recovery.holds_resend(self.snd.nxt, self.decide_text(cx, budget).is_ok()) {
            return None;
        }
        let full = u32::from(self.full_text_now(cx));
        // RFC 6675 §5, step 4.3: the first one goes whatever the window says; so does one when nothing else is in
        // the network.
        let must = flight.recovery.forced || flight.in_flight() == 0;
        let room = self.congestion_room(cx.slabs);
        if !must && room < record.len.min(full) {
            return None;
        }
        // RFC 9293 SHLD-16, SHLD-15, MUST-34: a peer may have taken its window back from text that is under
        // way. Beyond the window only the first segment is tried, by the timer (MAY-7).
        let mut window = self.window_from(record.seq);
        if window < record.len.min(full) {
            if !(must && record.seq == self.snd.una) {
                return None;
            }
            window = full;
        }
        let most = self.plan_max(cx, full, budget).min(room.max(full)).min(window);
        let len = record.len.min(most);
        let whole = match self.record_from(cx, record.seq) {
            Some(end) if end <= len => end,
            _ if len < record.len && len > full => len - len % full,
            _ => len,
        };
        Some(Run { seq: record.seq, len: whole })
    }

    /// Whether pacing allows it, which holds back all but the first retransmission.
    pub(super) fn may_resend_now(&self, cx: &Context<'_>) -> bool {
        let forced = cx.slabs.flight(self.flight).is_some_and(|flight| flight.recovery.forced);
        forced || !self.is_paced_out(cx)
    }

    pub(super) fn plan_resend(
        &mut self,
        cx: &mut Context<'_>,
        run: Run,
        text: &mut Chunks,
    ) -> Option<SegmentPlan> {
        let full = u32::from(self.full_text_now(cx));
        let (in_flight, outstanding) = (self.in_flight(cx.slabs), self.outstanding());
        let wanted = self.snd.end.since(run.seq).unwrap_or(0).min(run.len);
        let mut got = 0;
        if wanted > 0 {
            let queues = self.queues_or_new(cx.slabs);
            got = queues.send.collect(cx.pool, run.seq, wanted, text);
        }
        let fin = run.len > wanted && got == wanted;
        let len = got + u32::from(fin);
        if len == 0 {
            return None;
        }
        let last = self.is_pushed(cx, run.seq + got);
        let mut plan = self.plan(cx, run.seq, text_flags(got, last, fin));
        plan.text_len = got;
        set_super_segment(cx, &mut plan, full);
        plan.retransmission = true;
        let sending = self.sending(cx, Run { seq: run.seq, len }, full);
        self.sent_at = cx.now;
        self.after_resent(cx, &sending, fin);
        self.pace(cx, len);
        let app_limited = self.is_app_limited(cx.slabs);
        let sent = Sent { text_len: got, retransmission: true, app_limited };
        self.control(cx, in_flight, outstanding, |cc, cc_cx| cc.on_transmit(cc_cx, &sent));
        Some(plan)
    }

    /// `sending` was sent again.
    fn after_resent(&mut self, cx: &mut Context<'_>, sending: &Sending, fin: bool) {
        let (una, nxt) = (self.snd.una, self.snd.nxt);
        let Some(flight) = cx.slabs.flight_mut(self.flight) else { return };
        flight.on_resent(sending, fin);
        flight.recovery.prr.on_sent(sending.len);
        if flight.recovery.probe.due {
            flight.recovery.probe.on_sent(nxt, true);
            self.set_alarm_on_probe(cx);
        } else {
            flight.recovery.on_resent(cx.now, sending.segments(fin));
            self.set_alarm_on_resent(cx, sending.seq == una);
        }
    }

    /// RFC 6298 §5: the retransmission timer ran out.
    pub(crate) fn on_retransmit_timeout(&mut self, cx: &mut Context<'_>) {
        let outstanding = self.outstanding();
        let first = self.retries == 0;
        cx.stats.timeouts += 1;
        let timeouts = &mut cx.slabs.mishaps_or_new(&mut self.rare).timeouts;
        timeouts.total = timeouts.total.saturating_add(1);
        // MUST-37, SHLD-17: a peer that holds its window shut but answers is not dead, though text may have been in
        // flight when it shut.
        let answers = self.snd.wnd == 0
            && !self.has(Marks::ORPHAN)
            && !self.silent_for(cx.now, 2 * u64::from(cx.config.rto_max_us));
        if !answers || first {
            self.retries = self.retries.saturating_add(1);
        }
        // RFC 6298 §5.5, RFC 9293 MUST-19.
        self.backoffs = self.backoffs.saturating_add(1);
        self.on_timeout_of_size(cx);
        let timeout =
            Timeout { config: cx.config, now: cx.now, nxt: self.snd.nxt, sack: self.has(Marks::SACK) };
        let Some(flight) = cx.slabs.flight_mut(self.flight) else { return };
        flight.timed_out_at.get_or_insert(cx.now);
        let verdict = flight.on_timeout(&timeout, first);
        cx.stats.sack_reneges += u64::from(verdict.reneged);
        if verdict.reduce {
            let prior = self.prior();
            if let Some(flight) = cx.slabs.flight_mut(self.flight) {
                flight.recovery.undo.remember(prior);
            }
        }
        if verdict.reduce {
            self.shrink_to_used(cx, outstanding);
        }
        let in_flight = self.in_flight(cx.slabs);
        self.control(cx, in_flight, outstanding, |cc, cc_cx| cc.on_timeout(cc_cx, verdict.reduce));
        self.set_alarm(cx, Alarm::Retransmit, self.retransmit_deadline(cx));
        self.announce_reduction();
        self.trace(cx, crate::TraceEvent::Timeout { backoffs: self.backoffs });
    }

    /// RFC 8985 §6.3: the reordering timer ran out.
    pub(crate) fn on_reordering_timeout(&mut self, cx: &mut Context<'_>) {
        let before = self.before(cx);
        let clock = AckClock { now: cx.now, min_rtt_us: self.rtt.min_us(), echo_ms: None };
        let ack = self.ack_for_recovery(cx, &before, clock, Delivery::default(), false, false);
        let Some(flight) = cx.slabs.flight_mut(self.flight) else { return };
        let verdict = flight.on_reordering_timeout(&ack);
        self.apply_verdict(cx, &before, &verdict);
        if verdict.entered {
            self.reduce_in_proportion(cx, u32::from(self.full_text(cx)), false);
        }
        self.set_retransmit_alarm(cx);
    }

    /// RFC 6069 §4: after a timeout a router says that it has no way to the peer, so that what was sent again did
    /// not get lost by congestion, and waiting twice as long is of no use.
    pub(crate) fn revert_backoff(&mut self, cx: &mut Context<'_>) {
        if self.retries == 0 || self.backoffs == 0 || self.outstanding() == 0 || self.has(Marks::PERSIST) {
            return;
        }
        self.backoffs -= 1;
        let since = cx.slabs.flight(self.flight).and_then(Flight::head_sent_at).unwrap_or(cx.now);
        self.set_alarm(cx, Alarm::Retransmit, since.plus_micros(self.rto_us(cx)).max(cx.now));
    }

    /// RFC 6298 §5.1: whenever something is outstanding, the timer is running.
    pub(crate) fn retransmit_deadline(&self, cx: &Context<'_>) -> Instant {
        cx.now.plus_micros(self.rto_us(cx))
    }
}

#[cfg(test)]
mod tests;
