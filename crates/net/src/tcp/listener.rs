//! A socket that accepts connections.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use portolan_link::Instant;
use portolan_stack::{SocketError, SocketId, Stack};

use crate::handle::Handle;
use crate::host::Host;
use crate::tcp::{TcpSocket, TcpStream, family, local};
use crate::wakers::Direction;

/// The backlog of [`TcpListener::bind`].
const BACKLOG: u32 = 1_024;

/// A TCP socket that listens. Dropping it resets the connections that were not accepted.
pub struct TcpListener(pub(crate) Handle);

impl TcpListener {
    pub(crate) fn new(handle: Handle) -> TcpListener {
        TcpListener(handle)
    }

    /// Listens on a local address with `SO_REUSEADDR` and a backlog of 1,024; port 0 is any free one. An IPv6
    /// address takes IPv4 peers too; [`TcpSocket`] has all choices.
    ///
    /// Errors: `EADDRINUSE`, `EADDRNOTAVAIL` if the address is not this host's, `ENFILE`.
    pub fn bind(host: &Host, address: impl Into<SocketAddr>) -> io::Result<TcpListener> {
        let address = address.into();
        let socket = TcpSocket::new(host, family(address))?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    }

    /// The stack's name for this socket, for [`crate::Host::with_stack`]. It must not be closed there.
    pub fn id(&self) -> SocketId {
        self.0.id
    }

    /// The next connection, and its peer's address. Any number of tasks may wait at a time.
    ///
    /// Errors: `EINVAL` if the socket does not listen any more. Cancel safe: no connection is lost.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.0.wait(Direction::Read, accept).await.map(|accepted| self.stream(accepted))
    }

    /// As [`TcpListener::accept`], for hand-written futures; the last caller is woken.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.0.poll(cx, Direction::Read, accept).map_ok(|accepted| self.stream(accepted))
    }

    /// As [`TcpListener::accept`], but `EAGAIN` if no connection waits.
    pub fn try_accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.0.call(accept).map(|accepted| self.stream(accepted))
    }

    /// The address that is listened on.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.call(|stack, _, id| local(stack, id))
    }

    fn stream(&self, (id, peer): (SocketId, SocketAddr)) -> (TcpStream, SocketAddr) {
        (TcpStream::new(Handle::new(&self.0.core, id)), peer)
    }
}

fn accept(stack: &mut Stack, now: Instant, id: SocketId) -> Result<(SocketId, SocketAddr), SocketError> {
    stack.accept(now, id).map(|(id, _local, remote)| (id, remote.to_socket_addr()))
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TcpListener").field(&self.0.id).finish()
    }
}
