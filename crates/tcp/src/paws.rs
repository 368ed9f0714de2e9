//! Timestamps: our clock, the peer's, and the protection against wrapped sequence numbers (RFC 7323 §4 and §5).

use portolan_link::Instant;
use portolan_wire::tcp;

use crate::numbers::low_u32;

/// RFC 7323 §5.5: after 24 days without a segment the last timestamp says nothing any more.
const RECENT_MAX_S: u32 = 24 * 24 * 3600;

/// An echo of our clock that is older than this, in milliseconds, is none.
const ECHO_MAX_MS: u32 = 60_000;

/// The state of the timestamps option. Means nothing unless both sides agreed on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Timestamps {
    /// What is added to our clock, so that it tells no uptime (RFC 7323 §7.1).
    pub(crate) offset: u32,
    /// TS.Recent.
    pub(crate) recent: u32,
    /// When TS.Recent was taken, in seconds.
    recent_at_s: u32,
}

impl Timestamps {
    pub(crate) fn new(offset: u32) -> Timestamps {
        Timestamps { offset, recent: 0, recent_at_s: 0 }
    }

    /// For a hand-over: TSval now, TS.Recent, and its age in seconds.
    pub(crate) fn to_parts(self, now: Instant) -> [u32; 3] {
        [self.value(now), self.recent, seconds(now).wrapping_sub(self.recent_at_s)]
    }

    /// What [`Timestamps::to_parts`] gave, where the clock may be another one: TSval goes on from where it was.
    pub(crate) fn from_parts([value, recent, age_s]: [u32; 3], now: Instant) -> Timestamps {
        let offset = value.wrapping_sub(low_u32(now.as_millis()));
        Timestamps { offset, recent, recent_at_s: seconds(now).wrapping_sub(age_s) }
    }

    /// TSval at `now`: our clock, which ticks every millisecond.
    pub(crate) fn value(&self, now: Instant) -> u32 {
        clock(now, self.offset)
    }

    /// RFC 7323 §5.3, R1: whether `value` is older than the last one.
    pub(crate) fn is_old(&self, value: u32, now: Instant) -> bool {
        is_before(value, self.recent)
            && planted!(2, true, seconds(now).wrapping_sub(self.recent_at_s) <= RECENT_MAX_S)
    }

    /// RFC 7323 §4.3: takes `value` for TS.Recent. The caller has checked where the segment lies.
    pub(crate) fn take(&mut self, value: u32, now: Instant) {
        if planted!(3, true, !self.is_old(value, now)) {
            self.recent = value;
            self.recent_at_s = seconds(now);
        }
    }

    /// Takes the timestamp of the peer's SYN, with which nothing can be compared yet.
    pub(crate) fn take_first(&mut self, value: u32, now: Instant) {
        self.recent = value;
        self.recent_at_s = seconds(now);
    }

    /// The millisecond of our clock that `echo` repeats; `None` as for [`Timestamps::round_trip_us`].
    pub(crate) fn sent_at_ms(&self, echo: u32, now: Instant) -> Option<u64> {
        let ticks = self.value(now).wrapping_sub(echo);
        (ticks < ECHO_MAX_MS).then(|| now.as_millis().saturating_sub(u64::from(ticks)))
    }

    /// RFC 7323 §4.1: the round trip that an echo of our clock measures, in microseconds, never below a tick.
    ///
    /// `None` for an echo from the future or from more than a minute ago, which no honest peer sends.
    pub(crate) fn round_trip_us(&self, echo: u32, now: Instant) -> Option<u64> {
        let ticks = self.value(now).wrapping_sub(echo);
        (ticks < ECHO_MAX_MS).then(|| u64::from(ticks.max(1)) * 1_000)
    }
}

/// The same for a record that lasts for minutes: by then TS.Recent does not become too old to judge by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct BriefTimestamps {
    pub(crate) offset: u32,
    pub(crate) recent: u32,
}

impl BriefTimestamps {
    pub(crate) fn of(timestamps: &Timestamps) -> BriefTimestamps {
        BriefTimestamps { offset: timestamps.offset, recent: timestamps.recent }
    }

    /// For a connection that goes on from here at `now`.
    pub(crate) fn resume(self, now: Instant) -> Timestamps {
        let mut timestamps = Timestamps::new(self.offset);
        timestamps.take_first(self.recent, now);
        timestamps
    }

    /// The option of a segment that is sent at `now`.
    pub(crate) fn option(self, now: Instant) -> tcp::Timestamps {
        tcp::Timestamps { value: clock(now, self.offset), echo: self.recent }
    }

    /// As [`Timestamps::is_old`].
    pub(crate) fn is_old(self, value: u32) -> bool {
        is_before(value, self.recent)
    }
}

fn is_before(value: u32, recent: u32) -> bool {
    let behind = recent.wrapping_sub(value);
    planted!(1, true, behind != 0) && behind < 1 << 31
}

fn clock(now: Instant, offset: u32) -> u32 {
    low_u32(now.as_millis()).wrapping_add(offset)
}

fn seconds(now: Instant) -> u32 {
    low_u32(now.as_millis() / 1_000)
}

#[cfg(test)]
mod tests;
