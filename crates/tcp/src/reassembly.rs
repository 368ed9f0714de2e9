//! Text that arrived out of order, and what to say of it in SACK options (RFC 2018 §4).

use alloc::collections::VecDeque;

use portolan_link::{Chunk, Pool};
use portolan_wire::SeqNumber;
use portolan_wire::tcp::SackBlocks;

use crate::numbers::to_u32;

/// The most pieces that are kept, whatever their size: what bounds the time to insert one.
const PIECES_MAX: usize = 8192;

/// Neighbours that together are not longer than this are copied into one buffer, so that a peer who sends octet
/// by octet does not pin a buffer with each.
const MERGE_MAX: usize = 1024;

#[derive(Debug)]
struct Piece {
    seq: SeqNumber,
    chunk: Chunk,
}

impl Piece {
    fn end(&self) -> SeqNumber {
        self.seq + to_u32(self.chunk.len())
    }

    fn charge(&self) -> usize {
        self.chunk.footprint() + size_of::<Piece>()
    }
}

/// A run of octets without a gap: from the first to the one after the last.
#[derive(Clone, Copy, Debug)]
struct Range {
    start: SeqNumber,
    end: SeqNumber,
}

/// What became of a chunk that was to be kept for later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Inserted {
    /// It waits for the gap to close.
    Kept,
    /// All of it was there before.
    Duplicate,
    /// It was the farthest and had to go.
    NoRoom,
}

/// Text beyond RCV.NXT, waiting for the gap to close.
///
/// Charged by `Chunk::footprint`, not by length: one octet can pin a 64 KiB frame, and a peer chooses which octets
/// arrive. At the limit the piece farthest from RCV.NXT is dropped; the peer sends it again.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    /// In order of sequence numbers, without overlap.
    pieces: VecDeque<Piece>,
    /// What the pieces cover, in order, no two touching.
    ranges: VecDeque<Range>,
    /// An octet of each of the ranges that changed last, the latest first (RFC 2018 §4).
    recent: [Option<SeqNumber>; SackBlocks::MAX],
    charge: usize,
}

impl Reassembly {
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Takes in `chunk`, which begins at `seq`. Then the farthest pieces go, until no more than `charge_max` is
    /// charged.
    pub(crate) fn insert(
        &mut self,
        pool: &mut Pool,
        seq: SeqNumber,
        chunk: Chunk,
        charge_max: usize,
    ) -> Inserted {
        let end = seq + to_u32(chunk.len());
        if self.range_of(seq).is_some_and(|range| end.at_or_before(range.end)) {
            self.touch(seq);
            return Inserted::Duplicate;
        }
        let Some((at, piece)) = self.fit(seq, chunk) else { return Inserted::Duplicate };
        let (start, end) = (piece.seq, piece.end());
        self.cover(Range { start, end });
        self.touch(start);
        self.place(pool, at, piece);
        while self.charge > charge_max || self.pieces.len() > PIECES_MAX {
            self.drop_farthest();
        }
        let kept = self.pieces.back().is_some_and(|last| last.end().after(start));
        if kept { Inserted::Kept } else { Inserted::NoRoom }
    }

    /// Cuts from a new piece what is there already, removes pieces that it covers whole, and says where it
    /// belongs. `None` if nothing of it is new.
    fn fit(&mut self, seq: SeqNumber, chunk: Chunk) -> Option<(usize, Piece)> {
        let mut piece = Piece { seq, chunk };
        let at = self.pieces.partition_point(|other| other.seq.at_or_before(piece.seq));
        if let Some(before) = at.checked_sub(1).and_then(|index| self.pieces.get(index)) {
            let overlap = before.end().since(piece.seq).unwrap_or(0);
            piece.chunk.consume(overlap as usize);
            piece.seq += overlap;
        }
        let end = piece.end();
        let mut covered = at;
        while let Some(other) = self.pieces.get(covered) {
            if other.end().after(end) || piece.chunk.is_empty() {
                let room = other.seq.since(piece.seq).unwrap_or(0);
                piece.chunk.truncate(planted!(61, usize::MAX, room as usize));
                break;
            }
            self.charge -= other.charge();
            covered += 1;
        }
        self.pieces.drain(at..covered);
        (!piece.chunk.is_empty()).then_some((at, piece))
    }

    /// Puts a piece at its place, or appends it to the one before if both are small.
    fn place(&mut self, pool: &mut Pool, at: usize, piece: Piece) {
        if let Some(before) = at.checked_sub(1).and_then(|index| self.pieces.get_mut(index))
            && before.end() == piece.seq
            && before.chunk.len() + piece.chunk.len() <= MERGE_MAX
        {
            self.charge -= before.charge();
            let mut both = pool.take(MERGE_MAX);
            both.append(before.chunk.as_slice());
            both.append(piece.chunk.as_slice());
            before.chunk = pool.freeze(both);
            self.charge += before.charge();
            return;
        }
        self.charge += piece.charge();
        self.pieces.insert(at, piece);
    }

