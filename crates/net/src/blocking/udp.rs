//! UDP that blocks the calling thread.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::blocking::{Patience, set_timeout, timeout};
use crate::host::Host;
use crate::udp;

/// A UDP socket. The last clone that is dropped closes it.
#[derive(Clone, Debug)]
pub struct UdpSocket {
    socket: Arc<udp::UdpSocket>,
    patience: Arc<Patience>,
}

impl UdpSocket {
    /// A socket bound to a local address, as [`udp::UdpSocket::bind`].
    pub fn bind(host: &Host, address: impl Into<SocketAddr>) -> io::Result<UdpSocket> {
        udp::UdpSocket::bind(host, address).map(UdpSocket::from)
    }

    /// Sets the peer, as [`udp::UdpSocket::connect`].
    pub fn connect(&self, peer: impl Into<SocketAddr>) -> io::Result<()> {
        self.socket.connect(peer)
    }

    /// Sends a datagram to the peer.
    pub fn send(&self, payload: &[u8]) -> io::Result<usize> {
        self.patience.write(self.socket.send(payload))
    }

    /// Sends a datagram.
    pub fn send_to(&self, payload: &[u8], to: impl Into<SocketAddr>) -> io::Result<usize> {
        self.patience.write(self.socket.send_to(payload, to.into()))
    }

    /// Receives a datagram; returns the octets put into `out`.
    pub fn recv(&self, out: &mut [u8]) -> io::Result<usize> {
        self.patience.read(self.socket.recv(out))
    }

    /// Receives a datagram; returns the octets put into `out`, and who sent it.
    pub fn recv_from(&self, out: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.patience.read(self.socket.recv_from(out))
    }

    /// Another handle of the same socket. It cannot fail; the result is `std::net`'s shape.
    pub fn try_clone(&self) -> io::Result<UdpSocket> {
        Ok(self.clone())
    }

    /// How long receiving waits; `None` is for ever. Zero is refused with `EINVAL`.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        set_timeout(&self.patience.read, timeout)
    }

    /// How long sending waits; `None` is for ever. Zero is refused with `EINVAL`.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        set_timeout(&self.patience.write, timeout)
    }

    /// How long receiving waits.
    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(timeout(&self.patience.read))
    }

    /// How long sending waits.
    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(timeout(&self.patience.write))
    }

    /// Whether calls that would wait give `EAGAIN` instead.
    pub fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        self.patience.set_nonblocking(on);
        Ok(())
    }

    /// Allows sending to broadcast addresses.
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.socket.set_broadcast(on)
    }

    /// The address of this end.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The peer. Errors: `ENOTCONN`.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.peer_addr()
    }

    /// The error that ICMP reported and that was not returned yet; it is reported once.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.take_error()
    }
}

impl From<udp::UdpSocket> for UdpSocket {
    fn from(socket: udp::UdpSocket) -> UdpSocket {
        UdpSocket { socket: Arc::new(socket), patience: Arc::default() }
    }
}
