//! What an errno alone does not tell: who has the port, and why it is not for everybody.
//!
//! A hint is one line for the user of `run`, by the way of all warnings of this process. Programs try again, so each
//! kind of hint is given once a second at most.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use portolan_protocol::{Address, Transport};
use rustix::process::{Resource, getrlimit};
use tracing::warn;

use super::network::Errno;
use super::registry::Registry;
use super::socket::Record;

/// The least time between two hints of one kind.
const EVERY: Duration = Duration::from_secs(1);

/// When each kind was given last.
#[derive(Default)]
pub(super) struct Hints {
    busy: Cell<Option<Instant>>,
    reserved: Cell<Option<Instant>>,
    nowhere: Cell<Option<Instant>>,
    full: Cell<Option<Instant>>,
    /// Options that a program has set in vain, each told once.
    missing: RefCell<BTreeSet<(i32, i32)>>,
}

/// So many options that do not exist are told; a program that tries out numbers is not the user's concern.
const MISSING_MAX: usize = 32;

impl Hints {
    /// bind(2) has failed with EADDRINUSE.
    pub(super) fn port_is_busy(&self, registry: &Registry, transport: Transport, wanted: Address) {
        if !is_due(&self.busy) {
            return;
        }
        let (wanted, name) = (wanted.to_socket_addr(), name(transport));
        if wanted.port() == 0 {
            let (first, last) = registry.host().with_stack(|stack, _| stack.config().ephemeral_ports);
            warn!(
                "cannot bind {wanted}/{name}: all ports from {first} to {last} are in use; close some, or widen the range"
            );
            return;
        }
        let holds_port = |record: &Rc<Record>| {
            record.target.kind.transport == transport
                && record.local().is_some_and(|local| local.port() == wanted.port())
        };
        match registry.all().into_iter().find(holds_port) {
            Some(record) => warn!("cannot bind {wanted}/{name}: {} has the port", record.describe()),
            None => warn!(
                "cannot bind {wanted}/{name}: a connection that has just ended has the port (TIME-WAIT); set \
                 SO_REUSEADDR to take it at once"
            ),
        }
    }

    /// A datagram was written that could not be sent, by a call that nobody sees: the program was told that all is well.
    pub(super) fn datagram_is_lost(&self, record: &Record, why: Errno) {
        if is_due(&self.nowhere) {
            let why = match why {
                Errno::MSGSIZE => "it is too long",
                _ => "the socket has no destination; connect it, or use sendto",
            };
            warn!("a datagram that was written to {} is lost: {why}", record.describe());
        }
    }

    /// No descriptor is left for what the command wants now.
    pub(super) fn out_of_descriptors(&self) {
        if is_due(&self.full) {
            let limit =
                getrlimit(Resource::Nofile).current.map_or("no".to_owned(), |limit| limit.to_string());
            warn!(
                "all {limit} descriptors of the stack process are in use, two by each connection: the command's further sockets \
                 fail or wait; raise ulimit -Hn"
            );
        }
    }

    /// setsockopt(2) has failed with ENOPROTOOPT.
    pub(super) fn option_is_missing(&self, level: i32, name: i32) {
        let mut missing = self.missing.borrow_mut();
        if missing.len() < MISSING_MAX && missing.insert((level, name)) {
            warn!(
                "socket option {name} of level {level} is not supported here: the program was told ENOPROTOOPT; \
                 docs/compatibility.md lists those that are"
            );
        }
    }

    /// bind(2) has failed with EACCES.
    pub(super) fn port_is_reserved(&self, transport: Transport, wanted: Address, start: u16) {
        if is_due(&self.reserved) {
            warn!(
                "cannot bind {}/{}: ports below {start} are root's; bind as root, take another port, or run with \
                 --sysctl net.ipv4.ip_unprivileged_port_start=0",
                wanted.to_socket_addr(),
                name(transport)
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
        _ => "udp",
    }
}
