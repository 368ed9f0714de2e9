//! Hosts, wires and the clock.

use std::collections::BTreeSet;

use portolan_link::{Instant, LinkCaps, Medium, RxBatch, TxBatch};
use portolan_stack::{Config, Event, LinkConfig, LinkId, Seeds, Stack};
use portolan_wire::EthernetAddress;

use crate::failure::{Failure, replay_line};
use crate::impair::Impairment;
use crate::random::Random;
use crate::trace::{Trace, TraceHash};
use crate::wire::{Lane, WireOptions};

/// Rounds that hosts may keep each other busy within one moment, before that counts as a failure.
const ROUNDS_MAX: usize = 10_000;
/// Frames built by one call.
const TX_BATCH: usize = 32;
/// The largest super-segment on links with offload, in octets of IP packet.
const GSO_MAX: u32 = 65_535;

/// A host of a [`Net`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HostId(usize);

/// A wire of a [`Net`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WireId(usize);

/// A virtual network. After every call of a stack its invariants are checked.
///
/// A net that is dropped by a panic says on standard error which seed it had and how to replay it.
#[derive(Debug)]
pub struct Net {
    seed: u64,
    now: Instant,
    random: Random,
    hosts: Vec<Host>,
    wires: Vec<Wire>,
    trace: Trace,
    /// When applications want to be called, besides when something happens.
    wakes: BTreeSet<Instant>,
}

#[derive(Debug)]
struct Host {
    name: String,
    stack: Stack,
    plugs: Vec<Plug>,
    events: Vec<Event>,
    transmit: TxBatch,
}

/// Where one of a host's links goes: out on one lane of a wire, in from the other.
#[derive(Clone, Copy, Debug)]
struct Plug {
    link: LinkId,
    wire: usize,
    end: usize,
    peer: usize,
}

#[derive(Debug)]
struct Wire {
    /// From the first end to the second, and back.
    lanes: [Lane; 2],
}

impl Net {
    /// An empty network whose every random draw follows from `seed`.
    pub fn new(seed: u64) -> Net {
        Net {
            seed,
            now: Instant::ZERO,
            random: Random::new(seed),
            hosts: Vec::new(),
            wires: Vec::new(),
            trace: Trace::default(),
            wakes: BTreeSet::new(),
        }
    }

    /// The virtual time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The random draws of this network.
    pub fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// The hash of every frame so far.
    pub fn trace_hash(&self) -> TraceHash {
        self.trace.hash()
    }

    /// Frames sent so far, counted as packets of at most the MTU.
    pub fn frames(&self) -> u64 {
        self.trace.frames()
    }

    /// Adds a host. Its secrets follow from the network's seed.
    pub fn add_host(&mut self, name: &str, config: Config) -> HostId {
        let seeds = Seeds { public: self.random.bits(), secret: self.random.secret() };
        let stack = Stack::new(config, seeds);
        let (plugs, events) = (Vec::new(), Vec::new());
        self.hosts.push(Host {
            name: name.to_owned(),
            stack,
            plugs,
            events,
            transmit: TxBatch::new(TX_BATCH),
        });
        HostId(self.hosts.len() - 1)
    }

    /// Lays a wire between two hosts, and gives each a link on it: `a`'s and `b`'s.
    pub fn connect(&mut self, a: HostId, b: HostId, options: &WireOptions) -> (WireId, LinkId, LinkId) {
        let wire = self.wires.len();
        let lanes = [options.forward, options.backward]
            .map(|impairment| Lane::new(impairment, options.whole, self.random.bits()));
        self.wires.push(Wire { lanes });
        let (a_link, b_link) = (self.plug(a, b, wire, 0, options), self.plug(b, a, wire, 1, options));
        (WireId(wire), a_link, b_link)
    }

