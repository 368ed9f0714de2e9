//! Explicit congestion notification (RFC 3168; RFC 9293 SHLD-8): what is agreed, what is sent, and what is made of marks.
//!
//! A router that is about to drop marks instead, if the IP header says that both ends understand it. The receiver
//! echoes the mark until the sender says that it has reduced its window, which it does once per window of text.
//! DCTCP (RFC 8257) echoes every mark, so that the sender can tell how many there were.

mod accurate;

use portolan_wire::SeqNumber;
use portolan_wire::tcp::Flags;

use crate::tcb::{Marks, Tcb};
pub(crate) use accurate::{AccEcn, handshake_flags};

use crate::{Config, CongestionAlgorithm, Context, Segment, SegmentPlan};

/// The ECN field of an IP header (RFC 3168 §5).
pub(crate) mod codepoint {
    /// The sender does not understand marks.
    pub(crate) const NOT_ECT: u8 = 0;
    /// The sender understands marks; reserved for other uses by now (RFC 9331).
    pub(crate) const ECT_1: u8 = 1;
    /// The sender understands marks; what every sender here uses.
    pub(crate) const ECT_0: u8 = 2;
    /// Congestion experienced.
    pub(crate) const CE: u8 = 3;
}

/// Whether connections use marks instead of losses (`tcp_ecn`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Ecn {
    /// Never (0).
    Off,
    /// Whenever the peer agrees (1).
    On,
    /// If the peer asks (2).
    #[default]
    Passive,
    /// Whenever the peer agrees, and accurately if it can (3; RFC 9768).
    Accurate,
}

impl Config {
    /// Whether a connection with this controller asks for ECN.
    pub(crate) fn asks_for_ecn(&self, algorithm: CongestionAlgorithm) -> bool {
        matches!(self.ecn, Ecn::On | Ecn::Accurate) || algorithm.needs_ecn()
    }
}

/// Octets in flight for which DCTCP owes an ACK of its own: those before the mark changed (RFC 8257 §3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Echo {
    pub(crate) ack: SeqNumber,
    pub(crate) marked: bool,
}

/// Whether a listener agrees to what a SYN asks for (RFC 3168 §6.1.1). The SYN itself must not be marked as capable,
/// which also keeps away what a meddling box has overwritten; DCTCP's may be (RFC 8257 §3.5).
pub(crate) fn accepts(config: &Config, segment: &Segment) -> bool {
    let asks = segment.flags.contains(Flags::ECE | Flags::CWR);
    let needed = config.congestion.needs_ecn();
    asks && (needed || config.ecn != Ecn::Off && segment.ecn == codepoint::NOT_ECT)
}

/// The codepoint of a SYN that asks for accurate ECN, if a listener agrees to that.
pub(crate) fn accepts_accurate(config: &Config, segment: &Segment) -> Option<u8> {
    (config.ecn == Ecn::Accurate && accurate::is_asked(segment.flags)).then_some(segment.ecn)
}

impl Tcb {
    fn needs_ecn(&self) -> bool {
        self.options.congestion.needs_ecn()
    }

    /// Marks a SYN or SYN-ACK that is about to be sent.
    ///
    /// RFC 3168 §6.1.1.1: a SYN that had to be sent again may have been dropped for what it asked.
    pub(crate) fn mark_syn(&mut self, cx: &Context<'_>, plan: &mut SegmentPlan) {
        // RFC 9768 §3.1.4.1: what asks for accurate ECN gets a second try.
        let tries = if self.has(Marks::ACCURATE) { 2 } else { 1 };
        let gives_up = plan.retransmission && cx.config.ecn_fallback && self.retries >= tries;
        if gives_up && !plan.flags.contains(Flags::ACK) {
            self.marks.remove(Marks::ECN | Marks::ACCURATE);
        }
        if self.has(Marks::ECN) {
            let with_ack = plan.flags.contains(Flags::ACK);
            plan.flags |= match (with_ack, self.has(Marks::ACCURATE)) {
                (true, _) => Flags::ECE,
                (false, true) => accurate::SYN,
                (false, false) => Flags::ECE | Flags::CWR,
            };
            plan.ecn = if self.needs_ecn() { codepoint::ECT_0 } else { codepoint::NOT_ECT };
        }
    }

    /// The peer's SYN or SYN-ACK came while ours asks for ECN, or does not.
    pub(crate) fn agree_ecn(&mut self, cx: &mut Context<'_>, segment: &Segment) {
        if self.has(Marks::ACCURATE) && segment.has(Flags::ACK) && self.agree_accurate(cx, segment) {
            return;
        }
        self.marks.remove(Marks::ACCURATE);
        let agreed = if segment.has(Flags::ACK) {
            // RFC 3168 §6.1.1: both bits are what a peer sends that reflects what it does not know.
            segment.has(Flags::ECE) && planted!(41, true, !segment.has(Flags::CWR))
        } else {
            segment.flags.contains(Flags::ECE | Flags::CWR)
        };
        self.marks.set(Marks::ECN, self.has(Marks::ECN) && agreed);
    }

