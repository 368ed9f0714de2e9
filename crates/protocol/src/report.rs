//! An ICMP error about a datagram, as recvmsg(2) with MSG_ERRQUEUE tells it.

use crate::address::Address;
use crate::codec::{ProtocolError, Reader, Writer};
use crate::request::VALUE_MAX;

/// Octets of the fields in front of the text.
const FIELDS: usize = 4 + 2 + 4 + 2 * Address::LEN;

/// The longest text, so that a report fits an option's value.
pub const REPORT_TEXT_MAX: usize = VALUE_MAX - FIELDS;

/// What was said, and of which datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ErrorReport<'a> {
    /// Linux's number, never 0.
    pub errno: i32,
    /// ICMP's type.
    pub ty: u8,
    /// ICMP's code.
    pub code: u8,
    /// The MTU of the next hop, or 0.
    pub info: u32,
    /// Who says so; the port means nothing.
    pub from: Address,
    /// Where the datagram was to go.
    pub to: Address,
    /// The front of its text.
    pub text: &'a [u8],
}

impl<'a> ErrorReport<'a> {
    /// Writes the report; what is longer than [`REPORT_TEXT_MAX`] of the text is left off.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, ProtocolError> {
        let mut out = Writer::new(out);
        out.i32(self.errno);
        out.u8(self.ty);
        out.u8(self.code);
        out.u32(self.info);
        self.from.encode(&mut out);
        self.to.encode(&mut out);
        out.bytes(self.text.get(..REPORT_TEXT_MAX).unwrap_or(self.text));
        out.finish()
    }

    /// Reads a report.
    pub fn decode(octets: &'a [u8]) -> Result<Self, ProtocolError> {
        let mut from = Reader::new(octets);
        Ok(Self {
            errno: from.i32()?,
            ty: from.u8()?,
            code: from.u8()?,
            info: from.u32()?,
            from: Address::decode(&mut from)?,
            to: Address::decode(&mut from)?,
            text: octets.get(FIELDS..).ok_or(ProtocolError::Truncated)?,
        })
    }
}

#[cfg(test)]
mod tests;
