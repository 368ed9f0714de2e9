//! The control server: programs' sockets on the one side, the stack's on the other.
//!
//! A program's socket is an AF_UNIX socket whose other end is here. Control calls arrive as numbered messages
//! ([`server`]); octets are carried between the program's end and the stack's socket ([`stream`], [`datagram`]);
//! a completed handshake is handed to the program by connecting to its own listening socket ([`listener`]). Sockets
//! are known by the 128-bit identity in their names ([`registry`], [`socket`]).
//!
//! Everything runs on one thread, in one set of local tasks. Start reading in [`ControlServer`].

mod canary;
mod datagram;
mod end;
mod hints;
mod interfaces;
mod listener;
mod lookup;
mod network;
mod options;
mod owner;
mod registry;
mod server;
mod socket;
mod spare;
mod stream;
mod supervisors;
mod sweep;
mod tag;

pub use lookup::{Found, LookUp, Names};
pub use owner::{Held, Holdings, Owner};
pub use server::{ControlConfig, ControlServer};
pub use supervisors::{Joined, Supervisors};
