//! Primitives: `tcp`, `src host 10.0.2.15`, `net 10/8`, `port (80 or 443)`, `vlan 7`, `less 100`.

use std::net::{IpAddr, Ipv6Addr};

use super::value::number;
use super::{Parsed, Parser};
use crate::expression::{Carrier, Comparison, Direction, Expression, Test, Value, ether_type, protocol};
use crate::names;
use crate::token::Token;

/// What stands in front of a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Qualifiers {
    protocol: Option<Protocol>,
    direction: Option<Direction>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Protocol {
    Ether,
    /// What an EtherType stands for.
    Network(u16),
    /// What IPv4 or IPv6 carries.
    Transport(u8),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Kind {
    #[default]
    Host,
    Net,
    Port,
    PortRange,
    Protocol,
    Chain,
}

impl Parser {
    pub(super) fn primitive(&mut self) -> Parsed<Expression> {
        if let Some(special) = self.special()? {
            return Ok(special);
        }
        let protocol = self.protocol();
        if let Some(protocol) = protocol
            && let Some(cast) = self.cast(protocol)?
        {
            return Ok(cast);
        }
        let direction = self.direction();
        let kind = self.kind();
        if direction.is_none() && kind.is_none() {
            return match protocol {
                Some(protocol) => Ok(self.bare(protocol)),
                // A name alone.
                None => self.name(self.before),
            };
        }
        if self.peek().is_none() {
            return Err(self.error("it ends where a name or number should follow"));
        }
        let qualifiers = Qualifiers { protocol, direction, kind: kind.unwrap_or_default() };
        self.before = qualifiers;
        self.names(qualifiers)
    }

    /// A name, or several in parentheses.
    fn names(&mut self, qualifiers: Qualifiers) -> Parsed<Expression> {
        if !self.takes_sign("(") {
            return self.name(qualifiers);
        }
        let mut left = self.name(qualifiers)?;
        loop {
            let is_and = self.takes_and();
            if !is_and && !self.takes_or() {
                break;
            }
            let right = Box::new(self.name(qualifiers)?);
            left = match is_and {
                true => Expression::And(Box::new(left), right),
                false => Expression::Or(Box::new(left), right),
            };
        }
        if self.takes_sign(")") { Ok(left) } else { Err(self.wrong("stands where ')' should")) }
    }

    /// Primitives with a form of their own.
    fn special(&mut self) -> Parsed<Option<Expression>> {
        let Some(word) = self.word(0).map(str::to_owned) else { return Ok(None) };
        let test = match word.as_str() {
            "less" | "greater" => {
                self.next += 1;
                let Some(limit) = self.word(0).and_then(number) else {
                    return Err(self.wrong("is no length"));
                };
                let comparison =
                    if word == "less" { Comparison::LessOrEqual } else { Comparison::GreaterOrEqual };
                self.next += 1;
                return Ok(Some(Expression::Compare(comparison, Value::Length, Value::Number(limit))));
            }
            "vlan" => {
                self.next += 1;
                let tag = self.word(0).and_then(number);
                self.next += usize::from(tag.is_some());
                let tag = tag.map(|tag| u16::try_from(tag).ok().filter(|tag| *tag < 4096));
                if tag == Some(None) {
                    return Err(self.error("a VLAN's number is less than 4096"));
                }
                let test = self.test(Test::Vlan(tag.flatten()));
                self.depth.tags = self.depth.tags.saturating_add(1);
                return Ok(Some(test));
            }
            "mpls" => {
                self.next += 1;
                let label = self.word(0).and_then(number);
                self.next += usize::from(label.is_some());
                if label.is_some_and(|label| label >= 1 << 20) {
                    return Err(self.error("an MPLS label is less than 1048576"));
                }
                let test = self.test(Test::Mpls(label));
                self.depth.labels = self.depth.labels.saturating_add(1);
                return Ok(Some(test));
            }
            "broadcast" => Test::EtherBroadcast,
            "multicast" => Test::EtherMulticast,
            _ => return Ok(None),
        };
        self.next += 1;
        Ok(Some(self.test(test)))
    }

    /// `ether broadcast`, `ip multicast` and their like.
    fn cast(&mut self, protocol: Protocol) -> Parsed<Option<Expression>> {
        let is_broadcast = match self.word(0) {
            Some("broadcast") => true,
            Some("multicast") => false,
            _ => return Ok(None),
        };
        let test = match (protocol, is_broadcast) {
            (Protocol::Ether, true) => Test::EtherBroadcast,
            (Protocol::Ether, false) => Test::EtherMulticast,
            (Protocol::Network(ether_type::IP4), false) => Test::Ip4Multicast,
            (Protocol::Network(ether_type::IP6), false) => Test::Ip6Multicast,
            (Protocol::Network(ether_type::IP4), true) => Test::Ip4Broadcast(self.netmask),
            _ => return Err(self.wrong("does not go with that protocol")),
        };
        self.next += 1;
        Ok(Some(self.test(test)))
    }

    fn protocol(&mut self) -> Option<Protocol> {
        let protocol = match self.word(0)? {
            "ether" | "link" => Protocol::Ether,
            "ip" => Protocol::Network(ether_type::IP4),
            "ip6" => Protocol::Network(ether_type::IP6),
            "arp" => Protocol::Network(ether_type::ARP),
            "rarp" => Protocol::Network(ether_type::RARP),
            word => Protocol::Transport(names::ip_protocol(word)?),
        };
        self.next += 1;
        Some(protocol)
    }

    fn direction(&mut self) -> Option<Direction> {
        let other = match self.word(0)? {
            "src" => "dst",
            "dst" => "src",
            _ => return None,
        };
        let joined = match (self.peek_at(1), self.word(2)) {
            (Some(Token::Word(word)), Some(second)) if second == other => match word.as_str() {
                "or" => Some(Direction::Either),
                "and" => Some(Direction::Both),
                _ => None,
            },
            (Some(Token::Sign("||")), Some(second)) if second == other => Some(Direction::Either),
            (Some(Token::Sign("&&")), Some(second)) if second == other => Some(Direction::Both),
            _ => None,
        };
        let single = if other == "dst" { Direction::Source } else { Direction::Destination };
        self.next += if joined.is_some() { 3 } else { 1 };
        Some(joined.unwrap_or(single))
    }

    fn kind(&mut self) -> Option<Kind> {
        let kind = match self.word(0)? {
            "host" => Kind::Host,
            "net" => Kind::Net,
            "port" => Kind::Port,
            "portrange" => Kind::PortRange,
            "proto" => Kind::Protocol,
            "protochain" => Kind::Chain,
            _ => return None,
        };
        self.next += 1;
        Some(kind)
    }

    fn test(&self, test: Test) -> Expression {
        Expression::Test { test, depth: self.depth }
    }

    /// A protocol alone.
    fn bare(&self, protocol: Protocol) -> Expression {
        match protocol {
            // Every frame has a link.
            Protocol::Ether => {
                Expression::Compare(Comparison::GreaterOrEqual, Value::Length, Value::Number(0))
            }
            Protocol::Network(kind) => self.test(Test::EtherType(kind)),
            Protocol::Transport(number @ (protocol::ICMP | protocol::IGMP)) => {
                self.test(Test::Ip4Protocol(number))
            }
            Protocol::Transport(protocol::ICMP6) => self.test(Test::Ip6Protocol(protocol::ICMP6)),
            Protocol::Transport(number) => {
                either(self.test(Test::Ip6Protocol(number)), self.test(Test::Ip4Protocol(number)))
            }
        }
    }

    /// One name or number, as the qualifiers say.
    fn name(&mut self, qualifiers: Qualifiers) -> Parsed<Expression> {
        if self.takes_sign("!") || self.takes_word("not") {
            return Ok(Expression::Not(Box::new(self.name(qualifiers)?)));
        }
        let (word, is_escaped) = match self.peek() {
            Some(Token::Word(word)) => (word.clone(), false),
            Some(Token::Escaped(word)) => (word.clone(), true),
            _ => return Err(self.wrong("stands where a name or number should")),
        };
        let is_keyword =
            matches!(word.as_str(), "and" | "or" | "not" | "src" | "dst" | "host" | "net" | "port");
        if is_keyword && !is_escaped {
            return Err(self.wrong("stands where a name or number should"));
        }
        match qualifiers.kind {
            Kind::Host => self.host(&word, qualifiers),
            Kind::Net => self.net(&word, qualifiers),
            Kind::Port => self.port(&word, qualifiers),
            Kind::PortRange => self.port_range(&word, qualifiers),
            Kind::Protocol => self.protocol_number(&word, qualifiers),
            Kind::Chain => self.chain(&word, qualifiers),
        }
    }

    fn host(&mut self, word: &str, qualifiers: Qualifiers) -> Parsed<Expression> {
        let direction = qualifiers.direction.unwrap_or(Direction::Either);
        if let Some(station) = station(word) {
            if qualifiers.protocol != Some(Protocol::Ether) {
                return Err(self.error("an Ethernet address needs 'ether' in front of it"));
            }
            self.next += 1;
            return Ok(self.test(Test::Station(direction, station)));
        }
        if let Some((address, bits)) = dotted(word) {
            let address = address.checked_shl(32 - bits).unwrap_or(0);
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            let found = self.net4(qualifiers, address, mask)?;
            self.next += 1;
            return Ok(found);
        }
        if let Ok(address) = word.parse::<Ipv6Addr>() {
            let found = self.net6(qualifiers, address, 128)?;
            self.next += 1;
            return Ok(found);
        }
        let mut found: Option<Expression> = None;
        for address in names::host(word) {
            let one = match address {
                IpAddr::V4(v4) => self.net4(qualifiers, v4.into(), u32::MAX),
                IpAddr::V6(v6) => self.net6(qualifiers, v6, 128),
            };
            // `ip host NAME` takes those addresses that fit.
            if let Ok(one) = one {
                found = Some(found.map_or(one.clone(), |before| either(before, one)));
            }
        }
        let found = found.ok_or_else(|| self.error(format!("'{word}' is no host that is known")))?;
        self.next += 1;
        Ok(found)
    }

    fn net(&mut self, word: &str, qualifiers: Qualifiers) -> Parsed<Expression> {
        if let Ok(address) = word.parse::<Ipv6Addr>() {
            self.next += 1;
            let bits = self.prefix(128)?.unwrap_or(128);
            return self.net6(qualifiers, address, bits);
        }
        let Some((value, _)) = dotted(word) else {
            return Err(self.wrong("is no network"));
        };
        self.next += 1;
        // A short one stands for its first octets.
        let (mut address, mut mask) = (value, u32::MAX);
        while address != 0 && address & 0xff00_0000 == 0 {
            address <<= 8;
            mask <<= 8;
        }
        if let Some(bits) = self.prefix(32)? {
            mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
        } else if self.takes_word("mask") {
            let given = self.word(0).and_then(dotted).filter(|(_, bits)| *bits == 32);
            let Some((given, _)) = given else { return Err(self.wrong("is no mask")) };
            self.next += 1;
            mask = given;
        }
        if address & !mask != 0 {
            return Err(self.error(format!("'{word}' has bits outside of its network's part")));
        }
        self.net4(qualifiers, address, mask)
    }

    /// `/BITS`, if it is there.
    fn prefix(&mut self, max: u32) -> Parsed<Option<u32>> {
        if !self.takes_sign("/") {
            return Ok(None);
        }
        match self.word(0).and_then(number).filter(|bits| *bits <= max) {
            Some(bits) => {
                self.next += 1;
                Ok(Some(bits))
            }
            None => Err(self.wrong(&format!("is no prefix length; at most {max}"))),
        }
    }

    fn net4(&self, qualifiers: Qualifiers, address: u32, mask: u32) -> Parsed<Expression> {
        let direction = qualifiers.direction.unwrap_or(Direction::Either);
        let test = |carrier| self.test(Test::Net4 { carrier, direction, address: address & mask, mask });
        match qualifiers.protocol {
            None => Ok(either(either(test(Carrier::Ip), test(Carrier::Arp)), test(Carrier::Rarp))),
            Some(Protocol::Network(ether_type::IP4)) => Ok(test(Carrier::Ip)),
            Some(Protocol::Network(ether_type::ARP)) => Ok(test(Carrier::Arp)),
            Some(Protocol::Network(ether_type::RARP)) => Ok(test(Carrier::Rarp)),
            Some(_) => Err(self.error("an IPv4 address does not go with that protocol")),
        }
    }

    fn net6(&self, qualifiers: Qualifiers, address: Ipv6Addr, bits: u32) -> Parsed<Expression> {
        if !matches!(qualifiers.protocol, None | Some(Protocol::Network(ether_type::IP6))) {
            return Err(self.error("an IPv6 address does not go with that protocol"));
        }
        let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
        let address = u128::from(address);
        if address & !mask != 0 {
            return Err(self.error("the IPv6 address has bits outside of its network's part"));
        }
        let direction = qualifiers.direction.unwrap_or(Direction::Either);
        Ok(self.test(Test::Net6 { direction, address, mask }))
    }

    fn port(&mut self, word: &str, qualifiers: Qualifiers) -> Parsed<Expression> {
        let given = number(word).map(|port| u16::try_from(port).ok());
        let (port, known) = match given {
            Some(Some(port)) => (port, None),
            Some(None) => return Err(self.wrong("is no port; the last is 65535")),
            None => match names::service(word) {
                Some((port, carriers)) => (port, Some(carriers)),
                None => return Err(self.wrong("is no port and no service of /etc/services")),
            },
        };
        let protocols = self.carriers(qualifiers)?;
        // A service that one protocol alone has is meant over that one.
        let protocols = match known.as_deref() {
            Some([only]) if qualifiers.protocol.is_none() => vec![*only],
            _ => protocols,
        };
        self.next += 1;
        Ok(self.ports(qualifiers, protocols, port, port))
    }

    fn port_range(&mut self, word: &str, qualifiers: Qualifiers) -> Parsed<Expression> {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        let port = |text: &str| {
            let number = number(text).map(|port| u16::try_from(port).ok());
            number.unwrap_or_else(|| names::service(text).map(|(port, _)| port))
        };
        let (Some(a), Some(b)) = (port(first), port(last)) else {
            return Err(self.wrong("is no range of ports, as 1-1023 is"));
        };
        let protocols = self.carriers(qualifiers)?;
        self.next += 1;
        Ok(self.ports(qualifiers, protocols, a.min(b), a.max(b)))
    }

    fn carriers(&self, qualifiers: Qualifiers) -> Parsed<Vec<u8>> {
        match qualifiers.protocol {
            None => Ok(vec![protocol::TCP, protocol::UDP, protocol::SCTP]),
            Some(Protocol::Transport(one @ (protocol::TCP | protocol::UDP | protocol::SCTP))) => {
                Ok(vec![one])
            }
            Some(_) => Err(self.error("ports are those of tcp, udp or sctp")),
        }
    }

    fn ports(&self, qualifiers: Qualifiers, protocols: Vec<u8>, first: u16, last: u16) -> Expression {
        let direction = qualifiers.direction.unwrap_or(Direction::Either);
        self.test(Test::Ports { protocols, direction, first, last })
    }

    fn protocol_number(&mut self, word: &str, qualifiers: Qualifiers) -> Parsed<Expression> {
        let ether = |word: &str| {
            Some(match word {
                "ip" => ether_type::IP4,
                "ip6" => ether_type::IP6,
                "arp" => ether_type::ARP,
                "rarp" => ether_type::RARP,
                word => u16::try_from(number(word)?).ok()?,
            })
        };
        let carried = |word: &str| names::ip_protocol(word).or_else(|| u8::try_from(number(word)?).ok());
        let found = match qualifiers.protocol {
            Some(Protocol::Ether) => ether(word).map(|kind| self.test(Test::EtherType(kind))),
            Some(Protocol::Network(ether_type::IP4)) => {
                carried(word).map(|number| self.test(Test::Ip4Protocol(number)))
            }
            Some(Protocol::Network(ether_type::IP6)) => {
                carried(word).map(|number| self.test(Test::Ip6Protocol(number)))
            }
            Some(_) => return Err(self.error("'proto' goes with ether, ip or ip6")),
            None => carried(word).map(|number| {
                either(self.test(Test::Ip6Protocol(number)), self.test(Test::Ip4Protocol(number)))
            }),
        };
        let found = found.ok_or_else(|| self.wrong("is no protocol"))?;
        self.next += 1;
        Ok(found)
    }
}

impl Parser {
    fn chain(&mut self, word: &str, qualifiers: Qualifiers) -> Parsed<Expression> {
        let number = names::ip_protocol(word).or_else(|| u8::try_from(number(word)?).ok());
        let Some(number) = number else { return Err(self.wrong("is no protocol")) };
        let (v4, v6) = (self.test(Test::Ip4Chain(number)), self.test(Test::Ip6Chain(number)));
        let found = match qualifiers.protocol {
            Some(Protocol::Network(ether_type::IP4)) => v4,
            Some(Protocol::Network(ether_type::IP6)) => v6,
            None => either(v4, v6),
            Some(_) => return Err(self.error("'protochain' goes with ip or ip6")),
        };
        self.next += 1;
        Ok(found)
    }
}

fn either(a: Expression, b: Expression) -> Expression {
    Expression::Or(Box::new(a), Box::new(b))
}

/// Up to four numbers with dots: the value of those that are there, and their bits. A number alone is all 32 bits.
fn dotted(word: &str) -> Option<(u32, u32)> {
    let parts: Vec<&str> = word.split('.').collect();
    if parts.len() == 1 {
        return number(word).map(|value| (value, 32));
    }
    if parts.len() > 4 {
        return None;
    }
    let mut value = 0_u32;
    for part in &parts {
        let octet: u8 = part.parse().ok().filter(|_| !part.starts_with('+'))?;
        value = value << 8 | u32::from(octet);
    }
    Some((value, u32::try_from(parts.len()).ok()? * 8))
}

/// Six octets in hexadecimal with colons or hyphens between them.
fn station(word: &str) -> Option<[u8; 6]> {
    let separator = [':', '-'].into_iter().find(|separator| word.matches(*separator).count() == 5)?;
    let mut station = [0; 6];
    for (octet, part) in station.iter_mut().zip(word.split(separator)) {
        *octet = u8::from_str_radix(part, 16).ok().filter(|_| part.len() <= 2 && !part.starts_with('+'))?;
    }
    Some(station)
}
