//! TCP headers (RFC 9293 §3.1).
//!
//! Start at [`parse`] for the way in and at [`Emit`] for the way out; [`Options`] are what the two ends agree
//! on.

use zerocopy::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::{Address, SeqNumber, WireError, checksum, protocol};

mod flags;
mod options;
mod sack;
#[cfg(test)]
mod tests;

pub use flags::Flags;
pub use options::{
    AccEcnOption, FastOpen, OptionOrder, Options, RawOption, RawOptions, Signature, Timestamps, kind,
};
pub use sack::SackBlocks;

/// Where the checksum stands in the header: what `Offload` calls its offset.
pub const CHECKSUM_OFFSET: usize = 16;

/// The fixed 20 octets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    src_port: U16,
    dst_port: U16,
    seq: U32,
    ack: U32,
    offset_flags: U16,
    window: U16,
    checksum: U16,
    urgent: U16,
}

impl Header {
    /// 20 octets, without options.
    pub const LEN: usize = 20;
    /// 60 octets: the longest header with options.
    pub const MAX_LEN: usize = 60;

    /// The fixed part at the front of `bytes`, and what follows it: options first, then text.
    ///
    /// # Errors
    /// `Truncated` below 20 octets, `BadLength` for a data offset below 20.
    pub fn parse(bytes: &[u8]) -> Result<(&Self, &[u8]), WireError> {
        let (header, rest) = Self::ref_from_prefix(bytes).map_err(|_| WireError::Truncated)?;
        header.check()?;
        Ok((header, rest))
    }

    /// As [`parse`](Self::parse), to change fields in place; the checksum is the caller's.
    ///
    /// # Errors
    /// As for `parse`.
    pub fn parse_mut(bytes: &mut [u8]) -> Result<(&mut Self, &mut [u8]), WireError> {
        let (header, rest) = Self::mut_from_prefix(bytes).map_err(|_| WireError::Truncated)?;
        header.check()?;
        Ok((header, rest))
    }

    fn check(&self) -> Result<(), WireError> {
        if self.data_offset() < Self::LEN { Err(WireError::BadLength) } else { Ok(()) }
    }

    /// The sender's port.
    #[must_use]
    pub fn src_port(&self) -> u16 {
        self.src_port.get()
    }

    /// The receiver's port.
    #[must_use]
    pub fn dst_port(&self) -> u16 {
        self.dst_port.get()
    }

    /// The number of the first octet of text, or of the SYN.
    #[must_use]
    pub fn seq(&self) -> SeqNumber {
        SeqNumber(self.seq.get())
    }

    /// The number that the sender expects next, if ACK is set.
    #[must_use]
    pub fn ack(&self) -> SeqNumber {
        SeqNumber(self.ack.get())
    }

    /// The nine flags.
    #[must_use]
    pub fn flags(&self) -> Flags {
        Flags::from_bits(self.offset_flags.get())
    }

    /// The three bits that mean nothing yet, 0 to 7.
    #[must_use]
    pub fn reserved(&self) -> u8 {
        let [high, _] = self.offset_flags.to_bytes();
        high >> 1 & 7
    }

    /// The window field, not scaled.
    #[must_use]
    pub fn window(&self) -> u16 {
        self.window.get()
    }

    /// The urgent pointer, if URG is set.
    #[must_use]
    pub fn urgent(&self) -> u16 {
        self.urgent.get()
    }

    /// Header and options in octets, as stated: 20 to 60 after a successful parse.
    #[must_use]
    pub fn data_offset(&self) -> usize {
        let [high, _] = self.offset_flags.to_bytes();
        usize::from(high >> 4) * 4
    }

    /// The checksum as it stands.
    #[must_use]
    pub fn checksum(&self) -> u16 {
        self.checksum.get()
    }

    /// Sets the sequence number.
    pub fn set_seq(&mut self, seq: SeqNumber) {
        self.seq.set(seq.0);
    }

