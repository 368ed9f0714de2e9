//! What is told of a host's sockets, out of the stack's own figures.

use std::net::{IpAddr, SocketAddr};

use portolan_stack::{Entry, Info, RunningTimer, State};
use portolan_wire::{Endpoint, Family, protocol};

use super::message::{Buffers, SocketRow, SocketState, TcpFigures, Timer, User};
use crate::control::Held;
use crate::owners::Owners;

/// The headers that a path's largest segment leaves out: IPv4's or IPv6's, and TCP's.
const HEADERS_V4: u32 = 20 + 20;
const HEADERS_V6: u32 = 40 + 20;

/// One row; `held` is what the control server knows of the socket.
pub(super) fn row(entry: &Entry, held: Option<&Held>) -> SocketRow {
    let at = |endpoint: Endpoint| address(endpoint, entry.family);
    SocketRow {
        protocol: if entry.protocol == protocol::UDP { "udp" } else { "tcp" }.into(),
        state: state(entry.state),
        recv_q: entry.receive_queue,
        send_q: entry.send_queue,
        local: at(entry.local),
        peer: entry.remote.map(at),
        v6_only: entry.v6_only,
        users: held
            .and_then(|held| held.owner.as_ref())
            .map(|owner| User { name: owner.name.clone(), pid: owner.pid, fd: None })
            .into_iter()
            .collect(),
        uid: held.and_then(|held| held.owner.as_ref()).map(|owner| owner.uid),
        inode: None,
        id: entry.id.map(|id| id.to_bits()),
        trail: held.and_then(|held| held.trail.clone()),
        tcp: entry.info.as_ref().map(|info| figures(info, entry)),
        timer: timer(entry),
        buffers: entry.buffers.map(|(receive, send)| Buffers { receive, send }),
    }
}

fn timer(entry: &Entry) -> Option<Timer> {
    let (timer, left_us) = entry.timer?;
    let (retransmits, probes) = entry.info.as_ref().map_or((0, 0), |info| (info.backoff, info.probes));
    let (name, retrans) = match timer {
        RunningTimer::Retransmit => ("on", retransmits),
        RunningTimer::Keepalive => ("keepalive", probes),
        RunningTimer::TimeWait => ("timewait", 0),
        RunningTimer::Persist => ("persist", probes),
    };
    Some(Timer { name: name.into(), left_ms: left_us / 1000, retrans })
}

/// A connection of the gateway's host as the command has it, whose own end is the kernel's: the figures remain those of
/// this end. `None` for what is no connection.
pub(super) fn from_the_other_end(row: SocketRow, owners: &Owners) -> Option<SocketRow> {
    let command = row.peer?;
    let owner = owners.of(protocol::TCP, command.port());
    let users = owner.into_iter().map(|owner| User { name: owner.name, pid: owner.pid, fd: None }).collect();
    // The command's own timers and buffers are the kernel's.
    Some(SocketRow { local: command, peer: Some(row.local), users, timer: None, buffers: None, ..row })
}

/// An address as the socket's family has it.
fn address(endpoint: Endpoint, family: Family) -> SocketAddr {
    let mut address = endpoint.to_socket_addr();
    if let (IpAddr::V4(v4), Family::V6) = (address.ip(), family) {
        address.set_ip(IpAddr::V6(v4.to_ipv6_mapped()));
    }
    address
}

fn state(state: State) -> SocketState {
    match state {
        State::Closed => SocketState::Closed,
        State::Listen => SocketState::Listening,
        State::SynSent => SocketState::SynSent,
        State::SynReceived => SocketState::SynRecv,
        State::Established => SocketState::Established,
        State::FinWait1 => SocketState::FinWait1,
        State::FinWait2 => SocketState::FinWait2,
        State::CloseWait => SocketState::CloseWait,
        State::Closing => SocketState::Closing,
        State::LastAck => SocketState::LastAck,
        State::TimeWait => SocketState::TimeWait,
    }
}

fn figures(info: &Info, entry: &Entry) -> TcpFigures {
    let finite = |rate: u64| (rate != u64::MAX).then_some(rate);
    let headers = if entry.local.address.family() == Family::V4 { HEADERS_V4 } else { HEADERS_V6 };
    TcpFigures {
        ts: info.timestamps,
        sack: info.sack,
        ecn: info.ecn,
        ecnseen: info.ecn_seen,
        fastopen: info.syn_data,
        congestion: entry.congestion.unwrap_or_default().into(),
        wscale: (info.snd_wscale, info.rcv_wscale),
        rto_us: u64::from(info.rto_us) << info.backoff.min(16),
        backoff: info.backoff,
        rtt_us: info.rtt_us,
        rttvar_us: info.rttvar_us,
        ato_us: info.delayed_ack_us,
        mss: info.snd_mss.into(),
        pmtu: u32::from(info.path_mss) + headers,
        rcvmss: info.rcv_mss.into(),
        advmss: info.advertised_mss.into(),
        cwnd: info.cwnd_segments,
        ssthresh: (info.ssthresh_segments != u32::MAX).then_some(info.ssthresh_segments),
        bytes_sent: info.bytes_sent,
        bytes_retrans: info.bytes_retransmitted,
        bytes_acked: info.bytes_acked,
        bytes_received: info.bytes_received,
        segs_out: info.segs_out,
        segs_in: info.segs_in,
        data_segs_out: info.text_segs_out,
        data_segs_in: info.text_segs_in,
        lastsnd_ms: info.last_text_sent_ms,
        lastrcv_ms: info.last_text_received_ms,
        lastack_ms: info.last_ack_received_ms,
        pacing_rate: finite(info.pacing_rate),
        max_pacing_rate: finite(info.max_pacing_rate),
        delivery_rate: info.delivery_rate,
        delivery_rate_app_limited: info.delivery_rate_app_limited,
        delivered: info.delivered_segments,
        delivered_ce: info.delivered_ce,
        app_limited: info.app_limited,
        busy_us: info.busy_us,
        rwnd_limited_us: info.rwnd_limited_us,
        sndbuf_limited_us: info.sndbuf_limited_us,
        unacked: info.unacked_segments,
        retrans: info.retrans_segments,
        retrans_total: info.total_retransmits,
        lost: info.lost_segments,
        sacked: info.sacked_segments,
        dsack_dups: info.dsack_dups,
        reordering: info.reordering,
        reord_seen: info.reord_seen,
        rcv_rtt_us: info.rcv_rtt_us,
        rcv_space: info.rcv_space,
        rcv_ssthresh: info.rcv_ssthresh,
        notsent: info.not_sent,
        minrtt_us: info.min_rtt_us,
        rcv_ooopack: info.out_of_order,
        snd_wnd: info.snd_wnd,
        rcv_wnd: info.rcv_wnd,
    }
}
