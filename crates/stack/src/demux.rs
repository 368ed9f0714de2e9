//! Which record a segment belongs to, and what happens when there is none (RFC 9293 §3.10.7).
//!
//! One table leads from a flow's key to its record: a connection, an embryo in SYN-RECEIVED, a record in TIME-WAIT, a
//! gateway's request, or a UDP socket with a peer. The table holds numbers only; keys stand in the records.

use hashbrown::HashTable;
use portolan_link::Chunks;
use portolan_tcp::{Segment, reset_for};
use portolan_wire::tcp::Flags;
use portolan_wire::{Checksum, Endpoint, FlowKey, Mss, SeqNumber, protocol, tcp};

use crate::LinkId;
use crate::connection::Connection;
use crate::drop::DropReason;
use crate::embryo::{EmbryoRecord, QUEUES};
use crate::intercept::Request;
use crate::ip::input::Arrival;
use crate::link::ethernet::Frame;
use crate::queue::Queue;
use crate::random::Keyed;
use crate::slab::Slab;
use crate::socket::udp::UdpFlow;
use crate::stack::Stack;
use crate::time_wait::TimeWaitRecord;
use crate::timer::Wheel;

/// What a flow's entry leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Slot {
    Connection(u32),
    Embryo(u32),
    TimeWait(u32),
    Request(u32),
    Udp(u32),
}

/// The flow table and the records that it leads to.
pub(crate) struct Flows {
    table: HashTable<Slot>,
    keyed: Keyed,
    pub(crate) connections: Slab<Connection>,
    pub(crate) embryos: Slab<EmbryoRecord>,
    /// All of `embryos`, by how long they wait; in each queue the first to be due in front.
    pub(crate) embryo_queues: [Queue; QUEUES],
    pub(crate) time_waits: Slab<TimeWaitRecord>,
    /// All of `time_waits`, the first to end in front.
    pub(crate) time_wait_queue: Queue,
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
            embryo_queues: [Queue::EMPTY; QUEUES],
            time_waits: Slab::new(),
            time_wait_queue: Queue::EMPTY,
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

    /// Whether every entry leads to a record, every record that should has an entry, and all are queued that wait.
    pub(crate) fn check(&self, timers: &Wheel) -> Result<(), &'static str> {
        if self.time_wait_queue.check(&self.time_waits, timers)? != self.time_waits.len() {
            return Err("a record in TIME-WAIT is not queued");
        }
        let mut queued = 0;
        for queue in &self.embryo_queues {
            queued += queue.check(&self.embryos, timers)?;
        }
        if queued != self.embryos.len() {
            return Err("an embryo is not queued");
        }
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

/// Who takes a SYN that belongs to no connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Taker {
    /// A listener's index.
    Listener(u32),
    /// The application, as a request.
    Gateway,
}

impl Stack {
    /// A TCP segment for this host.
    pub(crate) fn tcp_input(&mut self, frame: &mut Frame, arrival: Arrival) -> Result<(), DropReason> {
        self.engine.stats.tcp_host.in_segs += 1;
        let (incoming, header_len) = self.tcp_parse(frame, arrival).inspect_err(|_| {
            self.engine.stats.tcp_host.in_errs += 1;
        })?;
        let slot = self.flows.find(&incoming.key);
        self.authenticate(slot, &incoming, frame)?;
        let Some(route) = self.later_return_route(&incoming, frame) else {
            return self.dispatch(frame, &incoming, header_len);
        };
        // Judged at once and alone: only a good segment may change the way back.
        let merges = core::mem::replace(&mut self.gro.is_open, false);
        let taken = self.dispatch(frame, &incoming, header_len);
        self.gro.is_open = merges;
        if taken.is_ok() {
            self.change_return_route(&incoming.key, route);
        }
        taken
    }

