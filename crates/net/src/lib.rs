//! Portolan: a TCP/IP stack in user space, as a library.
//!
//! A host is a value: it has links, addresses and connections of its own, and nothing of it is the operating
//! system's. [`Host::builder`] describes one, its [`Worker`] brings it to life, and then sockets work as they do
//! everywhere: [`TcpStream`], [`TcpListener`] and [`UdpSocket`] for async programs, [`blocking`] for threads.
//!
//! Two hosts in one process, joined by a wire; one serves, the other fetches:
//!
//! ```
#![doc = include_str!("../examples/hello.rs")]
//! ```
//!
//! With `portolan_drivers::Tap` in place of the wire, the other host is the Linux kernel.
//!
//! Where to start reading: `worker.rs` is the loop around a stack, `shared.rs` is what it shares with sockets,
//! `handle.rs` is how a call waits. Applications that want each microsecond live inside the loop:
//! [`Worker::run_with`]. Gateways read [`Host::intercepted`].

pub mod blocking;
mod builder;
mod clock;
mod error;
mod flow;
pub mod gateway;
mod handle;
mod host;
mod seed;
mod shared;
pub mod socket;
pub mod tcp;
pub mod udp;
mod wakers;
mod worker;

pub use builder::HostBuilder;
pub use error::Error;
pub use flow::FlowEvents;
pub use gateway::{InterceptStream, Intercepted};
pub use host::Host;
pub use portolan_link::Chunk;
pub use portolan_stack::{CaState, FlowInfo, TraceEvent, Tracer};
pub use seed::Seed;
pub use tcp::{TcpListener, TcpSocket, TcpStream};
pub use udp::UdpSocket;
pub use worker::Worker;
