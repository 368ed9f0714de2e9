//! Sleeping and waking at the ends of a wire.
//!
//! A bell stays rung until its owner silences it, so a ring between two looks is not lost. The owner silences
//! first and looks afterwards. Who waits as a future leaves a waker, who blocks in `poll` watches an eventfd that
//! is readable while the bell is rung.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use rustix::event::EventfdFlags;

/// Tells the owner of one end of a wire that frames have come, that there is room again, or that the other end is
/// gone.
#[derive(Debug, Default)]
pub(super) struct Bell {
    is_rung: AtomicBool,
    waker: Mutex<Option<Waker>>,
    eventfd: OnceLock<OwnedFd>,
}

impl Bell {
    pub(super) fn ring(&self) {
        if self.is_rung.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(fd) = self.eventfd.get() {
            signal(fd);
        }
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn silence(&self) {
        if !self.is_rung.load(Ordering::Acquire) {
            return;
        }
        // The eventfd first: a ring in between does not write it, and what it tells of is seen by the look that
        // follows.
        if let Some(fd) = self.eventfd.get() {
            // Fails only when it was not written yet.
            let _ = rustix::io::read(fd, &mut [0; 8]);
        }
        // A swap, not a store: it reads the last ring, and so the look that follows sees what that ring tells of.
        self.is_rung.swap(false, Ordering::AcqRel);
    }
}

/// Waits for one end of a wire: for frames, for room after [`portolan_link::Link::transmit`] left frames, or for
/// the other end's going. [`portolan_link::Link::receive`] of that end silences it.
#[derive(Clone, Debug)]
pub struct WireHandle(Arc<Bell>);

impl WireHandle {
    pub(super) fn new(bell: Arc<Bell>) -> WireHandle {
        WireHandle(bell)
    }

    /// Whether a call is worth making now.
    pub fn is_ready(&self) -> bool {
        self.0.is_rung.load(Ordering::Acquire)
    }

    /// Ready when a call is worth making; else leaves the waker of `cx`, which replaces the one left before.
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_ready() {
            return Poll::Ready(());
        }
        {
            let mut waker = self.0.waker.lock().unwrap_or_else(PoisonError::into_inner);
            match waker.as_mut() {
                Some(waker) => waker.clone_from(cx.waker()),
                None => *waker = Some(cx.waker().clone()),
            }
        }
        // A ring between the two looks may have missed the waker.
        if self.is_ready() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// A descriptor for `poll` or `epoll` that is readable while [`WireHandle::is_ready`]. It is made when first
    /// asked for. Errors: those of eventfd(2).
    pub fn event_fd(&self) -> io::Result<BorrowedFd<'_>> {
        if self.0.eventfd.get().is_none() {
            let fd = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
            // Of two threads here at once, one keeps its descriptor.
            let _ = self.0.eventfd.set(fd);
            if self.is_ready() {
                self.0.eventfd.get().into_iter().for_each(signal);
            }
        }
        self.0.eventfd.get().map(AsFd::as_fd).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn silence(&self) {
        self.0.silence();
    }

    pub(super) fn ring(&self) {
        self.0.ring();
    }
}

fn signal(fd: &OwnedFd) {
    // Fails only when the counter is full, and then it is readable.
    let _ = rustix::io::write(fd, &1_u64.to_ne_bytes());
}
