use super::*;
use crate::plan::{EndPlan, Way};

/// A drawn story of some size, with a fault of ours in it.
fn spoiled(fault: Fault) -> Plan {
    let is_large = |plan: &Plan| {
        plan.connections.len() >= 3
            && plan.faults.len() >= 4
            && plan.wires.iter().all(|wire| !wire.whole)
            && plan
                .connections
                .iter()
                .any(|connection| connection.wire == 0 && connection.sides[0].octets > 5000)
    };
    let mut plan = (0..).map(Plan::draw).find(is_large).unwrap();
    plan.faults.insert(plan.faults.len() / 2, fault);
    plan
}

fn shrunk(plan: Plan) -> Shrunk {
    let verdict = attempt(&plan, None).expect_err("the plan fails");
    let first = verdict.signature.clone();
    let shrunk = shrink(plan, verdict, 3000);
    assert_eq!(shrunk.verdict.signature, first);
    // The line that is printed fails in the same way.
    let replayed: Plan = shrunk.plan.to_string().parse().unwrap();
    assert_eq!(attempt(&replayed, None).expect_err("the replay fails"), shrunk.verdict);
    shrunk
}

#[test]
fn a_wire_that_lies_shrinks_to_one_octet_on_one_wire() {
    let lie = Fault { kind: FaultKind::Lie, on: 0, from_us: 0, until_us: 60_000_000, way: None };
    let Shrunk { plan, verdict, attempts } = shrunk(spoiled(lie));
    assert!(verdict.text.contains("wrong text"), "{}", verdict.text);
    let sizes = (plan.hosts.len(), plan.wires.len(), plan.connections.len(), plan.faults.len());
    assert_eq!(sizes, (2, 1, 1, 1), "after {attempts} attempts: {plan}");
    assert_eq!(plan.octets(), 1, "{plan}");
    assert_eq!(plan.faults[0].kind, FaultKind::Lie);
    assert!(plan.hosts.iter().all(|host| *host == HostPlan::default()), "{plan}");
    let ordinary = WirePlan { ends: plan.wires[0].ends, ..WirePlan::default() };
    assert_eq!(plan.wires[0], ordinary);
}

#[test]
fn two_who_wait_for_each_other_shrink_to_the_two() {
    let mild = Fault { kind: FaultKind::Loss(1), on: 0, from_us: 0, until_us: 1, way: Some(Way::Forward) };
    let mut plan = spoiled(mild);
    plan.connections[1].sides.iter_mut().for_each(|side| side.end = Some(EndPlan::Waits));
    let Shrunk { plan, verdict, attempts } = shrunk(plan);
    assert!(verdict.text.contains("stuck"), "{}", verdict.text);
    let sizes = (plan.hosts.len(), plan.wires.len(), plan.connections.len(), plan.faults.len());
    assert_eq!(sizes, (2, 1, 1, 0), "after {attempts} attempts: {plan}");
    assert_eq!(plan.octets(), 0, "{plan}");
    assert_eq!(plan.connections[0].sides.map(|side| side.end), [Some(EndPlan::Waits); 2]);
}
