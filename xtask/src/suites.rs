//! `cargo xtask suites`: the socket tests of others, once on the kernel and once under `portolan run`.
//!
//! The verdicts are recorded, test by test, in `docs/data/compatibility/`, and `docs/compatibility.md` is written from
//! them. [`suite`] says how a suite is added; [`runner`] runs one; [`record`] keeps what came of it.

mod calls;
mod cpython;
mod differences;
mod go;
mod page;
mod programs;
mod record;
mod ruby;
mod runner;
mod suite;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::step::{self, Outcome};
use record::Row;
use runner::{Side, Verdicts};
use suite::{Suite, Verdict};

/// What the command line asks for.
#[derive(Debug, Default)]
struct Options {
    names: Vec<String>,
    /// Replace the record.
    write: bool,
    /// Run nothing, and write the page from the record.
    page: bool,
    /// Leave the kernel's side out, and slow tests.
    short: bool,
}

pub(crate) fn main(words: impl Iterator<Item = String>) -> ExitCode {
    let mut options = Options::default();
    for word in words {
        match word.as_str() {
            "--write" => options.write = true,
            "--page" => options.page = true,
            "--short" => options.short = true,
            name if suite::ALL.iter().any(|suite| suite.name() == name) => options.names.push(word),
            _ => {
                let names: Vec<&str> = suite::ALL.iter().map(|suite| suite.name()).collect();
                eprintln!(
                    "xtask: suites: '{word}' is no suite (there are {}), nor an option",
                    names.join(", ")
                );
                return ExitCode::from(2);
            }
        }
    }
    if options.page {
        return crate::code(&write_page(false).unwrap_or_else(Outcome::fail));
    }
    if !step::cargo(&["build", "--quiet"], &[]).good() {
        return ExitCode::FAILURE;
    }
    crate::code(&run(&options))
}

/// The step of `cargo xtask test`: Portolan's side of every suite, in full also the kernel's, held against the record.
pub(crate) fn step(options: &crate::Options) -> Outcome {
    if options.allow_missing && !crate::setup::is_root() {
        println!("the suites are left out: they need root");
        return Outcome { skipped: 1, ..Outcome::default() };
    }
    run(&Options { short: !options.full, ..Options::default() })
}

fn run(options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    for suite in suite::ALL
        .iter()
        .filter(|suite| options.names.is_empty() || options.names.iter().any(|name| name == suite.name()))
    {
        outcome.add(
            run_suite(*suite, options)
                .unwrap_or_else(|why| Outcome::fail(format!("{}: {why}", suite.name()))),
        );
    }
    outcome.add(write_page(!options.write).unwrap_or_else(Outcome::fail));
    outcome
}

/// Runs both sides, or with `short` Portolan's only, and holds them against the record or replaces it.
fn run_suite(suite: &dyn Suite, options: &Options) -> Result<Outcome, String> {
    let folder = folder(suite)?;
    suite.prepare(&folder)?;
    let mut names = suite.list(&folder)?;
    let is_short = options.short && !options.write;
    if is_short {
        names.retain(|name| !suite.is_slow(name));
    }
    let old =
        record::read(suite.name()).or_else(|why| if options.write { Ok(Vec::new()) } else { Err(why) })?;
    let kernel = match is_short {
        true => None,
        false => Some(runner::run(suite, Side::Kernel, &folder, &names)?),
    };
    let mut portolan = runner::run(suite, Side::Portolan, &folder, &names)?;
    let mut outcome = Outcome::default();
    if options.write {
        let kernel = kernel.ok_or("the kernel's side did not run")?;
        let rows = record::merge(&kernel, &portolan, &old);
        print_differences(&rows, &portolan);
        record::write(suite.name(), &rows)?;
        outcome.add(Outcome::pass());
        return Ok(outcome);
    }
    retry(suite, &folder, &old, &mut portolan)?;
    outcome.add(compare(suite, Side::Portolan, &old, &portolan, &names));
    if let Some(kernel) = &kernel {
        outcome.add(compare(suite, Side::Kernel, &old, kernel, &names));
        print_differences(&record::merge(kernel, &portolan, &old), &portolan);
    }
    Ok(outcome)
}

