//! IPv4 and IPv6.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Printer, Text, icmp, tcp, udp};

/// The network layer, as the transport layer needs it.
#[derive(Clone, Copy)]
pub(super) struct Carrier<'a> {
    pub(super) source: &'a [u8],
    pub(super) destination: &'a [u8],
    pub(super) protocol: u8,
    /// The addresses have been shown, in front of an extension header.
    pub(super) is_named: bool,
    /// It is the first fragment of more.
    pub(super) is_fragment: bool,
}

/// Extension headers of one packet that are stepped over.
const EXTENSIONS_MAX: usize = 16;

impl Carrier<'_> {
    pub(super) fn name(octets: &[u8]) -> String {
        if let Ok(four) = <[u8; 4]>::try_from(octets) {
            return Ipv4Addr::from(four).to_string();
        }
        <[u8; 16]>::try_from(octets)
            .map_or_else(|_| "?".into(), |sixteen| Ipv6Addr::from(sixteen).to_string())
    }

    /// Both addresses.
    pub(super) fn addresses(&self) -> String {
        format!("{} > {}", Self::name(self.source), Self::name(self.destination))
    }

    /// Both addresses with their ports.
    pub(super) fn ends(&self, from: &str, to: &str) -> String {
        if self.is_named {
            return format!("{from} > {to}");
        }
        format!("{}.{from} > {}.{to}", Self::name(self.source), Self::name(self.destination))
    }

    /// The sum over the pseudo header and `text`: 0 if the checksum in it is right.
    pub(super) fn checksum(&self, text: Text<'_>) -> u16 {
        let len = u32::try_from(text.len).unwrap_or(u32::MAX).to_be_bytes();
        let parts = [self.source, self.destination, &len, &[0, 0, 0, self.protocol]];
        let pseudo: Vec<u8> = parts.concat();
        !fold(sum(&pseudo) + sum(text.octets))
    }
}

pub(super) fn sum(octets: &[u8]) -> u64 {
    octets.chunks(2).map(|pair| u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0))).sum()
}

pub(super) fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap_or(u16::MAX)
}

pub(super) fn protocol_name(number: u8) -> Option<&'static str> {
    Some(match number {
        0 => "Options",
        1 => "ICMP",
        2 => "IGMP",
        4 => "IPIP",
        6 => "TCP",
        17 => "UDP",
        33 => "DCCP",
        41 => "IPv6",
        43 => "Routing",
        44 => "Fragment",
        47 => "GRE",
        50 => "ESP",
        51 => "AH",
        58 => "ICMPv6",
        89 => "OSPF",
        103 => "PIM",
        132 => "SCTP",
        _ => return None,
    })
}

pub(super) fn v4(printer: &mut Printer, out: &mut String, packet: Text<'_>) {
    if packet.octets.is_empty() {
        return out.push_str(" [|ip]");
    }
    out.push_str("IP ");
    let (Some(first), Some(len)) = (packet.u8(0), packet.u16(2)) else { return out.push_str(" [|ip]") };
    let header = usize::from(first & 0x0f) * 4;
    let Some(octets) = packet.octets.get(..header.max(20)).filter(|_| header >= 20) else {
        return out.push_str(" [|ip]");
    };
    let (source, destination) = (&octets[12..16], &octets[16..20]);
    let carrier = Carrier { source, destination, protocol: octets[9], is_named: false, is_fragment: false };
    let fragment = u16::from_be_bytes([octets[6], octets[7]]);
    // What a segmenting device has not filled in is as long as the frame.
    let len = if len == 0 { packet.len } else { usize::from(len) };
    if printer.style.verbose {
        let _ = write!(out, "(tos {:#x}", octets[1]);
        match octets[1] & 3 {
            1 => out.push_str(",ECT(1)"),
            2 => out.push_str(",ECT(0)"),
            3 => out.push_str(",CE"),
            _ => {}
        }
        let flags = match fragment >> 13 {
            0 => "none",
            1 => "+",
            2 => "DF",
            3 => "+, DF",
            _ => "rsvd",
        };
        let name = protocol_name(octets[9]).unwrap_or("unknown");
        let id = u16::from_be_bytes([octets[4], octets[5]]);
        let _ = write!(
            out,
            ", ttl {}, id {id}, offset {}, flags [{flags}], proto {name} ({}), length {len}",
            octets[8],
            usize::from(fragment & 0x1fff) * 8,
            octets[9],
        );
        let wrong = fold(sum(octets));
        if wrong != 0xffff {
            let found = u16::from_be_bytes([octets[10], octets[11]]);
            let right = !fold(sum(octets) - u64::from(found));
            let _ = write!(out, ", bad cksum {found:x} (->{right:x})!");
        }
        out.push_str(")\n    ");
    }
    let text = packet.first(len).after(header);
    if fragment & 0x1fff != 0 {
        let name = protocol_name(carrier.protocol).filter(|_| !printer.style.numeric);
        let name = name.map(str::to_ascii_lowercase);
        let name = name.unwrap_or_else(|| format!("ip-proto-{}", carrier.protocol));
        let _ = write!(out, "{}: {name}", carrier.addresses());
        return;
    }
    transport(printer, out, carrier, text);
}

