//! SYN-RECEIVED as a small record: what a listener keeps of a connection that is not yet open.
use portolan_link::Instant;
use portolan_wire::SeqNumber;

use crate::{Config, Segment, SegmentPlan};

/// A half-open connection of a listener (RFC 9293 §3.10.7.2, third check).
#[derive(Clone, Copy, Debug)]
pub struct Embryo {}

/// What to do with a segment for an [`Embryo`].
#[derive(Clone, Copy, Debug)]
pub enum EmbryoVerdict {
    /// The handshake is complete: make a connection by [`crate::Tcb::from_embryo`] and give it this very segment.
    Establish,
    /// Send this RST; the record stays.
    Reset(SegmentPlan),
    /// Send [`Embryo::syn_ack`] again.
    SynAck,
    /// Nothing.
    Ignore,
    /// Delete the record.
    Delete,
    /// Send this ACK, which makes an honest peer say what it knows.
    Challenge(SegmentPlan),
}

/// What to do when an embryo's time has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EmbryoDeadline {
    /// It was too early.
    Wait,
    /// Send [`Embryo::syn_ack`] again.
    Resend,
    /// Delete the record.
    GiveUp,
}

impl Embryo {
    /// The record for `segment`, a SYN. `mss` is [`crate::Context::mss`]. Send [`Embryo::syn_ack`] next.
    #[must_use]
    pub fn on_syn(
        now: Instant,
        config: &Config,
        segment: &Segment,
        mss: u16,
        iss: SeqNumber,
        timestamp_offset: u32,
    ) -> Embryo {
        let _ = (now, config, segment, mss, iss, timestamp_offset);
        unimplemented!()
    }
    /// The SYN-ACK.
    #[must_use]
    pub fn syn_ack(&self, now: Instant, config: &Config) -> SegmentPlan {
        let _ = (now, config);
        unimplemented!()
    }
    /// Judges a segment of the same flow.
    pub fn on_segment(&mut self, config: &Config, now: Instant, segment: &Segment) -> EmbryoVerdict {
        let _ = (now, config, segment);
        unimplemented!()
    }
    /// Does what is due at `now`.
    pub fn on_deadline(&mut self, config: &Config, now: Instant) -> EmbryoDeadline {
        let _ = (now, config);
        unimplemented!()
    }
    /// When [`Embryo::on_deadline`] is wanted.
    #[must_use]
    pub fn next_deadline(&self) -> Instant {
        unimplemented!()
    }
}
