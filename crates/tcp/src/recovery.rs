//! Loss recovery: what a connection concludes from an acknowledgement, and what it does about losses.
//!
//! Five states, as Linux has them ([`CaState`]). With SACK, RACK finds the losses (RFC 8985, in `rack.rs`);
//! without, three duplicates and partial acknowledgements do (RFC 6582). Losses begin fast recovery, a timeout
//! begins [`CaState::Loss`], where F-RTO (RFC 5682) looks whether the timeout was for nothing. Either can be
//! taken back (`undo.rs`). How much may be in flight meanwhile is in `prr.rs`.
//!
//! Octets in flight are what was sent, less what has arrived, less what is held for lost. Without SACK each
//! duplicate says that one more segment has arrived, nobody knows which. Sending while less is in flight than
//! the window allows gives limited transmit (RFC 3042) without a case of its own.
//!
//! Start reading at [`Flight::on_ack`]. What follows a timeout is in `timeout.rs`, what there is to do without SACK in
//! `duplicates.rs`.

mod duplicates;
mod timeout;

use portolan_link::Instant;
use portolan_wire::SeqNumber;

use crate::Config;
use crate::congestion::Prior;
use crate::flight::{AckClock, Delivery, Fate, Flight, Tally};
use crate::loss_probe::LossProbe;
use crate::prr::Prr;
use crate::size_search::SizeProbe;
use crate::undo::Undo;

pub(crate) use timeout::Timeout;

/// What a connection is doing about losses (`tcpi_ca_state`; RFC 9438 and others name no such states, but every
/// tool that reads Linux's does).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum CaState {
    /// All is well.
    #[default]
    Open,
    /// Something has arrived out of order, which may mean a loss or not.
    Disorder,
    /// The window is being reduced, though nothing is lost: the network has marked a segment (RFC 3168).
    Cwr,
    /// Fast recovery.
    Recovery,
    /// After a timeout: all is sent again, in slow start.
    Loss,
}

/// The state of loss recovery.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Recovery {
    pub(crate) state: CaState,
    /// RFC 6582's "recover", RFC 6675's RecoveryPoint: SND.NXT at the last loss. Acknowledging it ends the
    /// state; until more than that is acknowledged, duplicate acknowledgements without SACK may stem from our
    /// own retransmissions.
    pub(crate) recover: Option<SeqNumber>,
    /// What duplicate acknowledgements say has arrived; always 0 with SACK.
    pub(crate) duplicates: Tally,
    pub(crate) prr: Prr,
    pub(crate) undo: Undo,
    pub(crate) probe: LossProbe,
    /// RFC 5682: whether the timeout may have been for nothing.
    frto: bool,
    /// Nothing is to be sent again before the next acknowledgement.
    hold: bool,
    /// The next retransmission goes whatever the peer's window says (RFC 9293 §3.8.6.1).
    pub(crate) forced: bool,
}

impl Recovery {
    /// Whether the window is being reduced in proportion to what arrives.
    pub(crate) fn is_reducing(&self) -> bool {
        matches!(self.state, CaState::Cwr | CaState::Recovery)
    }

    /// Whether lost text is not to be sent again now; `can_send_new` says whether new text could go instead.
    pub(crate) fn holds_resend(&self, nxt: SeqNumber, can_send_new: bool) -> bool {
        let sent_new = self.recover.is_some_and(|recover| nxt.after(recover));
        self.hold && (!self.frto || can_send_new || sent_new)
    }

    /// Something was sent again.
    pub(crate) fn on_resent(&mut self, now: Instant, segments: u32) {
        self.undo.on_resent(now, segments);
        self.forced = false;
        if core::mem::take(&mut self.hold) {
            self.frto = false;
        }
    }
}

/// What an acknowledgement said, as far as it concerns recovery.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ack<'a> {
    pub(crate) config: &'a Config,
    pub(crate) clock: AckClock,
    pub(crate) delivery: Delivery,
    /// SND.UNA before and now.
    pub(crate) prior_una: SeqNumber,
    pub(crate) una: SeqNumber,
    pub(crate) nxt: SeqNumber,
    /// Whether it is a duplicate (RFC 5681 §2), and reports no duplicate.
    pub(crate) duplicate: bool,
    /// It reports the loss probe as a duplicate.
    pub(crate) probe_duplicate: bool,
    /// Whether both sides agreed on SACK.
    pub(crate) sack: bool,
    pub(crate) mss: u32,
    pub(crate) srtt_us: u32,
    /// Whether there is new text that the peer's window takes.
    pub(crate) can_send_new: bool,
}

