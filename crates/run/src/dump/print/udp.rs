//! UDP datagrams.

use std::fmt::Write as _;

use super::ip::Carrier;
use super::{Printer, Text, dns};

pub(super) const DNS_PORT: u16 = 53;
const MDNS_PORT: u16 = 5353;

pub(super) fn show(printer: &mut Printer, out: &mut String, carrier: Carrier<'_>, datagram: Text<'_>) {
    let (Some(from), Some(to)) = (datagram.u16(0), datagram.u16(2)) else {
        let _ = write!(out, "{}:  [|udp]", carrier.addresses());
        return;
    };
    let _ = write!(out, "{}: ", carrier.ends(&printer.port(from, "udp"), &printer.port(to, "udp")));
    let Some(len) = datagram.u16(4).filter(|_| datagram.octets.len() >= 8) else {
        return out.push_str(" [|udp]");
    };
    let len = usize::from(len).saturating_sub(8);
    let text = datagram.after(8).first(len);
    // As tcpdump: only where IP has no checksum of its own.
    let is_whole = !carrier.is_fragment && datagram.is_whole();
    if printer.style.verbose && is_whole && carrier.source.len() == 16 {
        checksum(out, carrier, datagram);
    }
    let is_dns = [from, to].iter().any(|port| matches!(*port, DNS_PORT | MDNS_PORT));
    if is_dns && dns::show(out, text, printer.style.verbose).is_some() {
        return;
    }
    let _ = write!(out, "UDP, length {len}");
}

fn checksum(out: &mut String, carrier: Carrier<'_>, datagram: Text<'_>) {
    match datagram.u16(6) {
        // RFC 8200 §8.1: over IPv6 none is wrong.
        Some(1..) if carrier.checksum(datagram) == 0 => out.push_str("[udp sum ok] "),
        Some(found) => {
            let mut blank = datagram.octets.to_vec();
            if let Some(field) = blank.get_mut(6..8) {
                field.fill(0);
            }
            let right = carrier.checksum(Text { octets: &blank, len: datagram.len });
            let _ = write!(out, "[bad udp cksum {found:#06x} -> {right:#06x}!] ");
        }
        None => {}
    }
}
