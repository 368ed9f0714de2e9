//! Initial sequence numbers (RFC 6528) and timestamp offsets (RFC 7323 §7.1).
//!
//! Both are keyed hashes, so that nobody off the path can predict them, yet the same tuple counts on with the
//! clock.

use core::hash::Hasher;

use crate::numbers::low_u32;
use portolan_link::Instant;
use portolan_wire::{Address, FlowKey};
use siphasher::sip::SipHasher24;

/// Keeps the two uses of one key apart.
#[derive(Clone, Copy)]
enum Domain {
    Sequence = 0x5e,
    Timestamp = 0x75,
}

/// The initial sequence number of a new connection at `now`: M + F(tuple, key), where M counts in steps of 4 us.
///
/// RFC 9293 MUST-8, SHLD-1; RFC 6528 §3. F is SipHash-2-4, so MUST-9 holds: F cannot be computed without the key.
#[must_use]
pub fn initial_sequence(key: &[u8; 16], flow: &FlowKey, now: Instant) -> portolan_wire::SeqNumber {
    let mut hasher = hasher(key, Domain::Sequence, flow.local.address, flow.remote.address);
    hasher.write(&planted!(17, 0, flow.local.port).to_be_bytes());
    hasher.write(&flow.remote.port.to_be_bytes());
    hasher.write(&flow.zone.to_be_bytes());
    let clock = low_u32(now.as_micros() / 4);
    portolan_wire::SeqNumber(low_u32(hasher.finish()).wrapping_add(clock))
}

/// What is added to the clock in the timestamps of a flow. One value for each pair of addresses, so that a peer
/// sees the timestamps of successive connections grow (RFC 6191), and no uptime (RFC 7323 §7.1).
#[must_use]
pub fn timestamp_offset(key: &[u8; 16], flow: &FlowKey) -> u32 {
    low_u32(hasher(key, Domain::Timestamp, flow.local.address, flow.remote.address).finish())
}

fn hasher(key: &[u8; 16], domain: Domain, local: Address, remote: Address) -> SipHasher24 {
    let mut hasher = SipHasher24::new_with_key(key);
    hasher.write(&[domain as u8]);
    hasher.write(&local.octets());
    hasher.write(&remote.octets());
    hasher
}

#[cfg(test)]
mod tests;
