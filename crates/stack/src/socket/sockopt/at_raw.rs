//! The options that only raw sockets have: filters of ICMP's types, and where a checksum goes (raw(7), RFC 3542 §3).

use alloc::vec::Vec;

use portolan_wire::protocol;

use super::number::{IPPROTO_ICMPV6, IPPROTO_IP, IPPROTO_IPV6, SOL_RAW, ip, raw};
use super::{int, int_at};
use crate::socket::Kind;
use crate::socket::udp::raw::Raw;
use crate::stack::Stack;
use crate::{SocketError, SocketId};

impl Stack {
    /// Sets such an option; `None` if it is not one of a raw socket.
    pub(super) fn set_at_raw_level(
        &mut self,
        id: SocketId,
        level: i32,
        name: i32,
        value: &[u8],
    ) -> Option<Result<(), SocketError>> {
        let (protocol, raw) = self.raw_mut(id)?;
        Some(match (level, name) {
            (SOL_RAW, raw::ICMP_FILTER) if protocol == protocol::ICMPV4 => {
                set_filter(&mut raw.blocked, value, 1)
            }
            (IPPROTO_ICMPV6, raw::ICMP_FILTER) if protocol == protocol::ICMPV6 => {
                set_filter(&mut raw.blocked, value, 8)
            }
            (IPPROTO_IP, ip::HDRINCL) => int_at(value, 0).map(|on| raw.has_header = on != 0),
            (SOL_RAW | IPPROTO_IPV6, raw::IPV6_CHECKSUM) => set_checksum(raw, protocol, value),
            _ => return None,
        })
    }

    /// Reads such an option; `None` if it is not one of a raw socket.
    pub(super) fn get_at_raw_level(&mut self, id: SocketId, level: i32, name: i32) -> Option<Vec<u8>> {
        let (protocol, raw) = self.raw_mut(id)?;
        Some(match (level, name) {
            (SOL_RAW, raw::ICMP_FILTER) if protocol == protocol::ICMPV4 => filter(&raw.blocked, 1),
            (IPPROTO_ICMPV6, raw::ICMP_FILTER) if protocol == protocol::ICMPV6 => filter(&raw.blocked, 8),
            (IPPROTO_IP, ip::HDRINCL) => int(raw.has_header.into()),
            (SOL_RAW | IPPROTO_IPV6, raw::IPV6_CHECKSUM) => int(raw.checksum_at.map_or(-1, i32::from)),
            _ => return None,
        })
    }

    /// A raw socket's protocol and settings; `None` for every other socket.
    fn raw_mut(&mut self, id: SocketId) -> Option<(u8, &mut Raw)> {
        match &mut self.socket_mut(id).ok()?.kind {
            Kind::Udp(udp) => Some((udp.protocol, udp.raw.as_deref_mut()?)),
            _ => None,
        }
    }
}

/// As Linux: as many octets as the application gives, at most the filter's.
fn set_filter(blocked: &mut [u32; 8], value: &[u8], words: usize) -> Result<(), SocketError> {
    for (word, octets) in blocked.iter_mut().take(words).zip(value.as_chunks().0) {
        *word = u32::from_ne_bytes(*octets);
    }
    Ok(())
}

fn filter(blocked: &[u32; 8], words: usize) -> Vec<u8> {
    blocked.iter().take(words).flat_map(|word| word.to_ne_bytes()).collect()
}

/// RFC 3542 §3.1: an even offset, or none; ICMPv6's is not for the application to choose.
fn set_checksum(raw: &mut Raw, protocol: u8, value: &[u8]) -> Result<(), SocketError> {
    let offset = int_at(value, 0)?;
    if protocol == protocol::ICMPV6 || offset > 0 && offset % 2 == 1 {
        return Err(SocketError::InvalidArgument);
    }
    raw.checksum_at = u16::try_from(offset).ok();
    Ok(())
}
