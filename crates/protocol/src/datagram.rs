//! The header in front of every UDP datagram between a program's SEQPACKET socket and the stack process.
//!
//! An empty datagram needs it, or it would look like the end of the connection; and it carries what recvmsg
//! and sendmsg say beside the text.
//!
//! A bare socket ([`crate::Kind::is_bare`]) is read and written by programs whose calls nobody sees. To the program a
//! message is text alone, and the header, its `len` 0, is the contents of a file whose descriptor comes with the message
//! (SCM_RIGHTS): a plain read drops it. From the program a message is text for the default destination, unless it begins
//! with the socket's own identity, which the program does not know: then a header follows, then the text.

use crate::address::Address;
use crate::codec::{ProtocolError, Reader, Writer};

/// The longest text of a UDP datagram over IPv4: 65,535 less 20 and 8.
pub const TEXT_MAX: usize = 65_507;

/// When a datagram came, in the form that the program asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timestamp {
    /// Linux's number of the option that asked: SO_TIMESTAMP and its like.
    pub option: u8,
    /// Nanoseconds since 1970.
    pub at_ns: u64,
}

/// What a datagram carries beside its text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DatagramHeader {
    /// Octets of text behind the header.
    pub len: u32,
    /// To the program: an errno instead of text (an ICMP error for a connected socket), else 0.
    pub errno: i32,
    /// From the program: where to, unspecified with port 0 for the connected address. To it: where from; for a raw
    /// socket, whose port means nothing, too.
    pub remote: Address,
    /// From the program: the source address to use, or unspecified. To it: the destination of the datagram.
    pub local: Address,
    /// The index of the interface that it came by, or is to leave by; 0 for any.
    pub interface: u32,
    /// From the program: TTL or hop limit, `None` for the socket's. To it: `Some` if the program asked to be told.
    pub hop_limit: Option<u8>,
    /// TOS or traffic class, as `hop_limit`.
    pub traffic_class: Option<u8>,
    /// Octets of each datagram but the last, where the text is many. From the program: UDP_SEGMENT's control message,
    /// `None` for the socket's own. To it: `Some` if many came as one, which it has asked for (UDP_GRO).
    pub segment: Option<u16>,
    /// To the program: it asked for IP_PKTINFO or IPV6_RECVPKTINFO.
    pub wants_packet_info: bool,
    /// To the program: it asked for a timestamp.
    pub timestamp: Option<Timestamp>,
}

impl DatagramHeader {
    /// Octets on the wire.
    pub const LEN: usize = 80;

    /// A header for `len` octets of text and nothing else said.
    pub fn new(len: u32) -> Self {
        Self {
            len,
            errno: 0,
            remote: Address::UNSPECIFIED,
            local: Address::UNSPECIFIED,
            interface: 0,
            hop_limit: None,
            traffic_class: None,
            segment: None,
            wants_packet_info: false,
            timestamp: None,
        }
    }

    /// The header's octets.
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut octets = [0; Self::LEN];
        let mut out = Writer::new(&mut octets);
        out.u32(self.len);
        out.i32(self.errno);
        self.remote.encode(&mut out);
        self.local.encode(&mut out);
        out.u32(self.interface);
        out.u8(u8::from(self.hop_limit.is_some()));
        out.u8(self.hop_limit.unwrap_or(0));
        out.u8(u8::from(self.traffic_class.is_some()));
        out.u8(self.traffic_class.unwrap_or(0));
        out.u8(u8::from(self.segment.is_some()));
        out.u16(self.segment.unwrap_or(0));
        out.u8(u8::from(self.wants_packet_info));
        out.u8(self.timestamp.map_or(0, |timestamp| timestamp.option));
        out.u64(self.timestamp.map_or(0, |timestamp| timestamp.at_ns));
        octets
    }

    /// Reads the header; the text behind it is not looked at, and `len` not compared with it.
    pub fn decode(octets: &[u8; Self::LEN]) -> Result<Self, ProtocolError> {
        let mut from = Reader::new(octets);
        let header = Self {
            len: from.u32()?,
            errno: from.i32()?,
            remote: Address::decode(&mut from)?,
            local: Address::decode(&mut from)?,
            interface: from.u32()?,
            hop_limit: decode_optional(&mut from)?,
            traffic_class: decode_optional(&mut from)?,
            segment: decode_segment(&mut from)?,
            wants_packet_info: decode_bool(&mut from)?,
            timestamp: decode_timestamp(&mut from)?,
        };
        Ok(header)
    }
}

fn decode_timestamp(from: &mut Reader<'_>) -> Result<Option<Timestamp>, ProtocolError> {
    let (option, at_ns) = (from.u8()?, from.u64()?);
    Ok((option != 0).then_some(Timestamp { option, at_ns }))
}

fn decode_segment(from: &mut Reader<'_>) -> Result<Option<u16>, ProtocolError> {
    let is_present = decode_bool(from)?;
    let size = from.u16()?;
    Ok(is_present.then_some(size))
}

fn decode_bool(from: &mut Reader<'_>) -> Result<bool, ProtocolError> {
    match from.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(ProtocolError::BadField),
    }
}

fn decode_optional(from: &mut Reader<'_>) -> Result<Option<u8>, ProtocolError> {
    let is_present = decode_bool(from)?;
    let value = from.u8()?;
    Ok(is_present.then_some(value))
}

#[cfg(test)]
mod tests;
