//! TCP that blocks the calling thread.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use portolan_link::Chunk;
use rustix::io::Errno;

use crate::blocking::{Patience, set_timeout, timeout};
use crate::handle::block_on;
use crate::host::Host;
use crate::tcp::{self, TcpSocket, family};
use crate::wakers::Direction;

/// A TCP connection. The last clone that is dropped closes it.
#[derive(Clone, Debug)]
pub struct TcpStream {
    stream: Arc<tcp::TcpStream>,
    patience: Arc<Patience>,
}

impl TcpStream {
    fn new(stream: tcp::TcpStream) -> TcpStream {
        TcpStream { stream: Arc::new(stream), patience: Arc::default() }
    }

    /// Connects from any free port. Errors: as [`tcp::TcpSocket::connect`].
    pub fn connect(host: &Host, address: impl Into<SocketAddr>) -> io::Result<TcpStream> {
        block_on(tcp::TcpStream::connect(host, address), None)
            .unwrap_or_else(|| Err(Errno::TIMEDOUT.into()))
            .map(TcpStream::new)
    }

    /// As [`TcpStream::connect`], but `ETIMEDOUT` after `timeout`. Zero is refused with `EINVAL`.
    pub fn connect_timeout(host: &Host, address: &SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
        if timeout.is_zero() {
            return Err(Errno::INVAL.into());
        }
        let attempt = TcpSocket::new(host, family(*address))?.start(*address)?;
        block_on(attempt, Instant::now().checked_add(timeout))
            .unwrap_or_else(|| Err(Errno::TIMEDOUT.into()))
            .map(TcpStream::new)
    }

    /// The asynchronous twin, if this is the only clone.
    pub fn into_async(self) -> Result<tcp::TcpStream, TcpStream> {
        let TcpStream { stream, patience } = self;
        Arc::try_unwrap(stream).map_err(|stream| TcpStream { stream, patience })
    }

    /// Another handle of the same connection. It cannot fail; the result is `std::net`'s shape.
    pub fn try_clone(&self) -> io::Result<TcpStream> {
        Ok(self.clone())
    }

    /// Ends one direction or both. Errors: `ENOTCONN`.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.stream.shutdown_now(how)
    }

    /// Ends the connection at once: the peer sees a reset.
    pub fn abort(&self) {
        self.stream.abort();
    }

    /// Reads and leaves the text where it is; 0 is the peer's FIN.
    pub fn peek(&self, out: &mut [u8]) -> io::Result<usize> {
        self.patience.read(self.stream.peek(out))
    }

    /// Reads without a copy, as [`tcp::TcpStream::read_chunk`].
    pub fn read_chunk(&self, max: usize) -> io::Result<Option<Chunk>> {
        self.patience.read(self.stream.read_chunk(max))
    }

    /// How long reads wait; `None` is for ever. Zero is refused with `EINVAL`.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        set_timeout(&self.patience.read, timeout)
    }

    /// How long writes wait; `None` is for ever. Zero is refused with `EINVAL`.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        set_timeout(&self.patience.write, timeout)
    }

    /// How long reads wait.
    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(timeout(&self.patience.read))
    }

    /// How long writes wait.
    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(timeout(&self.patience.write))
    }

    /// Whether calls that would wait give `EAGAIN` instead.
    pub fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        self.patience.set_nonblocking(on);
        Ok(())
    }

    /// Sends small writes at once instead of collecting them.
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.stream.set_nodelay(on)
    }

    /// Sets the congestion controller; as [`tcp::TcpStream::set_congestion`].
    pub fn set_congestion(&self, name: &str) -> io::Result<()> {
        self.stream.set_congestion(name)
    }

    /// Sets any option in Linux's numbers and octets; as [`tcp::TcpStream::set_option`].
    pub fn set_option(&self, level: i32, name: i32, value: &[u8]) -> io::Result<()> {
        self.stream.set_option(level, name, value)
    }

    /// Any option in Linux's numbers and octets; as [`tcp::TcpStream::option`].
    pub fn option(&self, level: i32, name: i32) -> io::Result<Vec<u8>> {
        self.stream.option(level, name)
    }

    /// What closing does with octets not yet acknowledged; as [`TcpSocket::set_linger`].
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.stream.set_linger(linger)
    }

    /// The address of this end.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// The address of the other end. Errors: `ENOTCONN`.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }

    /// The error that happened in the background and was not reported yet; it is reported once.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.stream.take_error()
    }
}

impl From<tcp::TcpStream> for TcpStream {
    fn from(stream: tcp::TcpStream) -> TcpStream {
        TcpStream::new(stream)
    }
}

impl Read for &TcpStream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        let read = self.stream.0.wait(Direction::Read, |stack, now, id| stack.read(now, id, out));
        self.patience.read(read)
    }
}

impl Write for &TcpStream {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(octets)])
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let write = |stack: &mut _, now, id| tcp::write_parts(stack, now, id, parts);
        self.patience.write(self.stream.0.wait(Direction::Write, write))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for TcpStream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        (&*self).read(out)
    }
}

impl Write for TcpStream {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        (&*self).write(octets)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A TCP socket that listens. The last clone that is dropped closes it.
#[derive(Clone, Debug)]
pub struct TcpListener {
    listener: Arc<tcp::TcpListener>,
    patience: Arc<Patience>,
}

impl TcpListener {
    /// Listens on a local address, as [`tcp::TcpListener::bind`].
    pub fn bind(host: &Host, address: impl Into<SocketAddr>) -> io::Result<TcpListener> {
        tcp::TcpListener::bind(host, address).map(TcpListener::from)
    }

    /// Waits for the next connection; returns it and its peer's address.
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = self.patience.read(self.listener.accept())?;
        Ok((TcpStream::new(stream), peer))
    }

    /// The connections as they come, without end.
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming(self)
    }

    /// Another handle of the same listener. It cannot fail; the result is `std::net`'s shape.
    pub fn try_clone(&self) -> io::Result<TcpListener> {
        Ok(self.clone())
    }

    /// Whether [`TcpListener::accept`] gives `EAGAIN` instead of waiting.
    pub fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        self.patience.set_nonblocking(on);
        Ok(())
    }

    /// The address that is listened on.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl From<tcp::TcpListener> for TcpListener {
    fn from(listener: tcp::TcpListener) -> TcpListener {
        TcpListener { listener: Arc::new(listener), patience: Arc::default() }
    }
}

/// The connections of a [`TcpListener`], as they come.
#[derive(Debug)]
pub struct Incoming<'a>(&'a TcpListener);

impl Iterator for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn next(&mut self) -> Option<io::Result<TcpStream>> {
        Some(self.0.accept().map(|(stream, _peer)| stream))
    }
}
