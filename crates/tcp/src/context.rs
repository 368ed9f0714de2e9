//! What a call on a connection gets from its host.

use portolan_link::{Instant, Pool};

use crate::{Config, TcpStats, Tracer};

/// The surroundings of one call: everything that a connection does not own.
pub struct Context<'a> {
    /// The time. One that is smaller than the last does no harm.
    pub now: Instant,
    /// Memory for text.
    pub pool: &'a mut Pool,
    /// The host's knobs.
    pub config: &'a Config,
    /// Memory for what only busy connections have. Always the same for one connection.
    pub slabs: &'a mut Slabs,
    /// The most octets of text and TCP options that the path takes in a segment: its MTU less the fixed IP and TCP
    /// headers (RFC 6691), so 1460 for IPv4 over Ethernet.
    pub mss: u16,
    /// The largest IP packet, in octets, that the link cuts into segments by itself; 0 if it cuts none.
    pub gso_max: u32,
    /// A fresh secret random number.
    pub random: u64,
    /// Receives the events.
    pub tracer: &'a mut dyn Tracer,
    /// The host's counters.
    pub stats: &'a mut TcpStats,
}

/// Records that only busy connections have: flight records, and queues. An idle connection gives them back after
/// [`Config::queues_idle_us`], and then consists of its [`crate::Tcb`] alone.
#[derive(Debug, Default)]
pub struct Slabs {}

impl Slabs {
    /// Empty slabs.
    #[must_use]
    pub fn new() -> Slabs {
        Slabs::default()
    }
    /// Octets of memory, text not counted.
    #[must_use]
    pub fn footprint(&self) -> usize {
        0
    }
    /// Records that connections hold now.
    #[must_use]
    pub fn in_use(&self) -> usize {
        0
    }
}
