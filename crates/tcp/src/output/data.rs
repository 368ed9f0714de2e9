//! New text and our FIN: how much, and whether now (RFC 9293 §3.7.4 and §3.8.6.2.1; RFC 5681 §3.1 and §4.1).

use portolan_link::Chunks;
use portolan_wire::SeqNumber;
use portolan_wire::tcp::Flags;

use super::super_segment::set_super_segment;
use super::{Blocked, Run};
use crate::congestion::Sent;
use crate::flight::Sending;
use crate::numbers::to_u16;
use crate::tcb::{Marks, Tcb};
use crate::{Context, SegmentPlan};

impl Tcb {
    /// The run of new text to send now, or why there is none. RFC 9293 SHLD-28: full segments where possible; MAY-16,
    /// SHLD-27: what several writes left is one run; MUST-60: pushed or not.
    pub(crate) fn decide_text(&self, cx: &Context<'_>, budget: u32) -> Result<Run, Blocked> {
        let queued = self.unsent() + u32::from(self.fin_is_due());
        if queued == 0 || !self.state.sends_text() {
            return Err(Blocked::NoText);
        }
        let full = u32::from(self.full_new_text(cx));
        let usable = self.window_from(self.snd.nxt);
        let wanted = queued.min(usable);
        let flight = cx.slabs.flight(self.flight);
        let in_flight = self.in_flight(cx.slabs);
        let room = self.congestion_room(cx.slabs);
        if wanted == 0 {
            // Both may be full; as on Linux, the congestion window is then the limit.
            let congested = in_flight > 0 && room < full.min(queued);
            return Err(if congested { Blocked::Congestion } else { Blocked::Window });
        }
        // A FIN alone is no load: as on Linux, it does not wait for the congestion window.
        let congested = self.unsent() > 0 && in_flight > 0 && room < wanted.min(full);
        if flight.is_some_and(|flight| flight.is_full()) || congested {
            return Err(Blocked::Congestion);
        }
        if self.is_paced_out(cx) {
            return Err(Blocked::Pacing);
        }
        let most = self.plan_max(cx, full, budget).min(room.max(full));
        let len = self.within_unit(cx, wanted.min(most), full);
        match self.record_from(cx, self.snd.nxt) {
            // A record is not joined with the next, so its end may go as it is.
            Some(record) if record <= len && record < queued => Ok(Run { seq: self.snd.nxt, len: record }),
            _ => self.decide_small(cx, len, full, len == queued),
        }
    }

    /// Cuts a run from SND.NXT at the end of the unit in which the text was written, as Linux does.
    fn within_unit(&self, cx: &Context<'_>, len: u32, full: u32) -> u32 {
        let Some(queues) = cx.slabs.queues(self.queues).filter(|_| len > full) else { return len };
        let left = queues.send.unit_end(self.snd.nxt, self.unit(cx)).and_then(|end| end.since(self.snd.nxt));
        left.filter(|left| (full..len).contains(left)).map_or(len, |left| left - left % full)
    }

    /// Octets from `seq` to the end of its record, if the application has marked one.
    pub(super) fn record_from(&self, cx: &Context<'_>, seq: SeqNumber) -> Option<u32> {
        cx.slabs.queues(self.queues)?.send.record_end(seq)?.since(seq)
    }

    /// RFC 9293 §3.9.1.2, MUST-61: PSH on the segment that ends a record or a write; unless the application has said
    /// that more is to come.
    pub(super) fn is_pushed(&self, cx: &Context<'_>, end: SeqNumber) -> bool {
        let Some(queues) = cx.slabs.queues(self.queues) else { return false };
        queues.send.pushes.contains(end) || queues.send.ends_record(end)
    }

