//! What follows a timeout: all is sent again, in slow start (RFC 5681 §3.1), unless F-RTO finds out that it was for
//! nothing (RFC 5682).

use portolan_link::Instant;
use portolan_wire::SeqNumber;

use super::{Ack, CaState, Verdict};
use crate::Config;
use crate::flight::{Fate, Flight, Record, Tally};
use crate::loss_probe::LossProbe;
use crate::size_search::SizeProbe;

/// A retransmission timeout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeout<'a> {
    pub(crate) config: &'a Config,
    pub(crate) now: Instant,
    pub(crate) nxt: SeqNumber,
    /// Whether both sides agreed on SACK.
    pub(crate) sack: bool,
}

/// What follows from a timeout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeoutVerdict {
    /// The threshold is to be reduced: it was not yet for this window of text.
    pub(crate) reduce: bool,
    /// The peer was found to have withdrawn what it had acknowledged selectively.
    pub(crate) reneged: bool,
}

impl Flight {
    /// The retransmission timer ran out, for the first time in a row if `first`.
    pub(crate) fn on_timeout(&mut self, timeout: &Timeout<'_>, first: bool) -> TimeoutVerdict {
        let state = self.recovery.state;
        let sacked = self.sacked.segments;
        let reneged = if timeout.sack {
            // What was sent within the last round trip may well be on its way.
            let rack = core::mem::take(&mut self.rack);
            let now = timeout.now;
            let reneged = self.mark_lost_if(|record: &Record| rack.is_overdue(record.sent_at, 0, now));
            self.rack = rack;
            reneged
        } else {
            self.mark_lost_if(|_| true)
        };
        let una = self.records.front().map_or(timeout.nxt, |head| head.seq);
        let recovery = &mut self.recovery;
        // Once per window of text.
        let reduce = state <= CaState::Disorder
            || recovery.recover.is_none_or(|recover| una.at_or_after(recover))
            || state == CaState::Loss && first;
        if reduce {
            recovery.undo.begin(una, self.resent.segments);
        }
        if state <= CaState::Disorder {
            self.reordering.on_timeout(timeout.config, sacked);
        }
        recovery.state = CaState::Loss;
        recovery.recover = Some(timeout.nxt);
        recovery.duplicates = Tally::default();
        recovery.probe = LossProbe::default();
        recovery.forced = true;
        recovery.hold = false;
        // RFC 5682 §2.1, step 1: not after a recovery that was under way.
        recovery.frto = timeout.config.frto && planted!(27, true, state < CaState::Recovery || !first);
        TimeoutVerdict { reduce, reneged }
    }

    /// The path has become narrower: all that is not known to have arrived is to be sent again.
    pub(crate) fn begin_again(&mut self, nxt: SeqNumber) {
        self.mark_lost_if(|_| true);
        self.repeat_without_blame(nxt);
    }

    /// Whether a probe of the path's size is lost, and nothing else.
    pub(super) fn has_lost_only_size_probe(&self, una: SeqNumber) -> bool {
        let covers = |probe: &SizeProbe| {
            probe.seq == una && probe.end.since(una).is_some_and(|len| self.lost.octets <= len)
        };
        let head = self.records.front().is_some_and(|head| head.has(Fate::LOST));
        head && self.recovery.state < CaState::Cwr && self.size_probe.as_ref().is_some_and(covers)
    }

    /// RFC 4821 §7.6.2: the probe is sent again in smaller segments, and the window stays.
    pub(super) fn give_up_size_probe(&mut self, nxt: SeqNumber) -> Option<SizeProbe> {
        let probe = self.size_probe.take()?;
        for index in self.indices(probe.seq, probe.end) {
            self.mark_lost(index);
        }
        self.repeat_without_blame(nxt);
        Some(probe)
    }

    /// What is held for lost is sent again, as after a timeout, but it is no sign of congestion.
    fn repeat_without_blame(&mut self, nxt: SeqNumber) {
        let recovery = &mut self.recovery;
        recovery.state = CaState::Loss;
        recovery.recover = Some(nxt);
        recovery.duplicates = Tally::default();
        recovery.probe = LossProbe::default();
        recovery.forced = true;
        recovery.hold = false;
        recovery.frto = false;
    }

    /// After a timeout. Returns whether the state was left, or a retransmission was lost.
    pub(super) fn on_ack_in_loss(&mut self, ack: &Ack<'_>, verdict: &mut Verdict) -> bool {
        let resent = self.resent;
        let recovered = self.recovery.recover.is_none_or(|recover| ack.una.at_or_after(recover));
        let proved = ack.advances() && self.recovery.undo.is_proved(&ack.clock);
        let original = ack.delivery.original && (ack.sack || !ack.delivery.ambiguous);
        // RFC 5682 §3.1, step 3 (b): what was sent once, before the timeout, has arrived.
        if proved || self.recovery.frto && planted!(26, ack.advances(), original) {
            self.undo(verdict);
            verdict.spurious_timeout = !proved;
            self.unmark_lost();
            self.leave_loss(ack, verdict);
        } else if self.go_on_with_frto(ack, recovered) {
            return false;
        } else if recovered {
            self.reordering.on_recovered(false);
            self.leave_loss(ack, verdict);
        } else if !ack.sack && ack.advances() {
            self.recovery.duplicates = Tally::default();
        }
        self.find_losses(ack, verdict);
        self.recovery.state != CaState::Loss || self.resent.octets < resent.octets
    }

    fn leave_loss(&mut self, ack: &Ack<'_>, verdict: &mut Verdict) {
        self.recovery.state = CaState::Open;
        self.recovery.frto = false;
        self.recovery.forced = false;
        self.recovery.duplicates = Tally::default();
        self.recovery.recover = self.recovery.recover.filter(|_| !ack.sack);
        verdict.left = true;
    }

    /// RFC 5682 §3.1, steps 2 and 3. Returns whether new text is to be sent in place of what is held for lost.
    fn go_on_with_frto(&mut self, ack: &Ack<'_>, recovered: bool) -> bool {
        if !self.recovery.frto {
            return false;
        }
        if self.recovery.recover.is_some_and(|recover| ack.nxt.after(recover)) {
            // Step 3 (a): something was received out of order, so the loss was real.
            self.recovery.frto = ack.delivery.sacked.octets == 0 && !ack.duplicate;
            return false;
        }
        if !ack.advances() || recovered {
            return false;
        }
        // Step 2 (b).
        self.recovery.recover = Some(ack.nxt);
        self.recovery.frto = ack.can_send_new;
        self.recovery.hold = ack.can_send_new;
        ack.can_send_new
    }
}
