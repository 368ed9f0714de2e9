//! A host as a daemon: what strangers, full disks and signals can do to it. Its admin socket is in `see.rs`, its life in
//! `hosts.rs`.

#[allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use support::*;

const MINUTE: Duration = Duration::from_secs(60);

fn line(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

fn run(words: &[&str]) -> Command {
    let mut command = Command::new(built());
    command.arg("run").args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn a_directory_that_is_too_deep_stops_up_in_one_line() {
    let folder = Folder::new();
    let deep = folder.path().join("d".repeat(100));
    fs::create_dir(&deep).unwrap();
    let mut command = Command::new(built());
    let output = finish(command.args(["up", "lab"]).env("XDG_RUNTIME_DIR", &deep), MINUTE);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.lines().count() == 1 && said.contains("octets and may have 107"), "{said}");
    fs::set_permissions(&deep, fs::Permissions::from_mode(0o700)).unwrap();
    let left: Vec<_> = fs::read_dir(deep.join("portolan")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Connects, as another user, to every socket of a run that /proc/net/unix shows, says nonsense and stays. Prints how
/// many took the connection.
const STRANGER: &str = "
import os, socket, sys, time
os.setgroups([]); os.setgid(65534); os.setuid(65534)
kept = []
for line in open('/proc/net/unix', errors='replace'):
    name = line.split()[7:]
    if not name or not name[0].startswith('@portolan'):
        continue
    for kind in (socket.SOCK_SEQPACKET, socket.SOCK_STREAM):
        for said in (b'x', bytes(8), b'\\xff' * 300, bytes(60000)):
            s = socket.socket(socket.AF_UNIX, kind); s.settimeout(0.2)
            try:
                s.connect('\\0' + name[0][1:]); s.send(said); kept.append(s)
            except OSError:
                continue
            try: s.recv(2048)
            except OSError: pass
print(len(kept) > 0, flush=True)
sys.stdin.read()
";

/// A server and a client that begin when they are told to.
const TALK: &str = "
import socket, sys
server = socket.create_server(('127.0.0.1', 8080)); print('ready', flush=True)
sys.stdin.readline()
for n in range(20):
    client = socket.create_connection(('127.0.0.1', 8080), timeout=10)
    taken, peer = server.accept()
    assert peer == client.getsockname(), peer
    client.sendall(b'hello'); assert taken.recv(5) == b'hello'
    u = socket.socket(type=socket.SOCK_DGRAM); u.bind(('127.0.0.1', 0)); u.settimeout(10)
    u.sendto(b'self', u.getsockname()); assert u.recv(9) == b'self'
print('talked', flush=True)
";

#[test]
fn n5_another_user_on_the_runs_sockets_harms_nobody() {
    if !root_or_skip() {
        return;
    }
    for engine in ["preload", "seccomp"] {
        let words = ["--quiet", "--link", "none", "--engine", engine, "--", "/usr/bin/python3", "-c", TALK];
        let mut child = run(&words).stdin(Stdio::piped()).spawn().unwrap();
        assert_eq!(line(&mut child), "ready");
        let mut stranger = Command::new("/usr/bin/python3");
        let stranger = stranger.args(["-c", STRANGER]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut stranger = Guard(stranger.spawn().unwrap());
        assert_eq!(line(&mut stranger.0), "True", "{engine}: nothing could be connected to");
        drop(child.stdin.take());
        let output = finish_child(child, MINUTE);
        assert_eq!(text(&output.stdout), "talked\n", "{engine}: {}", text(&output.stderr));
    }
}

#[test]
fn a_full_disk_under_the_deny_log_ends_the_log_and_not_the_run() {
    let script = "import socket\nfor n in range(3):\n try: socket.create_connection(('192.0.2.1', 80), 5)\n \
                  except OSError as error: print(error.errno)";
    let words =
        ["--quiet", "--deny", "192.0.2.1", "--deny-log", "/dev/full", "--", "/usr/bin/python3", "-c", script];
    let output = finish(&mut run(&words), MINUTE);
    assert_eq!(text(&output.stdout), "113\n113\n113\n", "EHOSTUNREACH");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(said.matches("--deny-log: No space left").count(), 1, "told once: {said}");
}

/// A small file system that is full in the middle of a recording, which can be read as far as it goes.
#[test]
fn a_small_disk_that_fills_up_leaves_a_recording_that_can_be_read() {
    if !root_or_skip() {
        return;
    }
    let folder = Folder::new();
    let at = folder.path().display();
    let program = built().display();
    let script = format!(
        "mount -t tmpfs -o size=256k none {at} && {program} run --quiet --pcap {at}/a.pcapng -- \
         curl -sS -o /dev/null http://portolan.internal/bytes/4M; echo status $?; \
         {program} dump -n -r {at}/a.pcapng tcp | wc -l"
    );
    let output = finish(Command::new("unshare").args(["-m", "sh", "-c", &script]), MINUTE);
    let (told, said) = (text(&output.stdout), text(&output.stderr));
    let mut lines = told.lines();
    assert_eq!(lines.next(), Some("status 0"), "{said}");
    assert!(lines.next().unwrap().parse::<u32>().unwrap() > 10, "{told} {said}");
    assert!(said.contains("No space left"), "{said}");
}

#[test]
fn hang_ups_are_the_commands_and_the_second_sigterm_is_meant_seriously() {
    let script = "trap 'n=$((n+1)); echo hup' HUP; trap : TERM; n=0; echo ready; while :; do read line; done";
    // Whoever runs the tests may ignore SIGHUP (nohup does), and a shell cannot trap what it was started to ignore.
    let mut command = Command::new("env");
    command
        .arg("--default-signal=HUP")
        .arg(built())
        .args(["run", "--quiet", "--link", "none", "--", "bash", "-c", script]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(stdout.next().unwrap().unwrap(), "ready");
    for _ in 0..300 {
        signal(child.id(), "HUP");
    }
    assert_eq!(stdout.next().unwrap().unwrap(), "hup");
    assert!(child.try_wait().unwrap().is_none(), "it lives on");
    signal(child.id(), "TERM");
    // The connections are reset, and the command has been told, and does not end.
    std::thread::sleep(Duration::from_millis(800));
    assert!(child.try_wait().unwrap().is_none(), "a command that ignores SIGTERM goes on");
    signal(child.id(), "TERM");
    assert_eq!(wait(&mut child, MINUTE).unwrap().code(), Some(128 + 9));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn a_sockets_peer_is_nobody_and_an_unknown_option_is_told_once() {
    let script = "
import socket, struct
server = socket.create_server(('127.0.0.1', 0)); one = socket.create_connection(server.getsockname()); two, _ = server.accept()
for s in (one, two, server, socket.socket(type=socket.SOCK_DGRAM)):
    print(struct.unpack('iii', s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)))
for n in range(3):
    try: one.setsockopt(socket.IPPROTO_TCP, 9999, 1)
    except OSError as error: print(error.errno)
";
    for engine in ["preload", "seccomp", "auto"] {
        let words = ["--quiet", "--link", "none", "--engine", engine, "--", "/usr/bin/python3", "-c", script];
        let output = finish(&mut run(&words), MINUTE);
        let expected = "(0, -1, -1)\n".repeat(4) + "92\n92\n92\n";
        assert_eq!(text(&output.stdout), expected, "{engine}");
        let said = text(&output.stderr);
        assert_eq!(said.matches("socket option 9999 of level 6 is not supported here").count(), 1, "{said}");
    }
}
