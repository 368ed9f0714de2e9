//! The host as a value: what it owns, and the five calls that drive it.
//!
//! The parts are in the other modules, each as an `impl Stack` of its own: frames come in by `link/ethernet`, go up by
//! `ip/input` and `demux`, and what is sent is built in `transmit`. Here is what holds for all of them.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use portolan_link::{Instant, LinkCaps, Medium, PacketBuf, Pool, RxBatch, TxBatch};
use portolan_tcp::Tracer;
use portolan_wire::{Address, Cidr, EthernetAddress, protocol};

use crate::auth::KeyRings;
use crate::demux::Flows;
use crate::engine::Engine;
use crate::event::{Event, Events, Pending};
use crate::fast_open::FastOpens;
use crate::flow::FlowInfo;
use crate::ip::pmtu::PathMtus;
use crate::ip::reassembly::Reassembly;
use crate::ip::route::Routes;
use crate::ip::source_route::SourceRoutes;
use crate::link::Interface;
use crate::link::gro::Gro;
use crate::list::NONE;
use crate::port::Ports;
use crate::slab::Slab;
use crate::socket::{Kind as SocketKind, Socket};
use crate::stats::Stats;
use crate::timer::{Kind, Wheel};
use crate::{Config, LinkConfig, LinkId, Seeds, SocketError};

/// The loopback's MTU: what an IP packet can hold.
const LOOPBACK_MTU: u16 = u16::MAX;
/// Frames of one loopback batch, and batches within one call: what is left is done in the next one.
const LOOPBACK_BATCH: usize = 32;
const LOOPBACK_ROUNDS: usize = 16;

/// A host: addresses, routes, sockets and connections, without a lock, a clock or I/O.
///
/// Five calls drive it: [`Stack::receive`], [`Stack::handle_timeout`], [`Stack::poll_transmit`],
/// [`Stack::next_deadline`] and [`Stack::poll_event`].
///
/// * Any order of calls is correct.
/// * A `now` that is smaller than the last counts as the last.
/// * An event that is lost or repeated loses no data.
/// * No octets from a link and no argument from an application make it panic, hang, or allocate without bound.
/// * Equal configuration, seeds and calls give equal output, octet for octet.
pub struct Stack {
    pub(crate) engine: Engine,
    /// By number; the first is the loopback, and a removed one leaves its place empty.
    pub(crate) links: Vec<Option<Interface>>,
    pub(crate) routes: Routes,
    /// Changes whenever a path that was looked up may be wrong.
    pub(crate) path_generation: u32,
    pub(crate) path_mtus: PathMtus,
    pub(crate) source_routes: SourceRoutes,
    pub(crate) flows: Flows,
    pub(crate) sockets: Slab<Socket>,
    pub(crate) ports: Ports,
    /// The raw sockets.
    pub(crate) raw_sockets: Vec<u32>,
    pub(crate) auth: KeyRings,
    pub(crate) timers: Wheel,
    pub(crate) events: Events,
    pub(crate) reassembly: Reassembly,
    pub(crate) gro: Gro,
    pub(crate) fast_opens: FastOpens,
    pub(crate) fragment_counter: u16,
    /// Whether [`Stack::shutdown`] was called.
    pub(crate) stopping: bool,
    /// When memory was last looked for; see `pressure.rs`.
    pub(crate) relieved_at: Instant,
    last_flow_id: u64,
    /// When it was last told that there are no ports.
    pub(crate) ports_told_at: Option<Instant>,
    loopback: TxBatch,
}

/// How many records the tables hold; for tests and for `portolan ss`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Sockets of all kinds.
    pub sockets: usize,
    /// Connections, those included that have ended and whose socket is still open.
    pub connections: usize,
    /// Connections in SYN-RECEIVED.
    pub embryos: usize,
    /// Connections in TIME-WAIT.
    pub time_waits: usize,
    /// Requests at intercepted links.
    pub requests: usize,
    /// Entries of the flow table.
    pub flows: usize,
    /// Octets of the flow table, its slack included.
    pub flow_table_octets: usize,
    /// Ports in use.
    pub ports: usize,
    /// Octets of the port table, its slack included.
    pub port_table_octets: usize,
    /// Neighbours of all links.
    pub neighbours: usize,
    /// Datagrams of which fragments wait.
    pub reassemblies: usize,
    /// Timers that are set.
    pub timers: usize,
}

impl Counts {
    /// Whether nothing is left of any traffic or socket. Neighbours and timers outlive both.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let tables = [
            self.sockets,
            self.connections,
            self.embryos,
            self.time_waits,
            self.requests,
            self.flows,
            self.ports,
            self.reassemblies,
        ];
        tables.into_iter().all(|entries| entries == 0)
    }
}

