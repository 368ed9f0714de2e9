//! What a call on a connection gets from its host.

use portolan_link::{Instant, Pool};
use portolan_wire::SeqNumber;

use crate::autotune::Autotune;
use crate::congestion::record::Record as CongestionRecord;
use crate::flight::Flight;
use crate::mishaps::Mishaps;
use crate::rare::Rare;
use crate::receive_queue::ReceiveQueue;
use crate::reordering::Reordering;
use crate::send_queue::SendQueue;
use crate::slab::{Reuse, Slab, Slot};
use crate::{Config, TcpStats, Tracer};

/// The surroundings of one call: everything that a connection does not own.
pub struct Context<'a> {
    /// The time. One that is smaller than the last does no harm.
    pub now: Instant,
    /// Memory for text.
    pub pool: &'a mut Pool,
    /// The host's knobs.
    pub config: &'a Config,
    /// Memory for what only busy connections have. Always the same for one connection.
    pub slabs: &'a mut Slabs,
    /// The most octets of text and TCP options that the path takes in a segment: its MTU less the fixed IP and TCP
    /// headers (RFC 6691), so 1460 for IPv4 over Ethernet.
    pub mss: u16,
    /// The same of segments that come, as peers are told of it.
    pub advertised_mss: u16,
    /// The largest IP packet, in octets, that the link cuts into segments by itself; 0 if it cuts none.
    pub gso_max: u32,
    /// A fresh secret random number.
    pub random: u64,
    /// Receives the events.
    pub tracer: &'a mut dyn Tracer,
    /// The host's counters.
    pub stats: &'a mut TcpStats,
}

impl Context<'_> {
    /// Whether the text of all connections takes as much memory as it may.
    pub(crate) fn is_short_of_memory(&self) -> bool {
        self.slabs.memory() >= self.config.memory_max
    }

    /// Whether it takes so much that applications may not write more; see [`Config::memory_for_writers`].
    pub(crate) fn is_short_for_writers(&self) -> bool {
        self.slabs.memory() >= self.config.memory_for_writers()
    }
}

/// What waits in a connection, both ways.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    pub(crate) send: SendQueue,
    pub(crate) receive: ReceiveQueue,
    pub(crate) autotune: Autotune,
    /// What the send buffer has grown to, in octets; 0 before.
    pub(crate) send_buffer: u32,
    /// Octets that were read and still take room: [`crate::Tcb::set_untaken`].
    pub(crate) untaken: u32,
    /// What arrived twice and is to be reported with the next segment (RFC 2883).
    pub(crate) duplicate: Option<(SeqNumber, SeqNumber)>,
    /// What [`Slabs::memory`] counts for these queues.
    charged: usize,
}

impl Queues {
    pub(crate) fn is_empty(&self) -> bool {
        self.send.is_empty() && self.receive.is_empty() && self.untaken == 0
    }

    /// Octets of memory that the text takes.
    fn charge(&self) -> usize {
        self.send.charge() + self.receive.ready_charge() + self.receive.later.charge()
    }
}

impl Reuse for Queues {
    fn reset(&mut self) {
        *self = Queues::default();
    }

    fn heap_octets(&self) -> usize {
        self.send.heap_octets() + self.receive.heap_octets()
    }
}

/// Records that only busy connections have: flight records, queues and congestion controllers. An idle connection gives
/// them back after [`Config::queues_idle_us`], and then consists of its [`crate::Tcb`] alone.
#[derive(Debug)]
pub struct Slabs {
    flights: Slab<Flight>,
    queues: Slab<Queues>,
    rares: Slab<Rare>,
    mishaps: Slab<Mishaps>,
    congestion: Slab<CongestionRecord>,
    /// Octets of memory behind the text in all queues.
    memory: usize,
}

impl Default for Slabs {
    fn default() -> Slabs {
        Slabs::new()
    }
}

impl Slabs {
    /// Empty slabs.
    #[must_use]
    pub const fn new() -> Slabs {
        Slabs {
            flights: Slab::new(),
            queues: Slab::new(),
            rares: Slab::new(),
            mishaps: Slab::new(),
            congestion: Slab::new(),
            memory: 0,
        }
    }

    /// Octets of memory, text not counted.
    #[must_use]
    pub fn footprint(&self) -> usize {
        self.flights.footprint()
            + self.queues.footprint()
            + self.rares.footprint()
            + self.mishaps.footprint()
            + self.congestion.footprint()
    }

