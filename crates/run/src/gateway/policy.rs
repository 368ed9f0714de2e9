//! Where flows are carried to, and where not.
//!
//! The command's loopback is its own; the machine's is reached by `host.portolan.internal` and by no other name, so
//! that a service which trusts loopback is not reached by accident. The cloud's metadata service hands out the
//! machine's credentials, and is never reached.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use portolan_stack::{Refusal, UnreachableCode};
use portolan_wire::Address;

use crate::plan::{Plan, Service};

/// What is said of a destination that policy forbids.
pub const FORBIDDEN: Refusal = Refusal::Unreachable(UnreachableCode::Admin);

/// What happens to a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It goes to this address of the machine's network.
    Carry(IpAddr),
    /// It is for a service of the gateway.
    Service(Service),
    /// It goes nowhere.
    Refuse(Refusal),
}

/// What kind of gateway this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// Whether flows leave the wire at all.
    pub carries: bool,
}

impl Policy {
    /// What to do with a flow to `destination`.
    pub fn judge(self, plan: &Plan, destination: Address) -> Verdict {
        let address = destination.to_ip().to_canonical();
        match plan.service(address) {
            Some(Service::HostLoopback) if self.carries => return Verdict::Carry(loopback(address)),
            Some(service) => return Verdict::Service(service),
            None => {}
        }
        if !self.carries {
            return Verdict::Refuse(Refusal::Unreachable(UnreachableCode::Network));
        }
        if is_forbidden(address) {
            return Verdict::Refuse(FORBIDDEN);
        }
        if is_group(address) {
            return Verdict::Refuse(Refusal::Silent);
        }
        if plan.is_on_link(address) {
            return Verdict::Refuse(Refusal::Unreachable(UnreachableCode::Host));
        }
        Verdict::Carry(address)
    }
}

/// The machine's loopback in the same family.
fn loopback(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    }
}

/// The machine's loopback under another name, or a metadata service: also in the forms in which IPv6 carries an IPv4
/// address (RFC 4291 §2.5.5, RFC 6052, RFC 3056).
fn is_forbidden(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_forbidden_v4(v4),
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6 == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)
                || embedded_v4(v6).is_some_and(is_forbidden_v4)
        }
    }
}

fn is_forbidden_v4(v4: Ipv4Addr) -> bool {
    // 0.0.0.0/8 is "this host": Linux takes it for the loopback.
    v4.is_loopback() || v4.octets()[0] == 0 || v4 == Ipv4Addr::new(169, 254, 169, 254)
}

fn embedded_v4(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d] = [12, 13, 14, 15].map(|at| v6.octets()[at]);
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, _, _] => Some([a, b, c, d].into()),
        [0, 0, 0, 0, 0, 0xffff, _, _] => Some([a, b, c, d].into()),
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => Some([a, b, c, d].into()),
        [0x2002, high, low, ..] => Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))),
        _ => None,
    }
}

/// Multicast and broadcast: groups of the private wire, on which nobody else is.
fn is_group(address: IpAddr) -> bool {
    address.is_multicast() || matches!(address, IpAddr::V4(v4) if v4.is_broadcast())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn judge(carries: bool, address: &str) -> Verdict {
        let plan = Plan::new(&Config::default()).unwrap();
        Policy { carries }.judge(&plan, address.parse::<IpAddr>().unwrap().into())
    }

    #[test]
    fn the_world_is_carried_and_the_hosts_loopback_has_one_name() {
        assert_eq!(judge(true, "192.0.2.1"), Verdict::Carry("192.0.2.1".parse().unwrap()));
        assert_eq!(judge(true, "2001:db8::1"), Verdict::Carry("2001:db8::1".parse().unwrap()));
        assert_eq!(judge(true, "10.0.2.5"), Verdict::Carry("127.0.0.1".parse().unwrap()));
        assert_eq!(judge(true, "fd00::5"), Verdict::Carry("::1".parse().unwrap()));
        assert_eq!(judge(true, "10.0.2.4"), Verdict::Service(Service::Web));
    }

    #[test]
    fn loopback_and_metadata_are_forbidden_in_every_form() {
        for address in [
            "127.0.0.1",
            "127.8.8.8",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "::1",
            "::",
            "fd00:ec2::254",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b::127.0.0.1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
        ] {
            assert_eq!(judge(true, address), Verdict::Refuse(FORBIDDEN), "{address}");
        }
    }

    #[test]
    fn groups_are_silent_and_strangers_on_the_wire_unreachable() {
        for address in ["255.255.255.255", "224.0.0.251", "ff02::fb"] {
            assert_eq!(judge(true, address), Verdict::Refuse(Refusal::Silent));
        }
        let host = Verdict::Refuse(Refusal::Unreachable(UnreachableCode::Host));
        assert_eq!((judge(true, "10.0.2.99"), judge(true, "fd00::99")), (host, host));
    }

    #[test]
    fn a_wire_that_leads_nowhere_still_has_its_services() {
        let network = Verdict::Refuse(Refusal::Unreachable(UnreachableCode::Network));
        assert_eq!(judge(false, "192.0.2.1"), network);
        assert_eq!(judge(false, "10.0.2.4"), Verdict::Service(Service::Web));
        assert_eq!(
            judge(false, "10.0.2.5"),
            Verdict::Service(Service::HostLoopback),
            "but it is not carried"
        );
    }
}
