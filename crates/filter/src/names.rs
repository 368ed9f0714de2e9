//! Names that the system knows: hosts, services, protocols.

use std::fs;
use std::net::{IpAddr, ToSocketAddrs};

use crate::expression::protocol;

/// A host's addresses.
pub(crate) fn host(name: &str) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> =
        (name, 0).to_socket_addrs().map(|found| found.map(|end| end.ip()).collect()).unwrap_or_default();
    addresses.sort();
    addresses.dedup();
    addresses
}

/// A service's port, and the protocols that it is known for.
pub(crate) fn service(name: &str) -> Option<(u16, Vec<u8>)> {
    let text = fs::read_to_string("/etc/services").unwrap_or_default();
    let mut found: Option<(u16, Vec<u8>)> = None;
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let (Some(first), Some(port)) = (words.next(), words.next()) else { continue };
        if first != name && !words.any(|alias| alias == name) {
            continue;
        }
        let Some((Ok(port), carrier)) = port.split_once('/').map(|(port, carrier)| (port.parse(), carrier))
        else {
            continue;
        };
        let carrier = match carrier {
            "tcp" => protocol::TCP,
            "udp" => protocol::UDP,
            "sctp" => protocol::SCTP,
            _ => continue,
        };
        match &mut found {
            Some((known, carriers)) if *known == port => carriers.push(carrier),
            Some(_) => {}
            None => found = Some((port, vec![carrier])),
        }
    }
    found
}

/// The number of a protocol that IP carries.
pub(crate) fn ip_protocol(name: &str) -> Option<u8> {
    Some(match name {
        "icmp" => protocol::ICMP,
        "igmp" => protocol::IGMP,
        "tcp" => protocol::TCP,
        "udp" => protocol::UDP,
        "esp" => protocol::ESP,
        "ah" => protocol::AH,
        "icmp6" | "ipv6-icmp" => protocol::ICMP6,
        "pim" => protocol::PIM,
        "sctp" => protocol::SCTP,
        _ => return None,
    })
}

/// The constants of pcap-filter(7).
pub(crate) fn constant(name: &str) -> Option<u32> {
    Some(match name {
        "tcpflags" => 13,
        "tcp-fin" => 0x01,
        "tcp-syn" => 0x02,
        "tcp-rst" => 0x04,
        "tcp-push" => 0x08,
        "tcp-ack" => 0x10,
        "tcp-urg" => 0x20,
        "tcp-ece" => 0x40,
        "tcp-cwr" => 0x80,
        "icmptype" | "icmp6type" => 0,
        "icmpcode" | "icmp6code" => 1,
        "icmp-echoreply" => 0,
        "icmp-unreach" => 3,
        "icmp-sourcequench" => 4,
        "icmp-redirect" => 5,
        "icmp-echo" => 8,
        "icmp-routeradvert" => 9,
        "icmp-routersolicit" => 10,
        "icmp-timxceed" => 11,
        "icmp-paramprob" => 12,
        "icmp-tstamp" => 13,
        "icmp-tstampreply" => 14,
        "icmp-ireq" => 15,
        "icmp-ireqreply" => 16,
        "icmp-maskreq" => 17,
        "icmp-maskreply" => 18,
        "icmp6-destinationunreach" => 1,
        "icmp6-packettoobig" => 2,
        "icmp6-timeexceeded" => 3,
        "icmp6-parameterproblem" => 4,
        "icmp6-echo" => 128,
        "icmp6-echoreply" => 129,
        "icmp6-routersolicit" => 133,
        "icmp6-routeradvert" => 134,
        "icmp6-neighborsolicit" => 135,
        "icmp6-neighboradvert" => 136,
        "icmp6-redirect" => 137,
        _ => return None,
    })
}
