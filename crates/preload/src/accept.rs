//! bind(2), listen(2), accept(2) and shutdown(2).
//!
//! The program's own socket listens. For every completed handshake the stack process connects to it from a
//! socket whose name holds both addresses. accept checks that it was the stack process, and writes the
//! connection's own random identity into it: sixteen octets that cannot be mistaken for text, of which the last
//! stays unread as the canary. When accept was called behind our back no such octets come, and the stack
//! process knows that the connection has no canary.

#![expect(unsafe_code, reason = "libc symbols")]

use libc::{c_int, sockaddr, socklen_t};
use portolan_native::inet;
use portolan_protocol::{Address, CALL_MAX, Name, Operation, Reply, SEND_BUFFER, SocketId, Transport};

use crate::address::UnixAddress;
use crate::errno::{self, Errno};
use crate::passing::pass_on;
use crate::socket::{Peer, Socket};
use crate::{address, control, passing, state, sys};

/// bind(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn bind(fd: c_int, address: *const sockaddr, len: socklen_t) -> c_int {
    let Some(socket) = Socket::identify(fd) else {
        // SAFETY: the program's own arguments.
        return unsafe { pass_on!(fd, bind(fd, address, len)) };
    };
    errno::finish(address::read(address, len).and_then(|given| {
        let address = inet::to_bind(given, socket.family(), len as usize)?;
        control::order(Operation::Bind { socket: socket.target(), address }).map(|()| 0)
    }))
}

/// listen(2): natively first, so that the stack process finds a listener when it connects.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn listen(fd: c_int, backlog: c_int) -> c_int {
    let Some(socket) = Socket::identify(fd) else {
        // SAFETY: the program's own arguments.
        return unsafe { pass_on!(fd, listen(fd, backlog)) };
    };
    if !socket.transport().is_stream() {
        return errno::finish(Err(Errno(libc::EOPNOTSUPP)));
    }
    // SAFETY: no pointers.
    let listens = unsafe { passing::listen(fd, backlog) };
    if listens != 0 {
        return listens;
    }
    // Linux reads a negative backlog as the largest.
    let backlog = u32::try_from(backlog).unwrap_or(u32::MAX);
    errno::finish(control::order(Operation::Listen { socket: socket.own, backlog }).map(|()| 0))
}

/// accept(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn accept(fd: c_int, address: *mut sockaddr, len: *mut socklen_t) -> c_int {
    // SAFETY: accept4 without flags is accept.
    unsafe { accept4(fd, address, len, 0) }
}

/// accept4(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn accept4(
    fd: c_int,
    address: *mut sockaddr,
    len: *mut socklen_t,
    flags: c_int,
) -> c_int {
    let Some(socket) = Socket::identify(fd) else {
        // SAFETY: the program's own arguments.
        return unsafe { pass_on!(fd, accept4(fd, address, len, flags)) };
    };
    if !socket.transport().is_stream() {
        return errno::finish(Err(Errno(libc::EOPNOTSUPP)));
    }
    loop {
        let mut name = UnixAddress::EMPTY;
        let (pointer, name_len) = name.as_mut();
        // SAFETY: the address is ours and lives here.
        let new = unsafe { passing::accept4(fd, pointer, name_len, flags) };
        if new < 0 {
            match errno::get() {
                libc::EINVAL => errno::set(refused_accept(fd)),
                // AF_UNIX says so even of a listener that was shut, and poll says that it is ready: a busy loop.
                libc::EAGAIN if sys::is_hung_up(fd) => errno::set(refused_accept(fd)),
                _ => {}
            }
            return new;
        }
        let Some(remote) = welcome(new, &name) else {
            sys::close(new);
            continue;
        };
        if !address.is_null()
            && let Err(error) = address::write(remote, socket.family(), address, len)
        {
            sys::close(new);
            return errno::finish(Err(error));
        }
        if state::has_inline() && sys::option(fd, libc::SO_OOBINLINE) == Ok(1) {
            let _ = sys::set_option(new, libc::SO_OOBINLINE, 1);
        }
        state::hint_stream(new, true);
        return new;
    }
}

/// Checks that a connection comes from the stack process, and puts the canary in. The other host's address,
/// or `None` for a stranger.
fn welcome(new: c_int, name: &UnixAddress) -> Option<Address> {
    let Some(Name::Accepted { id: SocketId(canary), remote, .. }) = name.name() else {
        return None;
    };
    if sys::peer_credentials(new).ok()? != control::stack_credentials().ok()? {
        return None;
    }
    let _ = sys::set_option(new, libc::SO_SNDBUF, SEND_BUFFER);
    // A connection that has already ended takes no canary and needs none.
    let _ = sys::send_now(new, &canary);
    Some(remote)
}

/// Why accept said EINVAL: the socket never listened, or `portolan run` shut it because the stack is gone.
fn refused_accept(fd: c_int) -> c_int {
    let listens = sys::option(fd, libc::SO_ACCEPTCONN) == Ok(1);
    if listens && control::stack_is_gone() { libc::ENETDOWN } else { libc::EINVAL }
}

/// Closes the connections that nobody has accepted yet: a TCP listener that is shut gives none of them out any more.
fn turn_away_waiting(fd: c_int) {
    // A listener that is shut never waits, so this ends.
    while let Ok(waiting) = sys::accept(fd) {
        sys::close(waiting);
    }
}

/// shutdown(2): a stream's reaches the stack process through the socket itself.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn shutdown(fd: c_int, how: c_int) -> c_int {
    // SAFETY: no pointers.
    let native = || unsafe { passing::shutdown(fd, how) };
    let Some(socket) = Socket::identify(fd) else {
        // SAFETY: no pointers.
        return unsafe { pass_on!(fd, shutdown(fd, how)) };
    };
    let Ok(how_octet @ 0..=2) = u8::try_from(how) else { return native() };
    let listens = sys::option(fd, libc::SO_ACCEPTCONN) == Ok(1);
    match (socket.transport(), socket.peer()) {
        (Transport::Tcp, Peer::None) if listens => {
            let _ = control::order(Operation::Shutdown { socket: socket.own, how: how_octet });
            let shut = native();
            turn_away_waiting(fd);
            shut
        }
        (Transport::Tcp, Peer::None) => errno::finish(Err(Errno(libc::ENOTCONN))),
        (Transport::Tcp, _) if sys::is_hung_up(fd) && has_ended(socket) => {
            errno::finish(Err(Errno(libc::ENOTCONN)))
        }
        (Transport::Tcp, _) => native(),
        _ => {
            if !crate::connect::is_connected_datagram(fd) {
                return errno::finish(Err(Errno(libc::ENOTCONN)));
            }
            let told = control::order(Operation::Shutdown { socket: socket.own, how: how_octet });
            if told.is_err() { errno::finish(told.map(|()| 0)) } else { native() }
        }
    }
}

/// Whether the connection is over, and not only shut both ways by the program itself.
fn has_ended(socket: Socket) -> bool {
    /// TCP_CLOSE of <netinet/tcp.h>, the first octet of `struct tcp_info`.
    const CLOSED: u8 = 7;
    let (level, name) = (libc::IPPROTO_TCP, libc::TCP_INFO);
    let operation = Operation::GetOption { socket: socket.target(), level, name };
    matches!(control::call(operation, &mut [0; CALL_MAX]), Ok(Reply::Value(&[CLOSED, ..])))
}
