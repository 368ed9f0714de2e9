//! What a connection says of itself: Linux's `TCP_INFO` and RFC 4898, as far as they mean something here.

use crate::State;

/// A connection's figures at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Info {
    /// The state.
    pub state: State,
    /// Whether timestamps are in use.
    pub timestamps: bool,
    /// Whether selective acknowledgements are in use.
    pub sack: bool,
    /// The shift of windows that the peer sends.
    pub snd_wscale: u8,
    /// The shift of windows that this side sends.
    pub rcv_wscale: u8,
    /// Smoothed round-trip time in microseconds; 0 before the first measurement.
    pub rtt_us: u32,
    /// Mean deviation of the round-trip time in microseconds.
    pub rttvar_us: u32,
    /// The least round-trip time measured, in microseconds; 0 before the first measurement.
    pub min_rtt_us: u32,
    /// The retransmission timeout without backoff, in microseconds.
    pub rto_us: u32,
    /// Timeouts in a row.
    pub backoff: u8,
    /// Zero-window and keepalive probes without an answer.
    pub probes: u8,
    /// The congestion window in octets.
    pub cwnd: u32,
    /// The congestion window in segments of `snd_mss`.
    pub cwnd_segments: u32,
    /// The slow-start threshold in octets; `u32::MAX` before the first loss.
    pub ssthresh: u32,
    /// The slow-start threshold in segments of `snd_mss`; `u32::MAX` before the first loss.
    pub ssthresh_segments: u32,
    /// Octets of text in a full segment to the peer, options deducted.
    pub snd_mss: u16,
    /// The largest segment the peer has sent, in octets of text.
    pub rcv_mss: u16,
    /// SND.WND in octets.
    pub snd_wnd: u32,
    /// RCV.WND in octets.
    pub rcv_wnd: u32,
    /// Octets of the receive buffer now.
    pub rcv_space: u32,
    /// Segments sent again in the current round.
    pub retransmits: u8,
    /// Segments sent again so far.
    pub total_retransmits: u32,
    /// Octets of text sent, retransmissions included.
    pub bytes_sent: u64,
    /// Octets of text sent again.
    pub bytes_retransmitted: u64,
    /// Octets of text that the peer acknowledged.
    pub bytes_acked: u64,
    /// Octets of text received in order.
    pub bytes_received: u64,
    /// Segments sent.
    pub segs_out: u32,
    /// Segments received.
    pub segs_in: u32,
    /// Segments by which the network is assumed to reorder: RFC 6675's DupThresh.
    pub reordering: u32,
    /// Octets sent and not acknowledged.
    pub unacked: u32,
    /// Of these, the octets acknowledged selectively.
    pub sacked: u32,
    /// Of these, the octets held for lost.
    pub lost: u32,
    /// Octets delivered to the peer so far, as far as is known.
    pub delivered: u64,
    /// RFC 6675's pipe: octets assumed to be in the network.
    pub in_flight: u32,
    /// Octets written and not yet sent.
    pub not_sent: u32,
    /// Microseconds with something to send or unacknowledged, in steps of a millisecond.
    pub busy_us: u64,
    /// Of these, the time limited by the peer's window.
    pub rwnd_limited_us: u64,
    /// Of these, the time limited by the send buffer.
    pub sndbuf_limited_us: u64,
    /// Whether the application, and not the network, limits the sending rate now.
    pub app_limited: bool,
}
