//! What the fence must know of a frame, and the answers that it gives itself.

use portolan_link::Medium;
use portolan_wire::ethernet::{self, EtherType};
use portolan_wire::tcp::Flags;
use portolan_wire::{Address, icmpv4, icmpv6, ipv4, ipv6, protocol, tcp, udp};

/// Octets of a packet that an answer quotes at most.
const QUOTE_MAX: usize = 128;
const HOP_LIMIT: u8 = 64;

/// What a frame carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Content<'a> {
    /// What the fence leaves alone: ARP, neighbour discovery, groups' membership, errors, answers to echo.
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
    /// TCP's flags.
    pub(super) flags: Flags,
    /// What a UDP datagram holds, as far as it is in the front.
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
        return upper(frame, ip_at, (header.src(), header.dst()), header.protocol(), payload);
    }
    let Ok(packet) = ipv6::parse_quoted(bytes) else { return Content::Unreadable };
    let (src, dst) = (packet.header.src(), packet.header.dst());
    let Ok(found) = packet.extensions() else { return Content::Unreadable };
    let payload = found.fragment.is_none_or(|fragment| fragment.offset == 0).then_some(found.payload);
    upper(frame, ip_at, (src, dst), found.protocol, payload)
}

fn upper<'a>(
    frame: &'a [u8],
    ip_at: usize,
    (src, dst): (Address, Address),
    protocol: u8,
    payload: Option<&'a [u8]>,
) -> Content<'a> {
    let (flags, text) = (Flags::from_bits(0), &[][..]);
    let packet = Packet { frame, ip_at, src, dst, protocol, ports: None, flags, text };
    let Some(payload) = payload else { return Content::Packet(packet) };
    match protocol {
        protocol::IGMP => Content::Housekeeping,
        protocol::TCP => match tcp::Header::parse(payload) {
            Ok((header, _)) => Content::Packet(Packet {
                ports: Some((header.src_port(), header.dst_port())),
                flags: header.flags(),
                ..packet
            }),
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
            Ok((icmpv4::Message::EchoRequest { ident, .. }, _)) => {
                Content::Packet(Packet { ports: Some((ident, 0)), ..packet })
            }
            _ => Content::Housekeeping,
        },
        protocol::ICMPV6 => match icmpv6::parse_unchecked(payload) {
            Ok((icmpv6::Message::EchoRequest { ident, .. }, _)) => {
                Content::Packet(Packet { ports: Some((ident, 0)), ..packet })
            }
            _ => Content::Housekeeping,
        },
        _ => Content::Packet(packet),
    }
}

impl Packet<'_> {
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
