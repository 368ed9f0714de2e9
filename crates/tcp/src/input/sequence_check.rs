//! The first check: is the segment from this connection's present at all? (RFC 9293 §3.10.7.4; RFC 7323 §5)

use portolan_wire::tcp::Flags;

use crate::challenge::{Discard, Reply, Step};
use crate::tcb::{Marks, Tcb};
use crate::{Context, DropReason, Segment, State};

impl Tcb {
    pub(super) fn check_sequence(&mut self, cx: &mut Context<'_>, segment: &Segment) -> Step {
        if segment.has(Flags::RST) {
            // RFC 7323 §5.2 exempts RST from timestamps. Its text means nothing, so only its number counts.
            let expected = segment.seq == self.rcv.nxt || segment.seq.in_window(self.rcv.nxt, self.rcv.wnd());
            return if expected {
                Ok(())
            } else {
                Err(Discard::new(DropReason::BadReset, planted!(8, Reply::Challenge, Reply::Nothing)))
            };
        }
        planted!(
            68,
            if self.is_acceptable(segment) { self.check_timestamp(cx, segment) } else { Ok(()) },
            self.check_timestamp(cx, segment)
        )?;
        if self.is_acceptable(segment) || self.is_simultaneous_syn_ack(segment) || segment.has(Flags::SYN) {
            return Ok(());
        }
        self.note_old(cx, segment.seq, segment.end());
        Err(Discard::new(DropReason::OutOfWindow, answer_to_unacceptable(segment)))
    }

    /// RFC 7323 §5.3, R1.
    fn check_timestamp(&mut self, cx: &mut Context<'_>, segment: &Segment) -> Step {
        if !self.has(Marks::TIMESTAMPS) || segment.has(Flags::SYN) {
            return Ok(());
        }
        let Some(timestamps) = segment.options.timestamps else {
            // RFC 7323 §3.2: once agreed, every segment has them; one without is dropped without an answer.
            if !cx.config.timestamps_required {
                return Ok(());
            }
            return Err(Discard::new(DropReason::NoTimestamp, Reply::Nothing));
        };
        if self.ts.is_old(timestamps.value, cx.now) {
            cx.stats.paws_rejected += 1;
            return Err(Discard::new(DropReason::OldTimestamp, answer_to_unacceptable(segment)));
        }
        Ok(())
    }

    /// RFC 9293 §3.4, table 6: whether any part of the segment lies in the window.
    ///
    /// A segment without length may also lie at the window's right edge, one further than the table has it and as on
    /// Linux and FreeBSD: the ACKs of a peer that has filled the window with text that was lost lie there, and to drop
    /// them is to drop every answer to a keepalive, too.
    fn is_acceptable(&self, segment: &Segment) -> bool {
        let (nxt, wnd) = (self.rcv.nxt, self.rcv.wnd());
        // Also when the window is zero and the segment has text: RFC 9293 §3.10.7.4 wants its ACK, URG and RST
        // processed all the same (MUST-66). The text is cut off later.
        if segment.seq == nxt {
            return true;
        }
        let edge = u32::from(segment.sequence_len() == planted!(9, u32::MAX, 0));
        let starts_inside = segment.seq.in_window(nxt, wnd + edge);
        let reaches_inside = wnd > 0
            && segment.sequence_len() > 0
            && segment.seq.before(nxt)
            && planted!(10, !segment.end().before(nxt), segment.end().after(nxt));
        starts_inside || reaches_inside
    }

    /// RFC 9293 §3.5, figure 8: in a simultaneous open, the peer's SYN-ACK repeats the SYN that we have, and
    /// its ACK is what we wait for.
    fn is_simultaneous_syn_ack(&self, segment: &Segment) -> bool {
        self.state == State::SynReceived
            && !self.has(Marks::PASSIVE)
            && segment.flags.contains(Flags::SYN | Flags::ACK)
            && segment.seq + 1 == self.rcv.nxt
            && self.acks_our_syn(segment)
    }

    /// Whether a SYN is the one of a simultaneous open, and so no surprise.
    pub(super) fn expects_syn(&self, segment: &Segment) -> bool {
        self.is_simultaneous_syn_ack(segment)
    }
}

/// RFC 9293 §3.10.7.4: an ACK. Without text it may be an answer to an ACK of ours, and answering it could go on
/// for ever.
fn answer_to_unacceptable(segment: &Segment) -> Reply {
    if segment.sequence_len() > 0 { Reply::Ack } else { Reply::SeldomAck }
}

#[cfg(test)]
mod tests;
