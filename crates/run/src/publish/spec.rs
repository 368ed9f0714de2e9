//! The words of `--publish`: `[ADDR:]PORT[:PORT][/udp]`, where a port may be a range.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, parse_address, parse_decimal};

/// The most ports that one run publishes: each takes two descriptors.
pub const PORTS_MAX: usize = 1024;

/// What a published port carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Transport {
    /// Connections.
    Tcp,
    /// Datagrams.
    Udp,
}

/// One `--publish`: consecutive ports of the machine, and as many of the command's behind them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Publication {
    /// The machine's address; `None` for its loopback, of both families.
    pub address: Option<IpAddr>,
    /// The machine's first port; 0 for any free one.
    pub outside: u16,
    /// The command's first port.
    pub inside: u16,
    /// How many, at least 1.
    pub count: u16,
    /// What is carried.
    pub transport: Transport,
}

/// Reads the value of `--publish`.
pub fn parse(text: &str) -> Result<Publication, ConfigError> {
    let printed = text.escape_default().to_string();
    let wrong = |why: &str| ConfigError(format!("--publish {printed}: {why}"));
    let (rest, transport) = match text.rsplit_once('/') {
        None => (text, Transport::Tcp),
        Some((rest, "tcp")) => (rest, Transport::Tcp),
        Some((rest, "udp")) => (rest, Transport::Udp),
        Some(_) => return Err(wrong("after '/' comes tcp or udp")),
    };
    let (address, ports) = split_address(rest).map_err(|why| wrong(&why))?;
    let (outside, inside) = ports.split_once(':').unwrap_or((ports, ports));
    let range = |text: &str| parse_range(text).map_err(|why| wrong(&why));
    let ((outside, outside_count), (inside, count)) = (range(outside)?, range(inside)?);
    match () {
        () if inside == 0 => Err(wrong("the command's port cannot be 0; write for instance 0:8080")),
        () if outside == 0 && count > 1 => Err(wrong("port 0 is one free port, and cannot lead to a range")),
        () if outside != 0 && outside_count != count => {
            Err(wrong(&format!("{outside_count} ports cannot lead to {count}; give ranges of one length")))
        }
        () => Ok(Publication { address, outside, inside, count, transport }),
    }
}

/// The address in front, and what is behind it.
fn split_address(text: &str) -> Result<(Option<IpAddr>, &str), String> {
    let (address, ports) = if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']').ok_or("the bracket is not closed")?;
        let ports = rest.strip_prefix(':').ok_or("a port is missing: [ADDR]:PORT")?;
        if !address.contains(':') {
            return Err("only an IPv6 address stands in brackets".into());
        }
        (address, ports)
    } else if text.matches(':').count() > 2 {
        return Err("write an IPv6 address in brackets: [::1]:8080".into());
    } else {
        match text.split_once(':') {
            Some((address, ports)) if address.contains(|c: char| c != '-' && !c.is_ascii_digit()) => {
                (address, ports)
            }
            None if text.contains('.') => return Err("a port is missing: ADDR:PORT".into()),
            _ => return Ok((None, text)),
        }
    };
    let address = parse_address(address).map_err(|error| error.to_string())?;
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    if address.is_multicast() || broadcast || address != address.to_canonical() {
        return Err(format!("{address} is not an address of this machine"));
    }
    Ok((Some(address), ports))
}

/// The first port of `8080` or `8000-8005`, and how many there are.
fn parse_range(text: &str) -> Result<(u16, u16), String> {
    let port = |digits: &str| {
        let number = parse_decimal(digits).and_then(|number| u16::try_from(number).ok());
        // Of '1-' and '-1' the whole is what the user has written.
        let shown = if digits.is_empty() { text } else { digits };
        number.ok_or_else(|| format!("'{}' is no port: a number from 0 to 65535", shown.escape_default()))
    };
    let Some((first, last)) = text.split_once('-') else { return Ok((port(text)?, 1)) };
    let (first, last) = (port(first)?, port(last)?);
    if first == 0 {
        return Err("a range cannot begin with port 0".into());
    }
    match last.checked_sub(first) {
        None => Err(format!("the range {first}-{last} runs backwards; write {last}-{first}")),
        Some(more) => Ok((first, more.saturating_add(1))),
    }
}

/// Checks what no single `--publish` can be checked for.
pub fn check(publications: &[Publication]) -> Result<(), ConfigError> {
    let total: usize = publications.iter().map(|one| usize::from(one.count)).sum();
    if total > PORTS_MAX {
        return Err(ConfigError(format!("--publish: {total} ports are too many; at most {PORTS_MAX}")));
    }
    for (index, one) in publications.iter().enumerate() {
        if let Some(other) = publications.iter().take(index).find(|other| one.collides(other)) {
            return Err(ConfigError(format!(
                "--publish {other} and --publish {one} want the same port of the machine"
            )));
        }
    }
    Ok(())
}

impl Publication {
    /// The machine's addresses to listen on.
    pub fn addresses(&self) -> Vec<IpAddr> {
        match self.address {
            Some(address) => vec![address],
            None => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        }
    }

    /// Whether a port of both is the same.
    fn collides(&self, other: &Publication) -> bool {
        let end = |one: &Publication| u32::from(one.outside) + u32::from(one.count);
        let ports = u32::from(self.outside) < end(other) && u32::from(other.outside) < end(self);
        let same = |a: &IpAddr, b: &IpAddr| {
            a.is_ipv4() == b.is_ipv4() && (a == b || a.is_unspecified() || b.is_unspecified())
        };
        let others = other.addresses();
        let addresses = self.addresses().iter().any(|own| others.iter().any(|address| same(own, address)));
        self.transport == other.transport && self.outside != 0 && other.outside != 0 && ports && addresses
    }
}

impl fmt::Display for Publication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(IpAddr::V6(v6)) => write!(f, "[{v6}]:")?,
            Some(v4) => write!(f, "{v4}:")?,
            None => {}
        }
        let range = |f: &mut fmt::Formatter<'_>, first: u16| match self.count {
            1 => write!(f, "{first}"),
            count => write!(f, "{first}-{}", u32::from(first) + u32::from(count) - 1),
        };
        range(f, self.outside)?;
        if self.inside != self.outside {
            f.write_str(":")?;
            range(f, self.inside)?;
        }
        f.write_str(if self.transport == Transport::Udp { "/udp" } else { "" })
    }
}

#[cfg(test)]
mod tests;
