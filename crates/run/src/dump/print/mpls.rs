//! MPLS labels (RFC 3032) and the packet behind them.

use std::fmt::Write as _;

use super::{Printer, Text, ip};

/// Labels of one packet that are shown.
const LABELS_MAX: usize = 32;

pub(super) fn show(printer: &mut Printer, out: &mut String, packet: Text<'_>) {
    out.push_str("MPLS");
    let between = if printer.style.verbose { "\n\t" } else { " " };
    let mut rest = packet;
    for number in 0..LABELS_MAX {
        let Some(entry) = rest.u32(0) else { return out.push_str(" [|mpls]") };
        let is_last = entry & 0x100 != 0;
        out.push_str(if number == 0 { " " } else { between });
        let (label, class, limit) = (entry >> 12, entry >> 9 & 7, entry & 0xff);
        let bottom = if is_last { "[S], " } else { "" };
        let _ = write!(out, "({}, tc {class}, {bottom}ttl {limit})", label_name(label));
        rest = rest.after(4);
        if is_last {
            break;
        }
    }
    // Nothing says what follows; by custom it is IP.
    match rest.u8(0).map(|octet| octet >> 4) {
        Some(4) => {
            out.push_str(between);
            ip::v4(printer, out, rest);
        }
        Some(6) => {
            out.push_str(between);
            ip::v6(printer, out, rest);
        }
        _ => {}
    }
}

fn label_name(label: u32) -> String {
    let name = match label {
        0 => " (IPv4 explicit NULL)",
        1 => " (router alert)",
        2 => " (IPv6 explicit NULL)",
        3 => " (implicit NULL)",
        _ => "",
    };
    format!("label {label}{name}")
}
