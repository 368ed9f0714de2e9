//! Processes: a child that does not outlive us, and what it inherits.
#![allow(unsafe_code, reason = "Command::pre_exec runs between fork and exec")]

use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{
    Resource, Rlimit, Signal, getpid, getppid, getrlimit, set_parent_process_death_signal, setrlimit,
};

use super::signals::Mask;

/// Makes the kernel send SIGTERM to the child when this process ends, however it ends, and gives the child the signals
/// back that this process has blocked for itself.
pub fn prepare_child(command: &mut Command, mask: Mask) {
    let parent = getpid();
    // SAFETY: the closure makes three system calls and touches no memory but its own: no allocation, no lock.
    unsafe {
        command.pre_exec(move || {
            set_parent_process_death_signal(Some(Signal::TERM))?;
            mask.set();
            // The parent may have ended before the call.
            if getppid() == Some(parent) { Ok(()) } else { Err(std::io::ErrorKind::NotFound.into()) }
        });
    }
}

/// Raises this process's soft limit of descriptors as far as it may. Returns what it was, for children.
pub fn raise_descriptor_limit() -> Rlimit {
    let before = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: before.maximum, maximum: before.maximum });
    before
}

/// Gives the child a limit of descriptors.
pub fn set_descriptor_limit(command: &mut Command, limit: Rlimit) {
    // SAFETY: the closure makes one system call on memory of its own.
    unsafe {
        command.pre_exec(move || Ok(setrlimit(Resource::Nofile, limit)?));
    }
}

/// Gives the child these blocked signals, which `Command` would clear.
pub fn keep_mask(command: &mut Command, mask: Mask) {
    // SAFETY: the closure makes one system call on memory of its own.
    unsafe {
        command.pre_exec(move || {
            mask.set();
            Ok(())
        });
    }
}
