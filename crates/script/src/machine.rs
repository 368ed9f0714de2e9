//! A computer for packet scripts: one [`Stack`], one link of bare IP packets, a clock that stands still until its
//! driver moves it, and Linux's socket calls on small integer descriptors.
//!
//! The driver alternates between three things: it makes calls, hands in packets ([`Machine::inject`]) and takes out
//! what was sent ([`Machine::take_packet`]), and moves the clock ([`Machine::advance_to`]). A call that would block
//! gives `Pending` and leaves what it has done in its [`Wait`]; the driver repeats it, with the same arguments and the
//! same `Wait`, whenever something has happened.
//!
//! ```
//! use portolan_script::machine::{Machine, Settings, SocketAddress};
//! let mut machine = Machine::new(Settings::default());
//! let fd = machine.socket(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_TCP)?;
//! machine.bind(fd, SocketAddress::parse("0.0.0.0:8080").unwrap())?;
//! machine.listen(fd, 1)?;
//! # Ok::<(), portolan_script::Errno>(())
//! ```
//!
//! Here are the clock and the link; `file` has the table of descriptors, `socket` the calls that open and close,
//! `send` and `receive` those that move octets, `readiness` and `epoll` those that wait.

use std::collections::VecDeque;

use portolan_drivers::segmentation::Segmenter;
use portolan_link::{Gso, Instant, LinkCaps, Medium, Offload, PacketBuf, RxBatch, TxBatch};
use portolan_stack::{Config, LinkConfig, LinkId, Route, RouteKind, RouteLimits, Seeds, Stack};
use portolan_wire::{Address, Cidr, EthernetAddress};

use crate::knobs::Knobs;
use crate::{Errno, Personality};

mod address;
mod control;
mod epoll;
mod file;
mod mark;
mod memory;
mod option;
mod pipe;
mod readiness;
mod receive;
mod send;
mod socket;
mod wait;

pub use address::SocketAddress;
pub use epoll::EpollEvent;
pub use file::Fd;
pub use readiness::PollFd;
pub use receive::{ControlMessage, Message};
pub use wait::Wait;

use file::Files;

/// Frames of one exchange with the stack.
const BATCH: usize = 64;
/// When the machine is switched on, on the stack's clock: not at zero, so that nothing mistakes it for "never".
const START: Instant = Instant::from_millis(1_000_000);
/// What the clock on the wall shows at [`START`], in seconds since 1970.
const WALL_START_S: u64 = 1_700_000_000;

/// What a machine is built from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose habits it has.
    pub personality: Personality,
    /// Its addresses, each with its network; the first of a family is the primary one.
    pub addresses: Vec<Cidr>,
    /// The link's MTU in octets of IP packet.
    pub mtu: u16,
    /// The number of the first descriptor.
    pub first_fd: Fd,
    /// Feeds all that is random.
    pub seed: u64,
}

impl Default for Settings {
    /// Linux with 192.168.0.1/16 and fd3d:a0b:17d6::1/64, MTU 1500.
    fn default() -> Settings {
        let v6 = Address::from_u128(0xfd3d_0a0b_17d6_0000_0000_0000_0000_0001);
        let addresses = [Cidr::new(Address::v4(192, 168, 0, 1), 16), Cidr::new(v6, 64)];
        Settings {
            personality: Personality::Linux,
            addresses: addresses.into_iter().flatten().collect(),
            mtu: 1500,
            first_fd: 3,
            seed: 1,
        }
    }
}

/// A packet that the machine has sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SentPacket {
    /// When, on the machine's clock.
    pub at: Instant,
    /// The packet from its IP header on.
    pub octets: Vec<u8>,
}

/// The computer; see the module.
pub struct Machine {
    pub(crate) stack: Stack,
    pub(crate) link: LinkId,
    pub(crate) caps: LinkCaps,
    pub(crate) knobs: Knobs,
    pub(crate) now: Instant,
    pub(crate) files: Files,
    /// Whether the link's queue has no room, so that nothing is sent.
    pub(crate) is_full: bool,
    /// Whether super-segments are cut before they leave, as Linux does for a device without TSO.
    pub(crate) cuts: bool,
    segmenter: Segmenter,
    sent: VecDeque<SentPacket>,
    receive_batch: RxBatch,
    transmit_batch: TxBatch,
}

impl Machine {
    /// Switches a machine on.
    #[must_use]
    pub fn new(settings: Settings) -> Machine {
        let config = Config { hostname: String::from("script"), ..settings.personality.config() };
        let caps = LinkCaps {
            medium: Medium::Ip,
            mtu: settings.mtu,
            gso_max: settings.personality.gso_max(),
            checksum: false,
        };
        let mut stack = Stack::new(config, Seeds::fixed(settings.seed));
        let plug = LinkConfig { name: String::from("tun0"), ethernet: EthernetAddress::default() };
        let link = stack.add_link(START, caps, plug);
        let mut machine = Machine {
            stack,
            link,
            caps,
            knobs: Knobs::default(),
            now: START,
            files: Files::new(settings.first_fd),
            is_full: false,
            cuts: false,
            segmenter: Segmenter::new(Medium::Ip),
            sent: VecDeque::new(),
            receive_batch: RxBatch::new(BATCH),
            transmit_batch: TxBatch::new(BATCH),
        };
        for cidr in settings.addresses {
            machine.add_address(cidr);
        }
        let everywhere = [Cidr::new(Address::V4_UNSPECIFIED, 0), Cidr::new(Address::UNSPECIFIED, 0)];
        for destination in everywhere.into_iter().flatten() {
            let route = Route { destination, via: None, link, kind: RouteKind::Unicast, metric: 0 };
            // The only default routes of a new stack: neither limit nor duplicate can be met.
            let _ = machine.stack.add_route(START, route);
        }
        machine.settle();
        machine.sent.clear();
        machine
    }

