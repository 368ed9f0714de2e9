//! Watching a link while it runs: whoever wants to can look at its frames, and stop at any time.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use portolan_link::{Instant, Medium};

use super::Direction;

/// A frame as it crosses the link: within the MTU, checksums finished.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// When.
    pub now: Instant,
    /// Which way.
    pub direction: Direction,
    /// All of it.
    pub frame: &'a [u8],
    /// Whose it is, if that is known.
    pub comment: Option<&'a str>,
}

/// Is shown every frame; false ends it.
type Watcher = Box<dyn FnMut(Seen<'_>) -> bool + Send>;

/// Those who watch one link. Clones are the same. While nobody watches, a frame costs one load.
#[derive(Clone, Default)]
pub struct Monitor(Arc<Watchers>);

#[derive(Default)]
struct Watchers {
    is_watched: AtomicBool,
    medium: OnceLock<Medium>,
    list: Mutex<Vec<Watcher>>,
}

impl Monitor {
    /// Shows every frame from now on to `watcher`, until it answers false. It runs between the stack and the link, so
    /// it must be short and must not wait.
    pub fn watch(&self, watcher: impl FnMut(Seen<'_>) -> bool + Send + 'static) {
        let mut list = self.0.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.push(Box::new(watcher));
        self.0.is_watched.store(true, Ordering::Relaxed);
    }

    /// Whether anybody watches.
    pub fn is_watched(&self) -> bool {
        self.0.is_watched.load(Ordering::Relaxed)
    }

    /// What frames begin with; `None` before there is a link.
    pub fn medium(&self) -> Option<Medium> {
        self.0.medium.get().copied()
    }

    pub(super) fn belongs_to(&self, medium: Medium) {
        // One monitor is one link's.
        let _ = self.0.medium.set(medium);
    }

    pub(super) fn show(&self, seen: Seen<'_>) {
        let mut list = self.0.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.retain_mut(|watcher| watcher(seen));
        self.0.is_watched.store(!list.is_empty(), Ordering::Relaxed);
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").field("is_watched", &self.is_watched()).finish()
    }
}
