//! SYN-RECEIVED as a small record: what a listener keeps of a connection that is not yet open.
//!
//! RFC 9293 §3.10.7.2 and §3.10.7.4 for this one state. A flood of SYNs costs these records and no connections;
//! the host bounds their number.

use core::num::NonZeroU8;

use bitflags::bitflags;
use portolan_link::{CompactInstant, Instant};
use portolan_wire::tcp::{Flags, Options};
use portolan_wire::{Mss, SeqNumber, WindowScale};

use crate::challenge::AnswerLimit;
use crate::output::options::{SynOffer, syn_options};
use crate::paws::BriefTimestamps;
use crate::window::{BUFFER_MIN, scale_for, syn_window};
use crate::{Config, Segment, SegmentPlan, SocketOptions};

/// What a passive open is made with.
#[derive(Clone, Copy, Debug)]
pub struct PassiveOpen<'a> {
    /// The time.
    pub now: Instant,
    /// The host's knobs.
    pub config: &'a Config,
    /// The listener's options: its buffer decides window and scale.
    pub options: &'a SocketOptions,
    /// [`crate::Context::advertised_mss`], or less if the listener wants.
    pub mss: u16,
    /// As for [`crate::Tcb::connect`].
    pub timestamp_offset: u32,
}

bitflags! {
    /// What is agreed on, and what has happened.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(crate) struct Agreed: u8 {
        const SCALING = 1 << 0;
        const TIMESTAMPS = 1 << 1;
        const SACK = 1 << 2;
        /// ECN as of RFC 3168.
        const ECN = 1 << 3;
        /// The handshake is over, but the listener waits for text.
        const ACKED = 1 << 4;
    }
}

/// Two window scales in one octet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Scales(u8);

impl Scales {
    fn new(snd: WindowScale, rcv: WindowScale) -> Scales {
        Scales(snd.get() << 4 | rcv.get())
    }

    pub(crate) fn snd(self) -> WindowScale {
        WindowScale::new(self.0 >> 4)
    }

    pub(crate) fn rcv(self) -> WindowScale {
        WindowScale::new(self.0 & 15)
    }
}

/// A half-open connection of a listener (RFC 9293 §3.10.7.2, third check).
///
/// There may be very many, so each is 48 octets.
#[derive(Clone, Copy, Debug)]
pub struct Embryo {
    pub(crate) sent_at: CompactInstant,
    deadline: CompactInstant,
    answers: AnswerLimit,
    pub(crate) iss: SeqNumber,
    pub(crate) irs: SeqNumber,
    pub(crate) ts: BriefTimestamps,
    /// The window field of the SYN, which is not scaled.
    pub(crate) window: u16,
    pub(crate) peer_mss: u16,
    mss: u16,
    /// The window that our SYN-ACK offers.
    pub(crate) syn_ack_window: u16,
    pub(crate) scales: Scales,
    pub(crate) agreed: Agreed,
    /// One more than the codepoint of the SYN, if accurate ECN is agreed on.
    pub(crate) accurate: Option<NonZeroU8>,
    pub(crate) retries: u8,
}

/// What to do with a segment for an [`Embryo`].
#[derive(Clone, Copy, Debug)]
pub enum EmbryoVerdict {
    /// The handshake is complete: make a connection by [`crate::Tcb::from_embryo`] and give it this very segment.
    Establish,
    /// The segment is discarded: send this RST; the record stays.
    Reset(SegmentPlan),
    /// Send [`Embryo::syn_ack`] again.
    SynAck,
    /// The segment is discarded in silence.
    Ignore,
    /// Delete the record.
    Delete,
    /// The segment is discarded: send this ACK, which makes an honest peer say what it knows.
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
    /// The record for `segment`, a SYN without ACK and RST; `iss` is as for [`crate::Tcb::connect`]. Send
    /// [`Embryo::syn_ack`] next.
    #[must_use]
    pub fn on_syn(open: &PassiveOpen<'_>, segment: &Segment, iss: SeqNumber) -> Embryo {
        let &PassiveOpen { now, config, options, mss, timestamp_offset } = open;
        let buffer_max = options.common.recv_buffer_max;
        let buffer = config.recv_buffer.initial.min(buffer_max).max(BUFFER_MIN);
        let offered = &segment.options;
        let accurate = crate::ecn::accepts_accurate(config, segment);
        let scaling = config.window_scaling && offered.window_scale.is_some();
        let recent = offered.timestamps.map_or(0, |timestamps| timestamps.value);
        let snd_scale = WindowScale::new(offered.window_scale.filter(|_| scaling).unwrap_or(0));
        let rcv_scale = if scaling { scale_for(config, buffer_max) } else { WindowScale::default() };
        let ecn = accurate.is_none() && crate::ecn::accepts(config, segment);
        let mut agreed = Agreed::empty();
        agreed.set(Agreed::SCALING, scaling);
        agreed.set(Agreed::TIMESTAMPS, config.timestamps && offered.timestamps.is_some());
        agreed.set(Agreed::SACK, config.sack && offered.sack_permitted);
        agreed.set(Agreed::ECN, ecn);
        Embryo {
            sent_at: now.into(),
            deadline: now.plus_micros(u64::from(config.rto_initial_us)).into(),
            answers: AnswerLimit::default(),
            iss,
            irs: segment.seq,
            ts: BriefTimestamps { offset: timestamp_offset, recent },
            window: segment.window,
            // RFC 9293 MUST-15.
            peer_mss: offered.mss.unwrap_or(Mss::DEFAULT_V4).get(),
            mss,
            syn_ack_window: syn_window(buffer.min(options.seldom.window_limit())),
            scales: Scales::new(snd_scale, rcv_scale),
            agreed,
            accurate: accurate.map(|codepoint| NonZeroU8::MIN.saturating_add(codepoint)),
            retries: 0,
        }
    }

