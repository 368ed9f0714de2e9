//! The library's calls that the seccomp engine's filter lets pass.
//!
//! With both engines the kernel holds every socket call, so that nothing slips past the library. The library's own
//! carry a cookie in the sixth argument, which the kernel does not look at, and run at once. So they are bare system calls;
//! those that may block are made cancellation points as glibc makes them. What could reach the machine's network through
//! a socket that is not ours (connect, an address in sendmsg, if it is not AF_UNIX) goes without the cookie, through [`crate::real`].

#![expect(unsafe_code, reason = "system calls")]

use libc::{c_int, c_long, c_void, msghdr, sockaddr, socklen_t, ssize_t};

use crate::{real, sandbox, state, sys};

unsafe extern "C" {
    /// pthread_setcanceltype(3), which the libc crate leaves out.
    fn pthread_setcanceltype(kind: c_int, old: *mut c_int) -> c_int;
}

const PTHREAD_CANCEL_ASYNCHRONOUS: c_int = 1;

/// A system call of at most five arguments, the rest zero, with the cookie; libc's result and errno.
macro_rules! pass {
    ($number:expr; $($argument:expr),*) => {{
        let mut all = [0usize; 5];
        for (slot, argument) in all.iter_mut().zip([$($argument as usize),*]) {
            *slot = argument;
        }
        let [a, b, c, d, e] = all;
        let result = real::syscall()($number, a, b, c, d, e, state::cookie());
        forget_cookie();
        result
    }};
}

/// Takes the cookie out of its register. The kernel leaves it there, libc's functions leave the registers of arguments that
/// they do not have alone, and so the program's next call might pass too.
#[inline(always)]
pub(crate) fn forget_cookie() {
    // SAFETY: writes one register, which is said.
    unsafe { core::arch::asm!("xor r9d, r9d", out("r9") _, options(nomem, nostack)) };
}

/// Runs a call during which the thread may be cancelled.
fn cancellable(call: impl FnOnce() -> c_long) -> c_long {
    let mut before = 0;
    // SAFETY: the place for the old type lives here; while the type is asynchronous only the system call runs.
    unsafe { pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &raw mut before) };
    let result = call();
    // SAFETY: no place is given. On success errno stays as the call left it, and setting a type that was there succeeds.
    unsafe { pthread_setcanceltype(before, core::ptr::null_mut()) };
    result
}

/// A call on a descriptor that is not ours: held if it is the seccomp engine's, which answers it; else it passes.
macro_rules! pass_on {
    ($fd:expr, $name:ident($($argument:expr),*)) => {
        if crate::passing::is_engines($fd) {
            crate::real::$name($($argument),*)
        } else {
            crate::passing::$name($($argument),*)
        }
    };
}
pub(crate) use pass_on;

/// Whether the seccomp engine made the socket: it has a name of ours, and yet [`crate::socket::Socket::identify`] left it.
pub(crate) fn is_engines(fd: c_int) -> bool {
    sandbox::may_look_at(fd) && sys::own_name(fd).is_some()
}

/// bind(2).
pub(crate) unsafe fn bind(fd: c_int, address: *const sockaddr, len: socklen_t) -> c_int {
    // SAFETY: the caller vouches for the arguments, as for libc's function.
    unsafe { pass!(libc::SYS_bind; fd, address, len) as c_int }
}

/// connect(2) to an AF_UNIX address.
pub(crate) unsafe fn connect(fd: c_int, address: *const sockaddr, len: socklen_t) -> c_int {
    // SAFETY: the caller vouches for the arguments, as for libc's function.
    cancellable(|| unsafe { pass!(libc::SYS_connect; fd, address, len) }) as c_int
}

/// listen(2).
pub(crate) unsafe fn listen(fd: c_int, backlog: c_int) -> c_int {
    // SAFETY: no pointers.
    unsafe { pass!(libc::SYS_listen; fd, backlog) as c_int }
}

/// accept4(2).
pub(crate) unsafe fn accept4(fd: c_int, address: *mut sockaddr, len: *mut socklen_t, flags: c_int) -> c_int {
    // SAFETY: the caller vouches for the arguments, as for libc's function.
    cancellable(|| unsafe { pass!(libc::SYS_accept4; fd, address, len, flags) }) as c_int
}

/// shutdown(2).
pub(crate) unsafe fn shutdown(fd: c_int, how: c_int) -> c_int {
    // SAFETY: no pointers.
    unsafe { pass!(libc::SYS_shutdown; fd, how) as c_int }
}

/// getsockname(2).
pub(crate) unsafe fn getsockname(fd: c_int, address: *mut sockaddr, len: *mut socklen_t) -> c_int {
    // SAFETY: the caller vouches for the arguments, as for libc's function.
    unsafe { pass!(libc::SYS_getsockname; fd, address, len) as c_int }
}

/// getpeername(2).
pub(crate) unsafe fn getpeername(fd: c_int, address: *mut sockaddr, len: *mut socklen_t) -> c_int {
    // SAFETY: the caller vouches for the arguments, as for libc's function.
    unsafe { pass!(libc::SYS_getpeername; fd, address, len) as c_int }
}

/// getsockopt(2).
pub(crate) unsafe fn getsockopt(
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *mut c_void,
    len: *mut socklen_t,
) -> c_int {
    // SAFETY: the caller vouches for the arguments, as for libc's function.
    unsafe { pass!(libc::SYS_getsockopt; fd, level, name, value, len) as c_int }
}

/// setsockopt(2).
pub(crate) unsafe fn setsockopt(
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *const c_void,
    len: socklen_t,
) -> c_int {
    // SAFETY: the caller vouches for the arguments, as for libc's function.
    unsafe { pass!(libc::SYS_setsockopt; fd, level, name, value, len) as c_int }
}

/// recvmsg(2).
pub(crate) unsafe fn recvmsg(fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t {
    // SAFETY: the caller vouches for the arguments, as for libc's function.
    cancellable(|| unsafe { pass!(libc::SYS_recvmsg; fd, message, flags) }) as ssize_t
}

/// sendmsg(2), of a header without an address or with an AF_UNIX one.
pub(crate) unsafe fn sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t {
    // SAFETY: the caller vouches for the arguments, as for libc's function.
    cancellable(|| unsafe { pass!(libc::SYS_sendmsg; fd, message, flags) }) as ssize_t
}
