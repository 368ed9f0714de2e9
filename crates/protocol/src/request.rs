//! Control requests: what a process asks of the stack process.
//!
//! A request is one SEQPACKET message: version (u16), operation (u16), number (u32), then the fields of
//! [`Operation`] in order. The number comes back in the reply. The first request of a connection is `Hello`.

use crate::address::Address;
use crate::codec::{ProtocolError, Reader, Writer};
use crate::id::{Secret, SocketId};
use crate::name::{Family, Kind};
use crate::{MESSAGE_MAX, VERSION};

/// The longest option value, in octets (Linux's `tcp_info` is shorter).
pub const VALUE_MAX: usize = 384;

/// The longest name to look up, in octets: 253 of RFC 1035's text form, and a final dot.
pub const NAME_MAX: usize = 255;

/// A numbered request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request<'a> {
    /// Chosen by the sender, repeated in the reply.
    pub number: u32,
    /// What is asked.
    pub operation: Operation<'a>,
}

/// The socket that a request is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Target {
    /// Its identity, from its name.
    pub id: SocketId,
    /// Its kind: the first request about a socket also introduces it.
    pub kind: Kind,
}

/// What is asked. Answers are named in [`crate::Reply`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation<'a> {
    /// The first message of a connection. Answer: `Done`.
    Hello {
        /// From the environment.
        secret: Secret,
    },
    /// bind(2). Answer: `Done`.
    Bind {
        /// The socket.
        socket: Target,
        /// Address and port, each possibly unspecified.
        address: Address,
    },
    /// listen(2), after the program's socket listens. Answer: `Done`.
    Listen {
        /// The socket.
        socket: Target,
        /// As the program gave it.
        backlog: u32,
    },
    /// connect(2), before the program's socket attaches. Answer: `Connecting`; `Done` for UDP and for a
    /// connection whose completion had not been told yet; `Spent` when an earlier attempt failed.
    Connect {
        /// The socket.
        socket: Target,
        /// Where to.
        address: Address,
        /// The call blocks until the handshake is complete, so its completion needs no telling again.
        waits: bool,
    },
    /// connect(2) with AF_UNSPEC on a UDP socket. Answer: `Done`.
    Disconnect {
        /// The socket.
        socket: Target,
    },
    /// shutdown(2) of a listener or a UDP socket; a stream's is seen at its own socket. Answer: `Done`.
    Shutdown {
        /// The socket.
        socket: Target,
        /// SHUT_RD, SHUT_WR or SHUT_RDWR: 0, 1, 2.
        how: u8,
    },
    /// getsockname(2). Answer: `Address`.
    LocalAddress {
        /// The socket.
        socket: Target,
    },
    /// getpeername(2). Answer: `Address`.
    RemoteAddress {
        /// The socket.
        socket: Target,
    },
    /// setsockopt(2). Answer: `Done`.
    SetOption {
        /// The socket.
        socket: Target,
        /// SOL_SOCKET, IPPROTO_TCP ...: Linux's numbers.
        level: i32,
        /// Linux's number.
        name: i32,
        /// In the program's layout.
        value: &'a [u8],
    },
    /// getsockopt(2). Answer: `Value`.
    GetOption {
        /// The socket.
        socket: Target,
        /// SOL_SOCKET, IPPROTO_TCP ...: Linux's numbers.
        level: i32,
        /// Linux's number.
        name: i32,
    },
    /// The error that ended a connection, taken away as SO_ERROR does. Answer: `Count` with an errno or 0.
    TakeError {
        /// The socket.
        socket: Target,
    },
    /// recvmsg(2) with MSG_ERRQUEUE. Answer: `Value` with a [`crate::ErrorReport`]; EAGAIN if there is none.
    TakeReport {
        /// The socket.
        socket: Target,
    },
    /// SIOCOUTQ: text that the other host has not acknowledged. Answer: `Count` in octets.
    OutQueue {
        /// The socket.
        socket: Target,
    },
    /// send(2) with MSG_OOB: an urgent octet, which comes behind what the program has written. Answer: `Done`; EAGAIN
    /// while another one waits for its turn.
    Urgent {
        /// The socket.
        socket: Target,
        /// The octet.
        octet: u8,
    },
    /// Text of a connection that its program has closed, and that the other host has not acknowledged: what close waits
    /// for with SO_LINGER. Answer: `Count` in octets, 0 while another descriptor holds the socket.
    Undelivered {
        /// The socket.
        socket: Target,
    },
    /// Whether a UDP socket may send there: what the kernel checks at once. Answer: `Done`.
    CheckDestination {
        /// The socket.
        socket: Target,
        /// Where to; unspecified with port 0 for the default destination.
        address: Address,
        /// The source address to use, or unspecified.
        source: Address,
        /// Octets of text, where their number may matter; else 0.
        len: u32,
        /// As in a [`crate::DatagramHeader`].
        segment: Option<u16>,
    },
    /// A name's addresses. Answer: `Addresses`.
    LookUpName {
        /// The family wanted, `None` for both.
        family: Option<Family>,
        /// Only families of which the host has an address (AI_ADDRCONFIG).
        only_configured: bool,
        /// As the program gave it, without its NUL.
        name: &'a [u8],
    },
    /// An interface of the host. Answer: `Interface`, or ENODEV behind the last.
    Interface {
        /// 0 is the loopback.
        nth: u32,
    },
    /// The name that the host was given (`--hostname`). Answer: `HostName`, or ENOENT if it was given none.
    OwnName,
    /// An address's name. Answer: `HostName`.
    LookUpAddress {
        /// The address; the port has no meaning.
        address: Address,
    },
    /// The requests that follow are for another process: the seccomp engine calls for all programs over one
    /// connection. Only the stack process's own user, and root, may say so. Answer: `Done`; EPERM for anybody else.
    ActFor {
        /// The process.
        process: u32,
        /// Its effective user; 0 also for one that has the capability which the next request needs.
        user: u32,
    },
}