    /// Gives a segment to the record that it belongs to.
    fn dispatch(
        &mut self,
        frame: &mut Frame,
        incoming: &Incoming,
        header_len: usize,
    ) -> Result<(), DropReason> {
        match self.flows.find(&incoming.key) {
            Some(Slot::Connection(index)) => {
                let mut text = Chunks::new();
                if incoming.segment.text_len > 0
                    && let Some(mut packet) = frame.packet.take()
                {
                    packet.consume(header_len);
                    packet.into_text(&mut self.engine.pool, &mut text);
                }
                self.merge_input(index, &incoming.segment, &mut text)
            }
            Some(Slot::Embryo(index)) => self.embryo_input(index, incoming, frame),
            Some(Slot::TimeWait(index)) => self.time_wait_input(index, incoming, frame),
            Some(Slot::Request(index)) => self.request_input(index, incoming),
            Some(Slot::Udp(_)) | None => self.no_flow_input(incoming, frame, None),
        }
    }

    /// Reads and judges a segment. The length is that of all headers, the octets in front of the text.
    fn tcp_parse(&self, frame: &Frame, arrival: Arrival) -> Result<(Incoming, usize), DropReason> {
        // RFC 9293 §3.9.2.3 (MUST-57, MUST-63), RFC 1122 §4.2.3.10: nothing to or from a group.
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
        let mut segment = Segment::from_header(header, &options, text_len, arrival.tos & 3);
        if segment.flags.contains(Flags::SYN) {
            // RFC 9293 MUST-15: a SYN without the option means the default of its family.
            let default = if arrival.src.is_v4() { Mss::DEFAULT_V4 } else { Mss::DEFAULT_V6 };
            segment.options.mss.get_or_insert(default);
        }
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

    /// A segment for no connection: a SYN for a listener, a SYN for the gateway, or an error.
    pub(crate) fn no_flow_input(
        &mut self,
        incoming: &Incoming,
        frame: &mut Frame,
        min_iss: Option<SeqNumber>,
    ) -> Result<(), DropReason> {
        match self.taker(incoming, frame.link) {
            Some(Taker::Listener(listener)) => {
                self.save_return_route(&incoming.key, frame)?;
                self.listener_input(listener, incoming, frame, min_iss)
            }
            Some(Taker::Gateway) => self.new_request(incoming, frame),
            None => {
                if let Some(listener) = self.cookie_listener(incoming, frame.link)
                    && let Some(result) = self.cookie_input(listener, incoming, frame)
                {
                    return result;
                }
                // RFC 9293 §3.10.7.2: LISTEN is silent about what has neither a SYN nor an ACK.
                let silent = !incoming.segment.flags.contains(Flags::ACK)
                    && self.hearer(incoming, frame.link).is_some();
                if let Some(plan) = reset_for(&incoming.segment)
                    && !silent
                {
                    self.send_reset(&incoming.key, &plan);
                }
                Err(DropReason::TcpNoConnection)
            }
        }
    }

    /// Who takes a segment of no connection, if it is a SYN that somebody takes.
    pub(crate) fn taker(&self, incoming: &Incoming, link: LinkId) -> Option<Taker> {
        let flags = incoming.segment.flags;
        let opens = flags.contains(Flags::SYN)
            && !flags.intersects(portolan_tcp::planted!(67, Flags::RST, Flags::ACK | Flags::RST));
        if opens { self.hearer(incoming, link) } else { None }
    }

    /// Who would take a SYN where this segment has arrived.
    fn hearer(&self, incoming: &Incoming, link: LinkId) -> Option<Taker> {
        if self.stopping {
            return None;
        }
        let intercepted = self.interface(link).is_some_and(|link| link.intercept.tcp);
        // On a gateway, a listener hears only what is for the host itself; the rest is the network's.
        if (incoming.arrival.assigned || !intercepted)
            && let Some(listener) = self.ports.listener(&incoming.key, link)
        {
            return Some(Taker::Listener(listener));
        }
        intercepted.then_some(Taker::Gateway)
    }
}

/// Whether the transport checksum of a packet matches, over both of its parts (RFC 9293 MUST-3).
pub(crate) fn checksum_ok(frame: &Frame, arrival: &Arrival) -> bool {
    let Some(packet) = &frame.packet else { return false };
    let len = packet.len().saturating_sub(arrival.header_len);
    let mut sum =
        Checksum::pseudo(arrival.src, arrival.dst, arrival.protocol, u32::try_from(len).unwrap_or(u32::MAX));
    sum.add(packet.bytes().get(arrival.header_len..).unwrap_or(&[])).add(portolan_tcp::planted!(
        63,
        &[],
        packet.tail()
    ));
    sum.finish() == 0
}
