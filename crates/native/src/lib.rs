//! Linux's layouts and tables for sockets, as a program sees them.
//!
//! Two front ends stand between a program and the stack process: the preload library inside the program, and the
//! seccomp engine outside it. Both read the program's socket addresses ([`inet`]) and control messages
//! ([`control_message`]), refuse what the kernel refuses ([`kind`]), and know which options mean the same to the AF_UNIX
//! socket underneath ([`option`]). What both must answer alike stands here, as functions of octets: nothing is
//! called, allocated or kept, because one of the users runs inside other people's signal handlers.

pub mod control_message;
pub mod errno;
pub mod inet;
pub mod kind;
pub mod option;

pub use errno::Errno;
