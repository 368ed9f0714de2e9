//! close(2), which waits for SO_LINGER with a time, and only then.
//!
//! The descriptor is closed first, as any other. If it was the last of its socket, the stack process sees the end and
//! still has text to deliver, and is asked how much until there is none, or the time is over. If another descriptor
//! holds the socket, there is nothing to wait for.

#![expect(unsafe_code, reason = "a libc symbol")]

use libc::c_int;
use portolan_protocol::request::Target;
use portolan_protocol::{CALL_MAX, Operation, Reply, Transport};

use crate::socket::Socket;
use crate::{control, real, state, sys};

/// Pauses between two questions.
const PAUSE_MS: i64 = 5;

/// close(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn close(fd: c_int) -> c_int {
    let waits = if state::has_linger() { linger_of(fd) } else { None };
    // SAFETY: no pointers.
    let closed = unsafe { real::close(fd) };
    if let Some((target, seconds)) = waits {
        wait(target, seconds);
    }
    closed
}

/// The connection behind a descriptor and the seconds of its SO_LINGER, if closing it has to wait.
fn linger_of(fd: c_int) -> Option<(Target, c_int)> {
    let socket = Socket::identify(fd).filter(|socket| socket.transport() == Transport::Tcp)?;
    let target = socket.target();
    let mut buffer = [0; CALL_MAX];
    let operation = Operation::GetOption { socket: target, level: libc::SOL_SOCKET, name: libc::SO_LINGER };
    match control::call(operation, &mut buffer) {
        // struct linger: two ints, on or off and seconds.
        Ok(Reply::Value(&[a, b, c, d, e, f, g, h])) if i32::from_ne_bytes([a, b, c, d]) != 0 => {
            let seconds = i32::from_ne_bytes([e, f, g, h]);
            (seconds > 0).then_some((target, seconds))
        }
        _ => None,
    }
}

/// Waits until the other host has acknowledged all text, or the time is over.
fn wait(socket: Target, seconds: c_int) {
    let deadline = sys::monotonic_ns().saturating_add(i64::from(seconds) * 1_000_000_000);
    while sys::monotonic_ns() < deadline {
        match control::call(Operation::Undelivered { socket }, &mut [0; CALL_MAX]) {
            Ok(Reply::Count(octets)) if octets > 0 => sys::pause_ms(PAUSE_MS),
            _ => return,
        }
    }
}
