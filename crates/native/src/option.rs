//! Socket options that need no question to the stack process.

use libc::c_int;
use portolan_protocol::{Family, Kind, Transport};

/// SOL_SOCKET options that mean the same to an AF_UNIX socket.
const NATIVE: [c_int; 9] = [
    libc::SO_RCVTIMEO,
    libc::SO_SNDTIMEO,
    66, // SO_RCVTIMEO_NEW
    67, // SO_SNDTIMEO_NEW
    libc::SO_RCVLOWAT,
    libc::SO_PEEK_OFF,
    libc::SO_COOKIE,
    libc::SO_ACCEPTCONN,
    libc::SO_OOBINLINE,
];

/// Whether the AF_UNIX socket itself is asked and told.
pub fn is_native(level: c_int, name: c_int) -> bool {
    level == libc::SOL_SOCKET && NATIVE.contains(&name)
}

/// What getsockopt(2) tells of a socket's kind; `None` for other options.
pub fn of_kind(kind: Kind, level: c_int, name: c_int) -> Option<c_int> {
    if level != libc::SOL_SOCKET {
        return None;
    }
    match name {
        libc::SO_TYPE => Some(match kind.transport {
            Transport::Tcp => libc::SOCK_STREAM,
            Transport::Udp | Transport::UdpLite | Transport::Ping => libc::SOCK_DGRAM,
            Transport::Raw(_) => libc::SOCK_RAW,
        }),
        libc::SO_DOMAIN => Some(match kind.family {
            Family::V4 => libc::AF_INET,
            Family::V6 => libc::AF_INET6,
        }),
        libc::SO_PROTOCOL => Some(match kind.transport {
            Transport::Tcp => libc::IPPROTO_TCP,
            Transport::Udp => libc::IPPROTO_UDP,
            Transport::UdpLite => libc::IPPROTO_UDPLITE,
            Transport::Ping if kind.family == Family::V4 => libc::IPPROTO_ICMP,
            Transport::Ping => libc::IPPROTO_ICMPV6,
            Transport::Raw(protocol) => c_int::from(protocol),
        }),
        _ => None,
    }
}

/// SO_PEERCRED of a TCP socket, as Linux answers it: nobody. The layout is `struct ucred`.
pub fn nobody() -> [u8; 12] {
    let mut octets = [0xff; 12];
    octets[..4].fill(0);
    octets
}
