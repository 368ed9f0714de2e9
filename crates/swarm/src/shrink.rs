//! Makes a failing plan small: takes away faults, connections, hosts, wires, octets, habits and time while the plan still
//! fails in the same way.

use crate::plan::{ConnectionPlan, Fault, FaultKind, HostPlan, Plan, SidePlan, WirePlan};
use crate::trial::{Verdict, attempt};

/// The result of shrinking.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shrunk {
    /// The smallest plan that was found.
    pub plan: Plan,
    /// What went wrong with it.
    pub verdict: Verdict,
    /// Plans that were tried.
    pub attempts: usize,
}

/// Shrinks a plan that fails with `verdict`, in at most `attempts_max` attempts.
pub fn shrink(plan: Plan, verdict: Verdict, attempts_max: usize) -> Shrunk {
    let mut best = Shrunk { plan, verdict, attempts: 0 };
    loop {
        let mut has_improved = false;
        let mut number = 0;
        // The list of what may be tried changes with every success; its order is from large to small, so that to go
        // on at the same place is right.
        while let Some(candidate) = candidates(&best.plan).into_iter().nth(number) {
            if best.attempts >= attempts_max {
                return best;
            }
            best.attempts += 1;
            match attempt(&candidate, None) {
                Err(verdict) if verdict.signature == best.verdict.signature => {
                    (best.plan, best.verdict) = (candidate, verdict);
                    has_improved = true;
                }
                _ => number += 1,
            }
        }
        if !has_improved {
            return best;
        }
    }
}

/// Plans that are a little smaller, all different from `plan`.
fn candidates(plan: &Plan) -> Vec<Plan> {
    let mut out = Vec::new();
    let mut push = |candidate: Plan| {
        if candidate != *plan && candidate.is_sound() && !out.contains(&candidate) {
            out.push(candidate);
        }
    };
    for half in halves(&plan.faults) {
        push(Plan { faults: half, ..plan.clone() });
    }
    for half in halves(&plan.connections) {
        push(without_idle_parts(Plan { connections: half, ..plan.clone() }));
    }
    for index in 0..plan.faults.len() {
        push(edited(plan, |plan| {
            plan.faults.remove(index);
        }));
    }
    for index in 0..plan.connections.len() {
        push(without_idle_parts(edited(plan, |plan| {
            plan.connections.remove(index);
        })));
    }
    push(without_idle_parts(plan.clone()));
    for index in 0..plan.faults.len() {
        for fault in plan.faults.get(index).map(smaller_faults).unwrap_or_default() {
            push(edited(plan, |plan| replace(&mut plan.faults, index, fault)));
        }
    }
    for index in 0..plan.connections.len() {
        for connection in plan.connections.get(index).map(smaller_connections).unwrap_or_default() {
            push(edited(plan, |plan| replace(&mut plan.connections, index, connection)));
        }
    }
    for index in 0..plan.hosts.len() {
        for host in plan.hosts.get(index).map(smaller_hosts).unwrap_or_default() {
            push(edited(plan, |plan| replace(&mut plan.hosts, index, host)));
        }
    }
    for index in 0..plan.wires.len() {
        for wire in plan.wires.get(index).map(smaller_wires).unwrap_or_default() {
            push(edited(plan, |plan| replace(&mut plan.wires, index, wire)));
        }
    }
    push(Plan { seed: 0, ..plan.clone() });
    out
}

fn edited(plan: &Plan, edit: impl FnOnce(&mut Plan)) -> Plan {
    let mut plan = plan.clone();
    edit(&mut plan);
    plan
}

fn replace<T>(list: &mut [T], index: usize, value: T) {
    if let Some(place) = list.get_mut(index) {
        *place = value;
    }
}

/// Nothing of a list, its first half, and its second.
fn halves<T: Clone>(list: &[T]) -> Vec<Vec<T>> {
    let (first, second) = list.split_at(list.len() / 2);
    vec![Vec::new(), first.to_vec(), second.to_vec()]
}

/// The plan without wires that carry no connection and hosts without wires, and without their faults.
fn without_idle_parts(mut plan: Plan) -> Plan {
    for wire in (0..plan.wires.len()).rev() {
        if plan.wires.len() > 1 && plan.connections.iter().all(|connection| connection.wire != wire) {
            plan.wires.remove(wire);
            plan.faults.retain(|fault| fault.kind.is_of_host() || fault.on != wire);
            for connection in plan.connections.iter_mut().filter(|connection| connection.wire > wire) {
                connection.wire -= 1;
            }
            for fault in plan.faults.iter_mut().filter(|fault| !fault.kind.is_of_host() && fault.on > wire) {
                fault.on -= 1;
            }
        }
    }
    for host in (0..plan.hosts.len()).rev() {
        if plan.wires.iter().all(|wire| !wire.ends.contains(&host)) {
            plan.hosts.remove(host);
            plan.faults.retain(|fault| !fault.kind.is_of_host() || fault.on != host);
            for end in plan.wires.iter_mut().flat_map(|wire| &mut wire.ends).filter(|end| **end > host) {
                *end -= 1;
            }
            for fault in plan.faults.iter_mut().filter(|fault| fault.kind.is_of_host() && fault.on > host) {
                fault.on -= 1;
            }
        }
    }
    plan
}

