//! The Ethernet II header (RFC 894, RFC 2464 §3).

use core::fmt;

use zerocopy::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::{EthernetAddress, WireError};

#[cfg(test)]
mod tests;

/// What an Ethernet frame carries.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct EtherType(pub u16);

impl EtherType {
    /// IPv4 (RFC 894).
    pub const IPV4: Self = Self(0x0800);
    /// ARP (RFC 826).
    pub const ARP: Self = Self(0x0806);
    /// An 802.1Q tag, see [`crate::vlan`].
    pub const VLAN: Self = Self(0x8100);
    /// IPv6 (RFC 2464).
    pub const IPV6: Self = Self(0x86dd);

    /// Whether the field is no type but the length of an 802.3 frame (RFC 894: 1500 and less).
    #[must_use]
    pub const fn is_length(self) -> bool {
        self.0 <= 1500
    }
}

impl fmt::Display for EtherType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:04x}", self.0)
    }
}

/// The 14 octets before an Ethernet frame's payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    dst: EthernetAddress,
    src: EthernetAddress,
    ethertype: U16,
}

impl Header {
    /// 14 octets.
    pub const LEN: usize = 14;

    /// A header with these fields.
    #[must_use]
    pub const fn new(dst: EthernetAddress, src: EthernetAddress, ethertype: EtherType) -> Self {
        Self { dst, src, ethertype: U16::new(ethertype.0) }
    }

    /// The header at the front of `bytes`, and what follows it.
    ///
    /// # Errors
    /// `Truncated` below 14 octets.
    pub fn parse(bytes: &[u8]) -> Result<(&Self, &[u8]), WireError> {
        Self::ref_from_prefix(bytes).map_err(|_| WireError::Truncated)
    }

    /// The header in wire layout.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        zerocopy::transmute_ref!(self)
    }

    /// The station or group it is for.
    #[must_use]
    pub const fn dst(&self) -> EthernetAddress {
        self.dst
    }

    /// The station that sent it.
    #[must_use]
    pub const fn src(&self) -> EthernetAddress {
        self.src
    }

    /// What follows.
    #[must_use]
    pub const fn ethertype(&self) -> EtherType {
        EtherType(self.ethertype.get())
    }
}
