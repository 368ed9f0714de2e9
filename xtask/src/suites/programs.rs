//! The table of real programs that the tests of `portolan-cli` run, from `docs/data/compatibility/programs.csv`; those
//! tests hold the table against themselves.

use std::fmt::Write as _;

use crate::table::{self, cell};

const ROWS: &str = "docs/data/compatibility/programs.csv";

/// A program: its name, its version, what is exercised, the engine, and the test.
pub(super) type Program = [String; 5];

/// Reads the rows.
pub(super) fn read() -> Result<Vec<Program>, String> {
    table::read(ROWS)
}

/// The table of the page.
pub(super) fn section(programs: &[Program]) -> String {
    let mut out = String::from(
        "\n## Programs\n\n\
         Each is run as Debian packages it, by a test of `crates/cli/tests/programs` that looks at what it did. The version\n\
         is that of the machine where the row was written.\n\n\
         | program | version | what is exercised | engine | test |\n|---|---|---|---|---|\n",
    );
    for [program, version, exercised, engine, test] in programs {
        let [program, version, exercised] = [program, version, exercised].map(|text| cell(text));
        let _ = writeln!(out, "| {program} | {version} | {exercised} | {engine} | `{}` |", cell(test));
    }
    out
}
