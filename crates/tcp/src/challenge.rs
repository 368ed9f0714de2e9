//! ACKs that answer segments which are not acceptable, and their limit (RFC 5961 §7).
//!
//! The limit is one per connection and interval, and nothing is counted across connections: a shared count is
//! what made CVE-2016-5696 an oracle. It also ends ACK storms between two hosts that each find the other's ACKs
//! wrong.

use portolan_link::Instant;
use portolan_wire::SeqNumber;

use crate::numbers::low_u32;
use crate::tcb::{Marks, Tcb};
use crate::{Config, Context, DropReason, TraceEvent};

/// When an answer that is limited was last given, in milliseconds; 0 for never.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct AnswerLimit(u32);

/// What is added to an interval, of 2^24 parts of half of it: a hash of the last answer's time and of `salt`, a number
/// that a stranger does not know.
fn jitter(last_ms: u32, salt: SeqNumber) -> u32 {
    let mixed = (last_ms ^ salt.0).wrapping_mul(0x9e37_79b1);
    (mixed ^ mixed >> 15).wrapping_mul(0x85eb_ca77) >> 8
}

impl AnswerLimit {
    /// Whether one may be given now, which counts as given. RFC 5961 §7 leaves the interval open; each is longer than
    /// the knob says by up to a half, so that nobody off the path can tell which segment of his was answered.
    pub(crate) fn allows(&mut self, config: &Config, now: Instant, salt: SeqNumber) -> bool {
        let now_ms = low_u32(now.as_millis()).max(1);
        let interval_ms = config.challenge_ack_us / 1_000;
        let more = (u64::from(interval_ms / 2) * u64::from(jitter(self.0, salt))) >> 24;
        let passed_ms = u64::from(now_ms.wrapping_sub(self.0));
        if planted!(58, false, self.0 != 0) && passed_ms < u64::from(interval_ms) + more {
            return false;
        }
        self.0 = now_ms;
        true
    }
}

/// How a discarded segment is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reply {
    /// Not at all.
    Nothing,
    /// With an ACK, always.
    Ack,
    /// With an ACK, unless there was one lately.
    SeldomAck,
    /// With a challenge ACK (RFC 5961), unless there was one lately.
    Challenge,
    /// With the SYN-ACK again, unless there was an answer lately.
    SynAck,
    /// With a RST of this number, which leaves the connection as it is.
    Reset(SeqNumber),
}

/// A segment that goes no further.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Discard {
    pub(crate) reason: DropReason,
    pub(crate) reply: Reply,
}

impl Discard {
    pub(crate) const fn new(reason: DropReason, reply: Reply) -> Discard {
        Discard { reason, reply }
    }
}

/// The result of one step of input processing: go on, or discard.
pub(crate) type Step = Result<(), Discard>;

impl Tcb {
    /// Counts a discarded segment and answers it.
    pub(crate) fn discard(&mut self, cx: &mut Context<'_>, discard: Discard) {
        self.note_drop(cx, discard.reason);
        match discard.reply {
            Reply::Nothing => {}
            Reply::Ack => self.owe_ack(),
            Reply::SeldomAck => {
                if self.may_answer(cx) {
                    self.owe_ack();
                }
            }
            Reply::SynAck => {
                if self.may_answer(cx) {
                    self.marks.insert(Marks::SYN_DUE);
                }
            }
            Reply::Challenge => {
                if self.may_answer(cx) {
                    cx.stats.challenge_acks += 1;
                    self.owe_ack();
                } else {
                    cx.stats.challenge_acks_limited += 1;
                }
            }
            Reply::Reset(seq) => {
                cx.slabs.rare_or_new(&mut self.rare).stray = seq;
                self.marks.insert(Marks::STRAY_RESET_DUE);
            }
        }
    }

    /// Notes why a segment, or its text, was discarded.
    pub(crate) fn note_drop(&mut self, cx: &mut Context<'_>, reason: DropReason) {
        self.last_drop = Some(reason);
        cx.stats.in_errs += 1;
        self.trace(cx, TraceEvent::Drop(reason));
    }

    fn may_answer(&mut self, cx: &Context<'_>) -> bool {
        self.answers.allows(cx.config, cx.now, self.snd.iss)
    }

    /// An ACK is to be sent at once; one is enough.
    pub(crate) fn owe_ack(&mut self) {
        self.acks_owed = self.acks_owed.max(1);
    }
}

#[cfg(test)]
mod tests;
