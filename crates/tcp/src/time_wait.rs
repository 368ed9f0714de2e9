//! TIME-WAIT as a small record (RFC 9293 §3.6.1 and §3.10.7.4; RFC 1337; RFC 6191).

use portolan_link::Instant;
use portolan_wire::tcp::{Flags, Options};
use portolan_wire::{SeqNumber, WindowScale};

use crate::challenge::AnswerLimit;
use crate::numbers::{low_u32, to_u16};
use crate::paws::BriefTimestamps;
use crate::tcb::{Marks, Tcb};
use crate::{Config, Context, Segment, SegmentPlan};

/// How far a new connection's first number lies beyond the last of the old one: more than an unscaled window.
const REOPEN_GAP: u32 = 65_535 + 2;

/// A tick of the record's clock: 2^20 nanoseconds, about a millisecond.
const TICK_BITS: u32 = 20;

/// A connection in TIME-WAIT: what it takes to acknowledge the peer's FIN again, and to know old segments from
/// new.
///
/// There may be very many, so each is 28 octets.
#[derive(Clone, Copy, Debug)]
pub struct TimeWait {
    /// In ticks, of which only the lower 32 bits are kept: see [`TimeWait::remaining`].
    deadline: u32,
    answers: AnswerLimit,
    snd_nxt: SeqNumber,
    rcv_nxt: SeqNumber,
    ts: BriefTimestamps,
    /// The window field to send.
    field: u16,
    scale: WindowScale,
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
        TimeWait {
            deadline: tick_at_or_after(deadline),
            answers: tcb.answers,
            snd_nxt: tcb.snd.nxt,
            rcv_nxt: tcb.rcv.nxt,
            ts: BriefTimestamps::of(&tcb.ts),
            field: to_u16(tcb.rcv.wnd() >> tcb.rcv.scale.get()),
            scale: tcb.rcv.scale,
            timestamps: tcb.has(Marks::TIMESTAMPS),
        }
    }

    /// Judges a segment of the same flow.
    pub fn on_segment(&mut self, now: Instant, config: &Config, segment: &Segment) -> TimeWaitVerdict {
        if self.is_over(now, config) {
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
            && segment.options.timestamps.is_some_and(|timestamps| self.ts.is_old(timestamps.value));
        if is_old {
            return self.answer_seldom(now, config);
        }
        if segment.has(Flags::FIN) && segment.end() == self.rcv_nxt {
            // RFC 9293 MUST-13: the peer's FIN again. Acknowledge it, and wait from now.
            self.deadline = tick_at_or_after(now.plus_micros(u64::from(config.time_wait_us)));
            return TimeWaitVerdict::Ack(self.ack(now));
        }
        let in_window = segment.seq == self.rcv_nxt
            || segment.seq.in_window(self.rcv_nxt, self.scale.window_octets(self.field));
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
            Some(timestamps) => !self.ts.is_old(timestamps.value),
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
            plan.options = Options { timestamps: Some(self.ts.option(now)), ..Options::default() };
        }
        plan
    }

    /// Whether the record may be deleted.
    #[must_use]
    pub fn is_over(&self, now: Instant, config: &Config) -> bool {
        self.remaining(now, config) == 0
    }

    /// When the record may be deleted: `now`, if it already may.
    #[must_use]
    pub fn deadline(&self, now: Instant, config: &Config) -> Instant {
        let ticks = (now.as_nanos() >> TICK_BITS) + u64::from(self.remaining(now, config));
        now.max(Instant::from_nanos(ticks.saturating_mul(1 << TICK_BITS)))
    }

    /// Ticks to wait. A deadline that lies further ahead than any can, lies behind: so every clock that jumps, however
    /// far, ends the wait.
    fn remaining(&self, now: Instant, config: &Config) -> u32 {
        let longest_ns = u64::from(config.time_wait_us) * 1_000;
        // Both ends of the wait may lie within a tick.
        let longest = (longest_ns >> TICK_BITS) + 2;
        let ahead = self.deadline.wrapping_sub(low_u32(now.as_nanos() >> TICK_BITS));
        if u64::from(ahead) <= longest { ahead } else { 0 }
    }
}

fn tick_at_or_after(deadline: Instant) -> u32 {
    low_u32(deadline.as_nanos().div_ceil(1 << TICK_BITS))
}

#[cfg(test)]
mod tests;
