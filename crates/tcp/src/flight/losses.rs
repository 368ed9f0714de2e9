//! What is held for lost, and what was sent again.

use portolan_wire::SeqNumber;

use super::{Fate, Flight, Record, Sending};
use crate::rack::Resent;

impl Flight {
    /// Holds the record at `index` for lost, or lost again.
    pub(crate) fn mark_lost(&mut self, index: usize) {
        let Some(record) = self.records.get_mut(index) else { return };
        if record.has(Fate::SACKED) {
            return;
        }
        let was = *record;
        record.fate.insert(Fate::LOST);
        record.fate.remove(Fate::RESENT);
        let is = *record;
        self.uncount(&was);
        self.count(&is);
        if was.has(Fate::RESENT) || !was.has(Fate::LOST) {
            self.rate.on_lost(is.len);
        }
        self.resend_from = self.resend_from.min(is.seq);
    }

    /// Holds the first segment for lost, if nothing is known of it.
    pub(crate) fn mark_first_lost(&mut self, mss: u32) {
        let Some(first) = self.records.front().copied() else { return };
        if !first.fate.intersects(Fate::SACKED | Fate::LOST) {
            self.cut(first.seq + mss);
            self.mark_lost(0);
        }
    }

    /// Holds everything for lost that `is_lost` says, retransmissions included, and the first record in any case.
    /// If the peer has withdrawn what it had acknowledged selectively, forgets all SACKED first; returns whether
    /// it has.
    pub(crate) fn mark_lost_if(&mut self, is_lost: impl Fn(&Record) -> bool) -> bool {
        let Some(first) = self.records.front().copied() else { return false };
        // RFC 2018 §8: a peer that still had the first octet would have acknowledged it by now.
        let reneged = planted!(33, false, first.has(Fate::SACKED));
        for index in 0..self.records.len() {
            let Some(record) = self.records.get_mut(index) else { break };
            if reneged && record.has(Fate::SACKED) {
                let was = *record;
                record.fate.remove(Fate::SACKED);
                let is = *record;
                self.uncount(&was);
                self.count(&is);
                self.mark_lost(index);
            } else if reneged || index == 0 || is_lost(record) {
                self.mark_lost(index);
            }
        }
        if reneged {
            self.highest_sacked = first.seq;
        }
        self.resend_from = first.seq;
        reneged
    }

    /// What was held for lost had only been late: nothing is lost any more.
    pub(crate) fn unmark_lost(&mut self) {
        for record in &mut self.records {
            record.fate.remove(Fate::LOST | Fate::RESENT);
        }
        (self.lost, self.resent) = Default::default();
        if let Some(first) = self.records.front() {
            self.rack.begin_again(first.seq);
        }
    }

    /// The first record that is lost and not yet sent again.
    pub(crate) fn next_to_resend(&self) -> Option<Record> {
        if self.lost == self.resent {
            return None;
        }
        let from = self.records.partition_point(|record| record.end().at_or_before(self.resend_from));
        self.records.range(from..).find(|record| record.has(Fate::LOST) && !record.has(Fate::RESENT)).copied()
    }

    /// `sending`, which lies in one record, was sent again.
    pub(crate) fn on_resent(&mut self, sending: &Sending, fin: bool) {
        let Sending { seq, len, mss, now, delivered, .. } = *sending;
        // RFC 4821 §7.6.4: an acknowledgement would not say which of the two it is for.
        self.size_probe.take_if(|probe| seq.before(probe.end) && probe.seq.before(seq + len));
        self.cut(seq);
        self.cut(seq + len);
        let Some(index) = self.index_of(seq) else { return };
        let in_flight = self.in_flight().saturating_add(len);
        let stamp = self.rate.stamp(now, false, delivered, in_flight);
        let Some(record) = self.records.get_mut(index) else { return };
        let was = *record;
        if was.has(Fate::LOST) {
            record.fate |= Fate::RESENT;
            self.resend_from = record.end();
        }
        record.fate |= Fate::AMBIGUOUS;
        (record.sent_at, record.stamp) = (now, stamp);
        if record.len == len {
            (record.mss, record.segments) = (mss, sending.segments(fin));
        }
        let is = *record;
        self.uncount(&was);
        self.count(&is);
        self.remember_resent(Resent { seq: is.seq, end: is.end(), sent_at: now });
    }

    /// The indices of the records between `seq` and `end`.
    pub(crate) fn indices(&self, seq: SeqNumber, end: SeqNumber) -> core::ops::Range<usize> {
        let first = self.records.partition_point(|record| record.end().at_or_before(seq));
        let last = self.records.partition_point(|record| record.seq.before(end));
        first..last.max(first)
    }
}
