//! sendmsg(2), recvmsg(2) and their many-message forms.

#![expect(unsafe_code, reason = "libc symbols")]

use core::ptr;

use libc::{c_int, c_uint, c_void, iovec, mmsghdr, msghdr, ssize_t, timespec};
use portolan_native::control_message::{Ancillary, Report};
use portolan_protocol::{CALL_MAX, ErrorReport, Operation, Reply};

use crate::datagram::{self, Parts};
use crate::errno::{self, Errno};
use crate::passing::pass_on;
use crate::socket::Socket;
use crate::stream::{after_receive, after_send};
use crate::{address, connect, control, memory, passing, real, sandbox, state, stream, sys};

/// The most pieces of urgent text; a list of so many is copied.
const PIECES_MAX: usize = 64;

/// sendmsg(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t {
    if let Some(socket) = Socket::identify_datagram(fd) {
        return errno::finish_len(send_datagram(socket, message, flags));
    }
    if !state::is_probably_stream(fd) {
        let sent = send_elsewhere(fd, message, flags);
        return after_send(fd, sent, flags & libc::MSG_NOSIGNAL != 0, flags & libc::MSG_NOSIGNAL == 0);
    }
    send_stream(fd, message, flags)
}

/// A message by a descriptor that is not known to be ours. Without an address it goes where the descriptor is connected to,
/// which was looked at then; and what is in the file system leads to no network.
pub(crate) fn send_elsewhere(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t {
    let copy = if state::is_active() { memory::read(message).ok() } else { None };
    let Some(mut copy) = copy.filter(|_| !passing::is_engines(fd)) else {
        // SAFETY: the program's own arguments; the kernel says EFAULT.
        return unsafe { real::sendmsg(fd, message, flags) };
    };
    let unix = address::read_unix(copy.msg_name.cast(), copy.msg_namelen);
    if let Some(unix) = &unix {
        copy.msg_name = unix.as_ptr().cast_mut().cast();
    } else if !copy.msg_name.is_null() {
        // SAFETY: the program's own arguments.
        return unsafe { real::sendmsg(fd, message, flags) };
    }
    // SAFETY: a copy of the program's header, with its own pointers and no address but our copy of one.
    unsafe { passing::sendmsg(fd, &raw const copy, flags) }
}

/// TCP takes no notice of an address in the header, where AF_UNIX would refuse it.
fn send_stream(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t {
    let mut copy = match memory::read(message) {
        Ok(copy) => copy,
        Err(error) => return errno::finish_len(Err(error)),
    };
    if flags & (libc::MSG_OOB | libc::MSG_FASTOPEN) != 0
        && let Some(socket) = Socket::identify(fd)
    {
        return send_special(socket, copy, flags);
    }
    if !copy.msg_name.is_null() && Socket::identify(fd).is_some() {
        copy.msg_name = ptr::null_mut();
        copy.msg_namelen = 0;
    }
    // SAFETY: a copy of the program's header, with its own pointers.
    let sent = unsafe { passing::sendmsg(fd, &raw const copy, flags | libc::MSG_NOSIGNAL) };
    after_send(fd, sent, true, flags & libc::MSG_NOSIGNAL == 0)
}

/// Urgent text, or text that opens the connection: the pieces but for the last octet if that is urgent, and then it.
fn send_special(socket: Socket, mut message: msghdr, flags: c_int) -> ssize_t {
    let mut parts = [iovec { iov_base: ptr::null_mut(), iov_len: 0 }; PIECES_MAX];
    let last = match take_last(&message, &mut parts) {
        Ok(last) => last.filter(|_| flags & libc::MSG_OOB != 0),
        Err(error) => return errno::finish_len(Err(error)),
    };
    if flags & libc::MSG_FASTOPEN != 0
        && let Err(error) = connect::connect_for_text(socket, message.msg_name.cast(), message.msg_namelen)
    {
        return errno::finish_len(Err(error));
    }
    if let Some(at) = last {
        parts[at].iov_len -= 1;
    }
    (message.msg_name, message.msg_namelen) = (ptr::null_mut(), 0);
    message.msg_iov = parts.as_mut_ptr();
    let before: usize = parts.iter().map(|part| part.iov_len).fold(0, usize::saturating_add);
    let mut sent = 0;
    if before > 0 || last.is_none() {
        let native = flags & !(libc::MSG_OOB | libc::MSG_FASTOPEN) | libc::MSG_NOSIGNAL;
        // SAFETY: a copy of the program's header, with the program's own buffers.
        sent = unsafe { passing::sendmsg(socket.fd, &raw const message, native) };
    }
    let (Some(at), true) = (last, sent.cast_unsigned() == before) else {
        return after_send(socket.fd, sent, true, flags & libc::MSG_NOSIGNAL == 0);
    };
    let place = parts[at].iov_base.cast::<u8>().wrapping_add(parts[at].iov_len);
    let octet = memory::read(place.cast_const());
    match octet.and_then(|octet| stream::send_urgent(socket, octet, flags)) {
        Err(_) if sent > 0 => sent,
        outcome => errno::finish_len(outcome.map(|()| before + 1)),
    }
}

/// Copies the list of a message's pieces; the last one that is not empty.
fn take_last(message: &msghdr, parts: &mut [iovec; PIECES_MAX]) -> Result<Option<usize>, Errno> {
    let parts = parts.get_mut(..message.msg_iovlen).ok_or(Errno(libc::EMSGSIZE))?;
    memory::read_slice(message.msg_iov.cast_const(), parts)?;
    Ok(parts.iter().rposition(|part| part.iov_len > 0))
}

fn send_datagram(socket: Socket, message: *const msghdr, flags: c_int) -> Result<usize, Errno> {
    let message = memory::read(message)?;
    let destination = if message.msg_name.is_null() {
        None
    } else {
        datagram::destination(socket, message.msg_name.cast(), message.msg_namelen)?
    };
    let mut control = [0u8; 512];
    let control = control.get_mut(..message.msg_controllen).ok_or(Errno(libc::ENOBUFS))?;
    memory::read_slice(message.msg_control.cast::<u8>(), control)?;
    let ancillary = Ancillary::parse(control, socket.family())?;
    if ancillary.has_mark() && !sys::may_mark() {
        return Err(Errno(libc::EPERM));
    }
    datagram::send_to(socket, &Parts::of_message(&message), flags, destination, Some(&ancillary))
}

/// sendmmsg(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn sendmmsg(
    fd: c_int,
    messages: *mut mmsghdr,
    count: c_uint,
    flags: c_int,
) -> c_int {
    let is_datagram = Socket::identify_datagram(fd).is_some();
    if !is_datagram && !state::is_probably_stream(fd) {
        // SAFETY: the program's own arguments.
        return unsafe { real::sendmmsg(fd, messages, count, flags) };
    }
    each(messages, count, |message| {
        // SAFETY: the program's own message.
        let sent = unsafe { sendmsg(fd, message, flags) };
        (sent, true)
    })
}

/// recvmsg(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn recvmsg(fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t {
    if !state::is_active() {
        // SAFETY: the program's own arguments.
        return unsafe { passing::recvmsg(fd, message, flags) };
    }
    if let Some(socket) = Socket::identify_datagram(fd) {
        return errno::finish_len(receive_datagram(socket, message, flags));
    }
    // A look at the header, for what only sockets of ours and messages with descriptors need.
    let Ok(header) = memory::read(message.cast_const()) else {
        // SAFETY: the program's own arguments; the kernel says EFAULT.
        return unsafe { passing::recvmsg(fd, message, flags) };
    };
    let is_ours = !header.msg_name.is_null() && Socket::identify(fd).is_some();
    if is_ours {
        return receive_stream_without_name(fd, message, header, flags);
    }
    // SAFETY: the program's own arguments.
    let received = if header.msg_name.is_null() && header.msg_control.is_null() {
        // SAFETY: the program's own arguments.
        unsafe { passing::recvmsg(fd, message, flags) }
    } else {
        // SAFETY: as above.
        unsafe { pass_on!(fd, recvmsg(fd, message, flags)) }
    };
    if received >= 0 && !header.msg_control.is_null() && !state::has_datagrams() && !sandbox::is_on() {
        note_passed_sockets(message);
    }
    after_receive(fd, received)
}

