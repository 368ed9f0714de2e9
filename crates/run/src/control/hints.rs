//! What an errno alone does not tell: who has the port, and why it is not for everybody.
//!
//! A hint is one line for the user of `run`, by the way of all warnings of this process. Programs try again, so each
//! kind of hint is given once a second at most.

use std::cell::Cell;
use std::time::{Duration, Instant};

use portolan_protocol::{Address, Transport};
use tracing::warn;

use super::registry::Registry;

/// The least time between two hints of one kind.
const EVERY: Duration = Duration::from_secs(1);

/// When each kind was given last.
#[derive(Default)]
pub(super) struct Hints {
    busy: Cell<Option<Instant>>,
    reserved: Cell<Option<Instant>>,
}

impl Hints {
    /// bind(2) has failed with EADDRINUSE.
    pub(super) fn port_is_busy(&self, registry: &Registry, transport: Transport, wanted: Address) {
        if !is_due(&self.busy) {
            return;
        }
        let wanted = wanted.to_socket_addr();
        let name = name(transport);
        let holder = registry.all().into_iter().find(|record| {
            record.target.kind.transport == transport
                && record.local().is_some_and(|local| local.port() == wanted.port())
        });
        match holder {
            Some(record) => {
                warn!("cannot bind {wanted}/{name}: {} has the port", record.describe())
            }
            None => warn!(
                "cannot bind {wanted}/{name}: a connection that has just ended holds the port (TIME-WAIT); \
                 set SO_REUSEADDR to take it at once"
            ),
        }
    }

    /// bind(2) has failed with EACCES.
    pub(super) fn port_is_reserved(&self, wanted: Address, start: u16) {
        if is_due(&self.reserved) {
            warn!(
                "cannot bind {}: ports below {start} are root's; bind as root, take another port, or run with \
                 --sysctl net.ipv4.ip_unprivileged_port_start=0",
                wanted.to_socket_addr()
            );
        }
    }
}

/// Once a second.
fn is_due(told: &Cell<Option<Instant>>) -> bool {
    let now = Instant::now();
    let is_due = told.get().is_none_or(|last| now.duration_since(last) >= EVERY);
    if is_due {
        told.set(Some(now));
    }
    is_due
}

fn name(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
    }
}
