//! Source routes: packets that name the stations by which they are to go (RFC 791 §3.1, RFC 1122 §3.2.1.8, RFC 9293
//! §3.9.2.1).
//!
//! An application may name a route when it connects, which then holds for every segment of the connection. A peer may
//! too: the way back is its route reversed. That lets a forger read the answers to his packets, so that such packets are
//! dropped (RFC 7126 §4.3, §4.4) unless the host is told to accept them.

use alloc::vec::Vec;

use portolan_wire::ipv4::{self, Ipv4Option};
use portolan_wire::{Address, FlowKey};

use crate::demux::Incoming;
use crate::drop::DropReason;
use crate::link::ethernet::Frame;
use crate::stack::Stack;

/// The most stations that the option has room for.
const STATIONS_MAX: usize = 9;
/// Type, length and pointer, and a NOP in front, so that addresses are aligned.
const OPTION_HEAD: usize = 4;
/// The most flows that have a route.
const ROUTES_MAX: usize = 64;
/// The pointer of an option of which no address has been used.
const FIRST: u8 = 4;

/// The stations that a packet is to pass, in order, on the way to its destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SourceRoute {
    strict: bool,
    len: u8,
    stations: [[u8; 4]; STATIONS_MAX],
}

impl SourceRoute {
    /// The route by way of 1 to 9 IPv4 stations; `strict` allows no others between them. `None` for any other list.
    #[must_use]
    pub fn new(strict: bool, stations: &[Address]) -> Option<SourceRoute> {
        if stations.is_empty() || stations.len() > STATIONS_MAX {
            return None;
        }
        let mut route = SourceRoute { strict, len: 0, stations: [[0; 4]; STATIONS_MAX] };
        for (place, station) in route.stations.iter_mut().zip(stations) {
            *place = station.v4_octets().filter(|_| !station.is_multicast())?;
            route.len += 1;
        }
        Some(route)
    }

    /// The stations, the first one first.
    pub fn stations(&self) -> impl DoubleEndedIterator<Item = Address> + '_ {
        self.stations.iter().take(usize::from(self.len)).map(|octets| Address::from(*octets))
    }

    /// Where a packet goes first.
    pub(crate) fn first(&self) -> Address {
        self.stations().next().unwrap_or_default()
    }

    /// Octets of the option.
    pub(crate) fn option_len(&self) -> usize {
        OPTION_HEAD + 4 * usize::from(self.len)
    }

    /// Writes the option of a packet to `dst`, whose header names the first station instead (RFC 791 §3.1): the
    /// stations that follow, and `dst` as the last one. Returns the octets that count.
    pub(crate) fn option<'a>(&self, dst: Address, out: &'a mut [u8; ipv4::OPTIONS_MAX]) -> &'a [u8] {
        let kind = if self.strict { ipv4::STRICT_SOURCE_ROUTE } else { ipv4::LOOSE_SOURCE_ROUTE };
        let len = self.option_len();
        let [nop, out_kind, out_len, pointer, addresses @ ..] = out;
        (*nop, *out_kind, *pointer) = (ipv4::NO_OPERATION, kind, FIRST);
        *out_len = u8::try_from(len - 1).unwrap_or(0);
        let (places, _) = addresses.as_chunks_mut::<4>();
        for (place, station) in places.iter_mut().zip(self.stations().skip(1).chain([dst])) {
            *place = station.v4_octets().unwrap_or_default();
        }
        out.get(..len).unwrap_or(&[])
    }
}

/// A route in use, and whether the application chose it.
#[derive(Clone, Copy, Debug)]
struct Entry {
    key: FlowKey,
    route: SourceRoute,
    chosen: bool,
}

/// The routes of all flows that have one. Few do, so that a list is enough, and most hosts have an empty one.
#[derive(Debug, Default)]
pub(crate) struct SourceRoutes(Vec<Entry>);

