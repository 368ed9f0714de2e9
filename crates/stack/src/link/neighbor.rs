//! The neighbours of a link: which station has which address (RFC 826, RFC 4861 §7.3).
//!
//! ARP and Neighbor Discovery share one table and one set of states. What a stranger can fill is bounded: packets per
//! neighbour that is being looked for, neighbours that are being looked for, and neighbours in all; one that answers
//! is never evicted for one that is only looked for (RFC 6583).

use alloc::vec::Vec;

use portolan_wire::{Address, EthernetAddress};

use crate::connection::Path;
use crate::drop::DropReason;
use crate::link::Outgoing;
use crate::list::List;
use crate::stack::Stack;
use crate::timer::{Kind, Owner};
use crate::{LinkId, SettingError, SocketError};

pub(crate) mod table;

pub(crate) use table::Neighbours;
use table::State;

/// RFC 4861 §10: MAX_MULTICAST_SOLICIT and MAX_UNICAST_SOLICIT; Linux asks as often by ARP.
const SOLICITS_MAX: u8 = 3;
/// RFC 4861 §10: RETRANS_TIMER. RFC 1122 §2.3.2.1: at most one ARP request per second and address.
const RETRANS_US: u64 = 1_000_000;
/// RFC 4861 §10: DELAY_FIRST_PROBE_TIME.
const DELAY_US: u64 = 5_000_000;
/// RFC 4861 §10: REACHABLE_TIME, which is multiplied by a factor from 0.5 to 1.5 (§6.3.2).
const REACHABLE_US: u64 = 30_000_000;

/// What a message said about a neighbour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    /// It answers a question of ours.
    pub(crate) solicited: bool,
    /// It asks to replace what is known.
    pub(crate) overrides: bool,
    /// It is reason enough for a new entry: the neighbour is about to talk to us.
    pub(crate) creates: bool,
}

/// What is known about a next hop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Resolution {
    /// Send it to this station.
    Station(EthernetAddress),
    /// The neighbour with this number is being looked for.
    Wait(u32),
}

impl Stack {
    /// Sets a neighbour's station by hand; no message changes it.
    ///
    /// # Errors
    /// `NoSuchLink`, `Loopback`, `NotAHostAddress`, `Full`.
    pub fn set_neighbour(
        &mut self,
        link: LinkId,
        address: Address,
        station: EthernetAddress,
    ) -> Result<(), SettingError> {
        if address.is_multicast()
            || address.is_unspecified()
            || address.is_broadcast()
            || !station.is_unicast()
        {
            return Err(SettingError::NotAHostAddress);
        }
        let max = self.engine.config.neighbours_max;
        let interface = self.setting_link(link)?;
        let index = match interface.neighbours.find(address) {
            Some(index) => index,
            None if interface.neighbours.len() >= max => return Err(SettingError::Full(max)),
            None => interface.neighbours.insert(address, station, State::Permanent),
        };
        self.set_neighbour_state(link, index, station, State::Permanent);
        Ok(())
    }

    /// The station of a next hop, or the beginning of a search for it.
    pub(crate) fn resolve(&mut self, link: LinkId, address: Address) -> Result<Resolution, DropReason> {
        let interface = self.interface(link).ok_or(DropReason::NoRoute)?;
        if !interface.is_ethernet() {
            return Ok(Resolution::Station(EthernetAddress::default()));
        }
        if address.is_multicast() {
            return Ok(Resolution::Station(address.multicast_ethernet()));
        }
        if address.is_broadcast() || interface.is_subnet_broadcast(address) {
            return Ok(Resolution::Station(EthernetAddress::BROADCAST));
        }
        match interface.neighbours.find(address) {
            Some(index) => self.resolve_known(link, index),
            None => self.look_for(link, address),
        }
    }

