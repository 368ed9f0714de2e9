//! The user timeout: how long text may stay unacknowledged, by the application's word (RFC 9293 §3.9.1.1, MUST-21) and by
//! the peer's (RFC 5482).
//!
//! With RFC 5482 enabled, which it is not unless the host or the application wants it, each side says how long it would wait,
//! in the SYN and in its first ACK, and again when that changes. Who lets the peer have a say then waits for as long as the
//! more patient of the two, within the host's limits: a connection outlives an outage that both are ready to sit out.
//!
//! The option is advice: it is sent once, its loss does no harm, and ACKs without text have room for it.

use crate::tcb::{Marks, Tcb};
use crate::{Context, Segment, SegmentPlan, Slabs};

/// RFC 5482 §3.3: the bit that says minutes.
const MINUTES: u16 = 0x8000;

/// Octets of the option, and of all options of a segment.
const OPTION_LEN: usize = 4;
const OPTIONS_MAX: usize = 40;

/// What an application says of RFC 5482 (§3); what is `None` is left to the host.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UserTimeoutOption {
    /// Whether the option is sent and heeded; [`crate::Config::user_timeout_option`] says so otherwise.
    pub enabled: Option<bool>,
    /// ADV_UTO in seconds; otherwise the user timeout, if one is set, or [`crate::Config::advertised_timeout_s`].
    pub advertised_s: Option<u32>,
    /// Whether the peer has a say: CHANGEABLE. Otherwise it has one if no user timeout is set.
    pub changeable: Option<bool>,
}

/// What a connection remembers of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct UserTimeoutState {
    /// REMOTE_UTO in seconds; 0 before the first.
    pub(crate) remote_s: u32,
    /// What the peer was told last, as the option has it; 0 if nothing.
    told: u16,
}

/// The option's value for so many seconds: exact up to nine hours, in minutes beyond. RFC 5482 §3.4: never 0.
fn encode(seconds: u32) -> u16 {
    match u16::try_from(seconds) {
        Ok(seconds) if seconds < MINUTES => seconds.max(1),
        _ => MINUTES | u16::try_from(seconds.div_ceil(60)).unwrap_or(u16::MAX).min(MINUTES - 1),
    }
}

/// The seconds that a value says; RFC 5482 §3.4: none, if it is 0 of either unit.
fn decode(value: u16) -> Option<u32> {
    let number = u32::from(value & !MINUTES);
    let seconds = if value & MINUTES > 0 { number * 60 } else { number };
    (seconds > 0).then_some(seconds)
}

impl Tcb {
    fn user_timeout_state(&self, slabs: &Slabs) -> UserTimeoutState {
        slabs.rare(self.rare).map_or_else(UserTimeoutState::default, |rare| rare.user_timeout)
    }

    /// RFC 5482 §3: ENABLED.
    fn uses_timeout_option(&self, cx: &Context<'_>) -> bool {
        self.seldom(cx.slabs).user_timeout_option.enabled.unwrap_or(cx.config.user_timeout_option)
    }

    /// RFC 5482 §3: ADV_UTO in seconds.
    fn advertised_timeout_s(&self, cx: &Context<'_>) -> u32 {
        let own_ms = self.options.user_timeout_ms;
        let usual_s = if own_ms > 0 { own_ms.div_ceil(1_000) } else { cx.config.advertised_timeout_s };
        self.seldom(cx.slabs).user_timeout_option.advertised_s.unwrap_or(usual_s)
    }

    /// RFC 5482 §3.1: what both sides together make of it, in seconds: max(ADV_UTO, REMOTE_UTO) within the host's limits;
    /// 0 if the peer has said nothing, or has no say.
    pub(crate) fn adopted_timeout_s(&self, cx: &Context<'_>) -> u32 {
        let remote_s = self.user_timeout_state(cx.slabs).remote_s;
        if remote_s == 0 || !self.uses_timeout_option(cx) || self.has(Marks::ORPHAN) {
            return 0;
        }
        let changeable = self.seldom(cx.slabs).user_timeout_option.changeable;
        if !changeable.unwrap_or(self.options.user_timeout_ms == 0) {
            return 0;
        }
        let (least, most) = cx.config.adopted_timeout_s;
        self.advertised_timeout_s(cx).max(remote_s).max(least).min(most)
    }

    /// USER TIMEOUT in microseconds; 0 if only retransmissions are counted.
    pub(crate) fn user_timeout_us(&self, cx: &Context<'_>) -> u64 {
        match self.adopted_timeout_s(cx) {
            0 => u64::from(self.options.user_timeout_ms) * 1_000,
            seconds => u64::from(seconds) * 1_000_000,
        }
    }

    /// The value to send now, if the peer does not know it.
    fn untold_timeout(&self, cx: &Context<'_>) -> Option<u16> {
        let value = encode(self.advertised_timeout_s(cx));
        let known = self.user_timeout_state(cx.slabs).told == value;
        (self.uses_timeout_option(cx) && !known).then_some(value)
    }

    /// The connection is open, or its options have changed: if the peer is to be told, an ACK does it.
    pub(crate) fn announce_user_timeout(&mut self, cx: &Context<'_>) {
        if self.state.is_synchronized() && self.untold_timeout(cx).is_some() {
            self.owe_ack();
        }
    }

    /// RFC 5482 §3: the SYN says it, if there is room.
    pub(crate) fn tell_timeout_in_syn(&self, cx: &Context<'_>, plan: &mut SegmentPlan) {
        let room = plan.options.len() + usize::from(self.signature_len(cx.slabs)) + OPTION_LEN <= OPTIONS_MAX;
        plan.options.user_timeout = self.untold_timeout(cx).filter(|_| room);
    }

    /// RFC 5482 §3: so does the first segment without SYN, because a peer with SYN cookies remembers nothing of the SYN.
    pub(crate) fn tell_timeout_in_ack(&mut self, cx: &mut Context<'_>, plan: &mut SegmentPlan) {
        let room = plan.options.len() + usize::from(self.signature_len(cx.slabs)) + OPTION_LEN <= OPTIONS_MAX;
        if let Some(value) = self.untold_timeout(cx).filter(|_| room) {
            plan.options.user_timeout = Some(value);
            cx.slabs.rare_or_new(&mut self.rare).user_timeout.told = value;
        }
    }

    /// An acceptable segment, a SYN-ACK among them, may say how long the peer waits.
    pub(crate) fn take_user_timeout(&mut self, cx: &mut Context<'_>, segment: &Segment) {
        if let Some(remote_s) = segment.options.user_timeout.and_then(decode)
            && self.uses_timeout_option(cx)
        {
            cx.slabs.rare_or_new(&mut self.rare).user_timeout.remote_s = remote_s;
        }
    }
}

#[cfg(test)]
mod tests;
