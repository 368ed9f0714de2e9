//! `docs/compatibility.md`: how a program's sockets differ from the kernel's, from the records.

use std::fmt::Write as _;

use super::calls::{self, Call};
use super::differences::{self, Difference};
use super::programs::{self, Program};
use super::record::Row;
use super::suite::{Suite, Verdict};
use crate::table::cell;

/// The page's path.
pub(super) const PAGE: &str = "docs/compatibility.md";

/// A suite and its record.
pub(super) type Recorded = (&'static dyn Suite, Vec<Row>);

/// The whole page.
pub(super) fn text(
    suites: &[Recorded],
    programs: &[Program],
    calls: &[Call],
    differences: &[Difference],
) -> String {
    let mut out = String::from(
        "# Sockets under `portolan run`, and the kernel's\n\n\
         Written by `cargo xtask suites --write` from `docs/data/compatibility/`; not to be edited. The tests of others run\n\
         once on the kernel and once under `portolan run`, in network namespaces that nothing leaves; CI holds every verdict\n\
         against the record.\n\n\
         | suite | tests | the kernel passes | Portolan passes | fewer | worse for another reason |\n\
         |---|---|---|---|---|---|\n",
    );
    for (suite, rows) in suites {
        let passes =
            |verdict: fn(&Row) -> Verdict| rows.iter().filter(|row| verdict(row) == Verdict::Passes).count();
        let (kernel, portolan) = (passes(|row| row.kernel), passes(|row| row.portolan));
        let fewer = 100.0 * (kernel as f64 - portolan as f64) / kernel.max(1) as f64;
        let others = rows.iter().filter(|row| row.is_worse() && row.kernel != Verdict::Passes).count();
        let name = suite.name();
        let count = rows.len();
        let _ = writeln!(
            out,
            "| [{name}](#{name}) | {count} | {kernel} | {portolan} | {fewer:.1} % | {others} |"
        );
    }
    for (suite, rows) in suites {
        let _ = writeln!(out, "\n## {}\n\n{}", suite.name(), suite.about());
        let worse: Vec<&Row> = rows.iter().filter(|row| row.is_worse()).collect();
        if worse.is_empty() {
            out.push_str("\nNo test does worse than on the kernel.\n");
            continue;
        }
        out.push_str("\n| test | kernel | Portolan | reason |\n|---|---|---|---|\n");
        for Row { test, kernel, portolan, reason } in worse {
            let (kernel, portolan) = (kernel.word(), portolan.word());
            let _ = writeln!(out, "| {} | {kernel} | {portolan} | {} |", cell(test), cell(reason));
        }
    }
    out.push_str(&programs::section(programs));
    out.push_str(&calls::section(calls));
    out.push_str(&differences::section(differences));
    out
}
