//! The host's settings and limits. Every table that a remote can fill has its limit here.

use alloc::string::String;

use portolan_wire::EthernetAddress;

/// How a host behaves. The defaults of its own knobs are Linux's where Linux has the knob, whose name is in brackets; for
/// TCP's see [`portolan_tcp::Config`].
#[derive(Clone, Debug)]
pub struct Config {
    /// The host's name, for those who ask.
    pub hostname: String,
    /// The settings of every connection.
    pub tcp: portolan_tcp::Config,
    /// Sockets, all kinds together (fs.file-max).
    pub sockets_max: usize,
    /// Connections, those included that wait to be accepted or are closing without a socket.
    pub connections_max: usize,
    /// Connections in SYN-RECEIVED, over all listeners.
    pub embryos_max: usize,
    /// Connections in TIME-WAIT; beyond it they are forgotten at once (net.ipv4.tcp_max_tw_buckets).
    pub time_wait_max: usize,
    /// The largest backlog of a listener (net.core.somaxconn).
    pub somaxconn: u32,
    /// Unanswered requests at intercepted links.
    pub requests_max: usize,
    /// How long a request may stay unanswered, in microseconds. A little above the two minutes for which Linux
    /// repeats its SYN.
    pub request_timeout_us: u64,
    /// Events that are not a socket's: requests, intercepted datagrams and echoes, summaries of flows.
    pub events_max: usize,
    /// Octets of memory that intercepted datagrams and echoes may take while they wait as events.
    pub events_octets_max: usize,
    /// Neighbours per link (net.ipv4.neigh.default.gc_thresh3).
    pub neighbours_max: usize,
    /// Of these, those whose Ethernet address is being looked for.
    pub neighbours_incomplete_max: usize,
    /// Packets that wait for one neighbour's address (net.ipv4.neigh.default.unres_qlen).
    pub neighbour_queue_max: usize,
    /// Octets of memory that all packets of one link may take that wait for neighbours, and its stateless replies as
    /// much again: on a link with a large MTU, each can be 64 KiB.
    pub waiting_octets_max: usize,
    /// Stateless replies (ARP, ICMP, resets, SYN-ACKs) that wait for a link.
    pub reply_queue_max: usize,
    /// Datagrams of sockets that wait for a link; then senders must wait (txqueuelen).
    pub datagram_queue_max: usize,
    /// A UDP socket's receive queue, in octets of memory (net.core.rmem_default).
    pub udp_receive_octets: u32,
    /// The most octets that SO_RCVBUF can ask for (net.core.rmem_max).
    pub receive_buffer_max: u32,
    /// The most octets that SO_SNDBUF can ask for (net.core.wmem_max).
    pub send_buffer_max: u32,
    /// Memory that fragments may occupy (net.ipv4.ipfrag_high_thresh).
    pub reassembly_octets_max: usize,
    /// How long fragments are kept, in microseconds (net.ipv4.ipfrag_time).
    pub reassembly_timeout_us: u64,
    /// ICMP errors per second (net.ipv4.icmp_msgs_per_sec).
    pub icmp_errors_per_second: u32,
    /// ICMP errors at once (net.ipv4.icmp_msgs_burst).
    pub icmp_errors_burst: u32,
    /// Resets per second for segments of no connection.
    pub resets_per_second: u32,
    /// Whether packets that came by a source route are taken, and answered by its reverse
    /// (net.ipv4.conf.all.accept_source_route).
    pub accept_source_route: bool,
    /// The first and the last ephemeral port (net.ipv4.ip_local_port_range).
    pub ephemeral_ports: (u16, u16),
    /// The first port that needs no privilege; for those who enforce it (net.ipv4.ip_unprivileged_port_start).
    pub ip_unprivileged_port_start: u16,
    /// TTL and hop limit of what is sent (net.ipv4.ip_default_ttl).
    pub hop_limit: u8,
    /// Whether closed flows are reported by [`crate::Event::FlowClosed`].
    pub flow_summaries: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            hostname: String::from("portolan"),
            tcp: portolan_tcp::Config::default(),
            sockets_max: 1 << 20,
            connections_max: 1 << 20,
            embryos_max: 1 << 15,
            time_wait_max: 1 << 16,
            somaxconn: 4096,
            requests_max: 4096,
            request_timeout_us: 130_000_000,
            events_max: 8192,
            events_octets_max: 8 << 20,
            neighbours_max: 1024,
            neighbours_incomplete_max: 128,
            neighbour_queue_max: 48,
            waiting_octets_max: 4 << 20,
            reply_queue_max: 512,
            datagram_queue_max: 1000,
            udp_receive_octets: 212_992,
            receive_buffer_max: 4 << 20,
            send_buffer_max: 4 << 20,
            reassembly_octets_max: 4 << 20,
            reassembly_timeout_us: 30_000_000,
            icmp_errors_per_second: 1000,
            icmp_errors_burst: 50,
            resets_per_second: 20_000,
            accept_source_route: false,
            ephemeral_ports: (32_768, 60_999),
            ip_unprivileged_port_start: 1024,
            hop_limit: 64,
            flow_summaries: false,
        }
    }
}

/// A link's name and address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkConfig {
    /// The name, at most 15 octets as on Linux; what is longer is cut.
    pub name: String,
    /// The station's address; unused on a link of bare IP packets.
    pub ethernet: EthernetAddress,
}

/// What a link hands to the application above the host instead of answering it itself: the ears of a gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Intercept {
    /// SYNs that no socket listens for become [`crate::Event::Request`].
    pub tcp: bool,
    /// Datagrams that no socket is bound for become [`crate::Event::Datagram`].
    pub udp: bool,
    /// Echo requests to addresses that are not the host's own become [`crate::Event::Echo`].
    pub echo: bool,
}
