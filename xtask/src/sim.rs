//! The simulator's swarm: the program `portolan-swarm`, built with optimisation.

use std::process::{Command, ExitCode, Stdio};

use crate::step::{Outcome, cargo_path};

/// Seeds of a full run, and of them those that the unoptimised build plays too.
const SEEDS: &str = "10000";
const SEEDS_TWICE: &str = "300";

/// `cargo xtask sim`: hands all words on.
pub(crate) fn run(words: impl Iterator<Item = String>) -> ExitCode {
    let words: Vec<String> = words.collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match swarm(true, &words).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => {
            eprintln!("xtask: cargo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The step of `cargo xtask test --full`: many seeds, and equal traces with and without optimisation. The short form has
/// its seeds among the crate's tests.
pub(crate) fn step() -> Outcome {
    let mut outcome = match swarm(true, &["--seeds", SEEDS]).status() {
        Ok(status) if status.success() => Outcome::pass(),
        Ok(status) => Outcome::fail(format!("cargo xtask sim --seeds {SEEDS}: {status}")),
        Err(error) => Outcome::fail(format!("cargo xtask sim: {error}")),
    };
    let digests = [true, false].map(|optimised| digest(optimised, SEEDS_TWICE));
    outcome.add(match digests {
        [Some(optimised), Some(other)] if optimised == other => Outcome::pass(),
        other => Outcome::fail(format!("{SEEDS_TWICE} seeds with and without optimisation give {other:?}")),
    });
    outcome
}

/// The hash of all traces of the first seeds.
fn digest(optimised: bool, seeds: &str) -> Option<String> {
    let output = swarm(optimised, &["--seeds", seeds]).stderr(Stdio::inherit()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find_map(|line| line.strip_prefix("digest ")).map(str::to_owned)
}

fn swarm(optimised: bool, words: &[&str]) -> Command {
    let mut command = Command::new(cargo_path());
    command.args(["run", "--quiet", "-p", "portolan-swarm"]);
    if optimised {
        command.arg("--release");
    }
    command.arg("--").args(words);
    command
}
