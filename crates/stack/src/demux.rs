//! Which record a segment belongs to, and what happens when there is none (RFC 9293 §3.10.7).
//!
//! One table leads from a flow's key to its record: a connection, an embryo in SYN-RECEIVED, a record in TIME-WAIT, a
//! gateway's request, or a UDP socket with a peer. The table holds numbers only; keys stand in the records.

use hashbrown::HashTable;
use portolan_link::{Chunks, PacketBuf};
use portolan_tcp::{EmbryoDeadline, EmbryoVerdict, Segment, Tcb, TimeWaitVerdict, isn, reset_for};
use portolan_wire::tcp::Flags;
use portolan_wire::{Checksum, Endpoint, FlowKey, SeqNumber, protocol, tcp};

use crate::connection::{Connection, Path, PortHold, mss_of};
use crate::drop::DropReason;
use crate::event::Pending;
use crate::intercept::Request;
use crate::ip::input::Arrival;
use crate::link::ethernet::Frame;
use crate::list::{NONE, Place};
use crate::random::Keyed;
use crate::slab::Slab;
use crate::socket::Kind as SocketKind;
use crate::socket::udp::UdpFlow;
use crate::stack::Stack;
use crate::timer::{Kind, Owner, TimerId};

/// What a flow's entry leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Slot {
    Connection(u32),
    Embryo(u32),
    TimeWait(u32),
    Request(u32),
    Udp(u32),
}

/// A connection in SYN-RECEIVED.
#[derive(Debug)]
pub(crate) struct EmbryoRecord {
    pub(crate) key: FlowKey,
    pub(crate) embryo: portolan_tcp::Embryo,
    pub(crate) timer: Option<TimerId>,
    pub(crate) parent: Parent,
    pub(crate) mss: u16,
    pub(crate) opened_at: portolan_link::Instant,
}

/// Who waits for an embryo to become a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Parent {
    /// A listener's index.
    Listener(u32),
    /// The index of the socket that a request was accepted with.
    Socket(u32),
}

/// A connection in TIME-WAIT.
#[derive(Debug)]
pub(crate) struct TimeWaitRecord {
    pub(crate) key: FlowKey,
    pub(crate) record: portolan_tcp::TimeWait,
    pub(crate) timer: Option<TimerId>,
}

/// The flow table and the records that it leads to.
pub(crate) struct Flows {
    table: HashTable<Slot>,
    keyed: Keyed,
    pub(crate) connections: Slab<Connection>,
    pub(crate) embryos: Slab<EmbryoRecord>,
    pub(crate) time_waits: Slab<TimeWaitRecord>,
    pub(crate) requests: Slab<Request>,
    pub(crate) udp: Slab<UdpFlow>,
}

/// The records' side of [`Flows`], so that the table can be borrowed beside it.
macro_rules! key_of {
    ($flows:expr) => {{
        let (connections, embryos, time_waits, requests, udp) =
            (&$flows.connections, &$flows.embryos, &$flows.time_waits, &$flows.requests, &$flows.udp);
        move |slot: &Slot| match *slot {
            Slot::Connection(index) => connections.get(index).map(|record| &record.key),
            Slot::Embryo(index) => embryos.get(index).map(|record| &record.key),
            Slot::TimeWait(index) => time_waits.get(index).map(|record| &record.key),
            Slot::Request(index) => requests.get(index).map(|record| &record.key),
            Slot::Udp(index) => udp.get(index).map(|record| &record.key),
        }
    }};
}

