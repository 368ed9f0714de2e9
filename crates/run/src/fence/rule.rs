//! One `--allow` or `--deny`: whom it means.
//!
//! ```text
//! RULE   = [PROTOCOL ":"] TARGET [":" PORTS] | PROTOCOL [":" PORTS] | [":"] PORTS
//! PROTOCOL = "tcp" | "udp" | "icmp"          icmp is echo (ping) and all else but errors, over IPv4 and IPv6
//! TARGET = "*" | NAME | "*." NAME | ADDRESS ["/" BITS]
//! PORTS  = NUMBER | NUMBER "-" NUMBER
//! ```
//!
//! An IPv6 address that a port follows stands in brackets: `[2001:db8::]/32:443`. `*.example.test` is every name below
//! `example.test`, at any depth, and not `example.test` itself. Without a protocol a rule means TCP, UDP and echo; with
//! ports TCP and UDP.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use portolan_wire::{Address, Cidr, protocol};
use serde::{Deserialize, Serialize};

use crate::dns::canonical;

const EXAMPLES: &str =
    "example.test:443, *.example.test, 10.0.0.0/8, [2001:db8::]/32:443, udp:53, tcp:*:443, icmp";

/// What a flow is carried by, as far as rules tell them apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Protocol {
    /// A connection.
    Tcp,
    /// Datagrams.
    Udp,
    /// Echo, that is ping, over either ICMP.
    Icmp,
    /// Another protocol, by its number: raw sockets.
    Other(u8),
}

/// Where a flow goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Destination {
    /// The address, IPv4 in IPv4's own form.
    pub address: IpAddr,
    /// The port; `None` where the protocol has none, or a fragment does not show it.
    pub port: Option<u16>,
    /// The protocol.
    pub protocol: Protocol,
}

/// A rule, as it was written and as it is applied.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rule {
    text: String,
    protocol: Option<Protocol>,
    target: Target,
    ports: Option<(u16, u16)>,
}

/// Which hosts a rule means.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Target {
    Any,
    /// One canonical name.
    Name(String),
    /// Every name that ends with this, a leading dot included.
    Below(String),
    Network(Cidr),
}

/// A rule that cannot be used: one line.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct RuleError(String);

impl Rule {
    /// Whether it means `destination`, to which `names` are bound.
    pub fn matches(&self, destination: &Destination, names: &[&str]) -> bool {
        self.means_protocol(destination.protocol)
            && self.means_port(destination)
            && match &self.target {
                Target::Any => true,
                Target::Network(network) => network.contains(Address::from(destination.address)),
                Target::Name(_) | Target::Below(_) => names.iter().any(|name| self.means_name(name)),
            }
    }

    /// As [`Rule::matches`], also for the IPv4 address within an IPv6 one that leads to it (NAT64, 6to4): what must
    /// not be reached must not be reached by a detour.
    pub fn matches_any_form(&self, destination: &Destination, names: &[&str]) -> bool {
        let detour = match destination.address {
            IpAddr::V6(v6) => embedded_v4(v6),
            IpAddr::V4(_) => None,
        };
        self.matches(destination, names)
            || detour
                .is_some_and(|v4| self.matches(&Destination { address: v4.into(), ..*destination }, names))
    }

    /// As [`Rule::matches_any_form`], for a refusal. Where no port is seen it must not be by port: a later fragment of a
    /// datagram to another port is none of its business, and one whose first fragment was refused leads nowhere.
    pub fn refuses(&self, destination: &Destination, names: &[&str]) -> bool {
        (self.ports.is_none() || destination.port.is_some()) && self.matches_any_form(destination, names)
    }

    /// Whether it means every flow to a name.
    pub fn means_all_of(&self, name: &str) -> bool {
        self.protocol.is_none() && self.ports.is_none() && self.means_name(name)
    }

    /// Whether it means some flow to a canonical name, by the name itself.
    pub fn means_name(&self, name: &str) -> bool {
        // RFC 8552: `_http._tcp.example.test` tells of example.test.
        let mut bare = name;
        let is_attribute = |front: &str| front.starts_with('_') && ends_a_label(front);
        while let Some((_, rest)) = bare.split_once('.').filter(|(front, _)| is_attribute(front)) {
            bare = rest;
        }
        match &self.target {
            Target::Any => true,
            Target::Name(own) => own == bare,
            Target::Below(suffix) => bare.strip_suffix(suffix.as_str()).is_some_and(ends_a_label),
            Target::Network(_) => false,
        }
    }

