//! The host's counters, under the names of the management information bases (RFC 4293, RFC 4022, RFC 4113).

use crate::drop::Drops;

/// Everything that is counted. Counters only grow.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Frames that links delivered.
    pub frames_in: u64,
    /// Of these, those that had an effect: a queue, a state, a reply. The others are in `drops`.
    pub frames_delivered: u64,
    /// Frames handed to links.
    pub frames_out: u64,
    /// IPv4 (RFC 4293 ipSystemStats).
    pub ipv4: IpStats,
    /// IPv6 (RFC 4293 ipSystemStats).
    pub ipv6: IpStats,
    /// ICMP for IPv4 (RFC 4293 icmpStats).
    pub icmpv4: IcmpStats,
    /// ICMP for IPv6 (RFC 4293 icmpStats).
    pub icmpv6: IcmpStats,
    /// UDP (RFC 4113).
    pub udp: UdpStats,
    /// TCP as connections see it.
    pub tcp: portolan_tcp::TcpStats,
    /// TCP as the host sees it (RFC 4022).
    pub tcp_host: TcpHostStats,
    /// What was dropped, by reason.
    pub drops: Drops,
}

/// RFC 4293 ipSystemStats of one version.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct IpStats {
    /// Packets received, errors included.
    pub in_receives: u64,
    /// Octets received.
    pub in_octets: u64,
    /// Packets with errors in their header.
    pub in_hdr_errors: u64,
    /// Packets for an address that is not the host's, or from an impossible one.
    pub in_addr_errors: u64,
    /// Packets of an unknown transport protocol.
    pub in_unknown_protos: u64,
    /// Fragments that needed reassembly.
    pub reasm_reqds: u64,
    /// Packets reassembled.
    pub reasm_oks: u64,
    /// Reassemblies that failed.
    pub reasm_fails: u64,
    /// Packets handed to a transport.
    pub in_delivers: u64,
    /// Packets that transports wanted to send.
    pub out_requests: u64,
    /// Packets without a route.
    pub out_no_routes: u64,
    /// Packets dropped for lack of room.
    pub out_discards: u64,
    /// Packets that had to be fragmented.
    pub out_frag_reqds: u64,
    /// Fragments made.
    pub out_frag_creates: u64,
    /// Octets sent.
    pub out_octets: u64,
}

/// RFC 4293 icmpStats of one version.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct IcmpStats {
    /// Messages received, errors included.
    pub in_msgs: u64,
    /// Messages cut short or with a bad checksum.
    pub in_errors: u64,
    /// Messages sent.
    pub out_msgs: u64,
    /// Messages not sent for lack of room or by the rate limit.
    pub out_errors: u64,
}

/// RFC 4113 udp.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UdpStats {
    /// Datagrams delivered to sockets.
    pub in_datagrams: u64,
    /// Datagrams to a port where nobody listens.
    pub no_ports: u64,
    /// Datagrams not delivered for another reason.
    pub in_errors: u64,
    /// Datagrams sent.
    pub out_datagrams: u64,
}

/// What happens to TCP outside of connections; RFC 4022's other counters are in [`portolan_tcp::TcpStats`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TcpHostStats {
    /// Segments received, errors included.
    pub in_segs: u64,
    /// Segments that were malformed or had a bad checksum.
    pub in_errs: u64,
    /// Segments sent without a connection: SYN-ACKs, resets, last ACKs.
    pub out_segs: u64,
    /// Of these, resets.
    pub out_rsts: u64,
    /// SYNs dropped, and last ACKs ignored, because a listener's queue was full (Linux: ListenOverflows).
    pub listen_overflows: u64,
    /// SYNs answered with a cookie (SyncookiesSent).
    pub syn_cookies_sent: u64,
    /// ACKs that brought a good cookie back (SyncookiesRecv).
    pub syn_cookies_received: u64,
    /// ACKs that looked for one and had none (SyncookiesFailed).
    pub syn_cookies_failed: u64,
    /// SYNs that asked for a Fast Open cookie (TCPFastOpenCookieReqd).
    pub fast_open_requests: u64,
    /// SYNs with a Fast Open cookie that was not good (TCPFastOpenPassiveFail).
    pub fast_open_bad_cookies: u64,
    /// Fast Opens made handshakes, because too many were pending (TCPFastOpenListenOverflow).
    pub fast_open_overflows: u64,
}