    /// Records that connections hold now.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.flights.in_use()
            + self.queues.in_use()
            + self.rares.in_use()
            + self.mishaps.in_use()
            + self.congestion.in_use()
    }

    pub(crate) fn flight(&self, slot: Option<Slot>) -> Option<&Flight> {
        slot.map(|slot| self.flights.get(slot))
    }

    /// The flight in `slot`, if there is one.
    pub(crate) fn flight_mut(&mut self, slot: Option<Slot>) -> Option<&mut Flight> {
        slot.map(|slot| self.flights.get_mut(slot))
    }

    /// The flight in `slot`, which is filled if it was not; then it begins with what `rare` remembers of the path.
    pub(crate) fn flight_or_new(&mut self, slot: &mut Option<Slot>, rare: Option<Slot>) -> &mut Flight {
        if let Some(slot) = *slot {
            return self.flights.get_mut(slot);
        }
        let new = *slot.insert(self.flights.take());
        let learned = self.mishaps(rare).learned;
        let flight = self.flights.get_mut(new);
        flight.reordering = Reordering::resume(learned);
        flight
    }

    pub(crate) fn queues(&self, slot: Option<Slot>) -> Option<&Queues> {
        slot.map(|slot| self.queues.get(slot))
    }

    /// The queues in `slot`, if there are any.
    pub(crate) fn queues_mut(&mut self, slot: Option<Slot>) -> Option<&mut Queues> {
        slot.map(|slot| self.queues.get_mut(slot))
    }

    /// The queues in `slot`, which is filled if it was not; the next octet to be written has number `end`.
    pub(crate) fn queues_or_new(&mut self, slot: &mut Option<Slot>, end: SeqNumber) -> &mut Queues {
        if slot.is_none() {
            let new = self.queues.take();
            self.queues.get_mut(new).send.begin(end);
            *slot = Some(new);
        }
        let slot = slot.expect("the slot was filled just now");
        self.queues.get_mut(slot)
    }

    /// Counts the memory of queues that may have changed.
    pub(crate) fn recharge(&mut self, slot: Option<Slot>) {
        let Some(slot) = slot else { return };
        let queues = self.queues.get_mut(slot);
        let charge = queues.charge();
        self.memory = self.memory - queues.charged + charge;
        queues.charged = charge;
    }

    /// Octets of memory behind the text of all connections.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// Whether the memory of these queues is counted as it is.
    pub(crate) fn is_charged(&self, slot: Option<Slot>) -> bool {
        self.queues(slot).is_none_or(|queues| queues.charged == queues.charge())
    }

    /// The rarely used features of a connection, if it uses any. A marked slot is one of mishaps alone.
    pub(crate) fn rare(&self, slot: Option<Slot>) -> Option<&Rare> {
        slot.filter(|slot| !slot.is_marked()).map(|slot| self.rares.get(slot))
    }

    /// As [`Slabs::rare`], filled if it was not.
    pub(crate) fn rare_or_new(&mut self, slot: &mut Option<Slot>) -> &mut Rare {
        if let Some(slot) = slot.filter(|slot| !slot.is_marked()) {
            return self.rares.get_mut(slot);
        }
        let mishaps = self.mishaps(*slot);
        self.give_rare(slot);
        let new = *slot.insert(self.rares.take());
        let rare = self.rares.get_mut(new);
        rare.mishaps = mishaps;
        rare
    }

    pub(crate) fn rare_mut(&mut self, slot: Option<Slot>) -> Option<&mut Rare> {
        slot.filter(|slot| !slot.is_marked()).map(|slot| self.rares.get_mut(slot))
    }

    /// What went wrong on a connection so far.
    pub(crate) fn mishaps(&self, slot: Option<Slot>) -> Mishaps {
        match slot {
            None => Mishaps::default(),
            Some(slot) if slot.is_marked() => *self.mishaps.get(slot),
            Some(slot) => self.rares.get(slot).mishaps,
        }
    }

    /// As [`Slabs::mishaps`], to be added to: within the record of rare features, or in one of its own.
    pub(crate) fn mishaps_or_new(&mut self, slot: &mut Option<Slot>) -> &mut Mishaps {
        let slot = *slot.get_or_insert_with(|| self.mishaps.take().marked());
        if slot.is_marked() { self.mishaps.get_mut(slot) } else { &mut self.rares.get_mut(slot).mishaps }
    }

    /// Gives the record of rare features back, and keeps the mishaps if there were any.
    pub(crate) fn rest_rare(&mut self, slot: &mut Option<Slot>) {
        let mishaps = self.mishaps(*slot);
        self.give_rare(slot);
        if mishaps != Mishaps::default() {
            *self.mishaps_or_new(slot) = mishaps;
        }
    }

    pub(crate) fn give_rare(&mut self, slot: &mut Option<Slot>) {
        match slot.take() {
            None => {}
            Some(slot) if slot.is_marked() => self.mishaps.give(slot),
            Some(slot) => self.rares.give(slot),
        }
    }

    /// The congestion controller in `slot`, if there is one.
    pub(crate) fn congestion(&self, slot: Option<Slot>) -> Option<&CongestionRecord> {
        slot.map(|slot| self.congestion.get(slot))
    }

    pub(crate) fn congestion_mut(&mut self, slot: Option<Slot>) -> Option<&mut CongestionRecord> {
        slot.map(|slot| self.congestion.get_mut(slot))
    }

    /// As [`Slabs::congestion_mut`], filled if it was not.
    pub(crate) fn congestion_or_new(&mut self, slot: &mut Option<Slot>) -> &mut CongestionRecord {
        let slot = *slot.get_or_insert_with(|| self.congestion.take());
        self.congestion.get_mut(slot)
    }

    pub(crate) fn give_congestion(&mut self, slot: &mut Option<Slot>) {
        if let Some(slot) = slot.take() {
            self.congestion.give(slot);
        }
    }

    /// Gives the flight back; what was learned of a path that reorders stays in `rare`.
    pub(crate) fn rest_flight(&mut self, slot: &mut Option<Slot>, rare: &mut Option<Slot>) {
        let learned = self.flight(*slot).map(|flight| flight.reordering.learned);
        if let Some(learned) = learned.filter(|learned| *learned != self.mishaps(*rare).learned) {
            self.mishaps_or_new(rare).learned = learned;
        }
        self.give_flight(slot);
    }

    pub(crate) fn give_flight(&mut self, slot: &mut Option<Slot>) {
        if let Some(slot) = slot.take() {
            self.flights.give(slot);
        }
    }

    /// Takes the queues back, and the buffers that stood open in them.
    pub(crate) fn give_queues(&mut self, slot: &mut Option<Slot>, pool: &mut Pool) {
        if let Some(slot) = slot.take() {
            let queues = self.queues.get_mut(slot);
            queues.send.clear(pool);
            queues.receive.clear(pool);
            self.memory -= queues.charged;
            self.queues.give(slot);
        }
    }
}