impl Ack<'_> {
    fn advances(&self) -> bool {
        self.una != self.prior_una
    }
}

/// What follows from an acknowledgement for the window, in this order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Verdict {
    /// The last reduction was for nothing; this is what was before.
    pub(crate) undo: Option<Prior>,
    /// The last timeout was for nothing.
    pub(crate) spurious_timeout: bool,
    /// The loss probe repaired a loss, so that the window is to be reduced at once.
    pub(crate) probe_loss: bool,
    /// Fast recovery begins.
    pub(crate) entered: bool,
    /// The window is to be reduced for it.
    pub(crate) reduce: bool,
    /// Recovery is over.
    pub(crate) left: bool,
    /// What may only be late is lost at this time.
    pub(crate) late_until: Option<Instant>,
    /// This probe of the path's size was lost, and nothing else.
    pub(crate) size_probe_lost: Option<SizeProbe>,
}

impl Flight {
    /// Draws the conclusions from an acknowledgement, after the records were updated.
    pub(crate) fn on_ack(&mut self, ack: &Ack<'_>) -> Verdict {
        let mut verdict = Verdict::default();
        self.recovery.hold = false;
        self.reordering.end_round(ack.una);
        if let Some(late) = ack.delivery.late_from {
            self.reordering.on_late(ack.config, late, self.highest_sacked, ack.mss);
            self.reordering.note_lateness(ack.delivery.late_us);
        }
        verdict.probe_loss = self.recovery.probe.on_ack(ack);
        self.leave_if_recovered(ack, &mut verdict);
        let goes_on = match self.recovery.state {
            CaState::Recovery => self.on_ack_in_recovery(ack, &mut verdict),
            CaState::Loss => self.on_ack_in_loss(ack, &mut verdict),
            _ => self.on_ack_in_order(ack, &mut verdict),
        };
        if goes_on && self.lost.octets > 0 {
            self.on_losses_found(ack, &mut verdict);
        } else if goes_on {
            self.open_or_disorder();
        }
        verdict
    }

    /// Reductions end when what was outstanding at their beginning is acknowledged.
    fn leave_if_recovered(&mut self, ack: &Ack<'_>, verdict: &mut Verdict) {
        let recover = self.recovery.recover;
        match self.recovery.state {
            CaState::Open | CaState::Disorder
                if !ack.sack && recover.is_some_and(|recover| ack.una.after(recover)) =>
            {
                self.recovery.recover = None;
            }
            // Something beyond has to be acknowledged, so that the peer has seen our CWR.
            CaState::Cwr if recover.is_none_or(|recover| ack.una.after(recover)) => {
                self.recovery.state = CaState::Open;
            }
            CaState::Recovery if recover.is_none_or(|recover| ack.una.at_or_after(recover)) => {
                self.end_recovery(ack, verdict);
            }
            _ => {}
        }
    }

    /// All that was outstanding at the loss is acknowledged.
    fn end_recovery(&mut self, ack: &Ack<'_>, verdict: &mut Verdict) {
        let proved = self.recovery.undo.is_proved(&ack.clock);
        if proved {
            self.undo(verdict);
        }
        self.reordering.on_recovered(proved);
        self.recovery.state = CaState::Open;
        self.recovery.duplicates = Tally::default();
        // RFC 6582 §3.2, step 2: without SACK the recovery point stays, lest duplicates of what was sent again
        // begin another recovery.
        self.recovery.recover = self.recovery.recover.filter(|_| !ack.sack);
        verdict.left = true;
    }

    /// Open, Disorder and CWR. Returns whether to look for a beginning of recovery.
    fn on_ack_in_order(&mut self, ack: &Ack<'_>, verdict: &mut Verdict) -> bool {
        if !ack.sack {
            if ack.advances() {
                self.recovery.duplicates = Tally::default();
            } else {
                self.count_duplicate(ack);
            }
        }
        if self.recovery.state <= CaState::Disorder {
            self.undo_by_duplicates(verdict);
        }
        self.find_losses(ack, verdict);
        true
    }

    /// Returns whether the state was left, as for nothing.
    fn on_ack_in_recovery(&mut self, ack: &Ack<'_>, verdict: &mut Verdict) -> bool {
        if !ack.advances() {
            self.count_duplicate(ack);
        } else if self.recovery.undo.is_proved_by_echo(&ack.clock) {
            // What filled the hole was late, and not sent again: the path reorders more than was thought.
            self.reordering.on_late(ack.config, ack.prior_una, self.highest_sacked, ack.mss);
            if self.resent.segments > 0 {
                self.recovery.hold = true;
                return false;
            }
            self.undo(verdict);
            self.unmark_lost();
            self.recovery.state = CaState::Open;
        }
        if self.undo_by_duplicates(verdict) {
            self.recovery.state = CaState::Open;
        }
        self.find_losses(ack, verdict);
        self.recovery.state != CaState::Recovery
    }