/// TCP tells no address with text; AF_UNIX would tell its name.
fn receive_stream_without_name(fd: c_int, message: *mut msghdr, mut header: msghdr, flags: c_int) -> ssize_t {
    header.msg_name = ptr::null_mut();
    header.msg_namelen = 0;
    // SAFETY: a copy of the program's header, with its own buffers.
    let received = unsafe { passing::recvmsg(fd, &raw mut header, flags) };
    if received >= 0
        && let Err(error) = write_outcome(message, 0, header.msg_controllen, header.msg_flags)
    {
        return errno::finish_len(Err(error));
    }
    after_receive(fd, received)
}

fn receive_datagram(socket: Socket, message: *mut msghdr, flags: c_int) -> Result<usize, Errno> {
    let header = memory::read(message.cast_const())?;
    if flags & libc::MSG_ERRQUEUE != 0 {
        return receive_report(socket, message, &header);
    }
    let Some(received) = datagram::receive_message(socket.fd, &Parts::of_message(&header), flags)? else {
        write_outcome(message, 0, 0, 0)?;
        return Ok(0);
    };
    let mut name_len = 0;
    if !header.msg_name.is_null() {
        let (address, len) = address::Sockaddr::new(received.header.remote, socket.family());
        memory::write_bytes(header.msg_name, address.as_bytes(header.msg_namelen.min(len)))?;
        name_len = len;
    }
    let room = if header.msg_control.is_null() { 0 } else { header.msg_controllen };
    let report = Report::new(&received.header, socket.family(), room);
    let control = report.as_bytes();
    let flags = received.flags | if report.is_cut() { libc::MSG_CTRUNC } else { 0 };
    memory::write_bytes(header.msg_control, control)?;
    write_outcome(message, name_len, control.len(), flags)?;
    Ok(received.len)
}

