//! The table of a link's neighbours and their states; who changes them is the parent module.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use hashbrown::HashTable;
use portolan_link::Instant;
use portolan_wire::{Address, EthernetAddress};

use crate::link::Outgoing;
use crate::random::Keyed;
use crate::slab::Slab;
use crate::timer::TimerId;

/// Entries that are looked at to find one that may go.
const EVICTION_SEARCH: u32 = 32;

/// RFC 4861 §7.3.2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Being looked for; so many requests were sent.
    Incomplete(u8),
    /// Known to answer until then.
    Reachable(Instant),
    /// It answered once.
    Stale,
    /// In use again; about to be asked.
    Delay,
    /// Asked directly so many times.
    Probe(u8),
    /// Set by hand.
    Permanent,
}

#[derive(Debug)]
pub(crate) struct Neighbour {
    pub(crate) address: Address,
    pub(crate) station: EthernetAddress,
    pub(crate) state: State,
    pub(super) timer: Option<TimerId>,
    pub(super) waiting: VecDeque<Outgoing>,
}

/// The table of one link.
#[derive(Debug)]
pub(crate) struct Neighbours {
    pub(super) index: HashTable<u32>,
    keyed: Keyed,
    pub(super) entries: Slab<Neighbour>,
    pub(super) incomplete: usize,
    /// Octets of memory behind all packets that wait.
    pub(super) waiting_octets: usize,
    hand: u32,
}

impl Neighbours {
    pub(crate) const fn new(keyed: Keyed) -> Neighbours {
        Neighbours {
            index: HashTable::new(),
            keyed,
            entries: Slab::new(),
            incomplete: 0,
            waiting_octets: 0,
            hand: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn find(&self, address: Address) -> Option<u32> {
        let entries = &self.entries;
        let is_it = |index: &u32| entries.get(*index).is_some_and(|entry| entry.address == address);
        self.index.find(self.keyed.octets(&address.octets()), is_it).copied()
    }

    pub(crate) fn get(&self, index: u32) -> Option<&Neighbour> {
        self.entries.get(index)
    }

    pub(crate) fn generation(&self, index: u32) -> Option<u32> {
        self.entries.generation(index)
    }

    /// The timers of all neighbours, for a link that goes.
    pub(crate) fn take_timers(&self) -> Vec<TimerId> {
        self.entries.iter().filter_map(|(_, neighbour)| neighbour.timer).collect()
    }

    pub(super) fn insert(&mut self, address: Address, station: EthernetAddress, state: State) -> u32 {
        self.incomplete += usize::from(matches!(state, State::Incomplete(_)));
        let entry = Neighbour { address, station, state, timer: None, waiting: VecDeque::new() };
        let index = self.entries.insert(entry);
        let (entries, keyed) = (&self.entries, self.keyed);
        let hash = |index: &u32| entries.get(*index).map_or(0, |entry| keyed.octets(&entry.address.octets()));
        self.index.insert_unique(keyed.octets(&address.octets()), index, hash);
        index
    }

    pub(super) fn remove(&mut self, index: u32) -> Option<Neighbour> {
        let entry = self.entries.remove(index)?;
        self.waiting_octets -= entry.waiting.iter().map(Outgoing::footprint).sum::<usize>();
        self.incomplete -= usize::from(matches!(entry.state, State::Incomplete(_)));
        let hash = self.keyed.octets(&entry.address.octets());
        if let Ok(found) = self.index.find_entry(hash, |&found| found == index) {
            found.remove();
        }
        Some(entry)
    }

    pub(super) fn set_state(&mut self, index: u32, state: State) {
        if let Some(entry) = self.entries.get_mut(index) {
            self.incomplete -= usize::from(matches!(entry.state, State::Incomplete(_)));
            self.incomplete += usize::from(matches!(state, State::Incomplete(_)));
            entry.state = state;
        }
    }

    /// Finds, within a few steps, an entry that nobody needs now.
    pub(super) fn evictable(&mut self, now: Instant) -> Option<u32> {
        for _ in 0..EVICTION_SEARCH {
            let index = self.hand;
            self.hand = if index + 1 < self.entries.bound() { index + 1 } else { 0 };
            let idle = |entry: &Neighbour| match entry.state {
                State::Stale => true,
                State::Reachable(until) => until <= now,
                _ => false,
            };
            if self.entries.get(index).is_some_and(idle) {
                return Some(index);
            }
        }
        None
    }
}
