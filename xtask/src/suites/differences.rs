//! Lines in which a program of `crates/cli/tests/socket_errors` says something else than on the kernel, and why.
//!
//! The rows stand in `docs/data/compatibility/differences.csv`, which that test holds against what the programs say.

use std::fmt::Write as _;

use crate::table::{self, cell};

/// Where the rows stand.
const ROWS: &str = "docs/data/compatibility/differences.csv";

/// An engine, a section, a line of the kernel's, ours, and why.
pub(super) type Difference = [String; 5];

/// Reads the rows.
pub(super) fn read() -> Result<Vec<Difference>, String> {
    table::read(ROWS)
}

/// The table of the page.
pub(super) fn section(differences: &[Difference]) -> String {
    let mut out = String::from(
        "\n## Odd, late and impossible calls\n\n\
         Programs of `crates/cli/tests/socket_errors.rs` make such calls on the kernel and with each engine, and CI holds every\n\
         line that they print against the kernel's. These lines differ, and no other. Under `seccomp` alone read, write, recv and\n\
         send are the kernel's own, on an AF_UNIX socket (decision 021); static programs have that engine under `auto` too.\n\n\
         | engine | section | on the kernel | here | because |\n|---|---|---|---|---|\n",
    );
    for [engine, section, kernel, ours, reason] in differences {
        let (kernel, ours) = (cell(kernel), cell(ours));
        let _ = writeln!(out, "| {engine} | `{section}` | {kernel} | {ours} | {} |", cell(reason));
    }
    out
}
