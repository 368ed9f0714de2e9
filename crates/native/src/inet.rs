//! `struct sockaddr_in` and `struct sockaddr_in6`, and what the kernel refuses in them.

use core::net::{Ipv4Addr, Ipv6Addr};

use libc::{c_int, sockaddr_in, sockaddr_in6, socklen_t};
use portolan_protocol::datagram::TEXT_MAX;
use portolan_protocol::{Address, Family, Kind, Transport};

use crate::Errno;

/// Octets of a program's address that matter; more are not read.
pub const LEN_MAX: usize = size_of::<sockaddr_in6>();

/// RFC 2133's address had no scope, and Linux still takes its 24 octets.
const LEN_V6_MIN: usize = 24;

/// An address that the program passed in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Given {
    /// AF_INET or AF_INET6, in whatever family it was written.
    Inet(Family, Address),
    /// AF_UNSPEC, with the IPv4 address that bind(2) tolerates there.
    Unspecified(Address),
    /// Another family.
    Other,
}

/// Reads an address: EINVAL for one too short.
pub fn read(given: &[u8]) -> Result<Given, Errno> {
    let mut octets = [0u8; LEN_MAX];
    let len = given.len().min(LEN_MAX);
    if len < size_of::<libc::sa_family_t>() {
        return Err(Errno(libc::EINVAL));
    }
    octets[..len].copy_from_slice(&given[..len]);
    let family = c_int::from(libc::sa_family_t::from_ne_bytes([octets[0], octets[1]]));
    // sockaddr_in and sockaddr_in6 both have the port at octet 2; addresses at 4 and 8, the scope at 24.
    let port = u16::from_be_bytes([octets[2], octets[3]]);
    let v4 = Address::v4(Ipv4Addr::new(octets[4], octets[5], octets[6], octets[7]), port);
    match family {
        libc::AF_INET if len >= size_of::<sockaddr_in>() => Ok(Given::Inet(Family::V4, v4)),
        libc::AF_INET6 if len >= LEN_V6_MIN => {
            let mut ip = [0; 16];
            ip.copy_from_slice(&octets[8..24]);
            let scope = u32::from_ne_bytes([octets[24], octets[25], octets[26], octets[27]]);
            Ok(Given::Inet(Family::V6, Address::v6(Ipv6Addr::from(ip), port, scope)))
        }
        libc::AF_INET | libc::AF_INET6 => Err(Errno(libc::EINVAL)),
        libc::AF_UNSPEC => Ok(Given::Unspecified(v4)),
        _ => Ok(Given::Other),
    }
}

/// The address to bind a socket of this family to. `len` is what the program said it was.
pub fn to_bind(given: Given, family: Family, len: usize) -> Result<Address, Errno> {
    match given {
        Given::Inet(own, address) if own == family => Ok(address),
        // Too short for sockaddr_in6, which Linux finds first.
        Given::Inet(Family::V4, _) if len < LEN_V6_MIN => Err(Errno(libc::EINVAL)),
        // Linux takes AF_UNSPEC for AF_INET if the address is 0.0.0.0.
        Given::Unspecified(address) if address.is_unspecified() && len >= size_of::<sockaddr_in>() => {
            Ok(address)
        }
        _ => Err(Errno(libc::EAFNOSUPPORT)),
    }
}

/// The address to connect a stream of this family to.
pub fn to_connect_stream(given: Given, family: Family, len: usize) -> Result<Address, Errno> {
    match given {
        Given::Inet(own, address) if own == family => Ok(address),
        // Too short for sockaddr_in6, which Linux finds first.
        Given::Inet(Family::V4, _) if len < LEN_V6_MIN => Err(Errno(libc::EINVAL)),
        Given::Unspecified(_) => Err(Errno(libc::EOPNOTSUPP)),
        _ => Err(Errno(libc::EAFNOSUPPORT)),
    }
}

/// The default destination for a UDP socket of this family; `None` takes it away.
pub fn to_connect_datagram(given: Given, family: Family) -> Result<Option<Address>, Errno> {
    match given {
        Given::Unspecified(_) => Ok(None),
        // An AF_INET6 socket reaches IPv4 hosts by either form of their address.
        Given::Inet(own, address) if own == family || own == Family::V4 => Ok(Some(address)),
        _ => Err(Errno(libc::EAFNOSUPPORT)),
    }
}

/// Where a datagram of this kind of socket is to go; `None` for the default destination. What has no ports needs none.
pub fn destination(given: Given, kind: Kind) -> Result<Option<Address>, Errno> {
    let family = kind.family;
    let has_ports = matches!(kind.transport, Transport::Udp | Transport::UdpLite);
    let address = match given {
        Given::Inet(own, address) if own == family || own == Family::V4 => address,
        Given::Unspecified(address) if family == Family::V4 => address,
        Given::Unspecified(_) => return Ok(None),
        _ => return Err(Errno(libc::EAFNOSUPPORT)),
    };
    if has_ports && address.port == 0 { Err(Errno(libc::EINVAL)) } else { Ok(Some(address)) }
}

/// The longest text of a datagram. IPv6's payload length has no room for a header that is not there: 65,535 less 8.
pub fn text_max(family: Family) -> usize {
    match family {
        Family::V4 => TEXT_MAX,
        Family::V6 => 65_527,
    }
}

/// An address in libc's layout: of AF_INET or AF_INET6, the unused end zero.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub struct Sockaddr([u8; LEN_MAX]);

impl Sockaddr {
    /// For a socket of this family (an AF_INET6 one sees IPv4 addresses mapped), and its length.
    pub fn new(address: Address, family: Family) -> (Self, socklen_t) {
        let mut octets = [0; LEN_MAX];
        let number = match family {
            Family::V4 => libc::AF_INET,
            Family::V6 => libc::AF_INET6,
        };
        octets[..2].copy_from_slice(&(number as libc::sa_family_t).to_ne_bytes());
        octets[2..4].copy_from_slice(&address.port.to_be_bytes());
        match family {
            Family::V4 => {
                let ip = address.to_v4().unwrap_or(Ipv4Addr::UNSPECIFIED);
                octets[4..8].copy_from_slice(&ip.octets());
                (Self(octets), size_of::<sockaddr_in>() as socklen_t)
            }
            Family::V6 => {
                octets[8..24].copy_from_slice(&address.ip.octets());
                octets[24..28].copy_from_slice(&address.scope.to_ne_bytes());
                (Self(octets), size_of::<sockaddr_in6>() as socklen_t)
            }
        }
    }

    /// The octets of an address of this length.
    pub fn as_bytes(&self, len: socklen_t) -> &[u8] {
        self.0.get(..len as usize).unwrap_or(&self.0)
    }
}

#[cfg(test)]
mod tests;
