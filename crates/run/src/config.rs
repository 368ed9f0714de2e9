//! What the user asked for: checked once, here, before anything is started.
//!
//! The command line becomes a [`Config`]; the supervisor sends it to the stack process as JSON. An error is one line
//! that says what was given, what is wrong with it and what would be right.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use portolan_sim::impair::{Direction, Schedule};
use serde::{Deserialize, Serialize};

use crate::admin::directory;
use crate::fence::Settings as FenceSettings;
use crate::fence::rule::Rule;
use crate::plan::Plan;
use crate::publish::{self, Publication};
use crate::sysctl::Sysctl;

/// Longest name of a network device, in octets (IFNAMSIZ less the final NUL).
const DEVICE_NAME_MAX: usize = 15;

/// Smallest MTU of IPv4 (RFC 791 §3.2) and of IPv6 (RFC 8200 §5).
const MTU_MIN_V4: u16 = 68;
const MTU_MIN_V6: u16 = 1280;

/// Where the command's packets go.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum LinkChoice {
    /// Through the gateway, over ordinary sockets of this machine.
    Egress,
    /// A TAP device of this name.
    Tap(String),
    /// A TUN device of this name.
    Tun(String),
    /// An Ethernet interface of this name, beside the machine's own use of it.
    Packet(String),
    /// A virtual Ethernet of this name, with other hosts of this user.
    Wire(String),
    /// Nowhere: a private wire with nothing but the built-in web server on it.
    None,
}

impl fmt::Display for LinkChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkChoice::Egress => f.write_str("egress"),
            LinkChoice::None => f.write_str("none"),
            LinkChoice::Tap(name) => write!(f, "tap:{name}"),
            LinkChoice::Tun(name) => write!(f, "tun:{name}"),
            LinkChoice::Packet(name) => write!(f, "packet:{name}"),
            LinkChoice::Wire(name) => write!(f, "wire:{name}"),
        }
    }
}

/// An address with the length of its network's prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Network {
    /// The host's own address.
    pub address: IpAddr,
    /// Bits of the network's prefix, at most 32 or 128.
    pub prefix: u8,
}

/// How the wire is shaped: texts in netem's words, checked by [`portolan_sim::impair`].
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Shape {
    /// For what the command sends.
    pub up: Option<String>,
    /// For what the command receives.
    pub down: Option<String>,
}

/// Everything that the stack process must know.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Config {
    /// Where packets go.
    pub link: LinkChoice,
    /// The command's addresses; empty for the link's own defaults.
    pub addresses: Vec<Network>,
    /// Routers, at most one of each family.
    pub gateways: Vec<IpAddr>,
    /// DNS servers to ask instead of those in the host's resolv.conf.
    pub dns: Vec<IpAddr>,
    /// Largest IP packet of the link, in octets; `None` for the link's own.
    pub mtu: Option<u16>,
    /// Faults of the wire.
    pub shape: Shape,
    /// What the command may reach.
    #[serde(default)]
    pub fence: FenceSettings,
    /// Seeds what is not secret: faults and jitter. `None` takes a fresh one.
    pub seed: Option<u64>,
    /// The command's host name, which resolves to its addresses.
    pub hostname: Option<String>,
    /// Knobs that differ from their defaults.
    pub sysctls: Vec<Sysctl>,
    /// Ports of the machine that lead to the command's.
    pub publish: Vec<Publication>,
    /// Whether the machine's loopback answers where nobody of the command does.
    pub share_loopback: bool,
    /// Whether frames are recorded to the stack process's standard output.
    pub capture: bool,
    /// The command's SSLKEYLOGFILE, whose keys go into the recording.
    pub keys: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            link: LinkChoice::Egress,
            addresses: Vec::new(),
            gateways: Vec::new(),
            dns: Vec::new(),
            mtu: None,
            shape: Shape::default(),
            fence: FenceSettings::default(),
            seed: None,
            hostname: None,
            sysctls: Vec::new(),
            publish: Vec::new(),
            share_loopback: false,
            capture: false,
            keys: None,
        }
    }
}

/// A setting that cannot be used: one line.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

impl ConfigError {
    pub(crate) fn new(text: impl fmt::Display) -> ConfigError {
        ConfigError(text.to_string())
    }
}

/// Reads the value of `--link`.
pub fn parse_link(text: &str) -> Result<LinkChoice, ConfigError> {
    match text.split_once(':') {
        None if text == "egress" => Ok(LinkChoice::Egress),
        None if text == "none" => Ok(LinkChoice::None),
        None if matches!(text, "tap" | "tun" | "packet" | "wire") => {
            Err(ConfigError::new(format_args!("'{text}' needs a name: {text}:NAME")))
        }
        Some(("tap", name)) => check_device_name(name).map(|()| LinkChoice::Tap(name.to_owned())),
        Some(("tun", name)) => check_device_name(name).map(|()| LinkChoice::Tun(name.to_owned())),
        Some(("packet", name)) => check_device_name(name).map(|()| LinkChoice::Packet(name.to_owned())),
        Some(("wire", name)) => check_wire_name(name).map(|()| LinkChoice::Wire(name.to_owned())),
        _ => Err(ConfigError::new(format_args!(
            "'{}' is no link; there are egress, tap:NAME, tun:NAME, packet:IFACE, wire:NAME and none",
            text.escape_default()
        ))),
    }
}

