//! The table of socket calls, flags, options, control messages and requests: what each does, and the test that proves it.
//!
//! The rows stand in `docs/data/compatibility/calls.csv`. A test is one of a suite, `cpython: Class.test`, which must be
//! recorded as passed, or one of ours, `path name`, which must exist.

use std::fmt::Write as _;

use super::page::Recorded;
use super::suite::Verdict;
use crate::sources::{self, Source};
use crate::table::{self, cell};

/// Where the rows stand.
pub(super) const ROWS: &str = "docs/data/compatibility/calls.csv";

/// One row.
#[derive(Debug)]
pub(super) struct Call {
    /// `call`, `flag`, `SOL_SOCKET`, ...: the heading that it stands under.
    pub(super) group: String,
    /// The name in C.
    pub(super) name: String,
    /// `yes`, or what a program sees instead.
    pub(super) outcome: String,
    /// The test that proves it.
    pub(super) test: String,
}

/// Reads the rows.
pub(super) fn read() -> Result<Vec<Call>, String> {
    let rows = table::read::<4>(ROWS)?;
    Ok(rows.into_iter().map(|[group, name, outcome, test]| Call { group, name, outcome, test }).collect())
}

/// A line for each row whose test is not there, or has not passed.
pub(super) fn unproved(calls: &[Call], suites: &[Recorded]) -> Result<Vec<String>, String> {
    let sources = sources::all()?;
    let is_proved = |call: &Call| match call.test.split_once(": ") {
        Some((suite, test)) => suites
            .iter()
            .filter(|(recorded, _)| recorded.name() == suite)
            .any(|(_, rows)| rows.iter().any(|row| row.test == test && row.portolan == Verdict::Passes)),
        None => call.test.split_once(' ').is_some_and(|(path, test)| has_test(&sources, path, test)),
    };
    let unproved = calls.iter().filter(|call| !is_proved(call));
    Ok(unproved
        .map(|call| format!("{ROWS}: {}: no passing test is called '{}'", call.name, call.test))
        .collect())
}

fn has_test(sources: &[Source], path: &str, test: &str) -> bool {
    sources.iter().any(|source| source.path == path && source.tests().contains(&test))
}

/// The table of the page.
pub(super) fn section(calls: &[Call]) -> String {
    let mut out = String::from(
        "\n## Calls, flags and options\n\n\
         `yes` is as on the kernel. What is not there gives the errno that a kernel without it gives, and a line on\n\
         standard error says so once. The last column is the test that proves the row.\n",
    );
    let mut group = "";
    for call in calls {
        if call.group != group {
            group = &call.group;
            let _ = writeln!(out, "\n### {group}\n\n| name | | proved by |\n|---|---|---|");
        }
        let _ = writeln!(out, "| `{}` | {} | {} |", cell(&call.name), cell(&call.outcome), cell(&call.test));
    }
    out
}
