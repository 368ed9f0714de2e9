//! One TCP connection as a pure state machine: no IP, no sockets, no clock, no entropy of its own.
//!
//! A [`Tcb`] (RFC 9293 §3.3.1) takes segments and calls of an application, and says which segments to send.
//! Time, random numbers, memory and the path's segment size come in with every call, in a [`Context`].
//! Half-open connections and TIME-WAIT are small records of their own, [`Embryo`] and [`TimeWait`], so that a
//! flood costs octets and not connections.
//!
//! Start reading at [`Tcb::on_segment`] in `input.rs`, which is RFC 9293 §3.10.7 as a sequence of named steps,
//! and at [`Tcb::poll_segment`] in `output.rs`, the only place that sends. [`State::next`] is the whole of RFC
//! 9293 figure 5.
//!
//! Bytes from outside never make this crate panic, loop or allocate without bound; [`Tcb::check`] states the
//! invariants, and simulations call it after every step.

#![no_std]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::cast_possible_truncation)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::cast_possible_truncation))]

extern crate alloc;
#[cfg(test)]
extern crate std;

// First, because a macro is known only after its definition.
#[macro_use]
pub mod planted;

pub mod congestion;
pub mod isn;

mod alarm;
mod application;
mod auth;
mod autotune;
mod challenge;
mod check;
mod close;
mod config;
mod context;
mod cookie;
mod deadline;
mod duplicate;
mod ecn;
mod embryo;
mod error;
mod fast_open;
mod flight;
mod freeze;
mod info;
mod input;
mod keepalive;
mod limits;
mod loss_probe;
mod mishaps;
mod numbers;
mod open;
mod output;
mod pacing;
mod paws;
mod prr;
mod push;
mod rack;
mod rare;
mod rate;
mod reassembly;
mod receive_queue;
mod recovery;
mod reordering;
mod rtt;
mod segment;
mod send_buffer;
mod send_queue;
mod signals;
mod size_search;
mod slab;
mod socket_options;
mod state;
mod stats;
mod tcb;
#[cfg(test)]
mod testing;
mod time_wait;
mod timers;
mod trace;
mod undo;
mod urgent;
mod user_timeout;
mod window;

pub use application::WriteFlags;
pub use auth::{Ao, AoAlgorithm, AoKey, Auth, AuthError, Mac, Md5Key};
pub use config::{BufferSize, Config, FastOpenKnob, Keepalive};
pub use congestion::{CcInfo, CongestionAlgorithm, CongestionControl, CubicRules, UserAlgorithm};
pub use context::{Context, Slabs};
pub use cookie::CookieKeys;
pub use ecn::Ecn;
pub use embryo::{Embryo, EmbryoDeadline, EmbryoVerdict, PassiveOpen};
pub use error::Error;
pub use fast_open::{FastOpenNews, FastOpenOffer};
pub use freeze::{FreezeError, Reader, ThawError};
pub use info::Info;
pub use recovery::CaState;
pub use segment::{Segment, SegmentPlan, reset_for};
pub use signals::{DropReason, Signals};
pub use size_search::MtuProbing;
pub use socket_options::{CommonOptions, FinWait2, OptionFlags, SeldomOptions, SocketOptions};
pub use state::{State, Transition};
pub use stats::TcpStats;
pub use tcb::Tcb;
pub use time_wait::{TimeWait, TimeWaitVerdict};
pub use timers::RunningTimer;
pub use trace::{NoTrace, TraceEvent, Tracer};
pub use user_timeout::UserTimeoutOption;
