//! A connection handed from one stack to another, socket and all.
//!
//! [`Stack::freeze`] takes a connection out of this stack without a word to the peer and gives it as octets;
//! [`Stack::thaw`] makes a socket of them, in a stack that has the same address. What the octets say of TCP is in
//! `portolan-tcp`'s `freeze`; in front of it stand the flow and what the socket adds.
//!
//! No secret of the host goes along: the keys of sequence numbers, ports, cookies and tables stay where they are,
//! and a stack that takes a connection over draws its own. So do the application's keys: a connection that signs its
//! segments is not handed over.

use alloc::vec::Vec;

use portolan_link::Instant;
use portolan_tcp::{FreezeError, Reader, Signals, Tcb};
use portolan_wire::{Address, Endpoint, FlowKey, protocol};

use crate::connection::{Connection, PortHold, mss_of};
use crate::event::Pending;
use crate::list::NONE;
use crate::socket::{Flags, Kind};
use crate::stack::Stack;
use crate::{SocketError, SocketId};

/// The first octet, as in `portolan-tcp`'s part.
const VERSION: u8 = 1;

/// What the octets say beside the connection itself.
struct Envelope {
    local: Endpoint,
    remote: Endpoint,
    zone: u16,
    linger: Option<u16>,
    flags: Flags,
    ttl: u8,
    tos: u8,
}

impl Envelope {
    fn write(&self) -> Vec<u8> {
        let mut out = Vec::from([VERSION]);
        for end in [self.local, self.remote] {
            out.extend(end.address.octets());
            out.extend(end.port.to_be_bytes());
        }
        out.extend(self.zone.to_be_bytes());
        out.push(self.linger.is_some().into());
        out.extend(self.linger.unwrap_or(0).to_be_bytes());
        out.extend([self.flags.bits(), self.ttl, self.tos]);
        out
    }

    fn read(reader: &mut Reader<'_>) -> Option<Envelope> {
        if reader.u8()? != VERSION {
            return None;
        }
        let mut endpoint = || Some(Endpoint::new(Address::from_octets(reader.array()?), reader.u16()?));
        let (local, remote) = (endpoint()?, endpoint()?);
        let zone = reader.u16()?;
        let (lingers, seconds) = (reader.u8()?, reader.u16()?);
        let flags = Flags::from_bits(reader.u8()?)?;
        let (ttl, tos) = (reader.u8()?, reader.u8()?);
        let envelope =
            Envelope { local, remote, zone, linger: (lingers > 0).then_some(seconds), flags, ttl, tos };
        envelope.is_sound(lingers).then_some(envelope)
    }

    fn is_sound(&self, lingers: u8) -> bool {
        let kept = Flags::INHERITED | Flags::READ_CLOSED;
        let remote = self.remote.address;
        lingers < 2
            && self.ttl > 0
            && kept.contains(self.flags)
            && self.local.port > 0
            && self.remote.port > 0
            && self.local.address.family() == remote.family()
            && !(remote.is_unspecified() || remote.is_multicast() || remote.is_broadcast())
    }
}

impl Stack {
    /// Takes a socket's connection out of this stack and gives it as octets, for [`Stack::thaw`]. The peer hears
    /// nothing, and the socket's name is gone.
    ///
    /// # Errors
    /// `BadSocket`; `NotSupported` for a socket that is not TCP's and for a connection that signs its segments;
    /// `NotConnected` for one that is not open, or not any more. The socket stays then as it was.
    pub fn freeze(&mut self, now: Instant, id: SocketId) -> Result<Vec<u8>, SocketError> {
        self.advance(now);
        self.flush_merged();
        let index = self.connection_of(id)?;
        let socket = self.socket(id)?;
        let (linger, flags) = (socket.linger, socket.flags & (Flags::INHERITED | Flags::READ_CLOSED));
        let connection = self.flows.connections.get(index).ok_or(SocketError::NotConnected)?;
        let FlowKey { local, remote, zone, .. } = connection.key;
        let envelope =
            Envelope { local, remote, zone, linger, flags, ttl: connection.ttl, tos: connection.tos };
        let frozen = self.with_tcb(index, |tcb, cx| tcb.freeze(cx)).ok_or(SocketError::NotConnected)?;
        let mut octets = envelope.write();
        octets.extend(frozen.map_err(|error| match error {
            FreezeError::Signed => SocketError::NotSupported,
            _ => SocketError::NotConnected,
        })?);
        self.release_port(id.index);
        self.auth.forget_socket(id.index);
        self.sockets.remove(id.index);
        if let Some(connection) = self.flows.connections.get_mut(index) {
            connection.socket = NONE;
        }
        self.with_tcb(index, |tcb, cx| tcb.forget(cx));
        self.connection_ended(index);
        Ok(octets)
    }

