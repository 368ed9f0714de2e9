//! Plays a plan: builds the net, lets faults and applications happen, and judges.
//!
//! Judged are every octet of every text (`side.rs`), every error (`excuse.rs`), the invariants of every host after every
//! call, calls of which nothing comes (both in `Net`), and the time: all must be over some time after the last fault, and
//! at last every table of every host must be empty.

use std::collections::BTreeMap;

use portolan_drivers::Capture;
use portolan_link::Instant;
use portolan_sim::{Failure, HostId, Net, TraceHash, WireId};
use portolan_stack::{Event, LinkId, Seeds, SocketError, SocketId, SocketOption};
use portolan_wire::{Address, Endpoint, Family};

use crate::excuse;
use crate::plan::{Fault, FaultKind, Plan};
use crate::setting;
use crate::side::{Phase, Side};
use crate::weather;

/// How long after the last fault and the last planned pause all must be over, in microseconds. Twice the largest RTO, and a
/// look-up; for connections that only keepalive or the last retransmission ends, the time that these take.
const PATIENCE_US: u64 = 600_000_000;
const LONG_PATIENCE_US: u64 = 7_200_000_000;
/// What each round of a conversation may take beside its round trip: a delayed ACK and Nagle's wait.
const ROUND_US: u64 = 1_000_000;

/// How a story went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The hash of every frame.
    pub trace: TraceHash,
    /// Frames on the wires.
    pub frames: u64,
    /// The virtual time when the last table was empty.
    pub finished_at: Instant,
    /// How many applications ended how: "closed", "aborted", "lost", "unheard", or the excuse of a failure.
    pub ends: BTreeMap<&'static str, u64>,
}

/// Plays a plan, and records it if there is a capture.
///
/// # Errors
/// What went wrong, where and when.
pub fn play(plan: &Plan, capture: Option<Capture>) -> Result<Report, Failure> {
    let mut net = Net::new(plan.seed);
    net.set_quiet();
    if let Some(capture) = capture {
        net.set_capture(capture);
    }
    let mut story = Story::new(plan, &mut net)?;
    let limit = story.limit(&net);
    let played = net.run(limit, |net| story.turn(net));
    played.map_err(|failure| story.explain(&mut net, failure))?;
    story.close_listeners(&mut net)?;
    let limit = net.now().plus_micros(LONG_PATIENCE_US);
    let emptied =
        net.run(limit, |net| Ok(story.hosts.iter().all(|host| net.stack(host.id).counts().is_empty())));
    emptied.map_err(|failure| story.explain(&mut net, failure))?;
    Ok(Report { trace: net.trace_hash(), frames: net.frames(), finished_at: net.now(), ends: story.ends() })
}

/// A host of the story.
struct Host {
    id: HostId,
    /// Its listeners, each with the family.
    listeners: Vec<(SocketId, Family)>,
    /// Whether a connection may wait to be accepted, and before when none is.
    may_accept: bool,
    accept_at: Instant,
    restarts: u64,
}

struct Story<'a> {
    plan: &'a Plan,
    keepalive: bool,
    hosts: Vec<Host>,
    wires: Vec<(WireId, [LinkId; 2])>,
    connections: Vec<[Side; 2]>,
    /// The clients' ports.
    ports: Vec<u16>,
    /// What happens when, in microseconds: the start or the end of a fault.
    changes: Vec<(u64, Fault)>,
    excuses: BTreeMap<&'static str, u64>,
}

