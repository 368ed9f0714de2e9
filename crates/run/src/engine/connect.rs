//! connect(2), as `crates/preload/src/connect.rs` does it, from outside.

use std::os::fd::AsFd;
use std::time::Instant;

use portolan_native::Errno;
use portolan_native::inet::{self, Given};
use portolan_protocol::request::Target;
use portolan_protocol::{Address, CALL_MAX, FILLER_LEN, Operation, Reply, Transport};
use rustix::event::PollFlags;
use rustix::net::sockopt::{self, Timeout};

use super::call::{Answer, CAP_NET_BIND_SERVICE, Call, Then, Wait, is_nonblocking, time_limit};
use super::notifier::Engine;
use super::socket::{self, Peer, Socket};
use super::stack::errno_of;
use crate::os::unix;

static FILLER: [u8; FILLER_LEN] = [0; FILLER_LEN];

/// What the stack process made of a request to connect.
enum Begun {
    Complete,
    Started,
    Spent,
}

impl Engine {
    pub(super) fn connect(&mut self, call: &Call<'_>) -> Result<Answer, Errno> {
        let socket = match Socket::identify(call.descriptor()?) {
            Ok(socket) => socket,
            Err(fd) => return self.connect_foreign(call, fd),
        };
        let len = call.argument(2) as u32;
        let given = call.read_address(call.argument(1), len)?;
        self.stack.act_for(call.caller(CAP_NET_BIND_SERVICE)?)?;
        match socket.transport() {
            Transport::Tcp if matches!(given, Given::Unspecified(_)) => self.disconnect_stream(call, &socket),
            Transport::Tcp => {
                let address = inet::to_connect_stream(given, socket.family(), len as usize)?;
                self.connect_stream(call, socket, address)
            }
            _ => {
                let target = socket.own;
                self.stack.order(match inet::to_connect_datagram(given, socket.family())? {
                    None => Operation::Disconnect { socket: target },
                    Some(address) => Operation::Connect { socket: target, address, waits: true },
                })?;
                Ok(Answer::ZERO)
            }
        }
    }

    /// Begins a handshake, and waits for its end if the socket blocks.
    pub(super) fn connect_stream(
        &mut self,
        call: &Call<'_>,
        mut socket: Socket,
        address: Address,
    ) -> Result<Answer, Errno> {
        let is_attached = match socket.peer() {
            Peer::Accepted { .. } => return Err(Errno(libc::EISCONN)),
            Peer::Attached => true,
            Peer::None => false,
        };
        let waits = !is_nonblocking(socket.fd());
        match self.begin(socket.own, address, waits) {
            Ok(Begun::Complete) => return Ok(Answer::ZERO),
            // A blocking connect after a non-blocking one waits for it.
            Err(Errno(libc::EALREADY)) if waits => return Ok(wait(socket, Errno(libc::EALREADY))),
            Err(error) => return Err(error),
            Ok(Begun::Started) if !is_attached => self.attach_and_fill(&socket)?,
            // An earlier attempt failed and used the descriptor up, though the program may try again with it.
            Ok(Begun::Started | Begun::Spent) => {
                socket = self.replace(call, &socket)?;
                self.begin(socket.own, address, waits)?;
                self.attach_and_fill(&socket)?;
            }
        }
        const STARTED: Errno = Errno(libc::EINPROGRESS);
        if waits { Ok(wait(socket, STARTED)) } else { Err(STARTED) }
    }

    /// AF_UNSPEC: the connection is reset, and a fresh socket stands in its place.
    fn disconnect_stream(&mut self, call: &Call<'_>, socket: &Socket) -> Result<Answer, Errno> {
        if !matches!(socket.peer(), Peer::None) {
            self.stack.reset_when_closed(socket);
            self.replace(call, socket)?;
        }
        Ok(Answer::ZERO)
    }

    fn begin(&mut self, socket: Target, address: Address, waits: bool) -> Result<Begun, Errno> {
        match self.stack.call(Operation::Connect { socket, address, waits }, &mut [0; CALL_MAX])? {
            Reply::Connecting => Ok(Begun::Started),
            Reply::Spent => Ok(Begun::Spent),
            _ => Ok(Begun::Complete),
        }
    }

