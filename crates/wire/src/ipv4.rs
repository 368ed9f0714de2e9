//! IPv4 headers (RFC 791 §3.1, RFC 1122 §3.2.1).
//!
//! Start at [`parse`] for the way in and at [`Emit`] for the way out; the options are in [`options`].

use zerocopy::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::{Address, Checksum, WireError, checksum};

pub mod options;
#[cfg(test)]
mod tests;

pub use options::{
    Ipv4Option, LOOSE_SOURCE_ROUTE, MalformedOption, NO_OPERATION, OPTIONS_MAX, Options, STRICT_SOURCE_ROUTE,
};

const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const FRAGMENT_OFFSET: u16 = 0x1fff;

/// The fixed 20 octets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    version_ihl: u8,
    tos: u8,
    total_len: U16,
    id: U16,
    flags_offset: U16,
    ttl: u8,
    protocol: u8,
    checksum: U16,
    src: [u8; 4],
    dst: [u8; 4],
}

impl Header {
    /// 20 octets, without options.
    pub const LEN: usize = 20;
    /// 60 octets: the longest header with options.
    pub const MAX_LEN: usize = 60;

    /// The fixed part at the front of `bytes`, and what follows it: options first, then payload.
    ///
    /// # Errors
    /// `Truncated` below 20 octets, `BadVersion`, `BadHeader` for an IHL below 5, `BadLength` for a total
    /// length below the header's.
    pub fn parse(bytes: &[u8]) -> Result<(&Self, &[u8]), WireError> {
        let (header, rest) = Self::ref_from_prefix(bytes).map_err(|_| WireError::Truncated)?;
        header.check()?;
        Ok((header, rest))
    }

    /// As [`parse`](Self::parse), to change fields in place. The setters keep the checksum right.
    ///
    /// # Errors
    /// As for `parse`.
    pub fn parse_mut(bytes: &mut [u8]) -> Result<(&mut Self, &mut [u8]), WireError> {
        let (header, rest) = Self::mut_from_prefix(bytes).map_err(|_| WireError::Truncated)?;
        header.check()?;
        Ok((header, rest))
    }

    fn check(&self) -> Result<(), WireError> {
        if self.version_ihl >> 4 != 4 {
            Err(WireError::BadVersion)
        } else if self.header_len() < Self::LEN {
            Err(WireError::BadHeader)
        } else if usize::from(self.total_len()) < self.header_len() {
            Err(WireError::BadLength)
        } else {
            Ok(())
        }
    }

    /// The sender.
    #[must_use]
    pub fn src(&self) -> Address {
        self.src.into()
    }

    /// The receiver.
    #[must_use]
    pub fn dst(&self) -> Address {
        self.dst.into()
    }

    /// The protocol number of the payload, see [`crate::protocol`].
    #[must_use]
    pub const fn protocol(&self) -> u8 {
        self.protocol
    }

    /// The hops it may still take.
    #[must_use]
    pub const fn ttl(&self) -> u8 {
        self.ttl
    }

    /// The octet that was the type of service: DSCP and ECN.
    #[must_use]
    pub const fn tos(&self) -> u8 {
        self.tos
    }

    /// The differentiated services code point (RFC 2474), 6 bits.
    #[must_use]
    pub const fn dscp(&self) -> u8 {
        self.tos >> 2
    }

    /// The ECN field (RFC 3168 §5): 0 Not-ECT, 1 ECT(1), 2 ECT(0), 3 CE.
    #[must_use]
    pub const fn ecn(&self) -> u8 {
        self.tos & 3
    }

    /// The identification, which means something only in a fragment (RFC 6864).
    #[must_use]
    pub fn id(&self) -> u16 {
        self.id.get()
    }

    /// Whether routers must not fragment it.
    #[must_use]
    pub fn dont_fragment(&self) -> bool {
        self.flags_offset.get() & DONT_FRAGMENT != 0
    }

