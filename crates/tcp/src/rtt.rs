//! The round-trip time and the retransmission timeout (RFC 6298; RFC 7323 appendix G).
//!
//! With timestamps or SACK nearly every ACK measures, many times in a round trip. RFC 6298's weights would then
//! forget the variation of a path within one window of text. So the margin above the smoothed time follows the
//! largest mean deviation of each round trip, and shrinks once per round trip only, as on Linux. With the knob
//! [`Config::rtt_averaging`] the weights are divided by the number of measurements besides.

use portolan_link::Instant;
use portolan_wire::SeqNumber;

use crate::Config;
use crate::numbers::micros_u32;

/// Longer measurements count as this: one minute.
const SAMPLE_MAX_US: u64 = 60_000_000;

/// The least round trip is that of the last five minutes or so (Linux's `tcp_min_rtt_wlen`); in microseconds, half
/// of it.
const MIN_HALF_US: u64 = 150_000_000;

/// The estimate, with fractional bits so that small weights do not vanish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rtt {
    /// Eighths of a microsecond; 0 before the first measurement.
    srtt: u32,
    /// RTTVAR, in quarters of a microsecond.
    rttvar: u32,
    /// RFC 6298's 4 * RTTVAR in microseconds, and not less than the least margin. Before the first measurement,
    /// the RTO.
    margin_us: u32,
    /// `u32::MAX` before the first measurement.
    min_us: u32,
}

/// What belongs to the round trip that is under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct RttRound {
    /// It ends when this is acknowledged; `None` before the first measurement.
    end: Option<SeqNumber>,
    /// The largest margin that it called for, in microseconds.
    most_us: u32,
    /// The least round trip since `min_since`, in microseconds.
    min_us: u32,
    min_since: Instant,
}

impl Rtt {
    pub(crate) fn new(config: &Config) -> Rtt {
        Rtt { srtt: 0, rttvar: 0, margin_us: config.rto_initial_us, min_us: u32::MAX }
    }

    /// Takes in a measurement, one of `expected` in a round trip; SND.UNA and SND.NXT are `una` and `nxt`.
    pub(crate) fn sample(
        &mut self,
        config: &Config,
        round: &mut RttRound,
        sample_us: u64,
        expected: u32,
        (una, nxt): (SeqNumber, SeqNumber),
    ) {
        let sample_us = micros_u32(sample_us.clamp(1, SAMPLE_MAX_US));
        if self.srtt == 0 {
            // RFC 6298 §2.2.
            self.srtt = sample_us << 3;
            self.rttvar = sample_us << 1;
            self.margin_us = self.rttvar.max(config.rto_min_us);
            return;
        }
        self.deviate(sample_us, expected.max(1));
        round.most_us = round.most_us.max(self.rttvar).max(config.rto_min_us);
        self.margin_us = self.margin_us.max(round.most_us);
        if round.end.is_none_or(|end| una.after(end)) {
            if round.end.is_some() {
                self.margin_us -= (self.margin_us - round.most_us) / 4;
            }
            (round.end, round.most_us) = (Some(nxt), config.rto_min_us);
        }
    }

    /// RFC 6298 §2.3, alpha = 1/8 and beta = 1/4; RFC 7323 appendix G: both divided by `expected`.
    fn deviate(&mut self, sample_us: u32, expected: u32) {
        let srtt_us = self.srtt >> 3;
        let error_us = sample_us.abs_diff(srtt_us);
        let mean_us = self.rttvar >> 2;
        if error_us <= mean_us {
            self.rttvar -= (mean_us - error_us) / expected;
        } else if sample_us < srtt_us {
            // A sudden drop is not a reason to wait for longer.
            self.rttvar += ((error_us - mean_us) >> 3) / expected;
        } else {
            self.rttvar += (error_us - mean_us) / expected;
        }
        let step = error_us / expected;
        self.srtt = if sample_us > srtt_us { self.srtt + step } else { (self.srtt - step).max(8) };
    }

    /// Takes in the latest measurement for the least one, which is what the path takes without queues.
    pub(crate) fn sample_min(&mut self, round: &mut RttRound, sample_us: u64, now: Instant) {
        let sample_us = micros_u32(sample_us.clamp(1, SAMPLE_MAX_US));
        if sample_us <= self.min_us || round.min_us == 0 {
            self.min_us = self.min_us.min(sample_us);
            (round.min_us, round.min_since) = (sample_us, now);
            return;
        }
        round.min_us = round.min_us.min(sample_us);
        if now.micros_since(round.min_since) > MIN_HALF_US {
            self.min_us = round.min_us;
            (round.min_us, round.min_since) = (sample_us, now);
        }
    }

    /// RFC 6298 §5.7: with a SYN lost and nothing measured, text is sent with a timeout of 3 seconds.
    pub(crate) fn on_syn_lost(&mut self, config: &Config) {
        if self.srtt == 0 {
            self.margin_us = self.margin_us.max(3_000_000).min(config.rto_max_us);
        }
    }

    /// The timeout after `backoffs` timeouts in a row (RFC 6298 §5.5).
    pub(crate) fn rto_us(&self, config: &Config, backoffs: u8) -> u32 {
        let rto_us = self.srtt_us().saturating_add(planted!(5, 0, self.margin_us)).min(config.rto_max_us);
        let doubled = u64::from(rto_us) << planted!(4, 0, backoffs.min(31));
        micros_u32(planted!(6, doubled, doubled.min(u64::from(config.rto_max_us))))
    }

    /// The estimate as four numbers, for a hand-over.
    pub(crate) fn to_parts(self) -> [u32; 4] {
        [self.srtt, self.rttvar, self.margin_us, self.min_us]
    }

    /// The estimate that [`Rtt::to_parts`] gave; `None` for numbers that no measurements make.
    pub(crate) fn from_parts([srtt, rttvar, margin_us, min_us]: [u32; 4]) -> Option<Rtt> {
        let most = micros_u32(SAMPLE_MAX_US);
        let sound = srtt <= most << 3 && rttvar <= most << 2 && margin_us <= most << 3;
        sound.then_some(Rtt { srtt, rttvar, margin_us, min_us })
    }

    pub(crate) fn srtt_us(&self) -> u32 {
        self.srtt >> 3
    }

    /// RFC 6298's RTTVAR.
    pub(crate) fn rttvar_us(&self) -> u32 {
        self.rttvar >> 2
    }

    /// 0 before the first measurement.
    pub(crate) fn min_us(&self) -> u32 {
        if self.min_us == u32::MAX { 0 } else { self.min_us }
    }
}

#[cfg(test)]
mod tests;