impl Stack {
    /// A host with nothing but its loopback: 127.0.0.1/8 and ::1.
    #[must_use]
    pub fn new(config: Config, seeds: Seeds) -> Stack {
        let ephemeral_ports = config.ephemeral_ports;
        let mut engine = Engine::new(config, &seeds);
        let tables = engine.random.tables;
        let ports = Ports::new(tables, ephemeral_ports);
        let caps = LinkCaps { medium: Medium::Ip, mtu: LOOPBACK_MTU, gso_max: 0, checksum: true };
        let fast_opens = FastOpens::new(tables, &mut engine.random);
        let settings = LinkConfig { name: String::from("lo"), ethernet: EthernetAddress::default() };
        let mut loopback = Interface::new(LinkId::LOOPBACK, caps, settings, tables);
        loopback.addresses.extend(Cidr::new(Address::LOOPBACK_V4, 8));
        loopback.addresses.extend(Cidr::new(Address::LOOPBACK_V6, 128));
        Stack {
            engine,
            links: alloc::vec![Some(loopback)],
            routes: Routes::default(),
            path_generation: 1,
            path_mtus: PathMtus::new(tables),
            source_routes: SourceRoutes::default(),
            flows: Flows::new(tables),
            sockets: Slab::new(),
            ports,
            raw_sockets: Vec::new(),
            auth: KeyRings::default(),
            timers: Wheel::new(),
            events: Events::default(),
            reassembly: Reassembly::new(tables),
            gro: Gro::default(),
            fast_opens,
            fragment_counter: 0,
            stopping: false,
            relieved_at: Instant::ZERO,
            last_flow_id: 0,
            ports_told_at: None,
            loopback: TxBatch::new(LOOPBACK_BATCH),
        }
    }

    /// Frames have arrived over a link. The batch is empty afterwards.
    pub fn receive(&mut self, now: Instant, link: LinkId, frames: &mut RxBatch) {
        self.advance(now);
        self.gro.is_open = true;
        self.gro.batch += 1;
        for frame in frames.drain() {
            self.on_frame(link, frame);
        }
        self.gro.is_open = false;
        self.flush_merged();
        self.turn_loopback();
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        // A timer that is set for now while others fire is due at the next call.
        for _ in 0..self.timers.len() {
            let Some(owner) = self.timers.pop(self.engine.now) else { break };
            match owner.kind {
                Kind::Connection => self.on_connection_timeout(owner.index),
                Kind::Embryo => self.on_embryo_timeout(owner.index),
                Kind::TimeWait => self.on_time_wait_timeout(),
                Kind::Request => self.on_request_timeout(owner.index),
                Kind::Neighbour => self.on_neighbour_timeout(owner.index),
                Kind::Reassembly => self.on_reassembly_timeout(owner.index),
                Kind::Membership => self.on_membership_timeout(owner.index),
            }
        }
        self.turn_loopback();
    }

    /// Fills `out` with what the link has to send, as far as there is room.
    pub fn poll_transmit(&mut self, now: Instant, link: LinkId, out: &mut TxBatch) {
        self.advance(now);
        if link != LinkId::LOOPBACK {
            self.fill(link, out);
        }
        self.turn_loopback();
    }

