//! Linux's numbers of levels and options (`asm-generic/socket.h`, `linux/in.h`, `linux/in6.h`, `linux/tcp.h`).

/// SOL_SOCKET.
pub const SOL_SOCKET: i32 = 1;
/// IPPROTO_IP, also SOL_IP.
pub const IPPROTO_IP: i32 = 0;
/// IPPROTO_TCP, also SOL_TCP.
pub const IPPROTO_TCP: i32 = 6;
/// IPPROTO_UDP, also SOL_UDP.
pub const IPPROTO_UDP: i32 = 17;
/// IPPROTO_UDPLITE, also SOL_UDPLITE.
pub(crate) const IPPROTO_UDPLITE: i32 = 136;
/// IPPROTO_IPV6, also SOL_IPV6.
pub const IPPROTO_IPV6: i32 = 41;

/// Options of SOL_SOCKET.
pub(crate) mod so {
    pub(crate) const DEBUG: i32 = 1;
    pub(crate) const REUSEADDR: i32 = 2;
    pub(crate) const TYPE: i32 = 3;
    pub(crate) const ERROR: i32 = 4;
    pub(crate) const DONTROUTE: i32 = 5;
    pub(crate) const BROADCAST: i32 = 6;
    pub(crate) const SNDBUF: i32 = 7;
    pub(crate) const RCVBUF: i32 = 8;
    pub(crate) const KEEPALIVE: i32 = 9;
    pub(crate) const OOBINLINE: i32 = 10;
    pub(crate) const NO_CHECK: i32 = 11;
    pub(crate) const PRIORITY: i32 = 12;
    pub(crate) const LINGER: i32 = 13;
    pub(crate) const REUSEPORT: i32 = 15;
    pub(crate) const RCVLOWAT: i32 = 18;
    pub(crate) const SNDLOWAT: i32 = 19;
    pub(crate) const RCVTIMEO: i32 = 20;
    pub(crate) const SNDTIMEO: i32 = 21;
    pub(crate) const BINDTODEVICE: i32 = 25;
    pub(crate) const TIMESTAMP: i32 = 29;
    pub(crate) const ACCEPTCONN: i32 = 30;
    pub(crate) const SNDBUFFORCE: i32 = 32;
    pub(crate) const RCVBUFFORCE: i32 = 33;
    pub(crate) const TIMESTAMPNS: i32 = 35;
    pub(crate) const MARK: i32 = 36;
    pub(crate) const TIMESTAMPING: i32 = 37;
    pub(crate) const PROTOCOL: i32 = 38;
    pub(crate) const DOMAIN: i32 = 39;
    pub(crate) const RXQ_OVFL: i32 = 40;
    pub(crate) const SELECT_ERR_QUEUE: i32 = 45;
    pub(crate) const BUSY_POLL: i32 = 46;
    pub(crate) const MAX_PACING_RATE: i32 = 47;
    pub(crate) const INCOMING_CPU: i32 = 49;
    pub(crate) const ZEROCOPY: i32 = 60;
    pub(crate) const TIMESTAMP_NEW: i32 = 63;
    pub(crate) const TIMESTAMPNS_NEW: i32 = 64;
    pub(crate) const TIMESTAMPING_NEW: i32 = 65;
    pub(crate) const RCVTIMEO_NEW: i32 = 66;
    pub(crate) const SNDTIMEO_NEW: i32 = 67;
    pub(crate) const TXREHASH: i32 = 74;
}

/// Options of IPPROTO_TCP.
pub(crate) mod tcp {
    pub(crate) const NODELAY: i32 = 1;
    pub(crate) const MAXSEG: i32 = 2;
    pub(crate) const CORK: i32 = 3;
    pub(crate) const KEEPIDLE: i32 = 4;
    pub(crate) const KEEPINTVL: i32 = 5;
    pub(crate) const KEEPCNT: i32 = 6;
    pub(crate) const SYNCNT: i32 = 7;
    pub(crate) const LINGER2: i32 = 8;
    pub(crate) const DEFER_ACCEPT: i32 = 9;
    pub(crate) const WINDOW_CLAMP: i32 = 10;
    pub(crate) const INFO: i32 = 11;
    pub(crate) const QUICKACK: i32 = 12;
    pub(crate) const CONGESTION: i32 = 13;
    pub(crate) const CC_INFO: i32 = 26;
    pub(crate) const THIN_LINEAR_TIMEOUTS: i32 = 16;
    pub(crate) const THIN_DUPACK: i32 = 17;
    pub(crate) const USER_TIMEOUT: i32 = 18;
    pub(crate) const FASTOPEN: i32 = 23;
    pub(crate) const NOTSENT_LOWAT: i32 = 25;
    pub(crate) const SAVE_SYN: i32 = 27;
    pub(crate) const FASTOPEN_CONNECT: i32 = 30;
    pub(crate) const FASTOPEN_KEY: i32 = 33;
    pub(crate) const MD5SIG: i32 = 14;
    pub(crate) const MD5SIG_EXT: i32 = 32;
    pub(crate) const FASTOPEN_NO_COOKIE: i32 = 34;
    pub(crate) const INQ: i32 = 36;
    pub(crate) const AO_ADD_KEY: i32 = 38;
    pub(crate) const AO_DEL_KEY: i32 = 39;
    pub(crate) const AO_INFO: i32 = 40;
    pub(crate) const AO_GET_KEYS: i32 = 41;
}