impl Operation<'_> {
    /// The socket that it is about.
    pub fn socket(&self) -> Option<Target> {
        match *self {
            Operation::Bind { socket, .. }
            | Operation::Listen { socket, .. }
            | Operation::Connect { socket, .. }
            | Operation::Disconnect { socket }
            | Operation::Shutdown { socket, .. }
            | Operation::LocalAddress { socket }
            | Operation::RemoteAddress { socket }
            | Operation::SetOption { socket, .. }
            | Operation::GetOption { socket, .. }
            | Operation::TakeError { socket }
            | Operation::TakeReport { socket }
            | Operation::OutQueue { socket }
            | Operation::Undelivered { socket }
            | Operation::CheckDestination { socket, .. }
            | Operation::Urgent { socket, .. } => Some(socket),
            Operation::Hello { .. }
            | Operation::LookUpName { .. }
            | Operation::LookUpAddress { .. }
            | Operation::OwnName
            | Operation::Interface { .. }
            | Operation::ActFor { .. } => None,
        }
    }
}

impl<'a> Request<'a> {
    /// Writes the message; `TooLong` when a field exceeds its limit or the array is too short.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, ProtocolError> {
        let mut out = Writer::new(out);
        out.u16(VERSION);
        out.u16(self.operation.code());
        out.u32(self.number);
        self.operation.encode(&mut out);
        out.finish()
    }

    /// Reads a message. Any octets give a request or an error.
    pub fn decode(message: &'a [u8]) -> Result<Self, ProtocolError> {
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
        let operation = Operation::decode(code, &mut from)?;
        from.end()?;
        Ok(Self { number, operation })
    }
}

impl<'a> Operation<'a> {
    fn code(&self) -> u16 {
        match self {
            Self::Hello { .. } => 1,
            Self::Bind { .. } => 2,
            Self::Listen { .. } => 3,
            Self::Connect { .. } => 4,
            Self::Disconnect { .. } => 5,
            Self::Shutdown { .. } => 6,
            Self::LocalAddress { .. } => 7,
            Self::RemoteAddress { .. } => 8,
            Self::SetOption { .. } => 9,
            Self::GetOption { .. } => 10,
            Self::TakeError { .. } => 11,
            Self::OutQueue { .. } => 12,
            Self::TakeReport { .. } => 40,
            Self::LookUpName { .. } => 13,
            Self::LookUpAddress { .. } => 14,
            Self::Urgent { .. } => 15,
            Self::Undelivered { .. } => 20,
            Self::CheckDestination { .. } => 21,
            Self::Interface { .. } => 22,
            Self::OwnName => 23,
            Self::ActFor { .. } => 32,
        }
    }

