//! connect(2).
//!
//! The stack process is asked first, so that what it knows at once (no route, already connected) needs no
//! attachment. Then the socket attaches and is filled, so that it is not writable; when the handshake is
//! complete the stack process drains the filler but for one octet, which is the edge that poll and epoll wait for.

#![expect(unsafe_code, reason = "a libc symbol")]

use libc::{c_int, sockaddr, socklen_t};
use portolan_native::inet;
use portolan_protocol::request::Target;
use portolan_protocol::{Address, CALL_MAX, FILLER_LEN, Operation, Reply, Transport};

use crate::address::Given;
use crate::errno::{self, Errno};
use crate::registrations::Registrations;
use crate::socket::{Peer, Socket};
use crate::{address, control, passing, real, socket, state, sys};

static FILLER: [u8; FILLER_LEN] = [0; FILLER_LEN];

/// How a socket of ours marks that its datagrams have a default destination: SO_PRIORITY, which an AF_UNIX
/// socket has no use for, and which any process that holds the descriptor can read.
const CONNECTED_MARK: c_int = 1;

/// connect(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn connect(fd: c_int, address: *const sockaddr, len: socklen_t) -> c_int {
    let Some(socket) = Socket::identify(fd) else {
        return connect_elsewhere(fd, address, len);
    };
    errno::finish(address::read(address, len).and_then(|given| match socket.transport() {
        Transport::Tcp => connect_stream(socket, given, len),
        _ => connect_datagram(socket, given),
    }))
}

/// connect(2) of a socket that is not ours. What is in the file system leads to no network.
fn connect_elsewhere(fd: c_int, address: *const sockaddr, len: socklen_t) -> c_int {
    let unix = if state::is_active() { address::read_unix(address, len) } else { None };
    match unix.filter(|_| !passing::is_engines(fd)) {
        // SAFETY: a copy of the program's address.
        Some(unix) => unsafe { passing::connect(fd, unix.as_ptr(), unix.len()) },
        // SAFETY: the program's own arguments.
        None => unsafe { real::connect(fd, address, len) },
    }
}

/// sendto(2) with MSG_FASTOPEN: connects, so that what is written next goes with the SYN if the server's cookie is known.
pub(crate) fn connect_for_text(
    socket: Socket,
    address: *const sockaddr,
    len: socklen_t,
) -> Result<(), Errno> {
    if address.is_null() {
        return Err(Errno(libc::EINVAL));
    }
    let value = 1i32.to_ne_bytes();
    let (level, name) = (libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT);
    match control::order(Operation::SetOption { socket: socket.target(), level, name, value: &value }) {
        Ok(()) | Err(Errno(libc::EINVAL)) => {}
        Err(error) => return Err(error),
    }
    connect_stream(socket, address::read(address, len)?, len).map(drop)
}

fn connect_stream(socket: Socket, given: Given, len: socklen_t) -> Result<c_int, Errno> {
    if let Given::Unspecified(_) = given {
        return disconnect_stream(socket);
    }
    let address = inet::to_connect_stream(given, socket.family(), len as usize)?;
    let is_attached = match socket.peer() {
        Peer::Accepted { .. } => return Err(Errno(libc::EISCONN)),
        Peer::Attached => true,
        Peer::None => false,
    };
    let waits = sys::status_flags(socket.fd) & libc::O_NONBLOCK == 0;
    let mut socket = socket;
    match begin(socket.own, address, waits) {
        Ok(Begun::Complete) => return Ok(0),
        // A blocking connect after a non-blocking one waits for it.
        Err(Errno(libc::EALREADY)) if waits => return wait(socket, libc::EALREADY),
        Err(error) => return Err(error),
        Ok(Begun::Started) if !is_attached => attach_and_fill(socket.fd)?,
        // An earlier attempt failed and used the descriptor up, though the program may try again with it.
        Ok(Begun::Started | Begun::Spent) => {
            let known = Registrations::of(socket.fd);
            socket = replace(socket, &known)?;
            let begun = begin(socket.own, address, waits).and_then(|_| attach_and_fill(socket.fd));
            // Not before: a fresh socket is writable.
            known.restore();
            begun?;
        }
    }
    if waits { wait(socket, libc::EINPROGRESS) } else { Err(Errno(libc::EINPROGRESS)) }
}

enum Begun {
    Complete,
    Started,
    Spent,
}

fn begin(socket: Target, address: Address, waits: bool) -> Result<Begun, Errno> {
    match control::call(Operation::Connect { socket, address, waits }, &mut [0; CALL_MAX])? {
        Reply::Connecting => Ok(Begun::Started),
        Reply::Spent => Ok(Begun::Spent),
        _ => Ok(Begun::Complete),
    }
}

