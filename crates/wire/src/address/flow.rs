//! What tells one flow from another: two endpoints, the protocol and the zone.

use core::fmt;
use core::net::SocketAddr;
use core::str::FromStr;

use super::Address;
use crate::ParseAddressError;

#[cfg(test)]
mod tests;

/// An address and a port.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Endpoint {
    /// The host.
    pub address: Address,
    /// The TCP or UDP port, or the identifier of an ICMP echo.
    pub port: u16,
}

impl Endpoint {
    /// `address:port`
    #[must_use]
    pub const fn new(address: Address, port: u16) -> Self {
        Self { address, port }
    }

    /// The endpoint as the standard library has it, with flow label and scope 0.
    #[must_use]
    pub const fn to_socket_addr(self) -> SocketAddr {
        SocketAddr::new(self.address.to_ip(), self.port)
    }
}

/// The flow label and scope of an IPv6 socket address are dropped.
impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self { address: address.ip().into(), port: address.port() }
    }
}

impl FromStr for Endpoint {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        text.parse::<SocketAddr>().map(Self::from).map_err(|_| ParseAddressError::Endpoint)
    }
}

/// `192.0.2.1:80` or `[2001:db8::1]:80`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_socket_addr().fmt(f)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The name of a flow as one of its ends sees it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct FlowKey {
    /// This end.
    pub local: Endpoint,
    /// The other end.
    pub remote: Endpoint,
    /// The protocol number, see [`crate::protocol`].
    pub protocol: u8,
    /// The link, for flows of link-local addresses and of sockets bound to a device; else 0.
    pub zone: u16,
}

impl FlowKey {
    /// The same flow as the other end sees it, in the same zone.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self { local: self.remote, remote: self.local, ..self }
    }
}

// The flow table holds one per connection and hashes it for every segment.
const _: () = assert!(size_of::<FlowKey>() <= 40);
