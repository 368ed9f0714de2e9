//! The lines of IPv4 and IPv6, and the choice of the upper protocol.

use core::fmt;

use super::{icmpv4, icmpv6, malformed, tcp, udp};
use crate::ipv4::{self, Ipv4Option};
use crate::ipv6::{self, Fragment};
use crate::{Address, WireError, protocol};

/// What an upper protocol prints itself with.
#[derive(Clone, Copy)]
pub(super) struct Upper<'a> {
    pub(super) src: Address,
    pub(super) dst: Address,
    pub(super) protocol: u8,
    /// What is there of it.
    pub(super) bytes: &'a [u8],
    /// How long it is by the IP header; `bytes` may be less in a capture or a quotation.
    pub(super) len: usize,
    /// Whether it is the first fragment of something longer.
    pub(super) first_fragment: bool,
    /// The packet whose extension headers lead here.
    pub(super) ipv6: Option<ipv6::Packet<'a>>,
}

impl Upper<'_> {
    /// `source > destination: `, and the extension headers.
    pub(super) fn addresses(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {}: ", self.src, self.dst)?;
        self.ipv6.map_or(Ok(()), |packet| extensions(f, packet))
    }

    /// The same with ports.
    pub(super) fn endpoints(&self, f: &mut fmt::Formatter<'_>, src_port: u16, dst_port: u16) -> fmt::Result {
        write!(f, "{}.{src_port} > {}.{dst_port}: ", self.src, self.dst)?;
        self.ipv6.map_or(Ok(()), |packet| extensions(f, packet))
    }
}

pub(super) fn v4(f: &mut fmt::Formatter<'_>, bytes: &[u8], depth: u8) -> fmt::Result {
    let packet = match ipv4::parse_quoted(bytes) {
        Ok(packet) => packet,
        Err(error) => return malformed(f, "ip", error),
    };
    let header = packet.header;
    let len = usize::from(header.total_len()) - header.header_len();
    truncated(f, len - packet.payload.len())?;
    f.write_str("IP ")?;
    let first_fragment = header.is_fragment() && header.fragment_offset() == 0;
    let upper = Upper {
        src: header.src(),
        dst: header.dst(),
        protocol: header.protocol(),
        bytes: packet.payload,
        len,
        first_fragment,
        ipv6: None,
    };
    if header.fragment_offset() == 0 {
        transport(f, upper, depth)?;
    } else {
        upper.addresses(f)?;
        named(f, upper.protocol)?;
    }
    if header.is_fragment() {
        let more = if header.more_fragments() { "+" } else { "" };
        write!(f, " (frag {}:{len}@{}{more})", header.id(), header.fragment_offset())?;
    }
    if !packet.options.is_empty() {
        v4_options(f, packet.options)?;
    }
    if packet.checksum_ok() { Ok(()) } else { write!(f, ", bad ip cksum {:04x}", header.checksum()) }
}

fn v4_options(f: &mut fmt::Formatter<'_>, options: &[u8]) -> fmt::Result {
    f.write_str(", options (")?;
    for (index, option) in ipv4::Options::new(options).enumerate() {
        if index > 0 {
            f.write_str(",")?;
        }
        match option {
            Ok(option) => v4_option(f, option)?,
            Err(error) => write!(f, "[bad at octet {}]", error.pointer)?,
        }
    }
    f.write_str(")")
}

fn v4_option(f: &mut fmt::Formatter<'_>, option: Ipv4Option<'_>) -> fmt::Result {
    let (name, route) = match option {
        Ipv4Option::EndOfList => return f.write_str("EOL"),
        Ipv4Option::NoOperation => return f.write_str("NOP"),
        Ipv4Option::Timestamp { pointer, overflow, flags, data } => {
            return write!(f, "TS flags {flags} ptr {pointer} overflow {overflow} len {}", data.len() + 4);
        }
        Ipv4Option::RouterAlert(value) => return write!(f, "RA {value}"),
        Ipv4Option::Unknown { kind, data } => return write!(f, "unknown {kind} len {}", data.len() + 2),
        Ipv4Option::RecordRoute(route) => ("RR", route),
        Ipv4Option::LooseSourceRoute(route) => ("LSRR", route),
        Ipv4Option::StrictSourceRoute(route) => ("SSRR", route),
    };
    write!(f, "{name} ptr {}", route.pointer)?;
    route.addresses().try_for_each(|address| write!(f, " {address}"))
}

