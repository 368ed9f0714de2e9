//! One call of a program: who made it, its arguments, and how it may end.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use portolan_native::Errno;
use portolan_native::inet::{self, Given, Sockaddr};
use portolan_protocol::request::Target;
use portolan_protocol::{Address, Family};
use rustix::event::PollFlags;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::net::sockopt::{self, Timeout};

use super::stack::errno_of;
use crate::os::seccomp::{Listener, Notification};
use crate::os::thread::{Identity, Thread};
use crate::os::unix::Peer;

/// Of linux/capability.h: ports below 1024; what changes a network; raw sockets.
pub(super) const CAP_NET_BIND_SERVICE: u32 = 10;
pub(super) const CAP_NET_ADMIN: u32 = 12;
pub(super) const CAP_NET_RAW: u32 = 13;

/// How a call ends.
#[derive(Debug)]
pub(super) enum Answer {
    /// With this value.
    Value(usize),
    /// The kernel runs it as it stands: it is not about a socket of ours.
    Run,
    /// With a new descriptor in the program. A listener's connection that the program does not take after all is kept
    /// for its next accept.
    Descriptor { socket: OwnedFd, close_on_exec: bool, of_listener: Option<Target> },
    /// Not yet.
    Wait(Wait),
}

impl Answer {
    pub(super) const ZERO: Answer = Answer::Value(0);
}

/// What a call waits for.
#[derive(Debug)]
pub(super) struct Wait {
    /// The program's socket.
    pub(super) socket: OwnedFd,
    /// What it waits for there.
    pub(super) events: PollFlags,
    /// When it ends all the same, and with what.
    pub(super) limit: Option<(Instant, Errno)>,
    /// What is done then.
    pub(super) then: Then,
}

/// What is done when a wait is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Then {
    /// The call is tried again.
    Again,
    /// A handshake is over.
    Connected,
    /// A handshake that MSG_FASTOPEN began can take text.
    Opened,
}

/// A call of a thread that is held in it.
pub(super) struct Call<'a> {
    pub(super) listener: &'a Listener,
    pub(super) notification: Notification,
    pub(super) thread: Thread,
}

