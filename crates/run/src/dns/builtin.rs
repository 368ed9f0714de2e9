//! The names under `portolan.internal`, which exist only here.

use std::net::IpAddr;

use crate::config::LinkChoice;
use crate::plan::{Plan, Service};

/// The built-in server's name, and the zone of all built-in names.
pub const ZONE: &str = "portolan.internal";

/// Whether a canonical name belongs to the built-in zone, known or not: such a name is never asked elsewhere.
pub fn is_in_zone(name: &str) -> bool {
    name.strip_suffix(ZONE).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The built-in names and their addresses.
#[derive(Clone, Debug, Default)]
pub struct Builtin {
    names: Vec<(String, Vec<IpAddr>)>,
}

impl Builtin {
    /// The names that exist on `link`: with egress the web server, the gateway and the host; with none only the web
    /// server; else none.
    pub fn new(link: &LinkChoice, plan: &Plan) -> Builtin {
        let of = |prefix: &str, service| (format!("{prefix}{ZONE}"), plan.addresses_of(service).collect());
        let names = match link {
            LinkChoice::Egress => vec![
                of("", Service::Web),
                of("gateway.", Service::Gateway),
                of("host.", Service::HostLoopback),
                of("dns.", Service::Dns),
            ],
            LinkChoice::None => vec![of("", Service::Web)],
            LinkChoice::Tap(_) | LinkChoice::Tun(_) | LinkChoice::Packet(_) | LinkChoice::Wire(_) => {
                Vec::new()
            }
        };
        Builtin { names }
    }

    /// Hosts' names and addresses, as names below the zone.
    pub fn below_the_zone(names: Vec<(String, Vec<IpAddr>)>) -> Builtin {
        let below = |(name, addresses)| (format!("{name}.{ZONE}"), addresses);
        Builtin { names: names.into_iter().map(below).collect() }
    }

    /// Every name and its addresses.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &[IpAddr])> {
        self.names.iter().map(|(name, addresses)| (name.as_str(), addresses.as_slice()))
    }

    /// The addresses of a canonical name.
    pub fn addresses(&self, name: &str) -> Option<&[IpAddr]> {
        self.names.iter().find(|(known, _)| known == name).map(|(_, addresses)| addresses.as_slice())
    }

    /// The name of an address.
    pub fn name_of(&self, address: IpAddr) -> Option<&str> {
        self.names.iter().find(|(_, addresses)| addresses.contains(&address)).map(|(name, _)| name.as_str())
    }
}
