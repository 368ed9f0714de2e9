//! ss's filter language: `state established '( dport = :443 or dst 10.0.2.0/24 )'`.
//!
//! First any number of `state NAME` and `exclude NAME`; then an expression of `src` and `dst` with an address, prefix
//! and port, `sport` and `dport` with a comparison, `not`, `and` (also when it is left out), `or`, and parentheses.

use std::net::{IpAddr, SocketAddr};

use portolan_filter::Comparison;

use crate::admin::message::{SocketRow, SocketState};
use crate::config::Network;
use crate::services;
use crate::summary::escape;

/// Parentheses and negations within each other.
const DEPTH_MAX: usize = 64;

/// A set of states.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct States(u16);

/// Which sockets are wanted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    /// The states, if the filter says which.
    pub states: Option<States>,
    expression: Option<Expression>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Expression {
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Not(Box<Expression>),
    /// An end with this network and port, where given.
    At(Side, Option<Network>, Option<u16>),
    Port(Side, Comparison, u16),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    Local,
    Peer,
}

impl States {
    /// Every state.
    pub const ALL: States = States(u16::MAX);

    /// Those that ss shows when nothing is said: connections that are neither over nor half-open.
    pub const OPEN: States = States(
        !(1 << SocketState::Listening as u16
            | 1 << SocketState::Closed as u16
            | 1 << SocketState::TimeWait as u16
            | 1 << SocketState::SynRecv as u16),
    );

    /// These states.
    pub fn of(states: &[SocketState]) -> States {
        States(states.iter().fold(0, |set, state| set | 1 << *state as u16))
    }

    /// Whether a state is one of them.
    pub fn contains(self, state: SocketState) -> bool {
        self.0 & 1 << state as u16 != 0
    }

    /// Whether it is one state alone.
    pub fn is_single(self) -> bool {
        self.0.is_power_of_two()
    }

    fn named(name: &str) -> Option<States> {
        use SocketState::*;
        let waiting = States::of(&[SynRecv, TimeWait]);
        let connected = States(!States::of(&[Listening, Closed]).0);
        Some(match name {
            "all" => States::ALL,
            "connected" => connected,
            "synchronized" => States(connected.0 & !States::of(&[SynSent]).0),
            "bucket" => waiting,
            "big" => States(!waiting.0),
            "established" => States::of(&[Established]),
            "syn-sent" => States::of(&[SynSent]),
            "syn-recv" | "syn-rcv" => States::of(&[SynRecv]),
            "fin-wait-1" => States::of(&[FinWait1]),
            "fin-wait-2" => States::of(&[FinWait2]),
            "time-wait" => States::of(&[TimeWait]),
            "closed" | "close" | "unconnected" => States::of(&[Closed]),
            "close-wait" => States::of(&[CloseWait]),
            "last-ack" => States::of(&[LastAck]),
            "listening" | "listen" => States::of(&[Listening]),
            "closing" => States::of(&[Closing]),
            _ => return None,
        })
    }
}

impl Filter {
    /// Reads the words of a filter; an error is one line.
    pub fn parse(words: &[String]) -> Result<Filter, String> {
        let mut parser = Parser { tokens: tokens(&words.join(" ")), next: 0 };
        let states = parser.states()?;
        let expression = match parser.peek() {
            Some(_) => Some(parser.any_of(0)?),
            None => None,
        };
        match parser.peek() {
            Some(token) => Err(format!("'{}' cannot follow there in the filter", escape(token))),
            None => Ok(Filter { states, expression }),
        }
    }

    /// Whether a socket's addresses are wanted.
    pub(super) fn takes(&self, row: &SocketRow) -> bool {
        self.expression.as_ref().is_none_or(|expression| expression.holds(row))
    }
}

