//! The worker as a task: descriptors are watched by tokio's reactor, the deadline by its timer.

use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::OwnedFd;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use portolan_drivers::Readiness;
use portolan_link::{Instant, Pool};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::Sleep;

use crate::error::Error;
use crate::worker::{Next, Port, TURNS_MAX, Worker};

/// How far ahead the timer is set when there is no deadline.
const FAR: Duration = Duration::from_secs(86_400);

pub(super) async fn run(worker: Worker) -> Result<(), Error> {
    let watches: Result<Vec<Watch>, Error> = worker.ports.iter().map(Watch::new).collect();
    let mut task = Task { watches: watches?, armed: Instant::ZERO, worker };
    let mut timer = pin!(tokio::time::sleep(Duration::ZERO));
    poll_fn(|cx| task.poll(cx, timer.as_mut())).await;
    Ok(())
}

/// What the task keeps between polls.
struct Task {
    worker: Worker,
    /// One for each port, in the same order.
    watches: Vec<Watch>,
    /// The moment that the timer is set to.
    armed: Instant,
}

/// How a port's readiness is learnt.
enum Watch {
    /// A duplicate of the driver's descriptor, which belongs to the reactor.
    Fd(AsyncFd<OwnedFd>),
    /// An in-process wire, which keeps a waker itself.
    Wire,
}

impl Task {
    fn poll(&mut self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> Poll<()> {
        for _ in 0..TURNS_MAX {
            let now = self.worker.core.clock.now();
            let mut busy = false;
            for (port, watch) in self.worker.ports.iter_mut().zip(&self.watches) {
                busy |= watch.receive(port, cx, now, &mut self.worker.pool);
            }
            self.forget_lost_ports();
            let next = self.worker.exchange(now, cx.waker());
            for (port, watch) in self.worker.ports.iter_mut().zip(&self.watches) {
                busy |= watch.transmit(port, cx, now);
            }
            match next {
                Next::End => return Poll::Ready(()),
                Next::Sleep(until) if !busy && self.arm(cx, timer.as_mut(), until).is_pending() => {
                    return Poll::Pending;
                }
                Next::Sleep(_) | Next::Again => {}
            }
        }
        // Others share this thread; come back after them.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Keeps `watches` in step: the worker drops ports that are gone in its exchange.
    fn forget_lost_ports(&mut self) {
        let mut ports = self.worker.ports.iter();
        self.watches.retain(|_| ports.next().is_some_and(|port| !port.is_gone()));
    }

    /// Sets the timer. One that is set to an earlier moment stays: deadlines move with every acknowledgement, and a
    /// wake-up too many costs less than setting the timer each time.
    fn arm(&mut self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>, until: Instant) -> Poll<()> {
        if timer.is_elapsed() || until < self.armed {
            self.armed = until;
            let far = tokio::time::Instant::now() + FAR;
            let system = self.worker.core.clock.to_system(until).map_or(far, |at| far.min(at.into()));
            timer.as_mut().reset(system);
        }
        timer.poll(cx)
    }
}

impl Watch {
    fn new(port: &Port) -> Result<Watch, Error> {
        match port.readiness() {
            Readiness::Wakers(_) => Ok(Watch::Wire),
            Readiness::Fd(fd) => fd
                .try_clone_to_owned()
                .and_then(watch)
                .map(Watch::Fd)
                .map_err(Error::system("watching a link's descriptor")),
        }
    }

    /// Takes what has arrived. Returns whether the port was ready: then only the next turn registers the task for
    /// what comes later, so there must be one.
    fn receive(&self, port: &mut Port, cx: &mut Context<'_>, now: Instant, pool: &mut Pool) -> bool {
        let due = port.on_time(now);
        match self {
            Watch::Wire => {
                let told = port.look_at_wire(cx);
                if due || told {
                    port.receive(now, pool);
                }
                due || told
            }
            Watch::Fd(fd) => match fd.poll_read_ready(cx) {
                Poll::Ready(Ok(mut guard)) => {
                    // The guard remembers what it was told of, so that readiness which comes after the driver has
                    // found nothing left is not cleared with the old.
                    if !port.receive(now, pool) && port.is_usable() {
                        guard.clear_ready();
                    }
                    port.is_usable()
                }
                Poll::Ready(Err(_)) => {
                    port.lose();
                    true
                }
                Poll::Pending if due => {
                    port.receive(now, pool);
                    true
                }
                Poll::Pending => false,
            },
        }
    }

    /// Sends what was built, and what a full link left before if it has room again. Returns whether the link took
    /// something or may take more at once.
    fn transmit(&self, port: &mut Port, cx: &mut Context<'_>, now: Instant) -> bool {
        if !port.is_full() || port.is_retry_due(now) || port.ready.write {
            port.ready.write = false;
            let progress = port.transmit(now);
            if !port.is_full() {
                return progress;
            }
        }
        match self {
            // Its bell was looked at when frames were taken.
            Watch::Wire => false,
            Watch::Fd(fd) => match write_ready(fd, cx, || {
                port.transmit(now);
                port.is_full()
            }) {
                Poll::Ready(Ok(())) => true,
                Poll::Ready(Err(_)) => {
                    port.lose();
                    true
                }
                Poll::Pending => false,
            },
        }
    }
}

#[expect(
    deprecated,
    reason = "what replaces it is unsafe, for types whose descriptor may change or close; an OwnedFd's does not"
)]
fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, Interest::READABLE | Interest::WRITABLE)
}

/// Runs `transmit` if the descriptor is writable; it returns whether the link is full, and then readiness is
/// waited for anew. `Pending` when the task is registered.
fn write_ready(
    fd: &AsyncFd<OwnedFd>,
    cx: &mut Context<'_>,
    mut transmit: impl FnMut() -> bool,
) -> Poll<io::Result<()>> {
    let mut guard = ready!(fd.poll_write_ready(cx))?;
    if transmit() {
        guard.clear_ready();
        drop(guard);
        // Registers the task, or finds that there is room by now; the next turn uses it.
        return fd.poll_write_ready(cx).map_ok(drop);
    }
    Poll::Ready(Ok(()))
}
