//! The scoreboard: cumulative and selective acknowledgements, taken in (RFC 2018 §5, RFC 6675 §3).

use portolan_link::Instant;
use portolan_wire::SeqNumber;

use super::{CUTS_MAX, Fate, Flight, Record, Tally};

/// The time of an acknowledgement, and what it says of when the segment was sent that it answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AckClock {
    pub(crate) now: Instant,
    /// The least round trip so far, in microseconds; 0 before the first measurement.
    pub(crate) min_rtt_us: u32,
    /// The millisecond at which that segment was sent, if both sides use timestamps.
    pub(crate) echo_ms: Option<u64>,
}

impl AckClock {
    /// Whether the acknowledgement answers something that was sent before `time` (RFC 3522 §3.2).
    pub(crate) fn echoes_before(&self, time: Instant) -> bool {
        self.echo_ms.is_some_and(|echo_ms| echo_ms < time.as_millis())
    }
}

/// What one acknowledgement delivered.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Delivery {
    /// What nothing was known of before.
    pub(crate) new: Tally,
    /// Of this, what was reported selectively.
    pub(crate) sacked: Tally,
    /// When the first and the last of what was acknowledged cumulatively were sent; only what was sent once.
    pub(crate) acked_sent: Option<(Instant, Instant)>,
    /// The same of what was reported selectively.
    pub(crate) sacked_sent: Option<(Instant, Instant)>,
    /// Something acknowledged cumulatively had been sent more than once.
    pub(crate) ambiguous: bool,
    /// The lowest of what arrived after something above it had, though it was sent once: the path reorders.
    pub(crate) late_from: Option<SeqNumber>,
    /// By how many microseconds more than its round trip RACK would have had to wait for it, at most.
    pub(crate) late_us: u32,
    /// Something had been sent once, and not after the recovery point (RFC 5682 §3.1).
    pub(crate) original: bool,
}

impl Delivery {
    /// `late_us` is how long the record took beyond RACK's round trip.
    fn note(
        &mut self,
        record: &Record,
        selectively: bool,
        highest_sacked: SeqNumber,
        recover: SeqNumber,
        late_us: u32,
    ) {
        self.new.add(record);
        if selectively {
            self.sacked.add(record);
        }
        if planted!(34, false, record.has(Fate::AMBIGUOUS)) {
            return;
        }
        let sent = if selectively { &mut self.sacked_sent } else { &mut self.acked_sent };
        *sent = Some(match *sent {
            Some((first, _)) => (first, record.sent_at),
            None => (record.sent_at, record.sent_at),
        });
        if record.seq.before(highest_sacked) {
            self.late_from = Some(self.late_from.map_or(record.seq, |from| from.min(record.seq)));
            self.late_us = self.late_us.max(late_us);
        }
        self.original |= record.end().at_or_before(recover);
    }
}

impl Flight {
    /// Everything before `una` has arrived.
    pub(crate) fn acknowledge(&mut self, una: SeqNumber, clock: &AckClock, delivery: &mut Delivery) {
        let recover = self.recovery.recover.unwrap_or(self.highest_sacked);
        // Forgotten in time: 2^31 octets later it would seem to lie ahead.
        self.small_end = self.small_end.filter(|end| end.after(una));
        while let Some(first) = self.records.front().copied() {
            let cut = una.since(first.seq).unwrap_or(0).min(first.len);
            if cut == 0 {
                break;
            }
            self.records.pop_front();
            self.uncount(&first);
            let mut part = first;
            if cut < first.len {
                let rest = first.rest(cut);
                part = first.head(cut, &rest);
                self.count(&rest);
                self.records.push_front(rest);
            }
            delivery.ambiguous |= part.has(Fate::AMBIGUOUS);
            if planted!(32, true, !part.has(Fate::SACKED)) {
                let late_us = self.rack.late_us(part.sent_at, clock.now);
                delivery.note(&part, false, self.highest_sacked, recover, late_us);
                self.rate.on_delivered(part.delivered());
                self.rack.on_delivered(&part, clock);
            }
            self.progress_at = clock.now;
        }
        // Numbers at the left edge move with it, so that they never lie half the number space behind.
        self.highest_sacked = self.highest_sacked.max(una);
        self.resend_from = self.resend_from.max(una);
        self.rack.on_advance(una);
        self.recovery.undo.forget_before(una);
    }

    /// The peer has `left` up to `right`. The caller has checked that SND.UNA < left < right <= SND.NXT.
    ///
    /// Segments of which it has only a part count as not arrived: they will be sent again whole, and a peer gains
    /// nothing by reporting octets one by one.
    pub(crate) fn sack(
        &mut self,
        left: SeqNumber,
        right: SeqNumber,
        highest_before: SeqNumber,
        clock: &AckClock,
        delivery: &mut Delivery,
    ) {
        let (left, right) = self.outside_sacked(left, right);
        if left.at_or_after(right) {
            return;
        }
        let first = self.cut_up(left);
        let last = self.cut_down(right);
        let recover = self.recovery.recover.unwrap_or(highest_before);
        let (mut run, mut ambiguous, mut end, mut is_new) = (Tally::default(), Fate::empty(), left, false);
        for index in first..last {
            let Some(&record) = self.records.get(index) else { break };
            run.add(&record);
            ambiguous |= record.fate & Fate::AMBIGUOUS;
            end = record.end();
            if !record.has(Fate::SACKED) {
                is_new = true;
                let late_us = self.rack.late_us(record.sent_at, clock.now);
                delivery.note(&record, true, highest_before, recover, late_us);
                self.rate.on_delivered(record.delivered());
                self.rack.on_delivered(&record, clock);
                self.uncount(&record);
                self.count(&Record { fate: Fate::SACKED, ..record });
            }
        }
        if is_new {
            self.become_one(first, last, run, Fate::SACKED | ambiguous);
            self.highest_sacked = self.highest_sacked.max(end);
        }
    }

