//! Some seconds' worth of seeds, and equal traces in two processes.
//!
//! `cargo xtask sim --seeds N` plays any number with optimisation, and `cargo xtask test --full` 10,000.

use std::process::Command;

use portolan_swarm::{Plan, attempt, play};

/// Seeds of the short run. They differ from those of other runs only in their number, so a failure here fails there too.
const SEEDS: u64 = 400;

#[test]
fn no_seed_fails() {
    let mut failed = Vec::new();
    for seed in 0..SEEDS {
        if let Err(verdict) = attempt(&Plan::draw(seed), None) {
            println!("seed {seed} failed {}", verdict.text);
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "failed seeds: {failed:?}; cargo xtask sim --replay {}", failed[0]);
}

#[test]
fn a_planted_wire_that_lies_is_noticed() {
    use portolan_swarm::plan::{Fault, FaultKind};
    let mut plan = Plan::draw(3);
    plan.faults = (0..plan.wires.len())
        .map(|on| Fault { kind: FaultKind::Lie, on, from_us: 0, until_us: 60_000_000, way: None })
        .collect();
    plan.wires.iter_mut().for_each(|wire| wire.whole = false);
    assert!(attempt(&plan, None).unwrap_err().text.contains("wrong text"));
}

/// Debug and release builds are compared by `cargo xtask test --full`, which has both.
#[test]
fn equal_seeds_give_equal_traces_in_two_processes() {
    const INSIDE: &str = "PORTOLAN_TRACES_ONLY";
    if std::env::var_os(INSIDE).is_some() {
        let trace = |seed| play(&Plan::draw(seed), None).map(|report| report.trace.to_string());
        let traces: Vec<_> =
            (200..230).map(|seed| trace(seed).unwrap_or_else(|failure| failure.what)).collect();
        println!("traces {}", traces.join(" "));
        return;
    }
    let [first, second] = [(); 2].map(|()| {
        let output = Command::new(std::env::current_exe().expect("a test has a path"))
            .args(["--exact", "--nocapture", "equal_seeds_give_equal_traces_in_two_processes"])
            .env(INSIDE, "1")
            .output()
            .expect("a test can be started again");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().find(|line| line.contains("traces ")).map(str::to_owned).expect("it prints traces")
    });
    assert_eq!(first.split_whitespace().count(), 31 + usize::from(first.starts_with("test ")) * 3, "{first}");
    assert_eq!(first, second);
}
