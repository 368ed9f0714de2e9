//! What a socket call or a setting can fail with.

use core::fmt;

/// Why a socket call failed: one variant per errno, so that nobody above needs a table of his own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum SocketError {
    /// EPERM: only for the privileged.
    NotPermitted,
    /// ENOENT: no congestion control of this name, or no key for this peer.
    NoSuchName,
    /// EBADF: no such socket; it was closed, or the name is another stack's.
    BadSocket,
    /// EAGAIN: nothing to read, no room to write, nothing to accept; an event will say when.
    WouldBlock,
    /// EACCES: broadcast without permission, or forbidden on the way.
    AccessDenied,
    /// ENODEV: no link of this name.
    NoSuchLink,
    /// EINVAL: the call makes no sense in this state, or an argument is out of range.
    InvalidArgument,
    /// ENFILE: the stack's limit of sockets is reached.
    TooManySockets,
    /// EDOM: a time with a fraction that is none.
    OutOfDomain,
    /// EPIPE: the sending side is closed.
    BrokenPipe,
    /// EPROTO: a router or the peer found a packet's header wrong.
    ProtocolError,
    /// EDESTADDRREQ: a datagram without a destination on a socket without a peer.
    DestinationRequired,
    /// EMSGSIZE: the datagram is too long for UDP, or for the path when it must not be fragmented.
    MessageTooLong,
    /// ENOPROTOOPT: this kind of socket has no such option.
    NoSuchOption,
    /// EOPNOTSUPP: this kind of socket cannot do that.
    NotSupported,
    /// EAFNOSUPPORT: an address of the other family.
    FamilyNotSupported,
    /// EADDRINUSE: another socket holds the port.
    AddressInUse,
    /// EADDRNOTAVAIL: the address is not this host's, or no ephemeral port is free.
    AddressNotAvailable,
    /// ENETDOWN: the link is gone, or the stack is shutting down.
    NetworkDown,
    /// ENETUNREACH: no route.
    NetworkUnreachable,
    /// ECONNABORTED: ended by this host.
    ConnectionAborted,
    /// ECONNRESET: the peer reset the connection.
    ConnectionReset,
    /// ENOBUFS: a table or queue of the stack is full.
    NoBuffers,
    /// EISCONN: already connected.
    AlreadyConnected,
    /// ENOTCONN: not connected.
    NotConnected,
    /// ETIMEDOUT: the peer does not answer.
    TimedOut,
    /// ECONNREFUSED: nobody listens there.
    ConnectionRefused,
    /// EHOSTUNREACH: the neighbour or a router says that the host cannot be reached.
    HostUnreachable,
    /// EALREADY: a connect is under way.
    AlreadyConnecting,
    /// EINPROGRESS: a connect has begun, and nothing of what was to be written could go with it.
    InProgress,
    /// EBUSY: the key is in use.
    Busy,
    /// EEXIST: there is a key of these names for these peers.
    AlreadyExists,
    /// EKEYREJECTED: the peers have keys of the other kind.
    KeyRejected,
}

impl SocketError {
    /// The errno, with Linux's number.
    #[must_use]
    pub const fn errno(self) -> i32 {
        match self {
            SocketError::NotPermitted => 1,
            SocketError::NoSuchName => 2,
            SocketError::BadSocket => 9,
            SocketError::WouldBlock => 11,
            SocketError::AccessDenied => 13,
            SocketError::NoSuchLink => 19,
            SocketError::Busy => 16,
            SocketError::AlreadyExists => 17,
            SocketError::InvalidArgument => 22,
            SocketError::TooManySockets => 23,
            SocketError::BrokenPipe => 32,
            SocketError::OutOfDomain => 33,
            SocketError::ProtocolError => 71,
            SocketError::DestinationRequired => 89,
            SocketError::MessageTooLong => 90,
            SocketError::NoSuchOption => 92,
            SocketError::NotSupported => 95,
            SocketError::FamilyNotSupported => 97,
            SocketError::AddressInUse => 98,
            SocketError::AddressNotAvailable => 99,
            SocketError::NetworkDown => 100,
            SocketError::NetworkUnreachable => 101,
            SocketError::ConnectionAborted => 103,
            SocketError::ConnectionReset => 104,
            SocketError::NoBuffers => 105,
            SocketError::AlreadyConnected => 106,
            SocketError::NotConnected => 107,
            SocketError::TimedOut => 110,
            SocketError::ConnectionRefused => 111,
            SocketError::HostUnreachable => 113,
            SocketError::AlreadyConnecting => 114,
            SocketError::InProgress => 115,
            SocketError::KeyRejected => 129,
        }
    }
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SocketError::NotPermitted => "not permitted",
            SocketError::NoSuchName => "no such name",
            SocketError::BadSocket => "no such socket",
            SocketError::WouldBlock => "would block",
            SocketError::AccessDenied => "access denied",
            SocketError::NoSuchLink => "no such link",
            SocketError::InvalidArgument => "invalid argument",
            SocketError::Busy => "in use",
            SocketError::AlreadyExists => "exists already",
            SocketError::KeyRejected => "the peers have keys of the other kind",
            SocketError::TooManySockets => "too many sockets",
            SocketError::OutOfDomain => "not a time",
            SocketError::BrokenPipe => "the sending side is closed",
            SocketError::ProtocolError => "protocol error",
            SocketError::DestinationRequired => "destination address required",
            SocketError::MessageTooLong => "message too long",
            SocketError::NoSuchOption => "no such option",
            SocketError::NotSupported => "operation not supported",
            SocketError::FamilyNotSupported => "address family not supported",
            SocketError::AddressInUse => "address in use",
            SocketError::AddressNotAvailable => "address not available",
            SocketError::NetworkDown => "network is down",
            SocketError::NetworkUnreachable => "network is unreachable",
            SocketError::ConnectionAborted => "connection aborted",
            SocketError::ConnectionReset => "connection reset by peer",
            SocketError::NoBuffers => "no buffer space",
            SocketError::AlreadyConnected => "already connected",
            SocketError::NotConnected => "not connected",
            SocketError::TimedOut => "timed out",
            SocketError::ConnectionRefused => "connection refused",
            SocketError::HostUnreachable => "host is unreachable",
            SocketError::AlreadyConnecting => "already connecting",
            SocketError::InProgress => "a connect has begun",
        })
    }
}

impl core::error::Error for SocketError {}

/// Why a setting of the host was refused. The caller knows which setting it made; this says what is wrong with it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum SettingError {
    /// No such link, or it was removed.
    NoSuchLink,
    /// No such route.
    NoSuchRoute,
    /// The address cannot be a host's: unspecified, multicast or broadcast.
    NotAHostAddress,
    /// The next hop is of another family than the destination, or is no host's address.
    BadNextHop,
    /// The same address or route is there already.
    Duplicate,
    /// The table holds as many entries as its limit allows.
    Full(usize),
    /// The loopback link takes no such setting.
    Loopback,
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingError::NoSuchLink => f.write_str("no such link"),
            SettingError::NoSuchRoute => f.write_str("no such route"),
            SettingError::NotAHostAddress => {
                f.write_str("not a host's address: unspecified, multicast or broadcast")
            }
            SettingError::BadNextHop => {
                f.write_str("the next hop must be a host's address of the destination's family")
            }
            SettingError::Duplicate => f.write_str("already there"),
            SettingError::Full(max) => write!(f, "no room: at most {max} are allowed"),
            SettingError::Loopback => f.write_str("the loopback link takes no such setting"),
        }
    }
}

impl core::error::Error for SettingError {}