impl Flows {
    pub(crate) fn new(keyed: Keyed) -> Flows {
        Flows {
            table: HashTable::new(),
            keyed,
            connections: Slab::new(),
            embryos: Slab::new(),
            time_waits: Slab::new(),
            requests: Slab::new(),
            udp: Slab::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Octets that the table itself occupies, its slack included.
    pub(crate) fn table_octets(&self) -> usize {
        self.table.allocation_size()
    }

    pub(crate) fn find(&self, key: &FlowKey) -> Option<Slot> {
        let key_of = key_of!(self);
        self.table.find(self.keyed.flow(key), |slot| key_of(slot) == Some(key)).copied()
    }

    /// Enters a record whose key is in no entry yet.
    pub(crate) fn insert(&mut self, slot: Slot) {
        let key_of = key_of!(self);
        let Some(key) = key_of(&slot) else { return };
        let hash = self.keyed.flow(key);
        let keyed = self.keyed;
        self.table.insert_unique(hash, slot, |slot| key_of(slot).map_or(0, |key| keyed.flow(key)));
    }

    /// Removes the entry that leads to this record.
    pub(crate) fn remove(&mut self, slot: Slot, key: &FlowKey) {
        if let Ok(entry) = self.table.find_entry(self.keyed.flow(key), |&entry| entry == slot) {
            entry.remove();
        }
    }

    /// Whether every entry leads to a record, and every record that should has an entry.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let key_of = key_of!(self);
        if self.table.iter().any(|slot| key_of(slot).is_none_or(|key| self.find(key) != Some(*slot))) {
            return Err("a flow's entry leads to another flow or to nothing");
        }
        let connections = self.connections.iter().filter(|(_, connection)| connection.in_table).count();
        let others = self.embryos.len() + self.time_waits.len() + self.requests.len() + self.udp.len();
        if self.table.len() == connections + others {
            Ok(())
        } else {
            Err("a record has no entry in the flow table")
        }
    }
}

/// A segment that has been found good, with what is needed to answer it.
pub(crate) struct Incoming {
    pub(crate) key: FlowKey,
    pub(crate) segment: Segment,
    pub(crate) arrival: Arrival,
}

impl Stack {
    /// A TCP segment for this host.
    pub(crate) fn tcp_input(&mut self, frame: &mut Frame, arrival: Arrival) -> Result<(), DropReason> {
        self.engine.stats.tcp_host.in_segs += 1;
        let (incoming, header_len) = self.tcp_parse(frame, arrival).inspect_err(|_| {
            self.engine.stats.tcp_host.in_errs += 1;
        })?;
        match self.flows.find(&incoming.key) {
            Some(Slot::Connection(index)) => {
                let mut text = Chunks::new();
                if incoming.segment.text_len > 0
                    && let Some(mut packet) = frame.packet.take()
                {
                    packet.consume(header_len);
                    packet.into_text(&mut self.engine.pool, &mut text);
                }
                self.connection_input(index, &incoming.segment, &mut text)
            }
            Some(Slot::Embryo(index)) => self.embryo_input(index, &incoming, frame, header_len),
            Some(Slot::TimeWait(index)) => self.time_wait_input(index, &incoming, frame),
            Some(Slot::Request(index)) => self.request_input(index, &incoming),
            Some(Slot::Udp(_)) | None => self.no_flow_input(&incoming, frame, None),
        }
    }

    /// Reads and judges a segment. The length is that of all headers, the octets in front of the text.
    fn tcp_parse(&self, frame: &Frame, arrival: Arrival) -> Result<(Incoming, usize), DropReason> {
        // RFC 9293 §3.9.2.3 (MUST-57), RFC 1122 §4.2.3.10: nothing to or from a group.
        if arrival.group {
            return Err(DropReason::TcpGroup);
        }
        let bytes = frame.bytes().get(arrival.header_len..).ok_or(DropReason::TcpMalformed)?;
        let (header, options, _) = tcp::parse(bytes).map_err(|_| DropReason::TcpMalformed)?;
        if !frame.checksum_known_good() && !checksum_ok(frame, &arrival) {
            return Err(DropReason::TcpChecksum);
        }
        let header_len = arrival.header_len + header.data_offset();
        let text_len = u32::try_from(frame.len() - header_len).map_err(|_| DropReason::TcpMalformed)?;
        if header.src_port() == 0 || header.dst_port() == 0 {
            return Err(DropReason::TcpMalformed);
        }
        let key = FlowKey {
            local: Endpoint::new(arrival.dst, header.dst_port()),
            remote: Endpoint::new(arrival.src, header.src_port()),
            protocol: protocol::TCP,
            zone: arrival.zone(),
        };
        let segment = Segment::from_header(header, &options, text_len, arrival.ecn);
        Ok((Incoming { key, segment, arrival }, header_len))
    }

    /// A segment for a connection, with its text.
    pub(crate) fn connection_input(
        &mut self,
        index: u32,
        segment: &Segment,
        text: &mut Chunks,
    ) -> Result<(), DropReason> {
        let signals = self.with_tcb(index, |tcb, cx| tcb.on_segment(cx, segment, text)).unwrap_or_default();
        self.settle(index, signals);
        if signals.contains(portolan_tcp::Signals::DROPPED) { Err(DropReason::TcpSegment) } else { Ok(()) }
    }

