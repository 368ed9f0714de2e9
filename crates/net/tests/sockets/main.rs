//! Two hosts of one process, joined by a wire: every kind of socket, on tasks and on threads.

#[path = "../common/mod.rs"]
mod common;

mod blocking;
mod cancel;
mod end;
mod gateway;
mod listen;
mod shaped;
mod stream;
mod udp;
mod worker;
