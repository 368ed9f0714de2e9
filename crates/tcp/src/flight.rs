//! Flight records: what was sent and is not acknowledged.
//!
//! A record stands for a run of sequence numbers that were sent together and have the same fate. Records are cut
//! where a SACK block or a retransmission begins or ends, at the borders of segments only; runs that the peer has
//! acknowledged selectively become one record again. So the work for an acknowledgement depends on what it
//! changes, not on how many holes there are, and a peer cannot make more records than there were segments.
//!
//! `scoreboard.rs` takes acknowledgements in, `losses.rs` marks what is lost and what was sent again. On them
//! stand `rack.rs`, which finds losses, and `recovery.rs`, which decides what to do about them.

mod losses;
mod scoreboard;

use alloc::collections::VecDeque;
use core::ops::AddAssign;

use bitflags::bitflags;
use portolan_link::Instant;
use portolan_wire::SeqNumber;

use crate::rack::Rack;
use crate::rate::{Delivered, Rate, SendStamp};
use crate::recovery::Recovery;
use crate::reordering::Reordering;
use crate::rtt::RttRound;
use crate::size_search::SizeProbe;
use crate::slab::Reuse;
use crate::timers::Alarm;

pub(crate) use scoreboard::{AckClock, Delivery};

/// No new text is sent while there are this many records.
const RECORDS_MAX: usize = 8192;

/// No record is cut any more, so that a peer cannot buy memory with SACK blocks (CVE-2019-11478).
const CUTS_MAX: usize = 2 * RECORDS_MAX;

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
    /// Segments in which it was sent.
    pub(crate) segments: u32,
    /// Octets of each of these but the last.
    pub(crate) mss: u16,
    pub(crate) fate: Fate,
}

impl Record {
    pub(crate) fn end(&self) -> SeqNumber {
        self.seq + self.len
    }

    pub(crate) fn has(&self, fate: Fate) -> bool {
        self.fate.contains(fate)
    }

    /// What is left of it behind the first `cut` octets.
    fn rest(&self, cut: u32) -> Record {
        let len = self.len - cut;
        let segments = len.div_ceil(u32::from(self.mss.max(1))).clamp(1, self.segments.max(1));
        Record { seq: self.seq + cut, len, segments, ..*self }
    }

    /// Its first `cut` octets, of which `rest` is the rest.
    fn head(&self, cut: u32, rest: &Record) -> Record {
        Record { len: cut, segments: self.segments.saturating_sub(rest.segments).max(1), ..*self }
    }

    fn delivered(&self) -> Delivered {
        let (stamp, sent_at, end) = (self.stamp, self.sent_at, self.end());
        Delivered { stamp, sent_at, end, resent: self.has(Fate::AMBIGUOUS) }
    }
}

/// A number of octets and of the segments that they are in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) octets: u32,
    pub(crate) segments: u32,
}

impl Tally {
    fn add(&mut self, record: &Record) {
        self.octets += record.len;
        self.segments += record.segments;
    }

    fn take(&mut self, record: &Record) {
        self.octets -= record.len;
        self.segments -= record.segments;
    }

    /// How much more it is than `other`.
    pub(crate) fn beyond(self, other: Tally) -> Tally {
        let octets = self.octets.saturating_sub(other.octets);
        Tally { octets, segments: self.segments.saturating_sub(other.segments) }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.octets += other.octets;
        self.segments += other.segments;
    }
}

/// A run of text that was sent, as it is noted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sending {
    pub(crate) seq: SeqNumber,
    /// Octets of sequence space; our FIN counts as one.
    pub(crate) len: u32,
    /// Octets of text in a full segment.
    pub(crate) mss: u16,
    pub(crate) now: Instant,
    /// Octets that had been delivered in all.
    pub(crate) delivered: u64,
    /// It is a single segment that goes with the one before into one record. Super-segments do not: they are sent
    /// again as they were sent at first.
    pub(crate) joins: bool,
}

impl Sending {
    /// The number of segments; a FIN goes with the last of them.
    pub(crate) fn segments(&self, fin: bool) -> u32 {
        (self.len - u32::from(fin)).div_ceil(u32::from(self.mss.max(1))).max(1)
    }
}

/// Everything between SND.UNA and SND.NXT.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    pub(crate) records: VecDeque<Record>,
    /// All records; those with SACKED, with LOST, with RESENT.
    pub(crate) outstanding: Tally,
    pub(crate) sacked: Tally,
    pub(crate) lost: Tally,
    pub(crate) resent: Tally,
    /// After the last octet that was acknowledged selectively; SND.UNA without any.
    pub(crate) highest_sacked: SeqNumber,
    /// No record before this one waits to be sent again.
    resend_from: SeqNumber,
    /// When SND.UNA last moved, or the flight began.
    pub(crate) progress_at: Instant,
    /// When the first timeout came of the present row.
    pub(crate) timed_out_at: Option<Instant>,
    /// What the timer for what is outstanding will do.
    pub(crate) alarm: Alarm,
    pub(crate) rtt: RttRound,
    pub(crate) rack: Rack,
    pub(crate) reordering: Reordering,
    pub(crate) recovery: Recovery,
    pub(crate) rate: Rate,
    /// The end of the last segment that was sent and not full (Minshall's rule).
    pub(crate) small_end: Option<SeqNumber>,
    /// The probe of the path's size that is under way. Nothing of it has been sent again.
    pub(crate) size_probe: Option<SizeProbe>,
}

