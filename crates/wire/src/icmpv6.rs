//! ICMP for IPv6 (RFC 4443); the messages of Neighbor Discovery are in [`crate::ndp`].

use crate::writer::Writer;
use crate::{Address, WireError, checksum, ndp, protocol};

#[cfg(test)]
mod tests;

const UNREACHABLE: u8 = 1;
const PACKET_TOO_BIG: u8 = 2;
const TIME_EXCEEDED: u8 = 3;
const PARAMETER_PROBLEM: u8 = 4;
const ECHO_REQUEST: u8 = 128;
const ECHO_REPLY: u8 = 129;

/// Codes of [`Message::Unreachable`] (RFC 4443 §3.1).
pub mod unreachable {
    /// No route to the destination.
    pub const NO_ROUTE: u8 = 0;
    /// A filter forbids it.
    pub const ADMINISTRATIVELY_PROHIBITED: u8 = 1;
    /// The destination is beyond the scope of the source address.
    pub const BEYOND_SCOPE: u8 = 2;
    /// The host does not answer.
    pub const ADDRESS: u8 = 3;
    /// Nobody listens on the port.
    pub const PORT: u8 = 4;
}

/// Codes of [`Message::ParameterProblem`] (RFC 4443 §3.4, RFC 7112 §6).
pub mod parameter_problem {
    /// A header field is wrong.
    pub const FIELD: u8 = 0;
    /// A next header is unknown.
    pub const NEXT_HEADER: u8 = 1;
    /// An option is unknown.
    pub const OPTION: u8 = 2;
    /// The first fragment does not hold the whole header chain.
    pub const INCOMPLETE_CHAIN: u8 = 3;
}

/// A message: what its header says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Message {
    /// A packet could not be delivered.
    Unreachable {
        /// Why: see [`mod@unreachable`].
        code: u8,
    },
    /// A packet was longer than a link takes.
    PacketTooBig {
        /// What the link takes, in octets.
        mtu: u32,
    },
    /// A packet lived too long.
    TimeExceeded {
        /// 0 in transit, 1 in reassembly.
        code: u8,
    },
    /// An octet of a packet's headers is wrong.
    ParameterProblem {
        /// Why: see [`parameter_problem`].
        code: u8,
        /// Which octet, from the start of the IPv6 header.
        pointer: u32,
    },
    /// Please answer with the same data.
    EchoRequest {
        /// Which program asks.
        ident: u16,
        /// Which of its requests this is.
        seq: u16,
    },
    /// The answer to an echo request.
    EchoReply {
        /// Which program asked.
        ident: u16,
        /// Which of its requests this answers.
        seq: u16,
    },
    /// Neighbor Discovery; the data are its options, for [`ndp::Options::new`].
    Ndp(ndp::Message),
    /// Any other type or code. Only the first 4 octets are the header then; the data starts with the 5th.
    Other {
        /// The type.
        ty: u8,
        /// The code.
        code: u8,
    },
}

/// The message at the front of `bytes`, and its data: what an echo carries, what an error quotes, options of
/// NDP.
///
/// # Errors
/// `Truncated` below 4 octets, or below the header of a message with a name; `BadChecksum`; for Neighbor
/// Discovery as [`ndp::Message::parse`].
pub fn parse(src: Address, dst: Address, bytes: &[u8]) -> Result<(Message, &[u8]), WireError> {
    if bytes.len() < 4 {
        return Err(WireError::Truncated);
    }
    if checksum::transport(src, dst, protocol::ICMPV6, bytes) != 0 {
        return Err(WireError::BadChecksum);
    }
    parse_unchecked(bytes)
}

/// As [`parse`], but the checksum is not looked at.
///
/// # Errors
/// As [`parse`], without `BadChecksum`.
pub fn parse_unchecked(bytes: &[u8]) -> Result<(Message, &[u8]), WireError> {
    let (&[ty, code, _, _], rest) = bytes.split_first_chunk().ok_or(WireError::Truncated)?;
    let word = rest.first_chunk().copied().ok_or(WireError::Truncated);
    let message = match (ty, code) {
        (UNREACHABLE, code) => {
            word?;
            Message::Unreachable { code }
        }
        // RFC 4443 §3.2: the code is ignored by the receiver.
        (PACKET_TOO_BIG, _) => Message::PacketTooBig { mtu: u32::from_be_bytes(word?) },
        (TIME_EXCEEDED, code) => {
            word?;
            Message::TimeExceeded { code }
        }
        (PARAMETER_PROBLEM, code) => Message::ParameterProblem { code, pointer: u32::from_be_bytes(word?) },
        (ECHO_REQUEST, 0) => {
            let [a, b, c, d] = word?;
            Message::EchoRequest { ident: u16::from_be_bytes([a, b]), seq: u16::from_be_bytes([c, d]) }
        }
        (ECHO_REPLY, 0) => {
            let [a, b, c, d] = word?;
            Message::EchoReply { ident: u16::from_be_bytes([a, b]), seq: u16::from_be_bytes([c, d]) }
        }
        (ty, code) if ndp::Message::is_type(ty) => {
            let (message, options) = ndp::Message::parse(ty, code, rest)?;
            return Ok((Message::Ndp(message), options));
        }
        (ty, code) => return Ok((Message::Other { ty, code }, rest)),
    };
    Ok((message, rest.get(4..).unwrap_or_default()))
}

impl Message {
    /// Writes the message with `data` and its checksum to the front of `out` and returns their length.
    ///
    /// # Errors
    /// `Truncated` if `out` is too short, `BadHeader` for an IPv4 address in Neighbor Discovery.
    pub fn emit(&self, src: Address, dst: Address, data: &[u8], out: &mut [u8]) -> Result<usize, WireError> {
        let mut writer = Writer::new(out);
        match *self {
            Self::Unreachable { code } => writer.put(&header(UNREACHABLE, code, 0))?,
            Self::PacketTooBig { mtu } => writer.put(&header(PACKET_TOO_BIG, 0, mtu))?,
            Self::TimeExceeded { code } => writer.put(&header(TIME_EXCEEDED, code, 0))?,
            Self::ParameterProblem { code, pointer } => {
                writer.put(&header(PARAMETER_PROBLEM, code, pointer))?;
            }
            Self::EchoRequest { ident, seq } => {
                writer.put(&header(ECHO_REQUEST, 0, u32::from(ident) << 16 | u32::from(seq)))?;
            }
            Self::EchoReply { ident, seq } => {
                writer.put(&header(ECHO_REPLY, 0, u32::from(ident) << 16 | u32::from(seq)))?;
            }
            Self::Ndp(message) => {
                writer.put(&[message.ty(), 0, 0, 0])?;
                message.emit(&mut writer)?;
            }
            Self::Other { ty, code } => writer.put(&[ty, code, 0, 0])?,
        }
        writer.put(data)?;
        let len = writer.written();
        let message = out.get_mut(..len).ok_or(WireError::Truncated)?;
        checksum::fill_transport(src, dst, protocol::ICMPV6, message, 2)?;
        Ok(len)
    }
}

/// A header of 8 octets without its checksum.
const fn header(ty: u8, code: u8, word: u32) -> [u8; 8] {
    let [a, b, c, d] = word.to_be_bytes();
    [ty, code, 0, 0, a, b, c, d]
}
