//! The records of the last full run: date, commit, command, counts; and what the benches said.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::step::{self, Outcome};

/// When a run began, and with which sources.
pub(crate) struct Begun {
    date: String,
    commit: String,
}

impl Begun {
    /// What is committed now, and whether there is more. The records that a run itself writes are no sources.
    pub(crate) fn now() -> Begun {
        let words = ["status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs/results"];
        let more = if output_of("git", &words).is_empty() { "" } else { " and changes not committed" };
        let commit = output_of("git", &["rev-parse", "--short=12", "HEAD"]);
        Begun { date: output_of("date", &["-u", "+%Y-%m-%d %H:%M UTC"]), commit: commit + more }
    }
}

/// Writes `docs/results/full.md`.
pub(crate) fn record(begun: &Begun, times: &[(&str, Duration)], outcome: &Outcome) {
    let mut text = format!(
        "# The last full run\n\n| | |\n|---|---|\n| date | {} |\n| commit | {} |\n| command | `cargo xtask test --full` |\n| passed | {} |\n| failed | {} |\n| skipped | {} |\n\n| step | seconds |\n|---|---|\n",
        begun.date, begun.commit, outcome.passed, outcome.failed, outcome.skipped
    );
    for (step, time) in times {
        text.push_str(&format!("| {step} | {:.0} |\n", time.as_secs_f64()));
    }
    for failure in &outcome.failures {
        text.push_str(&format!("\n- failed: `{failure}`"));
    }
    write("docs/results/full.md", &text);
}

/// Runs a bench with these words and writes what it says to `docs/results/NAME.md`.
pub(crate) fn bench(name: &str, words: &[&str]) -> Outcome {
    let mut command = Command::new(step::cargo_path());
    command.args(["run", "--release", "--quiet", "-p", "portolan-bench", "--"]).args(words);
    let output = match command.stderr(Stdio::inherit()).output() {
        Ok(output) => output,
        Err(error) => return Outcome::fail(format!("cargo: {error}")),
    };
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{said}");
    let words = words.join(" ");
    let text = format!(
        "# The last full run of `cargo xtask bench {words}`\n\nOne run on {}, commit {}. Figures of one machine; the ratios are what to look at.\n\n```text\n{said}```\n",
        output_of("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        output_of("git", &["rev-parse", "--short=12", "HEAD"]),
    );
    write(&format!("docs/results/{name}.md"), &text);
    if output.status.success() {
        Outcome::pass()
    } else {
        Outcome::fail(format!("bench {words}: {}", output.status))
    }
}

fn write(path: &str, text: &str) {
    if let Err(error) = fs::create_dir_all("docs/results").and_then(|()| fs::write(path, text)) {
        eprintln!("xtask: {path}: {error}");
    }
}

pub(crate) fn output_of(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
