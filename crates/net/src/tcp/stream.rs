//! A connection.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use portolan_link::{Chunk, Instant};
use portolan_stack::{How, IPPROTO_TCP, Info, SocketError, SocketId, SocketOption, Stack};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop;

use crate::handle::Handle;
use crate::host::Host;
use crate::tcp::socket::whole_seconds;
use crate::tcp::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, TcpSocket, WriteHalf, family, local, remote};
use crate::wakers::Direction;

/// Linux's number of the option.
const TCP_CONGESTION: i32 = 13;

/// A TCP connection. Dropping it closes it: text that was written is still sent, in the background; text that was
/// received and not read makes the peer see a reset (RFC 2525 §2.17).
///
/// Reading gives 0 octets, or `None`, after the peer's FIN. Errors of reading: `ECONNRESET`, `ETIMEDOUT`,
/// `ENOTCONN`. Errors of writing: the same, and `EPIPE` after a shutdown or a reset that was already reported.
///
/// Of tokio's extensions, `read`, `read_buf`, `write` and `shutdown` are cancel safe; `read_exact`, `read_to_end`,
/// `write_all` and their like are not. Methods that take `&self` may be used by several tasks at a time.
pub struct TcpStream(pub(crate) Handle);

impl TcpStream {
    pub(crate) fn new(handle: Handle) -> TcpStream {
        TcpStream(handle)
    }

    /// Connects from any free port. Errors and cancel safety as [`TcpSocket::connect`].
    pub async fn connect(host: &Host, address: impl Into<SocketAddr>) -> io::Result<TcpStream> {
        let address = address.into();
        TcpSocket::new(host, family(address))?.connect(address).await
    }

    /// The stack's name for this socket, for [`crate::Host::with_stack`]. It must not be closed there.
    pub fn id(&self) -> SocketId {
        self.0.id
    }

    /// Waits until reading is worth a try: there is text, the peer's FIN or an error. It may be wrong, as another
    /// task may read first. Cancel safe.
    pub async fn readable(&self) -> io::Result<()> {
        self.0.wait(Direction::Read, readable).await
    }

    /// Waits until writing is worth a try: there is room or an error. Cancel safe.
    pub async fn writable(&self) -> io::Result<()> {
        self.0.wait(Direction::Write, writable).await
    }

