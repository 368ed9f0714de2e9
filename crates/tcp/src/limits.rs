//! What limits a connection's sending, and for how long (RFC 4898's `SndLimTime*`, `TCP_INFO`'s chronographs).

use portolan_link::Instant;

use crate::numbers::low_u32;
use crate::tcb::Tcb;

/// What keeps a connection from sending more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Limit {
    /// It has nothing to send.
    #[default]
    Idle,
    /// The network: text waits for the congestion window or for acknowledgements.
    Network,
    /// The peer's window.
    ReceiveWindow,
    /// The application wants to write more than the send buffer takes.
    SendBuffer,
}

/// Milliseconds by limit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LimitClock {
    since_ms: u32,
    network_ms: u32,
    receive_window_ms: u32,
    send_buffer_ms: u32,
}

impl LimitClock {
    /// For a hand-over: the sums in milliseconds.
    pub(crate) fn to_parts(self) -> [u32; 3] {
        [self.network_ms, self.receive_window_ms, self.send_buffer_ms]
    }

    /// A clock that begins at `now` with these sums.
    pub(crate) fn from_parts(
        [network_ms, receive_window_ms, send_buffer_ms]: [u32; 3],
        now: Instant,
    ) -> LimitClock {
        LimitClock { since_ms: low_u32(now.as_millis()), network_ms, receive_window_ms, send_buffer_ms }
    }

    /// It was `limit` until `now`.
    pub(crate) fn count(&mut self, now: Instant, limit: Limit) {
        let now_ms = low_u32(now.as_millis());
        let elapsed_ms = now_ms.wrapping_sub(self.since_ms);
        self.since_ms = now_ms;
        let sum = match limit {
            Limit::Idle => return,
            Limit::Network => &mut self.network_ms,
            Limit::ReceiveWindow => &mut self.receive_window_ms,
            Limit::SendBuffer => &mut self.send_buffer_ms,
        };
        *sum = sum.saturating_add(elapsed_ms);
    }

    /// Microseconds: busy at all, limited by the peer's window, limited by the send buffer.
    pub(crate) fn totals_us(&self) -> (u64, u64, u64) {
        let us = |ms: u32| u64::from(ms) * 1_000;
        let (window, buffer) = (us(self.receive_window_ms), us(self.send_buffer_ms));
        (us(self.network_ms) + window + buffer, window, buffer)
    }
}

impl Tcb {
    /// From now on it is `limit`.
    pub(crate) fn set_limit(&mut self, now: Instant, limit: Limit) {
        if limit != self.limit {
            self.limits.count(now, self.limit);
            self.limit = limit;
        }
    }

    /// How long it has been `limit` now, in microseconds.
    pub(crate) fn limited_us(&self, now: Instant, limit: Limit) -> Option<u64> {
        let ms = low_u32(now.as_millis()).wrapping_sub(self.limits.since_ms);
        (self.limit == limit).then(|| u64::from(ms) * 1_000)
    }

    /// The totals up to `now`; see [`LimitClock::totals_us`].
    pub(crate) fn limits_us(&self, now: Instant) -> (u64, u64, u64) {
        let mut limits = self.limits;
        limits.count(now, self.limit);
        limits.totals_us()
    }
}

#[cfg(test)]
mod tests;
