//! The names that assertions use: the fields of `struct tcp_info` (linux/tcp.h), of the statistics of congestion
//! control, of SO_MEMINFO, and Linux's numbers of states.

use crate::code::Interpreter;

/// Name, offset and size in octets of every field that is one.
const TCP_INFO: [(&str, usize, usize); 62] = [
    ("tcpi_state", 0, 1),
    ("tcpi_ca_state", 1, 1),
    ("tcpi_retransmits", 2, 1),
    ("tcpi_probes", 3, 1),
    ("tcpi_backoff", 4, 1),
    ("tcpi_options", 5, 1),
    ("tcpi_rto", 8, 4),
    ("tcpi_ato", 12, 4),
    ("tcpi_snd_mss", 16, 4),
    ("tcpi_rcv_mss", 20, 4),
    ("tcpi_unacked", 24, 4),
    ("tcpi_sacked", 28, 4),
    ("tcpi_lost", 32, 4),
    ("tcpi_retrans", 36, 4),
    ("tcpi_fackets", 40, 4),
    ("tcpi_last_data_sent", 44, 4),
    ("tcpi_last_ack_sent", 48, 4),
    ("tcpi_last_data_recv", 52, 4),
    ("tcpi_last_ack_recv", 56, 4),
    ("tcpi_pmtu", 60, 4),
    ("tcpi_rcv_ssthresh", 64, 4),
    ("tcpi_rtt", 68, 4),
    ("tcpi_rttvar", 72, 4),
    ("tcpi_snd_ssthresh", 76, 4),
    ("tcpi_snd_cwnd", 80, 4),
    ("tcpi_advmss", 84, 4),
    ("tcpi_reordering", 88, 4),
    ("tcpi_rcv_rtt", 92, 4),
    ("tcpi_rcv_space", 96, 4),
    ("tcpi_total_retrans", 100, 4),
    ("tcpi_pacing_rate", 104, 8),
    ("tcpi_max_pacing_rate", 112, 8),
    ("tcpi_bytes_acked", 120, 8),
    ("tcpi_bytes_received", 128, 8),
    ("tcpi_segs_out", 136, 4),
    ("tcpi_segs_in", 140, 4),
    ("tcpi_notsent_bytes", 144, 4),
    ("tcpi_min_rtt", 148, 4),
    ("tcpi_data_segs_in", 152, 4),
    ("tcpi_data_segs_out", 156, 4),
    ("tcpi_delivery_rate", 160, 8),
    ("tcpi_busy_time", 168, 8),
    ("tcpi_rwnd_limited", 176, 8),
    ("tcpi_sndbuf_limited", 184, 8),
    ("tcpi_delivered", 192, 4),
    ("tcpi_delivered_ce", 196, 4),
    ("tcpi_bytes_sent", 200, 8),
    ("tcpi_bytes_retrans", 208, 8),
    ("tcpi_dsack_dups", 216, 4),
    ("tcpi_reord_seen", 220, 4),
    ("tcpi_rcv_ooopack", 224, 4),
    ("tcpi_snd_wnd", 228, 4),
    ("tcpi_rcv_wnd", 232, 4),
    ("tcpi_rehash", 236, 4),
    ("tcpi_total_rto", 240, 2),
    ("tcpi_total_rto_recoveries", 242, 2),
    ("tcpi_total_rto_time", 244, 4),
    ("tcpi_received_ce", 248, 4),
    ("tcpi_delivered_e1_bytes", 252, 4),
    ("tcpi_delivered_e0_bytes", 256, 4),
    ("tcpi_delivered_ce_bytes", 260, 4),
    ("tcpi_received_e1_bytes", 264, 4),
];

