//! RACK: a segment is lost if one that was sent later has arrived, and enough time has gone by since for it to be
//! late by reordering (RFC 8985 §6). Retransmissions are found lost in the same way.
//!
//! The RFC keeps all segments in order of their sending. Here those that were sent once are in that order anyway,
//! with a mark before which none is left to look at; those that were sent again are in a queue of their own. So
//! every record is looked at once when it is lost, and not at every acknowledgement.

use alloc::collections::VecDeque;

use portolan_link::Instant;
use portolan_wire::SeqNumber;

use crate::flight::{AckClock, Fate, Flight, Record};
use crate::numbers::micros_u32;

/// A retransmission, as the queue remembers it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resent {
    pub(crate) seq: SeqNumber,
    pub(crate) end: SeqNumber,
    pub(crate) sent_at: Instant,
}

impl Resent {
    /// Whether `record` is (a part of) it, and still on its way as far as is known.
    fn is_on_its_way(&self, record: &Record) -> bool {
        let waits = record.has(Fate::LOST) && !record.has(Fate::RESENT);
        record.has(Fate::AMBIGUOUS) && record.sent_at == self.sent_at && !waits && !record.has(Fate::SACKED)
    }
}

/// RFC 8985 §5.3: of all segments that have arrived, the one that was sent last.
#[derive(Debug, Default)]
pub(crate) struct Rack {
    xmit_ts: Instant,
    end_seq: SeqNumber,
    rtt_us: u32,
    /// Something has arrived since the last look for losses.
    pub(crate) has_news: bool,
    /// No record before this was sent once, and is neither SACKED nor LOST.
    fresh_from: SeqNumber,
    /// In order of sending; some may have arrived since.
    resent: VecDeque<Resent>,
}

impl Rack {
    /// A flight begins at `seq`.
    pub(crate) fn begin(&mut self, seq: SeqNumber) {
        self.fresh_from = seq;
        self.resent.clear();
    }

    /// Nothing is known to be lost any more; the flight begins at `seq`.
    pub(crate) fn begin_again(&mut self, seq: SeqNumber) {
        self.fresh_from = seq;
        self.has_news = true;
    }

    pub(crate) fn on_advance(&mut self, una: SeqNumber) {
        self.fresh_from = self.fresh_from.max(una);
        while self.resent.front().is_some_and(|first| first.end.at_or_before(una)) {
            self.resent.pop_front();
        }
    }

    /// RFC 8985 §6.2, step 2: a record arrived.
    pub(crate) fn on_delivered(&mut self, record: &Record, clock: &AckClock) {
        let rtt_us = micros_u32(clock.now.micros_since(record.sent_at));
        if planted!(21, false, record.has(Fate::AMBIGUOUS))
            && (clock.echoes_before(record.sent_at) || rtt_us < clock.min_rtt_us)
        {
            // It was the original that arrived.
            return;
        }
        self.has_news = true;
        self.rtt_us = rtt_us;
        if record.sent_at > self.xmit_ts || record.sent_at == self.xmit_ts && record.end().after(self.end_seq)
        {
            (self.xmit_ts, self.end_seq) = (record.sent_at, record.end());
        }
    }

    /// RFC 8985 §6.2: RACK_sent_after(RACK.segment, segment).
    fn is_after(&self, sent_at: Instant, end: SeqNumber) -> bool {
        self.xmit_ts > sent_at || self.xmit_ts == sent_at && planted!(20, true, self.end_seq.after(end))
    }

    /// Whether what was sent at `sent_at` has been on its way for longer than a round trip and `reo_wnd_us`.
    pub(crate) fn is_overdue(&self, sent_at: Instant, reo_wnd_us: u32, now: Instant) -> bool {
        now.micros_since(sent_at) >= u64::from(self.rtt_us) + u64::from(planted!(19, 0, reo_wnd_us))
    }

