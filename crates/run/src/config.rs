//! What the user asked for: checked once, here, before anything is started.
//!
//! The command line becomes a [`Config`]; the supervisor sends it to the stack process as JSON. An error is one line
//! that says what was given, what is wrong with it and what would be right.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::fence::Settings as FenceSettings;
use crate::plan::Plan;
use crate::publish::{self, Publication};
use crate::sysctl::Sysctl;

mod network;
mod parse;

pub use network::Network;
pub(crate) use parse::parse_decimal;
pub use parse::{
    parse_address, parse_host, parse_hostname, parse_link, parse_mtu, parse_network, parse_publish,
    parse_rule, parse_seed, parse_shape, parse_unicast,
};

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
impl Config {
    /// The settings of a host in which `other` differs, by the names of their options.
    pub fn differences(&self, other: &Config) -> Vec<&'static str> {
        let settings = [
            ("--link", self.link != other.link),
            ("--address", self.addresses != other.addresses),
            ("--gateway", self.gateways != other.gateways),
            ("--dns", self.dns != other.dns),
            ("--mtu", self.mtu != other.mtu),
            ("--net, --up or --down", self.shape != other.shape),
            ("--allow", self.fence.allow != other.fence.allow),
            ("--deny", self.fence.deny != other.fence.deny),
            ("--deny-log", self.fence.log != other.fence.log),
            ("--seed", self.seed != other.seed),
            ("--hostname", self.hostname != other.hostname),
            ("--sysctl", self.sysctls != other.sysctls),
            ("--publish", self.publish != other.publish),
            ("--share-loopback", self.share_loopback != other.share_loopback),
        ];
        settings.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
    }

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
