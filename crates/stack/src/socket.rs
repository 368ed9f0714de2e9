//! Sockets: what an application holds. The calls that all kinds have are here; `connect`, `listen`, `tcp` and `udp`
//! have the rest, `option` what can be set, and `sockopt` the same in Linux's numbers.
//!
//! A socket's record is small, and what only some kinds need hangs off it. Every call takes `now` first, and a name
//! that is not a socket's (any more) gives EBADF.

use alloc::boxed::Box;

use bitflags::bitflags;
use portolan_link::Instant;
use portolan_tcp::{SocketOptions, State};
use portolan_wire::{Address, Endpoint, Family, protocol};

use crate::event::{Event, Pending, Queued};
use crate::port::Binding;
use crate::stack::Stack;
use crate::{SocketError, SocketId};

mod connect;
pub(crate) mod listen;
pub(crate) mod option;
pub(crate) mod sockopt;
pub(crate) mod tcp;
pub(crate) mod udp;

use listen::{Fresh, Listener, Opening};
use sockopt::remembered::Remembered;
use udp::Udp;
use udp::raw::Raw;

/// One socket's record.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) kind: Kind,
    pub(crate) local: Endpoint,
    pub(crate) family: Family,
    pub(crate) flags: Flags,
    pub(crate) pending: Pending,
    /// What the next call, or `take_error`, reports.
    pub(crate) error: Option<SocketError>,
    /// SO_LINGER in seconds.
    pub(crate) linger: Option<u16>,
    /// The link that the socket is bound to; 0 if none.
    pub(crate) device: u16,
    pub(crate) ttl: u8,
    pub(crate) tos: u8,
    /// Options that change nothing here.
    pub(crate) remembered: Remembered,
}

/// What a socket is.
#[derive(Debug)]
pub(crate) enum Kind {
    /// TCP, not used yet.
    Fresh(Box<Fresh>),
    /// TCP, listening.
    Listener(Box<Listener>),
    /// TCP, an accepted request whose handshake is not over.
    Embryo(u32),
    /// TCP, with the number of its connection.
    Connection(u32),
    /// TCP, after a handshake that failed.
    Ended,
    Udp(Box<Udp>),
}

bitflags! {
    /// Settings of one bit.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(crate) struct Flags: u8 {
        const REUSE_ADDRESS = 1;
        const REUSE_PORT = 1 << 1;
        const V6_ONLY = 1 << 2;
        const BROADCAST = 1 << 3;
        /// The socket has a claim in the port table.
        const BOUND = 1 << 4;
        /// Its owner has shut down reading.
        const READ_CLOSED = 1 << 5;
        /// Its owner has shut down writing (UDP; a connection knows itself).
        const WRITE_CLOSED = 1 << 6;
        /// Its owner wants to hear of errors that its connection survives.
        const WARNINGS = 1 << 7;
        /// What an accepted connection has from its listener.
        const INHERITED = Self::REUSE_ADDRESS.bits()
            | Self::REUSE_PORT.bits()
            | Self::V6_ONLY.bits()
            | Self::BROADCAST.bits()
            | Self::WARNINGS.bits();
    }
}

/// Which directions to shut down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// No more reading.
    Read,
    /// No more writing: FIN.
    Write,
    /// Neither.
    Both,
}

/// What a call on a socket would find now, as `poll` would report it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ready {
    /// A read would not block: text, a datagram, the end, an error, or a connection to accept.
    pub readable: bool,
    /// A write would not block.
    pub writable: bool,
    /// Both directions are over (POLLHUP).
    pub hangup: bool,
    /// The peer has sent FIN (POLLRDHUP).
    pub peer_closed: bool,
    /// Urgent text has arrived and is not read to its end (POLLPRI).
    pub priority: bool,
    /// An error waits (POLLERR).
    pub error: bool,
}

impl Socket {
    fn new(family: Family, kind: Kind, hop_limit: u8) -> Socket {
        Socket {
            kind,
            local: Endpoint::new(unspecified(family), 0),
            family,
            flags: Flags::empty(),
            pending: Pending::empty(),
            error: None,
            linger: None,
            device: 0,
            ttl: hop_limit,
            tos: 0,
            remembered: Remembered::default(),
        }
    }

    pub(crate) fn protocol(&self) -> u8 {
        match &self.kind {
            Kind::Udp(udp) => udp.protocol,
            _ => protocol::TCP,
        }
    }

    pub(crate) fn is_bound(&self) -> bool {
        self.flags.contains(Flags::BOUND)
    }

