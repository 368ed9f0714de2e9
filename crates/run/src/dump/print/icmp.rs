//! ICMP and ICMPv6 messages.

use std::fmt::Write as _;

use super::ip::{self, Carrier};
use super::{Printer, Text, hexadecimal, neighbour};

/// Errors within errors that are shown; each is quoted in the one before.
const QUOTES_MAX: u8 = 4;

/// Writes to a text, which does not fail.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

pub(super) fn v4(printer: &mut Printer, out: &mut String, message: Text<'_>) {
    let (Some(kind), Some(said)) = (message.u8(0), v4_said(message)) else { return out.push_str(" [|icmp]") };
    let _ = write!(out, "ICMP {said}, length {}", message.len);
    if !printer.style.verbose {
        return;
    }
    let wrong = ip::fold(ip::sum(message.octets));
    if message.is_whole() && wrong != 0xffff {
        let found = message.u16(2).unwrap_or_default();
        let right = !ip::fold(ip::sum(message.octets) - u64::from(found));
        let _ = write!(out, " (wrong icmp cksum {found:x} (->{right:x})!)");
    }
    if matches!(kind, 3 | 4 | 5 | 11 | 12) && printer.quoted_in < QUOTES_MAX {
        out.push_str("\n\t");
        printer.quoted_in += 1;
        ip::v4(printer, out, message.after(8));
        printer.quoted_in -= 1;
    }
}

/// What a message says; `None` if it is cut off.
fn v4_said(message: Text<'_>) -> Option<String> {
    let (kind, code) = (message.u8(0)?, message.u8(1)?);
    let quoted = message.after(8);
    let destination = || quoted.octets.get(16..20).map(Carrier::name);
    Some(match (kind, code) {
        (0 | 8, _) => {
            let word = if kind == 8 { "request" } else { "reply" };
            format!("echo {word}, id {}, seq {}", message.u16(4)?, message.u16(6)?)
        }
        (3, 0) => format!("net {} unreachable", destination()?),
        (3, 1) => format!("host {} unreachable", destination()?),
        (3, 2) => format!("{} protocol {} unreachable", destination()?, quoted.u8(9)?),
        (3, 3) => {
            let header = usize::from(quoted.u8(0)? & 0x0f) * 4;
            let (destination, port) = (destination()?, quoted.u16(header + 2)?);
            match quoted.u8(9)? {
                6 => format!("{destination} tcp port {port} unreachable"),
                17 => format!("{destination} udp port {port} unreachable"),
                other => format!("{destination} protocol {other} port {port} unreachable"),
            }
        }
        (3, 4) => match message.u16(6)? {
            0 => format!("{} unreachable - need to frag", destination()?),
            mtu => format!("{} unreachable - need to frag (mtu {mtu})", destination()?),
        },
        (3, 13) => format!("host {} unreachable - admin prohibited filter", destination()?),
        (3, 10) => format!("host {} unreachable - admin prohibited", destination()?),
        (3, _) => format!("{} unreachable - #{code}", destination()?),
        (5, 0..=3) => {
            let gateway = Carrier::name(message.octets.get(4..8)?);
            let (service, end) = (if code > 1 { "-tos" } else { "" }, ["net", "host"][usize::from(code & 1)]);
            format!("redirect{service} {} to {end} {gateway}", destination()?)
        }
        // The packet that it is about must be there to be of use.
        (11, 0) => destination().map(|_| "time exceeded in-transit".into())?,
        (11, 1) => destination().map(|_| "ip reassembly time exceeded".into())?,
        _ => format!("type-#{kind}"),
    })
}

pub(super) fn v6(printer: &Printer, out: &mut String, carrier: Carrier<'_>, message: Text<'_>) {
    let Some(kind) = message.u8(0) else { return out.push_str(neighbour::CUT) };
    let verbose = printer.style.verbose;
    if verbose && message.is_whole() && !carrier.is_fragment {
        checksum(out, carrier, message);
    }
    out.push_str("ICMP6, ");
    if matches!(kind, 133..=137) {
        neighbour::show(out, kind, message, verbose);
        return;
    }
    let Some(is_known) = v6_other(out, kind, message, verbose) else { return out.push_str(neighbour::CUT) };
    if !(verbose && is_known) {
        put(out, format_args!(", length {}", message.len));
    }
    if !is_known {
        hexadecimal(out, "\n\t", message.octets);
    }
}

/// What is no neighbour discovery, and whether it is known; `None` if it is cut off, behind what could be said.
fn v6_other(out: &mut String, kind: u8, message: Text<'_>, verbose: bool) -> Option<bool> {
    let code = message.u8(1)?;
    let quoted = message.after(8);
    let destination = || quoted.octets.get(24..40).map(Carrier::name);
    match kind {
        1 => {
            out.push_str("destination unreachable, ");
            match code {
                0 | 1 | 3 => {
                    let what = ["unreachable route", "unreachable prohibited", "", "unreachable address"];
                    out.push_str(what[usize::from(code)]);
                    put(out, format_args!(" {}", destination()?));
                }
                2 => out.push_str("beyond scope"),
                4 => {
                    out.push_str("unreachable port");
                    let protocol = match quoted.u8(6)? {
                        6 => "tcp",
                        17 => "udp",
                        _ => "protocol",
                    };
                    let port = quoted.u16(42)?;
                    put(out, format_args!(", {} {protocol} port {port}", destination()?));
                }
                code => put(out, format_args!("unknown unreach code ({code})")),
            }
        }
        2 => {
            out.push_str("packet too big");
            put(out, format_args!(", mtu {}", message.u32(4)?));
        }
        3 if code == 0 => {
            out.push_str("time exceeded in-transit");
            put(out, format_args!(" for {}", destination()?));
        }
        3 => out.push_str("ip6 reassembly time exceeded"),
        4 => {
            out.push_str("parameter problem");
            // The packet that it is about must be there to be of use.
            destination()?;
            match ["erroneous", "next header", "option"].get(usize::from(code)) {
                Some(what) => put(out, format_args!(", {what} - octet {}", message.u32(4)?)),
                None => put(out, format_args!(", code-#{code}")),
            }
        }
        128 | 129 => {
            out.push_str(if kind == 128 { "echo request" } else { "echo reply" });
            put(out, format_args!(", id {}, seq {}", message.u16(4)?, message.u16(6)?));
        }
        130..=132 => {
            let what = ["query", "report", "done"][usize::from(kind - 130)];
            put(out, format_args!("multicast listener {what}"));
            // tcpdump has no space there, and says nothing of one that is cut off.
            if let (Some(delay), Some(group)) = (message.u16(4), message.octets.get(8..24)) {
                put(out, format_args!("max resp delay: {delay} addr: {}", Carrier::name(group)));
            }
        }
        143 => {
            out.push_str("multicast listener report v2");
            put(out, format_args!(", {} group record(s)", message.u16(6)?));
            if verbose {
                neighbour::groups(out, message);
            }
        }
        _ => {
            put(out, format_args!("unknown icmp6 type ({kind})"));
            return Some(false);
        }
    }
    Some(true)
}

fn checksum(out: &mut String, carrier: Carrier<'_>, message: Text<'_>) {
    if carrier.checksum(message) == 0 {
        return out.push_str("[icmp6 sum ok] ");
    }
    let found = message.u16(2).unwrap_or_default();
    let mut blank = message.octets.to_vec();
    if let Some(field) = blank.get_mut(2..4) {
        field.fill(0);
    }
    let right = carrier.checksum(Text { octets: &blank, len: message.len });
    let _ = write!(out, "[bad icmp6 cksum {found:#06x} -> {right:#06x}!] ");
}
