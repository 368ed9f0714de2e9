//! Packet scripts: everything that lets the system calls of a packetdrill script run over one
//! [`portolan_stack::Stack`] in virtual time.
//!
//! [`machine::Machine`] is a computer with one stack, one link of bare IP packets, a clock that only its driver moves,
//! and Linux's socket calls. Two drivers exist: the real packetdrill, through the C table of [`so`], and the
//! interpreter of this crate: [`language`] reads a script, [`runner`] runs it, [`mod@code`] evaluates its
//! assertions. Both set the host's knobs by their Linux names ([`knobs`]) and run the shell commands that scripts contain
//! ([`shell`]); [`personality`] says whose habits the host has.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::cast_possible_truncation))]

pub mod code;
mod errno;
pub mod knobs;
pub mod language;
pub mod machine;
pub mod personality;
pub mod runner;
pub mod shell;
pub mod so;

pub use errno::Errno;
pub use machine::Machine;
pub use personality::Personality;
