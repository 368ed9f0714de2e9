//! Batches: what one call of a driver receives or sends.

use alloc::vec::Vec;

use crate::{Chunks, Offload, PacketBuf};

/// Octets of headers that a [`TxEntry`] holds: Ethernet with a tag, IPv6 with extensions, TCP with all options.
pub const HEAD_MAX: usize = 192;

/// The most chunks that one [`TxEntry`] may have, so that one `writev` with room to spare sends it.
pub const SLICES_MAX: usize = 64;

/// Received frames, at most a fixed number.
#[derive(Debug)]
pub struct RxBatch {
    frames: Vec<PacketBuf>,
    max: usize,
}

impl RxBatch {
    /// An empty batch for at most `max` frames.
    pub fn new(max: usize) -> RxBatch {
        RxBatch { frames: Vec::with_capacity(max), max }
    }

    /// Whether no more frames fit.
    pub fn is_full(&self) -> bool {
        self.frames.len() >= self.max
    }

    /// Whether there is no frame.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// How many frames there are.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Adds a frame. A full batch gives it back.
    pub fn push(&mut self, frame: PacketBuf) -> Result<(), PacketBuf> {
        if self.is_full() {
            return Err(frame);
        }
        self.frames.push(frame);
        Ok(())
    }

    /// The frames, in order of arrival.
    pub fn iter(&self) -> core::slice::Iter<'_, PacketBuf> {
        self.frames.iter()
    }

    /// Takes all frames out, in order of arrival.
    pub fn drain(&mut self) -> impl Iterator<Item = PacketBuf> + '_ {
        self.frames.drain(..)
    }
}

/// One frame to be sent: its headers, then text that is shared with the connection's send queue.
#[derive(Debug)]
pub struct TxEntry {
    head: [u8; HEAD_MAX],
    head_len: usize,
    /// What follows the headers; at most [`SLICES_MAX`] chunks.
    pub text: Chunks,
    /// What the link is asked to finish. Only what [`crate::LinkCaps`] offers.
    pub offload: Offload,
}

impl TxEntry {
    fn new() -> TxEntry {
        TxEntry { head: [0; HEAD_MAX], head_len: 0, text: Chunks::new(), offload: Offload::default() }
    }

    /// The headers.
    pub fn head(&self) -> &[u8] {
        self.head.get(..self.head_len).unwrap_or(&[])
    }

    /// The headers, writable.
    pub fn head_mut(&mut self) -> &mut [u8] {
        self.head.get_mut(..self.head_len).unwrap_or(&mut [])
    }

    /// Makes the headers `len` octets long, at most [`HEAD_MAX`], and returns them for writing.
    pub fn set_head_len(&mut self, len: usize) -> &mut [u8] {
        self.head_len = len.min(HEAD_MAX);
        self.head_mut()
    }

    /// Octets of the whole frame.
    pub fn len(&self) -> usize {
        self.head_len + self.text.len()
    }

    /// Whether the frame has no octet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The frame's parts in order.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        core::iter::once(self.head()).chain(self.text.iter().map(|chunk| chunk.as_slice()))
    }

    /// Copies the frame into `out` as far as it fits; returns how many octets that were.
    pub fn copy_to(&self, out: &mut [u8]) -> usize {
        let mut done = 0;
        for slice in self.slices() {
            let Some(rest) = out.get_mut(done..) else { break };
            let len = rest.len().min(slice.len());
            if let (Some(to), Some(from)) = (rest.get_mut(..len), slice.get(..len)) {
                to.copy_from_slice(from);
            }
            done += len;
        }
        done
    }
}

/// Frames to be sent, in order, at most a fixed number. A link that is full leaves the rest, and the caller offers
/// the same batch again before it builds new frames: that is the back-pressure.
///
/// Entries are used again, so a batch in steady state allocates nothing.
#[derive(Debug)]
pub struct TxBatch {
    entries: Vec<TxEntry>,
    next: usize,
    used: usize,
    max: usize,
}

impl TxBatch {
    /// An empty batch for at most `max` frames.
    pub fn new(max: usize) -> TxBatch {
        TxBatch { entries: Vec::new(), next: 0, used: 0, max }
    }

    /// Whether no more frames fit.
    pub fn is_full(&self) -> bool {
        self.used - self.next >= self.max
    }

    /// Whether there is nothing to be sent.
    pub fn is_empty(&self) -> bool {
        self.next == self.used
    }

    /// How many frames are to be sent.
    pub fn len(&self) -> usize {
        self.used - self.next
    }

    /// A new empty entry at the end; `None` when the batch is full.
    pub fn push(&mut self) -> Option<&mut TxEntry> {
        if self.is_full() {
            return None;
        }
        if self.is_empty() {
            (self.next, self.used) = (0, 0);
        } else if self.used >= self.max {
            // Sent entries at the front are moved behind the waiting ones, to be used again.
            self.entries.rotate_left(self.next);
            (self.next, self.used) = (0, self.used - self.next);
        }
        if self.used == self.entries.len() {
            self.entries.push(TxEntry::new());
        }
        self.used += 1;
        let entry = self.entries.get_mut(self.used - 1)?;
        entry.head_len = 0;
        entry.text.clear();
        entry.offload = Offload::default();
        Some(entry)
    }

    /// Takes the last entry back, when building it failed half-way.
    pub fn pop_back(&mut self) {
        if self.used > self.next {
            self.used -= 1;
            if let Some(entry) = self.entries.get_mut(self.used) {
                entry.text.clear();
            }
        }
    }

    /// The frame that is to be sent next.
    pub fn front(&self) -> Option<&TxEntry> {
        self.entries.get(self.next..self.used)?.first()
    }

    /// The frames to be sent, in order.
    pub fn iter(&self) -> core::slice::Iter<'_, TxEntry> {
        self.entries.get(self.next..self.used).unwrap_or(&[]).iter()
    }

    /// Lets `call` see the first `count` frames only, to send some of them; it must not add any.
    pub fn with_first<R>(&mut self, count: usize, call: impl FnOnce(&mut TxBatch) -> R) -> R {
        let used = self.used;
        self.used = used.min(self.next + count);
        let result = call(self);
        self.used = used;
        result
    }

    /// Says that the first `count` frames are sent, and lets their text go.
    pub fn advance(&mut self, count: usize) {
        let end = self.used.min(self.next + count);
        for entry in self.entries.get_mut(self.next..end).unwrap_or(&mut []) {
            entry.text.clear();
        }
        self.next = end;
    }

    /// Drops all frames.
    pub fn clear(&mut self) {
        self.advance(self.len());
    }
}

#[cfg(test)]
mod tests;
