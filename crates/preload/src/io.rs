//! read, recv, write, send and their vector and checked forms.
//!
//! For a stream they pass on and look at the errno afterwards. For a UDP socket they are datagram calls. For
//! everything else they pass on at the cost of two loads, or, in a process that has UDP sockets, of one getsockname.

#![expect(unsafe_code, reason = "libc symbols")]

use core::ptr;

use libc::{c_int, c_void, iovec, msghdr, size_t, sockaddr, socklen_t, ssize_t};

use crate::datagram::{self, Parts};
use crate::errno;
use crate::socket::Socket;
use crate::stream::{after_receive, after_send};
use crate::{connect, memory, message, passing, real, sandbox, state, stream};

/// read(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn read(fd: c_int, buffer: *mut c_void, len: size_t) -> ssize_t {
    if let Some(socket) = Socket::identify_datagram(fd) {
        return errno::finish_len(datagram::receive(socket.fd, &Parts::One(buffer, len), 0));
    }
    // SAFETY: the program's own arguments.
    after_receive(fd, unsafe { real::read(fd, buffer, len) })
}

/// readv(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn readv(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    if let Some(socket) = Socket::identify_datagram(fd) {
        return errno::finish_len(datagram::receive(socket.fd, &Parts::vector(parts, count), 0));
    }
    // SAFETY: the program's own arguments.
    after_receive(fd, unsafe { real::readv(fd, parts, count) })
}

/// recv(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn recv(fd: c_int, buffer: *mut c_void, len: size_t, flags: c_int) -> ssize_t {
    if let Some(socket) = Socket::identify_datagram(fd) {
        return errno::finish_len(datagram::receive(socket.fd, &Parts::One(buffer, len), flags));
    }
    // SAFETY: the program's own arguments.
    after_receive(fd, unsafe { real::recv(fd, buffer, len, flags) })
}

/// recvfrom(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn recvfrom(
    fd: c_int,
    buffer: *mut c_void,
    len: size_t,
    flags: c_int,
    address: *mut sockaddr,
    address_len: *mut socklen_t,
) -> ssize_t {
    let socket = if address.is_null() { Socket::identify_datagram(fd) } else { Socket::identify(fd) };
    match socket {
        Some(socket) if !socket.transport().is_stream() => errno::finish_len(datagram::receive_from(
            socket,
            &Parts::One(buffer, len),
            flags,
            address,
            address_len,
        )),
        Some(_) if !address.is_null() => {
            // TCP has no address to tell; AF_UNIX would tell its name.
            // SAFETY: the program's own buffer, and no address.
            let received =
                unsafe { real::recvfrom(fd, buffer, len, flags, ptr::null_mut(), ptr::null_mut()) };
            if received >= 0
                && let Err(error) = memory::write(address_len, 0)
            {
                return errno::finish_len(Err(error));
            }
            after_receive(fd, received)
        }
        _ => {
            // SAFETY: the program's own arguments.
            after_receive(fd, unsafe { real::recvfrom(fd, buffer, len, flags, address, address_len) })
        }
    }
}

/// write(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn write(fd: c_int, buffer: *const c_void, len: size_t) -> ssize_t {
    if let Some(socket) = Socket::identify_datagram(fd) {
        return errno::finish_len(datagram::send(socket, &Parts::One(buffer, len), 0));
    }
    if state::is_probably_stream(fd) && !sandbox::is_on() {
        // SAFETY: the program's own buffer, and no address.
        let sent = unsafe { real::sendto(fd, buffer, len, libc::MSG_NOSIGNAL, ptr::null(), 0) };
        if sent >= 0 || errno::get() != libc::ENOTSOCK {
            return after_send(fd, sent, true, true);
        }
        state::hint_stream(fd, false);
    }
    // SAFETY: the program's own arguments.
    after_send(fd, unsafe { real::write(fd, buffer, len) }, false, true)
}

/// writev(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn writev(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    if let Some(socket) = Socket::identify_datagram(fd) {
        return errno::finish_len(datagram::send(socket, &Parts::vector(parts, count), 0));
    }
    // writev and sendmsg disagree about the errno for a count out of range.
    if (0..=1024).contains(&count) && state::is_probably_stream(fd) && !sandbox::is_on() {
        let message = message_of(parts, count);
        // SAFETY: a header of ours around the program's own parts.
        let sent = unsafe { passing::sendmsg(fd, &raw const message, libc::MSG_NOSIGNAL) };
        if sent >= 0 || errno::get() != libc::ENOTSOCK {
            return after_send(fd, sent, true, true);
        }
        state::hint_stream(fd, false);
    }
    // SAFETY: the program's own arguments.
    after_send(fd, unsafe { real::writev(fd, parts, count) }, false, true)
}

