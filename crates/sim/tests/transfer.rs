//! One MiB both ways over a bad wire, for many seeds; and the same seed twice.
//!
//! `PORTOLAN_SEED=N` plays one seed, `PORTOLAN_FULL=1` plays 1,000.

use std::process::Command;

use portolan_sim::scenario::{seeds, transfer};

#[test]
fn every_seed_arrives_whole_and_leaves_nothing_behind() {
    let (mut failures, mut frames) = (Vec::new(), 0);
    let seeds = seeds(25, 1000);
    for seed in seeds.clone() {
        match transfer(seed) {
            Ok(report) => frames += report.frames,
            Err(failure) => {
                eprintln!("{failure}");
                failures.push(failure.seed);
            }
        }
    }
    println!("seeds {seeds:?}: {frames} frames");
    assert!(failures.is_empty(), "failed seeds: {failures:?}");
}

#[test]
fn equal_seeds_give_equal_traces_in_one_process() {
    let [first, second] = [7, 7].map(|seed| transfer(seed).unwrap_or_else(|failure| panic!("{failure}")));
    assert_eq!(first, second);
    let other = transfer(8).unwrap_or_else(|failure| panic!("{failure}"));
    assert_ne!(first.trace, other.trace, "another seed is another story");
}

#[test]
fn equal_seeds_give_equal_traces_in_two_processes() {
    const INSIDE: &str = "PORTOLAN_TRACE_ONLY";
    if std::env::var_os(INSIDE).is_some() {
        let traces: Vec<String> =
            (3..6).map(|seed| format!("{:?}", transfer(seed).map(|r| r.trace))).collect();
        println!("trace {}", traces.join(" "));
        return;
    }
    let traces = [(); 2].map(|()| {
        let output = Command::new(std::env::current_exe().expect("a test has a path"))
            .args(["--exact", "--nocapture", "equal_seeds_give_equal_traces_in_two_processes"])
            .env(INSIDE, "1")
            .output()
            .expect("a test can be started again");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines()
            .find(|line| line.contains("trace "))
            .map(str::to_owned)
            .expect("the inner run prints a trace")
    });
    assert!(traces[0].contains("Ok("), "{traces:?}");
    assert_eq!(traces[0], traces[1]);
}
