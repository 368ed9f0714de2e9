//! When to leave slow start before anything is lost.
//!
//! [`HyStart`] is HyStart++ (RFC 9406): when round-trip times grow, it first slows down, and goes on if that was a
//! mistake. [`AckTrain`] is the older HyStart as Linux has it: it leaves at once, also when ACKs of one round
//! trip come without a pause for half of the least round-trip time.

mod ack_train;

use portolan_wire::SeqNumber;

pub(super) use ack_train::AckTrain;

use super::CcContext;

/// RFC 9406 §4.3.
const MIN_RTT_THRESH_US: u32 = 4_000;
const MAX_RTT_THRESH_US: u32 = 16_000;
const MIN_RTT_DIVISOR: u32 = 8;
const N_RTT_SAMPLE: u8 = 8;
const CSS_GROWTH_DIVISOR: u32 = 4;
const CSS_ROUNDS: u8 = 5;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    SlowStart,
    /// Conservative slow start, since `rounds` rounds; a round with a least RTT below `baseline_us` was a mistake.
    Conservative {
        baseline_us: u32,
        rounds: u8,
    },
    /// RFC 9406 §4.3: only the first slow start is watched, since later ones know where to stop.
    Off,
}

/// RFC 9406 §4.2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct HyStart {
    phase: Phase,
    last_round_min_us: u32,
    this_round_min_us: u32,
    samples: u8,
    /// SND.NXT when the round began.
    round_ends: Option<SeqNumber>,
}

impl HyStart {
    pub(super) const NEW: HyStart = HyStart {
        phase: Phase::SlowStart,
        last_round_min_us: u32::MAX,
        this_round_min_us: u32::MAX,
        samples: 0,
        round_ends: None,
    };

    /// There was congestion.
    pub(super) fn stop(&mut self) {
        self.phase = Phase::Off;
    }

    /// A round-trip time was measured.
    pub(super) fn measure(&mut self, rtt_us: u32) {
        self.this_round_min_us = self.this_round_min_us.min(rtt_us);
        self.samples = self.samples.saturating_add(1);
        let enough = self.samples >= N_RTT_SAMPLE;
        match self.phase {
            Phase::SlowStart if enough && self.last_round_min_us < u32::MAX => {
                let threshold =
                    (self.last_round_min_us / MIN_RTT_DIVISOR).clamp(MIN_RTT_THRESH_US, MAX_RTT_THRESH_US);
                if self.this_round_min_us >= self.last_round_min_us.saturating_add(threshold) {
                    self.phase = Phase::Conservative { baseline_us: self.this_round_min_us, rounds: 0 };
                }
            }
            Phase::Conservative { baseline_us, .. }
                if enough && planted!(37, false, self.this_round_min_us < baseline_us) =>
            {
                self.phase = Phase::SlowStart;
            }
            _ => {}
        }
    }

    /// The octets by which an ACK of `acked` octets opens the window.
    pub(super) fn growth(&self, acked: u32, cx: &CcContext<'_>) -> u32 {
        let limit = match cx.config.abc_limit {
            0 => u32::MAX,
            limit => u32::from(limit) * u32::from(cx.mss),
        };
        let divisor = if matches!(self.phase, Phase::Conservative { .. }) {
            planted!(38, 1, CSS_GROWTH_DIVISOR)
        } else {
            1
        };
        acked.min(limit) / divisor
    }

    /// Begins a new round if one has ended; whether slow start is over with it.
    pub(super) fn ends_round(&mut self, cx: &CcContext<'_>) -> bool {
        if self.round_ends.is_some_and(|end| cx.una.before(end)) {
            return false;
        }
        self.round_ends = Some(cx.nxt);
        self.last_round_min_us = self.this_round_min_us;
        (self.this_round_min_us, self.samples) = (u32::MAX, 0);
        if let Phase::Conservative { rounds, .. } = &mut self.phase {
            *rounds += 1;
            if *rounds >= CSS_ROUNDS {
                self.phase = Phase::Off;
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests;
