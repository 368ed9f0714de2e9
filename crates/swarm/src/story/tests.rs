use super::*;
use crate::plan::{ConnectionPlan, EndPlan, HostPlan, SidePlan, WirePlan};

/// Two hosts, one wire of 10 ms each way, one connection of 100,000 octets both ways.
fn plain() -> Plan {
    let side = SidePlan { octets: 100_000, ..SidePlan::default() };
    Plan {
        hosts: vec![HostPlan { salt: 1, ..HostPlan::default() }, HostPlan { salt: 2, ..HostPlan::default() }],
        wires: vec![WirePlan { ends: [0, 1], delay_us: 10_000, ..WirePlan::default() }],
        connections: vec![ConnectionPlan { sides: [side; 2], ..ConnectionPlan::default() }],
        ..Plan::default()
    }
}

fn with(kind: FaultKind, from_us: u64, until_us: u64) -> Plan {
    Plan { faults: vec![Fault { kind, on: 0, from_us, until_us, way: None }], ..plain() }
}

fn ends(plan: &Plan) -> Vec<(&'static str, u64)> {
    play(plan, None).unwrap_or_else(|failure| panic!("{failure}")).ends.into_iter().collect()
}

#[test]
fn a_plain_story_ends_well_and_changes_with_every_fault() {
    let plain_report = play(&plain(), None).unwrap();
    assert_eq!(plain_report.ends.into_iter().collect::<Vec<_>>(), [("closed", 2)]);
    let kinds = [
        FaultKind::Loss(20_000),
        FaultKind::BurstLoss { begins: 5000, ends: 30_000 },
        FaultKind::Duplicate(20_000),
        FaultKind::Reorder(20_000),
        FaultKind::Corrupt(20_000),
        FaultKind::Truncate(20_000),
        FaultKind::DelaySpike(50),
        FaultKind::Partition,
        FaultKind::NarrowPath(1000),
        FaultKind::BlackHole(1000),
        FaultKind::RateChange(2000),
    ];
    for kind in kinds {
        let report =
            play(&with(kind, 30_000, 200_000), None).unwrap_or_else(|failure| panic!("{kind:?}: {failure}"));
        // A copy that arrives at the same moment is answered together with its original.
        let is_visible = !matches!(kind, FaultKind::Duplicate(_));
        assert!(!is_visible || report.trace != plain_report.trace, "{kind:?}");
        assert_eq!(report.ends.get("closed"), Some(&2), "{kind:?}");
    }
}

#[test]
fn a_restart_in_the_middle_ends_the_connection_with_an_error() {
    for host in [0, 1] {
        let mut plan = with(FaultKind::Restart, 50_000, 0);
        plan.faults[0].on = host;
        assert_eq!(ends(&plan), [("lost", 1), ("peer left", 1)]);
    }
}

#[test]
fn a_nat_that_forgets_ends_the_connection_on_both_sides() {
    let mut plan = with(FaultKind::NatRebind, 50_000, 0);
    plan.wires[0].nat = true;
    let ends = ends(&plan);
    assert_eq!(ends.iter().map(|(_, count)| count).sum::<u64>(), 2);
    assert!(ends.iter().any(|(end, _)| *end == "rebinding"), "{ends:?}");
}

#[test]
fn clocks_may_jump_by_a_day_or_start_before_any_wrap() {
    for ms in [-5000, 86_400_000] {
        assert_eq!(ends(&with(FaultKind::ClockJump(ms), 50_000, 0)), [("closed", 2)]);
    }
    for clock_ns in [(1 << 31) * 1_000_000 - 1000, (1 << 32) * 1_000_000 - 1000, (1 << 63) - 1000] {
        let mut plan = plain();
        plan.hosts[1].clock_ns = clock_ns;
        assert_eq!(ends(&plan), [("closed", 2)]);
    }
}

#[test]
fn applications_end_as_they_are_told() {
    let mut plan = plain();
    plan.connections[0].rounds = 10;
    plan.connections[0].sides[1].end = Some(EndPlan::Waits);
    assert_eq!(ends(&plan), [("closed", 2)]);
    plan.connections[0].sides[0].end = Some(EndPlan::Aborts(30_000));
    assert_eq!(ends(&plan), [("aborted", 1), ("peer left", 1)]);
    plan.connections[0].sides[0].end = Some(EndPlan::Closes);
    assert_eq!(ends(&plan).iter().map(|(_, count)| count).sum::<u64>(), 2);
}

#[test]
fn a_backlog_that_overflows_lets_everybody_in_sooner_or_later() {
    let mut plan = plain();
    let small = ConnectionPlan {
        sides: [SidePlan { octets: 10, ..SidePlan::default() }; 2],
        ..ConnectionPlan::default()
    };
    plan.connections = vec![small; 8];
    (plan.hosts[1].backlog, plan.hosts[1].accept_pause_us) = (1, 100_000);
    let ends = ends(&plan);
    let closed = ends.iter().find(|(end, _)| *end == "closed").map_or(0, |(_, count)| *count);
    assert!(closed >= 8, "{ends:?}");
}