    /// Whether later fragments of the packet exist.
    #[must_use]
    pub fn more_fragments(&self) -> bool {
        self.flags_offset.get() & MORE_FRAGMENTS != 0
    }

    /// Where the payload belongs in the unfragmented packet's, in octets, 0 to 65,528.
    #[must_use]
    pub fn fragment_offset(&self) -> u16 {
        (self.flags_offset.get() & FRAGMENT_OFFSET) * 8
    }

    /// Whether it is a part of a packet.
    #[must_use]
    pub fn is_fragment(&self) -> bool {
        self.flags_offset.get() & (MORE_FRAGMENTS | FRAGMENT_OFFSET) != 0
    }

    /// Header, options and payload in octets, as stated.
    #[must_use]
    pub fn total_len(&self) -> u16 {
        self.total_len.get()
    }

    /// Header and options in octets, as stated: 20 to 60 after a successful parse.
    #[must_use]
    pub fn header_len(&self) -> usize {
        usize::from(self.version_ihl & 0x0f) * 4
    }

    /// The header checksum as it stands.
    #[must_use]
    pub fn checksum(&self) -> u16 {
        self.checksum.get()
    }

    /// Sets the hops left.
    pub fn set_ttl(&mut self, ttl: u8) {
        let old = u16::from_be_bytes([self.ttl, self.protocol]);
        let new = u16::from_be_bytes([ttl, self.protocol]);
        self.ttl = ttl;
        self.update_checksum(old, new);
    }

    /// Sets the ECN field from the low two bits of `ecn`.
    pub fn set_ecn(&mut self, ecn: u8) {
        let old = u16::from_be_bytes([self.version_ihl, self.tos]);
        self.tos = self.tos & !3 | ecn & 3;
        self.update_checksum(old, u16::from_be_bytes([self.version_ihl, self.tos]));
    }

    /// Sets the identification.
    pub fn set_id(&mut self, id: u16) {
        let old = self.id.get();
        self.id.set(id);
        self.update_checksum(old, id);
    }

    /// Sets the octets of header, options and payload.
    pub fn set_total_len(&mut self, total_len: u16) {
        let old = self.total_len.get();
        self.total_len.set(total_len);
        self.update_checksum(old, total_len);
    }

    fn update_checksum(&mut self, old: u16, new: u16) {
        self.checksum.set(checksum::update(self.checksum.get(), old, new));
    }
}

/// A packet in its parts.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The fixed part.
    pub header: &'a Header,
    /// The options as they are, 0 to 40 octets; [`Options::new`] walks them.
    pub options: &'a [u8],
    /// What follows, without a frame's padding.
    pub payload: &'a [u8],
}

/// Takes a packet apart; what follows its total length in `bytes` is padding and is cut.
///
/// # Errors
/// As [`Header::parse`]; `Truncated` if `bytes` are shorter than stated, `BadChecksum`.
pub fn parse(bytes: &[u8]) -> Result<Packet<'_>, WireError> {
    let packet = parse_unchecked(bytes)?;
    if packet.checksum_ok() { Ok(packet) } else { Err(WireError::BadChecksum) }
}

/// As [`parse`], but the header checksum is not looked at.
///
/// # Errors
/// As [`parse`], without `BadChecksum`.
pub fn parse_unchecked(bytes: &[u8]) -> Result<Packet<'_>, WireError> {
    let packet = parse_quoted(bytes)?;
    if packet.header.header_len() + packet.payload.len() < usize::from(packet.header.total_len()) {
        return Err(WireError::Truncated);
    }
    Ok(packet)
}

/// Takes apart the front of a packet, as ICMP errors quote it: the payload may be shorter than stated, and
/// the checksum is not looked at, because routers on the way have changed the header.
///
/// # Errors
/// As [`Header::parse`]; `Truncated` if the options are not whole.
pub fn parse_quoted(bytes: &[u8]) -> Result<Packet<'_>, WireError> {
    let (header, _) = Header::parse(bytes)?;
    let bytes = bytes.get(..header.total_len().into()).unwrap_or(bytes);
    let (head, payload) = bytes.split_at_checked(header.header_len()).ok_or(WireError::Truncated)?;
    Ok(Packet { header, options: head.get(Header::LEN..).unwrap_or_default(), payload })
}