    /// A segment for a connection in SYN-RECEIVED.
    fn embryo_input(
        &mut self,
        index: u32,
        incoming: &Incoming,
        frame: &mut Frame,
        header_len: usize,
    ) -> Result<(), DropReason> {
        let now = self.engine.now;
        let Some(record) = self.flows.embryos.get_mut(index) else { return Err(DropReason::TcpSegment) };
        let verdict = record.embryo.on_segment(&self.engine.config.tcp, now, &incoming.segment);
        let (key, parent) = (record.key, record.parent);
        match verdict {
            EmbryoVerdict::Establish => {
                // Linux: with the accept queue full, the last ACK is as if it had been lost.
                if let Parent::Listener(listener) = parent
                    && !self.accept_queue_has_room(listener)
                {
                    self.engine.stats.tcp_host.listen_overflows += 1;
                    return Err(DropReason::AcceptQueueFull);
                }
                let connection = self.hatch(index)?;
                let mut text = Chunks::new();
                if let Some(mut packet) = frame.packet.take() {
                    packet.consume(header_len);
                    text_of(packet, incoming, &mut text, self);
                }
                let taken = self.connection_input(connection, &incoming.segment, &mut text);
                if let Parent::Listener(listener) = parent {
                    self.enqueue_accepted(listener, connection);
                }
                taken
            }
            EmbryoVerdict::Reset(plan) => {
                self.send_reset(&key, &plan);
                Ok(())
            }
            EmbryoVerdict::SynAck => {
                self.send_syn_ack(index);
                Ok(())
            }
            EmbryoVerdict::Challenge(plan) => {
                self.send_control(&key, &plan, self.engine.config.hop_limit, 0);
                Ok(())
            }
            EmbryoVerdict::Delete => {
                self.delete_embryo(index, Some(crate::SocketError::ConnectionReset));
                Ok(())
            }
            EmbryoVerdict::Ignore => Err(DropReason::TcpSegment),
        }
    }

    /// Makes a connection of an embryo, which is gone then.
    fn hatch(&mut self, index: u32) -> Result<u32, DropReason> {
        if self.flows.connections.len() >= self.engine.config.connections_max {
            return Err(DropReason::ConnectionsFull);
        }
        let Some(record) = self.take_embryo(index) else { return Err(DropReason::TcpSegment) };
        let EmbryoRecord { key, embryo, parent, mss, opened_at, .. } = record;
        let (owner, listener) = match parent {
            Parent::Listener(listener) => (listener, listener),
            Parent::Socket(socket) => (socket, NONE),
        };
        let options = self.tcp_options_of(owner);
        let flow = self.next_flow_id();
        let mut cx = self.engine.context(mss, 0);
        let tcb = Tcb::from_embryo(&mut cx, &embryo, &options, flow);
        let socket = if listener == NONE { owner } else { NONE };
        let (ttl, tos) = self.ttl_tos_of(owner);
        let holds_port = (listener != NONE).then(|| PortHold { reuse: self.reuses_address(owner) });
        let connection = self.flows.connections.insert(Connection {
            key,
            tcb,
            path: Path { mss, ..Path::UNKNOWN },
            place: Place::NOWHERE,
            timer: None,
            socket,
            listener,
            opened_at,
            established_at: None,
            in_table: true,
            holds_port,
            ttl,
            tos,
        });
        self.flows.insert(Slot::Connection(connection));
        if let Some(hold) = holds_port {
            self.ports.hold_connection(&key, hold.reuse);
        }
        if let Some(record) = self.sockets.get_mut(socket) {
            record.kind = SocketKind::Connection(connection);
        }
        self.refresh_path(connection);
        Ok(connection)
    }

    /// Removes an embryo from all tables.
    fn take_embryo(&mut self, index: u32) -> Option<EmbryoRecord> {
        let record = self.flows.embryos.get_mut(index)?;
        let (key, parent) = (record.key, record.parent);
        if let Some(timer) = record.timer.take() {
            self.timers.cancel(timer);
        }
        if let Parent::Listener(listener) = parent {
            self.embryo_left(listener);
        }
        self.flows.remove(Slot::Embryo(index), &key);
        self.flows.embryos.remove(index)
    }

