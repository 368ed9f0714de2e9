//! The ICMPv4 part of a line.

use core::fmt;

use super::ip::{Quoted, Upper, named};
use super::malformed;
use crate::icmpv4::{self, Message, unreachable};

pub(super) fn line(f: &mut fmt::Formatter<'_>, upper: Upper<'_>) -> fmt::Result {
    let (message, data) = match icmpv4::parse_unchecked(upper.bytes) {
        Ok(parsed) => parsed,
        Err(error) => return malformed(f, "icmp", error),
    };
    f.write_str("ICMP ")?;
    match message {
        Message::EchoRequest { ident, seq } => write!(f, "echo request, id {ident}, seq {seq}")?,
        Message::EchoReply { ident, seq } => write!(f, "echo reply, id {ident}, seq {seq}")?,
        Message::Unreachable { code, next_hop_mtu } => {
            unreachable_line(f, code, next_hop_mtu, Quoted::parse(data).ok())?;
        }
        Message::Redirect { code, gateway } => {
            f.write_str("redirect ")?;
            if let Ok(quoted) = Quoted::parse(data) {
                write!(f, "{} ", quoted.dst)?;
            }
            let what = if code % 2 == 0 { "net" } else { "host" };
            write!(f, "to {what} {gateway}")?;
        }
        Message::TimeExceeded { code: 0 } => f.write_str("time exceeded in-transit")?,
        Message::TimeExceeded { code: 1 } => f.write_str("ip reassembly time exceeded")?,
        Message::TimeExceeded { code } => write!(f, "time exceeded, code {code}")?,
        Message::ParameterProblem { pointer } => write!(f, "parameter problem - octet {pointer}")?,
        Message::Other { ty, code } => write!(f, "type {ty}, code {code}")?,
    }
    write!(f, ", length {}", upper.len)
}

fn unreachable_line(
    f: &mut fmt::Formatter<'_>,
    code: u8,
    next_hop_mtu: u16,
    quoted: Option<Quoted>,
) -> fmt::Result {
    let Some(Quoted { dst, protocol, dst_port }) = quoted else {
        return write!(f, "unreachable, code {code} [|icmp]");
    };
    match code {
        unreachable::NET => write!(f, "net {dst} unreachable"),
        unreachable::HOST => write!(f, "host {dst} unreachable"),
        unreachable::PROTOCOL => write!(f, "{dst} protocol {protocol} unreachable"),
        unreachable::PORT => {
            write!(f, "{dst} ")?;
            named(f, protocol)?;
            match dst_port {
                Some(port) => write!(f, " port {port} unreachable"),
                None => f.write_str(" port unreachable"),
            }
        }
        unreachable::FRAGMENTATION_NEEDED => {
            write!(f, "{dst} unreachable - need to frag")?;
            if next_hop_mtu == 0 { Ok(()) } else { write!(f, " (mtu {next_hop_mtu})") }
        }
        unreachable::SOURCE_ROUTE => write!(f, "{dst} unreachable - source route failed"),
        9 | 10 | unreachable::ADMINISTRATIVELY_PROHIBITED => {
            write!(f, "host {dst} unreachable - admin prohibited")
        }
        code => write!(f, "{dst} unreachable - code {code}"),
    }
}
