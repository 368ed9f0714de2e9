//! What a suite is: the tests of somebody else, how they are listed and started, and how their output is read.
//!
//! To add one: a module beside `cpython` with a type that implements [`Suite`], an entry in [`ALL`], and the Debian
//! packages in `setup`. Everything else (both runs, hangs, the record, the page) follows from these answers.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::cpython;
use super::go::Go;
use super::ruby::Ruby;

/// The suites, in the order of the page.
pub(super) const ALL: &[&dyn Suite] = &[&cpython::DEFAULT, &cpython::SECCOMP, &Ruby, &Go];

/// A test suite that runs once on the kernel and once under `portolan run`.
pub(super) trait Suite {
    /// The word on the command line and the name of the record, `docs/data/compatibility/NAME.csv`.
    fn name(&self) -> &'static str;

    /// What it is, where it is from, and what of it is left out and why: a paragraph of the page.
    fn about(&self) -> &'static str;

    /// Options of `portolan run` beside `--quiet`.
    fn run_options(&self) -> &'static [&'static str] {
        &[]
    }

    /// A test that says nothing for so long hangs.
    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }

    /// Puts what the suite needs into `folder`, which is the suite's own and is kept between runs.
    fn prepare(&self, folder: &Path) -> Result<(), String>;

    /// The names of all tests, in the order in which they run.
    fn list(&self, folder: &Path) -> Result<Vec<String>, String>;

    /// Whether a test takes so long that the short form leaves it out.
    fn is_slow(&self, _name: &str) -> bool {
        false
    }

    /// The program and its arguments that run exactly the tests of these names, in this order.
    fn command(&self, folder: &Path, names: &[String]) -> Result<Vec<String>, String>;

    /// What a line of the program's standard output says; standard error only goes to the log.
    fn read(&self, line: &str) -> Option<Line>;
}

/// What the output of a suite can say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A test begins.
    Begins(String),
    /// The test that is running complains, or says why it is skipped.
    Said(String),
    /// A test has ended, with what it complained about or why it was skipped, or nothing if it said so before.
    Ended(String, Verdict, String),
}

/// What became of a test; the better one is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// It did not end in time, or was not reached before the whole suite's time was up.
    Hangs,
    /// It failed, or the process died of it.
    Fails,
    /// It finds that it cannot run here.
    Skips,
    /// It passed.
    Passes,
}

impl Verdict {
    /// The word in records and on the page.
    pub(super) fn word(self) -> &'static str {
        match self {
            Verdict::Hangs => "hang",
            Verdict::Fails => "fail",
            Verdict::Skips => "skip",
            Verdict::Passes => "pass",
        }
    }

    /// The verdict of a word.
    pub(super) fn from_word(word: &str) -> Option<Verdict> {
        [Verdict::Hangs, Verdict::Fails, Verdict::Skips, Verdict::Passes]
            .into_iter()
            .find(|verdict| verdict.word() == word)
    }
}

/// What a command that must succeed prints.
pub(super) fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
