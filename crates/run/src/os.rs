//! What needs system calls that no safe crate offers. `unsafe` lives here and nowhere else in this crate.

pub mod error_queue;
pub mod namespace;
pub mod process;
pub mod seccomp;
pub mod signals;
pub mod thread;
pub mod time;
pub mod unix;
pub mod unix_diag;
