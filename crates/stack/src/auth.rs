//! Who has to sign segments with which key (RFC 2385, RFC 5925): the keys of sockets, and what they are used for.
//!
//! An application gives its socket keys for peers. A connection takes those of its peer along when it opens, and a
//! listener's are taken for every SYN and for the embryo that it makes. What a key does is in `portolan-tcp`'s
//! `auth`; here it is found, segments are verified before they reach any record ([`Stack::authenticate`]), and what
//! is sent without a connection is signed. A host on which no key was ever set asks one question per segment.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use portolan_link::Instant;
use portolan_tcp::{Ao, AoKey, Auth, AuthError, Md5Key};
use portolan_wire::tcp::{Flags, Header};
use portolan_wire::{Address, Cidr, FlowKey, SeqNumber};

use crate::demux::{Incoming, Slot};
use crate::drop::DropReason;
use crate::link::ethernet::Frame;
use crate::list::NONE;
use crate::socket::Kind;
use crate::stack::Stack;
use crate::{SocketError, SocketId};

/// The most keys of one socket.
const KEYS_MAX: usize = 1024;

/// The keys of one socket, each with the peers that it is for.
#[derive(Debug, Default)]
struct KeyRing {
    md5: Vec<(Cidr, Md5Key)>,
    ao: Vec<(Cidr, AoKey)>,
    /// The name of the key that peers are asked to sign with; else it is the one that signs.
    asked_for: Option<u8>,
}

impl KeyRing {
    /// The MD5 key of the smallest network that a peer is in.
    fn md5_key(&self, peer: Address) -> Option<Md5Key> {
        let fitting = self.md5.iter().filter(|(peers, _)| peers.contains(peer));
        fitting.max_by_key(|(peers, _)| peers.prefix_len()).map(|(_, key)| *key)
    }

    fn has_ao_key(&self, peer: Address) -> bool {
        self.ao.iter().any(|(peers, _)| peers.contains(peer))
    }

    fn is_empty(&self) -> bool {
        self.md5.is_empty() && self.ao.is_empty()
    }
}

/// A key of the Authentication Option that a socket holds.
#[derive(Clone, Debug)]
pub(crate) struct HeldKey {
    pub(crate) peers: Cidr,
    pub(crate) key: AoKey,
    /// It signs (Current_key).
    pub(crate) signs: bool,
    /// The peer is asked to sign with it (RNext_key).
    pub(crate) asked_for: bool,
}

/// The keys of all sockets, by the socket's index.
#[derive(Debug, Default)]
pub(crate) struct KeyRings {
    rings: BTreeMap<u32, KeyRing>,
    /// What connections in TIME-WAIT sign with, by their record's number.
    time_waits: BTreeMap<u32, Auth>,
    /// Whether there ever was a key.
    is_used: bool,
}

impl KeyRings {
    /// Whether a socket has a key for this peer.
    pub(crate) fn has_key(&self, socket: u32, peer: Address) -> bool {
        self.is_used
            && self
                .rings
                .get(&socket)
                .is_some_and(|ring| ring.md5_key(peer).is_some() || ring.has_ao_key(peer))
    }

    /// Whether it is an MD5 key.
    pub(crate) fn has_md5_key(&self, socket: u32, peer: Address) -> bool {
        self.is_used && self.rings.get(&socket).is_some_and(|ring| ring.md5_key(peer).is_some())
    }

    /// What a connection of a socket signs with; the numbers are the initial ones of both ends.
    pub(crate) fn auth_for(
        &self,
        socket: u32,
        peer: Address,
        iss: SeqNumber,
        irs: Option<SeqNumber>,
    ) -> Option<Auth> {
        let ring = self.rings.get(&socket).filter(|_| self.is_used)?;
        if let Some(key) = ring.md5_key(peer) {
            return Some(Auth::Md5(key));
        }
        let fitting = ring.ao.iter().filter(|(peers, _)| peers.contains(peer));
        let keys = fitting.map(|(_, key)| key.clone()).collect();
        let mut ao = Ao::new(keys, iss, irs)?;
        if let Some(recv_id) = ring.asked_for {
            ao.ask_for(recv_id);
        }
        Some(Auth::Ao(ao.into()))
    }

    /// A socket is closed.
    pub(crate) fn forget_socket(&mut self, socket: u32) {
        self.rings.remove(&socket);
    }

