//! When a connection may fail: only what the story itself has done to it counts. The faults of wires are no excuse, because
//! they end before any host gives up.

use portolan_stack::SocketError;

use crate::plan::{ConnectionPlan, EndPlan, Fault, FaultKind, Plan};
use crate::setting;
use crate::side::{Phase, Side};

/// Half of the range of timestamps, in milliseconds: a peer that has gone on by more seems to have gone back (RFC 7323 §5).
const TIMESTAMP_HALF: i64 = 1 << 31;

/// Why an application's connection may have failed with this error at this moment, in one word; `None` if it must not have.
pub(crate) fn excuse(
    plan: &Plan,
    connection: &ConnectionPlan,
    [own, peer]: [&Side; 2],
    error: SocketError,
    now_us: u64,
) -> Option<&'static str> {
    if peer.has_left() {
        return Some("peer left");
    }
    let hosts = plan.hosts_of(connection);
    for fault in so_far(plan, connection, now_us) {
        match fault.kind {
            FaultKind::Restart if hosts.contains(&fault.on) => return Some("restart"),
            FaultKind::NatRebind if fault.on == connection.wire => return Some("rebinding"),
            _ => {}
        }
    }
    if hosts.iter().any(|host| seems_older(plan, connection, *host, now_us)) {
        return Some("timestamps");
    }
    let wire = plan.wires.get(connection.wire)?;
    let is_lossy = plan.faults.iter().any(|fault| fault.on == connection.wire && !fault.kind.is_of_host());
    if own.phase == Phase::Connecting && error == SocketError::HostUnreachable && wire.lookup && is_lossy {
        return Some("neighbour");
    }
    let [_, server] = hosts;
    let rivals = plan.connections.iter().filter(|rival| plan.hosts_of(rival)[1] == server).count();
    let is_tight = plan.hosts.get(server).is_some_and(|host| (setting::backlog(host) as usize) < rivals);
    is_tight.then_some("backlog")
}

/// What has gone wrong since the connection was opened.
fn so_far<'a>(
    plan: &'a Plan,
    connection: &'a ConnectionPlan,
    now_us: u64,
) -> impl Iterator<Item = &'a Fault> {
    plan.faults.iter().filter(move |fault| (connection.at_us..=now_us).contains(&fault.from_us))
}

/// Whether a host's timestamps look older than some before: then its peer rightly drops everything. One or several
/// jumps in a row do that if together they move the clock by more than half of the range.
fn seems_older(plan: &Plan, connection: &ConnectionPlan, host: usize, now_us: u64) -> bool {
    let hosts = plan.hosts_of(connection);
    let are_used = hosts.iter().all(|host| plan.hosts.get(*host).is_some_and(|host| !host.no_timestamps));
    let mut jumps: Vec<(u64, i64)> = so_far(plan, connection, now_us)
        .filter_map(|fault| match fault.kind {
            FaultKind::ClockJump(ms) if fault.on == host => Some((fault.from_us, ms)),
            _ => None,
        })
        .collect();
    jumps.sort_by_key(|(at_us, _)| *at_us);
    are_used
        && (0..jumps.len()).any(|first| {
            let sums = jumps.iter().skip(first).scan(0_i64, |sum, (_, ms)| {
                *sum = sum.saturating_add(*ms);
                Some(*sum)
            });
            // A clock that went back is waited for.
            sums.into_iter().any(|ms| ms > 0 && ms.rem_euclid(2 * TIMESTAMP_HALF) >= TIMESTAMP_HALF)
        })
}

/// Whether a story leaves applications alone whose peer is gone without a word. Only keepalive tells them.
pub(crate) fn needs_keepalive(plan: &Plan) -> bool {
    let is_silent = |fault: &Fault| fault.kind.is_momentary();
    let leaves = |connection: &ConnectionPlan| {
        connection.sides.iter().any(|side| matches!(side.end, Some(EndPlan::Aborts(_) | EndPlan::Closes)))
    };
    plan.faults.iter().any(is_silent)
        || plan.connections.iter().any(leaves)
        || plan.hosts.iter().any(|host| host.backlog > 0)
}