fn check_wire_name(name: &str) -> Result<(), ConfigError> {
    if directory::is_name(name) {
        return Ok(());
    }
    Err(ConfigError::new(format_args!(
        "'{}' is no wire's name: at most {} letters, digits, '.', '_' and '-', a letter or digit first",
        name.escape_default(),
        directory::NAME_MAX
    )))
}

fn check_device_name(name: &str) -> Result<(), ConfigError> {
    let printed = name.escape_default();
    if name.is_empty() {
        return Err(ConfigError::new("the device's name is empty; write for instance tap:tap0"));
    }
    if name.len() > DEVICE_NAME_MAX {
        return Err(ConfigError::new(format_args!(
            "the device's name '{printed}' has {} octets; at most {DEVICE_NAME_MAX} are allowed",
            name.len()
        )));
    }
    if name == "." || name == ".." || name.contains(|c: char| !c.is_ascii_graphic() || "/:%".contains(c)) {
        return Err(ConfigError::new(format_args!(
            "'{printed}' is no device's name: only printable ASCII without '/', ':', '%' and spaces"
        )));
    }
    Ok(())
}

/// Reads the value of `--address`: an address a host can have, with its prefix length.
pub fn parse_network(text: &str) -> Result<Network, ConfigError> {
    let printed = text.escape_default().to_string();
    let (address, prefix) = text.split_once('/').ok_or_else(|| {
        ConfigError::new(format_args!("'{printed}' has no prefix length; write for instance 10.0.2.15/24"))
    })?;
    let address = parse_address(address)?;
    let max = if address.is_ipv4() { 32 } else { 128 };
    let prefix = parse_decimal(prefix).filter(|bits| *bits <= max).ok_or_else(|| {
        ConfigError::new(format_args!("'{printed}': the prefix length must be a number from 0 to {max}"))
    })?;
    let network = Network { address, prefix: u8::try_from(prefix).unwrap_or(u8::MAX) };
    network.check()?;
    Ok(network)
}

/// Reads an address without prefix, port or zone.
pub fn parse_address(text: &str) -> Result<IpAddr, ConfigError> {
    text.parse().map_err(|_| {
        let printed = text.escape_default();
        let why = if text.contains('%') {
            "a zone is not allowed here"
        } else if text.contains(['[', ']']) {
            "write an IPv6 address without brackets"
        } else if text.contains(':') {
            "IPv6 has eight groups of up to four hexadecimal digits, with '::' at most once"
        } else {
            "IPv4 has four numbers from 0 to 255 without leading zeros"
        };
        ConfigError::new(format_args!("'{printed}' is no IP address: {why}"))
    })
}

/// Reads a router's or DNS server's address: one that can be sent to.
pub fn parse_unicast(text: &str) -> Result<IpAddr, ConfigError> {
    let address = parse_address(text)?;
    match unusable(address) {
        Some(kind) => Err(ConfigError::new(format_args!("{address} is {kind}; a host's address is needed"))),
        None => Ok(address),
    }
}

/// Reads the value of `--mtu`.
pub fn parse_mtu(text: &str) -> Result<u16, ConfigError> {
    parse_decimal(text).and_then(|mtu| u16::try_from(mtu).ok()).filter(|mtu| *mtu >= MTU_MIN_V4).ok_or_else(
        || {
            let printed = text.escape_default();
            ConfigError::new(format_args!(
                "'{printed}' is no MTU: a number from {MTU_MIN_V4} to 65535 octets"
            ))
        },
    )
}

/// Reads the value of `--seed`.
pub fn parse_seed(text: &str) -> Result<u64, ConfigError> {
    parse_decimal(text).ok_or_else(|| {
        let printed = text.escape_default();
        ConfigError::new(format_args!("'{printed}' is no seed: a decimal number from 0 to {}", u64::MAX))
    })
}

/// Reads the value of `--net`, `--up` or `--down`: checked now, built by the stack process.
pub fn parse_shape(text: &str) -> Result<String, ConfigError> {
    for direction in [Direction::Up, Direction::Down] {
        Schedule::parse(text, direction).map_err(ConfigError::new)?;
    }
    Ok(text.to_owned())
}

/// Reads the value of `--allow` or `--deny`.
pub fn parse_rule(text: &str) -> Result<Rule, ConfigError> {
    text.parse().map_err(ConfigError::new)
}

/// Reads the value of `--publish`.
pub fn parse_publish(text: &str) -> Result<Publication, ConfigError> {
    publish::spec::parse(text)
}

/// Reads the value of `--hostname` (RFC 1123 §2.1).
pub fn parse_hostname(text: &str) -> Result<String, ConfigError> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if text.len() <= 253 && text.split('.').all(label) {
        return Ok(text.to_ascii_lowercase());
    }
    let printed = text.escape_default();
    Err(ConfigError::new(format_args!(
        "'{printed}' is no host name: labels of letters, digits and inner '-', at most 63 each, joined by '.'"
    )))
}