    /// Whether the socket may speak with this address: an IPv6 socket with IPv4 too, unless it is V6ONLY.
    pub(crate) fn speaks(&self, address: Address) -> bool {
        address.family() == self.family || self.family == Family::V6 && !self.flags.contains(Flags::V6_ONLY)
    }

    /// Whether it can reach this address. Linux: what speaks IPv6 only has no route to IPv4.
    pub(crate) fn check_family(&self, remote: Address) -> Result<(), SocketError> {
        match self.family {
            _ if self.speaks(remote) => Ok(()),
            Family::V4 => Err(SocketError::FamilyNotSupported),
            Family::V6 => Err(SocketError::NetworkUnreachable),
        }
    }
}

/// The wildcard of a family.
pub(crate) fn unspecified(family: Family) -> Address {
    match family {
        Family::V4 => Address::V4_UNSPECIFIED,
        Family::V6 => Address::UNSPECIFIED,
    }
}

impl Stack {
    /// A new TCP socket, not bound.
    ///
    /// # Errors
    /// `TooManySockets`, `NetworkDown` after [`Stack::shutdown`].
    pub fn tcp_socket(&mut self, family: Family) -> Result<SocketId, SocketError> {
        let options = SocketOptions::new(&self.engine.config.tcp);
        let fresh = Fresh { options, opening: Opening::default() };
        self.new_socket(family, Kind::Fresh(Box::new(fresh)))
    }

    /// A new UDP socket, not bound.
    ///
    /// # Errors
    /// `TooManySockets`, `NetworkDown` after [`Stack::shutdown`].
    pub fn udp_socket(&mut self, family: Family) -> Result<SocketId, SocketError> {
        self.datagram_socket(family, protocol::UDP)
    }

    /// A new UDP-Lite socket, not bound.
    ///
    /// # Errors
    /// As [`Stack::udp_socket`].
    pub fn udp_lite_socket(&mut self, family: Family) -> Result<SocketId, SocketError> {
        self.datagram_socket(family, protocol::UDPLITE)
    }

    /// A new socket for ICMP echo requests and their answers, without an identifier.
    ///
    /// # Errors
    /// As [`Stack::udp_socket`].
    pub fn echo_socket(&mut self, family: Family) -> Result<SocketId, SocketError> {
        let protocol = if family == Family::V4 { protocol::ICMPV4 } else { protocol::ICMPV6 };
        self.datagram_socket(family, protocol)
    }

    /// A new raw socket for the packets of an IP protocol. Whether its owner may have one is for the caller to judge.
    ///
    /// # Errors
    /// As [`Stack::udp_socket`].
    pub fn raw_socket(&mut self, family: Family, protocol: u8) -> Result<SocketId, SocketError> {
        let id = self.datagram_socket(family, protocol)?;
        if let Kind::Udp(udp) = &mut self.socket_mut(id)?.kind {
            udp.raw = Some(Box::new(Raw::new(protocol, family)));
        }
        self.raw_sockets.push(id.index);
        Ok(id)
    }

    fn datagram_socket(&mut self, family: Family, protocol: u8) -> Result<SocketId, SocketError> {
        let udp = Udp::new(protocol, self.engine.config.udp_receive_octets);
        self.new_socket(family, Kind::Udp(Box::new(udp)))
    }

    pub(crate) fn new_socket(&mut self, family: Family, kind: Kind) -> Result<SocketId, SocketError> {
        if self.stopping {
            return Err(SocketError::NetworkDown);
        }
        if self.sockets.len() >= self.engine.config.sockets_max {
            return Err(SocketError::TooManySockets);
        }
        let index = self.sockets.insert(Socket::new(family, kind, self.engine.config.hop_limit));
        self.socket_id(index).ok_or(SocketError::TooManySockets)
    }

    /// Gives a socket its address and port. Port 0 is an ephemeral port; the answer says which.
    ///
    /// # Errors
    /// `InvalidArgument` if it is bound or in use already, `FamilyNotSupported`, `AddressNotAvailable` for an address
    /// that is not the host's, `AddressInUse`.
    pub fn bind(&mut self, now: Instant, id: SocketId, local: Endpoint) -> Result<Endpoint, SocketError> {
        self.advance(now);
        let socket = self.socket(id)?;
        if socket.is_bound() || !matches!(socket.kind, Kind::Fresh(_) | Kind::Udp(_)) {
            return Err(SocketError::InvalidArgument);
        }
        if !socket.speaks(local.address) {
            return Err(match socket.family {
                Family::V4 => SocketError::FamilyNotSupported,
                Family::V6 => SocketError::InvalidArgument,
            });
        }
        let usable = local.address.is_unspecified()
            || self.is_own(local.address)
            || self.is_accepted(local.address)
            || matches!(socket.kind, Kind::Udp(_))
                && (local.address.is_multicast() || local.address.is_broadcast());
        if !usable {
            return Err(SocketError::AddressNotAvailable);
        }
        self.claim_port(id.index, local)
    }

