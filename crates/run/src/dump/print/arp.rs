//! ARP for IPv4 over Ethernet.

use std::fmt::Write as _;

use super::Text;
use super::ip::Carrier;

/// What an ARP packet for IPv4 over Ethernet begins with: hardware, protocol, the lengths of both addresses.
const IPV4_OVER_ETHERNET: [u8; 6] = [0, 1, 8, 0, 6, 4];

/// Writes to a text, which does not fail.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

pub(super) fn show(out: &mut String, packet: Text<'_>, verbose: bool) {
    let Some(octets) = packet.octets.get(..28) else { return out.push_str(" [|arp]") };
    out.push_str("ARP, ");
    if octets[..6] != IPV4_OVER_ETHERNET {
        let _ = write!(out, "Unknown Hardware or Protocol, length {}", packet.len);
        return;
    }
    if verbose {
        out.push_str("Ethernet (len 6), IPv4 (len 4), ");
    }
    let (sender, target) = (&octets[14..18], &octets[24..28]);
    let station: Vec<String> = octets[8..14].iter().map(|octet| format!("{octet:02x}")).collect();
    let (sender_name, target_name) = (Carrier::name(sender), Carrier::name(target));
    match u16::from_be_bytes([octets[6], octets[7]]) {
        1 => put(out, format_args!("Request who-has {target_name} tell {sender_name}")),
        2 => put(out, format_args!("Reply {sender_name} is-at {}", station.join(":"))),
        other => put(out, format_args!("op {other}")),
    }
    let _ = write!(out, ", length {}", packet.len);
}