impl<'a> Call<'a> {
    /// Takes hold of the thread. `None` if it is no longer in the call. Errors: the system's, at the limit of descriptors.
    pub(super) fn new(listener: &'a Listener, notification: Notification) -> Result<Option<Call<'a>>, Errno> {
        let thread = Thread::open(notification.thread);
        // Only now is it certain that the number was not given to another thread meanwhile.
        if !listener.is_valid(notification.id) {
            return Ok(None);
        }
        let thread = thread.map_err(|error| errno_of(&error))?;
        Ok(Some(Call { listener, notification, thread }))
    }

    pub(super) fn argument(&self, index: usize) -> u64 {
        self.notification.arguments.get(index).copied().unwrap_or(0)
    }

    /// An argument of type int.
    pub(super) fn int(&self, index: usize) -> i32 {
        self.argument(index) as u32 as i32
    }

    /// The program's descriptor in the first argument.
    pub(super) fn descriptor(&self) -> Result<OwnedFd, Errno> {
        self.thread.descriptor(self.int(0)).map_err(|error| errno_of(&error))
    }

    /// Whether it is about a descriptor of a process that may not be looked at: one that is not dumpable, of an ordinary
    /// user.
    pub(super) fn is_of_hidden(&self) -> bool {
        i64::from(self.notification.number) != libc::SYS_socket
            && self.descriptor().err() == Some(Errno(libc::EPERM))
    }

    /// Fills `out` from the program's memory; EFAULT for a bad address.
    pub(super) fn read(&self, address: u64, out: &mut [u8]) -> Result<(), Errno> {
        self.thread.read(address, out).map_err(|error| errno_of(&error))
    }

    /// Writes to the program's memory; EFAULT for a bad address.
    pub(super) fn write(&self, address: u64, octets: &[u8]) -> Result<(), Errno> {
        self.thread.write(address, octets).map_err(|error| errno_of(&error))
    }

    pub(super) fn read_u32(&self, address: u64) -> Result<u32, Errno> {
        let mut octets = [0; 4];
        self.read(address, &mut octets)?;
        Ok(u32::from_ne_bytes(octets))
    }

    /// A socket address in the program's memory.
    pub(super) fn read_address(&self, address: u64, len: u32) -> Result<Given, Errno> {
        if len as usize > size_of::<libc::sockaddr_storage>() {
            return Err(Errno(libc::EINVAL));
        }
        let mut octets = [0; inet::LEN_MAX];
        let octets = octets.get_mut(..(len as usize).min(inet::LEN_MAX)).unwrap_or_default();
        self.read(address, octets)?;
        inet::read(octets)
    }

    /// Gives the program an address of a socket of this family.
    pub(super) fn write_address(
        &self,
        address: Address,
        family: Family,
        to: u64,
        len: u64,
    ) -> Result<Answer, Errno> {
        let (native, true_len) = Sockaddr::new(address, family);
        self.write_name(native.as_bytes(true_len), to, len)
    }

    /// Gives the program an address as accept, getsockname and recvfrom do: as much as there is room for, and the true
    /// length.
    pub(super) fn write_name(&self, name: &[u8], to: u64, len: u64) -> Result<Answer, Errno> {
        let room = self.read_u32(len)?;
        if room > i32::MAX as u32 {
            return Err(Errno(libc::EINVAL));
        }
        self.write(to, name.get(..room as usize).unwrap_or(name))?;
        self.write(len, &(name.len() as u32).to_ne_bytes())?;
        Ok(Answer::ZERO)
    }

    /// Gives the program as much of an option's value as it has room for, and the length of that.
    pub(super) fn write_value(&self, value: &[u8], to: u64, len: u64) -> Result<Answer, Errno> {
        let room = self.read_u32(len)?;
        if room > i32::MAX as u32 {
            return Err(Errno(libc::EINVAL));
        }
        let given = value.get(..room as usize).unwrap_or(value);
        self.write(to, given)?;
        self.write(len, &(given.len() as u32).to_ne_bytes())?;
        Ok(Answer::ZERO)
    }

    /// For whom the stack process is asked: a program that has the capability counts as root.
    pub(super) fn caller(&self, capability: u32) -> Result<Peer, Errno> {
        let Identity { process, user, capabilities } =
            self.thread.identity().map_err(|error| errno_of(&error))?;
        let is_capable = capabilities & 1 << capability != 0;
        Ok(Peer { pid: process.cast_signed(), uid: if is_capable { 0 } else { user } })
    }
}

/// Whether calls on it do not wait.
pub(super) fn is_nonblocking(socket: BorrowedFd<'_>) -> bool {
    fcntl_getfl(socket).is_ok_and(|flags| flags.contains(OFlags::NONBLOCK))
}

/// Sets whether calls on it wait, for all copies of the descriptor.
pub(super) fn set_nonblocking(socket: BorrowedFd<'_>, is_nonblocking: bool) -> Result<(), Errno> {
    let failed = |error: rustix::io::Errno| Errno(error.raw_os_error());
    let mut flags = fcntl_getfl(socket).map_err(failed)?;
    flags.set(OFlags::NONBLOCK, is_nonblocking);
    fcntl_setfl(socket, flags).map_err(failed)
}

/// Waits for text, a datagram or a connection within SO_RCVTIMEO, or fails with EAGAIN if the call is not to wait.
pub(super) fn wait_to_receive(socket: OwnedFd, may_wait: bool) -> Result<Answer, Errno> {
    wait(socket, may_wait, PollFlags::IN, Timeout::Recv)
}

/// Waits for room within SO_SNDTIMEO, or fails with EAGAIN if the call is not to wait.
pub(super) fn wait_to_send(socket: OwnedFd, may_wait: bool) -> Result<Answer, Errno> {
    wait(socket, may_wait, PollFlags::OUT, Timeout::Send)
}

fn wait(socket: OwnedFd, may_wait: bool, events: PollFlags, id: Timeout) -> Result<Answer, Errno> {
    const AGAIN: Errno = Errno(libc::EAGAIN);
    if !may_wait || is_nonblocking(socket.as_fd()) {
        return Err(AGAIN);
    }
    let limit = time_limit(socket.as_fd(), id).map(|limit| (Instant::now() + limit, AGAIN));
    Ok(Answer::Wait(Wait { socket, events, limit, then: Then::Again }))
}

/// SO_RCVTIMEO or SO_SNDTIMEO.
pub(super) fn time_limit(socket: BorrowedFd<'_>, id: Timeout) -> Option<Duration> {
    sockopt::socket_timeout(socket, id).ok().flatten()
}
