//! Tail loss probes: when no acknowledgement comes for two round trips, one segment more is sent, so that a loss at
//! the end of a flight is found by its acknowledgement and not by a timeout (RFC 8985 §7).

use portolan_wire::SeqNumber;

use crate::recovery::Ack;

/// The state of one probe (RFC 8985 §7.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct LossProbe {
    /// The timer ran out: a segment is to be sent.
    pub(crate) due: bool,
    /// TLP.end_seq: SND.NXT after the probe, while its answer is awaited.
    end: Option<SeqNumber>,
    /// TLP.is_retrans.
    again: bool,
}

impl LossProbe {
    /// Whether a probe may be sent; RFC 8985 §7.2: one at a time.
    pub(crate) fn is_free(&self) -> bool {
        self.end.is_none()
    }

    /// The probe was sent: new text, or what was sent before.
    pub(crate) fn on_sent(&mut self, nxt: SeqNumber, again: bool) {
        *self = LossProbe { due: false, end: Some(nxt), again };
    }

    /// Whether a duplicate that ends at `end` is that of the probe.
    pub(crate) fn is_duplicate(&self, end: SeqNumber) -> bool {
        self.again && self.end == Some(end)
    }

    /// Segments sent again as a probe and not answered.
    pub(crate) fn resent_segments(&self) -> u32 {
        u32::from(self.again && self.end.is_some())
    }

    /// RFC 8985 §7.4.2. Returns whether the probe repaired a loss.
    pub(crate) fn on_ack(&mut self, ack: &Ack<'_>) -> bool {
        if ack.una != ack.prior_una {
            self.due = false;
        }
        let Some(end) = self.end.filter(|end| ack.una.at_or_after(*end)) else { return false };
        let answered = !self.again || ack.probe_duplicate || ack.una.after(end);
        let twice = ack.duplicate && ack.delivery.sacked.octets == 0;
        if answered || twice {
            self.end = None;
        }
        // Both the original and the probe have arrived if there was a duplicate; else one of them was lost.
        self.again && planted!(23, true, !ack.probe_duplicate) && ack.una.after(end)
    }
}

#[cfg(test)]
mod tests;
