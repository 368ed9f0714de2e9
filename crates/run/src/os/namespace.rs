//! Namespaces, and descriptors that are handed to a child by their numbers.
#![allow(
    unsafe_code,
    reason = "unshare and pre_exec have no safe binding, and a number is no descriptor yet"
)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

/// Moves this thread into new namespaces (`CLONE_NEW*`). For a process with one thread.
pub fn unshare(kinds: i32) -> io::Result<()> {
    // SAFETY: no memory is shared differently by it; CLONE_NEW* alone leaves descriptors and address space as they are.
    if unsafe { libc::unshare(kinds) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Lets the child have a descriptor of ours, under the same number. It must stay open until the child is started.
pub fn pass_descriptor(command: &mut Command, descriptor: BorrowedFd<'_>) -> i32 {
    let number = descriptor.as_raw_fd();
    // SAFETY: the closure makes one system call, on a number that the fork has copied.
    unsafe {
        command.pre_exec(move || {
            let descriptor = BorrowedFd::borrow_raw(number);
            Ok(fcntl_setfd(descriptor, FdFlags::empty())?)
        });
    }
    number
}

/// Takes over a descriptor that [`pass_descriptor`] has left open for this process. Called once for a number, before
/// anything else is opened. Children do not inherit it. Errors: `EBADF` if there is none.
pub fn take_descriptor(number: i32) -> io::Result<OwnedFd> {
    if number <= libc::STDERR_FILENO {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: used for one call that fails if it is not open.
    fcntl_getfd(unsafe { BorrowedFd::borrow_raw(number) })?;
    // SAFETY: it is open, and was left open for us: nobody else in this process owns it.
    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    fcntl_setfd(descriptor.as_fd(), FdFlags::CLOEXEC)?;
    Ok(descriptor)
}
