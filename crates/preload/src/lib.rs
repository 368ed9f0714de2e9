//! The library loaded into programs: libc's socket calls to the stack process.
//!
//! An AF_INET or AF_INET6 socket becomes an AF_UNIX socket whose other end is the stack process. The kernel keeps
//! what it is good at: descriptor numbers, dup, fork, exec, passing, poll, epoll, splice. Only control calls come
//! through here; octets of streams are never touched. There is no descriptor table: a socket's abstract name says
//! what it is, in any process, after any fork or exec.
//!
//! Start in [`socket`], then [`connect`] and [`accept`]. Rules for everything here except look-ups: a hook may run
//! in a signal handler or a vfork child, so it allocates nothing and keeps errno; it needs no new descriptor once
//! the process's control connection is open; it never dereferences a pointer of the program's, unless that has forbidden
//! itself the calls that spare it ([`sandbox`]).
//!
//! Without `PORTOLAN_STACK` in the environment every hook passes straight on.

mod accept;
mod address;
mod close;
mod connect;
mod control;
mod datagram;
mod destination;
mod errno;
mod host_name;
mod interfaces;
mod io;
mod limits;
mod lookup;
mod memory;
mod message;
mod names;
mod options;
mod passing;
mod poll;
mod raw;
mod real;
mod registrations;
mod sandbox;
mod socket;
mod state;
mod stream;
mod sys;
