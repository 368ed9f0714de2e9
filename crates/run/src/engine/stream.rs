//! Streams: the few calls that AF_UNIX would answer with a name, or knows nothing of. All others run natively.

use std::time::{Duration, Instant};

use portolan_native::Errno;
use portolan_native::inet;
use portolan_protocol::Operation;
use portolan_protocol::request::Target;
use rustix::process::Signal;

use super::call::{Answer, Call, Then, wait_to_receive, wait_to_send};
use super::connect::native_error;
use super::message::{Message, Told};
use super::notifier::Engine;
use super::socket::{Peer, Socket};
use super::stack::errno_of;
use crate::os::unix;

/// Octets that one such call takes at most: a program that sends more is told so.
const TAKEN_MAX: usize = 64 * 1024;

/// How long an urgent octet waits for an earlier one to leave, for which every other call waits too; and between two tries.
const URGENT_PATIENCE: Duration = Duration::from_millis(20);
const URGENT_PAUSE: Duration = Duration::from_millis(1);

impl Engine {
    /// With an address, which TCP takes no notice of; with MSG_OOB; or with MSG_FASTOPEN.
    pub(super) fn send_stream(
        &mut self,
        call: &Call<'_>,
        socket: Socket,
        message: &Message,
    ) -> Result<Answer, Errno> {
        if message.flags & libc::MSG_FASTOPEN != 0 {
            return match socket.peer() {
                Peer::None => self.open_with_text(call, socket, message),
                _ => Err(Errno(libc::EISCONN)),
            };
        }
        let mut text = vec![0; message.len().min(TAKEN_MAX)];
        let copied = call.thread.read_pieces(&mut text, &message.pieces).map_err(|error| errno_of(&error))?;
        text.truncate(copied);
        let waits = message.flags & libc::MSG_DONTWAIT == 0;
        let urgent = if message.flags & libc::MSG_OOB != 0 { text.pop() } else { None };
        let mut sent = 0;
        if !text.is_empty() || urgent.is_none() {
            sent = match unix::write(socket.fd(), &text).map_err(|error| errno_of(&error)) {
                Err(Errno(libc::EAGAIN)) => return wait_to_send(socket.fd, waits),
                Err(error) => return Err(self.translate_send(call, &socket, message.flags, error)),
                Ok(sent) => sent,
            };
        }
        match urgent {
            Some(octet) if sent == text.len() => {
                let target = socket.target();
                match self.order_urgent(target, octet) {
                    Ok(()) => Ok(Answer::Value(sent + 1)),
                    Err(_) if sent > 0 => Ok(Answer::Value(sent)),
                    Err(error) => Err(error),
                }
            }
            _ => Ok(Answer::Value(sent)),
        }
    }

    /// An earlier urgent octet may be on its way still, mostly for the moment that the stack process needs to take it.
    fn order_urgent(&mut self, socket: Target, octet: u8) -> Result<(), Errno> {
        let until = Instant::now() + URGENT_PATIENCE;
        loop {
            match self.stack.order(Operation::Urgent { socket, octet }) {
                Err(Errno(libc::EAGAIN)) if Instant::now() < until => std::thread::sleep(URGENT_PAUSE),
                result => return result,
            }
        }
    }

    /// MSG_FASTOPEN: begins to connect. The text goes with the SYN if the server's cookie is known, else after it.
    fn open_with_text(
        &mut self,
        call: &Call<'_>,
        socket: Socket,
        message: &Message,
    ) -> Result<Answer, Errno> {
        if message.name == 0 {
            return Err(Errno(libc::EINVAL));
        }
        let given = call.read_address(message.name, message.name_len)?;
        let address = inet::to_connect_stream(given, socket.family(), message.name_len as usize)?;
        let (level, name) = (libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT);
        let value = &1i32.to_ne_bytes();
        match self.stack.order(Operation::SetOption { socket: socket.target(), level, name, value }) {
            Ok(()) | Err(Errno(libc::EINVAL)) => {}
            Err(error) => return Err(error),
        }
        match self.connect_stream(call, socket, address)? {
            Answer::Wait(mut wait) => {
                wait.then = Then::Opened;
                Ok(Answer::Wait(wait))
            }
            _ => self.send_opened(call),
        }
    }

    /// A write's error in TCP's words, and the signal that is due.
    fn translate_send(&mut self, call: &Call<'_>, socket: &Socket, flags: i32, error: Errno) -> Errno {
        let now = match error {
            Errno(libc::ENOTCONN) => Errno(libc::EPIPE),
            Errno(libc::EPIPE | libc::ECONNRESET) => match native_error(socket) {
                0 => error,
                pending => self.take_error(socket).unwrap_or(Errno(pending)),
            },
            other => other,
        };
        if now == Errno(libc::EPIPE) && flags & libc::MSG_NOSIGNAL == 0 {
            call.thread.signal(Signal::PIPE);
        }
        now
    }

    /// With an address, of which TCP tells nothing.
    pub(super) fn receive_stream(
        &mut self,
        call: &Call<'_>,
        socket: Socket,
        message: &Message,
    ) -> Result<Answer, Errno> {
        let room = message.len().min(self.scratch.len());
        let out = self.scratch.get_mut(..room).unwrap_or_default();
        let peeks = message.flags & libc::MSG_PEEK != 0;
        let received = if peeks { unix::peek(socket.fd(), out) } else { unix::read(socket.fd(), out) };
        let len = match received.map_err(|error| errno_of(&error)) {
            Ok(len) => len,
            Err(Errno(libc::EAGAIN)) => {
                return wait_to_receive(socket.fd, message.flags & libc::MSG_DONTWAIT == 0);
            }
            Err(Errno(libc::EINVAL)) if matches!(socket.peer(), Peer::None) => {
                return Err(Errno(libc::ENOTCONN));
            }
            Err(error @ Errno(libc::ECONNRESET)) => return Err(self.take_error(&socket).unwrap_or(error)),
            Err(error) => return Err(error),
        };
        let text = self.scratch.get(..len).unwrap_or_default();
        call.thread.write_pieces(text, &message.pieces).map_err(|error| errno_of(&error))?;
        message.tell(call, &Told::default())?;
        Ok(Answer::Value(len))
    }
}
