//! What the fence must know of a frame, and the answers that it gives itself.

use std::net::IpAddr;

use portolan_link::Medium;
use portolan_wire::ethernet::{self, EtherType};
use portolan_wire::tcp::{Flags, Options, Timestamps};
use portolan_wire::{Address, SeqNumber, icmpv4, icmpv6, ipv4, ipv6, ndp, protocol, tcp, udp};

/// Octets of a packet that an answer quotes at most.
const QUOTE_MAX: usize = 128;
const HOP_LIMIT: u8 = 64;
/// Octets of a message about a neighbour: its address, and one link-layer address as an option (RFC 4861 §4.3, §4.4).
const NEIGHBOUR_MAX: usize = 32;

/// What a frame carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Content<'a> {
    /// What the fence leaves alone: ARP, errors, and on the link itself neighbour discovery and groups' membership.
    Housekeeping,
    /// An IP packet that cannot be read.
    Unreadable,
    /// A packet of a flow.
    Packet(Packet<'a>),
}

/// A packet of a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Packet<'a> {
    /// The frame's front, and where its IP header begins.
    frame: &'a [u8],
    ip_at: usize,
    pub(super) src: Address,
    pub(super) dst: Address,
    /// The IP protocol.
    pub(super) protocol: u8,
    /// Source and destination; of echo the identifier and nothing; `None` in later fragments and other protocols.
    pub(super) ports: Option<(u16, u16)>,
    /// Whether it answers an echo.
    pub(super) answers_echo: bool,
    /// TCP's flags and numbers.
    pub(super) flags: Flags,
    pub(super) seq: SeqNumber,
    ack: SeqNumber,
    /// TCP's options, unread.
    options: &'a [u8],
    /// What a UDP datagram or TCP segment holds, as far as it is in the front.
    pub(super) text: &'a [u8],
}

/// Reads the front of a frame.
pub(super) fn read(medium: Medium, frame: &[u8]) -> Content<'_> {
    let ip_at = match medium {
        Medium::Ip => 0,
        Medium::Ethernet => match ethernet::Header::parse(frame) {
            Ok((header, _)) if matches!(header.ethertype(), EtherType::IPV4 | EtherType::IPV6) => {
                ethernet::Header::LEN
            }
            _ => return Content::Housekeeping,
        },
    };
    let bytes = frame.get(ip_at..).unwrap_or_default();
    if let Ok(packet) = ipv4::parse_quoted(bytes) {
        let header = packet.header;
        let payload = (header.fragment_offset() == 0).then_some(packet.payload);
        let ends = (header.src(), header.dst());
        return upper(Packet::new(frame, ip_at, ends, header.protocol()), header.ttl(), payload);
    }
    let Ok(packet) = ipv6::parse_quoted(bytes) else { return Content::Unreadable };
    let ends = (packet.header.src(), packet.header.dst());
    let Ok(found) = packet.extensions() else { return Content::Unreadable };
    let payload = found.fragment.is_none_or(|fragment| fragment.offset == 0).then_some(found.payload);
    upper(Packet::new(frame, ip_at, ends, found.protocol), packet.header.hop_limit(), payload)
}

fn upper<'a>(packet: Packet<'a>, hop_limit: u8, payload: Option<&'a [u8]>) -> Content<'a> {
    let Some(payload) = payload else { return Content::Packet(packet) };
    match packet.protocol {
        // No router passes these on (RFC 3376 §4, RFC 4861 §4).
        protocol::IGMP if hop_limit == 1 && packet.dst.is_multicast() => Content::Housekeeping,
        protocol::TCP => match tcp::Header::parse(payload) {
            Ok((header, rest)) => {
                let options = header.data_offset() - tcp::Header::LEN;
                let (options, text) = rest.split_at_checked(options).unwrap_or_default();
                Content::Packet(Packet {
                    ports: Some((header.src_port(), header.dst_port())),
                    flags: header.flags(),
                    seq: header.seq(),
                    ack: header.ack(),
                    options,
                    text,
                    ..packet
                })
            }
            Err(_) => Content::Unreadable,
        },
        protocol::UDP => match udp::Header::parse(payload) {
            Ok((header, text)) => Content::Packet(Packet {
                ports: Some((header.src_port(), header.dst_port())),
                text,
                ..packet
            }),
            Err(_) => Content::Unreadable,
        },
        protocol::ICMPV4 => match icmpv4::parse_unchecked(payload) {
            Ok((icmpv4::Message::EchoRequest { ident, .. }, _)) => packet.echo(ident, false),
            Ok((icmpv4::Message::EchoReply { ident, .. }, _)) => packet.echo(ident, true),
            Ok((message, _)) if is_error_v4(&message) => Content::Housekeeping,
            Ok(_) => Content::Packet(packet),
            Err(_) => Content::Unreadable,
        },
        protocol::ICMPV6 => match icmpv6::parse_unchecked(payload) {
            Ok((icmpv6::Message::EchoRequest { ident, .. }, _)) => packet.echo(ident, false),
            Ok((icmpv6::Message::EchoReply { ident, .. }, _)) => packet.echo(ident, true),
            Ok((message, _)) if is_error_v6(&message) => Content::Housekeeping,
            Ok((message, _)) if is_for_the_link(&message, packet.dst, hop_limit, payload.len()) => {
                Content::Housekeeping
            }
            Ok(_) => Content::Packet(packet),
            Err(_) => Content::Unreadable,
        },
        _ => Content::Packet(packet),
    }
}

