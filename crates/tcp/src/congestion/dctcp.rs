//! DCTCP (RFC 8257): the window is reduced by how much was marked, and not only because something was.
//!
//! For networks whose switches mark early and at once. It needs ECN on every segment and a peer that echoes every mark,
//! and must not share a queue with others (RFC 8257 §5).

use alloc::vec::Vec;

use portolan_wire::SeqNumber;

use super::window::Window;
use super::{AckSample, CcContext, CcInfo, CongestionControl, CongestionEvent, Prior, Sent, freeze_u32s};

/// 1 in the fixed-point arithmetic of alpha.
const ONE: u32 = 1 << 20;

/// RFC 8257 §4.2: g = 1/16.
const GAIN_SHIFT: u32 = 4;

/// RFC 8257's controller; slow start and congestion avoidance are NewReno's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dctcp {
    window: Window,
    /// DCTCP.Alpha, the estimated share of octets that are marked, in units of 2^-20.
    alpha: u32,
    /// DCTCP.BytesAcked and DCTCP.BytesMarked, in the present observation window.
    acked: u32,
    marked: u32,
    /// DCTCP.WindowEnd.
    ends: Option<SeqNumber>,
}

impl Dctcp {
    /// A controller with a window of `cwnd` octets and this slow-start threshold.
    #[must_use]
    pub const fn new(cwnd: u32, ssthresh: u32) -> Dctcp {
        // RFC 8257 §4.2: at the beginning all is held for marked, so that the first mark halves.
        Dctcp { window: Window::new(cwnd, ssthresh), alpha: ONE, acked: 0, marked: 0, ends: None }
    }

    /// RFC 8257 §3.3, steps 1 to 8.
    fn observe(&mut self, cx: &CcContext<'_>, sample: &AckSample) {
        self.acked = self.acked.saturating_add(sample.delivered);
        self.marked = self.marked.saturating_add(sample.marked).min(self.acked);
        if self.ends.is_some_and(|end| cx.una.at_or_before(end)) {
            return;
        }
        let share = u64::from(self.marked) * u64::from(ONE) / u64::from(self.acked.max(1));
        let share = u32::try_from(share).unwrap_or(ONE).min(ONE);
        // Rounded up, so that alpha comes down to 0.
        self.alpha = self.alpha - self.alpha.div_ceil(1 << GAIN_SHIFT) + (share >> GAIN_SHIFT);
        (self.acked, self.marked, self.ends) = (0, 0, Some(cx.nxt));
    }

    fn lower(&mut self, cx: &CcContext<'_>, ssthresh: u32) {
        self.window.lower_threshold(ssthresh, cx.mss);
        self.window.cwnd = self.window.ssthresh;
    }
}

impl CongestionControl for Dctcp {
    fn name(&self) -> &'static str {
        "dctcp"
    }

    fn on_transmit(&mut self, _cx: &mut CcContext<'_>, _segment: &Sent) {}

    fn on_ack(&mut self, cx: &mut CcContext<'_>, sample: &AckSample) {
        self.observe(cx, sample);
        if sample.in_recovery || !sample.window_limited || sample.acked == 0 {
            return;
        }
        let mut acked = sample.delivered;
        if self.window.in_slow_start() {
            acked = self.window.slow_start(acked);
        }
        if !self.window.in_slow_start() {
            self.window.avoid(acked, self.window.cwnd, cx.mss);
        }
    }

    fn on_congestion(&mut self, cx: &mut CcContext<'_>, event: CongestionEvent) {
        let cwnd = self.window.cwnd;
        match event {
            // RFC 8257 §3.3, step 9: cwnd * (1 - alpha / 2).
            CongestionEvent::Ecn => {
                let cut = u64::from(cwnd) * u64::from(self.alpha) / u64::from(2 * ONE);
                self.lower(cx, cwnd - u32::try_from(cut).unwrap_or(cwnd / 2));
            }
            // RFC 8257 §3.4: to a loss it reacts as any TCP.
            CongestionEvent::Loss => self.lower(cx, cwnd / 2),
        }
    }

    fn on_timeout(&mut self, cx: &mut CcContext<'_>, first: bool) {
        if first {
            self.window.lower_threshold(self.window.cwnd / 2, cx.mss);
        }
        self.window.collapse(cx);
        // RFC 8257 §4.2, as on Linux: what was being observed is gone.
        (self.acked, self.marked, self.ends) = (0, 0, None);
    }

    fn on_spurious(&mut self, _cx: &mut CcContext<'_>, prior: &Prior) {
        self.window.undo(prior);
    }

    fn on_unvalidated(&mut self, _cx: &mut CcContext<'_>, cwnd: u32) {
        self.window.shrink(cwnd);
    }

    fn on_idle(&mut self, cx: &mut CcContext<'_>, idle_us: u64) {
        self.window.restart(cx, idle_us);
    }

    fn window(&self) -> u32 {
        self.window.cwnd
    }

    fn threshold(&self) -> u32 {
        self.window.ssthresh
    }

    fn info(&self) -> CcInfo {
        CcInfo::Dctcp { alpha_per_1024: self.alpha >> 10, acked: self.acked, marked: self.marked }
    }

    fn freeze(&self, out: &mut Vec<u8>) {
        self.window.freeze(out);
        freeze_u32s(out, &[self.alpha, self.acked, self.marked]);
    }
}

#[cfg(test)]
mod tests;
