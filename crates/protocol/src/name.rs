//! Abstract AF_UNIX names: how any process tells what a descriptor stands for, after any fork or exec.
//!
//! A name is the word `portolan`, a letter for the role, two or three octets for the kind where there is one, then
//! the role's fields. `getsockname` gives a socket's own name: a fresh or connected one has the `Socket` role
//! all its life. A connection taken from a listener carries the listener's name; its peer's name (the stack's
//! end) has the `Accepted` role and holds both addresses, so that accept, getpeername and getsockname need no
//! call to the stack process.

use crate::address::Address;
use crate::codec::{ProtocolError, Reader, Writer};
use crate::id::SocketId;

const MAGIC: &[u8; 8] = b"portolan";

/// What a socket speaks. All but TCP are SEQPACKET sockets to the kernel, whose messages are datagrams behind headers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Transport {
    /// SOCK_STREAM, an AF_UNIX stream.
    Tcp,
    /// SOCK_DGRAM, an AF_UNIX SEQPACKET socket.
    Udp,
    /// SOCK_DGRAM with IPPROTO_UDPLITE.
    UdpLite,
    /// SOCK_DGRAM with IPPROTO_ICMP or IPPROTO_ICMPV6: echo requests and their answers.
    Ping,
    /// SOCK_RAW with a protocol.
    Raw(u8),
}

impl Transport {
    /// SOCK_STREAM, and not datagrams.
    pub fn is_stream(self) -> bool {
        self == Self::Tcp
    }
}

/// The family that the program asked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Family {
    /// AF_INET.
    V4,
    /// AF_INET6.
    V6,
}

/// What kind of socket a descriptor stands for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Kind {
    /// What it speaks.
    pub transport: Transport,
    /// AF_INET or AF_INET6.
    pub family: Family,
    /// Messages are a datagram's text alone, see [`crate::datagram`]; a stream is marked too, by whoever creates it. Such
    /// a socket is for the seccomp engine to serve: the preload library passes its calls on.
    pub is_bare: bool,
}

impl Kind {
    /// A socket whose datagrams carry headers.
    pub const fn new(transport: Transport, family: Family) -> Self {
        Self { transport, family, is_bare: false }
    }

    /// A socket whose datagrams are text alone.
    pub const fn bare(transport: Transport, family: Family) -> Self {
        Self { transport, family, is_bare: true }
    }

    pub(crate) fn encode(self, out: &mut Writer<'_>) {
        let letter = match self.transport {
            Transport::Tcp => b't',
            Transport::Udp => b'u',
            Transport::UdpLite => b'l',
            Transport::Ping => b'p',
            Transport::Raw(_) => b'r',
        };
        out.u8(if self.is_bare { letter.to_ascii_uppercase() } else { letter });
        out.u8(match self.family {
            Family::V4 => b'4',
            Family::V6 => b'6',
        });
        if let Transport::Raw(protocol) = self.transport {
            out.u8(protocol);
        }
    }

    pub(crate) fn decode(from: &mut Reader<'_>) -> Result<Self, ProtocolError> {
        let letter = from.u8()?;
        let mut transport = match letter.to_ascii_lowercase() {
            b't' => Transport::Tcp,
            b'u' => Transport::Udp,
            b'l' => Transport::UdpLite,
            b'p' => Transport::Ping,
            b'r' => Transport::Raw(0),
            _ => return Err(ProtocolError::BadField),
        };
        let family = match from.u8()? {
            b'4' => Family::V4,
            b'6' => Family::V6,
            _ => return Err(ProtocolError::BadField),
        };
        if let Transport::Raw(protocol) = &mut transport {
            *protocol = from.u8()?;
        }
        Ok(Self { transport, family, is_bare: letter.is_ascii_uppercase() })
    }
}

