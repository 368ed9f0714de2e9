//! A connection in the host: its Tcb, its path, its timer, and who is to hear of it.
//!
//! `portolan-tcp` decides; here its decisions are carried out. Every call into a Tcb goes through
//! [`Stack::with_tcb`], and is followed by [`Stack::settle`], which acts on the signals, sets the timer and puts the
//! connection on the active list of its link. `path` is where its segments go, `end` what is left of it.

use portolan_link::Instant;
use portolan_tcp::{Context, Error, Info, Signals, State, Tcb};
use portolan_wire::FlowKey;

use crate::demux::Slot;
use crate::event::{Event, Pending, Warning};
use crate::list::{List, NONE, Place};
use crate::socket::{Flags as SocketFlags, Kind as SocketKind};
use crate::stack::Stack;
use crate::timer::{Kind, Owner, TimerId};
use crate::{SocketError, SocketId};

mod end;
mod path;

pub(crate) use path::{Path, mss_of};

/// One connection's record.
pub(crate) struct Connection {
    pub(crate) key: FlowKey,
    pub(crate) tcb: Tcb,
    pub(crate) path: Path,
    pub(crate) place: Place,
    pub(crate) timer: Option<TimerId>,
    /// The socket's index; `NONE` before it is accepted and after it is closed.
    pub(crate) socket: u32,
    /// The listener's index while the connection waits to be accepted.
    pub(crate) listener: u32,
    pub(crate) opened_at: Instant,
    pub(crate) established_at: Option<Instant>,
    /// Whether the flow table leads here: not any more after the end, when only the socket keeps the record.
    pub(crate) in_table: bool,
    /// Whether it counts in the port table: not for a gateway's, whose local ports are not this host's.
    pub(crate) holds_port: Option<PortHold>,
    /// The link that its socket is bound to; 0 if none.
    pub(crate) device: u16,
    pub(crate) ttl: u8,
    pub(crate) tos: u8,
}

/// How a connection counts at its local port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PortHold {
    /// Whether its socket had SO_REUSEADDR.
    pub(crate) reuse: bool,
}

impl Connection {
    /// The record of a connection that nothing names yet and that counts at no port.
    pub(crate) fn new(key: FlowKey, tcb: Tcb, mss: u16, opened_at: Instant) -> Connection {
        Connection {
            key,
            tcb,
            path: Path { mss, ..Path::UNKNOWN },
            place: Place::NOWHERE,
            timer: None,
            socket: NONE,
            listener: NONE,
            opened_at,
            established_at: None,
            in_table: true,
            holds_port: None,
            device: 0,
            ttl: 0,
            tos: 0,
        }
    }

    /// The only link that its packets may take; 0 if any.
    pub(crate) fn zone(&self) -> u16 {
        self.key.zone.max(self.device)
    }
}

/// Every error of a connection as its socket reports it.
pub(crate) fn socket_error(error: Error) -> SocketError {
    match error {
        Error::NotConnected => SocketError::NotConnected,
        Error::WouldBlock => SocketError::WouldBlock,
        Error::InProgress => SocketError::InProgress,
        Error::NothingUrgent => SocketError::InvalidArgument,
        Error::BrokenPipe => SocketError::BrokenPipe,
        Error::Reset => SocketError::ConnectionReset,
        Error::TimedOut => SocketError::TimedOut,
        Error::Refused => SocketError::ConnectionRefused,
        Error::Aborted => SocketError::ConnectionAborted,
        Error::NetworkUnreachable => SocketError::NetworkUnreachable,
        Error::HostUnreachable => SocketError::HostUnreachable,
    }
}

impl Stack {
    /// Enters a connection into the tables; its index comes back.
    pub(crate) fn enter_connection(&mut self, connection: Connection) -> u32 {
        let (key, holds_port) = (connection.key, connection.holds_port);
        let index = self.flows.connections.insert(connection);
        self.flows.insert(Slot::Connection(index));
        if let Some(hold) = holds_port {
            self.ports.hold_connection(&key, hold.reuse);
        }
        index
    }

