//! What needs system calls that no safe crate offers. `unsafe` lives here and nowhere else in this crate.

pub mod error_queue;
pub mod process;
pub mod signals;
pub mod time;
pub mod unix;
pub mod unix_diag;
