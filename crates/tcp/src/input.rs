//! What a received segment does: RFC 9293 §3.10.7 as a sequence of named steps, one file each.
//!
//! A step lets the segment go on or discards it with an answer. The order is the RFC's: sequence number, RST,
//! (security), SYN, ACK, URG, text, FIN. RFC 5961's and RFC 7323's additions stand within the step that they
//! change.

mod ack;
pub(crate) mod acknowledge;
mod fin;
mod reset;
mod sack;
mod sequence_check;
mod syn;
mod text;
mod verdict;

use portolan_link::Chunks;

use crate::challenge::{Discard, Reply, Step};
use crate::tcb::Tcb;
use crate::time_wait::TimeWaitVerdict;
use crate::{Context, DropReason, Segment, Signals, State};

impl Tcb {
    /// A segment for this connection arrived, with its text, which is taken out of `text`.
    ///
    /// The caller has verified the checksum and parsed the options, which any segment may have (RFC 9293 MUST-5);
    /// everything else is judged here.
    pub fn on_segment(&mut self, cx: &mut Context<'_>, segment: &Segment, text: &mut Chunks) -> Signals {
        let figures = self.figures(cx);
        cx.stats.in_segs += 1;
        self.counters.segs_in = self.counters.segs_in.saturating_add(1);
        let mut segment = *segment;
        // The text that is there is the text there is, whatever a header says.
        segment.text_len = crate::numbers::to_u32(text.len());
        let mut signals = Signals::empty();
        let step = match self.state {
            State::Closed | State::Listen => Err(Discard::new(DropReason::Closed, Reply::Nothing)),
            State::SynSent => self.in_syn_sent(cx, &segment, text, &mut signals),
            State::TimeWait => self.in_time_wait(cx, &segment),
            _ => self.in_order_of_checks(cx, &segment, text, &mut signals),
        };
        if let Err(discard) = step {
            self.discard(cx, discard);
            signals |= Signals::DROPPED;
        }
        text.clear();
        let signals = self.finish(cx, signals);
        self.trace_changes(cx, figures);
        signals
    }

    /// RFC 9293 §3.10.7.4.
    fn in_order_of_checks(
        &mut self,
        cx: &mut Context<'_>,
        segment: &Segment,
        text: &mut Chunks,
        signals: &mut Signals,
    ) -> Step {
        self.check_sequence(cx, segment)?;
        self.check_reset(cx, segment, signals)?;
        if self.state == State::Closed {
            return Ok(());
        }
        self.check_syn(cx, segment)?;
        self.check_ack(cx, segment, signals)?;
        if self.state == State::Closed {
            return Ok(());
        }
        self.heard_at = cx.now;
        self.probes = 0;
        self.take_user_timeout(cx, segment);
        self.take_marks(cx, segment);
        self.take_urgent(cx, segment, signals);
        self.take_text(cx, segment, text, signals);
        self.check_fin(cx, segment, signals);
        Ok(())
    }

    /// While the connection waits to be replaced by its TIME-WAIT record, it behaves as that.
    fn in_time_wait(&mut self, cx: &mut Context<'_>, segment: &Segment) -> Step {
        let mut record = self.time_wait_record(cx);
        match record.on_segment(cx.now, cx.config, segment) {
            TimeWaitVerdict::Ack(_) => {
                self.timers.idle = cx.now.plus_micros(u64::from(cx.config.time_wait_us));
                Err(Discard::new(DropReason::OutOfWindow, Reply::Ack))
            }
            TimeWaitVerdict::Challenge(_) => Err(Discard::new(DropReason::OutOfWindow, Reply::Ack)),
            TimeWaitVerdict::Reopen { .. } | TimeWaitVerdict::Ignore | TimeWaitVerdict::Delete => {
                Err(Discard::new(DropReason::Closed, Reply::Nothing))
            }
        }
    }
}

#[cfg(test)]
mod tests;
