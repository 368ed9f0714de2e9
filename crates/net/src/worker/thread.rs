//! The worker on a thread: it sleeps in `poll(2)`, on its links' descriptors and on an eventfd that is its bell.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use portolan_drivers::Readiness;
use portolan_link::Instant;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use smallvec::SmallVec;

use crate::error::Error;
use crate::worker::{Next, Port, TURNS_MAX, Worker};

/// Drives a worker until its host is shut down.
pub(super) fn run(mut worker: Worker) -> Result<(), Error> {
    let bell = Arc::new(Bell::new().map_err(Error::system("making an eventfd"))?);
    let waker = Waker::from(Arc::clone(&bell));
    loop {
        let until = match turns(&mut worker, &waker) {
            Next::End => return Ok(()),
            Next::Again => Instant::ZERO,
            Next::Sleep(until) => until,
        };
        wait(&mut worker, &bell, until).map_err(Error::system("waiting for links"))?;
    }
}

/// Takes turns while there is something to do, but looks at all links again now and then.
fn turns(worker: &mut Worker, waker: &Waker) -> Next {
    for _ in 0..TURNS_MAX {
        let now = worker.core.clock.now();
        for port in &mut worker.ports {
            port.ready.read |= port.look_at_wire(&mut Context::from_waker(waker));
            if port.on_time(now) || port.ready.read {
                port.ready.read = port.receive(now, &mut worker.pool);
            }
        }
        let next = worker.exchange(now, waker);
        let mut busy = next == Next::Again;
        for port in &mut worker.ports {
            if !port.is_full() || port.is_retry_due(now) || port.ready.write {
                port.ready.write = false;
                busy |= port.transmit(now);
            }
            busy |= port.ready.read;
        }
        if !busy || next == Next::End {
            return next;
        }
    }
    Next::Again
}

/// Sleeps until a link is ready, the bell rings or `until` comes.
fn wait(worker: &mut Worker, bell: &Bell, until: Instant) -> io::Result<()> {
    let mut fds: SmallVec<[PollFd<'_>; 4]> = SmallVec::new();
    fds.push(PollFd::new(&bell.0, PollFlags::IN));
    for port in &worker.ports {
        if let (Readiness::Fd(fd), Some(flags)) = (port.readiness(), interest(port)) {
            fds.push(PollFd::from_borrowed_fd(fd, flags));
        }
    }
    let left = until.since(worker.core.clock.now());
    let timeout = (until != Instant::MAX)
        .then(|| Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() });
    match rustix::event::poll(&mut fds, timeout.as_ref()) {
        Ok(_) => {}
        Err(Errno::INTR) => return Ok(()),
        Err(errno) => return Err(errno.into()),
    }
    let told: SmallVec<[PollFlags; 4]> = fds.iter().map(PollFd::revents).collect();
    drop(fds);
    let mut told = told.into_iter();
    if told.next().is_some_and(|flags| !flags.is_empty()) {
        bell.silence();
    }
    for port in &mut worker.ports {
        if matches!(port.readiness(), Readiness::Fd(_)) && interest(port).is_some() {
            let flags = told.next().unwrap_or(PollFlags::empty());
            // An error or a hang-up is found out by reading.
            port.ready.read |= flags.intersects(!PollFlags::OUT);
            port.ready.write |= flags.contains(PollFlags::OUT);
        }
    }
    Ok(())
}

/// What to ask `poll` about a port; `None` if nothing can be done with it now.
fn interest(port: &Port) -> Option<PollFlags> {
    match (port.is_usable(), port.waits_for_room()) {
        (false, _) => None,
        (true, true) => Some(PollFlags::IN | PollFlags::OUT),
        (true, false) => Some(PollFlags::IN),
    }
}

/// An eventfd as a waker.
struct Bell(OwnedFd);

impl Bell {
    fn new() -> io::Result<Bell> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        Ok(Bell(rustix::event::eventfd(0, flags)?))
    }

    /// Makes it quiet. Failing says that it is.
    fn silence(&self) {
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // It fails only when the counter is full, and then the thread is awake anyway.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }
}
