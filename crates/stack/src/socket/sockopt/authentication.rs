//! TCP_AO_ADD_KEY, TCP_AO_DEL_KEY, TCP_AO_INFO and TCP_AO_GET_KEYS (RFC 5925) in the layouts of Linux 6.7: `struct
//! tcp_ao_add`, `tcp_ao_del`, `tcp_ao_info_opt` and `tcp_ao_getsockopt`.
//!
//! What Linux has and this does not: counters per key, which read 0; connections without a signature where some are
//! signed (`ao_required`) and ICMP errors for signed ones (`accept_icmps`) as choices; keys bound to a link. Reading the
//! keys gives all of them, whatever the caller asks for.

use alloc::vec::Vec;

use portolan_link::Instant;
use portolan_tcp::{AoAlgorithm, AoKey};
use portolan_wire::{Cidr, Family};

use super::md5::peer;
use super::number::tcp;
use super::{AF_INET, AF_INET6, text};
use crate::auth::HeldKey;
use crate::socket::Kind;
use crate::stack::Stack;
use crate::{SocketError, SocketId};

/// Octets of the address that each structure begins with.
const ADDRESS_LEN: usize = 128;
/// Octets of an algorithm's name, a zero at its end.
const NAME_LEN: usize = 64;
/// Octets of the longest key.
const KEY_MAX: usize = 80;
/// Octets of the signature (RFC 5926 §3.2).
const MAC_LEN: u8 = 12;

const ADD_LEN: usize = 288;
const DEL_LEN: usize = 144;
const INFO_LEN: usize = 48;

/// TCP_AO_KEYF_EXCLUDE_OPT: the signature leaves the other options out.
const EXCLUDE_OPTIONS: u8 = 2;

/// The bit fields that the structures share.
const SET_CURRENT: u32 = 1;
const SET_NEXT: u32 = 2;

/// The fields of `tcp_ao_add` and `tcp_ao_del` behind the address and, of the former, the name.
#[derive(Clone, Copy)]
struct Fields {
    set_current: bool,
    set_next: bool,
    prefix_len: u8,
    send_id: u8,
    recv_id: u8,
}

/// Those fields, the peers, and the octets that follow.
type KeyFields<'a> = (Fields, Cidr, &'a [u8]);

impl Fields {
    /// From the link on. `None` for a link, bits that mean nothing, and what is reserved.
    fn read(octets: &[u8]) -> Option<Fields> {
        let &[a, b, c, d, e, f, g, h, i, j, prefix_len, send_id, recv_id] = octets.first_chunk()?;
        let bits = u32::from_ne_bytes([e, f, g, h]);
        let plain = [a, b, c, d, i, j] == [0; 6] && bits & !(SET_CURRENT | SET_NEXT) == 0;
        let (set_current, set_next) = (bits & SET_CURRENT != 0, bits & SET_NEXT != 0);
        plain.then_some(Fields { set_current, set_next, prefix_len, send_id, recv_id })
    }
}

impl Stack {
    pub(super) fn set_authentication(
        &mut self,
        now: Instant,
        id: SocketId,
        name: i32,
        value: &[u8],
    ) -> Result<(), SocketError> {
        // Linux: what is open, and not signed, stays so.
        if matches!(self.socket(id)?.kind, Kind::Connection(_)) && self.ao_keys(id)?.is_empty() {
            return Err(SocketError::AlreadyConnected);
        }
        let done = match name {
            tcp::AO_ADD_KEY => self.add_authentication_key(now, id, value),
            tcp::AO_DEL_KEY => self.delete_authentication_key(now, id, value),
            _ => self.set_authentication_info(now, id, value),
        };
        done?.ok_or(SocketError::InvalidArgument)
    }

