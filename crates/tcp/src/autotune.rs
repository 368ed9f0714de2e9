//! Dynamic right-sizing: the receive buffer follows the rate at which the application reads.
//!
//! In each round trip the octets that were read are counted. The sender's window may double in the next, so the
//! buffer has to hold twice as much, and the growth on top, or our window would limit the sender. (W. Feng and
//! others, "Dynamic Right-Sizing", 2001; Linux does the same.)

use portolan_link::Instant;

/// The longest time to measure over, when the round trip is unknown or absurd, in microseconds.
const ROUND_MAX_US: u32 = 1_000_000;

/// Segments shorter than this do not open the window, in octets of text.
const TRICKLE: u32 = 128;

/// What was read in this round trip.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Autotune {
    began_at: Instant,
    octets: u32,
    /// The most octets read in one round trip so far.
    most: u32,
    /// The round trip as the receiver sees it, from echoed timestamps, in microseconds; 0 before the first.
    rtt_us: u32,
    /// Octets by which a window that opens slowly is larger than at first.
    opened: u32,
}

impl Autotune {
    /// A segment echoed a timestamp that is `rtt_us` old. The least of late counts: a sender that had nothing
    /// to say echoes old timestamps.
    pub(crate) fn on_echo(&mut self, rtt_us: u32) {
        self.rtt_us = match self.rtt_us {
            0 => rtt_us,
            known if rtt_us < known => rtt_us,
            known => known + (rtt_us - known) / 64,
        };
    }

    /// A segment brought `octets` of text, and full ones bring `mss`: as on Linux, the window opens by twice as much,
    /// so that it stays ahead of a sender in slow start; but not for a trickle, which takes more memory than it brings.
    pub(crate) fn on_text(&mut self, octets: u32, mss: u16) {
        if octets >= TRICKLE {
            self.opened = self.opened.saturating_add(octets.max(mss.into()).saturating_mul(2));
        }
    }

    /// Octets by which a window that opens slowly is larger than at first.
    pub(crate) fn opened(&self) -> u32 {
        self.opened
    }

    /// The round trip as the receiver sees it, in microseconds; 0 before the first measurement.
    pub(crate) fn rtt_us(&self) -> u32 {
        self.rtt_us
    }

    /// The application took `octets`. Returns the buffer that it needs, if a round trip is over and it was a
    /// good one.
    pub(crate) fn on_read(&mut self, now: Instant, octets: u32, srtt_us: u32) -> Option<u32> {
        self.octets = self.octets.saturating_add(octets);
        let rtt_us = if self.rtt_us == 0 { srtt_us } else { self.rtt_us };
        if now.micros_since(self.began_at) < u64::from(rtt_us.clamp(1, ROUND_MAX_US)) {
            return None;
        }
        let octets = core::mem::take(&mut self.octets);
        self.began_at = now;
        if octets <= self.most {
            return None;
        }
        let growth = octets - self.most;
        self.most = octets;
        Some(octets.saturating_mul(2).saturating_add(planted!(51, 0, growth.saturating_mul(2))))
    }
}

#[cfg(test)]
mod tests;
