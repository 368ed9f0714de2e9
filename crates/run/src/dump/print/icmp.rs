//! ICMP and ICMPv6 messages.

use std::fmt::Write as _;

use super::Text;
use super::ip::Carrier;

/// Writes to a text, which does not fail.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

pub(super) fn v4(out: &mut String, message: Text<'_>) {
    let (Some(kind), Some(code)) = (message.u8(0), message.u8(1)) else { return out.push_str("[|icmp]") };
    out.push_str("ICMP ");
    let quoted = message.after(8);
    let destination = quoted.octets.get(16..20).map(Carrier::name).unwrap_or_else(|| "?".into());
    let echo = |out: &mut String, word: &str| {
        let _ = write!(
            out,
            "echo {word}, id {}, seq {}",
            message.u16(4).unwrap_or_default(),
            message.u16(6).unwrap_or_default()
        );
    };
    match (kind, code) {
        (0, _) => echo(out, "reply"),
        (8, _) => echo(out, "request"),
        (3, 0) => put(out, format_args!("net {destination} unreachable")),
        (3, 1) => put(out, format_args!("host {destination} unreachable")),
        (3, 2) => {
            let _ = write!(out, "{destination} protocol {} unreachable", quoted.u8(9).unwrap_or_default());
        }
        (3, 3) => {
            let header = usize::from(quoted.u8(0).unwrap_or_default() & 0x0f) * 4;
            let port = quoted.u16(header + 2).unwrap_or_default();
            match quoted.u8(9) {
                Some(6) => put(out, format_args!("{destination} tcp port {port} unreachable")),
                Some(17) => put(out, format_args!("{destination} udp port {port} unreachable")),
                other => {
                    let other = other.unwrap_or_default();
                    let _ = write!(out, "{destination} protocol {other} port {port} unreachable");
                }
            }
        }
        (3, 4) => match message.u16(6) {
            Some(mtu @ 1..) => put(out, format_args!("{destination} unreachable - need to frag (mtu {mtu})")),
            _ => put(out, format_args!("{destination} unreachable - need to frag")),
        },
        (3, 13) => put(out, format_args!("host {destination} unreachable - admin prohibited filter")),
        (3, 10) => put(out, format_args!("host {destination} unreachable - admin prohibited")),
        (3, _) => put(out, format_args!("{destination} unreachable - #{code}")),
        (11, 0) => out.push_str("time exceeded in-transit"),
        (11, 1) => out.push_str("ip reassembly time exceeded"),
        _ => put(out, format_args!("type-#{kind}")),
    }
    let _ = write!(out, ", length {}", message.len);
}

pub(super) fn v6(out: &mut String, message: Text<'_>) {
    let (Some(kind), Some(code)) = (message.u8(0), message.u8(1)) else { return out.push_str("[|icmp6]") };
    out.push_str("ICMP6, ");
    let address =
        |at: usize| message.octets.get(at..at + 16).map(Carrier::name).unwrap_or_else(|| "?".into());
    let quoted = message.after(8);
    let destination = || quoted.octets.get(24..40).map(Carrier::name).unwrap_or_else(|| "?".into());
    if matches!(kind, 135 | 136) && message.octets.len() < 24 {
        let word = if kind == 135 { "solicitation" } else { "advertisement" };
        return put(out, format_args!("neighbor {word} [|icmp6]"));
    }
    match kind {
        1 => {
            let why = match code {
                0 => format!("unreachable route {}", destination()),
                1 => format!("unreachable prohibited {}", destination()),
                2 => "beyond scope".to_owned(),
                3 => format!("unreachable address {}", destination()),
                4 => {
                    let port = quoted.u16(42).unwrap_or_default();
                    let protocol = match quoted.u8(6) {
                        Some(6) => "tcp",
                        Some(17) => "udp",
                        _ => "protocol",
                    };
                    format!("unreachable port, {} {protocol} port {port}", destination())
                }
                code => format!("unknown unreach code ({code})"),
            };
            let _ = write!(out, "destination unreachable, {why}");
        }
        2 => put(out, format_args!("packet too big, mtu {}", message.u32(4).unwrap_or_default())),
        3 if code == 0 => put(out, format_args!("time exceeded in-transit for {}", destination())),
        3 => out.push_str("ip6 reassembly time exceeded"),
        128 | 129 => {
            let word = if kind == 128 { "request" } else { "reply" };
            let _ = write!(
                out,
                "echo {word}, id {}, seq {}",
                message.u16(4).unwrap_or_default(),
                message.u16(6).unwrap_or_default()
            );
        }
        133 => out.push_str("router solicitation"),
        134 => out.push_str("router advertisement"),
        135 => put(out, format_args!("neighbor solicitation, who has {}", address(8))),
        136 => put(out, format_args!("neighbor advertisement, tgt is {}", address(8))),
        137 => put(out, format_args!("redirect, {} to {}", address(24), address(8))),
        143 => {
            let _ = write!(
                out,
                "multicast listener report v2, {} group record(s)",
                message.u16(6).unwrap_or_default()
            );
        }
        _ => put(out, format_args!("unknown icmp6 type ({kind})")),
    }
    let _ = write!(out, ", length {}", message.len);
}