/// IPPROTO_ICMPV6, also SOL_ICMPV6.
pub(crate) const IPPROTO_ICMPV6: i32 = 58;
/// SOL_RAW.
pub(crate) const SOL_RAW: i32 = 255;

/// Options of SOL_RAW and IPPROTO_ICMPV6.
pub(crate) mod raw {
    /// Also ICMP6_FILTER.
    pub(crate) const ICMP_FILTER: i32 = 1;
    pub(crate) const IPV6_CHECKSUM: i32 = 7;
}

/// Options of IPPROTO_UDP.
pub(crate) mod udp {
    pub(crate) const NO_CHECK6_TX: i32 = 101;
    pub(crate) const NO_CHECK6_RX: i32 = 102;
    pub(crate) const SEGMENT: i32 = 103;
    pub(crate) const GRO: i32 = 104;
}

/// Options of IPPROTO_UDPLITE.
pub(crate) mod udplite {
    pub(crate) const SEND_CSCOV: i32 = 10;
    pub(crate) const RECV_CSCOV: i32 = 11;
}

/// Options of IPPROTO_IP.
pub(crate) mod ip {
    pub(crate) const TOS: i32 = 1;
    pub(crate) const TTL: i32 = 2;
    pub(crate) const HDRINCL: i32 = 3;
    pub(crate) const PKTINFO: i32 = 8;
    pub(crate) const MTU_DISCOVER: i32 = 10;
    pub(crate) const RECVERR: i32 = 11;
    pub(crate) const RECVTTL: i32 = 12;
    pub(crate) const RECVTOS: i32 = 13;
    pub(crate) const MTU: i32 = 14;
    pub(crate) const FREEBIND: i32 = 15;
    pub(crate) const MINTTL: i32 = 21;
    pub(crate) const BIND_ADDRESS_NO_PORT: i32 = 24;
    pub(crate) const RECVERR_RFC4884: i32 = 26;
    pub(crate) const MULTICAST_IF: i32 = 32;
    pub(crate) const MULTICAST_TTL: i32 = 33;
    pub(crate) const MULTICAST_LOOP: i32 = 34;
    pub(crate) const ADD_MEMBERSHIP: i32 = 35;
    pub(crate) const DROP_MEMBERSHIP: i32 = 36;
    pub(crate) const UNBLOCK_SOURCE: i32 = 37;
    pub(crate) const BLOCK_SOURCE: i32 = 38;
    pub(crate) const ADD_SOURCE_MEMBERSHIP: i32 = 39;
    pub(crate) const DROP_SOURCE_MEMBERSHIP: i32 = 40;
    pub(crate) const MSFILTER: i32 = 41;
    /// Of both levels, and so the following.
    pub(crate) const MCAST_JOIN_GROUP: i32 = 42;
    pub(crate) const MCAST_BLOCK_SOURCE: i32 = 43;
    pub(crate) const MCAST_UNBLOCK_SOURCE: i32 = 44;
    pub(crate) const MCAST_LEAVE_GROUP: i32 = 45;
    pub(crate) const MCAST_JOIN_SOURCE_GROUP: i32 = 46;
    pub(crate) const MCAST_LEAVE_SOURCE_GROUP: i32 = 47;
}

/// Options of IPPROTO_IPV6.
pub(crate) mod ipv6 {
    pub(crate) const UNICAST_HOPS: i32 = 16;
    pub(crate) const MULTICAST_IF: i32 = 17;
    pub(crate) const MULTICAST_HOPS: i32 = 18;
    pub(crate) const MULTICAST_LOOP: i32 = 19;
    pub(crate) const JOIN_GROUP: i32 = 20;
    pub(crate) const LEAVE_GROUP: i32 = 21;
    pub(crate) const MTU_DISCOVER: i32 = 23;
    pub(crate) const MTU: i32 = 24;
    pub(crate) const RECVERR: i32 = 25;
    pub(crate) const V6ONLY: i32 = 26;
    pub(crate) const RECVPKTINFO: i32 = 49;
    pub(crate) const RECVHOPLIMIT: i32 = 51;
    pub(crate) const DONTFRAG: i32 = 62;
    pub(crate) const RECVTCLASS: i32 = 66;
    pub(crate) const TCLASS: i32 = 67;
    pub(crate) const AUTOFLOWLABEL: i32 = 70;
    pub(crate) const MINHOPCOUNT: i32 = 73;
    pub(crate) const FREEBIND: i32 = 78;
}
