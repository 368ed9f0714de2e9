//! BBR, version 3 (draft-ietf-ccwg-bbr): a model of the path instead of a reaction to losses.
//!
//! The path is a bandwidth and a round-trip time, both measured: the largest delivery rate of the last two probes,
//! and the least round trip of the last ten seconds. Text is paced at the bandwidth, and a little more than their
//! product is in flight. `model.rs` measures; `phases.rs` is the state machine that now and then sends more, to see
//! whether there is more, or less, to see the round trip without a queue; here is what follows for rate and window.
//!
//! Differences from the draft: losses are judged once for an acknowledgement, by its rate sample, and not for every
//! lost packet; and a mark of the network (RFC 3168), of which the draft says nothing, counts as a loss in its round.

mod model;
mod phases;

use alloc::vec::Vec;

use portolan_link::Instant;

use super::{
    AckSample, CcContext, CcInfo, CongestionControl, CongestionEvent, Prior, RateSample, Sent, WINDOW_MAX,
    freeze_u32s,
};
use model::{Aggregation, Bandwidth, FullPipe, Losses, MinRtt, Rounds};
use phases::{Phase, Probe, ProbeRtt};

/// Gains and other fractions are counted in hundredths.
const ONE: u32 = 100;
/// BBR.Beta, BBR.Headroom, BBR.LossThresh and BBR.PacingMarginPercent.
const BETA: u32 = 70;
const HEADROOM: u32 = 15;
const LOSS_THRESH: u32 = 2;
const PACING_MARGIN: u32 = 1;
/// BBR.MinPipeCwnd in segments.
const MIN_PIPE: u32 = 4;
/// The largest send quantum in octets.
const QUANTUM_MAX: u64 = 64 * 1024;
/// No limit.
const INFINITE: u32 = u32::MAX;

/// The controller of draft-ietf-ccwg-bbr.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bbr {
    cwnd: u32,
    /// Octets per second; 0 before anything was sent.
    pacing_rate: u64,
    /// BBR.prior_cwnd: the window before a recovery or a ProbeRTT, which gives it back.
    prior_cwnd: u32,
    in_recovery: bool,
    /// BBR.idle_restart.
    idle_restart: bool,
    phase: Phase,
    bandwidth: Bandwidth,
    rtt: MinRtt,
    rounds: Rounds,
    aggregation: Aggregation,
    full_pipe: FullPipe,
    losses: Losses,
    probe: Probe,
    probe_rtt: ProbeRtt,
    /// BBR.inflight_shortterm and BBR.inflight_longterm, in octets.
    inflight_shortterm: u32,
    inflight_longterm: u32,
}

/// What one acknowledgement says, in the draft's words: RS.* and the C.* of this moment.
#[derive(Clone, Copy, Debug)]
struct Rs {
    now: Instant,
    mss: u32,
    random: u64,
    /// RS.delivery_rate in octets per second; 0 if there is none.
    delivery_rate: u64,
    delivered: u32,
    prior_delivered: Option<u64>,
    tx_in_flight: u32,
    lost: u32,
    app_limited: bool,
    newly_acked: u32,
    newly_lost: u32,
    rtt_us: Option<u32>,
    /// C.delivered.
    total: u64,
    /// C.inflight, after the acknowledgement.
    in_flight: u32,
    /// C.InitialCwnd.
    initial_cwnd: u32,
}

impl Rs {
    fn new(cx: &CcContext<'_>, sample: &AckSample) -> Rs {
        let rate = sample.rate;
        Rs {
            now: cx.now,
            mss: cx.mss.into(),
            random: cx.random,
            delivery_rate: rate.as_ref().map_or(0, RateSample::octets_per_s),
            delivered: rate.map_or(0, |rate| rate.delivered),
            prior_delivered: rate.map(|rate| rate.prior_delivered),
            tx_in_flight: rate.map_or(0, |rate| rate.tx_in_flight),
            lost: rate.map_or(0, |rate| rate.lost),
            app_limited: rate.is_none_or(|rate| rate.app_limited),
            newly_acked: sample.delivered,
            newly_lost: sample.lost,
            rtt_us: sample.rtt_us,
            total: sample.delivered_total,
            in_flight: sample.prior_in_flight.saturating_sub(sample.delivered.saturating_add(sample.lost)),
            initial_cwnd: cx.initial_window(),
        }
    }

    /// IsInflightTooHigh.
    fn inflight_too_high(&self) -> bool {
        u64::from(self.lost) * u64::from(ONE) > u64::from(self.tx_in_flight) * u64::from(LOSS_THRESH)
    }
}

/// `value` times so many hundredths.
fn hundredths(value: u32, percent: u32) -> u32 {
    let product = u64::from(value) * u64::from(percent) / u64::from(ONE);
    u32::try_from(product).unwrap_or(u32::MAX)
}

