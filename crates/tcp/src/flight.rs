//! Flight records: what was sent and is not acknowledged, and the scoreboard of RFC 6675 on them.
//!
//! A record stands for a run of sequence numbers that were sent together and have the same fate. Records are
//! cut where a SACK block or a retransmission begins or ends; runs that the peer has acknowledged selectively
//! become one record again. So the work for an acknowledgement depends on what it changes, not on how many
//! holes there are. `recovery.rs` decides with it what is lost and when.

use alloc::collections::VecDeque;

use bitflags::bitflags;
use portolan_link::Instant;
use portolan_wire::SeqNumber;

use crate::rate::{Delivered, Rate, SendStamp};
use crate::recovery::Recovery;
use crate::slab::Reuse;

/// No new text is sent while there are this many records.
const RECORDS_MAX: usize = 8192;

/// No record is cut any more, so that a peer cannot buy memory with SACK blocks (CVE-2019-11478).
const CUTS_MAX: usize = 2 * RECORDS_MAX;

/// RFC 6675 §2: DupThresh.
pub(crate) const DUP_THRESH: u32 = 3;

bitflags! {
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub(crate) struct Fate: u8 {
        /// The peer has acknowledged it selectively.
        const SACKED = 1 << 0;
        /// Held for lost.
        const LOST = 1 << 1;
        /// Held for lost, and sent again since.
        const RESENT = 1 << 2;
        /// Sent more than once at any time: no RTT can be measured with it (Karn).
        const AMBIGUOUS = 1 << 3;
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    pub(crate) seq: SeqNumber,
    /// Octets of sequence space; our FIN counts as one.
    pub(crate) len: u32,
    /// When it was sent last.
    pub(crate) sent_at: Instant,
    pub(crate) stamp: SendStamp,
    pub(crate) fate: Fate,
}

impl Record {
    pub(crate) fn end(&self) -> SeqNumber {
        self.seq + self.len
    }

    fn has(&self, fate: Fate) -> bool {
        self.fate.contains(fate)
    }

    fn delivered(&self) -> Delivered {
        let (stamp, sent_at, end) = (self.stamp, self.sent_at, self.end());
        Delivered { stamp, sent_at, end, resent: self.has(Fate::AMBIGUOUS) }
    }
}

/// What an acknowledgement took out of the flight.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Acked {
    /// Octets that nothing was known of before: acknowledged now, and not selectively earlier.
    pub(crate) delivered: u32,
    /// When the oldest of them was sent, if none was sent more than once.
    pub(crate) sent_at: Option<Instant>,
}

/// Everything between SND.UNA and SND.NXT.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    pub(crate) records: VecDeque<Record>,
    /// Octets in all records, in those with SACKED, with LOST, with RESENT.
    pub(crate) outstanding: u32,
    pub(crate) sacked: u32,
    pub(crate) lost: u32,
    pub(crate) resent: u32,
    /// After the last octet that was acknowledged selectively; means nothing without any.
    highest_sacked: SeqNumber,
    /// All records that end here or before and are not SACKED are LOST; means nothing without any LOST.
    lost_below: SeqNumber,
    /// No record before this one waits to be sent again.
    resend_from: SeqNumber,
    /// When SND.UNA last moved, or the flight began.
    pub(crate) progress_at: Instant,
    pub(crate) recovery: Recovery,
    pub(crate) rate: Rate,
}

impl Flight {
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether there are too many records for new text.
    pub(crate) fn is_full(&self) -> bool {
        self.records.len() >= RECORDS_MAX
    }

    /// RFC 6675's pipe, without what duplicate acknowledgements say: octets assumed to be in the network.
    pub(crate) fn in_flight(&self) -> u32 {
        let known = self.outstanding - self.sacked - self.lost + self.resent;
        known.saturating_sub(self.recovery.duplicates_octets)
    }

