//! socket(2)'s arguments: which sockets become ours, and which are refused.

use libc::c_int;
use portolan_protocol::{Family, Transport};

use crate::Errno;

/// What socket(2) is to do for a domain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Domain {
    /// A socket of ours.
    Inet(Family),
    /// A way around the stack, refused as by a kernel without it: EAFNOSUPPORT.
    Refused,
    /// Not about a network.
    Other,
}

/// Sorts a domain.
pub fn domain(domain: c_int) -> Domain {
    match domain {
        libc::AF_INET => Domain::Inet(Family::V4),
        libc::AF_INET6 => Domain::Inet(Family::V6),
        libc::AF_PACKET | libc::AF_VSOCK | libc::AF_XDP => Domain::Refused,
        _ => Domain::Other,
    }
}

/// What the socket is to speak, or the errno with which the kernel refuses. `kind` is the type argument, flags
/// included.
pub fn transport(family: Family, kind: c_int, protocol: c_int) -> Result<Transport, Errno> {
    let own_icmp = match family {
        Family::V4 => libc::IPPROTO_ICMP,
        Family::V6 => libc::IPPROTO_ICMPV6,
    };
    match kind & !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC) {
        libc::SOCK_STREAM if matches!(protocol, 0 | libc::IPPROTO_TCP) => Ok(Transport::Tcp),
        libc::SOCK_DGRAM if matches!(protocol, 0 | libc::IPPROTO_UDP) => Ok(Transport::Udp),
        libc::SOCK_DGRAM if protocol == libc::IPPROTO_UDPLITE => Ok(Transport::UdpLite),
        // Everybody may ping: net.ipv4.ping_group_range as systemd sets it.
        libc::SOCK_DGRAM if protocol == own_icmp => Ok(Transport::Ping),
        libc::SOCK_STREAM | libc::SOCK_DGRAM => Err(Errno(libc::EPROTONOSUPPORT)),
        // Whether the caller has the right is for the stack process to judge, which knows who it is.
        libc::SOCK_RAW => match u8::try_from(protocol) {
            Ok(0) | Err(_) => Err(Errno(libc::EPROTONOSUPPORT)),
            Ok(protocol) => Ok(Transport::Raw(protocol)),
        },
        libc::SOCK_RDM | libc::SOCK_SEQPACKET | libc::SOCK_DCCP => Err(Errno(libc::ESOCKTNOSUPPORT)),
        _ => Err(Errno(libc::EINVAL)),
    }
}
