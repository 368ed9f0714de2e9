//! The worker: what drives a stack, and the only one who touches its links.
//!
//! It works in turns. One turn takes what the links have received, in batches; then, under the host's lock, hands
//! it to the stack, runs the timers that are due, wakes whom that concerns and lets the stack build what is to be
//! sent; then, without the lock, sends it. The worker sleeps when a whole turn found nothing to do, until a link
//! is ready, a deadline comes, or a socket's call rings the bell (see `shared.rs`).
//!
//! The stages are here; how to sleep is in `worker/tokio.rs` and `worker/thread.rs`; a link is a [`Port`].

mod port;
mod thread;
mod tokio;

use std::sync::Arc;
use std::task::Waker;
use std::thread::JoinHandle;

use portolan_link::{Instant, Pool};
use portolan_stack::{Event, Stack};

use crate::error::Error;
use crate::shared::{Core, Phase, Shared, Sleep};
use crate::wakers::WakeList;

pub(crate) use port::Port;

/// Turns after which the worker lets others have their turn, or looks at all its links again.
const TURNS_MAX: usize = 8;

/// What [`Worker::run_with`] calls.
type Handler = Box<dyn FnMut(&mut Stack, Instant, &Event) + Send>;

/// The half of a host that does its work. It owns the links; dropping it ends the host.
///
/// Run it as a task with [`Worker::run`], or on a thread with [`Worker::run_blocking`] or [`Worker::spawn_thread`].
#[must_use = "a host does nothing unless its worker runs"]
pub struct Worker {
    core: Arc<Core>,
    ports: Vec<Port>,
    /// Memory for frames that arrive, so that the drivers need no lock to get it.
    pool: Pool,
    handler: Option<Handler>,
}

/// What is to be done after a turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Next {
    /// There was something to do; there may be more.
    Again,
    /// There was nothing to do, and there will not be before this moment unless somebody says so.
    Sleep(Instant),
    /// The host has been shut down.
    End,
}

impl Worker {
    pub(crate) fn new(core: Arc<Core>, ports: Vec<Port>) -> Worker {
        Worker { core, ports, pool: Pool::new(), handler: None }
    }

    /// Runs the host as a task of a tokio runtime (with I/O and time enabled), until [`crate::Host::shutdown`].
    ///
    /// Dropping the future ends the host at once: connections are not reset, their peers find out by themselves.
    /// Errors: [`Error::System`] if a link's descriptor cannot be watched.
    pub async fn run(self) -> Result<(), Error> {
        tokio::run(self).await
    }

    /// Runs the host on the calling thread, until [`crate::Host::shutdown`]. No runtime is needed.
    ///
    /// Errors: [`Error::System`] if the system has no eventfd to give, or `poll` fails.
    pub fn run_blocking(self) -> Result<(), Error> {
        thread::run(self)
    }

    /// As [`Worker::run_blocking`], with an application that lives inside the worker's turn: `handler` sees every
    /// event, and answers it by calls of the stack, without a lock in between, without a task or a thread to switch
    /// to, and without a copy if it uses `read_chunk` and `write_chunk`.
    ///
    /// Events say "look again": one may stand for several things that happened, or come when there is nothing.
    /// `handler` runs under the host's lock, so it must not use the host's handles or sockets.
    pub fn run_with(
        mut self,
        handler: impl FnMut(&mut Stack, Instant, &Event) + Send + 'static,
    ) -> Result<(), Error> {
        self.handler = Some(Box::new(handler));
        self.core.lock().inbox = Some(Default::default());
        thread::run(self)
    }

    /// Runs the host on a thread of its own, until [`crate::Host::shutdown`].
    ///
    /// # Panics
    /// If the system gives no thread.
    pub fn spawn_thread(self) -> JoinHandle<Result<(), Error>> {
        std::thread::Builder::new()
            .name("portolan".to_owned())
            .spawn(move || self.run_blocking())
            .expect("the system gives a thread")
    }

    /// The part of a turn that needs the lock. When it returns [`Next::Sleep`], the host's calls ring `bell`.
    fn exchange(&mut self, now: Instant, bell: &Waker) -> Next {
        let mut wakes = WakeList::default();
        let core = Arc::clone(&self.core);
        let mut shared = core.lock();
        shared.worker_awake();
        let mut busy = self.hand_in(&mut shared, now);
        shared.stack.handle_timeout(now);
        busy |= self.hand_out_events(&mut shared, now, &mut wakes);
        for port in &mut self.ports {
            busy |= port.fill(&mut shared.stack, now);
        }
        // Loopback traffic may have moved meanwhile.
        busy |= self.hand_out_events(&mut shared, now, &mut wakes);
        let next = self.judge(&mut shared, now, busy, bell);
        drop(shared);
        wakes.wake_all();
        next
    }

    /// Gives the stack what the links have brought.
    fn hand_in(&mut self, shared: &mut Shared, now: Instant) -> bool {
        let mut busy = false;
        for port in &mut self.ports {
            busy |= port.hand_in(&mut shared.stack, now, &mut self.pool);
        }
        self.ports.retain(|port| {
            if port.is_gone() {
                // It exists, for the port was there until now.
                let _ = shared.stack.remove_link(now, port.id());
                shared.links.retain(|(link, _)| *link != port.id());
            }
            !port.is_gone()
        });
        busy
    }

    /// Wakes those who wait, after the handler has seen the events. Returns whether there was one.
    fn hand_out_events(&mut self, shared: &mut Shared, now: Instant, wakes: &mut WakeList) -> bool {
        let any = shared.drain_events(now, wakes);
        let Some(handler) = &mut self.handler else { return any };
        let inbox = shared.inbox.take();
        let mut events = inbox.unwrap_or_default();
        let any = !events.is_empty();
        for event in events.drain(..) {
            handler(&mut shared.stack, now, &event);
            shared.dispatch(now, event, wakes);
        }
        shared.inbox = Some(events);
        any
    }

    /// Decides what comes next, and if that is sleep, says so where every caller sees it.
    fn judge(&self, shared: &mut Shared, now: Instant, busy: bool, bell: &Waker) -> Next {
        if let Phase::Stopping(until) = shared.phase {
            let unsent = self.ports.iter().any(Port::is_full);
            if (!busy && !unsent) || until <= now {
                return Next::End;
            }
        }
        let ports = self.ports.iter().filter_map(Port::next_deadline);
        let until = ports.chain(shared.stack.next_deadline()).min().unwrap_or(Instant::MAX);
        if busy || until <= now {
            return Next::Again;
        }
        let blocked = self.ports.iter().filter(|port| !port.takes_frames()).map(Port::id).collect();
        shared.worker_sleeps(Sleep { until, blocked }, bell);
        Next::Sleep(until)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.core.end();
    }
}