/// All values with one field made smaller: 0 first, then a half, then one less.
macro_rules! smaller {
    ($value:expr; numbers: $($number:ident)*; flags: $($flag:ident)*) => {{
        let value = $value;
        let mut out = Vec::new();
        $(for less in [0, value.$number / 2, value.$number.saturating_sub(1)] {
            if less < value.$number {
                let mut smaller = value.clone();
                smaller.$number = less;
                out.push(smaller);
            }
        })*
        $(if value.$flag {
            let mut smaller = value.clone();
            smaller.$flag = false;
            out.push(smaller);
        })*
        out
    }};
}

fn smaller_hosts(host: &HostPlan) -> Vec<HostPlan> {
    let ordinary = HostPlan { salt: host.salt, ..HostPlan::default() };
    let mut out = vec![ordinary, HostPlan { congestion: String::new(), ..host.clone() }];
    out.extend(smaller!(host;
        numbers: clock_ns recv_buffer send_buffer memory initial_window rto_min_us delayed_ack_us time_wait_us
            queues_idle_us backlog accept_pause_us salt;
        flags: no_sack no_timestamps no_scaling));
    out
}

fn smaller_wires(wire: &WirePlan) -> Vec<WirePlan> {
    let ordinary = WirePlan { salt: wire.salt, ends: wire.ends, ..WirePlan::default() };
    let mut out = vec![ordinary];
    // An MTU is allowed or not; to make it ordinary is all that is tried.
    out.push(WirePlan { mtu: 0, ..wire.clone() });
    out.extend(
        smaller!(wire; numbers: delay_us jitter_us kbit limit salt; flags: v6 offload whole lookup nat),
    );
    out
}

fn smaller_connections(connection: &ConnectionPlan) -> Vec<ConnectionPlan> {
    let mut out = Vec::new();
    for index in [0, 1] {
        for side in connection.sides.get(index).map(smaller_sides).unwrap_or_default() {
            let mut smaller = connection.clone();
            replace(&mut smaller.sides, index, side);
            out.push(smaller);
        }
    }
    out.extend(smaller!(connection; numbers: at_us port rounds mss_clamp; flags: keepalive backward));
    // A round needs an octet of both.
    for connection in &mut out {
        let least = connection.sides.iter().map(|side| side.octets).min().unwrap_or(0);
        connection.rounds = connection.rounds.min(least);
    }
    out
}

fn smaller_sides(side: &SidePlan) -> Vec<SidePlan> {
    let mut out =
        vec![SidePlan { octets: side.octets, ..SidePlan::default() }, SidePlan { end: None, ..*side }];
    out.extend(smaller!(side;
        numbers: octets write_max write_pause_us read_max read_pause_us read_delay_us;
        flags: nodelay));
    out
}

fn smaller_faults(fault: &Fault) -> Vec<Fault> {
    let mut out = Vec::new();
    let has_end = !fault.kind.is_momentary() && fault.until_us != Fault::NEVER_US;
    if has_end {
        let length_us = fault.until_us.saturating_sub(fault.from_us);
        for shorter in [length_us / 2, length_us - length_us / 8, length_us.saturating_sub(1)] {
            out.push(Fault { until_us: fault.from_us + shorter, ..*fault });
        }
        out.push(Fault { from_us: 0, ..*fault });
    }
    for earlier in [0, fault.from_us / 2] {
        let by = fault.from_us - earlier;
        let until_us = if has_end { fault.until_us.saturating_sub(by) } else { fault.until_us };
        out.push(Fault { from_us: earlier, until_us, ..*fault });
    }
    let half = |parts: u32| (parts / 2).max(1);
    let milder = match fault.kind {
        FaultKind::Loss(parts) => Some(FaultKind::Loss(half(parts))),
        FaultKind::Duplicate(parts) => Some(FaultKind::Duplicate(half(parts))),
        FaultKind::Reorder(parts) => Some(FaultKind::Reorder(half(parts))),
        FaultKind::Corrupt(parts) => Some(FaultKind::Corrupt(half(parts))),
        FaultKind::Truncate(parts) => Some(FaultKind::Truncate(half(parts))),
        FaultKind::DelaySpike(ms) => Some(FaultKind::DelaySpike(half(ms))),
        FaultKind::ClockJump(ms) if ms.abs() > 1 => Some(FaultKind::ClockJump(ms / 2)),
        _ => None,
    };
    out.extend(milder.map(|kind| Fault { kind, ..*fault }));
    out
}

#[cfg(test)]
mod tests;
