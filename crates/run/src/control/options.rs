//! Socket options of programs.
//!
//! The stack has the table of all options, in Linux's numbers and layouts. What is checked here is privilege, which a
//! stack without users cannot.

use super::network::{Errno, Host};
use super::socket::Record;
use crate::os::thread::identity;
use crate::os::unix::Peer;

/// The highest SO_PRIORITY without privilege.
const PRIORITY_MAX: i32 = 6;

/// Of linux/capability.h.
const CAP_NET_ADMIN: u64 = 1 << 12;
const CAP_NET_RAW: u64 = 1 << 13;

/// setsockopt(2) of a program.
pub(super) fn set(
    record: &Record,
    host: &Host,
    peer: Peer,
    (level, name): (i32, i32),
    value: &[u8],
) -> Result<(), Errno> {
    let first = value.first_chunk().map(|octets| i32::from_ne_bytes(*octets));
    let needed = match (level, name, first) {
        (libc::SOL_SOCKET, libc::SO_PRIORITY, Some(priority)) if !(0..=PRIORITY_MAX).contains(&priority) => {
            CAP_NET_ADMIN | CAP_NET_RAW
        }
        (libc::SOL_SOCKET, libc::SO_MARK, _) => CAP_NET_ADMIN | CAP_NET_RAW,
        (libc::SOL_SOCKET, libc::SO_SNDBUFFORCE | libc::SO_RCVBUFFORCE, _) => CAP_NET_ADMIN,
        (libc::SOL_SOCKET, libc::SO_DEBUG, on) if on != Some(0) => CAP_NET_ADMIN,
        // Since Linux 5.7 everybody may bind a socket to a device, and only root elsewhere.
        (libc::SOL_SOCKET, libc::SO_BINDTODEVICE, _) if !get(record, host, level, name)?.is_empty() => {
            CAP_NET_RAW
        }
        _ => 0,
    };
    if needed != 0 && !has_one_of(peer, needed) {
        return Err(if name == libc::SO_DEBUG { Errno::ACCES } else { Errno::PERM });
    }
    record.socket_for_options(host)?.set_option(level, name, value)
}

/// Whether a process has one of these capabilities; one whose status cannot be read has them if it is root's.
fn has_one_of(peer: Peer, capabilities: u64) -> bool {
    let status = u32::try_from(peer.pid).ok().filter(|pid| *pid != 0).and_then(|pid| identity(pid).ok());
    status.map_or(peer.uid == 0, |status| status.capabilities & capabilities != 0)
}

/// getsockopt(2): the value in Linux's layout.
pub(super) fn get(record: &Record, host: &Host, level: i32, name: i32) -> Result<Vec<u8>, Errno> {
    record.socket_for_options(host)?.option(level, name)
}
