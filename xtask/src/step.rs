//! Steps: run one after the other, each timed, each counted, none hidden.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Options;

/// What a step counted.
#[derive(Debug, Default, Clone)]
pub(crate) struct Outcome {
    /// Checks or tests that held.
    pub(crate) passed: u64,
    /// Checks or tests that did not.
    pub(crate) failed: u64,
    /// Tests that were left out, which happens only with `--allow-missing` or by `#[ignore]`.
    pub(crate) skipped: u64,
    /// A line for each failure.
    pub(crate) failures: Vec<String>,
}

impl Outcome {
    pub(crate) fn pass() -> Outcome {
        Outcome { passed: 1, ..Outcome::default() }
    }

    pub(crate) fn fail(why: impl Into<String>) -> Outcome {
        Outcome { failed: 1, failures: vec![why.into()], ..Outcome::default() }
    }

    pub(crate) fn add(&mut self, other: Outcome) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.failures.extend(other.failures);
    }

    pub(crate) fn good(&self) -> bool {
        self.failed == 0 && self.passed > 0
    }
}

/// The steps run so far.
pub(crate) struct Steps<'a> {
    options: &'a Options,
    total: Outcome,
    times: Vec<(&'static str, Duration)>,
}

impl<'a> Steps<'a> {
    pub(crate) fn new(options: &'a Options) -> Steps<'a> {
        Steps { options, total: Outcome::default(), times: Vec::new() }
    }

    /// Runs a step unless `--only` names others.
    pub(crate) fn run(&mut self, name: &'static str, step: impl FnOnce(&Options) -> Outcome) {
        if !self.options.only.is_empty() && !self.options.only.iter().any(|only| only == name) {
            return;
        }
        println!("== {name}");
        let start = Instant::now();
        let outcome = step(self.options);
        for failure in &outcome.failures {
            println!("FAILED {name}: {failure}");
        }
        self.times.push((name, start.elapsed()));
        self.total.add(outcome);
    }

    /// How long each step took, in their order.
    pub(crate) fn times(&self) -> &[(&'static str, Duration)] {
        &self.times
    }

    /// Prints the table of times and the closing line.
    pub(crate) fn finish(self) -> Outcome {
        println!("== summary");
        for (name, time) in &self.times {
            println!("{name:>10} {:6.1} s", time.as_secs_f64());
        }
        for failure in &self.total.failures {
            println!("FAILED {failure}");
        }
        let Outcome { passed, failed, skipped, .. } = &self.total;
        println!("{passed} passed, {failed} failed, {skipped} skipped");
        self.total
    }
}

/// Runs cargo as one check that passes or fails.
pub(crate) fn cargo(words: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let status = Command::new(cargo_path()).args(words).envs(variables.iter().copied()).status();
    match status {
        Ok(status) if status.success() => Outcome::pass(),
        Ok(status) => Outcome::fail(format!("cargo {}: {status}", words.join(" "))),
        Err(error) => Outcome::fail(format!("cargo {}: {error}", words.join(" "))),
    }
}

/// Runs `cargo test` and counts its tests; its output passes through.
pub(crate) fn cargo_tests(words: &[&str], options: &Options) -> Outcome {
    let mut command = Command::new(cargo_path());
    command.args(words).arg("--no-fail-fast").stdout(Stdio::piped());
    if options.full {
        command.env("PORTOLAN_FULL", "1");
    }
    if options.allow_missing {
        command.env("PORTOLAN_ALLOW_MISSING", "1");
    }
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Outcome::fail(format!("cargo {}: {error}", words.join(" "))),
    };
    let mut outcome = Outcome::default();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            println!("{line}");
            count_line(&line, &mut outcome);
        }
    }
    match child.wait() {
        Ok(status) if status.success() => {}
        Ok(status) if outcome.failed == 0 => {
            outcome.add(Outcome::fail(format!("cargo {}: {status}", words.join(" "))));
        }
        Ok(_) => {}
        Err(error) => outcome.add(Outcome::fail(format!("cargo {}: {error}", words.join(" ")))),
    }
    outcome
}

/// Reads `test result: ok. 5 passed; 0 failed; 1 ignored; ...` and `test NAME ... FAILED`.
fn count_line(line: &str, outcome: &mut Outcome) {
    if let Some(counts) = line.strip_prefix("test result: ") {
        for part in counts.split(['.', ';']).map(str::trim) {
            let Some((number, word)) = part.split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match word {
                "passed" => outcome.passed += number,
                "failed" => outcome.failed += number,
                "ignored" => outcome.skipped += number,
                _ => {}
            }
        }
    } else if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
        outcome.failures.push(name.to_owned());
    }
}

pub(crate) fn cargo_path() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_lines_of_cargo_test_are_counted() {
        let mut outcome = Outcome::default();
        for line in [
            "test a::b ... FAILED",
            "test result: FAILED. 5 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
        ] {
            count_line(line, &mut outcome);
        }
        assert_eq!((outcome.passed, outcome.failed, outcome.skipped), (8, 2, 1));
        assert_eq!(outcome.failures, ["a::b"]);
    }

    #[test]
    fn no_check_at_all_is_not_good() {
        assert!(!Outcome::default().good());
        assert!(Outcome::pass().good());
    }
}
