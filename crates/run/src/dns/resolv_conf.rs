//! The host's resolver configuration, /etc/resolv.conf (resolv.conf(5)).

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use super::canonical;

/// Servers that are used at most, as in the C library.
const SERVERS_MAX: usize = 3;
/// Domains of the search list that are tried at most, so that one name is not asked for without end.
const SEARCH_MAX: usize = 6;

/// What the file says, with the C library's defaults for the rest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResolvConf {
    /// Servers in order.
    pub servers: Vec<IpAddr>,
    /// Domains that are appended to short names, canonical.
    pub search: Vec<String>,
    /// Names with fewer dots are tried with the search list first.
    pub ndots: usize,
    /// How long a server is waited for at first.
    pub timeout: Duration,
    /// How often the list of servers is gone through.
    pub attempts: u32,
}

impl Default for ResolvConf {
    fn default() -> ResolvConf {
        ResolvConf {
            servers: Vec::new(),
            search: Vec::new(),
            ndots: 1,
            timeout: Duration::from_secs(5),
            attempts: 2,
        }
    }
}

impl ResolvConf {
    /// Reads the file; one that cannot be read names no server.
    pub fn read(path: &Path) -> ResolvConf {
        std::fs::read(path)
            .map(|octets| ResolvConf::parse(&String::from_utf8_lossy(&octets)))
            .unwrap_or_default()
    }

    /// Reads a file's text; lines that make no sense are ignored, as the C library does.
    pub fn parse(text: &str) -> ResolvConf {
        let mut conf = ResolvConf::default();
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => {
                    // A zone ("fe80::1%eth0") has no meaning on another link; the server is skipped.
                    let server = words.next().and_then(|word| word.parse::<IpAddr>().ok());
                    if let Some(server) = server.filter(|_| conf.servers.len() < SERVERS_MAX) {
                        conf.servers.push(server);
                    }
                }
                Some("domain" | "search") => {
                    conf.search =
                        words.map(canonical).filter(|domain| !domain.is_empty()).take(SEARCH_MAX).collect();
                }
                Some("options") => words.for_each(|word| conf.option(word)),
                _ => {}
            }
        }
        conf
    }

    fn option(&mut self, word: &str) {
        let Some((name, Ok(value))) = word.split_once(':').map(|(name, value)| (name, value.parse::<u32>()))
        else {
            return;
        };
        match name {
            "ndots" => self.ndots = value.min(15) as usize,
            "timeout" => self.timeout = Duration::from_secs(u64::from(value.clamp(1, 30))),
            "attempts" => self.attempts = value.clamp(1, 5),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
