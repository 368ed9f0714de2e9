//! The lives of the processes of a run, under every engine: who is killed, what waits, what is left.

#[allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use support::*;

const MINUTE: Duration = Duration::from_secs(60);
const ENGINES: [&str; 3] = ["preload", "seccomp", "auto"];

fn script(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/life").join(name).display().to_string()
}

fn python(engine: &str, name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(built());
    command.args(["run", "--quiet", "--link", "none", "--engine", engine, "--", "/usr/bin/python3"]);
    command.arg(script(name)).args(arguments).stdin(Stdio::null());
    command
}

fn run(engine: &str, name: &str, arguments: &[&str]) -> Output {
    finish(&mut python(engine, name, arguments), MINUTE)
}

fn seconds() -> f64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// Kills the stack process while calls wait. What each said, and how many seconds later.
fn calls_of_a_dead_stack(engine: &str) -> Vec<(String, String, f64)> {
    let mut child =
        python(engine, "blocked.py", &[]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready", "{engine}");
    let is_stack = |process: &&u32| {
        std::fs::read_to_string(format!("/proc/{process}/comm")).is_ok_and(|name| name == "portolan-stack\n")
    };
    let stack = *children(child.id()).iter().find(is_stack).unwrap();
    let killed = seconds();
    signal(stack, "KILL");
    let calls = lines.map_while(Result::ok).map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words.len(), 3, "{engine}: {line}");
        (words[0].to_owned(), words[1].to_owned(), words[2].parse::<f64>().unwrap() - killed)
    });
    let calls = calls.collect();
    wait(&mut child, MINUTE).expect("the run ends");
    calls
}

#[test]
fn without_descriptors_left_what_wants_one_fails_soon_and_says_why() {
    let folder = Folder::new();
    for engine in ENGINES {
        let mut command = Command::new("prlimit");
        command.arg("--nofile=300").arg(built()).args(["run", "--engine", engine, "--link", "none", "--"]);
        command
            .args(["/usr/bin/python3", &script("exhausted.py")])
            .current_dir(folder.path())
            .stdin(Stdio::null());
        let output = finish(&mut command, MINUTE);
        let said = text(&output.stderr);
        let expected = "held some True\ncurl failed soon True True\ncurl again 00a74ef59c\n";
        assert_eq!(text(&output.stdout), expected, "{engine}: {said}");
        assert!(said.contains("raise ulimit -Hn"), "{engine}: {said}");
    }
}

#[test]
fn n7_every_call_returns_when_the_stack_process_is_killed() {
    for engine in ENGINES {
        // Another test may have the processors for as long as a call may take: the best of three counts.
        let in_time = (0..3).any(|_| {
            let calls = calls_of_a_dead_stack(engine);
            assert_eq!(calls.len(), 8, "{engine}: {calls:?}");
            for (name, said, _) in &calls {
                let expected: &[&str] = match name.as_str() {
                    "poll" => &["True"],
                    "send" => &["ECONNRESET", "ENETDOWN", "EPIPE"],
                    _ => &["ECONNRESET", "ENETDOWN"],
                };
                assert!(expected.contains(&said.as_str()), "{engine}: {name} {said}");
            }
            calls.iter().all(|(_, _, late)| *late < 0.1)
        });
        assert!(in_time, "{engine}: a call took longer than 100 ms");
    }
}

#[test]
fn n6_a_killed_program_frees_its_ports_and_ends_its_connections() {
    let rounds = full_or(50, 1000).to_string();
    for engine in ENGINES {
        let output = run(engine, "killed.py", &[&rounds]);
        assert_eq!(text(&output.stdout), format!("killed {rounds}\n"), "{engine}: {}", text(&output.stderr));
    }
}

#[test]
fn n11_a_program_at_its_limit_of_descriptors_is_told_and_recovers() {
    for engine in ENGINES {
        let output = run(engine, "descriptors.py", &[]);
        assert_eq!(
            text(&output.stdout),
            "EMFILE True\nwell\n".repeat(3),
            "{engine}: {}",
            text(&output.stderr)
        );
    }
}

/// The supervisor's own limit, which it cannot raise here.
#[test]
fn n11_no_call_is_held_for_ever_at_the_supervisors_limit_of_descriptors() {
    let mut command = Command::new("prlimit");
    command.arg("--nofile=64:64").arg(built()).args(["run", "--quiet", "--link", "none"]);
    command.args(["--engine", "seccomp", "--", "/usr/bin/python3", &script("waiting.py")]);
    let output = finish(command.stdin(Stdio::null()), MINUTE);
    assert_eq!(text(&output.stdout), "True True\n", "{}", text(&output.stderr));
}

#[test]
fn a_timer_that_was_set_before_the_run_is_the_commands() {
    let script = "import os, signal, sys; signal.alarm(1); os.execv(sys.argv[1], sys.argv[1:])";
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", script]).arg(built()).args(["run", "--link", "none", "--", "sleep", "30"]);
    let output = finish(command.stdin(Stdio::null()), MINUTE);
    assert_eq!(output.status.code(), Some(128 + 14), "{}", text(&output.stderr));
    assert!(text(&output.stderr).starts_with("portolan: engine "), "{}", text(&output.stderr));
}
