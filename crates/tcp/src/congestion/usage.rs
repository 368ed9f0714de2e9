//! How much of the window is used: a window that nobody fills says nothing of the path, and does not grow.

use portolan_wire::SeqNumber;

/// The strongest sign within the present window of text that the congestion window was the limit. Linux's rule
/// (`tcp_cwnd_validate`, `tcp_is_cwnd_limited`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Usage {
    /// The window was full.
    limited: bool,
    /// If it was not: the most octets that were outstanding.
    outstanding_max: u32,
    /// SND.NXT when that was noted; until it is acknowledged only a stronger sign counts.
    until: SeqNumber,
}

impl Usage {
    pub(crate) const NONE: Usage = Usage { limited: false, outstanding_max: 0, until: SeqNumber(0) };

    /// The connection has sent what it can for now. `limited` says that the window is full.
    pub(crate) fn note(&mut self, una: SeqNumber, nxt: SeqNumber, limited: bool) {
        let outstanding = nxt.since(una).unwrap_or(0);
        let stronger = limited || !self.limited && outstanding > self.outstanding_max;
        if stronger || una.at_or_after(self.until) || nxt.before(self.until) {
            *self = Usage { limited, outstanding_max: outstanding, until: nxt };
        }
    }

    /// Whether the window may grow. In slow start it may grow to twice of what was used, so that an application that
    /// sends a little less than the window is not held back for ever.
    pub(crate) fn allows_growth(&self, cwnd: u32, slow_start: bool) -> bool {
        planted!(69, true, self.limited) || slow_start && cwnd / 2 < self.outstanding_max
    }
}

#[cfg(test)]
mod tests;
