//! getsockname(2) and getpeername(2): an accepted connection's addresses are in its peer's name, others are asked for.

#![expect(unsafe_code, reason = "libc symbols")]

use libc::{c_int, sockaddr, socklen_t};
use portolan_protocol::{Address, CALL_MAX, Operation, Reply, Transport};

use crate::errno::{self, Errno};
use crate::passing::pass_on;
use crate::socket::{Peer, Socket};
use crate::{address, control};

/// getsockname(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn getsockname(fd: c_int, address: *mut sockaddr, len: *mut socklen_t) -> c_int {
    let Some(socket) = Socket::identify(fd) else {
        // SAFETY: the program's own arguments.
        return unsafe { pass_on!(fd, getsockname(fd, address, len)) };
    };
    let known = match (socket.transport(), socket.peer()) {
        (Transport::Tcp, Peer::Accepted { local, .. }) => Ok(local),
        _ => ask_address(Operation::LocalAddress { socket: socket.own }),
    };
    errno::finish(known.and_then(|known| address::write(known, socket.family(), address, len)).map(|()| 0))
}

/// getpeername(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn getpeername(fd: c_int, address: *mut sockaddr, len: *mut socklen_t) -> c_int {
    let Some(socket) = Socket::identify(fd) else {
        // SAFETY: the program's own arguments.
        return unsafe { pass_on!(fd, getpeername(fd, address, len)) };
    };
    let known = match (socket.transport(), socket.peer()) {
        (Transport::Tcp, Peer::Accepted { remote, .. }) => Ok(remote),
        (Transport::Tcp, Peer::None) => Err(Errno(libc::ENOTCONN)),
        _ => ask_address(Operation::RemoteAddress { socket: socket.own }),
    };
    errno::finish(known.and_then(|known| address::write(known, socket.family(), address, len)).map(|()| 0))
}

fn ask_address(operation: Operation<'_>) -> Result<Address, Errno> {
    match control::call(operation, &mut [0; CALL_MAX])? {
        Reply::Address(address) => Ok(address),
        _ => Err(Errno(libc::EPROTO)),
    }
}
