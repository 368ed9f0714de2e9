//! Where no flow goes unless a rule names it: the services of clouds that hand out the machine's credentials to whoever
//! asks, and, through the gateway, the addresses that mean something on the machine's own links only.
//!
//! `--allow` lifts this for a network that lies within a reserved one, as `--allow 169.254.169.254`; never by a name,
//! whose addresses somebody else decides, and never by a wider network. Private networks (RFC 1918) are not reserved:
//! who runs a program at work wants to reach the servers there, and `--deny 10.0.0.0/8` is short.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use portolan_wire::{Address, Cidr};

use super::rule::{Destination, Rule, embedded_v4};

/// What a reserved address is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A cloud's service for the machine itself.
    Metadata,
    /// Addresses of one link (RFC 3927, RFC 4291 §2.5.6).
    LinkLocal,
}

/// Metadata services: Amazon's for machines, containers and pods, the first of which Google, Azure and most others
/// share; Alibaba's, Oracle's, Azure's host agent; Amazon's and Google's for IPv6.
const METADATA: [IpAddr; 9] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

const LINK_LOCAL: [Option<Cidr>; 2] =
    [Cidr::new(Address::v4(169, 254, 0, 0), 16), Cidr::new(Address::from_u128(0xfe80 << 112), 10)];

/// What a destination is reserved as, if it is, also when an IPv6 address leads to it. The networks of one link count
/// only for a gateway.
pub fn kind(address: IpAddr, at_gateway: bool) -> Option<Kind> {
    find(address, at_gateway).map(|(kind, _)| kind)
}

/// Whether an address means the host that uses it, also in the forms in which IPv6 carries an IPv4 address.
pub fn is_loopback(address: IpAddr) -> bool {
    // 0.0.0.0/8 is "this host": Linux takes it for the loopback.
    let is_loopback_v4 = |v4: Ipv4Addr| v4.is_loopback() || v4.octets()[0] == 0;
    match address {
        IpAddr::V4(v4) => is_loopback_v4(v4),
        IpAddr::V6(v6) => {
            v6.is_loopback() || v6.is_unspecified() || embedded_v4(v6).is_some_and(is_loopback_v4)
        }
    }
}

/// Whether `rules` name this reserved destination closely enough to be meant.
pub fn is_lifted(rules: &[Rule], destination: &Destination, at_gateway: bool) -> bool {
    let Some((_, reserved)) = find(destination.address, at_gateway) else { return true };
    rules.iter().any(|rule| {
        let is_within = |network: Cidr| {
            network.prefix_len() >= reserved.prefix_len() && reserved.contains(network.address())
        };
        rule.network().is_some_and(is_within) && rule.matches_any_form(destination, &[])
    })
}

/// The smallest reserved network that an address is in.
fn find(address: IpAddr, at_gateway: bool) -> Option<(Kind, Cidr)> {
    let embedded = match address {
        IpAddr::V6(v6) => embedded_v4(v6).map(IpAddr::V4),
        IpAddr::V4(_) => None,
    };
    [Some(address), embedded].into_iter().flatten().find_map(|ip| {
        let address = Address::from(ip);
        if METADATA.contains(&ip) {
            return Some((Kind::Metadata, Cidr::host(address)));
        }
        let link = LINK_LOCAL.into_iter().flatten().find(|network| at_gateway && network.contains(address));
        link.map(|network| (Kind::LinkLocal, network))
    })
}
