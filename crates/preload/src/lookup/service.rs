//! Services by name and by port: /etc/services through glibc, which needs no network for it.

#![expect(unsafe_code, reason = "getservbyname_r and getservbyport_r")]

use core::ffi::CStr;
use core::ptr;

use libc::{c_char, c_int, servent, size_t};

unsafe extern "C" {
    fn getservbyname_r(
        name: *const c_char,
        protocol: *const c_char,
        entry: *mut servent,
        buffer: *mut c_char,
        len: size_t,
        result: *mut *mut servent,
    ) -> c_int;
    fn getservbyport_r(
        port: c_int,
        protocol: *const c_char,
        entry: *mut servent,
        buffer: *mut c_char,
        len: size_t,
        result: *mut *mut servent,
    ) -> c_int;
}

/// A service's port under a protocol, `c"tcp"` or `c"udp"`.
pub(crate) fn port(name: &CStr, protocol: &CStr) -> Option<u16> {
    with_entry(
        |entry, buffer, len, result| {
            // SAFETY: both texts end with NUL; the rest is with_entry's.
            unsafe { getservbyname_r(name.as_ptr(), protocol.as_ptr(), entry, buffer, len, result) }
        },
        |entry| u16::from_be(entry.s_port as u16),
    )
}

/// Runs `use_name` on the name of the service at a port.
pub(crate) fn with_name<R>(port: u16, protocol: &CStr, use_name: impl FnOnce(&CStr) -> R) -> Option<R> {
    with_entry(
        |entry, buffer, len, result| {
            // SAFETY: the text ends with NUL; the rest is with_entry's.
            unsafe {
                getservbyport_r(c_int::from(port.to_be()), protocol.as_ptr(), entry, buffer, len, result)
            }
        },
        |entry| {
            // SAFETY: a found entry's name is a string in the buffer that with_entry holds.
            use_name(unsafe { CStr::from_ptr(entry.s_name) })
        },
    )
}

fn with_entry<R>(
    find: impl FnOnce(*mut servent, *mut c_char, size_t, *mut *mut servent) -> c_int,
    use_entry: impl FnOnce(&servent) -> R,
) -> Option<R> {
    // SAFETY: all zeros is a valid servent.
    let mut entry: servent = unsafe { core::mem::zeroed() };
    let mut buffer: [c_char; 1024] = [0; 1024];
    let mut result = ptr::null_mut();
    let failed = find(&raw mut entry, buffer.as_mut_ptr(), buffer.len(), &raw mut result);
    (failed == 0 && !result.is_null()).then(|| use_entry(&entry))
}
