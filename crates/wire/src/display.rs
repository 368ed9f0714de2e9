//! One line per packet, in tcpdump's words.
//!
//! Start at [`frame`] for bytes from an Ethernet link, at [`ip()`] for bare packets. Each protocol prints
//! what it can read; where it cannot go on, it says why: `[|tcp]` for bytes that end too early, `[tcp: bad
//! length]` for bytes that contradict themselves. Checksums are not judged, but for IPv4's own, because a
//! captured packet may have been left for a device to complete.
//!
//! Only numbers, addresses and this module's own words are written, so a line never carries a control
//! character from the network to a terminal; and its length is bounded.

use core::fmt;

use crate::ethernet::{self, EtherType};
use crate::{WireError, arp, vlan};

mod icmpv4;
mod icmpv6;
mod ip;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;

/// How many headers deep a line looks: VLAN tags in tags, IP in IP.
const DEPTH_MAX: u8 = 4;
/// How many items of a list a line shows.
const ITEMS_MAX: usize = 8;

/// The line of an Ethernet frame, from its destination address on.
pub fn frame(bytes: &[u8]) -> impl fmt::Display + '_ {
    Frame(bytes)
}

/// The line of an IPv4 or IPv6 packet.
pub fn ip(bytes: &[u8]) -> impl fmt::Display + '_ {
    Ip(bytes)
}

struct Frame<'a>(&'a [u8]);
struct Ip<'a>(&'a [u8]);

impl fmt::Display for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match ethernet::Header::parse(self.0) {
            Ok((header, payload)) => ethernet(f, header, header.ethertype(), payload, DEPTH_MAX),
            Err(error) => malformed(f, "ether", error),
        }
    }
}

impl fmt::Display for Ip<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.first().map(|first| first >> 4) {
            Some(4) => ip::v4(f, self.0, DEPTH_MAX),
            Some(6) => ip::v6(f, self.0, DEPTH_MAX),
            Some(version) => write!(f, "IP version {version}, length {}", self.0.len()),
            None => malformed(f, "ip", WireError::Truncated),
        }
    }
}

fn ethernet(
    f: &mut fmt::Formatter<'_>,
    header: &ethernet::Header,
    ethertype: EtherType,
    payload: &[u8],
    depth: u8,
) -> fmt::Result {
    match ethertype {
        EtherType::IPV4 => ip::v4(f, payload, depth),
        EtherType::IPV6 => ip::v6(f, payload, depth),
        EtherType::ARP => arp(f, payload),
        EtherType::VLAN if depth > 0 => match vlan::Tag::parse(payload) {
            Ok((tag, payload)) => {
                write!(f, "vlan {}, p {}, ", tag.vid(), tag.pcp())?;
                if tag.dei() {
                    f.write_str("DEI, ")?;
                }
                ethernet(f, header, tag.ethertype(), payload, depth - 1)
            }
            Err(error) => malformed(f, "vlan", error),
        },
        ethertype => {
            write!(f, "{} > {}, ", header.src(), header.dst())?;
            if ethertype.is_length() {
                write!(f, "802.3, length {}", ethertype.0)
            } else {
                write!(f, "ethertype {ethertype}, length {}", payload.len())
            }
        }
    }
}

fn arp(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    let packet = match arp::Packet::parse(bytes) {
        Ok(packet) => packet,
        Err(error) => return malformed(f, "arp", error),
    };
    let arp::Packet { op, sender_mac, sender_ip, target_mac, target_ip } = packet;
    match op {
        arp::Op::Request => {
            write!(f, "ARP, Request who-has {target_ip}")?;
            // A request leaves it zero; one that does not is a refresh (RFC 1122 §2.3.2.1) and goes to that
            // station.
            if target_mac.is_unicast() {
                write!(f, " ({target_mac})")?;
            }
            write!(f, " tell {sender_ip}")?;
        }
        arp::Op::Reply => write!(f, "ARP, Reply {sender_ip} is-at {sender_mac}")?,
        arp::Op::Other(op) => write!(f, "ARP, op {op} from {sender_ip} ({sender_mac}) to {target_ip}")?,
    }
    write!(f, ", length {}", arp::Packet::LEN)
}

/// Says why the header `what` cannot be read.
fn malformed(f: &mut fmt::Formatter<'_>, what: &str, error: WireError) -> fmt::Result {
    match error {
        WireError::Truncated => write!(f, "[|{what}]"),
        error => write!(f, "[{what}: {error}]"),
    }
}

/// Writes octets as hexadecimal digits.
fn hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
}
