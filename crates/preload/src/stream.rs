//! Errors of a stream's reads and writes, put into TCP's words. The octets themselves are never touched.
//!
//! AF_UNIX says EINVAL where TCP says ENOTCONN, ENOTCONN where TCP says EPIPE, and after a reset EPIPE at once
//! where TCP first gives the error that ended the connection. A stream that is known by its hint is written
//! with MSG_NOSIGNAL, and SIGPIPE raised here when it is due; one that is not (a copy of a descriptor, say) gets the
//! kernel's signal and then the right errno.

use libc::{c_int, ssize_t};
use portolan_protocol::Operation;

use crate::connect::take_error;
use crate::errno::{self, Errno};
use crate::socket::{Peer, Socket};
use crate::{control, sandbox, state, sys};

/// Pauses between two tries to hand over an urgent octet.
const URGENT_PAUSE_MS: i64 = 1;

/// send(2) with MSG_OOB: the last octet, behind all that was written.
pub(crate) fn send_urgent(socket: Socket, octet: u8, flags: c_int) -> Result<(), Errno> {
    let waits = flags & libc::MSG_DONTWAIT == 0 && sys::status_flags(socket.fd) & libc::O_NONBLOCK == 0;
    loop {
        match control::order(Operation::Urgent { socket: socket.target(), octet }) {
            // Another one waits for room in the peer's window.
            Err(Errno(libc::EAGAIN)) if waits => sys::pause_ms(URGENT_PAUSE_MS),
            result => return result,
        }
    }
}

/// In a sandbox the kernel's errno stands: to find a better one takes calls that it may forbid.
fn may_translate() -> bool {
    state::is_active() && !sandbox::is_on()
}

/// Looks over the result of a read.
pub(crate) fn after_receive(fd: c_int, result: ssize_t) -> ssize_t {
    if result < 0 && matches!(errno::get(), libc::EINVAL | libc::ECONNRESET) && may_translate() {
        translate_receive(fd);
    }
    result
}

#[cold]
fn translate_receive(fd: c_int) {
    let was = errno::get();
    let Some(socket) = Socket::identify(fd).filter(|socket| socket.transport().is_stream()) else {
        errno::set(was);
        return;
    };
    let now = match was {
        libc::EINVAL if matches!(socket.peer(), Peer::None) => libc::ENOTCONN,
        // Consumed natively; the stack process knows whether it was a timeout or an unreachable host.
        libc::ECONNRESET => take_error(socket).map_or(was, |Errno(errno)| errno),
        _ => was,
    };
    errno::set(now);
}

/// Looks over the result of a write. `was_quiet` says that the kernel was told not to raise SIGPIPE,
/// `wants_signal` that the program did not tell it so.
pub(crate) fn after_send(fd: c_int, result: ssize_t, was_quiet: bool, wants_signal: bool) -> ssize_t {
    if result < 0
        && matches!(errno::get(), libc::EPIPE | libc::ENOTCONN | libc::ECONNRESET)
        && may_translate()
    {
        translate_send(fd, was_quiet, wants_signal);
    }
    result
}

#[cold]
fn translate_send(fd: c_int, was_quiet: bool, wants_signal: bool) {
    let was = errno::get();
    let socket = Socket::identify(fd).filter(|socket| socket.transport().is_stream());
    let now = match (was, socket) {
        (_, None) => was,
        (libc::ENOTCONN, Some(_)) => libc::EPIPE,
        (_, Some(socket)) => match sys::option(fd, libc::SO_ERROR) {
            // Reading SO_ERROR took it away, so the next write gives EPIPE, as on TCP.
            Ok(pending) if pending != 0 => take_error(socket).map_or(pending, |Errno(errno)| errno),
            _ => was,
        },
    };
    let is_due = now == libc::EPIPE && wants_signal;
    let was_raised = was == libc::EPIPE && !was_quiet;
    if is_due && !was_raised {
        sys::raise_sigpipe();
    }
    errno::set(now);
}
