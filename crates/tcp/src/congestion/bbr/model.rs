//! What BBR measures: rounds, bandwidth, round-trip time, aggregation of ACKs, a full pipe, losses
//! (draft-ietf-ccwg-bbr §5.5).

use portolan_link::Instant;

use super::phases::Phase;
use super::{BETA, Bbr, INFINITE, ONE, Rs, hundredths};
use crate::congestion::CcContext;

/// BBR.MinRTTFilterLen and BBR.ProbeRTTInterval.
const MIN_RTT_US: u64 = 10_000_000;
const PROBE_RTT_US: u64 = 5_000_000;
/// A pipe that has not grown by a quarter in so many rounds is full.
const FULL_ROUNDS: u8 = 3;

/// Rounds: a round ends when something is delivered that was sent after it began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rounds {
    /// C.delivered, as of the last acknowledgement.
    delivered: u64,
    next_delivered: u64,
    pub(super) starts: bool,
    pub(super) count: u32,
    /// Whether the window was full in the last round, and in this.
    limited: (bool, bool),
    /// Samples of what was sent before so much was delivered were held down by ProbeRTT.
    pub(super) ignore_until: u64,
}

impl Rounds {
    pub(super) const FIRST: Rounds = Rounds {
        delivered: 0,
        next_delivered: 0,
        starts: false,
        count: 0,
        limited: (false, false),
        ignore_until: 0,
    };

    /// StartRound.
    pub(super) fn restart(&mut self) {
        self.next_delivered = self.delivered;
    }

    /// UpdateRound.
    fn update(&mut self, rs: &Rs) {
        self.delivered = rs.total;
        self.starts = rs.prior_delivered.is_some_and(|prior| prior >= self.next_delivered);
        if self.starts {
            self.restart();
            self.count = self.count.wrapping_add(1);
            self.limited = (self.limited.1, false);
        }
    }

    pub(super) fn note_window(&mut self, limited: bool) {
        self.limited.1 |= limited;
    }

    /// C.is_cwnd_limited.
    pub(super) fn is_cwnd_limited(&self) -> bool {
        self.limited.0 || self.limited.1
    }
}

/// The largest delivery rate of the last two bandwidth probes, and what losses allow of it. Octets per second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Bandwidth {
    /// BBR.max_bw_filter: in this probe's cycle, and in the one before.
    cycles: (u64, u64),
    /// BBR.bw_shortterm.
    pub(super) shortterm: u64,
    bw: u64,
}

impl Bandwidth {
    pub(super) const NONE: Bandwidth = Bandwidth { cycles: (0, 0), shortterm: u64::MAX, bw: 0 };

    /// BBR.max_bw.
    pub(super) fn max(&self) -> u64 {
        self.cycles.0.max(self.cycles.1)
    }

    /// BBR.bw.
    pub(super) fn bw(&self) -> u64 {
        self.bw
    }

    /// UpdateMaxBw.
    fn update(&mut self, rs: &Rs, app_limited: bool) {
        if rs.delivery_rate >= self.max() || !app_limited {
            self.cycles.0 = self.cycles.0.max(rs.delivery_rate);
        }
    }

    /// AdvanceMaxBwFilter; a cycle without a sample is none.
    pub(super) fn advance(&mut self) {
        if self.cycles.0 > 0 {
            self.cycles = (0, self.cycles.0);
        }
    }

    /// BoundBWForModel.
    pub(super) fn bound(&mut self) {
        self.bw = self.max().min(self.shortterm);
    }
}

/// The least round-trip time, by two filters of different length (§5.3.4.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct MinRtt {
    min_us: u32,
    min_at: Instant,
    /// BBR.probe_rtt_min_delay and its stamp.
    recent_us: u32,
    recent_at: Instant,
}

impl MinRtt {
    pub(super) const NONE: MinRtt =
        MinRtt { min_us: u32::MAX, min_at: Instant::ZERO, recent_us: u32::MAX, recent_at: Instant::ZERO };

    pub(super) fn begin(&mut self, now: Instant, srtt_us: u32) {
        self.min_us = if srtt_us == 0 { u32::MAX } else { srtt_us };
        (self.recent_us, self.min_at, self.recent_at) = (self.min_us, now, now);
    }

