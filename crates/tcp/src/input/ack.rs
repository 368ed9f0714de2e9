//! The fifth check: ACK (RFC 9293 §3.10.7.4; RFC 5961 §5; RFC 5681; RFC 6298 §5).

use portolan_link::Instant;
use portolan_wire::SeqNumber;
use portolan_wire::tcp::Flags;

use crate::challenge::{Discard, Reply, Step};
use crate::congestion::{AckSample, CongestionEvent};
use crate::flight::Acked;
use crate::numbers::micros_u32;
use crate::recovery::{Ack, Change, Phase};
use crate::tcb::{Marks, Tcb};
use crate::{Context, DropReason, Segment, Signals, State, TraceEvent, Transition};

/// What was in flight before a segment was looked at.
#[derive(Clone, Copy)]
struct Before {
    in_flight: u32,
    outstanding: u32,
    lost: u32,
    phase: Phase,
}

/// What an acknowledgement brought, for the controller.
#[derive(Clone, Copy)]
struct Brought {
    /// Octets newly known to have arrived.
    delivered: u32,
    rtt_us: Option<u32>,
    /// Octets that were marked on their way.
    marked: u32,
    /// Whether the window is to be reduced for marks.
    reduce: bool,
}

impl Tcb {
    pub(super) fn check_ack(
        &mut self,
        cx: &mut Context<'_>,
        segment: &Segment,
        signals: &mut Signals,
    ) -> Step {
        if !segment.has(Flags::ACK) {
            return Err(Discard::new(DropReason::NoAck, Reply::Nothing));
        }
        if self.has(Marks::UNPROVEN) {
            self.prove(cx, segment, signals)?;
        }
        if self.state == State::SynReceived {
            if !self.acks_our_syn(segment) {
                return Err(Discard::new(DropReason::BadAck, Reply::Reset(segment.ack)));
            }
            self.establish(cx, segment, Transition::SynAcked, signals);
            self.set_send_window(cx, segment, self.window_of(segment));
        }
        self.check_ack_range(segment)?;
        self.take_timestamp(cx, segment);
        let same_window = self.window_of(segment) == self.snd.wnd;
        self.update_send_window(cx, segment);
        self.take_acknowledgement(cx, segment, same_window, signals);
        self.after_fin_acked(cx, signals);
        Ok(())
    }

    /// RFC 9293 MAY-12; RFC 5961 §5.2: SND.UNA - MAX.SND.WND =< SEG.ACK =< SND.NXT. An older ACK than that is
    /// no old duplicate but a guess; and so is an ACK of octets before our first one (CVE-2023-52881), which a
    /// large window would let pass.
    fn check_ack_range(&self, segment: &Segment) -> Step {
        let sent = u32::try_from(self.counters.bytes_acked).unwrap_or(u32::MAX).saturating_add(1);
        let oldest = self.snd.una.back(self.snd.max_wnd.min(sent));
        if segment.ack.after(self.snd.nxt) || segment.ack.before(oldest) {
            return Err(Discard::new(DropReason::BadAck, Reply::Challenge));
        }
        Ok(())
    }

    /// RFC 7323 §4.3 (2). It stands after the check of the ACK, so that who cannot see the connection cannot
    /// poison TS.Recent (CVE-2005-0356).
    fn take_timestamp(&mut self, cx: &mut Context<'_>, segment: &Segment) {
        let Some(timestamps) = segment.options.timestamps.filter(|_| self.has(Marks::TIMESTAMPS)) else {
            return;
        };
        if segment.seq.at_or_before(self.rcv.last_ack_sent) {
            self.ts.take(timestamps.value, cx.now);
        }
        if segment.text_len >= u32::from(self.rcv.mss) {
            self.note_echo(cx, timestamps.echo);
        }
    }

    /// The window in octets that a segment after the handshake announces.
    fn window_of(&self, segment: &Segment) -> u32 {
        // RFC 7323 §2.2: a SYN-ACK's window is not scaled, not even in a simultaneous open.
        if segment.has(Flags::SYN) {
            u32::from(segment.window)
        } else {
            self.snd.scale.window_octets(segment.window)
        }
    }

    /// RFC 9293 §3.10.7.4: a segment older than the one of the last update does not change the window.
    fn update_send_window(&mut self, cx: &mut Context<'_>, segment: &Segment) {
        if segment.ack.before(self.snd.una) {
            return;
        }
        let newer = self.snd.wl1.before(segment.seq)
            || self.snd.wl1 == segment.seq && self.snd.wl2.at_or_before(segment.ack);
        if newer {
            self.set_send_window(cx, segment, self.window_of(segment));
        }
    }