impl Bbr {
    /// A controller in Startup with a window of `cwnd` octets.
    #[must_use]
    pub const fn new(cwnd: u32) -> Bbr {
        Bbr {
            cwnd,
            pacing_rate: 0,
            prior_cwnd: 0,
            in_recovery: false,
            idle_restart: false,
            phase: Phase::Startup,
            bandwidth: Bandwidth::NONE,
            rtt: MinRtt::NONE,
            rounds: Rounds::FIRST,
            aggregation: Aggregation::NONE,
            full_pipe: FullPipe::UNKNOWN,
            losses: Losses::NONE,
            probe: Probe::NONE,
            probe_rtt: ProbeRtt::NONE,
            inflight_shortterm: INFINITE,
            inflight_longterm: INFINITE,
        }
    }

    /// InitPacingRate: the window in a round trip, or in a millisecond if none is known.
    fn begin(&mut self, cx: &CcContext<'_>) {
        if self.pacing_rate == 0 {
            let srtt_us = if cx.srtt_us == 0 { 1_000 } else { cx.srtt_us };
            let nominal = u64::from(self.cwnd) * 1_000_000 / u64::from(srtt_us);
            self.pacing_rate = (nominal * u64::from(Phase::Startup.pacing_gain()) / u64::from(ONE)).max(1);
            self.rtt.begin(cx.now, cx.srtt_us);
            self.aggregation.begin(cx.now);
        }
    }

    /// SetPacingRateWithGain.
    fn set_pacing_rate(&mut self, gain: u32) {
        let percent = u64::from(gain) * u64::from(ONE - PACING_MARGIN);
        let rate = self.bandwidth.bw().saturating_mul(percent) / u64::from(ONE * ONE);
        if rate > 0 && (self.full_pipe.reached || rate > self.pacing_rate) {
            self.pacing_rate = rate;
        }
    }

    /// SetSendQuantum.
    fn send_quantum(&self, mss: u32) -> u32 {
        let quantum = (self.pacing_rate / 1_000).min(QUANTUM_MAX);
        u32::try_from(quantum).unwrap_or(u32::MAX).max(2 * mss)
    }

    /// BDPMultiple, for a bandwidth of `bw` octets per second.
    fn bdp(&self, rs: &Rs, bw: u64, gain: u32) -> u32 {
        let Some(rtt_us) = self.rtt.get() else { return rs.initial_cwnd };
        let octets = u128::from(bw) * u128::from(rtt_us) * u128::from(gain) / u128::from(1_000_000 * ONE);
        u32::try_from(octets).unwrap_or(WINDOW_MAX).min(WINDOW_MAX)
    }

    /// QuantizationBudget.
    fn with_budget(&self, rs: &Rs, inflight: u32) -> u32 {
        let budget = self.send_quantum(rs.mss).saturating_mul(3);
        let probing = if self.phase == Phase::Up { 2 * rs.mss } else { 0 };
        inflight.max(budget).max(MIN_PIPE * rs.mss).saturating_add(probing)
    }

    /// Inflight.
    fn inflight(&self, rs: &Rs, bw: u64, gain: u32) -> u32 {
        self.with_budget(rs, self.bdp(rs, bw, gain))
    }

    /// TargetInflight.
    fn target_inflight(&self, rs: &Rs) -> u32 {
        self.bdp(rs, self.bandwidth.bw(), ONE).min(self.cwnd)
    }

    /// InflightWithHeadroom.
    fn inflight_with_headroom(&self, rs: &Rs) -> u32 {
        if self.inflight_longterm == INFINITE {
            return INFINITE;
        }
        let headroom = hundredths(self.inflight_longterm, HEADROOM).max(rs.mss);
        self.inflight_longterm.saturating_sub(headroom).max(MIN_PIPE * rs.mss)
    }

    /// ProbeRTTCwnd.
    fn probe_rtt_cwnd(&self, rs: &Rs) -> u32 {
        let gain = Phase::ProbeRtt.cwnd_gain();
        self.bdp(rs, self.bandwidth.bw(), gain).max(MIN_PIPE * rs.mss)
    }

    /// SetCwnd.
    fn set_cwnd(&mut self, rs: &Rs) {
        let bdp = self.bdp(rs, self.bandwidth.bw(), self.phase.cwnd_gain());
        let most = self.with_budget(rs, bdp.saturating_add(self.aggregation.extra()));
        let grown = self.cwnd.saturating_add(rs.newly_acked);
        if self.full_pipe.reached {
            self.cwnd = grown.min(most);
        } else if self.cwnd < most || rs.total < u64::from(rs.initial_cwnd) {
            self.cwnd = grown;
        }
        self.cwnd = self.cwnd.max(MIN_PIPE * rs.mss).min(WINDOW_MAX);
        if self.phase == Phase::ProbeRtt {
            self.cwnd = self.cwnd.min(self.probe_rtt_cwnd(rs));
        }
        let cap = match self.phase {
            Phase::Down | Phase::Refill | Phase::Up => self.inflight_longterm,
            Phase::Cruise | Phase::ProbeRtt => self.inflight_with_headroom(rs),
            Phase::Startup | Phase::Drain => INFINITE,
        };
        self.cwnd = self.cwnd.min(cap.min(self.inflight_shortterm).max(MIN_PIPE * rs.mss));
    }

