//! UDP (RFC 768, RFC 1122 §4.1): what an application does with datagrams; `input` is how they arrive.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use portolan_link::{Checksum, Chunk, Instant};
use portolan_wire::{Address, Endpoint, FlowKey, WireError, protocol, udp};

use crate::demux::{Flows, Slot};
use crate::drop::DropReason;
use crate::event::Event;
use crate::flow::{FlowEnd, FlowSummary};
use crate::ip::input::zone_of;
use crate::ip::output::Envelope;
use crate::ip::route::Hop;
use crate::link::output::Class;
use crate::socket::{Flags, Kind, Socket};
use crate::stack::Stack;
use crate::{LinkId, SocketError, SocketId};

mod input;

/// The longest payload: 65,535 octets less the IPv4 and UDP headers.
const PAYLOAD_MAX: usize = 65_507;
/// Peers of one socket whose octets are counted one by one.
const PEERS_MAX: usize = 16;
/// [`udp::CHECKSUM_OFFSET`] as an offload has it.
const CHECKSUM_OFFSET: u16 = 6;
/// What a queued datagram costs beside its memory, so that empty ones fill a queue too.
const ENTRY_OCTETS: usize = 128;

/// What a UDP socket has beside its record.
#[derive(Debug)]
pub(crate) struct Udp {
    pub(crate) remote: Option<Endpoint>,
    /// The flow's number, if the socket has a peer and the flow is no other socket's.
    flow: Option<u32>,
    /// The source address towards the peer.
    source: Option<Address>,
    pub(crate) queue: VecDeque<Received>,
    queued_octets: usize,
    pub(crate) octets_max: u32,
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
}

/// A UDP socket's entry in the flow table.
#[derive(Debug)]
pub(crate) struct UdpFlow {
    pub(crate) key: FlowKey,
    socket: u32,
}

/// Which way a datagram goes.
struct Way {
    hop: Hop,
    source: Address,
    remote: Endpoint,
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
}

impl Udp {
    pub(crate) fn new(octets_max: u32) -> Udp {
        Udp {
            remote: None,
            flow: None,
            source: None,
            queue: VecDeque::new(),
            queued_octets: 0,
            octets_max,
            peers: alloc::vec::Vec::new(),
        }
    }

