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

/// The flows that are known, and when they were used last.
#[derive(Debug, Default)]
pub(super) struct Known {
    young: HashMap<Flow, Instant>,
    old: HashMap<Flow, Instant>,
}

impl Known {
    /// A flow has passed, or somebody else began it.
    pub(super) fn add(&mut self, flow: Flow, now: Instant) {
        if self.young.len() >= FLOWS_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(flow, now);
    }

    /// Whether a flow is known; its use is noted.
    pub(super) fn uses(&mut self, flow: &Flow, now: Instant) -> bool {
        let lasts =
            |used: Instant| flow.protocol == protocol::TCP || now.micros_since(used) < DATAGRAMS_IDLE_US;
        if let Some(used) = self.young.get_mut(flow) {
            let is_known = lasts(*used);
            if is_known {
                *used = now;
            }
            return is_known;
        }
        let is_known = self.old.remove(flow).is_some_and(lasts);
        if is_known {
            self.add(*flow, now);
        }
        is_known
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
        known.add(tcp, Instant::ZERO);
        known.add(udp, Instant::ZERO);
        assert!(known.uses(&udp, Instant::from_millis(200_000)));
        assert!(known.uses(&udp, Instant::from_millis(400_000)));
        assert!(!known.uses(&udp, Instant::from_millis(700_000)));
        assert!(known.uses(&tcp, Instant::from_millis(90_000_000)));
        assert!(!known.uses(&flow(protocol::TCP, 2), Instant::ZERO));
    }

    #[test]
    fn memory_is_bounded_and_what_is_used_stays() {
        let mut known = Known::default();
        let mine = flow(protocol::TCP, 0);
        known.add(mine, Instant::ZERO);
        for number in 1..200_000 {
            known.add(flow(protocol::TCP, number), Instant::ZERO);
            if number % 10_000 == 0 {
                assert!(known.uses(&mine, Instant::ZERO));
            }
        }
        assert!(known.young.len() + known.old.len() <= 2 * FLOWS_MAX);
        assert!(!known.uses(&flow(protocol::TCP, 5), Instant::ZERO));
    }
}
