//! Socket options, in Linux's numbers and layouts.
//!
//! Every option that is known has a value from the beginning, which getsockopt gives back as it was set; those that
//! change what the stack does are handed to it as well ([`HostSocket::apply`]). One that is not known is
//! ENOPROTOOPT, as on a kernel without it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use portolan_protocol::{Kind, Transport};

use super::network::Errno;
#[cfg(doc)]
use super::network::HostSocket;
use super::socket::Record;

/// SOL_SOCKET, and the levels that are named after their protocols.
pub(super) const SOCKET: i32 = libc::SOL_SOCKET;
pub(super) const IP: i32 = libc::IPPROTO_IP;
pub(super) const IPV6: i32 = libc::IPPROTO_IPV6;
pub(super) const TCP: i32 = libc::IPPROTO_TCP;

/// The least and the greatest buffer that getsockopt tells of, in octets and doubled, as Linux has them.
const BUFFER_MIN: i32 = 4_608;
const BUFFER_MAX: i32 = 32 * 1024 * 1024;

/// TCP_CONGESTION's name of the algorithm, padded to TCP_CA_NAME_MAX.
const CONGESTION: &[u8; 16] = b"reno\0\0\0\0\0\0\0\0\0\0\0\0";

/// An option whose value is an int: level, number, default, least, most.
type Known = (i32, i32, i32, i32, i32);

const fn switch(level: i32, name: i32) -> Known {
    (level, name, 0, 0, 1)
}

const KNOWN: &[Known] = &[
    switch(SOCKET, libc::SO_REUSEADDR),
    switch(SOCKET, libc::SO_REUSEPORT),
    switch(SOCKET, libc::SO_KEEPALIVE),
    switch(SOCKET, libc::SO_BROADCAST),
    switch(SOCKET, libc::SO_OOBINLINE),
    switch(SOCKET, libc::SO_DONTROUTE),
    switch(SOCKET, libc::SO_DEBUG),
    switch(SOCKET, libc::SO_TIMESTAMP),
    switch(SOCKET, libc::SO_NO_CHECK),
    (SOCKET, libc::SO_PRIORITY, 0, 0, 6),
    (SOCKET, libc::SO_BUSY_POLL, 0, 0, i32::MAX),
    (IP, libc::IP_TOS, 0, 0, 255),
    (IP, libc::IP_TTL, 64, 1, 255),
    (IP, libc::IP_MTU_DISCOVER, 1, 0, 5),
    switch(IP, libc::IP_RECVERR),
    switch(IP, libc::IP_PKTINFO),
    switch(IP, libc::IP_FREEBIND),
    switch(IP, libc::IP_BIND_ADDRESS_NO_PORT),
    (IP, libc::IP_MULTICAST_TTL, 1, 1, 255),
    (IP, libc::IP_MULTICAST_LOOP, 1, 0, 1),
    switch(IPV6, libc::IPV6_V6ONLY),
    (IPV6, libc::IPV6_UNICAST_HOPS, 64, 0, 255),
    (IPV6, libc::IPV6_MULTICAST_HOPS, 1, 0, 255),
    (IPV6, libc::IPV6_MULTICAST_LOOP, 1, 0, 1),
    (IPV6, libc::IPV6_TCLASS, 0, 0, 255),
    (IPV6, libc::IPV6_MTU_DISCOVER, 1, 0, 5),
    switch(IPV6, libc::IPV6_RECVERR),
    switch(IPV6, libc::IPV6_RECVPKTINFO),
    switch(IPV6, libc::IPV6_DONTFRAG),
    switch(TCP, libc::TCP_NODELAY),
    switch(TCP, libc::TCP_CORK),
    (TCP, libc::TCP_QUICKACK, 1, 0, 1),
    (TCP, libc::TCP_MAXSEG, 536, 88, 32_767),
    (TCP, libc::TCP_KEEPIDLE, 7_200, 1, 32_767),
    (TCP, libc::TCP_KEEPINTVL, 75, 1, 32_767),
    (TCP, libc::TCP_KEEPCNT, 9, 1, 127),
    (TCP, libc::TCP_SYNCNT, 6, 1, 127),
    (TCP, libc::TCP_DEFER_ACCEPT, 0, 0, i32::MAX),
    (TCP, libc::TCP_WINDOW_CLAMP, 0, 0, i32::MAX),
    (TCP, libc::TCP_USER_TIMEOUT, 0, 0, i32::MAX),
    (TCP, libc::TCP_NOTSENT_LOWAT, -1, i32::MIN, i32::MAX),
];