/// Decimal digits and nothing else, no leading zero: `+1`, `080`, `1e3` and other alphabets' digits are refused.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|c| c.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// Why an address cannot be one host's own, if so.
fn unusable(address: IpAddr) -> Option<&'static str> {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    let mapped = matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
    match address {
        _ if address.is_unspecified() => Some("the unspecified address"),
        _ if address.is_loopback() => Some("a loopback address"),
        _ if address.is_multicast() => Some("a multicast address"),
        _ if broadcast => Some("the broadcast address"),
        _ if mapped => Some("an IPv4 address in IPv6's form"),
        _ => None,
    }
}

impl Network {
    fn check(self) -> Result<(), ConfigError> {
        if let Some(kind) = unusable(self.address) {
            return Err(ConfigError::new(format_args!("{self}: {kind} cannot be the command's own")));
        }
        let first = self.nth(0);
        if let IpAddr::V4(address) = self.address
            && self.prefix < 31
        {
            let last = u32::from(address) | u32::MAX.checked_shr(u32::from(self.prefix)).unwrap_or(0);
            if Some(self.address) == first {
                return Err(ConfigError::new(format_args!(
                    "{self} names the network itself; give a host in it"
                )));
            }
            if u32::from(address) == last {
                return Err(ConfigError::new(format_args!("{self} is its network's broadcast address")));
            }
        }
        Ok(())
    }

    /// The `n`th address of the network, the network's own being the 0th; `None` beyond its end.
    pub fn nth(self, n: u8) -> Option<IpAddr> {
        let n128 = u128::from(n);
        match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix.min(32))).unwrap_or(0);
                (n128 <= u128::from(!mask))
                    .then(|| IpAddr::V4((u32::from(address) & mask | u32::from(n)).into()))
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix.min(128))).unwrap_or(0);
                (n128 <= !mask).then(|| IpAddr::V6((u128::from(address) & mask | n128).into()))
            }
        }
    }

    /// Whether `other` is in this network.
    pub fn contains(self, other: IpAddr) -> bool {
        self.address.is_ipv4() == other.is_ipv4()
            && self.nth(0) == Network { address: other, prefix: self.prefix }.nth(0)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Config {
    /// Checks what no single option can be checked for.
    pub fn check(&self) -> Result<(), ConfigError> {
        for (index, network) in self.addresses.iter().enumerate() {
            if self.addresses.iter().take(index).any(|earlier| earlier.address == network.address) {
                return Err(ConfigError::new(format_args!("--address {network} is given twice")));
            }
        }
        self.check_gateways()?;
        publish::spec::check(&self.publish)?;
        let has_gateway = matches!(self.link, LinkChoice::Egress | LinkChoice::None);
        if let Some(first) = self.publish.first().filter(|_| !has_gateway) {
            return Err(ConfigError::new(format_args!(
                "--publish {first}: only the links egress and none lead through this machine's sockets; on {} \
                 the command is reached at its own address",
                self.link
            )));
        }
        let v6 = self.addresses.is_empty() || self.addresses.iter().any(|network| network.address.is_ipv6());
        if let Some(mtu) = self.mtu.filter(|mtu| v6 && *mtu < MTU_MIN_V6) {
            return Err(ConfigError::new(format_args!(
                "--mtu {mtu}: IPv6 needs {MTU_MIN_V6} octets at least; for less, give IPv4 addresses only, with --address"
            )));
        }
        match &self.link {
            LinkChoice::Tap(_) | LinkChoice::Tun(_) | LinkChoice::Packet(_) if self.addresses.is_empty() => {
                Err(ConfigError::new(format_args!(
                    "{} gives the command no address; give one with --address CIDR",
                    self.link
                )))
            }
            LinkChoice::Tap(_) | LinkChoice::Tun(_) | LinkChoice::Packet(_) | LinkChoice::Wire(_) => Ok(()),
            LinkChoice::Egress | LinkChoice::None => Plan::new(self).map(drop),
        }
    }

    fn check_gateways(&self) -> Result<(), ConfigError> {
        for (index, gateway) in self.gateways.iter().enumerate() {
            if self.gateways.iter().take(index).any(|earlier| earlier.is_ipv4() == gateway.is_ipv4()) {
                return Err(ConfigError::new(format_args!(
                    "--gateway {gateway}: one of its family is given already"
                )));
            }
            if self.addresses.iter().any(|network| network.address == *gateway) {
                return Err(ConfigError::new(format_args!(
                    "--gateway {gateway} is the command's own address"
                )));
            }
            let link_local = matches!(gateway, IpAddr::V6(v6) if v6.is_unicast_link_local());
            if !link_local
                && !self.addresses.is_empty()
                && !self.addresses.iter().any(|network| network.contains(*gateway))
            {
                return Err(ConfigError::new(format_args!(
                    "--gateway {gateway} is in no network of an --address, so it could not be reached"
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
