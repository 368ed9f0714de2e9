//! setsockopt(2) and getsockopt(2): raw octets, as Linux takes and gives them.
//!
//! An option that the stack has goes to it; the machine itself has those that concern its calls and notices. A few
//! that have no effect here are remembered, so that they read back.

use portolan_stack::{SocketOption, SocketOptionName, State};
use portolan_wire::Endpoint;

use crate::Errno;
use crate::machine::Machine;
use crate::machine::file::Fd;

/// TCP options that libc does not name.
const TCP_INQ: i32 = 36;
const TCP_CC_INFO: i32 = 26;
const SO_MEMINFO: i32 = 55;

/// Linux's net.core.wmem_max and rmem_max.
const BUFFER_MAX: u32 = 212_992;
/// SOCK_MIN_SNDBUF and SOCK_MIN_RCVBUF on 64-bit machines.
const SEND_BUFFER_MIN: u32 = 4608;
const RECEIVE_BUFFER_MIN: u32 = 2304;

/// Options of a socket that the stack does not know.
#[derive(Debug, Default, Clone)]
pub(crate) struct OwnOptions {
    /// SO_ZEROCOPY.
    pub(crate) zerocopy: bool,
    /// TCP_INQ.
    pub(crate) inq: bool,
    /// Where the socket was bound to, for a later disconnect.
    pub(crate) bound: Option<Endpoint>,
    /// SO_SNDBUF and SO_RCVBUF as they read back: twice what was set.
    send_buffer: Option<u32>,
    receive_buffer: Option<u32>,
    /// All that was set, in order.
    calls: Vec<(i32, i32, Vec<u8>)>,
}

impl OwnOptions {
    /// What an accepted socket has of its listener's options.
    pub(crate) fn inherited(&self) -> OwnOptions {
        OwnOptions { bound: None, ..self.clone() }
    }

    /// The value that was set last.
    fn remembered(&self, level: i32, name: i32) -> Option<&[u8]> {
        let found = self.calls.iter().rev().find(|call| (call.0, call.1) == (level, name));
        found.map(|(_, _, value)| value.as_slice())
    }
}

/// What an option of type int means to the stack.
fn stack_option(level: i32, name: i32, value: i32) -> Option<Result<SocketOption, Errno>> {
    use SocketOption as O;
    let on = value != 0;
    let in_range =
        |low: i32, high: i32| if (low..=high).contains(&value) { Ok(value) } else { Err(Errno::EINVAL) };
    let short = |low| in_range(low, 32_767).map(|value| u16::try_from(value).unwrap_or(u16::MAX));
    let octet = |low, high| in_range(low, high).map(|value| u8::try_from(value).unwrap_or(u8::MAX));
    Some(match (level, name) {
        (libc::SOL_SOCKET, libc::SO_REUSEADDR) => Ok(O::ReuseAddress(on)),
        (libc::SOL_SOCKET, libc::SO_REUSEPORT) => Ok(O::ReusePort(on)),
        (libc::SOL_SOCKET, libc::SO_BROADCAST) => Ok(O::Broadcast(on)),
        (libc::SOL_SOCKET, libc::SO_KEEPALIVE) => Ok(O::KeepAlive(on)),
        (libc::IPPROTO_IPV6, libc::IPV6_V6ONLY) => Ok(O::V6Only(on)),
        (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS) => {
            octet(1, 255).map(O::Ttl)
        }
        (libc::IPPROTO_IP, libc::IP_TOS) | (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
            octet(0, 255).map(O::Tos)
        }
        (libc::IPPROTO_TCP, libc::TCP_NODELAY) => Ok(O::NoDelay(on)),
        (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE) => short(1).map(O::KeepIdle),
        (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL) => short(1).map(O::KeepInterval),
        (libc::IPPROTO_TCP, libc::TCP_KEEPCNT) => octet(1, 127).map(O::KeepCount),
        (libc::IPPROTO_TCP, libc::TCP_MAXSEG) => short(88).map(O::MaxSegment),
        (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT) => {
            u32::try_from(value).map(O::UserTimeout).map_err(|_| Errno::EINVAL)
        }
        _ => return None,
    })
}

