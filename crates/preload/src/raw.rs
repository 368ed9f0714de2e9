//! syscall(2), the function with which a program makes system calls by number.
//!
//! libuv sends its datagrams so, and with it dig and node. A call that has a hook goes to the hook; every other one
//! goes on. Programs whose own code holds the instruction are out of a library's reach.

#![expect(unsafe_code, reason = "a libc symbol")]

use core::ptr::without_provenance_mut as pointer;

use libc::{c_int, c_long, c_uint, c_ulong, size_t, socklen_t, ssize_t};

use crate::errno::{self, Errno};
use crate::{
    accept, close, connect, control, host_name, io, message, names, options, real, sandbox, socket, state,
    sys,
};

/// syscall(2). In C its arguments are variable; a caller in the C ABI passes words in the same places.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn syscall(
    number: c_long,
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
) -> c_long {
    if state::is_active()
        // SAFETY: the program's own arguments, which are those of the call that it names.
        && let Some(result) = unsafe { hooked(number, [a, b, c, d, e, f]) }
    {
        return result;
    }
    // SAFETY: the program's own arguments.
    unsafe { real::syscall()(number, a, b, c, d, e, f) }
}

/// clone(2) into a network namespace of the child's own, as vsftpd does for each session: the sockets that it
/// inherits must go on working. `None` if it is not that; a child that shares memory will exec.
fn cloned(flags: usize, clone: impl FnOnce() -> c_long) -> Option<c_long> {
    let parts = libc::CLONE_NEWNET | libc::CLONE_VM;
    if flags & parts as usize != libc::CLONE_NEWNET as usize {
        return None;
    }
    let connection = control::open_for_child().ok()?;
    let child = clone();
    if child == 0 {
        control::inherit(connection)
    } else {
        sys::close(connection)
    }
    Some(child)
}

/// The hook's result, if this call has one.
unsafe fn hooked(number: c_long, [a, b, c, d, e, f]: [usize; 6]) -> Option<c_long> {
    let int = |word: usize| word as c_int;
    let long = |result: c_int| c_long::from(result);
    let octets = |result: ssize_t| result as c_long;
    // SAFETY: as the caller vouches.
    let result = unsafe {
        match number {
            libc::SYS_socket => long(socket::socket(int(a), int(b), int(c))),
            libc::SYS_bind => long(accept::bind(int(a), pointer(b), c as socklen_t)),
            libc::SYS_listen => long(accept::listen(int(a), int(b))),
            libc::SYS_accept => long(accept::accept4(int(a), pointer(b), pointer(c), 0)),
            libc::SYS_accept4 => long(accept::accept4(int(a), pointer(b), pointer(c), int(d))),
            libc::SYS_connect => long(connect::connect(int(a), pointer(b), c as socklen_t)),
            libc::SYS_shutdown => long(accept::shutdown(int(a), int(b))),
            libc::SYS_getsockname => long(names::getsockname(int(a), pointer(b), pointer(c))),
            libc::SYS_getpeername => long(names::getpeername(int(a), pointer(b), pointer(c))),
            libc::SYS_getsockopt => long(options::getsockopt(int(a), int(b), int(c), pointer(d), pointer(e))),
            libc::SYS_setsockopt => {
                long(options::setsockopt(int(a), int(b), int(c), pointer(d), e as socklen_t))
            }
            libc::SYS_ioctl => long(options::ioctl(int(a), b as c_ulong, pointer(c))),
            libc::SYS_close => long(close::close(int(a))),
            libc::SYS_uname => long(host_name::uname(pointer(a))),
            libc::SYS_read => octets(io::read(int(a), pointer(b), c as size_t)),
            libc::SYS_readv => octets(io::readv(int(a), pointer(b), int(c))),
            libc::SYS_recvfrom => {
                octets(io::recvfrom(int(a), pointer(b), c as size_t, int(d), pointer(e), pointer(f)))
            }
            libc::SYS_recvmsg => octets(message::recvmsg(int(a), pointer(b), int(c))),
            libc::SYS_recvmmsg => {
                long(message::recvmmsg(int(a), pointer(b), c as c_uint, int(d), pointer(e)))
            }
            libc::SYS_write => octets(io::write(int(a), pointer(b), c as size_t)),
            libc::SYS_writev => octets(io::writev(int(a), pointer(b), int(c))),
            libc::SYS_sendto => {
                octets(io::sendto(int(a), pointer(b), c as size_t, int(d), pointer(e), f as socklen_t))
            }
            libc::SYS_sendmsg => octets(message::sendmsg(int(a), pointer(b), int(c))),
            libc::SYS_sendmmsg => long(message::sendmmsg(int(a), pointer(b), c as c_uint, int(d))),
            libc::SYS_clone => return cloned(a, || real::syscall()(number, a, b, c, d, e, f)),
            libc::SYS_prctl => {
                long(sandbox::prctl(int(a), b as c_ulong, c as c_ulong, d as c_ulong, e as c_ulong))
            }
            libc::SYS_seccomp
                if matches!(a as u32, libc::SECCOMP_SET_MODE_STRICT | libc::SECCOMP_SET_MODE_FILTER) =>
            {
                sandbox::enter(|| real::syscall()(number, a, b, c, d, e, f), |result| *result >= 0)
            }
            // A ring's calls pass every hook by.
            libc::SYS_io_uring_setup => long(errno::finish(Err(Errno(libc::ENOSYS)))),
            _ => return None,
        }
    };
    Some(result)
}
