//! One link, with the frames that are on their way into and out of the stack.

use std::task::Context;
use std::time::Duration;

use portolan_drivers::{PollLink, Readiness};
use portolan_link::{Instant, Link as _, LinkCaps, LinkError, Pool, RxBatch, TxBatch};
use portolan_stack::{LinkId, Stack};
use tracing::warn;

/// Frames that one call of a driver may bring. Small enough to stay in the processor's cache until the stack has
/// seen them.
const RECEIVE_MAX: usize = 32;
/// Frames that are built before a driver is called.
const TRANSMIT_MAX: usize = 64;
/// How long a link that is down, or whose system calls fail, is left alone.
const PAUSE: Duration = Duration::from_millis(100);
/// How long at most a full link is left alone when nothing says that it has room again.
const FULL_PAUSE: Duration = Duration::from_millis(10);

/// A link and its two batches. Owned by the worker, so that system calls need no lock.
pub(crate) struct Port {
    id: LinkId,
    name: String,
    link: Box<dyn PollLink>,
    caps: LinkCaps,
    received: RxBatch,
    unsent: TxBatch,
    state: PortState,
    /// What the worker on a thread has learnt of the link.
    pub(super) ready: Ready,
    /// The last error, so that one that lasts is reported once.
    reported: Option<LinkError>,
}

/// What a link said it is ready for, and was not yet used.
#[derive(Clone, Copy, Default)]
pub(super) struct Ready {
    pub(super) read: bool,
    pub(super) write: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PortState {
    Up,
    /// The link took fewer frames than there were; the rest is offered again when it is writable or at this moment.
    /// `stuck`: it said that it has room, and took nothing.
    Full {
        retry_at: Instant,
        stuck: bool,
    },
    /// The link failed; it is tried again at this moment.
    Paused(Instant),
    Gone,
}

impl Port {
    pub(crate) fn new(id: LinkId, name: String, link: Box<dyn PollLink>) -> Port {
        let caps = link.caps();
        Port {
            id,
            name,
            link,
            caps,
            received: RxBatch::new(RECEIVE_MAX),
            unsent: TxBatch::new(TRANSMIT_MAX),
            state: PortState::Up,
            ready: Ready::default(),
            reported: None,
        }
    }

    pub(crate) fn id(&self) -> LinkId {
        self.id
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn readiness(&self) -> Readiness<'_> {
        self.link.readiness()
    }

    /// Whether an in-process wire has something to tell; if not, the task is woken when it has. Readiness of a
    /// descriptor is for the flavours of the worker to find out.
    pub(super) fn look_at_wire(&mut self, cx: &mut Context<'_>) -> bool {
        let Readiness::Wakers(handle) = self.link.readiness() else { return false };
        let told = self.is_usable() && handle.poll_ready(cx).is_ready();
        self.ready.write |= told;
        told
    }

    /// Whether frames wait for the link to take them.
    pub(super) fn is_full(&self) -> bool {
        matches!(self.state, PortState::Full { .. })
    }

    /// Whether it is worth waiting for the link to say that it has room.
    pub(super) fn waits_for_room(&self) -> bool {
        matches!(self.state, PortState::Full { stuck: false, .. })
    }

    pub(super) fn is_gone(&self) -> bool {
        self.state == PortState::Gone
    }

    /// Whether new frames may be built.
    pub(super) fn takes_frames(&self) -> bool {
        self.state == PortState::Up && self.unsent.is_empty()
    }

    /// Whether a call of the driver makes sense, apart from readiness.
    pub(super) fn is_usable(&self) -> bool {
        !matches!(self.state, PortState::Paused(_) | PortState::Gone)
    }

    /// Does what the time alone asks for: ends a pause, runs the driver's own timers. Returns whether the driver is
    /// worth a call without its readiness having told.
    pub(super) fn on_time(&mut self, now: Instant) -> bool {
        let mut due = false;
        if let PortState::Paused(until) = self.state
            && until <= now
        {
            self.state = PortState::Up;
            due = true;
        }
        if self.is_usable() && self.link.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.link.handle_timeout(now);
            due = true;
        }
        due
    }

    /// Takes what has arrived. Returns whether there may be more.
    pub(super) fn receive(&mut self, now: Instant, pool: &mut Pool) -> bool {
        if !self.is_usable() {
            return false;
        }
        match self.link.receive(now, pool, &mut self.received) {
            Ok(count) => {
                if count > 0 {
                    self.reported = None;
                }
                self.received.is_full()
            }
            Err(error) => {
                self.on_error(now, error);
                false
            }
        }
    }

    /// Whether a full link is to be offered its frames again although nothing said that it has room.
    pub(super) fn is_retry_due(&self, now: Instant) -> bool {
        matches!(self.state, PortState::Full { retry_at, .. } if retry_at <= now)
    }

    /// Offers the link what is to be sent. Returns whether that changed anything.
    pub(super) fn transmit(&mut self, now: Instant) -> bool {
        if self.unsent.is_empty() || !self.is_usable() {
            return false;
        }
        let before = self.unsent.len();
        self.state = match self.link.transmit(now, &mut self.unsent) {
            Ok(_) if self.unsent.is_empty() => PortState::Up,
            Ok(_) => PortState::Full {
                retry_at: now + FULL_PAUSE,
                stuck: self.is_full() && self.unsent.len() == before,
            },
            Err(error) => {
                self.on_error(now, error);
                return true;
            }
        };
        if self.unsent.len() < before {
            self.reported = None;
        }
        self.unsent.len() < before
    }

    /// Brings the frames that have arrived into the stack. Returns whether there were any.
    pub(super) fn hand_in(&mut self, stack: &mut Stack, now: Instant, pool: &mut Pool) -> bool {
        let caps = self.link.caps();
        if caps != self.caps {
            self.caps = caps;
            // It exists, for it is removed only together with its port.
            let _ = stack.set_link_caps(now, self.id, caps);
        }
        if self.received.is_empty() {
            return false;
        }
        // Memory goes back to the pool that it came from, or every frame would cost an allocation.
        std::mem::swap(stack.pool(), pool);
        stack.receive(now, self.id, &mut self.received);
        std::mem::swap(stack.pool(), pool);
        true
    }

    /// Lets the stack build frames. Returns whether there are any.
    pub(super) fn fill(&mut self, stack: &mut Stack, now: Instant) -> bool {
        if !self.takes_frames() {
            return false;
        }
        stack.poll_transmit(now, self.id, &mut self.unsent);
        !self.unsent.is_empty()
    }

    /// When this link wants the worker, whatever its readiness says.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match self.state {
            PortState::Paused(until) => Some(until),
            PortState::Full { retry_at, .. } => {
                Some(self.link.next_deadline().map_or(retry_at, |own| own.min(retry_at)))
            }
            PortState::Up => self.link.next_deadline(),
            PortState::Gone => None,
        }
    }

    /// Says that the link is gone: its descriptor can no longer be waited for.
    pub(super) fn lose(&mut self) {
        self.state = PortState::Gone;
    }

    fn on_error(&mut self, now: Instant, error: LinkError) {
        if self.reported != Some(error) {
            warn!(link = self.name, %error, "the link failed");
            self.reported = Some(error);
        }
        self.state = match error {
            LinkError::Gone => PortState::Gone,
            LinkError::Down | LinkError::Io(_) => PortState::Paused(now + PAUSE),
        };
    }
}

#[cfg(test)]
mod tests;
