//! Does a packet say what the script says? The first field that differs is the answer.

use std::fmt::Display;

use portolan_wire::tcp;

use super::packet::{Body, Packet, Segment};
use crate::language::ast::{self, Tos};
use crate::language::option::TcpOption;

/// How timestamps are compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timestamps {
    /// By how many ticks a value may differ; `None` for any value.
    pub(super) ticks: Option<u32>,
    /// Whether the echo must be exactly what is written.
    pub(super) echo: bool,
}

fn field<T: PartialEq + Display>(name: &str, expected: T, actual: T) -> Result<(), String> {
    if expected == actual { Ok(()) } else { Err(format!("{name}: expected {expected}, came {actual}")) }
}

/// Compares `actual`, which has the script's numbers, with what was written.
///
/// # Errors
/// The field that differs, with both values.
pub(super) fn packet(expected: &ast::Packet, actual: &Packet, timestamps: Timestamps) -> Result<(), String> {
    match (&expected.body, &actual.body) {
        (ast::Body::Tcp(expected), Body::Tcp(actual)) => {
            field("length", u32::from(expected.len), actual.len())?;
            segment(expected, actual)?;
            if let Some(list) = &expected.options {
                options(list, &actual.options, timestamps)?;
            }
            if actual.text.iter().any(|octet| *octet != 0) {
                return Err("text: expected zeros, which is all that a script sends".to_owned());
            }
        }
        (ast::Body::Udp { len, .. }, Body::Udp(payload)) => {
            field("length", usize::from(*len), payload.len())?
        }
        (ast::Body::Icmp(icmp), Body::Icmp(kind, code)) => {
            let expected = super::icmp::numbers(icmp, actual.src.address.is_v4())?;
            field("ICMP type", expected.0, *kind)?;
            field("ICMP code", expected.1, *code)?;
        }
        _ => return Err("another protocol came".to_owned()),
    }
    ip(&expected.ip, actual)
}

fn ip(expected: &ast::IpNotes, actual: &Packet) -> Result<(), String> {
    let ecn = actual.tos & 3;
    match expected.tos {
        Tos::Free => {}
        Tos::EitherEct if ecn == 1 || ecn == 2 => {}
        Tos::EitherEct => return Err(format!("ECN: expected 1 or 2, came {ecn}")),
        Tos::Ecn(expected) => field("ECN", expected, ecn)?,
        Tos::Octet(expected) => field("TOS", expected, actual.tos)?,
    }
    expected.ttl.map_or(Ok(()), |ttl| field("TTL", ttl, actual.ttl))
}

fn segment(expected: &ast::Segment, actual: &Segment) -> Result<(), String> {
    let flags = tcp::Flags::from_bits(expected.flags.bits);
    let ecn = tcp::Flags::ECE.with(tcp::Flags::CWR).with(tcp::Flags::AE);
    if flags.without(ecn) != actual.flags.without(ecn) {
        let show =
            |flags| Segment { flags, options: Vec::new(), text: Vec::new(), ..actual.clone() }.to_string();
        let (expected, actual) = (show(flags.without(ecn)), show(actual.flags.without(ecn)));
        let first = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
        return Err(format!("flags: expected {}, came {}", first(&expected), first(&actual)));
    }
    if expected.flags.ace {
        field("ACE count", flags.bits() >> 6 & 7, actual.flags.bits() >> 6 & 7)?;
    } else {
        for (name, flag) in [("ECE", tcp::Flags::ECE), ("CWR", tcp::Flags::CWR), ("AE", tcp::Flags::AE)] {
            field(name, flags.contains(flag), actual.flags.contains(flag))?;
        }
    }
    field("reserved bits", 0, actual.reserved)?;
    field("sequence number", expected.seq, actual.seq)?;
    // Without ACK the field should be 0 as well: the script has written none.
    field("acknowledgement", expected.ack, actual.ack)?;
    if let Some(window) = expected.window {
        field("window", window, actual.window)?;
    }
    field("urgent pointer", expected.urgent, actual.urgent)
}

fn options(expected: &[TcpOption], actual: &[TcpOption], timestamps: Timestamps) -> Result<(), String> {
    let list = |options: &[TcpOption]| {
        let list = options.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        format!("<{list}>")
    };
    let kinds = |options: &[TcpOption]| options.iter().map(TcpOption::kind).collect::<Vec<_>>();
    let len = |options: &[TcpOption]| options.iter().map(|option| option.octets().len()).sum::<usize>();
    if kinds(expected) != kinds(actual) || len(expected) != len(actual) {
        return Err(format!("options: expected {}, came {}", list(expected), list(actual)));
    }
    for (expected, actual) in expected.iter().zip(actual) {
        let equal = match (expected, actual) {
            (TcpOption::Timestamps { val, ecr }, TcpOption::Timestamps { val: actual, ecr: echo }) => {
                let distance = actual.wrapping_sub(*val).cast_signed().unsigned_abs();
                timestamps.ticks.is_none_or(|ticks| distance <= ticks) && (!timestamps.echo || ecr == echo)
            }
            _ => expected == actual,
        };
        if !equal {
            return Err(format!("option: expected {expected}, came {actual}"));
        }
    }
    Ok(())
}

/// Whether `next` can be a later part of what the script has written as one segment: it continues the text and
/// says the same otherwise.
///
/// # Errors
/// The field that differs.
pub(super) fn continues(previous: &Packet, next: &Packet) -> Result<(), String> {
    let (Body::Tcp(one), Body::Tcp(two)) = (&previous.body, &next.body) else {
        return Err("another protocol came".to_owned());
    };
    field("TTL", previous.ttl, next.ttl)?;
    field("header length", one.option_len(), two.option_len())?;
    let names = [
        ("SYN", tcp::Flags::SYN),
        ("RST", tcp::Flags::RST),
        ("ACK", tcp::Flags::ACK),
        ("URG", tcp::Flags::URG),
        ("ECE", tcp::Flags::ECE),
        ("AE", tcp::Flags::AE),
    ];
    for (name, flag) in names {
        field(name, one.flags.contains(flag), two.flags.contains(flag))?;
    }
    field("sequence number", one.seq.wrapping_add(one.len()), two.seq)?;
    field("acknowledgement", one.ack, two.ack)?;
    field("window", one.window, two.window)?;
    field("urgent pointer", one.urgent, two.urgent)
}
