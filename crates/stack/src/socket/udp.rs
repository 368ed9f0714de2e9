//! Datagrams: UDP (RFC 768, RFC 1122 §4.1) and UDP-Lite (RFC 3828), and what is used as it is: ICMP echo (`echo`) and raw
//! sockets (`raw`). Here are the sockets; `send` is how datagrams leave, `input` how they arrive, `ancillary` what goes
//! with them, `segment` many of them at once, `multicast` which groups they are for.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use portolan_link::{Chunk, Instant};
use portolan_wire::{Address, Endpoint, FlowKey, protocol};

use crate::demux::{Flows, Slot};
use crate::event::Event;
use crate::flow::{FlowEnd, FlowSummary};
use crate::ip::input::zone_of;
use crate::socket::{Flags, Kind};
use crate::stack::Stack;
use crate::{LinkId, SocketError, SocketId};

pub(crate) mod ancillary;
mod echo;
mod input;
pub(crate) mod multicast;
pub(crate) mod raw;
pub(crate) mod report;
mod segment;
pub(crate) mod send;

use ancillary::{Coverage, Told, Wishes};
use multicast::Multicast;
use raw::Raw;
use report::ErrorReport;
use send::Head;

/// Peers of one socket whose octets are counted one by one.
const PEERS_MAX: usize = 16;
/// What a queued datagram costs beside its memory, so that empty ones fill a queue too.
const ENTRY_OCTETS: usize = 128;

/// What a datagram socket has beside its record.
#[derive(Debug)]
pub(crate) struct Udp {
    /// UDP's, UDP-Lite's, ICMP's, or a raw socket's.
    pub(crate) protocol: u8,
    /// Only for a raw socket.
    pub(crate) raw: Option<Box<Raw>>,
    pub(crate) remote: Option<Endpoint>,
    /// The flow's number, if the socket has a peer and the flow is no other socket's.
    flow: Option<u32>,
    /// The source address towards the peer.
    source: Option<Address>,
    pub(crate) queue: VecDeque<Received>,
    queued_octets: usize,
    pub(crate) octets_max: u32,
    pub(crate) wishes: Wishes,
    pub(crate) coverage: Coverage,
    /// UDP_SEGMENT: the payload of each datagram, where one call sends many; 0 for one.
    pub(crate) segment: u16,
    pub(crate) multicast: Multicast,
    reports: VecDeque<ErrorReport>,
    /// Octets each way, by peer; only if summaries are wanted.
    peers: alloc::vec::Vec<Peer>,
}

/// A datagram that waits to be read.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) payload: Chunk,
    from: Endpoint,
    to: Endpoint,
    link: LinkId,
    hop_limit: u8,
    tos: u8,
    at: Instant,
    /// The payload of each datagram, if these are many; 0 for one.
    segment: u16,
    /// The batch of frames that it came in; 0 if none.
    batch: u64,
}

/// A UDP socket's entry in the flow table.
#[derive(Debug)]
pub(crate) struct UdpFlow {
    pub(crate) key: FlowKey,
    socket: u32,
}

#[derive(Debug)]
struct Peer {
    key: FlowKey,
    began: Instant,
    sent: u64,
    received: u64,
}

/// What [`Stack::recv_from`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Datagram {
    /// Octets copied.
    pub len: usize,
    /// Octets that the datagram had; more than `len` if the rest was cut off (MSG_TRUNC).
    pub full_len: usize,
    /// The sender.
    pub from: Endpoint,
    /// What it was sent to (IP_PKTINFO).
    pub to: Endpoint,
    /// The link it came over.
    pub link: LinkId,
    /// Octets of each datagram but the last, if these are many (UDP_GRO); 0 for one.
    pub segment: u16,
    /// What else is known of it; nothing of the end that shutdown has made.
    pub told: Option<Told>,
}

