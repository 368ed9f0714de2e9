//! Raw sockets (raw(7), RFC 3542 §3): packets of one IP protocol as they are, a copy for each socket, whatever else the
//! host does with them.
//!
//! As on Linux a socket of IPv4 reads the IP header too and may write it (IP_HDRINCL), one of IPv6 neither; the host puts
//! in the checksum of ICMPv6, and where IPV6_CHECKSUM says. Who may have such a socket is for the caller to judge.

use portolan_link::Chunk;
use portolan_wire::{Address, Endpoint, Family, FlowKey, WireError, ipv4, protocol};

use super::echo::fill_checksum;
use crate::ip::input::Arrival;
use crate::ip::output::Envelope;
use crate::link::ethernet::Frame;
use crate::socket::Kind;
use crate::stack::Stack;

/// IPPROTO_RAW: a socket that only sends, with headers of its own.
pub(crate) const IPPROTO_RAW: u8 = 255;

/// What a raw socket has beside what all datagram sockets have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Raw {
    /// ICMP_FILTER and ICMP6_FILTER: a set bit keeps the messages of its type away. IPv4 has the first word only.
    pub(crate) blocked: [u32; 8],
    /// IP_HDRINCL.
    pub(crate) has_header: bool,
    /// IPV6_CHECKSUM: where the host puts the checksum.
    pub(crate) checksum_at: Option<u16>,
}

impl Raw {
    pub(crate) fn new(protocol: u8, family: Family) -> Raw {
        let is_icmpv6 = protocol == protocol::ICMPV6 && family == Family::V6;
        Raw {
            has_header: protocol == IPPROTO_RAW && family == Family::V4,
            checksum_at: is_icmpv6.then_some(2),
            ..Raw::default()
        }
    }

    /// Whether the filter lets a message through.
    fn passes(&self, protocol: u8, message: &[u8]) -> bool {
        let Some(&ty) = message.first() else { return true };
        let words = match protocol {
            protocol::ICMPV4 => self.blocked.get(..1),
            protocol::ICMPV6 => self.blocked.get(..),
            _ => None,
        };
        let word = words.and_then(|words| words.get(usize::from(ty / 32)));
        word.is_none_or(|word| word >> (ty % 32) & 1 == 0)
    }
}

/// Puts in what the header of the application's own says; the lengths, the checksum, and what it left at zero are the
/// host's. `None` for a header that is none, or has options.
pub(super) fn envelope_of<'a>(packet: &'a [u8], envelope: &Envelope) -> Option<(Envelope, &'a [u8])> {
    let mut head: [u8; ipv4::Header::LEN] = *packet.first_chunk()?;
    let len = u16::try_from(packet.len()).ok()?;
    // Linux writes the length, whatever stands there.
    *head.get_mut(2..).and_then(<[u8]>::first_chunk_mut)? = len.to_be_bytes();
    let (header, _) = ipv4::Header::parse(&head).ok()?;
    let payload = packet.get(ipv4::Header::LEN..)?;
    let src = if header.src().is_unspecified() { envelope.src } else { header.src() };
    let own = Envelope {
        src,
        dst: header.dst(),
        protocol: header.protocol(),
        hop_limit: header.ttl(),
        tos: header.tos(),
        dont_fragment: header.dont_fragment(),
        id: if header.id() == 0 { envelope.id } else { header.id() },
        ..*envelope
    };
    (header.header_len() == ipv4::Header::LEN).then_some((own, payload))
}

/// Writes the payload, with a checksum if there is a place for one.
pub(super) fn emit(
    key: &FlowKey,
    payload: &[u8],
    checksum_at: Option<u16>,
    out: &mut [u8],
) -> Result<(), WireError> {
    let out = out.get_mut(..payload.len()).ok_or(WireError::Truncated)?;
    out.copy_from_slice(payload);
    match checksum_at {
        Some(at) => fill_checksum(key.local.address, key.remote.address, key.protocol, out, at.into()),
        None => Ok(()),
    }
}

impl Stack {
    /// Gives a copy of a packet to each raw socket that wants it. True if there was one.
    pub(crate) fn raw_input(&mut self, frame: &mut Frame, arrival: &Arrival) -> bool {
        if self.raw_sockets.is_empty() {
            return false;
        }
        let key = FlowKey {
            local: Endpoint::new(arrival.dst, 0),
            remote: Endpoint::new(arrival.src, 0),
            protocol: arrival.protocol,
            zone: arrival.zone(),
        };
        self.one_part(frame);
        let payload = frame.bytes().get(arrival.header_len..).unwrap_or(&[]);
        let wanted = |index: &u32| self.raw_wants(*index, &key, arrival, payload);
        let sockets: alloc::vec::Vec<u32> = self.raw_sockets.iter().copied().filter(wanted).collect();
        for index in &sockets {
            let from = if arrival.src.is_v4() { 0 } else { arrival.header_len };
            let octets = frame.bytes().get(from..).unwrap_or(&[]);
            let copy: Chunk = self.engine.pool.copy(octets);
            // A queue that is full is counted, and nobody else's business.
            let _ = self.udp_deliver(*index, &key, copy, arrival, 0);
        }
        !sockets.is_empty()
    }

    fn raw_wants(&self, index: u32, key: &FlowKey, arrival: &Arrival, payload: &[u8]) -> bool {
        let Some(socket) = self.sockets.get(index) else { return false };
        let Kind::Udp(udp) = &socket.kind else { return false };
        let Some(raw) = &udp.raw else { return false };
        let is_own = |local: Address| local.is_unspecified() || local == arrival.dst;
        udp.protocol == arrival.protocol
            && socket.family == arrival.src.family()
            && (socket.device == 0 || socket.device == arrival.link.index())
            && is_own(socket.local.address)
            && self.hears(index, key)
            && raw.passes(arrival.protocol, payload)
    }
}
