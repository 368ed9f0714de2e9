//! Programs on the stack through the seccomp engine: what they see of their sockets equals what they see on the kernel,
//! but for what is read and written natively.

#[allow(dead_code, reason = "each test program uses its part")]
mod stage;

use std::process::Command;

use portolan_run::engine;
use stage::{Stage, finish, program};

/// Runs one part of `behaviour.c` on the kernel and under the filter. `known` are the lines that may differ.
fn assert_as_on_the_kernel(part: &str, known: &[&str]) {
    let program = program("behaviour");
    let kernel = finish(Command::new(&program).arg(part));
    assert!(kernel.status.success(), "on the kernel: {kernel:?}");
    let stage = Stage::new();
    let mut command = Command::new(&program);
    command.arg(part);
    let pending = engine::attach(&mut command, stage.rendezvous(), |line| panic!("{line}")).unwrap();
    let ours = finish(&mut command);
    pending.outcome().unwrap();
    let (expected, got) = (String::from_utf8_lossy(&kernel.stdout), String::from_utf8_lossy(&ours.stdout));
    let mut differences = Vec::new();
    for (index, (expected, got)) in expected.lines().zip(got.lines()).enumerate() {
        if expected != got && !known.iter().any(|known| expected.starts_with(known)) {
            differences.push(format!("line {}: kernel `{expected}`, here `{got}`", index + 1));
        }
    }
    assert!(differences.is_empty(), "{part}:\n{}", differences.join("\n"));
    assert_eq!(expected.lines().count(), got.lines().count(), "{part} ended early: {ours:?}");
    assert!(ours.status.success(), "{part}: {ours:?}");
}

#[test]
fn fresh_sockets() {
    assert_as_on_the_kernel("fresh", &["recv ENOTCONN", "read ENOTCONN", "send E", "write EPIPE", "raised"]);
}

#[test]
fn bind_and_listen() {
    assert_as_on_the_kernel("binds", &["recv on listener", "send on listener"]);
}

#[test]
fn connect_and_accept() {
    assert_as_on_the_kernel("connects", &["read refused"]);
}

#[test]
fn options() {
    assert_as_on_the_kernel("options", &[]);
}

// RFC 9293 §3.8.5
#[test]
fn urgent_octets() {
    assert_as_on_the_kernel("urgent", &[]);
}

// RFC 7413 §4
#[test]
fn fast_opens() {
    assert_as_on_the_kernel("fast_open", &[]);
}

#[test]
fn datagrams() {
    let known = ["no destination", "write without", "send EDESTADDRREQ", "unreachable port"];
    assert_as_on_the_kernel("datagrams", &known);
}

#[test]
fn n13_processes_and_limits() {
    assert_as_on_the_kernel("processes", &[]);
}

#[test]
fn reports_of_icmp() {
    assert_as_on_the_kernel("reports", &["told: ECONNREFUSED"]);
}
