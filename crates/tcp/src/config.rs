//! The knobs of all connections of a host; those of one connection are [`crate::SocketOptions`].
//!
//! Defaults are Linux's, but where an RFC or safety asks for another: the knob then says so. Each knob that Linux has
//! names its sysctl.

use bitflags::bitflags;

use portolan_wire::tcp::OptionOrder;

use crate::congestion::{CongestionAlgorithm, CubicRules, UserAlgorithm};
use crate::ecn::Ecn;
use crate::size_search::MtuProbing;

/// Octets of a buffer: where it starts, and how far it may grow by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BufferSize {
    /// Octets at the start of a connection.
    pub initial: u32,
    /// The most octets that autotuning allows.
    pub max: u32,
}

/// When and how often to ask a silent peer whether it is still there (RFC 9293 §3.8.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keepalive {
    /// Seconds of silence before the first probe (`tcp_keepalive_time`, `TCP_KEEPIDLE`).
    pub time_s: u16,
    /// Seconds between probes (`tcp_keepalive_intvl`, `TCP_KEEPINTVL`).
    pub interval_s: u16,
    /// Probes without an answer after which the connection is given up (`tcp_keepalive_probes`, `TCP_KEEPCNT`).
    pub probes: u8,
}

bitflags! {
    /// What a host does of Fast Open, with Linux's bits of `net.ipv4.tcp_fastopen`; others mean nothing.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct FastOpenKnob: u32 {
        /// Active opens may use it.
        const CLIENT = 0x1;
        /// Listeners that ask for it have it.
        const SERVER = 0x2;
        /// Active opens send text without a cookie.
        const CLIENT_NO_COOKIE = 0x4;
        /// Listeners take text without a cookie.
        const SERVER_NO_COOKIE = 0x200;
        /// All listeners have it, also those that do not ask.
        const ALL_LISTENERS = 0x400;
        /// Every bit of the sysctl can be kept.
        const _ = !0;
    }
}