    /// Its initial sequence number and the peer's.
    #[must_use]
    pub fn initial_numbers(&self) -> (SeqNumber, SeqNumber) {
        (self.iss, self.irs)
    }

    /// Agrees to no timestamps, for which a signature leaves no room. To be called before the SYN-ACK is sent.
    pub fn forgo_timestamps(&mut self) {
        self.agreed.remove(Agreed::TIMESTAMPS);
    }

    /// Promises no larger window than `most` ([`crate::Slabs::window_max`]). To be called before the SYN-ACK is sent.
    pub fn limit_window(&mut self, most: u32) {
        self.syn_ack_window = self.syn_ack_window.min(syn_window(most));
    }

    /// Whether `seq`, which an ICMP error quotes, is our SYN-ACK's (RFC 5927 §4.1).
    #[must_use]
    pub fn is_own(&self, seq: SeqNumber) -> bool {
        seq == self.iss
    }

    /// The SYN-ACK.
    #[must_use]
    pub fn syn_ack(&self, now: Instant) -> SegmentPlan {
        let offer = SynOffer {
            mss: self.mss,
            scale: self.has(Agreed::SCALING).then_some(self.scales.rcv()),
            sack: self.has(Agreed::SACK),
            timestamps: self.has(Agreed::TIMESTAMPS).then(|| self.ts.option(now)),
        };
        let mut plan = SegmentPlan::control(self.iss, self.irs + 1, Flags::SYN | Flags::ACK);
        plan.window = self.syn_ack_window;
        plan.options = syn_options(&offer);
        plan.retransmission = self.retries > 0;
        if let Some(codepoint) = self.accurate_codepoint() {
            plan.flags |= crate::ecn::handshake_flags(codepoint);
        } else if self.has(Agreed::ECN) {
            plan.flags |= Flags::ECE;
        }
        plan
    }

    pub(crate) fn has(&self, agreed: Agreed) -> bool {
        self.agreed.contains(agreed)
    }

    /// The codepoint of the SYN, if accurate ECN is agreed on.
    pub(crate) fn accurate_codepoint(&self) -> Option<u8> {
        self.accurate.map(|more| more.get() - 1)
    }

    /// Judges a segment of the same flow, in the order of RFC 9293 §3.10.7.4. For as many SYN-ACKs as `defer` says, a
    /// listener waits for text, and the ACK alone completes nothing (`TCP_DEFER_ACCEPT`).
    pub fn on_segment(
        &mut self,
        config: &Config,
        now: Instant,
        segment: &Segment,
        defer: u8,
    ) -> EmbryoVerdict {
        let rcv_nxt = self.irs + 1;
        if segment.has(Flags::RST) {
            return self.on_reset(config, now, segment);
        }
        if segment.has(Flags::SYN) {
            return self.on_another_syn(config, now, segment);
        }
        if self.has(Agreed::TIMESTAMPS) {
            match segment.options.timestamps {
                // As Linux: something on the way has taken the option out of our SYN-ACK, or does from all segments.
                None if self.acks_syn_ack(segment) => self.agreed.remove(Agreed::TIMESTAMPS),
                None if config.timestamps_required => return EmbryoVerdict::Ignore,
                None => {}
                Some(timestamps) if self.ts.is_old(timestamps.value) => {
                    return self.challenge(config, now);
                }
                Some(_) => {}
            }
        }
        let window = u32::from(self.syn_ack_window);
        let overlaps = segment.end().after(rcv_nxt) && segment.seq.before(rcv_nxt + window);
        if !segment.seq.in_window(rcv_nxt, window) && !overlaps {
            return self.challenge(config, now);
        }
        if !segment.has(Flags::ACK) {
            return EmbryoVerdict::Ignore;
        }
        if segment.ack != self.iss + 1 {
            return EmbryoVerdict::Reset(SegmentPlan::control(segment.ack, SeqNumber(0), Flags::RST));
        }
        if self.retries < defer && segment.sequence_len() == 0 {
            self.agreed.insert(Agreed::ACKED);
            // What comes later measures the application, not the path.
            self.sent_at = Instant::ZERO.into();
            return EmbryoVerdict::Ignore;
        }
        EmbryoVerdict::Establish
    }