    /// When [`Stack::handle_timeout`] is wanted; at once, which is the present moment, while the host has something
    /// to tell itself.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.wants_transmit(LinkId::LOOPBACK) {
            return Some(self.engine.now);
        }
        self.timers.next_deadline().map(|deadline| deadline.max(self.engine.now))
    }

    /// What has happened next.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.next_event()
    }

    /// The pool that the links' receive buffers come from.
    pub fn pool(&mut self) -> &mut Pool {
        &mut self.engine.pool
    }

    /// The host's settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.engine.config
    }

    /// The knobs of all connections, to change them while the host runs, as sysctl does: what a connection takes
    /// from them when it opens stays as it was, all else counts at once.
    pub fn tcp_config_mut(&mut self) -> &mut portolan_tcp::Config {
        &mut self.engine.config.tcp
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.engine.stats
    }

    /// Sends the events of all connections to `tracer` from now on. [`FlowInfo::trace_id`] and
    /// [`crate::FlowSummary::trace_id`] say which connection an event's `flow` is.
    pub fn set_tracer(&mut self, tracer: Box<dyn Tracer + Send>) {
        self.engine.tracer = tracer;
    }

    /// Resets every connection, refuses every request, and takes no new ones. The resets are sent by
    /// [`Stack::poll_transmit`], until [`Stack::wants_transmit`] is false for all links.
    pub fn shutdown(&mut self, now: Instant) {
        self.advance(now);
        self.stopping = true;
        self.refuse_all_requests();
        for index in 0..self.flows.embryos.bound() {
            self.reset_embryo(index);
        }
        for index in 0..self.sockets.bound() {
            self.stop_socket(index);
        }
        for index in 0..self.flows.connections.bound() {
            if self.flows.connections.get(index).is_some_and(|connection| connection.in_table) {
                let signals = self.with_tcb(index, |tcb, cx| tcb.abort(cx)).unwrap_or_default();
                self.settle(index, signals);
            }
        }
        for index in 0..self.flows.time_waits.bound() {
            self.delete_time_wait(index);
        }
        self.turn_loopback();
    }

    /// What a shutdown does to a socket before its connection is reset.
    fn stop_socket(&mut self, index: u32) {
        let Some(socket) = self.sockets.get_mut(index) else { return };
        match core::mem::replace(&mut socket.kind, SocketKind::Ended) {
            SocketKind::Listener(listener) => {
                socket.error = Some(SocketError::NetworkDown);
                self.close_listener(index, *listener);
            }
            SocketKind::Connection(connection) => {
                socket.kind = SocketKind::Connection(connection);
                if self.flows.connections.get(connection).is_some_and(|connection| connection.in_table) {
                    socket.error = Some(SocketError::ConnectionAborted);
                }
            }
            kind => {
                socket.kind = kind;
                return;
            }
        }
        self.pend(index, Pending::FAILED);
    }

    /// Whether nothing is to be sent, and no TCP flow or request is left that could want to.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let tcp_flows = self.flows.len() - self.flows.udp.len();
        tcp_flows == 0 && !self.links.iter().flatten().any(Interface::wants_transmit)
    }

    /// How many records the tables hold.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            sockets: self.sockets.len(),
            connections: self.flows.connections.len(),
            embryos: self.flows.embryos.len(),
            time_waits: self.flows.time_waits.len(),
            requests: self.flows.requests.len(),
            flows: self.flows.len(),
            flow_table_octets: self.flows.table_octets(),
            ports: self.ports.len(),
            port_table_octets: self.ports.table_octets(),
            neighbours: self.links.iter().flatten().map(|link| link.neighbours.len()).sum(),
            reassemblies: self.reassembly.len(),
            timers: self.timers.len(),
        }
    }

    /// The open flows: all connections, and the UDP sockets with a peer.
    pub fn flows(&mut self) -> Vec<FlowInfo> {
        let mut flows = Vec::new();
        for index in 0..self.flows.connections.bound() {
            let Some(info) = self.connection_info(index) else { continue };
            let Some(connection) = self.flows.connections.get(index) else { continue };
            flows.push(FlowInfo {
                id: self.socket_id(connection.socket),
                trace_id: connection.tcb.trace_id(),
                protocol: protocol::TCP,
                local: connection.key.local,
                remote: connection.key.remote,
                state: Some(info.state),
                info: Some(info),
                opened_at: connection.opened_at,
                established_at: connection.established_at,
            });
        }
        for (index, socket) in self.sockets.iter() {
            if let SocketKind::Udp(udp) = &socket.kind
                && let Some(remote) = udp.remote
            {
                flows.push(FlowInfo {
                    id: self.socket_id(index),
                    trace_id: 0,
                    protocol: protocol::UDP,
                    local: udp.local(&self.flows, socket.local),
                    remote,
                    state: None,
                    info: None,
                    opened_at: Instant::ZERO,
                    established_at: None,
                });
            }
        }
        flows
    }

    /// Whether the invariants of all connections and tables hold; else the one that does not.
    ///
    /// # Errors
    /// The broken invariant, in words.
    pub fn check(&self) -> Result<(), String> {
        self.flows.check(&self.timers)?;
        for (index, connection) in self.flows.connections.iter() {
            connection.tcb.check(&self.engine.slabs)?;
            if connection.socket != NONE {
                let socket = self.sockets.get(connection.socket);
                if !socket
                    .is_some_and(|socket| matches!(socket.kind, SocketKind::Connection(own) if own == index))
                {
                    return Err(String::from("a connection names a socket that does not name it"));
                }
            }
            if connection.listener != NONE && self.listener(connection.listener).is_none() {
                return Err(String::from("a connection waits for a listener that is gone"));
            }
        }
        Ok(())
    }

    /// Takes note of the time. It never goes back.
    pub(crate) fn advance(&mut self, now: Instant) {
        self.engine.now = self.engine.now.max(now);
    }

    /// The id of a new connection in trace events.
    pub(crate) fn next_flow_id(&mut self) -> u64 {
        self.last_flow_id += 1;
        self.last_flow_id
    }

    /// Carries frames from the host to itself, within bounds: what is left, [`Stack::next_deadline`] asks for.
    fn turn_loopback(&mut self) {
        for _ in 0..LOOPBACK_ROUNDS {
            if !self.wants_transmit(LinkId::LOOPBACK) {
                return;
            }
            let mut batch = core::mem::replace(&mut self.loopback, TxBatch::new(0));
            self.fill(LinkId::LOOPBACK, &mut batch);
            while let Some(entry) = batch.front() {
                let mut packet = PacketBuf::with_room(&mut self.engine.pool, entry.len());
                for slice in entry.slices() {
                    packet.append(slice);
                }
                packet.offload = entry.offload;
                batch.advance(1);
                self.on_frame(LinkId::LOOPBACK, packet);
            }
            self.loopback = batch;
        }
    }
}

impl core::fmt::Debug for Stack {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Stack")
            .field("now", &self.engine.now)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}
