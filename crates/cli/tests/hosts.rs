//! Hosts that outlive one command: `up`, `down`, `ls`, and several programs on one host.

#[allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use support::*;

const MINUTE: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(10);

/// A place for hosts of one test: nobody else's are in it, and none is left.
struct Place(Folder);

impl Place {
    fn new() -> Place {
        let place = Place(Folder::new());
        fs::set_permissions(place.0.path(), fs::Permissions::from_mode(0o700)).unwrap();
        place
    }

    fn portolan(&self, words: &[&str]) -> Command {
        let mut command = Command::new(built());
        command.args(words).env("XDG_RUNTIME_DIR", self.0.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        finish(&mut self.portolan(words), MINUTE)
    }

    /// Starts a host, and returns its process.
    fn up(&self, words: &[&str]) -> u32 {
        let output = self.run(&[&["up"], words].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        self.process(words[0])
    }

    /// What `ls` prints: nothing while a host is just ending.
    fn hosts(&self) -> serde_json::Value {
        let output = self.run(&["ls", "--json"]);
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    fn is_empty(&self) -> bool {
        self.hosts().as_array().is_some_and(Vec::is_empty)
    }

    /// The process of a host that runs.
    fn process(&self, name: &str) -> u32 {
        let hosts = self.hosts();
        let host = hosts.as_array().unwrap().iter().find(|host| host["name"] == name).unwrap();
        host["pid"].as_u64().unwrap().try_into().unwrap()
    }

    /// A command in a host, with pipes.
    fn start_in(&self, host: &str, script: &str) -> Child {
        let mut command = self.portolan(&["run", "--in", host, "--", "/usr/bin/python3", "-uc", script]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for host in self.hosts().as_array().into_iter().flatten() {
            let _ = Command::new("kill").args(["-KILL", &host["pid"].to_string()]).status();
        }
    }
}

fn failed(output: &Output, words: &str) {
    let said = text(&output.stderr);
    assert!(!output.status.success() && said.lines().count() == 1 && said.contains(words), "{said:?}");
}

fn line(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

const SERVER: &str = "
import socket, sys
s = socket.create_server(('', 8080)); print('ready')
while True:
    c, _ = s.accept(); c.sendall(c.recv(100).upper()); c.close()
";

/// Asks the server of the same host by its loopback and by its address.
const CLIENT: &str = "
import socket
for address in ('127.0.0.1', '10.0.2.15'):
    s = socket.create_connection((address, 8080), timeout=5); s.sendall(b'hello'); print(s.recv(100))
try: socket.socket().bind(('', 8080))
except OSError as error: print(error.strerror)
";

#[test]
fn programs_of_one_host_share_its_loopback_and_its_ports() {
    let place = Place::new();
    place.up(&["lab"]);
    let mut server = place.start_in("lab", SERVER);
    assert_eq!(line(&mut server), "ready");
    let client = finish_child(place.start_in("lab", CLIENT), MINUTE);
    let expected = "b'HELLO'\nb'HELLO'\nAddress already in use\n";
    assert_eq!(text(&client.stdout), expected, "{}", text(&client.stderr));
    // Another host has other ports.
    place.up(&["other"]);
    let mut second = place.start_in("other", SERVER);
    assert_eq!(line(&mut second), "ready");
    // Whoever is killed leaves the others.
    let program = children(second.id())[0];
    signal(program, "KILL");
    assert_eq!(wait(&mut second, SOON).unwrap().code(), Some(137));
    let mut second = Guard(second);
    let mut third = place.start_in("other", SERVER);
    assert_eq!(line(&mut third), "ready", "the dead program's port is free");
    third.kill().unwrap();
    let client = finish_child(place.start_in("lab", CLIENT), MINUTE);
    assert_eq!(text(&client.stdout), expected, "{}", text(&client.stderr));
    for child in [&mut server, &mut second.0, &mut third] {
        let _ = child.kill();
        let _ = child.wait();
    }
}

#[test]
fn both_engines_come_into_a_host() {
    let place = Place::new();
    place.up(&["lab"]);
    for engine in ["preload", "seccomp"] {
        let words = [
            "run",
            "--in",
            "lab",
            "--engine",
            engine,
            "--",
            "curl",
            "-sS",
            "http://portolan.internal/bytes/3",
        ];
        let output = place.run(&words);
        let expected: Vec<u8> = (0..3).map(octet).collect();
        assert!(output.stdout == expected, "{engine}: {}", text(&output.stderr));
    }
}

#[test]
fn down_resets_what_is_open_and_ends_the_host() {
    let place = Place::new();
    let port = free_port();
    place.up(&["lab", "--publish", &format!("127.0.0.1:{port}:8080")]);
    let script = "
import socket
s = socket.create_server(('', 8080)); print('ready')
c, _ = s.accept(); print('accepted')
try: c.recv(1)
except OSError as error: print(error.strerror)
try: s.accept()
except OSError as error: print(error.strerror)
";
    let mut server = place.start_in("lab", script);
    assert_eq!(line(&mut server), "ready");
    eventually(SOON, || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
    assert_eq!(line(&mut server), "accepted");
    let log = place.0.path().join("portolan/lab.log");
    assert!(log.exists());
    let output = place.run(&["down", "lab"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
    assert!(!log.exists(), "nothing stays behind");
    let output = finish_child(server, SOON);
    assert!(text(&output.stderr).contains("the host 'lab' has ended"), "{}", text(&output.stderr));
    assert!(text(&output.stdout).ends_with("Network is down\n"), "{}", text(&output.stdout));
    assert!(place.is_empty());
    failed(&place.run(&["down", "lab"]), "no host 'lab' is running");
    assert_eq!(place.run(&["run", "--in", "lab", "--", "true"]).status.code(), Some(125));
    failed(&place.run(&["run", "--in", "lab", "--", "true"]), "no host 'lab' is running");
}

#[test]
fn a_host_that_runs_is_left_alone_and_named_with_its_process() {
    let place = Place::new();
    let process = place.up(&["lab"]);
    let again = place.run(&["up", "lab"]);
    assert!(again.status.success());
    assert_eq!(text(&again.stderr), format!("portolan: the host 'lab' is already running (pid {process})\n"));
    let none = ["up", "lab", "--link", "none"];
    failed(&place.run(&none), &format!("(pid {process}) with link egress and another --link;"));
    for (words, named) in [
        (&["--mtu", "1400"][..], "another --mtu;"),
        (&["--publish", "0:80", "--allow", "10.0.0.0/8"], "another --allow, --publish;"),
        (&["--address", "10.0.2.16/24", "--seed", "7"], "another --address, --seed;"),
        (&["--dns", "10.0.2.3", "--hostname", "other"], "another --dns, --hostname;"),
        (&["--gateway", "10.0.2.1"], "another --gateway;"),
        (&["--net", "delay 1ms", "--share-loopback"], "another --net, --up or --down, --share-loopback;"),
        (&["--sysctl", "net.ipv4.ip_local_port_range=40000 40999"], "another --sysctl;"),
        (&["--deny", "tcp:25", "--deny-log", "/tmp/log"], "another --deny, --deny-log;"),
    ] {
        failed(&place.run(&[&["up", "lab"], words].concat()), named);
    }
    assert_eq!(place.process("lab"), process);
    failed(&place.run(&["up", "run-7"]), "is no name for a host");
    failed(&place.run(&["up", "../x"]), "is no host's name");
    let own = place.portolan(&["run", "--", "sleep", "60"]).spawn().unwrap();
    let name = format!("run-{}", own.id());
    let _own = Guard(own);
    eventually(SOON, || place.hosts().as_array().is_some_and(|hosts| hosts.len() == 2));
    failed(&place.run(&["down", &name]), "belongs to a command");
}

#[test]
fn a_socket_that_a_killed_host_has_left_is_replaced() {
    let place = Place::new();
    let first = place.up(&["lab"]);
    signal(first, "KILL");
    eventually(SOON, || place.is_empty());
    let second = place.up(&["lab"]);
    assert_ne!(first, second);
    assert_eq!(text(&place.run(&["run", "--in", "lab", "--", "echo", "here"]).stdout), "here\n");
}

#[test]
fn signals_end_a_host_once_and_hang_ups_not_at_all() {
    let place = Place::new();
    let process = place.up(&["lab"]);
    for _ in 0..200 {
        signal(process, "HUP");
    }
    assert_eq!(place.process("lab"), process);
    signal(process, "TERM");
    let _ = Command::new("kill").args(["-TERM", &process.to_string()]).stderr(Stdio::null()).status();
    eventually(SOON, || place.is_empty());
    let socket = place.0.path().join("portolan/lab.sock");
    assert!(!socket.exists(), "nothing is left");
}

#[test]
fn where_no_socket_can_be_made_no_host_starts() {
    if !root_or_skip() {
        return;
    }
    let folder = Folder::new();
    let blocked = folder.path().join("portolan");
    fs::write(&blocked, "").unwrap();
    let up = |folder: &Folder| {
        let mut command = Command::new(built());
        finish(command.args(["up", "lab"]).env("XDG_RUNTIME_DIR", folder.path()), MINUTE)
    };
    failed(&up(&folder), "is no directory");
    fs::remove_file(&blocked).unwrap();
    fs::create_dir(&blocked).unwrap();
    fs::set_permissions(&blocked, fs::Permissions::from_mode(0o755)).unwrap();
    failed(&up(&folder), "chmod 700");
    // Root may write everywhere, so this needs somebody else.
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"]).arg(installed());
    let theirs = Folder::new();
    must(&["chown", "nobody", theirs.path().to_str().unwrap()]);
    must(&["chmod", "500", theirs.path().to_str().unwrap()]);
    let output = finish(command.args(["up", "lab"]).env("XDG_RUNTIME_DIR", theirs.path()), MINUTE);
    failed(&output, "cannot be made");
}

/// Connects to a port of 127.0.0.1, and sends a datagram to another one.
const LOOK_FOR: &str = "
import socket, sys
tcp, udp = map(int, sys.argv[1:])
try:
    s = socket.create_connection(('127.0.0.1', tcp), timeout=5); s.sendall(b'hello'); print(s.recv(5))
except OSError as error: print(error.strerror)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5); s.connect(('127.0.0.1', udp)); s.send(b'hello')
try: print(s.recv(5))
except OSError as error: print(error.strerror)
try: socket.create_connection(('10.0.2.15', tcp), timeout=5); print('connected')
except OSError as error: print(error.strerror)
own = socket.create_server(('127.0.0.1', tcp)); socket.create_connection(('127.0.0.1', tcp)); print(own.accept()[1][0])
";

#[test]
fn the_machines_loopback_is_shared_only_on_request() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let ports = [listener.local_addr().unwrap().port(), socket.local_addr().unwrap().port()]
        .map(|port| port.to_string());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut octets = [0; 5];
            let _ = stream.read_exact(&mut octets).and_then(|()| stream.write_all(&octets));
        }
    });
    std::thread::spawn(move || {
        let mut buffer = [0; 100];
        while let Ok((len, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&buffer[..len], from);
        }
    });
    let (refused, here, forbidden) = ("Connection refused", "b'hello'", "No route to host");
    for (words, expected) in [
        (&["run", "--quiet"][..], [refused, refused]),
        (&["run", "--quiet", "--share-loopback"], [here, here]),
        (&["run", "--quiet", "--share-loopback", "--link", "none"], [here, here]),
        (&["run", "--quiet", "--share-loopback", "--allow", "10.0.0.0/8"], [forbidden, forbidden]),
    ] {
        let mut command = Command::new(built());
        let script = ["--", "/usr/bin/python3", "-c", LOOK_FOR, &ports[0], &ports[1]];
        let output = finish(command.args(words).args(script), MINUTE);
        let [tcp, udp] = expected;
        let expected = format!("{tcp}\n{udp}\n{refused}\n127.0.0.1\n");
        assert_eq!(text(&output.stdout), expected, "{words:?}: {}", text(&output.stderr));
    }
    // Nobody there either.
    let began = Instant::now();
    let mut command = Command::new(built());
    let gone = free_port().to_string();
    let script = ["--", "/usr/bin/python3", "-c", LOOK_FOR, &gone, &gone];
    let output = finish(command.args(["run", "--quiet", "--share-loopback"]).args(script), MINUTE);
    assert!(text(&output.stdout).starts_with(&format!("{refused}\n{refused}\n{refused}\n")), "{output:?}");
    assert!(began.elapsed() < SOON);
}

#[test]
fn a_full_disk_under_its_log_does_not_end_a_host() {
    let place = Place::new();
    let log = place.0.path().join("portolan/full.log");
    fs::create_dir_all(log.parent().unwrap()).unwrap();
    fs::set_permissions(log.parent().unwrap(), fs::Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::symlink("/dev/full", &log).unwrap();
    let process = place.up(&["full", "--deny", "192.0.2.1"]);
    let refused = "import socket\ntry: socket.create_connection(('192.0.2.1', 80), 5)\nexcept OSError as e: print(e.errno)";
    let mut child = place.start_in("full", refused);
    assert_eq!(line(&mut child).trim(), "113", "EHOSTUNREACH");
    assert!(child.wait().unwrap().success());
    assert_eq!(place.process("full"), process);
}

#[test]
fn nobody_joins_a_host_that_belongs_to_one_command() {
    let place = Place::new();
    let mut command = place.portolan(&["run", "--quiet", "--", "sh", "-c", "echo up; exec cat"]);
    let mut run = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    assert_eq!(line(&mut run).trim(), "up");
    let output = place.run(&["run", "--in", &format!("run-{}", run.id()), "--", "true"]);
    failed(&output, "it belongs to one command; `portolan up NAME` starts a host for several");
    assert_eq!(output.status.code(), Some(125));
    drop(run.stdin.take());
    assert!(run.wait().unwrap().success());
}
