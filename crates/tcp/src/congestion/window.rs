//! What the controllers that are driven by loss have in common: window, threshold, and the way back.
//!
//! RFC 5681 §3.1 and §4.1, RFC 3465 (octets are counted, not ACKs), RFC 4015 (undo).

use alloc::vec::Vec;

use super::{CcContext, Prior, WINDOW_MAX, freeze_u32s};

/// cwnd and ssthresh, in octets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Window {
    pub(super) cwnd: u32,
    pub(super) ssthresh: u32,
    /// Octets acknowledged that have not yet become growth, in congestion avoidance.
    acked: u32,
}

impl Window {
    pub(super) const fn new(cwnd: u32, ssthresh: u32) -> Window {
        Window { cwnd, ssthresh, acked: 0 }
    }

    pub(super) fn in_slow_start(&self) -> bool {
        self.cwnd < self.ssthresh
    }

    /// RFC 5681 §3.1, equation 2, up to ssthresh; returns how many of the `acked` octets are left for congestion
    /// avoidance.
    pub(super) fn slow_start(&mut self, acked: u32) -> u32 {
        let grown = self.cwnd.saturating_add(acked).min(self.ssthresh).min(WINDOW_MAX).max(self.cwnd);
        let used = grown - self.cwnd;
        self.cwnd = grown;
        acked - used
    }

    /// Congestion avoidance: a segment more for every `step` octets that are acknowledged (RFC 3465 §2.1).
    pub(super) fn avoid(&mut self, acked: u32, step: u32, mss: u16) {
        let step = step.max(1);
        // What was counted for a larger step is worth one segment and no more.
        if self.acked >= step {
            self.acked = 0;
            self.grow(1, mss);
        }
        self.acked = self.acked.saturating_add(acked);
        if self.acked >= step {
            self.grow(self.acked / step, mss);
            self.acked %= step;
        }
    }

    fn grow(&mut self, segments: u32, mss: u16) {
        let by = segments.saturating_mul(u32::from(mss));
        self.cwnd = self.cwnd.saturating_add(by).min(WINDOW_MAX).max(self.cwnd);
    }

    /// ssthresh becomes `ssthresh`, but two segments at least.
    pub(super) fn lower_threshold(&mut self, ssthresh: u32, mss: u16) {
        self.ssthresh = ssthresh.max(2 * u32::from(mss));
        self.acked = 0;
    }

    /// RFC 5681 §3.1: the loss window, after a timeout: one segment more than what is left in the network.
    pub(super) fn collapse(&mut self, cx: &CcContext<'_>) {
        self.cwnd = cx.in_flight.saturating_add(u32::from(cx.mss));
        self.acked = 0;
    }

    /// RFC 4015 §3.2: takes the last reduction back.
    pub(super) fn undo(&mut self, prior: &Prior) {
        self.cwnd = self.cwnd.max(prior.cwnd);
        self.ssthresh = self.ssthresh.max(prior.ssthresh);
    }

    /// RFC 5681 §4.1: the restart window is no larger than the initial one. RFC 2861 §2: but halving once for each
    /// RTO comes there more gently, and ssthresh remembers what the path once took.
    pub(super) fn restart(&mut self, cx: &CcContext<'_>, idle_us: u64) {
        let restart = cx.initial_window().min(self.cwnd);
        self.remember();
        let halvings = idle_us / u64::from(cx.rto_us.max(1));
        let cwnd = self.cwnd.checked_shr(u32::try_from(halvings).unwrap_or(u32::MAX)).unwrap_or(0);
        self.cwnd = cwnd.max(restart);
        self.acked = 0;
    }

    /// RFC 7661 §4.4: the window becomes `cwnd`, if that is less.
    pub(super) fn shrink(&mut self, cwnd: u32) {
        self.remember();
        self.cwnd = self.cwnd.min(cwnd);
    }

    /// RFC 2861 §2: ssthresh is three quarters of the window at least, before the window shrinks for lack of use.
    pub(super) fn remember(&mut self) {
        self.ssthresh = self.ssthresh.max(self.cwnd / 4 * 3);
    }

    pub(super) fn freeze(&self, out: &mut Vec<u8>) {
        freeze_u32s(out, &[self.cwnd, self.ssthresh, self.acked]);
    }
}

#[cfg(test)]
mod tests;
