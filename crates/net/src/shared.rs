//! What the worker and the sockets share: the stack, and who waits for it.
//!
//! One lock guards it all. It is held for pure computation only, one turn of the worker or one call of a socket,
//! never across a system call and never while a waker runs. The rule that no wake-up is lost: the worker marks
//! itself asleep under the lock, after it has seen that there is nothing to do, and whoever then makes work for it
//! rings its bell, once, with the mark taken back.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use portolan_link::Instant;
use portolan_stack::{Event, LinkId, SocketError, SocketId, Stack};
use rustix::io::Errno;
use smallvec::SmallVec;
use tracing::warn;

use crate::clock::Clock;
use crate::flow::FlowQueue;
use crate::gateway::InterceptQueue;
use crate::wakers::{Direction, WakeList, WakerTable};

/// One host, shared by its worker, its sockets and its handles.
pub(crate) struct Core {
    pub(crate) clock: Clock,
    shared: Mutex<Shared>,
}

/// What the lock guards.
pub(crate) struct Shared {
    pub(crate) stack: Stack,
    pub(crate) wakers: WakerTable,
    pub(crate) intercepts: InterceptQueue,
    pub(crate) flows: FlowQueue,
    /// The links that are not gone, with their names.
    pub(crate) links: Vec<(LinkId, String)>,
    pub(crate) phase: Phase,
    /// Events for the worker's handler, if it has one; see [`crate::Worker::run_with`].
    pub(crate) inbox: Option<VecDeque<Event>>,
    sleep: Option<Sleep>,
    bell: Option<Waker>,
}

/// How far a host's life has gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    Running,
    /// Connections are reset; the worker sends what is left and ends, at the given moment at the latest.
    Stopping(Instant),
    /// The worker is gone. Every call answers ENETDOWN.
    Ended,
}

/// What a sleeping worker waits for, beside its links and its bell.
pub(crate) struct Sleep {
    pub(crate) until: Instant,
    /// Links that take no more frames now: work for them is no reason to ring.
    pub(crate) blocked: SmallVec<[LinkId; 2]>,
}

impl Core {
    pub(crate) fn new(stack: Stack, links: Vec<(LinkId, String)>, clock: Clock) -> Arc<Core> {
        Arc::new(Core {
            clock,
            shared: Mutex::new(Shared {
                stack,
                wakers: WakerTable::default(),
                intercepts: InterceptQueue::default(),
                flows: FlowQueue::default(),
                links,
                phase: Phase::Running,
                inbox: None,
                sleep: None,
                bell: None,
            }),
        })
    }

    /// The lock. After a panic of another thread inside the stack its state means nothing any more, so the host
    /// counts as ended.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(|poison: PoisonError<_>| {
            let mut shared = poison.into_inner();
            shared.phase = Phase::Ended;
            shared
        })
    }

    /// Runs one call under the lock, then wakes whom it concerns.
    pub(crate) fn with<R>(&self, call: impl FnOnce(&mut Shared, Instant) -> R) -> R {
        let mut wakes = WakeList::default();
        let mut shared = self.lock();
        let now = self.clock.now();
        let result = call(&mut shared, now);
        shared.settle(now, &mut wakes);
        drop(shared);
        wakes.wake_all();
        result
    }

    /// Runs one call of a socket, as [`Core::with`]. Errors: the stack's, or ENETDOWN when the host has ended.
    pub(crate) fn call<R>(
        &self,
        call: impl FnOnce(&mut Stack, Instant) -> Result<R, SocketError>,
    ) -> io::Result<R> {
        self.with(|shared, now| match shared.phase {
            Phase::Ended => Err(ended()),
            _ => call(&mut shared.stack, now).map_err(io_error),
        })
    }

    /// Runs one call of the stack, as [`Core::with`], unless the host has ended: then there is nothing to be done.
    pub(crate) fn with_live(&self, call: impl FnOnce(&mut Stack, Instant)) {
        self.with(|shared, now| {
            if shared.phase != Phase::Ended {
                call(&mut shared.stack, now);
            }
        });
    }

    /// Says that the worker is gone: everybody who waits is woken, and finds the host ended.
    pub(crate) fn end(&self) {
        let mut wakes = WakeList::default();
        let mut shared = self.lock();
        shared.phase = Phase::Ended;
        shared.wakers.wake_everyone(&mut wakes);
        shared.intercepts.wake_everyone(&mut wakes);
        shared.flows.wake(&mut wakes);
        drop(shared);
        wakes.wake_all();
    }
}

