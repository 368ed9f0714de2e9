//! IP addresses above the IP layer: one type for both families (RFC 4291 §2.5.5.2), so that ports, flows and
//! sockets have one code path.
//!
//! Start at [`Address`]; [`Cidr`] is an address with its prefix, [`Endpoint`] one with a port, [`FlowKey`]
//! two of those, and [`EthernetAddress`] what neighbour discovery finds for one.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

mod cidr;
mod ethernet;
mod flow;
#[cfg(test)]
mod tests;

pub use cidr::Cidr;
pub use ethernet::EthernetAddress;
pub use flow::{Endpoint, FlowKey};

use crate::{ParseAddressError, WireError};

/// The two versions of the Internet Protocol.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Family {
    /// IPv4 (RFC 791).
    V4,
    /// IPv6 (RFC 8200).
    V6,
}

impl Family {
    /// The number of bits in an address: 32 or 128.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

/// An IPv4 or IPv6 address in 16 octets; IPv4 `a.b.c.d` is held as the mapped `::ffff:a.b.c.d`.
///
/// An IPv6 header that carries a mapped address is refused by [`crate::ipv6::parse`], so a mapped value
/// always means IPv4.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Address([u8; 16]);

impl Address {
    /// `::`
    pub const UNSPECIFIED: Self = Self([0; 16]);
    /// `0.0.0.0`
    pub const V4_UNSPECIFIED: Self = Self::v4(0, 0, 0, 0);
    /// `255.255.255.255`
    pub const BROADCAST: Self = Self::v4(255, 255, 255, 255);
    /// `127.0.0.1`
    pub const LOOPBACK_V4: Self = Self::v4(127, 0, 0, 1);
    /// `::1`
    pub const LOOPBACK_V6: Self = Self::from_u128(1);
    /// `ff02::1`, all nodes on the link (RFC 4291 §2.7.1).
    pub const ALL_NODES: Self = Self::from_u128(0xff02_0000_0000_0000_0000_0000_0000_0001);
    /// `ff02::2`, all routers on the link (RFC 4291 §2.7.1).
    pub const ALL_ROUTERS: Self = Self::from_u128(0xff02_0000_0000_0000_0000_0000_0000_0002);

    /// The IPv4 address `a.b.c.d`.
    #[must_use]
    pub const fn v4(a: u8, b: u8, c: u8, d: u8) -> Self {
        Self([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d])
    }

    /// The address whose 16 octets are these.
    #[must_use]
    pub const fn from_octets(octets: [u8; 16]) -> Self {
        Self(octets)
    }

    /// The address whose 16 octets, read as a big-endian number, are `bits`.
    #[must_use]
    pub const fn from_u128(bits: u128) -> Self {
        Self(bits.to_be_bytes())
    }

    /// The 16 octets as a big-endian number.
    #[must_use]
    pub const fn to_u128(self) -> u128 {
        u128::from_be_bytes(self.0)
    }

    /// The address that an IPv6 header carries; a mapped one has no business on a wire (RFC 6890 §2.2.3,
    /// table 20).
    pub(crate) fn from_ipv6_wire(octets: [u8; 16]) -> Result<Self, WireError> {
        let address = Self(octets);
        if address.is_v4() { Err(WireError::BadHeader) } else { Ok(address) }
    }

    /// The 16 octets; an IPv4 address gives the mapped form.
    #[must_use]
    pub const fn octets(self) -> [u8; 16] {
        self.0
    }

    /// The 4 octets of an IPv4 address, or `None`.
    #[must_use]
    pub const fn v4_octets(self) -> Option<[u8; 4]> {
        let [.., a, b, c, d] = self.0;
        if self.is_v4() { Some([a, b, c, d]) } else { None }
    }

    /// The family; a mapped address is IPv4.
    #[must_use]
    pub const fn family(self) -> Family {
        if self.is_v4() { Family::V4 } else { Family::V6 }
    }

