//! The stack's sockets as the control server uses them: one type for TCP and UDP, errors as errnos.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use portolan::socket::{Direction, Socket};
use portolan_protocol::request::VALUE_MAX;
use portolan_protocol::{ErrorReport, Kind, Transport};
use portolan_stack::{How, LinkId, Outgoing, SocketError, SocketId, Stack, State, Told, WriteFlags};
use portolan_wire::Endpoint;

pub(super) use portolan::Host;

/// A Linux error number, never 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Errno(pub(super) i32);

impl Errno {
    pub(super) const NOENT: Self = Self(2);
    pub(super) const BADF: Self = Self(9);
    pub(super) const ACCES: Self = Self(13);
    pub(super) const NODEV: Self = Self(19);
    pub(super) const INVAL: Self = Self(22);
    pub(super) const NOPROTOOPT: Self = Self(92);
    pub(super) const OPNOTSUPP: Self = Self(95);
    pub(super) const ISCONN: Self = Self(106);
    pub(super) const NOTCONN: Self = Self(107);
    pub(super) const ADDRINUSE: Self = Self(98);
    pub(super) const ALREADY: Self = Self(114);
    pub(super) const PERM: Self = Self(1);
    pub(super) const AGAIN: Self = Self(11);
    pub(super) const INPROGRESS: Self = Self(115);
    pub(super) const PIPE: Self = Self(32);
    pub(super) const CONNABORTED: Self = Self(103);
    pub(super) const CONNRESET: Self = Self(104);
    pub(super) const CONNREFUSED: Self = Self(111);
    pub(super) const DESTADDRREQ: Self = Self(89);
    pub(super) const MSGSIZE: Self = Self(90);
}

impl From<io::Error> for Errno {
    fn from(error: io::Error) -> Self {
        // Errors of the stack's sockets are all made from errnos.
        Self(error.raw_os_error().filter(|errno| *errno > 0).unwrap_or(Self::INVAL.0))
    }
}

/// A socket of the stack. Dropping it closes it; TCP then finishes in the background.
pub(super) struct HostSocket(Socket);

/// A received datagram: its text is in the caller's buffer.
pub(super) struct Received {
    pub(super) len: usize,
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    /// The index of the interface that it came by.
    pub(super) interface: u32,
    /// Octets of each datagram but the last, if these are many.
    pub(super) segment: Option<u16>,
    /// What else is known of it, and how long ago it came, in microseconds.
    pub(super) told: Option<(Told, u64)>,
}

/// A link's index as programs know it: the loopback is 1.
pub(super) fn interface_index(link: LinkId) -> u32 {
    u32::from(link.index()) + 1
}

impl HostSocket {
    /// A fresh socket.
    pub(super) fn new(host: &Host, kind: Kind) -> Result<Self, Errno> {
        let family = match kind.family {
            portolan_protocol::Family::V4 => portolan_wire::Family::V4,
            portolan_protocol::Family::V6 => portolan_wire::Family::V6,
        };
        let socket = match kind.transport {
            Transport::Tcp => Socket::tcp(host, family),
            Transport::Udp => Socket::udp(host, family),
            Transport::UdpLite => Socket::udp_lite(host, family),
            Transport::Ping => Socket::echo(host, family),
            Transport::Raw(protocol) => Socket::raw(host, family, protocol),
        };
        Ok(Self(socket?))
    }

    /// The stack's name for it; `None` once it is closed.
    pub(super) fn id(&self) -> Option<SocketId> {
        self.call(|_, _, id| Ok(id)).ok()
    }

    fn call<R>(
        &self,
        call: impl FnOnce(&mut Stack, portolan_link::Instant, SocketId) -> Result<R, SocketError>,
    ) -> Result<R, Errno> {
        Ok(self.0.call(call)?)
    }

