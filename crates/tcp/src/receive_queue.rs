//! Text that has arrived and that the application has not read: in order here, out of order in [`Reassembly`].
//!
//! A chunk whose memory is at least half used is kept as it is; others are copied together into an open buffer.
//! So the memory in the queue stays within about twice the octets that the window let in.

use alloc::collections::VecDeque;

use portolan_link::{Buffer, Chunk, Pool};
use portolan_wire::SeqNumber;

use crate::numbers::to_u32;
use crate::reassembly::Reassembly;
use crate::send_queue::buffer_room;

/// Received text.
#[derive(Debug, Default)]
pub(crate) struct ReceiveQueue {
    ready: VecDeque<Chunk>,
    /// Octets behind `ready`.
    open: Option<Buffer>,
    len: u32,
    /// Octets of memory behind `ready`.
    footprint: usize,
    /// Text beyond the first gap.
    pub(crate) later: Reassembly,
    /// The sequence number of the peer's FIN, once it arrived out of order.
    pub(crate) fin: Option<SeqNumber>,
}

impl ReceiveQueue {
    /// Octets that can be read.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Whether there is neither text nor a FIN that waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0 && self.later.is_empty() && self.fin.is_none()
    }

    /// Octets of memory behind the text that can be read.
    pub(crate) fn ready_charge(&self) -> usize {
        self.footprint + self.open.as_ref().map_or(0, Buffer::footprint)
    }

    /// Appends text in order.
    pub(crate) fn push(&mut self, pool: &mut Pool, chunk: Chunk) {
        self.len += to_u32(chunk.len());
        if chunk.len() * 2 >= chunk.footprint() {
            self.seal(pool);
            self.footprint += chunk.footprint();
            self.ready.push_back(chunk);
            return;
        }
        let mut rest = chunk.as_slice();
        while !rest.is_empty() {
            let open = self.open.get_or_insert_with(|| pool.take(buffer_room(rest.len())));
            let taken = open.append(rest);
            rest = rest.get(taken..).unwrap_or(&[]);
            if !rest.is_empty() {
                self.seal(pool);
            }
        }
    }

    /// Copies text out; returns how many octets.
    pub(crate) fn read(&mut self, pool: &mut Pool, out: &mut [u8]) -> usize {
        let done = self.peek(out);
        self.consume(pool, done);
        done
    }

    /// Copies text and leaves it in the queue; returns how many octets.
    pub(crate) fn peek(&self, out: &mut [u8]) -> usize {
        self.peek_from(0, out)
    }

    /// As [`ReceiveQueue::peek`], without the first `skip` octets.
    pub(crate) fn peek_from(&self, mut skip: usize, out: &mut [u8]) -> usize {
        let mut done = 0;
        let open = self.open.as_ref().map_or(&[][..], Buffer::as_slice);
        for part in self.ready.iter().map(Chunk::as_slice).chain(core::iter::once(open)) {
            let cut = skip.min(part.len());
            skip -= cut;
            let part = part.get(cut..).unwrap_or_default();
            let Some(rest) = out.get_mut(done..).filter(|rest| !rest.is_empty()) else { break };
            let len = rest.len().min(part.len());
            if let (Some(to), Some(from)) = (rest.get_mut(..len), part.get(..len)) {
                to.copy_from_slice(from);
            }
            done += len;
        }
        done
    }

    /// Takes out the first octets without copying, at most `max`.
    pub(crate) fn read_chunk(&mut self, pool: &mut Pool, max: usize) -> Option<Chunk> {
        if self.ready.is_empty() {
            self.seal(pool);
        }
        let part = self.ready.front()?.slice(0, max);
        self.consume(pool, part.len());
        Some(part)
    }

    /// Drops the first `len` octets.
    pub(crate) fn consume(&mut self, pool: &mut Pool, len: usize) {
        self.len -= to_u32(len);
        let mut left = len;
        while let Some(front) = self.ready.front_mut() {
            let cut = left.min(front.len());
            front.consume(cut);
            left -= cut;
            if !front.is_empty() {
                return;
            }
            self.footprint -= front.footprint();
            self.ready.pop_front();
        }
        if let Some(open) = &mut self.open {
            open.consume(left);
            if open.is_empty()
                && let Some(open) = self.open.take()
            {
                pool.give(open);
            }
        }
    }

    /// Turns the open buffer into a chunk at the end of `ready`.
    fn seal(&mut self, pool: &mut Pool) {
        let Some(open) = self.open.take() else { return };
        self.footprint += open.footprint();
        self.ready.push_back(pool.freeze(open));
    }

    /// Forgets all text.
    pub(crate) fn clear(&mut self, pool: &mut Pool) {
        self.ready.clear();
        if let Some(open) = self.open.take() {
            pool.give(open);
        }
        self.len = 0;
        self.footprint = 0;
        self.later.clear();
        self.fin = None;
    }

    /// Octets of memory for the lists themselves.
    pub(crate) fn heap_octets(&self) -> usize {
        self.ready.capacity() * size_of::<Chunk>() + self.later.heap_octets()
    }

    /// The invariants: the lengths add up, and what is out of order lies beyond `next`.
    pub(crate) fn check(&self, next: SeqNumber) -> Result<(), &'static str> {
        let open = self.open.as_ref().map_or(0, Buffer::len);
        if self.ready.iter().map(Chunk::len).sum::<usize>() + open != self.len as usize {
            return Err("the receive queue's length is the sum of its chunks");
        }
        if self.ready.iter().map(Chunk::footprint).sum::<usize>() != self.footprint {
            return Err("the receive queue's footprint is the sum over its chunks");
        }
        if self.fin.is_some_and(|fin| fin.before(next)) {
            return Err("a FIN that waits lies at or beyond RCV.NXT");
        }
        self.later.check(next)
    }
}

#[cfg(test)]
mod tests;
