//! ARP for IPv4 over Ethernet (RFC 826); every other pair of address types is refused.

use zerocopy::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::ethernet::EtherType;
use crate::{Address, EthernetAddress, WireError};

#[cfg(test)]
mod tests;

/// The hardware type of Ethernet.
const ETHERNET: u16 = 1;

/// What an ARP packet wants.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Op {
    /// Who has the target address?
    Request,
    /// The sender has it.
    Reply,
    /// Anything else, such as RARP; never 1 or 2 when parsed.
    Other(u16),
}

/// An ARP packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Packet {
    /// What it wants.
    pub op: Op,
    /// The sender's station.
    pub sender_mac: EthernetAddress,
    /// The sender's IPv4 address; 0.0.0.0 in a probe (RFC 5227).
    pub sender_ip: Address,
    /// The target's station; meaningless in a request.
    pub target_mac: EthernetAddress,
    /// The target's IPv4 address.
    pub target_ip: Address,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Layout {
    hardware_type: U16,
    protocol_type: U16,
    hardware_len: u8,
    protocol_len: u8,
    op: U16,
    sender_mac: EthernetAddress,
    sender_ip: [u8; 4],
    target_mac: EthernetAddress,
    target_ip: [u8; 4],
}

impl Packet {
    /// 28 octets.
    pub const LEN: usize = 28;

    /// The packet at the front of `bytes`; what follows is the frame's padding.
    ///
    /// # Errors
    /// `Truncated` below 28 octets, `BadHeader` for other address types or lengths than Ethernet's and
    /// IPv4's.
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let (layout, _) = Layout::ref_from_prefix(bytes).map_err(|_| WireError::Truncated)?;
        let types = (layout.hardware_type.get(), layout.protocol_type.get());
        let lens = (layout.hardware_len, layout.protocol_len);
        if types != (ETHERNET, EtherType::IPV4.0) || lens != (6, 4) {
            return Err(WireError::BadHeader);
        }
        Ok(Self {
            op: match layout.op.get() {
                1 => Op::Request,
                2 => Op::Reply,
                op => Op::Other(op),
            },
            sender_mac: layout.sender_mac,
            sender_ip: layout.sender_ip.into(),
            target_mac: layout.target_mac,
            target_ip: layout.target_ip.into(),
        })
    }

    /// The packet in wire layout; an address that is not IPv4 is written as 0.0.0.0.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        let op = match self.op {
            Op::Request => 1,
            Op::Reply => 2,
            Op::Other(op) => op,
        };
        zerocopy::transmute!(Layout {
            hardware_type: ETHERNET.into(),
            protocol_type: EtherType::IPV4.0.into(),
            hardware_len: 6,
            protocol_len: 4,
            op: op.into(),
            sender_mac: self.sender_mac,
            sender_ip: self.sender_ip.v4_octets().unwrap_or_default(),
            target_mac: self.target_mac,
            target_ip: self.target_ip.v4_octets().unwrap_or_default(),
        })
    }
}