/// What a program has set.
#[derive(Clone)]
pub(super) struct Options {
    ints: RefCell<HashMap<(i32, i32), i32>>,
    /// SO_LINGER: on or off, and seconds.
    linger: Cell<(i32, i32)>,
    /// As getsockopt gives it.
    send_buffer: Cell<i32>,
    /// As getsockopt gives it.
    receive_buffer: Cell<i32>,
}

impl Options {
    /// Linux's defaults.
    pub(super) fn new(kind: Kind) -> Self {
        let (send, receive) = match kind.transport {
            Transport::Tcp => (16_384, 131_072),
            Transport::Udp => (212_992, 212_992),
        };
        Self {
            ints: RefCell::default(),
            linger: Cell::default(),
            send_buffer: Cell::new(send),
            receive_buffer: Cell::new(receive),
        }
    }

    /// An int option's value; 0 for one that is not known.
    pub(super) fn int(&self, level: i32, name: i32) -> i32 {
        let set = self.ints.borrow().get(&(level, name)).copied();
        set.or_else(|| find(level, name).map(|known| known.2)).unwrap_or(0)
    }

    /// A switch's value.
    pub(super) fn is_on(&self, level: i32, name: i32) -> bool {
        self.int(level, name) != 0
    }

    /// SO_LINGER's seconds, if it is on.
    pub(super) fn linger(&self) -> Option<i32> {
        let (is_on, seconds) = self.linger.get();
        (is_on != 0).then_some(seconds)
    }
}

fn find(level: i32, name: i32) -> Option<&'static Known> {
    KNOWN.iter().find(|known| (known.0, known.1) == (level, name))
}

/// The option exists for this kind of socket.
fn is_applicable(record: &Record, level: i32) -> bool {
    let kind = record.target.kind;
    match level {
        TCP => kind.transport == Transport::Tcp,
        IPV6 => kind.family == portolan_protocol::Family::V6,
        _ => true,
    }
}

/// The int at the front of a value; `EINVAL` if it is shorter.
fn int_at(value: &[u8], at: usize) -> Result<i32, Errno> {
    let octets = value.get(at..).and_then(|rest| rest.first_chunk());
    octets.map(|octets| i32::from_ne_bytes(*octets)).ok_or(Errno::INVAL)
}

/// setsockopt(2).
pub(super) fn set(record: &Record, level: i32, name: i32, value: &[u8]) -> Result<(), Errno> {
    let options = &record.options;
    match (level, name) {
        (SOCKET, libc::SO_LINGER) => {
            options.linger.set((int_at(value, 0)?, int_at(value, 4)?));
            let seconds = options.linger().map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX));
            record.socket().map_or(Ok(()), |socket| socket.set_linger(seconds))
        }
        (SOCKET, libc::SO_SNDBUF | libc::SO_RCVBUF) => {
            let octets = int_at(value, 0)?.clamp(0, BUFFER_MAX / 2);
            let place = if name == libc::SO_SNDBUF { &options.send_buffer } else { &options.receive_buffer };
            place.set((octets * 2).max(BUFFER_MIN));
            record.socket().map_or(Ok(()), |socket| socket.apply(level, name, octets * 2))
        }
        (SOCKET, libc::SO_SNDBUFFORCE | libc::SO_RCVBUFFORCE | libc::SO_MARK | libc::SO_BINDTODEVICE) => {
            Err(Errno::PERM)
        }
        (TCP, libc::TCP_CONGESTION) if is_applicable(record, TCP) => {
            match value.split(|octet| *octet == 0).next() {
                Some(b"reno") => Ok(()),
                _ => Err(Errno::NOENT),
            }
        }
        _ => set_int(record, level, name, value),
    }
}

