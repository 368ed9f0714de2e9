//! UDP: each datagram is one SEQPACKET message behind a [`DatagramHeader`].
//!
//! The program's buffers are handed to the kernel as further parts of the message and never touched here.

#![expect(unsafe_code, reason = "message headers hold raw pointers")]

use core::mem::zeroed;

use libc::{c_int, c_void, iovec, msghdr, sockaddr, socklen_t};
use portolan_native::control_message::Ancillary;
use portolan_native::inet::{self, text_max};
use portolan_protocol::{Address, DatagramHeader};

use crate::address;
use crate::connect::is_connected_datagram;
use crate::errno::{self, Errno};
use crate::socket::Socket;
use crate::{control, destination, memory, passing, state, sys};

/// Text of this length is not refused for it: less than any path takes.
const UNSUSPECTED_LEN: usize = 500;

/// The most buffers in one message: Linux's UIO_MAXIOV. One of them is the header's.
const PARTS_MAX: usize = 1024;

/// So many fit a short list, which is kind to the stacks of signal handlers.
const PARTS_FEW: usize = 16;

const NO_PART: iovec = iovec { iov_base: core::ptr::null_mut(), iov_len: 0 };

/// The program's buffers.
pub(crate) enum Parts {
    /// One buffer.
    One(*const c_void, usize),
    /// A list in the program's memory, its length, and the errno for a length out of range.
    List(*const iovec, usize, c_int),
}

impl Parts {
    /// For readv and writev, which count in ints.
    pub(crate) fn vector(list: *const iovec, count: c_int) -> Self {
        Self::List(list, usize::try_from(count).unwrap_or(usize::MAX), libc::EINVAL)
    }

    /// For sendmsg and recvmsg.
    pub(crate) fn of_message(message: &msghdr) -> Self {
        Self::List(message.msg_iov, message.msg_iovlen, libc::EMSGSIZE)
    }

    /// Runs `call` on the list of buffers with the header's before them.
    fn with_header<R>(
        &self,
        header: *mut c_void,
        call: impl FnOnce(&mut [iovec]) -> Result<R, Errno>,
    ) -> Result<R, Errno> {
        let header = iovec { iov_base: header, iov_len: DatagramHeader::LEN };
        match *self {
            Self::List(_, PARTS_FEW.., _) => self.with_header_of_many(header, call),
            _ => call(self.assemble(header, &mut [NO_PART; PARTS_FEW])?),
        }
    }

    #[inline(never)]
    fn with_header_of_many<R>(
        &self,
        header: iovec,
        call: impl FnOnce(&mut [iovec]) -> Result<R, Errno>,
    ) -> Result<R, Errno> {
        call(self.assemble(header, &mut [NO_PART; PARTS_MAX])?)
    }

    fn assemble<'a>(&self, header: iovec, list: &'a mut [iovec]) -> Result<&'a mut [iovec], Errno> {
        let count = match *self {
            Self::One(..) => 1,
            Self::List(_, count, _) => count,
        };
        let out_of_range = match *self {
            Self::List(_, count, errno) if count > PARTS_MAX => errno,
            _ => libc::EMSGSIZE,
        };
        let list = list.get_mut(..count.saturating_add(1)).ok_or(Errno(out_of_range))?;
        let (first, rest) = list.split_first_mut().ok_or(Errno(out_of_range))?;
        *first = header;
        match *self {
            Self::One(buffer, len) => rest.fill(iovec { iov_base: buffer.cast_mut(), iov_len: len }),
            Self::List(from, ..) => memory::read_slice(from, rest)?,
        }
        Ok(list)
    }
}

/// What a datagram brought beside its text.
pub(crate) struct Received {
    /// What the call returns: octets of text, or with MSG_TRUNC their true number.
    pub(crate) len: usize,
    pub(crate) header: DatagramHeader,
    /// MSG_TRUNC, if text was cut off.
    pub(crate) flags: c_int,
}

/// Receives one datagram into the program's buffers; `None` after shutdown(SHUT_RD).
pub(crate) fn receive_message(fd: c_int, parts: &Parts, flags: c_int) -> Result<Option<Received>, Errno> {
    if flags & libc::MSG_ERRQUEUE != 0 {
        return Err(Errno(libc::EAGAIN));
    }
    let mut octets = [0u8; DatagramHeader::LEN];
    let (received, native_flags) = parts.with_header(octets.as_mut_ptr().cast(), |list| {
        let mut message = message_of(list);
        // SAFETY: our header's buffer, then the program's own.
        let received = unsafe { passing::recvmsg(fd, &raw mut message, flags) };
        let received = usize::try_from(received).map_err(|_| control::gone(Errno(errno::get())))?;
        Ok((received, message.msg_flags))
    })?;
    if received == 0 {
        // The program's own shutdown, or the end of the stack process, which closes both directions.
        return if sys::is_hung_up(fd) && control::stack_is_going() {
            Err(Errno::NETDOWN)
        } else if flags & libc::MSG_DONTWAIT != 0 || sys::status_flags(fd) & libc::O_NONBLOCK != 0 {
            // As Linux, which looks for the shutdown only before it waits.
            Err(Errno(libc::EAGAIN))
        } else {
            Ok(None)
        };
    }
    let len = received.checked_sub(DatagramHeader::LEN).ok_or(Errno(libc::EIO))?;
    let header = DatagramHeader::decode(&octets).map_err(|_| Errno(libc::EIO))?;
    if header.errno != 0 {
        return Err(Errno(header.errno));
    }
    Ok(Some(Received { len, header, flags: native_flags & libc::MSG_TRUNC }))
}

