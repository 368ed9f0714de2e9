//! Everything that is open in a host, as `ss -a` lists it: listeners, connections in any state, UDP sockets.
//!
//! [`Stack::inventory`] is for people who look, not for the path of a packet: it walks every table. A TCP socket that
//! neither listens nor has been connected is in no list, as on Linux.

use alloc::vec::Vec;

use portolan_tcp::{Info, RunningTimer, State};
use portolan_wire::{Endpoint, Family, protocol};

use crate::SocketId;
use crate::list::NONE;
use crate::socket::{Flags, Kind, Socket};
use crate::stack::Stack;

/// One open socket, connection, or what is left of one.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its socket; none before it is accepted and after it is closed.
    pub id: Option<SocketId>,
    /// The protocol's number.
    pub protocol: u8,
    /// The socket's family; a connection that no socket names has that of its addresses.
    pub family: Family,
    /// Whether an IPv6 socket speaks no IPv4.
    pub v6_only: bool,
    /// This host's end.
    pub local: Endpoint,
    /// The other end, if there is one.
    pub remote: Option<Endpoint>,
    /// The connection's state. UDP is `Established` with a peer and `Closed` without one, as in `/proc/net/udp`.
    pub state: State,
    /// Octets to be read; of a listener, connections to be accepted.
    pub receive_queue: u32,
    /// Octets that the peer has not acknowledged; of a listener, the backlog.
    pub send_queue: u32,
    /// A connection's figures.
    pub info: Option<Info>,
    /// The name of a connection's congestion controller.
    pub congestion: Option<&'static str>,
    /// A connection's timer, and the microseconds until it ends.
    pub timer: Option<(RunningTimer, u64)>,
    /// Octets that may wait to be read, and to be acknowledged; none without a socket.
    pub buffers: Option<(u32, u32)>,
}

impl Stack {
    /// Every listener, connection, half-open and waiting connection, and UDP socket, in no particular order.
    pub fn inventory(&mut self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self
            .sockets
            .iter()
            .filter_map(|(index, socket)| Some(Entry { id: self.socket_id(index), ..self.passive(socket)? }))
            .collect();
        for index in 0..self.flows.connections.bound() {
            entries.extend(self.connection_entry(index));
        }
        let (now, config) = (self.engine.now, &self.engine.config.tcp);
        let half_open = self.flows.embryos.iter().map(|(_, record)| (&record.key, State::SynReceived, None));
        let waiting = self.flows.time_waits.iter().map(|(_, record)| {
            let left_us = record.record.deadline(now, config).micros_since(now);
            (&record.key, State::TimeWait, Some((RunningTimer::TimeWait, left_us)))
        });
        entries.extend(half_open.chain(waiting).map(|(key, state, timer)| Entry {
            id: None,
            protocol: protocol::TCP,
            family: key.local.address.family(),
            v6_only: false,
            local: key.local,
            remote: Some(key.remote),
            state,
            receive_queue: 0,
            send_queue: 0,
            info: None,
            congestion: None,
            timer,
            buffers: None,
        }));
        for entry in &mut entries {
            entry.buffers = entry.id.and_then(|id| self.buffers(id).ok());
        }
        entries
    }

    /// A socket that is no connection's.
    fn passive(&self, socket: &Socket) -> Option<Entry> {
        let entry = Entry {
            id: None,
            protocol: socket.protocol(),
            family: socket.family,
            v6_only: socket.flags.contains(Flags::V6_ONLY),
            local: socket.local,
            remote: None,
            state: State::Closed,
            receive_queue: 0,
            send_queue: 0,
            info: None,
            congestion: None,
            timer: None,
            buffers: None,
        };
        let count = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        match &socket.kind {
            Kind::Listener(listener) => Some(Entry {
                state: State::Listen,
                receive_queue: count(listener.accepted.len()),
                send_queue: listener.backlog,
                ..entry
            }),
            Kind::Udp(udp) if socket.is_bound() || udp.remote.is_some() => Some(Entry {
                local: udp.local(&self.flows, socket.local),
                remote: udp.remote,
                state: if udp.remote.is_some() { State::Established } else { State::Closed },
                receive_queue: udp
                    .queue
                    .iter()
                    .fold(0, |sum, datagram| sum.saturating_add(count(datagram.payload.len()))),
                ..entry
            }),
            _ => None,
        }
    }

    fn connection_entry(&mut self, index: u32) -> Option<Entry> {
        let info = self.connection_info(index)?;
        let (receive_queue, send_queue, congestion, timer) = self.with_tcb(index, |tcb, cx| {
            (tcb.receive_queued(cx), tcb.send_queued(cx), tcb.congestion_name(cx), tcb.running_timer(cx))
        })?;
        let connection = self.flows.connections.get(index)?;
        // Without an entry in the flow table only its socket keeps it, with an error to report.
        if !connection.in_table {
            return None;
        }
        let (key, owner) = (connection.key, connection.socket);
        let socket = if owner == NONE { None } else { self.sockets.get(owner) };
        Some(Entry {
            id: socket.and_then(|_| self.socket_id(owner)),
            protocol: protocol::TCP,
            family: socket.map_or(key.local.address.family(), |socket| socket.family),
            v6_only: false,
            local: key.local,
            remote: Some(key.remote),
            state: info.state,
            receive_queue,
            send_queue,
            info: Some(info),
            congestion: Some(congestion),
            timer,
            buffers: None,
        })
    }
}
