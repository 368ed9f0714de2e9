//! The seventh step: text (RFC 9293 §3.10.7.4), and when it is acknowledged (RFC 9293 §3.8.6.3, RFC 5681 §4.2).

use portolan_link::Chunks;
use portolan_wire::SeqNumber;
use portolan_wire::tcp::Flags;

use crate::challenge::{Discard, Reply, Step};
use crate::numbers::{low_u32, to_u32};
use crate::reassembly::Inserted;
use crate::tcb::{Marks, Tcb};
use crate::{Context, DropReason, Segment, Signals};

/// ACKs that out-of-order segments of one batch can ask for without SACK: what fast retransmit needs, and some
/// to lose.
const DUPLICATE_ACKS_MAX: u8 = 16;

impl Tcb {
    /// Takes the text. What is discarded of it is only text: the segment's FIN may still count.
    pub(crate) fn take_text(
        &mut self,
        cx: &mut Context<'_>,
        segment: &Segment,
        text: &mut Chunks,
        signals: &mut Signals,
    ) {
        if text.is_empty() {
            return;
        }
        if let Err(discard) = self.try_text(cx, segment, text, signals) {
            self.discard(cx, discard);
            *signals |= Signals::DROPPED;
        }
    }

    fn try_text(
        &mut self,
        cx: &mut Context<'_>,
        segment: &Segment,
        text: &mut Chunks,
        signals: &mut Signals,
    ) -> Step {
        if !self.state.may_receive() {
            // RFC 9293 §3.10.7.4: there can be no text after the peer's FIN, and it is ignored.
            return Err(Discard::new(DropReason::UnwantedText, Reply::Nothing));
        }
        let first = segment.seq + u32::from(segment.has(Flags::SYN));
        self.note_old(cx, first, segment.end());
        let seq = self.trim_to_window(cx, first, text);
        if text.is_empty() {
            // RFC 9293 §3.10.7.4: what was acknowledged before is acknowledged again, or the peer would never
            // stop.
            let reason = if seq == first { DropReason::OutOfWindow } else { DropReason::DuplicateText };
            return Err(Discard::new(reason, Reply::Ack));
        }
        if self.has(Marks::ORPHAN) {
            // RFC 9293 §3.6.1, MAY-1, SHLD-3: nobody will read this, and the peer is told that it is lost.
            *signals |= self.end(cx, None);
            return Err(Discard::new(DropReason::UnwantedText, Reply::Reset(segment.ack)));
        }
        if self.has_no_memory_for(cx, seq) {
            cx.stats.memory_drops += 1;
            return Err(Discard::new(DropReason::MemoryShort, Reply::Ack));
        }
        self.note_segment_size(cx, to_u32(text.len()));
        self.rcv.text_at_ms = low_u32(cx.now.as_millis());
        self.counters.text_segs_in = self.counters.text_segs_in.saturating_add(1);
        let (octets, mss) = (to_u32(text.len()), self.rcv.mss);
        let queues = self.queues_or_new(cx.slabs);
        if !segment.has(Flags::SYN) {
            queues.autotune.on_text(octets, mss);
        }
        if seq == self.rcv.nxt {
            self.take_in_order(cx, text, signals);
            return Ok(());
        }
        self.take_out_of_order(cx, seq, text)
    }

    /// Cuts off what came before and what lies beyond the window or a FIN; returns the number of the first
    /// octet left.
    fn trim_to_window(&mut self, cx: &Context<'_>, first: SeqNumber, text: &mut Chunks) -> SeqNumber {
        let before = self.rcv.nxt.since(first).unwrap_or(0).min(to_u32(text.len()));
        text.consume(before as usize);
        let seq = first + before;
        let fin = cx.slabs.queues(self.queues).and_then(|queues| queues.receive.fin);
        let edge = fin.map_or(self.rcv.adv, |fin| fin.min(self.rcv.adv));
        text.truncate(edge.since(seq).unwrap_or(0) as usize);
        seq
    }

    /// Whether text from `seq` on is to be dropped although it lies in the window, because all connections together
    /// have taken too much. Linux does the same (`tcp_mem`); the peer sends it again.
    ///
    /// What this connection has in order is left to its application to read; what has come out of order does not count
    /// against the text that closes the gap, or it could never be read.
    fn has_no_memory_for(&self, cx: &Context<'_>, seq: SeqNumber) -> bool {
        if !cx.is_short_of_memory() {
            return false;
        }
        let Some(queues) = cx.slabs.queues(self.queues) else { return false };
        let later = if seq == self.rcv.nxt { 0 } else { queues.receive.later.charge() };
        queues.receive.ready_charge() + later >= cx.config.memory_min as usize
    }