/// Attaches a stream to the stack process and makes it unwritable. The last octet goes out on its own: it
/// stays behind as the canary, and must not pin the filler's memory.
fn attach_and_fill(fd: c_int) -> Result<(), Errno> {
    let rendezvous = state::rendezvous().ok_or(Errno::NETDOWN)?;
    socket::attach(fd, rendezvous.name())?;
    let mut rest = FILLER.get(1..).unwrap_or(&[]);
    while !rest.is_empty() {
        match sys::send_now(fd, rest) {
            Ok(sent) => rest = rest.get(sent..).unwrap_or(&[]),
            // Refused already: what waits for the connection will find that out.
            Err(Errno(libc::EPIPE | libc::ECONNRESET)) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    match sys::send_now(fd, &[0]) {
        Ok(_) | Err(Errno(libc::EPIPE | libc::ECONNRESET)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Puts a fresh socket in a used one's place, at the same number and with the same flags, and in that of its copies. What
/// is registered is taken out, and for the caller to restore.
fn replace(socket: Socket, known: &Registrations) -> Result<Socket, Errno> {
    let flags = sys::status_flags(socket.fd) & libc::O_NONBLOCK;
    let new = socket::create(socket.own.kind, flags)?;
    known.withdraw();
    let placed = sys::duplicate_onto(new, socket.fd, sys::is_close_on_exec(socket.fd));
    if placed.is_ok() {
        known.replace_copies(new);
    } else {
        known.restore();
    }
    sys::close(new);
    placed?;
    state::hint_stream(socket.fd, true);
    Socket::identify(socket.fd).ok_or(Errno(libc::EBADF))
}

/// connect(2) with AF_UNSPEC: the connection is reset, and a fresh socket stands in its place.
fn disconnect_stream(socket: Socket) -> Result<c_int, Errno> {
    if let Peer::None = socket.peer() {
        return Ok(0);
    }
    let reset = [1i32, 0].map(i32::to_ne_bytes);
    let (level, name, value) = (libc::SOL_SOCKET, libc::SO_LINGER, reset.as_flattened());
    // A connection that has ended takes no option, and needs no reset.
    let _ = control::order(Operation::SetOption { socket: socket.target(), level, name, value });
    let known = Registrations::of(socket.fd);
    replace(socket, &known)?;
    known.restore();
    Ok(0)
}

/// Waits until the handshake is complete or has failed. `late` is the errno at the end of SO_SNDTIMEO.
fn wait(socket: Socket, late: c_int) -> Result<c_int, Errno> {
    let timeout_ms = sys::send_timeout_ms(socket.fd);
    let mut poll = libc::pollfd { fd: socket.fd, events: libc::POLLOUT, revents: 0 };
    loop {
        // SAFETY: one entry, which lives here. Through libc, because this is a cancellation point.
        match unsafe { libc::poll(&raw mut poll, 1, timeout_ms) } {
            0 => return Err(Errno(late)),
            ready if ready > 0 => break,
            _ if errno::get() == libc::EINTR && sys::signals_restart() => {}
            _ => return Err(Errno(errno::get())),
        }
    }
    if poll.revents & (libc::POLLERR | libc::POLLHUP) == 0 {
        return Ok(0);
    }
    let native = sys::option(socket.fd, libc::SO_ERROR).unwrap_or(0);
    match take_error(socket) {
        Some(error) => Err(error),
        // The stack process itself is gone.
        None if native != 0 => Err(Errno(native)),
        // The other host has connected and gone already.
        None => Ok(0),
    }
}

/// The error that ended a connection, taken from the stack process, which knows it better than the kernel. `None` if
/// it knows none, or cannot be asked.
pub(crate) fn take_error(socket: Socket) -> Option<Errno> {
    match control::call(Operation::TakeError { socket: socket.target() }, &mut [0; CALL_MAX]) {
        Ok(Reply::Count(errno @ 1..)) => c_int::try_from(errno).ok().map(Errno),
        _ => None,
    }
}

fn connect_datagram(socket: Socket, given: Given) -> Result<c_int, Errno> {
    let target = socket.own;
    match inet::to_connect_datagram(given, socket.family())? {
        None => {
            control::order(Operation::Disconnect { socket: target })?;
            sys::set_option(socket.fd, libc::SO_PRIORITY, 0)?;
        }
        Some(address) => {
            control::order(Operation::Connect { socket: target, address, waits: true })?;
            sys::set_option(socket.fd, libc::SO_PRIORITY, CONNECTED_MARK)?;
            state::note_reports();
        }
    }
    Ok(0)
}

/// The UDP socket has a default destination.
pub(crate) fn is_connected_datagram(fd: c_int) -> bool {
    sys::option(fd, libc::SO_PRIORITY) == Ok(CONNECTED_MARK)
}
