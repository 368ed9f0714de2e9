//! Summaries of flows that have ended.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use portolan_stack::FlowSummary;

use crate::shared::{Core, Phase};
use crate::wakers::WakeList;

/// Summaries kept for a reader that is slow. Beyond that the oldest goes.
const QUEUE_MAX: usize = 65_536;

/// The summaries of TCP and UDP flows as they end, for one reader; from [`crate::Host::flow_events`].
///
/// The stack makes them if `flow_summaries` is on in its configuration. At most 65,536 wait to be read; then the
/// oldest is dropped and counted in [`FlowEvents::missed`].
pub struct FlowEvents {
    core: Arc<Core>,
}

impl FlowEvents {
    pub(crate) fn new(core: &Arc<Core>) -> FlowEvents {
        core.lock().flows.wanted = true;
        FlowEvents { core: Arc::clone(core) }
    }

    /// The next summary; `None` when the host has ended and all were read. Cancel safe.
    pub async fn next(&mut self) -> Option<FlowSummary> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`FlowEvents::next`], for hand-written futures.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<FlowSummary>> {
        let mut shared = self.core.lock();
        if let Some(summary) = shared.flows.queue.pop_front() {
            return Poll::Ready(Some(summary));
        }
        if shared.phase == Phase::Ended {
            return Poll::Ready(None);
        }
        shared.flows.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The next summary if there is one now.
    pub fn try_next(&mut self) -> Option<FlowSummary> {
        self.core.lock().flows.queue.pop_front()
    }

    /// How many summaries were dropped because nobody read them.
    pub fn missed(&self) -> u64 {
        self.core.lock().flows.missed
    }
}

impl Drop for FlowEvents {
    fn drop(&mut self) {
        let mut shared = self.core.lock();
        shared.flows.wanted = false;
        shared.flows.queue.clear();
    }
}

/// The queue behind [`FlowEvents`].
#[derive(Default)]
pub(crate) struct FlowQueue {
    wanted: bool,
    queue: VecDeque<FlowSummary>,
    missed: u64,
    reader: Option<Waker>,
}

impl FlowQueue {
    pub(crate) fn push(&mut self, summary: FlowSummary, wakes: &mut WakeList) {
        if !self.wanted {
            return;
        }
        if self.queue.len() >= QUEUE_MAX {
            self.queue.pop_front();
            self.missed += 1;
        }
        self.queue.push_back(summary);
        self.wake(wakes);
    }

    pub(crate) fn wake(&mut self, wakes: &mut WakeList) {
        self.reader.take().into_iter().for_each(|waker| wakes.push(waker));
    }
}