    /// RCV.NXT moves over `text` and over what had waited behind it; an ACK comes after that (RFC 9293 MUST-59).
    fn take_in_order(&mut self, cx: &mut Context<'_>, text: &mut Chunks, signals: &mut Signals) {
        let Some(queues) = cx.slabs.queues_mut(self.queues) else { return };
        let before = self.rcv.nxt;
        while let Some(chunk) = text.pop_front() {
            self.rcv.nxt += to_u32(chunk.len());
            queues.receive.push(cx.pool, chunk);
        }
        let had_gap = !queues.receive.later.is_empty();
        while let Some(chunk) = queues.receive.later.pop(self.rcv.nxt) {
            self.rcv.nxt += to_u32(chunk.len());
            queues.receive.push(cx.pool, chunk);
        }
        self.counters.bytes_received += u64::from(self.rcv.nxt.since(before).unwrap_or(0));
        *signals |= Signals::READABLE;
        self.schedule_ack(cx, had_gap);
    }

    /// RFC 9293 SHLD-31, MAY-13: text beyond a gap is kept. RFC 5681 §4.2: and acknowledged at once.
    fn take_out_of_order(&mut self, cx: &mut Context<'_>, seq: SeqNumber, text: &mut Chunks) -> Step {
        let charge_max = self.reassembly_charge_max(cx.slabs);
        let Some(queues) = cx.slabs.queues_mut(self.queues) else { return Ok(()) };
        let mut next = seq;
        let end = seq + to_u32(text.len());
        if let Some((start, end)) = queues.receive.later.overlap(seq, end) {
            self.note_duplicate(cx, start, end);
        }
        let Some(queues) = cx.slabs.queues_mut(self.queues) else { return Ok(()) };
        let mut kept = false;
        let mut no_room = false;
        while let Some(chunk) = text.pop_front() {
            let len = to_u32(chunk.len());
            match queues.receive.later.insert(cx.pool, next, chunk, charge_max) {
                Inserted::Kept => kept = true,
                Inserted::Duplicate => {}
                Inserted::NoRoom => no_room = true,
            }
            next += len;
        }
        self.acks_owed = match self.acks_owed {
            owed if self.has(Marks::SACK) => owed.max(1),
            owed => owed.saturating_add(1).min(DUPLICATE_ACKS_MAX),
        };
        match (kept, no_room) {
            (true, _) => {
                cx.stats.out_of_order += 1;
                let mishaps = cx.slabs.mishaps_or_new(&mut self.rare);
                mishaps.out_of_order = mishaps.out_of_order.saturating_add(1);
                Ok(())
            }
            (false, true) => {
                cx.stats.out_of_order_pruned += 1;
                Err(Discard::new(DropReason::ReassemblyFull, Reply::Ack))
            }
            (false, false) => Err(Discard::new(DropReason::DuplicateText, Reply::Ack)),
        }
    }

    /// Text came in order: an ACK now or soon.
    fn schedule_ack(&mut self, cx: &Context<'_>, had_gap: bool) {
        let pending = self.rcv.nxt.since(self.rcv.last_ack_sent).unwrap_or(0);
        // RFC 9293 SHLD-19: at least every second full segment, and what follows a full one, as on Linux: a peer that has
        // two segments in flight does not reckon with a delay, and would probe for a loss (RFC 8985 §7.2). At the start
        // every segment, so that the peer's window opens soon; and whenever a gap closes (RFC 5681 §4.2).
        let quick = self.quick_acks > 0 && !self.has(Marks::INTERACTIVE);
        if had_gap || quick || pending > planted!(54, 2, 1) * u32::from(self.rcv.mss) {
            self.owe_ack();
            return;
        }
        // RFC 9293 SHLD-18, MUST-40.
        let deadline = cx.now.plus_micros(u64::from(cx.config.delayed_ack_us));
        self.timers.ack = planted!(55, deadline, self.timers.ack.min(deadline));
    }
}

#[cfg(test)]
mod tests;
