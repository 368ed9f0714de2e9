//! What limits a connection's sending, and for how long (RFC 4898's `SndLimTime*`, `TCP_INFO`'s chronographs).

use portolan_link::Instant;

use crate::numbers::micros_u32;

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
    limit: Limit,
}

impl LimitClock {
    /// From `now` on it is `limit`.
    pub(crate) fn set(&mut self, now: Instant, limit: Limit) {
        if limit == self.limit {
            return;
        }
        let elapsed_ms = self.elapsed_ms(now);
        if let Some(sum) = self.sum_mut() {
            *sum = sum.saturating_add(elapsed_ms);
        }
        self.since_ms = millis(now);
        self.limit = limit;
    }

    fn elapsed_ms(&self, now: Instant) -> u32 {
        millis(now).wrapping_sub(self.since_ms)
    }

    fn sum_mut(&mut self) -> Option<&mut u32> {
        match self.limit {
            Limit::Idle => None,
            Limit::Network => Some(&mut self.network_ms),
            Limit::ReceiveWindow => Some(&mut self.receive_window_ms),
            Limit::SendBuffer => Some(&mut self.send_buffer_ms),
        }
    }

    /// Microseconds up to `now`: busy at all, limited by the peer's window, limited by the send buffer.
    pub(crate) fn totals_us(&self, now: Instant) -> (u64, u64, u64) {
        let mut sums = *self;
        sums.set(now, Limit::Idle);
        let us = |ms: u32| u64::from(ms) * 1_000;
        let (window, buffer) = (us(sums.receive_window_ms), us(sums.send_buffer_ms));
        (us(sums.network_ms) + window + buffer, window, buffer)
    }
}

fn millis(now: Instant) -> u32 {
    micros_u32(now.as_millis() & u64::from(u32::MAX))
}
