//! Frames are built at the last moment: replies and datagrams that wait, then what active connections have to send.
//!
//! Nothing is queued between a connection and its link. A connection that is active gets one turn at a time: one
//! super-segment, or a few segments; then the next one is asked. A full batch ends the call and is the back-pressure.

use portolan_link::{Checksum as LinkChecksum, Chunk, Gso, HEAD_MAX, Offload, TxBatch, TxEntry};
use portolan_tcp::{Auth, SegmentPlan, Signals, State};
use portolan_wire::ethernet::{self, EtherType};
use portolan_wire::{Checksum, EthernetAddress, FlowKey, WireError, protocol, tcp};
use smallvec::SmallVec;

use crate::LinkId;
use crate::event::Pending;
use crate::ip::output::{Envelope, tcp_header};
use crate::link::neighbor::Resolution;
use crate::link::{Interface, Outgoing};
use crate::list::NONE;
use crate::stack::Stack;

/// Segments of one connection before the next one's turn.
const TURN_SEGMENTS: u32 = 16;
/// [`tcp::CHECKSUM_OFFSET`] as an offload has it.
const CHECKSUM_OFFSET: u16 = 16;
/// Octets of a queued packet that are put behind the link header in one piece, so that headers stay together.
const JOINED_HEADERS: usize = 128;

/// What has become of a connection's turn.
enum Turn {
    /// It has nothing more to send.
    Done,
    /// It may have more: its share is used up, or the batch is full.
    More,
}

impl Stack {
    /// Fills a batch with what a link has to send.
    pub(crate) fn fill(&mut self, link: LinkId, out: &mut TxBatch) {
        while !out.is_full() {
            let Some(interface) = self.interface_mut(link) else { return };
            if let Some(reply) = interface.next_reply() {
                self.emit(link, reply, out);
                continue;
            }
            let datagram = interface.datagrams.pop_front();
            let connection = interface.active.front();
            if datagram.is_none() && connection.is_none() {
                break;
            }
            if let Some(datagram) = datagram {
                self.emit(link, datagram, out);
            }
            if let Some(connection) = connection
                && !out.is_full()
            {
                self.give_turn(link, connection, out);
            }
        }
        self.unblock(link);
    }

    /// Tells sockets that waited for the datagram queue that it has room again.
    fn unblock(&mut self, link: LinkId) {
        let max = self.engine.config.datagram_queue_max;
        let Some(interface) = self.interface_mut(link) else { return };
        // Half empty, so that a sender is not woken for every single datagram.
        if interface.blocked.is_empty() || interface.datagrams.len() > max / 2 {
            return;
        }
        for socket in core::mem::take(&mut interface.blocked) {
            self.pend(socket, Pending::WRITABLE);
        }
    }

    /// Puts a packet that is complete into the batch.
    fn emit(&mut self, link: LinkId, outgoing: Outgoing, out: &mut TxBatch) {
        let Some(Some(interface)) = self.links.get(usize::from(link.0)) else { return };
        let Some(entry) = out.push() else { return };
        let Outgoing { mut packet, ethertype, station, offload, .. } = outgoing;
        let link_len = if interface.is_ethernet() { ethernet::Header::LEN } else { 0 };
        let joined = match offload.gso {
            Gso::None if packet.len() <= HEAD_MAX - link_len => packet.len(),
            Gso::None => JOINED_HEADERS,
            // What is cut begins behind the head.
            _ => offload.header_len.into(),
        };
        let head = entry.set_head_len(link_len + joined);
        write_link_header(interface, station, ethertype, head);
        if let (Some(to), Some(from)) = (head.get_mut(link_len..), packet.as_slice().get(..joined)) {
            to.copy_from_slice(from);
        }
        packet.consume(joined);
        entry.text.push(packet);
        entry.offload = shifted(offload, link_len);
        self.engine.stats.frames_out += 1;
    }

