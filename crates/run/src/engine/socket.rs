//! What a program's descriptor stands for, and new sockets for it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread::sleep;
use std::time::Duration;

use portolan_native::Errno;
use portolan_native::errno::gone;
use portolan_native::inet::text_max;
use portolan_protocol::request::Target;
use portolan_protocol::{Address, Family, Kind, Name, Operation, SocketId, Transport};

use super::call::{is_nonblocking, set_nonblocking};
use super::stack::{Stack, errno_of};
use crate::os::unix;

/// Tries to attach while the stack process is busy, and the pause between two.
const ATTACH_TRIES: u32 = 100;
const ATTACH_PAUSE: Duration = Duration::from_millis(1);

/// A program's socket that is one of ours.
pub(super) struct Socket {
    /// Our copy of its descriptor.
    pub(super) fd: OwnedFd,
    /// From its own name: for an accepted connection that is the listener's.
    pub(super) own: Target,
}

/// What a socket is connected to.
pub(super) enum Peer {
    /// Nothing: fresh, bound or listening.
    None,
    /// The stack process, by connect or, for UDP, from the beginning.
    Attached,
    /// The stack process, which connected to the program's listener.
    Accepted { target: Target, local: Address, remote: Address },
}

impl Socket {
    /// The socket behind a descriptor; gives it back if it is not ours.
    pub(super) fn identify(fd: OwnedFd) -> Result<Socket, OwnedFd> {
        match unix::own_name(fd.as_fd()) {
            Some(Name::Socket { id, kind }) => Ok(Socket { fd, own: Target { id, kind } }),
            _ => Err(fd),
        }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(super) fn transport(&self) -> Transport {
        self.own.kind.transport
    }

    pub(super) fn family(&self) -> Family {
        self.own.kind.family
    }

    /// What it is connected to, as the kernel knows it.
    pub(super) fn peer(&self) -> Peer {
        match unix::peer_name(self.fd()) {
            Ok(Some(Name::Accepted { id, kind, local, remote })) => {
                Peer::Accepted { target: Target { id, kind }, local, remote }
            }
            Ok(_) => Peer::Attached,
            Err(_) => Peer::None,
        }
    }

    /// What to name in control calls: an accepted connection has an identity of its own.
    pub(super) fn target(&self) -> Target {
        match (self.transport(), self.peer()) {
            (Transport::Tcp, Peer::Accepted { target, .. }) => target,
            _ => self.own,
        }
    }

    /// Whether it listens.
    pub(super) fn listens(&self) -> bool {
        rustix::net::sockopt::socket_acceptconn(self.fd()).unwrap_or(false)
    }
}

/// A fresh socket, blocking, bound to a name that says what it is; a UDP socket is attached too.
pub(super) fn create(stack: &mut Stack, transport: Transport, family: Family) -> Result<Socket, Errno> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|_| Errno(libc::EIO))?;
    let own = Target { id: SocketId(id), kind: Kind::bare(transport, family) };
    let name = Name::Socket { id: own.id, kind: own.kind };
    let fd = unix::program_socket(transport, &name).map_err(|error| errno_of(&error))?;
    if !transport.is_stream() {
        // Attached at once: an unconnected SEQPACKET socket would poll HUP and take datagrams of strangers. The stack
        // process takes only sockets that it was told of.
        stack.order(Operation::LocalAddress { socket: own })?;
        // So that a write which nobody sees is refused as UDP's would be.
        unix::limit_message(fd.as_fd(), text_max(family)).map_err(|error| errno_of(&error))?;
        attach(stack, fd.as_fd())?;
    }
    Ok(Socket { fd, own })
}

/// Connects a program's socket to the stack process. A busy one is waited for, and not for long: all programs' calls wait
/// with this one.
pub(super) fn attach(stack: &Stack, fd: BorrowedFd<'_>) -> Result<(), Errno> {
    if is_nonblocking(fd) {
        return attach_now(stack, fd);
    }
    set_nonblocking(fd, true)?;
    let attached = attach_now(stack, fd);
    set_nonblocking(fd, false)?;
    attached
}

fn attach_now(stack: &Stack, fd: BorrowedFd<'_>) -> Result<(), Errno> {
    for _ in 0..ATTACH_TRIES {
        match unix::connect_to(fd, &stack.rendezvous()).map_err(|error| errno_of(&error)) {
            Err(Errno(libc::EAGAIN)) => sleep(ATTACH_PAUSE),
            Err(Errno(libc::EINTR)) => {}
            result => return result.map_err(gone),
        }
    }
    Err(Errno::NETDOWN)
}