fn is_error_v4(message: &icmpv4::Message) -> bool {
    use icmpv4::Message::{ParameterProblem, TimeExceeded, Unreachable};
    matches!(message, Unreachable { .. } | TimeExceeded { .. } | ParameterProblem { .. })
}

fn is_error_v6(message: &icmpv6::Message) -> bool {
    use icmpv6::Message::{PacketTooBig, ParameterProblem, TimeExceeded, Unreachable};
    matches!(
        message,
        Unreachable { .. } | PacketTooBig { .. } | TimeExceeded { .. } | ParameterProblem { .. }
    )
}

/// Whether a message is between the stations of a link: neighbour discovery (RFC 4861), or a report of groups (RFC 2710,
/// RFC 3810). A neighbour with a global address is asked there too; such a message has no room for anything else.
fn is_for_the_link(message: &icmpv6::Message, dst: Address, hop_limit: u8, len: usize) -> bool {
    use ndp::Message::{NeighborAdvertisement, NeighborSolicitation};
    let is_link_group = matches!(dst.to_ip(), IpAddr::V6(v6) if v6.segments()[0] == 0xff02);
    match message {
        icmpv6::Message::Ndp(_) if dst.is_link_local() || is_link_group => hop_limit == 255,
        icmpv6::Message::Ndp(NeighborSolicitation { .. } | NeighborAdvertisement { .. }) => {
            hop_limit == 255 && len <= NEIGHBOUR_MAX
        }
        icmpv6::Message::Other { ty: 131 | 132 | 143, .. } => hop_limit == 1 && dst.is_multicast(),
        _ => false,
    }
}

impl<'a> Packet<'a> {
    /// One of which no more is known than its IP header says.
    fn new(frame: &'a [u8], ip_at: usize, (src, dst): (Address, Address), protocol: u8) -> Packet<'a> {
        let (flags, text, options) = (Flags::from_bits(0), &[][..], &[][..]);
        let (seq, ack) = (SeqNumber(0), SeqNumber(0));
        let (ports, answers_echo) = (None, false);
        Packet { frame, ip_at, src, dst, protocol, ports, answers_echo, flags, seq, ack, options, text }
    }

    fn echo(self, ident: u16, answers_echo: bool) -> Content<'a> {
        Content::Packet(Packet { ports: Some((ident, 0)), answers_echo, ..self })
    }

    /// Whether it begins a flow, as far as that can be seen of one packet.
    pub(super) fn begins_flow(&self) -> bool {
        match self.protocol {
            protocol::TCP => self.flags.contains(Flags::SYN) && !self.flags.contains(Flags::ACK),
            protocol::ICMPV4 | protocol::ICMPV6 => !self.answers_echo,
            _ => false,
        }
    }

    /// Whether it goes to many.
    pub(super) fn is_to_group(&self) -> bool {
        self.dst.is_multicast() || self.dst.is_broadcast()
    }

