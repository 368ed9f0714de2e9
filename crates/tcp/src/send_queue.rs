//! Text that the application has written and the peer has not acknowledged.
//!
//! The queue is a list of chunks, each with the sequence number of its first octet, so that any octet is found
//! by binary search. Behind the last chunk an open buffer takes small writes, so that they become full segments
//! and do not pin a buffer each, not even if each is a record of its own (`MSG_EOR`). Sending shares chunks; only
//! text of a buffer that is less than half full is copied.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use portolan_link::{Buffer, Chunk, Chunks, Pool, SLICES_MAX};
use portolan_wire::SeqNumber;

use crate::numbers::to_u32;
use crate::push::Pushes;

/// A chunk shorter than this is copied into the open buffer, though its writer would share it: the entry in the
/// list would cost more than the copy.
const SHARE_MIN: usize = 256;

/// Octets of memory behind a record's end: its mark, and that of its push.
const RECORD_OCTETS: usize = 2 * size_of::<SeqNumber>();

/// Octets of the three buffer sizes that text is written to.
const SMALL: usize = 2 * 1024;
const MEDIUM: usize = 16 * 1024;
const LARGE: usize = 64 * 1024;

/// The room to ask for, such that `len` octets fill at least half of it, or that it is small.
pub(crate) fn buffer_room(len: usize) -> usize {
    match len {
        _ if len * 2 > LARGE => LARGE,
        _ if len * 2 >= MEDIUM => MEDIUM,
        _ => SMALL,
    }
}

#[derive(Debug)]
struct Piece {
    seq: SeqNumber,
    chunk: Chunk,
}

impl Piece {
    fn end(&self) -> SeqNumber {
        self.seq + to_u32(self.chunk.len())
    }
}

/// Written text, from SND.UNA on.
#[derive(Debug, Default)]
pub(crate) struct SendQueue {
    pieces: VecDeque<Piece>,
    open: Option<Buffer>,
    /// The sequence number of the next octet to be written.
    end: SeqNumber,
    len: u32,
    /// Where the last unit of text begins; see `send_buffer.rs`.
    unit_at: SeqNumber,
    /// Where segments with PSH end.
    pub(crate) pushes: Pushes,
    /// Where the records end that are marked, in order.
    record_ends: VecDeque<SeqNumber>,
}

impl SendQueue {
    /// Says that the next octet to be written has number `seq`. The queue must be empty.
    pub(crate) fn begin(&mut self, seq: SeqNumber) {
        debug_assert!(self.is_empty(), "a send queue begins empty");
        (self.end, self.unit_at) = (seq, seq);
        self.pushes.begin(seq);
    }

    /// Text was appended: the last unit now holds `tail` octets, or begins with what comes next if a record ends here.
    pub(crate) fn end_unit(&mut self, tail: u32, ends_record: bool) {
        self.unit_at = self.end.back(tail);
        if ends_record && !self.is_empty() && self.record_ends.back() != Some(&self.end) {
            self.unit_at = self.end;
            self.record_ends.push_back(self.end);
        }
    }

    /// Where the unit ends that `seq` is in, if units hold `unit` octets and it is not the last.
    pub(crate) fn unit_end(&self, seq: SeqNumber, unit: u32) -> Option<SeqNumber> {
        let before_last = self.unit_at.since(seq).filter(|&octets| octets > 0)?;
        Some(self.unit_at.back((before_last - 1) / unit.max(1) * unit))
    }

    /// Octets in the last unit, those before `nxt` not counted, which have been sent.
    pub(crate) fn tail(&self, nxt: SeqNumber) -> u32 {
        self.end.since(self.unit_at.max(nxt)).unwrap_or(0)
    }

    /// Where the record that `seq` is in ends, if its end is marked.
    pub(crate) fn record_end(&self, seq: SeqNumber) -> Option<SeqNumber> {
        let next = self.record_ends.partition_point(|end| end.at_or_before(seq));
        self.record_ends.get(next).copied()
    }

    /// Whether a record ends before `end`.
    pub(crate) fn ends_record(&self, end: SeqNumber) -> bool {
        self.record_end(end.back(1)) == Some(end)
    }

    /// Ends of records that are marked.
    pub(crate) fn records(&self) -> u32 {
        to_u32(self.record_ends.len())
    }

    /// Octets of memory that the text takes: its length, since all buffers but the first and the last are at least
    /// half full or the application's; and the marks in it.
    pub(crate) fn charge(&self) -> usize {
        self.len as usize + self.record_ends.len() * RECORD_OCTETS
    }

    /// Octets in the queue.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The sequence number of the next octet to be written.
    pub(crate) fn end(&self) -> SeqNumber {
        self.end
    }

    /// Copies `octets` to the end.
    pub(crate) fn append(&mut self, pool: &mut Pool, octets: &[u8]) {
        let mut rest = octets;
        while !rest.is_empty() {
            let open = self.open.get_or_insert_with(|| pool.take(buffer_room(rest.len())));
            let taken = open.append(rest);
            rest = rest.get(taken..).unwrap_or(&[]);
            self.end += to_u32(taken);
            self.len += to_u32(taken);
            if !rest.is_empty() {
                self.seal(pool);
            }
        }
    }

