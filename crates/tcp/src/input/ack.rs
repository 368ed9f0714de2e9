//! The fifth check: ACK (RFC 9293 §3.10.7.4; RFC 5961 §5). What it acknowledges is taken in by `acknowledge.rs`.

use portolan_wire::tcp::Flags;

use crate::challenge::{Discard, Reply, Step};
use crate::tcb::{Marks, Tcb};
use crate::{Context, DropReason, Segment, Signals, State, TraceEvent, Transition};

impl Tcb {
    pub(super) fn check_ack(
        &mut self,
        cx: &mut Context<'_>,
        segment: &Segment,
        signals: &mut Signals,
    ) -> Step {
        if !segment.has(Flags::ACK) {
            return Err(Discard::new(DropReason::NoAck, Reply::Nothing));
        }
        if self.has(Marks::UNPROVEN) {
            self.prove(cx, segment, signals)?;
        }
        if self.state == State::SynReceived {
            if !self.acks_our_syn(segment) {
                return Err(Discard::new(DropReason::BadAck, Reply::Reset(segment.ack)));
            }
            self.establish(cx, segment, Transition::SynAcked, signals);
            self.take_handshake_ack(cx, segment);
            self.set_send_window(cx, segment, self.window_of(segment));
            if segment.has(Flags::SYN) {
                // A simultaneous open: the SYN has come a second time, and is acknowledged as any duplicate.
                self.note_duplicate(cx, segment.seq, segment.seq + 1);
                self.owe_ack();
            }
        }
        self.check_ack_range(cx, segment)?;
        self.take_timestamp(cx, segment);
        let same_window = self.window_of(segment) == self.snd.wnd;
        self.update_send_window(cx, segment);
        self.take_acknowledgement(cx, segment, same_window);
        self.marks.remove(Marks::HELD);
        self.check_space(cx, signals);
        self.after_fin_acked(cx, signals);
        Ok(())
    }

    /// RFC 9293 MAY-12; RFC 5961 §5.2: SND.UNA - MAX.SND.WND =< SEG.ACK =< SND.NXT. An older ACK than that is
    /// no old duplicate but a guess; and so is an ACK of octets before our first one (CVE-2023-52881), which a
    /// large window would let pass.
    fn check_ack_range(&self, cx: &Context<'_>, segment: &Segment) -> Step {
        let sent = u32::try_from(self.counters.bytes_acked).unwrap_or(u32::MAX).saturating_add(1);
        let oldest = self.snd.una.back(self.snd.max_wnd.min(planted!(59, u32::MAX, sent)));
        let unsent = segment.ack.after(self.snd.nxt);
        if unsent || segment.ack.before(oldest) {
            let silent = unsent && self.state == State::Established && !cx.config.answer_unsent_acks;
            let reply = if silent { Reply::Nothing } else { Reply::Challenge };
            return Err(Discard::new(DropReason::BadAck, reply));
        }
        Ok(())
    }

    /// RFC 7323 §4.3 (2). It stands after the check of the ACK, so that who cannot see the connection cannot
    /// poison TS.Recent (CVE-2005-0356).
    fn take_timestamp(&mut self, cx: &mut Context<'_>, segment: &Segment) {
        let Some(timestamps) = segment.options.timestamps.filter(|_| self.has(Marks::TIMESTAMPS)) else {
            return;
        };
        if planted!(60, true, segment.seq.at_or_before(self.rcv.last_ack_sent)) {
            self.ts.take(timestamps.value, cx.now);
        }
        if segment.text_len >= u32::from(self.rcv.mss) {
            self.note_echo(cx, timestamps.echo);
        }
    }

    /// The window in octets that a segment after the handshake announces.
    fn window_of(&self, segment: &Segment) -> u32 {
        // RFC 7323 §2.2: a SYN-ACK's window is not scaled, not even in a simultaneous open.
        if segment.has(Flags::SYN) {
            u32::from(segment.window)
        } else {
            self.snd.scale.window_octets(segment.window)
        }
    }

    /// RFC 9293 §3.10.7.4: a segment older than the one of the last update does not change the window.
    fn update_send_window(&mut self, cx: &mut Context<'_>, segment: &Segment) {
        if segment.ack.before(self.snd.una) {
            return;
        }
        let newer = self.snd.wl1.before(segment.seq)
            || self.snd.wl1 == segment.seq && self.snd.wl2.at_or_before(segment.ack);
        if newer {
            self.set_send_window(cx, segment, self.window_of(segment));
        }
    }

    /// SND.WND becomes `octets`, from `segment`.
    pub(crate) fn set_send_window(&mut self, cx: &mut Context<'_>, segment: &Segment, octets: u32) {
        if (octets == 0) != (self.snd.wnd == 0) {
            self.trace(cx, TraceEvent::SendWindow { octets });
        }
        self.snd.wnd = octets;
        self.snd.max_wnd = self.snd.max_wnd.max(octets);
        (self.snd.wl1, self.snd.wl2) =
            (segment.seq, if segment.has(Flags::ACK) { segment.ack } else { self.snd.una });
    }

    /// RFC 9293 §3.10.7.4: what an acknowledgement of our FIN leads to.
    fn after_fin_acked(&mut self, cx: &mut Context<'_>, signals: &mut Signals) {
        if !self.fin_is_sent() || self.snd.una != self.snd.nxt {
            return;
        }
        let before = self.state;
        self.move_on(cx, Transition::FinAcked);
        match self.state {
            same if same == before => {}
            State::FinWait2 if self.has(Marks::ORPHAN) => self.limit_fin_wait_2(cx),
            State::TimeWait => self.begin_time_wait(cx, signals),
            State::Closed => *signals |= self.end(cx, None),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
