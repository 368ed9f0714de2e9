//! Describing a host before it is made.

use std::sync::Arc;

use portolan_drivers::PollLink;
use portolan_link::Link;
use portolan_stack::{Config, Intercept, LinkConfig, LinkId, Route, RouteKind, SettingError, Stack, Tracer};
use portolan_wire::{Address, Cidr, EthernetAddress, Family};

use crate::clock::Clock;
use crate::error::Error;
use crate::host::Host;
use crate::seed::Seed;
use crate::shared::Core;
use crate::worker::{Port, Worker};

/// The description of a host, from [`Host::builder`]. Addresses, routes and gateways belong to the link before them.
#[must_use]
pub struct HostBuilder {
    config: Config,
    seed: Option<Seed>,
    tracer: Option<Box<dyn Tracer + Send>>,
    steps: Vec<Step>,
}

enum Step {
    Link { name: String, ethernet: EthernetAddress, link: Box<dyn PollLink> },
    Address(Cidr),
    Route { destination: Cidr, via: Option<Address>, kind: RouteKind },
    Neighbour(Address, EthernetAddress),
    Intercept(Intercept),
}

impl HostBuilder {
    pub(crate) fn new() -> HostBuilder {
        HostBuilder { config: Config::default(), seed: None, tracer: None, steps: Vec::new() }
    }

    /// The settings of the stack; `Config::default()` if this is not called.
    pub fn config(mut self, config: Config) -> HostBuilder {
        self.config = config;
        self
    }

    /// The seed of the host's randomness; the system's if this is not called.
    pub fn seed(mut self, seed: Seed) -> HostBuilder {
        self.seed = Some(seed);
        self
    }

    /// Sends every change within every connection to `tracer`: windows, round-trip times, states, losses and recoveries
    /// (RFC 4898). It is called under the host's lock, so it must be quick, and must not use this host.
    /// [`crate::FlowInfo::trace_id`] says which connection an event's `flow` is.
    pub fn tracer(mut self, tracer: impl Tracer + Send + 'static) -> HostBuilder {
        self.tracer = Some(Box::new(tracer));
        self
    }

    /// Adds a link. `name` has at most 15 octets, as Linux's interface names; `ethernet` is this host's address on
    /// it, and means nothing on a link without Ethernet. An IPv6 link-local address is made from it.
    pub fn link(
        mut self,
        name: impl Into<String>,
        ethernet: EthernetAddress,
        link: impl PollLink + 'static,
    ) -> HostBuilder {
        self.steps.push(Step::Link { name: name.into(), ethernet, link: Box::new(link) });
        self
    }

    /// Gives the last link an address, IPv4 or IPv6, and with it the route to the network around it.
    pub fn address(mut self, address: Cidr) -> HostBuilder {
        self.steps.push(Step::Address(address));
        self
    }

    /// Reaches `destination` over the last link: by the router `via`, or directly if it is `None`.
    pub fn route(mut self, destination: Cidr, via: Option<Address>) -> HostBuilder {
        self.steps.push(Step::Route { destination, via, kind: RouteKind::Unicast });
        self
    }

    /// Reaches everything of the router's family by the router `via` on the last link.
    pub fn gateway(self, via: Address) -> HostBuilder {
        self.route(everything(via.family()), Some(via))
    }

    /// Takes packets to `destination` that arrive on the last link as this host's own. A gateway accepts any
    /// destination with 0.0.0.0/0 and ::/0.
    pub fn local_route(mut self, destination: Cidr) -> HostBuilder {
        self.steps.push(Step::Route { destination, via: None, kind: RouteKind::Local });
        self
    }

    /// Tells the Ethernet address of a neighbour on the last link, which is then never asked for.
    pub fn neighbour(mut self, address: Address, ethernet: EthernetAddress) -> HostBuilder {
        self.steps.push(Step::Neighbour(address, ethernet));
        self
    }

    /// Hands flows that arrive on the last link to [`Host::intercepted`].
    pub fn intercept(mut self, what: Intercept) -> HostBuilder {
        self.steps.push(Step::Intercept(what));
        self
    }

    /// Makes the host, and the worker that must run for it to do anything.
    ///
    /// Errors: [`Error::Setting`] names the first address or route that the stack does not take.
    pub fn build(self) -> Result<(Host, Worker), Error> {
        let clock = Clock::new();
        let now = clock.now();
        let seed = self.seed.unwrap_or_else(Seed::from_system);
        let mut stack = Stack::new(self.config, seed.into_seeds());
        if let Some(tracer) = self.tracer {
            stack.set_tracer(tracer);
        }
        let mut ports: Vec<Port> = Vec::new();
        for step in self.steps {
            if let Step::Link { name, ethernet, link } = step {
                let caps = link.caps();
                let id = stack.add_link(now, caps, LinkConfig { name: name.clone(), ethernet });
                ports.push(Port::new(id, name, link));
                continue;
            }
            let what = step.describe();
            let Some(port) = ports.last() else { return Err(Error::NoLink { what }) };
            step.apply(&mut stack, now, port.id()).map_err(|error| Error::Setting { what, error })?;
        }
        let links = ports.iter().map(|port| (port.id(), port.name().to_owned())).collect();
        let core = Core::new(stack, links, clock);
        Ok((Host(Arc::clone(&core)), Worker::new(core, ports)))
    }
}

impl Step {
    fn describe(&self) -> String {
        match self {
            Step::Link { name, .. } => format!("link {name}"),
            Step::Address(cidr) => format!("address {cidr}"),
            Step::Route { destination, via: Some(via), .. } => format!("route {destination} via {via}"),
            Step::Route { destination, via: None, .. } => format!("route {destination}"),
            Step::Neighbour(address, _) => format!("neighbour {address}"),
            Step::Intercept(_) => "intercept".to_owned(),
        }
    }

    fn apply(self, stack: &mut Stack, now: portolan_link::Instant, link: LinkId) -> Result<(), SettingError> {
        match self {
            Step::Link { .. } => Ok(()),
            Step::Address(cidr) => stack.add_address(now, link, cidr),
            Step::Route { destination, via, kind } => {
                stack.add_route(now, Route { destination, via, link, kind, metric: 0 })
            }
            Step::Neighbour(address, ethernet) => stack.set_neighbour(link, address, ethernet),
            Step::Intercept(what) => stack.set_intercept(link, what),
        }
    }
}

/// 0.0.0.0/0 or ::/0.
fn everything(family: Family) -> Cidr {
    let any = match family {
        Family::V4 => Address::V4_UNSPECIFIED,
        Family::V6 => Address::UNSPECIFIED,
    };
    Cidr::new(any, 0).expect("a prefix of length 0 exists in both families")
}
