//! UDP, asynchronous, in tokio's shape.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};

use portolan_link::Instant;
use portolan_stack::{SocketError, SocketId, SocketOption, Stack};

use crate::handle::Handle;
use crate::host::Host;
use crate::shared::io_error;
use crate::tcp::{family, local, remote};
use crate::wakers::Direction;

/// A UDP socket. Dropping it closes it.
///
/// A datagram that is longer than the buffer is cut, as on every UDP socket. Errors of sending: `EMSGSIZE`,
/// `ENETUNREACH`, `EHOSTUNREACH`, `EACCES` for a broadcast without permission, `EDESTADDRREQ` without a peer,
/// `ENOBUFS`. A connected socket also reports what ICMP said of earlier datagrams: `ECONNREFUSED` and its like.
/// Methods that take `&self` may be used by several tasks at a time.
pub struct UdpSocket(pub(crate) Handle);

/// Where a received datagram came from and went to; from [`UdpSocket::recv_msg`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Received {
    /// Octets put into the buffer.
    pub len: usize,
    /// Octets of the datagram; more than `len` if it was cut.
    pub full_len: usize,
    /// Who sent it.
    pub from: SocketAddr,
    /// Which of this host's addresses it was sent to.
    pub to: SocketAddr,
}

impl UdpSocket {
    /// A socket bound to a local address; port 0 is any free one. Errors: `EADDRINUSE`, `EADDRNOTAVAIL` if the
    /// address is not this host's, `ENFILE`.
    pub fn bind(host: &Host, address: impl Into<SocketAddr>) -> io::Result<UdpSocket> {
        let address = address.into();
        let id = host.0.call(|stack, _| stack.udp_socket(family(address)))?;
        let socket = UdpSocket(Handle::new(&host.0, id));
        socket.0.call(|stack, now, id| stack.bind(now, id, address.into()))?;
        Ok(socket)
    }

    /// The stack's name for this socket, for [`crate::Host::with_stack`]. It must not be closed there.
    pub fn id(&self) -> SocketId {
        self.0.id
    }

    /// Sets the peer: the socket then sends to it and receives from it only. Nothing is sent. Errors:
    /// `ENETUNREACH`, `EADDRNOTAVAIL`, `EAFNOSUPPORT`.
    pub fn connect(&self, peer: impl Into<SocketAddr>) -> io::Result<()> {
        let peer = peer.into();
        self.0.call(|stack, now, id| stack.connect(now, id, peer.into()))
    }

    /// Sends a datagram to the peer; waits while the link's queue is full. Cancel safe: it is sent whole or not.
    pub async fn send(&self, payload: &[u8]) -> io::Result<usize> {
        self.0.wait(Direction::Write, |stack, now, id| stack.send_to(now, id, payload, None, None)).await
    }

    /// As [`UdpSocket::send`], but `EAGAIN` while the link's queue is full.
    pub fn try_send(&self, payload: &[u8]) -> io::Result<usize> {
        self.0.call(|stack, now, id| stack.send_to(now, id, payload, None, None))
    }

    /// Sends a datagram; waits while the link's queue is full. Cancel safe: it is sent whole or not.
    pub async fn send_to(&self, payload: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.0
            .wait(Direction::Write, |stack, now, id| stack.send_to(now, id, payload, Some(to.into()), None))
            .await
    }

    /// As [`UdpSocket::send_to`], but `EAGAIN` while the link's queue is full.
    pub fn try_send_to(&self, payload: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.0.call(|stack, now, id| stack.send_to(now, id, payload, Some(to.into()), None))
    }

