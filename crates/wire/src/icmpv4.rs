//! ICMP for IPv4 (RFC 792, RFC 1122 §3.2.2, RFC 1191 §4).

use crate::writer::Writer;
use crate::{Address, Checksum, WireError};

#[cfg(test)]
mod tests;

const ECHO_REPLY: u8 = 0;
const UNREACHABLE: u8 = 3;
const REDIRECT: u8 = 5;
const ECHO_REQUEST: u8 = 8;
const TIME_EXCEEDED: u8 = 11;
const PARAMETER_PROBLEM: u8 = 12;

/// Codes of [`Message::Unreachable`] (RFC 792, RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1).
pub mod unreachable {
    /// No route to the network.
    pub const NET: u8 = 0;
    /// The host does not answer.
    pub const HOST: u8 = 1;
    /// The host does not speak the protocol.
    pub const PROTOCOL: u8 = 2;
    /// Nobody listens on the port.
    pub const PORT: u8 = 3;
    /// It is too long and must not be fragmented.
    pub const FRAGMENTATION_NEEDED: u8 = 4;
    /// A source route did not work.
    pub const SOURCE_ROUTE: u8 = 5;
    /// A filter forbids it.
    pub const ADMINISTRATIVELY_PROHIBITED: u8 = 13;
}

/// A message: what its first 8 octets say.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Message {
    /// The answer to an echo request.
    EchoReply {
        /// Which program asked.
        ident: u16,
        /// Which of its requests this answers.
        seq: u16,
    },
    /// A packet could not be delivered.
    Unreachable {
        /// Why: see [`mod@unreachable`].
        code: u8,
        /// With code 4, the MTU of the next hop in octets, or 0 from a router older than RFC 1191; else 0.
        next_hop_mtu: u16,
    },
    /// Another router is nearer.
    Redirect {
        /// 0 for the network, 1 for the host, 2 and 3 the same for a type of service.
        code: u8,
        /// The router to use.
        gateway: Address,
    },
    /// Please answer with the same data.
    EchoRequest {
        /// Which program asks.
        ident: u16,
        /// Which of its requests this is.
        seq: u16,
    },
    /// A packet lived too long.
    TimeExceeded {
        /// 0 in transit, 1 in reassembly.
        code: u8,
    },
    /// An octet of a packet's header is wrong (code 0).
    ParameterProblem {
        /// Which octet, from 0.
        pointer: u8,
    },
    /// Any other type or code. Only the first 4 octets are the header then; the data starts with the 5th.
    Other {
        /// The type.
        ty: u8,
        /// The code.
        code: u8,
    },
}

/// The message at the front of `bytes`, and its data: what an echo carries, what an error quotes.
///
/// # Errors
/// `Truncated` below 4 octets, or below 8 for a message with a name; `BadChecksum`.
pub fn parse(bytes: &[u8]) -> Result<(Message, &[u8]), WireError> {
    let parsed = parse_unchecked(bytes)?;
    if Checksum::new().add(bytes).finish() == 0 { Ok(parsed) } else { Err(WireError::BadChecksum) }
}

/// As [`parse`], but the checksum is not looked at.
///
/// # Errors
/// `Truncated`, as [`parse`].
pub fn parse_unchecked(bytes: &[u8]) -> Result<(Message, &[u8]), WireError> {
    let (&[ty, code, _, _], rest) = bytes.split_first_chunk().ok_or(WireError::Truncated)?;
    let word = rest.first_chunk().copied().ok_or(WireError::Truncated);
    let message = match (ty, code) {
        (ECHO_REPLY, 0) => {
            let [ident, seq] = halves(word?);
            Message::EchoReply { ident, seq }
        }
        (UNREACHABLE, code) => {
            let [_, mtu] = halves(word?);
            let next_hop_mtu = if code == unreachable::FRAGMENTATION_NEEDED { mtu } else { 0 };
            Message::Unreachable { code, next_hop_mtu }
        }
        (REDIRECT, code) => Message::Redirect { code, gateway: word?.into() },
        (ECHO_REQUEST, 0) => {
            let [ident, seq] = halves(word?);
            Message::EchoRequest { ident, seq }
        }
        (TIME_EXCEEDED, code) => {
            word?;
            Message::TimeExceeded { code }
        }
        (PARAMETER_PROBLEM, 0) => {
            let [pointer, ..] = word?;
            Message::ParameterProblem { pointer }
        }
        (ty, code) => return Ok((Message::Other { ty, code }, rest)),
    };
    Ok((message, rest.get(4..).unwrap_or_default()))
}

impl Message {
    /// 8 octets: what [`emit`](Self::emit) writes before the data, but for [`Other`](Self::Other), which has
    /// 4.
    pub const HEADER_LEN: usize = 8;

    /// Writes the message with `data` and its checksum to the front of `out` and returns their length.
    ///
    /// # Errors
    /// `Truncated` if `out` is too short, `BadHeader` for a gateway that is not IPv4.
    pub fn emit(&self, data: &[u8], out: &mut [u8]) -> Result<usize, WireError> {
        let (ty, code, word) = match *self {
            Self::EchoReply { ident, seq } => (ECHO_REPLY, 0, Some(joined(ident, seq))),
            Self::Unreachable { code, next_hop_mtu } => {
                let mtu = if code == unreachable::FRAGMENTATION_NEEDED { next_hop_mtu } else { 0 };
                (UNREACHABLE, code, Some(joined(0, mtu)))
            }
            Self::Redirect { code, gateway } => {
                (REDIRECT, code, Some(gateway.v4_octets().ok_or(WireError::BadHeader)?))
            }
            Self::EchoRequest { ident, seq } => (ECHO_REQUEST, 0, Some(joined(ident, seq))),
            Self::TimeExceeded { code } => (TIME_EXCEEDED, code, Some([0; 4])),
            Self::ParameterProblem { pointer } => (PARAMETER_PROBLEM, 0, Some([pointer, 0, 0, 0])),
            Self::Other { ty, code } => (ty, code, None),
        };
        let mut sum = Checksum::new();
        let word = word.as_ref().map_or(&[][..], |word| word);
        let [high, low] = sum.add(&[ty, code]).add(word).add(data).finish().to_be_bytes();
        let mut writer = Writer::new(out);
        writer.put(&[ty, code, high, low])?;
        writer.put(word)?;
        writer.put(data)?;
        Ok(writer.written())
    }
}

fn halves([a, b, c, d]: [u8; 4]) -> [u16; 2] {
    [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]
}

fn joined(first: u16, second: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (first.to_be_bytes(), second.to_be_bytes());
    [a, b, c, d]
}
