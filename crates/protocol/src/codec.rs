//! Reading and writing fixed little-endian fields without allocation.

use core::fmt;

/// Why octets are not a message, a name or a header of this protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProtocolError {
    /// The octets end before the field.
    Truncated,
    /// There are octets behind the last field.
    TrailingOctets,
    /// A field has a value that does not exist.
    BadField,
    /// A name, a value or a list is longer than the protocol allows, or than the caller's array.
    TooLong,
    /// The peer speaks another version, which it names.
    Version(u16),
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the message is cut short"),
            Self::TrailingOctets => f.write_str("the message has octets behind its end"),
            Self::BadField => f.write_str("a field of the message has an unknown value"),
            Self::TooLong => f.write_str("a field of the message is too long"),
            Self::Version(theirs) => {
                write!(f, "the peer speaks protocol version {theirs}, this side version {}", crate::VERSION)
            }
        }
    }
}

impl core::error::Error for ProtocolError {}

/// Takes fields from the front of a message.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], ProtocolError> {
        let (field, rest) = self.rest.split_first_chunk().ok_or(ProtocolError::Truncated)?;
        self.rest = rest;
        Ok(*field)
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], ProtocolError> {
        let (field, rest) = self.rest.split_at_checked(len).ok_or(ProtocolError::Truncated)?;
        self.rest = rest;
        Ok(field)
    }

    /// A 16-bit length of at most `max`, then that many octets.
    pub(crate) fn counted(&mut self, max: usize) -> Result<&'a [u8], ProtocolError> {
        let len = usize::from(self.u16()?);
        if len > max { Err(ProtocolError::TooLong) } else { self.bytes(len) }
    }

    pub(crate) fn u8(&mut self) -> Result<u8, ProtocolError> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, ProtocolError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, ProtocolError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, ProtocolError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, ProtocolError> {
        self.array().map(i32::from_le_bytes)
    }

    /// All octets have been read.
    pub(crate) fn end(&self) -> Result<(), ProtocolError> {
        if self.rest.is_empty() { Ok(()) } else { Err(ProtocolError::TrailingOctets) }
    }
}

/// Puts fields into the caller's array; an array that is too short is noticed at the end, by [`Writer::finish`].
pub(crate) struct Writer<'a> {
    out: &'a mut [u8],
    len: usize,
    overflowed: bool,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(out: &'a mut [u8]) -> Self {
        Self { out, len: 0, overflowed: false }
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let room = self.out.get_mut(self.len..).and_then(|rest| rest.get_mut(..bytes.len()));
        match room {
            Some(room) if !self.overflowed => {
                room.copy_from_slice(bytes);
                self.len += bytes.len();
            }
            _ => self.overflowed = true,
        }
    }

    /// A 16-bit length, then the octets; more than `max` octets fail the whole message.
    pub(crate) fn counted(&mut self, bytes: &[u8], max: usize) {
        match u16::try_from(bytes.len()) {
            Ok(len) if bytes.len() <= max => {
                self.u16(len);
                self.bytes(bytes);
            }
            _ => self.overflowed = true,
        }
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.bytes(&value.to_le_bytes());
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    pub(crate) fn i32(&mut self, value: i32) {
        self.bytes(&value.to_le_bytes());
    }

    /// Octets written, or `TooLong` when they did not fit.
    pub(crate) fn finish(self) -> Result<usize, ProtocolError> {
        if self.overflowed { Err(ProtocolError::TooLong) } else { Ok(self.len) }
    }
}
