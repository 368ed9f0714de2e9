//! Neighbour discovery (RFC 4861) with its options, as `-v` shows it, and reports of groups (RFC 3810).

use std::fmt::Write as _;

use super::ip::Carrier;
use super::{Text, hexadecimal};

/// What an option that ends too early, or is none, is shown as.
pub(super) const CUT: &str = " [|icmp6]";

/// A message of neighbour discovery, of type 133 to 137, with its length: with `verbose` in front of its details.
pub(super) fn show(out: &mut String, kind: u8, message: Text<'_>, verbose: bool) {
    let names = [
        "router solicitation",
        "router advertisement",
        "neighbor solicitation",
        "neighbor advertisement",
        "redirect",
    ];
    out.push_str(names[usize::from(kind.clamp(133, 137) - 133)]);
    if verbose {
        let _ = write!(out, ", length {}", message.len);
    }
    let address = |at: usize| message.octets.get(at..at + 16).map(Carrier::name);
    let options_at = match (kind, address(8), address(24)) {
        (133, ..) => 8,
        (134, ..) => {
            if verbose {
                advertisement(out, message);
            }
            16
        }
        (135, Some(target), _) => {
            let _ = write!(out, ", who has {target}");
            24
        }
        (136, Some(target), _) => {
            let _ = write!(out, ", tgt is {target}");
            if verbose {
                let flags = message.u8(4).unwrap_or_default();
                let names = [(0x80, "router"), (0x40, "solicited"), (0x20, "override")];
                let _ = write!(out, ", Flags [{}]", flag_names(flags, &names));
            }
            24
        }
        (137, Some(target), Some(destination)) => {
            let _ = write!(out, ", {destination} to {target}");
            40
        }
        _ => return out.push_str(CUT),
    };
    if verbose {
        options(out, message, options_at);
    } else {
        let _ = write!(out, ", length {}", message.len);
    }
}

/// A router's own words, behind the type and length of its advertisement.
fn advertisement(out: &mut String, message: Text<'_>) {
    let (Some(limit), Some(flags), Some(lifetime)) = (message.u8(4), message.u8(5), message.u16(6)) else {
        return out.push_str(CUT);
    };
    let (Some(reachable), Some(retrans)) = (message.u32(8), message.u32(12)) else {
        return out.push_str(CUT);
    };
    let names = [(0x80, "managed"), (0x40, "other stateful"), (0x20, "home agent"), (0x02, "ipv6 only")];
    let _ = write!(
        out,
        "\n\thop limit {limit}, Flags [{}], pref {}, router lifetime {lifetime}s, reachable time {reachable}ms, \
         retrans timer {retrans}ms",
        flag_names(flags, &names),
        preference(flags),
    );
}

/// The names of flags that are set.
fn flag_names(flags: u8, names: &[(u8, &str)]) -> String {
    let set: Vec<&str> = names.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, name)| *name).collect();
    if set.is_empty() { "none".into() } else { set.join(", ") }
}

/// RFC 4191 §2.1.
fn preference(flags: u8) -> &'static str {
    match flags & 0x18 {
        0 => "medium",
        0x08 => "high",
        0x18 => "low",
        _ => "reserved",
    }
}

/// The options from an octet of the message on, a line each.
fn options(out: &mut String, message: Text<'_>, at: usize) {
    let mut rest = message.after(at);
    while rest.len > 0 {
        let (Some(kind), Some(units)) = (rest.u8(0), rest.u8(1)) else { return out.push_str(CUT) };
        let len = usize::from(units) * 8;
        let octets = match rest.octets.get(..len) {
            Some(octets) if len > 0 => octets,
            _ => return out.push_str(CUT),
        };
        let _ = write!(out, "\n\t  {} option ({kind}), length {len} ({units}): ", option_name(kind));
        if option(out, kind, Text { octets, len }).is_none() {
            return out.push_str(CUT);
        }
        rest = rest.after(len);
    }
}

fn option_name(kind: u8) -> &'static str {
    match kind {
        1 => "source link-address",
        2 => "destination link-address",
        3 => "prefix info",
        4 => "redirected header",
        5 => "mtu",
        7 => "advertisement interval",
        8 => "homeagent information",
        24 => "route info",
        25 => "rdnss",
        31 => "dnssl",
        _ => "unknown",
    }
}

/// What one option says; `None` if it has no room for that.
fn option(out: &mut String, kind: u8, option: Text<'_>) -> Option<()> {
    match kind {
        1 | 2 => {
            let station: Vec<String> =
                option.octets.get(2..)?.iter().map(|octet| format!("{octet:02x}")).collect();
            out.push_str(&station.join(":"));
        }
        3 => {
            let prefix = Carrier::name(option.octets.get(16..32)?);
            let names = [(0x80, "onlink"), (0x40, "auto"), (0x20, "router")];
            let _ = write!(
                out,
                "{prefix}/{}, Flags [{}], valid time {}, pref. time {}",
                option.u8(2)?,
                flag_names(option.u8(3)?, &names),
                seconds(option.u32(4)?),
                seconds(option.u32(8)?),
            );
        }
        4 => hexadecimal(out, "\n\t    ", option.octets),
        5 => drop(write!(out, " {}", option.u32(4)?)),
        7 => drop(write!(out, " {}ms", option.u32(4)?)),
        8 => drop(write!(out, " preference {}, lifetime {}", option.u16(4)?, option.u16(6)?)),
        24 => {
            // The prefix is as long as the option has room for.
            let mut prefix = [0; 16];
            let there = option.octets.get(8..)?;
            prefix.get_mut(..there.len())?.copy_from_slice(there);
            let (bits, flags) = (option.u8(2)?, option.u8(3)?);
            let lifetime = seconds(option.u32(4)?);
            let name = Carrier::name(&prefix);
            let _ = write!(out, " {name}/{bits}, pref={}, lifetime={lifetime}", preference(flags));
        }
        25 => {
            let _ = write!(out, " lifetime {}s,", option.u32(4)?);
            for server in option.octets.get(8..)?.chunks_exact(16) {
                let _ = write!(out, " addr: {}", Carrier::name(server));
            }
        }
        31 => {
            let _ = write!(out, " lifetime {}s, domain(s):", option.u32(4)?);
            let mut at = 8;
            while option.u8(at).is_some_and(|len| len > 0) {
                let (name, after) = super::dns::name(option.octets, at)?;
                let _ = write!(out, " {name}");
                at = after;
            }
        }
        _ => hexadecimal(out, "\n\t  ", option.octets.get(2..)?),
    }
    Some(())
}

fn seconds(count: u32) -> String {
    if count == u32::MAX { "infinity".into() } else { format!("{count}s") }
}

/// The records of a report of groups, behind how many there are.
pub(super) fn groups(out: &mut String, message: Text<'_>) {
    let mut rest = message.after(8);
    for _ in 0..message.u16(6).unwrap_or_default() {
        let (Some(kind), Some(extra), Some(sources)) = (rest.u8(0), rest.u8(1), rest.u16(2)) else {
            return out.push_str(CUT);
        };
        let Some(group) = rest.octets.get(4..20) else { return out.push_str(CUT) };
        let kind = match kind {
            1 => "is_in",
            2 => "is_ex",
            3 => "to_in",
            4 => "to_ex",
            5 => "allow",
            6 => "block",
            _ => "unknown",
        };
        let _ = write!(out, " [gaddr {} {kind}, {sources} source(s)]", Carrier::name(group));
        rest = rest.after(20 + usize::from(sources) * 16 + usize::from(extra) * 4);
    }
}
