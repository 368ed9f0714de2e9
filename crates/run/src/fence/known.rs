//! Flows that need no second look: those that passed, and those that others began.
//!
//! Two tables: when the young one is full it becomes the old one, and what is used moves back. So memory is bounded, no
//! timer is needed, and the flows that are forgotten are those that were silent for longest.

use std::collections::HashMap;

use portolan_link::Instant;
use portolan_wire::{Address, protocol};

/// Flows in each table.
const FLOWS_MAX: usize = 32_768;
/// How long a flow of datagrams lasts without one (RFC 4787 REQ-5), in microseconds.
const DATAGRAMS_IDLE_US: u64 = 300_000_000;
/// How long a connection that somebody else began lasts without a segment (RFC 5382 REQ-5), in microseconds.
const CONNECTION_IDLE_US: u64 = 7_440_000_000;

/// A flow as the host sees it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Flow {
    /// The IP protocol.
    pub(super) protocol: u8,
    /// The host's own port.
    pub(super) local_port: u16,
    /// The other side.
    pub(super) remote: (Address, u16),
}

/// Who began a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Beginner {
    /// The host; it was judged.
    Host,
    /// The other side.
    Other,
}

/// The flows that are known, and when they were used last.
#[derive(Debug, Default)]
pub(super) struct Known {
    young: HashMap<Flow, Use>,
    old: HashMap<Flow, Use>,
}

#[derive(Clone, Copy, Debug)]
struct Use {
    last: Instant,
    beginner: Beginner,
}

impl Known {
    /// A flow has passed, or somebody else began it.
    pub(super) fn add(&mut self, flow: Flow, beginner: Beginner, now: Instant) {
        if self.young.len() >= FLOWS_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(flow, Use { last: now, beginner });
    }

    /// Whether a flow is known; its use is noted.
    pub(super) fn uses(&mut self, flow: &Flow, now: Instant) -> bool {
        let lasts = |known: &Use| match (flow.protocol, known.beginner) {
            (protocol::TCP, Beginner::Host) => true,
            (protocol::TCP, Beginner::Other) => now.micros_since(known.last) < CONNECTION_IDLE_US,
            _ => now.micros_since(known.last) < DATAGRAMS_IDLE_US,
        };
        if let Some(known) = self.young.get_mut(flow) {
            let is_known = lasts(known);
            if is_known {
                known.last = now;
            }
            return is_known;
        }
        let Some(known) = self.old.remove(flow).filter(lasts) else { return false };
        self.add(*flow, known.beginner, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(protocol: u8, number: u32) -> Flow {
        let [a, b, c, d] = number.to_be_bytes();
        Flow { protocol, local_port: 4000, remote: (Address::v4(a, b, c, d), 80) }
    }

    #[test]
    fn connections_last_and_datagrams_end_when_they_fall_silent() {
        let mut known = Known::default();
        let (tcp, udp) = (flow(protocol::TCP, 1), flow(protocol::UDP, 1));
        known.add(tcp, Beginner::Host, Instant::ZERO);
        known.add(udp, Beginner::Host, Instant::ZERO);
        assert!(known.uses(&udp, Instant::from_millis(200_000)));
        assert!(known.uses(&udp, Instant::from_millis(400_000)));
        assert!(!known.uses(&udp, Instant::from_millis(700_000)));
        assert!(known.uses(&tcp, Instant::from_millis(90_000_000)));
        assert!(!known.uses(&flow(protocol::TCP, 2), Instant::ZERO));
    }

    #[test]
    fn connections_that_others_began_end_when_they_are_silent_for_long() {
        let mut known = Known::default();
        let theirs = flow(protocol::TCP, 1);
        known.add(theirs, Beginner::Other, Instant::ZERO);
        assert!(known.uses(&theirs, Instant::from_millis(7_400_000)));
        assert!(known.uses(&theirs, Instant::from_millis(14_800_000)));
        assert!(!known.uses(&theirs, Instant::from_millis(22_300_000)));
    }

    #[test]
    fn memory_is_bounded_and_what_is_used_stays() {
        let mut known = Known::default();
        let mine = flow(protocol::TCP, 0);
        known.add(mine, Beginner::Host, Instant::ZERO);
        for number in 1..200_000 {
            known.add(flow(protocol::TCP, number), Beginner::Host, Instant::ZERO);
            if number % 10_000 == 0 {
                assert!(known.uses(&mine, Instant::ZERO));
            }
        }
        assert!(known.young.len() + known.old.len() <= 2 * FLOWS_MAX);
        assert!(!known.uses(&flow(protocol::TCP, 5), Instant::ZERO));
    }
}
