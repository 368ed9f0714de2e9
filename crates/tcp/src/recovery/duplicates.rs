//! Duplicate acknowledgements, for peers without SACK (RFC 5681 §3.2, RFC 6582).

use super::{Ack, CaState};
use crate::flight::{Flight, Tally};

impl Flight {
    /// RFC 5681 §3.2: without SACK, a duplicate says that one more segment has arrived.
    pub(super) fn count_duplicate(&mut self, ack: &Ack<'_>) {
        if ack.sack || !ack.duplicate || self.recovery.state == CaState::Loss {
            return;
        }
        // H2: no more segments can have arrived than were under way when the loss was found, but for those that
        // are missing: a peer that repeats itself buys nothing.
        let in_recovery = self.recovery.state == CaState::Recovery;
        let recover = self.recovery.recover.filter(|_| in_recovery);
        let limit = recover.and_then(|recover| recover.since(ack.una)).unwrap_or(self.outstanding.octets);
        let limit = limit.saturating_sub(self.lost.octets.max(ack.mss));
        let duplicates = &mut self.recovery.duplicates;
        if duplicates.octets < limit {
            duplicates.octets = duplicates.octets.saturating_add(ack.mss).min(limit);
            duplicates.segments += 1;
        }
    }

    /// RFC 6582 §3.2, step 3: without SACK, a partial acknowledgement fills the hole, and takes what had arrived
    /// behind it out of the count. Returns what of the acknowledged was not known to have arrived.
    pub(crate) fn take_duplicates(&mut self, acked: u32, new: Tally, mss: u32) -> Tally {
        let duplicates = &mut self.recovery.duplicates;
        let octets = acked.saturating_sub(duplicates.octets).max(mss.min(acked));
        let segments = new.segments.saturating_sub(duplicates.segments).max(1);
        duplicates.octets = duplicates.octets.saturating_sub(acked.saturating_sub(mss));
        duplicates.segments = duplicates.segments.saturating_sub(new.segments.saturating_sub(1));
        if duplicates.octets == 0 || duplicates.segments == 0 {
            *duplicates = Tally::default();
        }
        Tally { octets, segments }
    }
}
