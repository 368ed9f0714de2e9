//! The options about groups: `ip(7)`'s and RFC 3493's, in Linux's layouts.

use alloc::vec::Vec;
use core::net::Ipv6Addr;

use portolan_wire::{Address, Family};

use super::number::{IPPROTO_IP, IPPROTO_IPV6, ip, ipv6};
use super::{int, int_at, narrow};
use crate::ip::membership::Filter;
use crate::socket::udp::multicast::SourceChange;
use crate::stack::Stack;
use crate::{LinkId, SocketError, SocketId};

/// Where `struct group_req` has the address, behind the index and a gap; and its family's numbers.
const GROUP_REQUEST_ADDRESS: usize = 8;
/// Where `struct group_source_req` has the source's, and the length of each.
const GROUP_REQUEST_SOURCE: usize = GROUP_REQUEST_ADDRESS + SOCKADDR_STORAGE;
const SOCKADDR_STORAGE: usize = 128;
/// MCAST_EXCLUDE and MCAST_INCLUDE of linux/in.h.
const MCAST_EXCLUDE: i32 = 0;
const MCAST_INCLUDE: i32 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// The address of a `struct sockaddr_storage` at this place.
fn socket_address(value: &[u8], at: usize) -> Result<Address, SocketError> {
    let address = value.get(at..).ok_or(SocketError::InvalidArgument)?;
    let (family, address) = address.split_first_chunk().ok_or(SocketError::InvalidArgument)?;
    let found = match u16::from_ne_bytes(*family) {
        AF_INET => address.get(2..).and_then(<[u8]>::first_chunk::<4>).map(|ip| Address::from(*ip)),
        AF_INET6 => {
            let ip = address.get(6..).and_then(<[u8]>::first_chunk::<16>);
            ip.map(|ip| Address::from(Ipv6Addr::from(*ip)))
        }
        _ => None,
    };
    found.ok_or(SocketError::InvalidArgument)
}

/// What an option does with a source, and whether its value is a `struct group_source_req`.
fn source_change(level: i32, name: i32) -> Option<(SourceChange, bool)> {
    Some(match (level, name) {
        (IPPROTO_IP, ip::ADD_SOURCE_MEMBERSHIP) => (SourceChange::Join, false),
        (IPPROTO_IP, ip::DROP_SOURCE_MEMBERSHIP) => (SourceChange::Leave, false),
        (IPPROTO_IP, ip::BLOCK_SOURCE) => (SourceChange::Block, false),
        (IPPROTO_IP, ip::UNBLOCK_SOURCE) => (SourceChange::Unblock, false),
        (IPPROTO_IP | IPPROTO_IPV6, ip::MCAST_JOIN_SOURCE_GROUP) => (SourceChange::Join, true),
        (IPPROTO_IP | IPPROTO_IPV6, ip::MCAST_LEAVE_SOURCE_GROUP) => (SourceChange::Leave, true),
        (IPPROTO_IP | IPPROTO_IPV6, ip::MCAST_BLOCK_SOURCE) => (SourceChange::Block, true),
        (IPPROTO_IP | IPPROTO_IPV6, ip::MCAST_UNBLOCK_SOURCE) => (SourceChange::Unblock, true),
        _ => return None,
    })
}

impl Stack {
    /// Sets such an option; `None` if it is not about groups.
    pub(super) fn set_at_group_level(
        &mut self,
        id: SocketId,
        level: i32,
        name: i32,
        value: &[u8],
    ) -> Option<Result<(), SocketError>> {
        Some(match (level, name) {
            (IPPROTO_IP, ip::ADD_MEMBERSHIP) => {
                self.group_v4(value).and_then(|(group, link)| self.join_group(id, group, link))
            }
            (IPPROTO_IP, ip::DROP_MEMBERSHIP) => {
                self.group_v4(value).and_then(|(group, link)| self.leave_group(id, group, link))
            }
            (IPPROTO_IPV6, ipv6::JOIN_GROUP) => {
                self.group_v6(value).and_then(|(group, link)| self.join_group(id, group, link))
            }
            (IPPROTO_IPV6, ipv6::LEAVE_GROUP) => {
                self.group_v6(value).and_then(|(group, link)| self.leave_group(id, group, link))
            }
            (IPPROTO_IP | IPPROTO_IPV6, ip::MCAST_JOIN_GROUP) => {
                self.group_request(value).and_then(|(group, link)| self.join_group(id, group, link))
            }
            (IPPROTO_IP | IPPROTO_IPV6, ip::MCAST_LEAVE_GROUP) => {
                self.group_request(value).and_then(|(group, link)| self.leave_group(id, group, link))
            }
            (IPPROTO_IP, ip::MSFILTER) => self
                .filter_v4(value)
                .and_then(|(group, link, filter)| self.replace_filter(id, group, link, filter)),
            _ => match source_change(level, name) {
                Some((change, has_request)) => {
                    let asked = if has_request { self.source_request(value) } else { self.source_v4(value) };
                    asked
                        .and_then(|(group, link, source)| self.change_source(id, group, link, source, change))
                }
                None => return self.set_multicast(id, level, name, value),
            },
        })
    }