/// MSG_ERRQUEUE: an ICMP error, with the front of the datagram that it is about. It never waits.
fn receive_report(socket: Socket, message: *mut msghdr, header: &msghdr) -> Result<usize, Errno> {
    let mut buffer = [0; CALL_MAX];
    let Reply::Value(octets) = control::call(Operation::TakeReport { socket: socket.target() }, &mut buffer)?
    else {
        return Err(Errno(libc::EPROTO));
    };
    let error = ErrorReport::decode(octets).map_err(|_| Errno(libc::EPROTO))?;
    // The call that would have been told the errno is not, now that it is known.
    let _ = datagram::take_report(socket.fd);
    let len = memory::scatter(error.text, header.msg_iov, header.msg_iovlen)?;
    let mut name_len = 0;
    if !header.msg_name.is_null() {
        let (address, len) = address::Sockaddr::new(error.to, socket.family());
        memory::write_bytes(header.msg_name, address.as_bytes(header.msg_namelen.min(len)))?;
        name_len = len;
    }
    let room = if header.msg_control.is_null() { 0 } else { header.msg_controllen };
    let report = Report::of_error(&error, socket.family(), room);
    memory::write_bytes(header.msg_control, report.as_bytes())?;
    let mut flags = libc::MSG_ERRQUEUE;
    flags |= if report.is_cut() { libc::MSG_CTRUNC } else { 0 };
    flags |= if len < error.text.len() { libc::MSG_TRUNC } else { 0 };
    write_outcome(message, name_len, report.as_bytes().len(), flags)?;
    Ok(len)
}

