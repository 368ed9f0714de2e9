//! The calls that write: write, writev, send, sendto and sendmsg are one call with more or fewer arguments.

use core::task::Poll;

use portolan_stack::{SocketError, SocketId, State, WriteFlags};

use crate::Errno;
use crate::machine::file::{Fd, File};
use crate::machine::{Machine, SocketAddress, Wait};

/// Pieces of memory that one segment of Linux's can refer to (MAX_SKB_FRAGS).
const PIECES_MAX: usize = 17;

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
        let id = socket.id;
        let zerocopy = flags & libc::MSG_ZEROCOPY != 0 && socket.options.zerocopy;
        let may_block = !socket.nonblocking && flags & libc::MSG_DONTWAIT == 0;
        let mut outcome = Ok(());
        let first = wait.begin();
        // Linux: a writer that has found no room is woken when a third is free, not earlier.
        if !first && !wait.opening && self.stack.readiness(id).is_ok_and(|ready| !ready.writable) {
            return Poll::Pending;
        }
        if first && (flags & libc::MSG_FASTOPEN != 0 || self.stack.awaits_first_write(id)) {
            outcome = self.open_with_text(wait, fd, parts, flags, to);
            self.settle();
            wait.opening = true;
            let total = parts.iter().map(|part| part.len()).sum::<usize>();
            wait.blocks = may_block && wait.done < total;
        }
        if wait.opening && outcome.is_ok() {
            outcome = self.opening(wait, id);
        }
        if outcome.is_ok() {
            outcome = self.write_parts(wait, fd, parts, write_flags(flags), zerocopy);
            self.settle();
        }
        let total = parts.iter().map(|part| part.len()).sum::<usize>();
        let outcome = match outcome {
            Ok(()) => Ok(total),
            Err(SocketError::WouldBlock | SocketError::InProgress) if may_block => return Poll::Pending,
            // The reason why a connection could not be opened goes before the octets that its SYN had.
            Err(SocketError::WouldBlock | SocketError::InProgress) if wait.done > 0 => Ok(wait.done),
            Err(_) if wait.done > 0 && !wait.opening => Ok(wait.done),
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

    /// Connects with as much text in the SYN as may go there: MSG_FASTOPEN, or the first write after a connect with
    /// TCP_FASTOPEN_CONNECT.
    fn open_with_text(
        &mut self,
        wait: &mut Wait,
        fd: Fd,
        parts: &[&[u8]],
        flags: i32,
        to: Option<SocketAddress>,
    ) -> Result<(), SocketError> {
        let socket = self.files.socket_mut(fd).map_err(|_| SocketError::BadSocket)?;
        let octets = parts.concat();
        let taken = if self.stack.awaits_first_write(socket.id) {
            self.stack.write(self.now, socket.id, &octets)
        } else {
            match to {
                _ if flags & libc::MSG_FASTOPEN == 0 => Err(SocketError::NotConnected),
                Some(SocketAddress::Inet(remote)) => {
                    self.stack.send_fast_open(self.now, socket.id, remote, &octets)
                }
                Some(SocketAddress::Unspecified) => Err(SocketError::NotSupported),
                None => Err(SocketError::InvalidArgument),
            }
        };
        match taken {
            Ok(taken) => {
                socket.marks.wrote(taken);
                wait.done = taken;
                Ok(())
            }
            // The SYN is on its way without text.
            Err(SocketError::InProgress) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether the connection that a writing call has opened is there: `InProgress` until it is, then why not.
    fn opening(&mut self, wait: &mut Wait, id: SocketId) -> Result<(), SocketError> {
        match self.stack.state(id)? {
            State::SynSent | State::SynReceived => {
                if wait.blocks {
                    self.stack.expect_text(id)?;
                }
                Err(SocketError::InProgress)
            }
            State::Closed => Err(self.stack.take_error(id).unwrap_or(SocketError::BrokenPipe)),
            _ => {
                wait.opening = false;
                Ok(())
            }
        }
    }

    /// Writes what is left of `parts` after `wait.done` octets, as far as there is room.
    fn write_parts(
        &mut self,
        wait: &mut Wait,
        fd: Fd,
        parts: &[&[u8]],
        flags: WriteFlags,
        zerocopy: bool,
    ) -> Result<(), SocketError> {
        let mut skip = wait.done;
        for (index, part) in parts.iter().enumerate() {
            // What is said of the message is said with its last part; what Linux does not copy, it sends in runs of
            // so many pieces.
            let flags = if index + 1 == parts.len() {
                flags
            } else if zerocopy && (index + 1) % PIECES_MAX == 0 {
                WriteFlags::END_OF_RECORD
            } else {
                WriteFlags::empty()
            };
            let mut rest = part.get(skip..).unwrap_or(&[]);
            skip = skip.saturating_sub(part.len());
            while !rest.is_empty() {
                let Ok(id) = self.files.socket(fd).map(|socket| socket.id) else {
                    return Err(SocketError::BadSocket);
                };
                let taken = self.stack.write_with(self.now, id, rest, flags)?;
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

/// The flags of send(2) that the stack has to know.
fn write_flags(flags: i32) -> WriteFlags {
    let mut known = WriteFlags::empty();
    known.set(WriteFlags::MORE, flags & libc::MSG_MORE != 0);
    known.set(WriteFlags::END_OF_RECORD, flags & libc::MSG_EOR != 0);
    known.set(WriteFlags::URGENT, flags & libc::MSG_OOB != 0);
    known
}
