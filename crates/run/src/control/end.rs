//! The stack process's end of a program's socket, and how a task waits for it.
//!
//! Readiness is only a wake-up here: each one is consumed when it is seen, and the socket is then tried until it
//! would block. So an edge that comes twice costs a system call, and none can be lost between a try and a wait.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use tokio::io::unix::AsyncFd;

use crate::os::unix::{self, Hangup};

/// A connected AF_UNIX socket.
pub(super) struct End {
    fd: Rc<AsyncFd<OwnedFd>>,
    reads_closed: bool,
    writes_closed: bool,
}

impl End {
    /// Registers the socket with the runtime.
    pub(super) fn new(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self { fd: Rc::new(unix::watch(fd)?), reads_closed: false, writes_closed: false })
    }

    /// To look at the socket as long as it is open.
    pub(super) fn watch(&self) -> Weak<AsyncFd<OwnedFd>> {
        Rc::downgrade(&self.fd)
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.get_ref().as_fd()
    }

    /// Consumes wake-ups and waits for the next. True if there was one.
    pub(super) fn poll_wake(&mut self, cx: &mut Context<'_>) -> bool {
        let mut is_woken = false;
        // A closed direction stays ready for ever, so it is not asked again.
        while !self.reads_closed
            && let Poll::Ready(Ok(mut guard)) = self.fd.poll_read_ready(cx)
        {
            is_woken = true;
            self.reads_closed = guard.ready().is_read_closed();
            guard.clear_ready();
        }
        while !self.writes_closed
            && let Poll::Ready(Ok(mut guard)) = self.fd.poll_write_ready(cx)
        {
            is_woken = true;
            self.writes_closed = guard.ready().is_write_closed();
            guard.clear_ready();
        }
        is_woken
    }

    /// How far the program has gone; a system call only if something was seen to end.
    pub(super) fn hangup(&self) -> Hangup {
        if self.reads_closed || self.writes_closed { unix::hangup(self.fd()) } else { Hangup::default() }
    }

    /// Waits for the next wake-up.
    pub(super) async fn wake(&mut self) {
        std::future::poll_fn(|cx| {
            let is_over = self.reads_closed && self.writes_closed;
            if self.poll_wake(cx) || is_over { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
