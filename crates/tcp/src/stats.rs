//! Counters of all connections of a host.

/// RFC 4022's counters, then Linux's from `TcpExt` under plainer names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TcpStats {
    /// Connections that went from CLOSED to SYN-SENT.
    pub active_opens: u64,
    /// Connections that went from LISTEN to SYN-RECEIVED.
    pub passive_opens: u64,
    /// Connections that ended before they were open.
    pub attempt_fails: u64,
    /// Connections that ended by a RST, from ESTABLISHED or CLOSE-WAIT.
    pub estab_resets: u64,
    /// Connections now in ESTABLISHED or CLOSE-WAIT.
    pub curr_estab: u64,
    /// Segments received by connections.
    pub in_segs: u64,
    /// Segments sent by connections, without those that hold only what was sent before.
    pub out_segs: u64,
    /// Segments sent again.
    pub retrans_segs: u64,
    /// Received segments that were discarded.
    pub in_errs: u64,
    /// Segments sent with RST.
    pub out_rsts: u64,
    /// Retransmission timeouts.
    pub timeouts: u64,
    /// Losses found by duplicate acknowledgements without SACK.
    pub reno_recoveries: u64,
    /// Losses found by SACK.
    pub sack_recoveries: u64,
    /// Tail loss probes sent.
    pub loss_probes: u64,
    /// Losses that a tail loss probe repaired.
    pub loss_probe_recoveries: u64,
    /// Timeouts found to have been for nothing (F-RTO).
    pub spurious_timeouts: u64,
    /// Reductions of a window that were taken back.
    pub reductions_undone: u64,
    /// Duplicates that peers reported (D-SACK).
    pub dsacks_received: u64,
    /// Duplicates reported to peers (D-SACK).
    pub dsacks_sent: u64,
    /// Segments discarded for an old timestamp.
    pub paws_rejected: u64,
    /// Challenge ACKs sent (RFC 5961).
    pub challenge_acks: u64,
    /// Challenge ACKs not sent, because of the limit.
    pub challenge_acks_limited: u64,
    /// ACKs sent because the delayed-ACK timer ran out.
    pub delayed_acks: u64,
    /// Zero-window probes sent.
    pub window_probes: u64,
    /// Keepalive probes sent.
    pub keepalive_probes: u64,
    /// Segments queued out of order.
    pub out_of_order: u64,
    /// Ranges of out-of-order text dropped for want of room.
    pub out_of_order_pruned: u64,
    /// Segments whose text was dropped because all connections together had taken the memory that there is.
    pub memory_drops: u64,
    /// Peers found to have discarded text that they had acknowledged selectively.
    pub sack_reneges: u64,
    /// Active opens whose SYN's text was taken (Linux: TCPFastOpenActive).
    pub fast_open_active: u64,
    /// Active opens whose SYN's text had to be sent again (TCPFastOpenActiveFail).
    pub fast_open_active_fail: u64,
    /// Connections made of a SYN with a good cookie (TCPFastOpenPassive).
    pub fast_open_passive: u64,
    /// Times that a network was found to drop Fast Open (TCPFastOpenBlackhole).
    pub fast_open_black_holes: u64,
    /// ICMP errors that quote no octet under way (OutOfWindowIcmps).
    pub out_of_window_icmps: u64,
    /// Rows of timeouts after which segments were made smaller, in case the path is a black hole (RFC 4821 §7.7).
    pub mtu_black_holes: u64,
    /// Probes of a path's size that arrived (TCPMTUPSuccess).
    pub mtu_probes_acked: u64,
    /// Probes of a path's size that were lost (TCPMTUPFail).
    pub mtu_probes_lost: u64,
    /// Connections given up because the peer did not answer.
    pub given_up: u64,
    /// Connections given up because memory was short and the peer kept its window shut.
    pub shut_out_given_up: u64,
    /// Connections whose text beyond a gap was given back, because the host needed the memory (RFC 2018 §8).
    pub out_of_order_forgotten: u64,
}
