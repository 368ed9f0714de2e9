//! The addresses that follow from a [`Config`]: who is who on the command's private wire.
//!
//! The defaults are 10.0.2.0/24 and fd00::/64, numbered as QEMU's user network numbers them. With `--address` the
//! same numbers are used in the network given: 2 the gateway, 3 the DNS server, 4 the built-in web server, 5 the
//! host's loopback.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::{Config, ConfigError, LinkChoice, Network};

/// The command's addresses when none is given.
pub const DEFAULT_V4: Network = Network { address: IpAddr::V4(Ipv4Addr::new(10, 0, 2, 15)), prefix: 24 };
/// The same for IPv6.
pub const DEFAULT_V6: Network =
    Network { address: IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x15)), prefix: 64 };

/// What an address of the gateway stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Service {
    /// The router: answers echo, offers nothing.
    Gateway,
    /// The DNS server.
    Dns,
    /// The built-in web server.
    Web,
    /// The machine's own loopback.
    HostLoopback,
}

/// One address of the gateway host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServiceAddress {
    /// The address, on the wire's network.
    pub address: IpAddr,
    /// What it stands for.
    pub service: Service,
}

/// Who is who on a private wire.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The command's own addresses.
    pub addresses: Vec<Network>,
    /// The gateway host's addresses.
    pub services: Vec<ServiceAddress>,
    /// The command's routers.
    pub gateways: Vec<IpAddr>,
}

impl Plan {
    /// The plan for `config`, whose link is egress or none. Fails when an address leaves no room for the services.
    pub fn new(config: &Config) -> Result<Plan, ConfigError> {
        let addresses =
            if config.addresses.is_empty() { vec![DEFAULT_V4, DEFAULT_V6] } else { config.addresses.clone() };
        let mut services = Vec::new();
        let mut gateways = Vec::new();
        for v4 in [true, false] {
            let Some(network) = addresses.iter().find(|network| network.address.is_ipv4() == v4) else {
                continue;
            };
            let given = config.gateways.iter().copied().find(|gateway| gateway.is_ipv4() == v4);
            let mut numbered =
                [(2, Service::Gateway), (3, Service::Dns), (4, Service::Web), (5, Service::HostLoopback)]
                    .into_iter()
                    .map(|(n, service)| Some(ServiceAddress { address: network.nth(n)?, service }))
                    .collect::<Option<Vec<_>>>()
                    .ok_or_else(|| no_room(*network))?;
            if let (Some(given), Some(gateway)) = (given, numbered.first_mut()) {
                gateway.address = given;
            }
            if let Some(taken) =
                numbered.iter().find(|s| addresses.iter().any(|own| own.address == s.address))
            {
                return Err(ConfigError(format!(
                    "--address {} is wanted by the {} of this link; take a number above 5",
                    taken.address,
                    taken.service.noun()
                )));
            }
            gateways.extend(numbered.first().map(|gateway| gateway.address));
            services.extend(numbered);
        }
        if config.link == LinkChoice::None {
            gateways.clear();
        }
        Ok(Plan { addresses, services, gateways })
    }

    /// What `address` stands for, if it is the gateway host's.
    pub fn service(&self, address: IpAddr) -> Option<Service> {
        self.services.iter().find(|known| known.address == address).map(|known| known.service)
    }

    /// The addresses of a service, IPv4 first.
    pub fn addresses_of(&self, service: Service) -> impl Iterator<Item = IpAddr> + '_ {
        self.services.iter().filter(move |known| known.service == service).map(|known| known.address)
    }

    /// Whether `address` is on the private wire's own networks.
    pub fn is_on_link(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|network| network.contains(address))
    }
}

fn no_room(network: Network) -> ConfigError {
    let most = if network.address.is_ipv4() { 29 } else { 125 };
    ConfigError(format!(
        "--address {network}: this link needs room for its gateway and servers, a prefix of at most /{most}"
    ))
}

impl Service {
    fn noun(self) -> &'static str {
        match self {
            Service::Gateway => "gateway",
            Service::Dns => "DNS server",
            Service::Web => "built-in web server",
            Service::HostLoopback => "host's loopback",
        }
    }
}

#[cfg(test)]
mod tests;
