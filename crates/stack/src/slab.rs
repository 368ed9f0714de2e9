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
    next_free: u32,
    record: Option<T>,
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
        if let Some(place) = self.place_mut(index) {
            let next_free = place.next_free;
            place.record = Some(record);
            self.free = next_free;
        }
        index
    }

    pub(crate) fn remove(&mut self, index: u32) -> Option<T> {
        let free = self.free;
        let place = self.place_mut(index)?;
        let record = place.record.take()?;
        place.generation = place.generation.wrapping_add(1);
        place.next_free = free;
        self.free = index;
        self.len -= 1;
        Some(record)
    }

    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        self.place(index)?.record.as_ref()
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.place_mut(index)?.record.as_mut()
    }

    /// The generation of a place, used or not.
    pub(crate) fn generation(&self, index: u32) -> Option<u32> {
        self.place(index).map(|place| place.generation)
    }

    /// The records in the order of their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..)
            .zip(self.pages.iter().flatten())
            .filter_map(|(index, place)| Some((index, place.record.as_ref()?)))
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
            next_free: if index == last { NONE } else { index + 1 },
            record: None,
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