    fn plug(&mut self, host: HostId, peer: HostId, wire: usize, end: usize, options: &WireOptions) -> LinkId {
        let gso_max = if options.offload { GSO_MAX } else { 0 };
        let caps =
            LinkCaps { medium: Medium::Ethernet, mtu: options.mtu, gso_max, checksum: options.offload };
        let [low, high, ..] = wire.to_le_bytes();
        // The first octet says: administered locally, one station.
        let ethernet = EthernetAddress([0x02, 0, high, low, 0, u8::from(end == 1) + 1]);
        let now = self.now;
        let entry = self.host_mut(host);
        let name = format!("eth{}", entry.plugs.len());
        let link = entry.stack.add_link(now, caps, LinkConfig { name, ethernet });
        entry.plugs.push(Plug { link, wire, end, peer: peer.0 });
        link
    }

    /// Changes what a wire does to packets from now on: forward, then backward.
    pub fn set_impairments(&mut self, wire: WireId, impairments: [Impairment; 2]) {
        if let Some(wire) = self.wires.get_mut(wire.0) {
            for (lane, impairment) in wire.lanes.iter_mut().zip(impairments) {
                lane.set_impairment(impairment);
            }
        }
    }

    /// Calls a host's stack, and checks its invariants afterwards.
    pub fn with<R>(
        &mut self,
        host: HostId,
        call: impl FnOnce(&mut Stack, Instant) -> R,
    ) -> Result<R, Failure> {
        let now = self.now;
        let result = call(&mut self.host_mut(host).stack, now);
        self.check(host.0)?;
        Ok(result)
    }

    /// Looks at a host's stack.
    pub fn stack(&self, host: HostId) -> &Stack {
        &self.hosts.get(host.0).expect("a HostId names a host of its own net").stack
    }

    /// The events of a host since the last call, in order.
    pub fn take_events(&mut self, host: HostId) -> Vec<Event> {
        std::mem::take(&mut self.host_mut(host).events)
    }

    /// Has the application called at `at`, though nothing else happens.
    pub fn wake_at(&mut self, at: Instant) {
        self.wakes.insert(at);
    }

    /// A failure of this network, here and now.
    pub fn failure(&self, what: impl Into<String>) -> Failure {
        Failure { seed: self.seed, at: self.now, what: what.into(), last_frames: self.trace.last_lines() }
    }

    /// Plays until `application` says that it is done, calling it whenever something may have changed. Events that it does
    /// not take are dropped. Fails if nothing is left to happen before that, or if it takes until `limit`.
    pub fn run(
        &mut self,
        limit: Instant,
        mut application: impl FnMut(&mut Net) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        self.settle()?;
        loop {
            let is_done = application(self)?;
            self.hosts.iter_mut().for_each(|host| host.events.clear());
            self.settle()?;
            if is_done {
                return Ok(());
            }
            if self.hosts.iter().any(|host| !host.events.is_empty()) {
                continue;
            }
            if !self.advance() {
                return Err(self.failure("nothing is left to happen, and the application is not done"));
            }
            if self.now > limit {
                return Err(self.failure(format!("not done by {} ms", limit.as_millis())));
            }
            self.settle()?;
        }
    }

    /// Does all that is due at this moment, until hosts and wires are at rest.
    pub fn settle(&mut self) -> Result<(), Failure> {
        for _ in 0..ROUNDS_MAX {
            let mut is_busy = false;
            for host in 0..self.hosts.len() {
                is_busy |= self.deliver(host)?;
                is_busy |= self.fire_timers(host)?;
                is_busy |= self.transmit(host)?;
                self.collect_events(host)?;
            }
            if !is_busy {
                return Ok(());
            }
        }
        Err(self.failure("the hosts do not come to rest"))
    }

    /// Moves the clock to the next thing that is due; `false` if there is none.
    pub fn advance(&mut self) -> bool {
        let wires = self.wires.iter().flat_map(|wire| wire.lanes.iter().map(Lane::next_deadline));
        let hosts = self.hosts.iter().map(|host| host.stack.next_deadline());
        let Some(next) = wires.chain(hosts).flatten().chain(self.wakes.first().copied()).min() else {
            return false;
        };
        self.now = self.now.max(next);
        self.wakes.retain(|&at| at > self.now);
        true
    }

