//! An address with its prefix, and which addresses a host can have.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::ConfigError;

/// An address with the length of its network's prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Network {
    /// The host's own address.
    pub address: IpAddr,
    /// Bits of the network's prefix, at most 32 or 128.
    pub prefix: u8,
}
/// Why an address cannot be one host's own, if so.
pub(super) fn unusable(address: IpAddr) -> Option<&'static str> {
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
    pub(super) fn check(self) -> Result<(), ConfigError> {
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