/// The knobs of all connections of one host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// Segments that may be sent before the first acknowledgement (RFC 6928).
    pub initial_window: u8,
    /// RTO before there is a measurement, in microseconds (RFC 6298 §2.1; `tcp_rto_initial_ms`).
    pub rto_initial_us: u32,
    /// Whether a measurement counts for the less, the more of them a window of text makes (RFC 7323 appendix G). Linux
    /// has another answer to the same question, which holds in any case: see `rtt.rs`.
    pub rtt_averaging: bool,
    /// The least margin of the RTO above the smoothed RTT, in microseconds (`tcp_rto_min_us`). RFC 6298 §2.4
    /// asks for an RTO of 1 s at least; like Linux we bound the margin, so that a delayed ACK on a steady path
    /// causes no timeout.
    pub rto_min_us: u32,
    /// The largest RTO, in microseconds (RFC 6298 §2.5; `tcp_rto_max_ms`).
    pub rto_max_us: u32,
    /// Retransmissions of a SYN (`tcp_syn_retries`). RFC 9293 MUST-23 asks for three minutes at least, which Linux's 6
    /// do not give: with 7, an opening is given up after 1 + 2 + ... + 64 + 120 = 247 seconds.
    pub syn_retries: u8,
    /// Retransmissions of a SYN-ACK (`tcp_synack_retries`).
    pub synack_retries: u8,
    /// Retransmissions after which the path is doubted: RFC 9293's R1 (SHLD-10: at least 3; `tcp_retries1`).
    pub retries1: u8,
    /// Retransmissions of text before the connection is given up: RFC 9293's R2 (SHLD-11: 100 seconds at least;
    /// `tcp_retries2`).
    pub retries2: u8,
    /// As `retries2`, once the application has closed (`tcp_orphan_retries`).
    pub orphan_retries: u8,
    /// Whether connections tell each other how long they wait for acknowledgements (RFC 5482 §3, ENABLED). Linux has no
    /// such option.
    pub user_timeout_option: bool,
    /// Seconds that they say, if the application does not (RFC 5482 §3, ADV_UTO; RFC 9293 §3.9.1.1: five minutes).
    pub advertised_timeout_s: u32,
    /// The least and the most seconds that a peer's word can make of a user timeout (RFC 5482 §3.1, L_LIMIT and U_LIMIT).
    pub adopted_timeout_s: (u32, u32),
    /// How long an ACK may wait for company, in microseconds (`tcp_delack_min`); RFC 9293 MUST-40: below 0.5 s.
    pub delayed_ack_us: u32,
    /// Segments at the start that are acknowledged without delay (Linux's `TCP_MAX_QUICKACKS`).
    pub quick_acks: u8,
    /// Segments that a super-segment may have however slowly the connection sends (`tcp_min_tso_segs`).
    pub super_segment_min: u8,
    /// Whether a SYN that crosses ours opens the connection, as RFC 9293 MUST-10 wants it. Without, only a SYN-ACK does: who
    /// watches the flow from between then never sees one that both ends have opened (attacks that split a handshake).
    pub simultaneous_open: bool,
    /// Whether super-segments are as large as about a millisecond's worth of the sending rate and half of the window,
    /// as on Linux; else as large as the link and the window take, as on FreeBSD.
    pub super_segments_by_rate: bool,
    /// The order of a SYN's options.
    pub option_order: OptionOrder,
    /// Whether super-segments carry PSH, as on Linux.
    pub push_super_segments: bool,
    /// Whether SYNs get cookies instead of records: 0 never, 1 when a listener's queue is full, 2 always
    /// (`tcp_syncookies`).
    pub syn_cookies: u8,
    /// Whether a connection for which the accept queue has no room is reset; else the peer tries again
    /// (`tcp_abort_on_overflow`).
    pub abort_on_overflow: bool,
    /// Fast Open (`tcp_fastopen`).
    pub fast_open: FastOpenKnob,
    /// Seconds that active Fast Opens pause for when a network seems to drop them; they double with each time. 0 is
    /// never (`tcp_fastopen_blackhole_timeout_sec`).
    pub fast_open_black_hole_s: u32,
    /// Octets of received text that wait for the application (`tcp_rmem`).
    pub recv_buffer: BufferSize,
    /// Whether a window begins at 64 KiB, however large the buffer is, and opens with the text that arrives, as on
    /// Linux (`rcv_ssthresh`).
    pub window_opens_slowly: bool,
    /// Octets of text that wait to be sent or acknowledged (`tcp_wmem`).
    pub send_buffer: BufferSize,
    /// Octets written and not sent below which there is room to write (`tcp_notsent_lowat`).
    pub notsent_low_water: u32,
    /// Octets of memory that the text of all connections may take, both ways (`tcp_mem`). Beyond it, and in writing
    /// beyond [`Config::memory_for_writers`], each connection keeps a few KiB ([`Config::memory_min`]) and no more,
    /// so that none stands still.
    pub memory_max: usize,
    /// Octets of memory in each direction that every connection may take however little there is (the first
    /// number of `tcp_rmem` and `tcp_wmem`).
    pub memory_min: u32,
    /// How long a peer may keep its window shut before text that waits, in microseconds, until its connection may be
    /// given up for want of memory (RFC 6429 §3). The one that has waited longest is the first.
    pub shut_window_patience_us: u32,
    /// Whether to offer window scaling (`tcp_window_scaling`).
    pub window_scaling: bool,
    /// The largest scale to offer, at most 14 (RFC 7323 §2.3).
    pub max_window_scale: u8,
    /// Whether to offer timestamps (`tcp_timestamps`).
    pub timestamps: bool,
    /// Whether a segment without a timestamp is dropped where both sides agreed on them, as RFC 7323 §3.2 recommends;
    /// Linux takes it.
    pub timestamps_required: bool,
    /// Whether an open connection answers a segment that acknowledges what was never sent, as RFC 9293 §3.10.7.4 says;
    /// Linux drops it without an answer.
    pub answer_unsent_acks: bool,
    /// Whether to offer selective acknowledgements (`tcp_sack`).
    pub sack: bool,
    /// Whether to report duplicates in SACK options (RFC 2883; `tcp_dsack`).
    pub dsack: bool,
    /// Whether to send tail loss probes (RFC 8985 §7; `tcp_early_retrans`).
    pub loss_probes: bool,
    /// Whether to look, after a timeout, if it was for nothing (RFC 5682; `tcp_frto`).
    pub frto: bool,
    /// Segments by which a path is assumed to reorder before more is known (`tcp_reordering`).
    pub reordering: u16,
    /// The smallest MSS that is taken from a peer; a smaller one counts as this (`tcp_min_snd_mss`).
    pub min_mss: u16,
    /// Which connections search for the largest segment that their path takes (RFC 4821; `tcp_mtu_probing`, which is off
    /// on Linux: there a path that drops large packets in silence ends its connections).
    pub mtu_probing: MtuProbing,
    /// Octets of text and options in a segment that nearly every path takes: where a search begins (`tcp_base_mss`).
    pub base_mss: u16,
    /// The octets to which timeouts lower a segment at most (`tcp_mtu_probe_floor`). As with ICMP, no IPv4 path is
    /// believed to take less than 552 octets; Linux goes down to 48.
    pub mtu_probe_floor: u16,
    /// Seconds after which a search that has ended begins again (`tcp_probe_interval`; RFC 4821 §7.8).
    pub mtu_probe_interval_s: u32,
    /// Octets that are not worth a probe any more (`tcp_probe_threshold`).
    pub mtu_probe_threshold: u16,
    /// Whether urgent text of new sockets stays in line, as RFC 6093 §6 wants it; Linux takes the last octet of it out of
    /// the stream, until the application turns `SO_OOBINLINE` on.
    pub oob_inline: bool,
    /// How long TIME-WAIT lasts, in microseconds (Linux's `TCP_TIMEWAIT_LEN`).
    pub time_wait_us: u32,
    /// How long a closed socket waits in FIN-WAIT-2 for the peer's FIN, in microseconds (`tcp_fin_timeout`).
    pub fin_wait2_us: u32,
    /// What a socket gets that turns keepalive on without values.
    pub keepalive: Keepalive,
    /// The least time between two ACKs that only answer segments that were not acceptable, in microseconds
    /// (`tcp_invalid_ratelimit`).
    pub challenge_ack_us: u32,
    /// Idle time after which a connection gives back its empty queues and flight records, in microseconds.
    pub queues_idle_us: u32,
    /// The congestion controller of new sockets (`tcp_congestion_control`).
    pub congestion: CongestionAlgorithm,
    /// Congestion controllers of the user's own.
    pub user_congestion: &'static [UserAlgorithm],
    /// Whose rules CUBIC follows.
    pub cubic_rules: CubicRules,
    /// The most segments by which one ACK opens the window in slow start: RFC 3465's L, which it wants to be 2, and
    /// RFC 9406's, which it wants to be 8 without pacing; 0 is no limit, as on Linux. A receiver that merges segments
    /// sends one ACK for dozens: with 8, a path of 100 ms that reorders 5 % gave a seventh of what it gives without a
    /// limit.
    pub abc_limit: u8,
    /// Whether a window that is not used is held for unproved (RFC 7661), instead of shrinking when nothing is sent.
    /// Linux has RFC 2861 instead.
    pub cwv: bool,
    /// Whether the window shrinks when nothing was sent for an RTO (RFC 5681 §4.1; `tcp_slow_start_after_idle`).
    pub slow_start_after_idle: bool,
    /// Whether connections use marks instead of losses (`tcp_ecn`).
    pub ecn: Ecn,
    /// Whether ACKs tell with an option how many octets were marked, if ECN is accurate (`tcp_ecn_option`).
    pub ecn_option: bool,
    /// Whether a SYN that is sent again asks for no ECN (`tcp_ecn_fallback`).
    pub ecn_fallback: bool,
    /// Whether a mark takes less of the window than a loss (RFC 8511). Linux has no such knob.
    pub abe: bool,
    /// Whether every connection is paced, and not only those whose controller asks for it.
    pub pacing: bool,
    /// How much faster than a window in a round trip a connection in slow start is paced, in percent
    /// (`tcp_pacing_ss_ratio`).
    pub pacing_ss_ratio: u16,
    /// As `pacing_ss_ratio`, in congestion avoidance (`tcp_pacing_ca_ratio`).
    pub pacing_ca_ratio: u16,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            initial_window: 10,
            rto_initial_us: 1_000_000,
            rtt_averaging: false,
            rto_min_us: 200_000,
            rto_max_us: 120_000_000,
            syn_retries: 7,
            synack_retries: 5,
            retries1: 3,
            retries2: 15,
            orphan_retries: 8,
            user_timeout_option: false,
            advertised_timeout_s: 300,
            adopted_timeout_s: (100, 3_600),
            delayed_ack_us: 40_000,
            quick_acks: 16,
            super_segment_min: 2,
            simultaneous_open: true,
            super_segments_by_rate: true,
            option_order: OptionOrder::Linux,
            push_super_segments: true,
            syn_cookies: 1,
            abort_on_overflow: false,
            fast_open: FastOpenKnob::CLIENT,
            fast_open_black_hole_s: 0,
            recv_buffer: BufferSize { initial: 128 * 1024, max: 6 * 1024 * 1024 },
            window_opens_slowly: false,
            send_buffer: BufferSize { initial: 128 * 1024, max: 4 * 1024 * 1024 },
            notsent_low_water: u32::MAX,
            memory_max: 32 * 1024 * 1024,
            memory_min: 4096,
            shut_window_patience_us: 60_000_000,
            window_scaling: true,
            max_window_scale: 14,
            timestamps: true,
            timestamps_required: true,
            answer_unsent_acks: true,
            sack: true,
            dsack: true,
            loss_probes: true,
            frto: true,
            reordering: 3,
            min_mss: 64,
            mtu_probing: MtuProbing::AfterBlackHole,
            base_mss: 1024,
            mtu_probe_floor: 512,
            mtu_probe_interval_s: 600,
            mtu_probe_threshold: 8,
            oob_inline: true,
            time_wait_us: 60_000_000,
            fin_wait2_us: 60_000_000,
            // RFC 9293 MUST-28: two hours or more.
            keepalive: Keepalive { time_s: 7200, interval_s: 75, probes: 9 },
            challenge_ack_us: 500_000,
            queues_idle_us: 10_000_000,
            congestion: CongestionAlgorithm::Cubic,
            user_congestion: &[],
            cubic_rules: CubicRules::Rfc9438,
            abc_limit: 0,
            cwv: false,
            slow_start_after_idle: true,
            ecn: Ecn::Passive,
            ecn_option: true,
            ecn_fallback: true,
            abe: false,
            pacing: false,
            pacing_ss_ratio: 200,
            pacing_ca_ratio: 120,
        }
    }
}

impl Config {
    /// Octets of [`Config::memory_max`] that applications may fill by writing: three quarters. The last quarter is for
    /// text that arrives, which a window has let in and whose loss costs a retransmission; where both ends of a
    /// connection are on this host, its text is here twice until it is acknowledged.
    #[must_use]
    pub fn memory_for_writers(&self) -> usize {
        self.memory_max / 4 * 3
    }
}

impl Keepalive {
    /// These times, and those of `host` where none is set.
    #[must_use]
    pub fn or(self, host: Keepalive) -> Keepalive {
        Keepalive {
            time_s: if self.time_s == 0 { host.time_s } else { self.time_s },
            interval_s: if self.interval_s == 0 { host.interval_s } else { self.interval_s },
            probes: if self.probes == 0 { host.probes } else { self.probes },
        }
    }
}