    /// What every segment after the handshake says of marks.
    pub(crate) fn mark_segment(&self, cx: &Context<'_>, plan: &mut SegmentPlan) {
        if !self.has(Marks::ECN) {
            return;
        }
        if self.has(Marks::ACCURATE) {
            self.count_in_segment(cx, plan);
        } else if self.has(Marks::ECE_DUE) {
            plan.flags |= Flags::ECE;
        }
        if self.needs_ecn() {
            plan.ecn = codepoint::ECT_0;
        }
    }

    /// RFC 3168 §6.1.2 and §6.1.5: new text is capable; what is sent again is not, nor is an ACK, because nobody
    /// would notice that it was dropped.
    pub(crate) fn mark_new_text(&mut self, cx: &mut Context<'_>, plan: &mut SegmentPlan) {
        if !self.has(Marks::ECN) || plan.text_len == 0 || self.has(Marks::ACCURATE) && self.is_spoilt(cx) {
            return;
        }
        plan.ecn = codepoint::ECT_0;
        if self.has(Marks::CWR_DUE) {
            self.marks.remove(Marks::CWR_DUE);
            plan.flags |= Flags::CWR;
        }
    }

    /// Takes in what the network and the peer have marked on a segment that is acceptable.
    pub(crate) fn take_marks(&mut self, cx: &mut Context<'_>, segment: &Segment) {
        if !self.has(Marks::ECN) {
            return;
        }
        if segment.ecn != codepoint::NOT_ECT {
            self.marks.insert(Marks::ECN_SEEN);
        }
        if self.has(Marks::ACCURATE) {
            self.count_marks(cx, segment);
            return;
        }
        if segment.text_len == 0 {
            return;
        }
        let marked = segment.ecn == codepoint::CE;
        if self.needs_ecn() {
            self.echo_each_mark(cx, marked);
            return;
        }
        if planted!(40, false, segment.has(Flags::CWR)) {
            self.marks.remove(Marks::ECE_DUE);
            // The sender's window may be down to this segment.
            self.owe_ack();
        }
        if marked && !self.has(Marks::ECE_DUE) {
            self.marks.insert(Marks::ECE_DUE);
            self.quick_acks = self.quick_acks.max(2);
            self.owe_ack();
        }
    }

    /// RFC 8257 §3.2: when the mark changes, what came before is acknowledged as it was.
    fn echo_each_mark(&mut self, cx: &mut Context<'_>, marked: bool) {
        if marked == self.has(Marks::ECE_DUE) {
            return;
        }
        if self.rcv.last_ack_sent.before(self.rcv.nxt) {
            let echo = Echo { ack: self.rcv.nxt, marked: !marked };
            cx.slabs.rare_or_new(&mut self.rare).echo = Some(echo);
            self.acks_owed = self.acks_owed.max(2);
        }
        self.owe_ack();
        self.marks.set(Marks::ECE_DUE, marked);
    }

    /// Makes a pure ACK the one that is owed for the time before the mark changed.
    pub(crate) fn echo_in_ack(&mut self, cx: &mut Context<'_>, plan: &mut SegmentPlan) {
        if self.has(Marks::ACCURATE) {
            self.count_in_ack(cx, plan);
            return;
        }
        let echo = cx.slabs.rare_mut(self.rare).and_then(|rare| rare.echo.take());
        if let Some(Echo { ack, marked }) = echo {
            plan.ack = ack;
            plan.flags = if marked { plan.flags | Flags::ECE } else { plan.flags.without(Flags::ECE) };
        }
    }

    /// An ACK that delivered so many octets: how many of them the peer says were marked, and whether the window is to
    /// be reduced for it, which is so once in a window of text (RFC 3168 §6.1.2).
    pub(crate) fn take_echo(
        &mut self,
        cx: &mut Context<'_>,
        segment: &Segment,
        delivered: u32,
    ) -> (u32, bool) {
        let marked = if self.has(Marks::ACCURATE) {
            self.take_count(cx, segment, delivered)
        } else if self.has(Marks::ECN) && segment.has(Flags::ECE) && !segment.has(Flags::SYN) {
            delivered
        } else {
            return (0, false);
        };
        if marked > 0 {
            let rare = cx.slabs.rare_or_new(&mut self.rare);
            rare.delivered_ce = rare.delivered_ce.wrapping_add(marked);
        } else if self.has(Marks::ACCURATE) {
            return (0, false);
        }
        let nxt = self.snd.nxt;
        let reduce = cx.slabs.flight_mut(self.flight).is_some_and(|flight| flight.on_marked(nxt));
        (marked, reduce)
    }

    /// The window was reduced, for whatever reason: the peer is to know (RFC 3168 §6.1.2).
    pub(crate) fn announce_reduction(&mut self) {
        self.marks.set(Marks::CWR_DUE, self.has(Marks::ECN) && !self.has(Marks::ACCURATE));
    }
}

#[cfg(test)]
mod tests;