    /// New text in segments of `full` octets.
    pub(super) fn plan_text(
        &mut self,
        cx: &mut Context<'_>,
        run: Run,
        full: u32,
        text: &mut Chunks,
    ) -> Option<SegmentPlan> {
        let in_flight = self.in_flight(cx.slabs);
        let outstanding = self.outstanding();
        let wanted = run.len.min(self.unsent());
        let mut got = 0;
        if wanted > 0 {
            let queues = self.queues_or_new(cx.slabs);
            got = queues.send.collect(cx.pool, run.seq, wanted, text);
            if got < wanted && got > full {
                // More chunks than one frame takes: whole segments now, the rest with the next.
                let whole = got - got % full;
                text.truncate(text.len() - (got - whole) as usize);
                got = whole;
            }
        }
        let fin = run.len > wanted && got == wanted;
        let len = got + u32::from(fin);
        if len == 0 {
            return None;
        }
        if self.acks_owed > 0 || self.timers.ack < portolan_link::Instant::MAX {
            self.marks.insert(Marks::INTERACTIVE);
        }
        let end = run.seq + got;
        let last = self.is_pushed(cx, end);
        let mut plan = self.plan(cx, run.seq, text_flags(got, last, fin));
        self.count_in_text(cx, &mut plan);
        plan.text_len = got;
        set_super_segment(cx, &mut plan, full);
        let sending = self.sending(cx, Run { seq: run.seq, len }, full);
        let flight = cx.slabs.flight_or_new(&mut self.flight, self.rare);
        flight.on_sent(&sending, fin);
        if !got.is_multiple_of(full) {
            flight.small_end = Some(end);
        }
        self.mark_new_text(cx, &mut plan);
        self.snd.nxt += len;
        // What waited for a window, or to be pushed, is outstanding now and has an alarm of that kind.
        self.stop_persist();
        self.after_sent(cx, len, outstanding == 0);
        self.sent_at = cx.now;
        self.pace(cx, len);
        self.marks.remove(Marks::OVERRIDE | Marks::PROBE_DUE);
        let app_limited = self.is_app_limited(cx.slabs);
        let sent = Sent { text_len: got, retransmission: false, app_limited };
        self.control(cx, in_flight, outstanding, |cc, cc_cx| cc.on_transmit(cc_cx, &sent));
        Some(plan)
    }

    /// `len` octets of new text were sent; `first` if nothing was outstanding before.
    fn after_sent(&mut self, cx: &mut Context<'_>, len: u32, first: bool) {
        let nxt = self.snd.nxt;
        let Some(flight) = cx.slabs.flight_mut(self.flight) else { return };
        flight.recovery.prr.on_sent(len);
        if flight.recovery.probe.due {
            flight.recovery.probe.on_sent(nxt, false);
            self.set_alarm_on_probe(cx);
        } else {
            self.set_alarm_on_sent(cx, first);
        }
    }

    /// A run that is sent now in segments of `full` octets, for the flight records.
    pub(super) fn sending(&self, cx: &Context<'_>, run: Run, full: u32) -> Sending {
        let (seq, len) = (run.seq, run.len);
        let (mss, delivered) = (to_u16(full), self.delivered(cx.slabs));
        Sending { seq, len, mss, now: cx.now, delivered, joins: cx.gso_max == 0 }
    }

    /// Whether there is new text, or our FIN, that the peer's window takes.
    pub(crate) fn new_text_fits(&self) -> bool {
        (self.unsent() > 0 || self.fin_is_due()) && self.window_from(self.snd.nxt) > 0
    }

    /// RFC 5681 §4.1: after an RTO without sending, the window says nothing about the path any more.
    pub(super) fn restart_if_idle(&mut self, cx: &mut Context<'_>) {
        let begins = self.outstanding() == 0
            && self.unsent() > 0
            && self.window_from(self.snd.nxt) > 0
            && self.state.sends_text();
        if begins && cx.config.cwv {
            self.end_unvalidated(cx);
            return;
        }
        if !begins || !cx.config.slow_start_after_idle || self.counters.bytes_acked == 0 {
            return;
        }
        let idle_us = cx.now.micros_since(self.sent_at);
        if planted!(70, false, idle_us > self.rto_us(cx)) {
            self.sent_at = cx.now;
            self.control(cx, 0, 0, |cc, cc_cx| cc.on_idle(cc_cx, idle_us));
        }
    }
}

/// The flags of a segment with text: `last` says that the application has pushed its end.
pub(super) fn text_flags(text_len: u32, last: bool, fin: bool) -> Flags {
    let push = if last && text_len > 0 { Flags::PSH } else { Flags::NONE };
    push | if fin { Flags::FIN } else { Flags::NONE }
}

#[cfg(test)]
mod tests;
