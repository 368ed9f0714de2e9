//! sendto(2), recvfrom(2), sendmsg(2), recvmsg(2) and their many-message forms: the program's arguments in one shape,
//! and what is written back.

use portolan_native::Errno;
use portolan_protocol::Transport;
use rustix::event::PollFlags;

use super::call::{Answer, Call, is_nonblocking, wait_to_receive};
use super::notifier::Engine;
use super::socket::{Peer, Socket};
use crate::os::thread::Piece;
use crate::os::unix;

/// A stream that polls so is fresh or has ended, for which AF_UNIX has other errnos.
const OVER: PollFlags = PollFlags::ERR.union(PollFlags::HUP);

/// Linux's UIO_MAXIOV.
const PIECES_MAX: u64 = 1024;

/// Octets of struct msghdr, and of struct mmsghdr, which is that with a length behind it.
const HEADER_LEN: usize = 56;
const ENTRY_LEN: u64 = 64;

/// Where struct msghdr's fields are: their names are msg_name, msg_namelen, msg_iov, msg_iovlen ...
const NAME: usize = 0;
const NAME_LEN: usize = 8;
const PIECES: usize = 16;
const PIECES_COUNT: usize = 24;
const CONTROL: usize = 32;
const CONTROL_LEN: usize = 40;
const FLAGS: usize = 48;

/// Where the lengths and flags that a receiving call tells are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    /// recvfrom: the address's length is here.
    Plain { name_len: u64 },
    /// recvmsg: the header is here.
    Header { at: u64 },
}

/// A message that is to be sent or received, its parts in the program's memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Message {
    /// The text.
    pub(super) pieces: Vec<Piece>,
    /// The address, 0 for none.
    pub(super) name: u64,
    /// The address's length, or the room for it; only for calls that send and for recvmsg.
    pub(super) name_len: u32,
    /// Control messages, or the room for them.
    pub(super) control: Piece,
    /// MSG_*.
    pub(super) flags: i32,
    form: Form,
}

impl Message {
    /// Octets of text, or of room for it.
    pub(super) fn len(&self) -> usize {
        self.pieces.iter().fold(0, |sum: usize, piece| sum.saturating_add(piece.len as usize))
    }

    /// sendto(2) and recvfrom(2).
    pub(super) fn plain(call: &Call<'_>) -> Message {
        Message {
            pieces: vec![Piece { address: call.argument(1), len: call.argument(2) }],
            name: call.argument(4),
            name_len: call.argument(5) as u32,
            control: Piece::default(),
            flags: call.int(3),
            form: Form::Plain { name_len: call.argument(5) },
        }
    }

    /// The struct msghdr at an address.
    pub(super) fn at(call: &Call<'_>, at: u64, flags: i32) -> Result<Message, Errno> {
        let mut header = [0; HEADER_LEN];
        call.read(at, &mut header)?;
        let count = word(&header, PIECES_COUNT);
        if count > PIECES_MAX {
            return Err(Errno(libc::EMSGSIZE));
        }
        let mut octets = vec![0; count as usize * size_of::<libc::iovec>()];
        call.read(word(&header, PIECES), &mut octets)?;
        let pieces = octets.chunks_exact(size_of::<libc::iovec>());
        Ok(Message {
            pieces: pieces.map(|piece| Piece { address: word(piece, 0), len: word(piece, 8) }).collect(),
            name: word(&header, NAME),
            name_len: word(&header, NAME_LEN) as u32,
            control: Piece { address: word(&header, CONTROL), len: word(&header, CONTROL_LEN) },
            flags,
            form: Form::Header { at },
        })
    }

    /// Tells the program what it received beside the text.
    pub(super) fn tell(&self, call: &Call<'_>, told: &Told<'_>) -> Result<(), Errno> {
        match self.form {
            Form::Plain { .. } if self.name == 0 => Ok(()),
            Form::Plain { name_len } => call.write_name(told.name, self.name, name_len).map(drop),
            Form::Header { at } => {
                let mut name_len = 0;
                if self.name != 0 {
                    let name = told.name.get(..self.name_len as usize).unwrap_or(told.name);
                    call.write(self.name, name)?;
                    name_len = told.name.len() as u32;
                }
                call.write(self.control.address, told.control)?;
                call.write(at + NAME_LEN as u64, &name_len.to_ne_bytes())?;
                call.write(at + CONTROL_LEN as u64, &told.control.len().to_ne_bytes())?;
                call.write(at + FLAGS as u64, &told.flags.to_ne_bytes())
            }
        }
    }
}

/// What a received message brought beside its text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Told<'a> {
    /// The sender's address in the program's layout; empty for none, as TCP has it.
    pub(super) name: &'a [u8],
    /// Control messages.
    pub(super) control: &'a [u8],
    /// MSG_*.
    pub(super) flags: i32,
}

/// recvmmsg's limit in time, of which only this is heeded: that it is one.
fn check_timeout(call: &Call<'_>, at: u64) -> Result<(), Errno> {
    const NANOSECONDS: u64 = 1_000_000_000;
    let mut timespec = [0; size_of::<libc::timespec>()];
    if at == 0 {
        return Ok(());
    }
    call.read(at, &mut timespec)?;
    let (seconds, nanoseconds) = (word(&timespec, 0).cast_signed(), word(&timespec, 8));
    if seconds < 0 || nanoseconds >= NANOSECONDS { Err(Errno(libc::EINVAL)) } else { Ok(()) }
}

fn word(octets: &[u8], at: usize) -> u64 {
    octets.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |eight| u64::from_ne_bytes(*eight))
}