pub(super) fn v6(f: &mut fmt::Formatter<'_>, bytes: &[u8], depth: u8) -> fmt::Result {
    let packet = match ipv6::parse_quoted(bytes) {
        Ok(packet) => packet,
        Err(error) => return malformed(f, "ip6", error),
    };
    let header = packet.header;
    let missing = usize::from(header.payload_len()) - packet.payload.len();
    truncated(f, missing)?;
    f.write_str("IP6 ")?;
    let mut chain = packet.iter_extensions();
    let mut fragment: Option<Fragment> = None;
    let mut failed = None;
    for extension in chain.by_ref() {
        match extension {
            Ok(extension) if extension.kind == protocol::FRAGMENT => fragment = extension.fragment(),
            Ok(_) => {}
            Err(error) => failed = Some(error),
        }
    }
    let upper = Upper {
        src: header.src(),
        dst: header.dst(),
        protocol: chain.protocol(),
        bytes: chain.rest(),
        len: chain.rest().len() + missing,
        first_fragment: fragment.is_some_and(|fragment| fragment.offset == 0 && fragment.more),
        ipv6: Some(packet),
    };
    if let Some(error) = failed {
        upper.addresses(f)?;
        malformed(f, protocol::name(upper.protocol).unwrap_or("ext"), error)
    } else if fragment.is_some_and(|fragment| fragment.offset != 0) {
        upper.addresses(f)?;
        named(f, upper.protocol)
    } else {
        transport(f, upper, depth)
    }
}

/// The extension headers that can be read, each with a blank behind it.
fn extensions(f: &mut fmt::Formatter<'_>, packet: ipv6::Packet<'_>) -> fmt::Result {
    for extension in packet.iter_extensions().flatten() {
        match (extension.kind, extension.bytes) {
            (protocol::FRAGMENT, _) => {
                if let Some(Fragment { offset, more, id, .. }) = extension.fragment() {
                    let more = if more { "+" } else { "" };
                    write!(f, "frag (0x{id:08x}:{offset}{more}) ")?;
                }
            }
            (protocol::HOP_BY_HOP, _) => f.write_str("HBH ")?,
            (protocol::ROUTING, [_, _, ty, left, ..]) => write!(f, "srcrt (type {ty}, segleft {left}) ")?,
            _ => f.write_str("DSTOPT ")?,
        }
    }
    Ok(())
}

/// Prints the addresses and the upper protocol's part of the line.
fn transport(f: &mut fmt::Formatter<'_>, upper: Upper<'_>, depth: u8) -> fmt::Result {
    match upper.protocol {
        protocol::TCP => return tcp::line(f, upper),
        protocol::UDP => return udp::line(f, upper),
        _ => upper.addresses(f)?,
    }
    match upper.protocol {
        protocol::ICMPV4 => icmpv4::line(f, upper),
        protocol::ICMPV6 => icmpv6::line(f, upper),
        protocol::IPV4 if depth > 0 => v4(f, upper.bytes, depth - 1),
        protocol::IPV6 if depth > 0 => v6(f, upper.bytes, depth - 1),
        protocol::NO_NEXT_HEADER => f.write_str("no next header"),
        protocol => {
            named(f, protocol)?;
            write!(f, ", length {}", upper.len)
        }
    }
}

fn truncated(f: &mut fmt::Formatter<'_>, missing: usize) -> fmt::Result {
    if missing > 0 { write!(f, "truncated-ip - {missing} bytes missing! ") } else { Ok(()) }
}

/// The name of a protocol, or its number.
pub(super) fn named(f: &mut fmt::Formatter<'_>, protocol: u8) -> fmt::Result {
    match protocol::name(protocol) {
        Some(name) => f.write_str(name),
        None => write!(f, "ip-proto-{protocol}"),
    }
}

/// What an ICMP error quotes: protocol and ports of the packet that caused it.
pub(super) struct Quoted {
    pub(super) dst: Address,
    pub(super) protocol: u8,
    /// The destination port, if the quotation reaches that far.
    pub(super) dst_port: Option<u16>,
}

impl Quoted {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let version = bytes.first().ok_or(WireError::Truncated)? >> 4;
        let (dst, protocol, upper) = if version == 4 {
            let packet = ipv4::parse_quoted(bytes)?;
            let upper = if packet.header.fragment_offset() == 0 { packet.payload } else { &[] };
            (packet.header.dst(), packet.header.protocol(), upper)
        } else {
            let packet = ipv6::parse_quoted(bytes)?;
            match packet.extensions() {
                Ok(upper) if upper.fragment.is_none_or(|fragment| fragment.offset == 0) => {
                    (packet.header.dst(), upper.protocol, upper.payload)
                }
                _ => (packet.header.dst(), packet.header.next_header(), &[][..]),
            }
        };
        let dst_port = match (protocol, upper) {
            (protocol::TCP | protocol::UDP, &[_, _, high, low, ..]) => Some(u16::from_be_bytes([high, low])),
            _ => None,
        };
        Ok(Self { dst, protocol, dst_port })
    }
}
