//! CUBIC (RFC 9438), which leaves slow start by HyStart++ (RFC 9406).
//!
//! The window is a cubic function of the time since the last congestion: it comes back quickly to where the
//! congestion was, stays there for a while, and then looks further on. All of it is integer arithmetic; `curve.rs`
//! has the function, `growth.rs` says what an acknowledgement makes of it.
//!
//! [`CubicRules`] chooses between the letter of the RFCs and Linux's older rules, which differ a little in both.

mod curve;
mod growth;

use alloc::vec::Vec;

use portolan_link::Instant;

use super::hystart::{AckTrain, HyStart};
use super::window::Window;
use super::{AckSample, CcContext, CongestionControl, CongestionEvent, Prior, Sent, freeze_u32s};
use growth::Epoch;

/// Whose rules CUBIC follows where they differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CubicRules {
    /// RFC 9438 and RFC 9406.
    #[default]
    Rfc9438,
    /// Linux's: HyStart by ACK trains and delay; whole segments, the least RTT and not the smoothed one; at least 5 %
    /// in a round trip while nothing was ever lost.
    Linux,
    /// As `Linux`; but HyStart tells rounds apart only while the window is 16 segments or more.
    LinuxBefore614,
}

/// RFC 9438's controller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cubic {
    window: Window,
    /// W_max in octets: the window at the last congestion, less a bit for fast convergence; 0 if there was none.
    w_max: u32,
    /// The window just before the last reduction, in octets.
    cwnd_prior: u32,
    /// The present stage of congestion avoidance.
    epoch: Option<Epoch>,
    /// `w_max`, `cwnd_prior` and the epoch before the last reduction (RFC 9438 §4.9).
    saved: (u32, u32, Option<Epoch>),
    /// The least round-trip time, in microseconds; 0 before the first.
    delay_min_us: u32,
    /// When text was last sent.
    sent_at: Instant,
    /// Since when the window has not been the limit, if that is so.
    unused_since: Option<Instant>,
    hystart: HyStart,
    train: AckTrain,
}

impl Cubic {
    /// A controller with a window of `cwnd` octets and this slow-start threshold.
    #[must_use]
    pub const fn new(cwnd: u32, ssthresh: u32) -> Cubic {
        Cubic {
            window: Window::new(cwnd, ssthresh),
            w_max: 0,
            cwnd_prior: 0,
            epoch: None,
            saved: (0, 0, None),
            delay_min_us: 0,
            sent_at: Instant::ZERO,
            unused_since: None,
            hystart: HyStart::NEW,
            train: AckTrain::NEW,
        }
    }

    /// Takes in a measurement; may end slow start.
    fn measure(&mut self, cx: &CcContext<'_>, rtt_us: u32) {
        let rtt_us = rtt_us.max(1);
        match cx.config.cubic_rules {
            CubicRules::Rfc9438 => {
                self.note_delay(rtt_us);
                self.hystart.measure(rtt_us);
            }
            CubicRules::Linux | CubicRules::LinuxBefore614 => {
                // What comes right after a recovery was queued behind retransmissions.
                let young = self.epoch.is_some_and(|epoch| epoch.age_us(cx.now) < 1_000_000);
                if young {
                    return;
                }
                self.note_delay(rtt_us);
                if self.window.in_slow_start()
                    && self.train.finds_exit(cx, self.window.cwnd, rtt_us, self.delay_min_us)
                {
                    self.window.ssthresh = self.window.cwnd;
                }
            }
        }
    }

    fn note_delay(&mut self, rtt_us: u32) {
        if self.delay_min_us == 0 || rtt_us < self.delay_min_us {
            self.delay_min_us = rtt_us;
        }
    }

    /// Slow start; returns the octets that are left for congestion avoidance.
    fn slow_start(&mut self, cx: &CcContext<'_>, acked: u32) -> u32 {
        if cx.config.cubic_rules != CubicRules::Rfc9438 {
            return self.window.slow_start(acked);
        }
        let left = self.window.slow_start(self.hystart.growth(acked, cx));
        if self.hystart.ends_round(cx) {
            // RFC 9406 §4.2: CSS has lasted long enough, and congestion avoidance begins.
            self.window.ssthresh = self.window.cwnd;
        }
        left
    }

