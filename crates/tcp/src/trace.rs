//! Events of a connection, in the style of RFC 4898: they feed captures, plots and tests.
//!
//! A [`Tracer`] hears of every change of what RFC 4898 calls the performance, the path and the stack of a connection.
//! Within one call of a connection it hears first what happened, in the order in which it did, and then which figures
//! are other than before the call (`figures.rs`); so a figure that changes twice within a call is reported once, with
//! the value that counts. When a connection is established, all its figures are reported.
//!
//! Equal calls give equal events. With [`NoTrace`] a call costs one comparison more.

mod figures;

use portolan_link::Instant;
use portolan_wire::SeqNumber;

use crate::{CaState, DropReason, State};

/// One change within a connection. Names in brackets are RFC 4898's, without `tcpEStats`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TraceEvent {
    /// A new state (`StackState`). A connection that is opened begins in CLOSED. The last one is TIME-WAIT or CLOSED.
    State {
        /// The state before.
        from: State,
        /// The state now.
        to: State,
    },
    /// A segment, or a super-segment, was planned (`PerfSegsOut`, `PerfSegsRetrans`).
    Transmit {
        /// Its first sequence number.
        seq: SeqNumber,
        /// Octets of text.
        text_len: u32,
        /// Whether it was sent before.
        retransmission: bool,
    },
    /// A segment, or the text of one, was discarded.
    Drop(DropReason),
    /// A measurement of the round-trip time (`PathSampleRTT`).
    Rtt {
        /// The measurement, in microseconds.
        sample_us: u32,
        /// The smoothed RTT, in microseconds (`PathSmoothedRTT`).
        srtt_us: u32,
        /// The mean deviation, in microseconds (`PathRTTVar`).
        rttvar_us: u32,
        /// The least of the last minutes, in microseconds (`PathMinRTT`).
        min_us: u32,
    },
    /// The retransmission timer ran out (`PerfTimeouts`).
    Timeout {
        /// How often in a row.
        backoffs: u8,
    },
    /// A loss probe (RFC 8985 §7) is to be sent.
    LossProbe,
    /// The last reduction of the window was for nothing and is taken back (`StackSpuriousFrDetected`).
    Undone {
        /// Whether it came from a timeout, as F-RTO has found out (`StackSpuriousRtoDetected`).
        timeout: bool,
    },
    /// Text is newly held for lost.
    Lost {
        /// By so many octets more.
        octets: u32,
        /// Octets held for lost and not sent again, or sent again and not acknowledged, all told.
        total: u32,
    },
    /// What the connection does about losses is new (`StackCongSignals`), or a new window of text is concerned.
    Recovery {
        /// The state before.
        from: CaState,
        /// The state now.
        to: CaState,
        /// SND.NXT at the time: the state lasts until that is acknowledged; `None` in Open and Disorder.
        recover: Option<SeqNumber>,
    },
    /// The congestion window or the slow-start threshold changed.
    Congestion {
        /// The window, in octets, as it limits what is sent now (`PerfCurCwnd`).
        cwnd: u32,
        /// The threshold, in octets; `u32::MAX` before the first (`PerfCurSsthresh`).
        ssthresh: u32,
    },
    /// The retransmission timeout changed (`PerfCurRTO`).
    Rto {
        /// The timeout, in microseconds, doubled as often as it is.
        rto_us: u32,
        /// How often it is doubled (`StackCurTimeoutCount`).
        backoffs: u8,
    },
    /// A full segment holds more or less text (`StackCurMSS`, without options).
    Mss {
        /// Octets of text.
        octets: u16,
    },
    /// More or less reordering is expected of the path (`StackCurReordering`, as Linux counts it).
    Reordering {
        /// DupThresh, in segments.
        segments: u32,
    },
    /// The send window became zero or opened again (`PerfCurRwinRcvd`).
    SendWindow {
        /// SND.WND in octets.
        octets: u32,
    },
}

/// Receives the events of all connections of a host.
pub trait Tracer {
    /// `event` happened at `now` in the connection with the id `flow`, which is the one its creator gave it.
    fn event(&mut self, now: Instant, flow: u64, event: TraceEvent);

    /// Whether anybody listens: if not, figures are not compared.
    fn is_on(&self) -> bool {
        true
    }
}

/// Ignores all events.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTrace;

impl Tracer for NoTrace {
    fn event(&mut self, _now: Instant, _flow: u64, _event: TraceEvent) {}

    fn is_on(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests;
