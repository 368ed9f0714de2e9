//! Datagrams that arrive, and ICMP errors about those that were sent (RFC 1122 §4.1.3).

use portolan_link::Chunk;
use portolan_wire::{Endpoint, FlowKey, WireError, protocol, udp, udp_lite};

use super::report::ErrorReport;
use super::{ENTRY_OCTETS, Received, segment};
use crate::demux::{Slot, checksum_ok};
use crate::drop::DropReason;
use crate::event::{Event, Intercepted, Pending, Quote, UnreachableCode};
use crate::ip::icmp_error::{Complaint, Said, Verdict};
use crate::ip::input::Arrival;
use crate::ip::pmtu::believable_mtu;
use crate::link::ethernet::Frame;
use crate::socket::Kind;
use crate::stack::Stack;
use crate::{LinkId, SocketError};

/// A datagram: its flow, where its payload is, and how much of header and payload its checksum covers.
struct Parsed {
    key: FlowKey,
    payload_at: usize,
    payload_len: usize,
    covered: usize,
}

fn key_of(arrival: &Arrival, src_port: u16, dst_port: u16) -> FlowKey {
    FlowKey {
        local: Endpoint::new(arrival.dst, dst_port),
        remote: Endpoint::new(arrival.src, src_port),
        protocol: arrival.protocol,
        zone: arrival.zone(),
    }
}

fn udp_lite_parse(frame: &Frame, arrival: &Arrival) -> Result<Parsed, DropReason> {
    let bytes = frame.bytes().get(arrival.header_len..).ok_or(DropReason::UdpMalformed)?;
    let covered = udp_lite::check(arrival.src, arrival.dst, bytes).map_err(|error| match error {
        WireError::BadChecksum => DropReason::UdpChecksum,
        _ => DropReason::UdpMalformed,
    })?;
    let &[a, b, c, d] = bytes.first_chunk().ok_or(DropReason::UdpMalformed)?;
    let (src_port, dst_port) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    if dst_port == 0 {
        return Err(DropReason::UdpMalformed);
    }
    Ok(Parsed {
        key: key_of(arrival, src_port, dst_port),
        payload_at: arrival.header_len + udp::Header::LEN,
        payload_len: bytes.len() - udp::Header::LEN,
        covered,
    })
}

impl Stack {
    /// A datagram of UDP or UDP-Lite for this host.
    pub(crate) fn udp_input(&mut self, frame: &mut Frame, arrival: Arrival) -> Result<(), DropReason> {
        let Parsed { key, payload_at, payload_len, covered } =
            self.udp_parse(frame, &arrival).inspect_err(|_| {
                self.engine.stats.udp.in_errors += 1;
            })?;
        if arrival.group {
            return self.udp_group_input(frame, &arrival, &key, payload_at, payload_len);
        }
        // A gateway has no sockets that would carry the other protocol on.
        let intercepted = key.protocol == protocol::UDP
            && self.interface(arrival.link).is_some_and(|link| link.intercept.udp);
        let socket =
            if arrival.assigned || !intercepted { self.udp_socket_for(&key, arrival.link) } else { None };
        let Some(socket) = socket else {
            if intercepted && !self.stopping {
                return self.intercept_datagram(frame, &arrival, key, payload_at, payload_len);
            }
            // RFC 1122 §4.1.3.1.
            self.engine.stats.udp.no_ports += 1;
            self.complain(frame, &arrival, Complaint::Unreachable(UnreachableCode::Port));
            return Err(DropReason::UdpNoPort);
        };
        if !self.accepts_coverage(socket, payload_len + udp::Header::LEN, covered) {
            self.engine.stats.udp.in_errors += 1;
            return Err(DropReason::UdpChecksum);
        }
        let size = segment::size_of_each(frame, payload_len)?;
        let payload = self.payload_from(frame, payload_at, payload_len);
        self.deliver_segments(socket, &key, payload, &arrival, size)
    }

