//! Octets that are shared by reference count, and ordered lists of them.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use smallvec::SmallVec;

/// A run of octets in memory that others may share. Cloning and cutting copy nothing.
#[derive(Clone)]
pub struct Chunk {
    storage: Arc<[u8]>,
    start: u32,
    end: u32,
}

impl Chunk {
    pub(crate) fn from_storage(storage: Arc<[u8]>, start: u32, end: u32) -> Chunk {
        Chunk { storage, start, end }
    }

    /// The octets.
    pub fn as_slice(&self) -> &[u8] {
        self.storage.get(self.start as usize..self.end as usize).unwrap_or(&[])
    }

    /// How many octets there are.
    pub fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Octets of memory that this chunk keeps alive. Limits are charged with this figure, because a peer chooses
    /// the lengths: one octet can pin 64 KiB.
    pub fn footprint(&self) -> usize {
        self.storage.len()
    }

    /// Cuts off and returns the first `len` octets; all of them if there are fewer.
    pub fn split_to(&mut self, len: usize) -> Chunk {
        let mut front = self.clone();
        let len = u32::try_from(len.min(self.len())).unwrap_or(0);
        front.end = front.start + len;
        self.start += len;
        front
    }

    /// Drops the first `len` octets; all of them if there are fewer.
    pub fn consume(&mut self, len: usize) {
        self.start += u32::try_from(len.min(self.len())).unwrap_or(0);
    }

    /// Keeps the first `len` octets; no effect if there are fewer.
    pub fn truncate(&mut self, len: usize) {
        if len < self.len() {
            self.end = self.start + u32::try_from(len).unwrap_or(0);
        }
    }

    /// `len` octets from position `offset`, or as many of them as there are.
    pub fn slice(&self, offset: usize, len: usize) -> Chunk {
        let mut part = self.clone();
        part.consume(offset);
        part.truncate(len);
        part
    }
}

impl From<Vec<u8>> for Chunk {
    /// Octets that the pool does not know. What is beyond 4 GiB is cut off.
    fn from(octets: Vec<u8>) -> Chunk {
        let end = u32::try_from(octets.len()).unwrap_or(u32::MAX);
        Chunk { storage: octets.into(), start: 0, end }
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chunk({} of {})", self.len(), self.footprint())
    }
}

/// An ordered list of chunks, read as one run of octets. Two chunks fit without an allocation: a received frame
/// has at most two parts.
#[derive(Clone, Debug, Default)]
pub struct Chunks {
    list: SmallVec<[Chunk; 2]>,
    len: usize,
}

impl Chunks {
    /// An empty list.
    pub fn new() -> Chunks {
        Chunks::default()
    }

    /// Appends a chunk; an empty one is dropped.
    pub fn push(&mut self, chunk: Chunk) {
        if !chunk.is_empty() {
            self.len += chunk.len();
            self.list.push(chunk);
        }
    }

    /// Takes the first chunk. The others move up, which is cheap because lists are short.
    pub fn pop_front(&mut self) -> Option<Chunk> {
        if self.list.is_empty() {
            return None;
        }
        let chunk = self.list.remove(0);
        self.len -= chunk.len();
        Some(chunk)
    }

    /// Octets in all chunks.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no octet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many chunks there are.
    pub fn count(&self) -> usize {
        self.list.len()
    }

    /// The memory that all chunks together keep alive, as [`Chunk::footprint`]; shared memory counts each time.
    pub fn footprint(&self) -> usize {
        self.list.iter().map(Chunk::footprint).sum()
    }

    /// The chunks in order.
    pub fn iter(&self) -> core::slice::Iter<'_, Chunk> {
        self.list.iter()
    }

    /// Drops the first `len` octets; all of them if there are fewer.
    pub fn consume(&mut self, len: usize) {
        let mut left = len;
        let mut whole = 0;
        for chunk in &mut self.list {
            let cut = left.min(chunk.len());
            chunk.consume(cut);
            left -= cut;
            self.len -= cut;
            if !chunk.is_empty() {
                break;
            }
            whole += 1;
        }
        self.list.drain(..whole);
    }

    /// Keeps the first `len` octets; no effect if there are fewer.
    pub fn truncate(&mut self, len: usize) {
        let mut left = len;
        for chunk in &mut self.list {
            chunk.truncate(left);
            left -= chunk.len();
        }
        self.list.retain(|chunk| !chunk.is_empty());
        self.len = self.len.min(len);
    }

    /// Empties the list and keeps its memory.
    pub fn clear(&mut self) {
        self.list.clear();
        self.len = 0;
    }

    /// Copies from the front into `out`, and returns how many octets that were. Nothing is taken away.
    pub fn copy_to(&self, out: &mut [u8]) -> usize {
        let mut done = 0;
        for chunk in &self.list {
            let Some(rest) = out.get_mut(done..) else { break };
            let len = rest.len().min(chunk.len());
            if let (Some(to), Some(from)) = (rest.get_mut(..len), chunk.as_slice().get(..len)) {
                to.copy_from_slice(from);
            }
            done += len;
        }
        done
    }
}

impl From<Chunk> for Chunks {
    fn from(chunk: Chunk) -> Chunks {
        let mut chunks = Chunks::new();
        chunks.push(chunk);
        chunks
    }
}

#[cfg(test)]
mod tests;