    pub(crate) fn local(&self, flows: &Flows, bound: Endpoint) -> Endpoint {
        let flow = self.flow.and_then(|flow| flows.udp.get(flow)).map(|flow| flow.key.local);
        let source = self.source.map(|source| Endpoint::new(source, bound.port));
        flow.or(source).unwrap_or(bound)
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
        let key = FlowKey { local: Endpoint::new(source, port), remote, protocol: protocol::UDP, zone };
        let flow = match self.flows.find(&key) {
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

    /// Sends a datagram: to `to`, or to the socket's peer; from the socket's address, or from `from`, which may be
    /// any that the host accepts packets for. Returns the octets of the payload.
    ///
    /// # Errors
    /// `DestinationRequired`, `MessageTooLong`, `AccessDenied` for a broadcast without SO_BROADCAST, `WouldBlock` if the
    /// link's queue is full, those of the route, `AddressNotAvailable`, and an error that has waited, once.
    pub fn send_to(
        &mut self,
        now: Instant,
        id: SocketId,
        payload: &[u8],
        to: Option<Endpoint>,
        from: Option<Address>,
    ) -> Result<usize, SocketError> {
        self.advance(now);
        let socket = self.socket_mut(id)?;
        if let Some(error) = socket.error.take() {
            return Err(error);
        }
        let (local, bound, ttl, tos) = (socket.local, socket.is_bound(), socket.ttl, socket.tos);
        if payload.len() > PAYLOAD_MAX {
            return Err(SocketError::MessageTooLong);
        }
        let Way { hop, source, remote } = self.way(id, to, from)?;
        let local = if bound { local } else { self.claim_port(id.index, local)? };
        let key = FlowKey {
            local: Endpoint::new(source, local.port),
            remote,
            protocol: protocol::UDP,
            zone: zone_of(remote.address, hop.link),
        };
        self.send_datagram(hop, &key, payload, ttl, tos, id.index)?;
        let (now, summaries) = (self.engine.now, self.engine.config.flow_summaries);
        if summaries && let Kind::Udp(udp) = &mut self.socket_mut(id)?.kind {
            udp.count(&key, now, payload.len(), 0);
        }
        Ok(payload.len())
    }

    /// Whether a datagram could be sent as [`Stack::send_to`] would: for those who queue datagrams in front of the
    /// host, and must refuse at once what it would refuse.
    ///
    /// # Errors
    /// Those of [`Stack::send_to`], but for its size, its memory and what has waited.
    pub fn check_send_to(
        &self,
        id: SocketId,
        to: Option<Endpoint>,
        from: Option<Address>,
    ) -> Result<(), SocketError> {
        self.way(id, to, from).map(drop)
    }

    /// How a datagram leaves.
    fn way(&self, id: SocketId, to: Option<Endpoint>, from: Option<Address>) -> Result<Way, SocketError> {
        let socket = self.socket(id)?;
        let Kind::Udp(udp) = &socket.kind else { return Err(SocketError::NotSupported) };
        if socket.flags.contains(Flags::WRITE_CLOSED) {
            return Err(SocketError::BrokenPipe);
        }
        let remote = to.or(udp.remote).ok_or(SocketError::DestinationRequired)?;
        socket.check_family(remote.address)?;
        if remote.port == 0 {
            return Err(SocketError::InvalidArgument);
        }
        let hop = self.route(remote.address, socket.device)?;
        self.check_broadcast(socket, &hop, remote.address)?;
        let mut source = if to.is_none() { udp.source } else { None };
        let own = socket.local.address;
        if !own.is_unspecified() && !own.is_multicast() && !own.is_broadcast() {
            source = source.or(Some(own));
        }
        let source = match from.or(source) {
            Some(source) => source,
            None => self.source_address(&hop, remote.address)?,
        };
        if source.family() != remote.address.family() {
            return Err(SocketError::NetworkUnreachable);
        }
        Ok(Way { hop, source, remote })
    }

    /// RFC 1122 §3.3.6: only who says so sends broadcasts.
    fn check_broadcast(&self, socket: &Socket, hop: &Hop, to: Address) -> Result<(), SocketError> {
        let is_broadcast = self.is_group(hop, to) && !to.is_multicast();
        if is_broadcast && !socket.flags.contains(Flags::BROADCAST) {
            return Err(SocketError::AccessDenied);
        }
        Ok(())
    }

    /// Builds a datagram and queues it at its link.
    pub(crate) fn send_datagram(
        &mut self,
        hop: Hop,
        key: &FlowKey,
        payload: &[u8],
        hop_limit: u8,
        tos: u8,
        sender: u32,
    ) -> Result<(), SocketError> {
        let max = self.engine.config.datagram_queue_max.max(1);
        let interface = self.interface_mut(hop.link).ok_or(SocketError::NetworkDown)?;
        if interface.datagrams.len() >= max {
            if !interface.blocked.contains(&sender) {
                interface.blocked.push(sender);
            }
            return Err(SocketError::WouldBlock);
        }
        let partial = interface.caps.checksum;
        let (src, dst) = (key.local.address, key.remote.address);
        let room = udp::Header::LEN + payload.len();
        let envelope = Envelope {
            src,
            dst,
            protocol: protocol::UDP,
            hop_limit,
            tos,
            flow_label: self.flow_label(key),
            dont_fragment: false,
            id: self.fragment_id(dst),
            via: None,
        };
        let mtu = usize::from(self.path_mtu(dst, hop.mtu));
        let partial = partial && envelope.len() + room <= mtu;
        let start = u16::try_from(envelope.len()).unwrap_or(0);
        let checksum =
            if partial { Checksum::Partial { start, offset: CHECKSUM_OFFSET } } else { Checksum::None };
        let header = udp::Emit {
            src_port: key.local.port,
            dst_port: key.remote.port,
            payload_len: u16::try_from(payload.len()).map_err(|_| SocketError::MessageTooLong)?,
        };
        let sent = self.send_long_with(hop, &envelope, Class::Datagram { sender }, room, checksum, |out| {
            let at = header.emit(out)?;
            out.get_mut(at..).ok_or(WireError::Truncated)?.copy_from_slice(payload);
            if partial {
                udp::fill_partial_checksum(src, dst, out)
            } else {
                udp::fill_checksum(src, dst, out)
            }?;
            Ok(room)
        });
        match sent {
            Ok(()) => {
                self.engine.stats.udp.out_datagrams += 1;
                Ok(())
            }
            // As on Linux, a neighbour's failure is no error of the call.
            Err(DropReason::NeighbourLimit | DropReason::NeighbourUnresolved) => Ok(()),
            Err(_) => Err(SocketError::NoBuffers),
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
            let nothing = Datagram { len: 0, full_len: 0, from, to: end, link: LinkId::LOOPBACK };
            return if closed { Ok(nothing) } else { Err(SocketError::WouldBlock) };
        };
        udp.queued_octets -= received.payload.footprint() + ENTRY_OCTETS;
        let payload = received.payload.as_slice();
        let len = payload.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..len), payload.get(..len)) {
            to.copy_from_slice(from);
        }
        let full_len = payload.len();
        Ok(Datagram { len, full_len, from: received.from, to: received.to, link: received.link })
    }

    /// Whether a socket waits for room in a link's queue.
    pub(crate) fn is_blocked(&self, index: u32) -> bool {
        self.links.iter().flatten().any(|link| link.blocked.contains(&index))
    }

    pub(crate) fn close_udp(&mut self, id: SocketId, local: &Endpoint, udp: Udp) {
        self.ports.release(protocol::UDP, local.port, id.index);
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
