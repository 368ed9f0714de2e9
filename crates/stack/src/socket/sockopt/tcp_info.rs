//! TCP_INFO: `struct tcp_info` of Linux's <linux/tcp.h>, in the machine's byte order.

use alloc::vec;
use alloc::vec::Vec;

use portolan_tcp::{CaState, Info, State};
use portolan_wire::Family;

use crate::socket::Kind;
use crate::stack::Stack;
use crate::{SocketError, SocketId};

/// Octets of the structure, the fields for accurate ECN included.
const LEN: usize = 280;

/// Linux's TCP_INFINITE_SSTHRESH.
const INFINITE_SSTHRESH: u32 = 0x7fff_ffff;

/// Linux's TCPI_OPT_TIMESTAMPS, TCPI_OPT_SACK, TCPI_OPT_WSCALE, TCPI_OPT_ECN, TCPI_OPT_ECN_SEEN, TCPI_OPT_SYN_DATA and
/// TCPI_OPT_TFO_CHILD.
const TIMESTAMPS: u8 = 1;
const SACK: u8 = 2;
const WSCALE: u8 = 4;
const ECN: u8 = 8;
const ECN_SEEN: u8 = 16;
const SYN_DATA: u8 = 32;
const TFO_CHILD: u8 = 128;

/// Octets of the fixed IP and TCP headers.
const V4_HEADERS: u32 = 40;
const V6_HEADERS: u32 = 60;

impl Stack {
    /// TCP_INFO of a TCP socket in any state.
    pub(super) fn tcp_info(&mut self, id: SocketId) -> Result<Vec<u8>, SocketError> {
        let mut out = match &self.socket(id)?.kind {
            Kind::Connection(_) => {
                let headers =
                    if self.local(id)?.address.family() == Family::V4 { V4_HEADERS } else { V6_HEADERS };
                let info = self.info(id)?;
                let mut out = encode(&info);
                put_u32(&mut out, 60, u32::from(info.path_mss) + headers);
                return Ok(out);
            }
            Kind::Listener(listener) => {
                let mut out = vec![0; LEN];
                // Linux: a listener's tcpi_unacked and tcpi_sacked are its queue and its backlog.
                let waiting = u32::try_from(listener.accepted.len()).unwrap_or(u32::MAX);
                put_u32(&mut out, 24, waiting);
                put_u32(&mut out, 28, listener.backlog);
                out
            }
            _ => vec![0; LEN],
        };
        let state = self.state(id)?;
        put(&mut out, 0, &[state_number(state)]);
        Ok(out)
    }
}

fn put(out: &mut [u8], at: usize, octets: &[u8]) {
    if let Some(to) = out.get_mut(at..at + octets.len()) {
        to.copy_from_slice(octets);
    }
}

fn put_u32(out: &mut [u8], at: usize, value: u32) {
    put(out, at, &value.to_ne_bytes());
}

fn put_u64(out: &mut [u8], at: usize, value: u64) {
    put(out, at, &value.to_ne_bytes());
}

/// The structure's octets.
fn encode(info: &Info) -> Vec<u8> {
    let mut out = vec![0; LEN];
    let has_wscale = info.snd_wscale > 0 || info.rcv_wscale > 0;
    let options = if info.timestamps { TIMESTAMPS } else { 0 }
        | if info.sack { SACK } else { 0 }
        | if has_wscale { WSCALE } else { 0 }
        | if info.ecn { ECN } else { 0 }
        | if info.ecn_seen { ECN_SEEN } else { 0 }
        | if info.syn_data { SYN_DATA } else { 0 }
        | if info.fast_open_child { TFO_CHILD } else { 0 };
    put(
        &mut out,
        0,
        &[
            state_number(info.state),
            ca_state_number(info.ca_state),
            info.retransmits,
            info.probes,
            info.backoff,
            options,
            (info.snd_wscale & 15) | info.rcv_wscale << 4,
            u8::from(info.delivery_rate_app_limited),
        ],
    );
    // Offsets of the 32-bit fields, in the structure's order.
    for (at, value) in [
        (8, info.rto_us),
        (12, info.delayed_ack_us),
        (16, u32::from(info.snd_mss)),
        (20, u32::from(info.rcv_mss)),
        (24, info.unacked_segments),
        (28, info.sacked_segments),
        (32, info.lost_segments),
        (36, info.retrans_segments),
        (44, info.last_text_sent_ms),
        (52, info.last_text_received_ms),
        (56, info.last_ack_received_ms),
        (64, info.rcv_ssthresh),
        (68, info.rtt_us),
        (72, info.rttvar_us),
        (76, info.ssthresh_segments.min(INFINITE_SSTHRESH)),
        (80, info.cwnd_segments),
        (84, u32::from(info.advertised_mss)),
        (88, info.reordering),
        (92, info.rcv_rtt_us),
        (96, info.rcv_space),
        (100, info.total_retransmits),
        (136, info.segs_out),
        (140, info.segs_in),
        (144, info.not_sent),
        (148, info.min_rtt_us),
        (152, info.text_segs_in),
        (156, info.text_segs_out),
        (192, info.delivered_segments),
        (196, info.delivered_ce / u32::from(info.snd_mss.max(1))),
        (216, info.dsack_dups),
        (220, info.reord_seen),
        (224, info.out_of_order),
        (228, info.snd_wnd),
        (232, info.rcv_wnd),
        (244, info.timeout_recovery_ms),
    ] {
        put_u32(&mut out, at, value);
    }
    put(&mut out, 240, &info.timeouts.to_ne_bytes());
    put(&mut out, 242, &info.timeout_recoveries.to_ne_bytes());
    for (at, value) in [
        (104, info.pacing_rate),
        (112, info.max_pacing_rate),
        (120, info.bytes_acked),
        (128, info.bytes_received),
        (160, info.delivery_rate),
        (168, info.busy_us),
        (176, info.rwnd_limited_us),
        (184, info.sndbuf_limited_us),
        (200, info.bytes_sent),
        (208, info.bytes_retransmitted),
    ] {
        put_u64(&mut out, at, value);
    }
    out
}

/// Linux's `tcp_ca_state`.
fn ca_state_number(state: CaState) -> u8 {
    match state {
        CaState::Open => 0,
        CaState::Disorder => 1,
        CaState::Cwr => 2,
        CaState::Recovery => 3,
        CaState::Loss => 4,
    }
}

/// Linux's numbers of <net/tcp_states.h>.
fn state_number(state: State) -> u8 {
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
