//! Socket addresses, as system calls carry them.

use portolan_wire::{Address, Endpoint, Family};

use crate::Errno;

/// An address argument of a system call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SocketAddress {
    /// AF_UNSPEC: no address.
    Unspecified,
    /// AF_INET or AF_INET6.
    Inet(Endpoint),
}

impl SocketAddress {
    /// Reads `192.0.2.1:80` or `[2001:db8::1]:80`.
    #[must_use]
    pub fn parse(text: &str) -> Option<SocketAddress> {
        text.parse().ok().map(SocketAddress::Inet)
    }

    /// Reads a `struct sockaddr`.
    ///
    /// # Errors
    /// EINVAL if it is too short for its family, EAFNOSUPPORT for any other family.
    pub fn decode(octets: &[u8]) -> Result<SocketAddress, Errno> {
        let &[a, b, ref rest @ ..] = octets else { return Err(Errno::EINVAL) };
        match i32::from(u16::from_ne_bytes([a, b])) {
            libc::AF_UNSPEC => Ok(SocketAddress::Unspecified),
            libc::AF_INET => {
                let &[port_high, port_low, a, b, c, d, ..] = rest else { return Err(Errno::EINVAL) };
                let port = u16::from_be_bytes([port_high, port_low]);
                Ok(SocketAddress::Inet(Endpoint::new(Address::v4(a, b, c, d), port)))
            }
            libc::AF_INET6 => {
                let (Some(&port), Some(address)) = (rest.first_chunk::<2>(), rest.get(6..22)) else {
                    return Err(Errno::EINVAL);
                };
                let octets = <[u8; 16]>::try_from(address).map_err(|_| Errno::EINVAL)?;
                let endpoint = Endpoint::new(Address::from_octets(octets), u16::from_be_bytes(port));
                Ok(SocketAddress::Inet(endpoint))
            }
            _ => Err(Errno::EAFNOSUPPORT),
        }
    }

    /// The `struct sockaddr` of an endpoint, for a socket of this family.
    #[must_use]
    pub fn encode(endpoint: Endpoint, family: Family) -> Vec<u8> {
        let mut out = Vec::with_capacity(28);
        match (family, endpoint.address.v4_octets()) {
            (Family::V4, Some(octets)) => {
                out.extend(family_number(libc::AF_INET));
                out.extend(endpoint.port.to_be_bytes());
                out.extend(octets);
                out.extend([0; 8]);
            }
            _ => {
                out.extend(family_number(libc::AF_INET6));
                out.extend(endpoint.port.to_be_bytes());
                out.extend([0; 4]);
                out.extend(endpoint.address.octets());
                out.extend([0; 4]);
            }
        }
        out
    }
}

fn family_number(family: i32) -> [u8; 2] {
    u16::try_from(family).unwrap_or(0).to_ne_bytes()
}
