//! A gateway on a wire, for the tests of both its sides.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its part")]

use std::net::IpAddr;
use std::sync::Arc;

use portolan::Host;
use portolan_drivers::wire::{self, WireEnd};
use portolan_link::{LinkCaps, Medium};
use portolan_run::config::Config;
use portolan_run::dns::builtin::Builtin;
use portolan_run::dns::exchange::HostSockets;
use portolan_run::dns::hosts::Hosts;
use portolan_run::dns::server::Server;
use portolan_run::fence::{Fence, Settings};
use portolan_run::gateway::names::Names;
use portolan_run::gateway::policy::Policy;
use portolan_run::gateway::{Counters, Gateway, Shared};
use portolan_run::plan::{Plan, Service};
use portolan_run::publish::udp::Datagrams;
use portolan_run::web::Status;
use portolan_stack::Intercept;
use portolan_wire::{Address, Cidr, EthernetAddress};

/// The gateway's station.
pub const GATEWAY: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 2]);

pub fn cidr(address: IpAddr) -> Cidr {
    Cidr::new(Address::from(address), if address.is_ipv4() { 24 } else { 64 }).unwrap()
}

/// The command's end of a wire with a gateway at the other, what the gateway counts, and its fence.
pub fn gateway() -> (WireEnd, Arc<Counters>, Arc<Fence>) {
    build(LinkCaps { medium: Medium::Ethernet, mtu: 1500, gso_max: 65_535, checksum: true })
}

/// The same for a station that finishes its frames itself.
pub fn gateway_on_a_wire() -> WireEnd {
    build(LinkCaps { medium: Medium::Ethernet, mtu: 1500, gso_max: 0, checksum: false }).0
}

fn build(caps: LinkCaps) -> (WireEnd, Arc<Counters>, Arc<Fence>) {
    let (ours, theirs) = wire::pair(caps, caps);
    let config = Config::default();
    let plan = Plan::new(&config).unwrap();
    let mut outer = Host::builder().link("gateway", GATEWAY, theirs);
    for service in &plan.services {
        outer = outer.address(cidr(service.address));
    }
    for any in [Address::V4_UNSPECIFIED, Address::UNSPECIFIED] {
        outer = outer.local_route(Cidr::new(any, 0).unwrap());
    }
    let (host, worker) = outer.intercept(Intercept { tcp: true, udp: true, echo: true }).build().unwrap();
    tokio::spawn(worker.run());
    let counters = Arc::new(Counters::default());
    let server: Server<HostSockets> = Server::new(Builtin::new(&config.link, &plan), Hosts::default(), None);
    let (fence, _) = Fence::new(&Settings::default(), true, Arc::default()).unwrap();
    let fence = Arc::new(fence);
    let names = Names::new(server, plan.addresses_of(Service::Dns).collect(), fence.clone());
    let status = Arc::new(Status::default());
    let shared = Shared {
        plan,
        policy: Policy { carries: true, fence: fence.clone() },
        names,
        status,
        published: Datagrams::default(),
        counters: counters.clone(),
    };
    tokio::spawn(Gateway::new(&host, Arc::new(shared)).run());
    (ours, counters, fence)
}