    fn accepts_coverage(&self, socket: u32, len: usize, covered: usize) -> bool {
        match self.sockets.get(socket).map(|socket| &socket.kind) {
            Some(Kind::Udp(udp)) => udp.coverage.accepts(len, covered),
            _ => true,
        }
    }

    /// Reads and judges a datagram: its flow, and where its payload is.
    fn udp_parse(&mut self, frame: &mut Frame, arrival: &Arrival) -> Result<Parsed, DropReason> {
        if arrival.protocol == protocol::UDPLITE {
            self.one_part(frame);
            return udp_lite_parse(frame, arrival);
        }
        let bytes = frame.bytes().get(arrival.header_len..).ok_or(DropReason::UdpMalformed)?;
        let (header, _) = udp::Header::parse(bytes).map_err(|_| DropReason::UdpMalformed)?;
        let len = usize::from(header.len());
        if len > frame.len() - arrival.header_len || header.dst_port() == 0 {
            return Err(DropReason::UdpMalformed);
        }
        let good = match header.checksum() {
            // RFC 8200 §8.1: IPv6 has no datagrams without a checksum.
            0 => arrival.src.is_v4(),
            _ if frame.checksum_known_good() => true,
            // What is behind the datagram's own length does not count for its checksum.
            _ if len == frame.len() - arrival.header_len => checksum_ok(frame, arrival),
            _ => udp::checksum_ok(arrival.src, arrival.dst, bytes),
        };
        if !good {
            return Err(DropReason::UdpChecksum);
        }
        let key = key_of(arrival, header.src_port(), header.dst_port());
        let (payload_at, payload_len) = (arrival.header_len + udp::Header::LEN, len - udp::Header::LEN);
        Ok(Parsed { key, payload_at, payload_len, covered: len })
    }

    fn payload_from(&mut self, frame: &mut Frame, at: usize, len: usize) -> Chunk {
        let mut payload = self.text_from(frame, at);
        payload.truncate(len);
        payload
    }

    /// The socket that a datagram is for: that of its flow, else the one that is bound most exactly.
    fn udp_socket_for(&self, key: &FlowKey, link: LinkId) -> Option<u32> {
        if let Some(Slot::Udp(flow)) = self.flows.find(key) {
            return self.flows.udp.get(flow).map(|flow| flow.socket);
        }
        self.ports.nearest(key, link, |binding| self.hears(binding.socket, key))
    }

    /// Whether a socket takes datagrams from this peer: one that is connected hears nobody else.
    pub(super) fn hears(&self, socket: u32, key: &FlowKey) -> bool {
        match self.sockets.get(socket).map(|socket| &socket.kind) {
            Some(Kind::Udp(udp)) => udp.remote.is_none_or(|remote| remote == key.remote),
            _ => false,
        }
    }

    /// A datagram to a group goes to all who listen.
    fn udp_group_input(
        &mut self,
        frame: &mut Frame,
        arrival: &Arrival,
        key: &FlowKey,
        payload_at: usize,
        payload_len: usize,
    ) -> Result<(), DropReason> {
        let sockets = self.ports.all(key, arrival.link);
        let mut result = Err(DropReason::UdpNoPort);
        if sockets.is_empty() {
            return result;
        }
        let size = segment::size_of_each(frame, payload_len)?;
        let payload = self.payload_from(frame, payload_at, payload_len);
        for socket in sockets {
            if self.hears(socket, key) && self.wants_source(socket, key, arrival.link) {
                let delivered = self.deliver_segments(socket, key, payload.clone(), arrival, size);
                result = result.or(delivered);
            }
        }
        result
    }