    /// Runs one call of a connection's Tcb.
    pub(crate) fn with_tcb<R>(
        &mut self,
        index: u32,
        call: impl FnOnce(&mut Tcb, &mut Context<'_>) -> R,
    ) -> Option<R> {
        let connection = self.flows.connections.get_mut(index)?;
        let link = self.links.get(usize::from(connection.path.link.0)).and_then(Option::as_ref);
        let is_signed = connection.tcb.auth(&self.engine.slabs).is_some();
        let gso_max = link.map_or(0, |link| link.caps.gso_max.min(u16::MAX.into()));
        // A link cannot sign what it cuts.
        let gso_max = if is_signed { 0 } else { gso_max };
        let mut cx = self.engine.context(connection.path.mss, gso_max);
        Some(call(&mut connection.tcb, &mut cx))
    }

    /// Carries out what a call into a Tcb has asked for by its signals. The record may be gone afterwards.
    pub(crate) fn settle(&mut self, index: u32, signals: Signals) {
        self.tell(index, signals);
        self.settle_fast_open(index, signals);
        if signals.contains(Signals::PATH_DOUBTED) {
            self.doubt_path(index);
        }
        if signals.contains(Signals::TIME_WAIT) {
            self.enter_time_wait(index);
            return;
        }
        let Some(connection) = self.flows.connections.get(index) else { return };
        if !connection.in_table {
            return;
        }
        if connection.tcb.is_finished() {
            self.connection_ended(index);
            return;
        }
        if signals.contains(Signals::TRANSMIT) {
            self.activate(index);
        }
        self.keep_timer(index);
    }

    /// Tells the socket what has happened.
    fn tell(&mut self, index: u32, signals: Signals) {
        let now = self.engine.now;
        let Some(connection) = self.flows.connections.get_mut(index) else { return };
        let mut pending = Pending::empty();
        let was_established = connection.established_at.is_some();
        if signals.contains(Signals::ESTABLISHED) && !was_established {
            connection.established_at = Some(now);
            pending |= Pending::CONNECTED | Pending::WRITABLE;
        }
        if signals.contains(Signals::READABLE) {
            pending |= Pending::READABLE;
        }
        if signals.contains(Signals::URGENT) {
            pending |= Pending::URGENT;
        }
        if signals.contains(Signals::WRITABLE) {
            pending |= Pending::WRITABLE;
        }
        if signals.contains(Signals::FIN_RECEIVED) {
            pending |= Pending::READABLE | Pending::PEER_CLOSED;
        }
        let failed = signals.intersects(Signals::RESET_RECEIVED | Signals::TIMED_OUT)
            || signals.contains(Signals::CLOSED) && connection.tcb.error().is_some();
        if failed {
            pending |= if was_established { Pending::FAILED } else { Pending::CONNECT_FAILED };
        }
        let (socket, error) = (connection.socket, connection.tcb.error());
        if pending.is_empty() || socket == NONE {
            return;
        }
        if failed && let Some(record) = self.sockets.get_mut(socket) {
            record.error = error.map(socket_error).or(Some(SocketError::ConnectionReset));
        }
        self.pend(socket, pending);
    }

    /// Puts a connection that has something to send on its link's active list.
    pub(crate) fn activate(&mut self, index: u32) {
        if !self.refresh_path(index) {
            self.unsendable(index);
            return;
        }
        let parked = self
            .flows
            .connections
            .get(index)
            .is_some_and(|connection| connection.place.list == Some(List::Parked));
        if parked && !self.awaits_neighbour(index) {
            self.delist(index);
        }
        let Some(connection) = self.flows.connections.get(index) else { return };
        if connection.place.list.is_none()
            && let Some(Some(link)) = self.links.get_mut(usize::from(connection.path.link.0))
        {
            link.enlist(&mut self.flows.connections, index, List::Active);
        }
    }

    /// A connection has something to send and no way to do it. One that has ended is forgotten: its reset cannot be
    /// sent. Any other tries again when its timer fires or the routes change, and is given up if that lasts.
    pub(crate) fn unsendable(&mut self, index: u32) {
        let Some(connection) = self.flows.connections.get(index) else { return };
        if connection.tcb.state() == State::Closed {
            self.connection_ended(index);
            return;
        }
        self.with_tcb(index, |tcb, cx| tcb.on_unsendable(cx));
        self.keep_timer(index);
    }

    /// Tells the socket of something that its connection may survive, if it has asked to hear it.
    ///
    /// RFC 9293 MUST-47, SHLD-20: reports can be had, and are off until somebody wants them.
    pub(crate) fn warn(&mut self, index: u32, warning: Warning) {
        let Some(connection) = self.flows.connections.get(index) else { return };
        let socket = connection.socket;
        let wanted =
            self.sockets.get(socket).is_some_and(|record| record.flags.contains(SocketFlags::WARNINGS));
        if let (true, Some(id)) = (wanted, self.socket_id(socket)) {
            self.event(Event::Warned(id, warning));
        }
    }

    /// Takes a connection off whatever list it is on.
    pub(crate) fn delist(&mut self, index: u32) {
        let Some(connection) = self.flows.connections.get(index) else { return };
        let (list, link) = (connection.place.list, connection.path.link);
        let Some(Some(link)) = self.links.get_mut(usize::from(link.0)) else { return };
        match list {
            Some(List::Active) => link.active.delist(&mut self.flows.connections, index),
            Some(List::Parked) => link.parked.delist(&mut self.flows.connections, index),
            None => {}
        }
    }

    /// Sets the connection's timer if the one that is set would fire too late.
    pub(crate) fn keep_timer(&mut self, index: u32) {
        let Some(connection) = self.flows.connections.get_mut(index) else { return };
        let Some(deadline) = connection.tcb.next_deadline() else { return };
        match connection.timer {
            Some(timer) if self.timers.fires_by(timer, deadline) => return,
            Some(timer) => self.timers.cancel(timer),
            None => {}
        }
        connection.timer = Some(self.timers.set(deadline, Owner { kind: Kind::Connection, index }));
    }

    /// The connection's timer has fired: at its deadline, or at one that has moved later since.
    pub(crate) fn on_connection_timeout(&mut self, index: u32) {
        let now = self.engine.now;
        let Some(connection) = self.flows.connections.get_mut(index) else { return };
        connection.timer = None;
        let signals = match connection.tcb.next_deadline() {
            Some(deadline) if deadline <= now => self.with_tcb(index, |tcb, cx| tcb.on_deadline(cx)),
            _ => Some(Signals::empty()),
        };
        self.settle(index, signals.unwrap_or_default());
        self.relieve_memory();
    }

    /// The figures of a connection.
    pub(crate) fn connection_info(&mut self, index: u32) -> Option<Info> {
        let advertised_mss = self.advertised_mss_of(index);
        self.with_tcb(index, |tcb, cx| {
            cx.advertised_mss = advertised_mss.unwrap_or(cx.advertised_mss);
            tcb.info(cx)
        })
    }

    /// The name of the socket with this index, if there is one.
    pub(crate) fn socket_id(&self, index: u32) -> Option<SocketId> {
        self.sockets.get(index)?;
        Some(SocketId { index, generation: self.sockets.generation(index)? })
    }

    /// The connection of a socket that has one.
    pub(crate) fn connection_of(&self, id: SocketId) -> Result<u32, SocketError> {
        match self.socket(id)?.kind {
            SocketKind::Connection(index) => Ok(index),
            SocketKind::Udp(_) => Err(SocketError::NotSupported),
            _ => Err(SocketError::NotConnected),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_fits_its_budget() {
        let octets = crate::slab::Slab::<Connection>::place_octets()
            + crate::slab::Slab::<crate::socket::Socket>::place_octets()
            + crate::timer::Wheel::timer_octets()
            + size_of::<Slot>()
            + 1;
        assert!(octets < 512, "{octets} octets: connection {}", size_of::<Connection>());
    }
}