    /// Gives the first active connection its turn, and puts it behind the others if it has more.
    fn give_turn(&mut self, link: LinkId, index: u32, out: &mut TxBatch) {
        self.delist(index);
        if !self.refresh_path(index) {
            self.unsendable(index);
            return;
        }
        let Some(connection) = self.flows.connections.get(index) else { return };
        if connection.path.link != link {
            self.activate(index);
            return;
        }
        let Some(station) = self.station_of(index) else {
            self.park(index);
            return;
        };
        let signals = match self.take_turn(index, station, out) {
            Turn::Done => Signals::empty(),
            Turn::More => Signals::TRANSMIT,
        };
        self.settle(index, signals);
    }

    /// The station of a connection's next hop; `None` while it is being looked for.
    fn station_of(&mut self, index: u32) -> Option<EthernetAddress> {
        let connection = self.flows.connections.get(index)?;
        let (path, key, zone) = (connection.path, connection.key, connection.zone());
        let interface = self.interface(path.link)?;
        let cached = path.neighbour != NONE
            && interface.neighbours.generation(path.neighbour) == Some(path.neighbour_generation);
        let resolution = if cached {
            self.resolve_known(path.link, path.neighbour)
        } else {
            let hop = self.route(self.first_stop(&key), zone).ok()?;
            let resolution = self.resolve(path.link, hop.next_hop);
            let neighbours = &self.interface(path.link)?.neighbours;
            let found = neighbours.find(hop.next_hop).and_then(|at| Some((at, neighbours.generation(at)?)));
            if let (Some((at, generation)), Some(connection)) = (found, self.flows.connections.get_mut(index))
            {
                (connection.path.neighbour, connection.path.neighbour_generation) = (at, generation);
            }
            resolution
        };
        match resolution {
            Ok(Resolution::Station(station)) => Some(station),
            Ok(Resolution::Wait(_)) | Err(_) => None,
        }
    }

    fn take_turn(&mut self, index: u32, station: EthernetAddress, out: &mut TxBatch) -> Turn {
        let Some(connection) = self.flows.connections.get(index) else { return Turn::Done };
        let (mut segments, mss) = (TURN_SEGMENTS, connection.path.mss);
        // Only a SYN says it.
        let opens = matches!(connection.tcb.state(), State::SynSent | State::SynReceived);
        let advertised_mss = if opens { self.advertised_mss_of(index).unwrap_or(mss) } else { mss };
        let budget = u32::from(mss) * TURN_SEGMENTS;
        while segments > 0 {
            let Some(connection) = self.flows.connections.get_mut(index) else { return Turn::Done };
            let Some(Some(interface)) = self.links.get(usize::from(connection.path.link.0)) else {
                return Turn::Done;
            };
            let Some(entry) = out.push() else { return Turn::More };
            // A link that cuts segments need not know of IP options, and none can sign what it cuts.
            let routed = self.source_routes.of(&connection.key).is_some();
            let is_signed = connection.tcb.auth(&self.engine.slabs).is_some();
            let gso_max = if routed || is_signed { 0 } else { interface.caps.gso_max.min(u16::MAX.into()) };
            let mut cx = self.engine.context(mss, gso_max);
            cx.advertised_mss = advertised_mss;
            let budget = budget.max(gso_max);
            let Some(plan) = connection.tcb.poll_segment(&mut cx, budget, &mut entry.text) else {
                out.pop_back();
                return Turn::Done;
            };
            let key = connection.key;
            let envelope = Envelope {
                src: key.local.address,
                dst: key.remote.address,
                protocol: protocol::TCP,
                hop_limit: connection.ttl,
                // RFC 9293 SHLD-22
                tos: connection.tos & !3 | plan.ecn & 3,
                flow_label: connection.path.flow_label,
                dont_fragment: true,
                id: 0,
                via: self.source_routes.of(&key).copied(),
            };
            let header = tcp_header(&key, &plan, self.engine.config.tcp.option_order);
            let auth = connection.tcb.auth_mut(&mut self.engine.slabs).map(|auth| (auth, &key));
            if write_segment(entry, interface, station, &envelope, &header, &plan, auth).is_err() {
                // A plan that fits no packet: the connection will find that it is lost.
                out.pop_back();
                return Turn::Done;
            }
            let octets = entry.len() as u64;
            self.engine.stats.frames_out += 1;
            let stats = self.engine.ip_stats(key.local.address.is_v4());
            stats.out_requests += 1;
            stats.out_octets += octets;
            segments -= if plan.gso_size == 0 { 1 } else { segments };
        }
        Turn::More
    }
}