    /// `len` octets of sequence space from `seq` on were sent for the first time; `delivered` had arrived in all
    /// before.
    pub(crate) fn on_sent(&mut self, seq: SeqNumber, len: u32, now: Instant, delivered: u64) {
        if self.records.is_empty() {
            self.progress_at = now;
            (self.highest_sacked, self.lost_below, self.resend_from) = (seq, seq, seq);
        }
        self.outstanding += len;
        let idle = self.records.is_empty();
        let stamp = self.rate.stamp(now, idle, delivered, self.in_flight());
        if let Some(last) = self.records.back_mut().filter(|last| last.fate.is_empty() && last.sent_at == now)
        {
            last.len += len;
            return;
        }
        self.records.push_back(Record { seq, len, sent_at: now, stamp, fate: Fate::empty() });
    }

    /// Everything before `una` has arrived.
    pub(crate) fn acknowledge(&mut self, una: SeqNumber, now: Instant) -> Acked {
        let mut acked = Acked::default();
        let mut ambiguous = false;
        while let Some(first) = self.records.front_mut() {
            let cut = una.since(first.seq).unwrap_or(0).min(first.len);
            if cut == 0 {
                break;
            }
            let part = Record { len: cut, ..*first };
            first.seq += cut;
            first.len -= cut;
            if first.len == 0 {
                self.records.pop_front();
            }
            self.outstanding -= cut;
            self.uncount(&part);
            if !part.has(Fate::SACKED) {
                acked.delivered += cut;
                self.rate.on_delivered(part.delivered());
                ambiguous |= part.has(Fate::AMBIGUOUS);
                acked.sent_at = acked.sent_at.or(Some(part.sent_at));
            }
            self.progress_at = now;
        }
        if ambiguous {
            acked.sent_at = None;
        }
        // Numbers at the left edge move with it, so that they never lie half the number space behind.
        self.highest_sacked = self.highest_sacked.max(una);
        self.lost_below = self.lost_below.max(una);
        self.resend_from = self.resend_from.max(una);
        acked
    }

    fn uncount(&mut self, part: &Record) {
        for (fate, sum) in
            [(Fate::SACKED, &mut self.sacked), (Fate::LOST, &mut self.lost), (Fate::RESENT, &mut self.resent)]
        {
            if part.has(fate) {
                *sum -= part.len;
            }
        }
    }

    /// The index of the record that holds `seq`.
    fn index_of(&self, seq: SeqNumber) -> Option<usize> {
        let after = self.records.partition_point(|record| record.seq.at_or_before(seq));
        let index = after.checked_sub(1)?;
        self.records.get(index).filter(|record| record.end().after(seq)).map(|_| index)
    }

    /// Cuts the record that holds `seq` there, so that a record begins at `seq`; returns its index. Without
    /// room for one more record, the index of the next that begins after it.
    fn cut(&mut self, seq: SeqNumber) -> usize {
        let Some(index) = self.index_of(seq) else {
            return self.records.partition_point(|record| record.seq.before(seq));
        };
        let full = self.records.len() >= CUTS_MAX;
        let Some(record) = self.records.get_mut(index) else { return index };
        let head = seq.since(record.seq).unwrap_or(0);
        if head == 0 {
            return index;
        }
        if !full {
            let tail = Record { seq, len: record.len - head, ..*record };
            record.len = head;
            self.records.insert(index + 1, tail);
        }
        index + 1
    }

    /// The peer has `left` up to `right`. The caller has checked that SND.UNA < left < right <= SND.NXT.
    /// Returns how many octets nothing was known of before.
    pub(crate) fn sack(&mut self, left: SeqNumber, right: SeqNumber) -> u32 {
        let (left, right) = self.outside_sacked(left, right);
        if left.at_or_after(right) {
            return 0;
        }
        let first = self.cut(left);
        let last = self.cut_before(right);
        let mut total = 0;
        let mut delivered = 0;
        for index in first..last {
            let Some(&record) = self.records.get(index) else { break };
            total += record.len;
            if !record.has(Fate::SACKED) {
                delivered += record.len;
                self.rate.on_delivered(record.delivered());
                self.uncount(&record);
            }
        }
        if delivered == 0 {
            return 0;
        }
        self.sacked += delivered;
        self.become_one(first, last, total);
        self.highest_sacked = self.highest_sacked.max(right);
        delivered
    }

