//! The engine's control connection to the stack process: one for all programs, used from one thread.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use portolan_native::Errno;
use portolan_native::errno::gone;
use portolan_protocol::{CALL_MAX, Name, Operation, Rendezvous, Reply, Request, SocketId};
use rustix::net::sockopt::{self, Timeout};

use super::socket::Socket;
use crate::os::unix::{self, Peer};

/// How long an answer may take.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// The stack process, asked and waited for.
#[derive(Debug)]
pub(super) struct Stack {
    rendezvous: Rendezvous,
    connection: OwnedFd,
    /// Who listens at the rendezvous.
    credentials: Peer,
    number: u32,
    /// For whom the last request was.
    caller: Option<Peer>,
}

/// An answer's octets.
pub(super) type Buffer = [u8; CALL_MAX];

impl Stack {
    /// Connects and greets.
    pub(super) fn connect(rendezvous: Rendezvous) -> io::Result<Stack> {
        Stack::connect_within(rendezvous, ANSWER_TIME)
    }

    /// As [`Stack::connect`]; an answer may take so long.
    fn connect_within(rendezvous: Rendezvous, answer_time: Duration) -> io::Result<Stack> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(io::Error::other)?;
        let own = Name::Control { id: SocketId(id), pid: std::process::id() };
        let connection = unix::control_connection(&own, &rendezvous.control_name())?;
        let credentials = unix::peer(connection.as_fd())?;
        // One thread calls for all programs: a stack process that says nothing must not hold them for ever.
        sockopt::set_socket_timeout(&connection, Timeout::Recv, Some(answer_time))?;
        let mut stack = Stack { rendezvous, connection, credentials, number: 0, caller: None };
        stack
            .order(Operation::Hello { secret: rendezvous.secret })
            .map_err(|Errno(errno)| io::Error::from_raw_os_error(errno))?;
        Ok(stack)
    }

    /// Where streams and UDP sockets attach.
    pub(super) fn rendezvous(&self) -> Name {
        self.rendezvous.name()
    }

    /// Whether a connection's other end is the stack process.
    pub(super) fn is_peer_of(&self, end: BorrowedFd<'_>) -> bool {
        unix::peer(end).is_ok_and(|peer| peer == self.credentials)
    }

    /// Whether it has ended.
    pub(super) fn is_gone(&self) -> bool {
        unix::hangup(self.connection.as_fd()).has_ended
    }

    /// The requests that follow are for this process and user.
    pub(super) fn act_for(&mut self, caller: Peer) -> Result<(), Errno> {
        if self.caller != Some(caller) {
            self.order(Operation::ActFor { process: caller.pid.cast_unsigned(), user: caller.uid })?;
            self.caller = Some(caller);
        }
        Ok(())
    }

    /// Makes the end of a connection a reset: SO_LINGER of no time.
    pub(super) fn reset_when_closed(&mut self, socket: &Socket) {
        let on_and_no_time = [1i32, 0].map(i32::to_ne_bytes);
        let (level, name, value) = (libc::SOL_SOCKET, libc::SO_LINGER, on_and_no_time.as_flattened());
        // A connection that has ended takes no option, and needs no reset.
        let _ = self.order(Operation::SetOption { socket: socket.target(), level, name, value });
    }

    /// Asks. A failure becomes its errno; ENETDOWN stands for a stack process that is gone.
    pub(super) fn call<'a>(
        &mut self,
        operation: Operation<'_>,
        buffer: &'a mut Buffer,
    ) -> Result<Reply<'a>, Errno> {
        let len = self.exchange(operation, buffer)?;
        match Reply::decode(buffer.get(..len).unwrap_or_default()) {
            Ok((_, Reply::Failed(errno))) => Err(Errno(errno)),
            Ok((_, reply)) => Ok(reply),
            Err(_) => Err(Errno(libc::EPROTO)),
        }
    }

    /// As [`Stack::call`], for operations that are answered with `Done` or a failure.
    pub(super) fn order(&mut self, operation: Operation<'_>) -> Result<(), Errno> {
        self.call(operation, &mut [0; CALL_MAX]).map(drop)
    }

    fn exchange(&mut self, operation: Operation<'_>, buffer: &mut Buffer) -> Result<usize, Errno> {
        self.number = self.number.wrapping_add(1);
        let request = Request { number: self.number, operation };
        let len = request.encode(buffer).map_err(|_| Errno(libc::EINVAL))?;
        let connection = self.connection.as_fd();
        unix::write(connection, buffer.get(..len).unwrap_or_default()).map_err(ended)?;
        loop {
            let len = match unix::receive_waiting(connection, buffer) {
                Ok(0) => return Err(Errno::NETDOWN),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(Errno::NETDOWN),
                received => received.map_err(ended)?,
            };
            // An answer that came too late belongs to nobody.
            match Reply::decode(buffer.get(..len).unwrap_or_default()) {
                Ok((answered, _)) if answered != self.number => {}
                _ => return Ok(len),
            }
        }
    }
}

impl AsFd for Stack {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}

fn ended(error: io::Error) -> Errno {
    gone(errno_of(&error))
}

/// The errno of a system call's error.
pub(super) fn errno_of(error: &io::Error) -> Errno {
    Errno(error.raw_os_error().filter(|errno| *errno > 0).unwrap_or(libc::EIO))
}

#[cfg(test)]
mod tests;
