//! The timer for what is outstanding. One slot serves three ends, as on Linux: the retransmission timeout (RFC 6298
//! §5), the probe timeout (RFC 8985 §7.2) and the reordering timeout (RFC 8985 §6.3). [`Alarm`] says which.

use portolan_link::Instant;

use crate::flight::{Delivery, Flight};
use crate::recovery::CaState;
use crate::tcb::{Marks, Tcb};
use crate::timers::Alarm;
use crate::{Context, TraceEvent};

/// What timers wait longer than computed, so that an ACK that is only just late is not taken for lost (Linux's
/// `TCP_TIMEOUT_MIN`).
const SLACK_US: u64 = 2_000;

/// The least time that a peer gets to correct what looks like withdrawn blocks.
const RENEGE_MIN_US: u64 = 10_000;

impl Tcb {
    /// An acknowledgement was taken in; `advances` if SND.UNA moved, `late_until` if something may only be late.
    pub(crate) fn set_alarm_on_ack(
        &mut self,
        cx: &mut Context<'_>,
        delivery: &Delivery,
        advances: bool,
        late_until: Option<Instant>,
    ) {
        if self.outstanding() == 0 {
            self.set_alarm(cx, Alarm::Retransmit, Instant::MAX);
            return;
        }
        let Some(flight) = cx.slabs.flight(self.flight) else { return };
        if advances && flight.head_is_sacked() {
            // RFC 2018 §8: the peer has what it does not acknowledge. It gets a moment to say so.
            let wait_us = u64::from(self.rtt.srtt_us() / 2).max(RENEGE_MIN_US);
            self.set_alarm(cx, Alarm::Retransmit, cx.now.plus_micros(wait_us));
            return;
        }
        if let Some(until) = late_until {
            self.set_alarm(cx, Alarm::Reorder, until.plus_micros(SLACK_US));
            return;
        }
        // What was sent before the head was last sent says nothing of the head.
        let head_sent_at = flight.head_sent_at();
        let newer = delivery.sacked_sent.is_some_and(|(first, _)| head_sent_at.is_some_and(|at| first < at));
        if advances || newer {
            self.restart_alarm(cx);
        }
    }

    /// RFC 6298 §5.3 and RFC 8985 §7.2: the probe timer, or the retransmission timer, begins again.
    fn restart_alarm(&mut self, cx: &mut Context<'_>) {
        if !self.set_probe_alarm(cx, true) {
            self.set_retransmit_alarm(cx);
        }
    }

    /// New text was sent; `first` if nothing was outstanding before.
    ///
    /// It puts a probe off (RFC 8985 §7.2), but not beyond the time at which the first outstanding segment would have
    /// been sent again: an application that writes little by little would else put it off for ever.
    pub(crate) fn set_alarm_on_sent(&mut self, cx: &mut Context<'_>, first: bool) {
        let probes = self.alarm(cx) == Alarm::Probe;
        if probes && !first && self.head_is_overdue(cx) {
            return;
        }
        if first || probes {
            self.set_retransmit_alarm(cx);
        }
        self.set_probe_alarm(cx, false);
    }

    /// Whether the first outstanding segment was sent last an RTO ago.
    fn head_is_overdue(&self, cx: &Context<'_>) -> bool {
        let head_sent_at = cx.slabs.flight(self.flight).and_then(Flight::head_sent_at);
        head_sent_at.is_some_and(|at| at.plus_micros(self.rto_us(cx)) <= cx.now)
    }

    /// Something was sent again; `head` if it was the first that is outstanding.
    pub(crate) fn set_alarm_on_resent(&mut self, cx: &mut Context<'_>, head: bool) {
        if head && self.alarm(cx) != Alarm::Reorder {
            self.set_alarm(cx, Alarm::Retransmit, self.retransmit_deadline(cx));
        }
    }

    /// The loss probe was sent: the retransmission timer runs from now on.
    pub(crate) fn set_alarm_on_probe(&mut self, cx: &mut Context<'_>) {
        self.set_alarm(cx, Alarm::Retransmit, self.retransmit_deadline(cx));
    }

