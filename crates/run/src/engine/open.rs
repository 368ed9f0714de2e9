//! socket(2), bind(2), listen(2), accept(2) and shutdown(2).
//!
//! They do what `crates/preload/src/accept.rs` does, from outside. One thread accepts for all programs, so a listener
//! that polls readable has a connection: an accept here does not wait.

use std::os::fd::{AsFd, OwnedFd};

use portolan_native::kind::{self, Domain};
use portolan_native::{Errno, inet};
use portolan_protocol::{Address, CALL_MAX, Name, Operation, Reply, SocketId, Transport};
use rustix::net::Shutdown;

use super::call::{
    Answer, CAP_NET_BIND_SERVICE, CAP_NET_RAW, Call, is_nonblocking, set_nonblocking, wait_to_receive,
};
use super::notifier::Engine;
use super::socket::{self, Peer, Socket};
use super::stack::errno_of;
use crate::os::unix;

impl Engine {
    /// socket(2), of the domains that the filter shows.
    pub(super) fn open(&mut self, call: &Call<'_>) -> Result<Answer, Errno> {
        if call.int(0) == libc::AF_NETLINK {
            return self.open_netlink(call);
        }
        let (kind, protocol) = (call.int(1), call.int(2));
        let Domain::Inet(family) = kind::domain(call.int(0)) else {
            return Err(Errno(libc::EAFNOSUPPORT));
        };
        let transport = kind::transport(family, kind, protocol)?;
        self.stack.act_for(call.caller(CAP_NET_RAW)?)?;
        let socket = socket::create(&mut self.stack, transport, family)?;
        if kind & libc::SOCK_NONBLOCK != 0 {
            set_nonblocking(socket.fd(), true)?;
        }
        let close_on_exec = kind & libc::SOCK_CLOEXEC != 0;
        Ok(Answer::Descriptor { socket: socket.fd, close_on_exec, of_listener: None })
    }

    pub(super) fn bind(&mut self, call: &Call<'_>) -> Result<Answer, Errno> {
        let socket = match Socket::identify(call.descriptor()?) {
            Ok(socket) => socket,
            Err(fd) => return self.foreign(call, fd),
        };
        let len = call.argument(2) as u32;
        let given = call.read_address(call.argument(1), len)?;
        let address = inet::to_bind(given, socket.family(), len as usize)?;
        self.stack.act_for(call.caller(CAP_NET_BIND_SERVICE)?)?;
        self.stack.order(Operation::Bind { socket: socket.target(), address })?;
        Ok(Answer::ZERO)
    }

    /// Natively first, so that the stack process finds a listener when it connects.
    pub(super) fn listen(&mut self, call: &Call<'_>) -> Result<Answer, Errno> {
        let socket = match Socket::identify(call.descriptor()?) {
            Ok(socket) => socket,
            Err(fd) => return self.foreign(call, fd),
        };
        if socket.transport() != Transport::Tcp {
            return Err(Errno(libc::EOPNOTSUPP));
        }
        rustix::net::listen(&socket.fd, call.int(1)).map_err(|error| Errno(error.raw_os_error()))?;
        self.stack.act_for(call.caller(CAP_NET_BIND_SERVICE)?)?;
        // Linux reads a negative backlog as the largest.
        let backlog = u32::try_from(call.int(1)).unwrap_or(u32::MAX);
        self.stack.order(Operation::Listen { socket: socket.own, backlog })?;
        Ok(Answer::ZERO)
    }

