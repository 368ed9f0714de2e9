//! setsockopt(2) and getsockopt(2): the stack's own table has Linux's numbers and octets; here is what concerns the
//! machine's calls and notices.

use portolan_wire::Endpoint;

use crate::Errno;
use crate::machine::Machine;
use crate::machine::file::Fd;

/// Options that libc does not name.
const TCP_INQ: i32 = 36;
const SO_MEMINFO: i32 = 55;

/// What a machine knows of a socket's options.
#[derive(Debug, Default, Clone)]
pub(crate) struct OwnOptions {
    /// SO_ZEROCOPY.
    pub(crate) zerocopy: bool,
    /// TCP_INQ.
    pub(crate) inq: bool,
    /// Where the socket was bound to, for a later disconnect.
    pub(crate) bound: Option<Endpoint>,
    /// All that was set, in order, for a later disconnect.
    calls: Vec<(i32, i32, Vec<u8>)>,
}

impl OwnOptions {
    /// What an accepted socket has of its listener's options.
    pub(crate) fn inherited(&self) -> OwnOptions {
        OwnOptions { bound: None, ..self.clone() }
    }
}

/// The int at the front of a value that the stack has checked.
fn int_of(value: &[u8]) -> i32 {
    value.first_chunk().map_or(0, |octets| i32::from_ne_bytes(*octets))
}

impl Machine {
    /// setsockopt(2).
    ///
    /// # Errors
    /// EBADF, ENOTSOCK, EINVAL, EDOM, ENOENT, ENODEV, ENOPROTOOPT.
    pub fn setsockopt(&mut self, fd: Fd, level: i32, name: i32, value: &[u8]) -> Result<(), Errno> {
        let id = self.files.socket(fd)?.id;
        let result = self.stack.setsockopt(self.now, id, level, name, value);
        self.finish(result)?;
        let queued = self.stack.send_queued(id).unwrap_or(0);
        let socket = self.files.socket_mut(fd)?;
        match (level, name) {
            (libc::SOL_SOCKET, libc::SO_ZEROCOPY) => socket.options.zerocopy = int_of(value) != 0,
            (libc::IPPROTO_TCP, TCP_INQ) => socket.options.inq = int_of(value) != 0,
            (libc::SOL_SOCKET, libc::SO_TIMESTAMPING) => {
                let acknowledged = socket.marks.written.saturating_sub(u64::from(queued));
                socket.marks.set_stamping(int_of(value).cast_unsigned(), acknowledged);
            }
            _ => {}
        }
        socket.options.calls.push((level, name, value.to_vec()));
        Ok(())
    }

    /// getsockopt(2): the value, cut to `room` octets.
    ///
    /// # Errors
    /// EBADF, ENOTSOCK, ENOPROTOOPT, ENOTCONN.
    pub fn getsockopt(&mut self, fd: Fd, level: i32, name: i32, room: usize) -> Result<Vec<u8>, Errno> {
        let id = self.files.socket(fd)?.id;
        let mut value = match (level, name) {
            (libc::SOL_SOCKET, SO_MEMINFO) => self.memory_info(fd)?,
            _ => self.stack.getsockopt(self.now, id, level, name)?,
        };
        self.settle();
        value.truncate(room);
        Ok(value)
    }

    /// The nine figures of SO_MEMINFO: memory of each queue and its limit.
    fn memory_info(&mut self, fd: Fd) -> Result<Vec<u8>, Errno> {
        let id = self.files.socket(fd)?.id;
        let mut limit = |name| {
            let value = self.stack.getsockopt(self.now, id, libc::SOL_SOCKET, name);
            value.map(|value| int_of(&value).cast_unsigned())
        };
        let (receive_buffer, send_buffer) = (limit(libc::SO_RCVBUF)?, limit(libc::SO_SNDBUF)?);
        let received = self.stack.receive_queued(id).unwrap_or(0);
        let queued = self.stack.send_queued(id).unwrap_or(0);
        let figures = [received, receive_buffer, 0, send_buffer, 0, queued, 0, 0, 0];
        Ok(figures.into_iter().flat_map(u32::to_ne_bytes).collect())
    }

    /// Sets all options of a descriptor again, after it got a new socket.
    pub(crate) fn restore_options(&mut self, fd: Fd) -> Result<(), Errno> {
        let socket = self.files.socket_mut(fd)?;
        for (level, name, value) in core::mem::take(&mut socket.options.calls) {
            self.setsockopt(fd, level, name, &value)?;
        }
        Ok(())
    }
}
