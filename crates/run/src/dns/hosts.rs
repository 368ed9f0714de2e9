//! The host's table of names, /etc/hosts (hosts(5)).
//!
//! A line that cannot be read is ignored and remembered by its number, for `portolan doctor`.

use std::net::IpAddr;
use std::path::Path;

use super::canonical;

/// Lines and names that are read at most; a table of ad servers has some hundred thousand.
const LINES_MAX: usize = 1_000_000;

/// A table of names.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    entries: Vec<(IpAddr, Vec<String>)>,
    /// Numbers of lines that are not an address and names, counted from 1.
    pub malformed: Vec<usize>,
}

impl Hosts {
    /// Reads the file; one that cannot be read is an empty table, as it is for the C library.
    pub fn read(path: &Path) -> Hosts {
        std::fs::read(path).map(|octets| Hosts::parse(&String::from_utf8_lossy(&octets))).unwrap_or_default()
    }

    /// A table of canonical names.
    pub fn of(names: &[(String, Vec<IpAddr>)]) -> Hosts {
        let lines = |(name, addresses): &(String, Vec<IpAddr>)| {
            addresses.iter().map(|address| (*address, vec![name.clone()])).collect::<Vec<_>>()
        };
        Hosts { entries: names.iter().flat_map(lines).collect(), malformed: Vec::new() }
    }

    /// Reads a table's text.
    pub fn parse(text: &str) -> Hosts {
        let mut hosts = Hosts::default();
        for (index, line) in text.lines().take(LINES_MAX).enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let mut words = line.split_ascii_whitespace();
            let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
            let names: Vec<String> = words.map(canonical).collect();
            match address {
                Some(address) if !names.is_empty() => hosts.entries.push((address, names)),
                _ => hosts.malformed.push(index + 1),
            }
        }
        hosts
    }

    /// Every line's address and canonical names.
    pub fn entries(&self) -> impl Iterator<Item = (IpAddr, &[String])> {
        self.entries.iter().map(|(address, names)| (*address, names.as_slice()))
    }

    /// All addresses of a canonical name in the file's order; empty when the name is not there.
    pub fn addresses(&self, name: &str) -> Vec<IpAddr> {
        let named = |(_, names): &&(IpAddr, Vec<String>)| names.iter().any(|known| known == name);
        self.entries.iter().filter(named).map(|(address, _)| *address).collect()
    }

    /// The first name of an address.
    pub fn name_of(&self, address: IpAddr) -> Option<&str> {
        self.entries.iter().find(|(known, _)| *known == address)?.1.first().map(String::as_str)
    }
}

#[cfg(test)]
mod tests;
