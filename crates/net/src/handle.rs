//! One socket: how calls reach it, and how a task or a thread waits for it.

use std::cell::OnceCell;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time;

use portolan_link::Instant;
use portolan_stack::{SocketError, SocketId, Stack};

use crate::shared::{Core, Phase, ended, io_error};
use crate::wakers::{Direction, WakeList};

/// Ownership of one socket. Dropping it closes the socket; TCP then finishes in the background.
pub(crate) struct Handle {
    pub(crate) core: Arc<Core>,
    pub(crate) id: SocketId,
}

impl Handle {
    pub(crate) fn new(core: &Arc<Core>, id: SocketId) -> Handle {
        Handle { core: Arc::clone(core), id }
    }

    /// A call that does not wait.
    pub(crate) fn call<R>(
        &self,
        op: impl FnOnce(&mut Stack, Instant, SocketId) -> Result<R, SocketError>,
    ) -> io::Result<R> {
        self.core.call(|stack, now| op(stack, now, self.id).map_err(since_abort))
    }

    /// Closes the socket before its owner lets go of it; a connection is reset.
    pub(crate) fn abort(&self) {
        let mut wakes = WakeList::default();
        self.core.with(|shared, now| {
            // A connection that has ended already needs no abort.
            let _ = shared.stack.abort(now, self.id);
            shared.wakers.wake_both(self.id, &mut wakes);
        });
        wakes.wake_all();
    }

    /// A call of a `poll_*` function: if it would block, the task is woken when it is worth trying again. Only the
    /// last caller of each direction is.
    pub(crate) fn poll<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        op: impl FnOnce(&mut Stack, Instant, SocketId) -> Result<R, SocketError>,
    ) -> Poll<io::Result<R>> {
        self.core.with(|shared, now| {
            if shared.phase == Phase::Ended {
                return Poll::Ready(Err(ended()));
            }
            match op(&mut shared.stack, now, self.id) {
                Err(SocketError::WouldBlock) => {
                    shared.poll_later(self.id, direction, cx.waker());
                    Poll::Pending
                }
                result => Poll::Ready(result.map_err(since_abort).map_err(io_error)),
            }
        })
    }

    /// A call that is tried until it does not block. Any number of tasks may wait for one socket in this way.
    /// Cancel safe: `op` runs to its end or not at all.
    pub(crate) fn wait<R, F>(&self, direction: Direction, op: F) -> Wait<'_, F>
    where
        F: FnMut(&mut Stack, Instant, SocketId) -> Result<R, SocketError> + Unpin,
    {
        Wait { handle: self, direction, key: None, op }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.core.with_live(|stack, now| {
            // Only an abort has closed it before.
            let _ = stack.close(now, self.id);
        });
    }
}

/// Who holds a handle does not know of a closed socket, only of an aborted one.
fn since_abort(error: SocketError) -> SocketError {
    match error {
        SocketError::BadSocket => SocketError::ConnectionAborted,
        error => error,
    }
}

/// The future of [`Handle::wait`].
pub(crate) struct Wait<'a, F> {
    handle: &'a Handle,
    direction: Direction,
    key: Option<u64>,
    op: F,
}

impl<R, F> Future for Wait<'_, F>
where
    F: FnMut(&mut Stack, Instant, SocketId) -> Result<R, SocketError> + Unpin,
{
    type Output = io::Result<R>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Wait { handle, direction, key, op } = self.get_mut();
        handle.core.with(|shared, now| {
            if shared.phase == Phase::Ended {
                return Poll::Ready(Err(ended()));
            }
            match op(&mut shared.stack, now, handle.id) {
                Err(SocketError::WouldBlock) => {
                    shared.wakers.register(handle.id, *direction, key, cx.waker());
                    Poll::Pending
                }
                result => Poll::Ready(result.map_err(since_abort).map_err(io_error)),
            }
        })
    }
}

impl<F> Drop for Wait<'_, F> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.handle.core.lock().wakers.deregister(self.handle.id, key);
        }
    }
}

/// Runs a future of ours on this thread, which sleeps meanwhile. `None` when `deadline` comes first.
pub(crate) fn block_on<T>(future: impl Future<Output = T>, deadline: Option<time::Instant>) -> Option<T> {
    thread_local!(static UNPARK: OnceCell<Waker> = const { OnceCell::new() });
    let waker = UNPARK
        .with(|cell| cell.get_or_init(|| Waker::from(Arc::new(Unpark(std::thread::current())))).clone());
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
        // A thread may be unparked for an older reason; then the future is just polled once more.
        match deadline.map(|deadline| deadline.saturating_duration_since(time::Instant::now())) {
            None => std::thread::park(),
            Some(time::Duration::ZERO) => return None,
            Some(left) => std::thread::park_timeout(left),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}
