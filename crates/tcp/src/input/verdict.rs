//! What recovery has found out, put into effect: the controller is told, and the window follows it (RFC 5681,
//! RFC 9937).

use super::acknowledge::{Before, Brought};
use crate::congestion::{AckSample, CongestionEvent, Prior};
use crate::prr::{Prr, PrrAck};
use crate::recovery::{CaState, Verdict};
use crate::tcb::{Marks, Tcb};
use crate::{Context, TraceEvent};

impl Tcb {
    /// Does what recovery has concluded.
    pub(crate) fn apply_verdict(&mut self, cx: &mut Context<'_>, before: &Before, verdict: &Verdict) {
        if *verdict == Verdict::default() {
            return;
        }
        let Before { in_flight, outstanding, .. } = *before;
        if let Some(prior) = verdict.undo {
            cx.stats.reductions_undone += 1;
            self.control(cx, in_flight, outstanding, |cc, cc_cx| cc.on_spurious(cc_cx, &prior));
            self.trace(cx, TraceEvent::Undone { timeout: verdict.spurious_timeout });
        }
        cx.stats.spurious_timeouts += u64::from(verdict.spurious_timeout);
        if verdict.probe_loss {
            // RFC 8985 §7.4.2: as if fast recovery had come and gone.
            cx.stats.loss_probe_recoveries += 1;
            self.reduce(cx, before, CongestionEvent::Loss);
        }
        if verdict.left {
            self.control(cx, in_flight, outstanding, |cc, cc_cx| cc.on_recovered(cc_cx));
        }
        if let Some(probe) = verdict.size_probe_lost {
            self.on_size_probe_lost(cx, probe);
        }
        if verdict.entered {
            let recoveries = if self.has(Marks::SACK) {
                &mut cx.stats.sack_recoveries
            } else {
                &mut cx.stats.reno_recoveries
            };
            *recoveries += 1;
            if verdict.reduce {
                let prior = self.reduce(cx, before, CongestionEvent::Loss);
                if let Some(flight) = cx.slabs.flight_mut(self.flight) {
                    flight.recovery.undo.remember(prior);
                }
                self.reduce_in_proportion(cx, 0, false);
            }
        }
    }

    /// A reduction begins for `event`; returns what was before.
    pub(super) fn reduce(&mut self, cx: &mut Context<'_>, before: &Before, event: CongestionEvent) -> Prior {
        let prior = self.prior();
        self.shrink_to_used(cx, before.outstanding);
        self.control(cx, before.in_flight, before.outstanding, |cc, cc_cx| cc.on_congestion(cc_cx, event));
        if let Some(flight) = cx.slabs.flight_mut(self.flight) {
            // RFC 9937 §6.1: what this acknowledgement brings counts as delivered during recovery.
            flight.recovery.prr = Prr::begin(prior.cwnd, before.outstanding.saturating_sub(before.arrived));
        }
        self.announce_reduction();
        prior
    }

    /// The window, for an undo. Beyond the threshold, most of it counts as proved.
    pub(crate) fn prior(&self) -> Prior {
        let cwnd = self.cc.window();
        Prior { cwnd, ssthresh: self.cc.threshold().max(cwnd / 4 * 3) }
    }

    /// The acknowledgement as the controller sees it; and proportional rate reduction, if that has the window.
    pub(super) fn tell_controller(&mut self, cx: &mut Context<'_>, before: &Before, brought: Brought) {
        let (cwnd, slow_start) = (self.cc.window(), self.cc.in_slow_start());
        self.validate(cx, brought.acked);
        let record = cx.slabs.congestion(self.cc.slot);
        let usage = record.map(|record| record.usage);
        let validated = record.is_none_or(|record| record.validation.allows_growth());
        let (delivered_total, min_rtt_us) = (self.delivered(cx.slabs), self.rtt.min_us());
        let in_recovery = self.is_reducing(cx.slabs);
        let Some(flight) = cx.slabs.flight_mut(self.flight) else { return };
        let rate = flight.rate.sample(cx.now, delivered_total, min_rtt_us);
        let lost = flight.rate.lost().wrapping_sub(before.lost);
        let reorders = flight.reordering.is_unusual(cx.config);
        let sample = AckSample {
            acked: if reorders { brought.acked.max(brought.delivered) } else { brought.acked },
            delivered: brought.delivered,
            marked: brought.marked,
            lost,
            delivered_total,
            prior_in_flight: before.in_flight,
            rtt_us: brought.rtt_us,
            rate,
            window_limited: usage.is_some_and(|usage| usage.allows_growth(cwnd, slow_start)) && validated,
            app_limited: flight.rate.is_app_limited(),
            in_recovery,
        };
        if brought.delivered > 0 || brought.acked > 0 {
            self.control(cx, before.in_flight, before.outstanding, |cc, cc_cx| cc.on_ack(cc_cx, &sample));
        }
        if in_recovery {
            self.reduce_in_proportion(cx, brought.delivered, brought.acked > 0 && lost == 0);
        }
    }

    /// RFC 9937 §6: `delivered` octets arrived; `safe` if with progress and without new losses.
    pub(crate) fn reduce_in_proportion(&mut self, cx: &mut Context<'_>, delivered: u32, safe: bool) {
        let (ssthresh, mss) = (self.cc.threshold(), u32::from(self.full_text(cx)));
        let Some(flight) = cx.slabs.flight_mut(self.flight) else { return };
        let in_flight = flight.in_flight();
        // With nothing lost there is nothing to catch up with.
        let safe = safe && flight.recovery.state == CaState::Recovery;
        flight.recovery.prr.on_ack(&PrrAck { delivered, in_flight, ssthresh, safe, mss });
    }
}
