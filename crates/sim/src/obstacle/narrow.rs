//! The router before a narrow path, which says why it drops a packet (RFC 1191 §4, RFC 4443 §3.2).

use portolan_wire::ethernet::{EtherType, Header as Ethernet};
use portolan_wire::{icmpv4, icmpv6, ipv4, ipv6, protocol};

/// Octets of the packet that an error quotes: enough for the headers and the first octets of the text.
const QUOTE_MAX: usize = 528;
const HOP_LIMIT: u8 = 64;

/// Writes the frame that tells the sender of `frame` of the path's MTU; false if he is not to be told. The packet's
/// destination signs it, for want of a router with an address.
pub(super) fn too_big(frame: &[u8], mtu: u16, out: &mut Vec<u8>) -> bool {
    build(frame, mtu, out).is_some()
}

fn build(frame: &[u8], mtu: u16, out: &mut Vec<u8>) -> Option<()> {
    let (header, packet) = Ethernet::parse(frame).ok()?;
    let quote = packet.get(..QUOTE_MAX).unwrap_or(packet);
    let back = Ethernet::new(header.src(), header.dst(), header.ethertype());
    out.clear();
    out.resize(Ethernet::LEN + ipv6::Header::LEN + 8 + QUOTE_MAX, 0);
    out.get_mut(..Ethernet::LEN)?.copy_from_slice(back.as_bytes());
    let body = out.get_mut(Ethernet::LEN..)?;
    let len = match header.ethertype() {
        EtherType::IPV4 => answer_v4(packet, quote, mtu, body)?,
        EtherType::IPV6 => answer_v6(packet, quote, mtu, body)?,
        _ => return None,
    };
    out.truncate(Ethernet::LEN + len);
    Some(())
}

fn answer_v4(packet: &[u8], quote: &[u8], mtu: u16, out: &mut [u8]) -> Option<usize> {
    let (asked, _) = ipv4::Header::parse(packet).ok()?;
    let code = icmpv4::unreachable::FRAGMENTATION_NEEDED;
    let message = icmpv4::Message::Unreachable { code, next_hop_mtu: mtu };
    let (header, body) = out.split_at_mut_checked(ipv4::Header::LEN)?;
    let len = message.emit(quote, body).ok()?;
    let emit = ipv4::Emit {
        src: asked.dst(),
        dst: asked.src(),
        protocol: protocol::ICMPV4,
        ttl: HOP_LIMIT,
        tos: 0,
        id: 0,
        dont_fragment: false,
        more_fragments: false,
        fragment_offset: 0,
        payload_len: u16::try_from(len).ok()?,
    };
    Some(emit.emit(header).ok()? + len)
}

fn answer_v6(packet: &[u8], quote: &[u8], mtu: u16, out: &mut [u8]) -> Option<usize> {
    let (asked, _) = ipv6::Header::parse(packet).ok()?;
    let (header, body) = out.split_at_mut_checked(ipv6::Header::LEN)?;
    let message = icmpv6::Message::PacketTooBig { mtu: mtu.into() };
    let len = message.emit(asked.dst(), asked.src(), quote, body).ok()?;
    let emit = ipv6::Emit {
        src: asked.dst(),
        dst: asked.src(),
        next_header: protocol::ICMPV6,
        hop_limit: HOP_LIMIT,
        traffic_class: 0,
        flow_label: 0,
        payload_len: u16::try_from(len).ok()?,
    };
    Some(emit.emit(header).ok()? + len)
}
