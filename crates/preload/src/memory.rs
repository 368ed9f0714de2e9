//! The program's pointers. They are never dereferenced here: the kernel copies, and answers EFAULT for a bad
//! one as it would have for the call that is being replaced.

#![expect(unsafe_code, reason = "copies between the program's memory and ours")]

use core::mem::MaybeUninit;

use libc::c_void;

use crate::errno::Errno;
use crate::{sandbox, sys};

/// Types of which any bits are a value, so that they may be copied from the program's memory.
///
/// # Safety
/// Every bit pattern must be a valid value.
pub(crate) unsafe trait Plain: Copy {}

// SAFETY: integers, and C structures of integers and raw pointers.
unsafe impl Plain for u8 {}
// SAFETY: as above.
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl Plain for libc::c_int {}
// SAFETY: as above.
unsafe impl Plain for libc::iovec {}
// SAFETY: as above.
unsafe impl Plain for libc::pollfd {}
// SAFETY: as above.
unsafe impl Plain for libc::msghdr {}
// SAFETY: as above.
unsafe impl Plain for libc::timespec {}

/// Reads a value from the program's memory.
pub(crate) fn read<T: Plain>(from: *const T) -> Result<T, Errno> {
    let mut value = MaybeUninit::<T>::zeroed();
    copy(from.cast(), value.as_mut_ptr().cast(), size_of::<T>())?;
    // SAFETY: any bits are a T, and zeros were there before.
    Ok(unsafe { value.assume_init() })
}

/// Writes a value to the program's memory.
pub(crate) fn write<T: Plain>(to: *mut T, value: T) -> Result<(), Errno> {
    copy((&raw const value).cast(), to.cast(), size_of::<T>())
}

/// Fills `out` from the program's memory.
pub(crate) fn read_slice<T: Plain>(from: *const T, out: &mut [T]) -> Result<(), Errno> {
    copy(from.cast(), out.as_mut_ptr().cast(), size_of_val(out))
}

/// Writes octets to the program's memory.
pub(crate) fn write_bytes(to: *mut c_void, bytes: &[u8]) -> Result<(), Errno> {
    copy(bytes.as_ptr().cast(), to, bytes.len())
}

/// Spreads octets over the program's buffers; how many of them there was room for.
pub(crate) fn scatter(octets: &[u8], parts: *const libc::iovec, count: usize) -> Result<usize, Errno> {
    let mut rest = octets;
    for index in 0..count {
        if rest.is_empty() {
            break;
        }
        let part = read(parts.wrapping_add(index))?;
        let (now, later) = rest.split_at(part.iov_len.min(rest.len()));
        write_bytes(part.iov_base, now)?;
        rest = later;
    }
    Ok(octets.len() - rest.len())
}

fn copy(from: *const c_void, to: *mut c_void, len: usize) -> Result<(), Errno> {
    if len == 0 {
        return Ok(());
    }
    let checked = if sandbox::is_on() { Err(Errno(libc::EPERM)) } else { sys::copy_checked(from, to, len) };
    match checked {
        // A seccomp filter may forbid the checked copy; then a null pointer is all that can be told.
        Err(Errno(libc::ENOSYS | libc::EPERM)) if !from.is_null() && !to.is_null() => {
            // SAFETY: one side is ours; the other the program named for this very use.
            unsafe { core::ptr::copy(from.cast::<u8>(), to.cast::<u8>(), len) };
            Ok(())
        }
        Err(Errno(libc::ENOSYS | libc::EPERM)) => Err(Errno(libc::EFAULT)),
        result => result,
    }
}
