//! The host: links, addresses, routes, ports, sockets and connections, driven by five calls.
//!
//! A [`Stack`] locks nothing, reads no clock, draws no entropy and does no I/O: time, seeds and frames are arguments.
//! A frame goes `link` -> `ip` -> `demux` -> `socket`, and what is sent goes the same way back; [`Stack`] in
//! `stack.rs` shows the five calls, and every module's head says which part of the way it is.
//!
//! ```text
//! receive -> link/ethernet -> ip/input -> demux -> connection (portolan-tcp) -> event -> read
//! write -> connection -> active list of its link -> poll_transmit -> transmit -> frame
//! ```
#![no_std]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::cast_possible_truncation)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::cast_possible_truncation))]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod auth;
mod config;
mod connection;
mod cookie;
mod demux;
mod drop;
mod embryo;
mod engine;
mod error;
mod event;
mod fast_open;
mod flow;
mod hand_over;
mod id;
mod intercept;
mod inventory;
mod ip;
mod link;
mod list;
mod port;
mod pressure;
mod queue;
mod random;
mod shard;
mod slab;
mod socket;
mod stack;
mod stats;
mod time_wait;
mod timer;
mod transmit;

pub use config::{Config, Intercept, LinkConfig};
pub use drop::{DropReason, Drops};
pub use error::{SettingError, SocketError};
pub use event::{EchoRequest, Event, Intercepted, PortsExhausted, Quote, Refusal, UnreachableCode, Warning};
pub use fast_open::FastOpenKeys;
pub use flow::{FlowEnd, FlowInfo, FlowSummary, LimitedBy};
pub use id::{LinkId, RequestId, SocketId};
pub use inventory::Entry;
pub use ip::route::{Route, RouteKind, RouteLimits};
pub use ip::source_route::SourceRoute;
pub use portolan_tcp::{AoAlgorithm, AoKey, Md5Key};
pub use portolan_tcp::{CaState, Info, RunningTimer, State, TraceEvent, Tracer, WriteFlags};
pub use random::Seeds;
pub use shard::owner;
pub use socket::option::SocketOption;
pub use socket::sockopt::number::{IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, IPPROTO_UDP, SOL_SOCKET};
pub use socket::udp::Datagram;
pub use socket::udp::ancillary::{Outgoing, Tells, Told};
pub use socket::udp::report::ErrorReport;
pub use socket::{How, Ready};
pub use stack::{Counts, Stack};
pub use stats::{IcmpStats, IpStats, Stats, TcpHostStats, UdpStats};
