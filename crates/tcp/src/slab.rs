//! A slab: records of one kind in one vector, addressed by slot, used again.

use alloc::vec::Vec;
use core::num::NonZeroU32;

/// The place of a record in its slab. Four octets, also within an `Option`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Slot(NonZeroU32);

/// The bit of a slot that a slab does not look at.
const MARK: u32 = 1 << 31;

impl Slot {
    fn index(self) -> usize {
        (self.0.get() & !MARK) as usize - 1
    }

    /// The same slot with a mark, so that one field can hold slots of two slabs.
    pub(crate) fn marked(self) -> Slot {
        Slot(self.0 | MARK)
    }

    pub(crate) fn is_marked(self) -> bool {
        self.0.get() & MARK != 0
    }
}

/// A record that can be made as good as new.
pub(crate) trait Reuse: Default {
    /// Empties the record, memory of its own included.
    fn reset(&mut self);
    /// Octets of memory of its own.
    fn heap_octets(&self) -> usize;
}

/// Records by slot. The vector never shrinks; a record that is given back keeps no memory of its own.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    records: Vec<T>,
    free: Vec<Slot>,
}

impl<T: Reuse> Slab<T> {
    pub(crate) const fn new() -> Slab<T> {
        Slab { records: Vec::new(), free: Vec::new() }
    }

    /// An empty record's slot.
    pub(crate) fn take(&mut self) -> Slot {
        if let Some(slot) = self.free.pop() {
            return slot;
        }
        if self.records.len() == self.records.capacity() {
            // By an eighth, not to twice as much: for a million connections the slack would be a large part.
            self.records.reserve_exact(self.records.len() / 8 + 8);
        }
        self.records.push(T::default());
        let count = u32::try_from(self.records.len()).ok().filter(|count| *count < MARK);
        Slot(count.and_then(NonZeroU32::new).expect("a slab holds fewer than 2^31 records"))
    }

    /// Takes a slot back and empties its record.
    pub(crate) fn give(&mut self, slot: Slot) {
        self.get_mut(slot).reset();
        self.free.push(slot);
    }

    pub(crate) fn get(&self, slot: Slot) -> &T {
        self.records.get(slot.index()).expect("a slot names a record of the slab it came from")
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> &mut T {
        self.records.get_mut(slot.index()).expect("a slot names a record of the slab it came from")
    }

    /// Slots that are taken.
    pub(crate) fn in_use(&self) -> usize {
        self.records.len() - self.free.len()
    }

    /// Octets of memory: records, free list and what the records hold besides.
    pub(crate) fn footprint(&self) -> usize {
        self.records.capacity() * size_of::<T>()
            + self.free.capacity() * size_of::<Slot>()
            + self.records.iter().map(Reuse::heap_octets).sum::<usize>()
    }
}