impl Engine {
    /// sendto(2).
    pub(super) fn send_to(&mut self, call: &Call<'_>) -> Result<Answer, Errno> {
        match Socket::identify(call.descriptor()?) {
            Ok(socket) => self.send(call, socket, &Message::plain(call)),
            Err(fd) => self.foreign(call, fd),
        }
    }

    /// recvfrom(2).
    pub(super) fn receive_from(&mut self, call: &Call<'_>) -> Result<Answer, Errno> {
        match Socket::identify(call.descriptor()?) {
            Ok(socket) => self.receive(call, socket, &Message::plain(call)),
            Err(fd) => self.foreign(call, fd),
        }
    }

    /// sendmsg(2).
    pub(super) fn send_message(&mut self, call: &Call<'_>) -> Result<Answer, Errno> {
        let socket = match Socket::identify(call.descriptor()?) {
            Ok(socket) => socket,
            Err(fd) => return self.foreign(call, fd),
        };
        let message = Message::at(call, call.argument(1), call.int(2))?;
        let is_plain = message.name == 0 && message.flags & (libc::MSG_OOB | libc::MSG_FASTOPEN) == 0;
        if socket.transport() == Transport::Tcp && is_plain && !unix::readiness(socket.fd()).intersects(OVER)
        {
            return Ok(Answer::Run);
        }
        self.send(call, socket, &message)
    }

    /// recvmsg(2).
    pub(super) fn receive_message(&mut self, call: &Call<'_>) -> Result<Answer, Errno> {
        let socket = match Socket::identify(call.descriptor()?) {
            Ok(socket) => socket,
            Err(fd) => return self.foreign(call, fd),
        };
        let message = Message::at(call, call.argument(1), call.int(2))?;
        let is_plain = message.name == 0 && message.flags & libc::MSG_ERRQUEUE == 0;
        if socket.transport() == Transport::Tcp && is_plain {
            let ready = unix::readiness(socket.fd());
            let is_open = !ready.intersects(OVER) && !matches!(socket.peer(), Peer::None);
            let waits =
                message.flags & (libc::MSG_DONTWAIT | libc::MSG_OOB) == 0 && !is_nonblocking(socket.fd());
            match is_open {
                // Here, so that an error which ends the wait is TCP's.
                true if waits && !ready.contains(PollFlags::IN) => return wait_to_receive(socket.fd, true),
                true => return Ok(Answer::Run),
                false if message.flags & libc::MSG_OOB != 0 => return Ok(Answer::Run),
                false => {}
            }
        }
        self.receive(call, socket, &message)
    }

    /// sendmmsg(2) and recvmmsg(2): the first message may wait, the others are those that go without. So recvmmsg
    /// returns what is there, also where the kernel would wait for all of it.
    pub(super) fn many(&mut self, call: &Call<'_>, sends: bool) -> Result<Answer, Errno> {
        if !sends {
            check_timeout(call, call.argument(4))?;
        }
        match Socket::identify(call.descriptor()?) {
            Ok(socket) if !socket.transport().is_stream() => {}
            Ok(_) => return Ok(Answer::Run),
            Err(fd) => return self.foreign(call, fd),
        }
        let count = call.argument(2).min(PIECES_MAX);
        for index in 0..count {
            let at = call.argument(1).wrapping_add(index * ENTRY_LEN);
            let waits = if index == 0 { 0 } else { libc::MSG_DONTWAIT };
            let flags = call.int(3) & !libc::MSG_WAITFORONE | waits;
            let done = self.one_of_many(call, at, flags, sends);
            match done {
                Ok(Answer::Value(len)) => {
                    call.write(at + HEADER_LEN as u64, &(len as u32).to_ne_bytes())?;
                }
                // An error counts only if it is the first message's.
                other if index == 0 => return other,
                _ => return Ok(Answer::Value(index as usize)),
            }
        }
        Ok(Answer::Value(count as usize))
    }

    fn one_of_many(&mut self, call: &Call<'_>, at: u64, flags: i32, sends: bool) -> Result<Answer, Errno> {
        let message = Message::at(call, at, flags)?;
        let socket = Socket::identify(call.descriptor()?).map_err(|_| Errno(libc::EBADF))?;
        if sends { self.send(call, socket, &message) } else { self.receive(call, socket, &message) }
    }

    /// What MSG_FASTOPEN sends, once the connection takes it.
    pub(super) fn send_opened(&mut self, call: &Call<'_>) -> Result<Answer, Errno> {
        let Ok(socket) = Socket::identify(call.descriptor()?) else { return Err(Errno(libc::EBADF)) };
        let mut message = match i64::from(call.notification.number) {
            libc::SYS_sendmsg => Message::at(call, call.argument(1), call.int(2))?,
            _ => Message::plain(call),
        };
        message.flags &= !libc::MSG_FASTOPEN;
        self.send_stream(call, socket, &message)
    }

    fn send(&mut self, call: &Call<'_>, socket: Socket, message: &Message) -> Result<Answer, Errno> {
        match socket.transport() {
            Transport::Tcp => self.send_stream(call, socket, message),
            _ => self.send_datagram(call, socket, message),
        }
    }

    fn receive(&mut self, call: &Call<'_>, socket: Socket, message: &Message) -> Result<Answer, Errno> {
        if message.flags & libc::MSG_ERRQUEUE != 0 {
            return self.receive_report(call, &socket, message);
        }
        match socket.transport() {
            Transport::Tcp => self.receive_stream(call, socket, message),
            _ => self.receive_datagram(call, socket, message),
        }
    }
}
