//! What the wire says when the machine's network says no: errno to ICMP and RST.
//!
//! The program's own stack turns these back into the errno that it would have seen without us (RFC 1122 §4.2.3.9).

use std::io;

use portolan_stack::{Refusal, UnreachableCode};

/// For a connect that failed.
pub fn of_connect(error: &io::Error) -> Refusal {
    match error.raw_os_error() {
        // The machine has waited as long as it does; the program's own stack does the same.
        Some(libc::ETIMEDOUT) => Refusal::Silent,
        // Refused by the other side. EMFILE, ENFILE, ENOBUFS, ENOMEM are no fault of it, but are said at once too.
        Some(errno) => of_errno(errno).unwrap_or(Refusal::Reset),
        None => Refusal::Reset,
    }
}

/// For a datagram that could not be sent or came back; `info` is the path's MTU with EMSGSIZE. `None` when the
/// error says nothing of the destination.
pub fn of_datagram(errno: i32, info: u32) -> Option<Refusal> {
    match errno {
        libc::ECONNREFUSED => Some(Refusal::Unreachable(UnreachableCode::Port)),
        libc::EMSGSIZE => Some(Refusal::PacketTooBig(u16::try_from(info).unwrap_or(u16::MAX))),
        _ => of_errno(errno),
    }
}

fn of_errno(errno: i32) -> Option<Refusal> {
    let code = match errno {
        libc::ENETUNREACH | libc::ENETDOWN | libc::EAFNOSUPPORT => UnreachableCode::Network,
        libc::EHOSTUNREACH | libc::EHOSTDOWN | libc::EADDRNOTAVAIL | libc::EINVAL => UnreachableCode::Host,
        libc::EACCES | libc::EPERM => UnreachableCode::Admin,
        _ => return None,
    };
    Some(Refusal::Unreachable(code))
}

/// Whether this process or the machine has no descriptor left.
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connects_fail_as_they_would_on_the_machine() {
        use UnreachableCode::*;
        for (errno, wanted) in [
            (libc::ECONNREFUSED, Refusal::Reset),
            (libc::ENETUNREACH, Refusal::Unreachable(Network)),
            (libc::EHOSTUNREACH, Refusal::Unreachable(Host)),
            (libc::EACCES, Refusal::Unreachable(Admin)),
            (libc::ETIMEDOUT, Refusal::Silent),
            (libc::EMFILE, Refusal::Reset),
        ] {
            assert_eq!(of_connect(&io::Error::from_raw_os_error(errno)), wanted, "errno {errno}");
        }
    }

    #[test]
    fn datagrams_come_back_as_icmp() {
        assert_eq!(of_datagram(libc::EMSGSIZE, 1400), Some(Refusal::PacketTooBig(1400)));
        assert_eq!(of_datagram(libc::ECONNREFUSED, 0), Some(Refusal::Unreachable(UnreachableCode::Port)));
        assert_eq!(of_datagram(libc::ENOBUFS, 0), None);
    }
}
