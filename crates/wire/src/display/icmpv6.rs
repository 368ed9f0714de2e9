//! The ICMPv6 part of a line, Neighbor Discovery included.

use core::fmt;

use super::ip::{Quoted, Upper, named};
use super::{ITEMS_MAX, malformed};
use crate::icmpv6::{self, Message, parameter_problem, unreachable};
use crate::ndp::{self, NdpOption};

pub(super) fn line(f: &mut fmt::Formatter<'_>, upper: Upper<'_>) -> fmt::Result {
    let (message, data) = match icmpv6::parse_unchecked(upper.bytes) {
        Ok(parsed) => parsed,
        Err(error) => return malformed(f, "icmp6", error),
    };
    f.write_str("ICMP6, ")?;
    match message {
        Message::EchoRequest { ident, seq } => write!(f, "echo request, id {ident}, seq {seq}")?,
        Message::EchoReply { ident, seq } => write!(f, "echo reply, id {ident}, seq {seq}")?,
        Message::Unreachable { code } => unreachable_line(f, code, Quoted::parse(data).ok())?,
        Message::PacketTooBig { mtu } => write!(f, "packet too big, mtu {mtu}")?,
        Message::TimeExceeded { code: 0 } => f.write_str("time exceeded in-transit")?,
        Message::TimeExceeded { code: 1 } => f.write_str("time exceeded in reassembly")?,
        Message::TimeExceeded { code } => write!(f, "time exceeded, code {code}")?,
        Message::ParameterProblem { code, pointer } => {
            match code {
                parameter_problem::FIELD => f.write_str("parameter problem, erroneous")?,
                parameter_problem::NEXT_HEADER => f.write_str("parameter problem, next header")?,
                parameter_problem::OPTION => f.write_str("parameter problem, option")?,
                parameter_problem::INCOMPLETE_CHAIN => f.write_str("parameter problem, incomplete chain")?,
                code => write!(f, "parameter problem, code {code}")?,
            }
            write!(f, " - octet {pointer}")?;
        }
        Message::Ndp(message) => {
            discovery(f, message)?;
            options(f, data)?;
        }
        Message::Other { ty, code } => other(f, ty, code)?,
    }
    write!(f, ", length {}", upper.len)
}

fn unreachable_line(f: &mut fmt::Formatter<'_>, code: u8, quoted: Option<Quoted>) -> fmt::Result {
    f.write_str("destination unreachable, ")?;
    let Some(Quoted { dst, protocol, dst_port }) = quoted else {
        return write!(f, "code {code} [|icmp6]");
    };
    match code {
        unreachable::NO_ROUTE => write!(f, "unreachable route {dst}"),
        unreachable::ADMINISTRATIVELY_PROHIBITED => write!(f, "unreachable prohibited {dst}"),
        unreachable::BEYOND_SCOPE => write!(f, "beyond scope {dst}"),
        unreachable::ADDRESS => write!(f, "unreachable address {dst}"),
        unreachable::PORT => {
            write!(f, "unreachable port, {dst} ")?;
            named(f, protocol)?;
            dst_port.map_or(Ok(()), |port| write!(f, " port {port}"))
        }
        code => write!(f, "code {code}, {dst}"),
    }
}

/// MLD (RFC 2710, RFC 3810), which the stack's multicast code takes apart itself.
fn other(f: &mut fmt::Formatter<'_>, ty: u8, code: u8) -> fmt::Result {
    match ty {
        130 => f.write_str("multicast listener query"),
        131 => f.write_str("multicast listener report"),
        132 => f.write_str("multicast listener done"),
        143 => f.write_str("multicast listener report v2"),
        ty => write!(f, "type {ty}, code {code}"),
    }
}

fn discovery(f: &mut fmt::Formatter<'_>, message: ndp::Message) -> fmt::Result {
    match message {
        ndp::Message::RouterSolicitation => f.write_str("router solicitation"),
        ndp::Message::RouterAdvertisement(advertisement) => {
            let ndp::RouterAdvertisement { hop_limit, managed, other_config, lifetime_s, .. } = advertisement;
            write!(f, "router advertisement, hop limit {hop_limit}, router lifetime {lifetime_s}s")?;
            f.write_str(if managed { ", managed" } else { "" })?;
            f.write_str(if other_config { ", other stateful" } else { "" })
        }
        ndp::Message::NeighborSolicitation { target } => {
            write!(f, "neighbor solicitation, who has {target}")
        }
        ndp::Message::NeighborAdvertisement { target, router, solicited, override_cached } => {
            write!(f, "neighbor advertisement, tgt is {target}")?;
            f.write_str(if router { ", router" } else { "" })?;
            f.write_str(if solicited { ", solicited" } else { "" })?;
            f.write_str(if override_cached { ", override" } else { "" })
        }
        ndp::Message::Redirect { target, destination } => write!(f, "redirect, {destination} to {target}"),
    }
}

fn options(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    for (index, option) in ndp::Options::new(bytes).enumerate() {
        f.write_str(", ")?;
        if index == ITEMS_MAX {
            return f.write_str("...");
        }
        match option {
            Ok(NdpOption::SourceLinkLayer(station)) => write!(f, "source link-address {station}")?,
            Ok(NdpOption::TargetLinkLayer(station)) => write!(f, "destination link-address {station}")?,
            Ok(NdpOption::PrefixInformation(prefix)) => self::prefix(f, prefix)?,
            Ok(NdpOption::RedirectedHeader(quoted)) => write!(f, "redirected {} octets", quoted.len())?,
            Ok(NdpOption::Mtu(mtu)) => write!(f, "mtu {mtu}")?,
            Ok(NdpOption::Rdnss { lifetime_s, servers }) => {
                write!(f, "rdnss {lifetime_s}s")?;
                servers.iter().take(ITEMS_MAX).try_for_each(|server| write!(f, " {server}"))?;
            }
            Ok(NdpOption::Unknown { kind, data }) => write!(f, "option {kind} len {}", data.len() + 2)?,
            Err(error) => malformed(f, "ndp opt", error)?,
        }
    }
    Ok(())
}

fn prefix(f: &mut fmt::Formatter<'_>, prefix: ndp::PrefixInformation) -> fmt::Result {
    let ndp::PrefixInformation { prefix, prefix_len, on_link, autonomous, valid_s, preferred_s } = prefix;
    write!(f, "prefix {prefix}/{prefix_len} valid {valid_s}s preferred {preferred_s}s")?;
    f.write_str(if on_link { " onlink" } else { "" })?;
    f.write_str(if autonomous { " auto" } else { "" })
}