    /// RFC 9438 §4.7, fast convergence: a window that did not get as far as the last time makes room for others.
    fn remember_maximum(&mut self) {
        self.saved = (self.w_max, self.cwnd_prior, self.epoch);
        let cwnd = self.window.cwnd;
        self.w_max = if planted!(35, false, cwnd < self.w_max) { curve::share(cwnd, 17, 20) } else { cwnd };
        self.cwnd_prior = cwnd;
        self.epoch = None;
    }

    /// RFC 9438 §4.2, §5.8: time in which the window was not the limit does not count.
    fn exclude(&mut self, from: Instant, now: Instant) {
        if let Some(epoch) = &mut self.epoch {
            epoch.postpone(now.micros_since(from), now);
        }
    }
}

impl CongestionControl for Cubic {
    fn name(&self) -> &'static str {
        "cubic"
    }

    fn on_transmit(&mut self, cx: &mut CcContext<'_>, segment: &Sent) {
        if cx.outstanding == 0 && !segment.retransmission {
            let from = self.unused_since.take().unwrap_or(self.sent_at);
            self.exclude(from, cx.now);
        }
        self.sent_at = cx.now;
    }

    fn on_ack(&mut self, cx: &mut CcContext<'_>, sample: &AckSample) {
        if let Some(rtt_us) = sample.rtt_us {
            self.measure(cx, rtt_us);
        }
        if sample.in_recovery || sample.acked == 0 {
            return;
        }
        if !sample.window_limited {
            if cx.config.cubic_rules == CubicRules::Rfc9438 {
                self.unused_since.get_or_insert(cx.now);
            }
            return;
        }
        if let Some(since) = self.unused_since.take() {
            self.exclude(since, cx.now);
        }
        let mut acked = sample.delivered;
        if self.window.in_slow_start() {
            acked = self.slow_start(cx, acked);
        }
        if acked > 0 && !self.window.in_slow_start() {
            self.avoid(cx, acked);
        }
    }

    fn on_congestion(&mut self, cx: &mut CcContext<'_>, event: CongestionEvent) {
        // RFC 9438 §4.6, beta_cubic = 0.7. The window stands for the flight size: it does not grow while it is not
        // used. RFC 8511 §3: 0.85 for a mark.
        let beta = match event {
            CongestionEvent::Ecn if cx.config.abe => 85,
            CongestionEvent::Loss | CongestionEvent::Ecn => 70,
        };
        self.remember_maximum();
        self.window.lower_threshold(curve::share(self.window.cwnd, beta, 100), cx.mss);
        self.window.cwnd = self.window.ssthresh;
        self.hystart.stop();
        self.train.forget_round();
    }

    fn on_timeout(&mut self, cx: &mut CcContext<'_>, first: bool) {
        if first {
            self.remember_maximum();
            self.window.lower_threshold(curve::share(self.window.cwnd, 7, 10), cx.mss);
        }
        // RFC 9438 §4.8: the next stage begins with K = 0 and W_max at the window of that time.
        (self.w_max, self.epoch) = (0, None);
        self.window.collapse(cx);
        self.hystart.stop();
        self.train = AckTrain::NEW;
    }

    fn on_spurious(&mut self, _cx: &mut CcContext<'_>, prior: &Prior) {
        // RFC 9438 §4.9.
        (self.w_max, self.cwnd_prior, self.epoch) = self.saved;
        self.window.undo(prior);
    }

    fn on_unvalidated(&mut self, _cx: &mut CcContext<'_>, cwnd: u32) {
        self.window.shrink(cwnd);
    }

    fn on_idle(&mut self, cx: &mut CcContext<'_>, idle_us: u64) {
        self.window.restart(cx, idle_us);
        self.train.forget_round();
    }

    fn window(&self) -> u32 {
        self.window.cwnd
    }

    fn threshold(&self) -> u32 {
        self.window.ssthresh
    }

    fn freeze(&self, out: &mut Vec<u8>) {
        self.window.freeze(out);
        freeze_u32s(out, &[self.w_max, self.cwnd_prior, self.delay_min_us]);
    }
}

#[cfg(test)]
mod tests;