    /// A connection goes into TIME-WAIT.
    pub(crate) fn keep_time_wait(&mut self, index: u32, auth: Option<Auth>) {
        if let Some(auth) = auth {
            self.time_waits.insert(index, auth);
        }
    }

    /// A TIME-WAIT record is deleted.
    pub(crate) fn forget_time_wait(&mut self, index: u32) {
        self.time_waits.remove(&index);
    }

    fn ring_mut(&mut self, socket: u32) -> &mut KeyRing {
        self.is_used = true;
        self.rings.entry(socket).or_default()
    }
}

impl Stack {
    /// Sets the MD5 key for peers of a TCP socket (TCP_MD5SIG), or removes it. A connection to such a peer signs with
    /// it at once; a listener's key is for those that it accepts from then on.
    ///
    /// # Errors
    /// `BadSocket`, `NoSuchOption` for UDP, `NoSuchName` if there is no key to remove, `KeyRejected` where peers
    /// have keys of the other kind, `NoBuffers` for too many keys.
    pub fn set_md5_key(
        &mut self,
        now: Instant,
        id: SocketId,
        peers: Cidr,
        key: Option<Md5Key>,
    ) -> Result<(), SocketError> {
        self.advance(now);
        self.check_tcp(id)?;
        let ring = self.auth.ring_mut(id.index);
        let known = ring.md5.iter().position(|(own, _)| *own == peers);
        match (key, known) {
            (None, None) => return Err(SocketError::NoSuchName),
            (None, Some(at)) => drop(ring.md5.remove(at)),
            (Some(_), _) if ring.ao.iter().any(|(own, _)| overlap(*own, peers)) => {
                return Err(SocketError::KeyRejected);
            }
            (Some(key), Some(at)) => ring.md5.iter_mut().skip(at).take(1).for_each(|entry| entry.1 = key),
            (Some(_), None) if ring.md5.len() >= KEYS_MAX => return Err(SocketError::NoBuffers),
            (Some(key), None) => ring.md5.push((peers, key)),
        }
        if ring.is_empty() {
            self.auth.forget_socket(id.index);
        }
        if let Kind::Connection(index) = self.socket(id)?.kind
            && let Some(connection) = self.flows.connections.get(index)
            && peers.contains(connection.key.remote.address)
        {
            self.with_tcb(index, |tcb, cx| tcb.set_auth(cx, key.map(Auth::Md5)));
        }
        Ok(())
    }

    /// Adds a key of the Authentication Option for peers of a TCP socket, before it connects or while it listens;
    /// the first one added signs. On a connection that has such keys it is one more, for the peer to change to.
    ///
    /// # Errors
    /// `BadSocket`, `NoSuchOption` for UDP, `InvalidArgument` for an empty key and for a connection without such keys,
    /// `KeyRejected` where peers have keys of the other kind, `NoBuffers` for too many.
    pub fn add_ao_key(
        &mut self,
        now: Instant,
        id: SocketId,
        peers: Cidr,
        key: AoKey,
    ) -> Result<(), SocketError> {
        self.advance(now);
        self.check_tcp(id)?;
        if key.master.is_empty() {
            return Err(SocketError::InvalidArgument);
        }
        if let Kind::Connection(index) = self.socket(id)?.kind {
            let ao = self.connection_ao(index, |ao| ao.add(key));
            return ao.ok_or(SocketError::InvalidArgument);
        }
        let ring = self.auth.ring_mut(id.index);
        if ring.md5.iter().any(|(own, _)| overlap(*own, peers)) {
            return Err(SocketError::KeyRejected);
        }
        let named = |(own, other): &&mut (Cidr, AoKey)| {
            *own == peers && (other.send_id, other.recv_id) == (key.send_id, key.recv_id)
        };
        if let Some(entry) = ring.ao.iter_mut().find(named) {
            entry.1 = key;
        } else if ring.ao.len() < KEYS_MAX {
            ring.ao.push((peers, key));
        } else {
            return Err(SocketError::NoBuffers);
        }
        Ok(())
    }

