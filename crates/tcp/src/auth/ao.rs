//! The Authentication Option of one connection (RFC 5925): keys, their names, and how one follows the other.
//!
//! A key has two names, one for each direction. A segment carries the sender's name of the key that signed it, and
//! the name of the key that its sender would like to hear next (§7.5.2.e); who hears that, and has the key, signs
//! with it from then on. So both ends change keys without losing a segment.

use alloc::vec::Vec;
use core::fmt;

use portolan_wire::tcp::{Flags, Signature, kind};
use portolan_wire::{FlowKey, SeqNumber, protocol};

#[cfg(test)]
use super::kdf::Side;
use super::kdf::{AoAlgorithm, TrafficKey};
use super::{AuthError, Mac, Message};
use crate::numbers::{to_u16, to_u32};

/// A master key tuple (RFC 5925 §3.1), without the flows that it is for.
#[derive(Clone, PartialEq, Eq)]
pub struct AoKey {
    /// The name in segments that are sent.
    pub send_id: u8,
    /// The name in segments that are received.
    pub recv_id: u8,
    /// How keys are derived and segments signed.
    pub algorithm: AoAlgorithm,
    /// Whether the signature covers the other options.
    pub covers_options: bool,
    /// The master key.
    pub master: Vec<u8>,
}

impl fmt::Debug for AoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AoKey { send_id, recv_id, algorithm, .. } = self;
        write!(f, "AoKey {{ send_id: {send_id}, recv_id: {recv_id}, {algorithm:?}, secret }}")
    }
}

/// A sequence number and the 32 bits above it (RFC 5925 §6.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Extended {
    seq: SeqNumber,
    high: u32,
}

impl Extended {
    const fn new(seq: SeqNumber) -> Extended {
        Extended { seq, high: 0 }
    }

    /// The extension of a number within half of the space around this one.
    fn high_of(self, seq: SeqNumber) -> u32 {
        let forward = seq.at_or_after(self.seq);
        match (forward, seq.0 < self.seq.0) {
            (true, true) => self.high.wrapping_add(1),
            (false, false) if seq != self.seq => self.high.wrapping_sub(1),
            _ => self.high,
        }
    }

    /// The larger of this and `seq`.
    fn advanced_to(self, seq: SeqNumber) -> Extended {
        if seq.after(self.seq) { Extended { high: self.high_of(seq), seq } } else { self }
    }
}

/// What a connection remembers of its keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ao {
    keys: Vec<AoKey>,
    /// Signs what is sent: an index of `keys`.
    current: usize,
    /// The key that the peer is asked to sign with: an index of `keys`.
    next: usize,
    sent: Extended,
    received: Extended,
    iss: SeqNumber,
    /// The peer's initial number; before it is known, that of the last SYN that was verified.
    irs: Option<SeqNumber>,
    /// Whether `irs` can still change.
    opening: bool,
}

impl Ao {
    /// For a connection with this initial sequence number, which signs with the first of `keys`; the peer's number
    /// is not known yet in an active open. `None` without a key.
    #[must_use]
    pub fn new(keys: Vec<AoKey>, iss: SeqNumber, irs: Option<SeqNumber>) -> Option<Ao> {
        if keys.is_empty() {
            return None;
        }
        let received = Extended::new(irs.unwrap_or(SeqNumber(0)));
        let opening = irs.is_none();
        Some(Ao { keys, current: 0, next: 0, sent: Extended::new(iss), received, iss, irs, opening })
    }

    /// Adds a key, or replaces the one of these names.
    pub fn add(&mut self, key: AoKey) {
        match self.keys.iter_mut().find(|own| own.send_id == key.send_id && own.recv_id == key.recv_id) {
            Some(own) => *own = key,
            None => self.keys.push(key),
        }
    }

    /// Removes a key that neither signs nor is asked for. False if there is none such.
    pub fn remove(&mut self, send_id: u8, recv_id: u8) -> bool {
        let found = self.keys.iter().position(|own| own.send_id == send_id && own.recv_id == recv_id);
        let Some(at) = found.filter(|&at| at != self.current && at != self.next) else { return false };
        self.keys.remove(at);
        self.current -= usize::from(self.current > at);
        self.next -= usize::from(self.next > at);
        true
    }

    /// Asks the peer to sign with the key of this name from now on (RNextKeyID). False if there is none.
    pub fn ask_for(&mut self, recv_id: u8) -> bool {
        let found = self.keys.iter().position(|own| own.recv_id == recv_id);
        self.next = found.unwrap_or(self.next);
        found.is_some()
    }

    /// Signs with the key of this name from now on. False if there is none.
    pub fn sign_with(&mut self, send_id: u8) -> bool {
        let found = self.keys.iter().position(|own| own.send_id == send_id);
        self.current = found.unwrap_or(self.current);
        found.is_some()
    }

    /// The keys: each with whether it signs, and whether the peer is asked for it.
    pub fn keys(&self) -> impl Iterator<Item = (&AoKey, bool, bool)> {
        self.keys.iter().enumerate().map(|(at, key)| (key, at == self.current, at == self.next))
    }

    /// The names of the key that signs and of the one that the peer is asked for: KeyID and RNextKeyID.
    #[must_use]
    pub fn names(&self) -> (u8, u8) {
        let name = |at, of: fn(&AoKey) -> u8| self.keys.get(at).map_or(0, of);
        (name(self.current, |key| key.send_id), name(self.next, |key| key.recv_id))
    }

    pub(super) fn signature(&self) -> Signature {
        let (key_id, next_key_id) = self.names();
        Signature::Ao { key_id, next_key_id }
    }

