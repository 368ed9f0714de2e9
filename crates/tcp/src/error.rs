//! Why a call of an application fails.

use core::fmt;

/// The result of a call that could not be carried out, or the reason for which a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Error {
    /// There is no connection yet, or no longer (ENOTCONN).
    NotConnected,
    /// Nothing to read, or no room to write; try again after the signal (EAGAIN).
    WouldBlock,
    /// The SYN is on its way, and nothing could be taken with it (EINPROGRESS).
    InProgress,
    /// There is no urgent octet to be read out of line (EINVAL).
    NothingUrgent,
    /// This side has shut down writing (EPIPE).
    BrokenPipe,
    /// The peer reset the connection (ECONNRESET).
    Reset,
    /// The peer did not answer within the limits of [`crate::Config`] (ETIMEDOUT).
    TimedOut,
    /// The peer reset the connection before it was open (ECONNREFUSED).
    Refused,
    /// This side aborted the connection (ECONNABORTED).
    Aborted,
    /// A router found no way to the peer's network (ENETUNREACH).
    NetworkUnreachable,
    /// A router found no way to the peer (EHOSTUNREACH).
    HostUnreachable,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::NotConnected => "not connected",
            Error::WouldBlock => "not now",
            Error::InProgress => "connecting",
            Error::NothingUrgent => "nothing urgent to be read",
            Error::BrokenPipe => "writing was shut down",
            Error::Reset => "reset by the peer",
            Error::TimedOut => "the peer does not answer",
            Error::Refused => "refused by the peer",
            Error::Aborted => "aborted",
            Error::NetworkUnreachable => "no route to the network",
            Error::HostUnreachable => "no route to the host",
        })
    }
}

impl core::error::Error for Error {}
