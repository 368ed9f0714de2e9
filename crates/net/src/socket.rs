//! A socket of the stack as it is, for those who translate one kind of sockets into another.
//!
//! [`crate::TcpStream`] and its like are this with the states and errors that Rust programs expect. A socket here may
//! be in any state, and every call of the stack can be made on it.

use std::io;
use std::task::{Context, Poll};

use portolan_link::Instant;
use portolan_stack::{SocketError, SocketId, Stack};
use portolan_wire::Family;

use crate::handle::Handle;
use crate::host::Host;

pub use crate::wakers::Direction;

/// One socket, owned: dropping it closes it, and TCP then finishes in the background.
pub struct Socket(Handle);

impl Socket {
    /// A fresh TCP socket. Errors: `ENFILE` at the stack's limit, `ENETDOWN` when the host has ended.
    pub fn tcp(host: &Host, family: Family) -> io::Result<Socket> {
        let id = host.0.call(|stack, _| stack.tcp_socket(family))?;
        Ok(Socket(Handle::new(&host.0, id)))
    }

    /// A fresh UDP socket. Errors as [`Socket::tcp`].
    pub fn udp(host: &Host, family: Family) -> io::Result<Socket> {
        let id = host.0.call(|stack, _| stack.udp_socket(family))?;
        Ok(Socket(Handle::new(&host.0, id)))
    }

    /// Takes ownership of another socket of the same host, such as an accepted one.
    pub fn sibling(&self, id: SocketId) -> Socket {
        Socket(Handle::new(&self.0.core, id))
    }

    /// Calls the stack about this socket, without waiting.
    pub fn call<R>(&self, call: impl FnOnce(&mut Stack, Instant, SocketId) -> Result<R, SocketError>) -> io::Result<R> {
        self.0.call(call)
    }

    /// The same; if the call would block, the task is woken when it is worth another try. Only the last caller of
    /// each direction is.
    pub fn poll<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        call: impl FnOnce(&mut Stack, Instant, SocketId) -> Result<R, SocketError>,
    ) -> Poll<io::Result<R>> {
        self.0.poll(cx, direction, call)
    }
}
