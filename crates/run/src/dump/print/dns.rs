//! DNS messages: a line each, as tcpdump has it.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::Text;
use crate::summary::escape;

/// Labels of one name, and jumps between them.
const LABELS_MAX: usize = 128;

/// Records of an answer that are shown.
const RECORDS_MAX: usize = 64;

/// Shows the message, if it is one; what is cut off as far as it goes.
pub(super) fn show(out: &mut String, text: Text<'_>, verbose: bool) -> Option<()> {
    let mut line = String::new();
    if message(&mut line, text, verbose).is_none() {
        if text.is_whole() {
            return None;
        }
        line.push_str(" [|domain]");
    }
    out.push_str(&line);
    Some(())
}

/// `None` where it ends too early.
fn message(line: &mut String, text: Text<'_>, verbose: bool) -> Option<()> {
    let (id, flags) = (text.u16(0)?, text.u16(2)?);
    let (questions, answers, authorities, additional) =
        (text.u16(4)?, text.u16(6)?, text.u16(8)?, text.u16(10)?);
    line.push_str(&id.to_string());
    let mut at = 12;
    if flags & 0x8000 == 0 {
        line.push_str(if flags & 0x0100 != 0 { "+" } else { "" });
        line.push_str(if flags & 0x0010 != 0 { "%" } else { "" });
        for (count, name) in [(answers, "a"), (authorities, "n"), (additional, "au")] {
            if count > 0 {
                let _ = write!(line, " [{count}{name}]");
            }
        }
        if questions != 1 {
            let _ = write!(line, " [{questions}q]");
        }
        for _ in 0..usize::from(questions).min(RECORDS_MAX) {
            let (name, after) = name(text.octets, at)?;
            // Behind the type stands the class, which is not shown but must be there.
            let (number, _) = (text.u16(after)?, text.u16(after + 2)?);
            let _ = write!(line, " {}? {name}", kind(number));
            at = after + 4;
        }
    } else {
        line.push_str(match flags & 0x000f {
            0 => "",
            1 => " FormErr",
            2 => " ServFail",
            3 => " NXDomain",
            4 => " NotImp",
            5 => " Refused",
            _ => " Resp?",
        });
        for (flag, is_set, mark) in
            [(0x0400, true, "*"), (0x0080, false, "-"), (0x0200, true, "|"), (0x0020, true, "$")]
        {
            line.push_str(if (flags & flag != 0) == is_set { mark } else { "" });
        }
        if questions != 1 {
            let _ = write!(line, " [{questions}q]");
        }
        for _ in 0..usize::from(questions).min(RECORDS_MAX) {
            at = name(text.octets, at)?.1 + 4;
        }
        let _ = write!(line, " {answers}/{authorities}/{additional}");
        let are_there = records(line, text, at, answers, verbose).is_some();
        if !are_there && !text.is_whole() {
            return None;
        }
    }
    let _ = write!(line, " ({})", text.len);
    Some(())
}

/// The answers, as far as they can be read; `None` if that is not all.
fn records(line: &mut String, text: Text<'_>, mut at: usize, count: u16, verbose: bool) -> Option<()> {
    for index in 0..usize::from(count).min(RECORDS_MAX) {
        let (owner, after) = name(text.octets, at)?;
        let (number, len) = (text.u16(after)?, text.u16(after + 8)?);
        let start = after + 10;
        let end = start + usize::from(len);
        let value = text.octets.get(start..end)?;
        line.push_str(if index > 0 { "," } else { "" });
        if verbose {
            let _ = write!(line, " {owner}");
        }
        let _ = write!(line, " {}", kind(number));
        match number {
            1 => {
                if let Ok(four) = <[u8; 4]>::try_from(value) {
                    let _ = write!(line, " {}", Ipv4Addr::from(four));
                }
            }
            28 => {
                if let Ok(sixteen) = <[u8; 16]>::try_from(value) {
                    let _ = write!(line, " {}", Ipv6Addr::from(sixteen));
                }
            }
            2 | 5 | 12 => {
                if let Some((name, _)) = name(text.octets, start) {
                    let _ = write!(line, " {name}");
                }
            }
            _ => {}
        }
        at = end;
    }
    Some(())
}

fn kind(number: u16) -> String {
    match number {
        1 => "A",
        2 => "NS",
        5 => "CNAME",
        6 => "SOA",
        12 => "PTR",
        15 => "MX",
        16 => "TXT",
        28 => "AAAA",
        33 => "SRV",
        35 => "NAPTR",
        41 => "OPT",
        64 => "SVCB",
        65 => "HTTPS",
        255 => "ANY",
        other => return format!("Type{other}"),
    }
    .into()
}

/// A name that begins at an octet of the message, and the octet behind it. Jumps are followed, so many and no more.
pub(super) fn name(message: &[u8], start: usize) -> Option<(String, usize)> {
    let (mut name, mut at, mut after) = (String::new(), start, None);
    for _ in 0..LABELS_MAX {
        let len = *message.get(at)?;
        match len {
            0 => {
                name.push_str(if name.is_empty() { "." } else { "" });
                return Some((name, after.unwrap_or(at + 1)));
            }
            1..=63 => {
                let label = message.get(at + 1..at + 1 + usize::from(len))?;
                name.push_str(&escape(&String::from_utf8_lossy(label)));
                name.push('.');
                at += 1 + usize::from(len);
            }
            0xc0.. => {
                after = after.or(Some(at + 2));
                at = usize::from(len & 0x3f) << 8 | usize::from(*message.get(at + 1)?);
            }
            _ => return None,
        }
    }
    None
}