impl Udp {
    pub(crate) fn new(protocol: u8, octets_max: u32) -> Udp {
        Udp {
            protocol,
            raw: None,
            remote: None,
            flow: None,
            source: None,
            queue: VecDeque::new(),
            queued_octets: 0,
            octets_max,
            wishes: Wishes::default(),
            coverage: Coverage::default(),
            segment: 0,
            multicast: Multicast::default(),
            reports: VecDeque::new(),
            peers: alloc::vec::Vec::new(),
        }
    }

    pub(crate) fn local(&self, flows: &Flows, bound: Endpoint) -> Endpoint {
        let flow = self.flow.and_then(|flow| flows.udp.get(flow)).map(|flow| flow.key.local);
        let source = self.source.map(|source| Endpoint::new(source, bound.port));
        flow.or(source).unwrap_or(bound)
    }

    /// Whether its datagrams have ports.
    pub(in crate::socket) fn has_ports(&self) -> bool {
        self.raw.is_none() && matches!(self.protocol, protocol::UDP | protocol::UDPLITE)
    }

    fn head(&self) -> Head {
        match (&self.raw, self.protocol) {
            (Some(raw), _) if raw.has_header => Head::RawWithHeader,
            (Some(raw), _) => Head::Raw(raw.checksum_at),
            (None, protocol::UDP) => Head::Udp,
            (None, protocol::UDPLITE) => Head::UdpLite(self.coverage.sent),
            (None, _) => Head::Echo,
        }
    }

    fn count(&mut self, key: &FlowKey, now: Instant, sent: usize, received: usize) {
        let at = match self.peers.iter().position(|peer| peer.key == *key) {
            Some(at) => at,
            None if self.peers.len() < PEERS_MAX => {
                self.peers.push(Peer { key: *key, began: now, sent: 0, received: 0 });
                self.peers.len() - 1
            }
            None => return,
        };
        if let Some(peer) = self.peers.get_mut(at) {
            peer.sent += sent as u64;
            peer.received += received as u64;
        }
    }
}

impl Stack {
    /// Sets a UDP socket's peer: what it sends without a destination goes there, and it hears nobody else. The
    /// unspecified address takes the peer away.
    pub(crate) fn connect_udp(&mut self, id: SocketId, remote: Endpoint) -> Result<(), SocketError> {
        self.forget_udp_flow(id.index);
        let socket = self.socket_mut(id)?;
        let (local, device) = (socket.local, socket.device);
        let family = socket.check_family(remote.address);
        if let Kind::Udp(udp) = &mut socket.kind {
            (udp.remote, udp.source) = (None, None);
        }
        if remote.address.is_unspecified() {
            return Ok(());
        }
        family?;
        let hop = self.route(remote.address, device)?;
        self.check_broadcast(self.socket(id)?, &hop, remote.address)?;
        let source = match local.address.is_unspecified() {
            true => self.source_address(&hop, remote.address)?,
            false => local.address,
        };
        if !self.socket(id)?.is_bound() {
            // Linux: a port that a socket did not ask for, and cannot get, is not in use but scarce.
            self.claim_port(id.index, local).map_err(|_| SocketError::WouldBlock)?;
        }
        let port = self.socket(id)?.local.port;
        let zone = zone_of(remote.address, hop.link).max(zone_of(source, hop.link));
        let Kind::Udp(udp) = &self.socket(id)?.kind else { return Err(SocketError::NotSupported) };
        let (protocol, has_ports) = (udp.protocol, udp.has_ports());
        let remote = if has_ports { remote } else { Endpoint::new(remote.address, 0) };
        let key = FlowKey { local: Endpoint::new(source, port), remote, protocol, zone };
        let flow = match self.flows.find(&key) {
            _ if !has_ports => None,
            None => {
                let flow = self.flows.udp.insert(UdpFlow { key, socket: id.index });
                self.flows.insert(Slot::Udp(flow));
                Some(flow)
            }
            Some(_) => None,
        };
        if let Kind::Udp(udp) = &mut self.socket_mut(id)?.kind {
            (udp.remote, udp.flow, udp.source) = (Some(remote), flow, Some(source));
        }
        Ok(())
    }