    /// Puts a chunk at the end, without copying unless that would pin more memory than it spares.
    pub(crate) fn append_chunk(&mut self, pool: &mut Pool, chunk: Chunk) {
        let pinned = self.open.as_ref().map_or(0, |open| open.footprint() - open.len());
        if chunk.len() < SHARE_MIN.max(pinned) {
            self.append(pool, chunk.as_slice());
            return;
        }
        self.seal(pool);
        let (seq, len) = (self.end, to_u32(chunk.len()));
        self.pieces.push_back(Piece { seq, chunk });
        self.end += len;
        self.len += len;
    }

    /// Forgets what is before `una`.
    pub(crate) fn acknowledge(&mut self, pool: &mut Pool, una: SeqNumber) {
        self.pushes.acknowledge(una);
        while self.record_ends.front().is_some_and(|end| end.at_or_before(una)) {
            self.record_ends.pop_front();
        }
        while let Some(front) = self.pieces.front_mut() {
            let acked = una.since(front.seq).unwrap_or(0).min(to_u32(front.chunk.len()));
            front.seq += acked;
            front.chunk.consume(acked as usize);
            self.len -= acked;
            if !front.chunk.is_empty() {
                return;
            }
            self.pieces.pop_front();
        }
        let Some(open) = &mut self.open else { return };
        let start = self.end.back(to_u32(open.len()));
        let acked = una.since(start).unwrap_or(0).min(to_u32(open.len()));
        open.consume(acked as usize);
        self.len -= acked;
        if open.is_empty()
            && let Some(open) = self.open.take()
        {
            pool.give(open);
        }
    }

    /// Appends to `out` the octets from `from` on, `len` of them or as many as there are and as [`SLICES_MAX`]
    /// chunks can hold; returns how many.
    pub(crate) fn collect(&mut self, pool: &mut Pool, from: SeqNumber, len: u32, out: &mut Chunks) -> u32 {
        if self.open.as_ref().is_some_and(|open| open.len() * 2 >= open.footprint()) {
            self.seal(pool);
        }
        let before = self.pieces.partition_point(|piece| piece.seq.at_or_before(from));
        let mut next = from;
        let mut left = len;
        for piece in self.pieces.range(before.saturating_sub(1)..) {
            if left == 0 || out.count() >= SLICES_MAX {
                return len - left;
            }
            let Some(offset) = next.since(piece.seq) else { break };
            if next.at_or_after(piece.end()) {
                continue;
            }
            let part = piece.chunk.slice(offset as usize, left as usize);
            left -= to_u32(part.len());
            next += to_u32(part.len());
            out.push(part);
        }
        left -= self.collect_open(pool, next, left, out);
        len - left
    }

    /// The part of `collect` that lies in the open buffer. The text is copied, so that the buffer stays open.
    fn collect_open(&self, pool: &mut Pool, from: SeqNumber, len: u32, out: &mut Chunks) -> u32 {
        let Some(open) = &self.open else { return 0 };
        if len == 0 || out.count() >= SLICES_MAX {
            return 0;
        }
        let start = self.end.back(to_u32(open.len()));
        let Some(offset) = from.since(start) else { return 0 };
        let text = open.as_slice().get(offset as usize..).unwrap_or(&[]);
        let text = text.get(..len as usize).unwrap_or(text);
        if !text.is_empty() {
            out.push(pool.copy(text));
        }
        to_u32(text.len())
    }

    /// Appends a copy of all octets to `out`.
    pub(crate) fn copy_to(&self, out: &mut Vec<u8>) {
        for piece in &self.pieces {
            out.extend_from_slice(piece.chunk.as_slice());
        }
        if let Some(open) = &self.open {
            out.extend_from_slice(open.as_slice());
        }
    }

    /// Turns the open buffer into a chunk at the end.
    fn seal(&mut self, pool: &mut Pool) {
        let Some(open) = self.open.take() else { return };
        if open.is_empty() {
            pool.give(open);
            return;
        }
        let seq = self.end.back(to_u32(open.len()));
        self.pieces.push_back(Piece { seq, chunk: pool.freeze(open) });
    }

    /// Forgets all text.
    pub(crate) fn clear(&mut self, pool: &mut Pool) {
        self.pieces.clear();
        self.pushes.clear();
        self.record_ends.clear();
        if let Some(open) = self.open.take() {
            pool.give(open);
        }
        self.len = 0;
    }

    /// Octets of memory for the list itself.
    pub(crate) fn heap_octets(&self) -> usize {
        self.pieces.capacity() * size_of::<Piece>()
            + self.record_ends.capacity() * size_of::<SeqNumber>()
            + self.pushes.heap_octets()
    }

    /// The invariants: chunks follow each other without a gap, and the lengths add up.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let open = self.open.as_ref().map_or(0, |open| to_u32(open.len()));
        let mut seq = self.end.back(self.len);
        for piece in &self.pieces {
            if piece.seq != seq || piece.chunk.is_empty() {
                return Err("the send queue's chunks follow each other");
            }
            seq = piece.end();
        }
        if seq + open != self.end {
            return Err("the send queue's length is the sum of its chunks");
        }
        let inside = |end: &SeqNumber| end.after(self.end.back(self.len)) && end.at_or_before(self.end);
        if !self.record_ends.iter().all(inside) {
            return Err("records end within the text that is queued");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
