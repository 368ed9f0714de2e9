//! The calls that write: write, writev, send, sendto and sendmsg are one call with more or fewer arguments.

use core::task::Poll;

use portolan_stack::SocketError;

use crate::Errno;
use crate::machine::file::{Fd, File};
use crate::machine::{Machine, SocketAddress, Wait};

impl Machine {
    /// Sends `parts`, one after the other, with flags of send(2): `MSG_DONTWAIT`, `MSG_MORE`, `MSG_EOR`, `MSG_ZEROCOPY`,
    /// `MSG_FASTOPEN`, `MSG_NOSIGNAL`. Gives the octets taken: all of them on a blocking socket, unless it fails half-way.
    ///
    /// # Errors
    /// EBADF, EAGAIN, EPIPE, EDESTADDRREQ, EMSGSIZE, EOPNOTSUPP, and the connection's error, once.
    pub fn send(
        &mut self,
        wait: &mut Wait,
        fd: Fd,
        parts: &[&[u8]],
        flags: i32,
        to: Option<SocketAddress>,
    ) -> Poll<Result<usize, Errno>> {
        match self.files.get(fd) {
            Ok(File::Socket(socket)) if socket.stream => self.send_stream(wait, fd, parts, flags, to),
            Ok(File::Socket(_)) => Poll::Ready(self.send_datagram(fd, &parts.concat(), to)),
            Ok(File::Pipe(_)) => self.write_pipe(wait, fd, &parts.concat()),
            Ok(File::Memory(_) | File::Epoll(_)) => Poll::Ready(Err(Errno::EINVAL)),
            Err(errno) => Poll::Ready(Err(errno)),
        }
    }

    fn send_stream(
        &mut self,
        wait: &mut Wait,
        fd: Fd,
        parts: &[&[u8]],
        flags: i32,
        to: Option<SocketAddress>,
    ) -> Poll<Result<usize, Errno>> {
        let socket = match self.files.socket(fd) {
            Ok(socket) => socket,
            Err(errno) => return Poll::Ready(Err(errno)),
        };
        let zerocopy = flags & libc::MSG_ZEROCOPY != 0 && socket.options.zerocopy;
        let may_block = !socket.nonblocking && flags & libc::MSG_DONTWAIT == 0;
        let mut outcome = Ok(());
        if wait.begin() && flags & libc::MSG_FASTOPEN != 0 {
            outcome = self.open_with_text(wait, fd, parts, to);
        }
        if outcome.is_ok() {
            outcome = self.write_parts(wait, fd, parts);
        }
        self.settle();
        let total = parts.iter().map(|part| part.len()).sum::<usize>();
        let outcome = match outcome {
            Ok(()) => Ok(total),
            Err(SocketError::WouldBlock | SocketError::InProgress) if may_block => return Poll::Pending,
            Err(_) if wait.done > 0 => Ok(wait.done),
            // Linux: who writes before there is a connection gets EPIPE.
            Err(SocketError::NotConnected) => Err(Errno::EPIPE),
            Err(error) => Err(error.into()),
        };
        if outcome.is_ok()
            && total > 0
            && let Ok(socket) = self.files.socket_mut(fd)
        {
            socket.marks.end_of_call(zerocopy);
            self.account_for_marks();
        }
        Poll::Ready(outcome)
    }

    /// MSG_FASTOPEN: connects, with as much text in the SYN as may go there.
    fn open_with_text(
        &mut self,
        wait: &mut Wait,
        fd: Fd,
        parts: &[&[u8]],
        to: Option<SocketAddress>,
    ) -> Result<(), SocketError> {
        let socket = self.files.socket_mut(fd).map_err(|_| SocketError::BadSocket)?;
        let remote = match to {
            Some(SocketAddress::Inet(remote)) => remote,
            Some(SocketAddress::Unspecified) => return Err(SocketError::FamilyNotSupported),
            None => return Err(SocketError::InvalidArgument),
        };
        let taken = self.stack.send_fast_open(self.now, socket.id, remote, &parts.concat())?;
        socket.marks.wrote(taken);
        wait.done = taken;
        Ok(())
    }

    /// Writes what is left of `parts` after `wait.done` octets, as far as there is room.
    fn write_parts(&mut self, wait: &mut Wait, fd: Fd, parts: &[&[u8]]) -> Result<(), SocketError> {
        let mut skip = wait.done;
        for part in parts {
            let mut rest = part.get(skip..).unwrap_or(&[]);
            skip = skip.saturating_sub(part.len());
            while !rest.is_empty() {
                let Ok(id) = self.files.socket(fd).map(|socket| socket.id) else {
                    return Err(SocketError::BadSocket);
                };
                let taken = self.stack.write(self.now, id, rest)?;
                rest = rest.get(taken..).unwrap_or(&[]);
                wait.done += taken;
                if let Ok(socket) = self.files.socket_mut(fd) {
                    socket.marks.wrote(taken);
                }
            }
        }
        Ok(())
    }

    fn send_datagram(&mut self, fd: Fd, octets: &[u8], to: Option<SocketAddress>) -> Result<usize, Errno> {
        let id = self.files.socket(fd)?.id;
        let to = match to {
            Some(SocketAddress::Inet(endpoint)) => Some(endpoint),
            Some(SocketAddress::Unspecified) | None => None,
        };
        let result = self.stack.send_to(self.now, id, octets, to, None);
        self.finish(result)
    }
}
