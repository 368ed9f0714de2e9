//! Finds sockets whose programs are gone.
//!
//! Binding a name fails as long as somebody holds a socket of that name (2 us). So close needs no hook, and a program
//! that was killed leaves no listener behind. Listeners are looked at ten times a second, others once; all of them
//! when a process's control connection ends; those of one port when a bind finds it taken or a program connects to it.

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
        let pause = if registry.listeners().is_empty() { ALL_EVERY } else { LISTENERS_EVERY };
        let is_woken = timeout(pause, wake.notified()).await.is_ok();
        if is_woken || last_full.elapsed() >= ALL_EVERY {
            forget_dead(&registry, registry.all());
            last_full = Instant::now();
        } else {
            forget_dead(&registry, registry.listeners());
        }
        if is_woken {
            // A storm of ending processes is one sweep per pause.
            tokio::time::sleep(ON_DEMAND_EVERY).await;
        }
    }
}

/// Frees a port that dead programs hold, before a bind is refused. True if there were any.
pub(super) fn free_port(registry: &Registry, port: u16) -> bool {
    let holds_port = |record: &Rc<Record>| record.local().is_some_and(|local| local.port() == port);
    let (quiet, others): (Vec<_>, Vec<_>) =
        registry.all().into_iter().filter(holds_port).partition(|record| record.is_quiet());
    // The carrier of a socket that was closed just now may not have run since, and nothing is left for it to do.
    let closed = quiet.into_iter().filter(|record| !has_name(record));
    let closed = closed.map(|record| registry.remove(record.target.id)).count();
    forget_dead(registry, others) || closed > 0
}

/// Closes a port whose listener is gone, before a program of this host connects to it.
pub(super) fn close_port(registry: &Registry, port: u16) {
    let holds_port = |record: &Rc<Record>| record.local().is_some_and(|local| local.port() == port);
    forget_dead(registry, registry.listeners().into_iter().filter(holds_port));
}

fn forget_dead(registry: &Registry, records: impl IntoIterator<Item = Rc<Record>>) -> bool {
    let mut has_forgotten = false;
    for record in records {
        if !is_held(&record) {
            registry.remove(record.target.id);
            has_forgotten = true;
        }
    }
    has_forgotten
}

fn is_held(record: &Record) -> bool {
    match record.holder() {
        Holder::Carrier | Holder::Nobody => true,
        Holder::Program => has_name(record),
    }
}

/// Somebody has a socket of the record's name.
fn has_name(record: &Record) -> bool {
    let name = Name::Socket { id: record.target.id, kind: record.target.kind };
    unix::is_held(record.target.kind.transport, &name)
}
