//! Starting a child that does not outlive us.
#![allow(unsafe_code, reason = "Command::pre_exec is unsafe: its closure runs between fork and exec")]

use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

/// Makes the kernel send `signal` to the child when this process ends, however it ends.
pub fn die_with_parent(command: &mut Command, signal: Signal) {
    let parent = getpid();
    // SAFETY: the closure makes two system calls and touches no memory but its own: no allocation, no lock.
    unsafe {
        command.pre_exec(move || {
            set_parent_process_death_signal(Some(signal))?;
            // The parent may have ended before the call.
            if getppid() == Some(parent) { Ok(()) } else { Err(std::io::ErrorKind::NotFound.into()) }
        });
    }
}
