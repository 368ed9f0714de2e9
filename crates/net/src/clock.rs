//! The host's clock: the system's monotonic clock, counted as the core counts time.

use std::time::{self, Duration};

use portolan_link::Instant;

/// What the clock shows when it is made, so that [`Instant::ZERO`], which a stack uses for "at once", is in the past.
const START: Duration = Duration::from_secs(1);

/// A monotonic clock with an origin of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    made: time::Instant,
}

impl Clock {
    pub(crate) fn new() -> Clock {
        Clock { made: time::Instant::now() }
    }

    /// The present moment.
    pub(crate) fn now(&self) -> Instant {
        Instant::ZERO + START + self.made.elapsed()
    }

    /// The system's name for `moment`; `None` for one so far away that the system cannot name it.
    pub(crate) fn to_system(self, moment: Instant) -> Option<time::Instant> {
        self.made.checked_add(moment.since(Instant::ZERO + START))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let clock = Clock::new();
        let now = clock.now();
        assert!(now >= Instant::ZERO + START);
        let system = clock.to_system(now + Duration::from_millis(5)).unwrap();
        assert!(system > time::Instant::now() - Duration::from_secs(1));
        assert_eq!(
            clock.to_system(Instant::ZERO),
            Some(clock.made),
            "the past is clamped to the clock's making"
        );
    }
}
