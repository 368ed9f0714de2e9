//! UDP datagrams.

use std::fmt::Write as _;

use super::ip::Carrier;
use super::{Printer, Text, dns};

const DNS_PORT: u16 = 53;
const MDNS_PORT: u16 = 5353;

pub(super) fn show(printer: &mut Printer, out: &mut String, carrier: Carrier<'_>, datagram: Text<'_>) {
    let (Some(from), Some(to)) = (datagram.u16(0), datagram.u16(2)) else {
        let _ = write!(out, "{}: [|udp]", carrier.addresses());
        return;
    };
    let _ = write!(out, "{}: ", carrier.ends(&printer.port(from, "udp"), &printer.port(to, "udp")));
    let len = datagram.u16(4).map_or(0, usize::from).saturating_sub(8);
    let text = datagram.after(8).first(len);
    let is_dns = [from, to].iter().any(|port| matches!(*port, DNS_PORT | MDNS_PORT));
    if is_dns && dns::show(out, text, printer.style.verbose).is_some() {
        return;
    }
    // As tcpdump: only where IP has no checksum of its own.
    let is_whole = !carrier.is_named && datagram.is_whole();
    if printer.style.verbose && is_whole && carrier.source.len() == 16 {
        checksum(out, carrier, datagram);
    }
    let _ = write!(out, "UDP, length {len}");
}

fn checksum(out: &mut String, carrier: Carrier<'_>, datagram: Text<'_>) {
    match datagram.u16(6) {
        Some(0) => out.push_str("[no cksum] "),
        Some(_) if carrier.checksum(datagram) == 0 => out.push_str("[udp sum ok] "),
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
