//! BBR's state machine (draft-ietf-ccwg-bbr §5.3): Startup and Drain once, then cycles of Down, Cruise, Refill and Up,
//! and every five seconds ProbeRTT.

use portolan_link::Instant;

use super::{BETA, Bbr, INFINITE, LOSS_THRESH, ONE, Rs, hundredths};

/// BBR.ProbeRTTDuration.
const PROBE_RTT_US: u64 = 200_000;
/// BBRStartupFullLossCnt.
const STARTUP_LOSSES: u8 = 6;
/// After so many rounds without an own probe, a Reno flow beside this one would have made up for its last loss.
const RENO_ROUNDS_MAX: u32 = 63;
/// The window may be this many rounds too large in Drain.
const DRAIN_ROUNDS: u32 = 3;
/// The steepest growth in Up: 2^30 segments in a round.
const SLOPE_MAX: u8 = 30;

/// What BBR is at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Looking for the bandwidth, doubling.
    Startup,
    /// Giving the queue back that Startup has made.
    Drain,
    /// ProbeBW_DOWN: leaving room for others.
    Down,
    /// ProbeBW_CRUISE: sending as fast as the model says.
    Cruise,
    /// ProbeBW_REFILL: filling the pipe, before looking for more.
    Refill,
    /// ProbeBW_UP: looking for more bandwidth.
    Up,
    /// Emptying the queue to see the round-trip time.
    ProbeRtt,
}

impl Phase {
    /// BBR.pacing_gain, in hundredths (§5.6.1, the table).
    pub(super) const fn pacing_gain(self) -> u32 {
        match self {
            Phase::Startup => 277,
            Phase::Drain => 50,
            Phase::Down => 90,
            Phase::Cruise | Phase::Refill | Phase::ProbeRtt => ONE,
            Phase::Up => 125,
        }
    }

    /// BBR.cwnd_gain, in hundredths.
    pub(super) const fn cwnd_gain(self) -> u32 {
        match self {
            Phase::Up => 225,
            Phase::ProbeRtt => 50,
            _ => 200,
        }
    }

    /// IsInAProbeBWState.
    pub(super) const fn is_probe_bw(self) -> bool {
        matches!(self, Phase::Down | Phase::Cruise | Phase::Refill | Phase::Up)
    }

    /// IsProbingBW.
    pub(super) const fn probes_bandwidth(self) -> bool {
        matches!(self, Phase::Startup | Phase::Refill | Phase::Up)
    }
}

/// What the acknowledgements that come now tell (BBR.ack_phase).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AckPhase {
    Init,
    Refilling,
    Starting,
    Feedback,
    Stopping,
}

/// The probing of bandwidth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Probe {
    ack_phase: AckPhase,
    /// BBR.cycle_stamp, and BBR.bw_probe_wait in microseconds.
    cycle_at: Instant,
    wait_us: u64,
    /// BBR.rounds_since_probe_up.
    pub(super) rounds_since: u32,
    /// BBR.is_bw_probe_sample.
    pub(super) is_sample: bool,
    /// BBR.prev_probe_too_high and BBR.prev_probe_precautionary.
    too_high: bool,
    precautionary: bool,
    /// BBR.probe_up_acked_per_inc, BBR.bw_probe_up_acked and BBR.bw_probe_up_rounds.
    per_growth: u32,
    acked: u32,
    slope: u8,
    /// BBR.drain_start_round.
    drain_began: u32,
}

impl Probe {
    pub(super) const NONE: Probe = Probe {
        ack_phase: AckPhase::Init,
        cycle_at: Instant::ZERO,
        wait_us: 0,
        rounds_since: 0,
        is_sample: false,
        too_high: false,
        precautionary: false,
        per_growth: u32::MAX,
        acked: 0,
        slope: 0,
        drain_began: 0,
    };
}

/// The probing of the round-trip time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ProbeRtt {
    /// BBR.probe_rtt_done_stamp.
    done_at: Option<Instant>,
    round_done: bool,
}

impl ProbeRtt {
    pub(super) const NONE: ProbeRtt = ProbeRtt { done_at: None, round_done: false };

    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.done_at.is_some_and(|at| now > at)
    }
}

impl Bbr {
    /// CheckStartupDone.
    pub(super) fn check_startup_done(&mut self) {
        if self.phase == Phase::Startup && self.full_pipe.reached {
            self.phase = Phase::Drain;
            self.probe.drain_began = self.rounds.count;
            self.rounds.restart();
        }
    }

