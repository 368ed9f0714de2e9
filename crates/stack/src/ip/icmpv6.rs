//! ICMP for IPv6 on the way in (RFC 4443), and echo for both versions.

use portolan_wire::icmpv6::{self, Message, unreachable};
use portolan_wire::membership::mld;
use portolan_wire::{Address, WireError, icmpv4, protocol};

use portolan_link::{Chunk, Chunks, PacketBuf};

use crate::drop::DropReason;
use crate::event::{EchoRequest, Event, Quote};
use crate::ip::icmp_error::Verdict;
use crate::ip::input::{Arrival, zone_of};
use crate::ip::output::Envelope;
use crate::link::ethernet::Frame;
use crate::link::output::Class;
use crate::stack::Stack;
use crate::{LinkId, SocketError};

impl Stack {
    pub(crate) fn icmpv6_input(&mut self, frame: &mut Frame, arrival: Arrival) -> Result<(), DropReason> {
        self.engine.stats.icmpv6.in_msgs += 1;
        self.one_part(frame);
        let bytes = frame.bytes().get(arrival.header_len..).ok_or(DropReason::IcmpMalformed)?;
        let (message, data) = icmpv6::parse(arrival.src, arrival.dst, bytes).map_err(|error| {
            self.engine.stats.icmpv6.in_errors += 1;
            if error == WireError::BadChecksum { DropReason::IcmpChecksum } else { DropReason::IcmpMalformed }
        })?;
        let unspecified = arrival.src.is_unspecified();
        let kind = bytes.first_chunk().copied().unwrap_or_default();
        match message {
            Message::Ndp(message) => self.ndp_input(&arrival, message, data),
            _ if unspecified => Err(DropReason::Martian),
            Message::EchoRequest { ident, seq } => {
                let header_len = bytes.len() - data.len();
                self.echo_input(frame, arrival, ident, seq, header_len)
            }
            Message::Unreachable { code } => {
                self.on_icmp_error(&arrival, kind, data, unreachable_verdict(code))
            }
            Message::PacketTooBig { mtu } => self.on_icmp_error(&arrival, kind, data, Verdict::TooBig(mtu)),
            Message::TimeExceeded { .. } => {
                let verdict = Verdict::Unreachable { error: SocketError::HostUnreachable, hard: false };
                self.on_icmp_error(&arrival, kind, data, verdict)
            }
            Message::ParameterProblem { .. } => self.on_icmp_error(&arrival, kind, data, Verdict::Parameter),
            Message::EchoReply { ident, .. } => self.echo_reply_input(frame, &arrival, ident),
            Message::Other { ty: mld::QUERY, .. } => {
                let data = data.to_vec();
                self.mld_input(&arrival, &data)
            }
            Message::Other { .. } => Err(DropReason::IcmpIgnored),
        }
    }

    /// An echo request: answered if it is for one of the host's addresses, else a gateway's business.
    ///
    /// RFC 1122 §3.2.2.6: one that was sent to many may be dropped, and is, because the answers of many to a forged
    /// source are an attack.
    pub(crate) fn echo_input(
        &mut self,
        frame: &mut Frame,
        arrival: Arrival,
        ident: u16,
        seq: u16,
        header_len: usize,
    ) -> Result<(), DropReason> {
        if arrival.group {
            return Err(DropReason::IcmpIgnored);
        }
        let intercepted = self.interface(arrival.link).is_some_and(|interface| interface.intercept.echo);
        let gateways = !arrival.assigned && intercepted;
        if gateways && !self.events.has_room(&self.engine.config) {
            return Err(DropReason::EventsFull);
        }
        let quote = Quote::new(frame.bytes());
        let data = self.text_from(frame, arrival.header_len + header_len);
        let request =
            EchoRequest { link: arrival.link, from: arrival.src, to: arrival.dst, ident, seq, data, quote };
        if gateways {
            self.event(Event::Echo(request));
            return Ok(());
        }
        self.send_echo_reply(&request, request.data.as_slice());
        Ok(())
    }

