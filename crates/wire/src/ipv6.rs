//! IPv6 headers (RFC 8200 §3).
//!
//! Start at [`parse`] for the way in, then [`Packet::extensions`] for the walk to the upper layer, and at
//! [`Emit`] for the way out; the extension headers are in [`extension`].

use zerocopy::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::{Address, WireError};

pub mod extension;
#[cfg(test)]
mod tests;

pub use extension::{Extension, ExtensionError, Extensions, Fragment, Report, Upper};

const FLOW_LABEL: u32 = 0x000f_ffff;

/// The fixed 40 octets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    version_class_label: U32,
    payload_len: U16,
    next_header: u8,
    hop_limit: u8,
    src: [u8; 16],
    dst: [u8; 16],
}

impl Header {
    /// 40 octets, without extension headers.
    pub const LEN: usize = 40;

    /// The fixed part at the front of `bytes`, and what follows it.
    ///
    /// # Errors
    /// `Truncated` below 40 octets, `BadVersion`, `BadHeader` for an IPv4-mapped source or destination.
    pub fn parse(bytes: &[u8]) -> Result<(&Self, &[u8]), WireError> {
        let (header, rest) = Self::ref_from_prefix(bytes).map_err(|_| WireError::Truncated)?;
        header.check()?;
        Ok((header, rest))
    }

    /// As [`parse`](Self::parse), to change fields in place.
    ///
    /// # Errors
    /// As for `parse`.
    pub fn parse_mut(bytes: &mut [u8]) -> Result<(&mut Self, &mut [u8]), WireError> {
        let (header, rest) = Self::mut_from_prefix(bytes).map_err(|_| WireError::Truncated)?;
        header.check()?;
        Ok((header, rest))
    }

    fn check(&self) -> Result<(), WireError> {
        if self.version_class_label.get() >> 28 != 6 {
            return Err(WireError::BadVersion);
        }
        // Above this line `Address` cannot tell a mapped address from an IPv4 one, so that a peer could speak
        // for 127.0.0.1 in IPv6. This is the one place that refuses them.
        Address::from_ipv6_wire(self.src)?;
        Address::from_ipv6_wire(self.dst)?;
        Ok(())
    }

    /// The sender; never IPv4 after a successful parse.
    #[must_use]
    pub const fn src(&self) -> Address {
        Address::from_octets(self.src)
    }

    /// The receiver; never IPv4 after a successful parse.
    #[must_use]
    pub const fn dst(&self) -> Address {
        Address::from_octets(self.dst)
    }

    /// The protocol number of what follows the fixed part, extension headers included.
    #[must_use]
    pub const fn next_header(&self) -> u8 {
        self.next_header
    }

    /// The hops it may still take.
    #[must_use]
    pub const fn hop_limit(&self) -> u8 {
        self.hop_limit
    }

    /// DSCP and ECN.
    #[must_use]
    pub fn traffic_class(&self) -> u8 {
        let [a, b, _, _] = self.version_class_label.to_bytes();
        a << 4 | b >> 4
    }

    /// The differentiated services code point (RFC 2474), 6 bits.
    #[must_use]
    pub fn dscp(&self) -> u8 {
        self.traffic_class() >> 2
    }

    /// The ECN field (RFC 3168 §5): 0 Not-ECT, 1 ECT(1), 2 ECT(0), 3 CE.
    #[must_use]
    pub fn ecn(&self) -> u8 {
        self.traffic_class() & 3
    }

    /// The flow label (RFC 6437), 20 bits.
    #[must_use]
    pub fn flow_label(&self) -> u32 {
        self.version_class_label.get() & FLOW_LABEL
    }

    /// What follows the fixed part in octets, extension headers included, as stated.
    #[must_use]
    pub fn payload_len(&self) -> u16 {
        self.payload_len.get()
    }

    /// Sets the hops left.
    pub fn set_hop_limit(&mut self, hop_limit: u8) {
        self.hop_limit = hop_limit;
    }

    /// Sets the ECN field from the low two bits of `ecn`.
    pub fn set_ecn(&mut self, ecn: u8) {
        let mask = 3 << 20;
        self.version_class_label.set(self.version_class_label.get() & !mask | u32::from(ecn & 3) << 20);
    }

    /// Sets the octets that follow the fixed part.
    pub fn set_payload_len(&mut self, payload_len: u16) {
        self.payload_len.set(payload_len);
    }
}

/// A packet in its parts.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The fixed part.
    pub header: &'a Header,
    /// What follows, extension headers included, without a frame's padding.
    pub payload: &'a [u8],
}

/// Takes a packet apart; what follows its payload length in `bytes` is padding and is cut.
///
/// # Errors
/// As [`Header::parse`]; `Truncated` if `bytes` are shorter than stated.
pub fn parse(bytes: &[u8]) -> Result<Packet<'_>, WireError> {
    let packet = parse_quoted(bytes)?;
    if packet.payload.len() < usize::from(packet.header.payload_len()) {
        return Err(WireError::Truncated);
    }
    Ok(packet)
}

/// Takes apart the front of a packet, as ICMP errors quote it: the payload may be shorter than stated.
///
/// # Errors
/// As [`Header::parse`].
pub fn parse_quoted(bytes: &[u8]) -> Result<Packet<'_>, WireError> {
    let (header, rest) = Header::parse(bytes)?;
    let payload = rest.get(..header.payload_len().into()).unwrap_or(rest);
    Ok(Packet { header, payload })
}

impl<'a> Packet<'a> {
    /// Walks the extension headers to the upper layer, checking each.
    ///
    /// # Errors
    /// What is wrong, and whether the sender is to be told: see [`ExtensionError`].
    pub fn extensions(&self) -> Result<Upper<'a>, ExtensionError> {
        extension::walk(*self)
    }

    /// The extension headers one after the other, checked for their lengths only.
    #[must_use]
    pub fn iter_extensions(&self) -> Extensions<'a> {
        Extensions::new(*self)
    }
}

/// The fields of a header to write.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Emit {
    /// The sender, IPv6.
    pub src: Address,
    /// The receiver, IPv6.
    pub dst: Address,
    /// The protocol number of what follows, see [`crate::protocol`].
    pub next_header: u8,
    /// The hops it may take.
    pub hop_limit: u8,
    /// DSCP and ECN.
    pub traffic_class: u8,
    /// The flow label; the low 20 bits count.
    pub flow_label: u32,
    /// What will follow the header, in octets.
    pub payload_len: u16,
}

impl Emit {
    /// Writes 40 octets to the front of `out` and returns 40.
    ///
    /// # Errors
    /// `BadHeader` for an IPv4 address, `Truncated` if `out` is too short.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, WireError> {
        if self.src.is_v4() || self.dst.is_v4() {
            return Err(WireError::BadHeader);
        }
        let label = self.flow_label & FLOW_LABEL;
        let header = Header {
            version_class_label: (6 << 28 | u32::from(self.traffic_class) << 20 | label).into(),
            payload_len: self.payload_len.into(),
            next_header: self.next_header,
            hop_limit: self.hop_limit,
            src: self.src.octets(),
            dst: self.dst.octets(),
        };
        header.write_to_prefix(out).map_err(|_| WireError::Truncated)?;
        Ok(Header::LEN)
    }
}