    pub(super) fn sign(&mut self, flow: &FlowKey, message: &Message<'_>) -> Option<Mac> {
        let high = self.sent.high_of(message.seq);
        let key = self.keys.get(self.current)?;
        let peer = if is_first(message.flags) { SeqNumber(0) } else { self.irs.unwrap_or(SeqNumber(0)) };
        let traffic = key.algorithm.traffic_key(&key.master, (flow.local, self.iss), (flow.remote, peer))?;
        let (at, _) = message.option(kind::AO).ok()?;
        let mac = mac_of(key, &traffic, high, (flow.local, flow.remote), message, at + 2)?;
        self.sent = self.sent.advanced_to(message.seq);
        Some(mac)
    }

    pub(super) fn verify(&mut self, flow: &FlowKey, message: &Message<'_>) -> Result<(), AuthError> {
        let (at, data) = message.option(kind::AO)?;
        let &[key_id, next_key_id, ref mac @ ..] = data else { return Err(AuthError::Forged) };
        let key = self.keys.iter().find(|key| key.recv_id == key_id).ok_or(AuthError::UnknownKey)?;
        // A SYN says itself where its sender begins, as long as that is open.
        let begins = self.opening && message.flags.contains(Flags::SYN);
        let peer =
            if begins || is_first(message.flags) { message.seq } else { self.irs.unwrap_or(SeqNumber(0)) };
        let own = if is_first(message.flags) { SeqNumber(0) } else { self.iss };
        let high = if begins { 0 } else { self.received.high_of(message.seq) };
        let traffic = key
            .algorithm
            .traffic_key(&key.master, (flow.remote, peer), (flow.local, own))
            .ok_or(AuthError::Forged)?;
        let expected = mac_of(key, &traffic, high, (flow.remote, flow.local), message, at + 2);
        if !expected.is_some_and(|expected| expected.is(mac)) {
            return Err(AuthError::Forged);
        }
        if begins {
            (self.irs, self.received) = (Some(message.seq), Extended::new(message.seq));
        } else {
            self.opening = false;
            self.received = self.received.advanced_to(message.seq);
        }
        // RFC 5925 §7.5.2.e: sign with what the peer asks for, if it is known here.
        if let Some(wanted) = self.keys.iter().position(|key| key.send_id == next_key_id) {
            self.current = wanted;
        }
        Ok(())
    }

    pub(super) fn heap_octets(&self) -> usize {
        let keys = self.keys.capacity() * size_of::<AoKey>();
        size_of::<Ao>() + keys + self.keys.iter().map(|key| key.master.capacity()).sum::<usize>()
    }
}

/// Whether this is a SYN without ACK, whose sender does not know the receiver's number (RFC 5925 §5.2).
fn is_first(flags: Flags) -> bool {
    flags.contains(Flags::SYN) && !flags.contains(Flags::ACK)
}

/// RFC 5925 §5.1: extension, pseudo header, header with zeros for checksum and MAC, text. `mac_at` is where the MAC
/// stands among the options.
fn mac_of(
    key: &AoKey,
    traffic: &TrafficKey,
    high: u32,
    (src, dst): (portolan_wire::Endpoint, portolan_wire::Endpoint),
    message: &Message<'_>,
    mac_at: usize,
) -> Option<Mac> {
    let len = to_u32(message.len());
    let (high, len_v4, len_v6) = (high.to_be_bytes(), to_u16(len).to_be_bytes(), len.to_be_bytes());
    let (from_v6, to_v6) = (src.address.octets(), dst.address.octets());
    let (from_v4, to_v4) = (src.address.v4_octets(), dst.address.v4_octets());
    let pseudo: [&[u8]; 4] = match (&from_v4, &to_v4) {
        (Some(from), Some(to)) => [from, to, &[0, protocol::TCP], &len_v4],
        _ => [&from_v6, &to_v6, &len_v6, &[0, 0, 0, protocol::TCP]],
    };
    let mac_end = option_end(message, mac_at)?;
    let mut options = [0; 40];
    let options = options.get_mut(..message.options.len())?;
    options.copy_from_slice(message.options);
    options.get_mut(mac_at..mac_end)?.fill(0);
    // The option begins with kind, length and both names.
    let covered = if key.covers_options { &options[..] } else { options.get(mac_at - 4..mac_end)? };
    let head: [&[u8]; 2] = [&message.fixed, covered];
    let parts = core::iter::once(&high[..]).chain(pseudo).chain(head).chain(message.text.iter().copied());
    traffic.mac(parts)
}

/// Where the option ends whose MAC begins at `mac_at`.
fn option_end(message: &Message<'_>, mac_at: usize) -> Option<usize> {
    let start = mac_at.checked_sub(4)?;
    let len = usize::from(*message.options.get(start + 1)?);
    (len >= 4).then_some(start + len)
}

/// For the derivation of keys in tests.
#[cfg(test)]
pub(super) fn traffic_key_of(key: &AoKey, src: Side, dst: Side) -> Vec<u8> {
    key.algorithm.traffic_key(&key.master, src, dst).unwrap().octets().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5925 §6.2.
    #[test]
    fn the_extension_counts_the_wraps() {
        let mut at = Extended::new(SeqNumber(u32::MAX - 10));
        assert_eq!(at.high_of(SeqNumber(5)), 1);
        at = at.advanced_to(SeqNumber(5));
        assert_eq!((at.high, at.high_of(SeqNumber(u32::MAX))), (1, 0), "sent before, and again");
        for step in 1..=8_u32 {
            at = at.advanced_to(SeqNumber(5).back(0) + step.wrapping_mul(1 << 30));
        }
        assert_eq!(at, Extended { seq: SeqNumber(5), high: 3 });
        assert_eq!(at.advanced_to(SeqNumber(4)), at);
    }
}