    /// Sets the nine flags.
    pub fn set_flags(&mut self, flags: Flags) {
        self.offset_flags.set(self.offset_flags.get() & !Flags::ALL.bits() | flags.bits());
    }

    /// Sets the checksum.
    pub fn set_checksum(&mut self, checksum: u16) {
        self.checksum.set(checksum);
    }
}

/// Takes a segment apart: header, options, text. See [`checksum_ok`] for the checksum.
///
/// # Errors
/// `Truncated` below 20 octets or below the data offset, `BadLength` for a data offset below 20, `BadOption`
/// as [`Options::parse`].
pub fn parse(bytes: &[u8]) -> Result<(&Header, Options, &[u8]), WireError> {
    let (header, options, text) = split(bytes)?;
    Ok((header, Options::parse(options)?, text))
}

/// As [`parse`], but the options stay octets.
///
/// # Errors
/// As [`parse`], without `BadOption`.
pub fn split(bytes: &[u8]) -> Result<(&Header, &[u8], &[u8]), WireError> {
    let (header, rest) = Header::parse(bytes)?;
    let (options, text) =
        rest.split_at_checked(header.data_offset() - Header::LEN).ok_or(WireError::Truncated)?;
    Ok((header, options, text))
}

/// Whether the checksum of a whole segment, header and text, matches.
#[must_use]
pub fn checksum_ok(src: Address, dst: Address, segment: &[u8]) -> bool {
    segment.len() >= Header::LEN && checksum::transport(src, dst, protocol::TCP, segment) == 0
}

/// Writes the checksum of a whole segment, header and text, into it.
///
/// # Errors
/// `Truncated` below 18 octets.
pub fn fill_checksum(src: Address, dst: Address, segment: &mut [u8]) -> Result<(), WireError> {
    checksum::fill_transport(src, dst, protocol::TCP, segment, CHECKSUM_OFFSET)
}

/// Writes the sum of the pseudo header alone into a whole segment, for a device to complete.
///
/// # Errors
/// `Truncated` below 18 octets.
pub fn fill_partial_checksum(src: Address, dst: Address, segment: &mut [u8]) -> Result<(), WireError> {
    checksum::fill_partial(src, dst, protocol::TCP, segment, CHECKSUM_OFFSET)
}

/// The fields of a header to write.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Emit {
    /// The sender's port.
    pub src_port: u16,
    /// The receiver's port.
    pub dst_port: u16,
    /// The number of the first octet of text, or of the SYN.
    pub seq: SeqNumber,
    /// The number expected next.
    pub ack: SeqNumber,
    /// The flags.
    pub flags: Flags,
    /// The window field, already scaled down.
    pub window: u16,
    /// The urgent pointer.
    pub urgent: u16,
    /// The options.
    pub options: Options,
}

impl Emit {
    /// Header and options in octets.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a header is never empty")]
    pub fn len(&self) -> usize {
        Header::LEN + self.options.len()
    }

    /// Writes header and options with a checksum of 0 to the front of `out` and returns their length.
    ///
    /// # Errors
    /// `BadLength` for more than 40 octets of options, `Truncated` if `out` is too short.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let (fixed, rest) = out.split_at_mut_checked(Header::LEN).ok_or(WireError::Truncated)?;
        let len = Header::LEN + self.options.emit(rest)?;
        // A data offset counts words, so that its four bits above twelve others are the octets times 2^10.
        let offset = u16::try_from(len).map_err(|_| WireError::BadLength)? << 10;
        let header = Header {
            src_port: self.src_port.into(),
            dst_port: self.dst_port.into(),
            seq: self.seq.0.into(),
            ack: self.ack.0.into(),
            offset_flags: (offset | self.flags.bits()).into(),
            window: self.window.into(),
            checksum: 0.into(),
            urgent: self.urgent.into(),
        };
        fixed.copy_from_slice(header.as_bytes());
        Ok(len)
    }
}