fn message_of(parts: *const iovec, count: c_int) -> msghdr {
    // SAFETY: all zeros is a valid message header.
    let mut message: msghdr = unsafe { core::mem::zeroed() };
    message.msg_iov = parts.cast_mut();
    message.msg_iovlen = usize::try_from(count).unwrap_or(0);
    message
}

/// send(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn send(fd: c_int, buffer: *const c_void, len: size_t, flags: c_int) -> ssize_t {
    // SAFETY: send is sendto without an address.
    unsafe { sendto(fd, buffer, len, flags, ptr::null(), 0) }
}

/// sendto(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn sendto(
    fd: c_int,
    buffer: *const c_void,
    len: size_t,
    flags: c_int,
    address: *const sockaddr,
    address_len: socklen_t,
) -> ssize_t {
    let has_address = !address.is_null();
    let is_special = has_address || flags & (libc::MSG_OOB | libc::MSG_FASTOPEN) != 0;
    let socket = if is_special { Socket::identify(fd) } else { Socket::identify_datagram(fd) };
    match socket {
        Some(socket) if !socket.transport().is_stream() => {
            let destination =
                if has_address { datagram::destination(socket, address, address_len) } else { Ok(None) };
            errno::finish_len(destination.and_then(|destination| {
                datagram::send_to(socket, &Parts::One(buffer, len), flags, destination, None)
            }))
        }
        Some(socket) if flags & libc::MSG_FASTOPEN != 0 => {
            if let Err(error) = connect::connect_for_text(socket, address, address_len) {
                return errno::finish_len(Err(error));
            }
            // SAFETY: the program's own buffer, and no address.
            unsafe { sendto(fd, buffer, len, flags & !libc::MSG_FASTOPEN, ptr::null(), 0) }
        }
        Some(socket) if flags & libc::MSG_OOB != 0 && len > 0 => {
            // SAFETY: the program's own buffer, without its last octet, and no address.
            let sent = unsafe { sendto(fd, buffer, len - 1, flags & !libc::MSG_OOB, ptr::null(), 0) };
            if sent.cast_unsigned() != len - 1 {
                return sent;
            }
            let last = memory::read(buffer.cast::<u8>().wrapping_add(len - 1));
            let outcome = last.and_then(|octet| stream::send_urgent(socket, octet, flags));
            match outcome {
                Err(_) if len > 1 => sent,
                outcome => errno::finish_len(outcome.map(|()| len)),
            }
        }
        // TCP takes no notice of an address.
        is_stream => {
            let (to, to_len) = if is_stream.is_some() { (ptr::null(), 0) } else { (address, address_len) };
            let quiet =
                if state::is_probably_stream(fd) { libc::MSG_NOSIGNAL } else { flags & libc::MSG_NOSIGNAL };
            let sent = if to.is_null() || !state::is_active() {
                // SAFETY: the program's own arguments.
                unsafe { real::sendto(fd, buffer, len, flags | quiet, to, to_len) }
            } else {
                let part = iovec { iov_base: buffer.cast_mut(), iov_len: len };
                let mut message = message_of(&raw const part, 1);
                (message.msg_name, message.msg_namelen) = (to.cast_mut().cast(), to_len);
                message::send_elsewhere(fd, &raw const message, flags | quiet)
            };
            after_send(fd, sent, quiet != 0, flags & libc::MSG_NOSIGNAL == 0)
        }
    }
}

// What gcc calls instead with _FORTIFY_SOURCE when it knows the buffer's size.

/// The checked form of read(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn __read_chk(
    fd: c_int,
    buffer: *mut c_void,
    len: size_t,
    room: size_t,
) -> ssize_t {
    check_room(len, room);
    // SAFETY: the program's own arguments.
    unsafe { read(fd, buffer, len) }
}

/// The checked form of recv(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn __recv_chk(
    fd: c_int,
    buffer: *mut c_void,
    len: size_t,
    room: size_t,
    flags: c_int,
) -> ssize_t {
    check_room(len, room);
    // SAFETY: the program's own arguments.
    unsafe { recv(fd, buffer, len, flags) }
}

/// The checked form of recvfrom(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn __recvfrom_chk(
    fd: c_int,
    buffer: *mut c_void,
    len: size_t,
    room: size_t,
    flags: c_int,
    address: *mut sockaddr,
    address_len: *mut socklen_t,
) -> ssize_t {
    check_room(len, room);
    // SAFETY: the program's own arguments.
    unsafe { recvfrom(fd, buffer, len, flags, address, address_len) }
}

pub(crate) fn check_room(len: size_t, room: size_t) {
    if len > room {
        // SAFETY: glibc's __chk_fail does the same to a program that is about to overrun its buffer.
        unsafe { libc::abort() }
    }
}
