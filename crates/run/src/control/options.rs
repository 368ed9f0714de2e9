//! Socket options of programs.
//!
//! The stack has the table of all options, in Linux's numbers and layouts. What is checked here is privilege, which a
//! stack without users cannot.

use super::network::{Errno, Host};
use super::socket::Record;

/// Options of SOL_SOCKET that need CAP_NET_ADMIN or CAP_NET_RAW, which programs in a network of their own do not get.
const PRIVILEGED: [i32; 3] = [libc::SO_SNDBUFFORCE, libc::SO_RCVBUFFORCE, libc::SO_MARK];

/// The highest SO_PRIORITY without privilege.
const PRIORITY_MAX: i32 = 6;

/// setsockopt(2) of a program that runs as `uid`.
pub(super) fn set(
    record: &Record,
    host: &Host,
    uid: u32,
    (level, name): (i32, i32),
    value: &[u8],
) -> Result<(), Errno> {
    let first = value.first_chunk().map(|octets| i32::from_ne_bytes(*octets));
    let forbidden = match (level, name, first) {
        (libc::SOL_SOCKET, libc::SO_PRIORITY, Some(priority)) => !(0..=PRIORITY_MAX).contains(&priority),
        (libc::SOL_SOCKET, libc::SO_DEBUG, Some(on)) => {
            return if on == 0 { Ok(()) } else { Err(Errno::ACCES) };
        }
        // Since Linux 5.7 everybody may bind a socket to a device, and only root elsewhere.
        (libc::SOL_SOCKET, libc::SO_BINDTODEVICE, _) => {
            uid != 0 && !get(record, host, level, name)?.is_empty()
        }
        (libc::SOL_SOCKET, name, _) => PRIVILEGED.contains(&name),
        _ => false,
    };
    if forbidden {
        return Err(Errno::PERM);
    }
    record.socket_for_options(host)?.set_option(level, name, value)
}

/// getsockopt(2): the value in Linux's layout.
pub(super) fn get(record: &Record, host: &Host, level: i32, name: i32) -> Result<Vec<u8>, Errno> {
    record.socket_for_options(host)?.option(level, name)
}