impl Flight {
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether there are too many records for new text.
    pub(crate) fn is_full(&self) -> bool {
        self.records.len() >= RECORDS_MAX
    }

    /// RFC 6675's pipe: octets assumed to be in the network.
    pub(crate) fn in_flight(&self) -> u32 {
        let known = self.outstanding.octets - self.sacked.octets - self.lost.octets + self.resent.octets;
        known.saturating_sub(self.recovery.duplicates.octets)
    }

    /// Octets outstanding that are known to have arrived.
    pub(crate) fn arrived(&self) -> u32 {
        self.sacked.octets.saturating_add(self.recovery.duplicates.octets)
    }

    /// `sending` went out for the first time, with our FIN at its end if `fin`.
    pub(crate) fn on_sent(&mut self, sending: &Sending, fin: bool) {
        let Sending { seq, len, mss, now, delivered, joins } = *sending;
        let idle = self.records.is_empty();
        if idle {
            self.progress_at = now;
            self.small_end = None;
            (self.highest_sacked, self.resend_from) = (seq, seq);
            self.rack.begin(seq);
        }
        let stamp = self.rate.stamp(now, idle, delivered, self.in_flight() + len);
        let segments = sending.segments(fin);
        let record = Record { seq, len, sent_at: now, stamp, segments, mss, fate: Fate::empty() };
        self.outstanding.add(&record);
        let full = u32::from(mss.max(1));
        if let Some(last) = self.records.back_mut().filter(|last| {
            let same = last.sent_at == now && last.mss == mss && last.fate.is_empty();
            joins && same && last.len == full * last.segments
        }) {
            last.len += len;
            last.segments += segments;
            return;
        }
        self.records.push_back(record);
    }

    /// `sending` went out before this host knew of the connection: nobody knows how often, so that nothing is
    /// measured with it.
    pub(crate) fn on_inherited(&mut self, sending: &Sending, fin: bool) {
        self.on_sent(sending, fin);
        if let Some(record) = self.records.back_mut() {
            record.fate |= Fate::AMBIGUOUS;
        }
    }

    /// When the first record was sent last.
    pub(crate) fn head_sent_at(&self) -> Option<Instant> {
        self.records.front().map(|head| head.sent_at)
    }

    /// Octets of text in the first segment that is outstanding.
    pub(crate) fn head_text(&self) -> Option<u16> {
        let head = self.records.front()?;
        Some(u16::try_from(head.len).unwrap_or(u16::MAX).min(head.mss))
    }

    /// Whether the peer has the first octet that is outstanding, and has not acknowledged it.
    pub(crate) fn head_is_sacked(&self) -> bool {
        self.records.front().is_some_and(|head| head.has(Fate::SACKED))
    }

    /// The last segment sent: its number and octets.
    pub(crate) fn last_segment(&self) -> Option<(SeqNumber, u32)> {
        let last = self.records.back()?;
        let before = (last.len - 1) / u32::from(last.mss.max(1)) * u32::from(last.mss);
        let before = if last.segments == 1 { 0 } else { before };
        Some((last.seq + before, last.len - before))
    }

    /// The invariants; `una` and `nxt` are the connection's.
    pub(crate) fn check(&self, una: SeqNumber, nxt: SeqNumber) -> Result<(), &'static str> {
        let mut seq = una;
        let (mut all, mut sacked, mut lost, mut resent) = <(Tally, Tally, Tally, Tally)>::default();
        let mut waiting = None;
        for record in &self.records {
            if record.seq != seq || record.len == 0 || record.segments == 0 {
                return Err("flight records follow each other from SND.UNA");
            }
            if record.has(Fate::SACKED) && record.fate.intersects(Fate::LOST | Fate::RESENT)
                || record.has(Fate::RESENT) && !record.has(Fate::LOST)
            {
                return Err("a flight record is SACKED, or LOST, or LOST and RESENT");
            }
            all.add(record);
            for (fate, sum) in
                [(Fate::SACKED, &mut sacked), (Fate::LOST, &mut lost), (Fate::RESENT, &mut resent)]
            {
                if record.has(fate) {
                    sum.add(record);
                }
            }
            if record.has(Fate::LOST) && !record.has(Fate::RESENT) {
                waiting = waiting.or(Some(record.end()));
            }
            seq = record.end();
        }
        if seq != nxt || nxt.since(una) != Some(self.outstanding.octets) {
            return Err("flight records end at SND.NXT");
        }
        if (all, sacked, lost, resent) != (self.outstanding, self.sacked, self.lost, self.resent) {
            return Err("the pipe is consistent with the flight records");
        }
        if waiting.is_some_and(|end| end.at_or_before(self.resend_from)) {
            return Err("no lost record before the mark waits to be sent again");
        }
        if self.records.len() > CUTS_MAX + RECORDS_MAX {
            return Err("the number of flight records is bounded");
        }
        if self.size_probe.is_some_and(|probe| probe.end.at_or_before(una) || probe.end.after(nxt)) {
            return Err("a probe of the path's size is outstanding");
        }
        self.rack.check(self)
    }
}

impl Reuse for Flight {
    fn reset(&mut self) {
        *self = Flight::default();
    }

    fn heap_octets(&self) -> usize {
        self.records.capacity() * size_of::<Record>() + self.rack.heap_octets()
    }
}

#[cfg(test)]
mod tests;