    /// As [`Stack::resolve`], for a neighbour that has a number.
    pub(crate) fn resolve_known(&mut self, link: LinkId, index: u32) -> Result<Resolution, DropReason> {
        let now = self.engine.now;
        let interface = self.interface(link).ok_or(DropReason::NoRoute)?;
        let entry = interface.neighbours.get(index).ok_or(DropReason::NeighbourUnresolved)?;
        let station = entry.station;
        let rests = match entry.state {
            State::Incomplete(_) => return Ok(Resolution::Wait(index)),
            State::Reachable(until) => until <= now,
            State::Stale => true,
            State::Delay | State::Probe(_) | State::Permanent => false,
        };
        if rests {
            // RFC 4861 §7.3.3: the first packet to a stale neighbour starts the clock for asking it.
            self.set_neighbour_state(link, index, station, State::Delay);
            self.set_neighbour_timer(link, index, DELAY_US);
        }
        Ok(Resolution::Station(station))
    }

    /// Starts the search for a neighbour.
    fn look_for(&mut self, link: LinkId, address: Address) -> Result<Resolution, DropReason> {
        let incomplete_max = self.engine.config.neighbours_incomplete_max;
        let interface = self.interface(link).ok_or(DropReason::NoRoute)?;
        if interface.neighbours.incomplete >= incomplete_max {
            return Err(DropReason::NeighbourLimit);
        }
        let index = self
            .new_neighbour(link, address, EthernetAddress::default(), State::Incomplete(0))
            .ok_or(DropReason::NeighbourLimit)?;
        self.ask_neighbour(link, index);
        Ok(Resolution::Wait(index))
    }

    /// Makes an entry; of a full table, an idle entry goes first.
    fn new_neighbour(
        &mut self,
        link: LinkId,
        address: Address,
        station: EthernetAddress,
        state: State,
    ) -> Option<u32> {
        let (now, max) = (self.engine.now, self.engine.config.neighbours_max.min(usize::from(u16::MAX)));
        let interface = self.interface_mut(link)?;
        if interface.neighbours.len() >= max {
            let idle = interface.neighbours.evictable(now)?;
            interface.neighbours.remove(idle);
        }
        Some(interface.neighbours.insert(address, station, state))
    }

    /// A message said that `address` is at `station`, or, without a station, that it is still there.
    pub(crate) fn hear_neighbour(
        &mut self,
        link: LinkId,
        address: Address,
        station: Option<EthernetAddress>,
        heard: Heard,
    ) {
        let now = self.engine.now;
        let reachable = State::Reachable(now.plus_micros(self.reachable_us()));
        let fresh = if heard.solicited { reachable } else { State::Stale };
        let Some(interface) = self.interface(link) else { return };
        let Some(index) = interface.neighbours.find(address) else {
            if let (true, Some(station)) = (heard.creates, station) {
                self.new_neighbour(link, address, station, State::Stale);
            }
            return;
        };
        let Some(entry) = interface.neighbours.get(index) else { return };
        let (known, state) = (entry.station, entry.state);
        let same = station.is_none_or(|station| station == known);
        match state {
            State::Permanent => {}
            State::Incomplete(_) => {
                if let Some(station) = station {
                    self.set_neighbour_state(link, index, station, fresh);
                    self.neighbour_found(link, index);
                }
            }
            _ if same => {
                if heard.solicited {
                    self.set_neighbour_state(link, index, known, reachable);
                }
            }
            // RFC 4861 §7.2.5: without the Override flag, a doubt and no more.
            State::Reachable(_) if !heard.overrides => {
                self.set_neighbour_state(link, index, known, State::Stale);
            }
            _ if !heard.overrides => {}
            State::Stale => self.set_neighbour_state(link, index, station.unwrap_or(known), fresh),
            State::Reachable(until) if until <= now => {
                self.set_neighbour_state(link, index, station.unwrap_or(known), fresh);
            }
            // Anybody can claim an address, and the last claim must not win: the station that answered until now is
            // asked first, and only its silence lets another in.
            State::Reachable(_) | State::Delay => {
                self.set_neighbour_state(link, index, known, State::Probe(0));
                self.ask_neighbour(link, index);
            }
            State::Probe(_) => {}
        }
    }

