//! Hosts, wires and the clock.
//!
//! The net has one time. A host's own clock may start anywhere and may jump; what it says of time is translated.

use std::collections::BTreeSet;

use portolan_drivers::Capture;
use portolan_drivers::capture::{Direction, InterfaceId};
use portolan_link::{Instant, LinkCaps, Medium, RxBatch, TxBatch};
use portolan_stack::{Config, Event, LinkConfig, LinkId, Seeds, Stack};
use portolan_wire::EthernetAddress;

use crate::failure::{Failure, replay_line};
use crate::impair::{Impairment, Schedule};
use crate::obstacle::{Nat, Obstacles};
use crate::random::Random;
use crate::trace::{Trace, TraceHash};
use crate::wire::{Wire, WireOptions};

/// Rounds that hosts may keep each other busy within one moment, before that counts as a failure.
const ROUNDS_MAX: usize = 10_000;
/// Calls that nothing comes of, neither a frame nor an event, that one host may ask for within one virtual millisecond.
const IDLE_CALLS_MAX: u32 = 200;
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
    capture: Option<Capture>,
    /// Whether a panic is somebody else's to tell.
    is_quiet: bool,
}

#[derive(Debug)]
struct Host {
    name: String,
    stack: Stack,
    /// What is added to the net's time to give the host's, in nanoseconds.
    clock: i128,
    /// It looks at its links and timers only every so many microseconds; 0 whenever something is due.
    wake_interval_us: u64,
    config: Config,
    plugs: Vec<Plug>,
    events: Vec<Event>,
    transmit: TxBatch,
    idle_calls: u32,
    /// The millisecond in which `idle_calls` were made.
    idle_at_ms: u64,
}

impl Host {
    /// The host's time at a moment of the net.
    fn local(&self, at: Instant) -> Instant {
        let nanos = i128::from(at.as_nanos()) + self.clock;
        Instant::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
    }

    /// The moment of the net at which the host's clock shows `local`, which never comes if it is the latest there is.
    fn global(&self, local: Instant) -> Instant {
        if local == Instant::MAX {
            return local;
        }
        let nanos = i128::from(local.as_nanos()) - self.clock;
        Instant::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.stack.next_deadline().map(|at| self.noticed(self.global(at)))
    }

    /// When the host takes notice of what is due at `at`.
    fn noticed(&self, at: Instant) -> Instant {
        match self.wake_interval_us * 1_000 {
            0 => at,
            nanos => Instant::from_nanos(at.as_nanos().div_ceil(nanos).saturating_mul(nanos)),
        }
    }

    /// Takes note that something has come of a call.
    fn progress(&mut self) {
        self.idle_calls = 0;
    }

    /// Takes note of a call that nothing has come of yet; false if there are too many.
    fn idle_call(&mut self, now: Instant) -> bool {
        let ms = now.as_millis();
        if ms != self.idle_at_ms {
            (self.idle_at_ms, self.idle_calls) = (ms, 0);
        }
        self.idle_calls += 1;
        self.idle_calls <= IDLE_CALLS_MAX
    }
}