    /// Gives the machine another address; one that it has already changes nothing.
    pub fn add_address(&mut self, cidr: Cidr) {
        // A refused address is one that no packet can carry, and the script's packets will say so.
        let _ = self.stack.add_address(self.now, self.link, cidr);
    }

    /// Says what is known of the paths to a destination, by a route of its own.
    pub(crate) fn limit_route(&mut self, destination: Cidr, limits: RouteLimits) {
        let route = Route { destination, via: None, link: self.link, kind: RouteKind::Unicast, metric: 0 };
        // It may be there already; if there is no room, the limits cannot be set either, and nothing has changed.
        let _ = self.stack.add_route(self.now, route);
        let _ = self.stack.set_route_limits(self.now, &route, limits);
        self.settle();
    }

    /// Whether an address is the machine's own.
    pub(crate) fn is_own(&self, address: Address) -> bool {
        address.is_loopback() || self.stack.addresses(self.link).any(|cidr| cidr.address() == address)
    }

    /// The machine's clock.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// What `gettimeofday` shows, in microseconds since 1970.
    #[must_use]
    pub fn wall_clock_us(&self) -> u64 {
        wall_clock_ns(self.now) / 1_000
    }

    /// When the machine has something to do by itself.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.stack.next_deadline()
    }

    /// Moves the clock, and does all that is due until then in its order. A time that has passed changes nothing.
    pub fn advance_to(&mut self, at: Instant) {
        // A stack whose timers are always due would never let time pass; it gets so many tries per moment.
        let mut tries = 0;
        while let Some(due) = self.stack.next_deadline().filter(|&due| due <= at && tries < 1_000) {
            tries = if due > self.now { 0 } else { tries + 1 };
            self.now = self.now.max(due);
            self.stack.handle_timeout(self.now);
            self.settle();
        }
        self.now = self.now.max(at);
    }

    /// A packet has arrived: an IPv4 or IPv6 packet without a link header.
    pub fn inject(&mut self, packet: &[u8]) {
        let packet = PacketBuf::copy(self.stack.pool(), packet);
        if self.receive_batch.push(packet).is_ok() {
            self.stack.receive(self.now, self.link, &mut self.receive_batch);
        }
        self.settle();
    }

    /// Takes the packet that was sent first of those not taken yet.
    pub fn take_packet(&mut self) -> Option<SentPacket> {
        self.sent.pop_front()
    }

    /// The stack inside, to look at.
    #[must_use]
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// Does what follows from a change of the stack: packets go out, events come up, sent octets are accounted for.
    pub(crate) fn settle(&mut self) {
        // As on Linux, a connection notices that its own host has no room for what it sends.
        while !self.is_full {
            self.stack.poll_transmit(self.now, self.link, &mut self.transmit_batch);
            if self.transmit_batch.is_empty() {
                break;
            }
            for entry in self.transmit_batch.iter() {
                let mut octets = vec![0; entry.len()];
                entry.copy_to(&mut octets);
                let gso = if self.cuts { entry.offload.gso } else { Gso::None };
                let offload = Offload { gso, ..entry.offload };
                let (at, sent) = (self.now, &mut self.sent);
                let emit = |packet: &[u8]| sent.push_back(SentPacket { at, octets: packet.to_vec() });
                let cut = self.segmenter.cut(&offload, [octets.as_slice()], emit);
                debug_assert!(cut.is_ok(), "the stack's own packets can be cut: {cut:?}");
            }
            self.transmit_batch.clear();
        }
        while let Some(event) = self.stack.poll_event() {
            self.on_event(&event);
        }
        self.account_for_marks();
    }

    /// Changes what the link can do.
    pub(crate) fn set_caps(&mut self, caps: LinkCaps) {
        self.caps = caps;
        // The link exists and is not the loopback.
        let _ = self.stack.set_link_caps(self.now, self.link, caps);
        self.settle();
    }

    /// The descriptor's call is over: what it has changed takes effect.
    pub(crate) fn finish<T>(&mut self, result: Result<T, impl Into<Errno>>) -> Result<T, Errno> {
        self.settle();
        result.map_err(Into::into)
    }
}

/// Nanoseconds since 1970 on the clock on the wall.
pub(crate) fn wall_clock_ns(at: Instant) -> u64 {
    WALL_START_S * 1_000_000_000 + at.as_nanos().saturating_sub(START.as_nanos())
}
