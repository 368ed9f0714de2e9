//! The calls that read: read, readv, recv, recvfrom and recvmsg are one call with more or fewer results.

use core::task::Poll;

use portolan_stack::{SocketError, SocketId};
use portolan_wire::{Endpoint, Family};

use crate::Errno;
use crate::machine::file::{Fd, File};
use crate::machine::mark::Notice;
use crate::machine::{Machine, Wait, wall_clock_ns};

/// SCM_TIMESTAMPING's sender of completions, and what it says of them (linux/errqueue.h).
const ORIGIN_TIMESTAMPING: u8 = 4;
const ORIGIN_ZEROCOPY: u8 = 5;
/// SO_EE_CODE_ZEROCOPY_COPIED: the octets were copied on the way after all, as every TUN device does.
const CODE_COPIED: u8 = 1;

/// What a receiving call gives.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Message {
    /// The octets; none at the end of the stream.
    pub octets: Vec<u8>,
    /// The control messages, in order.
    pub control: Vec<ControlMessage>,
    /// `msg_flags`.
    pub flags: i32,
    /// Who has sent it; only of datagrams.
    pub from: Option<Endpoint>,
}

/// A control message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ControlMessage {
    /// SOL_SOCKET, SCM_TIMESTAMPING: a software time stamp, in nanoseconds since 1970.
    Timestamping(u64),
    /// SOL_IP, IP_RECVERR or SOL_IPV6, IPV6_RECVERR: a `struct sock_extended_err`.
    ExtendedError {
        /// The socket's family, which decides the level.
        family: Family,
        /// `ee_errno`.
        errno: u32,
        /// `ee_origin`.
        origin: u8,
        /// `ee_type`.
        kind: u8,
        /// `ee_code`.
        code: u8,
        /// `ee_info`.
        info: u32,
        /// `ee_data`.
        data: u32,
    },
    /// SOL_TCP, TCP_CM_INQ: octets that wait to be read, and one if the peer has closed.
    Inq(i32),
}

impl Machine {
    /// Receives at most `max` octets, with flags of recv(2): `MSG_DONTWAIT`, `MSG_PEEK`, `MSG_WAITALL`, `MSG_ERRQUEUE`.
    ///
    /// # Errors
    /// EBADF, EAGAIN, ENOTCONN, EINVAL, and the connection's error, once.
    pub fn receive(
        &mut self,
        wait: &mut Wait,
        fd: Fd,
        max: usize,
        flags: i32,
    ) -> Poll<Result<Message, Errno>> {
        wait.begin();
        match self.files.get(fd) {
            Ok(File::Socket(_)) if flags & libc::MSG_ERRQUEUE != 0 => Poll::Ready(self.take_notice(fd)),
            Ok(File::Socket(socket)) if socket.stream => self.receive_stream(fd, max, flags),
            Ok(File::Socket(_)) => self.receive_datagram(fd, max, flags),
            Ok(File::Pipe(_)) => self.read_pipe(fd, max),
            Ok(File::Memory(_)) => Poll::Ready(self.read_memory(fd, max)),
            Ok(File::Epoll(_)) => Poll::Ready(Err(Errno::EINVAL)),
            Err(errno) => Poll::Ready(Err(errno)),
        }
    }

