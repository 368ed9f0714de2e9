//! HyStart by ACK trains and delay, as in Linux's `tcp_cubic`.

use portolan_link::Instant;
use portolan_wire::SeqNumber;

use crate::congestion::{CcContext, CubicRules};

/// Below this window, in segments, there is nothing to find out.
const LOW_WINDOW: u32 = 16;
/// ACKs that follow one another this closely are of one train.
const TRAIN_GAP_US: u64 = 2_000;
/// Samples of a round that are looked at together.
const SAMPLES_MIN: u8 = 8;
/// The least and the most growth of the round-trip time that counts as queueing.
const DELAY_MIN_US: u32 = 4_000;
const DELAY_MAX_US: u32 = 16_000;

/// One round of slow start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::congestion) struct AckTrain {
    began_at: Instant,
    last_ack_at: Instant,
    /// SND.NXT when the round began.
    round_ends: Option<SeqNumber>,
    min_us: u32,
    samples: u8,
    found: bool,
}

impl AckTrain {
    pub(in crate::congestion) const NEW: AckTrain = AckTrain {
        began_at: Instant::ZERO,
        last_ack_at: Instant::ZERO,
        round_ends: None,
        min_us: u32::MAX,
        samples: 0,
        found: false,
    };

    /// Slow start is over, or will begin again: its present round has no end, which 2^31 octets later would lie ahead.
    pub(in crate::congestion) fn forget_round(&mut self) {
        self.round_ends = None;
    }

    /// An ACK came with a measurement; whether slow start is to end at the present window.
    pub(in crate::congestion) fn finds_exit(
        &mut self,
        cx: &CcContext<'_>,
        cwnd: u32,
        rtt_us: u32,
        delay_min_us: u32,
    ) -> bool {
        if self.found {
            return false;
        }
        let is_low = cwnd / u32::from(cx.mss.max(1)) < LOW_WINDOW;
        if is_low && cx.config.cubic_rules == CubicRules::LinuxBefore614 {
            return false;
        }
        if self.round_ends.is_none_or(|end| cx.una.after(end)) {
            *self =
                AckTrain { began_at: cx.now, last_ack_at: cx.now, round_ends: Some(cx.nxt), ..AckTrain::NEW };
        }
        if is_low {
            return false;
        }
        self.found = self.is_long(cx, cwnd, delay_min_us) | self.is_delayed(rtt_us, delay_min_us);
        self.found
    }

    /// Whether the ACKs have come without a pause for half of the least round-trip time; for all of it if pacing
    /// spreads them.
    fn is_long(&mut self, cx: &CcContext<'_>, cwnd: u32, delay_min_us: u32) -> bool {
        if cx.now.micros_since(self.last_ack_at) > TRAIN_GAP_US {
            return false;
        }
        self.last_ack_at = cx.now;
        // What GSO and GRO may add: four of their packets, a millisecond at most.
        let rate = 2 * u64::from(cwnd) * 1_000_000 / u64::from(cx.srtt_us.max(1));
        let batching_us = (4 * 65_536 * 1_000_000 / rate.max(1)).min(1_000);
        let mut limit_us = u64::from(delay_min_us) + batching_us;
        if !cx.config.pacing {
            limit_us /= 2;
        }
        cx.now.micros_since(self.began_at) > limit_us
    }

    fn is_delayed(&mut self, rtt_us: u32, delay_min_us: u32) -> bool {
        self.min_us = self.min_us.min(rtt_us);
        if self.samples < SAMPLES_MIN {
            self.samples += 1;
            return false;
        }
        let limit = (delay_min_us / 8).clamp(DELAY_MIN_US, DELAY_MAX_US);
        self.min_us > delay_min_us.saturating_add(limit)
    }
}