impl<'a> Story<'a> {
    fn new(plan: &'a Plan, net: &mut Net) -> Result<Story<'a>, Failure> {
        let mut story = Story {
            plan,
            keepalive: excuse::needs_keepalive(plan),
            hosts: Vec::new(),
            wires: Vec::new(),
            connections: Vec::new(),
            ports: vec![0; plan.connections.len()],
            changes: Vec::new(),
            excuses: BTreeMap::new(),
        };
        for (number, host) in plan.hosts.iter().enumerate() {
            let clock = Instant::from_nanos(host.clock_ns);
            let id = net.add_host_with(
                &format!("h{number}"),
                setting::config(host),
                setting::seeds(host, 0),
                clock,
            );
            let listeners = Vec::new();
            story.hosts.push(Host {
                id,
                listeners,
                may_accept: false,
                accept_at: Instant::ZERO,
                restarts: 0,
            });
        }
        for wire in &plan.wires {
            let [a, b] = wire.ends.map(|end| story.host(end));
            let (id, a, b) = net.connect_with(a, b, &setting::wire(wire), [wire.salt, !wire.salt]);
            story.wires.push((id, [a, b]));
        }
        for number in 0..plan.hosts.len() {
            story.start_host(net, number)?;
        }
        for (number, connection) in plan.connections.iter().enumerate() {
            let [client, server] = plan.hosts_of(connection).map(|host| story.host(host));
            let [first, second] = connection.sides;
            story.connections.push([
                Side::new(first, client, number, connection.rounds, true),
                Side::new(second, server, number, connection.rounds, false),
            ]);
            net.wake_at(Instant::from_micros(connection.at_us));
        }
        for fault in &plan.faults {
            story.changes.push((fault.from_us, *fault));
            if !fault.kind.is_momentary() && fault.until_us != Fault::NEVER_US {
                story.changes.push((fault.until_us, *fault));
            }
        }
        // Popped from the end.
        story.changes.sort_by_key(|(at_us, _)| std::cmp::Reverse(*at_us));
        story.changes.iter().for_each(|(at_us, _)| net.wake_at(Instant::from_micros(*at_us)));
        Ok(story)
    }

    fn host(&self, number: usize) -> HostId {
        self.hosts.get(number).map(|host| host.id).expect("a sound plan names hosts that there are")
    }

    /// Gives a host its addresses and listeners, at the start and after a restart.
    fn start_host(&mut self, net: &mut Net, number: usize) -> Result<(), Failure> {
        let id = self.host(number);
        for (wire_number, wire) in self.plan.wires.iter().enumerate() {
            let Some(end) = wire.ends.iter().position(|end| *end == number) else { continue };
            let Some((_, links)) = self.wires.get(wire_number) else { continue };
            let [own, peer] = if end == 0 { *links } else { [links[1], links[0]] };
            let [address, other] = [end, 1 - end].map(|end| setting::address(wire_number, wire, end));
            let station =
                wire.ends.get(1 - end).and_then(|peer_host| net.station(self.host(*peer_host), peer));
            let added = net.with(id, |stack, now| {
                stack.add_address(now, own, address)?;
                match station.filter(|_| !wire.lookup) {
                    Some(station) => stack.set_neighbour(own, other.address(), station),
                    None => Ok(()),
                }
            })?;
            added.map_err(|error| net.failure(format!("addresses: {error:?}")))?;
        }
        let backlog = self.plan.hosts.get(number).map_or(1, setting::backlog);
        let mut listeners = Vec::new();
        for (family, port) in [(Family::V4, 80), (Family::V6, 81)] {
            let socket = net.with(id, |stack, now| {
                let socket = stack.tcp_socket(family)?;
                stack.bind(now, socket, Endpoint { address: unspecified(family), port })?;
                stack.listen(now, socket, backlog).map(|()| socket)
            })?;
            let socket = socket.map_err(|error| net.failure(format!("listen: {error:?}")))?;
            listeners.push((socket, family));
        }
        if let Some(host) = self.hosts.get_mut(number) {
            host.listeners = listeners;
        }
        Ok(())
    }

    /// When all must be over.
    fn limit(&self, net: &Net) -> Instant {
        let faults_us = self.plan.faults.iter().map(Fault::ends_us).max().unwrap_or(0);
        let starts_us = self.plan.connections.iter().map(|connection| connection.at_us).max().unwrap_or(0);
        let pauses_us: u64 = self
            .plan
            .connections
            .iter()
            .map(|connection| {
                let sides = connection.sides.iter().map(|side| {
                    let writes = u64::from(side.octets / side.write_max.max(1)) * side.write_pause_us;
                    // The other's text is what this one reads.
                    let others: u64 = connection.sides.iter().map(|side| u64::from(side.octets)).sum();
                    let reads = others / u64::from(side.read_max.max(1)) * side.read_pause_us;
                    writes + reads + side.read_delay_us
                });
                sides.sum::<u64>() + u64::from(connection.rounds) * ROUND_US
            })
            .sum();
        let accepts_us: u64 = self.plan.hosts.iter().map(|host| host.accept_pause_us).sum::<u64>()
            * self.plan.connections.len() as u64;
        let patience_us = if self.keepalive { LONG_PATIENCE_US } else { PATIENCE_US };
        let pauses_us = pauses_us.saturating_add(accepts_us).saturating_add(patience_us);
        net.now().plus_micros(faults_us.max(starts_us).saturating_add(pauses_us))
    }

    /// Does what is due, and lets every application do what it can; says whether all is over.
    fn turn(&mut self, net: &mut Net) -> Result<bool, Failure> {
        while let Some((_, fault)) =
            self.changes.pop_if(|(at_us, _)| Instant::from_micros(*at_us) <= net.now())
        {
            self.change(net, fault)?;
        }
        self.connect_due(net)?;
        self.hear(net)?;
        self.accept(net)?;
        for number in 0..self.connections.len() {
            for index in [0, 1] {
                self.let_side_turn(net, number, index)?;
            }
        }
        Ok(self.connections.iter().all(|[client, server]| {
            let is_unheard = server.phase == Phase::Waiting && client.is_over();
            client.is_over() && (server.is_over() || is_unheard)
        }))
    }

    /// A fault starts or ends.
    fn change(&mut self, net: &mut Net, fault: Fault) -> Result<(), Failure> {
        match fault.kind {
            FaultKind::ClockJump(ms) => net.jump_clock(self.host(fault.on), ms.saturating_mul(1_000_000)),
            FaultKind::Restart => self.restart(net, fault.on)?,
            FaultKind::NatRebind => {
                if let Some(nat) = self.wires.get(fault.on).and_then(|(wire, _)| net.nat(*wire)) {
                    nat.rebind();
                }
            }
            _ => {
                let (impairments, obstacles) = weather::at(self.plan, fault.on, net.now().as_micros());
                if let Some((wire, _)) = self.wires.get(fault.on) {
                    net.set_impairments(*wire, impairments);
                    net.set_obstacles(*wire, obstacles);
                }
            }
        }
        Ok(())
    }

    fn restart(&mut self, net: &mut Net, number: usize) -> Result<(), Failure> {
        let Some(host) = self.hosts.get_mut(number) else { return Ok(()) };
        host.restarts += 1;
        host.may_accept = false;
        let (id, restarts) = (host.id, host.restarts);
        let seeds: Option<Seeds> = self.plan.hosts.get(number).map(|host| setting::seeds(host, restarts));
        net.restart(id, seeds.unwrap_or_else(|| Seeds::fixed(restarts)));
        for side in self.connections.iter_mut().flatten().filter(|side| side.host == id) {
            if side.phase == Phase::Connecting || side.phase == Phase::Open {
                side.phase = Phase::Lost;
                side.socket = None;
            }
        }
        self.start_host(net, number)
    }

    /// Opens the connections whose time has come.
    fn connect_due(&mut self, net: &mut Net) -> Result<(), Failure> {
        for (number, plan) in self.plan.connections.iter().enumerate() {
            let Some([client, _]) = self.connections.get_mut(number) else { continue };
            if client.phase != Phase::Waiting || Instant::from_micros(plan.at_us) > net.now() {
                continue;
            }
            let Some(wire) = self.plan.wires.get(plan.wire) else { continue };
            let [own, other] = [plan.backward, !plan.backward].map(usize::from);
            let local = setting::address(plan.wire, wire, own).address();
            let remote = Endpoint {
                address: setting::address(plan.wire, wire, other).address(),
                port: setting::port(wire),
            };
            let socket = net.with(client.host, |stack, now| {
                let socket = stack.tcp_socket(local.family())?;
                if plan.port != 0 {
                    stack.bind(now, socket, Endpoint { address: local, port: plan.port })?;
                }
                if plan.mss_clamp != 0 {
                    stack.set_option(now, socket, SocketOption::MaxSegment(plan.mss_clamp.max(88)))?;
                }
                stack.connect(now, socket, remote)?;
                stack.local(socket).map(|local| (socket, local.port))
            })?;
            let (socket, port) =
                socket.map_err(|error| net.failure(format!("{}: connect: {error:?}", client.name())))?;
            (client.phase, client.socket) = (Phase::Connecting, Some(socket));
            if let Some(place) = self.ports.get_mut(number) {
                *place = port;
            }
            self.set_options(net, number, 0)?;
        }
        Ok(())
    }

    fn set_options(&mut self, net: &mut Net, number: usize, index: usize) -> Result<(), Failure> {
        let Some(plan) = self.plan.connections.get(number) else { return Ok(()) };
        let Some(side) = self.connections.get(number).and_then(|sides| sides.get(index)) else {
            return Ok(());
        };
        let Some(socket) = side.socket else { return Ok(()) };
        let keepalive = plan.keepalive || self.keepalive;
        let nodelay = plan.sides.get(index).is_some_and(|side| side.nodelay);
        let set = net.with(side.host, |stack, now| {
            stack.set_option(now, socket, SocketOption::KeepAlive(keepalive))?;
            stack.set_option(now, socket, SocketOption::NoDelay(nodelay))
        })?;
        set.map_err(|error| net.failure(format!("{}: options: {error:?}", side.name())))
    }

    /// Takes the events of all hosts to those whom they concern.
    fn hear(&mut self, net: &mut Net) -> Result<(), Failure> {
        for number in 0..self.hosts.len() {
            let id = self.host(number);
            for event in net.take_events(id) {
                let socket = match event {
                    Event::Acceptable(_) => {
                        if let Some(host) = self.hosts.get_mut(number) {
                            host.may_accept = true;
                        }
                        continue;
                    }
                    Event::Connected(socket)
                    | Event::Readable(socket)
                    | Event::Writable(socket)
                    | Event::PeerClosed(socket)
                    | Event::Failed(socket, _)
                    | Event::ConnectFailed(socket, _) => socket,
                    _ => continue,
                };
                let sides = &mut self.connections;
                let found = sides.iter_mut().enumerate().find_map(|(number, sides)| {
                    let index =
                        sides.iter().position(|side| side.host == id && side.socket == Some(socket))?;
                    Some((number, index))
                });
                let Some((connection, index)) = found else { continue };
                self.tell(net, connection, index, socket, &event)?;
            }
        }
        Ok(())
    }

    fn tell(
        &mut self,
        net: &mut Net,
        number: usize,
        index: usize,
        socket: SocketId,
        event: &Event,
    ) -> Result<(), Failure> {
        let Some(side) = self.connections.get_mut(number).and_then(|sides| sides.get_mut(index)) else {
            return Ok(());
        };
        side.is_called = true;
        match *event {
            Event::Connected(_) if side.phase == Phase::Connecting => side.open(net, socket),
            Event::Failed(_, error) => side.error = Some(error),
            Event::ConnectFailed(_, error) => self.judge(net, number, index, error)?,
            _ => {}
        }
        Ok(())
    }

    /// Accepts what waits, one at a time where the plan has a pause.
    fn accept(&mut self, net: &mut Net) -> Result<(), Failure> {
        for number in 0..self.hosts.len() {
            let pause_us = self.plan.hosts.get(number).map_or(0, |host| host.accept_pause_us);
            while let Some(host) = self.hosts.get_mut(number)
                && host.may_accept
                && host.accept_at <= net.now()
            {
                let mut accepted = None;
                for (listener, _) in &host.listeners {
                    if let Ok((socket, _, remote)) =
                        net.with(host.id, |stack, now| stack.accept(now, *listener))?
                    {
                        accepted = Some((socket, remote));
                        break;
                    }
                }
                let Some((socket, remote)) = accepted else {
                    host.may_accept = false;
                    break;
                };
                if pause_us > 0 {
                    host.accept_at = net.now().plus_micros(pause_us);
                    net.wake_at(host.accept_at);
                }
                self.welcome(net, socket, remote)?;
            }
        }
        Ok(())
    }

    /// Finds out whose connection was accepted.
    fn welcome(&mut self, net: &mut Net, socket: SocketId, remote: Endpoint) -> Result<(), Failure> {
        let plan = self.plan;
        let mut found = None;
        for (number, connection) in plan.connections.iter().enumerate() {
            let Some(wire) = plan.wires.get(connection.wire) else { continue };
            let client = setting::address(connection.wire, wire, usize::from(connection.backward)).address();
            let mut port = remote.port;
            if let Some(nat) = self.wires.get(connection.wire).and_then(|(wire, _)| net.nat(*wire)) {
                port = nat.port_inside(port).unwrap_or(port);
            }
            let is_free =
                self.connections.get(number).is_some_and(|[_, server]| server.phase == Phase::Waiting);
            if client == remote.address && self.ports.get(number) == Some(&port) && is_free {
                found = Some(number);
            }
        }
        let Some(number) = found else {
            return Err(net.failure(format!("a connection from {remote} that nobody opened was accepted")));
        };
        if let Some([_, server]) = self.connections.get_mut(number) {
            server.open(net, socket);
        }
        self.set_options(net, number, 1)
    }

    fn let_side_turn(&mut self, net: &mut Net, number: usize, index: usize) -> Result<(), Failure> {
        let Some([client, server]) = self.connections.get_mut(number) else { return Ok(()) };
        let (side, peer) = if index == 0 { (client, server) } else { (server, client) };
        if !side.wants_turn(net.now()) {
            return Ok(());
        }
        match side.turn(net, peer.as_peer())? {
            Some(error) => self.judge(net, number, index, error),
            None => Ok(()),
        }
    }

    /// A connection has failed: it had a reason, or the story has.
    fn judge(
        &mut self,
        net: &mut Net,
        number: usize,
        index: usize,
        error: SocketError,
    ) -> Result<(), Failure> {
        let Some(plan) = self.plan.connections.get(number) else { return Ok(()) };
        let Some([client, server]) = self.connections.get_mut(number) else { return Ok(()) };
        let (side, peer) = if index == 0 { (client, server) } else { (server, client) };
        match excuse::excuse(self.plan, plan, [side, peer], error, net.now().as_micros()) {
            Some(reason) => {
                *self.excuses.entry(reason).or_default() += 1;
                side.let_go(net, Phase::Failed(error))
            }
            None => {
                let what = format!("{}: {error:?} without a reason; {}", side.name(), side.describe());
                Err(net.failure(what))
            }
        }
    }

    fn close_listeners(&mut self, net: &mut Net) -> Result<(), Failure> {
        for host in &mut self.hosts {
            for (listener, _) in std::mem::take(&mut host.listeners) {
                let closed = net.with(host.id, |stack, now| stack.close(now, listener))?;
                closed.map_err(|error| net.failure(format!("closing a listener: {error:?}")))?;
            }
        }
        Ok(())
    }

    /// Adds to a failure where everybody stands.
    fn explain(&self, net: &mut Net, mut failure: Failure) -> Failure {
        if failure.is_stuck {
            failure.what = format!("stuck; {}", failure.what);
        }
        for side in self.connections.iter().flatten().filter(|side| !side.is_over()) {
            failure.what.push_str(&format!("; {}", side.describe()));
        }
        for (number, host) in self.hosts.iter().enumerate() {
            failure.what.push_str(&format!("; h{number}: {:?}", net.stack(host.id).counts()));
            let flows = net.with(host.id, |stack, _| stack.flows()).unwrap_or_default();
            for flow in flows {
                failure.what.push_str(&format!(", {} - {}: {:?}", flow.local, flow.remote, flow.info));
            }
        }
        failure
    }

    fn ends(&self) -> BTreeMap<&'static str, u64> {
        let mut ends = self.excuses.clone();
        for side in self.connections.iter().flatten() {
            let end = match side.phase {
                Phase::Closed => "closed",
                Phase::Aborted => "aborted",
                Phase::Lost => "lost",
                Phase::Failed(_) => continue,
                Phase::Waiting | Phase::Connecting | Phase::Open => "unheard",
            };
            *ends.entry(end).or_default() += 1;
        }
        ends
    }
}

fn unspecified(family: Family) -> Address {
    match family {
        Family::V4 => Address::V4_UNSPECIFIED,
        Family::V6 => Address::UNSPECIFIED,
    }
}

#[cfg(test)]
mod tests;
