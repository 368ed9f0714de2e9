//! A socket of either kind with the stack's own calls: for those who carry somebody else's sockets, and need every
//! option and both halves of what other types hide. [`crate::TcpStream`] and its siblings are for everybody else.

use std::fmt;
use std::io;
use std::task::{Context, Poll};

use portolan_link::Instant;
use portolan_stack::{SocketError, SocketId, Stack};
use portolan_wire::Family;

use crate::handle::Handle;
use crate::host::Host;
pub use crate::wakers::Direction;

/// Ownership of one of the stack's sockets. Dropping it closes the socket; TCP then finishes in the background.
pub struct Socket(Handle);

impl Socket {
    /// A fresh TCP socket. Errors: `ENFILE` at the host's limit of sockets.
    pub fn tcp(host: &Host, family: Family) -> io::Result<Socket> {
        let id = host.0.call(|stack, _| stack.tcp_socket(family))?;
        Ok(Socket(Handle::new(&host.0, id)))
    }

    /// A fresh UDP socket. Errors: as [`Socket::tcp`].
    pub fn udp(host: &Host, family: Family) -> io::Result<Socket> {
        let id = host.0.call(|stack, _| stack.udp_socket(family))?;
        Ok(Socket(Handle::new(&host.0, id)))
    }

    /// A fresh UDP-Lite socket. Errors: as [`Socket::tcp`].
    pub fn udp_lite(host: &Host, family: Family) -> io::Result<Socket> {
        let id = host.0.call(|stack, _| stack.udp_lite_socket(family))?;
        Ok(Socket(Handle::new(&host.0, id)))
    }

    /// A fresh ICMP echo socket. Errors: as [`Socket::tcp`].
    pub fn echo(host: &Host, family: Family) -> io::Result<Socket> {
        let id = host.0.call(|stack, _| stack.echo_socket(family))?;
        Ok(Socket(Handle::new(&host.0, id)))
    }

    /// A fresh raw socket. Errors: as [`Socket::tcp`].
    pub fn raw(host: &Host, family: Family, protocol: u8) -> io::Result<Socket> {
        let id = host.0.call(|stack, _| stack.raw_socket(family, protocol))?;
        Ok(Socket(Handle::new(&host.0, id)))
    }

    /// Takes ownership of another socket of the same host, one that [`Stack::accept`] has returned.
    pub fn sibling(&self, id: SocketId) -> Socket {
        Socket(Handle::new(&self.0.core, id))
    }

    /// One call that does not wait. Errors: the stack's, or `ENETDOWN` after the host has ended. `op` runs under the
    /// host's lock: it must be short, and must not use another socket or handle of this host.
    pub fn call<R>(
        &self,
        op: impl FnOnce(&mut Stack, Instant, SocketId) -> Result<R, SocketError>,
    ) -> io::Result<R> {
        self.0.call(op)
    }

    /// As [`Socket::call`], but where `op` would block the task is woken when it is worth trying again. Only the last
    /// caller of each direction is.
    pub fn poll<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        op: impl FnOnce(&mut Stack, Instant, SocketId) -> Result<R, SocketError>,
    ) -> Poll<io::Result<R>> {
        self.0.poll(cx, direction, op)
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Socket").field(&self.0.id).finish()
    }
}