/// The stack's name of an option, to read it back.
fn stack_name(level: i32, name: i32) -> Option<SocketOptionName> {
    use SocketOptionName as N;
    Some(match (level, name) {
        (libc::SOL_SOCKET, libc::SO_REUSEADDR) => N::ReuseAddress,
        (libc::SOL_SOCKET, libc::SO_REUSEPORT) => N::ReusePort,
        (libc::SOL_SOCKET, libc::SO_BROADCAST) => N::Broadcast,
        (libc::SOL_SOCKET, libc::SO_KEEPALIVE) => N::KeepAlive,
        (libc::IPPROTO_IPV6, libc::IPV6_V6ONLY) => N::V6Only,
        (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS) => N::Ttl,
        (libc::IPPROTO_IP, libc::IP_TOS) | (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => N::Tos,
        (libc::IPPROTO_TCP, libc::TCP_NODELAY) => N::NoDelay,
        (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE) => N::KeepIdle,
        (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL) => N::KeepInterval,
        (libc::IPPROTO_TCP, libc::TCP_KEEPCNT) => N::KeepCount,
        (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT) => N::UserTimeout,
        (libc::IPPROTO_TCP, libc::TCP_MAXSEG) => N::MaxSegment,
        _ => return None,
    })
}

/// An option's value as an int.
fn as_int(option: SocketOption) -> i32 {
    use SocketOption as O;
    match option {
        O::ReuseAddress(on)
        | O::ReusePort(on)
        | O::V6Only(on)
        | O::Broadcast(on)
        | O::NoDelay(on)
        | O::KeepAlive(on) => i32::from(on),
        O::KeepIdle(value) | O::KeepInterval(value) | O::MaxSegment(value) => i32::from(value),
        O::KeepCount(value) | O::Ttl(value) | O::Tos(value) => i32::from(value),
        O::ReceiveBuffer(value) | O::SendBuffer(value) | O::UserTimeout(value) => {
            i32::try_from(value).unwrap_or(i32::MAX)
        }
        _ => 0,
    }
}

/// The int at the front; options of IP may be one octet.
fn int_of(level: i32, value: &[u8]) -> Result<i32, Errno> {
    match (value.first_chunk::<4>(), value.first()) {
        (Some(&octets), _) => Ok(i32::from_ne_bytes(octets)),
        (None, Some(&octet)) if level == libc::IPPROTO_IP => Ok(i32::from(octet)),
        _ => Err(Errno::EINVAL),
    }
}

impl Machine {
    /// setsockopt(2).
    ///
    /// # Errors
    /// EBADF, ENOTSOCK, EINVAL, ENOPROTOOPT.
    pub fn setsockopt(&mut self, fd: Fd, level: i32, name: i32, value: &[u8]) -> Result<(), Errno> {
        self.files.socket(fd)?;
        self.apply(fd, level, name, value)?;
        let socket = self.files.socket_mut(fd)?;
        socket.options.calls.push((level, name, value.to_vec()));
        Ok(())
    }

    fn apply(&mut self, fd: Fd, level: i32, name: i32, value: &[u8]) -> Result<(), Errno> {
        let id = self.files.socket(fd)?.id;
        let option = match (level, name) {
            (libc::SOL_SOCKET, libc::SO_LINGER) => {
                let on = int_of(level, value)? != 0;
                let seconds = int_of(level, value.get(4..).unwrap_or(&[]))?;
                SocketOption::Linger(on.then(|| u16::try_from(seconds).unwrap_or(u16::MAX)))
            }
            (libc::SOL_SOCKET, libc::SO_ZEROCOPY) => {
                let on = match int_of(level, value)? {
                    0 => false,
                    1 => true,
                    _ => return Err(Errno::EINVAL),
                };
                self.files.socket_mut(fd)?.options.zerocopy = on;
                return Ok(());
            }
            (libc::SOL_SOCKET, libc::SO_TIMESTAMPING) => return self.set_stamping(fd, int_of(level, value)?),
            (libc::IPPROTO_TCP, TCP_INQ) => {
                let on = match int_of(level, value)? {
                    0 => false,
                    1 => true,
                    _ => return Err(Errno::EINVAL),
                };
                self.files.socket_mut(fd)?.options.inq = on;
                return Ok(());
            }
            (libc::SOL_SOCKET, libc::SO_SNDBUF | libc::SO_RCVBUF) => {
                return self.set_buffer(fd, name == libc::SO_SNDBUF, int_of(level, value)?);
            }
            _ => {
                let value = int_of(level, value)?;
                match stack_option(level, name, value) {
                    Some(option) => option?,
                    // Without effect here, and remembered.
                    None => return Ok(()),
                }
            }
        };
        let result = self.stack.set_option(self.now, id, option);
        self.finish(result)
    }

    /// SO_SNDBUF and SO_RCVBUF: Linux doubles the value, to have room for its own records, and reads it back doubled.
    fn set_buffer(&mut self, fd: Fd, send: bool, value: i32) -> Result<(), Errno> {
        let wanted = u32::try_from(value).unwrap_or(BUFFER_MAX).min(BUFFER_MAX);
        let socket = self.files.socket_mut(fd)?;
        let id = socket.id;
        let option = if send {
            socket.options.send_buffer = Some((wanted * 2).max(SEND_BUFFER_MIN));
            SocketOption::SendBuffer(wanted)
        } else {
            socket.options.receive_buffer = Some((wanted * 2).max(RECEIVE_BUFFER_MIN));
            SocketOption::ReceiveBuffer(wanted)
        };
        let result = self.stack.set_option(self.now, id, option);
        self.finish(result)
    }

    /// The size of a buffer as SO_SNDBUF or SO_RCVBUF reads it.
    pub(crate) fn buffer_size(&mut self, fd: Fd, send: bool) -> Result<u32, Errno> {
        let options = &self.files.socket(fd)?.options;
        let config = &self.stack.config().tcp;
        Ok(match send {
            true => options.send_buffer.unwrap_or(config.send_buffer.initial),
            false => options.receive_buffer.unwrap_or(config.recv_buffer.initial),
        })
    }

    fn set_stamping(&mut self, fd: Fd, bits: i32) -> Result<(), Errno> {
        let bits = u32::try_from(bits).map_err(|_| Errno::EINVAL)?;
        let id = self.files.socket(fd)?.id;
        let queued = self.stack.send_queued(id).unwrap_or(0);
        let marks = &mut self.files.socket_mut(fd)?.marks;
        marks.set_stamping(bits, marks.written.saturating_sub(u64::from(queued)));
        Ok(())
    }

    /// getsockopt(2): the value, cut to `room` octets.
    ///
    /// # Errors
    /// EBADF, ENOTSOCK, ENOPROTOOPT.
    pub fn getsockopt(&mut self, fd: Fd, level: i32, name: i32, room: usize) -> Result<Vec<u8>, Errno> {
        let socket = self.files.socket(fd)?;
        let id = socket.id;
        let int = |value: i32| value.to_ne_bytes().to_vec();
        let mut value = match (level, name) {
            (libc::SOL_SOCKET, libc::SO_ERROR) => {
                let error = self.stack.take_error(id).map_or(0, |error| error.errno());
                int(error)
            }
            (libc::SOL_SOCKET, libc::SO_TYPE) => {
                int(if socket.stream { libc::SOCK_STREAM } else { libc::SOCK_DGRAM })
            }
            (libc::SOL_SOCKET, libc::SO_ACCEPTCONN) => int(i32::from(self.stack.state(id)? == State::Listen)),
            (libc::SOL_SOCKET, libc::SO_ZEROCOPY) => int(i32::from(socket.options.zerocopy)),
            (libc::SOL_SOCKET, libc::SO_TIMESTAMPING) => int(socket.marks.stamping().cast_signed()),
            (libc::SOL_SOCKET, libc::SO_SNDBUF | libc::SO_RCVBUF) => {
                let size = self.buffer_size(fd, name == libc::SO_SNDBUF)?;
                int(i32::try_from(size).unwrap_or(i32::MAX))
            }
            (libc::SOL_SOCKET, libc::SO_LINGER) => match self.stack.option(id, SocketOptionName::Linger)? {
                SocketOption::Linger(Some(seconds)) => [int(1), int(i32::from(seconds))].concat(),
                _ => [int(0), int(0)].concat(),
            },
            (libc::SOL_SOCKET, SO_MEMINFO) => self.memory_info(fd)?,
            (libc::IPPROTO_TCP, libc::TCP_INFO) => self.tcp_info(fd)?,
            (libc::IPPROTO_TCP, TCP_CC_INFO) => Vec::new(),
            (libc::IPPROTO_TCP, TCP_INQ) => int(i32::from(socket.options.inq)),
            (libc::IPPROTO_TCP, libc::TCP_MAXSEG) if self.stack.info(id).is_ok() => {
                int(self.stack.info(id).map_or(0, |info| i32::from(info.snd_mss)))
            }
            _ => match (stack_name(level, name), self.files.socket(fd)?.options.remembered(level, name)) {
                (Some(name), _) => int(as_int(self.stack.option(id, name)?)),
                (None, Some(value)) => value.to_vec(),
                (None, None) => return Err(Errno::ENOPROTOOPT),
            },
        };
        value.truncate(room);
        Ok(value)
    }

    /// Sets all options of a descriptor again, after it got a new socket.
    pub(crate) fn restore_options(&mut self, fd: Fd) -> Result<(), Errno> {
        let calls = self.files.socket(fd)?.options.calls.clone();
        for (level, name, value) in calls {
            self.apply(fd, level, name, &value)?;
        }
        Ok(())
    }
}
