//! TCP segments.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::ip::Carrier;
use super::{Printer, Text, dns};

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;
const URG: u8 = 0x20;

/// Flags in the order in which they are shown.
const FLAGS: [(u8, char); 8] =
    [(FIN, 'F'), (SYN, 'S'), (RST, 'R'), (0x08, 'P'), (ACK, '.'), (URG, 'U'), (0x40, 'E'), (0x80, 'W')];

/// Connections whose first numbers are kept; then all are forgotten.
const CONVERSATIONS_MAX: usize = 65_536;

/// Ports whose text begins with a line of HTTP.
const HTTP_PORTS: [u16; 3] = [80, 8080, 3128];

/// The longest line of text that is shown.
const LINE_MAX: usize = 200;

/// The first numbers of connections, by the end whose address is the smaller one.
#[derive(Debug, Default)]
pub(super) struct Conversations(HashMap<Key, First>);

type Key = (Vec<u8>, u16, Vec<u8>, u16);

/// One less than each side's first number.
#[derive(Clone, Copy, Debug)]
struct First {
    /// Of the side that the key has first.
    seq: u32,
    ack: u32,
}

/// Numbers as they are shown.
struct Numbers {
    seq: u32,
    ack: u32,
    /// What is taken off the numbers of the other side.
    peers_first: u32,
}

impl Conversations {
    /// Numbers as they are shown: counted from the connection's start, once it is known.
    fn relative(
        &mut self,
        carrier: Carrier<'_>,
        ports: (u16, u16),
        flags: u8,
        seq: u32,
        ack: u32,
    ) -> Numbers {
        let absolute = Numbers { seq, ack, peers_first: 0 };
        if flags & ACK == 0 {
            return absolute;
        }
        let (a, b) = ((carrier.source, ports.0), (carrier.destination, ports.1));
        let is_reverse = a > b;
        let (a, b) = if is_reverse { (b, a) } else { (a, b) };
        let key = (a.0.to_vec(), a.1, b.0.to_vec(), b.1);
        if self.0.len() >= CONVERSATIONS_MAX {
            self.0.clear();
        }
        match self.0.get(&key) {
            Some(first) if flags & SYN == 0 => {
                let First { seq: own, ack: other } = *first;
                let (own, other) = if is_reverse { (other, own) } else { (own, other) };
                Numbers { seq: seq.wrapping_sub(own), ack: ack.wrapping_sub(other), peers_first: other }
            }
            _ => {
                let before = ack.wrapping_sub(1);
                let first =
                    if is_reverse { First { seq: before, ack: seq } } else { First { seq, ack: before } };
                self.0.insert(key, first);
                absolute
            }
        }
    }
}

pub(super) fn show(printer: &mut Printer, out: &mut String, carrier: Carrier<'_>, segment: Text<'_>) {
    let (Some(from), Some(to)) = (segment.u16(0), segment.u16(2)) else {
        let _ = write!(out, "{}: [|tcp]", carrier.addresses());
        return;
    };
    let _ = write!(out, "{}: ", carrier.ends(&printer.port(from, "tcp"), &printer.port(to, "tcp")));
    let (Some(seq), Some(ack), Some(offset), Some(flags), Some(window), Some(urgent)) =
        (segment.u32(4), segment.u32(8), segment.u8(12), segment.u8(13), segment.u16(14), segment.u16(18))
    else {
        return out.push_str(" [|tcp]");
    };
    let header = usize::from(offset >> 4) * 4;
    let len = segment.len.saturating_sub(header);
    let letters: String = FLAGS.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, c)| *c).collect();
    let _ = write!(out, "Flags [{}]", if letters.is_empty() { "none" } else { &letters });
    if header < 20 {
        let _ = write!(out, " [bad hdr length {header} - too short, < 20]");
        return;
    }
    let Numbers { seq, ack, peers_first } =
        printer.conversations.relative(carrier, (from, to), flags, seq, ack);
    if printer.style.verbose && segment.is_whole() {
        checksum(out, carrier, segment);
    }
    if len > 0 || flags & (SYN | FIN | RST) != 0 {
        let _ = write!(out, ", seq {seq}");
        if len > 0 {
            let _ = write!(out, ":{}", seq.wrapping_add(u32::try_from(len).unwrap_or(0)));
        }
    }
    if flags & ACK != 0 {
        let _ = write!(out, ", ack {ack}");
    }
    let _ = write!(out, ", win {window}");
    if flags & URG != 0 {
        let _ = write!(out, ", urg {urgent}");
    }
    if header > 20 {
        let there = segment.octets.get(20..header.min(segment.octets.len())).unwrap_or_default();
        out.push_str(", options [");
        if options(out, there, header - 20, peers_first).is_none() {
            return;
        }
        out.push(']');
    }
    let _ = write!(out, ", length {len}");
    let text = segment.octets.get(header..).unwrap_or_default();
    if text.len() > 2 && [from, to].contains(&super::udp::DNS_PORT) {
        out.push(' ');
        // Behind the message's length. A message that goes on in other segments is shown as far as it goes.
        if dns::show(out, segment.after(header + 2), printer.style.verbose).is_some() {
            return;
        }
    }
    if !text.is_empty() && HTTP_PORTS.iter().any(|port| [from, to].contains(port)) {
        http(out, text, printer.style.verbose);
    }
}