impl Expression {
    fn holds(&self, row: &SocketRow) -> bool {
        match self {
            Expression::And(a, b) => a.holds(row) && b.holds(row),
            Expression::Or(a, b) => a.holds(row) || b.holds(row),
            Expression::Not(a) => !a.holds(row),
            Expression::At(side, network, port) => {
                let end = side.of(row);
                let address = end.ip().to_canonical();
                network.is_none_or(|network| network.contains(address))
                    && port.is_none_or(|port| end.port() == port)
            }
            Expression::Port(side, comparison, port) => comparison.holds(side.of(row).port(), *port),
        }
    }
}

impl Side {
    /// A socket without a peer has the wildcard for one.
    fn of(self, row: &SocketRow) -> SocketAddr {
        match self {
            Side::Local => row.local,
            Side::Peer => row.peer.unwrap_or_else(|| super::table::nobody(row)),
        }
    }
}

/// A comparison by ss's words for it.
fn comparison_of(word: &str) -> Option<Comparison> {
    Some(match word {
        "=" | "==" | "eq" => Comparison::Equal,
        "!=" | "ne" | "neq" => Comparison::NotEqual,
        "<" | "lt" => Comparison::Less,
        "<=" | "le" | "leq" => Comparison::LessOrEqual,
        ">" | "gt" => Comparison::Greater,
        ">=" | "ge" | "geq" => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

/// Words, with the signs as words of their own.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut grows = false;
    for c in text.chars() {
        match c {
            ' ' | '\t' | '\n' => grows = false,
            '(' | ')' | '!' | '=' | '<' | '>' | '&' | '|' => {
                let joins = tokens.last().is_some_and(|last| {
                    c == '=' && matches!(last.as_str(), "!" | "=" | "<" | ">")
                        || matches!((c, last.as_str()), ('&', "&") | ('|', "|"))
                });
                match tokens.last_mut().filter(|_| joins) {
                    Some(last) => last.push(c),
                    None => tokens.push(c.into()),
                }
                grows = false;
            }
            _ => {
                match tokens.last_mut().filter(|_| grows) {
                    Some(last) => last.push(c),
                    None => tokens.push(c.into()),
                }
                grows = true;
            }
        }
    }
    tokens
}

/// Recursive descent over the words.
struct Parser {
    tokens: Vec<String>,
    next: usize,
}

impl Parser {
    fn peek(&self) -> Option<&str> {
        self.tokens.get(self.next).map(String::as_str)
    }

    fn take(&mut self, what: &str) -> Result<String, String> {
        let token = self.tokens.get(self.next).cloned();
        self.next += 1;
        token.ok_or_else(|| format!("the filter ends where {what} should follow"))
    }

    fn takes(&mut self, words: &[&str]) -> bool {
        let is_there = self.peek().is_some_and(|token| words.contains(&token));
        self.next += usize::from(is_there);
        is_there
    }

    fn states(&mut self) -> Result<Option<States>, String> {
        let mut states: Option<States> = None;
        loop {
            let excludes = match self.peek() {
                Some("state") => false,
                Some("exclude") => true,
                _ => return Ok(states),
            };
            self.next += 1;
            let name = self.take("a state")?;
            let named = States::named(&name).ok_or_else(|| {
                format!(
                    "'{}' is no state; there are established, listening, time-wait, all ...",
                    escape(&name)
                )
            })?;
            states = Some(States(match (excludes, states) {
                (false, before) => before.unwrap_or_default().0 | named.0,
                (true, before) => before.unwrap_or(States::ALL).0 & !named.0,
            }));
        }
    }

    fn any_of(&mut self, depth: usize) -> Result<Expression, String> {
        let mut left = self.all_of(depth)?;
        while self.takes(&["or", "|", "||"]) {
            left = Expression::Or(Box::new(left), Box::new(self.all_of(depth)?));
        }
        Ok(left)
    }

    fn all_of(&mut self, depth: usize) -> Result<Expression, String> {
        let mut left = self.one(depth)?;
        loop {
            let is_said = self.takes(&["and", "&", "&&"]);
            if !is_said && self.peek().is_none_or(|token| matches!(token, "or" | "|" | "||" | ")")) {
                return Ok(left);
            }
            left = Expression::And(Box::new(left), Box::new(self.one(depth)?));
        }
    }

    fn one(&mut self, depth: usize) -> Result<Expression, String> {
        if depth > DEPTH_MAX {
            return Err(format!("the filter has more than {DEPTH_MAX} parentheses within each other"));
        }
        if self.takes(&["not", "!"]) {
            return Ok(Expression::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.takes(&["("]) {
            let inner = self.any_of(depth + 1)?;
            return match self.take("')'")?.as_str() {
                ")" => Ok(inner),
                other => Err(format!("'{}' stands where ')' should close the parenthesis", escape(other))),
            };
        }
        let word = self.take("src, dst, sport, dport, not or '('")?;
        match word.as_str() {
            "src" => self.end(Side::Local),
            "dst" => self.end(Side::Peer),
            "sport" => self.port(Side::Local),
            "dport" => self.port(Side::Peer),
            _ => Err(format!(
                "'{}' is no part of a filter; there are src, dst, sport, dport, not, and, or, (, )",
                escape(&word)
            )),
        }
    }

    fn end(&mut self, side: Side) -> Result<Expression, String> {
        let comparison = match self.peek().and_then(comparison_of) {
            Some(comparison) => {
                self.next += 1;
                comparison
            }
            None => Comparison::Equal,
        };
        let text = self.take("an address")?;
        let (network, port) = parse_end(&text)?;
        let at = Expression::At(side, network, port);
        match comparison {
            Comparison::Equal => Ok(at),
            Comparison::NotEqual => Ok(Expression::Not(Box::new(at))),
            _ => Err(format!("addresses have no order; compare '{}' with = or !=", escape(&text))),
        }
    }

    fn port(&mut self, side: Side) -> Result<Expression, String> {
        let word = self.take("a comparison")?;
        // `sport :80` is `sport = :80`.
        let (comparison, text) = match comparison_of(&word) {
            Some(comparison) => (comparison, self.take("a port")?),
            None => (Comparison::Equal, word),
        };
        let port = text.strip_prefix(':').unwrap_or(&text);
        Ok(Expression::Port(side, comparison, parse_port(port)?))
    }
}

/// `ADDRESS`, `ADDRESS/BITS`, either with `:PORT`, or `:PORT` alone; IPv6 with a port in brackets; `*` for any.
fn parse_end(text: &str) -> Result<(Option<Network>, Option<u16>), String> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => match (rest.rfind(':'), rest.find('/')) {
            (None, None) if rest.is_empty() => (host.to_owned(), None),
            (Some(colon), _) => (format!("{host}{}", &rest[..colon]), Some(&rest[colon + 1..])),
            _ => (format!("{host}{rest}"), None),
        },
        None if text.matches(':').count() == 1 => {
            let (host, port) = text.split_once(':').unwrap_or((text, ""));
            (host.to_owned(), Some(port))
        }
        None => (text.to_owned(), None),
    };
    let network = match host.as_str() {
        "" | "*" => None,
        host => Some(parse_network(host)?),
    };
    let port = port.filter(|port| *port != "*").map(parse_port).transpose()?;
    Ok((network, port))
}

fn parse_network(text: &str) -> Result<Network, String> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let wrong = || format!("'{}' is no address with or without prefix length", escape(text));
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let whole = if address.is_ipv4() { 32 } else { 128 };
    let prefix = bits.map_or(Ok(whole), |bits| bits.parse().map_err(|_| wrong()))?;
    if prefix > whole { Err(wrong()) } else { Ok(Network { address, prefix }) }
}

fn parse_port(text: &str) -> Result<u16, String> {
    text.parse().ok().or_else(|| services::port(text)).ok_or_else(|| {
        format!("'{}' is no port: a number up to 65535, or a service of /etc/services", escape(text))
    })
}

#[cfg(test)]
mod tests;
