//! NewReno: RFC 5681 §3.1 slow start and congestion avoidance, with octets counted as RFC 3465 does.
//!
//! What RFC 6582 and RFC 6675 say of retransmission is in `recovery.rs`; here is only what they say of the window.

use alloc::vec::Vec;

use super::{AckSample, CcContext, CongestionControl, CongestionEvent, Prior, Sent};

/// The largest window: what the largest scaled receive window can use.
const WINDOW_MAX: u32 = 1 << 30;

/// RFC 5681's controller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewReno {
    cwnd: u32,
    ssthresh: u32,
    /// Octets acknowledged since cwnd last grew, in congestion avoidance (RFC 3465 §2.1).
    acked: u32,
}

impl NewReno {
    /// A controller in slow start with a window of `cwnd` octets.
    #[must_use]
    pub const fn new(cwnd: u32) -> NewReno {
        NewReno { cwnd, ssthresh: u32::MAX, acked: 0 }
    }

    /// RFC 5681 §3.1, equation 4: half of FlightSize, and two segments at least.
    fn halve(&mut self, cx: &CcContext<'_>) {
        self.ssthresh = (cx.outstanding / 2).max(2 * u32::from(cx.mss));
        self.acked = 0;
    }
}

impl CongestionControl for NewReno {
    fn on_transmit(&mut self, _cx: &mut CcContext<'_>, _segment: &Sent) {}

    fn on_ack(&mut self, cx: &mut CcContext<'_>, sample: &AckSample) {
        if sample.in_recovery || !sample.window_limited || sample.acked == 0 {
            return;
        }
        let mut acked = sample.delivered;
        if self.cwnd < self.ssthresh {
            // Octets are counted, not ACKs: a peer that divides its ACKs gains nothing.
            let grown = self.cwnd.saturating_add(acked).min(self.ssthresh).min(WINDOW_MAX).max(self.cwnd);
            acked -= grown - self.cwnd;
            self.cwnd = grown;
        }
        if self.cwnd >= self.ssthresh {
            self.acked = self.acked.saturating_add(acked);
            if self.acked >= self.cwnd {
                self.acked -= self.cwnd;
                self.cwnd = self.cwnd.saturating_add(u32::from(cx.mss)).min(WINDOW_MAX);
            }
        }
    }

    fn on_congestion(&mut self, cx: &mut CcContext<'_>, event: CongestionEvent) {
        match event {
            CongestionEvent::Loss | CongestionEvent::Ecn => {
                self.halve(cx);
                self.cwnd = self.ssthresh;
            }
        }
    }

    fn on_timeout(&mut self, cx: &mut CcContext<'_>, first: bool) {
        // RFC 5681 §3.1: ssthresh is held constant when the same segment is lost again.
        if first {
            self.halve(cx);
        }
        // One segment more than what is left in the network.
        self.cwnd = cx.in_flight.saturating_add(u32::from(cx.mss));
        self.acked = 0;
    }

    fn on_spurious(&mut self, _cx: &mut CcContext<'_>, prior: &Prior) {
        self.cwnd = self.cwnd.max(prior.cwnd);
        self.ssthresh = self.ssthresh.max(prior.ssthresh);
    }

    fn on_idle(&mut self, cx: &mut CcContext<'_>) {
        // RFC 5681 §4.1: the restart window is no larger than the initial one.
        self.cwnd = self.cwnd.min(u32::from(cx.config.initial_window.max(1)) * u32::from(cx.mss));
        self.acked = 0;
    }

    fn window(&self) -> u32 {
        self.cwnd
    }

    fn threshold(&self) -> u32 {
        self.ssthresh
    }

    fn pacing_rate(&self) -> Option<u64> {
        None
    }

    fn freeze(&self, out: &mut Vec<u8>) {
        for value in [self.cwnd, self.ssthresh, self.acked] {
            out.extend_from_slice(&value.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests;
