//! What an acknowledgement brings: octets delivered, a round trip measured, losses found, a window to follow
//! (RFC 5681, RFC 6298 §3 to §5, RFC 7323 §4.1).

use portolan_wire::SeqNumber;

use super::sack::Reported;
use crate::congestion::CongestionEvent;
use crate::flight::{AckClock, Delivery, Flight};
use crate::limits::Limit;
use crate::numbers::micros_u32;
use crate::recovery::{Ack, Verdict};
use crate::tcb::{Marks, Tcb};
use crate::{Context, Segment};

/// What was in flight before a segment was looked at.
#[derive(Clone, Copy)]
pub(crate) struct Before {
    pub(super) una: SeqNumber,
    pub(super) in_flight: u32,
    pub(super) outstanding: u32,
    /// Of this, octets known to have arrived: reported selectively, or by duplicates.
    pub(super) arrived: u32,
    /// Octets held for lost so far, in all.
    pub(super) lost: u32,
}

/// What an acknowledgement brought, for the controller.
#[derive(Clone, Copy)]
pub(super) struct Brought {
    /// Octets acknowledged cumulatively.
    pub(super) acked: u32,
    /// Octets newly known to have arrived.
    pub(super) delivered: u32,
    /// Octets that were marked on their way.
    pub(super) marked: u32,
    pub(super) rtt_us: Option<u32>,
}

impl Tcb {
    /// The cumulative and selective acknowledgement, and all that follows from it.
    pub(super) fn take_acknowledgement(
        &mut self,
        cx: &mut Context<'_>,
        segment: &Segment,
        same_window: bool,
    ) {
        if self.flight.is_none() {
            return;
        }
        let before = self.before(cx);
        let clock = self.ack_clock(cx, segment);
        let highest_sacked =
            cx.slabs.flight(self.flight).map_or(self.snd.una, |flight| flight.highest_sacked);
        let mut delivery = Delivery::default();
        let acked = segment.ack.since(self.snd.una).unwrap_or(0);
        if acked > 0 {
            self.advance(cx, segment.ack, &clock, &mut delivery);
        }
        let reported = self.take_sack(cx, segment, highest_sacked, &clock, &mut delivery);
        if before.outstanding == 0 && self.expects_no_duplicate(cx) {
            return;
        }
        let rtt_us = self.measure_acked(cx, &clock, acked, &delivery);
        let is_old = segment.ack.before(before.una);
        // RFC 5681 §2.
        let duplicate = acked == 0
            && segment.sequence_len() == 0
            && same_window
            && !is_old
            && reported == Reported::default();
        let ack = self.ack_for_recovery(cx, &before, clock, delivery, duplicate, reported.probe);
        let (verdict, delivered) = self.conclude(cx, &ack, acked, reported);
        self.apply_verdict(cx, &before, &verdict);
        if before.outstanding == 0 {
            return;
        }
        if !is_old {
            let (marked, reduce) = self.take_echo(cx, segment, delivered);
            if reduce {
                self.reduce(cx, &before, CongestionEvent::Ecn);
            }
            self.tell_controller(cx, &before, Brought { acked, delivered, marked, rtt_us });
        }
        if acked > 0 {
            self.retries = 0;
            self.end_timeouts(cx);
        }
        self.set_alarm_on_ack(cx, &delivery, acked > 0, verdict.late_until);
    }

    /// Something new was acknowledged: a row of timeouts is over, if there was one.
    fn end_timeouts(&mut self, cx: &mut Context<'_>) {
        let Some(flight) = cx.slabs.flight_mut(self.flight) else { return };
        if let Some(began_at) = flight.timed_out_at.take() {
            cx.slabs.mishaps_or_new(&mut self.rare).on_recovered(cx.now.micros_since(began_at));
        }
    }

    /// What recovery makes of it, and the octets newly known to have arrived: with SACK those reported, without as
    /// many segments as there are duplicates.
    fn conclude(
        &mut self,
        cx: &mut Context<'_>,
        ack: &Ack<'_>,
        acked: u32,
        reported: Reported,
    ) -> (Verdict, u32) {
        let Some(flight) = cx.slabs.flight_mut(self.flight) else { return Default::default() };
        let mut new = ack.delivery.new;
        if !ack.sack && acked > 0 {
            new = flight.take_duplicates(acked, new, ack.mss);
        }
        let duplicates = flight.recovery.duplicates;
        let verdict = flight.on_ack(ack);
        new += flight.recovery.duplicates.beyond(duplicates);
        // What was sent for nothing was delivered as well.
        self.counters.delivered = self.counters.delivered.saturating_add(new.segments + reported.segments);
        (verdict, new.octets)
    }

