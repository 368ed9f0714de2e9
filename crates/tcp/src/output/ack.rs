//! Segments without text: ACK, SYN, SYN-ACK and RST.

use portolan_link::{Chunks, Instant};
use portolan_wire::SeqNumber;
use portolan_wire::tcp::{Flags, Timestamps};

use super::options::{SynOffer, syn_options};
use crate::tcb::{Marks, Tcb};
use crate::window::syn_window;
use crate::{Context, SegmentPlan, State};

impl Tcb {
    pub(super) fn plan_ack(&mut self, cx: &mut Context<'_>) -> SegmentPlan {
        let owed = self.acks_owed;
        self.quick_acks = self.quick_acks.saturating_sub(1);
        let mut plan = self.plan(cx, self.snd.nxt, Flags::NONE);
        self.echo_in_ack(cx, &mut plan);
        self.tell_timeout_in_ack(cx, &mut plan);
        self.acks_owed = owed.saturating_sub(1);
        plan
    }

    /// The SYN, or in a simultaneous open and for Fast Open the SYN-ACK.
    pub(super) fn plan_syn(&mut self, cx: &mut Context<'_>, text: &mut Chunks) -> SegmentPlan {
        self.marks.remove(Marks::SYN_DUE);
        let unproven = self.has(Marks::UNPROVEN);
        let again = if unproven { self.retries > 0 } else { self.snd.nxt != self.snd.iss };
        let first = !again && (unproven || self.state == State::SynSent);
        let text_len = if first && !unproven { self.collect_syn_text(cx, text) } else { 0 };
        if !unproven {
            self.snd.nxt = self.snd.nxt.max(self.snd.iss + 1 + text_len);
            self.sent_at = cx.now;
        }
        self.timers.retransmit = self.retransmit_deadline(cx);
        let with_ack = unproven || self.state == State::SynReceived;
        let (ack, flags) =
            if with_ack { (self.rcv.nxt, Flags::SYN | Flags::ACK) } else { (SeqNumber(0), Flags::SYN) };
        let echo = if with_ack { self.ts.recent } else { 0 };
        // As on Linux, a SYN that is sent again offers no more than what ICMP has said of the path meanwhile.
        let path = if again { cx.mss } else { u16::MAX };
        let offer = SynOffer {
            mss: cx.advertised_mss.min(path).min(self.options.mss_limit()),
            scale: self.offers_scale(cx).then_some(self.rcv.scale),
            sack: self.has(Marks::SACK),
            timestamps: self
                .has(Marks::TIMESTAMPS)
                .then(|| Timestamps { value: self.ts.value(cx.now), echo }),
        };
        let mut plan = SegmentPlan::control(self.snd.iss, ack, flags);
        if !unproven {
            // The right edge is kept from here on, though the peer's numbers may not be known yet.
            let first = u32::from(syn_window(self.first_window(cx)));
            self.rcv.adv = self.rcv.nxt + first.max(self.rcv.wnd());
        }
        plan.window = syn_window(self.rcv.wnd());
        plan.options = syn_options(&offer);
        plan.options.fast_open = self.syn_option(cx).filter(|_| first);
        plan.text_len = text_len;
        plan.retransmission = again;
        self.mark_syn(cx, &mut plan);
        self.tell_timeout_in_syn(cx, &mut plan);
        self.acks_owed = 0;
        if unproven {
            self.rcv.last_ack_sent = self.rcv.nxt;
            self.timers.ack = Instant::MAX;
        }
        plan
    }

    fn offers_scale(&self, cx: &Context<'_>) -> bool {
        // In SYN-RECEIVED a scale that was not agreed on has become zero both ways.
        let agreed = self.state == State::SynSent || self.rcv.scale.get() > 0 || self.snd.scale.get() > 0;
        cx.config.window_scaling && agreed
    }

    /// RFC 9293 §3.10.5: the RST of an ABORT, which ends the connection.
    /// RFC 7323 §3.2: it may carry timestamps, which a peer that has them may want to see.
    pub(super) fn plan_reset(&mut self, cx: &Context<'_>) -> SegmentPlan {
        self.marks.remove(Marks::RESET_DUE);
        let mut plan = SegmentPlan::control(self.snd.nxt, self.rcv.nxt, Flags::RST | Flags::ACK);
        plan.options.timestamps = self.own_timestamps(cx.now);
        plan
    }

    /// RFC 9293 §3.10.7.3: the RST for a segment that is not of this connection, which stays as it is.
    pub(super) fn plan_stray_reset(&mut self, cx: &Context<'_>) -> SegmentPlan {
        self.marks.remove(Marks::STRAY_RESET_DUE);
        let seq = cx.slabs.rare(self.rare).map_or(SeqNumber(0), |rare| rare.stray);
        SegmentPlan::control(seq, SeqNumber(0), Flags::RST)
    }
}

#[cfg(test)]
mod tests;