    fn alarm(&self, cx: &Context<'_>) -> Alarm {
        cx.slabs.flight(self.flight).map_or(Alarm::Retransmit, |flight| flight.alarm)
    }

    pub(crate) fn set_alarm(&mut self, cx: &mut Context<'_>, alarm: Alarm, at: Instant) {
        if let Some(flight) = cx.slabs.flight_mut(self.flight) {
            flight.alarm = alarm;
        }
        self.timers.retransmit = at;
    }

    /// The retransmission timer. If another alarm was set in its place, the time since the first outstanding
    /// segment was sent counts.
    pub(crate) fn set_retransmit_alarm(&mut self, cx: &mut Context<'_>) {
        let rto_us = self.rto_us(cx);
        let since = match cx.slabs.flight(self.flight) {
            Some(flight) if flight.alarm != Alarm::Retransmit => flight.head_sent_at().unwrap_or(cx.now),
            _ => cx.now,
        };
        self.set_alarm(cx, Alarm::Retransmit, since.plus_micros(rto_us).max(cx.now));
    }

    /// RFC 8985 §7.2, TLP_calc_PTO. Returns whether a probe is of use now: with SACK, with no loss known, and with no
    /// probe on its way.
    fn set_probe_alarm(&mut self, cx: &mut Context<'_>, restart: bool) -> bool {
        let Some(flight) = cx.slabs.flight(self.flight) else { return false };
        let calm = matches!(flight.recovery.state, CaState::Open | CaState::Cwr);
        let may = cx.config.loss_probes && self.has(Marks::SACK) && self.state().is_synchronized();
        if !may || !calm || flight.is_empty() || !flight.recovery.probe.is_free() {
            return false;
        }
        let pto_us = match self.rtt.srtt_us() {
            0 => u64::from(cx.config.rto_initial_us),
            // A single segment may have met a delayed ACK.
            srtt_us if flight.outstanding.segments == 1 => {
                2 * u64::from(srtt_us) + u64::from(cx.config.rto_min_us)
            }
            srtt_us => planted!(22, 1, 2) * u64::from(srtt_us) + SLACK_US,
        };
        let since = if restart { cx.now } else { flight.head_sent_at().unwrap_or(cx.now) };
        let timeout = since.plus_micros(self.rto_us(cx));
        let probe = cx.now.plus_micros(pto_us);
        let at = if timeout > cx.now { probe.min(timeout) } else { probe };
        self.set_alarm(cx, Alarm::Probe, at);
        true
    }

    /// Whether the timer is not the retransmission timer.
    pub(crate) fn has_early_alarm(&self, cx: &Context<'_>) -> bool {
        self.alarm(cx) != Alarm::Retransmit
    }

    /// What is outstanding has waited for as long as was set.
    pub(crate) fn on_alarm(&mut self, cx: &mut Context<'_>) {
        match self.alarm(cx) {
            Alarm::Retransmit => self.on_retransmit_timeout(cx),
            Alarm::Probe => self.on_probe_timeout(cx),
            Alarm::Reorder => self.on_reordering_timeout(cx),
        }
    }

    /// RFC 8985 §7.3: a probe is to be sent, unless one is on its way, or a loss was found meanwhile.
    fn on_probe_timeout(&mut self, cx: &mut Context<'_>) {
        let recovery = cx.slabs.flight(self.flight).map(|flight| flight.recovery);
        let free =
            recovery.is_some_and(|recovery| recovery.probe.is_free() && recovery.state < CaState::Recovery);
        if free && self.loss_probe(cx).is_some() {
            cx.stats.loss_probes += 1;
            self.trace(cx, TraceEvent::LossProbe);
            if let Some(flight) = cx.slabs.flight_mut(self.flight) {
                flight.recovery.probe.due = true;
            }
            self.set_alarm_on_probe(cx);
        } else {
            self.set_retransmit_alarm(cx);
        }
    }
}

#[cfg(test)]
mod tests;