    /// Forgets an embryo. The socket of an accepted request hears why.
    pub(crate) fn delete_embryo(&mut self, index: u32, error: Option<crate::SocketError>) {
        let Some(record) = self.take_embryo(index) else { return };
        self.engine.stats.tcp.attempt_fails += 1;
        if let Parent::Socket(socket) = record.parent
            && let Some(socket_record) = self.sockets.get_mut(socket)
        {
            socket_record.kind = SocketKind::Ended;
            socket_record.error = error;
            self.pend(socket, Pending::CONNECT_FAILED);
        }
    }

    /// An embryo's timer has fired.
    pub(crate) fn on_embryo_timeout(&mut self, index: u32) {
        let now = self.engine.now;
        let Some(record) = self.flows.embryos.get_mut(index) else { return };
        record.timer = None;
        match record.embryo.on_deadline(&self.engine.config.tcp, now) {
            EmbryoDeadline::GiveUp => return self.delete_embryo(index, Some(crate::SocketError::TimedOut)),
            EmbryoDeadline::Resend => self.send_syn_ack(index),
            EmbryoDeadline::Wait => {}
        }
        self.keep_embryo_timer(index);
    }

    pub(crate) fn keep_embryo_timer(&mut self, index: u32) {
        let Some(record) = self.flows.embryos.get_mut(index) else { return };
        let deadline = record.embryo.next_deadline();
        if let Some(timer) = record.timer.take() {
            self.timers.cancel(timer);
        }
        record.timer = Some(self.timers.set(deadline, Owner { kind: Kind::Embryo, index }));
    }

    fn send_syn_ack(&mut self, index: u32) {
        let Some(record) = self.flows.embryos.get(index) else { return };
        let plan = record.embryo.syn_ack(self.engine.now, &self.engine.config.tcp);
        let (key, parent) = (record.key, record.parent);
        let (Parent::Listener(owner) | Parent::Socket(owner)) = parent;
        let (ttl, tos) = self.ttl_tos_of(owner);
        self.send_control(&key, &plan, ttl, tos);
    }

    /// A segment for a connection in TIME-WAIT.
    fn time_wait_input(
        &mut self,
        index: u32,
        incoming: &Incoming,
        frame: &mut Frame,
    ) -> Result<(), DropReason> {
        let now = self.engine.now;
        let Some(record) = self.flows.time_waits.get_mut(index) else { return Err(DropReason::TcpSegment) };
        let verdict = record.record.on_segment(now, &self.engine.config.tcp, &incoming.segment);
        let key = record.key;
        match verdict {
            TimeWaitVerdict::Ack(plan) => {
                self.send_control(&key, &plan, self.engine.config.hop_limit, 0);
                self.keep_time_wait_timer(index);
                Ok(())
            }
            // RFC 9293 §3.10.7.4, RFC 6191: a new connection may begin where the old one ended.
            TimeWaitVerdict::Reopen { min_iss } => {
                self.delete_time_wait(index);
                self.no_flow_input(incoming, frame, Some(min_iss))
            }
            TimeWaitVerdict::Delete => {
                self.delete_time_wait(index);
                Ok(())
            }
            TimeWaitVerdict::Ignore => Err(DropReason::TcpSegment),
        }
    }

    /// A TIME-WAIT record's timer has fired: the record goes, unless something has prolonged it since.
    pub(crate) fn on_time_wait_timeout(&mut self, index: u32) {
        let now = self.engine.now;
        let Some(record) = self.flows.time_waits.get_mut(index) else { return };
        record.timer = None;
        if record.record.deadline() <= now {
            self.delete_time_wait(index);
        } else {
            self.keep_time_wait_timer(index);
        }
    }

    fn keep_time_wait_timer(&mut self, index: u32) {
        if let Some(record) = self.flows.time_waits.get_mut(index)
            && record.timer.is_none()
        {
            let owner = Owner { kind: Kind::TimeWait, index };
            record.timer = Some(self.timers.set(record.record.deadline(), owner));
        }
    }

    pub(crate) fn delete_time_wait(&mut self, index: u32) {
        let Some(record) = self.flows.time_waits.get_mut(index) else { return };
        let key = record.key;
        if let Some(timer) = record.timer.take() {
            self.timers.cancel(timer);
        }
        self.flows.remove(Slot::TimeWait(index), &key);
        self.flows.time_waits.remove(index);
    }

