//! Where flows are carried to, and where not.
//!
//! The command's loopback is its own; the machine's is reached by `host.portolan.internal` and by no other name, so
//! that a service which trusts loopback is not reached by accident. All else that leaves is asked of the
//! [fence](crate::fence). The gateway's own services are on this side of it, so only a `--deny` shuts them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Instant;

use portolan_stack::{Refusal, UnreachableCode};

use crate::fence::reserved::is_loopback;
use crate::fence::rule::Destination;
use crate::fence::{Fence, Reason};
use crate::plan::{Plan, Service};

/// What is said of a destination that policy forbids.
pub const FORBIDDEN: Refusal = Refusal::Unreachable(UnreachableCode::Admin);

/// What happens to a flow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It goes to this address of the machine's network.
    Carry(IpAddr),
    /// It is for a service of the gateway.
    Service(Service),
    /// It goes nowhere.
    Refuse(Refusal),
    /// It must not go there, which is told to the user and said to the program as [`FORBIDDEN`].
    Forbid(Reason),
}

/// What kind of gateway this is.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Whether flows leave the wire at all.
    pub carries: bool,
    /// Whom they may reach.
    pub fence: Arc<Fence>,
}

impl Policy {
    /// What to do with a flow, or with a datagram of one.
    pub fn judge(&self, plan: &Plan, destination: &Destination) -> Verdict {
        let address = destination.address;
        let service = plan.service(address);
        if let Some(service) = service.filter(|service| !self.carries || *service != Service::HostLoopback) {
            // No --allow is needed for what stays on the wire. Questions for names are judged one by one.
            let denied =
                (service != Service::Dns).then(|| self.fence.denial_on_wire(destination, Instant::now()));
            return denied.flatten().map_or(Verdict::Service(service), Verdict::Forbid);
        }
        if !self.carries {
            return Verdict::Refuse(Refusal::Unreachable(UnreachableCode::Network));
        }
        if is_loopback(address) {
            return Verdict::Forbid(Reason::Loopback);
        }
        if is_group(address) {
            return Verdict::Refuse(Refusal::Silent);
        }
        if let Err(reason) = self.fence.judge(destination, Instant::now()) {
            return Verdict::Forbid(reason);
        }
        match service {
            Some(_) => Verdict::Carry(loopback(address)),
            None if plan.is_on_link(address) => Verdict::Refuse(Refusal::Unreachable(UnreachableCode::Host)),
            None => Verdict::Carry(address),
        }
    }
}

/// The machine's loopback in the same family.
fn loopback(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    }
}

/// Multicast and broadcast: groups of the private wire, on which nobody else is.
fn is_group(address: IpAddr) -> bool {
    address.is_multicast() || matches!(address, IpAddr::V4(v4) if v4.is_broadcast())
}

#[cfg(test)]
mod tests;