    /// CheckStartupHighLoss: a round of recovery in which much was lost, in several places.
    pub(super) fn check_startup_loss(&mut self, rs: &Rs) {
        let lost = u64::from(self.losses.octets) * u64::from(ONE);
        let much = lost > u64::from(self.losses.inflight_latest.max(rs.delivered)) * u64::from(LOSS_THRESH);
        let often = self.losses.events >= STARTUP_LOSSES;
        if self.phase == Phase::Startup && self.in_recovery && often && much {
            self.full_pipe.reached = true;
            let bdp = self.bdp(rs, self.bandwidth.max(), ONE);
            self.inflight_longterm = bdp.max(self.losses.inflight_latest);
            self.losses.ended = Some(Phase::Startup);
        }
    }

    /// CheckDrainDone.
    pub(super) fn check_drain_done(&mut self, rs: &Rs) {
        let long = self.rounds.count.wrapping_sub(self.probe.drain_began) > DRAIN_ROUNDS;
        let drained = rs.in_flight <= self.inflight(rs, self.bandwidth.bw(), ONE);
        if self.phase == Phase::Drain && (drained || long) {
            self.start_down(rs.now, rs.random);
        }
    }

    /// StartProbeBW_DOWN.
    fn start_down(&mut self, now: Instant, random: u64) {
        self.losses.reset();
        self.probe.per_growth = u32::MAX;
        // PickProbeWait: 0 or 1 rounds, and 2 to 3 seconds.
        self.probe.rounds_since = u32::from(random & 1 == 1);
        self.probe.wait_us = 2_000_000 + (random >> 1) % 1_000_000;
        self.probe.cycle_at = now;
        self.probe.ack_phase = AckPhase::Stopping;
        self.rounds.restart();
        self.phase = Phase::Down;
    }

    /// StartProbeBW_REFILL.
    fn start_refill(&mut self) {
        self.reset_short_term();
        (self.probe.slope, self.probe.acked, self.probe.precautionary) = (0, 0, false);
        self.probe.ack_phase = AckPhase::Refilling;
        self.rounds.restart();
        self.phase = Phase::Refill;
    }

    /// StartProbeBW_UP.
    fn start_up(&mut self, rs: &Rs) {
        self.probe.ack_phase = AckPhase::Starting;
        self.rounds.restart();
        self.full_pipe.reset(rs.delivery_rate);
        self.phase = Phase::Up;
        self.raise_slope(rs);
    }

    /// UpdateProbeBWCyclePhase.
    pub(super) fn update_probe_bw(&mut self, rs: &Rs) {
        if !self.full_pipe.reached || self.adapt_long_term(rs) {
            return;
        }
        let phase = self.phase;
        match phase {
            Phase::Down | Phase::Cruise if self.is_time_to_probe(rs) => self.start_refill(),
            Phase::Down if self.is_time_to_cruise(rs) => self.phase = Phase::Cruise,
            Phase::Refill if self.rounds.starts => {
                self.probe.is_sample = true;
                self.start_up(rs);
            }
            Phase::Up if self.is_time_to_go_down(rs) => {
                self.probe.too_high = false;
                self.start_down(rs.now, rs.random);
            }
            _ => {}
        }
    }

    /// IsTimeToProbeBW.
    fn is_time_to_probe(&self, rs: &Rs) -> bool {
        let reno_rounds = (self.target_inflight(rs) / rs.mss.max(1)).min(RENO_ROUNDS_MAX);
        let waited = rs.now.micros_since(self.probe.cycle_at) > self.probe.wait_us;
        waited || self.probe.rounds_since >= reno_rounds
    }

    fn is_time_to_cruise(&self, rs: &Rs) -> bool {
        rs.in_flight <= self.inflight_with_headroom(rs)
            && rs.in_flight <= self.inflight(rs, self.bandwidth.max(), ONE)
    }

    fn is_time_to_go_down(&mut self, rs: &Rs) -> bool {
        if self.probe.too_high && rs.in_flight >= self.inflight_longterm {
            self.probe.precautionary = true;
            return true;
        }
        if self.rounds.is_cwnd_limited() && self.cwnd >= self.inflight_longterm {
            // The limit that is being raised holds the bandwidth down.
            self.full_pipe.reset(rs.delivery_rate);
            return false;
        }
        self.full_pipe.now
    }

    /// RaiseInflightLongtermSlope.
    fn raise_slope(&mut self, rs: &Rs) {
        self.probe.per_growth = (self.cwnd >> self.probe.slope).max(rs.mss);
        self.probe.slope = (self.probe.slope + 1).min(SLOPE_MAX);
    }