    /// SND.WND becomes `octets`, from `segment`.
    pub(crate) fn set_send_window(&mut self, cx: &mut Context<'_>, segment: &Segment, octets: u32) {
        if (octets == 0) != (self.snd.wnd == 0) {
            self.trace(cx, TraceEvent::SendWindow { octets });
        }
        self.snd.wnd = octets;
        self.snd.max_wnd = self.snd.max_wnd.max(octets);
        (self.snd.wl1, self.snd.wl2) =
            (segment.seq, if segment.has(Flags::ACK) { segment.ack } else { self.snd.una });
    }

    /// The cumulative and selective acknowledgement, and all that follows from it.
    fn take_acknowledgement(
        &mut self,
        cx: &mut Context<'_>,
        segment: &Segment,
        same_window: bool,
        signals: &mut Signals,
    ) {
        let before = self.before(cx);
        let acked = segment.ack.since(self.snd.una).unwrap_or(0);
        if self.flight.is_none() || before.outstanding == 0 {
            return;
        }
        let mut known = Acked::default();
        if acked > 0 {
            known = self.advance(cx, segment.ack, signals);
        }
        let sacked = self.take_sack(cx, segment);
        let rtt_us =
            if acked > 0 { self.measure_acked(cx, segment, &known, before.outstanding) } else { None };
        // RFC 5681 §2; with SACK, RFC 6675 §2: what counts as a duplicate says something new.
        let duplicate = if self.has(Marks::SACK) {
            sacked > 0
        } else {
            segment.ack == self.snd.una && acked == 0 && segment.sequence_len() == 0 && same_window
        };
        let ack = Ack {
            una: self.snd.una,
            nxt: self.snd.nxt,
            acked,
            duplicate,
            sack: self.has(Marks::SACK),
            mss: u32::from(self.full_text(cx)),
        };
        let change = cx.slabs.flight_mut(self.flight).map_or(Change::None, |flight| flight.on_ack(&ack));
        let delivered = known.delivered + sacked;
        let (marked, reduce) = self.take_echo(cx, segment, delivered);
        let brought = Brought { delivered, rtt_us, marked, reduce };
        self.tell_controller(cx, &before, &ack, brought, change);
        if acked > 0 {
            self.retries = 0;
            // RFC 6298 §5.2 and §5.3; `rearm` starts it again if something is outstanding.
            self.timers.retransmit = Instant::MAX;
        }
    }

    fn before(&self, cx: &Context<'_>) -> Before {
        Before {
            in_flight: self.in_flight(cx.slabs),
            outstanding: self.outstanding(),
            lost: cx.slabs.flight(self.flight).map_or(0, |flight| flight.rate.lost()),
            phase: cx.slabs.flight(self.flight).map_or(Phase::Open, |flight| flight.recovery.phase),
        }
    }

    /// SND.UNA moves to `ack`.
    fn advance(&mut self, cx: &mut Context<'_>, ack: SeqNumber, signals: &mut Signals) -> Acked {
        let text_end = ack.min(self.snd.end);
        self.counters.bytes_acked += u64::from(text_end.since(self.snd.una).unwrap_or(0));
        self.snd.una = ack;
        let known = cx.slabs.flight_mut(self.flight).map(|flight| flight.acknowledge(ack, cx.now));
        if let Some(queues) = cx.slabs.queues_mut(self.queues) {
            queues.send.acknowledge(cx.pool, text_end);
        }
        let (room, capacity) = (self.send_room(cx), self.send_capacity(cx));
        if self.has(Marks::WANTS_WRITE) && room >= capacity / 3 {
            self.marks.remove(Marks::WANTS_WRITE);
            *signals |= Signals::WRITABLE;
        }
        known.unwrap_or_default()
    }

    /// RFC 2018 §5, RFC 6675 §4: takes in the blocks that can be true; a block with an edge outside of what is
    /// outstanding is ignored as a whole, and with it D-SACK.
    fn take_sack(&mut self, cx: &mut Context<'_>, segment: &Segment) -> u32 {
        if !self.has(Marks::SACK) {
            return 0;
        }
        let Some(flight) = cx.slabs.flight_mut(self.flight) else { return 0 };
        let (una, outstanding) = (self.snd.una, self.snd.nxt.since(self.snd.una).unwrap_or(0));
        let mut sacked = 0;
        for (left, right) in segment.options.sack.iter() {
            let offsets = (left.since(una), right.since(una));
            if let (Some(left_offset), Some(right_offset)) = offsets
                && 0 < left_offset
                && left_offset < right_offset
                && right_offset <= outstanding
            {
                sacked += flight.sack(left, right);
            }
        }
        sacked
    }