    /// BBR.min_rtt in microseconds.
    pub(super) fn get(&self) -> Option<u32> {
        (self.min_us < u32::MAX).then_some(self.min_us)
    }

    /// UpdateMinRTT; returns whether it is time for ProbeRTT.
    pub(super) fn update(&mut self, now: Instant, rtt_us: Option<u32>) -> bool {
        let expired = now.micros_since(self.recent_at) > PROBE_RTT_US;
        if let Some(rtt_us) = rtt_us.filter(|rtt_us| *rtt_us < self.recent_us || expired) {
            (self.recent_us, self.recent_at) = (rtt_us.max(1), now);
        }
        if self.recent_us < self.min_us || now.micros_since(self.min_at) > MIN_RTT_US {
            (self.min_us, self.min_at) = (self.recent_us, self.recent_at);
        }
        expired
    }

    /// The round trip has just been seen without a queue.
    pub(super) fn probed(&mut self, now: Instant) {
        self.recent_at = now;
    }
}

/// How much more than the bandwidth explains arrives at once (§5.5.9).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Aggregation {
    since: Instant,
    delivered: u32,
    /// The largest excess of the last rounds, and of those before: each half of the filter.
    halves: (u32, u32),
    half_began: u32,
}

impl Aggregation {
    pub(super) const NONE: Aggregation =
        Aggregation { since: Instant::ZERO, delivered: 0, halves: (0, 0), half_began: 0 };

    /// BBR.ExtraAckedFilterLen, in round trips.
    pub(super) const ROUNDS: u32 = 10;

    pub(super) fn begin(&mut self, now: Instant) {
        (self.since, self.delivered) = (now, 0);
    }

    /// BBR.extra_acked in octets.
    pub(super) fn extra(&self) -> u32 {
        self.halves.0.max(self.halves.1)
    }

    /// UpdateACKAggregation, with a filter of `rounds` round trips.
    pub(super) fn update(&mut self, rs: &Rs, bw: u64, cwnd: u32, round: u32, rounds: u32) {
        let half = rounds.div_ceil(2);
        if round.wrapping_sub(self.half_began) >= half {
            self.halves = (0, if rounds > 1 { self.halves.0 } else { 0 });
            self.half_began = round;
        }
        let elapsed_us = rs.now.micros_since(self.since);
        let mut expected = u128::from(bw) * u128::from(elapsed_us) / 1_000_000;
        if u128::from(self.delivered) <= expected {
            self.begin(rs.now);
            expected = 0;
        }
        self.delivered = self.delivered.saturating_add(rs.newly_acked);
        let extra = u128::from(self.delivered).saturating_sub(expected);
        let extra = u32::try_from(extra).unwrap_or(u32::MAX).min(cwnd);
        self.halves.0 = self.halves.0.max(extra);
    }
}

/// Whether all of the path's bandwidth has been found (§5.3.1.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct FullPipe {
    bw: u64,
    rounds: u8,
    /// BBR.full_bw_now.
    pub(super) now: bool,
    /// BBR.full_bw_reached.
    pub(super) reached: bool,
}

impl FullPipe {
    pub(super) const UNKNOWN: FullPipe = FullPipe { bw: 0, rounds: 0, now: false, reached: false };

    /// ResetFullBW, with a new baseline.
    pub(super) fn reset(&mut self, bw: u64) {
        *self = FullPipe { bw, reached: self.reached, ..FullPipe::UNKNOWN };
    }

    /// CheckFullBWReached.
    pub(super) fn check(&mut self, rs: &Rs, round_starts: bool) {
        if self.now || !round_starts || rs.app_limited {
            return;
        }
        if rs.delivery_rate >= self.bw.saturating_add(self.bw / 4) && rs.delivery_rate > 0 {
            self.reset(rs.delivery_rate);
            return;
        }
        self.rounds += 1;
        self.now = self.rounds >= FULL_ROUNDS;
        self.reached |= self.now;
    }
}

/// What losses say within a round of their own (§5.5.10).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Losses {
    /// BBR.is_loss_in_round.
    pub(super) in_round: bool,
    round_delivered: u64,
    round_starts: bool,
    /// Octets lost in this round, and acknowledgements that found some.
    pub(super) octets: u32,
    pub(super) events: u8,
    bw_latest: u64,
    pub(super) inflight_latest: u32,
    /// What to come back to if the losses were none: the limits before, and the phase that they ended.
    saved: (u64, u32, u32),
    pub(super) ended: Option<Phase>,
}

