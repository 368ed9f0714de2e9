//! House rules that no other tool checks.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::step::Outcome;

/// What no file of the repository may say: places that exist only where it was written.
const FOREIGN: [&str; 4] = ["../shar", "/work/", "/home/", "/root/"];

/// The core may name no clock, thread, file or environment; `no_std` sees to it, and this sees to `no_std`.
const CORE: [&str; 4] = ["wire", "link", "tcp", "stack"];

/// Checks all files that git tracks; one check, however many files there are.
pub(crate) fn check() -> Outcome {
    let mut outcome = Outcome::default();
    let listing = match Command::new("git").args(["ls-files", "-z"]).output() {
        Ok(output) if output.status.success() => output.stdout,
        _ => return Outcome::fail("git ls-files failed: run inside a checkout"),
    };
    for name in String::from_utf8_lossy(&listing).split('\0').filter(|name| !name.is_empty()) {
        let Ok(text) = fs::read_to_string(name) else { continue };
        outcome.add(check_file(name, &text));
    }
    for name in CORE {
        let path = format!("crates/{name}/src/lib.rs");
        let text = fs::read_to_string(Path::new(&path)).unwrap_or_default();
        for wanted in [
            "#![no_std]",
            "clippy::indexing_slicing",
            "clippy::unwrap_used",
            "clippy::cast_possible_truncation",
        ] {
            if !text.contains(wanted) {
                outcome
                    .add(Outcome::fail(format!("{path}: {wanted} is missing at the head of a core crate")));
            }
        }
    }
    if outcome.failed == 0 { Outcome::pass() } else { outcome }
}

fn check_file(name: &str, text: &str) -> Outcome {
    let mut outcome = Outcome::default();
    if name != "xtask/src/rules.rs" {
        for (number, line) in text.lines().enumerate() {
            if let Some(word) = FOREIGN.iter().find(|word| line.contains(**word)) {
                outcome.add(Outcome::fail(format!(
                    "{name}:{}: '{word}' leads out of the repository",
                    number + 1
                )));
            }
        }
    }
    if name.ends_with(".rs")
        && (text.contains("todo!(") || text.contains("unimplemented!("))
        && name != "xtask/src/rules.rs"
    {
        outcome.add(Outcome::fail(format!("{name}: an unfinished function")));
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leads_out_is_found() {
        assert_eq!(check_file("a.md", "see /home/x").failed, 1);
        assert_eq!(check_file("a.md", "see ../shared/x").failed, 1);
        assert_eq!(check_file("a.md", "see docs/x").failed, 0);
        assert_eq!(check_file("a.rs", "fn f() { todo!() }").failed, 1);
    }
}