    /// Hands a host the frames that have arrived, in batches of random size.
    fn deliver(&mut self, host: usize) -> Result<bool, Failure> {
        let (now, mut is_busy) = (self.now, false);
        for index in 0.. {
            let Some(plug) = self.hosts.get(host).and_then(|host| host.plugs.get(index)).copied() else {
                break;
            };
            loop {
                let size = usize::try_from(self.random.between(1, 16)).unwrap_or(1);
                let mut batch = RxBatch::new(size);
                let (Some(host_entry), Some(wire)) =
                    (self.hosts.get_mut(host), self.wires.get_mut(plug.wire))
                else {
                    break;
                };
                // What comes in at this end is what the other end sent out.
                let [forward, backward] = &mut wire.lanes;
                let lane = if plug.end == 0 { backward } else { forward };
                if lane.next_deadline().is_none_or(|at| at > now) {
                    break;
                }
                lane.arrive(now, host_entry.stack.pool(), &mut batch);
                host_entry.stack.receive(now, plug.link, &mut batch);
                if !batch.is_empty() {
                    return Err(self.failure("receive left frames in its batch"));
                }
                is_busy = true;
                self.check(host)?;
            }
        }
        Ok(is_busy)
    }

    fn fire_timers(&mut self, host: usize) -> Result<bool, Failure> {
        let now = self.now;
        let Some(entry) = self.hosts.get_mut(host) else { return Ok(false) };
        if entry.stack.next_deadline().is_none_or(|at| at > now) {
            return Ok(false);
        }
        entry.stack.handle_timeout(now);
        self.check(host)?;
        Ok(true)
    }

    fn transmit(&mut self, host: usize) -> Result<bool, Failure> {
        let (now, mut is_busy) = (self.now, false);
        for index in 0.. {
            let Some(plug) = self.hosts.get(host).and_then(|host| host.plugs.get(index)).copied() else {
                break;
            };
            loop {
                let peer_name = self.hosts.get(plug.peer).map(|peer| peer.name.clone()).unwrap_or_default();
                let Some(entry) = self.hosts.get_mut(host) else { break };
                entry.stack.poll_transmit(now, plug.link, &mut entry.transmit);
                let Some(wire) = self.wires.get_mut(plug.wire) else { break };
                let [forward, backward] = &mut wire.lanes;
                let lane = if plug.end == 0 { forward } else { backward };
                let (trace, name, mut is_true) = (&mut self.trace, &entry.name, true);
                for frame in entry.transmit.iter() {
                    is_true &= lane.push(now, frame, |packet| trace.record(now, name, &peer_name, packet));
                }
                let was_empty = entry.transmit.is_empty();
                entry.transmit.clear();
                self.check(host)?;
                if !is_true {
                    return Err(self.failure("a frame's offload contradicts its headers"));
                }
                if was_empty {
                    break;
                }
                is_busy = true;
            }
        }
        Ok(is_busy)
    }

    fn collect_events(&mut self, host: usize) -> Result<(), Failure> {
        let Some(entry) = self.hosts.get_mut(host) else { return Ok(()) };
        let mut is_any = false;
        while let Some(event) = entry.stack.poll_event() {
            entry.events.push(event);
            is_any = true;
        }
        if is_any { self.check(host) } else { Ok(()) }
    }

    fn check(&self, host: usize) -> Result<(), Failure> {
        let Some(host) = self.hosts.get(host) else { return Ok(()) };
        host.stack.check().map_err(|broken| self.failure(format!("host {}: {broken}", host.name)))
    }

    fn host_mut(&mut self, host: HostId) -> &mut Host {
        self.hosts.get_mut(host.0).expect("a HostId names a host of its own net")
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let us = self.now.as_micros();
            eprintln!("seed {} panicked at {us} us; replay: {}", self.seed, replay_line(self.seed));
            for line in self.trace.last_lines() {
                eprintln!("  {line}");
            }
        }
    }
}
