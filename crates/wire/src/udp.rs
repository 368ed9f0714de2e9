//! UDP headers (RFC 768, RFC 8200 §8.1).

use zerocopy::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::{Address, WireError, checksum, protocol};

#[cfg(test)]
mod tests;

/// Where the checksum stands in the header: what `Offload` calls its offset.
pub const CHECKSUM_OFFSET: usize = 6;

/// The 8 octets of the header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    src_port: U16,
    dst_port: U16,
    len: U16,
    checksum: U16,
}

impl Header {
    /// 8 octets.
    pub const LEN: usize = 8;

    /// The header at the front of `bytes`, and what follows it.
    ///
    /// # Errors
    /// `Truncated` below 8 octets, `BadLength` if it states less than 8.
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
        if usize::from(self.len()) < Self::LEN { Err(WireError::BadLength) } else { Ok(()) }
    }

    /// The sender's port; 0 if it wants no answer.
    #[must_use]
    pub fn src_port(&self) -> u16 {
        self.src_port.get()
    }

    /// The receiver's port.
    #[must_use]
    pub fn dst_port(&self) -> u16 {
        self.dst_port.get()
    }

    /// Header and payload in octets, as stated.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "the RFC's name of a field; a header is never empty")]
    pub fn len(&self) -> u16 {
        self.len.get()
    }

    /// The checksum as it stands; 0 says that there is none.
    #[must_use]
    pub fn checksum(&self) -> u16 {
        self.checksum.get()
    }

    /// Sets the octets of header and payload.
    pub fn set_len(&mut self, len: u16) {
        self.len.set(len);
    }

    /// Sets the checksum.
    pub fn set_checksum(&mut self, checksum: u16) {
        self.checksum.set(checksum);
    }
}

/// Takes a datagram apart; what follows its length in `bytes` is cut. See [`checksum_ok`] for the checksum.
///
/// # Errors
/// `Truncated` below 8 octets or below the stated length, `BadLength` if that is below 8.
pub fn parse(bytes: &[u8]) -> Result<(&Header, &[u8]), WireError> {
    let (header, rest) = Header::parse(bytes)?;
    let payload = rest.get(..usize::from(header.len()) - Header::LEN).ok_or(WireError::Truncated)?;
    Ok((header, payload))
}

/// Whether the checksum of the datagram at the front of `bytes` matches; its absence is allowed over IPv4
/// only (RFC 8200 §8.1).
#[must_use]
pub fn checksum_ok(src: Address, dst: Address, bytes: &[u8]) -> bool {
    let Ok((header, _)) = parse(bytes) else { return false };
    if header.checksum() == 0 {
        return src.is_v4();
    }
    let datagram = bytes.get(..header.len().into()).unwrap_or(bytes);
    checksum::transport(src, dst, protocol::UDP, datagram) == 0
}

/// Writes the checksum of a whole datagram, header and payload, into it.
///
/// # Errors
/// `Truncated` below 8 octets.
pub fn fill_checksum(src: Address, dst: Address, datagram: &mut [u8]) -> Result<(), WireError> {
    checksum::fill_transport(src, dst, protocol::UDP, datagram, CHECKSUM_OFFSET)
}

/// Writes the sum of the pseudo header alone into a whole datagram, for a device to complete.
///
/// # Errors
/// `Truncated` below 8 octets.
pub fn fill_partial_checksum(src: Address, dst: Address, datagram: &mut [u8]) -> Result<(), WireError> {
    checksum::fill_partial(src, dst, protocol::UDP, datagram, CHECKSUM_OFFSET)
}

/// The fields of a header to write.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Emit {
    /// The sender's port.
    pub src_port: u16,
    /// The receiver's port.
    pub dst_port: u16,
    /// What will follow the header, in octets.
    pub payload_len: u16,
}

impl Emit {
    /// Writes 8 octets with a checksum of 0 to the front of `out` and returns 8.
    ///
    /// # Errors
    /// `BadLength` for a payload above 65,527 octets, `Truncated` if `out` is too short.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let header = Header {
            src_port: self.src_port.into(),
            dst_port: self.dst_port.into(),
            len: self.payload_len.checked_add(8).ok_or(WireError::BadLength)?.into(),
            checksum: 0.into(),
        };
        header.write_to_prefix(out).map_err(|_| WireError::Truncated)?;
        Ok(Header::LEN)
    }
}
