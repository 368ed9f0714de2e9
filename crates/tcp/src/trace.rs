//! Events of a connection, in the style of RFC 4898: they feed captures, plots and tests.

use portolan_link::Instant;
use portolan_wire::SeqNumber;

use crate::{DropReason, State};

/// One change within a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TraceEvent {
    /// A new state.
    State {
        /// The state before.
        from: State,
        /// The state now.
        to: State,
    },
    /// A segment was planned.
    Transmit {
        /// Its first sequence number.
        seq: SeqNumber,
        /// Octets of text.
        text_len: u32,
        /// Whether it was sent before.
        retransmission: bool,
    },
    /// A segment was discarded.
    Drop(DropReason),
    /// A measurement of the round-trip time.
    Rtt {
        /// The measurement, in microseconds.
        sample_us: u32,
        /// The smoothed RTT, in microseconds.
        srtt_us: u32,
        /// The retransmission timeout, in microseconds.
        rto_us: u32,
    },
    /// The congestion window or the slow-start threshold changed.
    Congestion {
        /// The window, in octets.
        cwnd: u32,
        /// The threshold, in octets.
        ssthresh: u32,
    },
    /// Fast recovery begins; it lasts until `recover` is acknowledged.
    RecoveryBegins {
        /// SND.NXT at the time.
        recover: SeqNumber,
    },
    /// Recovery, by retransmission or after a timeout, is over.
    RecoveryEnds,
    /// The retransmission timer ran out.
    Timeout {
        /// How often in a row.
        backoffs: u8,
    },
    /// The send window became zero or opened again.
    SendWindow {
        /// SND.WND in octets.
        octets: u32,
    },
}

/// Receives the events of all connections of a host.
pub trait Tracer {
    /// `event` happened at `now` in the connection with the id `flow`, which is the one its creator gave it.
    fn event(&mut self, now: Instant, flow: u64, event: TraceEvent);
}

/// Ignores all events.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTrace;

impl Tracer for NoTrace {
    fn event(&mut self, _now: Instant, _flow: u64, _event: TraceEvent) {}
}
