//! Which of several stacks owns a flow (`docs/decisions/002-one-owner-no-lock-in-the-core.md`).
//!
//! A pure function of the flow, so that two shards can never own one, and keyed, so that a remote cannot choose flows
//! that all fall to the same one. With one shard the answer is always 0.

use portolan_wire::FlowKey;
use siphasher::sip::SipHasher13;

use crate::random::flow_octets;

/// The shard, from 0 to `shards - 1`, that owns `flow`.
///
/// `flow` is taken as the host sees it: its own end is `local`. All shards of a host are given the same `key`.
#[must_use]
pub fn owner(flow: &FlowKey, key: &[u8; 16], shards: u16) -> u16 {
    let hash = SipHasher13::new_with_key(key).hash(&flow_octets(flow));
    let scaled = (u128::from(hash) * u128::from(shards)) >> 64;
    u16::try_from(scaled).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use portolan_wire::{Address, Endpoint};

    use super::*;

    fn flow(port: u16) -> FlowKey {
        let local = Endpoint::new(Address::v4(10, 0, 0, 1), 80);
        FlowKey { local, remote: Endpoint::new(Address::v4(10, 0, 0, 2), port), protocol: 6, zone: 0 }
    }

    #[test]
    fn every_shard_owns_its_share() {
        let mut owned = [0u32; 4];
        for port in 0..40_000 {
            owned[usize::from(owner(&flow(port), &[7; 16], 4))] += 1;
        }
        assert!(owned.iter().all(|&count| (9_000..11_000).contains(&count)), "{owned:?}");
    }

    #[test]
    fn one_shard_owns_all_and_the_key_matters() {
        assert_eq!(owner(&flow(1), &[7; 16], 1), 0);
        assert_eq!(owner(&flow(1), &[7; 16], 0), 0);
        let differs =
            (0..100).filter(|&port| owner(&flow(port), &[7; 16], 256) != owner(&flow(port), &[8; 16], 256));
        assert!(differs.count() > 80);
    }
}
