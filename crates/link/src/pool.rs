//! The pool of packet memory: three classes of buffers that are used again and again.
//!
//! A [`Buffer`] has one owner and can be written; frozen, it becomes a [`Chunk`] that any number of places share
//! by reference count. The pool keeps a reference to every frozen buffer. When that one is the last, which
//! `Arc::get_mut` can tell without any unsafe code, the memory is free again. Nobody has to hand a chunk back.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::Chunk;

/// The sizes of buffers, in octets: one for a frame, one for a jumbo frame or a large write, one for a
/// super-segment of 64 KiB with its headers.
const CLASSES: [usize; 3] = [2 * 1024, 16 * 1024, 66 * 1024];

/// How many lent buffers are looked at before a new one is made. Chunks come back roughly in the order in which
/// they were lent, so the oldest few are the likeliest to be free.
const SEARCH_MAX: usize = 8;

/// Octets of one class that the pool remembers while they are lent, and keeps while they are free. What is beyond
/// that goes back to the allocator.
const KEPT_OCTETS: usize = 8 * 1024 * 1024;

/// Memory for packets and for text, in classes of 2, 16 and 66 KiB.
#[derive(Debug)]
pub struct Pool {
    classes: [Class; 3],
    stats: PoolStats,
}

/// What a [`Pool`] has done so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PoolStats {
    /// Buffers handed out.
    pub taken: u64,
    /// Of these, the buffers that had to be allocated.
    pub allocated: u64,
}

#[derive(Debug)]
struct Class {
    size: usize,
    free: Vec<Arc<[u8]>>,
    lent: VecDeque<Arc<[u8]>>,
}

impl Class {
    fn kept_max(&self) -> usize {
        KEPT_OCTETS / self.size
    }

    /// A buffer that is nobody's: one given back, or the first of the oldest lent ones that came free.
    fn reuse(&mut self) -> Option<Arc<[u8]>> {
        if let Some(storage) = self.free.pop() {
            return Some(storage);
        }
        for _ in 0..SEARCH_MAX.min(self.lent.len()) {
            let mut storage = self.lent.pop_front()?;
            if Arc::get_mut(&mut storage).is_some() {
                return Some(storage);
            }
            self.lent.push_back(storage);
        }
        None
    }
}

impl Default for Pool {
    fn default() -> Pool {
        Pool::new()
    }
}

impl Pool {
    /// An empty pool; it allocates when it is first asked.
    pub fn new() -> Pool {
        let class = |size| Class { size, free: Vec::new(), lent: VecDeque::new() };
        Pool { classes: CLASSES.map(class), stats: PoolStats::default() }
    }

    /// A writable buffer of at least `len` octets, of the smallest class that holds them. A longer `len` than the
    /// largest class gets a buffer of its own that is not kept.
    pub fn take(&mut self, len: usize) -> Buffer {
        self.stats.taken += 1;
        let mut size = len;
        if let Some(class) = self.classes.iter_mut().find(|class| class.size >= len) {
            if let Some(storage) = class.reuse() {
                return Buffer { storage, start: 0, end: 0 };
            }
            size = class.size;
        }
        self.stats.allocated += 1;
        Buffer { storage: core::iter::repeat_n(0, size).collect(), start: 0, end: 0 }
    }

    /// Takes back a buffer that was not frozen.
    pub fn give(&mut self, buffer: Buffer) {
        let size = buffer.storage.len();
        if let Some(class) = self.classes.iter_mut().find(|class| class.size == size)
            && class.free.len() < class.kept_max()
        {
            class.free.push(buffer.storage);
        }
    }

    /// Makes a buffer shareable. The pool keeps a reference, and with it the memory.
    pub fn freeze(&mut self, buffer: Buffer) -> Chunk {
        let size = buffer.storage.len();
        if let Some(class) = self.classes.iter_mut().find(|class| class.size == size)
            && class.lent.len() < class.kept_max()
        {
            class.lent.push_back(Arc::clone(&buffer.storage));
        }
        Chunk::from_storage(buffer.storage, buffer.start, buffer.end)
    }

    /// A chunk with a copy of `octets`, in the smallest class that holds them.
    pub fn copy(&mut self, octets: &[u8]) -> Chunk {
        let mut buffer = self.take(octets.len());
        buffer.append(octets);
        self.freeze(buffer)
    }

    /// What the pool has done so far.
    pub fn stats(&self) -> PoolStats {
        self.stats
    }

    /// Gives the free memory back to the allocator.
    pub fn trim(&mut self) {
        for class in &mut self.classes {
            class.free = Vec::new();
            class.lent.retain(|storage| Arc::strong_count(storage) > 1);
            class.lent.shrink_to_fit();
        }
    }
}

/// Memory with one owner: room of a fixed size, of which `start..end` holds octets.
#[derive(Debug)]
pub struct Buffer {
    storage: Arc<[u8]>,
    start: u32,
    end: u32,
}

impl Buffer {
    /// The octets in use.
    pub fn as_slice(&self) -> &[u8] {
        self.storage.get(self.start as usize..self.end as usize).unwrap_or(&[])
    }

    /// The octets in use, writable.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        let (start, end) = (self.start as usize, self.end as usize);
        self.room().get_mut(start..end).unwrap_or(&mut [])
    }

    /// The room behind the octets in use. What is written there counts after [`Buffer::extend_filled`].
    pub fn spare_mut(&mut self) -> &mut [u8] {
        let end = self.end as usize;
        self.room().get_mut(end..).unwrap_or(&mut [])
    }

    /// Counts `len` more octets of the spare room as in use; at most all of it.
    pub fn extend_filled(&mut self, len: usize) {
        let len = len.min(self.storage.len() - self.end as usize);
        self.end += u32::try_from(len).unwrap_or(0);
    }

    /// Appends as many of `octets` as fit, and returns how many that were.
    pub fn append(&mut self, octets: &[u8]) -> usize {
        let spare = self.spare_mut();
        let len = octets.len().min(spare.len());
        if let (Some(to), Some(from)) = (spare.get_mut(..len), octets.get(..len)) {
            to.copy_from_slice(from);
        }
        self.extend_filled(len);
        len
    }

    /// Drops `len` octets from the front; at most all.
    pub fn consume(&mut self, len: usize) {
        let len = len.min(self.len());
        self.start += u32::try_from(len).unwrap_or(0);
    }

    /// Keeps the first `len` octets; no effect if there are fewer.
    pub fn truncate(&mut self, len: usize) {
        if len < self.len() {
            self.end = self.start + u32::try_from(len).unwrap_or(0);
        }
    }

    /// Octets in use.
    pub fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether no octet is in use.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Octets of memory behind this buffer, used or not.
    pub fn footprint(&self) -> usize {
        self.storage.len()
    }

    fn room(&mut self) -> &mut [u8] {
        Arc::get_mut(&mut self.storage).expect("a Buffer is the only owner of its storage until it is frozen")
    }
}

#[cfg(test)]
mod tests;
