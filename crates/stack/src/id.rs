//! Names for what a [`crate::Stack`] owns. All are small, copyable, and meaningless to another stack.

use core::fmt;

/// One of a stack's links, in the order in which they were added.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkId(pub(crate) u16);

impl LinkId {
    /// The link inside every stack that carries 127.0.0.0/8, ::1 and whatever the host sends to itself.
    pub const LOOPBACK: LinkId = LinkId(0);

    /// The link's number; the loopback's is 0.
    #[must_use]
    pub const fn index(self) -> u16 {
        self.0
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "link {}", self.0)
    }
}

/// A socket. The generation changes when the index is used again, so that an old name never means a new socket.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SocketId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl SocketId {
    /// The name as one number, for tables outside that want one.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    /// The name that [`SocketId::to_bits`] gave. A number of any other origin names no socket.
    #[must_use]
    pub const fn from_bits(bits: u64) -> SocketId {
        let [a, b, c, d, e, f, g, h] = bits.to_be_bytes();
        SocketId { index: u32::from_be_bytes([e, f, g, h]), generation: u32::from_be_bytes([a, b, c, d]) }
    }

    /// The position in the socket table: small, and used again after the socket is closed.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }
}

impl fmt::Display for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "socket {}.{}", self.index, self.generation)
    }
}

/// A connection that somebody has asked for at an intercepted link, and that nobody has answered yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub(crate) u64);

impl RequestId {
    /// The name as a number.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }
}