pub(super) fn v6(printer: &mut Printer, out: &mut String, packet: Text<'_>) {
    let Some(octets) = packet.octets.get(..40) else { return out.push_str(" [|ip6]") };
    out.push_str("IP6 ");
    let payload = usize::from(u16::from_be_bytes([octets[4], octets[5]]));
    let (mut next, mut text) = (octets[6], packet.after(40).first(payload));
    if printer.style.verbose {
        let flow = u32::from_be_bytes([octets[0], octets[1], octets[2], octets[3]]);
        out.push('(');
        if flow >> 20 & 0xff != 0 {
            let _ = write!(out, "class {:#04x}, ", flow >> 20 & 0xff);
        }
        if flow & 0xfffff != 0 {
            let _ = write!(out, "flowlabel {:#07x}, ", flow & 0xfffff);
        }
        let name = protocol_name(next).map_or_else(|| "unknown".to_owned(), str::to_owned);
        let _ = write!(out, "hlim {}, next-header {name} ({next}) payload length: {payload}) ", octets[7]);
    }
    let (source, destination) = (&octets[8..24], &octets[24..40]);
    let mut carrier = Carrier { source, destination, protocol: next, is_named: false, is_fragment: false };
    for _ in 0..EXTENSIONS_MAX {
        let len = match next {
            0 | 43 | 60 => text.u8(1).map(|len| usize::from(len) * 8 + 8),
            44 => Some(8),
            _ => break,
        };
        let (following, len) = (text.u8(0).unwrap_or_default(), len.unwrap_or(8));
        if !carrier.is_named {
            let _ = write!(out, "{}: ", carrier.addresses());
            carrier.is_named = true;
        }
        if text.octets.len() < len {
            let name = match next {
                0 => "hbhopt",
                60 => "dstopt",
                44 => "frag6",
                _ => "srcrt",
            };
            let _ = write!(out, " [|{name}]");
            return;
        }
        match next {
            0 => extension(printer, out, "HBH", text.first(len)),
            60 => extension(printer, out, "DSTOPT", text.first(len)),
            44 => {
                let offset = text.u16(2).map_or(0, |field| field & 0xfff8);
                let id = text.u32(4).filter(|_| printer.style.verbose);
                let id = id.map_or(String::new(), |id| format!("{id:#010x}:"));
                let len = text.len.saturating_sub(8);
                let _ = write!(out, "frag ({id}{offset}|{len})");
                if offset != 0 {
                    return;
                }
                out.push(' ');
                carrier.is_fragment = true;
            }
            _ => {}
        }
        (next, text) = (following, text.after(len));
    }
    carrier.protocol = next;
    transport(printer, out, carrier, text);
}

/// A header of options, which `-v` shows one by one.
fn extension(printer: &Printer, out: &mut String, name: &str, header: Text<'_>) {
    let _ = write!(out, "{name} ");
    let mut at = 2;
    while printer.style.verbose && at < header.len {
        let Some(kind) = header.u8(at) else { return };
        if kind == 0 {
            out.push_str("(pad1) ");
            at += 1;
            continue;
        }
        let Some(len) = header.u8(at + 1) else { return };
        let _ = match (kind, header.u16(at + 2), header.u32(at + 2)) {
            (1, ..) => write!(out, "(padn) "),
            (5, Some(value), _) => write!(out, "(rtalert: {value:#06x}) "),
            (0xc2, _, Some(value)) => write!(out, "(jumbo: {value}) "),
            _ => write!(out, "(opt_type {kind:#04x}: len={len}) "),
        };
        at += 2 + usize::from(len);
    }
}

fn transport(printer: &mut Printer, out: &mut String, carrier: Carrier<'_>, text: Text<'_>) {
    match carrier.protocol {
        6 => tcp::show(printer, out, carrier, text),
        17 => udp::show(printer, out, carrier, text),
        protocol => {
            if !carrier.is_named {
                let _ = write!(out, "{}: ", carrier.addresses());
            }
            match protocol {
                1 => icmp::v4(printer, out, text),
                58 => icmp::v6(printer, out, carrier, text),
                _ => {
                    let _ = write!(out, "ip-proto-{protocol} {}", text.len);
                }
            }
        }
    }
}
