//! Sockets that block the calling thread, in the shape of `std::net`.
//!
//! The host's worker runs elsewhere: on a thread ([`crate::Worker::spawn_thread`]) or in a runtime. A socket's
//! errors are those of its asynchronous twin. A read or write that takes longer than its timeout gives `EAGAIN`
//! ([`std::io::ErrorKind::WouldBlock`]), as the kernel's sockets do, and so does a call that would wait on a socket
//! that is set non-blocking. Clones from `try_clone` are the same socket, timeouts included.

mod tcp;
mod udp;

pub use tcp::{Incoming, TcpListener, TcpStream};
pub use udp::UdpSocket;

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::handle::block_on;

/// How long the calls of one socket wait.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    nonblocking: AtomicBool,
    /// In nanoseconds; 0 is for ever.
    read: AtomicU64,
    write: AtomicU64,
}

impl Patience {
    /// Runs a call that reads.
    fn read<T>(&self, call: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        self.run(&self.read, call)
    }

    /// Runs a call that writes.
    fn write<T>(&self, call: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        self.run(&self.write, call)
    }

    fn run<T>(&self, timeout: &AtomicU64, call: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let timeout = match timeout.load(Ordering::Relaxed) {
            _ if self.nonblocking.load(Ordering::Relaxed) => Some(Duration::ZERO),
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        };
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        block_on(call, deadline).unwrap_or_else(|| Err(Errno::AGAIN.into()))
    }

    fn set_nonblocking(&self, on: bool) {
        self.nonblocking.store(on, Ordering::Relaxed);
    }
}

/// Sets a timeout. Zero is refused with `EINVAL`, as by `std::net`.
fn set_timeout(place: &AtomicU64, timeout: Option<Duration>) -> io::Result<()> {
    if timeout == Some(Duration::ZERO) {
        return Err(Errno::INVAL.into());
    }
    let nanos = timeout.map_or(0, |timeout| u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
    place.store(nanos, Ordering::Relaxed);
    Ok(())
}

fn timeout(place: &AtomicU64) -> Option<Duration> {
    match place.load(Ordering::Relaxed) {
        0 => None,
        nanos => Some(Duration::from_nanos(nanos)),
    }
}