fn checksum(out: &mut String, carrier: Carrier<'_>, segment: Text<'_>) {
    let found = segment.u16(16).unwrap_or_default();
    let wrong = carrier.checksum(segment);
    if wrong == 0 {
        let _ = write!(out, ", cksum {found:#06x} (correct)");
    } else {
        let mut blank = segment.octets.to_vec();
        if let Some(field) = blank.get_mut(16..18) {
            field.fill(0);
        }
        let right = carrier.checksum(Text { octets: &blank, len: segment.len });
        let _ = write!(out, ", cksum {found:#06x} (incorrect -> {right:#06x})");
    }
}

/// The options with commas between them; `None` if they are cut off, which is said.
fn options(out: &mut String, octets: &[u8], len: usize, peers_first: u32) -> Option<()> {
    let mut at = 0;
    while at < len {
        out.push_str(if at > 0 { "," } else { "" });
        let rest = octets.get(at..).unwrap_or_default();
        let kind = rest.first().copied();
        if let Some(kind @ 0..=1) = kind {
            out.push_str(if kind == 0 { "eol" } else { "nop" });
            at += 1;
            if kind == 0 {
                break;
            }
            continue;
        }
        let size = rest.get(1).map(|size| usize::from(*size));
        if size.is_some_and(|size| size < 2 || size > len - at) {
            out.push_str("[bad opt]");
            break;
        }
        let Some((kind, value)) = kind.zip(size.and_then(|size| rest.get(2..size))) else {
            // tcpdump names what it has begun to read.
            out.push_str(match (kind, size) {
                (Some(2), Some(_)) => "mss [|tcp]",
                (Some(3), Some(_)) => "wscale [|tcp]",
                (Some(8), Some(_)) => "TS [|tcp]>",
                _ => " [|tcp]",
            });
            return None;
        };
        out.push_str(&option(kind, value, peers_first));
        at += 2 + value.len();
    }
    Some(())
}

fn option(kind: u8, value: &[u8], peers_first: u32) -> String {
    let u16_at =
        |at: usize| value.get(at..).and_then(|rest| rest.first_chunk()).map(|two| u16::from_be_bytes(*two));
    let u32_at =
        |at: usize| value.get(at..).and_then(|rest| rest.first_chunk()).map(|four| u32::from_be_bytes(*four));
    match (kind, value.len()) {
        (2, 2) => format!("mss {}", u16_at(0).unwrap_or_default()),
        (3, 1) => format!("wscale {}", value[0]),
        (4, 0) => "sackOK".into(),
        (5, 8 | 16 | 24 | 32) => {
            let blocks = value.chunks(8).map(|block| {
                let edge = |at: usize| {
                    block
                        .get(at..)
                        .and_then(|rest| rest.first_chunk())
                        .map_or(0, |four| u32::from_be_bytes(*four))
                };
                let relative = |at| edge(at).wrapping_sub(peers_first);
                format!("{{{}:{}}}", relative(0), relative(4))
            });
            format!("sack {} {}", value.len() / 8, blocks.collect::<String>())
        }
        (8, 8) => format!("TS val {} ecr {}", u32_at(0).unwrap_or_default(), u32_at(4).unwrap_or_default()),
        (34, 0) => "tfo  cookiereq".into(),
        (34, _) => {
            format!("tfo  cookie {}", value.iter().map(|octet| format!("{octet:02x}")).collect::<String>())
        }
        (19, _) => format!("md5 {}", value.iter().map(|octet| format!("{octet:02x}")).collect::<String>()),
        (28, 2) => format!("uto {:#x}", u16_at(0).unwrap_or_default()),
        (30, _) => "mptcp".into(),
        _ => format!("unknown-{kind}"),
    }
}

/// A request's or an answer's first line; with `verbose` all lines that can be read.
fn http(out: &mut String, text: &[u8], verbose: bool) {
    const STARTS: [&[u8]; 8] =
        [b"GET ", b"POST ", b"HEAD ", b"PUT ", b"DELETE ", b"OPTIONS ", b"CONNECT ", b"HTTP/"];
    out.push_str(": HTTP");
    if !STARTS.iter().any(|start| text.starts_with(start)) {
        return;
    }
    let is_readable = |line: &&[u8]| line.iter().all(|octet| matches!(octet, b'\t' | b' '..=b'~'));
    let lines = text.split_inclusive(|octet| *octet == b'\n').map(|line| {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line)
    });
    let mut lines = lines.map(|line| line.get(..LINE_MAX).unwrap_or(line)).take_while(is_readable);
    if verbose {
        let _ = write!(out, ", length: {}", text.len());
        for line in lines {
            let _ = write!(out, "\n\t{}", String::from_utf8_lossy(line));
        }
    } else if let Some(line) = lines.next() {
        let _ = write!(out, ": {}", String::from_utf8_lossy(line));
    }
}