    /// Sends the answer to an echo request, from the address that was asked.
    pub(crate) fn send_echo_reply(&mut self, request: &EchoRequest, data: &[u8]) {
        let v4 = request.to.is_v4();
        let Ok(hop) = self.route(request.from, zone_of(request.from, request.link)) else {
            self.engine.icmp_stats(v4).out_errors += 1;
            self.engine.drop(DropReason::NoRoute);
            return;
        };
        let envelope = Envelope {
            src: request.to,
            dst: request.from,
            protocol: if v4 { protocol::ICMPV4 } else { protocol::ICMPV6 },
            hop_limit: self.engine.config.hop_limit,
            tos: 0,
            flow_label: 0,
            dont_fragment: false,
            id: self.fragment_id(request.from),
            via: None,
        };
        let (ident, seq) = (request.ident, request.seq);
        let room = data.len() + icmpv4::Message::HEADER_LEN;
        let sent = self.send_long(hop, &envelope, Class::Reply, room, |out| {
            if v4 {
                icmpv4::Message::EchoReply { ident, seq }.emit(data, out)
            } else {
                Message::EchoReply { ident, seq }.emit(envelope.src, envelope.dst, data, out)
            }
        });
        let stats = self.engine.icmp_stats(v4);
        match sent {
            Ok(()) => stats.out_msgs += 1,
            Err(_) => stats.out_errors += 1,
        }
    }

    /// Takes the octets behind the first `skip` out of a frame, in one piece.
    pub(crate) fn text_from(&mut self, frame: &mut Frame, skip: usize) -> Chunk {
        self.one_part(frame);
        let mut text = Chunks::new();
        if let Some(mut packet) = frame.packet.take() {
            packet.consume(skip);
            packet.into_text(&mut self.engine.pool, &mut text);
        }
        text.pop_front().unwrap_or_else(|| self.engine.pool.copy(&[]))
    }

    /// Makes a frame of two parts one of one part, for the few protocols that want it so.
    pub(crate) fn one_part(&mut self, frame: &mut Frame) {
        let Some(packet) = frame.packet.take_if(|packet| !packet.tail().is_empty()) else { return };
        let mut whole = PacketBuf::with_room(&mut self.engine.pool, packet.len());
        whole.append(packet.bytes());
        whole.append(packet.tail());
        whole.offload = packet.offload;
        packet.recycle(&mut self.engine.pool);
        frame.packet = Some(whole);
    }

    /// An identification for packets that may be fragmented on the way (RFC 7739 §5.3): where it starts depends on
    /// the destination and a secret, so that no other destination learns anything from it.
    pub(crate) fn fragment_id(&mut self, dst: Address) -> u16 {
        self.fragment_counter = self.fragment_counter.wrapping_add(1);
        let [a, b, ..] = self.engine.random.labels.octets(&dst.octets()).to_be_bytes();
        u16::from_be_bytes([a, b]).wrapping_add(self.fragment_counter)
    }

    /// The link of this number ([`LinkId::index`]), if it is there.
    #[must_use]
    pub fn link_at(&self, index: u16) -> Option<LinkId> {
        self.interface(LinkId(index)).map(|interface| interface.id)
    }

    /// Whether a link is still there; for answers that come late.
    pub(crate) fn is_link(&self, link: LinkId) -> bool {
        self.interface(link).is_some()
    }
}

fn unreachable_verdict(code: u8) -> Verdict {
    let (error, hard) = match code {
        unreachable::PORT => (SocketError::ConnectionRefused, true),
        unreachable::ADMINISTRATIVELY_PROHIBITED => (SocketError::AccessDenied, true),
        unreachable::NO_ROUTE => (SocketError::NetworkUnreachable, false),
        _ => (SocketError::HostUnreachable, false),
    };
    Verdict::Unreachable { error, hard }
}
