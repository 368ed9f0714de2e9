//! What socket calls answer to the odd, the late and the impossible: the programs in `socket_errors/`, section by section,
//! on the kernel and under `portolan run`, line by line.
//!
//! The kernel's run has a network namespace of its own with nothing but the loopback; ours has `--link none`. Both
//! reserve the ports below 1024. Where the two differ on purpose, [`DIFFERENCES`] says why.

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

/// A section, a line of the kernel's, ours, and why.
const DIFFERENCES: [(&str, &str, &str, &str); 16] = [
    (
        "connect_twice",
        "sending meanwhile: EAGAIN",
        "sending meanwhile: ok",
        "the program's own socket takes the text, which goes out behind the handshake",
    ),
    (
        "iovecs",
        "writev of 1,024: 1024",
        "writev of 1,024: EMSGSIZE",
        "a datagram's header takes one part of 1,024",
    ),
    ("iovecs", "readv: 1024", "readv: EMSGSIZE", "as above"),
    ("iovecs", "sendmsg of 1,024: 1024", "sendmsg of 1,024: EMSGSIZE", "as above"),
    ("iovecs", "recvmsg: 1024", "recvmsg: EMSGSIZE", "as above"),
    (
        "urgent",
        "alone: PRI at mark 1",
        "alone: IN PRI at mark 1",
        "AF_UNIX counts the octet as readable until a read has passed it over",
    ),
    ("urgent", "at the mark: PRI at mark 1", "at the mark: IN PRI at mark 1", "as above"),
    (
        "inherited",
        "not in line any more: PRI at mark 1",
        "not in line any more: IN PRI at mark 1",
        "as above",
    ),
    (
        "inherited",
        "set after the handshake: 0",
        "set after the handshake: 1",
        "accept looks at the listener, not at what it was when the SYN came",
    ),
    (
        "announced",
        "urgent: -1 - EAGAIN",
        "urgent: -1 - EINVAL",
        "the program's own socket knows of the octet when it has come",
    ),
    (
        "datagrams",
        "told, not in full: OUT,ERR, select 2: 11",
        "told, not in full: OUT, select 1: 01",
        "the report waits in the stack process, where poll does not see it",
    ),
    (
        "datagrams",
        "a datagram and an error: IN,OUT,ERR, select 2: 11",
        "a datagram and an error: IN,OUT, select 2: 11",
        "one queue holds both, the datagram in front",
    ),
    ("datagrams", "first: ECONNREFUSED", "first: 1", "as above"),
    ("datagrams", "second: 1", "second: ECONNREFUSED", "as above"),
    (
        "woken",
        "woken 1: ERR,",
        "woken 1: IN,",
        "epoll sees the program's own socket, in whose queue the error is",
    ),
];

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

fn on_portolan(program: &Path, section: &str) -> Output {
    let mut command = Command::new(built());
    command.args([
        "run",
        "--quiet",
        "--link",
        "none",
        "--sysctl",
        "net.ipv4.ip_unprivileged_port_start=1024",
    ]);
    if section == "exhaustion" {
        command.args(["--sysctl", &format!("net.ipv4.ip_local_port_range={FEW_PORTS}")]);
    }
    command.arg("--").arg(program).arg(section);
    finish(command.stdin(Stdio::null()), LIMIT)
}

/// Whether our line may stand for the kernel's.
fn is_as_expected(section: &str, kernel: &str, ours: &str) -> bool {
    kernel == ours
        || DIFFERENCES.iter().any(|(of, theirs, own, _)| (*of, *theirs, *own) == (section, kernel, ours))
}

/// Runs a section on both, compares, and gives what `run` says on standard error.
fn compare(name: &str, section: &str) -> String {
    if !root_or_skip() {
        return String::new();
    }
    let program = program(name);
    let (kernel, ours) = thread::scope(|scope| {
        let kernel = scope.spawn(|| on_the_kernel(&program, section));
        let ours = on_portolan(&program, section);
        (kernel.join().unwrap(), ours)
    });
    assert!(
        kernel.status.success(),
        "{section} on the kernel: {}{}",
        text(&kernel.stdout),
        text(&kernel.stderr)
    );
    let (kernels, said) = (text(&kernel.stdout), text(&ours.stderr));
    let printed = text(&ours.stdout);
    assert!(ours.status.success(), "{section}: {}\n{printed}{said}", ours.status);
    assert_eq!(printed.lines().count(), kernels.lines().count(), "{section}:\n{printed}");
    let mut differences = String::new();
    for (line, printed) in kernels.lines().zip(printed.lines()) {
        if !is_as_expected(section, line, printed) {
            differences.push_str(&format!("kernel   {line}\nportolan {printed}\n"));
        }
    }
    assert!(differences.is_empty(), "{section}:\n{differences}{said}");
    said
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
    "addresses": bind_foreign wildcard_conflict second_bind listen_unbound;
    "connections": connect_odd connect_twice no_route refused timeouts;
    "transfer": queues udp_size send_after_shutdown recv_after_reset setsockopt_bad absurd_buffers negative_timeouts iovecs
        bad_pointers;
    "segments": segments;
    "privileges": privileges;
    "urgent": urgent inherited announced;
    "polling": streams datagrams woken again;
    "window": window;
    "groups": sources heard;
    "descriptors": descriptors not_a_socket closed_fd fork_dup_pass high_numbers accept_exhausted;
}

/// The lines that `run` itself says.
fn hints(said: &str) -> Vec<&str> {
    said.lines().filter(|line| line.starts_with("portolan: ")).collect()
}

#[test]
fn bind_busy_names_the_owner() {
    let said = compare("addresses", "bind_busy");
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

#[test]
fn bind_reserved_says_whose_the_port_is() {
    let said = compare("addresses", "bind_reserved");
    let hints = hints(&said);
    assert!(
        hints.len() == 1
            && hints[0].contains("cannot bind 127.0.0.1:81/tcp: ports below 1024 are root's")
            && hints[0].contains("net.ipv4.ip_unprivileged_port_start"),
        "{said}"
    );
}

#[test]
fn exhaustion_names_the_range_the_destination_and_the_closed() {
    let said = compare("connections", "exhaustion");
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
