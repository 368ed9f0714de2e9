//! What is recorded of a suite: one line for each test, with both sides' verdicts and, where Portolan's is the worse,
//! the reason.

use std::fmt::Write as _;
use std::fs;

use super::runner::Verdicts;
use super::suite::Verdict;
use crate::table;

/// One test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) test: String,
    pub(super) kernel: Verdict,
    pub(super) portolan: Verdict,
    /// Why Portolan's verdict is the worse one: written by hand, kept by `--write`.
    pub(super) reason: String,
}

impl Row {
    /// Portolan does worse than the kernel.
    pub(super) fn is_worse(&self) -> bool {
        self.portolan < self.kernel
    }
}

/// Where a suite's record stands.
pub(super) fn path(suite: &str) -> String {
    format!("docs/data/compatibility/{suite}.csv")
}

/// Reads a suite's record.
pub(super) fn read(suite: &str) -> Result<Vec<Row>, String> {
    let path = path(suite);
    table::read::<4>(&path)?
        .into_iter()
        .map(|[test, kernel, portolan, reason]| {
            let verdict = |word: &str| {
                Verdict::from_word(word).ok_or(format!("{path}: {test}: '{word}' is no verdict"))
            };
            let (kernel, portolan) = (verdict(&kernel)?, verdict(&portolan)?);
            Ok(Row { test, kernel, portolan, reason })
        })
        .collect()
}

/// Both sides' verdicts as rows, with the reasons that were recorded before.
pub(super) fn merge(kernel: &Verdicts, portolan: &Verdicts, old: &[Row]) -> Vec<Row> {
    kernel
        .iter()
        .map(|(test, &(kernel, _))| {
            let (portolan, _) =
                portolan.get(test).map_or((Verdict::Hangs, ""), |(verdict, why)| (*verdict, why));
            let mut row = Row { test: test.clone(), kernel, portolan, reason: String::new() };
            if row.is_worse()
                && let Some(old) = old.iter().find(|old| old.test == row.test)
            {
                row.reason.clone_from(&old.reason);
            }
            row
        })
        .collect()
}

/// Writes a suite's record.
pub(super) fn write(suite: &str, rows: &[Row]) -> Result<(), String> {
    let mut text = String::from("test,kernel,portolan,reason\n");
    for Row { test, kernel, portolan, reason } in rows {
        let (kernel, portolan) = (kernel.word(), portolan.word());
        let _ = writeln!(text, "{},{kernel},{portolan},{}", table::quote(test), table::quote(reason));
    }
    let path = path(suite);
    fs::create_dir_all("docs/data/compatibility")
        .and_then(|()| fs::write(&path, text))
        .map_err(|error| format!("{path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(list: &[(&str, Verdict)]) -> Verdicts {
        list.iter().map(|(test, verdict)| (test.to_string(), (*verdict, "why".to_owned()))).collect()
    }

    #[test]
    fn a_reason_is_kept_as_long_as_the_test_is_worse() {
        let row = |test: &str, portolan, reason: &str| Row {
            test: test.into(),
            kernel: Verdict::Passes,
            portolan,
            reason: reason.into(),
        };
        let old = [row("a", Verdict::Fails, "no clock"), row("b", Verdict::Fails, "no wire")];
        let kernel = verdicts(&[("a", Verdict::Passes), ("b", Verdict::Passes), ("c", Verdict::Passes)]);
        let portolan = verdicts(&[("a", Verdict::Skips), ("b", Verdict::Passes)]);
        let merged = merge(&kernel, &portolan, &old);
        let wanted = [
            row("a", Verdict::Skips, "no clock"),
            row("b", Verdict::Passes, ""),
            row("c", Verdict::Hangs, ""),
        ];
        assert_eq!(merged, wanted);
    }
}
