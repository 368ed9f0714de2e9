//! A connection in the host: its Tcb, its path, its timer, and who is to hear of it.
//!
//! `portolan-tcp` decides; here its decisions are carried out. Every call into a Tcb goes through
//! [`Stack::with_tcb`], and is followed by [`Stack::settle`], which acts on the signals, sets the timer and puts the
//! connection on the active list of its link.

use alloc::boxed::Box;

use portolan_link::{Chunks, Instant};
use portolan_tcp::{Context, Error, Info, Signals, State, Tcb};
use portolan_wire::{Family, FlowKey};

use crate::demux::Slot;
use crate::event::{Event, Pending, Warning};
use crate::flow::{FlowEnd, FlowSummary, LimitedBy};
use crate::ip::route::Hop;
use crate::list::{List, NONE, Place};
use crate::socket::{Flags as SocketFlags, Kind as SocketKind};
use crate::stack::Stack;
use crate::timer::{Kind, Owner, TimerId};
use crate::{LinkId, SocketError, SocketId};

/// Segments that a connection may still have to send when it enters TIME-WAIT: the ACK of the peer's FIN.
const LAST_SEGMENTS: usize = 2;

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

/// Where a connection's packets go. It is looked up when it is first used and when the host's routes have changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Path {
    /// The routes' generation at the look-up; 0 is never one.
    pub(crate) generation: u32,
    pub(crate) link: LinkId,
    /// The largest text without options.
    pub(crate) mss: u16,
    /// The neighbour's number at its link, and the generation of that place.
    pub(crate) neighbour: u32,
    pub(crate) neighbour_generation: u32,
    pub(crate) flow_label: u32,
}

impl Connection {
    /// The only link that its packets may take; 0 if any.
    pub(crate) fn zone(&self) -> u16 {
        self.key.zone.max(self.device)
    }
}

impl Path {
    pub(crate) const UNKNOWN: Path = Path {
        generation: 0,
        link: LinkId::LOOPBACK,
        mss: 536,
        neighbour: NONE,
        neighbour_generation: 0,
        flow_label: 0,
    };
}