    /// Whether this is the very segment that a handshake waits for.
    fn acks_syn_ack(&self, segment: &Segment) -> bool {
        segment.has(Flags::ACK) && segment.ack == self.iss + 1 && segment.seq == self.irs + 1
    }

    /// RFC 5961 §3.2: only a RST with the very number that is expected next ends the attempt.
    fn on_reset(&mut self, config: &Config, now: Instant, segment: &Segment) -> EmbryoVerdict {
        let rcv_nxt = self.irs + 1;
        if segment.seq == rcv_nxt {
            EmbryoVerdict::Delete
        } else if segment.seq.in_window(rcv_nxt, u32::from(self.syn_ack_window)) {
            self.challenge(config, now)
        } else {
            EmbryoVerdict::Ignore
        }
    }

    /// The SYN again: our SYN-ACK was lost, or is under way. RFC 9293 §3.10.7.4, MUST-11: another one in the window
    /// leads back to LISTEN, and one outside of it is answered.
    fn on_another_syn(&mut self, config: &Config, now: Instant, segment: &Segment) -> EmbryoVerdict {
        if segment.seq.in_window(self.irs + 1, u32::from(self.syn_ack_window)) {
            return EmbryoVerdict::Delete;
        }
        if segment.seq != self.irs || segment.has(Flags::ACK) {
            return self.challenge(config, now);
        }
        if now.micros_since(self.sent_at.get()) < u64::from(config.challenge_ack_us) {
            return EmbryoVerdict::Ignore;
        }
        self.sent_at = now.into();
        self.retries = self.retries.max(1);
        EmbryoVerdict::SynAck
    }

    fn challenge(&mut self, config: &Config, now: Instant) -> EmbryoVerdict {
        if !self.answers.allows(config, now, self.iss) {
            return EmbryoVerdict::Ignore;
        }
        let mut plan = SegmentPlan::control(self.iss + 1, self.irs + 1, Flags::ACK);
        plan.window = self.syn_ack_window >> self.scales.rcv().get();
        let timestamps = self.has(Agreed::TIMESTAMPS).then(|| self.ts.option(now));
        plan.options = Options { timestamps, ..Options::default() };
        EmbryoVerdict::Challenge(plan)
    }

    /// Does what is due at `now`; `defer` is as for [`Embryo::on_segment`].
    pub fn on_deadline(&mut self, config: &Config, now: Instant, defer: u8) -> EmbryoDeadline {
        if now < self.next_deadline() {
            return EmbryoDeadline::Wait;
        }
        // As Linux: a peer that has acknowledged is not asked again while its text is waited for, but once at the
        // end, so that its ACK or text can still complete the handshake.
        let waits = self.has(Agreed::ACKED) && self.retries < defer;
        if self.retries >= config.synack_retries && !waits {
            return EmbryoDeadline::GiveUp;
        }
        let asks = !self.has(Agreed::ACKED) || self.retries.saturating_add(1) >= defer;
        self.retries = self.retries.saturating_add(1);
        let rto_us = u64::from(config.rto_initial_us) << self.retries.min(31);
        self.deadline = now.plus_micros(rto_us.min(u64::from(config.rto_max_us))).into();
        if !asks {
            return EmbryoDeadline::Wait;
        }
        self.sent_at = now.into();
        EmbryoDeadline::Resend
    }

    /// When [`Embryo::on_deadline`] is wanted.
    #[must_use]
    pub fn next_deadline(&self) -> Instant {
        self.deadline.get()
    }

    /// How often the SYN-ACK was sent again or put off, which decides how long a new wait is: embryos of one number that
    /// begin to wait later are due later.
    #[must_use]
    pub fn timeouts(&self) -> u8 {
        self.retries
    }
}

#[cfg(test)]
mod tests;
