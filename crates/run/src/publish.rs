//! `--publish`: ports of the machine that lead into the command's host.
//!
//! [`spec`] reads what the user wrote, [`listen`] takes the machine's ports before anything else starts, and the
//! [`Publisher`] carries what arrives, on the gateway's thread: connections ([`tcp`]) and datagrams ([`udp`]). The
//! gateway's host sends them over the command's wire in the name of the client, so that the program sees the client's
//! own address and port, and the wire's faults, the capture and the summary count them as any other flow.
//!
//! A port of TCP is open only while the program listens: a client is refused by the machine itself, without a
//! connection that ends at once. Start reading in [`Publisher::run`].

pub mod listen;
pub mod spec;
mod tcp;
pub mod udp;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use portolan::Host;
use portolan_stack::LinkId;
use portolan_wire::{Endpoint, protocol};
use tokio::sync::watch;

use crate::gateway::Shared;
use crate::kernel_sockets;
use crate::plan::{Plan, Service};
use listen::Bound;
pub use spec::{Publication, Transport};

/// How often it is looked whether a program with the kernel's sockets listens.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Carries what arrives at published ports.
pub struct Publisher {
    /// The machine's ports.
    pub bound: Bound,
    /// Where the program listens.
    pub command: Inside,
    /// The host that speaks for the clients, and what it shares with the flows the other way.
    pub gateway: Host,
    /// The gateway host's end of the wire.
    pub wire: LinkId,
    /// The parts of the gateway.
    pub shared: Arc<Shared>,
    /// Changes when the program listens or listens no more.
    pub listening: watch::Receiver<()>,
}

/// The command's end of its wire.
#[derive(Clone)]
pub enum Inside {
    /// A host of ours.
    Host {
        /// The host.
        host: Host,
        /// Its link.
        link: LinkId,
    },
    /// The kernel, in the network namespace of this process.
    Namespace(u32),
}

impl Inside {
    /// Whether somebody listens for connections to this address, which come over the wire or the loopback.
    fn hears(&self, at: SocketAddr) -> bool {
        match self {
            Inside::Host { host, link } => {
                let link = if at.ip().is_loopback() { LinkId::LOOPBACK } else { *link };
                let at = Endpoint::new(at.ip().into(), at.port());
                host.with_stack(|stack, _| stack.has_listener(link, at))
            }
            Inside::Namespace(member) => {
                let (ip, port) = (at.ip(), at.port());
                let fits = |local: IpAddr| {
                    local == ip || local.is_unspecified() && (local.is_ipv6() || ip.is_ipv4())
                };
                kernel_sockets::of(*member, protocol::TCP).iter().any(|socket| {
                    socket.is_listening
                        && socket.local.port() == port
                        && fits(socket.local.ip().to_canonical())
                })
            }
        }
    }
}

/// Says time and again that it may have changed whether the program listens: the kernel tells nobody. Needs a tokio
/// runtime.
pub fn look_regularly(is_wanted: bool) -> watch::Receiver<()> {
    let (tell, listening) = watch::channel(());
    tokio::spawn(async move {
        while is_wanted && tell.send(()).is_ok() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    });
    listening
}

impl Publisher {
    /// Starts a task for each port, on this runtime; they end with it. Must be called on the gateway's runtime.
    pub fn run(self) {
        for port in self.bound.tcp {
            let listener = tcp::Listener {
                port,
                command: self.command.clone(),
                gateway: self.gateway.clone(),
                shared: self.shared.clone(),
                listening: self.listening.clone(),
            };
            tokio::spawn(listener.serve());
        }
        for port in self.bound.udp {
            tokio::spawn(udp::receive(port, self.gateway.clone(), self.wire, self.shared.clone()));
        }
    }
}

/// Both ends of a flow on the wire: the client as the program is to see it, and the program.
///
/// A client keeps its address and port. One on the machine's loopback is `host.portolan.internal`, by which name the
/// program reaches that loopback in turn. One whose address cannot be answered on this wire, because it is of the
/// wire's own network, link-local, or of a family that the command has not, is the gateway.
fn on_the_wire(plan: &Plan, client: SocketAddr, inside: u16) -> Option<(SocketAddr, SocketAddr)> {
    let ip = client.ip().to_canonical();
    let own = |v4: bool| {
        let network = plan.addresses.iter().find(|network| network.address.is_ipv4() == v4);
        network.map(|network| network.address)
    };
    let service = |service: Service, v4: bool| plan.addresses_of(service).find(|known| known.is_ipv4() == v4);
    let v4 = ip.is_ipv4();
    let (command, source) = match own(v4) {
        Some(command) if ip.is_loopback() => (command, service(Service::HostLoopback, v4)),
        Some(command) if plan.is_on_link(ip) || is_link_local(ip) => (command, service(Service::Gateway, v4)),
        Some(command) => (command, Some(ip)),
        None => (own(!v4)?, service(Service::Gateway, !v4)),
    };
    Some((SocketAddr::new(source?, client.port()), SocketAddr::new(command, inside)))
}

fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

#[cfg(test)]
mod tests;