const CONSTANTS: [(&str, u64); 24] = [
    ("TCP_ESTABLISHED", 1),
    ("TCP_SYN_SENT", 2),
    ("TCP_SYN_RECV", 3),
    ("TCP_FIN_WAIT1", 4),
    ("TCP_FIN_WAIT2", 5),
    ("TCP_TIME_WAIT", 6),
    ("TCP_CLOSE", 7),
    ("TCP_CLOSE_WAIT", 8),
    ("TCP_LAST_ACK", 9),
    ("TCP_LISTEN", 10),
    ("TCP_CLOSING", 11),
    ("TCP_CA_Open", 0),
    ("TCP_CA_Disorder", 1),
    ("TCP_CA_CWR", 2),
    ("TCP_CA_Recovery", 3),
    ("TCP_CA_Loss", 4),
    ("TCPI_OPT_TIMESTAMPS", 1),
    ("TCPI_OPT_SACK", 2),
    ("TCPI_OPT_WSCALE", 4),
    ("TCPI_OPT_ECN", 8),
    ("TCPI_OPT_ECN_SEEN", 16),
    ("TCPI_OPT_SYN_DATA", 32),
    ("TCPI_OPT_USEC_TS", 64),
    ("TCPI_OPT_TFO_CHILD", 128),
];

const BBR: [(&str, usize, usize); 5] = [
    ("bbr_bw_lo", 0, 4),
    ("bbr_bw_hi", 4, 4),
    ("bbr_min_rtt", 8, 4),
    ("bbr_pacing_gain", 12, 4),
    ("bbr_cwnd_gain", 16, 4),
];
const DCTCP: [(&str, usize, usize); 5] = [
    ("dctcp_enabled", 0, 2),
    ("dctcp_ce_state", 2, 2),
    ("dctcp_alpha", 4, 4),
    ("dctcp_ab_ecn", 8, 4),
    ("dctcp_ab_tot", 12, 4),
];
const VEGAS: [(&str, usize, usize); 4] =
    [("tcpv_enabled", 0, 4), ("tcpv_rttcnt", 4, 4), ("tcp_rtt", 8, 4), ("tcp_minrtt", 12, 4)];
const MEMORY: [&str; 9] = [
    "SK_MEMINFO_RMEM_ALLOC",
    "SK_MEMINFO_RCVBUF",
    "SK_MEMINFO_WMEM_ALLOC",
    "SK_MEMINFO_SNDBUF",
    "SK_MEMINFO_FWD_ALLOC",
    "SK_MEMINFO_WMEM_QUEUED",
    "SK_MEMINFO_OPTMEM",
    "SK_MEMINFO_BACKLOG",
    "SK_MEMINFO_DROPS",
];

/// Sets the names of what getsockopt(2) has given: TCP_INFO, TCP_CC_INFO and SO_MEMINFO. Fields that lie beyond the
/// end of a structure get no name, so that an assertion on them fails by saying so.
pub(super) fn set(code: &mut Interpreter, info: &[u8], congestion: &[u8], memory: &[u8]) {
    for (name, value) in CONSTANTS {
        code.set(name, value);
    }
    set_fields(code, info, &TCP_INFO);
    // Two fields share octet 6, and one has the lowest bit of octet 7.
    if let [_, _, _, _, _, _, scales, flags, ..] = info {
        code.set("tcpi_snd_wscale", u64::from(scales & 15));
        code.set("tcpi_rcv_wscale", u64::from(scales >> 4));
        code.set("tcpi_delivery_rate_app_limited", u64::from(flags & 1));
    }
    // Which of the three structures it is shows only in its length, and only for BBR's.
    for fields in [&BBR[..], &DCTCP, &VEGAS] {
        if fields.iter().all(|(_, at, size)| congestion.len() >= at + size) {
            set_fields(code, congestion, fields);
        }
    }
    if let (Some(low), Some(high)) = (read(congestion, 0, 4), read(congestion, 4, 4)) {
        code.set("bbr_bw", high << 32 | low);
    }
    for (at, name) in MEMORY.iter().enumerate() {
        if let Some(value) = read(memory, at * 4, 4) {
            code.set(name, value);
        }
    }
}

fn set_fields(code: &mut Interpreter, octets: &[u8], fields: &[(&str, usize, usize)]) {
    for (name, at, size) in fields {
        if let Some(value) = read(octets, *at, *size) {
            code.set(name, value);
        }
    }
}

/// A number in the machine's byte order.
fn read(octets: &[u8], at: usize, size: usize) -> Option<u64> {
    let octets = octets.get(at..at + size)?;
    let value =
        octets.iter().enumerate().fold(0, |value, (place, octet)| value | u64::from(*octet) << (8 * place));
    Some(if cfg!(target_endian = "little") { value } else { value.swap_bytes() >> (64 - 8 * size) })
}