    /// Makes a socket of a connection that [`Stack::freeze`] gave, perhaps in another process. Events say at once
    /// what can be read and written.
    ///
    /// # Errors
    /// `InvalidArgument` for octets that are no connection, `AddressNotAvailable` if its local address is not this
    /// host's, `AddressInUse` if the flow exists here, `NoBuffers` and `TooManySockets` at the limits, those of the
    /// route to the peer, `NetworkDown` after [`Stack::shutdown`].
    pub fn thaw(&mut self, now: Instant, octets: &[u8]) -> Result<SocketId, SocketError> {
        self.advance(now);
        let mut reader = Reader::new(octets);
        let envelope = Envelope::read(&mut reader).ok_or(SocketError::InvalidArgument)?;
        let Envelope { local, remote, zone, linger, flags, ttl, tos } = envelope;
        let key = FlowKey { local, remote, protocol: protocol::TCP, zone };
        if !self.is_own(local.address) {
            return Err(SocketError::AddressNotAvailable);
        }
        if self.flows.find(&key).is_some() {
            return Err(SocketError::AddressInUse);
        }
        if self.flows.connections.len() >= self.engine.config.connections_max {
            return Err(SocketError::NoBuffers);
        }
        let hop = self.route(remote.address, zone)?;
        let mss = mss_of(self.path_mtu(remote.address, hop.mtu), remote.address.family());
        let flow = self.next_flow_id();
        let mut cx = self.engine.context(mss, 0);
        let thawed = Tcb::thaw(&mut cx, reader.rest(), flow);
        let tcb = thawed.map_err(|_| SocketError::InvalidArgument)?;
        let id = match self.new_socket(local.address.family(), Kind::Ended) {
            Ok(id) => id,
            Err(error) => {
                let mut tcb = tcb;
                tcb.forget(&mut self.engine.context(mss, 0));
                tcb.release(&mut self.engine.slabs, &mut self.engine.pool);
                return Err(error);
            }
        };
        let reuse = flags.contains(Flags::REUSE_ADDRESS);
        let index = self.enter_connection(Connection {
            socket: id.index,
            established_at: Some(now),
            holds_port: Some(PortHold { reuse }),
            ttl,
            tos,
            ..Connection::new(key, tcb, mss, now)
        });
        let socket = self.socket_mut(id)?;
        socket.kind = Kind::Connection(index);
        (socket.local, socket.linger, socket.ttl, socket.tos) = (local, linger, ttl, tos);
        socket.flags |= flags;
        self.settle(index, Signals::TRANSMIT);
        self.tell_readiness(id)?;
        Ok(id)
    }

    /// Events for all that a socket finds when it comes into being with a connection.
    fn tell_readiness(&mut self, id: SocketId) -> Result<(), SocketError> {
        let ready = self.readiness(id)?;
        let mut pending = Pending::empty();
        pending.set(Pending::WRITABLE, ready.writable);
        pending.set(Pending::READABLE, ready.readable);
        pending.set(Pending::PEER_CLOSED, ready.peer_closed);
        if !pending.is_empty() {
            self.pend(id.index, pending);
        }
        Ok(())
    }
}
