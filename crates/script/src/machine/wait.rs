//! What a call that would block remembers until it is repeated.

use portolan_link::Instant;

use crate::machine::Machine;

/// The progress of one call that may block. A new call gets a new one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wait {
    /// When the call gives up; `None` before it has begun, and for one that waits for ever.
    deadline: Option<Instant>,
    begun: bool,
    /// Whether a writing call that opens a connection waits for it with more text.
    pub(crate) blocks: bool,
    /// Octets that a writing call has got rid of so far.
    pub(crate) done: usize,
    /// Whether a writing call waits for the connection that it has opened.
    pub(crate) opening: bool,
}

impl Wait {
    /// When the call must be repeated even if nothing happens.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether this is the first try of the call.
    pub(crate) fn begin(&mut self) -> bool {
        !core::mem::replace(&mut self.begun, true)
    }

    /// Whether a call with this limit in milliseconds has waited long enough; a negative limit is none.
    pub(crate) fn is_over(&mut self, machine: &Machine, limit_ms: i32) -> bool {
        let Ok(limit_ms) = u64::try_from(limit_ms) else { return false };
        let now = machine.now();
        now >= *self.deadline.get_or_insert_with(|| now.plus_micros(limit_ms * 1_000))
    }
}