    pub(crate) fn before(&self, cx: &Context<'_>) -> Before {
        let flight = cx.slabs.flight(self.flight);
        Before {
            una: self.snd.una,
            in_flight: self.in_flight(cx.slabs),
            outstanding: self.outstanding(),
            arrived: flight.map_or(0, Flight::arrived),
            lost: flight.map_or(0, |flight| flight.rate.lost()),
        }
    }

    /// Whether a duplicate of what was sent again would say nothing more.
    fn expects_no_duplicate(&self, cx: &Context<'_>) -> bool {
        cx.slabs
            .flight(self.flight)
            .is_none_or(|flight| flight.recovery.probe.is_free() && !flight.recovery.undo.is_open())
    }

    fn ack_clock(&self, cx: &Context<'_>, segment: &Segment) -> AckClock {
        let echo = segment.options.timestamps.filter(|_| self.has(Marks::TIMESTAMPS)).map(|ts| ts.echo);
        AckClock {
            now: cx.now,
            min_rtt_us: self.rtt.min_us(),
            echo_ms: echo.and_then(|echo| self.ts.sent_at_ms(echo, cx.now)),
        }
    }

    /// What recovery is to know of an acknowledgement.
    pub(crate) fn ack_for_recovery<'a>(
        &self,
        cx: &Context<'a>,
        before: &Before,
        clock: AckClock,
        delivery: Delivery,
        duplicate: bool,
        probe_duplicate: bool,
    ) -> Ack<'a> {
        Ack {
            config: cx.config,
            clock,
            delivery,
            prior_una: before.una,
            una: self.snd.una,
            nxt: self.snd.nxt,
            duplicate,
            probe_duplicate,
            sack: self.has(Marks::SACK),
            mss: u32::from(self.full_text(cx)),
            srtt_us: self.rtt.srtt_us(),
            can_send_new: self.new_text_fits(),
        }
    }

    /// SND.UNA moves to `ack`.
    fn advance(&mut self, cx: &mut Context<'_>, ack: SeqNumber, clock: &AckClock, delivery: &mut Delivery) {
        let text_end = ack.min(self.snd.end);
        self.counters.bytes_acked += u64::from(text_end.since(self.snd.una).unwrap_or(0));
        self.snd.una = ack;
        if self.outstanding() == 0 && self.unsent() == 0 {
            // Nothing is left to be polled for, so nobody else would note it.
            self.set_limit(cx.now, Limit::Idle);
        }
        if let Some(flight) = cx.slabs.flight_mut(self.flight) {
            flight.acknowledge(ack, clock, delivery);
            if let Some(probe) = flight.size_probe.take_if(|probe| probe.end.at_or_before(ack)) {
                self.on_size_probe_acked(cx, probe);
            }
        }
        if let Some(queues) = cx.slabs.queues_mut(self.queues) {
            queues.send.acknowledge(cx.pool, text_end);
        }
    }

    /// RFC 6298 §3 and §4 (Karn, MUST-18), RFC 7323 §4.1. Returns the latest measurement in microseconds.
    ///
    /// What was reported selectively measures as well, so that a hole does not leave the path unmeasured; but not where
    /// the path is known to reorder, nor where it took less than anything before: what overtakes others says little of
    /// the path that they take, and BBR would hold the window to that for ten seconds.
    fn measure_acked(
        &mut self,
        cx: &mut Context<'_>,
        clock: &AckClock,
        acked: u32,
        delivery: &Delivery,
    ) -> Option<u32> {
        let in_order = delivery.acked_sent.filter(|_| !delivery.ambiguous);
        let reorders =
            cx.slabs.flight(self.flight).is_some_and(|flight| flight.reordering.is_unusual(cx.config));
        let overtakes = |last| cx.now.micros_since(last) < u64::from(clock.min_rtt_us);
        let sacked = delivery.sacked_sent.filter(|(_, last)| !reorders && !overtakes(*last));
        let (first_us, last_us) = match (in_order.or(sacked), clock.echo_ms) {
            (Some((first, _)), _) => {
                let last = sacked.or(in_order).map_or(first, |(_, last)| last);
                (cx.now.micros_since(first), cx.now.micros_since(last))
            }
            (None, Some(echo_ms)) if acked > 0 => {
                let us = cx.now.as_millis().saturating_sub(echo_ms).max(1) * 1_000;
                (us, us)
            }
            _ => return None,
        };
        self.measure(cx, first_us, last_us);
        Some(micros_u32(last_us))
    }
}