fn set_int(record: &Record, level: i32, name: i32, value: &[u8]) -> Result<(), Errno> {
    let &(_, _, default, least, most) =
        find(level, name).filter(|_| is_applicable(record, level)).ok_or(Errno::NOPROTOOPT)?;
    let value = match *value {
        // The options of IP may be a single octet.
        [value] if level == IP => i32::from(value),
        _ => int_at(value, 0)?,
    };
    let value = match (least, most) {
        (0, 1) => i32::from(value != 0),
        // IP_TTL and the hop limits are put back to their default by -1.
        _ if value == -1 && matches!(level, IP | IPV6) => default,
        _ if value < least || value > most => return Err(Errno::INVAL),
        _ => value,
    };
    if let Ok(socket) = record.socket() {
        socket.apply(level, name, value)?;
    }
    record.options.ints.borrow_mut().insert((level, name), value);
    if matches!(
        (level, name),
        (SOCKET, libc::SO_KEEPALIVE) | (TCP, libc::TCP_KEEPIDLE | libc::TCP_KEEPINTVL | libc::TCP_KEEPCNT)
    ) {
        apply_keepalive(record)?;
    }
    Ok(())
}

/// The stack knows keepalive with its times or not at all; Linux keeps the times of a socket whose keepalive is off.
fn apply_keepalive(record: &Record) -> Result<(), Errno> {
    let Ok(socket) = record.socket() else { return Ok(()) };
    if record.target.kind.transport == Transport::Udp {
        return Ok(());
    }
    let options = &record.options;
    let seconds = |name| u16::try_from(options.int(TCP, name)).unwrap_or(u16::MAX);
    let probes = u8::try_from(options.int(TCP, libc::TCP_KEEPCNT)).unwrap_or(u8::MAX);
    let times = (seconds(libc::TCP_KEEPIDLE), seconds(libc::TCP_KEEPINTVL), probes);
    socket.set_keepalive(options.is_on(SOCKET, libc::SO_KEEPALIVE).then_some(times))
}

/// getsockopt(2): the value in Linux's layout.
pub(super) fn get(record: &Record, level: i32, name: i32) -> Result<Vec<u8>, Errno> {
    let options = &record.options;
    if !is_applicable(record, level) {
        return Err(Errno::NOPROTOOPT);
    }
    let int = match (level, name) {
        (SOCKET, libc::SO_LINGER) => {
            let (is_on, seconds) = options.linger.get();
            return Ok([is_on.to_ne_bytes(), seconds.to_ne_bytes()].concat());
        }
        (SOCKET, libc::SO_SNDBUF) => options.send_buffer.get(),
        (SOCKET, libc::SO_RCVBUF) => options.receive_buffer.get(),
        (SOCKET, libc::SO_BINDTODEVICE) => return Ok(Vec::new()),
        (SOCKET, libc::SO_MARK) => 0,
        (TCP, libc::TCP_CONGESTION) => return Ok(CONGESTION.to_vec()),
        (TCP, libc::TCP_INFO) => {
            return Ok(record.socket().map_or_else(|_| Vec::new(), |socket| socket.tcp_info()));
        }
        (TCP, libc::TCP_MAXSEG) => record.socket().ok().and_then(|socket| socket.mss()).unwrap_or(536),
        _ => {
            find(level, name).ok_or(Errno::NOPROTOOPT)?;
            options.int(level, name)
        }
    };
    Ok(int.to_ne_bytes().to_vec())
}
