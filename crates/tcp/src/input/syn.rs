//! The fourth check: SYN on an open connection; and all of SYN-SENT (RFC 9293 §3.10.7.3 and §3.10.7.4, RFC 5961
//! §4.2).

use portolan_link::Chunks;
use portolan_wire::tcp::Flags;

use crate::challenge::{Discard, Reply, Step};
use crate::tcb::{Marks, Tcb};
use crate::{Context, DropReason, Segment, Signals, Transition};

impl Tcb {
    /// RFC 5961 §4.2: a SYN gets a challenge ACK, whatever its number, and not a reset. A peer that has really
    /// restarted answers it with a RST that carries our number, and only then do we close.
    pub(super) fn check_syn(&self, segment: &Segment) -> Step {
        if segment.has(Flags::SYN) && !self.expects_syn(segment) {
            return Err(Discard::new(DropReason::UnexpectedSyn, Reply::Challenge));
        }
        Ok(())
    }

    /// RFC 9293 §3.10.7.3.
    pub(super) fn in_syn_sent(
        &mut self,
        cx: &mut Context<'_>,
        segment: &Segment,
        text: &mut Chunks,
        signals: &mut Signals,
    ) -> Step {
        let acks_our_syn =
            segment.has(Flags::ACK) && segment.ack == self.snd.nxt && self.snd.nxt != self.snd.iss;
        if segment.has(Flags::ACK) && !acks_our_syn {
            let reply = if segment.has(Flags::RST) { Reply::Nothing } else { Reply::Reset(segment.ack) };
            return Err(Discard::new(DropReason::BadAck, reply));
        }
        if segment.has(Flags::RST) {
            // RFC 5961 §3.2: believed only if it acknowledges our SYN.
            if !acks_our_syn {
                return Err(Discard::new(DropReason::BadReset, Reply::Nothing));
            }
            self.on_reset(cx, signals);
            return Ok(());
        }
        if !segment.has(Flags::SYN) {
            return Err(Discard::new(DropReason::NoSyn, Reply::Nothing));
        }
        self.heard_at = cx.now;
        self.take_syn(cx, segment);
        if !acks_our_syn {
            // RFC 9293 MUST-10: simultaneous open. Our SYN goes again, with an ACK of theirs.
            self.move_on(cx, Transition::ReceiveSyn);
            self.marks.insert(Marks::SYN_DUE);
            return Ok(());
        }
        self.establish(cx, segment, Transition::ReceiveSynAck, signals);
        self.owe_ack();
        self.take_text(cx, segment, text, signals);
        self.check_fin(cx, segment, signals);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
