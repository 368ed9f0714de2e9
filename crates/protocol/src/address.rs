//! A socket address in one shape for both families.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use crate::codec::{ProtocolError, Reader, Writer};

/// An address, a port and an IPv6 scope (interface index, else 0). IPv4 is written `::ffff:a.b.c.d`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Address {
    /// The sixteen octets of the address.
    pub ip: Ipv6Addr,
    /// The port, 0 for none.
    pub port: u16,
    /// The scope of a link-local address, else 0.
    pub scope: u32,
}

impl Address {
    /// Octets on the wire.
    pub const LEN: usize = 22;

    /// No address and no port: `[::]:0`.
    pub const UNSPECIFIED: Self = Self { ip: Ipv6Addr::UNSPECIFIED, port: 0, scope: 0 };

    /// An IPv4 address and port.
    pub fn v4(ip: Ipv4Addr, port: u16) -> Self {
        Self { ip: ip.to_ipv6_mapped(), port, scope: 0 }
    }

    /// An IPv6 address, port and scope.
    pub fn v6(ip: Ipv6Addr, port: u16, scope: u32) -> Self {
        Self { ip, port, scope }
    }

    /// The IPv4 address, if it is one.
    pub fn to_v4(self) -> Option<Ipv4Addr> {
        self.ip.to_ipv4_mapped()
    }

    /// True for `::` and for `0.0.0.0`.
    pub fn is_unspecified(self) -> bool {
        self.ip.is_unspecified() || self.to_v4().is_some_and(|v4| v4.is_unspecified())
    }

    /// True for a link-local address without a link: Linux binds to none such.
    pub fn lacks_scope(self) -> bool {
        self.ip.is_unicast_link_local() && self.scope == 0
    }

    /// As the standard library has it: a mapped address becomes an IPv4 one.
    pub fn to_socket_addr(self) -> SocketAddr {
        match self.to_v4() {
            Some(v4) => SocketAddr::new(IpAddr::V4(v4), self.port),
            None => SocketAddr::V6(SocketAddrV6::new(self.ip, self.port, 0, self.scope)),
        }
    }

    pub(crate) fn encode(self, out: &mut Writer<'_>) {
        out.bytes(&self.ip.octets());
        out.u16(self.port);
        out.u32(self.scope);
    }

    pub(crate) fn decode(from: &mut Reader<'_>) -> Result<Self, ProtocolError> {
        Ok(Self { ip: Ipv6Addr::from(from.array::<16>()?), port: from.u16()?, scope: from.u32()? })
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(v4) => Self::v4(*v4.ip(), v4.port()),
            SocketAddr::V6(v6) => Self::v6(*v6.ip(), v6.port(), v6.scope_id()),
        }
    }
}
