//! What went wrong on a connection so far: retransmissions, timeouts, reordering, duplicates.
//!
//! A connection without losses has none of it. One that had some pays for this record, which is small, for as long as
//! it lives, because `TCP_INFO` tells the totals; and what was learned of a path that reorders waits here while the
//! connection is at rest and its flight is given back. It lies in a slab of its own, or within [`crate::rare::Rare`]
//! if the connection has that: see [`crate::Slabs::mishaps_or_new`].

use crate::reordering::Learned;
use crate::slab::Reuse;

/// The totals of one connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Mishaps {
    /// Octets of text sent again, lower half and upper half: so that the record needs no alignment to eight.
    bytes_retransmitted: [u32; 2],
    /// Segments sent again, SYNs counted.
    pub(crate) retransmits: u32,
    /// Segments that came out of order.
    pub(crate) out_of_order: u32,
    /// Duplicates that the peer has reported, in segments; not before anything went wrong, when none can be true.
    pub(crate) dsacks: u32,
    pub(crate) timeouts: Timeouts,
    /// What was learned of the path, as it was when the connection last came to rest.
    pub(crate) learned: Learned,
}

/// Retransmission timeouts so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Timeouts {
    pub(crate) total: u16,
    /// Rows of timeouts that an acknowledgement ended.
    pub(crate) recoveries: u16,
    /// How long they took, in milliseconds.
    pub(crate) time_ms: u32,
}

impl Mishaps {
    /// Octets of text sent again.
    pub(crate) fn bytes_retransmitted(&self) -> u64 {
        let [low, high] = self.bytes_retransmitted;
        u64::from(high) << 32 | u64::from(low)
    }

    pub(crate) fn set_bytes_retransmitted(&mut self, octets: u64) {
        self.bytes_retransmitted = [crate::numbers::low_u32(octets), crate::numbers::low_u32(octets >> 32)];
    }

    /// `segments` with `octets` of text were sent again.
    pub(crate) fn on_resent(&mut self, segments: u32, octets: u32) {
        self.retransmits = self.retransmits.saturating_add(segments);
        self.set_bytes_retransmitted(self.bytes_retransmitted().saturating_add(u64::from(octets)));
    }

    /// A row of timeouts is over that took so long.
    pub(crate) fn on_recovered(&mut self, took_us: u64) {
        let took_ms = u32::try_from(took_us / 1_000).unwrap_or(u32::MAX);
        let timeouts = &mut self.timeouts;
        timeouts.recoveries = timeouts.recoveries.saturating_add(1);
        timeouts.time_ms = timeouts.time_ms.saturating_add(took_ms);
    }
}

impl Reuse for Mishaps {
    fn reset(&mut self) {
        *self = Mishaps::default();
    }

    fn heap_octets(&self) -> usize {
        0
    }
}
