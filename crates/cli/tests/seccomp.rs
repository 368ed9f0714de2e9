//! The filter under load: many connections at once in programs that no library reaches, and a supervisor that holds
//! nothing of what is over.

#[allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use support::*;

const MINUTE: Duration = Duration::from_secs(60);

/// A program of `seccomp/`, built with these flags.
fn program(folder: &Folder, name: &str, flags: &[&str]) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seccomp").join(name).with_extension("c");
    let program = folder.path().join(name);
    let mut gcc = Command::new("gcc");
    gcc.args(["-O1", "-Wall", "-Werror"]).args(flags).arg("-o").arg(&program).arg(source);
    let built = finish(&mut gcc, MINUTE);
    assert!(built.status.success(), "{}", text(&built.stderr));
    program
}

fn run_many(flags: &[&str], engine: &str) {
    let folder = Folder::new();
    let program = program(&folder, "many", flags);
    let mut command = Command::new(built());
    command.args(["run", "--quiet", "--link", "none", "--engine", engine, "--"]);
    let output = finish(command.arg(program).args(["200", "0"]).stdin(Stdio::null()), MINUTE);
    assert_eq!(text(&output.stdout), "all came back\n", "{flags:?}, {engine}: {output:?}");
    assert_eq!(text(&output.stderr), "200 connections\n", "{flags:?}, {engine}");
}

#[test]
fn a_static_program_has_200_connections_in_parallel() {
    run_many(&["-static"], "auto");
}

#[test]
fn a_program_that_makes_its_calls_by_number_has_200_connections_in_parallel() {
    for engine in ["auto", "seccomp"] {
        run_many(&["-DRAW"], engine);
    }
}

/// What a process holds: descriptors, and kilobytes of memory of its own.
#[derive(Clone, Copy, Debug)]
struct Held {
    descriptors: usize,
    memory_kb: u64,
}

fn held(process: u32) -> Held {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let anonymous = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    let memory_kb = anonymous.trim().trim_end_matches(" kB").parse().unwrap();
    Held { descriptors: fs::read_dir(format!("/proc/{process}/fd")).unwrap().count(), memory_kb }
}

/// Thousands of connections, one after the other and twenty at a time.
#[test]
fn what_is_over_leaves_nothing_behind_in_the_supervisor() {
    let time = Duration::from_secs(full_or(4, 10));
    let folder = Folder::new();
    let program = program(&folder, "many", &["-static"]);
    let mut command = Command::new(built());
    command.args(["run", "--quiet", "--link", "none", "--"]).arg(program);
    command.args(["20", &time.as_millis().to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let supervisor = child.id();
    thread::sleep(time / 3);
    let early = held(supervisor);
    thread::sleep(time / 2);
    let late = held(supervisor);
    let output = finish_child(child, MINUTE);
    assert_eq!(text(&output.stdout), "all came back\n", "{output:?}");
    let said = text(&output.stderr);
    let connections: u64 = said.split(' ').next().unwrap().parse().unwrap();
    assert!(connections > 200, "{said}");
    // One call is being answered, or none.
    assert!(late.descriptors.abs_diff(early.descriptors) <= 4, "{early:?}, {late:?}, {said}");
    assert!(late.memory_kb <= early.memory_kb + 512, "{early:?}, {late:?}, {said}");
}

/// A UDP socket that the library made, in a program that the library does not reach: calls that the filter shows are right,
/// and a plain read has the 80 octets of the library's header in front.
#[test]
fn a_static_program_inherits_a_datagram_socket_but_for_plain_reads() {
    let folder = Folder::new();
    let inherited = program(&folder, "inherited", &["-static"]);
    let script = "
import os, socket, sys
server, client = (socket.socket(type=socket.SOCK_DGRAM) for _ in range(2))
server.bind(('127.0.0.1', 0)); server.set_inheritable(True)
for _ in range(3): client.sendto(b'hello', server.getsockname())
os.execv(sys.argv[1], [sys.argv[1], str(server.fileno())])
";
    let mut command = Command::new(built());
    command.args(["run", "--quiet", "--link", "none", "--", "python3", "-c", script]).arg(inherited);
    let output = finish(command.stdin(Stdio::null()), MINUTE);
    assert_eq!(text(&output.stdout), "recvfrom 5\nrecvmsg 5\nread 85\n", "{output:?}");
}
