//! The thread's errno: hooks leave it alone on success and set it on failure, as libc does.

#![expect(unsafe_code, reason = "errno is a pointer in libc")]

use libc::{c_int, ssize_t};
pub(crate) use portolan_native::Errno;

/// The thread's errno.
pub(crate) fn get() -> c_int {
    // SAFETY: the pointer is the calling thread's own and always valid.
    unsafe { *libc::__errno_location() }
}

/// Sets the thread's errno.
pub(crate) fn set(errno: c_int) {
    // SAFETY: the pointer is the calling thread's own and always valid.
    unsafe { *libc::__errno_location() = errno }
}

/// A hook's result in libc's form, for calls that return an int.
pub(crate) fn finish(result: Result<c_int, Errno>) -> c_int {
    result.unwrap_or_else(|Errno(errno)| {
        set(errno);
        -1
    })
}

/// A hook's result in libc's form, for calls that return a length.
pub(crate) fn finish_len(result: Result<usize, Errno>) -> ssize_t {
    match result.map(ssize_t::try_from) {
        Ok(Ok(len)) => len,
        Ok(Err(_)) => finish_len(Err(Errno(libc::EINVAL))),
        Err(Errno(errno)) => {
            set(errno);
            -1
        }
    }
}