    /// Whether a question to this neighbour is open, so that what it says now is an answer.
    pub(crate) fn asks_neighbour(&self, link: LinkId, address: Address) -> bool {
        self.interface(link).is_some_and(|interface| {
            let entry = interface.neighbours.find(address).and_then(|index| interface.neighbours.get(index));
            entry.is_some_and(|entry| matches!(entry.state, State::Incomplete(_) | State::Probe(_)))
        })
    }

    /// RFC 4861 §6.3.2: the time varies, so that hosts do not ask in step.
    fn reachable_us(&mut self) -> u64 {
        self.engine.random.jitter(REACHABLE_US / 2, REACHABLE_US * 3 / 2)
    }

    fn set_neighbour_state(&mut self, link: LinkId, index: u32, station: EthernetAddress, state: State) {
        let Some(Some(interface)) = self.links.get_mut(usize::from(link.0)) else { return };
        interface.neighbours.set_state(index, state);
        let Some(entry) = interface.neighbours.entries.get_mut(index) else { return };
        entry.station = station;
        if !matches!(state, State::Incomplete(_) | State::Delay | State::Probe(_))
            && let Some(timer) = entry.timer.take()
        {
            self.timers.cancel(timer);
        }
    }

    fn set_neighbour_timer(&mut self, link: LinkId, index: u32, micros: u64) {
        let deadline = self.engine.now.plus_micros(micros);
        let Some(Some(interface)) = self.links.get_mut(usize::from(link.0)) else { return };
        let Some(entry) = interface.neighbours.entries.get_mut(index) else { return };
        if let Some(timer) = entry.timer.take() {
            self.timers.cancel(timer);
        }
        let owner = Owner { kind: Kind::Neighbour, index: u32::from(link.0) << 16 | index & 0xffff };
        entry.timer = Some(self.timers.set(deadline, owner));
    }

    /// Sends the next question: to all while nothing is known, to the station that is known after that.
    fn ask_neighbour(&mut self, link: LinkId, index: u32) {
        let Some(interface) = self.interface(link) else { return };
        let Some(entry) = interface.neighbours.get(index) else { return };
        let address = entry.address;
        let (state, station) = match entry.state {
            State::Incomplete(asked) => (State::Incomplete(asked + 1), None),
            State::Probe(asked) => (State::Probe(asked + 1), Some(entry.station)),
            _ => return,
        };
        let known = entry.station;
        self.set_neighbour_state(link, index, known, state);
        self.set_neighbour_timer(link, index, RETRANS_US);
        if address.is_v4() {
            self.send_arp_request(link, address, station);
        } else {
            self.send_solicitation(link, address, station);
        }
    }

    /// A neighbour's timer has fired.
    pub(crate) fn on_neighbour_timeout(&mut self, owner: u32) {
        let [a, b, c, d] = owner.to_be_bytes();
        let (link, index) = (LinkId(u16::from_be_bytes([a, b])), u32::from(u16::from_be_bytes([c, d])));
        let Some(interface) = self.interface_mut(link) else { return };
        let Some(entry) = interface.neighbours.entries.get_mut(index) else { return };
        entry.timer = None;
        let station = entry.station;
        match entry.state {
            State::Delay => {
                self.set_neighbour_state(link, index, station, State::Probe(0));
                self.ask_neighbour(link, index);
            }
            State::Incomplete(asked) | State::Probe(asked) if asked >= SOLICITS_MAX => {
                self.neighbour_lost(link, index);
            }
            State::Incomplete(_) | State::Probe(_) => self.ask_neighbour(link, index),
            State::Reachable(_) | State::Stale | State::Permanent => {}
        }
    }

    /// Sends what has waited for a neighbour that is found.
    fn neighbour_found(&mut self, link: LinkId, index: u32) {
        let Some(Some(interface)) = self.links.get_mut(usize::from(link.0)) else { return };
        let Some(entry) = interface.neighbours.entries.get_mut(index) else { return };
        let station = entry.station;
        for mut outgoing in core::mem::take(&mut entry.waiting) {
            interface.neighbours.waiting_octets -= outgoing.footprint();
            outgoing.station = station;
            // These few have waited in a queue of their own; the link's limits do not apply to them.
            interface.datagrams.push_back(outgoing);
        }
        interface.unpark(&mut self.flows.connections);
    }