    /// ProbeInflightLongtermUpward.
    fn raise_inflight(&mut self, rs: &Rs) {
        if !self.rounds.is_cwnd_limited() || self.cwnd < self.inflight_longterm {
            return;
        }
        self.probe.acked = self.probe.acked.saturating_add(rs.newly_acked);
        let growth = self.probe.acked / self.probe.per_growth.max(1);
        self.probe.acked -= growth * self.probe.per_growth;
        self.inflight_longterm = self.inflight_longterm.saturating_add(growth.saturating_mul(rs.mss));
        if self.rounds.starts {
            self.raise_slope(rs);
        }
    }

    /// AdaptLongTermModel; returns whether it has decided on a phase.
    fn adapt_long_term(&mut self, rs: &Rs) -> bool {
        if self.probe.ack_phase == AckPhase::Starting && self.rounds.starts {
            self.probe.ack_phase = AckPhase::Feedback;
        }
        if self.probe.ack_phase == AckPhase::Stopping && self.rounds.starts {
            self.probe.is_sample = false;
            self.probe.ack_phase = AckPhase::Init;
            if self.phase.is_probe_bw() && !rs.app_limited {
                self.bandwidth.advance();
            }
            if self.phase.is_probe_bw() && self.probe.precautionary && !self.probe.too_high {
                self.start_refill();
                return true;
            }
        }
        if !rs.inflight_too_high() && self.inflight_longterm != INFINITE {
            self.inflight_longterm = self.inflight_longterm.max(rs.tx_in_flight);
            if self.phase == Phase::Up {
                self.raise_inflight(rs);
            }
        }
        false
    }

    /// HandleInflightTooHigh.
    pub(super) fn handle_inflight_too_high(&mut self, rs: &Rs) {
        self.probe.too_high = true;
        // Once for each probe.
        self.probe.is_sample = false;
        if !rs.app_limited {
            self.inflight_longterm = rs.tx_in_flight.max(hundredths(self.target_inflight(rs), BETA));
        }
        if self.phase == Phase::Up {
            self.losses.ended = Some(Phase::Up);
            self.start_down(rs.now, rs.random);
        }
    }

    /// CheckProbeRTT.
    pub(super) fn check_probe_rtt(&mut self, rs: &Rs, expired: bool) {
        if self.phase != Phase::ProbeRtt && expired && !self.idle_restart {
            self.save_cwnd();
            self.phase = Phase::ProbeRtt;
            self.probe_rtt = ProbeRtt::NONE;
            self.probe.ack_phase = AckPhase::Stopping;
            self.rounds.restart();
        }
        if self.phase == Phase::ProbeRtt {
            self.handle_probe_rtt(rs);
        }
        if rs.delivered > 0 {
            self.idle_restart = false;
        }
    }

    /// HandleProbeRTT.
    fn handle_probe_rtt(&mut self, rs: &Rs) {
        // What is sent now is held down by this, and tells nothing of the bandwidth.
        self.rounds.ignore_until = rs.total.saturating_add(rs.in_flight.into());
        match self.probe_rtt.done_at {
            None if rs.in_flight <= self.probe_rtt_cwnd(rs) => {
                let done_at = rs.now.plus_micros(PROBE_RTT_US);
                self.probe_rtt = ProbeRtt { done_at: Some(done_at), round_done: false };
                self.rounds.restart();
            }
            None => {}
            Some(_) => {
                self.probe_rtt.round_done |= self.rounds.starts;
                if self.probe_rtt.round_done && self.probe_rtt.is_over(rs.now) {
                    self.leave_probe_rtt(rs.now, rs.random);
                }
            }
        }
    }

    /// What CheckProbeRTTDone does at the end, and ExitProbeRTT.
    pub(super) fn leave_probe_rtt(&mut self, now: Instant, random: u64) {
        self.rtt.probed(now);
        self.restore_cwnd();
        self.reset_short_term();
        if self.full_pipe.reached {
            self.start_down(now, random);
            self.phase = Phase::Cruise;
        } else {
            self.phase = Phase::Startup;
        }
    }

    /// The losses that ended this phase were none.
    pub(super) fn return_to(&mut self, ended: Option<Phase>, now: Instant) {
        match ended {
            Some(Phase::Startup) if self.phase != Phase::Startup => {
                self.full_pipe.reached = false;
                if self.phase != Phase::ProbeRtt {
                    self.phase = Phase::Startup;
                }
            }
            Some(Phase::Up) if self.phase != Phase::Up && self.phase != Phase::ProbeRtt => {
                self.probe.cycle_at = now;
                self.start_refill();
            }
            _ => {}
        }
    }
}