    /// Adds a range, and joins those that it touches.
    fn cover(&mut self, range: Range) {
        let mut joined = range;
        let first = self.ranges.partition_point(|other| other.end.before(range.start));
        let mut last = first;
        while let Some(other) = self.ranges.get(last).filter(|other| other.start.at_or_before(range.end)) {
            joined.start = joined.start.min(other.start);
            joined.end = joined.end.max(other.end);
            last += 1;
        }
        if last == first {
            self.ranges.insert(first, joined);
            return;
        }
        if let Some(slot) = self.ranges.get_mut(first) {
            *slot = joined;
        }
        self.ranges.drain(first + 1..last);
    }

    /// The range that holds `seq`.
    fn range_of(&self, seq: SeqNumber) -> Option<Range> {
        let after = self.ranges.partition_point(|range| range.start.at_or_before(seq));
        self.ranges.get(after.checked_sub(1)?).copied().filter(|range| range.end.after(seq))
    }

    /// The first part of `seq` to before `end` that is there already.
    pub(crate) fn overlap(&self, seq: SeqNumber, end: SeqNumber) -> Option<(SeqNumber, SeqNumber)> {
        let index = self.ranges.partition_point(|range| range.end.at_or_before(seq));
        let range = self.ranges.get(index).filter(|range| range.start.before(end))?;
        Some((range.start.max(seq), range.end.min(end)))
    }

    /// Makes the range of `seq` the one that is reported first.
    fn touch(&mut self, seq: SeqNumber) {
        let Some(range) = self.range_of(seq) else { return };
        let mut recent = [None; SackBlocks::MAX];
        let others = self.recent.iter().flatten().copied();
        let others =
            others.filter(|other| !other.in_window(range.start, range.end.since(range.start).unwrap_or(0)));
        let kept = core::iter::once(seq).chain(others.filter(|other| self.range_of(*other).is_some()));
        for (slot, seq) in recent.iter_mut().zip(kept) {
            *slot = Some(seq);
        }
        self.recent = recent;
    }

    /// Takes out the piece that begins at or before `next`, without what is before it.
    pub(crate) fn pop(&mut self, next: SeqNumber) -> Option<Chunk> {
        while let Some(first) = self.pieces.front().filter(|first| first.seq.at_or_before(next)) {
            self.charge -= first.charge();
            let mut piece = self.pieces.pop_front()?;
            let end = piece.end();
            while self.ranges.front().is_some_and(|range| range.end.at_or_before(end)) {
                self.ranges.pop_front();
            }
            if let Some(range) = self.ranges.front_mut() {
                range.start = range.start.max(end.min(range.end));
            }
            piece.chunk.consume(planted!(62, 0, next.since(piece.seq).unwrap_or(0)) as usize);
            if !piece.chunk.is_empty() {
                return Some(piece.chunk);
            }
        }
        None
    }

    /// RFC 2018 §4: the blocks to report, the one that changed last first; at most `max`.
    pub(crate) fn sack_blocks(&self, max: usize) -> SackBlocks {
        let ranges = self.recent.iter().flatten().filter_map(|seq| self.range_of(*seq));
        ranges.take(max).map(|range| (range.start, range.end)).collect()
    }

    /// Whether any text lies at or beyond `seq`.
    pub(crate) fn reaches_beyond(&self, seq: SeqNumber) -> bool {
        self.pieces.back().is_some_and(|last| last.end().after(seq))
    }

    fn drop_farthest(&mut self) {
        let Some(last) = self.pieces.pop_back() else { return };
        self.charge -= last.charge();
        if let Some(range) = self.ranges.back_mut() {
            range.end = last.seq;
            if range.end.at_or_before(range.start) {
                self.ranges.pop_back();
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Reassembly::default();
    }

    /// Octets of memory that the pieces take, their entries included.
    pub(crate) fn charge(&self) -> usize {
        self.charge
    }

    /// Octets of memory for the lists themselves.
    pub(crate) fn heap_octets(&self) -> usize {
        self.pieces.capacity() * size_of::<Piece>() + self.ranges.capacity() * size_of::<Range>()
    }

    /// The invariants: pieces in order, ranges exactly around them, all beyond `next`.
    pub(crate) fn check(&self, next: SeqNumber) -> Result<(), &'static str> {
        let mut ranges = self.ranges.iter();
        let mut range: Option<Range> = None;
        let mut end = next;
        let mut charge = 0;
        for piece in &self.pieces {
            if range.is_some() && piece.seq == end {
                // The same range goes on.
            } else if piece.seq.after(end) {
                if range.is_some_and(|range| range.end != end) {
                    return Err("a reassembly range ends where its pieces end");
                }
                range = ranges.next().copied();
                if range.is_none_or(|range| range.start != piece.seq) {
                    return Err("a reassembly range begins where its pieces begin");
                }
            } else {
                return Err("reassembly pieces are in order and beyond RCV.NXT");
            }
            end = piece.end();
            charge += piece.charge();
        }
        if range.is_some_and(|range| range.end != end) || ranges.next().is_some() {
            return Err("reassembly ranges cover the pieces and nothing else");
        }
        if charge != self.charge {
            return Err("the reassembly charge is the sum over the pieces");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