    fn forget_udp_flow(&mut self, socket: u32) {
        let Some(Kind::Udp(udp)) = self.sockets.get_mut(socket).map(|socket| &mut socket.kind) else {
            return;
        };
        if let Some(flow) = udp.flow.take() {
            self.forget_flow(flow);
        }
    }

    fn forget_flow(&mut self, flow: u32) {
        if let Some(key) = self.flows.udp.get(flow).map(|flow| flow.key) {
            self.flows.remove(Slot::Udp(flow), &key);
            self.flows.udp.remove(flow);
        }
    }

    /// Takes the datagram that has waited longest. What does not fit into `out` is lost, as on Linux.
    ///
    /// # Errors
    /// `WouldBlock`, `NotSupported` for TCP, and an error that has waited, once.
    pub fn recv_from(&mut self, now: Instant, id: SocketId, out: &mut [u8]) -> Result<Datagram, SocketError> {
        self.advance(now);
        let socket = self.socket_mut(id)?;
        let closed = socket.flags.contains(Flags::READ_CLOSED);
        let Kind::Udp(udp) = &mut socket.kind else { return Err(SocketError::NotSupported) };
        if let Some(error) = socket.error.take() {
            return Err(error);
        }
        let remote = udp.remote;
        let Some(received) = udp.queue.pop_front() else {
            let end = Endpoint::new(Address::UNSPECIFIED, 0);
            let from = remote.unwrap_or(end);
            let nothing = Datagram {
                len: 0,
                full_len: 0,
                from,
                to: end,
                link: LinkId::LOOPBACK,
                segment: 0,
                told: None,
            };
            return if closed { Ok(nothing) } else { Err(SocketError::WouldBlock) };
        };
        let Wishes { tells, timestamp, .. } = udp.wishes;
        let Received { hop_limit, tos, at, .. } = received;
        let told = Some(Told { hop_limit, tos, at, tells, timestamp });
        udp.queued_octets -= received.payload.footprint() + ENTRY_OCTETS;
        let payload = received.payload.as_slice();
        let len = payload.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..len), payload.get(..len)) {
            to.copy_from_slice(from);
        }
        let cut_off = payload.len() - len;
        let (len, segment) = udp.merge(&received, len, out);
        let Received { from, to, link, .. } = received;
        Ok(Datagram { len, full_len: len + cut_off, from, to, link, segment, told })
    }

    /// Whether a socket waits for room in a link's queue.
    pub(crate) fn is_blocked(&self, index: u32) -> bool {
        self.links.iter().flatten().any(|link| link.blocked.contains(&index))
    }

    pub(crate) fn close_udp(&mut self, id: SocketId, local: &Endpoint, udp: Udp) {
        self.leave_groups(id.index, udp.multicast);
        if udp.raw.is_some() {
            self.raw_sockets.retain(|&index| index != id.index);
        }
        self.ports.release(udp.protocol, local.port, id.index);
        if let Some(flow) = udp.flow {
            self.forget_flow(flow);
        }
        for interface in self.links.iter_mut().flatten() {
            interface.blocked.retain(|&blocked| blocked != id.index);
        }
        for peer in udp.peers {
            let summary = FlowSummary {
                id: Some(id),
                trace_id: 0,
                flow: peer.key,
                end: FlowEnd::Closed,
                opened_at: peer.began,
                established_at: None,
                closed_at: self.engine.now,
                octets_sent: peer.sent,
                octets_received: peer.received,
                min_rtt_us: 0,
                avg_rtt_us: 0,
                retransmits: 0,
                limited_by: None,
            };
            self.event(Event::FlowClosed(Box::new(summary)));
        }
    }
}