    /// Takes a record out of all sums.
    pub(super) fn uncount(&mut self, record: &Record) {
        self.outstanding.take(record);
        for (fate, sum) in
            [(Fate::SACKED, &mut self.sacked), (Fate::LOST, &mut self.lost), (Fate::RESENT, &mut self.resent)]
        {
            if record.has(fate) {
                sum.take(record);
            }
        }
    }

    /// Adds a record to all sums that it belongs to.
    pub(super) fn count(&mut self, record: &Record) {
        self.outstanding.add(record);
        for (fate, sum) in
            [(Fate::SACKED, &mut self.sacked), (Fate::LOST, &mut self.lost), (Fate::RESENT, &mut self.resent)]
        {
            if record.has(fate) {
                sum.add(record);
            }
        }
    }

    /// The index of the record that holds `seq`.
    pub(super) fn index_of(&self, seq: SeqNumber) -> Option<usize> {
        let after = self.records.partition_point(|record| record.seq.at_or_before(seq));
        let index = after.checked_sub(1)?;
        self.records.get(index).filter(|record| record.end().after(seq)).map(|_| index)
    }

    /// Cuts the record that holds `seq` there, so that a record begins at `seq`; returns its index. Without
    /// room for one more record, the index of the next that begins after it.
    pub(super) fn cut(&mut self, seq: SeqNumber) -> usize {
        let Some(index) = self.index_of(seq) else {
            return self.records.partition_point(|record| record.seq.before(seq));
        };
        let full = self.records.len() >= CUTS_MAX;
        let Some(record) = self.records.get(index).copied() else { return index };
        let head = seq.since(record.seq).unwrap_or(0);
        if head == 0 {
            return index;
        }
        if !full {
            let rest = record.rest(head);
            let head = record.head(head, &rest);
            self.uncount(&record);
            self.count(&head);
            self.count(&rest);
            if let Some(slot) = self.records.get_mut(index) {
                *slot = head;
            }
            self.records.insert(index + 1, rest);
        }
        index + 1
    }

    /// Cuts at the first border of segments at or after `seq`; returns the index of the record that begins there.
    fn cut_up(&mut self, seq: SeqNumber) -> usize {
        match self.index_of(seq).and_then(|index| self.records.get(index)) {
            Some(record) => {
                let mss = u32::from(record.mss.max(1));
                let offset = seq.since(record.seq).unwrap_or(0).div_ceil(mss) * mss;
                let border = record.seq + offset.min(record.len);
                self.cut(border)
            }
            None => self.cut(seq),
        }
    }

    /// Cuts at the last border of segments at or before `seq`; returns the index of the record that begins there,
    /// or without room of the one that holds it.
    fn cut_down(&mut self, seq: SeqNumber) -> usize {
        let Some(record) = self.index_of(seq).and_then(|index| self.records.get(index)) else {
            return self.cut(seq);
        };
        let mss = u32::from(record.mss.max(1));
        let offset = seq.since(record.seq).unwrap_or(0) / mss * mss;
        let border = record.seq + offset;
        let index = self.cut(border);
        let before = index.checked_sub(1).and_then(|index| self.records.get(index));
        if before.is_some_and(|record| record.end().after(border)) { index - 1 } else { index }
    }

    /// Narrows a block at both ends by records that are SACKED already.
    fn outside_sacked(&self, left: SeqNumber, right: SeqNumber) -> (SeqNumber, SeqNumber) {
        let sacked =
            |seq| self.index_of(seq).and_then(|i| self.records.get(i)).filter(|r| r.has(Fate::SACKED));
        (sacked(left).map_or(left, Record::end), sacked(right.back(1)).map_or(right, |record| record.seq))
    }

    /// Makes one record of those from `first` to before `last`, and of SACKED neighbours.
    fn become_one(&mut self, first: usize, last: usize, run: Tally, fate: Fate) {
        let (mut first, mut last, mut run, mut fate) = (first, last, run, fate);
        if let Some(after) = self.records.get(last).filter(|record| record.has(Fate::SACKED)) {
            run.add(after);
            fate |= after.fate;
            last += 1;
        }
        if let Some(before) =
            first.checked_sub(1).and_then(|i| self.records.get(i)).filter(|record| record.has(Fate::SACKED))
        {
            run.add(before);
            fate |= before.fate;
            first -= 1;
        }
        if let Some(record) = self.records.get_mut(first) {
            (record.len, record.segments, record.fate) = (run.octets, run.segments, fate);
        }
        self.records.drain(first + 1..last.max(first + 1));
    }
}
