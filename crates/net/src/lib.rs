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
//! Settings are [`portolan_stack::Config`], given to [`HostBuilder::config`]; while the host runs, [`Host::with_stack`]
//! reaches TCP's knobs (`tcp_config_mut`), the limits of routes (`set_route_limits`) and everything else. A connection's
//! options are set in Linux's numbers by [`TcpStream::set_option`]; what must be set before connect, such as the keys of
//! signed connections, by `with_stack` and [`TcpSocket::id`]. Urgent text stays in line, as RFC 6093 wants it, unless
//! SO_OOBINLINE is turned off; then `Stack::read_urgent` has its last octet.
//!
//! [`HostBuilder::tracer`] hears every change within connections (RFC 4898). Warnings (a link that fails, a claimed
//! address, ports used up) are events of the crate `tracing`: without a subscriber nobody sees them.
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
