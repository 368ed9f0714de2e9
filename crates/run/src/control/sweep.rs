//! Finds sockets whose programs are gone.
//!
//! Binding a name fails as long as somebody holds a socket of that name (2 us). So close needs no hook, and a program
//! that was killed leaves no listener behind. Listeners are looked at ten times a second, others once; all of them
//! when a process's control connection ends or a bind finds its port taken.

use std::rc::Rc;
use std::time::Duration;

use portolan_protocol::Name;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::registry::Registry;
use super::socket::{Holder, Record};
use crate::os::unix;

const LISTENERS_EVERY: Duration = Duration::from_millis(100);
const ALL_EVERY: Duration = Duration::from_secs(1);
/// The least time between two sweeps that ending processes cause.
const ON_DEMAND_EVERY: Duration = Duration::from_millis(10);

/// Sweeps for ever; `wake` asks for a sweep of everything now.
pub(super) async fn run(registry: Rc<Registry>, wake: Rc<Notify>) {
    let mut last_full = Instant::now();
    loop {
        let is_woken = timeout(LISTENERS_EVERY, wake.notified()).await.is_ok();
        let is_full = is_woken || last_full.elapsed() >= ALL_EVERY;
        for record in registry.all() {
            if (is_full || record.holder() == Holder::Listener) && !is_held(&record) {
                registry.remove(record.target.id);
            }
        }
        if is_full {
            last_full = Instant::now();
        }
        if is_woken {
            // A storm of ending processes is one sweep per pause.
            tokio::time::sleep(ON_DEMAND_EVERY).await;
        }
    }
}

/// Frees a port that dead programs hold, before a bind is refused. True if there were any.
pub(super) fn now(registry: &Registry, port: u16) -> bool {
    let mut has_freed = false;
    for record in registry.all() {
        if record.local().is_some_and(|local| local.port() == port) && !is_held(&record) {
            registry.remove(record.target.id);
            has_freed = true;
        }
    }
    has_freed
}

fn is_held(record: &Record) -> bool {
    match record.holder() {
        Holder::Carrier | Holder::Nobody => true,
        Holder::Listener | Holder::Program => {
            let name = Name::Socket { id: record.target.id, kind: record.target.kind };
            unix::is_held(record.target.kind.transport, &name)
        }
    }
}