    /// RFC 6298 §3 and §4 (Karn, MUST-18), RFC 7323 §4.1. Returns the measurement in microseconds.
    fn measure_acked(
        &mut self,
        cx: &mut Context<'_>,
        segment: &Segment,
        known: &Acked,
        outstanding: u32,
    ) -> Option<u32> {
        let echo = segment.options.timestamps.filter(|_| self.has(Marks::TIMESTAMPS)).map(|ts| ts.echo);
        let sample_us = match known.sent_at {
            Some(sent_at) => cx.now.micros_since(sent_at),
            None if known.delivered > 0 => self.ts.round_trip_us(echo?, cx.now)?,
            None => return None,
        };
        let segments = outstanding.div_ceil(u32::from(self.full_text(cx)));
        self.measure(cx, sample_us, segments);
        Some(micros_u32(sample_us))
    }

    fn tell_controller(
        &mut self,
        cx: &mut Context<'_>,
        before: &Before,
        ack: &Ack,
        brought: Brought,
        change: Change,
    ) {
        let (cwnd, slow_start) = (self.cc.window(), self.cc.in_slow_start());
        let usage = cx.slabs.congestion(self.cc.slot).map(|record| record.usage);
        let (delivered_total, min_rtt_us) = (self.delivered(cx.slabs), self.rtt.min_us());
        let (rate, lost) = match cx.slabs.flight_mut(self.flight) {
            Some(flight) => (
                flight.rate.sample(cx.now, delivered_total, min_rtt_us),
                flight.rate.lost().wrapping_sub(before.lost),
            ),
            None => (None, 0),
        };
        let sample = AckSample {
            acked: ack.acked,
            delivered: brought.delivered,
            marked: brought.marked,
            lost,
            delivered_total,
            prior_in_flight: before.in_flight,
            rtt_us: brought.rtt_us,
            rate,
            window_limited: usage.is_some_and(|usage| usage.allows_growth(cwnd, slow_start)),
            app_limited: self.is_app_limited(cx.slabs),
            in_recovery: before.phase == Phase::Recovery || change == Change::Entered || brought.reduce,
        };
        self.control(cx, before.in_flight, before.outstanding, |cc, cc_cx| {
            if change == Change::Entered {
                cc.on_congestion(cc_cx, CongestionEvent::Loss);
            } else if brought.reduce {
                cc.on_congestion(cc_cx, CongestionEvent::Ecn);
            }
            if brought.delivered > 0 || ack.acked > 0 {
                cc.on_ack(cc_cx, &sample);
            }
            if change == Change::Left {
                cc.on_recovered(cc_cx);
            }
        });
        if brought.reduce || change == Change::Entered {
            self.announce_reduction();
        }
        match change {
            Change::None => {}
            Change::Entered => {
                let recoveries =
                    if ack.sack { &mut cx.stats.sack_recoveries } else { &mut cx.stats.reno_recoveries };
                *recoveries += 1;
                self.trace(cx, TraceEvent::RecoveryBegins { recover: ack.nxt });
            }
            Change::Left => self.trace(cx, TraceEvent::RecoveryEnds),
        }
    }

    pub(crate) fn trace_congestion(&self, cx: &mut Context<'_>) {
        self.trace(cx, TraceEvent::Congestion { cwnd: self.cc.window(), ssthresh: self.cc.threshold() });
    }

    /// RFC 9293 §3.10.7.4: what an acknowledgement of our FIN leads to.
    fn after_fin_acked(&mut self, cx: &mut Context<'_>, signals: &mut Signals) {
        if !self.fin_is_sent() || self.snd.una != self.snd.nxt {
            return;
        }
        let before = self.state;
        self.move_on(cx, Transition::FinAcked);
        match self.state {
            same if same == before => {}
            State::FinWait2 if self.has(Marks::ORPHAN) => self.limit_fin_wait_2(cx),
            State::TimeWait => self.begin_time_wait(cx, signals),
            State::Closed => *signals |= self.end(cx, None),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
