//! The line of a TCP segment.

use core::fmt;

use super::ip::Upper;
use super::{hex, malformed};
use crate::tcp::kind::{AO, EXPERIMENT, FAST_OPEN, MD5, MSS, NO_OPERATION, SACK, SACK_PERMITTED, TIMESTAMPS};
use crate::tcp::kind::{USER_TIMEOUT, WINDOW_SCALE};
use crate::tcp::{self, Flags, Options, RawOption, RawOptions};

pub(super) fn line(f: &mut fmt::Formatter<'_>, upper: Upper<'_>) -> fmt::Result {
    let header = match tcp::Header::parse(upper.bytes) {
        Ok((header, _)) => header,
        Err(error) => {
            upper.addresses(f)?;
            return malformed(f, "tcp", error);
        }
    };
    upper.endpoints(f, header.src_port(), header.dst_port())?;
    let flags = header.flags();
    write!(f, "Flags [{flags}]")?;
    let Ok((_, options, _)) = tcp::split(upper.bytes) else { return f.write_str(" [|tcp]") };
    let text_len = upper.len - header.data_offset();
    if text_len > 0 {
        write!(f, ", seq {}:{}", header.seq(), header.seq() + u32::try_from(text_len).unwrap_or(u32::MAX))?;
    } else if flags.intersects(Flags::SYN | Flags::FIN | Flags::RST) {
        write!(f, ", seq {}", header.seq())?;
    }
    if flags.contains(Flags::ACK) {
        write!(f, ", ack {}", header.ack())?;
    }
    write!(f, ", win {}", header.window())?;
    if flags.contains(Flags::URG) {
        write!(f, ", urg {}", header.urgent())?;
    }
    if header.reserved() != 0 {
        write!(f, ", reserved {}", header.reserved())?;
    }
    if !options.is_empty() {
        f.write_str(", options [")?;
        list(f, options)?;
        f.write_str("]")?;
    }
    write!(f, ", length {text_len}")
}

fn list(f: &mut fmt::Formatter<'_>, options: &[u8]) -> fmt::Result {
    let mut separator = "";
    for item in RawOptions::new(options) {
        f.write_str(separator)?;
        separator = ",";
        match item {
            Ok(item) => option(f, item)?,
            Err(_) => f.write_str("[bad opt]")?,
        }
    }
    Ok(())
}

fn option(f: &mut fmt::Formatter<'_>, RawOption { kind, data }: RawOption<'_>) -> fmt::Result {
    // What the octets say is told from the parsed form, so that a line shows what the stack understands.
    let parsed = Options::read_one(RawOption { kind, data });
    match kind {
        NO_OPERATION => f.write_str("nop"),
        MSS => match data {
            &[high, low] => write!(f, "mss {}", u16::from_be_bytes([high, low])),
            _ => unreadable(f, "mss", data),
        },
        WINDOW_SCALE => match parsed.window_scale {
            Some(shift) => write!(f, "wscale {shift}"),
            None => unreadable(f, "wscale", data),
        },
        SACK_PERMITTED if parsed.sack_permitted => f.write_str("sackOK"),
        SACK_PERMITTED => unreadable(f, "sackOK", data),
        SACK if parsed.sack.is_empty() => unreadable(f, "sack", data),
        SACK => {
            write!(f, "sack {} ", parsed.sack.len())?;
            parsed.sack.iter().try_for_each(|(left, right)| write!(f, "{{{left}:{right}}}"))
        }
        TIMESTAMPS => match parsed.timestamps {
            Some(timestamps) => write!(f, "TS val {} ecr {}", timestamps.value, timestamps.echo),
            None => unreadable(f, "TS", data),
        },
        FAST_OPEN | EXPERIMENT if parsed.fast_open.is_some() => {
            let fast_open = parsed.fast_open.unwrap_or_default();
            f.write_str(if fast_open.is_experimental() { "exp-tfo cookie" } else { "tfo cookie" })?;
            if fast_open.is_request() {
                return f.write_str("req");
            }
            f.write_str(" ")?;
            hex(f, fast_open.as_bytes())
        }
        FAST_OPEN => unreadable(f, "tfo", data),
        USER_TIMEOUT => match parsed.user_timeout {
            Some(timeout) if timeout & 0x8000 != 0 => write!(f, "uto {}m", timeout & 0x7fff),
            Some(timeout) => write!(f, "uto {timeout}s"),
            None => unreadable(f, "uto", data),
        },
        MD5 if parsed.md5 => f.write_str("md5"),
        MD5 => unreadable(f, "md5", data),
        AO if parsed.ao => f.write_str("ao"),
        AO => unreadable(f, "ao", data),
        kind => {
            write!(f, "unknown-{kind}")?;
            if data.is_empty() {
                return Ok(());
            }
            f.write_str(" 0x")?;
            hex(f, data)
        }
    }
}

fn unreadable(f: &mut fmt::Formatter<'_>, name: &str, data: &[u8]) -> fmt::Result {
    write!(f, "{name} [bad opt len {}]", data.len() + 2)
}
