//! Text, SYN and FIN sent again (RFC 6298 §5, RFC 6675 §5, RFC 6582 §3.2). What is lost, `recovery.rs` has
//! decided.

use portolan_link::{Chunks, Instant};

use super::Run;
use super::data::text_flags;
use crate::congestion::Sent;
use crate::numbers::to_u16;
use crate::tcb::Tcb;
use crate::{Context, SegmentPlan};

impl Tcb {
    /// The run to send again now, if any.
    pub(super) fn decide_resend(&self, cx: &Context<'_>, budget: u32) -> Option<Run> {
        let flight = cx.slabs.flight(self.flight)?;
        let record = flight.next_to_resend()?;
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
        let whole = if len < record.len && len > full { len - len % full } else { len };
        Some(Run { seq: record.seq, len: whole })
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
        let last = run.seq + got == self.snd.end;
        let mut plan = self.plan(cx, run.seq, text_flags(got, last, fin));
        plan.text_len = got;
        plan.gso_size = if got > full { to_u16(full) } else { 0 };
        plan.retransmission = true;
        let delivered = self.delivered(cx.slabs);
        if let Some(flight) = cx.slabs.flight_mut(self.flight) {
            flight.on_resent(run.seq, len, cx.now, delivered);
            flight.recovery.forced = false;
        }
        self.sent_at = cx.now;
        let app_limited = self.is_app_limited(cx.slabs);
        let sent = Sent { text_len: got, retransmission: true, app_limited };
        self.control(cx, in_flight, outstanding, |cc, cc_cx| cc.on_transmit(cc_cx, &sent));
        Some(plan)
    }

    /// RFC 6298 §5: the retransmission timer ran out.
    pub(crate) fn on_retransmit_timeout(&mut self, cx: &mut Context<'_>) {
        let outstanding = self.outstanding();
        let first = self.retries == 0;
        cx.stats.timeouts += 1;
        // MUST-37, SHLD-17: a peer that holds its window shut but answers is not dead, though text may have been in
        // flight when it shut.
        let answers = self.snd.wnd == 0
            && !self.has(crate::tcb::Marks::ORPHAN)
            && !self.silent_for(cx.now, 2 * u64::from(cx.config.rto_max_us));
        if !answers || first {
            self.retries = self.retries.saturating_add(1);
        }
        // RFC 6298 §5.5, RFC 9293 MUST-19.
        self.backoffs = self.backoffs.saturating_add(1);
        let reneged = match cx.slabs.flight_mut(self.flight) {
            Some(flight) => flight.begin_again(self.snd.nxt),
            None => false,
        };
        cx.stats.sack_reneges += u64::from(reneged);
        let in_flight = self.in_flight(cx.slabs);
        self.control(cx, in_flight, outstanding, |cc, cc_cx| cc.on_timeout(cc_cx, first));
        self.announce_reduction();
        self.timers.retransmit = cx.now.plus_micros(self.rto_us(cx));
        self.trace(cx, crate::TraceEvent::Timeout { backoffs: self.backoffs });
    }

    /// RFC 6298 §5.1: whenever something is outstanding, the timer is running.
    pub(crate) fn retransmit_deadline(&self, cx: &Context<'_>) -> Instant {
        cx.now.plus_micros(self.rto_us(cx))
    }
}

#[cfg(test)]
mod tests;
