//! Congestion window validation (RFC 7661): a window that is not used is not believed for ever.
//!
//! What is acknowledged in a round trip (pipeACK) says how much of the window was used. While that is less than half of
//! it, the window does not grow; congestion then finds only what was used, and after five minutes half is given up. In
//! return the window survives a pause: nothing restarts after idle (RFC 5681 §4.1 is for those who do not validate).

use portolan_link::Instant;
use portolan_wire::SeqNumber;

use super::CcContext;
use crate::Context;
use crate::tcb::Tcb;

/// RFC 7661 §4.4.3: the non-validated period.
const UNVALIDATED_US: u64 = 300_000_000;
/// RFC 7661 §4.2: the pipeACK sampling period is three round trips, and a second at least.
const PERIOD_US: u64 = 1_000_000;
const PARTS: usize = 3;

/// The measurement of pipeACK.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Validation {
    /// The largest sample of each third of the sampling period, the newest first.
    samples: [Option<u32>; PARTS],
    part_began: Instant,
    /// SND.NXT when the present round trip began, and what has been acknowledged in it.
    round_ends: Option<SeqNumber>,
    acked: u32,
    /// Since when the window has been larger than it should.
    unvalidated_since: Option<Instant>,
}

impl Validation {
    pub(crate) const NEW: Validation = Validation {
        samples: [None; PARTS],
        part_began: Instant::ZERO,
        round_ends: None,
        acked: 0,
        unvalidated_since: None,
    };

    /// `acked` octets were acknowledged of a window of `cwnd`.
    fn on_ack(&mut self, cx: &CcContext<'_>, acked: u32, cwnd: u32) {
        self.pass(cx.now, cx.srtt_us);
        self.acked = self.acked.saturating_add(acked);
        if self.round_ends.is_none_or(|end| cx.una.at_or_after(end)) {
            if let Some(newest) = self.samples.first_mut() {
                *newest = (*newest).max(Some(self.acked));
            }
            (self.acked, self.round_ends) = (0, Some(cx.nxt));
        }
        self.judge(cx.now, cwnd);
    }

    /// Forgets samples that are older than the sampling period.
    fn pass(&mut self, now: Instant, srtt_us: u32) {
        let part_us = (3 * u64::from(srtt_us)).max(PERIOD_US) / 3;
        let parts = now.micros_since(self.part_began) / part_us;
        if parts > 0 {
            let parts = usize::try_from(parts).unwrap_or(PARTS).min(PARTS);
            self.samples.rotate_right(parts % PARTS);
            self.samples.iter_mut().take(parts).for_each(|sample| *sample = None);
            self.part_began = now;
        }
    }

    /// pipeACK in octets; `None` if it is undefined.
    fn pipe_ack(&self) -> Option<u32> {
        self.samples.iter().copied().max().flatten()
    }

    /// RFC 7661 §4.3.
    fn judge(&mut self, now: Instant, cwnd: u32) {
        let validated = self.pipe_ack().is_none_or(|used| used >= cwnd / 2);
        self.unvalidated_since = if validated { None } else { self.unvalidated_since.or(Some(now)) };
    }

    /// Whether the window may grow.
    pub(crate) fn allows_growth(&self) -> bool {
        self.unvalidated_since.is_none()
    }
}

impl Tcb {
    /// Takes in an acknowledgement of `acked` octets.
    pub(crate) fn validate(&mut self, cx: &mut Context<'_>, acked: u32) {
        if cx.config.cwv {
            let (cwnd, cc_cx) = (self.cc.window(), self.cc_context(cx, 0, 0));
            self.congestion_record(cx).validation.on_ack(&cc_cx, acked, cwnd);
        }
    }

    /// There is congestion: what counts of a window that was not validated is what was used of it (RFC 7661 §4.4.1).
    pub(crate) fn shrink_to_used(&mut self, cx: &mut Context<'_>, outstanding: u32) {
        let Some(record) = cx.slabs.congestion(self.cc.slot).filter(|_| cx.config.cwv) else { return };
        if record.validation.allows_growth() {
            return;
        }
        let used = record.validation.pipe_ack().unwrap_or(0).max(outstanding);
        self.control(cx, outstanding, outstanding, |cc, cc_cx| cc.on_unvalidated(cc_cx, used));
    }

    /// RFC 7661 §4.4.3: after five minutes half of the window is given up.
    pub(crate) fn end_unvalidated(&mut self, cx: &mut Context<'_>) {
        let Some(record) = cx.slabs.congestion_mut(self.cc.slot) else { return };
        let since = record.validation.unvalidated_since;
        if since.is_some_and(|since| cx.now.micros_since(since) > UNVALIDATED_US) {
            record.validation.unvalidated_since = Some(cx.now);
            let half = self.cc.window() / 2;
            self.control(cx, 0, 0, |cc, cc_cx| cc.on_unvalidated(cc_cx, half.max(cc_cx.initial_window())));
        }
    }
}

#[cfg(test)]
mod tests;