    /// `Ok(None)` for a structure that makes no sense.
    fn add_authentication_key(
        &mut self,
        now: Instant,
        id: SocketId,
        value: &[u8],
    ) -> Result<Option<()>, SocketError> {
        let Some((fields, peers, rest)) = self.read_key(id, value, ADD_LEN, ADDRESS_LEN + NAME_LEN)? else {
            return Ok(None);
        };
        let Some(&[mac_len, flags, key_len]) = rest.first_chunk() else { return Ok(None) };
        let master = rest.get(3..).and_then(|keys| keys.get(..KEY_MAX)?.get(..key_len.into()));
        let Some(master) = master.filter(|master| !master.is_empty()) else { return Ok(None) };
        if flags & !EXCLUDE_OPTIONS != 0 || !matches!(mac_len, 0 | MAC_LEN) {
            return Ok(None);
        }
        let algorithm = match text(value.get(ADDRESS_LEN..ADDRESS_LEN + NAME_LEN).unwrap_or_default()) {
            b"hmac(sha1)" => AoAlgorithm::HmacSha1,
            b"" | b"cmac(aes128)" | b"cmac(aes)" => AoAlgorithm::Aes128Cmac,
            _ => return Err(SocketError::NoSuchName),
        };
        let Fields { send_id, recv_id, .. } = fields;
        // RFC 5925 §3.1: neither name may be that of another key for these peers.
        let is_taken = |held: &HeldKey| {
            held.peers == peers && (held.key.send_id == send_id || held.key.recv_id == recv_id)
        };
        if self.ao_keys(id)?.iter().any(is_taken) {
            return Err(SocketError::AlreadyExists);
        }
        let covers_options = flags & EXCLUDE_OPTIONS == 0;
        self.add_ao_key(
            now,
            id,
            peers,
            AoKey { send_id, recv_id, algorithm, covers_options, master: master.to_vec() },
        )?;
        self.choose_keys(now, id, fields.set_current.then_some(send_id), fields.set_next.then_some(recv_id))?;
        Ok(Some(()))
    }

    fn delete_authentication_key(
        &mut self,
        now: Instant,
        id: SocketId,
        value: &[u8],
    ) -> Result<Option<()>, SocketError> {
        let Some((fields, peers, rest)) = self.read_key(id, value, DEL_LEN, ADDRESS_LEN)? else {
            return Ok(None);
        };
        let Some(&[current, next, 0]) = rest.first_chunk() else { return Ok(None) };
        let Fields { send_id, recv_id, .. } = fields;
        let is_it = |held: &HeldKey| {
            held.peers == peers && (held.key.send_id, held.key.recv_id) == (send_id, recv_id)
        };
        if !self.ao_keys(id)?.iter().any(is_it) {
            return Err(SocketError::NoSuchName);
        }
        self.choose_keys(now, id, fields.set_current.then_some(current), fields.set_next.then_some(next))?;
        let is_connected = matches!(self.socket(id)?.kind, Kind::Connection(_));
        let is_used = |held: &HeldKey| is_it(held) && (held.signs || held.asked_for);
        if is_connected && self.ao_keys(id)?.iter().any(is_used) {
            return Err(SocketError::Busy);
        }
        self.remove_ao_key(now, id, send_id, recv_id).map(Some)
    }

    fn set_authentication_info(
        &mut self,
        now: Instant,
        id: SocketId,
        value: &[u8],
    ) -> Result<Option<()>, SocketError> {
        let Some(&[a, b, c, d, 0, 0, current, next]) = value.get(..INFO_LEN).and_then(<[u8]>::first_chunk)
        else {
            return Ok(None);
        };
        let bits = u32::from_ne_bytes([a, b, c, d]);
        let listens = matches!(self.socket(id)?.kind, Kind::Listener(_));
        if bits & !(SET_CURRENT | SET_NEXT) != 0 || listens && bits != 0 {
            return Ok(None);
        }
        let (current, next) =
            ((bits & SET_CURRENT != 0).then_some(current), (bits & SET_NEXT != 0).then_some(next));
        self.choose_keys(now, id, current, next).map(Some)
    }

    fn choose_keys(
        &mut self,
        now: Instant,
        id: SocketId,
        current: Option<u8>,
        next: Option<u8>,
    ) -> Result<(), SocketError> {
        if let Some(send_id) = current {
            self.sign_with_ao_key(now, id, send_id)?;
        }
        next.map_or(Ok(()), |recv_id| self.ask_for_ao_key(now, id, recv_id))
    }