    /// As [`TcpStream::readable`], for hand-written futures; the last caller is woken.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll(cx, Direction::Read, readable)
    }

    /// As [`TcpStream::writable`], for hand-written futures; the last caller is woken.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll(cx, Direction::Write, writable)
    }

    /// Reads what there is, up to `out`'s length; 0 is the peer's FIN. `EAGAIN` if there is nothing yet.
    pub fn try_read(&self, out: &mut [u8]) -> io::Result<usize> {
        self.0.call(|stack, now, id| stack.read(now, id, out))
    }

    /// Writes as much as there is room for, at least one octet. `EAGAIN` if there is no room.
    pub fn try_write(&self, octets: &[u8]) -> io::Result<usize> {
        self.0.call(|stack, now, id| stack.write(now, id, octets))
    }

    /// Reads without a copy: the next run of at most `max` octets, in the memory that it arrived in; `None` is the
    /// peer's FIN. Cancel safe.
    ///
    /// A chunk can pin more memory than it has octets ([`Chunk::footprint`]); use it soon.
    pub async fn read_chunk(&self, max: usize) -> io::Result<Option<Chunk>> {
        self.0.wait(Direction::Read, |stack, now, id| stack.read_chunk(now, id, max)).await
    }

    /// As [`TcpStream::read_chunk`], but `EAGAIN` if there is nothing yet.
    pub fn try_read_chunk(&self, max: usize) -> io::Result<Option<Chunk>> {
        self.0.call(|stack, now, id| stack.read_chunk(now, id, max))
    }

    /// As [`TcpStream::read_chunk`], for hand-written futures; the last caller is woken.
    pub fn poll_read_chunk(&self, cx: &mut Context<'_>, max: usize) -> Poll<io::Result<Option<Chunk>>> {
        self.0.poll(cx, Direction::Read, |stack, now, id| stack.read_chunk(now, id, max))
    }

    /// Writes all of `chunk` without a copy. Not cancel safe: a part may have been taken; `chunk` holds the rest.
    pub async fn write_chunk(&self, chunk: &mut Chunk) -> io::Result<()> {
        while !chunk.is_empty() {
            self.0.wait(Direction::Write, |stack, now, id| stack.write_chunk(now, id, chunk)).await?;
        }
        Ok(())
    }

    /// Writes as much of `chunk` as there is room for, without a copy, and takes that off its front. `EAGAIN` if
    /// there is no room.
    pub fn try_write_chunk(&self, chunk: &mut Chunk) -> io::Result<usize> {
        self.0.call(|stack, now, id| stack.write_chunk(now, id, chunk))
    }

    /// As [`TcpStream::try_write_chunk`], for hand-written futures; the last caller is woken when there is room.
    pub fn poll_write_chunk(&self, cx: &mut Context<'_>, chunk: &mut Chunk) -> Poll<io::Result<usize>> {
        self.0.poll(cx, Direction::Write, |stack, now, id| stack.write_chunk(now, id, chunk))
    }

    /// Reads and leaves the text where it is; 0 is the peer's FIN. Cancel safe.
    pub async fn peek(&self, out: &mut [u8]) -> io::Result<usize> {
        self.0.wait(Direction::Read, |stack, now, id| stack.peek(now, id, out)).await
    }

    /// Ends one direction or both. [`Shutdown::Write`] sends a FIN behind what was written. Errors: `ENOTCONN`.
    pub fn shutdown_now(&self, how: Shutdown) -> io::Result<()> {
        let how = match how {
            Shutdown::Read => How::Read,
            Shutdown::Write => How::Write,
            Shutdown::Both => How::Both,
        };
        self.0.call(|stack, now, id| stack.shutdown_socket(now, id, how))
    }

    /// Ends the connection at once: the peer sees a reset, and what was written and not yet sent is lost. Calls that
    /// wait, and later ones, give `ECONNABORTED`.
    pub fn abort(&self) {
        self.0.abort();
    }

    /// What closing does with octets not yet acknowledged; as [`TcpSocket::set_linger`].
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.set(SocketOption::Linger(linger.map(whole_seconds)))
    }

    /// Sends small writes at once instead of collecting them (`TCP_NODELAY`).
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.set(SocketOption::NoDelay(on))
    }

    /// Probes a silent peer (`SO_KEEPALIVE`).
    pub fn set_keepalive(&self, on: bool) -> io::Result<()> {
        self.set(SocketOption::KeepAlive(on))
    }

    /// Sets the congestion controller by its name, such as `cubic`, `reno` or `bbr` (`TCP_CONGESTION`). Errors:
    /// `ENOENT` for a name that is not known.
    pub fn set_congestion(&self, name: &str) -> io::Result<()> {
        self.set_option(IPPROTO_TCP, TCP_CONGESTION, name.as_bytes())
    }

    /// The congestion controller's name.
    pub fn congestion(&self) -> io::Result<String> {
        let name = self.option(IPPROTO_TCP, TCP_CONGESTION)?;
        Ok(String::from_utf8_lossy(&name).trim_end_matches('\0').to_owned())
    }

    /// Sets any option in Linux's numbers and octets, as `setsockopt(2)` does, with Linux's errors.
    pub fn set_option(&self, level: i32, name: i32, value: &[u8]) -> io::Result<()> {
        self.0.call(|stack, now, id| stack.setsockopt(now, id, level, name, value))
    }

    /// Any option in Linux's numbers and octets, as `getsockopt(2)` gives it, with Linux's errors.
    pub fn option(&self, level: i32, name: i32) -> io::Result<Vec<u8>> {
        self.0.call(|stack, now, id| stack.getsockopt(now, id, level, name))
    }

    pub(crate) fn set(&self, option: SocketOption) -> io::Result<()> {
        self.0.call(|stack, now, id| stack.set_option(now, id, option))
    }

    /// The address of this end.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.call(|stack, _, id| local(stack, id))
    }

    /// The address of the other end. Errors: `ENOTCONN`.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.call(|stack, _, id| remote(stack, id))
    }

    /// The connection's inner figures, as `TCP_INFO` has them.
    pub fn info(&self) -> io::Result<Info> {
        self.0.call(|stack, _, id| stack.info(id))
    }

    /// The error that happened in the background and was not reported yet (`SO_ERROR`); it is reported once.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.0.call(|stack, _, id| Ok(stack.take_error(id).map(crate::shared::io_error)))
    }

    /// Two halves that borrow the connection, for one task that reads and writes at a time.
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        (ReadHalf(self), WriteHalf(self))
    }

    /// Two halves that can live in two tasks. Dropping the write half sends a FIN.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        let stream = Arc::new(self);
        (OwnedReadHalf::new(Arc::clone(&stream)), OwnedWriteHalf::new(stream))
    }

    pub(crate) fn poll_read_into(&self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if out.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let budget = ready!(coop::poll_proceed(cx));
        let room = out.initialize_unfilled();
        let len = ready!(self.0.poll(cx, Direction::Read, |stack, now, id| stack.read(now, id, room)))?;
        budget.made_progress();
        out.advance(len);
        Poll::Ready(Ok(()))
    }

    pub(crate) fn poll_write_from(
        &self,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let budget = ready!(coop::poll_proceed(cx));
        let write = |stack: &mut Stack, now, id| write_parts(stack, now, id, parts);
        let len = ready!(self.0.poll(cx, Direction::Write, write))?;
        budget.made_progress();
        Poll::Ready(Ok(len))
    }

    pub(crate) fn poll_finish(&self) -> Poll<io::Result<()>> {
        Poll::Ready(match self.shutdown_now(Shutdown::Write) {
            // As on the kernel's sockets: nothing is left to be shut down.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        })
    }
}

/// Writes several slices as one call. What went in before an error counts; the error comes again.
pub(crate) fn write_parts(
    stack: &mut Stack,
    now: Instant,
    id: SocketId,
    parts: &[IoSlice<'_>],
) -> Result<usize, SocketError> {
    let mut done = 0;
    for part in parts.iter().filter(|part| !part.is_empty()) {
        match stack.write(now, id, part) {
            Ok(len) => {
                done += len;
                if len < part.len() {
                    break;
                }
            }
            Err(_) if done > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

fn readable(stack: &mut Stack, _now: Instant, id: SocketId) -> Result<(), SocketError> {
    let ready = stack.readiness(id)?;
    if ready.readable || ready.hangup || ready.error { Ok(()) } else { Err(SocketError::WouldBlock) }
}

fn writable(stack: &mut Stack, _now: Instant, id: SocketId) -> Result<(), SocketError> {
    let ready = stack.readiness(id)?;
    if ready.writable || ready.error { Ok(()) } else { Err(SocketError::WouldBlock) }
}

impl AsyncRead for TcpStream {
    /// Cancel safe: text is taken only when it is returned.
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_read_into(cx, out)
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_from(cx, &[IoSlice::new(octets)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_from(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Does nothing: what was written is sent as soon as the peer and the network take it.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Sends a FIN behind what was written, and does not wait for it to be acknowledged.
    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_finish()
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TcpStream").field(&self.0.id).finish()
    }
}
