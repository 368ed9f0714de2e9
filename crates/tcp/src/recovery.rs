//! Loss recovery: RFC 6675 with SACK, RFC 6582 (NewReno) without, and what follows a timeout (RFC 5681 §3.1).
//!
//! Both kinds share one model: octets in flight are what was sent, less what has arrived, less what is held for
//! lost. Without SACK each duplicate acknowledgement says that one more segment has arrived, nobody knows
//! which. Sending while less is in flight than the window allows gives limited transmit (RFC 3042), fast
//! retransmit and the window inflation of RFC 6582 without a case for each.

use portolan_wire::SeqNumber;

use crate::flight::{DUP_THRESH, Flight};

/// What a connection is doing about losses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Phase {
    /// Nothing is known to be lost.
    #[default]
    Open,
    /// Fast recovery.
    Recovery,
    /// After a timeout: all is sent again, in slow start.
    Timeout,
}

/// The state of loss recovery.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Recovery {
    pub(crate) phase: Phase,
    /// RFC 6582's "recover", RFC 6675's RecoveryPoint: SND.NXT at the last loss. Acknowledging it ends the
    /// phase; until more than that is acknowledged, duplicate acknowledgements without SACK may stem from our
    /// own retransmissions.
    pub(crate) recover: Option<SeqNumber>,
    /// Duplicate acknowledgements in a row.
    pub(crate) duplicates: u32,
    /// Octets that duplicate acknowledgements say have arrived; always 0 with SACK.
    pub(crate) duplicates_octets: u32,
    /// The next retransmission goes whatever the window says (RFC 6675 §5, step 4.3).
    pub(crate) forced: bool,
}

/// What an acknowledgement said, as far as it concerns recovery.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ack {
    pub(crate) una: SeqNumber,
    pub(crate) nxt: SeqNumber,
    /// Octets newly acknowledged cumulatively.
    pub(crate) acked: u32,
    /// Whether it counts as a duplicate (RFC 5681 §2; with SACK, RFC 6675 §2).
    pub(crate) duplicate: bool,
    /// Whether both sides agreed on SACK.
    pub(crate) sack: bool,
    pub(crate) mss: u32,
}

/// How an acknowledgement changed the phase.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    None,
    /// Fast recovery begins: the window is to be reduced.
    Entered,
    /// The recovery point is acknowledged.
    Left,
}

impl Flight {
    /// Draws the conclusions from an acknowledgement, after the records were updated.
    pub(crate) fn on_ack(&mut self, ack: &Ack) -> Change {
        let mut change = Change::None;
        if ack.acked > 0 {
            change = self.on_advance(ack);
        } else if ack.duplicate {
            self.on_duplicate(ack);
        }
        if ack.sack {
            self.mark_lost_by_sack(ack.mss);
        }
        if self.recovery.phase == Phase::Open && self.finds_loss(ack) {
            self.mark_first_lost(ack.mss);
            self.recovery.phase = Phase::Recovery;
            self.recovery.recover = Some(ack.nxt);
            self.recovery.forced = true;
            return Change::Entered;
        }
        change
    }

    fn on_advance(&mut self, ack: &Ack) -> Change {
        let recovery = &mut self.recovery;
        recovery.duplicates = 0;
        let recovered = recovery.recover.is_none_or(|recover| ack.una.at_or_after(recover));
        match recovery.phase {
            Phase::Open => {
                recovery.duplicates_octets = 0;
                if recovery.recover.is_some_and(|recover| ack.una.after(recover)) {
                    recovery.recover = None;
                }
                Change::None
            }
            _ if recovered => {
                recovery.phase = Phase::Open;
                recovery.duplicates_octets = 0;
                recovery.forced = false;
                Change::Left
            }
            Phase::Recovery if !ack.sack => {
                // RFC 6582 §3.2, step 3: a partial acknowledgement says that the next segment is lost as well.
                let others = ack.acked.saturating_sub(ack.mss);
                recovery.duplicates_octets = recovery.duplicates_octets.saturating_sub(others);
                recovery.forced = true;
                self.mark_first_lost(ack.mss);
                Change::None
            }
            Phase::Recovery | Phase::Timeout => Change::None,
        }
    }

    fn on_duplicate(&mut self, ack: &Ack) {
        self.recovery.duplicates = self.recovery.duplicates.saturating_add(1);
        if ack.sack || self.recovery.phase == Phase::Timeout {
            return;
        }
        // No more segments can have arrived than were in flight when the loss was found: a peer that repeats
        // itself buys nothing.
        let limit = self.recovery.recover.and_then(|recover| recover.since(ack.una));
        let limit = limit.filter(|_| self.recovery.phase == Phase::Recovery).unwrap_or(self.outstanding);
        self.recovery.duplicates_octets = self.recovery.duplicates_octets.saturating_add(ack.mss).min(limit);
    }

    fn finds_loss(&self, ack: &Ack) -> bool {
        if self.is_empty() {
            return false;
        }
        if ack.sack {
            return self.lost > 0 || self.recovery.duplicates >= DUP_THRESH && self.sacked > 0;
        }
        // RFC 6582 §3.2, step 2: not twice for the same window of text.
        self.recovery.duplicates >= DUP_THRESH
            && self.recovery.recover.is_none_or(|recover| ack.una.after(recover))
    }

    /// RFC 3168 §6.1.2: the network has marked a segment. Returns whether the window is to be reduced for it.
    pub(crate) fn on_marked(&mut self, nxt: SeqNumber) -> bool {
        let begins =
            self.recovery.phase == Phase::Open && self.recovery.recover.is_none() && !self.is_empty();
        if begins {
            self.recovery.recover = Some(nxt);
        }
        begins
    }

    /// The retransmission timer ran out, or the path has become narrower: all that is not known to have arrived
    /// is to be sent again. Returns whether the peer was found to have withdrawn what it had acknowledged
    /// selectively.
    pub(crate) fn begin_again(&mut self, nxt: SeqNumber) -> bool {
        let reneged = self.mark_all_lost();
        self.recovery = Recovery {
            phase: Phase::Timeout,
            recover: Some(nxt),
            duplicates: 0,
            duplicates_octets: 0,
            forced: true,
        };
        reneged
    }
}

#[cfg(test)]
mod tests;