    /// SaveCwnd.
    fn save_cwnd(&mut self) {
        let nested = self.in_recovery || self.phase == Phase::ProbeRtt;
        self.prior_cwnd = if nested { self.prior_cwnd.max(self.cwnd) } else { self.cwnd };
    }

    /// RestoreCwnd.
    fn restore_cwnd(&mut self) {
        self.cwnd = self.cwnd.max(self.prior_cwnd);
    }
}

impl CongestionControl for Bbr {
    fn name(&self) -> &'static str {
        "bbr"
    }

    /// OnTransmit.
    fn on_transmit(&mut self, cx: &mut CcContext<'_>, segment: &Sent) {
        self.begin(cx);
        if cx.in_flight > 0 || !segment.app_limited {
            return;
        }
        self.idle_restart = true;
        self.aggregation.begin(cx.now);
        if self.phase.is_probe_bw() {
            self.set_pacing_rate(ONE);
        } else if self.phase == Phase::ProbeRtt && self.probe_rtt.is_over(cx.now) {
            self.leave_probe_rtt(cx.now, cx.random);
        }
    }

    /// UpdateOnACK.
    fn on_ack(&mut self, cx: &mut CcContext<'_>, sample: &AckSample) {
        self.begin(cx);
        let limited = sample.prior_in_flight.saturating_add(cx.mss.into()) > self.cwnd;
        self.rounds.note_window(limited);
        let rs = Rs::new(cx, sample);
        if rs.newly_lost > 0 {
            self.note_loss(&rs);
        }
        self.losses.update(&rs);
        self.update_congestion_signals(&rs);
        let max = if self.full_pipe.reached { Aggregation::ROUNDS } else { 1 };
        self.aggregation.update(&rs, self.bandwidth.bw(), self.cwnd, self.rounds.count, max);
        self.full_pipe.check(&rs, self.rounds.starts);
        self.check_startup_done();
        self.check_drain_done(&rs);
        self.update_probe_bw(&rs);
        let expired = self.rtt.update(rs.now, rs.rtt_us);
        self.check_probe_rtt(&rs, expired);
        self.losses.advance(&rs);
        self.bandwidth.bound();
        self.set_pacing_rate(self.phase.pacing_gain());
        self.set_cwnd(&rs);
    }

    /// OnEnterFastRecovery.
    fn on_congestion(&mut self, cx: &mut CcContext<'_>, event: CongestionEvent) {
        self.begin(cx);
        match event {
            CongestionEvent::Loss => {
                self.save_cwnd();
                self.save_state();
                self.in_recovery = true;
            }
            CongestionEvent::Ecn => self.losses.in_round = true,
        }
    }

    fn on_recovered(&mut self, _cx: &mut CcContext<'_>) {
        self.in_recovery = false;
        self.restore_cwnd();
    }

    /// OnEnterRTO.
    fn on_timeout(&mut self, cx: &mut CcContext<'_>, _first: bool) {
        self.save_cwnd();
        self.save_state();
        self.in_recovery = true;
        self.cwnd = cx.in_flight.saturating_add(cx.mss.into());
    }

    /// HandleSpuriousLossDetection.
    fn on_spurious(&mut self, cx: &mut CcContext<'_>, _prior: &Prior) {
        self.in_recovery = false;
        self.restore_cwnd();
        self.restore_state(cx);
    }

    /// The model outlasts a pause: what is sent after it is paced.
    fn on_idle(&mut self, _cx: &mut CcContext<'_>, _idle_us: u64) {}

    fn window(&self) -> u32 {
        self.cwnd
    }

    fn has_own_recovery(&self) -> bool {
        true
    }

    fn pacing_rate(&self) -> Option<u64> {
        (self.pacing_rate > 0).then_some(self.pacing_rate)
    }

    fn info(&self) -> CcInfo {
        let per_256 = |gain: u32| gain * 256 / ONE;
        CcInfo::Bbr {
            bandwidth: self.bandwidth.bw(),
            min_rtt_us: self.rtt.get().unwrap_or(u32::MAX),
            pacing_gain_per_256: per_256(self.phase.pacing_gain()),
            cwnd_gain_per_256: per_256(self.phase.cwnd_gain()),
        }
    }

    fn freeze(&self, out: &mut Vec<u8>) {
        freeze_u32s(out, &[self.cwnd, self.prior_cwnd, self.inflight_shortterm, self.inflight_longterm]);
        out.extend_from_slice(&self.pacing_rate.to_be_bytes());
        out.extend_from_slice(&self.bandwidth.bw().to_be_bytes());
        freeze_u32s(out, &[self.rtt.get().unwrap_or(u32::MAX)]);
    }
}

#[cfg(test)]
mod tests;
