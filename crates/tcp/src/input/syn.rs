//! The fourth check: SYN on an open connection; and all of SYN-SENT (RFC 9293 §3.10.7.3 and §3.10.7.4, RFC 5961
//! §4.2).

use portolan_link::Chunks;
use portolan_wire::tcp::Flags;

use crate::challenge::{Discard, Reply, Step};
use crate::tcb::{Marks, Tcb};
use crate::{Context, DropReason, Segment, Signals, Transition};

/// How long the ACK of a SYN-ACK waits for the text of a writer (Linux's `TCP_DELACK_MAX`), in microseconds; RFC 9293
/// MUST-40: below 0.5 s.
const WRITER_WAIT_US: u64 = 200_000;

impl Tcb {
    /// RFC 5961 §4.2: a SYN gets a challenge ACK, whatever its number, and not a reset. A peer that has really
    /// restarted answers it with a RST that carries our number, and only then do we close.
    pub(super) fn check_syn(&self, cx: &Context<'_>, segment: &Segment) -> Step {
        if planted!(11, false, segment.has(Flags::SYN) && !self.expects_syn(segment)) {
            if self.is_own_syn(cx, segment) {
                return Err(Discard::new(DropReason::UnexpectedSyn, Reply::SynAck));
            }
            return Err(Discard::new(DropReason::UnexpectedSyn, Reply::Challenge));
        }
        Ok(())
    }

    /// RFC 9293 §3.10.7.3 and §3.10.7.4, SYN-RECEIVED: SND.UNA < SEG.ACK =< SND.NXT, where our SYN and the text that
    /// went with it is all that there is between them.
    pub(super) fn acks_our_syn(&self, segment: &Segment) -> bool {
        segment.has(Flags::ACK) && segment.ack.after(self.snd.iss) && segment.ack.at_or_before(self.snd.nxt)
    }

    /// RFC 9293 §3.10.7.3.
    pub(super) fn in_syn_sent(
        &mut self,
        cx: &mut Context<'_>,
        segment: &Segment,
        text: &mut Chunks,
        signals: &mut Signals,
    ) -> Step {
        let acks_our_syn = self.acks_our_syn(segment);
        if planted!(12, false, segment.has(Flags::ACK) && !acks_our_syn) {
            let reply = if segment.has(Flags::RST) { Reply::Nothing } else { Reply::Reset(segment.ack) };
            return Err(Discard::new(DropReason::BadAck, reply));
        }
        if acks_our_syn && self.echoes_the_future(cx, segment) {
            // As Linux: an echo of what we never sent comes from an older connection (RFC 7323 §5.8 (c)).
            let reply = if segment.has(Flags::RST) { Reply::Nothing } else { Reply::Reset(segment.ack) };
            return Err(Discard::new(DropReason::OldTimestamp, reply));
        }
        if segment.has(Flags::RST) {
            // RFC 5961 §3.2: believed only if it acknowledges our SYN.
            if planted!(13, false, !acks_our_syn) {
                return Err(Discard::new(DropReason::BadReset, Reply::Nothing));
            }
            self.on_reset(cx, signals);
            return Ok(());
        }
        if !segment.has(Flags::SYN) {
            return Err(Discard::new(DropReason::NoSyn, Reply::Nothing));
        }
        if !acks_our_syn && !cx.config.simultaneous_open {
            return Err(Discard::new(DropReason::UnexpectedSyn, Reply::Nothing));
        }
        self.heard_at = cx.now;
        self.take_syn(cx, segment);
        if !acks_our_syn {
            // RFC 9293 MUST-10: simultaneous open. Our SYN goes again, with an ACK of theirs.
            self.move_on(cx, Transition::ReceiveSyn);
            self.marks.remove(Marks::SYN_DEFERRED);
            self.marks.insert(Marks::SYN_DUE);
            return Ok(());
        }
        self.establish(cx, segment, Transition::ReceiveSynAck, signals);
        if self.has(Marks::HELD) {
            self.marks.remove(Marks::HELD);
            // As on Linux: a writer is waiting for this moment, and its text will take the ACK along.
            self.timers.ack = cx.now.plus_micros(WRITER_WAIT_US);
        } else {
            self.owe_ack();
        }
        self.take_urgent(cx, segment, signals);
        self.take_text(cx, segment, text, signals);
        self.check_fin(cx, segment, signals);
        Ok(())
    }

    /// Whether a SYN-ACK echoes a timestamp that no SYN of ours had.
    fn echoes_the_future(&self, cx: &Context<'_>, segment: &Segment) -> bool {
        let Some(timestamps) = segment.options.timestamps.filter(|_| self.has(Marks::TIMESTAMPS)) else {
            return false;
        };
        // `heard_at` is when the opening began.
        let first = self.ts.value(self.heard_at);
        let latest = self.ts.value(cx.now);
        timestamps.echo != 0 && timestamps.echo.wrapping_sub(first) > latest.wrapping_sub(first)
    }
}

#[cfg(test)]
mod tests;