    fn receive_stream(&mut self, fd: Fd, max: usize, flags: i32) -> Poll<Result<Message, Errno>> {
        let Ok(socket) = self.files.socket(fd) else { return Poll::Ready(Err(Errno::EBADF)) };
        let (id, inq) = (socket.id, socket.options.inq);
        let may_block = !socket.nonblocking && flags & libc::MSG_DONTWAIT == 0;
        if flags & libc::MSG_OOB != 0 {
            return Poll::Ready(self.receive_urgent(id, max, flags));
        }
        if flags & libc::MSG_WAITALL != 0 && may_block && self.waits_for_more(fd, max) {
            return Poll::Pending;
        }
        let mut octets = vec![0; max];
        let result = if flags & libc::MSG_PEEK != 0 {
            self.stack.peek(self.now, id, &mut octets)
        } else {
            self.read_all(id, &mut octets)
        };
        self.settle();
        match result {
            Ok(len) => {
                octets.truncate(len);
                let mut message = Message { octets, ..Message::default() };
                if inq {
                    message.control.push(ControlMessage::Inq(self.inq(fd)));
                }
                Poll::Ready(Ok(message))
            }
            Err(SocketError::WouldBlock) if may_block => Poll::Pending,
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }

    /// recv(2) with MSG_OOB: the last urgent octet, out of line.
    fn receive_urgent(&mut self, id: SocketId, max: usize, flags: i32) -> Result<Message, Errno> {
        let octet = self.stack.read_urgent(self.now, id, flags & libc::MSG_PEEK != 0)?;
        let Some(octet) = octet else { return Ok(Message::default()) };
        let (octets, cut) = if max > 0 { (vec![octet], 0) } else { (Vec::new(), libc::MSG_TRUNC) };
        Ok(Message { octets, flags: libc::MSG_OOB | cut, ..Message::default() })
    }

    /// Reads until `out` is full, or nothing is left, or urgent text ends; the stack may give one chunk at a time.
    fn read_all(&mut self, id: SocketId, out: &mut [u8]) -> Result<usize, SocketError> {
        let mut done = self.stack.read(self.now, id, out)?;
        while done > 0
            && done < out.len()
            && self.stack.receive_queued(id).is_ok_and(|queued| queued > 0)
            && !self.stack.at_mark(id)?
        {
            match self.stack.read(self.now, id, out.get_mut(done..).unwrap_or(&mut [])) {
                Ok(len) if len > 0 => done += len,
                _ => break,
            }
        }
        Ok(done)
    }

    /// Whether MSG_WAITALL keeps a call waiting: fewer octets than asked for, and more may come.
    fn waits_for_more(&mut self, fd: Fd, max: usize) -> bool {
        let Ok(id) = self.files.socket(fd).map(|socket| socket.id) else { return false };
        let queued = self.stack.receive_queued(id).unwrap_or(0) as usize;
        let open = self.stack.readiness(id).is_ok_and(|ready| !ready.peer_closed && !ready.error);
        queued > 0 && queued < max && open
    }

    /// What TCP_INQ tells: the octets that wait, or 1 if none does and the peer has closed.
    pub(crate) fn inq(&mut self, fd: Fd) -> i32 {
        let Ok(id) = self.files.socket(fd).map(|socket| socket.id) else { return 0 };
        let queued = self.stack.receive_queued(id).unwrap_or(0);
        let closed = self.stack.readiness(id).is_ok_and(|ready| ready.peer_closed);
        i32::try_from(queued).unwrap_or(i32::MAX).max(i32::from(closed && queued == 0))
    }

    fn receive_datagram(&mut self, fd: Fd, max: usize, flags: i32) -> Poll<Result<Message, Errno>> {
        let Ok(socket) = self.files.socket(fd) else { return Poll::Ready(Err(Errno::EBADF)) };
        let may_block = !socket.nonblocking && flags & libc::MSG_DONTWAIT == 0;
        let mut octets = vec![0; max];
        match self.stack.recv_from(self.now, socket.id, &mut octets) {
            Ok(datagram) => {
                octets.truncate(datagram.len);
                let flags = if datagram.full_len > datagram.len { libc::MSG_TRUNC } else { 0 };
                let from = Some(datagram.from);
                Poll::Ready(Ok(Message { octets, control: Vec::new(), flags, from }))
            }
            Err(SocketError::WouldBlock) if may_block => Poll::Pending,
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }

    /// recvmsg(2) with MSG_ERRQUEUE: the notice that has waited longest.
    fn take_notice(&mut self, fd: Fd) -> Result<Message, Errno> {
        let socket = self.files.socket_mut(fd)?;
        let family = socket.family;
        let notice = socket.marks.notices.pop_front().ok_or(Errno::EAGAIN)?;
        let extended = |errno: i32, origin, code, info, data| ControlMessage::ExtendedError {
            family,
            errno: errno.unsigned_abs(),
            origin,
            kind: 0,
            code,
            info,
            data,
        };
        let (control, flags) = match notice {
            Notice::Zerocopy { first, last } => {
                (vec![extended(0, ORIGIN_ZEROCOPY, CODE_COPIED, first, last)], libc::MSG_ERRQUEUE)
            }
            Notice::Stamp { kind, key, at } => {
                let stamp = ControlMessage::Timestamping(wall_clock_ns(at));
                let error = extended(libc::ENOMSG, ORIGIN_TIMESTAMPING, 0, kind, key);
                // The packet's copy that Linux hands back does not fit into a buffer that nobody offers.
                (vec![stamp, error], libc::MSG_ERRQUEUE | libc::MSG_TRUNC)
            }
        };
        Ok(Message { octets: Vec::new(), control, flags, from: None })
    }
}
