//! Readers of the values of options. Each error says what was given, what is wrong with it and what would be right.

use std::net::IpAddr;

use portolan_sim::impair::{Direction, Schedule};

use super::network::unusable;
use super::{ConfigError, LinkChoice, MTU_MIN_V4, Network};
use crate::admin::{AdminError, directory};
use crate::fence::rule::Rule;
use crate::publish::{self, Publication};

/// Longest name of a network device, in octets (IFNAMSIZ less the final NUL).
const DEVICE_NAME_MAX: usize = 15;

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

/// A host's name, as `portolan ls` shows it.
pub fn parse_host(text: &str) -> Result<String, ConfigError> {
    if directory::is_name(text) {
        return Ok(text.to_owned());
    }
    Err(ConfigError::new(AdminError::Name { name: text.to_owned() }))
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