    /// As `cut`, for a right edge: without room, the index of the record that is only partly before it.
    fn cut_before(&mut self, seq: SeqNumber) -> usize {
        let index = self.cut(seq);
        let straddles = index
            .checked_sub(1)
            .and_then(|i| self.records.get(i))
            .is_some_and(|record| record.end().after(seq));
        if straddles { index - 1 } else { index }
    }

    /// Narrows a block at both ends by records that are SACKED already.
    fn outside_sacked(&self, left: SeqNumber, right: SeqNumber) -> (SeqNumber, SeqNumber) {
        let sacked =
            |seq| self.index_of(seq).and_then(|i| self.records.get(i)).filter(|r| r.has(Fate::SACKED));
        (sacked(left).map_or(left, Record::end), sacked(right.back(1)).map_or(right, |record| record.seq))
    }

    /// Makes one SACKED record of those from `first` to before `last`, and of SACKED neighbours.
    fn become_one(&mut self, first: usize, last: usize, total: u32) {
        let (mut first, mut last, mut total) = (first, last, total);
        if let Some(after) = self.records.get(last).filter(|record| record.has(Fate::SACKED)) {
            total += after.len;
            last += 1;
        }
        if let Some(before) =
            first.checked_sub(1).and_then(|i| self.records.get(i)).filter(|record| record.has(Fate::SACKED))
        {
            total += before.len;
            first -= 1;
        }
        if let Some(record) = self.records.get_mut(first) {
            record.len = total;
            record.fate = Fate::SACKED;
        }
        self.records.drain(first + 1..last.max(first + 1));
    }

    /// RFC 6675 §4, IsLost(): marks as lost what lies below three separate SACKED runs, or below more than two
    /// full segments of SACKED octets.
    pub(crate) fn mark_lost_by_sack(&mut self, mss: u32) {
        if self.sacked == 0 {
            return;
        }
        let above = self.records.partition_point(|record| record.seq.before(self.highest_sacked));
        let (mut runs, mut octets) = (0, 0);
        let mut lost_end = None;
        for record in self.records.range(..above).rev() {
            if record.has(Fate::SACKED) {
                runs += 1;
                octets += record.len;
            } else if runs >= DUP_THRESH || octets > (DUP_THRESH - 1) * mss {
                lost_end = Some(record.end());
                break;
            }
            if self.lost > 0 && record.seq.before(self.lost_below) {
                break;
            }
        }
        if let Some(end) = lost_end {
            self.mark_lost_until(end);
        }
    }

    /// Marks as lost every record before `end` that is not SACKED.
    fn mark_lost_until(&mut self, end: SeqNumber) {
        let from = if self.lost > 0 {
            self.records.partition_point(|record| record.end().at_or_before(self.lost_below))
        } else {
            0
        };
        for record in self.records.range_mut(from..).take_while(|record| record.seq.before(end)) {
            if !record.fate.intersects(Fate::SACKED | Fate::LOST) {
                record.fate |= Fate::LOST;
                self.lost += record.len;
                self.rate.on_lost(record.len);
                self.resend_from = self.resend_from.min(record.seq);
            }
        }
        self.lost_below = self.lost_below.max(end);
    }

    /// Marks the first segment as lost, if nothing is known of it.
    pub(crate) fn mark_first_lost(&mut self, mss: u32) {
        let Some(first) = self.records.front().copied() else { return };
        if first.fate.intersects(Fate::SACKED | Fate::LOST) {
            return;
        }
        self.cut(first.seq + mss);
        if let Some(first) = self.records.front_mut() {
            first.fate |= Fate::LOST;
            self.lost += first.len;
            self.rate.on_lost(first.len);
            self.resend_from = first.seq;
        }
    }