/// Runs what was worse than recorded once more, alone: tests that measure time are disturbed by a loaded machine.
fn retry(
    suite: &dyn Suite,
    folder: &std::path::Path,
    old: &[Row],
    verdicts: &mut Verdicts,
) -> Result<(), String> {
    let is_worse = |row: &&Row| verdicts.get(&row.test).is_some_and(|(verdict, _)| *verdict < row.portolan);
    let again: Vec<String> = old.iter().filter(is_worse).map(|row| row.test.clone()).collect();
    if again.is_empty() {
        return Ok(());
    }
    println!("{}: once more: {}", suite.name(), again.join(" "));
    verdicts.extend(runner::run(suite, Side::Portolan, folder, &again)?);
    Ok(())
}

/// A check for each test: it is recorded, and does not do worse than recorded.
fn compare(suite: &dyn Suite, side: Side, old: &[Row], verdicts: &Verdicts, names: &[String]) -> Outcome {
    let mut outcome = Outcome::default();
    let mut better = 0;
    for name in names {
        let Some(row) = old.iter().find(|row| row.test == *name) else {
            outcome.add(Outcome::fail(format!("{}: {name} is not recorded", suite.name())));
            continue;
        };
        let recorded = if side == Side::Kernel { row.kernel } else { row.portolan };
        match verdicts.get(name) {
            Some((verdict, _)) if *verdict >= recorded => {
                better += usize::from(*verdict > recorded);
                outcome.add(Outcome::pass());
            }
            found => {
                let (word, why) =
                    found.map_or(("nothing", ""), |(verdict, why)| (verdict.word(), why.as_str()));
                outcome.add(Outcome::fail(format!(
                    "{}: {name}: {word} on {}, recorded is {}: {why}",
                    suite.name(),
                    side.word(),
                    recorded.word()
                )));
            }
        }
    }
    let passed = verdicts.values().filter(|(verdict, _)| *verdict == Verdict::Passes).count();
    println!(
        "{} on {}: {passed} of {} pass, {better} better than recorded",
        suite.name(),
        side.word(),
        names.len()
    );
    outcome
}

fn print_differences(rows: &[Row], portolan: &Verdicts) {
    for row in rows.iter().filter(|row| row.is_worse()) {
        let why = portolan.get(&row.test).map_or("", |(_, why)| why);
        println!(
            "{}: {} on the kernel, {} on portolan: {why}",
            row.test,
            row.kernel.word(),
            row.portolan.word()
        );
    }
}

/// Writes the page, or checks it; and that every difference has its reason and every row of calls its test.
fn write_page(check: bool) -> Result<Outcome, String> {
    let recorded: Vec<page::Recorded> = suite::ALL
        .iter()
        .map(|suite| record::read(suite.name()).map(|rows| (*suite, rows)))
        .collect::<Result<_, _>>()?;
    let calls = calls::read()?;
    let mut outcome = Outcome::default();
    for (suite, rows) in &recorded {
        for row in rows.iter().filter(|row| row.is_worse() && row.reason.is_empty()) {
            let path = record::path(suite.name());
            outcome.add(Outcome::fail(format!("{path}: {}: say why it is worse", row.test)));
        }
    }
    for why in calls::unproved(&calls, &recorded)? {
        outcome.add(Outcome::fail(why));
    }
    let text = page::text(&recorded, &programs::read()?, &calls, &differences::read()?);
    outcome.add(crate::report::write(page::PAGE, &text, "cargo xtask suites --write", check));
    Ok(outcome)
}

fn folder(suite: &dyn Suite) -> Result<PathBuf, String> {
    let folder = PathBuf::from("target/suites").join(suite.name());
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    folder.canonicalize().map_err(|error| format!("{}: {error}", folder.display()))
}
