//! TIME-WAIT as a small record.
use portolan_link::Instant;
use portolan_wire::SeqNumber;

use crate::{Config, Segment, SegmentPlan};

/// A connection in TIME-WAIT (RFC 9293 §3.10.7.4).
#[derive(Clone, Copy, Debug)]
pub struct TimeWait {}

/// What to do with a segment for a connection in TIME-WAIT.
#[derive(Clone, Copy, Debug)]
pub enum TimeWaitVerdict {
    /// Send this ACK.
    Ack(SegmentPlan),
    /// The segment is a SYN for a new connection on the same ports (RFC 6191): delete the record and treat the SYN as one
    /// for LISTEN, with an initial sequence number at or after `min_iss`.
    Reopen {
        /// The least initial sequence number that old segments cannot be taken for.
        min_iss: SeqNumber,
    },
    /// Nothing.
    Ignore,
    /// Delete the record.
    Delete,
}

impl TimeWait {
    /// Judges a segment of the same flow.
    pub fn on_segment(&mut self, now: Instant, config: &Config, segment: &Segment) -> TimeWaitVerdict {
        let _ = (now, config, segment);
        unimplemented!()
    }
    /// When the record may be deleted.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        unimplemented!()
    }
}