/// Writes back the fields of a message header that recvmsg changes.
fn write_outcome(message: *mut msghdr, name_len: u32, control_len: usize, flags: c_int) -> Result<(), Errno> {
    // SAFETY: field addresses only; nothing is dereferenced.
    let (name, control, state) = unsafe {
        (&raw mut (*message).msg_namelen, &raw mut (*message).msg_controllen, &raw mut (*message).msg_flags)
    };
    memory::write(name, name_len)?;
    memory::write_bytes(control.cast::<c_void>(), &control_len.to_ne_bytes())?;
    memory::write(state, flags)
}

/// Descriptors that another process passed may be UDP sockets of ours.
fn note_passed_sockets(message: *const msghdr) {
    let Ok(header) = memory::read(message) else { return };
    let mut control = [0u8; 1024];
    let len = header.msg_controllen.min(control.len());
    if memory::read_slice(header.msg_control.cast::<u8>(), &mut control[..len]).is_err() {
        return;
    }
    // SCM_RIGHTS's data are descriptors; any int in there that is a socket of ours is reason enough.
    let is_ours = |chunk: &[u8; 4]| state::is_datagram_socket(c_int::from_ne_bytes(*chunk));
    if control[..len].as_chunks().0.iter().any(is_ours) {
        state::note_datagrams();
    }
}

/// recvmmsg(2). As in the kernel, the time limit is looked at between messages only.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn recvmmsg(
    fd: c_int,
    messages: *mut mmsghdr,
    count: c_uint,
    flags: c_int,
    timeout: *mut timespec,
) -> c_int {
    if Socket::identify(fd).is_none() {
        // SAFETY: the program's own arguments.
        return unsafe { real::recvmmsg(fd, messages, count, flags, timeout) };
    }
    let mut flags_now = flags & !libc::MSG_WAITFORONE;
    let deadline = match timeout.is_null() {
        true => Ok(None),
        false => memory::read(timeout.cast_const()).and_then(|limit| deadline_after(limit).map(Some)),
    };
    let deadline = match deadline {
        Ok(deadline) => deadline,
        Err(error) => return errno::finish(Err(error)),
    };
    each(messages, count, |message| {
        // SAFETY: the program's own message.
        let received = unsafe { recvmsg(fd, message, flags_now) };
        if flags & libc::MSG_WAITFORONE != 0 {
            flags_now |= libc::MSG_DONTWAIT;
        }
        (received, deadline.is_none_or(|deadline| crate::sys::monotonic_ns() < deadline))
    })
}

/// When a time from now is over; EINVAL for what is no time.
fn deadline_after(limit: timespec) -> Result<i64, Errno> {
    if limit.tv_sec < 0 || !(0..1_000_000_000).contains(&limit.tv_nsec) {
        return Err(Errno(libc::EINVAL));
    }
    let limit = limit.tv_sec.saturating_mul(1_000_000_000).saturating_add(limit.tv_nsec);
    Ok(crate::sys::monotonic_ns().saturating_add(limit))
}

/// Runs a call for each message until one fails or the caller says stop; an error counts only if it is the first.
fn each(
    messages: *mut mmsghdr,
    count: c_uint,
    mut call: impl FnMut(*mut msghdr) -> (ssize_t, bool),
) -> c_int {
    let count = usize::try_from(count).unwrap_or(0).min(1024);
    for index in 0..count {
        let entry = messages.wrapping_add(index);
        // SAFETY: field addresses only; nothing is dereferenced.
        let (message, len) = unsafe { (&raw mut (*entry).msg_hdr, &raw mut (*entry).msg_len) };
        let (done, goes_on) = call(message);
        let failed =
            u32::try_from(done).map_err(|_| Errno(errno::get())).and_then(|done| memory::write(len, done));
        if let Err(error) = failed {
            return if index == 0 { errno::finish(Err(error)) } else { to_int(index) };
        }
        if !goes_on {
            return to_int(index + 1);
        }
    }
    to_int(count)
}

fn to_int(count: usize) -> c_int {
    c_int::try_from(count).unwrap_or(c_int::MAX)
}