    /// Marks everything as lost that is not SACKED, retransmissions included. If the peer has withdrawn what it
    /// had acknowledged selectively, forgets all SACKED first; returns whether it has.
    pub(crate) fn mark_all_lost(&mut self) -> bool {
        let Some(first) = self.records.front().copied() else { return false };
        // RFC 2018 §8: a peer that still had the first octet would have acknowledged it by now.
        let reneged = first.has(Fate::SACKED);
        for record in &mut self.records {
            if reneged {
                record.fate.remove(Fate::SACKED);
            }
            if !record.has(Fate::SACKED) {
                record.fate.remove(Fate::RESENT);
                record.fate.insert(Fate::LOST);
            }
        }
        if reneged {
            self.sacked = 0;
        }
        self.resent = 0;
        self.rate.on_lost(self.outstanding - self.sacked - self.lost);
        self.lost = self.outstanding - self.sacked;
        self.lost_below = first.seq + self.outstanding;
        self.resend_from = first.seq;
        reneged
    }

    /// The first record that is lost and not yet sent again.
    pub(crate) fn next_to_resend(&self) -> Option<Record> {
        if self.lost == self.resent {
            return None;
        }
        let from = self.records.partition_point(|record| record.end().at_or_before(self.resend_from));
        self.records.range(from..).find(|record| record.has(Fate::LOST) && !record.has(Fate::RESENT)).copied()
    }

    /// The first `len` octets of the record at `seq` were sent again.
    pub(crate) fn on_resent(&mut self, seq: SeqNumber, len: u32, now: Instant, delivered: u64) {
        self.cut(seq + len);
        let stamp = self.rate.stamp(now, false, delivered, self.in_flight().saturating_add(len));
        let Some(index) = self.index_of(seq) else { return };
        let Some(record) = self.records.get_mut(index) else { return };
        if record.has(Fate::LOST) && !record.has(Fate::RESENT) {
            self.resent += record.len;
            record.fate |= Fate::RESENT;
        }
        record.fate |= Fate::AMBIGUOUS;
        record.sent_at = now;
        record.stamp = stamp;
        self.resend_from = record.end();
    }

    /// The invariants; `una` and `nxt` are the connection's.
    pub(crate) fn check(&self, una: SeqNumber, nxt: SeqNumber) -> Result<(), &'static str> {
        let mut seq = una;
        let (mut sacked, mut lost, mut resent) = (0, 0, 0);
        let mut waiting = None;
        for record in &self.records {
            if record.seq != seq || record.len == 0 {
                return Err("flight records follow each other from SND.UNA");
            }
            if record.has(Fate::SACKED) && record.fate.intersects(Fate::LOST | Fate::RESENT)
                || record.has(Fate::RESENT) && !record.has(Fate::LOST)
            {
                return Err("a flight record is SACKED, or LOST, or LOST and RESENT");
            }
            sacked += if record.has(Fate::SACKED) { record.len } else { 0 };
            lost += if record.has(Fate::LOST) { record.len } else { 0 };
            resent += if record.has(Fate::RESENT) { record.len } else { 0 };
            if record.has(Fate::LOST) && !record.has(Fate::RESENT) {
                waiting = waiting.or(Some(record.end()));
            }
            seq = record.end();
        }
        if seq != nxt || nxt.since(una) != Some(self.outstanding) {
            return Err("flight records end at SND.NXT");
        }
        if (sacked, lost, resent) != (self.sacked, self.lost, self.resent) {
            return Err("the pipe is consistent with the flight records");
        }
        if waiting.is_some_and(|end| end.at_or_before(self.resend_from)) {
            return Err("no lost record before the mark waits to be sent again");
        }
        if self.records.len() > CUTS_MAX + RECORDS_MAX {
            return Err("the number of flight records is bounded");
        }
        Ok(())
    }
}

impl Reuse for Flight {
    fn reset(&mut self) {
        *self = Flight::default();
    }

    fn heap_octets(&self) -> usize {
        self.records.capacity() * size_of::<Record>()
    }
}

#[cfg(test)]
mod tests;