    pub(super) fn udp_deliver(
        &mut self,
        index: u32,
        key: &FlowKey,
        payload: Chunk,
        arrival: &Arrival,
        segment: u16,
    ) -> Result<(), DropReason> {
        let batch = if self.gro.is_open { self.gro.batch } else { 0 };
        let (now, summaries) = (self.engine.now, self.engine.config.flow_summaries);
        let Some(socket) = self.sockets.get_mut(index) else { return Err(DropReason::UdpNoPort) };
        let Kind::Udp(udp) = &mut socket.kind else { return Err(DropReason::UdpNoPort) };
        let cost = payload.footprint() + ENTRY_OCTETS;
        // As on Linux, a queue that is not full takes one more, however large.
        if udp.queued_octets >= udp.octets_max as usize {
            self.engine.stats.udp.in_errors += 1;
            return Err(DropReason::UdpQueueFull);
        }
        if summaries && udp.has_ports() {
            udp.count(key, now, 0, payload.len());
        }
        let udp_counts = udp.has_ports();
        udp.queued_octets += cost;
        let Arrival { link, hop_limit, tos, .. } = *arrival;
        udp.queue.push_back(Received {
            payload,
            from: key.remote,
            to: key.local,
            link,
            hop_limit,
            tos,
            at: now,
            segment,
            batch,
        });
        self.engine.stats.udp.in_datagrams += u64::from(udp_counts);
        self.pend(index, Pending::READABLE);
        Ok(())
    }

    fn intercept_datagram(
        &mut self,
        frame: &mut Frame,
        arrival: &Arrival,
        flow: FlowKey,
        payload_at: usize,
        payload_len: usize,
    ) -> Result<(), DropReason> {
        if !self.events.has_room(&self.engine.config) {
            return Err(DropReason::EventsFull);
        }
        let quote = Quote::new(frame.bytes());
        let size = segment::size_of_each(frame, payload_len)?;
        let payload = self.payload_from(frame, payload_at, payload_len);
        if size == 0 {
            self.event(Event::Datagram(Intercepted { link: arrival.link, flow, payload, quote }));
            return Ok(());
        }
        for piece in segment::pieces(payload.as_slice(), size) {
            let payload = self.engine.pool.copy(piece);
            self.event(Event::Datagram(Intercepted { link: arrival.link, flow, payload, quote }));
        }
        Ok(())
    }

    /// An ICMP error about a datagram of ours. RFC 1122 §4.1.3.3: a connected socket hears of it.
    pub(crate) fn on_udp_error(
        &mut self,
        key: &FlowKey,
        link: LinkId,
        verdict: Verdict,
        said: &Said<'_>,
    ) -> Result<(), DropReason> {
        let index = self.udp_socket_for(key, link).ok_or(DropReason::IcmpNoFlow)?;
        let (error, mtu) = match verdict {
            Verdict::Unreachable { error, .. } => (error, 0),
            Verdict::TooBig(mtu) => {
                let mtu = believable_mtu(key.remote.address, mtu).ok_or(DropReason::IcmpIgnored)?;
                self.learn_path_mtu(key.remote.address, mtu);
                (SocketError::MessageTooLong, mtu.into())
            }
            Verdict::Parameter => return Ok(()),
        };
        if let Some(Kind::Udp(udp)) = self.sockets.get_mut(index).map(|socket| &mut socket.kind) {
            let Said { from, ty, code, payload } = *said;
            udp.keep_report(ErrorReport {
                error,
                ty,
                code,
                mtu,
                from,
                to: key.remote,
                payload: payload.to_vec(),
            });
        }
        self.udp_failed(index, error);
        Ok(())
    }

    /// A datagram did not get there: a socket with a peer is told, or one that wants to know.
    pub(crate) fn udp_failed(&mut self, index: u32, error: SocketError) {
        let Some(socket) = self.sockets.get_mut(index) else { return };
        if matches!(&socket.kind, Kind::Udp(udp) if udp.remote.is_some() || udp.wishes.errors) {
            socket.error = Some(error);
            self.pend(index, Pending::FAILED | Pending::READABLE | Pending::WRITABLE);
        }
    }
}
