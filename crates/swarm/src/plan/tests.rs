use super::*;

#[test]
fn plans_are_one_line_that_reads_back() {
    for seed in 0..300 {
        let plan = Plan::draw(seed);
        let text = plan.to_string();
        assert!(!text.contains(['\n', '\'']), "{text}");
        assert_eq!(text.parse(), Ok(plan), "seed {seed}");
    }
}

#[test]
fn every_drawn_plan_is_sound_and_every_kind_of_fault_is_drawn() {
    let mut names = std::collections::BTreeSet::new();
    for seed in 0..300 {
        let plan = Plan::draw(seed);
        assert!(plan.is_sound(), "seed {seed}");
        names.extend(plan.faults.iter().map(|fault| fault.kind.name()));
    }
    assert_eq!(names.len(), 14, "{names:?}");
    assert!(!names.contains("lie"));
}

#[test]
fn a_plan_that_names_nothing_is_refused() {
    let text = r#"{"hosts":[{},{}],"wires":[{"ends":[0,2]}]}"#;
    assert_eq!(text.parse::<Plan>(), Err("not a plan: a number names nothing".to_owned()));
    assert!("{\"host\":1}".parse::<Plan>().unwrap_err().contains("unknown field"));
}