    /// A neighbour does not answer: what waited for it is dropped, and who waits for it is told.
    fn neighbour_lost(&mut self, link: LinkId, index: u32) {
        let Some(Some(interface)) = self.links.get_mut(usize::from(link.0)) else { return };
        let Some(lost) = interface.neighbours.remove(index) else { return };
        for outgoing in lost.waiting {
            self.engine.stats.drops.add(DropReason::NeighbourUnresolved);
            if let Some(sender) = outgoing.sender {
                self.udp_failed(sender, SocketError::HostUnreachable);
            }
        }
        let mut hopeless = Vec::new();
        let Some(Some(interface)) = self.links.get_mut(usize::from(link.0)) else { return };
        let mut next = interface.parked.front();
        while let Some(parked) = next {
            let Some(connection) = self.flows.connections.get(parked) else { break };
            if connection.path.neighbour == index {
                hopeless.push(parked);
            }
            next = connection.place.after();
        }
        interface.unpark(&mut self.flows.connections);
        for parked in hopeless {
            self.neighbour_unreachable(parked);
        }
    }

    /// Somebody above has reason to think that a neighbour has gone: it is asked at once (RFC 1122 §3.3.1.4, RFC 9293
    /// MUST-20).
    pub(crate) fn doubt_neighbour(&mut self, link: LinkId, index: u32) {
        let Some(entry) = self.interface(link).and_then(|interface| interface.neighbours.get(index)) else {
            return;
        };
        let station = entry.station;
        if matches!(entry.state, State::Reachable(_) | State::Stale | State::Delay) {
            self.set_neighbour_state(link, index, station, State::Probe(0));
            self.ask_neighbour(link, index);
        }
    }

    /// Lets a packet wait for a neighbour. RFC 1122 §2.3.2.2: at least one is kept, the latest.
    pub(crate) fn wait_for_neighbour(&mut self, link: LinkId, index: u32, outgoing: Outgoing) {
        let max = self.engine.config.neighbour_queue_max.max(1);
        let octets_max = self.engine.config.waiting_octets_max;
        let Some(interface) = self.interface_mut(link) else { return };
        let neighbours = &mut interface.neighbours;
        let Some(entry) = neighbours.entries.get_mut(index) else { return };
        neighbours.waiting_octets += outgoing.footprint();
        entry.waiting.push_back(outgoing);
        let mut dropped = 0;
        while entry.waiting.len() > max || neighbours.waiting_octets > octets_max && entry.waiting.len() > 1 {
            let Some(oldest) = entry.waiting.pop_front() else { break };
            neighbours.waiting_octets -= oldest.footprint();
            dropped += 1;
        }
        for _ in 0..dropped {
            self.engine.drop(DropReason::NeighbourUnresolved);
        }
    }

    /// Lets a connection wait for a neighbour.
    pub(crate) fn park(&mut self, connection: u32) {
        self.delist(connection);
        let Some(record) = self.flows.connections.get(connection) else { return };
        if let Some(Some(interface)) = self.links.get_mut(usize::from(record.path.link.0)) {
            interface.enlist(&mut self.flows.connections, connection, List::Parked);
        }
        self.with_tcb(connection, |tcb, cx| tcb.on_unsendable(cx));
        self.keep_timer(connection);
    }

    /// Whether a connection's neighbour is being looked for. It is not if the table had no room for it.
    pub(crate) fn awaits_neighbour(&self, connection: u32) -> bool {
        self.flows.connections.get(connection).is_some_and(|connection| {
            let Path { link, neighbour, neighbour_generation, .. } = connection.path;
            self.interface(link).is_some_and(|interface| {
                let known = interface.neighbours.generation(neighbour) == Some(neighbour_generation);
                let entry = interface.neighbours.get(neighbour).filter(|_| known);
                entry.is_some_and(|entry| matches!(entry.state, State::Incomplete(_)))
            })
        })
    }
}
