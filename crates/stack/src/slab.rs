//! A table of records under small numbers, in pages.
//!
//! Pages never move and never need to be copied when the table grows, so that the millionth connection costs no more
//! than the first, and the slack is at most one page. Each place has a generation that changes when its record goes.

use alloc::boxed::Box;
use alloc::vec::Vec;

const PAGE: u32 = 64;
const NONE: u32 = u32::MAX;

/// Records of one kind, at most `u32::MAX - 1`.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    pages: Vec<Box<[Place<T>]>>,
    free: u32,
    len: usize,
}

#[derive(Debug)]
struct Place<T> {
    generation: u32,
    entry: Entry<T>,
}

/// A record, or what a place without one is good for: the chain of free places needs no memory of its own.
#[derive(Debug)]
enum Entry<T> {
    Record(T),
    Vacant { next_free: u32 },
}

impl<T> Place<T> {
    fn record(&self) -> Option<&T> {
        match &self.entry {
            Entry::Record(record) => Some(record),
            Entry::Vacant { .. } => None,
        }
    }

    fn record_mut(&mut self) -> Option<&mut T> {
        match &mut self.entry {
            Entry::Record(record) => Some(record),
            Entry::Vacant { .. } => None,
        }
    }
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Slab<T> {
        Slab { pages: Vec::new(), free: NONE, len: 0 }
    }

    /// Octets of one place, its bookkeeping included.
    #[cfg(test)]
    pub(crate) const fn place_octets() -> usize {
        size_of::<Place<T>>()
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Stores a record and returns its number: the one that was freed last, else the next in order.
    pub(crate) fn insert(&mut self, record: T) -> u32 {
        if self.free == NONE {
            self.add_page();
        }
        let index = self.free;
        self.len += 1;
        if let Some(place) = self.place_mut(index)
            && let Entry::Vacant { next_free } = core::mem::replace(&mut place.entry, Entry::Record(record))
        {
            self.free = next_free;
        }
        index
    }

    pub(crate) fn remove(&mut self, index: u32) -> Option<T> {
        let free = self.free;
        let place = self.place_mut(index).filter(|place| place.record().is_some())?;
        let vacant = Entry::Vacant { next_free: free };
        let Entry::Record(record) = core::mem::replace(&mut place.entry, vacant) else { return None };
        place.generation = place.generation.wrapping_add(1);
        self.free = index;
        self.len -= 1;
        Some(record)
    }

    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        self.place(index)?.record()
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.place_mut(index)?.record_mut()
    }

    /// The generation of a place, used or not.
    pub(crate) fn generation(&self, index: u32) -> Option<u32> {
        self.place(index).map(|place| place.generation)
    }

    /// The records in the order of their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..).zip(self.pages.iter().flatten()).filter_map(|(index, place)| Some((index, place.record()?)))
    }

    /// One more than the largest number ever given, for loops that change the table as they go.
    pub(crate) fn bound(&self) -> u32 {
        u32::try_from(self.pages.len()).map_or(NONE, |pages| pages.saturating_mul(PAGE))
    }

    fn add_page(&mut self) {
        let first = self.bound();
        let last = first + (PAGE - 1);
        let page = (first..=last).map(|index| Place {
            generation: 0,
            entry: Entry::Vacant { next_free: if index == last { NONE } else { index + 1 } },
        });
        self.pages.push(page.collect());
        self.free = first;
    }

    fn place(&self, index: u32) -> Option<&Place<T>> {
        self.pages.get((index / PAGE) as usize)?.get((index % PAGE) as usize)
    }

    fn place_mut(&mut self, index: u32) -> Option<&mut Place<T>> {
        self.pages.get_mut((index / PAGE) as usize)?.get_mut((index % PAGE) as usize)
    }
}

#[cfg(test)]
mod tests;
