//! Listeners: the SYN queue and the accept queue (RFC 9293 §3.10.1; Linux's meaning of the backlog).
//!
//! The accept queue holds up to one connection more than the backlog says. While it is full, SYNs are dropped and the
//! last ACK of a handshake is ignored, so that the peer tries again instead of being refused.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use portolan_link::Instant;
use portolan_tcp::{FastOpenKnob, SegmentPlan, SocketOptions};
use portolan_wire::tcp::Flags as TcpFlags;
use portolan_wire::{Endpoint, FlowKey, SeqNumber, protocol};

use crate::embryo::Parent;
use crate::event::Pending;
use crate::fast_open::{FastOpenKeys, FastOpenQueue};
use crate::list::NONE;
use crate::socket::{Flags, Kind, Socket, unspecified};
use crate::stack::Stack;
use crate::{LinkId, SocketError, SocketId};

/// What a listener has beside its record.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) backlog: u32,
    /// Connections in SYN-RECEIVED.
    pub(crate) embryos: u32,
    /// Connections that wait to be accepted, in order.
    pub(crate) accepted: VecDeque<u32>,
    /// What accepted connections start with.
    pub(crate) options: SocketOptions,
    pub(crate) opening: Opening,
    pub(crate) fast_opens: FastOpenQueue,
    /// Until when a cookie that was given out may come back.
    pub(crate) cookies_until: Instant,
}

/// Settings that count until a connection is open: of a TCP socket that is not used yet, or that listens.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Opening {
    /// Fast Opens of a listener that may be pending; 0 for none (TCP_FASTOPEN).
    pub(crate) fast_open_backlog: u32,
    /// The keys of a listener's cookies, if not the host's (TCP_FASTOPEN_KEY).
    pub(crate) fast_open_keys: Option<FastOpenKeys>,
    /// A connect waits for the first write, if there is a cookie (TCP_FASTOPEN_CONNECT).
    pub(crate) fast_open_connect: bool,
    /// Fast Open needs no cookie (TCP_FASTOPEN_NO_COOKIE).
    pub(crate) fast_open_no_cookie: bool,
    /// SYN-ACKs for which a listener waits for text (TCP_DEFER_ACCEPT).
    pub(crate) defer_accept: u8,
}

/// A TCP socket that is not used yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fresh {
    pub(crate) options: SocketOptions,
    pub(crate) opening: Opening,
}

impl Stack {
    /// Whether a connection to `local` that comes over `link` would find a listener.
    #[must_use]
    pub fn has_listener(&self, link: LinkId, local: Endpoint) -> bool {
        let remote = Endpoint::new(unspecified(local.address.family()), 0);
        let key = FlowKey { local, remote, protocol: protocol::TCP, zone: 0 };
        self.ports.listener(&key, link).is_some()
    }

    /// Makes a TCP socket listen, or changes a listener's backlog. A socket that is not bound gets an ephemeral port.
    ///
    /// # Errors
    /// `NotSupported` for UDP, `InvalidArgument` for a socket that is in use, `AddressInUse`.
    pub fn listen(&mut self, now: Instant, id: SocketId, backlog: u32) -> Result<(), SocketError> {
        self.advance(now);
        let backlog = backlog.min(self.engine.config.somaxconn);
        let socket = self.socket_mut(id)?;
        let (fresh, bound, family) = match &mut socket.kind {
            Kind::Fresh(fresh) => (**fresh, socket.flags.contains(Flags::BOUND), socket.family),
            Kind::Listener(listener) => {
                listener.backlog = backlog;
                return Ok(());
            }
            Kind::Udp(_) => return Err(SocketError::NotSupported),
            _ => return Err(SocketError::InvalidArgument),
        };
        if self.stopping {
            return Err(SocketError::NetworkDown);
        }
        if !bound {
            self.claim_port(id.index, Endpoint::new(unspecified(family), 0))?;
        }
        let port = self.socket(id)?.local.port;
        self.ports.update(protocol::TCP, port, id.index, |binding| binding.listening = true)?;
        let Fresh { options, mut opening } = fresh;
        let knob = self.engine.config.tcp.fast_open;
        if knob.contains(FastOpenKnob::SERVER | FastOpenKnob::ALL_LISTENERS) && opening.fast_open_backlog == 0
        {
            opening.fast_open_backlog = backlog;
        }
        let listener = Listener {
            backlog,
            embryos: 0,
            accepted: VecDeque::new(),
            options,
            opening,
            fast_opens: FastOpenQueue::default(),
            cookies_until: Instant::ZERO,
        };
        self.socket_mut(id)?.kind = Kind::Listener(Box::new(listener));
        Ok(())
    }

