//! What a host can say about its flows: those that are open, and the summary of one that has ended.

use portolan_link::Instant;
use portolan_tcp::{Info, State};
use portolan_wire::{Endpoint, FlowKey};

use crate::SocketId;

/// An open flow: a TCP connection, or a UDP socket with a peer.
#[derive(Clone, Debug)]
pub struct FlowInfo {
    /// Its socket; none before it is accepted and after it is closed.
    pub id: Option<SocketId>,
    /// The connection's id in trace events ([`crate::Tracer`]); 0 for UDP.
    pub trace_id: u64,
    /// The protocol's number.
    pub protocol: u8,
    /// This host's end.
    pub local: Endpoint,
    /// The other end.
    pub remote: Endpoint,
    /// The connection's state; none for UDP.
    pub state: Option<State>,
    /// The connection's figures; none for UDP.
    pub info: Option<Info>,
    /// When it began.
    pub opened_at: Instant,
    /// When its handshake ended.
    pub established_at: Option<Instant>,
}

/// A flow that has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FlowSummary {
    /// Its socket's name, which may be gone by now.
    pub id: Option<SocketId>,
    /// The connection's id in trace events ([`crate::Tracer`]); 0 for UDP.
    pub trace_id: u64,
    /// The flow as this host sees it.
    pub flow: FlowKey,
    /// How it ended.
    pub end: FlowEnd,
    /// When it began.
    pub opened_at: Instant,
    /// When its handshake ended.
    pub established_at: Option<Instant>,
    /// When it ended.
    pub closed_at: Instant,
    /// Octets of text that the peer acknowledged, or of datagrams sent.
    pub octets_sent: u64,
    /// Octets of text or datagrams received.
    pub octets_received: u64,
    /// The shortest round trip, in microseconds; 0 if never measured.
    pub min_rtt_us: u32,
    /// The smoothed round trip at the end, in microseconds; 0 if never measured.
    pub avg_rtt_us: u32,
    /// Segments sent again.
    pub retransmits: u64,
    /// What limited it most of the time while it had something to send.
    pub limited_by: Option<LimitedBy>,
}

impl FlowSummary {
    /// How long the handshake took, in microseconds.
    #[must_use]
    pub fn handshake_us(&self) -> Option<u64> {
        Some(self.established_at?.micros_since(self.opened_at))
    }
}

/// How a flow ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FlowEnd {
    /// In order, or a UDP socket that was closed.
    Closed,
    /// By a reset from the peer.
    Reset,
    /// By a reset from this host.
    Aborted,
    /// The peer did not answer.
    TimedOut,
    /// It was refused before it was established.
    Refused,
    /// It was still open when the host shut down.
    Open,
}

/// What held a flow back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LimitedBy {
    /// The application had nothing more to send, or did not read.
    App,
    /// The peer's receive window.
    Rwnd,
    /// The congestion window, after losses.
    Cwnd,
    /// The wire itself: the congestion window, without losses.
    Wire,
}

impl LimitedBy {
    /// The word that summaries show.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            LimitedBy::App => "app",
            LimitedBy::Rwnd => "rwnd",
            LimitedBy::Cwnd => "cwnd",
            LimitedBy::Wire => "wire",
        }
    }
}