impl<'a> Packet<'a> {
    /// Whether the header checksum matches.
    #[must_use]
    pub fn checksum_ok(&self) -> bool {
        Checksum::new().add(self.header.as_bytes()).add(self.options).finish() == 0
    }

    /// The options, one after the other.
    #[must_use]
    pub fn iter_options(&self) -> Options<'a> {
        Options::new(self.options)
    }
}

/// The fields of a header to write; the rest follows from them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Emit {
    /// The sender, IPv4.
    pub src: Address,
    /// The receiver, IPv4.
    pub dst: Address,
    /// The protocol number of the payload, see [`crate::protocol`].
    pub protocol: u8,
    /// The hops it may take.
    pub ttl: u8,
    /// DSCP and ECN.
    pub tos: u8,
    /// The identification.
    pub id: u16,
    /// Forbids routers to fragment it.
    pub dont_fragment: bool,
    /// Says that later fragments exist.
    pub more_fragments: bool,
    /// Where the payload belongs in the unfragmented packet's, in octets, a multiple of 8.
    pub fragment_offset: u16,
    /// What will follow the header, in octets.
    pub payload_len: u16,
}

impl Emit {
    /// Writes 20 octets with their checksum to the front of `out` and returns 20.
    ///
    /// # Errors
    /// As [`emit_with_options`](Self::emit_with_options).
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, WireError> {
        self.emit_with_options(&[], out)
    }

    /// Writes header, `options` and checksum to the front of `out` and returns their length.
    ///
    /// # Errors
    /// `BadHeader` for an address that is not IPv4 or an offset that is no multiple of 8, `BadOption` for
    /// options above 40 octets or of no multiple of 4, `BadLength` for more than 65,535 octets in all,
    /// `Truncated` if `out` is too short.
    pub fn emit_with_options(&self, options: &[u8], out: &mut [u8]) -> Result<usize, WireError> {
        let header_len = Header::LEN + options.len();
        if header_len > Header::MAX_LEN || !options.len().is_multiple_of(4) {
            return Err(WireError::BadOption);
        }
        let out = out.get_mut(..header_len).ok_or(WireError::Truncated)?;
        let mut header = self.header(header_len)?;
        header.checksum.set(Checksum::new().add(header.as_bytes()).add(options).finish());
        let (fixed, rest) = out.split_at_mut_checked(Header::LEN).ok_or(WireError::Truncated)?;
        fixed.copy_from_slice(header.as_bytes());
        rest.copy_from_slice(options);
        Ok(header_len)
    }

    fn header(&self, header_len: usize) -> Result<Header, WireError> {
        let src = self.src.v4_octets().ok_or(WireError::BadHeader)?;
        let dst = self.dst.v4_octets().ok_or(WireError::BadHeader)?;
        if !self.fragment_offset.is_multiple_of(8) {
            return Err(WireError::BadHeader);
        }
        let words = u8::try_from(header_len / 4).map_err(|_| WireError::BadOption)?;
        let header_len = u16::try_from(header_len).map_err(|_| WireError::BadOption)?;
        let total_len = header_len.checked_add(self.payload_len).ok_or(WireError::BadLength)?;
        let mut flags_offset = self.fragment_offset / 8;
        if self.dont_fragment {
            flags_offset |= DONT_FRAGMENT;
        }
        if self.more_fragments {
            flags_offset |= MORE_FRAGMENTS;
        }
        Ok(Header {
            version_ihl: 4 << 4 | words,
            tos: self.tos,
            total_len: total_len.into(),
            id: self.id.into(),
            flags_offset: flags_offset.into(),
            ttl: self.ttl,
            protocol: self.protocol,
            checksum: 0.into(),
            src,
            dst,
        })
    }
}
