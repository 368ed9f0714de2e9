//! getsockname(2), getpeername(2), getsockopt(2), setsockopt(2) and ioctl(2).

use portolan_native::{Errno, option};
use portolan_protocol::request::VALUE_MAX;
use portolan_protocol::{Address, CALL_MAX, Operation, Reply, Transport};
use rustix::event::PollFlags;

use super::call::{Answer, CAP_NET_ADMIN, Call};
use super::connect::native_error;
use super::notifier::Engine;
use super::socket::{Peer, Socket};
use crate::os::unix;

impl Engine {
    pub(super) fn local_name(&mut self, call: &Call<'_>) -> Result<Answer, Errno> {
        let socket = match Socket::identify(call.descriptor()?) {
            Ok(socket) => socket,
            Err(fd) => return self.foreign(call, fd),
        };
        let address = match (socket.transport(), socket.peer()) {
            (Transport::Tcp, Peer::Accepted { local, .. }) => local,
            _ => self.ask_address(Operation::LocalAddress { socket: socket.own })?,
        };
        call.write_address(address, socket.family(), call.argument(1), call.argument(2))
    }

    pub(super) fn peer_name(&mut self, call: &Call<'_>) -> Result<Answer, Errno> {
        let socket = match Socket::identify(call.descriptor()?) {
            Ok(socket) => socket,
            Err(fd) => return self.foreign(call, fd),
        };
        let address = match (socket.transport(), socket.peer()) {
            (Transport::Tcp, Peer::Accepted { remote, .. }) => remote,
            (Transport::Tcp, Peer::None) => return Err(Errno(libc::ENOTCONN)),
            _ => self.ask_address(Operation::RemoteAddress { socket: socket.own })?,
        };
        call.write_address(address, socket.family(), call.argument(1), call.argument(2))
    }

    fn ask_address(&mut self, operation: Operation<'_>) -> Result<Address, Errno> {
        match self.stack.call(operation, &mut [0; CALL_MAX])? {
            Reply::Address(address) => Ok(address),
            _ => Err(Errno(libc::EPROTO)),
        }
    }

    /// Where a UDP socket's datagrams go by default.
    pub(super) fn default_destination(&mut self, socket: &Socket) -> Result<Option<Address>, Errno> {
        match self.ask_address(Operation::RemoteAddress { socket: socket.own }) {
            Ok(address) => Ok(Some(address)),
            Err(Errno(libc::ENOTCONN)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn set_option(&mut self, call: &Call<'_>) -> Result<Answer, Errno> {
        let (level, name) = (call.int(1), call.int(2));
        let socket = match Socket::identify(call.descriptor()?) {
            Ok(_) if option::is_native(level, name) => return Ok(Answer::Run),
            Ok(socket) => socket,
            Err(fd) => return self.foreign(call, fd),
        };
        let mut octets = [0u8; VALUE_MAX];
        let len = usize::try_from(call.int(4)).map_err(|_| Errno(libc::EINVAL))?;
        let value = octets.get_mut(..len).ok_or(Errno(libc::EINVAL))?;
        call.read(call.argument(3), value)?;
        self.stack.act_for(call.caller(CAP_NET_ADMIN)?)?;
        self.stack.order(Operation::SetOption { socket: socket.target(), level, name, value })?;
        Ok(Answer::ZERO)
    }

    pub(super) fn option(&mut self, call: &Call<'_>) -> Result<Answer, Errno> {
        let (level, name) = (call.int(1), call.int(2));
        let socket = match Socket::identify(call.descriptor()?) {
            Ok(_) if option::is_native(level, name) => return Ok(Answer::Run),
            Ok(socket) => socket,
            Err(fd) => return self.foreign(call, fd),
        };
        let (to, len) = (call.argument(3), call.argument(4));
        if let Some(known) = option::of_kind(socket.own.kind, level, name) {
            return call.write_value(&known.to_ne_bytes(), to, len);
        }
        match (level, name) {
            (libc::SOL_SOCKET, libc::SO_ERROR) => {
                let error = self.pending_error(&socket);
                return call.write_value(&error.to_ne_bytes(), to, len);
            }
            (libc::SOL_SOCKET, libc::SO_PEERCRED) => return call.write_value(&option::nobody(), to, len),
            _ => {}
        }
        let mut buffer = [0; CALL_MAX];
        let operation = Operation::GetOption { socket: socket.target(), level, name };
        match self.stack.call(operation, &mut buffer)? {
            Reply::Value(value) => call.write_value(value, to, len),
            _ => Err(Errno(libc::EPROTO)),
        }
    }

    /// SO_ERROR, taken away. A stream's kernel socket knows that there is an error, the stack process which.
    fn pending_error(&mut self, socket: &Socket) -> i32 {
        if !socket.transport().is_stream()
            && let Some(Errno(errno)) = socket.take_report()
        {
            return errno;
        }
        let native = native_error(socket);
        let hung_up = unix::readiness(socket.fd()).contains(PollFlags::HUP);
        if socket.transport() == Transport::Tcp && native == 0 && !hung_up {
            return 0;
        }
        self.take_error(socket).map_or(native, |Errno(errno)| errno)
    }

    /// ioctl(2), of the requests that the filter shows.
    pub(super) fn ioctl(&mut self, call: &Call<'_>) -> Result<Answer, Errno> {
        let fd = call.descriptor()?;
        let request = u64::from(call.argument(1) as u32);
        let socket = match (request, Socket::identify(fd)) {
            (libc::TIOCOUTQ | libc::FIONREAD, Ok(socket)) => socket,
            (libc::TIOCOUTQ | libc::FIONREAD, Err(_)) => return Ok(Answer::Run),
            (_, Ok(_)) => return self.ioctl_of_interface(call),
            (_, Err(fd)) if rustix::net::sockopt::socket_type(&fd).is_ok() => {
                return self.ioctl_of_interface(call);
            }
            _ => return Ok(Answer::Run),
        };
        let octets = match (request, socket.transport()) {
            (libc::FIONREAD, Transport::Tcp) => return Ok(Answer::Run),
            (libc::FIONREAD, _) => socket.next_len(),
            _ => {
                match self.stack.call(Operation::OutQueue { socket: socket.target() }, &mut [0; CALL_MAX])? {
                    Reply::Count(octets) => octets,
                    _ => return Err(Errno(libc::EPROTO)),
                }
            }
        };
        let octets = i32::try_from(octets).unwrap_or(i32::MAX);
        call.write(call.argument(2), &octets.to_ne_bytes())?;
        Ok(Answer::ZERO)
    }
}
