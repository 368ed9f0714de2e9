//! When a connection may fail: only what the story itself has done to it counts. The faults of wires are no excuse, because
//! they end before any host gives up.

use portolan_stack::SocketError;

use crate::plan::{ConnectionPlan, FaultKind, Plan};
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
    for fault in plan.faults.iter().filter(|fault| (connection.at_us..=now_us).contains(&fault.from_us)) {
        let is_own_host = fault.kind.is_of_host() && hosts.contains(&fault.on);
        match fault.kind {
            FaultKind::Restart if is_own_host => return Some("restart"),
            FaultKind::NatRebind if fault.on == connection.wire => return Some("rebinding"),
            FaultKind::ClockJump(ms) if is_own_host && seems_older(plan, hosts, ms) => {
                return Some("timestamps");
            }
            _ => {}
        }
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

/// Whether timestamps after the jump look older than those before it: then the peer rightly drops everything.
fn seems_older(plan: &Plan, hosts: [usize; 2], ms: i64) -> bool {
    let are_used = hosts.iter().all(|host| plan.hosts.get(*host).is_some_and(|host| !host.no_timestamps));
    are_used && ms.rem_euclid(2 * TIMESTAMP_HALF) >= TIMESTAMP_HALF && ms > 0
}

/// Whether a story leaves applications alone whose peer is gone without a word. Only keepalive tells them.
pub(crate) fn needs_keepalive(plan: &Plan) -> bool {
    let is_silent = |fault: &crate::plan::Fault| fault.kind.is_momentary();
    let leaves = |connection: &ConnectionPlan| {
        use crate::plan::EndPlan::{Aborts, Closes};
        connection.sides.iter().any(|side| matches!(side.end, Some(Aborts(_) | Closes)))
    };
    plan.faults.iter().any(is_silent)
        || plan.connections.iter().any(leaves)
        || plan.hosts.iter().any(|host| host.backlog > 0)
}
