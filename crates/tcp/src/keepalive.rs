//! Keepalive (RFC 9293 §3.8.4, MAY-5): off unless the application asks; then a silent peer is asked whether it is
//! still there.

use portolan_link::Instant;

use crate::tcb::{Marks, Tcb};
use crate::{Context, Error, Keepalive, OptionFlags, Signals, State};

impl Tcb {
    /// The option, if it is on.
    fn keepalive(&self, cx: &Context<'_>) -> Option<Keepalive> {
        let on = self.options.has(OptionFlags::KEEPALIVE);
        let keepalive = on.then(|| self.seldom(cx.slabs).keepalive.or(cx.config.keepalive))?;
        // RFC 5482 §4.2: it must not end what the user timeout would let live.
        let patience_s = match self.adopted_timeout_s(cx) {
            0 => 0,
            seconds => u16::try_from(seconds).unwrap_or(u16::MAX).saturating_add(1),
        };
        Some(Keepalive { time_s: keepalive.time_s.max(patience_s), ..keepalive })
    }

    /// The option, where it means something now: on an open connection with nothing to send and nothing
    /// outstanding, since otherwise retransmissions and window probes find out.
    fn active_keepalive(&self, cx: &Context<'_>) -> Option<Keepalive> {
        let open = self.state.is_synchronized() && self.state != State::TimeWait;
        let quiet = self.outstanding() == 0 && self.unsent() == 0;
        // MUST-25, MUST-26.
        self.keepalive(cx).filter(|_| open && quiet)
    }

    /// When the next probe is due, or the end; the application's numbers decide (RFC 9293 MUST-27).
    pub(crate) fn keepalive_deadline(&self, cx: &Context<'_>) -> Instant {
        let Some(keepalive) = self.keepalive(cx).filter(|_| self.state.is_synchronized()) else {
            return Instant::MAX;
        };
        let seconds = u64::from(keepalive.time_s) + u64::from(self.probes) * u64::from(keepalive.interval_s);
        let due = self.heard_at.plus_micros(seconds * 1_000_000);
        // Looked at again later if it means nothing now.
        if due > cx.now {
            due
        } else {
            cx.now.plus_micros(u64::from(keepalive.interval_s.max(1)) * 1_000_000)
        }
    }

    /// The idle timer ran out; perhaps for a probe.
    pub(crate) fn on_keepalive_deadline(&mut self, cx: &mut Context<'_>) -> Signals {
        let Some(keepalive) = self.active_keepalive(cx) else { return Signals::empty() };
        let waited = u64::from(keepalive.time_s) + u64::from(self.probes) * u64::from(keepalive.interval_s);
        if !self.silent_for(cx.now, waited * 1_000_000) {
            return Signals::empty();
        }
        // MUST-29: an ACK may be lost, so one probe without an answer is nothing yet.
        let most = planted!(18, keepalive.probes - 1, keepalive.probes);
        // As on Linux, a user timeout stands in for the number of probes.
        let over = match u64::from(self.options.user_timeout_ms) * 1_000 {
            _ if self.adopted_timeout_s(cx) > 0 => self.probes >= most,
            0 => self.probes >= most,
            timeout_us => self.probes > 0 && self.silent_for(cx.now, timeout_us),
        };
        if over {
            let signals = self.reset_now(cx, Some(Error::TimedOut));
            cx.stats.given_up += 1;
            return Signals::TIMED_OUT | signals;
        }
        // Probes that are late, because the clock has jumped or the host was stopped, are not made up for all at once:
        // the next interval begins now.
        let since_us = cx.now.as_micros().saturating_sub(waited * 1_000_000);
        self.heard_at = self.heard_at.max(Instant::from_micros(since_us));
        self.probes = self.probes.saturating_add(1);
        cx.stats.keepalive_probes += 1;
        self.marks.insert(Marks::PROBE_DUE);
        Signals::empty()
    }
}

#[cfg(test)]
mod tests;
