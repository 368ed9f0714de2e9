//! Proportional rate reduction: how much may be in flight while the window is being reduced (RFC 9937, before
//! RFC 6937).
//!
//! Instead of a pause until half of the window has drained, segments go out in proportion to those that arrive,
//! so that what is in flight ends at ssthresh. Where losses have taken more than that away, what may go is bounded
//! by what arrives (CRB), with one more if the acknowledgement makes progress without new losses (SSRB).

/// The state of one reduction. All in octets; what may go is counted in whole segments.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Prr {
    /// RecoverFS: what was in flight when the reduction began, lost or not.
    recover_fs: u32,
    /// prr_delivered.
    delivered: u32,
    /// prr_out.
    out: u32,
    /// The window that follows.
    pub(crate) cwnd: u32,
}

/// What an acknowledgement means to the reduction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PrrAck {
    /// Octets newly delivered.
    pub(crate) delivered: u32,
    /// RFC 6675's pipe.
    pub(crate) in_flight: u32,
    pub(crate) ssthresh: u32,
    /// SafeACK: SND.UNA has advanced and no more losses were found.
    pub(crate) safe: bool,
    pub(crate) mss: u32,
}

impl Prr {
    /// A reduction begins at window `cwnd`, with `recover_fs` octets outstanding that were not known to have arrived.
    pub(crate) fn begin(cwnd: u32, recover_fs: u32) -> Prr {
        Prr { recover_fs: recover_fs.max(1), delivered: 0, out: 0, cwnd }
    }

    /// RFC 9937 §6.1.
    pub(crate) fn on_ack(&mut self, ack: &PrrAck) {
        if ack.delivered == 0 && self.out > 0 {
            return;
        }
        self.delivered = self.delivered.saturating_add(ack.delivered);
        let mut may_send = if ack.in_flight > ack.ssthresh {
            self.in_proportion(ack).saturating_sub(self.out)
        } else {
            let bound = self.delivered.saturating_sub(self.out).max(ack.delivered);
            let bound = if planted!(25, true, ack.safe) { bound.saturating_add(ack.mss) } else { bound };
            bound.min(ack.ssthresh - ack.in_flight)
        };
        if self.out == 0 {
            // The first retransmission goes in any case.
            may_send = may_send.max(ack.mss);
        }
        self.cwnd = ack.in_flight.saturating_add(may_send);
    }

    /// ssthresh / RecoverFS of what was delivered, in whole segments.
    fn in_proportion(&self, ack: &PrrAck) -> u32 {
        let octets = u64::from(ack.ssthresh) * u64::from(self.delivered) / u64::from(self.recover_fs);
        let mss = u64::from(ack.mss.max(1));
        u32::try_from(planted!(24, octets / mss, octets.div_ceil(mss)) * mss).unwrap_or(u32::MAX)
    }

    /// `octets` were sent, new or again.
    pub(crate) fn on_sent(&mut self, octets: u32) {
        self.out = self.out.saturating_add(octets);
    }
}

#[cfg(test)]
mod tests;