    /// Removes a key of the Authentication Option: of a connection one that is not in use, of another socket any.
    ///
    /// # Errors
    /// `BadSocket`, `NoSuchOption` for UDP, `NoSuchName` if there is none that could be removed.
    pub fn remove_ao_key(
        &mut self,
        now: Instant,
        id: SocketId,
        send_id: u8,
        recv_id: u8,
    ) -> Result<(), SocketError> {
        self.advance(now);
        self.check_tcp(id)?;
        if let Kind::Connection(index) = self.socket(id)?.kind {
            let removed = self.connection_ao(index, |ao| ao.remove(send_id, recv_id));
            return if removed == Some(true) { Ok(()) } else { Err(SocketError::NoSuchName) };
        }
        let ring = self.auth.ring_mut(id.index);
        let before = ring.ao.len();
        ring.ao.retain(|(_, key)| (key.send_id, key.recv_id) != (send_id, recv_id));
        if ring.ao.len() == before { Err(SocketError::NoSuchName) } else { Ok(()) }
    }

    /// Asks the peer of a connection, or of those that a socket will have, to sign with the key that we call `recv_id` from now on (RNextKeyID): the first
    /// step of a change of keys. It answers by signing with it, and wants the same of us.
    ///
    /// # Errors
    /// `BadSocket`, `NoSuchOption` for UDP, `NoSuchName` without such a key.
    pub fn ask_for_ao_key(&mut self, now: Instant, id: SocketId, recv_id: u8) -> Result<(), SocketError> {
        self.advance(now);
        self.check_tcp(id)?;
        let found = match self.socket(id)?.kind {
            Kind::Connection(index) => self.connection_ao(index, |ao| ao.ask_for(recv_id)).unwrap_or(false),
            _ => {
                let ring = self.auth.ring_mut(id.index);
                let found = ring.ao.iter().any(|(_, key)| key.recv_id == recv_id);
                ring.asked_for = if found { Some(recv_id) } else { ring.asked_for };
                found
            }
        };
        if found { Ok(()) } else { Err(SocketError::NoSuchName) }
    }

    /// The names of the key that a connection signs with and of the one that it asks its peer for: KeyID and
    /// RNextKeyID.
    ///
    /// # Errors
    /// `NotConnected`, `NoSuchName` for a connection without such keys.
    pub fn ao_keys_in_use(&mut self, id: SocketId) -> Result<(u8, u8), SocketError> {
        let index = self.connection_of(id)?;
        self.connection_ao(index, |ao| ao.names()).ok_or(SocketError::NoSuchName)
    }

    /// Signs with the key that we call `send_id` from now on; of a socket that is not connected, what connects by it.
    ///
    /// # Errors
    /// `BadSocket`, `NoSuchOption` for UDP, `NoSuchName` without such a key.
    pub fn sign_with_ao_key(&mut self, now: Instant, id: SocketId, send_id: u8) -> Result<(), SocketError> {
        self.advance(now);
        self.check_tcp(id)?;
        let found = match self.socket(id)?.kind {
            Kind::Connection(index) => self.connection_ao(index, |ao| ao.sign_with(send_id)).unwrap_or(false),
            _ => {
                let ring = self.auth.ring_mut(id.index);
                let at = ring.ao.iter().position(|(_, key)| key.send_id == send_id);
                // The first one signs.
                at.and_then(|at| ring.ao.get_mut(..=at)).map(|keys| keys.rotate_right(1)).is_some()
            }
        };
        if found { Ok(()) } else { Err(SocketError::NoSuchName) }
    }

    /// The keys of the Authentication Option of a socket; none for other sockets.
    pub(crate) fn ao_keys(&mut self, id: SocketId) -> Result<Vec<HeldKey>, SocketError> {
        self.check_tcp(id)?;
        let held =
            |peers, key: &AoKey, signs, asked_for| HeldKey { peers, key: key.clone(), signs, asked_for };
        if let Kind::Connection(index) = self.socket(id)?.kind {
            let peer = self.flows.connections.get(index).map(|connection| connection.key.remote.address);
            let peers = peer.and_then(|peer| Cidr::new(peer, peer.family().bits()));
            let Some(peers) = peers else { return Ok(Vec::new()) };
            let keys = self.connection_ao(index, |ao| {
                ao.keys().map(|(key, signs, asked_for)| held(peers, key, signs, asked_for)).collect()
            });
            return Ok(keys.unwrap_or_default());
        }
        let Some(ring) = self.auth.rings.get(&id.index) else { return Ok(Vec::new()) };
        let first = ring.ao.first().map(|(_, key)| key.recv_id);
        let asked_for = ring.asked_for.or(first);
        let keys = ring.ao.iter().enumerate();
        Ok(keys
            .map(|(at, (peers, key))| held(*peers, key, at == 0, Some(key.recv_id) == asked_for))
            .collect())
    }

