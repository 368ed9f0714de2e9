//! Lists of connections that thread through the records themselves: the active list of a link, and those that wait
//! for a neighbour. A connection is in at most one, so that joining and leaving are O(1) and need no memory.

use crate::connection::Connection;
use crate::slab::Slab;

pub(crate) const NONE: u32 = u32::MAX;

/// A connection's place in a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    prev: u32,
    next: u32,
    /// Which list, if any.
    pub(crate) list: Option<List>,
}

impl Place {
    pub(crate) const NOWHERE: Place = Place { prev: NONE, next: NONE, list: None };

    /// The connection behind this one in its list.
    pub(crate) fn after(&self) -> Option<u32> {
        (self.next != NONE).then_some(self.next)
    }
}

/// Which list of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum List {
    /// Connections with something to send.
    Active,
    /// The same, but their neighbour's address is not known yet.
    Parked,
}

/// The ends of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ends {
    head: u32,
    tail: u32,
}

impl Ends {
    pub(crate) const EMPTY: Ends = Ends { head: NONE, tail: NONE };

    pub(crate) fn is_empty(&self) -> bool {
        self.head == NONE
    }

    /// The connection that has waited longest.
    pub(crate) fn front(&self) -> Option<u32> {
        (self.head != NONE).then_some(self.head)
    }

    /// Appends a connection that is in no list.
    pub(crate) fn push_back(&mut self, connections: &mut Slab<Connection>, index: u32, list: List) {
        let prev = self.tail;
        let Some(connection) = connections.get_mut(index) else { return };
        debug_assert!(connection.place.list.is_none(), "a connection is in one list at most");
        connection.place = Place { prev, next: NONE, list: Some(list) };
        match connections.get_mut(prev) {
            Some(before) => before.place.next = index,
            None => self.head = index,
        }
        self.tail = index;
    }

    /// Takes a connection of this list out.
    pub(crate) fn remove(&mut self, connections: &mut Slab<Connection>, index: u32) {
        let Some(connection) = connections.get_mut(index) else { return };
        let Place { prev, next, .. } = core::mem::replace(&mut connection.place, Place::NOWHERE);
        match connections.get_mut(prev) {
            Some(before) => before.place.next = next,
            None => self.head = next,
        }
        match connections.get_mut(next) {
            Some(after) => after.place.prev = prev,
            None => self.tail = prev,
        }
    }
}
