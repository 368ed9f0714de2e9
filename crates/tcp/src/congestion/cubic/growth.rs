//! What an acknowledgement in congestion avoidance makes of the cubic function (RFC 9438 §4.3 to §4.5).

use portolan_link::Instant;

use super::{Cubic, CubicRules, curve};
use crate::congestion::{CcContext, WINDOW_MAX};

/// Linux looks at the function no more often than this, in microseconds, unless the window has changed.
const LOOK_US: u64 = 31_999;

/// One stage of congestion avoidance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Epoch {
    started_at: Instant,
    /// K in 1/1024 s.
    pub(super) k: u64,
    /// The plateau of the function, in octets.
    pub(super) origin: u32,
    /// W_est in octets: what Reno would have (RFC 9438 §4.3).
    w_est: u32,
    /// What has been acknowledged toward the next growth of `w_est`.
    credit: u64,
    /// Linux's rules: octets to be acknowledged for one segment of growth, when that was worked out, and for which
    /// window.
    step: u32,
    looked_at: Instant,
    looked_for: u32,
}

impl Epoch {
    pub(super) fn age_us(&self, now: Instant) -> u64 {
        now.micros_since(self.started_at)
    }

    /// The function stood still for so many microseconds.
    pub(super) fn postpone(&mut self, micros: u64, now: Instant) {
        self.started_at = self.started_at.plus_micros(micros).min(now);
    }

    /// W_cubic in octets, `ahead_us` from now.
    fn window(&self, now: Instant, ahead_us: u32, mss: u16) -> u32 {
        let time = curve::units(self.age_us(now) + u64::from(ahead_us));
        match curve::offset(time, self.k, mss) {
            (octets, true) => self.origin.saturating_add(octets),
            (octets, false) => self.origin.saturating_sub(octets),
        }
    }
}

impl Cubic {
    /// `acked` octets were acknowledged in congestion avoidance.
    pub(super) fn avoid(&mut self, cx: &CcContext<'_>, acked: u32) {
        let mut epoch = self.epoch.unwrap_or_else(|| self.new_epoch(cx));
        match cx.config.cubic_rules {
            CubicRules::Rfc9438 => self.follow(&mut epoch, cx, acked),
            CubicRules::Linux | CubicRules::LinuxBefore614 => self.follow_as_linux(&mut epoch, cx, acked),
        }
        self.epoch = Some(epoch);
    }

    fn new_epoch(&self, cx: &CcContext<'_>) -> Epoch {
        let cwnd = self.window.cwnd;
        // RFC 9438 §4.8, §4.10: without a W_max to come back to, the plateau is here.
        let (k, origin) = match self.w_max.checked_sub(cwnd) {
            None | Some(0) => (0, cwnd),
            Some(below) => (curve::time_to_grow(below, cx.mss), self.w_max),
        };
        Epoch {
            started_at: cx.now,
            k,
            origin,
            w_est: cwnd,
            credit: 0,
            step: 0,
            looked_at: Instant::ZERO,
            looked_for: 0,
        }
    }

    fn follow(&mut self, epoch: &mut Epoch, cx: &CcContext<'_>, acked: u32) {
        let cwnd = self.window.cwnd.max(1);
        // RFC 9438 §4.3: alpha_cubic = 3 (1 - beta) / (1 + beta) = 9/17; and 1 from the last maximum on.
        let (alpha, of) =
            if epoch.w_est >= self.cwnd_prior { (17_u64, 17) } else { planted!(36, (17, 17), (9, 17)) };
        epoch.credit += alpha * u64::from(cx.mss) * u64::from(acked);
        let unit = of * u64::from(cwnd);
        let grown = u32::try_from(epoch.credit / unit).unwrap_or(u32::MAX);
        epoch.w_est = epoch.w_est.saturating_add(grown).min(WINDOW_MAX);
        epoch.credit %= unit;
        if epoch.window(cx.now, 0, cx.mss) < epoch.w_est {
            // The Reno-friendly region.
            self.window.cwnd = self.window.cwnd.max(epoch.w_est);
            return;
        }
        // RFC 9438 §4.4 and §4.5: toward where the function is after the next round trip, in that round trip.
        let target = epoch.window(cx.now, cx.srtt_us, cx.mss).min(curve::share(cwnd, 3, 2));
        if let Some(growth) = target.checked_sub(cwnd).filter(|growth| *growth > 0) {
            self.window.avoid(acked, step_for(cwnd, growth, cx.mss), cx.mss);
        }
    }

    fn follow_as_linux(&mut self, epoch: &mut Epoch, cx: &CcContext<'_>, acked: u32) {
        let mss = u32::from(cx.mss);
        let cwnd = self.window.cwnd / mss;
        epoch.credit += u64::from(acked);
        if epoch.looked_for != cwnd || cx.now.micros_since(epoch.looked_at) > LOOK_US {
            (epoch.looked_for, epoch.looked_at) = (cwnd, cx.now);
            epoch.step = self.step_as_linux(epoch, cx, cwnd).saturating_mul(mss);
        }
        self.window.avoid(acked, epoch.step, cx.mss);
    }

    /// Segments to be acknowledged for one of growth.
    fn step_as_linux(&self, epoch: &mut Epoch, cx: &CcContext<'_>, cwnd: u32) -> u32 {
        let mss = u32::from(cx.mss);
        let time = curve::units(epoch.age_us(cx.now) + u64::from(self.delay_min_us));
        let (distance, above) = curve::offset(time, epoch.k, cx.mss);
        let (origin, distance) = (epoch.origin / mss, distance / mss);
        let target = if above { origin.saturating_add(distance) } else { origin.saturating_sub(distance) };
        let mut step = match target.checked_sub(cwnd) {
            None | Some(0) => cwnd.saturating_mul(100),
            Some(growth) => cwnd / growth,
        };
        if self.w_max == 0 {
            step = step.min(20);
        }
        // One segment of Reno's for 15/8 of the window.
        let reno = u64::from((cwnd * 15 / 8).max(1)) * u64::from(mss);
        while epoch.credit > reno {
            epoch.credit -= reno;
            epoch.w_est = epoch.w_est.saturating_add(mss);
        }
        if let Some(ahead) = (epoch.w_est / mss).checked_sub(cwnd).filter(|ahead| *ahead > 0) {
            step = step.min(cwnd / ahead);
        }
        step.max(2)
    }
}

/// Octets to be acknowledged for one segment of growth, so that a window of them makes `growth` octets.
fn step_for(cwnd: u32, growth: u32, mss: u16) -> u32 {
    curve::share(cwnd, u32::from(mss), growth).max(1)
}
