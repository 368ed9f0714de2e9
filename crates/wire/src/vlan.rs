//! The 802.1Q tag that stands between an Ethernet header of type [`EtherType::VLAN`] and the real type.

use zerocopy::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::WireError;
use crate::ethernet::EtherType;

#[cfg(test)]
mod tests;

/// The four octets after the type 0x8100: tag control information, and the type of what follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Tag {
    control: U16,
    ethertype: U16,
}

impl Tag {
    /// 4 octets.
    pub const LEN: usize = 4;

    /// A tag with priority `pcp` (0 to 7), drop eligibility and VLAN `vid` (0 to 4095), or `None` beyond
    /// these.
    #[must_use]
    pub fn new(pcp: u8, dei: bool, vid: u16, ethertype: EtherType) -> Option<Self> {
        (pcp < 8 && vid < 0x1000).then(|| Self {
            control: U16::new(u16::from(pcp) << 13 | u16::from(dei) << 12 | vid),
            ethertype: U16::new(ethertype.0),
        })
    }

    /// The tag at the front of `bytes`, and what follows it.
    ///
    /// # Errors
    /// `Truncated` below 4 octets.
    pub fn parse(bytes: &[u8]) -> Result<(&Self, &[u8]), WireError> {
        Self::ref_from_prefix(bytes).map_err(|_| WireError::Truncated)
    }

    /// The tag in wire layout.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        zerocopy::transmute_ref!(self)
    }

    /// The priority code point, 0 to 7.
    #[must_use]
    pub fn pcp(&self) -> u8 {
        let [high, _] = self.control.to_bytes();
        high >> 5
    }

    /// The drop eligible indicator.
    #[must_use]
    pub fn dei(&self) -> bool {
        self.control.get() & 0x1000 != 0
    }

    /// The VLAN identifier, 0 to 4095; 0 is a priority tag, 4095 reserved.
    #[must_use]
    pub fn vid(&self) -> u16 {
        self.control.get() & 0x0fff
    }

    /// What follows.
    #[must_use]
    pub fn ethertype(&self) -> EtherType {
        EtherType(self.ethertype.get())
    }
}