    /// Takes the connection that has waited longest: its socket, this end and the other end.
    ///
    /// # Errors
    /// `WouldBlock`, `InvalidArgument` for a socket that does not listen, `NotSupported` for UDP, `TooManySockets`.
    pub fn accept(
        &mut self,
        now: Instant,
        listener: SocketId,
    ) -> Result<(SocketId, Endpoint, Endpoint), SocketError> {
        self.advance(now);
        let full = self.sockets.len() >= self.engine.config.sockets_max;
        let Socket { kind, family, linger, tos, ttl, flags, remembered, .. } = self.socket_mut(listener)?;
        let (family, linger, tos, ttl) = (*family, *linger, *tos, *ttl);
        let (flags, remembered) = (*flags & Flags::INHERITED, remembered.clone());
        let index = match kind {
            Kind::Listener(_) if full => return Err(SocketError::TooManySockets),
            Kind::Listener(listener) => listener.accepted.pop_front().ok_or(SocketError::WouldBlock)?,
            Kind::Udp(_) => return Err(SocketError::NotSupported),
            _ => return Err(SocketError::InvalidArgument),
        };
        let id = self.new_socket(family, Kind::Connection(index))?;
        let Some(connection) = self.flows.connections.get_mut(index) else {
            return Err(SocketError::ConnectionAborted);
        };
        (connection.socket, connection.listener) = (id.index, NONE);
        let (key, error) = (connection.key, connection.tcb.error());
        let socket = self.socket_mut(id)?;
        socket.local = key.local;
        (socket.linger, socket.tos, socket.ttl) = (linger, tos, ttl);
        socket.flags |= flags;
        socket.remembered = remembered;
        socket.error = error.map(crate::connection::socket_error);
        // What has happened while nobody was there to hear it.
        let ready = self.readiness(id)?;
        let mut pending = Pending::WRITABLE;
        pending.set(Pending::READABLE, ready.readable);
        pending.set(Pending::PEER_CLOSED, ready.peer_closed);
        pending.set(Pending::URGENT, self.urgent_remaining(id).is_ok_and(|octets| octets > 0));
        pending.set(Pending::FAILED, ready.error);
        self.pend(id.index, pending);
        Ok((id, key.local, key.remote))
    }

    pub(crate) fn listener(&self, index: u32) -> Option<&Listener> {
        match &self.sockets.get(index)?.kind {
            Kind::Listener(listener) => Some(listener),
            _ => None,
        }
    }

    pub(crate) fn listener_mut(&mut self, index: u32) -> Option<&mut Listener> {
        match &mut self.sockets.get_mut(index)?.kind {
            Kind::Listener(listener) => Some(listener),
            _ => None,
        }
    }

    pub(crate) fn accept_queue_has_room(&self, listener: u32) -> bool {
        let Some(listener) = self.listener(listener) else { return false };
        let (waiting, backlog) = (listener.accepted.len(), listener.backlog as usize);
        portolan_tcp::planted!(47, waiting < backlog, waiting <= backlog)
    }

    /// Whether another connection in SYN-RECEIVED is within the backlog, or within `least`.
    pub(crate) fn syn_queue_has_room(&self, listener: u32, least: u32) -> bool {
        self.listener(listener).is_some_and(|listener| listener.embryos < listener.backlog.max(least))
    }

    pub(crate) fn embryo_joined(&mut self, listener: u32) {
        if let Some(listener) = self.listener_mut(listener) {
            listener.embryos += 1;
        }
    }

    pub(crate) fn embryo_left(&mut self, listener: u32) {
        if let Some(listener) = self.listener_mut(listener) {
            listener.embryos = listener.embryos.saturating_sub(1);
        }
    }

    /// A handshake is over: the connection waits to be accepted.
    pub(crate) fn enqueue_accepted(&mut self, listener: u32, connection: u32) {
        // The last segment of the handshake may have ended the connection too.
        if self.flows.connections.get(connection).is_none() {
            return;
        }
        if let Some(record) = self.listener_mut(listener) {
            record.accepted.push_back(connection);
            self.pend(listener, Pending::ACCEPTABLE);
        }
    }

    /// A listener is closed: what waits for it is reset.
    pub(crate) fn close_listener(&mut self, index: u32, listener: Listener) {
        self.forget_fast_opens_of(index);
        for connection in listener.accepted {
            self.orphan(connection, true);
        }
        for embryo in 0..self.flows.embryos.bound() {
            let record = self.flows.embryos.get(embryo);
            if record.is_some_and(|record| record.parent() == Parent::Listener(index)) {
                self.reset_embryo(embryo);
            }
        }
    }

    /// Forgets an embryo and tells its peer.
    pub(crate) fn reset_embryo(&mut self, index: u32) {
        let Some(record) = self.flows.embryos.get(index) else { return };
        let syn_ack = record.embryo.syn_ack(self.engine.now);
        let key = record.key;
        let reset = SegmentPlan {
            seq: syn_ack.seq + 1,
            ack: SeqNumber(0),
            flags: TcpFlags::RST,
            window: 0,
            options: portolan_wire::tcp::Options::NONE,
            ..syn_ack
        };
        self.send_reset(&key, &reset);
        self.delete_embryo(index, Some(SocketError::ConnectionAborted));
    }

    /// The TCP options of a socket before it has a connection, or of a listener's children.
    pub(crate) fn tcp_options_of(&self, index: u32) -> SocketOptions {
        match self.sockets.get(index).map(|socket| &socket.kind) {
            Some(Kind::Listener(listener)) => listener.options,
            Some(Kind::Fresh(fresh)) => fresh.options,
            _ => SocketOptions::new(&self.engine.config.tcp),
        }
    }

    /// The settings of a socket until it has a connection, or of a listener.
    pub(crate) fn opening_of(&self, index: u32) -> Opening {
        match self.sockets.get(index).map(|socket| &socket.kind) {
            Some(Kind::Listener(listener)) => listener.opening,
            Some(Kind::Fresh(fresh)) => fresh.opening,
            _ => Opening::default(),
        }
    }

    /// TTL and TOS of what a socket sends.
    pub(crate) fn ttl_tos_of(&self, index: u32) -> (u8, u8) {
        self.sockets.get(index).map_or((self.engine.config.hop_limit, 0), |socket| (socket.ttl, socket.tos))
    }

    /// The link that a socket is bound to; 0 if none.
    pub(crate) fn device_of(&self, index: u32) -> u16 {
        self.sockets.get(index).map_or(0, |socket| socket.device)
    }

    pub(crate) fn reuses_address(&self, index: u32) -> bool {
        self.sockets.get(index).is_some_and(|socket| socket.flags.contains(Flags::REUSE_ADDRESS))
    }
}
