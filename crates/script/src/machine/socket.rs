//! The calls that open, connect and close sockets.

use core::task::Poll;

use portolan_stack::{How, SocketError, State};
use portolan_wire::{Address, Cidr, Endpoint, Family};

use crate::Errno;
use crate::machine::file::{Fd, File, Socket};
use crate::machine::mark::Marks;
use crate::machine::option::OwnOptions;
use crate::machine::{Machine, SocketAddress, Wait};

impl Machine {
    /// socket(2): TCP and UDP over IPv4 and IPv6; `SOCK_NONBLOCK` and `SOCK_CLOEXEC` may be added to the type.
    ///
    /// # Errors
    /// EAFNOSUPPORT, ESOCKTNOSUPPORT, EPROTONOSUPPORT, ENFILE.
    pub fn socket(&mut self, domain: i32, kind: i32, protocol: i32) -> Result<Fd, Errno> {
        let family = match domain {
            libc::AF_INET => Family::V4,
            libc::AF_INET6 => Family::V6,
            _ => return Err(Errno::EAFNOSUPPORT),
        };
        let nonblocking = kind & libc::SOCK_NONBLOCK != 0;
        let id = match (kind & !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC), protocol) {
            (libc::SOCK_STREAM, 0 | libc::IPPROTO_TCP) => self.stack.tcp_socket(family),
            (libc::SOCK_DGRAM, 0 | libc::IPPROTO_UDP) => self.stack.udp_socket(family),
            (libc::SOCK_STREAM | libc::SOCK_DGRAM, _) => return Err(Errno::EPROTONOSUPPORT),
            _ => return Err(Errno::ESOCKTNOSUPPORT),
        }?;
        let stream = kind & 0xf == libc::SOCK_STREAM;
        let socket = Socket {
            id,
            family,
            stream,
            nonblocking,
            options: OwnOptions::default(),
            marks: Marks::default(),
            read_shut: false,
            write_shut: false,
        };
        Ok(self.files.insert(File::Socket(Box::new(socket))))
    }

    /// bind(2). An address that the machine does not have yet becomes its own: a script chooses its addresses.
    ///
    /// # Errors
    /// EBADF, ENOTSOCK, EINVAL, EAFNOSUPPORT, EADDRINUSE, EADDRNOTAVAIL.
    pub fn bind(&mut self, fd: Fd, address: SocketAddress) -> Result<(), Errno> {
        let id = self.files.socket(fd)?.id;
        let SocketAddress::Inet(local) = address else { return Err(Errno::EAFNOSUPPORT) };
        self.adopt(local.address);
        let result = self.stack.bind(self.now, id, local).map(|_| ());
        self.finish(result)?;
        self.files.socket_mut(fd)?.options.bound = Some(local);
        Ok(())
    }

    /// Makes an address the machine's own.
    pub(crate) fn adopt(&mut self, address: Address) {
        if !address.is_unspecified() && !self.is_own(address) {
            let prefix = if address.is_v4() { 16 } else { 64 };
            if let Some(cidr) = Cidr::new(address, prefix) {
                self.add_address(cidr);
            }
        }
    }

    /// listen(2). A negative backlog counts as the largest.
    ///
    /// # Errors
    /// EBADF, ENOTSOCK, EINVAL, EOPNOTSUPP, EADDRINUSE.
    pub fn listen(&mut self, fd: Fd, backlog: i32) -> Result<(), Errno> {
        let id = self.files.socket(fd)?.id;
        let backlog = u32::try_from(backlog).unwrap_or(u32::MAX);
        let result = self.stack.listen(self.now, id, backlog);
        self.finish(result)
    }

    /// accept(2): the new descriptor and the peer.
    ///
    /// # Errors
    /// EBADF, ENOTSOCK, EAGAIN, EINVAL, EOPNOTSUPP, ENFILE.
    pub fn accept(&mut self, wait: &mut Wait, fd: Fd) -> Poll<Result<(Fd, Endpoint), Errno>> {
        let (id, nonblocking) = match self.files.socket(fd) {
            Ok(socket) => (socket.id, socket.nonblocking),
            Err(errno) => return Poll::Ready(Err(errno)),
        };
        match self.stack.accept(self.now, id) {
            Ok((id, _, remote)) => {
                self.settle();
                Poll::Ready(self.insert_accepted(fd, id).map(|new| (new, remote)))
            }
            Err(SocketError::WouldBlock) if !nonblocking => {
                wait.begin();
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }

    fn insert_accepted(&mut self, listener: Fd, id: portolan_stack::SocketId) -> Result<Fd, Errno> {
        let parent = self.files.socket(listener)?;
        let (family, options) = (parent.family, parent.options.inherited());
        let socket = Socket {
            id,
            family,
            stream: true,
            nonblocking: false,
            options,
            marks: Marks::default(),
            read_shut: false,
            write_shut: false,
        };
        Ok(self.files.insert(File::Socket(Box::new(socket))))
    }

    /// connect(2). AF_UNSPEC dissolves a connection, and the socket can be used anew.
    ///
    /// # Errors
    /// EBADF, ENOTSOCK, EINPROGRESS, EALREADY, EISCONN, EINVAL, those of the route, and the reason why a connection could
    /// not be opened.
    pub fn connect(&mut self, wait: &mut Wait, fd: Fd, address: SocketAddress) -> Poll<Result<(), Errno>> {
        let (id, nonblocking, stream) = match self.files.socket(fd) {
            Ok(socket) => (socket.id, socket.nonblocking, socket.stream),
            Err(errno) => return Poll::Ready(Err(errno)),
        };
        let remote = match address {
            SocketAddress::Unspecified => return Poll::Ready(self.disconnect(fd)),
            SocketAddress::Inet(remote) => remote,
        };
        if wait.begin() {
            let result = self.stack.connect(self.now, id, remote);
            if let Err(errno) = self.finish(result) {
                return Poll::Ready(Err(errno));
            }
            if self.stack.awaits_first_write(id) {
                return Poll::Ready(Ok(()));
            }
            if stream && nonblocking && self.stack.state(id) == Ok(State::SynSent) {
                return Poll::Ready(Err(Errno::EINPROGRESS));
            }
        }
        match self.stack.state(id) {
            Ok(State::SynSent | State::SynReceived) if stream => Poll::Pending,
            Ok(State::Closed) if stream => {
                let error = self.stack.take_error(id).unwrap_or(SocketError::ConnectionAborted);
                Poll::Ready(Err(error.into()))
            }
            _ => Poll::Ready(Ok(())),
        }
    }

    /// What connect(2) to AF_UNSPEC does: the connection is reset, and the descriptor gets a new socket with the old
    /// one's options and, if it was bound, its port.
    fn disconnect(&mut self, fd: Fd) -> Result<(), Errno> {
        let socket = self.files.socket(fd)?;
        let (old, family, stream) = (socket.id, socket.family, socket.stream);
        if !stream {
            let unspecified = match family {
                Family::V4 => Address::V4_UNSPECIFIED,
                Family::V6 => Address::UNSPECIFIED,
            };
            let result = self.stack.connect(self.now, old, Endpoint::new(unspecified, 0));
            return self.finish(result);
        }
        let bound = socket.options.bound;
        let result = self.stack.abort(self.now, old);
        self.finish(result)?;
        let new = self.stack.tcp_socket(family)?;
        let socket = self.files.socket_mut(fd)?;
        socket.id = new;
        (socket.read_shut, socket.write_shut) = (false, false);
        socket.marks = Marks::default();
        self.restore_options(fd)?;
        if let Some(local) = bound {
            let result = self.stack.bind(self.now, new, local).map(|_| ());
            self.finish(result)?;
        }
        Ok(())
    }

    /// shutdown(2).
    ///
    /// # Errors
    /// EBADF, ENOTSOCK, EINVAL, ENOTCONN.
    pub fn shutdown(&mut self, fd: Fd, how: i32) -> Result<(), Errno> {
        let id = self.files.socket(fd)?.id;
        let how = match how {
            libc::SHUT_RD => How::Read,
            libc::SHUT_WR => How::Write,
            libc::SHUT_RDWR => How::Both,
            _ => return Err(Errno::EINVAL),
        };
        let result = self.stack.shutdown_socket(self.now, id, how);
        self.finish(result)?;
        let socket = self.files.socket_mut(fd)?;
        socket.read_shut |= how != How::Write;
        socket.write_shut |= how != How::Read;
        self.wake_epolls(fd);
        Ok(())
    }

    /// close(2).
    ///
    /// # Errors
    /// EBADF.
    pub fn close(&mut self, fd: Fd) -> Result<(), Errno> {
        let file = self.files.remove(fd)?;
        for epoll in self.files.epolls_mut() {
            epoll.forget(fd);
        }
        match file {
            File::Socket(socket) => {
                let result = self.stack.close(self.now, socket.id);
                self.finish(result)
            }
            File::Pipe(end) => {
                end.close();
                Ok(())
            }
            File::Epoll(_) | File::Memory(_) => Ok(()),
        }
    }

    /// A socket's family; IPv4 for what is no socket.
    #[must_use]
    pub fn family(&self, fd: Fd) -> Family {
        self.files.socket(fd).map_or(Family::V4, |socket| socket.family)
    }

    /// getsockname(2).
    ///
    /// # Errors
    /// EBADF, ENOTSOCK.
    pub fn getsockname(&self, fd: Fd) -> Result<Endpoint, Errno> {
        Ok(self.stack.local(self.files.socket(fd)?.id)?)
    }

    /// getpeername(2).
    ///
    /// # Errors
    /// EBADF, ENOTSOCK, ENOTCONN.
    pub fn getpeername(&self, fd: Fd) -> Result<Endpoint, Errno> {
        Ok(self.stack.remote(self.files.socket(fd)?.id)?)
    }

    /// The lines of /proc/net/tcp or /proc/net/tcp6, as far as anybody looks at them: addresses, ports and states.
    #[must_use]
    pub fn socket_table(&self, family: Family) -> Vec<String> {
        let sockets = self.files.sockets().filter(|socket| socket.stream && socket.family == family);
        let shown = sockets.filter_map(|socket| {
            let state = self.stack.state(socket.id).ok()?;
            let local = self.stack.local(socket.id).ok()?;
            let remote = self.stack.remote(socket.id).unwrap_or_default();
            Some((hex(local, family), hex(remote, family), number(state)))
        });
        let lines = shown.enumerate();
        lines.map(|(row, (local, remote, state))| format!("{row:4}: {local} {remote} {state:02X} ")).collect()
    }
}

/// An endpoint as /proc/net/tcp has it: each 32 bits of the address in the machine's byte order.
fn hex(endpoint: Endpoint, family: Family) -> String {
    let octets = match (family, endpoint.address.v4_octets()) {
        (Family::V4, Some(octets)) => octets.to_vec(),
        (Family::V4, None) => vec![0; 4],
        (Family::V6, _) => endpoint.address.octets().to_vec(),
    };
    let words = octets.chunks(4).filter_map(|word| word.first_chunk());
    let address: String = words.map(|word| format!("{:08X}", u32::from_ne_bytes(*word))).collect();
    format!("{address}:{:04X}", endpoint.port)
}

/// Linux's numbers of net/tcp_states.h.
fn number(state: State) -> u8 {
    match state {
        State::Established => 1,
        State::SynSent => 2,
        State::SynReceived => 3,
        State::FinWait1 => 4,
        State::FinWait2 => 5,
        State::TimeWait => 6,
        State::Closed => 7,
        State::CloseWait => 8,
        State::LastAck => 9,
        State::Listen => 10,
        State::Closing => 11,
    }
}