impl Losses {
    pub(super) const NONE: Losses = Losses {
        in_round: false,
        round_delivered: 0,
        round_starts: false,
        octets: 0,
        events: 0,
        bw_latest: 0,
        inflight_latest: 0,
        saved: (u64::MAX, INFINITE, INFINITE),
        ended: None,
    };

    /// UpdateLatestDeliverySignals.
    pub(super) fn update(&mut self, rs: &Rs) {
        self.bw_latest = self.bw_latest.max(rs.delivery_rate);
        self.inflight_latest = self.inflight_latest.max(rs.delivered);
        self.round_starts = rs.prior_delivered.is_some_and(|prior| prior >= self.round_delivered);
        if self.round_starts {
            self.round_delivered = rs.total;
        }
    }

    /// AdvanceLatestDeliverySignals.
    pub(super) fn advance(&mut self, rs: &Rs) {
        if self.round_starts {
            (self.bw_latest, self.inflight_latest) = (rs.delivery_rate, rs.delivered);
        }
    }

    /// ResetCongestionSignals.
    pub(super) fn reset(&mut self) {
        (self.in_round, self.bw_latest, self.inflight_latest) = (false, 0, 0);
    }
}

impl Bbr {
    /// NoteLoss and HandleLostPacket.
    pub(super) fn note_loss(&mut self, rs: &Rs) {
        if !self.losses.in_round {
            self.losses.round_delivered = rs.total;
            self.save_cwnd();
            self.save_state();
        }
        self.losses.in_round = true;
        self.losses.octets = self.losses.octets.saturating_add(rs.newly_lost);
        self.losses.events = self.losses.events.saturating_add(1);
        if self.probe.is_sample && rs.inflight_too_high() {
            self.handle_inflight_too_high(rs);
        }
    }

    /// UpdateCongestionSignals.
    pub(super) fn update_congestion_signals(&mut self, rs: &Rs) {
        self.rounds.update(rs);
        if self.rounds.starts {
            self.probe.rounds_since = self.probe.rounds_since.saturating_add(1);
        }
        let held_down = rs.prior_delivered.is_none_or(|prior| prior < self.rounds.ignore_until);
        self.bandwidth.update(rs, rs.app_limited || held_down);
        if !self.losses.round_starts {
            return;
        }
        if !self.phase.probes_bandwidth() && self.losses.in_round {
            self.lower_bounds();
        }
        self.check_startup_loss(rs);
        (self.losses.in_round, self.losses.octets, self.losses.events) = (false, 0, 0);
    }

    /// InitLowerBounds and LossLowerBounds.
    fn lower_bounds(&mut self) {
        let bw = self.bandwidth.shortterm.min(self.bandwidth.max());
        self.bandwidth.shortterm = self.losses.bw_latest.max(bw / u64::from(ONE) * u64::from(BETA));
        let inflight = self.inflight_shortterm.min(self.cwnd);
        self.inflight_shortterm = self.losses.inflight_latest.max(hundredths(inflight, BETA));
    }

    /// ResetShortTermModel.
    pub(super) fn reset_short_term(&mut self) {
        (self.bandwidth.shortterm, self.inflight_shortterm) = (u64::MAX, INFINITE);
    }

    /// SaveStateUponLoss.
    pub(super) fn save_state(&mut self) {
        self.losses.ended = None;
        self.losses.saved = (self.bandwidth.shortterm, self.inflight_shortterm, self.inflight_longterm);
    }

    /// What HandleSpuriousLossDetection does to the model.
    pub(super) fn restore_state(&mut self, cx: &CcContext<'_>) {
        self.losses.in_round = false;
        self.full_pipe.reset(0);
        let (bw, shortterm, longterm) = self.losses.saved;
        self.bandwidth.shortterm = self.bandwidth.shortterm.max(bw);
        self.inflight_shortterm = self.inflight_shortterm.max(shortterm);
        self.inflight_longterm = self.inflight_longterm.max(longterm);
        let ended = self.losses.ended.take();
        self.return_to(ended, cx.now);
    }
}