    /// Whether this is an IPv4 address.
    #[must_use]
    pub const fn is_v4(self) -> bool {
        self.to_u128() >> 32 == 0xffff
    }

    /// Whether this is an IPv6 address.
    #[must_use]
    pub const fn is_v6(self) -> bool {
        !self.is_v4()
    }

    /// The address as the standard library has it.
    #[must_use]
    pub const fn to_ip(self) -> IpAddr {
        match self.v4_octets() {
            Some([a, b, c, d]) => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
            None => IpAddr::V6(Ipv6Addr::from_octets(self.0)),
        }
    }

    /// Whether this is `::` or `0.0.0.0`.
    #[must_use]
    pub const fn is_unspecified(self) -> bool {
        matches!(self.to_ip(), IpAddr::V4(Ipv4Addr::UNSPECIFIED) | IpAddr::V6(Ipv6Addr::UNSPECIFIED))
    }

    /// Whether this is `::1` or in `127.0.0.0/8`.
    #[must_use]
    pub const fn is_loopback(self) -> bool {
        self.to_ip().is_loopback()
    }

    /// Whether this is in `224.0.0.0/4` or `ff00::/8`.
    #[must_use]
    pub const fn is_multicast(self) -> bool {
        self.to_ip().is_multicast()
    }

    /// Whether this is `255.255.255.255`; a subnet's broadcast address is known only to its [`Cidr`].
    #[must_use]
    pub const fn is_broadcast(self) -> bool {
        matches!(self.v4_octets(), Some([255, 255, 255, 255]))
    }

    /// Whether this is in `169.254.0.0/16` or `fe80::/10`.
    #[must_use]
    pub const fn is_link_local(self) -> bool {
        match self.to_ip() {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        }
    }

    /// Whether the address can mean one host beyond its link: unicast, and neither unspecified, loopback nor
    /// link-local.
    ///
    /// Private (RFC 1918) and unique local (RFC 4193) addresses count: their scope is global, their reach is
    /// not (RFC 6724 §3.1, §3.2).
    #[must_use]
    pub const fn is_global_scope(self) -> bool {
        !(self.is_unspecified()
            || self.is_loopback()
            || self.is_link_local()
            || self.is_multicast()
            || self.is_broadcast())
    }

    /// The group in which an IPv6 address's owner listens for solicitations: `ff02::1:ff` and the last 24
    /// bits (RFC 4291 §2.7.1).
    #[must_use]
    pub const fn solicited_node(self) -> Self {
        let [.., x, y, z] = self.0;
        Self([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, x, y, z])
    }

    /// The Ethernet group that carries this multicast address: `01:00:5e` and 23 bits (RFC 1112 §6.4), or
    /// `33:33` and 32 bits (RFC 2464 §7).
    #[must_use]
    pub const fn multicast_ethernet(self) -> EthernetAddress {
        let [.., a, b, c, d] = self.0;
        EthernetAddress(if self.is_v4() {
            [0x01, 0x00, 0x5e, b & 0x7f, c, d]
        } else {
            [0x33, 0x33, a, b, c, d]
        })
    }
}

impl From<Ipv4Addr> for Address {
    fn from(address: Ipv4Addr) -> Self {
        Self(address.to_ipv6_mapped().octets())
    }
}

impl From<Ipv6Addr> for Address {
    fn from(address: Ipv6Addr) -> Self {
        Self(address.octets())
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => address.into(),
        }
    }
}

impl From<Address> for IpAddr {
    fn from(address: Address) -> Self {
        address.to_ip()
    }
}

impl From<[u8; 4]> for Address {
    fn from([a, b, c, d]: [u8; 4]) -> Self {
        Self::v4(a, b, c, d)
    }
}

impl FromStr for Address {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        text.parse::<IpAddr>().map(Self::from).map_err(|_| ParseAddressError::Address)
    }
}

/// IPv4 as a dotted quad, IPv6 in the form of RFC 5952; honours width and alignment.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_ip().fmt(f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