fn write_link_header(interface: &Interface, station: EthernetAddress, ethertype: EtherType, head: &mut [u8]) {
    if interface.is_ethernet()
        && let Some(room) = head.first_chunk_mut()
    {
        *room = *ethernet::Header::new(station, interface.ethernet, ethertype).as_bytes();
    }
}

/// The same work, with positions counted from the start of the frame.
fn shifted(offload: Offload, by: usize) -> Offload {
    let by = u16::try_from(by).unwrap_or(0);
    let checksum = match offload.checksum {
        LinkChecksum::Partial { start, offset } => {
            LinkChecksum::Partial { start: start.saturating_add(by), offset }
        }
        other => other,
    };
    let header_len = if offload.header_len == 0 { 0 } else { offload.header_len.saturating_add(by) };
    Offload { checksum, header_len, ..offload }
}

/// Writes the headers of a segment whose text is in the entry. RFC 9293 MUST-2: with a checksum, or the order for one.
fn write_segment(
    entry: &mut TxEntry,
    interface: &Interface,
    station: EthernetAddress,
    envelope: &Envelope,
    header: &tcp::Emit,
    plan: &SegmentPlan,
    auth: Option<(&mut Auth, &FlowKey)>,
) -> Result<(), WireError> {
    let text_len = entry.text.len();
    let link_len = if interface.is_ethernet() { ethernet::Header::LEN } else { 0 };
    let start = link_len + envelope.len();
    let header_len = header.len();
    let head = entry.set_head_len(start + header_len);
    let ethertype = if envelope.dst.is_v4() { EtherType::IPV4 } else { EtherType::IPV6 };
    write_link_header(interface, station, ethertype, head);
    envelope.emit(header_len + text_len, head.get_mut(link_len..).ok_or(WireError::Truncated)?)?;
    header.emit(head.get_mut(start..).ok_or(WireError::Truncated)?)?;
    if let (Some((auth, key)), Some(signature)) = (auth, plan.options.signature) {
        let mac = {
            let text: SmallVec<[&[u8]; 4]> = entry.text.iter().map(Chunk::as_slice).collect();
            auth.sign(key, entry.head().get(start..).unwrap_or(&[]), &text).ok_or(WireError::BadLength)?
        };
        signature.put(entry.head_mut().get_mut(start..).ok_or(WireError::Truncated)?, mac.as_bytes())?;
    }
    let super_segment = plan.gso_size > 0 && text_len > usize::from(plan.gso_size);
    let len = u32::try_from(header_len + text_len).map_err(|_| WireError::BadLength)?;
    let mut sum = Checksum::pseudo(envelope.src, envelope.dst, protocol::TCP, len);
    let partial = interface.caps.checksum || super_segment;
    let value = if partial {
        sum.partial()
    } else {
        sum.add(entry.head().get(start..).unwrap_or(&[]));
        for chunk in entry.text.iter() {
            sum.add(Chunk::as_slice(chunk));
        }
        sum.finish()
    };
    let field = start + tcp::CHECKSUM_OFFSET;
    let field = entry.head_mut().get_mut(field..field + 2).ok_or(WireError::Truncated)?;
    field.copy_from_slice(&value.to_be_bytes());
    if partial {
        let start = u16::try_from(start).map_err(|_| WireError::BadLength)?;
        entry.offload.checksum = LinkChecksum::Partial { start, offset: CHECKSUM_OFFSET };
    }
    if super_segment {
        let ecn = plan.flags.contains(tcp::Flags::CWR);
        entry.offload.gso = Gso::Tcp { size: plan.gso_size, ecn };
    }
    entry.offload.header_len = u16::try_from(start + header_len).map_err(|_| WireError::BadLength)?;
    Ok(())
}
