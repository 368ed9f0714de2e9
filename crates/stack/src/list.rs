//! Lists that thread through the records themselves, so that joining and leaving are O(1) and need no memory: of
//! connections, the active list of a link and those that wait for a neighbour; of small records, those that wait
//! equally long. A record is in at most one.

use crate::connection::Connection;
use crate::slab::Slab;

pub(crate) const NONE: u32 = u32::MAX;

/// The records before and behind one in its list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Links {
    prev: u32,
    next: u32,
}

impl Links {
    pub(crate) const NONE: Links = Links { prev: NONE, next: NONE };
}

/// A record that can be in a list.
pub(crate) trait Linked {
    fn links(&self) -> &Links;
    fn links_mut(&mut self) -> &mut Links;
}

/// A connection's place in a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    links: Links,
    /// Which list, if any.
    pub(crate) list: Option<List>,
}

impl Place {
    pub(crate) const NOWHERE: Place = Place { links: Links::NONE, list: None };

    /// The connection behind this one in its list.
    pub(crate) fn after(&self) -> Option<u32> {
        (self.links.next != NONE).then_some(self.links.next)
    }
}

impl Linked for Connection {
    fn links(&self) -> &Links {
        &self.place.links
    }

    fn links_mut(&mut self) -> &mut Links {
        &mut self.place.links
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

    /// The record that has waited longest.
    pub(crate) fn front(&self) -> Option<u32> {
        (self.head != NONE).then_some(self.head)
    }

    /// Appends a record that is in no list.
    pub(crate) fn push_back<T: Linked>(&mut self, records: &mut Slab<T>, index: u32) {
        let prev = self.tail;
        let Some(record) = records.get_mut(index) else { return };
        *record.links_mut() = Links { prev, next: NONE };
        match records.get_mut(prev) {
            Some(before) => before.links_mut().next = index,
            None => self.head = index,
        }
        self.tail = index;
    }

    /// Takes a record of this list out.
    pub(crate) fn remove<T: Linked>(&mut self, records: &mut Slab<T>, index: u32) {
        let Some(record) = records.get_mut(index) else { return };
        let Links { prev, next } = core::mem::replace(record.links_mut(), Links::NONE);
        match records.get_mut(prev) {
            Some(before) => before.links_mut().next = next,
            None => self.head = next,
        }
        match records.get_mut(next) {
            Some(after) => after.links_mut().prev = prev,
            None => self.tail = prev,
        }
    }

    /// Appends a connection that is in no list to this one, which is `list` of its link.
    pub(crate) fn enlist(&mut self, connections: &mut Slab<Connection>, index: u32, list: List) {
        let Some(connection) = connections.get_mut(index) else { return };
        debug_assert!(connection.place.list.is_none(), "a connection is in one list at most");
        connection.place.list = Some(list);
        self.push_back(connections, index);
    }

    /// Takes a connection of this list out.
    pub(crate) fn delist(&mut self, connections: &mut Slab<Connection>, index: u32) {
        self.remove(connections, index);
        if let Some(connection) = connections.get_mut(index) {
            connection.place.list = None;
        }
    }

    /// The list's length, if it can be walked from end to end over existing records; else what is wrong.
    pub(crate) fn check<T: Linked>(&self, records: &Slab<T>) -> Result<usize, &'static str> {
        let (mut before, mut index, mut len) = (NONE, self.head, 0);
        while index != NONE {
            let Some(links) = records.get(index).map(Linked::links) else {
                return Err("a list names a record that is gone");
            };
            if links.prev != before || len == records.len() {
                return Err("a list's links do not match");
            }
            (before, index, len) = (index, links.next, len + 1);
        }
        if self.tail == before { Ok(len) } else { Err("a list's tail is not its last record") }
    }
}
