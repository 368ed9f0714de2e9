//! A TCP socket before it is a connection or a listener.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use portolan_link::Instant;
use portolan_stack::{SocketError, SocketId, SocketOption, Stack, State};
use portolan_wire::Family;

use crate::handle::Handle;
use crate::host::Host;
use crate::tcp::{TcpListener, TcpStream, local};
use crate::wakers::Direction;

/// A TCP socket that is neither connected nor listening yet, to set options on and to bind.
///
/// Errors of the setters: `EINVAL` for a value out of range, `ENOPROTOOPT` for an option that the family lacks.
pub struct TcpSocket(Handle);

impl TcpSocket {
    /// A socket for IPv4. Errors: `ENFILE` at the host's limit of sockets.
    pub fn new_v4(host: &Host) -> io::Result<TcpSocket> {
        TcpSocket::new(host, Family::V4)
    }

    /// A socket for IPv6, and for IPv4 too unless [`TcpSocket::set_only_v6`] is set. Errors: as
    /// [`TcpSocket::new_v4`].
    pub fn new_v6(host: &Host) -> io::Result<TcpSocket> {
        TcpSocket::new(host, Family::V6)
    }

    pub(crate) fn new(host: &Host, family: Family) -> io::Result<TcpSocket> {
        let id = host.0.call(|stack, _| stack.tcp_socket(family))?;
        Ok(TcpSocket(Handle::new(&host.0, id)))
    }

    fn set(&self, option: SocketOption) -> io::Result<()> {
        self.0.call(|stack, now, id| stack.set_option(now, id, option))
    }

    /// The stack's name for this socket, for [`crate::Host::with_stack`]. It must not be closed there.
    pub fn id(&self) -> SocketId {
        self.0.id
    }

    /// Lets the port be bound although old connections use it (`SO_REUSEADDR`).
    pub fn set_reuseaddr(&self, on: bool) -> io::Result<()> {
        self.set(SocketOption::ReuseAddress(on))
    }

    /// Lets several sockets that all set this share a port (`SO_REUSEPORT`).
    pub fn set_reuseport(&self, on: bool) -> io::Result<()> {
        self.set(SocketOption::ReusePort(on))
    }

    /// Keeps an IPv6 socket from IPv4 peers (`IPV6_V6ONLY`).
    pub fn set_only_v6(&self, on: bool) -> io::Result<()> {
        self.set(SocketOption::V6Only(on))
    }

    /// Sends small writes at once instead of collecting them (`TCP_NODELAY`). A listener hands it on.
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.set(SocketOption::NoDelay(on))
    }

    /// Probes a silent peer (`SO_KEEPALIVE`).
    pub fn set_keepalive(&self, on: bool) -> io::Result<()> {
        self.set(SocketOption::KeepAlive(on))
    }

    /// The most octets that wait to be sent or acknowledged (`SO_SNDBUF`).
    pub fn set_send_buffer_size(&self, octets: u32) -> io::Result<()> {
        self.set(SocketOption::SendBuffer(octets))
    }

    /// The most octets that wait to be read (`SO_RCVBUF`).
    pub fn set_recv_buffer_size(&self, octets: u32) -> io::Result<()> {
        self.set(SocketOption::ReceiveBuffer(octets))
    }

    /// What closing does with octets not yet acknowledged (`SO_LINGER`): `None` sends them in the background; zero
    /// drops them and resets; more gives up after that time, counted in whole seconds.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.set(SocketOption::Linger(linger.map(whole_seconds)))
    }

    /// Takes a local address; port 0 is any free one. Errors: `EADDRINUSE`, `EADDRNOTAVAIL` if the address is not
    /// this host's, `EAFNOSUPPORT`, `EINVAL` if already bound.
    pub fn bind(&self, address: SocketAddr) -> io::Result<()> {
        self.0.call(|stack, now, id| stack.bind(now, id, address.into()).map(drop))
    }

    /// The local address; unspecified and port 0 before [`TcpSocket::bind`].
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.call(|stack, _, id| local(stack, id))
    }

    /// Listens, with room for `backlog` connections that were not accepted yet. Errors: `EADDRINUSE`, `EINVAL`.
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        self.0.call(|stack, now, id| stack.listen(now, id, backlog))?;
        Ok(TcpListener::new(self.0))
    }

    /// Connects.
    ///
    /// Errors: `ECONNREFUSED`, `ETIMEDOUT`, `ENETUNREACH`, `EHOSTUNREACH`, `EADDRNOTAVAIL` without a free port,
    /// `EAFNOSUPPORT`. Cancel safe: a dropped attempt leaves nothing behind.
    pub async fn connect(self, address: SocketAddr) -> io::Result<TcpStream> {
        self.start(address)?.await
    }

    /// Starts a connection attempt; the future waits for its end.
    pub(crate) fn start(
        self,
        address: SocketAddr,
    ) -> io::Result<impl Future<Output = io::Result<TcpStream>> + Send> {
        self.0.call(|stack, now, id| stack.connect(now, id, address.into()))?;
        Ok(async move {
            self.0.wait(Direction::Write, connected).await?;
            Ok(TcpStream::new(self.0))
        })
    }
}

/// Whether a connection attempt has ended, and how.
fn connected(stack: &mut Stack, _now: Instant, id: SocketId) -> Result<(), SocketError> {
    if let Some(error) = stack.take_error(id) {
        return Err(error);
    }
    match stack.state(id)? {
        State::SynSent | State::SynReceived => Err(SocketError::WouldBlock),
        State::Closed => Err(SocketError::NotConnected),
        _ => Ok(()),
    }
}

/// Linger times are whole seconds, as in the socket API; a part of one counts as one.
pub(crate) fn whole_seconds(time: Duration) -> u16 {
    u16::try_from(time.as_secs() + u64::from(time.subsec_nanos() > 0)).unwrap_or(u16::MAX)
}

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TcpSocket").field(&self.0.id).finish()
    }
}