    fn find_losses(&mut self, ack: &Ack<'_>, verdict: &mut Verdict) {
        if ack.sack {
            if self.rack.has_news {
                let reo_wnd_us = self.reo_wnd_us(ack.config, ack.clock.min_rtt_us, ack.srtt_us);
                verdict.late_until = self.detect_losses(ack.clock.now, reo_wnd_us);
            }
            return;
        }
        let recovery = &self.recovery;
        let is_late = match recovery.state {
            CaState::Recovery => ack.advances(),
            CaState::Loss => false,
            // RFC 6582 §3.2, step 2: not twice for the same window of text.
            _ => {
                recovery.duplicates.segments >= self.reordering.degree(ack.config)
                    && recovery.recover.is_none_or(|recover| ack.una.after(recover))
            }
        };
        if is_late {
            self.mark_first_lost(ack.mss);
        }
    }

    /// RACK.reo_wnd in microseconds.
    fn reo_wnd_us(&self, config: &Config, min_rtt_us: u32, srtt_us: u32) -> u32 {
        let proved = self.recovery.state >= CaState::Recovery
            || self.sacked.segments >= self.reordering.degree(config);
        self.reordering.reo_wnd_us(proved, min_rtt_us, srtt_us)
    }

    fn on_losses_found(&mut self, ack: &Ack<'_>, verdict: &mut Verdict) {
        if self.has_lost_only_size_probe(ack.una) {
            verdict.size_probe_lost = self.give_up_size_probe(ack.nxt);
        } else {
            self.enter_recovery(ack.una, ack.nxt, verdict);
        }
    }

    fn enter_recovery(&mut self, una: SeqNumber, nxt: SeqNumber, verdict: &mut Verdict) {
        let recovery = &mut self.recovery;
        recovery.undo.begin(una, self.resent.segments + recovery.probe.resent_segments());
        // A reduction that is under way already is enough.
        verdict.reduce = recovery.state != CaState::Cwr;
        verdict.entered = true;
        recovery.state = CaState::Recovery;
        recovery.recover = Some(nxt);
        recovery.probe = LossProbe::default();
        recovery.frto = false;
    }

    /// Nothing is lost: Open, unless something is still out of order. CWR goes on.
    fn open_or_disorder(&mut self) {
        let head = self.records.front();
        let was_resent = head.is_some_and(|head| head.has(Fate::AMBIGUOUS));
        if !was_resent && self.resent.segments == 0 {
            self.recovery.undo.on_none_resent();
        }
        if self.recovery.state != CaState::Cwr {
            let out_of_order = self.sacked.octets + self.recovery.duplicates.octets > 0;
            self.recovery.state = if out_of_order || was_resent { CaState::Disorder } else { CaState::Open };
        }
    }

    fn undo(&mut self, verdict: &mut Verdict) {
        verdict.undo = self.recovery.undo.take().or(verdict.undo);
        self.rack.has_news = true;
    }

    fn undo_by_duplicates(&mut self, verdict: &mut Verdict) -> bool {
        let proved = self.recovery.undo.is_proved_by_duplicates();
        if proved {
            self.reordering.on_recovered(true);
            self.undo(verdict);
        }
        proved
    }

    /// RFC 8985 §6.3: the reordering timer ran out.
    pub(crate) fn on_reordering_timeout(&mut self, ack: &Ack<'_>) -> Verdict {
        let mut verdict = Verdict::default();
        let lost = self.lost;
        let reo_wnd_us = self.reo_wnd_us(ack.config, ack.clock.min_rtt_us, ack.srtt_us);
        self.detect_losses(ack.clock.now, reo_wnd_us);
        if self.lost != lost && self.recovery.state != CaState::Recovery {
            self.on_losses_found(ack, &mut verdict);
        }
        verdict
    }

    /// RFC 3168 §6.1.2: the network has marked a segment. Returns whether a reduction begins for it: once in a
    /// window of text. One that is under way is not taken back any more.
    pub(crate) fn on_marked(&mut self, nxt: SeqNumber) -> bool {
        self.recovery.undo.forbid();
        let begins = planted!(42, true, self.recovery.state < CaState::Cwr);
        if begins {
            self.recovery.state = CaState::Cwr;
            self.recovery.recover = Some(nxt);
        }
        begins
    }
}

#[cfg(test)]
mod tests;
