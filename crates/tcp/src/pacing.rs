//! Pacing: segments leave at a rate, and not as fast as the window allows.
//!
//! Done by the connection itself, with a deadline of its own, so that no queue below has to know of it. Text leaves in
//! trains: about a millisecond's worth of the rate, or two segments if that is more, so that a fast connection is not
//! woken for every segment (Linux's internal pacing; RFC 9002 §7.7 says much the same for QUIC).
//!
//! A controller that names a rate is always paced. Others are if [`crate::Config::pacing`] says so or the application has
//! set a limit (`SO_MAX_PACING_RATE`); their rate is the window in a round trip, and some more.

use portolan_link::Instant;

use crate::congestion::record::Record;
use crate::output::{Action, Blocked};
use crate::tcb::Tcb;
use crate::{Context, SeldomOptions};

/// A millisecond's share of a second, as a shift.
const TRAIN_SHIFT: u32 = 10;
/// The longest delay of a timer, in nanoseconds, that is made up for: what a process may wait for a busy processor.
const LATE_MAX: u64 = 10_000_000;

/// When the next train may leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pacing {
    next_at: Instant,
    /// Octets that the present train may still take.
    train: u32,
    /// Whether it was the pace alone that held text back at last.
    waits: bool,
}

impl Pacing {
    pub(crate) const IDLE: Pacing = Pacing { next_at: Instant::ZERO, train: 0, waits: false };

    /// The connection has sent what it can for now; `waits` says that more is only waiting for its time.
    pub(crate) fn note(&mut self, waits: bool) {
        self.waits = waits;
    }

    fn holds(&self, now: Instant) -> bool {
        self.train == 0 && self.next_at > now
    }

    /// `len` octets leave, at `rate` octets per second and in trains of `train`.
    fn on_sent(&mut self, now: Instant, len: u32, rate: u64, train: u32) {
        let nanos = u64::from(len).saturating_mul(1_000_000_000) / rate.max(1);
        if self.next_at <= now {
            // A train that leaves late is made up for: wholly if it was the timer that was late, so that the rate is
            // kept on a busy machine; else by half at most, since there was nothing to be sent.
            let most = if self.waits { LATE_MAX } else { planted!(39, nanos, nanos / 2) };
            let earliest = Instant::from_nanos(now.as_nanos().saturating_sub(most));
            self.next_at = self.next_at.max(earliest);
            self.train = train;
        }
        self.train = self.train.saturating_sub(len);
        self.next_at = Instant::from_nanos(self.next_at.as_nanos().saturating_add(nanos));
    }
}

impl Tcb {
    /// Octets per second at which the window would be sent in a round trip, with Linux's margin: twice as fast while it
    /// doubles, a fifth faster later. `None` before the first round trip.
    pub(crate) fn window_rate(&self, cx: &Context<'_>) -> Option<u64> {
        let doubling = self.cc.window() < self.cc.threshold() / 2;
        let percent = if doubling { cx.config.pacing_ss_ratio } else { cx.config.pacing_ca_ratio };
        let window = u64::from(self.cc.window().max(self.in_flight(cx.slabs)));
        (window * u64::from(percent) * 10_000).checked_div(u64::from(self.rtt.srtt_us()))
    }

    /// Octets per second at which text leaves; `None` if nothing but the window limits it.
    pub(crate) fn pacing_rate(&self, cx: &Context<'_>) -> Option<u64> {
        let limit = match self.seldom(cx.slabs) {
            SeldomOptions { max_pacing_rate: 0, .. } => None,
            SeldomOptions { max_pacing_rate, .. } => Some(max_pacing_rate),
        };
        let own = self.record(cx).and_then(|record| record.controller.get().pacing_rate());
        let wanted = own.or_else(|| {
            (cx.config.pacing || limit.is_some()).then(|| self.window_rate(cx).unwrap_or(u64::MAX))
        })?;
        Some(wanted.min(limit.unwrap_or(u64::MAX)).max(1))
    }

    fn record<'a>(&self, cx: &'a Context<'_>) -> Option<&'a Record> {
        cx.slabs.congestion(self.cc.slot)
    }

    /// Whether text waits for its time.
    pub(crate) fn is_paced_out(&self, cx: &Context<'_>) -> bool {
        self.record(cx).is_some_and(|record| record.pacing.holds(cx.now))
    }

    /// `len` octets of text leave. The initial window goes at once: before there is an ACK, there is no clock.
    pub(crate) fn pace(&mut self, cx: &mut Context<'_>, len: u32) {
        let full = u32::from(self.full_text(cx));
        let sent = self.counters.bytes_acked.saturating_add(self.outstanding().into());
        let initial = u64::from(full) * u64::from(cx.config.initial_window);
        let Some(rate) = self.pacing_rate(cx).filter(|_| sent > initial) else { return };
        let train = u32::try_from(rate >> TRAIN_SHIFT).unwrap_or(u32::MAX).max(2 * full);
        let now = cx.now;
        self.congestion_record(cx).pacing.on_sent(now, len, rate, train);
    }

    /// When text that waits for its time is due; never, if none waits.
    pub(crate) fn pacing_deadline(&self, cx: &Context<'_>) -> Instant {
        let next = self.record(cx).filter(|record| record.pacing.holds(cx.now));
        match next {
            Some(record) if matches!(self.decide(cx, u32::MAX), Action::Nothing(Blocked::Pacing)) => {
                record.pacing.next_at
            }
            _ => Instant::MAX,
        }
    }
}

#[cfg(test)]
mod tests;
