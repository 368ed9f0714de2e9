//! What socket calls answer to the odd, the late and the impossible: the programs in `socket_errors/`, section by section,
//! on the kernel and under `portolan run` with each of its engines, line by line.
//!
//! The kernel's run has a network namespace of its own with nothing but the loopback; ours has `--link none`. Both
//! reserve the ports below 1024. Where they differ on purpose, `docs/data/compatibility/differences.csv` says why: a line
//! of it that is no longer true fails here too.

#[allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use support::*;

/// The programs end themselves after 40 seconds.
const LIMIT: Duration = Duration::from_secs(80);

/// The ephemeral ports of a section that uses all of them.
const FEW_PORTS: &str = "40000 40003";

/// Who answers the program's calls, and how that is asked for: the library if the filter stands behind it.
const ENGINES: [(&str, &str); 2] = [("preload", "auto"), ("seccomp", "seccomp")];

/// A second connect with a descriptor whose first failed: under the filter alone it is a fresh socket, of which epoll knows
/// nothing.
const LIBRARY_ONLY: &str = "again";

/// An engine, a section, a line of the kernel's, ours, and why.
const DIFFERENCES: &str = include_str!("../../../docs/data/compatibility/differences.csv");

/// The fields of a line of comma-separated values.
fn fields(line: &str) -> Vec<String> {
    // What is in quotes has every second place.
    let parts = line.split('"').enumerate();
    let marked: String =
        parts.map(|(at, part)| if at % 2 == 0 { part.replace(',', "\n") } else { part.to_owned() }).collect();
    marked.split('\n').map(str::to_owned).collect()
}

/// The kernel's lines and ours that are known to differ.
fn known_differences(engine: &str, section: &str) -> Vec<(String, String)> {
    let rows = DIFFERENCES.lines().map(fields).filter(|row| row[..2] == [engine, section]);
    rows.map(|row| (row[2].clone(), row[3].clone())).collect()
}

/// The programs, compiled once for each, in a folder of this test's.
fn program(name: &str) -> PathBuf {
    static COMPILED: OnceLock<Mutex<BTreeMap<String, PathBuf>>> = OnceLock::new();
    let mut compiled = COMPILED.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    let build = || {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/socket_errors").join(name);
        let binary = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("socket_errors_{name}"));
        // Calls with pointers and counts that no sound program has, of which gcc warns.
        let flags = ["-O1", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-Wno-unused-result"];
        let odd = ["-Wno-stringop-overread", "-Wno-stringop-overflow"];
        let mut gcc = Command::new("gcc");
        gcc.args(flags).args(odd).arg("-o").arg(&binary).arg(source.with_extension("c"));
        let output = gcc.output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        binary
    };
    compiled.entry(name.to_owned()).or_insert_with(build).clone()
}

fn on_the_kernel(program: &Path, section: &str) -> Output {
    let script = "ip link set lo up; \
                  [ \"$1\" != exhaustion ] || echo \"$2\" > /proc/sys/net/ipv4/ip_local_port_range; exec \"$0\" \"$1\"";
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", script]).arg(program).args([section, FEW_PORTS]);
    finish(command.stdin(Stdio::null()), LIMIT)
}

fn on_portolan(program: &Path, section: &str, engine: &str) -> Output {
    let mut command = Command::new(built());
    command.args(["run", "--quiet", "--link", "none", "--engine", engine]);
    command.args(["--sysctl", "net.ipv4.ip_unprivileged_port_start=1024"]);
    if section == "exhaustion" {
        command.args(["--sysctl", &format!("net.ipv4.ip_local_port_range={FEW_PORTS}")]);
    }
    command.arg("--").arg(program).arg(section);
    finish(command.stdin(Stdio::null()), LIMIT)
}

/// Runs a section on the kernel and with each engine, compares, and gives what `run` says on standard error with each.
fn compare(name: &str, section: &str) -> Vec<String> {
    if !root_or_skip() {
        return Vec::new();
    }
    let program = program(name);
    let engines = if section == LIBRARY_ONLY { &ENGINES[..1] } else { &ENGINES[..] };
    let (kernel, ours) = thread::scope(|scope| {
        let kernel = scope.spawn(|| on_the_kernel(&program, section));
        let run = |(_, choice): &(&str, &'static str)| {
            let (program, choice) = (&program, *choice);
            scope.spawn(move || on_portolan(program, section, choice))
        };
        let ours: Vec<_> = engines.iter().map(run).collect();
        let ours: Vec<Output> = ours.into_iter().map(|ours| ours.join().unwrap()).collect();
        (kernel.join().unwrap(), ours)
    });
    assert!(
        kernel.status.success(),
        "{section} on the kernel: {}{}",
        text(&kernel.stdout),
        text(&kernel.stderr)
    );
    let kernels = text(&kernel.stdout);
    for ((engine, _), ours) in engines.iter().zip(&ours) {
        let (printed, said) = (text(&ours.stdout), text(&ours.stderr));
        assert!(ours.status.success(), "{section}, {engine}: {}\n{printed}{said}", ours.status);
        assert_eq!(printed.lines().count(), kernels.lines().count(), "{section}, {engine}:\n{printed}");
        let lines = kernels.lines().zip(printed.lines());
        let mut differences: Vec<(String, String)> = lines
            .filter(|(kernel, ours)| kernel != ours)
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .collect();
        let mut known = known_differences(engine, section);
        for lines in [&mut differences, &mut known] {
            lines.sort();
            lines.dedup();
        }
        assert_eq!(differences, known, "{section}, {engine}: what differs, and what is known to\n{said}");
    }
    ours.iter().map(|ours| text(&ours.stderr)).collect()
}