    /// "Administratively prohibited", from the destination, as `reject with icmpx admin-prohibited` says it.
    pub(super) fn prohibition(&self) -> Option<Vec<u8>> {
        let packet = self.frame.get(self.ip_at..)?;
        let quote = packet.get(..QUOTE_MAX).unwrap_or(packet);
        let mut message = [0; QUOTE_MAX + icmpv4::Message::HEADER_LEN];
        let (number, len) = if self.dst.is_v4() {
            let code = icmpv4::unreachable::ADMINISTRATIVELY_PROHIBITED;
            let said = icmpv4::Message::Unreachable { code, next_hop_mtu: 0 };
            (protocol::ICMPV4, said.emit(quote, &mut message).ok()?)
        } else {
            let said =
                icmpv6::Message::Unreachable { code: icmpv6::unreachable::ADMINISTRATIVELY_PROHIBITED };
            (protocol::ICMPV6, said.emit(self.dst, self.src, quote, &mut message).ok()?)
        };
        self.answer(number, message.get(..len)?)
    }

    /// A datagram back, from the destination's port to the source's.
    pub(super) fn reply(&self, text: &[u8]) -> Option<Vec<u8>> {
        let (src_port, dst_port) = self.ports?;
        let len = u16::try_from(text.len()).ok()?;
        let header = udp::Emit { src_port: dst_port, dst_port: src_port, payload_len: len };
        let mut datagram = vec![0; udp::Header::LEN + text.len()];
        let header_len = header.emit(&mut datagram).ok()?;
        datagram.get_mut(header_len..)?.copy_from_slice(text);
        udp::fill_checksum(self.dst, self.src, &mut datagram).ok()?;
        self.answer(protocol::UDP, &datagram)
    }

    /// The segment that ends the connection in the destination's name, with `text` as its last.
    pub(super) fn last_segment(&self, text: &[u8]) -> Option<Vec<u8>> {
        self.segment(Flags::PSH.with(Flags::ACK).with(Flags::FIN), text)
    }

    /// The segment that says in the destination's name that there is no such connection.
    pub(super) fn reset(&self) -> Option<Vec<u8>> {
        self.segment(Flags::RST.with(Flags::ACK), &[])
    }

    fn segment(&self, flags: Flags, text: &[u8]) -> Option<Vec<u8>> {
        let (src_port, dst_port) = self.ports?;
        // RFC 7323 §3.2: a connection with timestamps has them in every segment.
        let timestamps = Options::parse(self.options).ok().and_then(|options| options.timestamps);
        let timestamps = timestamps.map(|Timestamps { value, echo }| Timestamps { value: echo, echo: value });
        let options = Options { timestamps, ..Options::NONE };
        let len = u32::try_from(self.text.len()).ok()? + u32::from(self.flags.contains(Flags::FIN));
        let header = tcp::Emit {
            src_port: dst_port,
            dst_port: src_port,
            seq: self.ack,
            ack: self.seq + len,
            flags,
            window: u16::MAX,
            urgent: 0,
            options,
        };
        let mut segment = vec![0; header.len() + text.len()];
        let header_len = header.emit(&mut segment).ok()?;
        segment.get_mut(header_len..)?.copy_from_slice(text);
        tcp::fill_checksum(self.dst, self.src, &mut segment).ok()?;
        self.answer(protocol::TCP, &segment)
    }

    /// A frame in the destination's name.
    fn answer(&self, number: u8, payload: &[u8]) -> Option<Vec<u8>> {
        let payload_len = u16::try_from(payload.len()).ok()?;
        let mut out = vec![0; self.ip_at + ipv6::Header::LEN + payload.len()];
        if self.ip_at > 0 {
            let (header, _) = ethernet::Header::parse(self.frame).ok()?;
            let back = ethernet::Header::new(header.src(), header.dst(), header.ethertype());
            out.get_mut(..self.ip_at)?.copy_from_slice(back.as_bytes());
        }
        let (src, dst) = (self.dst, self.src);
        let room = out.get_mut(self.ip_at..)?;
        let header_len = if src.is_v4() {
            ipv4::Emit { src, dst, protocol: number, ttl: HOP_LIMIT, payload_len, ..ipv4::Emit::default() }
                .emit(room)
        } else {
            let fields = ipv6::Emit {
                src,
                dst,
                next_header: number,
                hop_limit: HOP_LIMIT,
                payload_len,
                ..ipv6::Emit::default()
            };
            fields.emit(room)
        };
        let at = self.ip_at + header_len.ok()?;
        out.get_mut(at..at + payload.len())?.copy_from_slice(payload);
        out.truncate(at + payload.len());
        Some(out)
    }
}
