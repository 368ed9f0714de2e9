//! TCP, asynchronous: [`TcpSocket`] to prepare, [`TcpListener`] to accept, [`TcpStream`] to talk.
//!
//! The shape is tokio's, and so are its traits, but no runtime is needed for the sockets themselves. Every error is
//! an [`std::io::Error`] made from the errno that the kernel would give, so that `kind()` and `raw_os_error()` are
//! what a program expects. After the host has ended every call answers `ENETDOWN`.

mod listener;
mod socket;
mod split;
mod stream;

pub use listener::TcpListener;
pub use socket::TcpSocket;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use stream::TcpStream;
pub(crate) use stream::write_parts;

use std::net::SocketAddr;

use portolan_stack::{SocketError, SocketId, Stack};
use portolan_wire::{Endpoint, Family};

/// The local address of a socket; unspecified and port 0 before it has one.
pub(crate) fn local(stack: &Stack, id: SocketId) -> Result<SocketAddr, SocketError> {
    stack.local(id).map(Endpoint::to_socket_addr)
}

/// The peer of a connected socket.
pub(crate) fn remote(stack: &Stack, id: SocketId) -> Result<SocketAddr, SocketError> {
    stack.remote(id).map(Endpoint::to_socket_addr)
}

/// The family that a socket for `address` has.
pub(crate) fn family(address: SocketAddr) -> Family {
    if address.is_ipv4() { Family::V4 } else { Family::V6 }
}
