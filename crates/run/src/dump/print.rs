//! Packets as lines, in the form that tcpdump gives them.
//!
//! [`Printer::line`] writes the time and finds the network layer; [`ip`] has IPv4 and IPv6, [`tcp`], [`udp`], [`dns`],
//! [`icmp`], [`neighbour`], [`mpls`] and [`arp`] the rest. What is cut off or lies about its length is shown as far as it goes, behind it
//! `[|tcp]` and its like. Text from packets is escaped.

mod arp;
mod dns;
mod icmp;
mod ip;
mod mpls;
mod neighbour;
mod tcp;
mod udp;

use std::fmt::Write as _;

use portolan_filter::LinkType;

use super::reader::Packet;
use crate::os::time;
use tcp::Conversations;

/// How packets are shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Ports as numbers.
    pub numeric: bool,
    /// IP's own fields and checksums.
    pub verbose: bool,
    /// The packet's octets in hexadecimal, without the link's header.
    pub octets: bool,
    /// No time (1), seconds of Unix time (2), or the time of day.
    pub time: u8,
}

/// Shows packets. It keeps the first sequence numbers of connections, to count from there.
#[derive(Debug, Default)]
pub struct Printer {
    style: Style,
    conversations: Conversations,
    /// Packets that the present one is quoted in.
    quoted_in: u8,
}

/// What a packet is cut to, and how long it was.
#[derive(Clone, Copy)]
struct Text<'a> {
    octets: &'a [u8],
    /// Octets that there should be.
    len: usize,
}

impl<'a> Text<'a> {
    /// What follows the first `at` octets.
    fn after(self, at: usize) -> Text<'a> {
        Text { octets: self.octets.get(at..).unwrap_or_default(), len: self.len.saturating_sub(at) }
    }

    /// The first `len` octets.
    fn first(self, len: usize) -> Text<'a> {
        let there = len.min(self.octets.len());
        Text { octets: self.octets.get(..there).unwrap_or_default(), len: self.len.min(len) }
    }

    fn u8(self, at: usize) -> Option<u8> {
        self.octets.get(at).copied()
    }

    fn u16(self, at: usize) -> Option<u16> {
        self.octets.get(at..)?.first_chunk().map(|two| u16::from_be_bytes(*two))
    }

    fn u32(self, at: usize) -> Option<u32> {
        self.octets.get(at..)?.first_chunk().map(|four| u32::from_be_bytes(*four))
    }

    /// Whether nothing is cut off.
    fn is_whole(self) -> bool {
        self.octets.len() >= self.len
    }
}

impl Printer {
    /// A printer that has seen nothing.
    pub fn new(style: Style) -> Printer {
        Printer { style, conversations: Conversations::default(), quoted_in: 0 }
    }

    /// The packet's line, or lines, without the last end.
    pub fn line(&mut self, packet: &Packet) -> String {
        let mut out = self.time(packet.nanos);
        let text = Text { octets: &packet.octets, len: packet.len as usize };
        let start = out.len();
        let header = self.link(&mut out, packet.link, text);
        if out.len() == start {
            out.push_str("[|link]");
        }
        if self.style.octets {
            hexadecimal(&mut out, "\n\t", packet.octets.get(header..).unwrap_or_default());
        }
        out
    }

    fn time(&self, nanos: u64) -> String {
        let (seconds, micros) = (nanos / 1_000_000_000, nanos % 1_000_000_000 / 1000);
        match self.style.time {
            0 => {
                let (hours, minutes, seconds) = time::time_of_day(seconds);
                format!("{hours:02}:{minutes:02}:{seconds:02}.{micros:06} ")
            }
            1 => String::new(),
            _ => format!("{seconds}.{micros:06} "),
        }
    }

    /// Shows what follows the link's header; how long that is.
    fn link(&mut self, out: &mut String, link: LinkType, text: Text<'_>) -> usize {
        let version = |at| match text.u8(at).map(|octet| octet >> 4) {
            Some(4) => Some(0x0800),
            Some(6) => Some(0x86dd),
            _ => None,
        };
        let (mut header, mut kind) = match link {
            LinkType::Ethernet => (14, text.u16(12)),
            LinkType::LinuxCooked => (16, text.u16(14)),
            LinkType::LinuxCooked2 => (20, text.u16(0)),
            LinkType::Raw => (0, version(0)),
            LinkType::Null => (4, version(4)),
        };
        while matches!(kind, Some(0x8100 | 0x88a8 | 0x9100)) && link == LinkType::Ethernet {
            // Tags are the link's, which tcpdump shows with -e alone.
            kind = text.u16(header + 2);
            header += 4;
        }
        let packet = text.after(header);
        match kind {
            Some(0x0800) => ip::v4(self, out, packet),
            Some(0x86dd) => ip::v6(self, out, packet),
            Some(0x0806) => arp::show(out, packet, self.style.verbose),
            Some(0x8847 | 0x8848) => mpls::show(self, out, packet),
            Some(kind) => {
                let _ = write!(out, "ethertype {kind:#06x}, length {}", text.len);
            }
            None if header > 14 && link == LinkType::Ethernet => out.push_str(" [|vlan]"),
            None => out.push_str(" [|ether]"),
        }
        header
    }

    /// An end of a flow: address, dot, port.
    fn port(&self, port: u16, protocol: &str) -> String {
        let name = crate::services::name(port, protocol).filter(|_| !self.style.numeric);
        name.map_or_else(|| port.to_string(), crate::summary::escape)
    }
}

/// Lines of sixteen octets, with their offset; each begins with `indent`.
fn hexadecimal(out: &mut String, indent: &str, octets: &[u8]) {
    for (row, line) in octets.chunks(16).enumerate() {
        let _ = write!(out, "{indent}{:#06x}: ", row * 16);
        for pair in line.chunks(2) {
            out.push(' ');
            for octet in pair {
                let _ = write!(out, "{octet:02x}");
            }
        }
    }
}

#[cfg(test)]
mod tests;
