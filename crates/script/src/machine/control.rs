//! fcntl(2) and ioctl(2).

use crate::Errno;
use crate::machine::Machine;
use crate::machine::file::{Fd, File};

/// SIOCOUTQNSD of linux/sockios.h, which libc does not name: octets written and not yet sent.
const SIOCOUTQNSD: u64 = 0x894B;
/// SIOCATMARK of asm-generic/sockios.h.
const SIOCATMARK: u64 = 0x8905;
/// SIOCINQ is FIONREAD, and SIOCOUTQ is TIOCOUTQ.
const SIOCINQ: u64 = 0x541B;
const SIOCOUTQ: u64 = 0x5411;

impl Machine {
    /// fcntl(2): F_GETFL, F_SETFL with O_NONBLOCK, F_GETFD and F_SETFD.
    ///
    /// # Errors
    /// EBADF, EINVAL.
    pub fn fcntl(&mut self, fd: Fd, command: i32, argument: i32) -> Result<i32, Errno> {
        let file = self.files.get_mut(fd)?;
        match (command, file) {
            (libc::F_GETFL, File::Socket(socket)) => {
                Ok(libc::O_RDWR | if socket.nonblocking { libc::O_NONBLOCK } else { 0 })
            }
            (libc::F_GETFL, File::Epoll(_)) => Ok(libc::O_RDWR),
            (libc::F_GETFL, _) => Ok(libc::O_RDONLY),
            (libc::F_SETFL, File::Socket(socket)) => {
                socket.nonblocking = argument & libc::O_NONBLOCK != 0;
                Ok(0)
            }
            (libc::F_SETFL | libc::F_GETFD | libc::F_SETFD, _) => Ok(0),
            _ => Err(Errno::EINVAL),
        }
    }

    /// ioctl(2) on a TCP socket: SIOCINQ (FIONREAD), SIOCOUTQ, SIOCOUTQNSD and SIOCATMARK; gives the number that the
    /// call stores.
    ///
    /// # Errors
    /// EBADF, ENOTTY, EINVAL for a socket that listens.
    pub fn ioctl(&mut self, fd: Fd, request: u64) -> Result<i32, Errno> {
        let File::Socket(socket) = self.files.get(fd)? else { return Err(Errno::ENOTTY) };
        let id = socket.id;
        if self.stack.state(id)? == portolan_stack::State::Listen {
            return Err(Errno::EINVAL);
        }
        let octets = match request {
            SIOCINQ => return Ok(self.siocinq(fd)),
            SIOCOUTQ => self.stack.send_queued(id).unwrap_or(0),
            SIOCOUTQNSD => self.stack.info(id).map_or(0, |info| info.not_sent),
            SIOCATMARK => self.stack.at_mark(id).unwrap_or(false).into(),
            _ => return Err(Errno::ENOTTY),
        };
        Ok(i32::try_from(octets).unwrap_or(i32::MAX))
    }

    /// What SIOCINQ tells: the octets that wait; the peer's FIN counts for nothing.
    fn siocinq(&mut self, fd: Fd) -> i32 {
        let Ok(id) = self.files.socket(fd).map(|socket| socket.id) else { return 0 };
        i32::try_from(self.stack.queued_before_mark(id).unwrap_or(0)).unwrap_or(i32::MAX)
    }
}
