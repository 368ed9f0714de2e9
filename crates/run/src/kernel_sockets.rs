//! The kernel's own sockets in another network namespace, as a process that is in it shows them (`/proc/PID/net`, proc(5)).

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use portolan_wire::protocol;

/// `TCP_LISTEN`, as the table has it.
const LISTENING: &str = "0A";

/// One socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KernelSocket {
    /// Its own address. For ICMP the port is the identifier.
    pub local: SocketAddr,
    /// A listener of TCP.
    pub is_listening: bool,
    /// What `/proc/PID/fd` calls it; 0 if no process has it any more.
    pub inode: u64,
}

/// The sockets of an IP protocol in the network namespace of process `pid`; none for a protocol without a table.
pub fn of(pid: u32, number: u8) -> Vec<KernelSocket> {
    let tables: &[&str] = match number {
        protocol::TCP => &["tcp", "tcp6"],
        protocol::UDP => &["udp", "udp6"],
        protocol::ICMPV4 => &["icmp"],
        protocol::ICMPV6 => &["icmp6"],
        _ => &[],
    };
    let read = |table: &&str| fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
    tables.iter().map(read).flat_map(|table| table.lines().filter_map(row).collect::<Vec<_>>()).collect()
}

/// A line: number, local and remote address, state, queues, timer, retransmits, user, timeout, inode. `None` for the
/// headings.
fn row(line: &str) -> Option<KernelSocket> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let (address, port) = words.get(1)?.split_once(':')?;
    Some(KernelSocket {
        local: SocketAddr::new(self::address(address)?, u16::from_str_radix(port, 16).ok()?),
        is_listening: words.get(3) == Some(&LISTENING),
        inode: words.get(9)?.parse().ok()?,
    })
}

/// Words of 32 bits in hexadecimal, each in the machine's order.
fn address(text: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(text.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?].concat();
            Some(Ipv6Addr::from(<[u8; 16]>::try_from(words).ok()?).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_of_ours_are_found() {
        for (at, number) in [("127.0.0.1:0", protocol::TCP), ("[::1]:0", protocol::TCP)] {
            let listener = std::net::TcpListener::bind(at).unwrap();
            let own = listener.local_addr().unwrap();
            let found = of(std::process::id(), number);
            let found: Vec<_> = found.iter().filter(|socket| socket.local == own).collect();
            assert!(matches!(found[..], [one] if one.is_listening && one.inode != 0), "{found:?}");
        }
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let own = socket.local_addr().unwrap();
        assert!(
            of(std::process::id(), protocol::UDP)
                .iter()
                .any(|found| found.local == own && !found.is_listening)
        );
    }

    #[test]
    fn headings_and_nonsense_are_no_sockets() {
        for line in
            ["", "  sl  local_address rem_address   st", "0: 0100007F:1F9", "0: 01007F:1F90 a b c d e f g 9"]
        {
            assert_eq!(row(line), None, "{line}");
        }
    }
}