/// The largest text of a segment without options on a path of this MTU. RFC 9293 MUST-67: and in an MSS option.
pub(crate) fn mss_of(mtu: u16, family: Family) -> u16 {
    let headers = match family {
        Family::V4 => 40,
        Family::V6 => 60,
    };
    mtu.saturating_sub(headers).max(1)
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

    /// A connection's segments have been sent again for nothing: its neighbour is asked whether it is there, and its
    /// route looked up anew (RFC 9293 MUST-20); and the application hears of it (SHLD-9).
    fn doubt_path(&mut self, index: u32) {
        let Some(connection) = self.flows.connections.get_mut(index) else { return };
        let Path { link, neighbour, neighbour_generation, .. } = connection.path;
        connection.path.generation = Path::UNKNOWN.generation;
        let known = self.interface(link).and_then(|interface| interface.neighbours.generation(neighbour));
        if known == Some(neighbour_generation) {
            self.doubt_neighbour(link, neighbour);
        }
        self.warn(index, Warning::Retransmitting);
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

    /// Looks the path up again if the routes have changed since. False if there is none.
    pub(crate) fn refresh_path(&mut self, index: u32) -> bool {
        let Some(connection) = self.flows.connections.get(index) else { return false };
        if connection.path.generation == self.path_generation {
            return true;
        }
        let (key, zone) = (connection.key, connection.zone());
        let Ok(hop) = self.route(self.first_stop(&key), zone) else { return false };
        self.delist(index);
        let path = Path {
            generation: self.path_generation,
            link: hop.link,
            mss: self.path_mss(&key, hop.mtu),
            flow_label: self.flow_label(&key),
            ..Path::UNKNOWN
        };
        if let Some(connection) = self.flows.connections.get_mut(index) {
            connection.path = path;
        }
        true
    }

    /// The largest text of a segment without TCP options on a flow's path, whose first link's MTU is given.
    ///
    /// RFC 9293 MUST-16, §3.7.1: IP options count too.
    pub(crate) fn path_mss(&self, key: &FlowKey, link_mtu: u16) -> u16 {
        let remote = key.remote.address;
        let mss = mss_of(self.path_mtu(remote, link_mtu), remote.family());
        mss.saturating_sub(self.ip_options_len(key)).max(1)
    }

    /// What a flow's peer is told of the segments that may come: what the route says, or what the path takes the other
    /// way.
    pub(crate) fn advertised_mss(&self, key: &FlowKey, hop: &Hop) -> u16 {
        hop.advertised_mss.unwrap_or_else(|| self.path_mss(key, hop.mtu))
    }

    /// What the peer of a connection is told of the segments that may come, or would be told now.
    pub(crate) fn advertised_mss_of(&self, index: u32) -> Option<u16> {
        let connection = self.flows.connections.get(index)?;
        let hop = self.route(self.first_stop(&connection.key), connection.zone()).ok()?;
        Some(self.advertised_mss(&connection.key, &hop))
    }

    /// Makes the next look at every connection's path a new look-up, and lets those try again that had none.
    pub(crate) fn paths_changed(&mut self) {
        self.path_generation = self.path_generation.wrapping_add(1).max(1);
        for index in 0..self.flows.connections.bound() {
            if self.with_tcb(index, |tcb, cx| tcb.wants_transmit(cx)) == Some(true) {
                self.activate(index);
            }
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

    /// Puts a small record in the flow table's place of a connection that is in TIME-WAIT.
    fn enter_time_wait(&mut self, index: u32) {
        let room = self.flows.time_waits.len() < self.engine.config.time_wait_max;
        let auth = self.connection_auth(index);
        let record = self.with_tcb(index, |tcb, cx| tcb.time_wait_record(cx));
        let Some(connection) = self.flows.connections.get(index) else { return };
        let (key, ttl, tos) = (connection.key, connection.ttl, connection.tos);
        // The last ACK may still have to be sent, and the record sends only what it is asked for.
        for _ in 0..LAST_SEGMENTS {
            let plan = self.with_tcb(index, |tcb, cx| tcb.poll_segment(cx, u32::MAX, &mut Chunks::new()));
            let Some(plan) = plan.flatten() else { break };
            self.send_control(&key, &plan, ttl, tos);
        }
        // Linux: a port in TIME-WAIT is in use.
        let holds_port = self
            .flows
            .connections
            .get_mut(index)
            .filter(|_| room)
            .and_then(|connection| connection.holds_port.take());
        self.connection_ended(index);
        if let (Some(record), true) = (record, room) {
            let number = self.insert_time_wait(key, record, holds_port);
            self.auth.keep_time_wait(number, auth);
        }
    }

    /// The connection is over: nothing of it is seen on the wire any more. Its record stays while a socket or an
    /// accept queue names it, because there may be text to read.
    pub(crate) fn connection_ended(&mut self, index: u32) {
        self.end_fast_open(index);
        self.delist(index);
        let Some(connection) = self.flows.connections.get_mut(index) else { return };
        if let Some(timer) = connection.timer.take() {
            self.timers.cancel(timer);
        }
        let key = connection.key;
        let hold = connection.holds_port.take();
        let first = core::mem::replace(&mut connection.in_table, false);
        let named = connection.socket != NONE || connection.listener != NONE;
        if let Some(hold) = hold {
            self.ports.release_connection(&key, hold.reuse);
        }
        if first {
            self.flows.remove(Slot::Connection(index), &key);
            self.summarize(index);
        }
        if !named {
            self.delete_connection(index);
        }
    }

    /// Deletes the record of a connection that has ended.
    pub(crate) fn delete_connection(&mut self, index: u32) {
        if let Some(connection) = self.flows.connections.remove(index) {
            connection.tcb.release(&mut self.engine.slabs, &mut self.engine.pool);
        }
    }

    /// The application lets go of a connection; it goes on by itself until it has ended.
    pub(crate) fn orphan(&mut self, index: u32, abort: bool) {
        let Some(connection) = self.flows.connections.get_mut(index) else { return };
        (connection.socket, connection.listener) = (NONE, NONE);
        if !connection.in_table {
            self.delete_connection(index);
            return;
        }
        let signals = self.with_tcb(index, |tcb, cx| if abort { tcb.abort(cx) } else { tcb.close(cx) });
        self.settle(index, signals.unwrap_or_default());
    }

    /// The figures of a connection.
    pub(crate) fn connection_info(&mut self, index: u32) -> Option<Info> {
        let advertised_mss = self.advertised_mss_of(index);
        self.with_tcb(index, |tcb, cx| {
            cx.advertised_mss = advertised_mss.unwrap_or(cx.advertised_mss);
            tcb.info(cx)
        })
    }

    /// Reports how a flow went, if reports are wanted.
    fn summarize(&mut self, index: u32) {
        if !self.engine.config.flow_summaries {
            return;
        }
        let Some(info) = self.connection_info(index) else { return };
        let Some(connection) = self.flows.connections.get(index) else { return };
        let summary = FlowSummary {
            id: self.socket_id(connection.socket),
            trace_id: connection.tcb.trace_id(),
            flow: connection.key,
            end: if self.stopping { FlowEnd::Open } else { end_of(connection) },
            opened_at: connection.opened_at,
            established_at: connection.established_at,
            closed_at: self.engine.now,
            octets_sent: info.bytes_acked,
            octets_received: info.bytes_received,
            min_rtt_us: info.min_rtt_us,
            avg_rtt_us: info.rtt_us,
            retransmits: info.total_retransmits.into(),
            limited_by: limited_by(&info, self.engine.now.micros_since(connection.opened_at)),
        };
        self.event(Event::FlowClosed(Box::new(summary)));
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

fn end_of(connection: &Connection) -> FlowEnd {
    match connection.tcb.error() {
        None if connection.tcb.state() == State::SynSent => FlowEnd::Aborted,
        None => FlowEnd::Closed,
        Some(Error::TimedOut) => FlowEnd::TimedOut,
        Some(Error::Aborted) => FlowEnd::Aborted,
        Some(_) if connection.established_at.is_none() => FlowEnd::Refused,
        Some(_) => FlowEnd::Reset,
    }
}

/// What held the sender back for the largest part of its life.
fn limited_by(info: &Info, life_us: u64) -> Option<LimitedBy> {
    if info.bytes_sent == 0 && info.bytes_received == 0 {
        return None;
    }
    let by_window = info.busy_us.saturating_sub(info.rwnd_limited_us).saturating_sub(info.sndbuf_limited_us);
    let by_app = life_us.saturating_sub(info.busy_us) + info.sndbuf_limited_us;
    let longest = info.rwnd_limited_us.max(by_window).max(by_app);
    Some(if longest == by_app {
        LimitedBy::App
    } else if longest == info.rwnd_limited_us {
        LimitedBy::Rwnd
    } else if info.total_retransmits > 0 {
        LimitedBy::Cwnd
    } else {
        LimitedBy::Wire
    })
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