impl Shared {
    /// Hands out what a call brought about: events to those who wait, and the bell to a sleeping worker.
    fn settle(&mut self, now: Instant, wakes: &mut WakeList) {
        self.drain_events(now, wakes);
        let Some(sleep) = &self.sleep else { return };
        let stack = &self.stack;
        let sendable = |link: LinkId| !sleep.blocked.contains(&link) && stack.wants_transmit(link);
        let wanted = stack.next_deadline().is_some_and(|deadline| deadline < sleep.until)
            || self.links.iter().any(|(link, _)| sendable(*link))
            || self.inbox.as_ref().is_some_and(|inbox| !inbox.is_empty())
            || matches!(self.phase, Phase::Stopping(_));
        if wanted {
            self.ring(wakes);
        }
    }

    /// Wakes the worker if it sleeps.
    pub(crate) fn ring(&mut self, wakes: &mut WakeList) {
        if self.sleep.take().is_some()
            && let Some(bell) = &self.bell
        {
            wakes.push(bell.clone());
        }
    }

    /// The worker is at work; nobody need ring.
    pub(crate) fn worker_awake(&mut self) {
        self.sleep = None;
    }

    /// The worker is about to sleep, and `bell` wakes it.
    pub(crate) fn worker_sleeps(&mut self, sleep: Sleep, bell: &Waker) {
        self.sleep = Some(sleep);
        match &mut self.bell {
            Some(kept) => kept.clone_from(bell),
            None => self.bell = Some(bell.clone()),
        }
    }

    /// Takes every event of the stack, to the handler's inbox or at once to those who wait. Returns whether there
    /// was one.
    pub(crate) fn drain_events(&mut self, now: Instant, wakes: &mut WakeList) -> bool {
        let mut any = false;
        while let Some(event) = self.stack.poll_event() {
            any = true;
            match &mut self.inbox {
                Some(inbox) => inbox.push_back(event),
                None => self.dispatch(now, event, wakes),
            }
        }
        any
    }

    /// Gives one event to those who wait for it.
    pub(crate) fn dispatch(&mut self, now: Instant, event: Event, wakes: &mut WakeList) {
        match event {
            Event::Readable(id) | Event::Urgent(id) | Event::Acceptable(id) => {
                self.wakers.wake(id, Direction::Read, wakes)
            }
            Event::Writable(id) => self.wakers.wake(id, Direction::Write, wakes),
            Event::Connected(id)
            | Event::ConnectFailed(id, _)
            | Event::PeerClosed(id)
            | Event::Failed(id, _) => self.wakers.wake_both(id, wakes),
            Event::AddressConflict(link, address, ethernet) => {
                warn!(%link, %address, %ethernet, "somebody else claims this host's address");
            }
            Event::PortsExhausted(exhausted) => warn!("{exhausted}"),
            Event::FlowClosed(summary) => self.flows.push(*summary, wakes),
            other => self.intercepts.on_event(&mut self.stack, now, other, wakes),
        }
    }

    /// Waits on behalf of a `poll_*` function.
    pub(crate) fn poll_later(&mut self, id: SocketId, direction: Direction, waker: &Waker) {
        self.wakers.register_poll(id, direction, waker);
    }
}

/// The error of every call after the worker's end.
pub(crate) fn ended() -> io::Error {
    Errno::NETDOWN.into()
}

/// The same error as the standard library would return for it: `raw_os_error` is the errno, and `kind` follows.
pub(crate) fn io_error(error: SocketError) -> io::Error {
    io::Error::from_raw_os_error(error.errno())
}
