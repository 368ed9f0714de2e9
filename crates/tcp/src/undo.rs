//! Finding out that retransmissions were for nothing, so that the reduction of the window can be taken back
//! (RFC 3522, 3708, 4015).
//!
//! Two things prove it: an acknowledgement that echoes a time before the first retransmission (Eifel), or
//! duplicates reported for every one of them (D-SACK). A reduction is taken back once at most.

use portolan_link::Instant;
use portolan_wire::SeqNumber;

use crate::congestion::Prior;
use crate::flight::AckClock;

/// What has to be known of the present episode of recovery.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Undo {
    /// SND.UNA when the episode began; `None` if there is nothing to take back.
    marker: Option<SeqNumber>,
    /// Segments sent again and not yet reported as duplicates; `None` if none was sent again.
    unreported: Option<u32>,
    /// When something was first sent again.
    first_resent_at: Option<Instant>,
    /// The window before.
    prior: Option<Prior>,
}

impl Undo {
    /// An episode begins at SND.UNA `una`, with `resent` segments under way that were sent again before.
    pub(crate) fn begin(&mut self, una: SeqNumber, resent: u32) {
        self.marker = Some(una);
        self.unreported = (resent > 0).then_some(resent);
        self.prior = None;
    }

    /// The window before the episode, once it has been reduced.
    pub(crate) fn remember(&mut self, prior: Prior) {
        self.prior = Some(prior);
    }

    /// Whether there is something to take back.
    pub(crate) fn is_open(&self) -> bool {
        self.marker.is_some()
    }

    pub(crate) fn on_resent(&mut self, now: Instant, segments: u32) {
        self.first_resent_at.get_or_insert(now);
        self.unreported = Some(self.unreported.unwrap_or(0).saturating_add(segments));
    }

    /// Nothing that was sent again is under way any more.
    pub(crate) fn on_none_resent(&mut self) {
        self.first_resent_at = None;
    }

    /// The peer reports a duplicate of `segments` segments that ends at `end`.
    pub(crate) fn on_duplicate(&mut self, end: SeqNumber, segments: u32) {
        if self.marker.is_some_and(|marker| end.after(marker)) {
            self.unreported = self.unreported.map(|unreported| unreported.saturating_sub(segments));
        }
    }

    /// RFC 3708 §3: whether all that was sent again has been reported as a duplicate.
    pub(crate) fn is_proved_by_duplicates(&self) -> bool {
        self.marker.is_some()
            && planted!(31, self.unreported.is_some_and(|left| left <= 1), self.unreported == Some(0))
    }

    /// RFC 3522 §3.2: whether an acknowledgement of new octets answers something sent before the first
    /// retransmission. It does if there was none.
    pub(crate) fn is_proved_by_echo(&self, clock: &AckClock) -> bool {
        self.marker.is_some() && self.first_resent_at.is_none_or(|at| clock.echoes_before(at))
    }

    pub(crate) fn is_proved(&self, clock: &AckClock) -> bool {
        self.is_proved_by_duplicates() || self.is_proved_by_echo(clock)
    }

    /// The episode is over: what the window is to be again, if it was reduced.
    pub(crate) fn take(&mut self) -> Option<Prior> {
        self.marker = None;
        self.prior.take()
    }

    /// The network has asked for the reduction as well, so it stands.
    pub(crate) fn forbid(&mut self) {
        self.prior = None;
    }

    /// Forgets an episode that lies so far behind SND.UNA that its number would soon mean another.
    pub(crate) fn forget_before(&mut self, una: SeqNumber) {
        if self.marker.is_some_and(|marker| una.since(marker).is_none_or(|octets| octets > 1 << 30)) {
            *self = Undo { first_resent_at: self.first_resent_at, ..Undo::default() };
        }
    }
}

#[cfg(test)]
mod tests;