/// Where one of a host's links goes: out on one lane of a wire, in from the other.
#[derive(Clone, Debug)]
struct Plug {
    link: LinkId,
    caps: LinkCaps,
    settings: LinkConfig,
    wire: usize,
    end: usize,
    peer: usize,
    /// In the capture, if there is one.
    interface: Option<InterfaceId>,
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
            capture: None,
            is_quiet: false,
        }
    }

    /// Records from now on what every link sends and receives. To be called before the wires are laid.
    pub fn set_capture(&mut self, capture: Capture) {
        self.capture = Some(capture);
    }

    /// Leaves it to the caller to tell of a panic.
    pub fn set_quiet(&mut self) {
        self.is_quiet = true;
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
        self.add_host_with(name, config, seeds, Instant::ZERO)
    }

    /// Adds a host with secrets of the caller's choice, whose clock shows `clock` now.
    pub fn add_host_with(&mut self, name: &str, config: Config, seeds: Seeds, clock: Instant) -> HostId {
        self.hosts.push(Host {
            name: name.to_owned(),
            stack: Stack::new(config.clone(), seeds),
            clock: i128::from(clock.as_nanos()) - i128::from(self.now.as_nanos()),
            wake_interval_us: 0,
            config,
            plugs: Vec::new(),
            events: Vec::new(),
            transmit: TxBatch::new(TX_BATCH),
            idle_calls: 0,
            idle_at_ms: 0,
        });
        HostId(self.hosts.len() - 1)
    }

    /// Moves a host's clock by so many nanoseconds.
    pub fn jump_clock(&mut self, host: HostId, nanos: i64) {
        self.host_mut(host).clock += i128::from(nanos);
    }

    /// From now on a host looks at its links and timers only every so many microseconds, as on a busy machine.
    pub fn set_wake_interval(&mut self, host: HostId, interval_us: u64) {
        self.host_mut(host).wake_interval_us = interval_us;
    }

    /// Turns a host off and on: it keeps its name, settings, clock and links, and loses everything else. Its addresses
    /// are to be added again.
    pub fn restart(&mut self, host: HostId, seeds: Seeds) {
        let now = self.now;
        let entry = self.host_mut(host);
        let now = entry.local(now);
        entry.stack = Stack::new(entry.config.clone(), seeds);
        entry.events.clear();
        for plug in &mut entry.plugs {
            plug.link = entry.stack.add_link(now, plug.caps, plug.settings.clone());
        }
    }

    /// Lays a wire between two hosts, and gives each a link on it: `a`'s and `b`'s.
    pub fn connect(&mut self, a: HostId, b: HostId, options: &WireOptions) -> (WireId, LinkId, LinkId) {
        let seeds = [(); 2].map(|()| self.random.bits());
        self.connect_with(a, b, options, seeds)
    }

    /// As [`Net::connect`], with seeds of the caller's choice for the chance of both directions.
    pub fn connect_with(
        &mut self,
        a: HostId,
        b: HostId,
        options: &WireOptions,
        seeds: [u64; 2],
    ) -> (WireId, LinkId, LinkId) {
        let wire = self.wires.len();
        self.wires.push(Wire::new(options, seeds));
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
        let (now, capture) = (self.now, self.capture.clone());
        let entry = self.host_mut(host);
        let settings = LinkConfig { name: format!("eth{}", entry.plugs.len()), ethernet };
        let interface = capture.map(|capture| {
            let name = format!("{} {}", entry.name, settings.name);
            capture.add_interface(&name, Medium::Ethernet)
        });
        let link = entry.stack.add_link(entry.local(now), caps, settings.clone());
        entry.plugs.push(Plug { link, caps, settings, wire, end, peer: peer.0, interface });
        link
    }

    /// The station of a host on one of its links.
    pub fn station(&self, host: HostId, link: LinkId) -> Option<EthernetAddress> {
        let plugs = &self.hosts.get(host.0)?.plugs;
        plugs.iter().find(|plug| plug.link == link).map(|plug| plug.settings.ethernet)
    }

    /// Changes what stands in the way of packets from now on: forward, then backward.
    pub fn set_obstacles(&mut self, wire: WireId, obstacles: [Obstacles; 2]) {
        if let Some(wire) = self.wires.get_mut(wire.0) {
            wire.set_obstacles(obstacles);
        }
    }

    /// The NAT of a wire that has one.
    pub fn nat(&mut self, wire: WireId) -> Option<&mut Nat> {
        self.wires.get_mut(wire.0)?.nat()
    }

    /// Changes what a wire does to packets from now on: forward, then backward.
    pub fn set_impairments(&mut self, wire: WireId, impairments: [Impairment; 2]) {
        if let Some(wire) = self.wires.get_mut(wire.0) {
            wire.set_impairments(impairments);
        }
    }

    /// The same, in the course of time: forward, then backward. Times count from the beginning of the simulation.
    pub fn set_schedules(&mut self, wire: WireId, schedules: [Schedule; 2]) {
        if let Some(wire) = self.wires.get_mut(wire.0) {
            wire.set_schedules(schedules);
        }
    }

    /// Calls a host's stack, with the time that the host's clock shows, and checks its invariants afterwards.
    pub fn with<R>(
        &mut self,
        host: HostId,
        call: impl FnOnce(&mut Stack, Instant) -> R,
    ) -> Result<R, Failure> {
        let now = self.now;
        let entry = self.host_mut(host);
        entry.progress();
        let now = entry.local(now);
        let result = call(&mut entry.stack, now);
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
        Failure {
            seed: self.seed,
            at: self.now,
            what: what.into(),
            is_stuck: false,
            last_frames: self.trace.last_lines(),
        }
    }

    fn stuck(&self, what: impl Into<String>) -> Failure {
        Failure { is_stuck: true, ..self.failure(what) }
    }

    /// Plays until `application` says that it is done, calling it whenever something may have changed. Events that it
    /// does not take are dropped. Fails if nothing is left to happen before that, or if it takes until `limit`.
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
                return Err(self.stuck("nothing is left to happen, and the application is not done"));
            }
            if self.now > limit {
                return Err(self.stuck(format!("not done by {} ms", limit.as_millis())));
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
        let arrivals = self.hosts.iter().flat_map(|host| {
            let wires = host.plugs.iter().map(|plug| (self.wires.get(plug.wire), plug.end));
            wires.map(|(wire, end)| wire?.next_arrival(end).map(|at| host.noticed(at)))
        });
        let deadlines = self.hosts.iter().map(Host::next_deadline);
        let Some(next) = arrivals.chain(deadlines).flatten().chain(self.wakes.first().copied()).min() else {
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
            loop {
                let Some(entry) = self.hosts.get_mut(host) else { return Ok(is_busy) };
                let local = entry.local(now);
                let Some(plug) = entry.plugs.get(index) else { return Ok(is_busy) };
                let Some(wire) = self.wires.get_mut(plug.wire) else { return Ok(is_busy) };
                if wire.next_arrival(plug.end).is_none_or(|at| entry.noticed(at) > now) {
                    break;
                }
                let size = usize::try_from(self.random.between(1, 16)).unwrap_or(1);
                let mut batch = RxBatch::new(size);
                let capture = self.capture.as_ref().zip(plug.interface);
                wire.arrive(now, plug.end, entry.stack.pool(), &mut batch, |packet| {
                    if let Some((capture, interface)) = capture {
                        capture.record(now, interface, Direction::Inbound, packet, None);
                    }
                });
                let link = plug.link;
                entry.progress();
                entry.stack.receive(local, link, &mut batch);
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
        let local = entry.local(now);
        if entry.next_deadline().is_none_or(|at| at > now) {
            return Ok(false);
        }
        entry.stack.handle_timeout(local);
        let is_in_bounds = entry.idle_call(now);
        self.check(host)?;
        if !is_in_bounds {
            return Err(self.failure("a host asks to be called again and again, and nothing comes of it"));
        }
        Ok(true)
    }

    fn transmit(&mut self, host: usize) -> Result<bool, Failure> {
        let (now, mut is_busy) = (self.now, false);
        for index in 0.. {
            loop {
                let peer = self.hosts.get(host).and_then(|host| host.plugs.get(index)).map(|plug| plug.peer);
                let Some(peer) = peer else { return Ok(is_busy) };
                let Ok([entry, peer]) = self.hosts.get_disjoint_mut([host, peer]) else { return Ok(is_busy) };
                let Some(plug) = entry.plugs.get(index) else { return Ok(is_busy) };
                let local = entry.local(now);
                entry.stack.poll_transmit(local, plug.link, &mut entry.transmit);
                let Some(wire) = self.wires.get_mut(plug.wire) else { return Ok(is_busy) };
                let (trace, name, mut is_true) = (&mut self.trace, &entry.name, true);
                let capture = self.capture.as_ref().zip(plug.interface);
                for frame in entry.transmit.iter() {
                    is_true &= wire.push(now, plug.end, frame, |packet| {
                        trace.record(now, name, &peer.name, packet);
                        if let Some((capture, interface)) = capture {
                            capture.record(now, interface, Direction::Outbound, packet, None);
                        }
                    });
                }
                let was_empty = entry.transmit.is_empty();
                entry.transmit.clear();
                if !was_empty {
                    entry.progress();
                }
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
        if is_any {
            entry.progress();
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
        if std::thread::panicking() && !self.is_quiet {
            let us = self.now.as_micros();
            eprintln!("seed {} panicked at {us} us; replay: {}", self.seed, replay_line(self.seed));
            for line in self.trace.last_lines() {
                eprintln!("  {line}");
            }
        }
    }
}