    /// Whether it names a DNS name.
    pub fn is_by_name(&self) -> bool {
        matches!(self.target, Target::Name(_) | Target::Below(_))
    }

    /// The network that it names.
    pub fn network(&self) -> Option<Cidr> {
        match self.target {
            Target::Network(network) => Some(network),
            _ => None,
        }
    }

    fn means_protocol(&self, protocol: Protocol) -> bool {
        match self.protocol {
            Some(own) => own == protocol,
            None => self.ports.is_none() || matches!(protocol, Protocol::Tcp | Protocol::Udp),
        }
    }

    fn means_port(&self, destination: &Destination) -> bool {
        match (self.ports, destination.port) {
            (Some((first, last)), Some(port)) => (first..=last).contains(&port),
            // A later fragment: the first one, which showed its port, was judged.
            (Some(_), None) | (None, _) => true,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Rule> for String {
    fn from(rule: Rule) -> String {
        rule.text
    }
}

impl TryFrom<String> for Rule {
    type Error = RuleError;

    fn try_from(text: String) -> Result<Rule, RuleError> {
        text.parse()
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Rule, RuleError> {
        let rule = |protocol, target, ports| Rule { text: text.to_owned(), protocol, target, ports };
        if text.is_empty() {
            return Err(RuleError(format!("the rule is empty; rules are like {EXAMPLES}")));
        }
        let (protocol, rest) = match text.split_once(':') {
            Some((word, rest)) if protocol_of(word).is_some() => (protocol_of(word), rest),
            None if protocol_of(text).is_some() => return Ok(rule(protocol_of(text), Target::Any, None)),
            _ => (None, text),
        };
        let (target, ports) = match split_ports(rest) {
            (target, Some(ports)) => (target, Some(parse_ports(text, ports)?)),
            // "udp:53" and "443": nothing but ports.
            (target, None) if starts_as_port(target) => ("*", Some(parse_ports(text, target)?)),
            (target, None) => (target, None),
        };
        if protocol == Some(Protocol::Icmp) && ports.is_some() {
            return Err(RuleError(format!("'{}': icmp has no ports; leave them out", shown(text))));
        }
        Ok(rule(protocol, parse_target(text, target)?, ports))
    }
}

fn protocol_of(word: &str) -> Option<Protocol> {
    match word {
        "tcp" => Some(Protocol::Tcp),
        "udp" => Some(Protocol::Udp),
        "icmp" => Some(Protocol::Icmp),
        _ => None,
    }
}

/// Target and ports. An IPv6 address without brackets has no ports behind it.
fn split_ports(text: &str) -> (&str, Option<&str>) {
    if is_bare_v6(text) {
        return (text, None);
    }
    match text.rsplit_once(':') {
        Some((target, ports)) if !ports.contains([']', '/']) => {
            (if target.is_empty() { "*" } else { target }, Some(ports))
        }
        _ => (text, None),
    }
}

fn is_bare_v6(text: &str) -> bool {
    text.split('/').next().is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

/// Digits, or digits and a dash: no name ends in a label of digits only, and no address has just one number.
fn starts_as_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit() || octet == b'-')
}

fn parse_ports(rule: &str, text: &str) -> Result<(u16, u16), RuleError> {
    let number = |text: &str| {
        let is_plain = text.bytes().all(|octet| octet.is_ascii_digit()) && !text.starts_with('0');
        text.parse::<u16>().ok().filter(|port| is_plain && *port > 0)
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => Ok((first, last)),
        (Some(_), Some(_)) => {
            Err(RuleError(format!("'{}': the range {} runs backwards", shown(rule), shown(text))))
        }
        _ => Err(RuleError(format!(
            "'{}': '{}' is no port; write 1 to 65535, or a range as 8000-8100",
            shown(rule),
            shown(text)
        ))),
    }
}

fn parse_target(rule: &str, text: &str) -> Result<Target, RuleError> {
    let wrong = |why: &str| RuleError(format!("'{}': {why}; rules are like {EXAMPLES}", shown(rule)));
    if text == "*" {
        return Ok(Target::Any);
    }
    // The prefix may stand within the brackets or behind them.
    let plain: String = text.chars().filter(|c| !matches!(c, '[' | ']')).collect();
    let (address, bits) = match plain.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (plain.as_str(), None),
    };
    if let Ok(address) = address.parse::<IpAddr>() {
        let address = Address::from(address.to_canonical());
        let Some(bits) = bits else { return Ok(Target::Network(Cidr::host(address))) };
        let is_plain = bits.bytes().all(|octet| octet.is_ascii_digit());
        let network = bits.parse().ok().filter(|_| is_plain).and_then(|bits| Cidr::new(address, bits));
        let network = network.ok_or_else(|| wrong("the prefix is longer than the address"))?;
        if network.network() != address {
            let meant = format!(
                "{address} lies within the network {0}/{1}; write {0}/{1}, or {address} alone",
                network.network(),
                network.prefix_len()
            );
            return Err(RuleError(format!("'{}': {meant}", shown(rule))));
        }
        return Ok(Target::Network(network));
    }
    if bits.is_some() || text.contains(['[', ']', ':']) {
        return Err(wrong("this is no address"));
    }
    let (name, is_below) = text.strip_prefix("*.").map_or((text, false), |name| (name, true));
    let name = canonical(name);
    if !is_name(&name) {
        let digits = name.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.');
        return Err(wrong(if digits { "this is no IPv4 address" } else { "this is no DNS name" }));
    }
    Ok(if is_below { Target::Below(format!(".{name}")) } else { Target::Name(name) })
}

/// RFC 1123 §2.1, and underscores, which some hosts have; a name is no number.
fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last_is_number =
        name.rsplit('.').next().is_some_and(|label| label.bytes().all(|octet| octet.is_ascii_digit()));
    name.len() <= 253 && name.split('.').all(is_label) && !last_is_number
}

/// The IPv4 address that an IPv6 address leads to or stands for (RFC 4291 §2.5.5, RFC 6052, RFC 3056).
pub fn embedded_v4(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d] = [12, 13, 14, 15].map(|at| v6.octets()[at]);
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, _, _] => Some([a, b, c, d].into()),
        [0, 0, 0, 0, 0, 0xffff, _, _] => Some([a, b, c, d].into()),
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => Some([a, b, c, d].into()),
        [0x2002, high, low, ..] => Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))),
        _ => None,
    }
}

