//! Job control and terminals: an interactive bash on a pseudo-terminal, and commands of `portolan run` as its jobs.
//!
//! Each test is a story of `life/terminal.py`, which types what a user types and reads what the terminal shows.

#[allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use support::*;

const MINUTE: Duration = Duration::from_secs(60);

fn tell_with(engine: &str, story: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/life/terminal.py");
    let mut command = Command::new("/usr/bin/python3");
    command.arg(script).arg(built()).args([engine, story]).stdin(Stdio::null());
    let output = finish(&mut command, MINUTE);
    assert_eq!(text(&output.stdout), format!("{story}\n"), "{engine}: {}", text(&output.stderr));
}

fn tell(story: &str) {
    tell_with("auto", story);
}

#[test]
fn control_z_stops_the_command_and_run_and_fg_continues_both() {
    tell("stop_and_continue");
    tell_with("seccomp", "stop_and_continue");
}

#[test]
fn bg_continues_in_the_background_and_control_backslash_ends() {
    tell("background");
}

#[test]
fn who_reads_in_the_background_is_stopped_and_reads_in_the_foreground() {
    tell("reading_in_the_background");
}

#[test]
fn a_program_in_raw_mode_has_every_key_and_hears_of_the_terminals_size() {
    tell("raw_mode");
}

#[test]
fn editors_and_pagers_give_the_terminal_back() {
    tell("editor_and_pager");
}

#[test]
fn an_interactive_shell_has_jobs_of_its_own_and_is_suspended() {
    tell("a_shell_inside");
}

#[test]
fn a_command_that_ignores_control_z_goes_on() {
    tell("a_stop_that_is_ignored");
}

#[test]
fn standard_input_may_be_a_pipe() {
    tell("pipes");
}

#[test]
fn stops_from_elsewhere_are_undone_by_continuing() {
    tell("stopped_from_elsewhere");
}
