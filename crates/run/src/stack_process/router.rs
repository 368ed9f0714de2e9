//! The host at the other end of the command's wire: the gateway, its names and its page, on a thread of its own with a
//! runtime of its own.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use portolan::{Host, HostBuilder};
use portolan_stack::Intercept;
use portolan_wire::{Address, Cidr};
use tokio::sync::watch;

use super::link::{DEFAULT_MTU, OUTER, cidr};
use crate::config::{self, Config, LinkChoice};
use crate::dns::builtin::Builtin;
use crate::dns::exchange::HostSockets;
use crate::dns::hosts::Hosts;
use crate::dns::resolv_conf::ResolvConf;
use crate::dns::server::{Server, Upstream};
use crate::fence::Fence;
use crate::gateway::names::Names;
use crate::gateway::policy::Policy;
use crate::gateway::{Counters, Gateway, Shared};
use crate::plan::{Plan, Service};
use crate::publish::udp::Datagrams;
use crate::publish::{Inside, Publisher, listen};
use crate::web::Status;

/// What is published, and where it leads.
pub(super) struct Ports {
    pub(super) bound: listen::Bound,
    pub(super) command: Inside,
    pub(super) listening: watch::Receiver<()>,
}

/// The host at the other end of a private wire, which `builder` has as [`OUTER`]; with the ports that are published.
pub(super) fn start(
    config: &Config,
    conf: &ResolvConf,
    plan: &Plan,
    mut builder: HostBuilder,
    counters: Arc<Counters>,
    fence: &Arc<Fence>,
    ports: Ports,
) -> Result<(Host, JoinHandle<()>), String> {
    for service in &plan.services {
        let network = plan.addresses.iter().find(|network| network.contains(service.address));
        let prefix =
            network.map_or(if service.address.is_ipv4() { 32 } else { 128 }, |network| network.prefix);
        builder = builder.address(cidr(config::Network { address: service.address, prefix })?);
    }
    let everything = [Address::V4_UNSPECIFIED, Address::UNSPECIFIED];
    for any in everything.into_iter().filter_map(|any| Cidr::new(any, 0)) {
        builder = builder.local_route(any);
    }
    let builder = builder.intercept(Intercept { tcp: true, udp: true, echo: true });
    let (host, worker) = builder.build().map_err(|error| error.to_string())?;
    let shared = Arc::new(Shared {
        plan: plan.clone(),
        policy: Policy { carries: config.link == LinkChoice::Egress, fence: fence.clone() },
        names: names(config, conf, plan, fence),
        status: Arc::new(status(config, plan)),
        published: Datagrams::default(),
        counters,
    });
    let wire = host.link(OUTER).ok_or("the gateway's link is gone")?;
    let publisher = Publisher {
        bound: ports.bound,
        command: ports.command,
        gateway: host.clone(),
        wire,
        shared: shared.clone(),
        listening: ports.listening,
    };
    let gateway = Gateway::new(&host, shared);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start the gateway: {error}"))?;
    let thread = std::thread::Builder::new()
        .name("portolan-gw".into())
        .spawn(move || {
            let carried = runtime.spawn(gateway.run());
            runtime.block_on(async { publisher.run() });
            // The worker ends when the host is shut down; the gateway with it.
            let _ = runtime.block_on(worker.run());
            carried.abort();
        })
        .map_err(|error| format!("cannot start the gateway: {error}"))?;
    Ok((host, thread))
}

/// The DNS server of a private wire.
fn names(config: &Config, conf: &ResolvConf, plan: &Plan, fence: &Arc<Fence>) -> Names {
    let builtin = Builtin::new(&config.link, plan);
    for (name, addresses) in builtin.entries() {
        addresses.iter().for_each(|address| fence.bind(name, *address, None));
    }
    fence.reserve(plan.services.iter().map(|service| service.address));
    // Programs that read resolv.conf themselves ask its servers.
    let addresses: Vec<IpAddr> =
        plan.addresses_of(Service::Dns).chain(conf.servers.iter().copied()).collect();
    if config.link != LinkChoice::Egress {
        return Names::new(Server::new(builtin, Hosts::default(), None), addresses, fence.clone());
    }
    let servers = if config.dns.is_empty() { conf.servers.clone() } else { config.dns.clone() };
    let upstream = Upstream { servers, timeout: conf.timeout, network: HostSockets };
    let hosts = Hosts::read(Path::new("/etc/hosts"));
    fence.adopt(&hosts);
    Names::new(Server::new(builtin, hosts, Some(upstream)), addresses, fence.clone())
}

/// What the built-in page says.
fn status(config: &Config, plan: &Plan) -> Status {
    let list = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>().join(" ");
    let mut lines = vec![
        ("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("link".to_owned(), config.link.to_string()),
        ("address".to_owned(), list(&mut plan.addresses.iter().map(ToString::to_string))),
        ("gateway".to_owned(), list(&mut plan.gateways.iter().map(ToString::to_string))),
        ("dns".to_owned(), list(&mut plan.addresses_of(Service::Dns).map(|address| address.to_string()))),
        ("mtu".to_owned(), config.mtu.unwrap_or(DEFAULT_MTU).to_string()),
    ];
    for (name, shape) in [("up", &config.shape.up), ("down", &config.shape.down)] {
        if let Some(shape) = shape {
            lines.push((name.to_owned(), shape.clone()));
        }
    }
    Status { lines }
}
