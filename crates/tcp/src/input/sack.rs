//! SACK blocks (RFC 2018 §5, RFC 6675 §4) and the duplicates that the first of them can report (RFC 2883,
//! RFC 3708).

use portolan_wire::SeqNumber;

use crate::flight::{AckClock, Delivery};
use crate::tcb::{Marks, Tcb};
use crate::{Context, Segment};

/// The duplicate that an acknowledgement reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Reported {
    /// Its length in segments; 0 if there was none.
    pub(super) segments: u32,
    /// It was the loss probe.
    pub(super) probe: bool,
}

impl Tcb {
    /// Takes in the blocks that can be true; a block with an edge outside of what is outstanding is ignored as a
    /// whole. `highest_sacked` is where the scoreboard ended before the segment.
    pub(super) fn take_sack(
        &mut self,
        cx: &mut Context<'_>,
        segment: &Segment,
        highest_sacked: SeqNumber,
        clock: &AckClock,
        delivery: &mut Delivery,
    ) -> Reported {
        if !self.has(Marks::SACK) || segment.options.sack.is_empty() {
            return Reported::default();
        }
        let reported = self.take_duplicate(cx, segment);
        let Some(flight) = cx.slabs.flight_mut(self.flight) else { return reported };
        let (una, outstanding) = (self.snd.una, self.snd.nxt.since(self.snd.una).unwrap_or(0));
        for (left, right) in segment.options.sack.iter() {
            let offsets = (left.since(una), right.since(una));
            if let (Some(left_offset), Some(right_offset)) = offsets
                && 0 < left_offset
                && left_offset < right_offset
                && planted!(29, right_offset < outstanding, right_offset <= outstanding)
            {
                flight.sack(left, right, highest_sacked, clock, delivery);
            }
        }
        reported
    }

    /// RFC 2883 §4: the first block reports a duplicate if it lies before the acknowledged octets, or within the
    /// second block.
    fn take_duplicate(&mut self, cx: &mut Context<'_>, segment: &Segment) -> Reported {
        let mut blocks = segment.options.sack.iter();
        let Some((left, right)) = blocks.next() else { return Reported::default() };
        let within = |(outer_left, outer_right): (SeqNumber, SeqNumber)| {
            left.at_or_after(outer_left) && right.at_or_before(outer_right)
        };
        let is_duplicate = left.before(segment.ack) || blocks.next().is_some_and(within);
        // What was never sent has no duplicate; the ISS itself may lie too far back to be compared with.
        let sent = u32::try_from(self.counters.bytes_acked).unwrap_or(u32::MAX).saturating_add(1);
        let oldest = self.snd.una.back(self.snd.max_wnd.min(1 << 30).min(sent));
        if !is_duplicate || left.at_or_after(right) || right.after(self.snd.nxt) || left.before(oldest) {
            return Reported::default();
        }
        let mss = u32::from(self.full_text(cx));
        let segments = right.since(left).unwrap_or(0).div_ceil(mss);
        if self.flight.is_none() || self.rare.is_none() {
            // Nothing was ever sent again: a lie, which is worth no memory.
            return Reported::default();
        }
        let (una, nxt) = (self.snd.una, self.snd.nxt);
        let mishaps = cx.slabs.mishaps_or_new(&mut self.rare);
        mishaps.dsacks = mishaps.dsacks.saturating_add(segments);
        if planted!(30, false, mishaps.dsacks > mishaps.retransmits) {
            // H4: more duplicates than were sent again: the network made them, or a liar.
            return Reported::default();
        }
        let Some(flight) = cx.slabs.flight_mut(self.flight) else { return Reported::default() };
        cx.stats.dsacks_received += 1;
        let probe = flight.recovery.probe.is_duplicate(right);
        flight.recovery.undo.on_duplicate(right, segments);
        if !probe {
            flight.reordering.widen(una, nxt);
        }
        Reported { segments, probe }
    }
}

#[cfg(test)]
mod tests;
