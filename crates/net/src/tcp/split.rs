//! The two halves of a connection, borrowed or for two tasks.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use portolan_link::Chunk;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::tcp::TcpStream;

/// The reading half of a [`TcpStream`], from [`TcpStream::split`].
#[derive(Debug)]
pub struct ReadHalf<'a>(pub(crate) &'a TcpStream);

/// The writing half of a [`TcpStream`], from [`TcpStream::split`]. Dropping it does nothing.
#[derive(Debug)]
pub struct WriteHalf<'a>(pub(crate) &'a TcpStream);

/// The reading half of a [`TcpStream`], from [`TcpStream::into_split`].
#[derive(Debug)]
pub struct OwnedReadHalf(Arc<TcpStream>);

/// The writing half of a [`TcpStream`], from [`TcpStream::into_split`]. Dropping it sends a FIN.
#[derive(Debug)]
pub struct OwnedWriteHalf {
    stream: Arc<TcpStream>,
    finish: bool,
}

/// Two halves that are not of one connection, given back.
#[derive(Debug)]
pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves are of two connections")
    }
}

impl std::error::Error for ReuniteError {}

impl OwnedReadHalf {
    pub(crate) fn new(stream: Arc<TcpStream>) -> OwnedReadHalf {
        OwnedReadHalf(stream)
    }

    /// Puts the connection together again. Errors: halves of two connections are given back.
    pub fn reunite(self, mut other: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        if !Arc::ptr_eq(&self.0, &other.stream) {
            return Err(ReuniteError(self, other));
        }
        other.finish = false;
        drop(other);
        Ok(Arc::into_inner(self.0).expect("there are only two halves, and one is dropped"))
    }

    /// As [`TcpStream::read_chunk`].
    pub async fn read_chunk(&self, max: usize) -> io::Result<Option<Chunk>> {
        self.0.read_chunk(max).await
    }

    /// The address of the other end. Errors: `ENOTCONN`.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.peer_addr()
    }
}

impl OwnedWriteHalf {
    pub(crate) fn new(stream: Arc<TcpStream>) -> OwnedWriteHalf {
        OwnedWriteHalf { stream, finish: true }
    }

    /// As [`TcpStream::write_chunk`].
    pub async fn write_chunk(&self, chunk: &mut Chunk) -> io::Result<()> {
        self.stream.write_chunk(chunk).await
    }

    /// Drops the half without a FIN: the connection goes on until the other half is dropped.
    pub fn forget(mut self) {
        self.finish = false;
    }

    /// Ends the connection at once, as [`TcpStream::abort`].
    pub fn abort(&self) {
        self.stream.abort();
    }
}

impl AsRef<TcpStream> for ReadHalf<'_> {
    fn as_ref(&self) -> &TcpStream {
        self.0
    }
}

impl AsRef<TcpStream> for WriteHalf<'_> {
    fn as_ref(&self) -> &TcpStream {
        self.0
    }
}

impl AsRef<TcpStream> for OwnedReadHalf {
    fn as_ref(&self) -> &TcpStream {
        &self.0
    }
}

impl AsRef<TcpStream> for OwnedWriteHalf {
    fn as_ref(&self) -> &TcpStream {
        &self.stream
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.finish {
            // A connection that has ended already has no use for it.
            let _ = self.stream.shutdown_now(Shutdown::Write);
        }
    }
}

/// Reading and writing are the same for both kinds of halves.
macro_rules! forward {
    ($($read:ty, $write:ty);+) => { $(
        impl AsyncRead for $read {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                out: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                AsRef::<TcpStream>::as_ref(&*self).poll_read_into(cx, out)
            }
        }

        impl AsyncWrite for $write {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                octets: &[u8],
            ) -> Poll<io::Result<usize>> {
                AsRef::<TcpStream>::as_ref(&*self).poll_write_from(cx, &[IoSlice::new(octets)])
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                parts: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                AsRef::<TcpStream>::as_ref(&*self).poll_write_from(cx, parts)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                AsRef::<TcpStream>::as_ref(&*self).poll_finish()
            }
        }
    )+ };
}

forward!(ReadHalf<'_>, WriteHalf<'_>; OwnedReadHalf, OwnedWriteHalf);
