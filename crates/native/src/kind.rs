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

/// TCP or UDP, or the errno with which the kernel refuses an ordinary user. `kind` is the type argument, flags
/// included.
pub fn transport(kind: c_int, protocol: c_int) -> Result<Transport, Errno> {
    match kind & !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC) {
        libc::SOCK_STREAM if matches!(protocol, 0 | libc::IPPROTO_TCP) => Ok(Transport::Tcp),
        libc::SOCK_DGRAM if matches!(protocol, 0 | libc::IPPROTO_UDP) => Ok(Transport::Udp),
        // net.ipv4.ping_group_range is empty by default.
        libc::SOCK_DGRAM if matches!(protocol, libc::IPPROTO_ICMP | libc::IPPROTO_ICMPV6) => {
            Err(Errno(libc::EACCES))
        }
        libc::SOCK_STREAM | libc::SOCK_DGRAM => Err(Errno(libc::EPROTONOSUPPORT)),
        libc::SOCK_RAW => Err(Errno(libc::EPERM)),
        libc::SOCK_RDM | libc::SOCK_SEQPACKET | libc::SOCK_DCCP => Err(Errno(libc::ESOCKTNOSUPPORT)),
        _ => Err(Errno(libc::EINVAL)),
    }
}
