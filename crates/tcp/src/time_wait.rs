//! TIME-WAIT as a small record (RFC 9293 §3.6.1 and §3.10.7.4; RFC 1337; RFC 6191).

use portolan_link::Instant;
use portolan_wire::SeqNumber;
use portolan_wire::tcp::{Flags, Options};

use crate::challenge::AnswerLimit;
use crate::numbers::to_u16;
use crate::paws::Timestamps;
use crate::tcb::{Marks, Tcb};
use crate::{Config, Context, Segment, SegmentPlan};

/// How far a new connection's first number lies beyond the last of the old one: more than an unscaled window.
const REOPEN_GAP: u32 = 65_535 + 2;

/// A connection in TIME-WAIT: what it takes to acknowledge the peer's FIN again, and to know old segments from
/// new.
#[derive(Clone, Copy, Debug)]
pub struct TimeWait {
    deadline: Instant,
    answers: AnswerLimit,
    snd_nxt: SeqNumber,
    rcv_nxt: SeqNumber,
    /// RCV.WND in octets.
    window: u32,
    ts: Timestamps,
    /// The window field to send.
    field: u16,
    timestamps: bool,
}

/// What to do with a segment for a connection in TIME-WAIT.
#[derive(Clone, Copy, Debug)]
pub enum TimeWaitVerdict {
    /// The peer's FIN has come again: send this ACK.
    Ack(SegmentPlan),
    /// The segment is discarded: send this ACK, which makes an honest peer say what it knows.
    Challenge(SegmentPlan),
    /// The segment is a SYN for a new connection on the same ports (RFC 6191): delete the record and treat the
    /// SYN as one for LISTEN, with an initial sequence number at or after `min_iss`.
    Reopen {
        /// The least initial sequence number that old segments cannot be taken for.
        min_iss: SeqNumber,
    },
    /// The segment is discarded in silence.
    Ignore,
    /// Delete the record.
    Delete,
}

impl TimeWait {
    pub(crate) fn new(tcb: &Tcb, cx: &Context<'_>) -> TimeWait {
        let deadline = if tcb.timers.idle == Instant::MAX {
            cx.now.plus_micros(u64::from(cx.config.time_wait_us))
        } else {
            tcb.timers.idle
        };
        let window = tcb.rcv.wnd();
        TimeWait {
            deadline,
            answers: tcb.answers,
            snd_nxt: tcb.snd.nxt,
            rcv_nxt: tcb.rcv.nxt,
            window,
            ts: tcb.ts,
            field: to_u16(window >> tcb.rcv.scale.get()),
            timestamps: tcb.has(Marks::TIMESTAMPS),
        }
    }

    /// Judges a segment of the same flow.
    pub fn on_segment(&mut self, now: Instant, config: &Config, segment: &Segment) -> TimeWaitVerdict {
        if now >= self.deadline {
            return TimeWaitVerdict::Delete;
        }
        // RFC 1337 §3, fix 1: a RST does not end TIME-WAIT.
        if segment.has(Flags::RST) {
            return planted!(56, TimeWaitVerdict::Delete, TimeWaitVerdict::Ignore);
        }
        if segment.has(Flags::SYN) {
            return self.on_syn(now, config, segment);
        }
        let is_old = self.timestamps
            && segment.options.timestamps.is_some_and(|timestamps| self.ts.is_old(timestamps.value, now));
        if is_old {
            return self.answer_seldom(now, config);
        }
        if segment.has(Flags::FIN) && segment.end() == self.rcv_nxt {
            // RFC 9293 MUST-13: the peer's FIN again. Acknowledge it, and wait from now.
            self.deadline = now.plus_micros(u64::from(config.time_wait_us));
            return TimeWaitVerdict::Ack(self.ack(now));
        }
        let in_window = segment.seq == self.rcv_nxt || segment.seq.in_window(self.rcv_nxt, self.window);
        // RFC 9293 §3.10.7.4: what has no ACK goes no further, and an ACK alone is not answered.
        if in_window && (segment.text_len == 0 || !segment.has(Flags::ACK)) {
            return TimeWaitVerdict::Ignore;
        }
        self.answer_seldom(now, config)
    }

    /// RFC 6191 §2 (RFC 9293 MAY-2, SHLD-4): a SYN that cannot be an old one opens a new connection.
    fn on_syn(&mut self, now: Instant, config: &Config, segment: &Segment) -> TimeWaitVerdict {
        let beyond = planted!(57, true, segment.seq.after(self.rcv_nxt));
        let is_new = match segment.options.timestamps.filter(|_| self.timestamps) {
            Some(timestamps) if timestamps.value == self.ts.recent => beyond,
            Some(timestamps) => !self.ts.is_old(timestamps.value, now),
            None => beyond,
        };
        if is_new && !segment.has(Flags::ACK) {
            return TimeWaitVerdict::Reopen { min_iss: self.snd_nxt + REOPEN_GAP };
        }
        self.answer_seldom(now, config)
    }

    fn answer_seldom(&mut self, now: Instant, config: &Config) -> TimeWaitVerdict {
        if !self.answers.allows(config, now, self.snd_nxt) {
            return TimeWaitVerdict::Ignore;
        }
        TimeWaitVerdict::Challenge(self.ack(now))
    }

    /// The ACK of the peer's FIN.
    #[must_use]
    pub fn ack(&self, now: Instant) -> SegmentPlan {
        let mut plan = SegmentPlan::control(self.snd_nxt, self.rcv_nxt, Flags::ACK);
        plan.window = self.field;
        if self.timestamps {
            let (value, echo) = (self.ts.value(now), self.ts.recent);
            plan.options = Options {
                timestamps: Some(portolan_wire::tcp::Timestamps { value, echo }),
                ..Options::default()
            };
        }
        plan
    }

    /// When the record may be deleted.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }
}

#[cfg(test)]
mod tests;
