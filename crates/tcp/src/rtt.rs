//! The round-trip time and the retransmission timeout (RFC 6298; RFC 7323 appendix G).

use crate::Config;
use crate::numbers::micros_u32;

/// Longer measurements count as this: one minute.
const SAMPLE_MAX_US: u64 = 60_000_000;

/// RFC 7323 appendix G: samples in a window beyond this number are weighted as this number.
const SAMPLES_MAX: u32 = 16;

/// Fractional bits of `srtt` and `rttvar`.
const FRACTION: u32 = 4;

/// The estimate, in sixteenths of a microsecond, so that small weights do not vanish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rtt {
    /// 0 before the first measurement.
    srtt: u32,
    rttvar: u32,
    /// Before backoff, in microseconds.
    rto_us: u32,
    /// `u32::MAX` before the first measurement.
    min_us: u32,
}

impl Rtt {
    pub(crate) fn new(config: &Config) -> Rtt {
        Rtt { srtt: 0, rttvar: 0, rto_us: config.rto_initial_us, min_us: u32::MAX }
    }

    /// Takes in a measurement. `outstanding_segments` is FlightSize in segments: with an ACK for every second
    /// segment, that many halves are the samples to come in one round trip, and each gets its share of the
    /// weight.
    pub(crate) fn sample(&mut self, config: &Config, sample_us: u64, outstanding_segments: u32) {
        let sample_us = micros_u32(sample_us.clamp(1, SAMPLE_MAX_US));
        self.min_us = self.min_us.min(sample_us);
        let sample = sample_us << FRACTION;
        if self.srtt == 0 {
            // RFC 6298 §2.2.
            self.srtt = sample;
            self.rttvar = sample / 2;
        } else {
            // RFC 6298 §2.3, alpha = 1/8 and beta = 1/4.
            let samples = outstanding_segments.div_ceil(2).clamp(1, SAMPLES_MAX);
            self.rttvar = toward(self.rttvar, self.srtt.abs_diff(sample), 4 * samples);
            self.srtt = toward(self.srtt, sample, 8 * samples).max(1);
        }
        let margin = (self.rttvar >> FRACTION).saturating_mul(planted!(5, 0, 4)).max(config.rto_min_us);
        self.rto_us = self.srtt_us().saturating_add(margin).min(config.rto_max_us);
    }

    /// RFC 6298 §5.7: with a SYN lost and nothing measured, text is sent with a timeout of 3 seconds.
    pub(crate) fn on_syn_lost(&mut self, config: &Config) {
        if self.srtt == 0 {
            self.rto_us = self.rto_us.max(3_000_000).min(config.rto_max_us);
        }
    }

    /// The timeout after `backoffs` timeouts in a row (RFC 6298 §5.5).
    pub(crate) fn rto_us(&self, config: &Config, backoffs: u8) -> u32 {
        let doubled = u64::from(self.rto_us) << planted!(4, 0, backoffs.min(31));
        micros_u32(planted!(6, doubled, doubled.min(u64::from(config.rto_max_us))))
    }

    pub(crate) fn srtt_us(&self) -> u32 {
        self.srtt >> FRACTION
    }

    pub(crate) fn rttvar_us(&self) -> u32 {
        self.rttvar >> FRACTION
    }

    /// 0 before the first measurement.
    pub(crate) fn min_us(&self) -> u32 {
        if self.min_us == u32::MAX { 0 } else { self.min_us }
    }
}

/// `value` moved toward `target` by one part in `parts` of the difference.
fn toward(value: u32, target: u32, parts: u32) -> u32 {
    let step = value.abs_diff(target) / parts;
    if target > value { value + step } else { value - step }
}

#[cfg(test)]
mod tests;
