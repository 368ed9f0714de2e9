//! The project's own tasks.
//!
//! `cargo xtask test` is the README's test command: it installs what the tests need, checks format, lints, licences and
//! the house rules, builds the program and runs every test, in at most 25 minutes on two cores. `--full` runs every
//! count in full and records the outcome in `docs/results/`. `cargo xtask sim` plays seeds of the simulator's
//! swarm.

mod attacks;
mod install;
mod ledger;
mod licences;
mod packetdrill;
mod planted;
mod report;
mod results;
mod rules;
mod setup;
mod sim;
mod sources;
mod step;
mod suites;
mod table;

use std::process::ExitCode;

use step::{Outcome, Steps};

const USAGE: &str = "usage: cargo xtask test [--full] [--allow-missing] [--only STEP]...
       cargo xtask ledger [--check]
       cargo xtask attacks [--check]
       cargo xtask bench WORDS...
       cargo xtask planted
       cargo xtask packetdrill --binary PATH --scripts DIR [--folder NAME] [--jobs N] [--expect N] [--compare]
       cargo xtask suites [NAME]... [--short] [--write] [--page]
       cargo xtask sim [--seeds N] [--from S] [--jobs J] [--replay PLAN] [--pcap FILE] [--no-shrink]
  test             everything a change must pass, within 25 minutes
  ledger           writes docs/conformance.md: which requirement of which RFC is met where, and the test that proves it
  attacks          writes docs/attacks.md: which attack which test replays
  --check          changes nothing; fails when the page is stale or the ledger has a gap
  --full           every count in full; the result is written to docs/results/full.md
  --allow-missing  leave out what cannot run here (no root, a program missing) instead of failing
  --only STEP      one of: setup, fmt, clippy, licences, rules, ledger, attacks, doc, build, tests, suites, planted, bench,
                   release, sim
  bench            Portolan beside others, built with optimisation; `cargo xtask bench` alone says what there is
  planted          the suite with every planted fault; the result is written to docs/planted-faults.md
  packetdrill      the scripts of DIR under the packetdrill at PATH, with this stack in it; docs/conformance.md says
                   where both come from; the result of a run over all folders is written to docs/data/packetdrill.csv
  suites           the socket tests of others, on the kernel and under `portolan run`, held against the record; --short
                   leaves the kernel's side and slow tests out, --write replaces the record and docs/compatibility.md, --page writes
                   the page alone
  sim              random stories on the simulated network; a failing one is shrunk and printed as a PLAN";

/// What the command line asks for.
#[derive(Debug, Default, Clone)]
struct Options {
    full: bool,
    allow_missing: bool,
    only: Vec<String>,
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    match words.next().as_deref() {
        Some("test") => test_command(words),
        Some("packetdrill") => packetdrill::main(words),
        Some("bench") => {
            let words: Vec<String> = words.collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let mut outcome =
                if words.first() == Some(&"run") { build_release() } else { Outcome::default() };
            outcome.add(bench(&words));
            code(&outcome)
        }
        Some("planted") => code(&planted::run(true)),
        Some("ledger") => document(ledger::run, words),
        Some("attacks") => document(attacks::run, words),
        Some("suites") => suites::main(words),
        Some("sim") => sim::run(words),
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// A command that writes a page, or checks it.
fn document(run: fn(bool) -> Outcome, words: impl Iterator<Item = String>) -> ExitCode {
    let words: Vec<String> = words.collect();
    let check = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--check"] => true,
        _ => return usage("only --check may follow"),
    };
    code(&run(check))
}

fn test_command(mut words: impl Iterator<Item = String>) -> ExitCode {
    let mut options = Options::default();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--full" => options.full = true,
            "--allow-missing" => options.allow_missing = true,
            "--only" => match words.next() {
                Some(step) => options.only.push(step),
                None => return usage("--only needs the name of a step"),
            },
            other => return usage(&format!("unknown word '{other}'")),
        }
    }
    test(&options)
}

fn usage(why: &str) -> ExitCode {
    eprintln!("xtask: {why}\n{USAGE}");
    ExitCode::from(2)
}

/// Says what failed, if anything did.
fn code(outcome: &Outcome) -> ExitCode {
    for failure in &outcome.failures {
        eprintln!("xtask: {failure}");
    }
    if outcome.good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn bench(words: &[&str]) -> Outcome {
    let mut command = vec!["run", "--release", "--quiet", "-p", "portolan-bench", "--"];
    command.extend(words);
    step::cargo(&command, &[])
}

/// The benches that judge themselves: the cost of steps, goodput beside Linux's, `portolan run` beside the machine.
fn benches(options: &Options) -> Outcome {
    let mut outcome =
        if options.full { results::bench("steps", &["steps"]) } else { bench(&["steps", "--short"]) };
    if options.allow_missing && results::output_of("id", &["-u"]) != "0" {
        println!("bench loss and bench run are left out: they need root");
        outcome.skipped += 1;
        return outcome;
    }
    outcome.add(if options.full {
        results::bench("loss", &["loss", "--seconds", "6"])
    } else {
        bench(&["loss", "--short"])
    });
    outcome.add(build_release());
    outcome.add(if options.full { results::bench("run", &["run"]) } else { bench(&["run", "--short"]) });
    outcome
}

fn test(options: &Options) -> ExitCode {
    let begun = results::Begun::now();
    let mut steps = Steps::new(options);
    steps.run("setup", setup::run);
    steps.run("fmt", |_| step::cargo(&["fmt", "--all", "--check"], &[]));
    steps.run("licences", |_| licences::check());
    steps.run("rules", |_| rules::check());
    steps.run("ledger", |_| ledger::run(true));
    steps.run("attacks", |_| attacks::run(true));
    steps.run("clippy", |_| {
        step::cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"], &[])
    });
    steps.run("doc", |_| {
        step::cargo(
            &["doc", "--workspace", "--no-deps", "--document-private-items", "--quiet"],
            &[("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links")],
        )
    });
    steps.run("build", |_| step::cargo(&["build", "--quiet"], &[]));
    steps.run("tests", |options| step::cargo_tests(&["test", "--workspace"], options));
    steps.run("suites", suites::step);
    steps.run("planted", |options| planted::run(options.full));
    steps.run("bench", benches);
    steps.run("release", release);
    if options.full {
        steps.run("sim", |_| sim::step());
    }
    let times = steps.times().to_vec();
    let outcome = steps.finish();
    if options.full && options.only.is_empty() {
        results::record(&begun, &times, &outcome);
    }
    if outcome.good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn build_release() -> Outcome {
    step::cargo(&["build", "--release", "--quiet"], &[])
}

/// What only means something with optimisation, and the program as it is installed.
fn release(options: &Options) -> Outcome {
    let mut outcome = build_release();
    outcome
        .add(step::cargo_tests(&["test", "--release", "-p", "portolan-stack", "--test", "memory"], options));
    if options.full {
        outcome.add(install::check());
    }
    outcome
}
