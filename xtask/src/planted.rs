//! Tests the tests: one build with all planted faults, and the suite once with each.
//!
//! The faults and what they do wrong are listed in `crates/tcp/src/planted.rs`. A fault is found when a test fails, or
//! when a test program does not come to its end in time. The test programs run from the cheapest to the dearest, and
//! the first that fails ends the search. What has found a fault has to pass without one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::step::{Outcome, cargo_path};

/// The crates whose tests are run, in that order.
const CRATES: &[&str] =
    &["portolan-tcp", "portolan-script", "portolan-stack", "portolan-swarm", "portolan-sim"];
/// Test programs that are left out: tables of throughput take long, and the machine's cost has nothing to do with
/// faults.
const LEFT_OUT: &[&str] = &["tables", "oracle", "memory"];
/// Tests that are left out, by the beginning of their names: they compare times, which many programs at once disturb.
const TIMED: &[&str] = &["f16_", "g5_", "g7_", "g16_"];
/// Where the faults are listed.
const LIST: &str = "crates/tcp/src/planted.rs";
/// The record of a full run.
const RECORD: &str = "docs/planted-faults.md";
/// Test programs that run longer than this with a fault have found it.
const PATIENCE: Duration = Duration::from_secs(180);
/// Faults that may stay unfound.
const UNFOUND_MAX: usize = 2;
/// A short run tries every so many faults.
const STRIDE: usize = 7;

/// A test program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Program {
    path: PathBuf,
    folder: PathBuf,
}

impl Program {
    /// The name of the file, without cargo's hash.
    fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.rsplit_once('-').map_or(name.clone(), |(name, _)| name.to_owned())
    }
}

/// What a run of the suite with one fault said.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// By this test, the first that failed in alphabetical order.
    Found(String),
    Unfound,
}

/// Runs the suite with every fault, or with a few; a full run is recorded.
pub(crate) fn run(full: bool) -> Outcome {
    let faults = match faults() {
        Ok(faults) => faults,
        Err(why) => return Outcome::fail(why),
    };
    let programs = match build() {
        Ok(programs) => programs,
        Err(why) => return Outcome::fail(why),
    };
    let chosen: Vec<u16> = if full {
        faults.keys().copied().collect()
    } else {
        faults.keys().copied().step_by(STRIDE).collect()
    };
    let (verdicts, finders) = search_all(&programs, &chosen);
    for program in finders {
        if let Some(test) = failure(&program, 0) {
            return Outcome::fail(format!("{test} fails without any fault"));
        }
    }
    let mut outcome = Outcome::default();
    let mut unfound = Vec::new();
    for (number, verdict) in &verdicts {
        match verdict {
            Verdict::Found(test) => println!("fault {number}: {test}"),
            Verdict::Unfound => {
                println!("fault {number} is not found: {}", faults[number]);
                unfound.push(*number);
            }
        }
    }
    if unfound.len() > UNFOUND_MAX || (!full && !unfound.is_empty() && known_as_found(&unfound)) {
        outcome.add(Outcome::fail(format!("planted faults that no test finds: {unfound:?}")));
    } else {
        outcome.add(Outcome::pass());
    }
    if full {
        record(&faults, &verdicts);
    }
    outcome
}

/// Whether one of these faults was found in the last full run.
fn known_as_found(unfound: &[u16]) -> bool {
    let record = fs::read_to_string(RECORD).unwrap_or_default();
    unfound.iter().any(|number| {
        record.lines().any(|line| line.starts_with(&format!("| {number} |")) && !line.contains("not found"))
    })
}

/// Numbers and descriptions, from the list in the source.
fn faults() -> Result<BTreeMap<u16, String>, String> {
    let source = fs::read_to_string(LIST).map_err(|error| format!("{LIST}: {error}"))?;
    let mut faults = BTreeMap::new();
    for line in source.lines() {
        let Some((number, text)) = line.trim().strip_prefix('(').and_then(|line| line.split_once(", \""))
        else {
            continue;
        };
        let (Ok(number), Some(text)) = (number.parse(), text.strip_suffix("\"),")) else { continue };
        if faults.insert(number, text.to_owned()).is_some() {
            return Err(format!("{LIST}: fault {number} is listed twice"));
        }
    }
    for number in faults.keys() {
        let places = places(*number)?;
        if places != 1 {
            return Err(format!("fault {number} stands in {places} places of the core and not in one"));
        }
    }
    Ok(faults)
}

/// How often `planted!(number, ...)` stands in the core's sources.
fn places(number: u16) -> Result<usize, String> {
    let mut count = 0;
    for root in ["crates/tcp/src", "crates/stack/src"] {
        let mut folders = vec![PathBuf::from(root)];
        while let Some(folder) = folders.pop() {
            let entries = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
            for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
                if path.is_dir() {
                    folders.push(path);
                } else if let Ok(text) = fs::read_to_string(&path) {
                    let text: String = text.split_whitespace().collect();
                    count += text.matches(&format!("planted!({number},")).count();
                }
            }
        }
    }
    Ok(count)
}