    /// What `tcp_ao_add` and `tcp_ao_del` have in common, and what follows it.
    fn read_key<'a>(
        &self,
        id: SocketId,
        value: &'a [u8],
        len: usize,
        fields_at: usize,
    ) -> Result<Option<KeyFields<'a>>, SocketError> {
        let socket = self.socket(id)?;
        let listens = matches!(socket.kind, Kind::Listener(_));
        let read = || {
            let value = value.get(..len)?;
            let fields = Fields::read(value.get(fields_at..)?)?;
            let address = peer(socket.family, value)?;
            let no_port = value.get(2..4)? == [0, 0];
            let any = address.is_unspecified() && fields.prefix_len > 0;
            let peers = Cidr::new(address, fields.prefix_len)?;
            let rest = value.get(fields_at + 13..)?;
            // Who listens signs nothing yet.
            let chooses = listens && (fields.set_current || fields.set_next);
            let exact = peers.address() == address;
            (no_port && !any && !chooses && exact).then_some((fields, peers, rest))
        };
        Ok(read())
    }

    /// `struct tcp_ao_info_opt`.
    pub(super) fn authentication_info(&mut self, id: SocketId) -> Result<Vec<u8>, SocketError> {
        let keys = self.ao_keys(id)?;
        if keys.is_empty() {
            return Err(SocketError::NoSuchName);
        }
        let current = keys.iter().find(|held| held.signs).map(|held| held.key.send_id);
        let next = keys.iter().find(|held| held.asked_for).map(|held| held.key.recv_id);
        let chosen = !matches!(self.socket(id)?.kind, Kind::Listener(_));
        let bit = |found: Option<u8>, bit| if found.is_some() && chosen { bit } else { 0 };
        let bits = bit(current, SET_CURRENT) | bit(next, SET_NEXT);
        let mut octets = bits.to_ne_bytes().to_vec();
        let named = |found: Option<u8>| found.filter(|_| chosen).unwrap_or(0);
        octets.extend([0, 0, named(current), named(next)]);
        octets.resize(INFO_LEN, 0);
        Ok(octets)
    }

    /// A `struct tcp_ao_getsockopt` for each key.
    pub(super) fn authentication_keys(&mut self, id: SocketId) -> Result<Vec<u8>, SocketError> {
        let keys = self.ao_keys(id)?;
        if keys.is_empty() {
            return Err(SocketError::NoSuchName);
        }
        let count = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        Ok(keys.iter().flat_map(|held| key_record(held, count)).collect())
    }
}

fn key_record(held: &HeldKey, count: u32) -> Vec<u8> {
    let HeldKey { peers, key, signs, asked_for } = held;
    let address = peers.address();
    let mut octets = Vec::with_capacity(304);
    let family = if address.family() == Family::V4 { AF_INET } else { AF_INET6 };
    octets.extend(u16::try_from(family).unwrap_or(0).to_ne_bytes());
    octets.extend([0; 2]);
    match address.v4_octets() {
        Some(v4) => octets.extend(v4),
        None => {
            octets.extend([0; 4]);
            octets.extend(address.octets());
        }
    }
    octets.resize(ADDRESS_LEN, 0);
    octets.extend(match key.algorithm {
        AoAlgorithm::HmacSha1 => &b"hmac(sha1)"[..],
        _ => b"cmac(aes)",
    });
    octets.resize(ADDRESS_LEN + NAME_LEN, 0);
    octets.extend(key.master.iter().take(KEY_MAX));
    octets.resize(ADDRESS_LEN + NAME_LEN + KEY_MAX, 0);
    octets.extend(count.to_ne_bytes());
    octets.extend((u16::from(*signs) | u16::from(*asked_for) << 1).to_ne_bytes());
    let flags = if key.covers_options { 0 } else { EXCLUDE_OPTIONS };
    let key_len = u8::try_from(key.master.len()).unwrap_or(u8::MAX);
    octets.extend([key.send_id, key.recv_id, peers.prefix_len(), MAC_LEN, flags, key_len]);
    // The link and the counters.
    octets.resize(304, 0);
    octets
}
