//! `--sysctl KEY=VALUE`: knobs of the command's host, under their Linux names.
//!
//! A value is checked when the command line is read, by the same function that sets it later in the stack process.

use portolan_stack::Config as HostConfig;
use serde::{Deserialize, Serialize};

use crate::config::ConfigError;

/// One setting, known and checked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Sysctl {
    key: String,
    value: String,
}

/// A knob.
struct Knob {
    key: &'static str,
    /// What a value may be, for whoever gave another.
    allowed: &'static str,
    set: fn(&mut HostConfig, &str) -> Option<()>,
}

const TABLE: [Knob; 6] = [
    Knob {
        key: "net.core.somaxconn",
        allowed: "a number from 1 to 65535",
        set: |config, text| {
            config.somaxconn = u32::from(number::<u16>(text).filter(|most| *most > 0)?);
            Some(())
        },
    },
    Knob {
        key: "net.ipv4.ip_default_ttl",
        allowed: "a number from 1 to 255",
        set: |config, text| {
            config.hop_limit = number::<u8>(text).filter(|ttl| *ttl > 0)?;
            Some(())
        },
    },
    Knob {
        key: "net.ipv4.ip_local_port_range",
        allowed: "two ports from 1 to 65535, the first not above the second, with a space between them",
        set: |config, text| {
            let (first, last) = text.trim().split_once(char::is_whitespace)?;
            let (first, last) = (number::<u16>(first)?, number::<u16>(last)?);
            config.ephemeral_ports = (first > 0 && first <= last).then_some((first, last))?;
            Some(())
        },
    },
    Knob {
        key: "net.ipv4.ip_unprivileged_port_start",
        allowed: "a port from 0 to 65535",
        set: |config, text| {
            config.ip_unprivileged_port_start = number(text)?;
            Some(())
        },
    },
    Knob {
        key: "net.ipv4.tcp_max_tw_buckets",
        allowed: "a number from 0 to 1048576",
        set: |config, text| {
            config.time_wait_max = number::<usize>(text).filter(|most| *most <= 1 << 20)?;
            Some(())
        },
    },
    Knob {
        key: "net.ipv4.tcp_syn_retries",
        allowed: "a number from 1 to 127",
        set: |config, text| {
            config.tcp.syn_retries = number::<u8>(text).filter(|tries| (1..=127).contains(tries))?;
            Some(())
        },
    },
];

/// Reads the value of `--sysctl`.
pub fn parse_sysctl(text: &str) -> Result<Sysctl, ConfigError> {
    let printed = text.escape_default();
    let Some((key, value)) = text.split_once('=') else {
        return Err(ConfigError::new(format_args!("'{printed}' has no '='; write KEY=VALUE")));
    };
    let (key, value) = (key.trim().replace('/', "."), value.trim());
    let Some(knob) = TABLE.iter().find(|knob| knob.key == key) else {
        let known: Vec<_> = TABLE.iter().map(|knob| knob.key).collect();
        return Err(ConfigError::new(format_args!(
            "'{}' is no knob of this host; there are {}",
            key.escape_default(),
            known.join(", ")
        )));
    };
    if (knob.set)(&mut HostConfig::default(), value).is_none() {
        return Err(ConfigError::new(format_args!(
            "{}: '{}' is not {}",
            knob.key,
            value.escape_default(),
            knob.allowed
        )));
    }
    Ok(Sysctl { key, value: value.to_owned() })
}

impl Sysctl {
    /// Linux's name, with dots.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What it is set to.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Changes the host's configuration.
    pub fn apply(&self, config: &mut HostConfig) {
        if let Some(knob) = TABLE.iter().find(|knob| knob.key == self.key) {
            // It was checked when it was read.
            let _ = (knob.set)(config, &self.value);
        }
    }
}

/// Decimal digits and nothing else.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let is_plain = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    if is_plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests;