    /// Attaches a stream to the stack process and makes it unwritable. The last octet goes out on its own: it stays
    /// behind as the canary, and must not pin the filler's memory.
    fn attach_and_fill(&self, socket: &Socket) -> Result<(), Errno> {
        socket::attach(&self.stack, socket.fd())?;
        let (mut rest, last) = FILLER.split_at(FILLER_LEN - 1);
        while !rest.is_empty() {
            match write(socket, rest)? {
                // Refused already: what waits for the connection will find that out.
                None => return Ok(()),
                Some(sent) => rest = rest.get(sent..).unwrap_or_default(),
            }
        }
        write(socket, last).map(drop)
    }

    /// Puts a fresh socket in a used one's place, at the same number and with the same flags.
    fn replace(&mut self, call: &Call<'_>, used: &Socket) -> Result<Socket, Errno> {
        let kind = used.own.kind;
        let new = socket::create(&mut self.stack, kind.transport, kind.family)?;
        let flags = rustix::fs::fcntl_getfl(&used.fd).map_err(|error| Errno(error.raw_os_error()))?;
        rustix::fs::fcntl_setfl(&new.fd, flags).map_err(|error| Errno(error.raw_os_error()))?;
        let number = call.int(0);
        let close_on_exec = call.thread.closes_on_exec(number);
        call.listener
            .replace(call.notification.id, new.fd(), number.cast_unsigned(), close_on_exec)
            .map_err(|error| match errno_of(&error) {
                // The thread was interrupted.
                Errno(libc::ENOENT) => Errno(libc::EINTR),
                error => error,
            })?;
        Ok(new)
    }

    /// After a handshake was waited for: how it ended.
    pub(super) fn connected(&mut self, socket: Socket) -> Result<Answer, Errno> {
        let ready = unix::readiness(socket.fd());
        if !ready.intersects(PollFlags::ERR | PollFlags::HUP) {
            let is_done = ready.contains(PollFlags::OUT);
            return Ok(if is_done { Answer::ZERO } else { wait(socket, Errno(libc::EINPROGRESS)) });
        }
        let native = native_error(&socket);
        match self.take_error(&socket) {
            Some(error) => Err(error),
            // The stack process itself is gone.
            None if native != 0 => Err(Errno(native)),
            // The other host has connected and gone already.
            None => Ok(Answer::ZERO),
        }
    }

    /// The error that ended a connection, taken from the stack process, which knows it better than the kernel.
    pub(super) fn take_error(&mut self, socket: &Socket) -> Option<Errno> {
        match self.stack.call(Operation::TakeError { socket: socket.target() }, &mut [0; CALL_MAX]) {
            Ok(Reply::Count(errno @ 1..)) => i32::try_from(errno).ok().map(Errno),
            _ => None,
        }
    }
}

/// SO_ERROR of the AF_UNIX socket, taken away; 0 for none.
pub(super) fn native_error(socket: &Socket) -> i32 {
    match sockopt::socket_error(&socket.fd) {
        Ok(Err(error)) => error.raw_os_error(),
        _ => 0,
    }
}

fn write(socket: &Socket, octets: &[u8]) -> Result<Option<usize>, Errno> {
    match unix::write(socket.fd(), octets).map_err(|error| errno_of(&error)) {
        Ok(sent) => Ok(Some(sent)),
        Err(Errno(libc::EPIPE | libc::ECONNRESET)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Waits for the end of a handshake; `late` is the errno at the end of SO_SNDTIMEO.
fn wait(socket: Socket, late: Errno) -> Answer {
    let limit = time_limit(socket.fd.as_fd(), Timeout::Send);
    Answer::Wait(Wait {
        limit: limit.map(|limit| (Instant::now() + limit, late)),
        socket: socket.fd,
        events: PollFlags::OUT,
        then: Then::Connected,
    })
}
