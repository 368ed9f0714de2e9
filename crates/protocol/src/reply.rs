//! Control replies: what the stack process answers.
//!
//! A reply is one SEQPACKET message: version (u16), code (u16), number of its request (u32), then the fields.
//! A peer of another version is answered with [`Reply::Done`] in *our* version, whose first two octets tell it.

use core::net::Ipv6Addr;

use crate::address::Address;
use crate::codec::{ProtocolError, Reader, Writer};
use crate::interface::Interface;
use crate::request::{NAME_MAX, VALUE_MAX};
use crate::{MESSAGE_MAX, VERSION};

/// The most addresses in one answer; a name with more loses the last ones.
pub const ADDRESSES_MAX: usize = 64;

/// An answer to one request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply<'a> {
    /// It is done.
    Done,
    /// The handshake has begun: attach to the stack and wait until the descriptor is writable.
    Connecting,
    /// An earlier attempt to connect failed and used the descriptor up: put a fresh one in its place.
    Spent,
    /// It failed with this errno (Linux's number, never 0).
    Failed(i32),
    /// A socket's address.
    Address(Address),
    /// An option's value, in Linux's layout.
    Value(&'a [u8]),
    /// A number: an errno or octets.
    Count(u32),
    /// A name's addresses.
    Addresses {
        /// The canonical name; empty when it is the name that was asked for.
        canonical: &'a [u8],
        /// In the order in which they are to be tried.
        addresses: AddressList<'a>,
    },
    /// An address's name.
    HostName(&'a [u8]),
    /// An interface.
    Interface(Interface<'a>),
    /// A look-up failed.
    LookUpFailed(LookUpFailure),
}

/// Why a look-up gave nothing. getaddrinfo and gethostbyname each have their own numbers for these.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LookUpFailure {
    /// The name does not exist.
    NotFound,
    /// The name exists, but has no address of that family.
    NoData,
    /// No answer, or a server's temporary failure: try again later.
    TryAgain,
    /// The server refused or answered nonsense: trying again will not help.
    Failed,
}

/// Addresses in a message, sixteen octets each; IPv4 is written `::ffff:a.b.c.d`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AddressList<'a>(&'a [[u8; 16]]);

impl<'a> AddressList<'a> {
    /// Of at most [`ADDRESSES_MAX`] addresses; the rest is left off.
    pub fn new(addresses: &'a [[u8; 16]]) -> Self {
        Self(addresses.get(..ADDRESSES_MAX).unwrap_or(addresses))
    }

    /// The addresses in order.
    pub fn iter(self) -> impl Iterator<Item = Ipv6Addr> + Clone + 'a {
        self.0.iter().map(|octets| Ipv6Addr::from(*octets))
    }
}

impl<'a> Reply<'a> {
    /// Writes the message for the request with this number.
    pub fn encode(&self, number: u32, out: &mut [u8]) -> Result<usize, ProtocolError> {
        let mut out = Writer::new(out);
        out.u16(VERSION);
        out.u16(self.code());
        out.u32(number);
        match *self {
            Self::Done | Self::Connecting | Self::Spent => {}
            Self::Failed(errno) => out.i32(errno),
            Self::Address(address) => address.encode(&mut out),
            Self::Value(value) => out.counted(value, VALUE_MAX),
            Self::Count(count) => out.u32(count),
            Self::Addresses { canonical, addresses } => {
                out.counted(canonical, NAME_MAX);
                out.counted(addresses.0.as_flattened(), ADDRESSES_MAX * 16);
            }
            Self::HostName(name) => out.counted(name, NAME_MAX),
            Self::Interface(interface) => interface.encode(&mut out),
            Self::LookUpFailed(failure) => out.u8(match failure {
                LookUpFailure::NotFound => 1,
                LookUpFailure::NoData => 2,
                LookUpFailure::TryAgain => 3,
                LookUpFailure::Failed => 4,
            }),
        }
        out.finish()
    }

    /// Reads a message: the request's number and the answer.
    pub fn decode(message: &'a [u8]) -> Result<(u32, Self), ProtocolError> {
        if message.len() > MESSAGE_MAX {
            return Err(ProtocolError::TooLong);
        }
        let mut from = Reader::new(message);
        let version = from.u16()?;
        if version != VERSION {
            return Err(ProtocolError::Version(version));
        }
        let code = from.u16()?;
        let number = from.u32()?;
        let reply = match code {
            1 => Self::Done,
            2 => Self::Connecting,
            3 => match from.i32()? {
                0 => return Err(ProtocolError::BadField),
                errno => Self::Failed(errno),
            },
            4 => Self::Address(Address::decode(&mut from)?),
            5 => Self::Value(from.counted(VALUE_MAX)?),
            6 => Self::Count(from.u32()?),
            7 => Self::Addresses {
                canonical: from.counted(NAME_MAX)?,
                addresses: match from.counted(ADDRESSES_MAX * 16)?.as_chunks() {
                    (addresses, []) => AddressList(addresses),
                    _ => return Err(ProtocolError::BadField),
                },
            },
            8 => Self::HostName(from.counted(NAME_MAX)?),
            9 => Self::LookUpFailed(match from.u8()? {
                1 => LookUpFailure::NotFound,
                2 => LookUpFailure::NoData,
                3 => LookUpFailure::TryAgain,
                4 => LookUpFailure::Failed,
                _ => return Err(ProtocolError::BadField),
            }),
            10 => Self::Spent,
            11 => Self::Interface(Interface::decode(&mut from)?),
            _ => return Err(ProtocolError::BadField),
        };
        from.end()?;
        Ok((number, reply))
    }

    fn code(&self) -> u16 {
        match self {
            Self::Done => 1,
            Self::Connecting => 2,
            Self::Failed(_) => 3,
            Self::Address(_) => 4,
            Self::Value(_) => 5,
            Self::Count(_) => 6,
            Self::Addresses { .. } => 7,
            Self::HostName(_) => 8,
            Self::LookUpFailed(_) => 9,
            Self::Spent => 10,
            Self::Interface(_) => 11,
        }
    }
}

#[cfg(test)]
mod tests;
