//! A host: one stack, shared by its worker and its sockets.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use portolan_link::Instant;
use portolan_stack::{LinkId, Stack};

use crate::builder::HostBuilder;
use crate::flow::FlowEvents;
use crate::gateway::InterceptStream;
use crate::shared::{Core, Phase};
use crate::wakers::WakeList;

/// How long a worker that was told to end may take to send what is left.
const STOPPING: Duration = Duration::from_secs(1);

/// A handle to one host: its addresses, its routes, its connections. Clones are the same host.
///
/// A host does something only while its [`crate::Worker`] runs.
#[derive(Clone)]
pub struct Host(pub(crate) Arc<Core>);

impl Host {
    /// Starts to describe a host. With no link it has only its loopback, 127.0.0.1 and ::1.
    pub fn builder() -> HostBuilder {
        HostBuilder::new()
    }

    /// The host's clock: a monotonic one, with an origin of its own.
    pub fn now(&self) -> Instant {
        self.0.clock.now()
    }

    /// Calls the stack itself, under the host's lock, then lets the worker do what that has brought about: for all
    /// that sockets do not cover, such as routes, statistics and the table of flows.
    ///
    /// `call` must be short, and must not use this host's sockets or handles: the lock is not reentrant.
    pub fn with_stack<R>(&self, call: impl FnOnce(&mut Stack, Instant) -> R) -> R {
        let mut wakes = WakeList::default();
        let result = self.0.with(|shared, now| {
            shared.ring(&mut wakes);
            call(&mut shared.stack, now)
        });
        wakes.wake_all();
        result
    }

    /// The stack's name for a link, by the name that it was given; `None` once it is gone.
    pub fn link(&self, name: &str) -> Option<LinkId> {
        self.0.lock().links.iter().find(|(_, given)| given == name).map(|(link, _)| *link)
    }

    /// Resets every connection, refuses new ones, and ends the worker as soon as the resets are sent, or after a
    /// second. Every call of a socket then answers `ENETDOWN`. A second call changes nothing.
    pub fn shutdown(&self) {
        self.0.with(|shared, now| {
            if shared.phase == Phase::Running {
                shared.phase = Phase::Stopping(now + STOPPING);
                shared.stack.shutdown(now);
            }
        });
    }

    /// Whether the worker has ended, or was never run and dropped.
    pub fn has_ended(&self) -> bool {
        self.0.lock().phase == Phase::Ended
    }

    /// What the links that intercept bring, for a gateway. There is one reader: a second one takes what the first
    /// does not.
    pub fn intercepted(&self) -> InterceptStream {
        InterceptStream::new(&self.0)
    }

    /// The summaries of flows as they end, for one reader.
    pub fn flow_events(&self) -> FlowEvents {
        FlowEvents::new(&self.0)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("phase", &self.0.lock().phase).finish_non_exhaustive()
    }
}