    /// Enters a socket's claim in the port table; port 0 is an ephemeral port.
    pub(crate) fn claim_port(&mut self, index: u32, local: Endpoint) -> Result<Endpoint, SocketError> {
        let socket = self.sockets.get_mut(index).ok_or(SocketError::BadSocket)?;
        let binding = Binding {
            socket: index,
            address: local.address,
            v6_only: socket.flags.contains(Flags::V6_ONLY),
            reuse_address: socket.flags.contains(Flags::REUSE_ADDRESS),
            reuse_port: socket.flags.contains(Flags::REUSE_PORT),
            listening: false,
            link: socket.device,
        };
        if matches!(&socket.kind, Kind::Udp(udp) if udp.raw.is_some()) {
            // Raw sockets share all packets, and have no ports to claim.
            socket.local = Endpoint::new(local.address, 0);
            socket.flags |= Flags::BOUND;
            return Ok(socket.local);
        }
        let protocol = socket.protocol();
        let port = if local.port == 0 {
            self.ports.bind_ephemeral(protocol, binding, &mut self.engine.random)?
        } else {
            self.ports.bind(protocol, local.port, binding)?;
            local.port
        };
        socket.local = Endpoint::new(local.address, port);
        socket.flags |= Flags::BOUND;
        Ok(socket.local)
    }

    /// Gives a socket's claim up.
    pub(crate) fn release_port(&mut self, index: u32) {
        let Some(socket) = self.sockets.get_mut(index) else { return };
        if socket.is_bound() {
            socket.flags -= Flags::BOUND;
            self.ports.release(socket.protocol(), socket.local.port, index);
        }
    }

    /// Lets go of a socket: its name is gone at once. A connection goes on until all is sent, or is reset if text was
    /// not read or SO_LINGER is 0; a listener's waiting connections are reset.
    ///
    /// # Errors
    /// `BadSocket`.
    pub fn close(&mut self, now: Instant, id: SocketId) -> Result<(), SocketError> {
        self.close_socket(now, id, false)
    }

    /// As [`Stack::close`], but a connection is reset.
    ///
    /// # Errors
    /// `BadSocket`.
    pub fn abort(&mut self, now: Instant, id: SocketId) -> Result<(), SocketError> {
        self.close_socket(now, id, true)
    }

    fn close_socket(&mut self, now: Instant, id: SocketId, abort: bool) -> Result<(), SocketError> {
        self.advance(now);
        self.socket(id)?;
        self.release_port(id.index);
        let Some(socket) = self.sockets.remove(id.index) else { return Err(SocketError::BadSocket) };
        match socket.kind {
            Kind::Connection(index) => self.orphan(index, abort || socket.linger == Some(0)),
            Kind::Embryo(index) => self.reset_embryo(index),
            Kind::Listener(listener) => self.close_listener(id.index, *listener),
            Kind::Udp(udp) => self.close_udp(id, &socket.local, *udp),
            Kind::Fresh(_) | Kind::Ended => {}
        }
        // Only now, because the resets of a listener's embryos are signed with its keys.
        self.auth.forget_socket(id.index);
        Ok(())
    }

    /// This end's address and port; unspecified and 0 before they are chosen.
    ///
    /// # Errors
    /// `BadSocket`.
    pub fn local(&self, id: SocketId) -> Result<Endpoint, SocketError> {
        let socket = self.socket(id)?;
        Ok(match &socket.kind {
            Kind::Connection(index) => {
                self.flows.connections.get(*index).map_or(socket.local, |connection| connection.key.local)
            }
            Kind::Embryo(index) => {
                self.flows.embryos.get(*index).map_or(socket.local, |record| record.key.local)
            }
            Kind::Udp(udp) => udp.local(&self.flows, socket.local),
            _ => socket.local,
        })
    }

    /// The other end's address and port.
    ///
    /// # Errors
    /// `BadSocket`, `NotConnected`.
    pub fn remote(&self, id: SocketId) -> Result<Endpoint, SocketError> {
        let socket = self.socket(id)?;
        let key = match &socket.kind {
            Kind::Connection(index) => self.flows.connections.get(*index).map(|connection| connection.key),
            Kind::Embryo(index) => self.flows.embryos.get(*index).map(|record| record.key),
            Kind::Udp(udp) => return udp.remote.ok_or(SocketError::NotConnected),
            _ => None,
        };
        key.map(|key| key.remote).ok_or(SocketError::NotConnected)
    }