    /// As [`UdpSocket::send_to`], for hand-written futures; the last caller is woken.
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        payload: &[u8],
        to: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        let send = |stack: &mut Stack, now, id| stack.send_to(now, id, payload, Some(to.into()), None);
        self.0.poll(cx, Direction::Write, send)
    }

    /// As [`UdpSocket::send_to`], from a chosen one of this host's addresses (`IP_PKTINFO`). Errors: also
    /// `EADDRNOTAVAIL`.
    pub async fn send_from_to(&self, payload: &[u8], from: IpAddr, to: SocketAddr) -> io::Result<usize> {
        let (from, to) = (from.into(), to.into());
        self.0
            .wait(Direction::Write, |stack, now, id| stack.send_to(now, id, payload, Some(to), Some(from)))
            .await
    }

    /// Receives a datagram; returns the octets put into `out`. Cancel safe: no datagram is lost.
    pub async fn recv(&self, out: &mut [u8]) -> io::Result<usize> {
        self.recv_msg(out).await.map(|received| received.len)
    }

    /// Receives a datagram; returns the octets put into `out`, and who sent it. Cancel safe: no datagram is lost.
    pub async fn recv_from(&self, out: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.recv_msg(out).await.map(|received| (received.len, received.from))
    }

    /// Receives a datagram, and all that is known of it. Cancel safe: no datagram is lost.
    pub async fn recv_msg(&self, out: &mut [u8]) -> io::Result<Received> {
        self.0.wait(Direction::Read, |stack, now, id| receive(stack, now, id, out)).await
    }

    /// As [`UdpSocket::recv`], but `EAGAIN` if no datagram waits.
    pub fn try_recv(&self, out: &mut [u8]) -> io::Result<usize> {
        self.try_recv_msg(out).map(|received| received.len)
    }

    /// As [`UdpSocket::recv_from`], but `EAGAIN` if no datagram waits.
    pub fn try_recv_from(&self, out: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.try_recv_msg(out).map(|received| (received.len, received.from))
    }

    /// As [`UdpSocket::recv_msg`], but `EAGAIN` if no datagram waits.
    pub fn try_recv_msg(&self, out: &mut [u8]) -> io::Result<Received> {
        self.0.call(|stack, now, id| receive(stack, now, id, out))
    }

    /// As [`UdpSocket::recv_msg`], for hand-written futures; the last caller is woken.
    pub fn poll_recv_msg(&self, cx: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<Received>> {
        self.0.poll(cx, Direction::Read, |stack, now, id| receive(stack, now, id, out))
    }

    /// Waits until receiving is worth a try. Cancel safe.
    pub async fn readable(&self) -> io::Result<()> {
        let wait = |stack: &mut Stack, _, id| {
            let ready = stack.readiness(id)?;
            if ready.readable || ready.error { Ok(()) } else { Err(SocketError::WouldBlock) }
        };
        self.0.wait(Direction::Read, wait).await
    }

    /// Waits until sending is worth a try. Cancel safe.
    pub async fn writable(&self) -> io::Result<()> {
        let wait = |stack: &mut Stack, _, id| {
            let ready = stack.readiness(id)?;
            if ready.writable || ready.error { Ok(()) } else { Err(SocketError::WouldBlock) }
        };
        self.0.wait(Direction::Write, wait).await
    }

    /// Allows sending to broadcast addresses (`SO_BROADCAST`).
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.0.call(|stack, now, id| stack.set_option(now, id, SocketOption::Broadcast(on)))
    }

    /// The address of this end.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.call(|stack, _, id| local(stack, id))
    }

    /// The peer. Errors: `ENOTCONN`.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.call(|stack, _, id| remote(stack, id))
    }

    /// The error that ICMP reported and that was not returned yet (`SO_ERROR`); it is reported once.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.0.call(|stack, _, id| Ok(stack.take_error(id).map(io_error)))
    }
}

fn receive(stack: &mut Stack, now: Instant, id: SocketId, out: &mut [u8]) -> Result<Received, SocketError> {
    stack.recv_from(now, id, out).map(|datagram| Received {
        len: datagram.len,
        full_len: datagram.full_len,
        from: datagram.from.to_socket_addr(),
        to: datagram.to.to_socket_addr(),
    })
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UdpSocket").field(&self.0.id).finish()
    }
}