    /// accept(2) and accept4(2).
    pub(super) fn accept(&mut self, call: &Call<'_>, flags: i32) -> Result<Answer, Errno> {
        let fd = call.descriptor()?;
        if flags & !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC) != 0 {
            return Err(Errno(libc::EINVAL));
        }
        let listener = match Socket::identify(fd) {
            Ok(listener) => listener,
            Err(fd) => return self.foreign(call, fd),
        };
        if listener.transport() != Transport::Tcp {
            return Err(Errno(libc::EOPNOTSUPP));
        }
        if !listener.listens() {
            return Err(Errno(libc::EINVAL));
        }
        let (new, remote) = match self.next_connection(&listener)? {
            Some(connection) => connection,
            None => return wait_to_receive(listener.fd, true),
        };
        if call.argument(1) != 0 {
            call.write_address(remote, listener.family(), call.argument(1), call.argument(2))?;
        }
        set_nonblocking(new.as_fd(), flags & libc::SOCK_NONBLOCK != 0)?;
        let close_on_exec = flags & libc::SOCK_CLOEXEC != 0;
        Ok(Answer::Descriptor { socket: new, close_on_exec, of_listener: Some(listener.own) })
    }

    /// The next connection that comes from the stack process, and the other host's address. `None` if there is none.
    fn next_connection(&mut self, listener: &Socket) -> Result<Option<(OwnedFd, Address)>, Errno> {
        while let Some(new) = self.take_kept(listener.own) {
            if let Ok(Some(Name::Accepted { remote, .. })) = unix::peer_name(new.as_fd()) {
                return Ok(Some((new, remote)));
            }
        }
        loop {
            let (new, name) = match accept_now(listener).map_err(|error| errno_of(&error)) {
                Ok(accepted) => accepted,
                // AF_UNIX says so of a listener that was shut too, and poll says that it is ready.
                Err(Errno(libc::EAGAIN)) if !unix::hangup(listener.fd()).is_closed => return Ok(None),
                // It was shut: by `portolan run`, if the stack is gone.
                Err(Errno(libc::EAGAIN | libc::EINVAL)) => {
                    let has_network = !listener.listens() || !self.stack.is_gone();
                    return Err(if has_network { Errno(libc::EINVAL) } else { Errno::NETDOWN });
                }
                Err(error) => return Err(error),
            };
            if let Some(remote) = self.welcome(&new, name) {
                return Ok(Some((new, remote)));
            }
        }
    }

    /// Checks that a connection comes from the stack process, and puts the canary in. The other host's address, or
    /// `None` for a stranger.
    fn welcome(&self, new: &OwnedFd, name: Option<Name>) -> Option<Address> {
        let Some(Name::Accepted { id: SocketId(canary), remote, .. }) = name else { return None };
        if !self.stack.is_peer_of(new.as_fd()) {
            return None;
        }
        let _ = unix::set_program_buffer(new.as_fd());
        // A connection that has already ended takes no canary and needs none.
        let _ = unix::write(new.as_fd(), &canary);
        Some(remote)
    }

    /// A stream's reaches the stack process through the socket itself.
    pub(super) fn shutdown(&mut self, call: &Call<'_>) -> Result<Answer, Errno> {
        let socket = match Socket::identify(call.descriptor()?) {
            Ok(socket) => socket,
            Err(fd) => return self.foreign(call, fd),
        };
        let (how, native) = match call.int(1) {
            libc::SHUT_RD => (0, Shutdown::Read),
            libc::SHUT_WR => (1, Shutdown::Write),
            libc::SHUT_RDWR => (2, Shutdown::Both),
            _ => return Err(Errno(libc::EINVAL)),
        };
        match (socket.transport(), socket.peer()) {
            (Transport::Tcp, Peer::None) if socket.listens() => {
                let _ = self.stack.order(Operation::Shutdown { socket: socket.own, how });
                let shut = rustix::net::shutdown(&socket.fd, native);
                // As on TCP nobody can accept what was waiting.
                while accept_now(&socket).is_ok() {}
                shut.map_err(|error| Errno(error.raw_os_error()))?;
                return Ok(Answer::ZERO);
            }
            (Transport::Tcp, Peer::None) => return Err(Errno(libc::ENOTCONN)),
            (Transport::Tcp, _) if unix::hangup(socket.fd()).is_closed && self.has_ended(&socket) => {
                return Err(Errno(libc::ENOTCONN));
            }
            (Transport::Tcp, _) => {}
            _ => {
                self.default_destination(&socket)?.ok_or(Errno(libc::ENOTCONN))?;
                self.stack.order(Operation::Shutdown { socket: socket.own, how })?;
            }
        }
        rustix::net::shutdown(&socket.fd, native).map_err(|error| Errno(error.raw_os_error()))?;
        Ok(Answer::ZERO)
    }

    /// Whether a connection is over, and not only shut both ways by the program itself.
    fn has_ended(&mut self, socket: &Socket) -> bool {
        /// TCP_CLOSE of <netinet/tcp.h>, the first octet of `struct tcp_info`.
        const CLOSED: u8 = 7;
        let (level, name) = (libc::IPPROTO_TCP, libc::TCP_INFO);
        let operation = Operation::GetOption { socket: socket.target(), level, name };
        matches!(self.stack.call(operation, &mut [0; CALL_MAX]), Ok(Reply::Value(&[CLOSED, ..])))
    }
}

/// Accepts without waiting: EAGAIN if there is nothing.
fn accept_now(listener: &Socket) -> std::io::Result<(OwnedFd, Option<Name>)> {
    if !unix::is_readable(listener.fd()) {
        return Err(std::io::Error::from_raw_os_error(libc::EAGAIN));
    }
    // Every accept on a bare listener comes through here, one after the other. One that the preload library made may be
    // emptied by a program at this moment, and then we must not wait for the next connection.
    let guards = !listener.own.kind.is_bare && !is_nonblocking(listener.fd());
    if guards {
        set_nonblocking(listener.fd(), true)
            .map_err(|Errno(errno)| std::io::Error::from_raw_os_error(errno))?;
    }
    let accepted = unix::accept_with(listener.fd(), false);
    if guards {
        let _ = set_nonblocking(listener.fd(), false);
    }
    accepted
}