    fn poll<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        call: impl FnOnce(&mut Stack, portolan_link::Instant, SocketId) -> Result<R, SocketError>,
    ) -> Poll<Result<R, Errno>> {
        self.0.poll(cx, direction, call).map_err(Errno::from)
    }

    pub(super) fn bind(&self, address: SocketAddr) -> Result<(), Errno> {
        self.call(|stack, now, id| stack.bind(now, id, address.into()).map(drop))
    }

    pub(super) fn listen(&self, backlog: u32) -> Result<(), Errno> {
        self.call(|stack, now, id| stack.listen(now, id, backlog))
    }

    /// The next connection, with the addresses of both ends.
    pub(super) fn poll_accept(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(Self, SocketAddr, SocketAddr), Errno>> {
        self.poll(cx, Direction::Read, |stack, now, id| stack.accept(now, id)).map_ok(
            |(id, local, remote)| (Self(self.0.sibling(id)), local.to_socket_addr(), remote.to_socket_addr()),
        )
    }

    /// TCP: begins the handshake. UDP: sets the default destination.
    pub(super) fn connect(&self, remote: SocketAddr) -> Result<(), Errno> {
        self.call(|stack, now, id| stack.connect(now, id, remote.into()))
    }

    /// Whether the handshake has ended, and how.
    pub(super) fn poll_connected(&self, cx: &mut Context<'_>) -> Poll<Result<(), Errno>> {
        self.poll(cx, Direction::Write, |stack, _, id| match stack.state(id) {
            _ if let Some(error) = stack.take_error(id) => Err(error),
            Ok(State::SynSent | State::SynReceived) => Err(SocketError::WouldBlock),
            Ok(State::Closed) => Err(SocketError::ConnectionReset),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        })
    }

    /// Text that arrived; 0 is the other host's FIN. If it is more than `uncounted` it counts for the receive window until
    /// [`HostSocket::set_untaken`]; the second value says whether.
    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        out: &mut [u8],
        uncounted: u32,
    ) -> Poll<Result<(usize, bool), Errno>> {
        self.poll(cx, Direction::Read, |stack, now, id| {
            if stack.queued_before_mark(id).is_ok_and(|queued| queued > uncounted) {
                stack.read_untaken(now, id, out).map(|len| (len, true))
            } else {
                stack.read(now, id, out).map(|len| (len, false))
            }
        })
    }

    /// How much of what was read the program has not taken.
    pub(super) fn set_untaken(&self, octets: u32) {
        // A connection that has ended has no window.
        let _ = self.call(|stack, now, id| stack.set_untaken(now, id, octets));
    }

    /// The error that ends the connection after the other host's FIN, when there is nothing left to read.
    pub(super) fn poll_failed(&self, cx: &mut Context<'_>) -> Poll<Errno> {
        let failed = self.poll(cx, Direction::Read, |stack, _, id| match stack.take_error(id) {
            Some(error) => Err::<(), _>(error),
            None => Err(SocketError::WouldBlock),
        });
        failed.map(|result| result.err().unwrap_or(Errno::CONNRESET))
    }

    /// Takes text to be sent, as much as there is room for.
    pub(super) fn poll_write(&self, cx: &mut Context<'_>, text: &[u8]) -> Poll<Result<usize, Errno>> {
        self.poll(cx, Direction::Write, |stack, now, id| stack.write(now, id, text))
    }

    /// Takes one octet to be sent as urgent.
    pub(super) fn poll_write_urgent(&self, cx: &mut Context<'_>, octet: u8) -> Poll<Result<(), Errno>> {
        self.poll(cx, Direction::Write, |stack, now, id| {
            stack.write_with(now, id, &[octet], WriteFlags::URGENT).map(drop)
        })
    }

    /// Whether the next octet is the last one of urgent text, and is there to be read.
    pub(super) fn is_urgent_next(&self) -> bool {
        let next = self.call(|stack, _, id| Ok(stack.at_mark(id)? && stack.readiness(id)?.priority));
        next.unwrap_or(false)
    }

    /// Whether the SYN waits for the first octets, to take them along (TCP_FASTOPEN_CONNECT).
    pub(super) fn awaits_first_write(&self) -> bool {
        self.call(|stack, _, id| Ok(stack.awaits_first_write(id))).unwrap_or(false)
    }

    /// Sends a FIN behind what was written.
    pub(super) fn shutdown_write(&self) {
        // A connection that has ended already needs no FIN.
        let _ = self.call(|stack, now, id| stack.shutdown_socket(now, id, How::Write));
    }

    /// Ends the connection with a reset.
    pub(super) fn abort(&self) {
        let _ = self.call(|stack, now, id| stack.abort(now, id));
    }

    /// Closes the socket now, whoever else still holds it; its calls fail from here on.
    pub(super) fn close(&self) {
        let _ = self.call(|stack, now, id| stack.close(now, id));
    }

    pub(super) fn local(&self) -> Option<SocketAddr> {
        self.call(|stack, _, id| stack.local(id)).ok().map(Endpoint::to_socket_addr)
    }

    pub(super) fn remote(&self) -> Option<SocketAddr> {
        self.call(|stack, _, id| stack.remote(id)).ok().map(Endpoint::to_socket_addr)
    }

    /// Text that the other host has not acknowledged, in octets.
    pub(super) fn unacknowledged(&self) -> u32 {
        self.call(|stack, _, id| stack.send_queued(id)).unwrap_or(0)
    }

    /// Takes the default destination of a UDP socket away.
    pub(super) fn disconnect(&self) -> Result<(), Errno> {
        let nowhere = Endpoint::new(portolan_wire::Address::UNSPECIFIED, 0);
        self.call(|stack, now, id| stack.connect(now, id, nowhere))
    }

    /// setsockopt(2), in Linux's numbers and layouts.
    pub(super) fn set_option(&self, level: i32, name: i32, value: &[u8]) -> Result<(), Errno> {
        self.call(|stack, now, id| stack.setsockopt(now, id, level, name, value))
    }

    /// getsockopt(2), in Linux's numbers and layouts.
    pub(super) fn option(&self, level: i32, name: i32) -> Result<Vec<u8>, Errno> {
        self.call(|stack, now, id| stack.getsockopt(now, id, level, name))
    }

    /// How long SO_LINGER lets close wait, if it does.
    pub(super) fn linger_time(&self) -> Option<Duration> {
        let value = self.option(libc::SOL_SOCKET, libc::SO_LINGER).unwrap_or_default();
        let (on, seconds) = value.split_first_chunk::<4>()?;
        let seconds = u64::try_from(i32::from_ne_bytes(*seconds.first_chunk()?)).ok()?;
        (*on != [0; 4] && seconds > 0).then(|| Duration::from_secs(seconds))
    }

    /// SO_LINGER says that closing means a reset.
    pub(super) fn lingers_not(&self) -> bool {
        let value = self.option(libc::SOL_SOCKET, libc::SO_LINGER).unwrap_or_default();
        value.first_chunk::<4>().is_some_and(|on| *on != [0; 4]) && value.get(4..) == Some(&[0; 4])
    }

    pub(super) fn take_error(&self) -> Option<Errno> {
        let error = self.call(|stack, _, id| Ok(stack.take_error(id))).ok()?;
        error.map(|error| Errno(error.errno()))
    }

    /// Sends one datagram.
    pub(super) fn poll_send(
        &self,
        cx: &mut Context<'_>,
        text: &[u8],
        outgoing: &Outgoing,
    ) -> Poll<Result<(), Errno>> {
        self.poll(cx, Direction::Write, |stack, now, id| {
            stack.send_message(now, id, text, outgoing).map(drop)
        })
    }

    /// The link of an interface's index; `ENODEV` if there is none.
    pub(super) fn link_of(&self, interface: u32) -> Result<LinkId, Errno> {
        let index = interface.checked_sub(1).and_then(|index| u16::try_from(index).ok());
        self.call(|stack, _, _| index.and_then(|index| stack.link_at(index)).ok_or(SocketError::NoSuchLink))
    }

    /// Whether a datagram could be sent so: what a program must be told before it is gone.
    pub(super) fn check_send(&self, outgoing: &Outgoing, len: usize) -> Result<(), Errno> {
        self.call(|stack, _, id| stack.check_send_to(id, outgoing, len))
    }

    /// The oldest ICMP error that the program has asked to be told in full; `EAGAIN` if there is none.
    pub(super) fn take_report(&self) -> Result<Vec<u8>, Errno> {
        let report = self.call(|stack, _, id| stack.take_report(id))?;
        let mut octets = vec![0; VALUE_MAX];
        let written = ErrorReport {
            errno: report.error.errno(),
            ty: report.ty,
            code: report.code,
            info: report.mtu,
            from: SocketAddr::new(report.from.to_ip(), 0).into(),
            to: report.to.to_socket_addr().into(),
            text: &report.payload,
        }
        .encode(&mut octets);
        octets.truncate(written.map_err(|_| Errno::INVAL)?);
        Ok(octets)
    }

    /// The next datagram.
    pub(super) fn poll_receive(&self, cx: &mut Context<'_>, out: &mut [u8]) -> Poll<Result<Received, Errno>> {
        self.poll(cx, Direction::Read, |stack, now, id| {
            let datagram = stack.recv_from(now, id, out)?;
            Ok(Received {
                len: datagram.len,
                from: datagram.from.to_socket_addr(),
                to: datagram.to.to_socket_addr(),
                interface: interface_index(datagram.link),
                segment: Some(datagram.segment).filter(|segment| *segment != 0),
                told: datagram.told.map(|told| (told, now.micros_since(told.at))),
            })
        })
    }
}