    fn encode(&self, out: &mut Writer<'_>) {
        match *self {
            Self::Hello { secret } => out.bytes(&secret.0),
            Self::OwnName => {}
            Self::Bind { socket, address } => {
                socket.encode(out);
                address.encode(out);
            }
            Self::Connect { socket, address, waits } => {
                socket.encode(out);
                address.encode(out);
                out.u8(u8::from(waits));
            }
            Self::Listen { socket, backlog } => {
                socket.encode(out);
                out.u32(backlog);
            }
            Self::Shutdown { socket, how } => {
                socket.encode(out);
                out.u8(how);
            }
            Self::Disconnect { socket }
            | Self::LocalAddress { socket }
            | Self::RemoteAddress { socket }
            | Self::TakeError { socket }
            | Self::TakeReport { socket }
            | Self::OutQueue { socket }
            | Self::Undelivered { socket } => socket.encode(out),
            Self::CheckDestination { socket, address, source, len, segment } => {
                socket.encode(out);
                address.encode(out);
                source.encode(out);
                out.u32(len);
                out.u8(u8::from(segment.is_some()));
                out.u16(segment.unwrap_or(0));
            }
            Self::SetOption { socket, level, name, value } => {
                socket.encode(out);
                out.i32(level);
                out.i32(name);
                out.counted(value, VALUE_MAX);
            }
            Self::GetOption { socket, level, name } => {
                socket.encode(out);
                out.i32(level);
                out.i32(name);
            }
            Self::LookUpName { family, only_configured, name } => {
                out.u8(match family {
                    None => 0,
                    Some(Family::V4) => 4,
                    Some(Family::V6) => 6,
                });
                out.u8(u8::from(only_configured));
                out.counted(name, NAME_MAX);
            }
            Self::LookUpAddress { address } => address.encode(out),
            Self::Interface { nth } => out.u32(nth),
            Self::ActFor { process, user } => {
                out.u32(process);
                out.u32(user);
            }
            Self::Urgent { socket, octet } => {
                socket.encode(out);
                out.u8(octet);
            }
        }
    }

    fn decode(code: u16, from: &mut Reader<'a>) -> Result<Self, ProtocolError> {
        Ok(match code {
            1 => Self::Hello { secret: Secret(from.array()?) },
            2 => Self::Bind { socket: Target::decode(from)?, address: Address::decode(from)? },
            3 => Self::Listen { socket: Target::decode(from)?, backlog: from.u32()? },
            4 => Self::Connect {
                socket: Target::decode(from)?,
                address: Address::decode(from)?,
                waits: at_most(from.u8()?, 1)? == 1,
            },
            5 => Self::Disconnect { socket: Target::decode(from)? },
            6 => Self::Shutdown { socket: Target::decode(from)?, how: at_most(from.u8()?, 2)? },
            7 => Self::LocalAddress { socket: Target::decode(from)? },
            8 => Self::RemoteAddress { socket: Target::decode(from)? },
            9 => Self::SetOption {
                socket: Target::decode(from)?,
                level: from.i32()?,
                name: from.i32()?,
                value: from.counted(VALUE_MAX)?,
            },
            10 => Self::GetOption { socket: Target::decode(from)?, level: from.i32()?, name: from.i32()? },
            11 => Self::TakeError { socket: Target::decode(from)? },
            12 => Self::OutQueue { socket: Target::decode(from)? },
            40 => Self::TakeReport { socket: Target::decode(from)? },
            13 => Self::LookUpName {
                family: match from.u8()? {
                    0 => None,
                    4 => Some(Family::V4),
                    6 => Some(Family::V6),
                    _ => return Err(ProtocolError::BadField),
                },
                only_configured: at_most(from.u8()?, 1)? == 1,
                name: from.counted(NAME_MAX)?,
            },
            14 => Self::LookUpAddress { address: Address::decode(from)? },
            32 => Self::ActFor { process: from.u32()?, user: from.u32()? },
            15 => Self::Urgent { socket: Target::decode(from)?, octet: from.u8()? },
            23 => Self::OwnName,
            22 => Self::Interface { nth: from.u32()? },
            20 => Self::Undelivered { socket: Target::decode(from)? },
            21 => Self::CheckDestination {
                socket: Target::decode(from)?,
                address: Address::decode(from)?,
                source: Address::decode(from)?,
                len: from.u32()?,
                segment: decode_optional(from)?,
            },
            _ => return Err(ProtocolError::BadField),
        })
    }
}

impl Target {
    fn encode(self, out: &mut Writer<'_>) {
        out.bytes(&self.id.0);
        self.kind.encode(out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, ProtocolError> {
        Ok(Self { id: SocketId(from.array()?), kind: Kind::decode(from)? })
    }
}

fn decode_optional(from: &mut Reader<'_>) -> Result<Option<u16>, ProtocolError> {
    let is_present = at_most(from.u8()?, 1)? == 1;
    let value = from.u16()?;
    Ok(is_present.then_some(value))
}

fn at_most(value: u8, max: u8) -> Result<u8, ProtocolError> {
    if value <= max { Ok(value) } else { Err(ProtocolError::BadField) }
}

#[cfg(test)]
mod tests;
