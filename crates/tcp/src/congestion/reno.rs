//! NewReno: RFC 5681 §3.1 slow start and congestion avoidance, with octets counted as RFC 3465 does.
//!
//! What RFC 6582 and RFC 6675 say of retransmission is in `recovery.rs`; here is only what they say of the window.

use alloc::vec::Vec;

use super::window::Window;
use super::{AckSample, CcContext, CongestionControl, CongestionEvent, Prior, Sent};

/// RFC 5681's controller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewReno {
    window: Window,
    /// RFC 3465 §2.3: in slow start after a timeout an ACK may be for what had arrived long before.
    after_timeout: bool,
}

impl NewReno {
    /// A controller with a window of `cwnd` octets and this slow-start threshold.
    #[must_use]
    pub const fn new(cwnd: u32, ssthresh: u32) -> NewReno {
        NewReno { window: Window::new(cwnd, ssthresh), after_timeout: false }
    }

    fn lower(&mut self, cx: &CcContext<'_>, ssthresh: u32) {
        self.window.lower_threshold(ssthresh, cx.mss);
        self.window.cwnd = self.window.ssthresh;
    }

    /// RFC 3465 §2.2 and §2.3: the most octets by which one ACK opens the window in slow start.
    fn limit(&self, cx: &CcContext<'_>) -> u32 {
        match cx.config.abc_limit {
            0 => u32::MAX,
            _ if self.after_timeout => u32::from(cx.mss),
            limit => u32::from(limit) * u32::from(cx.mss),
        }
    }
}

impl CongestionControl for NewReno {
    fn name(&self) -> &'static str {
        "reno"
    }

    fn on_transmit(&mut self, _cx: &mut CcContext<'_>, _segment: &Sent) {}

    fn on_ack(&mut self, cx: &mut CcContext<'_>, sample: &AckSample) {
        if sample.in_recovery || !sample.window_limited || sample.acked == 0 {
            return;
        }
        let mut acked = sample.delivered;
        if self.window.in_slow_start() {
            // Octets are counted, not ACKs: a peer that divides its ACKs gains nothing.
            acked = self.window.slow_start(acked.min(self.limit(cx)));
        }
        if !self.window.in_slow_start() {
            self.after_timeout = false;
            self.window.avoid(acked, self.window.cwnd, cx.mss);
        }
    }

    fn on_congestion(&mut self, cx: &mut CcContext<'_>, event: CongestionEvent) {
        match event {
            // RFC 8511 §3: a queue that marks is a short one.
            CongestionEvent::Ecn if cx.config.abe => self.lower(cx, cx.outstanding / 5 * 4),
            // RFC 5681 §3.1, equation 4.
            CongestionEvent::Loss | CongestionEvent::Ecn => self.lower(cx, cx.outstanding / 2),
        }
    }

    fn on_timeout(&mut self, cx: &mut CcContext<'_>, first: bool) {
        // RFC 5681 §3.1: ssthresh is held constant when the same segment is lost again.
        if first {
            self.window.lower_threshold(cx.outstanding / 2, cx.mss);
        }
        self.window.collapse(cx);
        self.after_timeout = true;
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

    fn freeze(&self, out: &mut Vec<u8>) {
        self.window.freeze(out);
    }
}

#[cfg(test)]
mod tests;