impl Protocol {
    /// The number in the header of a packet to `address`.
    pub fn number(self, address: IpAddr) -> u8 {
        match (self, address) {
            (Protocol::Tcp, _) => protocol::TCP,
            (Protocol::Udp, _) => protocol::UDP,
            (Protocol::Icmp, IpAddr::V4(_)) => protocol::ICMPV4,
            (Protocol::Icmp, IpAddr::V6(_)) => protocol::ICMPV6,
            (Protocol::Other(number), _) => number,
        }
    }

    /// From the number in an IP header.
    pub fn from_number(number: u8) -> Protocol {
        match number {
            protocol::TCP => Protocol::Tcp,
            protocol::UDP => Protocol::Udp,
            protocol::ICMPV4 | protocol::ICMPV6 => Protocol::Icmp,
            other => Protocol::Other(other),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Protocol::Tcp => f.write_str("tcp"),
            Protocol::Udp => f.write_str("udp"),
            Protocol::Icmp => f.write_str("icmp"),
            Protocol::Other(number) => match protocol::name(*number) {
                Some(name) => f.write_str(name),
                None => write!(f, "protocol-{number}"),
            },
        }
    }
}

fn shown(text: &str) -> impl fmt::Display + '_ {
    text.escape_default()
}

/// Whether the dot behind this front of a name, as DNS messages are printed, ends a label: one that is part of a label has
/// a backslash before it (RFC 4343 §2.1).
fn ends_a_label(front: &str) -> bool {
    let backslashes = front.bytes().rev().take_while(|octet| *octet == b'\\').count();
    !front.is_empty() && backslashes % 2 == 0
}

#[cfg(test)]
mod tests;
