//! `struct tcp_info` of Linux's <linux/tcp.h>, up to what RFC 4898-minded tools read.

use portolan_stack::{Info, State};

/// Octets of the structure up to and including `tcpi_segs_in`.
pub(super) const LEN: usize = 144;

/// Linux's TCPI_OPT_TIMESTAMPS, TCPI_OPT_SACK and TCPI_OPT_WSCALE.
const TIMESTAMPS: u8 = 1;
const SACK: u8 = 2;
const WSCALE: u8 = 4;

/// The structure's octets, in the machine's byte order.
pub(super) fn encode(info: &Info) -> Vec<u8> {
    let mut out = vec![0; LEN];
    let has_wscale = info.snd_wscale > 0 || info.rcv_wscale > 0;
    let options = if info.timestamps { TIMESTAMPS } else { 0 }
        | if info.sack { SACK } else { 0 }
        | if has_wscale { WSCALE } else { 0 };
    let head = [
        state(info.state),
        0,
        info.retransmits,
        info.probes,
        info.backoff,
        options,
        (info.snd_wscale & 15) | info.rcv_wscale << 4,
        0,
    ];
    out[..8].copy_from_slice(&head);
    // Offsets of the 32-bit fields, in the structure's order.
    let fields = [
        (8, info.rto_us),
        (16, u32::from(info.snd_mss)),
        (20, u32::from(info.rcv_mss)),
        (68, info.rtt_us),
        (72, info.rttvar_us),
        (76, info.ssthresh_segments),
        (80, info.cwnd_segments),
        (84, u32::from(info.snd_mss)),
        (96, info.rcv_space),
        (100, info.total_retransmits),
    ];
    for (at, value) in fields {
        out[at..at + 4].copy_from_slice(&value.to_ne_bytes());
    }
    out
}

/// Linux's numbers of <net/tcp_states.h>.
fn state(state: State) -> u8 {
    match state {
        State::Established => 1,
        State::SynSent => 2,
        State::SynReceived => 3,
        State::FinWait1 => 4,
        State::FinWait2 => 5,
        State::TimeWait => 6,
        State::Closed => 7,
        State::CloseWait => 8,
        State::LastAck => 9,
        State::Listen => 10,
        State::Closing => 11,
    }
}