/// Builds the tests with all faults and returns their programs.
fn build() -> Result<Vec<Program>, String> {
    let mut command = Command::new(cargo_path());
    command.args(["test", "--no-run", "--quiet", "--message-format=json"]);
    for name in CRATES {
        command.args(["-p", name]);
    }
    let output = command
        .env("RUSTFLAGS", "--cfg planted_faults")
        .env("CARGO_TARGET_DIR", "target/planted")
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!("the build with planted faults: {}", output.status));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut programs: Vec<Program> = messages.lines().filter_map(program).collect();
    programs.retain(|program| !LEFT_OUT.contains(&program.name().as_str()));
    programs.sort_by_key(|program| {
        CRATES.iter().position(|name| {
            let folder = name.strip_prefix("portolan-").unwrap_or(name);
            program.folder.ends_with(Path::new("crates").join(folder))
        })
    });
    if programs.is_empty() { Err("cargo has built no tests".to_owned()) } else { Ok(programs) }
}

/// The test program that one of cargo's messages tells of.
fn program(message: &str) -> Option<Program> {
    let field = |name: &str| {
        let start = message.find(&format!("\"{name}\":\""))? + name.len() + 4;
        message.get(start..)?.split('"').next()
    };
    let path = PathBuf::from(field("executable")?);
    let folder = Path::new(field("manifest_path")?).parent()?.to_owned();
    // The target says whether it can be tested; the profile, whether this is the test.
    let (profile, _) = message.split_once("\"profile\":{")?.1.split_once('}')?;
    profile.contains("\"test\":true").then_some(Program { path, folder })
}

/// Searches for each of the faults; returns the programs as well that have found any.
fn search_all(programs: &[Program], numbers: &[u16]) -> (BTreeMap<u16, Verdict>, BTreeSet<Program>) {
    let next = AtomicUsize::new(0);
    let results = Mutex::new((BTreeMap::new(), BTreeSet::new()));
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(number) = numbers.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = search(programs, *number);
                    if let Ok(mut results) = results.lock() {
                        let (verdicts, finders) = &mut *results;
                        let (program, verdict) = found.map_or((None, Verdict::Unfound), |(program, test)| {
                            (Some(program.clone()), Verdict::Found(test))
                        });
                        verdicts.insert(*number, verdict);
                        finders.extend(program);
                    }
                }
            });
        }
    });
    results.into_inner().unwrap_or_default()
}

/// Runs the programs with one fault until one fails: which, and the test.
fn search(programs: &[Program], number: u16) -> Option<(&Program, String)> {
    programs.iter().find_map(|program| Some((program, failure(program, number)?)))
}

/// The first test that fails in a program; fault 0 is none.
fn failure(program: &Program, number: u16) -> Option<String> {
    let name = program.name();
    let mut command = Command::new(&program.path);
    command.current_dir(&program.folder).env("PORTOLAN_FAULT", number.to_string());
    TIMED.iter().for_each(|name| _ = command.args(["--skip", name]));
    command.arg("--test-threads=2").stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Some(format!("{name} (not started: {error})")),
    };
    let stdout = child.stdout.take()?;
    let reading = thread::spawn(move || std::io::read_to_string(stdout).unwrap_or_default());
    let end = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if Instant::now() < end => thread::sleep(Duration::from_millis(20)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
        }
    };
    let output = reading.join().unwrap_or_default();
    let failed = output.lines().find_map(|line| {
        let test = line.strip_prefix("test ")?.strip_suffix("... FAILED")?.trim();
        Some(test.split(" - ").next().unwrap_or(test).to_owned())
    });
    match (status, failed) {
        (_, Some(test)) => Some(format!("{name}: {test}")),
        (None, None) => Some(format!("{name}: no end within {} s", PATIENCE.as_secs())),
        (Some(status), None) if !status.success() => Some(format!("{name}: {status}")),
        _ => None,
    }
}

fn record(faults: &BTreeMap<u16, String>, verdicts: &BTreeMap<u16, Verdict>) {
    let found = verdicts.values().filter(|verdict| **verdict != Verdict::Unfound).count();
    let mut text = format!(
        "# Planted faults\n\nFaults of one line each, compiled in by `--cfg planted_faults` and chosen when the tests run, to see whether the\ntests find them. This page is written by `cargo xtask planted`, which `cargo xtask test --full` includes.\n\n{found} of {} were found. The test named is the first that failed.\n\n| fault | what it does wrong | found by |\n|---|---|---|\n",
        faults.len()
    );
    for (number, verdict) in verdicts {
        let by = match verdict {
            Verdict::Found(test) => format!("`{test}`"),
            Verdict::Unfound => "not found".to_owned(),
        };
        let _ = writeln!(text, "| {number} | {} | {by} |", faults[number]);
    }
    if let Err(error) = fs::write(RECORD, text) {
        eprintln!("xtask: {RECORD}: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_names_the_programs_of_tests() {
        let message = r#"{"reason":"compiler-artifact","manifest_path":"/x/crates/tcp/Cargo.toml","profile":{"test":true},"executable":"/x/target/debug/deps/portolan_tcp-12"}"#;
        let program = program(message).unwrap();
        assert_eq!(
            (program.path, program.folder),
            ("/x/target/debug/deps/portolan_tcp-12".into(), "/x/crates/tcp".into())
        );
        let tool = r#"{"manifest_path":"/x/Cargo.toml","target":{"test":true},"profile":{"test":false},"executable":"/x/tool"}"#;
        assert!(super::program(tool).is_none());
        assert!(
            super::program(r#"{"manifest_path":"/x/Cargo.toml","profile":{"test":true},"executable":null}"#)
                .is_none()
        );
    }
}
