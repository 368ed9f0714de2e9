//! The delivery rate: how fast the path takes what is sent (draft-ietf-ccwg-bbr §4.1; before, a draft of its own,
//! draft-cheng-iccrg-delivery-rate-estimation).
//!
//! Every flight record remembers how much had been delivered when it was sent, and when. An acknowledgement then
//! tells how much was delivered in between; the rate is that by the longer of the times in which it was sent and
//! in which it was acknowledged, so that neither a burst of ACKs nor one of segments looks like a fast path.

use portolan_link::Instant;
use portolan_wire::SeqNumber;

use crate::congestion::RateSample;
use crate::numbers::{low_u32, micros_u32};

/// What a flight record remembers of the moment at which it was sent. Times are microseconds and counts octets,
/// modulo 2^32.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct SendStamp {
    delivered: u32,
    delivered_at_us: u32,
    first_sent_us: u32,
    lost: u32,
    in_flight: u32,
    app_limited: bool,
}

/// A record that was delivered just now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivered {
    pub(crate) stamp: SendStamp,
    pub(crate) sent_at: Instant,
    pub(crate) end: SeqNumber,
    pub(crate) resent: bool,
}

/// The estimator of one connection with something in flight.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rate {
    /// When something was last delivered.
    delivered_at: Instant,
    /// When the newest segment that was delivered had been sent.
    first_sent_at: Instant,
    /// The total of octets delivered with which the application has caught up; before, it was the limit.
    app_limited_until: Option<u64>,
    /// Octets held for lost so far, modulo 2^32.
    lost: u32,
    /// Of what the current acknowledgement delivered, what was sent last.
    newest: Option<Delivered>,
    /// The last sample that tells something, in octets per second, and whether the application was the limit.
    pub(crate) last: (u64, bool),
}

impl Rate {
    /// The stamp of what is sent now. `idle` says that nothing was in flight, `in_flight` counts the new octets.
    pub(crate) fn stamp(&mut self, now: Instant, idle: bool, delivered: u64, in_flight: u32) -> SendStamp {
        if idle {
            (self.first_sent_at, self.delivered_at) = (now, now);
        }
        SendStamp {
            delivered: low_u32(delivered),
            delivered_at_us: low_u32(self.delivered_at.as_micros()),
            first_sent_us: low_u32(self.first_sent_at.as_micros()),
            lost: self.lost,
            in_flight,
            app_limited: self.app_limited_until.is_some(),
        }
    }

    /// The current acknowledgement delivered a record.
    pub(crate) fn on_delivered(&mut self, record: Delivered) {
        let is_newer = self.newest.is_none_or(|newest| {
            record.sent_at > newest.sent_at
                || record.sent_at == newest.sent_at && record.end.after(newest.end)
        });
        if is_newer {
            self.newest = Some(record);
        }
    }

    /// Octets held for lost so far, modulo 2^32.
    pub(crate) fn lost(&self) -> u32 {
        self.lost
    }

    pub(crate) fn on_lost(&mut self, octets: u32) {
        self.lost = self.lost.wrapping_add(octets);
    }

    /// There is nothing more to send although the window has room; `delivered` and `in_flight` are as of now.
    pub(crate) fn on_app_limited(&mut self, delivered: u64, in_flight: u32) {
        self.app_limited_until = Some(delivered + u64::from(in_flight));
    }

    /// Whether the application, and not the path, limited what is in flight.
    pub(crate) fn is_app_limited(&self) -> bool {
        self.app_limited_until.is_some()
    }

    /// The acknowledgement has been taken in, with which `delivered` octets are delivered in all: what it says of
    /// the rate. `min_rtt_us` is the least round trip; what took less is no measurement.
    pub(crate) fn sample(&mut self, now: Instant, delivered: u64, min_rtt_us: u32) -> Option<RateSample> {
        let newest = self.newest.take()?;
        if self.app_limited_until.is_some_and(|until| delivered > until) {
            self.app_limited_until = None;
        }
        self.delivered_at = now;
        self.first_sent_at = newest.sent_at;
        let stamp = newest.stamp;
        let sending_us = low_u32(newest.sent_at.as_micros()).wrapping_sub(stamp.first_sent_us);
        let acking_us = low_u32(now.as_micros()).wrapping_sub(stamp.delivered_at_us);
        let octets = low_u32(delivered).wrapping_sub(stamp.delivered);
        let interval_us = sending_us.max(acking_us);
        if interval_us == 0 || interval_us < min_rtt_us || octets > u32::MAX / 2 {
            return None;
        }
        let sample = RateSample {
            delivered: octets,
            interval_us,
            rtt_us: micros_u32(now.micros_since(newest.sent_at)),
            prior_delivered: delivered - u64::from(octets).min(delivered),
            tx_in_flight: stamp.in_flight,
            lost: self.lost.wrapping_sub(stamp.lost),
            app_limited: stamp.app_limited,
            retransmission: newest.resent,
        };
        let rate = sample.octets_per_s();
        if !sample.app_limited || rate >= self.last.0 {
            self.last = (rate, sample.app_limited);
        }
        Some(sample)
    }
}

#[cfg(test)]
mod tests;
