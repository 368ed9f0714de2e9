//! A time in which a wire carries nothing, after which it is as it was: the connection must find its way back.

use portolan_link::Instant;

use crate::impair::{Impairment, Percent};
use crate::net::{Net, WireId};
use crate::wire::WireOptions;

/// How long after the handshake an outage starts at the latest, and how long it lasts at most, in microseconds.
const START_MAX_US: u64 = 3_000_000;
const LENGTH_MAX_US: u64 = 60_000_000;

/// One outage of one wire.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outage {
    wire: WireId,
    starts_at: Instant,
    ends_at: Instant,
    /// What the wire does outside the outage.
    ordinary: [Impairment; 2],
}

impl Outage {
    /// An outage soon after this moment, in one of six stories whose wire can have faults.
    pub(super) fn draw(net: &mut Net, wire: WireId, options: &WireOptions) -> Option<Outage> {
        if options.whole || !net.random().one_in(6) {
            return None;
        }
        let starts_at = net.now().plus_micros(net.random().between(0, START_MAX_US));
        let ends_at = starts_at.plus_micros(net.random().between(1, LENGTH_MAX_US));
        net.wake_at(starts_at);
        net.wake_at(ends_at);
        Some(Outage { wire, starts_at, ends_at, ordinary: [options.forward, options.backward] })
    }

    /// Makes the wire what it is now.
    pub(super) fn turn(self, net: &mut Net) {
        let everything = Percent::new(100.0).unwrap_or_default();
        let is_out = (self.starts_at..self.ends_at).contains(&net.now());
        let impairments = self.ordinary.map(|ordinary| {
            // A copy would survive the loss of its original.
            let silent = Impairment { loss: everything, duplicate: Percent::ZERO, ..ordinary };
            if is_out { silent } else { ordinary }
        });
        net.set_impairments(self.wire, impairments);
    }
}
