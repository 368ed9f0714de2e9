//! Engines: programs that no library can be loaded into, and that nothing reaches the machine's network.

#[allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
mod support;

use std::io;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use support::*;

const MINUTE: Duration = Duration::from_secs(60);

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engine").join(name)
}

/// A static program of `tests/engine`.
fn build(folder: &Folder, name: &str) -> PathBuf {
    let program = folder.path().join(name);
    let output = program.to_str().unwrap();
    let (c, go) = (source(&format!("{name}.c")), source(&format!("{name}.go")));
    let mut command = if c.exists() {
        let mut gcc = Command::new("/usr/bin/gcc");
        gcc.args(["-static", "-O1", "-Wall", "-Werror", "-o", output, c.to_str().unwrap()]);
        gcc
    } else {
        let mut compiler = Command::new("/usr/bin/go");
        compiler.args(["build", "-o", output, go.to_str().unwrap()]);
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go");
        compiler.env("CGO_ENABLED", "0").env("GO111MODULE", "off").env("GOCACHE", cache);
        compiler
    };
    let built = finish(&mut command, 5 * MINUTE);
    assert!(built.status.success(), "{}", text(&built.stderr));
    program
}

fn run(engine: &str, words: &[&str]) -> Output {
    let mut command = Command::new(built());
    command.args(["run", "--engine", engine]).args(words).stdin(Stdio::null());
    finish(&mut command, MINUTE)
}

#[test]
fn a_static_go_program_serves_and_dials() {
    let folder = Folder::new();
    let program = build(&folder, "go");
    let output = run("seccomp", &["--", program.to_str().unwrap(), "portolan.internal"]);
    let expected =
        "tcp4 50\ntcp6 50\nudp 100\ndial tcp 127.0.0.1:9: connect: connection refused\npage 1048576\n";
    assert_eq!(text(&output.stdout), expected, "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("engine seccomp"), "{}", text(&output.stderr));
}

/// glibc's getaddrinfo asks the servers of resolv.conf by calls that no library can stand in front of.
#[test]
fn the_c_librarys_own_resolver_asks_over_the_commands_network() {
    let output = run("seccomp", &["--", "curl", "-sS", "http://portolan.internal/bytes/1M"]);
    assert_eq!(output.stdout.len(), 1 << 20, "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains(":53/udp"), "{}", text(&output.stderr));
}

#[test]
fn nothing_reaches_the_machines_network() {
    let folder = Folder::new();
    let program = build(&folder, "escape");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let datagrams = UdpSocket::bind(("127.0.0.1", port)).unwrap();
    listener.set_nonblocking(true).unwrap();
    datagrams.set_nonblocking(true).unwrap();
    let port = port.to_string();
    let output = run("seccomp", &["--link", "none", "--quiet", "--", program.to_str().unwrap(), &port]);
    let expected = "tcp ECONNREFUSED\npacket EAFNOSUPPORT\nvsock EAFNOSUPPORT\nxdp EAFNOSUPPORT\nsmc EAFNOSUPPORT\n\
                    netfilter EAFNOSUPPORT\nio_uring ENOSYS\nx32 ENOSYS\nint80 ENOSYS\nnscd ENOENT\ntcp ECONNREFUSED\n";
    assert_eq!(text(&output.stdout), expected, "{}", text(&output.stderr));
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "a connection");
    assert_eq!(datagrams.recv(&mut [0; 16]).unwrap_err().kind(), io::ErrorKind::WouldBlock, "a datagram");
    // The witness can see: without us the same program reaches it.
    let free = finish(Command::new(&program).arg(&port), MINUTE);
    assert!(text(&free.stdout).starts_with("tcp ok\n"), "{}", text(&free.stdout));
    listener.accept().unwrap();
    datagrams.recv(&mut [0; 16]).unwrap();
}