    fn check_tcp(&self, id: SocketId) -> Result<(), SocketError> {
        match self.socket(id)?.kind {
            Kind::Udp(_) => Err(SocketError::NoSuchOption),
            _ => Ok(()),
        }
    }

    fn connection_ao<R>(&mut self, index: u32, call: impl FnOnce(&mut Ao) -> R) -> Option<R> {
        let connection = self.flows.connections.get(index)?;
        match connection.tcb.auth_mut(&mut self.engine.slabs)? {
            Auth::Ao(ao) => Some(call(ao)),
            Auth::Md5(_) => None,
        }
    }

    /// What a connection signs with.
    pub(crate) fn connection_auth(&self, index: u32) -> Option<Auth> {
        self.flows.connections.get(index)?.tcb.auth(&self.engine.slabs).cloned()
    }

    /// What a flow signs with, whatever record it has.
    pub(crate) fn auth_of(&self, key: &FlowKey) -> Option<Auth> {
        if !self.auth.is_used {
            return None;
        }
        match self.flows.find(key)? {
            Slot::Connection(index) => self.connection_auth(index),
            Slot::Embryo(index) => {
                let record = self.flows.embryos.get(index)?;
                let (iss, irs) = record.embryo.initial_numbers();
                self.auth.auth_for(record.parent().owner(), key.remote.address, iss, Some(irs))
            }
            Slot::TimeWait(index) => self.auth.time_waits.get(&index).cloned(),
            Slot::Request(_) | Slot::Udp(_) => None,
        }
    }

    /// Verifies a segment before anything else looks at it.
    ///
    /// RFC 2385 §4.1: what is not signed as its flow needs is dropped without an answer, resets included. RFC 5925
    /// §7.5 says the same.
    pub(crate) fn authenticate(
        &mut self,
        slot: Option<Slot>,
        incoming: &Incoming,
        frame: &Frame,
    ) -> Result<(), DropReason> {
        let options = &incoming.segment.options;
        let is_signed = options.md5 || options.ao;
        if !is_signed && !self.auth.is_used {
            return Ok(());
        }
        let bytes = frame.bytes().get(incoming.arrival.header_len..).unwrap_or(&[]);
        let (parsed, _) = Header::parse(bytes).map_err(|_| DropReason::TcpMalformed)?;
        let (header, text) = bytes.split_at_checked(parsed.data_offset()).ok_or(DropReason::TcpMalformed)?;
        let tail = frame.packet.as_ref().map_or(&[][..], |packet| packet.tail());
        let flow = &incoming.key;
        let verdict = match slot {
            Some(Slot::Connection(index)) => {
                let Some(connection) = self.flows.connections.get(index) else { return Ok(()) };
                let auth = connection.tcb.auth_mut(&mut self.engine.slabs);
                auth.map(|auth| auth.verify(flow, header, &[text, tail]))
            }
            // Where a SYN may begin a connection, the listener's keys count.
            Some(Slot::TimeWait(_)) | None if opens(incoming.segment.flags) => {
                let listener = self.ports.listener(flow, frame.link).unwrap_or(NONE);
                let auth = self.auth.auth_for(listener, flow.remote.address, SeqNumber(0), None);
                auth.or_else(|| self.auth_of(flow)).map(|mut auth| auth.verify(flow, header, &[text, tail]))
            }
            None => {
                let listener = self.ports.listener(flow, frame.link).unwrap_or(NONE);
                // Nobody is left who could sign an answer.
                let keyed = is_signed || self.auth.has_key(listener, flow.remote.address);
                return if keyed { Err(DropReason::TcpNoConnection) } else { Ok(()) };
            }
            Some(_) => self.auth_of(flow).map(|mut auth| auth.verify(flow, header, &[text, tail])),
        };
        match verdict {
            None if is_signed => Err(DropReason::TcpNotKeyed),
            None | Some(Ok(())) => Ok(()),
            Some(Err(AuthError::Unsigned)) => Err(DropReason::TcpUnsigned),
            Some(Err(AuthError::UnknownKey)) => Err(DropReason::TcpKeyUnknown),
            Some(Err(_)) => Err(DropReason::TcpForged),
        }
    }
}

fn opens(flags: Flags) -> bool {
    flags.contains(Flags::SYN) && !flags.contains(Flags::ACK)
}

/// Whether some peer is in both networks.
fn overlap(a: Cidr, b: Cidr) -> bool {
    a.contains(b.address()) || b.contains(a.address())
}