    /// A segment for no connection: a SYN for a listener, a SYN for the gateway, or an error.
    fn no_flow_input(
        &mut self,
        incoming: &Incoming,
        frame: &mut Frame,
        min_iss: Option<SeqNumber>,
    ) -> Result<(), DropReason> {
        let flags = incoming.segment.flags;
        let opens = flags.contains(Flags::SYN) && !flags.intersects(Flags::ACK | Flags::RST | Flags::FIN);
        let intercepted = self.interface(frame.link).is_some_and(|link| link.intercept.tcp);
        if opens && !self.stopping {
            // On a gateway, a listener hears only what is for the host itself; the rest is the network's.
            if (incoming.arrival.assigned || !intercepted)
                && let Some(listener) = self.ports.listener(&incoming.key)
            {
                return self.listener_input(listener, incoming, min_iss);
            }
            if intercepted {
                return self.new_request(incoming, frame);
            }
        }
        if let Some(plan) = reset_for(&incoming.segment) {
            self.send_reset(&incoming.key, &plan);
        }
        Err(DropReason::TcpNoConnection)
    }

    /// A SYN for a listener (RFC 9293 §3.10.7.2).
    fn listener_input(
        &mut self,
        listener: u32,
        incoming: &Incoming,
        min_iss: Option<SeqNumber>,
    ) -> Result<(), DropReason> {
        if !self.accept_queue_has_room(listener) {
            self.engine.stats.tcp_host.listen_overflows += 1;
            return Err(DropReason::AcceptQueueFull);
        }
        if !self.syn_queue_has_room(listener) {
            self.engine.stats.tcp_host.listen_overflows += 1;
            return Err(DropReason::SynQueueFull);
        }
        self.new_embryo(&incoming.key, &incoming.segment, Parent::Listener(listener), min_iss)?;
        Ok(())
    }

    /// Answers a SYN: makes an embryo and sends its SYN-ACK.
    pub(crate) fn new_embryo(
        &mut self,
        key: &FlowKey,
        segment: &Segment,
        parent: Parent,
        min_iss: Option<SeqNumber>,
    ) -> Result<u32, DropReason> {
        if self.flows.embryos.len() >= self.engine.config.embryos_max {
            return Err(DropReason::SynQueueFull);
        }
        let hop = self.route(key.remote.address, key.zone).map_err(|_| DropReason::NoRoute)?;
        let mtu = self.path_mtu(key.remote.address, hop.mtu);
        let (Parent::Listener(owner) | Parent::Socket(owner)) = parent;
        let clamp = self.tcp_options_of(owner).mss_clamp.unwrap_or(u16::MAX).max(1);
        let mss = mss_of(mtu, key.remote.address.family());
        let now = self.engine.now;
        let mut iss = isn::initial_sequence(self.engine.random.isn.key(), key, now);
        if let Some(min_iss) = min_iss
            && iss.before(min_iss)
        {
            iss = min_iss;
        }
        let offset = isn::timestamp_offset(self.engine.random.isn.key(), key);
        let embryo =
            portolan_tcp::Embryo::on_syn(now, &self.engine.config.tcp, segment, mss.min(clamp), iss, offset);
        let record = EmbryoRecord { key: *key, embryo, timer: None, parent, mss, opened_at: now };
        let index = self.flows.embryos.insert(record);
        self.flows.insert(Slot::Embryo(index));
        if let Parent::Listener(listener) = parent {
            self.embryo_joined(listener);
        }
        self.send_syn_ack(index);
        self.keep_embryo_timer(index);
        Ok(index)
    }
}

/// The text of a segment; none if it has none.
fn text_of(packet: PacketBuf, incoming: &Incoming, text: &mut Chunks, stack: &mut Stack) {
    if incoming.segment.text_len > 0 {
        packet.into_text(&mut stack.engine.pool, text);
    } else {
        packet.recycle(&mut stack.engine.pool);
    }
}

/// Whether the transport checksum of a packet matches, over both of its parts.
pub(crate) fn checksum_ok(frame: &Frame, arrival: &Arrival) -> bool {
    let Some(packet) = &frame.packet else { return false };
    let len = packet.len().saturating_sub(arrival.header_len);
    let mut sum =
        Checksum::pseudo(arrival.src, arrival.dst, arrival.protocol, u32::try_from(len).unwrap_or(u32::MAX));
    sum.add(packet.bytes().get(arrival.header_len..).unwrap_or(&[])).add(packet.tail());
    sum.finish() == 0
}
