//! poll(2) and ppoll(2): an ICMP error that waits at a UDP socket is POLLERR, as on the kernel.
//!
//! In the AF_UNIX socket's queue it looks like a datagram. select has no other sign for it; epoll tells program's data and
//! not descriptors, and shows it as EPOLLIN. Only processes that can have such errors pay for the look.

#![expect(unsafe_code, reason = "libc symbols")]

use libc::{c_int, c_short, nfds_t, pollfd, sigset_t, size_t, timespec};

use crate::socket::Socket;
use crate::{datagram, errno, memory, real, state};

/// poll(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn poll(entries: *mut pollfd, count: nfds_t, timeout: c_int) -> c_int {
    // SAFETY: the program's own arguments.
    look_over(entries, count, unsafe { real::poll(entries, count, timeout) })
}

/// ppoll(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn ppoll(
    entries: *mut pollfd,
    count: nfds_t,
    timeout: *const timespec,
    mask: *const sigset_t,
) -> c_int {
    // SAFETY: the program's own arguments.
    look_over(entries, count, unsafe { real::ppoll(entries, count, timeout, mask) })
}

/// The checked form of poll(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn __poll_chk(
    entries: *mut pollfd,
    count: nfds_t,
    timeout: c_int,
    room: size_t,
) -> c_int {
    crate::io::check_room(count as usize, room / size_of::<pollfd>());
    // SAFETY: the program's own arguments.
    unsafe { poll(entries, count, timeout) }
}

/// The checked form of ppoll(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn __ppoll_chk(
    entries: *mut pollfd,
    count: nfds_t,
    timeout: *const timespec,
    mask: *const sigset_t,
    room: size_t,
) -> c_int {
    crate::io::check_room(count as usize, room / size_of::<pollfd>());
    // SAFETY: the program's own arguments.
    unsafe { ppoll(entries, count, timeout, mask) }
}

fn look_over(entries: *mut pollfd, count: nfds_t, ready: c_int) -> c_int {
    if ready > 0 && state::has_reports() {
        let was = errno::get();
        for index in 0..count as usize {
            tell_error(entries.wrapping_add(index));
        }
        errno::set(was);
    }
    ready
}

/// Puts POLLERR in POLLIN's place if what is to be read is an error.
fn tell_error(entry: *mut pollfd) {
    let Ok(mut seen) = memory::read(entry.cast_const()) else { return };
    let readable: c_short = libc::POLLIN | libc::POLLRDNORM;
    let is_error = || Socket::identify_datagram(seen.fd).is_some() && datagram::error_is_next(seen.fd);
    if seen.revents & readable != 0 && is_error() {
        seen.revents = seen.revents & !readable | libc::POLLERR;
        // The kernel has just written there.
        let _ = memory::write(entry, seen);
    }
}