    /// The state of a TCP socket; CLOSED for one of UDP.
    ///
    /// # Errors
    /// `BadSocket`.
    pub fn state(&self, id: SocketId) -> Result<State, SocketError> {
        Ok(match &self.socket(id)?.kind {
            Kind::Connection(index) => {
                self.flows.connections.get(*index).map_or(State::Closed, |connection| connection.tcb.state())
            }
            Kind::Embryo(_) => State::SynReceived,
            Kind::Listener(_) => State::Listen,
            Kind::Fresh(_) | Kind::Ended | Kind::Udp(_) => State::Closed,
        })
    }

    /// Takes the error that waits at a socket, as SO_ERROR does.
    pub fn take_error(&mut self, id: SocketId) -> Option<SocketError> {
        self.socket(id).ok()?;
        self.sockets.get_mut(id.index)?.error.take()
    }

    /// What a call on the socket would find now.
    ///
    /// # Errors
    /// `BadSocket`.
    pub fn readiness(&mut self, id: SocketId) -> Result<Ready, SocketError> {
        let socket = self.socket(id)?;
        let error = socket.error.is_some();
        let read_closed = socket.flags.contains(Flags::READ_CLOSED);
        let ready = match &socket.kind {
            Kind::Connection(index) => self.connection_readiness(*index, read_closed),
            Kind::Listener(listener) => Ready { readable: !listener.accepted.is_empty(), ..Ready::default() },
            Kind::Udp(udp) => Ready {
                readable: !udp.queue.is_empty() || read_closed,
                writable: !self.is_blocked(id.index),
                ..Ready::default()
            },
            Kind::Embryo(_) => Ready::default(),
            // Linux: POLLOUT and POLLHUP for a TCP socket that is not connected.
            Kind::Fresh(_) | Kind::Ended => Ready { writable: true, hangup: true, ..Ready::default() },
        };
        let (readable, writable) = (ready.readable || error, ready.writable || error);
        Ok(Ready { readable, writable, error, ..ready })
    }

    /// The record of a socket.
    pub(crate) fn socket(&self, id: SocketId) -> Result<&Socket, SocketError> {
        if self.sockets.generation(id.index) != Some(id.generation) {
            return Err(SocketError::BadSocket);
        }
        self.sockets.get(id.index).ok_or(SocketError::BadSocket)
    }

    /// The record of a socket, to change it.
    pub(crate) fn socket_mut(&mut self, id: SocketId) -> Result<&mut Socket, SocketError> {
        if self.sockets.generation(id.index) != Some(id.generation) {
            return Err(SocketError::BadSocket);
        }
        self.sockets.get_mut(id.index).ok_or(SocketError::BadSocket)
    }

    /// Adds to what a socket's owner is to be told.
    pub(crate) fn pend(&mut self, index: u32, pending: Pending) {
        let Some(generation) = self.sockets.generation(index) else { return };
        let Some(socket) = self.sockets.get_mut(index) else { return };
        let queued = socket.pending.contains(Pending::QUEUED);
        socket.pending |= pending | Pending::QUEUED;
        if !queued {
            self.events.push_socket(SocketId { index, generation });
        }
    }

    /// Queues an event that is not a socket's.
    pub(crate) fn event(&mut self, event: Event) {
        if !self.events.push(event, &self.engine.config) {
            self.engine.drop(crate::DropReason::EventsFull);
        }
    }

    /// The next event.
    pub(crate) fn next_event(&mut self) -> Option<Event> {
        loop {
            let id = match self.events.pop()? {
                Queued::Other(event) => return Some(event),
                Queued::Socket(id) => id,
            };
            // A socket that was closed meanwhile has nothing more to tell.
            let Ok(socket) = self.socket_mut(id) else { continue };
            let mut waiting = socket.pending - Pending::QUEUED;
            let error = socket.error.unwrap_or(SocketError::ConnectionReset);
            let Some(first) = waiting.iter().next() else {
                socket.pending = Pending::empty();
                continue;
            };
            waiting -= first;
            if waiting.is_empty() {
                socket.pending = Pending::empty();
            } else {
                socket.pending = waiting | Pending::QUEUED;
                self.events.put_back(id);
            }
            return Some(match first {
                Pending::CONNECTED => Event::Connected(id),
                Pending::CONNECT_FAILED => Event::ConnectFailed(id, error),
                Pending::READABLE => Event::Readable(id),
                Pending::WRITABLE => Event::Writable(id),
                Pending::ACCEPTABLE => Event::Acceptable(id),
                Pending::PEER_CLOSED => Event::PeerClosed(id),
                Pending::URGENT => Event::Urgent(id),
                _ => Event::Failed(id, error),
            });
        }
    }
}