fn message_of(list: &mut [iovec]) -> msghdr {
    // SAFETY: all zeros is a valid message header.
    let mut message: msghdr = unsafe { zeroed() };
    message.msg_iov = list.as_mut_ptr();
    message.msg_iovlen = list.len();
    message
}

/// recv(2) and read(2).
pub(crate) fn receive(fd: c_int, parts: &Parts, flags: c_int) -> Result<usize, Errno> {
    Ok(receive_message(fd, parts, flags)?.map_or(0, |received| received.len))
}

/// recvfrom(2).
pub(crate) fn receive_from(
    socket: Socket,
    parts: &Parts,
    flags: c_int,
    address: *mut sockaddr,
    address_len: *mut socklen_t,
) -> Result<usize, Errno> {
    let Some(received) = receive_message(socket.fd, parts, flags)? else { return Ok(0) };
    if !address.is_null() {
        address::write(received.header.remote, socket.family(), address, address_len)?;
    }
    Ok(received.len)
}

/// send(2) and write(2).
pub(crate) fn send(socket: Socket, parts: &Parts, flags: c_int) -> Result<usize, Errno> {
    send_to(socket, parts, flags, None, None)
}

/// sendto(2) and sendmsg(2).
pub(crate) fn send_to(
    socket: Socket,
    parts: &Parts,
    flags: c_int,
    destination: Option<Address>,
    ancillary: Option<&Ancillary>,
) -> Result<usize, Errno> {
    if flags & libc::MSG_OOB != 0 {
        return Err(Errno(libc::EOPNOTSUPP));
    }
    let is_connected = is_connected_datagram(socket.fd);
    if destination.is_none() && !is_connected {
        return Err(Errno(libc::EDESTADDRREQ));
    }
    let mut octets = [0u8; DatagramHeader::LEN];
    let octets_pointer = octets.as_mut_ptr();
    parts.with_header(octets_pointer.cast(), |list| {
        let mut len = 0usize;
        for part in list.iter().skip(1) {
            // The kernel takes lengths as signed.
            let part = isize::try_from(part.iov_len).map_err(|_| Errno(libc::EINVAL))?;
            len = len.saturating_add(part.unsigned_abs());
        }
        if len > text_max(socket.family()) {
            return Err(Errno(libc::EMSGSIZE));
        }
        let mut header = DatagramHeader::new(len as u32);
        header.remote = destination.unwrap_or(Address::UNSPECIFIED);
        if let Some(ancillary) = ancillary {
            ancillary.apply(&mut header);
        }
        let matters = header.segment.is_some() || len > UNSUSPECTED_LEN && state::has_length_limits();
        if matters || destination.is_some() || !header.local.is_unspecified() {
            destination::check(socket, &header, if matters { len as u32 } else { 0 })?;
        }
        if is_connected && let Some(error) = take_report(socket.fd) {
            return Err(error);
        }
        octets = header.encode();
        let message = message_of(list);
        let native = flags & libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: our header's buffer, then the program's own.
        let sent = unsafe { passing::sendmsg(socket.fd, &raw const message, native) };
        if sent < 0 { Err(send_error(Errno(errno::get()))) } else { Ok(len) }
    })
}

/// What a failed send means: EPIPE is the program's own shutdown as long as the stack process lives.
fn send_error(error: Errno) -> Errno {
    if error == Errno(libc::EPIPE) && !control::stack_is_gone() { error } else { control::gone(error) }
}

/// The destination that the program names, checked as the kernel checks it.
pub(crate) fn destination(
    socket: Socket,
    address: *const sockaddr,
    len: socklen_t,
) -> Result<Option<Address>, Errno> {
    inet::destination(address::read(address, len)?, socket.own.kind)
}

/// What ICMP has said of a connected socket's datagrams, if that is next: whichever call comes first is told, and no
/// other.
pub(crate) fn take_report(fd: c_int) -> Option<Errno> {
    let mut octets = [0u8; DatagramHeader::LEN];
    let flags = libc::MSG_DONTWAIT;
    sys::receive(fd, &mut octets, flags | libc::MSG_PEEK).ok()?;
    let header = DatagramHeader::decode(&octets).ok()?;
    if header.errno == 0 {
        return None;
    }
    // Another thread may have been quicker; then a datagram is lost, which UDP may.
    sys::receive(fd, &mut octets, flags).ok()?;
    Some(Errno(header.errno))
}

/// Whether what ICMP has said is next to be received.
pub(crate) fn error_is_next(fd: c_int) -> bool {
    let mut octets = [0u8; DatagramHeader::LEN];
    let looked = sys::receive(fd, &mut octets, libc::MSG_DONTWAIT | libc::MSG_PEEK);
    looked.is_ok() && DatagramHeader::decode(&octets).is_ok_and(|header| header.errno != 0)
}

/// The length of the next datagram, for FIONREAD; 0 if there is none.
pub(crate) fn next_len(fd: c_int) -> c_int {
    let mut octets = [0u8; DatagramHeader::LEN];
    match sys::receive(fd, &mut octets, libc::MSG_PEEK | libc::MSG_DONTWAIT) {
        Ok(DatagramHeader::LEN) => DatagramHeader::decode(&octets)
            .ok()
            .and_then(|header| c_int::try_from(header.len).ok())
            .unwrap_or(0),
        _ => 0,
    }
}