impl SourceRoutes {
    pub(crate) fn of(&self, key: &FlowKey) -> Option<&SourceRoute> {
        self.0.iter().find(|entry| entry.key == *key).map(|entry| &entry.route)
    }

    fn remove(&mut self, key: &FlowKey) {
        self.0.retain(|entry| entry.key != *key);
    }

    /// Whether there is room now; `is_alive` says which flows there still are.
    fn has_room(&mut self, is_alive: impl Fn(&FlowKey) -> bool) -> bool {
        if self.0.len() >= ROUTES_MAX {
            self.0.retain(|entry| is_alive(&entry.key));
        }
        self.0.len() < ROUTES_MAX
    }
}

impl Stack {
    /// Where packets of a flow go first, as far as IP knows.
    pub(crate) fn first_stop(&self, key: &FlowKey) -> Address {
        self.source_routes.of(key).map_or(key.remote.address, SourceRoute::first)
    }

    /// Octets of IP options in every packet of a flow.
    pub(crate) fn ip_options_len(&self, key: &FlowKey) -> u16 {
        let len = self.source_routes.of(key).map_or(0, SourceRoute::option_len);
        u16::try_from(len).unwrap_or(0)
    }

    /// A flow begins, by a route or without. False if there is no room for the route.
    ///
    /// RFC 9293 MUST-51: the application chose it.
    pub(crate) fn begin_source_route(&mut self, key: &FlowKey, route: Option<SourceRoute>) -> bool {
        self.source_routes.remove(key);
        route.is_none_or(|route| self.add_source_route(Entry { key: *key, route, chosen: true }))
    }

    fn add_source_route(&mut self, entry: Entry) -> bool {
        let flows = &self.flows;
        let room = self.source_routes.has_room(|key| flows.find(key).is_some());
        if room {
            self.source_routes.0.push(entry);
        }
        room
    }

    /// A SYN that a listener takes has come by a route: its reverse is the way of the whole connection (RFC 9293
    /// MUST-53).
    pub(crate) fn save_return_route(&mut self, key: &FlowKey, frame: &Frame) -> Result<(), DropReason> {
        self.source_routes.remove(key);
        let Some(route) = self.return_route(frame) else { return Ok(()) };
        let saved = self.add_source_route(Entry { key: *key, route, chosen: false });
        if saved { Ok(()) } else { Err(DropReason::SynQueueFull) }
    }

    /// The way back of a packet that came by a source route.
    fn return_route(&self, frame: &Frame) -> Option<SourceRoute> {
        if !self.engine.config.accept_source_route {
            return None;
        }
        let packet = ipv4::parse_quoted(frame.bytes()).ok()?;
        packet.iter_options().find_map(|option| {
            let (strict, passed) = match option.ok()? {
                Ipv4Option::LooseSourceRoute(route) => (false, route),
                Ipv4Option::StrictSourceRoute(route) => (true, route),
                _ => return None,
            };
            let mut stations: Vec<Address> = passed.addresses().collect();
            stations.reverse();
            SourceRoute::new(strict, &stations)
        })
    }

    /// The route by which a segment of an open flow has come, if it may change the flow's: not one that the
    /// application chose (RFC 9293 MUST-52).
    pub(crate) fn later_return_route(&self, incoming: &Incoming, frame: &Frame) -> Option<SourceRoute> {
        let route = self.return_route(frame)?;
        let chosen = self.source_routes.0.iter().any(|entry| entry.key == incoming.key && entry.chosen);
        (!chosen).then_some(route)
    }

    /// RFC 9293 SHLD-24: a later route overrides an earlier one; the segment that brought it was good.
    pub(crate) fn change_return_route(&mut self, key: &FlowKey, route: SourceRoute) {
        if self.source_routes.of(key).is_some_and(|known| *known != route) {
            self.source_routes.remove(key);
            self.add_source_route(Entry { key: *key, route, chosen: false });
            self.paths_changed();
        }
    }
}

#[cfg(test)]
mod tests;
