//! Options that are checked as Linux checks them, kept, and given back; what they mean is for whoever stands above
//! the stack, or nothing.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

use super::number::{IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, SOL_SOCKET, ip, ipv6, so, tcp};
use crate::SocketError;

/// What has been set of one socket, by level and number. Most sockets have none of it.
#[derive(Clone, Debug, Default)]
#[expect(clippy::box_collection, reason = "an empty map would cost every socket three words instead of one")]
pub(crate) struct Remembered(Option<Box<BTreeMap<(i32, i32), i64>>>);

impl Remembered {
    pub(crate) fn get(&self, level: i32, name: i32) -> Option<i64> {
        self.0.as_ref()?.get(&(level, name)).copied()
    }

    pub(super) fn set(&mut self, level: i32, name: i32, value: i64) {
        self.0.get_or_insert_default().insert((level, name), value);
    }
}

/// Which values an int option takes.
#[derive(Clone, Copy)]
pub(super) enum Check {
    /// Every one; it becomes 0 or 1.
    Switch,
    /// From the first to the second; EINVAL otherwise.
    Range(i32, i32),
    /// Every one.
    Any,
}

/// Which sockets have an option.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Has {
    All,
    Tcp,
    Udp,
}

/// A row of the table: level, number, check, default, who has it.
type Row = (i32, i32, Check, i32, Has);

use Check::{Any, Range, Switch};

const ROWS: &[Row] = &[
    (SOL_SOCKET, so::DEBUG, Switch, 0, Has::All),
    (SOL_SOCKET, so::DONTROUTE, Switch, 0, Has::All),
    (SOL_SOCKET, so::NO_CHECK, Switch, 0, Has::All),
    (SOL_SOCKET, so::PRIORITY, Any, 0, Has::All),
    (SOL_SOCKET, so::MARK, Any, 0, Has::All),
    (SOL_SOCKET, so::TIMESTAMP, Switch, 0, Has::All),
    (SOL_SOCKET, so::TIMESTAMP_NEW, Switch, 0, Has::All),
    (SOL_SOCKET, so::TIMESTAMPNS, Switch, 0, Has::All),
    (SOL_SOCKET, so::TIMESTAMPNS_NEW, Switch, 0, Has::All),
    (SOL_SOCKET, so::RXQ_OVFL, Switch, 0, Has::All),
    (SOL_SOCKET, so::SELECT_ERR_QUEUE, Switch, 0, Has::All),
    (SOL_SOCKET, so::BUSY_POLL, Range(0, i32::MAX), 0, Has::All),
    (SOL_SOCKET, so::INCOMING_CPU, Any, -1, Has::All),
    (SOL_SOCKET, so::ZEROCOPY, Range(0, 1), 0, Has::All),
    (SOL_SOCKET, so::TXREHASH, Range(-1, 1), 1, Has::Tcp),
    // SOF_TIMESTAMPING_LAST is 1 << 18.
    (SOL_SOCKET, so::TIMESTAMPING, Range(0, (1 << 19) - 1), 0, Has::All),
    (SOL_SOCKET, so::TIMESTAMPING_NEW, Range(0, (1 << 19) - 1), 0, Has::All),
    (IPPROTO_IP, ip::PKTINFO, Switch, 0, Has::All),
    (IPPROTO_IP, ip::RECVERR, Switch, 0, Has::All),
    (IPPROTO_IP, ip::RECVERR_RFC4884, Range(0, 1), 0, Has::All),
    (IPPROTO_IP, ip::RECVTTL, Switch, 0, Has::All),
    (IPPROTO_IP, ip::RECVTOS, Switch, 0, Has::All),
    (IPPROTO_IP, ip::FREEBIND, Switch, 0, Has::All),
    (IPPROTO_IP, ip::MINTTL, Range(0, 255), 0, Has::All),
    (IPPROTO_IP, ip::BIND_ADDRESS_NO_PORT, Switch, 0, Has::All),
    (IPPROTO_IP, ip::MULTICAST_TTL, Range(0, 255), 1, Has::Udp),
    (IPPROTO_IP, ip::MULTICAST_LOOP, Switch, 1, Has::All),
    (IPPROTO_IPV6, ipv6::MULTICAST_HOPS, Range(0, 255), 1, Has::Udp),
    (IPPROTO_IPV6, ipv6::MULTICAST_LOOP, Range(0, 1), 1, Has::All),
    (IPPROTO_IPV6, ipv6::RECVERR, Switch, 0, Has::All),
    (IPPROTO_IPV6, ipv6::RECVPKTINFO, Switch, 0, Has::All),
    (IPPROTO_IPV6, ipv6::RECVHOPLIMIT, Switch, 0, Has::All),
    (IPPROTO_IPV6, ipv6::RECVTCLASS, Switch, 0, Has::All),
    (IPPROTO_IPV6, ipv6::DONTFRAG, Switch, 0, Has::All),
    (IPPROTO_IPV6, ipv6::AUTOFLOWLABEL, Switch, 1, Has::All),
    (IPPROTO_IPV6, ipv6::MINHOPCOUNT, Range(0, 255), 0, Has::All),
    (IPPROTO_IPV6, ipv6::FREEBIND, Switch, 0, Has::All),
    (IPPROTO_TCP, tcp::THIN_LINEAR_TIMEOUTS, Range(0, 1), 0, Has::Tcp),
    (IPPROTO_TCP, tcp::THIN_DUPACK, Range(0, 1), 0, Has::Tcp),
    (IPPROTO_TCP, tcp::SAVE_SYN, Range(0, 2), 0, Has::Tcp),
    (IPPROTO_TCP, tcp::INQ, Range(0, 1), 0, Has::Tcp),
];

fn row(level: i32, name: i32, is_tcp: bool) -> Result<&'static Row, SocketError> {
    let row = ROWS.iter().find(|row| (row.0, row.1) == (level, name)).ok_or(SocketError::NoSuchOption)?;
    match row.4 {
        // Linux: a stream has no multicast to send.
        Has::Udp if is_tcp => Err(SocketError::InvalidArgument),
        Has::Tcp if !is_tcp => Err(SocketError::NoSuchOption),
        _ => Ok(row),
    }
}

/// The value to keep.
///
/// # Errors
/// `NoSuchOption`; `InvalidArgument` for a value outside the option's range.
pub(super) fn checked(level: i32, name: i32, is_tcp: bool, value: i32) -> Result<i32, SocketError> {
    let &(_, _, check, default, _) = row(level, name, is_tcp)?;
    match check {
        Switch => Ok(i32::from(value != 0)),
        Any => Ok(value),
        // -1 puts the hop limits of multicast back.
        Range(0, 255) if value == -1 && level != SOL_SOCKET => Ok(default),
        Range(least, most) if (least..=most).contains(&value) => Ok(value),
        Range(..) => Err(SocketError::InvalidArgument),
    }
}

/// The value before it is set.
///
/// # Errors
/// `NoSuchOption`.
pub(super) fn default(level: i32, name: i32, is_tcp: bool) -> Result<i32, SocketError> {
    Ok(row(level, name, is_tcp)?.3)
}