/// The meaning of an abstract name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Name {
    /// The stack process's listening sockets.
    Rendezvous {
        /// Drawn when the stack process starts.
        id: SocketId,
    },
    /// A program's socket, or a connection's listener.
    Socket {
        /// Drawn when the socket is created.
        id: SocketId,
        /// What it stands for.
        kind: Kind,
    },
    /// The stack's end of a connection that a listener took.
    Accepted {
        /// The connection's own identity; also the canary's text, see the preload library's accept.
        id: SocketId,
        /// The listener's kind.
        kind: Kind,
        /// The program's address.
        local: Address,
        /// The other host's address.
        remote: Address,
    },
    /// A socket of AF_NETLINK, answered by the seccomp engine.
    Netlink {
        /// Drawn when it is created.
        id: SocketId,
        /// Its address: the number of the process that created it.
        port: u32,
    },
    /// A process's control connection.
    Control {
        /// Drawn when it is opened.
        id: SocketId,
        /// The process that opened it: a child that inherited it opens its own.
        pid: u32,
    },
}

impl Name {
    /// The name's octets, without the leading NUL of an abstract address.
    pub fn encode(&self) -> NameBuf {
        let mut buf = NameBuf { octets: [0; NameBuf::MAX], len: 0 };
        let mut out = Writer::new(&mut buf.octets);
        out.bytes(MAGIC);
        match *self {
            Self::Rendezvous { id } => {
                out.u8(b'R');
                out.bytes(&id.to_hex());
            }
            Self::Socket { id, kind } => {
                out.u8(b'S');
                kind.encode(&mut out);
                out.bytes(&id.to_hex());
            }
            Self::Accepted { id, kind, local, remote } => {
                out.u8(b'A');
                kind.encode(&mut out);
                out.bytes(&id.to_hex());
                local.encode(&mut out);
                remote.encode(&mut out);
            }
            Self::Netlink { id, port } => {
                out.u8(b'N');
                out.bytes(&id.to_hex());
                out.u32(port);
            }
            Self::Control { id, pid } => {
                out.u8(b'C');
                out.bytes(&id.to_hex());
                out.u32(pid);
            }
        }
        // Every role fits: the longest is 8 + 1 + 2 + 32 + 2 * 22 = 87 octets.
        buf.len = out.finish().unwrap_or(0);
        buf
    }

    /// Reads a name without its leading NUL; other programs' names are errors.
    pub fn decode(octets: &[u8]) -> Result<Self, ProtocolError> {
        let mut from = Reader::new(octets);
        if &from.array::<8>()? != MAGIC {
            return Err(ProtocolError::BadField);
        }
        let name = match from.u8()? {
            b'R' => Self::Rendezvous { id: decode_id(&mut from)? },
            b'S' => {
                let kind = Kind::decode(&mut from)?;
                Self::Socket { kind, id: decode_id(&mut from)? }
            }
            b'A' => {
                let kind = Kind::decode(&mut from)?;
                Self::Accepted {
                    kind,
                    id: decode_id(&mut from)?,
                    local: Address::decode(&mut from)?,
                    remote: Address::decode(&mut from)?,
                }
            }
            b'N' => Self::Netlink { id: decode_id(&mut from)?, port: from.u32()? },
            b'C' => Self::Control { id: decode_id(&mut from)?, pid: from.u32()? },
            _ => return Err(ProtocolError::BadField),
        };
        from.end()?;
        Ok(name)
    }
}

fn decode_id(from: &mut Reader<'_>) -> Result<SocketId, ProtocolError> {
    SocketId::from_hex(from.bytes(32)?).ok_or(ProtocolError::BadField)
}

/// A name's octets.
#[derive(Clone, Copy, Debug)]
pub struct NameBuf {
    octets: [u8; NameBuf::MAX],
    len: usize,
}

impl NameBuf {
    /// The room of `sun_path` behind the leading NUL.
    pub const MAX: usize = 107;

    /// The octets, to be put behind the leading NUL of an abstract address.
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or(&[])
    }
}

#[cfg(test)]
mod tests;