    /// The options of sending to groups.
    fn set_multicast(
        &mut self,
        id: SocketId,
        level: i32,
        name: i32,
        value: &[u8],
    ) -> Option<Result<(), SocketError>> {
        let number = match *value {
            [octet, ..] if value.len() < size_of::<i32>() => Ok(i32::from(octet)),
            _ => int_at(value, 0),
        };
        let set = match (level, name) {
            (IPPROTO_IP, ip::MULTICAST_TTL) | (IPPROTO_IPV6, ipv6::MULTICAST_HOPS) => number
                .and_then(|number| narrow(if number == -1 { 1 } else { number }))
                .and_then(|hop_limit| self.multicast_mut(id).map(|own| own.hop_limit = hop_limit))
                // Linux: a stream has no multicast to send.
                .map_err(|_| SocketError::InvalidArgument),
            (IPPROTO_IP, ip::MULTICAST_LOOP) | (IPPROTO_IPV6, ipv6::MULTICAST_LOOP) => {
                let number = number.and_then(|number| match (level, number) {
                    (IPPROTO_IPV6, 2.. | ..0) => Err(SocketError::InvalidArgument),
                    _ => Ok(number != 0),
                });
                // A stream remembers it, without a use for it.
                let Ok(own) = self.multicast_mut(id) else { return None };
                number.map(|on| own.loops = on)
            }
            (IPPROTO_IP, ip::MULTICAST_IF) => {
                self.link_v4(value).and_then(|link| self.multicast_mut(id).map(|own| own.link = link))
            }
            (IPPROTO_IPV6, ipv6::MULTICAST_IF) => number
                .and_then(|index| self.link_of_index(index))
                .and_then(|link| self.multicast_mut(id).map(|own| own.link = link)),
            _ => return None,
        };
        Some(set)
    }

    /// Reads such an option; `None` if it is not about groups.
    pub(super) fn get_at_group_level(&mut self, id: SocketId, level: i32, name: i32) -> Option<Vec<u8>> {
        let own = self.multicast_mut(id).ok()?.clone();
        Some(match (level, name) {
            (IPPROTO_IP, ip::MULTICAST_TTL) | (IPPROTO_IPV6, ipv6::MULTICAST_HOPS) => {
                int(own.hop_limit.into())
            }
            (IPPROTO_IP, ip::MULTICAST_LOOP) | (IPPROTO_IPV6, ipv6::MULTICAST_LOOP) => int(own.loops.into()),
            (IPPROTO_IPV6, ipv6::MULTICAST_IF) => int(own.link.map_or(0, |link| i32::from(link.index()) + 1)),
            (IPPROTO_IP, ip::MULTICAST_IF) => {
                let interface = own.link.and_then(|link| self.interface(link));
                let address = interface.and_then(|interface| {
                    interface.addresses.iter().find_map(|cidr| cidr.address().v4_octets())
                });
                address.unwrap_or_default().to_vec()
            }
            _ => return None,
        })
    }

    /// `struct ip_mreq` or `struct ip_mreqn`: the group, then the link.
    fn group_v4(&self, value: &[u8]) -> Result<(Address, Option<LinkId>), SocketError> {
        let (group, rest) = value.split_first_chunk::<4>().ok_or(SocketError::InvalidArgument)?;
        let own = *rest.first_chunk::<4>().ok_or(SocketError::InvalidArgument)?;
        Ok((Address::from(*group), self.link_by(own, value)?))
    }

