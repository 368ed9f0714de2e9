//! poll(2), and what it finds: Linux's rules for which bits a descriptor shows.

use core::task::Poll;

use portolan_stack::{Event, State};

use crate::Errno;
use crate::machine::file::{Fd, File};
use crate::machine::{Machine, Wait};

/// The bits of poll(2) and epoll(7), which are the same numbers.
pub(crate) const IN: u32 = 0x001 | 0x040;
pub(crate) const PRI: u32 = 0x002;
pub(crate) const OUT: u32 = 0x004 | 0x100;
pub(crate) const ERR: u32 = 0x008;
pub(crate) const HUP: u32 = 0x010;
pub(crate) const RDHUP: u32 = 0x2000;

/// One `struct pollfd`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PollFd {
    /// The descriptor; a negative one is passed over.
    pub fd: Fd,
    /// What is asked for.
    pub events: i16,
    /// What was found.
    pub revents: i16,
}

impl Machine {
    /// poll(2): fills in `revents` and gives how many descriptors have any. A negative limit waits for ever.
    ///
    /// # Errors
    /// None today; a bad descriptor shows POLLNVAL.
    pub fn poll(&mut self, wait: &mut Wait, fds: &mut [PollFd], limit_ms: i32) -> Poll<Result<usize, Errno>> {
        wait.begin();
        let mut found = 0;
        for entry in fds.iter_mut() {
            entry.revents = 0;
            if entry.fd < 0 {
                continue;
            }
            let asked = u32::from(entry.events.cast_unsigned()) | ERR | HUP;
            let bits = self
                .readiness(entry.fd)
                .map_or(u32::from(libc::POLLNVAL.cast_unsigned()), |bits| bits & asked);
            entry.revents = u16::try_from(bits).unwrap_or(0).cast_signed();
            found += usize::from(bits != 0);
        }
        if found > 0 || wait.is_over(self, limit_ms) {
            return Poll::Ready(Ok(found));
        }
        Poll::Pending
    }

    /// What poll(2) would show of a descriptor.
    pub(crate) fn readiness(&mut self, fd: Fd) -> Result<u32, Errno> {
        let socket = match self.files.get(fd)? {
            File::Socket(socket) => socket,
            File::Epoll(epoll) => return Ok(if epoll.has_ready() { IN } else { 0 }),
            File::Pipe(end) => return Ok(end.readiness()),
            File::Memory(_) => return Ok(IN | OUT),
        };
        let (read_shut, write_shut) = (socket.read_shut, socket.write_shut);
        let notices = !socket.marks.notices.is_empty();
        let ready = self.stack.readiness(socket.id)?;
        let state = self.stack.state(socket.id)?;
        let mut bits = 0;
        if ready.error || notices {
            bits |= ERR;
        }
        if !socket.stream {
            bits |= if ready.readable { IN } else { 0 } | if ready.writable { OUT } else { 0 };
            return Ok(bits);
        }
        if state == State::Listen {
            return Ok(bits | if ready.readable { IN } else { 0 });
        }
        let (read_shut, write_shut) = (read_shut || ready.peer_closed, write_shut || state == State::Closed);
        if read_shut && write_shut || state == State::Closed {
            bits |= HUP;
        }
        if read_shut {
            bits |= IN | RDHUP;
        }
        if ready.priority {
            bits |= PRI;
        }
        if ready.readable && state != State::Closed {
            bits |= IN;
        }
        if ready.writable || write_shut {
            bits |= OUT;
        }
        Ok(bits)
    }

    /// A socket of the stack has changed: who waits for it in an epoll instance looks again.
    pub(crate) fn on_event(&mut self, event: &Event) {
        let (id, bits) = match event {
            Event::Connected(id) => (*id, u32::MAX),
            Event::ConnectFailed(id, _) | Event::Failed(id, _) => (*id, u32::MAX),
            Event::Readable(id) | Event::Acceptable(id) => (*id, IN),
            Event::Urgent(id) => (*id, PRI),
            Event::PeerClosed(id) => (*id, IN | RDHUP | HUP),
            Event::Writable(id) => (*id, OUT),
            _ => return,
        };
        if let Some(fd) = self.files.find(id) {
            self.wake_epolls_bits(fd, bits);
        }
    }
}