macro_rules! sections {
    ($($program:literal: $($section:ident)*;)*) => {
        $($(
            #[test]
            fn $section() {
                compare($program, stringify!($section));
            }
        )*)*
    };
}

sections! {
    "addresses": rights bind_foreign wildcard_conflict second_bind listen_unbound;
    "connections": connect_odd connect_twice no_route refused timeouts client_first;
    "transfer": queues udp_size send_after_shutdown recv_after_reset setsockopt_bad absurd_buffers negative_timeouts iovecs
        bad_pointers;
    "segments": segments;
    "privileges": privileges;
    "urgent": urgent inherited announced;
    "polling": streams datagrams woken again;
    "window": window;
    "groups": sources heard;
    "endings": timed_out disconnected lingering with_a_header;
    "descriptors": descriptors not_a_socket closed_fd fork_dup_pass high_numbers accept_exhausted accept_dropped;
}

/// The lines that `run` itself says.
fn hints(said: &str) -> Vec<&str> {
    said.lines().filter(|line| line.starts_with("portolan: ")).collect()
}

#[test]
fn every_difference_is_of_a_section_and_has_a_reason() {
    let source = include_str!("socket_errors.rs");
    for row in DIFFERENCES.lines().skip(1).map(fields) {
        assert_eq!(row.len(), 5, "{row:?}");
        assert!(ENGINES.iter().any(|(engine, _)| *engine == row[0]), "{row:?}");
        assert!(
            source.split_whitespace().any(|word| word.trim_end_matches(';') == row[1]) && !row[4].is_empty(),
            "{row:?}"
        );
    }
}

#[test]
fn bind_busy_names_the_owner() {
    for said in compare("addresses", "bind_busy") {
        let hints = hints(&said);
        assert!(
            hints
                .iter()
                .any(|hint| hint.contains("cannot bind 127.0.0.1:8000/tcp: the listener on 127.0.0.1:8000")
                    && hint.contains("socket_errors_a")
                    && hint.contains("process ")),
            "{said}"
        );
        // Ten binds fail within a second.
        assert!(hints.len() <= 3, "{said}");
    }
}

#[test]
fn bind_reserved_says_whose_the_port_is() {
    for said in compare("addresses", "bind_reserved") {
        let hints = hints(&said);
        assert!(
            hints.len() == 1
                && hints[0].contains("cannot bind 127.0.0.1:81/tcp: ports below 1024 are root's")
                && hints[0].contains("net.ipv4.ip_unprivileged_port_start"),
            "{said}"
        );
    }
}

#[test]
fn exhaustion_names_the_range_the_destination_and_the_closed() {
    for said in compare("connections", "exhaustion") {
        let line = hints(&said).into_iter().find(|hint| hint.contains("cannot connect")).unwrap_or_default();
        assert!(line.contains("all ports from 40000 to 40003"), "{said}");
        assert!(line.contains("to 127.0.0.1:8000") && line.contains("0 of them in TIME-WAIT"), "{said}");
        assert!(
            hints(&said)
                .iter()
                .any(|hint| hint.contains("cannot bind 127.0.0.1:0/udp: all ports from 40000 to 40003")),
            "{said}"
        );
    }
}

/// A plain write to it is not seen, so that nobody is told but the user.
#[test]
fn a_datagram_to_nowhere_is_a_line_if_it_is_no_error() {
    let program = program("descriptors");
    for (engine, choice) in ENGINES {
        let mut command = Command::new(built());
        command.args(["run", "--quiet", "--link", "none", "--engine", choice, "--"]);
        // What is told while the command ends may come too late.
        command.args(["sh", "-c", "\"$0\" closed_fd; sleep 0.3"]).arg(&program);
        let said = text(&finish(command.stdin(Stdio::null()), LIMIT).stderr);
        let is_told = said.contains("is lost: the socket has no destination; connect it, or use sendto");
        assert_eq!(is_told, engine == "seccomp", "{engine}: {said}");
    }
}
