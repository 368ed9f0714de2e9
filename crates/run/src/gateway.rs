//! The second stack: it accepts any destination and carries each flow over ordinary sockets of the machine.
//!
//! The command's wire ends here. A SYN becomes a request, and the machine's own connect decides how it is answered
//! ([`tcp`]); datagrams go out of one socket per sender ([`udp`]), pings out of the machine's ping socket ([`icmp`]).
//! [`policy`] says where nothing is carried to, [`names`] is the DNS server at this end of the wire. With link `none`
//! the same host carries nothing, and only its own services answer. Start reading in [`Gateway::run`].

pub mod icmp;
pub mod names;
pub mod policy;
pub mod refusal;
pub mod tcp;
pub mod udp;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use portolan::gateway::{EchoRequest, TcpRequest, UdpDatagram};
use portolan::{Host, InterceptStream, Intercepted};
use portolan_stack::Refusal;
use portolan_wire::{Address, FlowKey};

use crate::fence::rule::{Destination, Protocol};
use crate::plan::{Plan, Service};
use crate::publish::udp::Datagrams;
use crate::web::Status;
use icmp::Pings;
use names::Names;
use policy::{FORBIDDEN, Policy, Verdict};
use udp::Flows;

/// What is counted while flows are carried, for the summary's notes.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections refused because this process had no descriptor left.
    pub out_of_descriptors: AtomicU64,
    /// UDP flows that had to go to make room for newer ones.
    pub udp_evicted: AtomicU64,
}

/// Carries the flows of one wire. All parts are shared by the tasks of its flows.
pub struct Gateway {
    stream: InterceptStream,
    shared: Arc<Shared>,
}

/// What the tasks of the flows share.
pub struct Shared {
    /// Who is who on the wire.
    pub plan: Plan,
    /// Where nothing is carried to.
    pub policy: Policy,
    /// The DNS server.
    pub names: Names,
    /// What the built-in web server says of itself.
    pub status: Arc<Status>,
    /// The flows of published ports, whose answers go back to their clients.
    pub published: Datagrams,
    /// What was refused.
    pub counters: Arc<Counters>,
}

impl Gateway {
    /// A gateway on `host`, whose link intercepts everything. From now on nothing that arrives is lost, also before
    /// [`Gateway::run`].
    pub fn new(host: &Host, shared: Arc<Shared>) -> Gateway {
        Gateway { stream: host.intercepted(), shared }
    }

    /// Carries flows until the host ends. Runs on a current-thread runtime; flows are tasks of it.
    pub async fn run(mut self) {
        let mut flows = Flows::new(
            self.shared.counters.clone(),
            self.shared.policy.fence.clone(),
            self.shared.plan.addresses_of(Service::HostLoopback).collect(),
        );
        let mut pings = Pings::new(self.shared.clone());
        while let Some(intercepted) = self.stream.next().await {
            match intercepted {
                Intercepted::Tcp(request) => {
                    tokio::spawn(connect(self.shared.clone(), request));
                }
                Intercepted::Udp(datagram) => self.on_datagram(&mut flows, datagram),
                Intercepted::Echo(request) => self.on_echo(&mut pings, request),
            }
        }
    }

    fn on_datagram(&self, flows: &mut Flows, datagram: UdpDatagram) {
        let to = datagram.flow().local;
        if self.shared.published.answer(&datagram) {
            return;
        }
        if self.shared.names.serves(to) {
            let shared = self.shared.clone();
            tokio::spawn(async move { shared.names.answer(&datagram).await });
            return;
        }
        let destination = destination_of(datagram.flow());
        match self.shared.policy.judge(&self.shared.plan, &destination) {
            Verdict::Carry(address) => flows.carry(datagram, address),
            Verdict::Service(_) => datagram.refuse(Refusal::Reset),
            Verdict::Refuse(refusal) => datagram.refuse(refusal),
            Verdict::Forbid(reason) => {
                self.shared.policy.fence.refused(datagram.flow().remote.port, &destination, &reason);
                datagram.refuse(FORBIDDEN);
            }
        }
    }

    fn on_echo(&self, pings: &mut Pings, request: EchoRequest) {
        let address = request.to().to_ip().to_canonical();
        let destination = Destination { address, port: None, protocol: Protocol::Icmp };
        match self.shared.policy.judge(&self.shared.plan, &destination) {
            Verdict::Carry(address) if !address.is_loopback() => pings.carry(request, address),
            Verdict::Carry(_) | Verdict::Service(_) => {
                // Our own addresses answer themselves; a reply is due only when the stack left it to us.
                let data = request.data().to_vec();
                let _ = request.reply(&data);
            }
            Verdict::Refuse(refusal) => request.refuse(refusal),
            Verdict::Forbid(reason) => {
                self.shared.policy.fence.refused(request.ident(), &destination, &reason);
                request.refuse(FORBIDDEN);
            }
        }
    }
}

/// Where a flow goes, as the fence and the policy see it.
pub(crate) fn destination_of(flow: &FlowKey) -> Destination {
    Destination {
        address: flow.local.address.to_ip().to_canonical(),
        port: Some(flow.local.port),
        protocol: Protocol::from_number(flow.protocol),
    }
}

/// Answers one connection request: by a service of ours, or by the machine's own connect.
async fn connect(shared: Arc<Shared>, request: TcpRequest) {
    let to = request.flow().local;
    let from_port = request.flow().remote.port;
    if shared.names.serves(to) {
        if let Ok(stream) = request.accept() {
            shared.names.serve(stream, from_port).await;
        }
        return;
    }
    let destination = destination_of(request.flow());
    match shared.policy.judge(&shared.plan, &destination) {
        Verdict::Service(Service::Web) if to.port == 80 => {
            if let Ok(stream) = request.accept() {
                let _ = stream.set_nodelay(true);
                // How a client ends its connection is its own affair.
                let _ = crate::web::serve(stream, shared.status.clone()).await;
            }
        }
        Verdict::Service(_) => request.refuse(Refusal::Reset),
        Verdict::Carry(address) => tcp::carry(&shared.counters, request, (address, to.port).into()).await,
        Verdict::Refuse(refusal) => request.refuse(refusal),
        Verdict::Forbid(reason) => {
            shared.policy.fence.refused(from_port, &destination, &reason);
            request.refuse(FORBIDDEN);
        }
    }
}

impl Shared {
    /// Whether `address` is one of the gateway's own.
    pub fn is_service(&self, address: Address) -> bool {
        self.plan.service(address.to_ip()).is_some()
    }
}
