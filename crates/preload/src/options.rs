//! getsockopt(2), setsockopt(2) and ioctl(2).
//!
//! Time limits are the kernel's own. What the name of the socket tells is answered here. All else belongs to
//! the stack's socket and is asked there; SO_SNDBUF above all, because the program's end has a size of its own.

#![expect(unsafe_code, reason = "libc symbols")]

use libc::{c_int, c_ulong, c_void, socklen_t};
use portolan_native::option;
use portolan_protocol::request::VALUE_MAX;
use portolan_protocol::{CALL_MAX, Operation, Reply};

use crate::connect::take_error;
use crate::errno::{self, Errno};
use crate::passing::pass_on;
use crate::socket::Socket;
use crate::{control, datagram, memory, passing, real, state, sys};

/// setsockopt(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn setsockopt(
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *const c_void,
    len: socklen_t,
) -> c_int {
    match Socket::identify(fd) {
        Some(socket) if !option::is_native(level, name) => {
            errno::finish(set(socket, level, name, value, len))
        }
        Some(_) => {
            if (level, name) == (libc::SOL_SOCKET, libc::SO_OOBINLINE) {
                state::note_inline();
            }
            // SAFETY: the program's own arguments.
            unsafe { passing::setsockopt(fd, level, name, value, len) }
        }
        // SAFETY: as above.
        None => unsafe { pass_on!(fd, setsockopt(fd, level, name, value, len)) },
    }
}

fn set(
    socket: Socket,
    level: c_int,
    name: c_int,
    value: *const c_void,
    len: socklen_t,
) -> Result<c_int, Errno> {
    let mut octets = [0u8; VALUE_MAX];
    let octets =
        usize::try_from(len).ok().and_then(|len| octets.get_mut(..len)).ok_or(Errno(libc::EINVAL))?;
    memory::read_slice(value.cast::<u8>(), octets)?;
    control::order(Operation::SetOption { socket: socket.target(), level, name, value: octets })?;
    match (level, name) {
        (libc::SOL_SOCKET, libc::SO_LINGER) => state::note_linger(),
        (libc::SOL_UDP, libc::UDP_SEGMENT)
        | (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER)
        | (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER) => state::note_length_limits(),
        (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) => {
            state::note_reports()
        }
        _ => {}
    }
    Ok(0)
}

/// getsockopt(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn getsockopt(
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *mut c_void,
    len: *mut socklen_t,
) -> c_int {
    match Socket::identify(fd) {
        Some(socket) if !option::is_native(level, name) => {
            errno::finish(get(socket, level, name, value, len))
        }
        // SAFETY: the program's own arguments.
        Some(_) => unsafe { passing::getsockopt(fd, level, name, value, len) },
        // SAFETY: as above.
        None => unsafe { pass_on!(fd, getsockopt(fd, level, name, value, len)) },
    }
}

fn get(
    socket: Socket,
    level: c_int,
    name: c_int,
    value: *mut c_void,
    len: *mut socklen_t,
) -> Result<c_int, Errno> {
    if let Some(known) = option::of_kind(socket.own.kind, level, name) {
        return write_value(&known.to_ne_bytes(), value, len);
    }
    match (level, name) {
        (libc::SOL_SOCKET, libc::SO_ERROR) => {
            return write_value(&pending_error(socket).to_ne_bytes(), value, len);
        }
        (libc::SOL_SOCKET, libc::SO_PEERCRED) => return write_value(&option::nobody(), value, len),
        _ => {}
    }
    let mut buffer = [0; CALL_MAX];
    match control::call(Operation::GetOption { socket: socket.target(), level, name }, &mut buffer)? {
        Reply::Value(octets) => write_value(octets, value, len),
        _ => Err(Errno(libc::EPROTO)),
    }
}

/// SO_ERROR, taken away. A stream's kernel socket knows that there is an error, the stack process which.
fn pending_error(socket: Socket) -> c_int {
    if !socket.transport().is_stream()
        && let Some(Errno(reported)) = datagram::take_report(socket.fd)
    {
        return reported;
    }
    let native = sys::option(socket.fd, libc::SO_ERROR).unwrap_or(0);
    // A connection that was refused while it was being filled has shown its error to the filling already.
    if socket.transport().is_stream() && native == 0 && !sys::is_hung_up(socket.fd) {
        return 0;
    }
    take_error(socket).map_or(native, |Errno(errno)| errno)
}

/// Gives the program as much of the value as it has room for, and the length of that.
fn write_value(octets: &[u8], to: *mut c_void, len: *mut socklen_t) -> Result<c_int, Errno> {
    let room = memory::read(len.cast_const())?;
    if room > i32::MAX as u32 {
        return Err(Errno(libc::EINVAL));
    }
    let given = octets.get(..room as usize).unwrap_or(octets);
    memory::write_bytes(to, given)?;
    memory::write(len, given.len() as socklen_t)?;
    Ok(0)
}

/// ioctl(2): the two queries of a socket that AF_UNIX answers in its own terms.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn ioctl(fd: c_int, request: c_ulong, argument: *mut c_void) -> c_int {
    let answer = match request {
        libc::TIOCOUTQ => Socket::identify(fd).map(out_queue),
        libc::FIONREAD => Socket::identify_datagram(fd).map(|socket| Ok(datagram::next_len(socket.fd))),
        _ => None,
    };
    match answer {
        Some(answer) => errno::finish(
            answer.and_then(|octets| memory::write(argument.cast::<c_int>(), octets)).map(|()| 0),
        ),
        // SAFETY: the program's own arguments.
        None => unsafe { real::ioctl(fd, request, argument) },
    }
}

fn out_queue(socket: Socket) -> Result<c_int, Errno> {
    match control::call(Operation::OutQueue { socket: socket.target() }, &mut [0; CALL_MAX])? {
        Reply::Count(octets) => Ok(c_int::try_from(octets).unwrap_or(c_int::MAX)),
        _ => Err(Errno(libc::EPROTO)),
    }
}
