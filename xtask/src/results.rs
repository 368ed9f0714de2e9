//! The record of the last full run: date, commit, command, counts.

use std::fs;
use std::process::Command;

use crate::step::Outcome;

/// Writes `docs/results/full.md`.
pub(crate) fn record(outcome: &Outcome) {
    let date = output("date", &["-u", "+%Y-%m-%d %H:%M UTC"]);
    let commit = output("git", &["rev-parse", "--short=12", "HEAD"]);
    let dirty = if output("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty() {
        ""
    } else {
        " and changes not committed"
    };
    let mut text = format!(
        "# The last full run\n\n| | |\n|---|---|\n| date | {date} |\n| commit | {commit}{dirty} |\n| command | `cargo xtask test --full` |\n| passed | {} |\n| failed | {} |\n| skipped | {} |\n",
        outcome.passed, outcome.failed, outcome.skipped
    );
    for failure in &outcome.failures {
        text.push_str(&format!("\n- failed: `{failure}`"));
    }
    if let Err(error) =
        fs::create_dir_all("docs/results").and_then(|()| fs::write("docs/results/full.md", text))
    {
        eprintln!("xtask: docs/results/full.md: {error}");
    }
}

fn output(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
