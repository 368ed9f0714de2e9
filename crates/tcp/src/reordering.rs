//! How much a path reorders, learned (RFC 8985 §6.2, steps 3 and 4; RFC 3708).
//!
//! Two things are learned: the degree in segments, from text that arrives after text above it though it was sent
//! once, and by how much to widen RACK's window, from retransmissions that the peer reports as duplicates.
//!
//! RFC 8985 widens the window by a quarter of the least round trip at a time. Where some segments overtake a whole
//! queue, that least round trip is theirs, and next to nothing; so a widened window is also as wide as text that was
//! sent once has been late (§3.3.2: the window adapts to the measured duration of reordering).

use portolan_wire::SeqNumber;

use crate::Config;
use crate::numbers::to_u16;

/// The largest degree (Linux's `tcp_max_reordering`).
const DEGREE_MAX: u32 = 300;

/// RFC 8985 §6.2, step 4: recoveries after which a widened window is the usual one again.
const PERSIST: u8 = 16;

/// What was learned of a path, as far as it outlasts the flight.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Learned {
    /// RACK.reordering_seen: how often.
    pub(crate) seen: u32,
    /// In segments; 0 before anything was learned.
    degree: u16,
    /// RACK.reo_wnd_mult, less 1.
    extra: u8,
    /// RACK.reo_wnd_persist.
    persist: u8,
}

/// What is known of a path in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Reordering {
    pub(crate) learned: Learned,
    /// The longest in microseconds that text sent once came after RACK's round trip, since the window was last usual.
    /// While nothing is sent, the queue goes that was overtaken; so this is forgotten with the flight.
    late_us: u32,
    /// RACK.dsack_round: until this is acknowledged, further duplicates do not widen the window.
    round: Option<SeqNumber>,
}

impl Reordering {
    /// For the next flight.
    pub(crate) fn resume(learned: Learned) -> Reordering {
        Reordering { learned, ..Reordering::default() }
    }

    /// DupThresh: the segments by which the path is assumed to reorder.
    pub(crate) fn degree(&self, config: &Config) -> u32 {
        u32::from(if self.learned.degree == 0 { config.reordering } else { self.learned.degree })
    }

    /// Whether the path reorders more than is usual.
    pub(crate) fn is_unusual(&self, config: &Config) -> bool {
        self.learned.degree > config.reordering
    }

    /// Text from `late` on arrived after text up to `highest` had.
    pub(crate) fn on_late(&mut self, config: &Config, late: SeqNumber, highest: SeqNumber, mss: u32) {
        let Some(octets) = highest.since(late).filter(|octets| *octets > 0) else { return };
        if octets > self.degree(config) * mss {
            self.learned.degree = to_u16(octets.div_ceil(mss.max(1)).min(DEGREE_MAX));
        }
        self.learned.seen = self.learned.seen.saturating_add(1);
    }

    /// Text that was sent once arrived `us` microseconds after RACK's round trip.
    pub(crate) fn note_lateness(&mut self, us: u32) {
        self.late_us = self.late_us.max(us);
    }

    /// A timeout came though much had arrived: the degree is not as large as was thought.
    pub(crate) fn on_timeout(&mut self, config: &Config, sacked_segments: u32) {
        if sacked_segments >= u32::from(config.reordering) {
            self.learned.degree = self.learned.degree.min(config.reordering);
        }
    }

    /// RFC 8985 §6.2, step 4: a retransmission was for nothing; once a round trip the window is widened.
    pub(crate) fn widen(&mut self, una: SeqNumber, nxt: SeqNumber) {
        self.end_round(una);
        if self.learned.seen > 0 && self.round.is_none() {
            self.round = Some(nxt);
            self.learned.extra = self.learned.extra.saturating_add(1);
            self.learned.persist = PERSIST;
        }
    }

    pub(crate) fn end_round(&mut self, una: SeqNumber) {
        if self.round.is_some_and(|round| una.at_or_after(round)) {
            self.round = None;
        }
    }

    /// A recovery ended; `undone` if it was for nothing.
    pub(crate) fn on_recovered(&mut self, undone: bool) {
        if undone {
            self.learned.persist = self.learned.persist.saturating_add(1).min(PERSIST);
            return;
        }
        self.learned.persist = self.learned.persist.saturating_sub(1);
        if self.learned.persist == 0 {
            (self.learned.extra, self.late_us) = (0, 0);
        }
    }

    /// RFC 8985 §6.2, step 4: RACK.reo_wnd in microseconds. `proved` says that enough segments have arrived
    /// above a hole, or that recovery is under way, so that without reordering there is nothing to wait for.
    pub(crate) fn reo_wnd_us(&self, proved: bool, min_rtt_us: u32, srtt_us: u32) -> u32 {
        if self.learned.seen == 0 && proved {
            return 0;
        }
        let wnd_us = (min_rtt_us / 4).saturating_mul(u32::from(self.learned.extra) + 1);
        let measured_us = if self.learned.extra > 0 { self.late_us } else { 0 };
        wnd_us.max(measured_us).min(srtt_us)
    }
}

#[cfg(test)]
mod tests;