    /// `struct in_addr`, `struct ip_mreq` or `struct ip_mreqn`, of which the group does not count.
    fn link_v4(&self, value: &[u8]) -> Result<Option<LinkId>, SocketError> {
        let at = if value.len() >= 8 { 4 } else { 0 };
        let own = value.get(at..).and_then(<[u8]>::first_chunk).ok_or(SocketError::InvalidArgument)?;
        self.link_by(*own, value)
    }

    /// The link of an index at the end of `struct ip_mreqn`, else of one of the host's addresses; none for neither.
    fn link_by(&self, own: [u8; 4], value: &[u8]) -> Result<Option<LinkId>, SocketError> {
        let index = if value.len() >= 12 { int_at(value, 8)? } else { 0 };
        if index != 0 {
            return self.link_of_index(index);
        }
        if own == [0; 4] {
            return Ok(None);
        }
        let own = Address::from(own);
        let found = self.links.iter().flatten().find(|interface| interface.has_address(own));
        found.map(|interface| Some(interface.id)).ok_or(SocketError::NoSuchLink)
    }

    /// `struct ipv6_mreq`: the group, then the link's index.
    fn group_v6(&self, value: &[u8]) -> Result<(Address, Option<LinkId>), SocketError> {
        let group = value.first_chunk::<16>().ok_or(SocketError::InvalidArgument)?;
        let group = Address::from(Ipv6Addr::from(*group));
        if group.family() != Family::V6 {
            return Err(SocketError::InvalidArgument);
        }
        Ok((group, self.link_of_index(int_at(value, 16)?)?))
    }

    /// `struct ip_mreq_source`: the group, one of the link's addresses, the source.
    fn source_v4(&self, value: &[u8]) -> Result<(Address, Option<LinkId>, Address), SocketError> {
        let octets = value.first_chunk::<12>().ok_or(SocketError::InvalidArgument)?;
        let &[a, b, c, d, e, f, g, h, i, j, k, l] = octets;
        let link = self.link_by([e, f, g, h], &[])?;
        Ok((Address::v4(a, b, c, d), link, Address::v4(i, j, k, l)))
    }

    /// `struct ip_msfilter`: the group, one of the link's addresses, the mode, and so many sources.
    fn filter_v4(&self, value: &[u8]) -> Result<(Address, Option<LinkId>, Filter), SocketError> {
        let (head, rest) = value.split_first_chunk::<16>().ok_or(SocketError::InvalidArgument)?;
        let &[a, b, c, d, e, f, g, h, ..] = head;
        let (mode, count) = (int_at(head, 8)?, int_at(head, 12)?);
        let sources = rest.as_chunks::<4>().0;
        let sources = usize::try_from(count).ok().and_then(|count| sources.get(..count));
        let sources =
            sources.ok_or(SocketError::InvalidArgument)?.iter().map(|ip| Address::from(*ip)).collect();
        let excludes = match mode {
            MCAST_EXCLUDE => true,
            MCAST_INCLUDE => false,
            _ => return Err(SocketError::InvalidArgument),
        };
        Ok((Address::v4(a, b, c, d), self.link_by([e, f, g, h], &[])?, Filter { excludes, sources }))
    }

    /// `struct group_req`: the link's index, then a socket address.
    fn group_request(&self, value: &[u8]) -> Result<(Address, Option<LinkId>), SocketError> {
        let link = self.link_of_index(int_at(value, 0)?)?;
        Ok((socket_address(value, GROUP_REQUEST_ADDRESS)?, link))
    }

    /// `struct group_source_req`: the same, then the source's.
    fn source_request(&self, value: &[u8]) -> Result<(Address, Option<LinkId>, Address), SocketError> {
        if value.len() < GROUP_REQUEST_SOURCE + SOCKADDR_STORAGE {
            return Err(SocketError::InvalidArgument);
        }
        let (group, link) = self.group_request(value)?;
        let source = socket_address(value, GROUP_REQUEST_SOURCE)?;
        if source.family() != group.family() {
            return Err(SocketError::AddressNotAvailable);
        }
        Ok((group, link, source))
    }

    /// The link of an index as programs know it, the loopback's being 1; none for 0.
    fn link_of_index(&self, index: i32) -> Result<Option<LinkId>, SocketError> {
        if index == 0 {
            return Ok(None);
        }
        let position = index.checked_sub(1).and_then(|index| u16::try_from(index).ok());
        let link = position.and_then(|position| self.link_at(position));
        link.map(Some).ok_or(SocketError::NoSuchLink)
    }
}