    /// How many microseconds beyond a round trip what was sent at `sent_at` has been on its way.
    pub(crate) fn late_us(&self, sent_at: Instant, now: Instant) -> u32 {
        micros_u32(now.micros_since(sent_at)).saturating_sub(self.rtt_us)
    }

    pub(crate) fn heap_octets(&self) -> usize {
        self.resent.capacity() * size_of::<Resent>()
    }

    /// The invariant: the mark is right.
    pub(crate) fn check(&self, flight: &Flight) -> Result<(), &'static str> {
        let is_fresh =
            |record: &&Record| !record.fate.intersects(Fate::SACKED | Fate::LOST | Fate::AMBIGUOUS);
        match flight.records.iter().find(is_fresh) {
            Some(record) if record.end().at_or_before(self.fresh_from) => {
                Err("no record before RACK's mark is to be looked at")
            }
            _ => Ok(()),
        }
    }
}

impl Flight {
    /// A retransmission is to be looked at until it has arrived.
    pub(crate) fn remember_resent(&mut self, resent: Resent) {
        let most = 2 * self.records.len() + 64;
        if self.rack.resent.len() > most {
            // What has arrived meanwhile in no order makes room.
            let mut queue = core::mem::take(&mut self.rack.resent);
            queue.retain(|old| self.is_on_its_way(old));
            queue.drain(..queue.len().saturating_sub(most));
            self.rack.resent = queue;
        }
        self.rack.resent.push_back(resent);
    }

    /// Whether some of `resent` is still on its way as far as is known.
    fn is_on_its_way(&self, resent: &Resent) -> bool {
        self.records.range(self.indices(resent.seq, resent.end)).any(|record| resent.is_on_its_way(record))
    }

    /// RFC 8985 §6.2, step 5: marks what is lost. Returns until when to wait for what may only be late.
    pub(crate) fn detect_losses(&mut self, now: Instant, reo_wnd_us: u32) -> Option<Instant> {
        self.rack.has_news = false;
        let waits_for_fresh = self.detect_among_fresh(now, reo_wnd_us);
        let waits_for_resent = self.detect_among_resent(now, reo_wnd_us);
        // What was sent just before RACK's segment is overdue last.
        let until = self.rack.xmit_ts.plus_micros(u64::from(self.rack.rtt_us) + u64::from(reo_wnd_us));
        (waits_for_fresh || waits_for_resent).then_some(until.max(now))
    }

    /// Of what was sent once. Returns whether something may be late.
    fn detect_among_fresh(&mut self, now: Instant, reo_wnd_us: u32) -> bool {
        let from = self.records.partition_point(|record| record.end().at_or_before(self.rack.fresh_from));
        for index in from..self.records.len() {
            let Some(record) = self.records.get(index) else { break };
            if !record.fate.intersects(Fate::SACKED | Fate::LOST | Fate::AMBIGUOUS) {
                if !self.rack.is_after(record.sent_at, record.end()) {
                    return false;
                }
                if !self.rack.is_overdue(record.sent_at, reo_wnd_us, now) {
                    return true;
                }
            }
            let (end, fate) = (record.end(), record.fate);
            if fate.is_empty() {
                self.mark_lost(index);
            }
            self.rack.fresh_from = end;
        }
        false
    }

    /// Of what was sent again. Returns whether something may be late.
    fn detect_among_resent(&mut self, now: Instant, reo_wnd_us: u32) -> bool {
        while let Some(first) = self.rack.resent.front().copied() {
            if self.is_on_its_way(&first) {
                if !self.rack.is_after(first.sent_at, first.end) {
                    return false;
                }
                if !self.rack.is_overdue(first.sent_at, reo_wnd_us, now) {
                    return true;
                }
                for index in self.indices(first.seq, first.end) {
                    if self.records.get(index).is_some_and(|record| first.is_on_its_way(record)) {
                        self.mark_lost(index);
                    }
                }
            }
            self.rack.resent.pop_front();
        }
        false
    }
}

#[cfg(test)]
mod tests;
