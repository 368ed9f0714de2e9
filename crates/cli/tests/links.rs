//! Links beside egress and TAP: TUN, packet sockets on a veth, and wires between hosts.

#[allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use support::*;

const MINUTE: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(10);

fn failed(output: &Output, words: &str) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{said}");
    assert!(said.lines().count() == 1 && said.contains(words), "{said:?}");
}

/// Makes a veth in a user and network namespace, gives the kernel one end and portolan the other, and fetches a file in
/// both directions.
const VETH: &str = r#"
set -e
ip link add v0 type veth peer name v1
ip addr add 10.8.0.1/24 dev v1; ip addr add fd08::1/64 dev v1 nodad
ip link set lo up; ip link set v0 up; ip link set v1 up
cd "$FILES"
trap 'kill $server $own 2>/dev/null || true' EXIT
/usr/bin/python3 -m http.server 80 --bind :: >/dev/null 2>&1 & server=$!
portolan="$PORTOLAN run --quiet --link packet:v0 --address 10.8.0.2/24 --address fd08::2/64 --"
for try in $(seq 100); do curl -s -o /dev/null http://10.8.0.1/ && break; sleep 0.1; done
$portolan curl -s http://10.8.0.1/file | cmp - file && echo outward
$portolan curl -s 'http://[fd08::1]/file' | cmp - file && echo outward6
$portolan /usr/bin/python3 -m http.server 80 --bind :: >/dev/null 2>&1 & own=$!
for try in $(seq 100); do curl -s -o /dev/null --max-time 1 http://10.8.0.2/ && break; sleep 0.1; done
curl -s http://10.8.0.2/file | cmp - file && echo inward
ping -c 1 -W 2 10.8.0.2 >/dev/null && echo ping
"#;

#[test]
fn an_ordinary_user_reaches_a_veth_in_a_namespace_of_his_own() {
    if !root_or_skip() {
        return;
    }
    let folder = Folder::new();
    folder.file("file", &noise(full_or(20_000_000, 200_000_000) as usize));
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"]);
    command.args(["unshare", "-Urn", "--", "sh", "-c", VETH]).env_clear().stdin(Stdio::null());
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("PORTOLAN", installed());
    command.env("FILES", folder.path()).current_dir("/");
    let output = finish(&mut command, 2 * MINUTE);
    assert_eq!(text(&output.stdout), "outward\noutward6\ninward\nping\n", "{}", text(&output.stderr));
}

/// Tells its lines when it is asked, by whichever network.
const ANSWER: &str = "
import socket, sys
s = socket.create_server(('', 80)); print('ready')
while True:
    c, _ = s.accept(); c.sendall(b'here'); c.close()
";

#[test]
fn an_interface_may_go_down_and_come_back_and_its_removal_is_told() {
    if !root_or_skip() {
        return;
    }
    let namespace = Namespace::with_tap();
    let ip = |line: &str| {
        assert!(namespace.command("ip").args(line.split(' ')).status().unwrap().success(), "{line}")
    };
    ip("link add v0 type veth peer name v1");
    ip("addr add 10.8.0.1/24 dev v1");
    ip("link set v0 up");
    ip("link set v1 up");
    let mut command = namespace.command(installed());
    command.args(["run", "--quiet", "--link", "packet:v0", "--address", "10.8.0.2/24", "--"]);
    command.args(["/usr/bin/python3", "-uc", ANSWER]);
    let mut run = Guard(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let mut ready = [0; 6];
    run.0.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
    let answers = || {
        let script = "import socket; print(socket.create_connection(('10.8.0.2', 80), timeout=1).recv(9))";
        text(&namespace.command("/usr/bin/python3").args(["-c", script]).output().unwrap().stdout)
            == "b'here'\n"
    };
    eventually(SOON, answers);
    ip("link set v0 down");
    assert!(!answers());
    ip("link set v0 up");
    eventually(SOON, answers);
    // Frames that no host would send: a runt, one of another length than it says, and one to everybody.
    let nonsense = "
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('v1', 0x0800))
for frame in (b'\\xff' * 14, b'\\xff' * 12 + b'\\x08\\x00\\x45', bytes(6) + b'\\xff' * 1400): s.send(frame)";
    let sent = namespace.command("/usr/bin/python3").args(["-c", nonsense]).output().unwrap();
    assert!(sent.status.success(), "{}", text(&sent.stderr));
    assert!(answers());
    ip("link del v0");
    let mut said = BufReader::new(run.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let told = said.find(|line| line.contains("the link is gone"));
    assert!(told.is_some_and(|line| line.contains("v0")));
}

#[test]
fn interfaces_that_cannot_be_used_are_told_apart() {
    if !root_or_skip() {
        return;
    }
    let namespace = Namespace::with_tap();
    let run = |link: &str, words: &[&str]| {
        let mut command = namespace.command(installed());
        command.args(["run", "--link", link, "--address", "10.8.0.2/24"]).args(words).args(["--", "true"]);
        finish(&mut command, MINUTE)
    };
    failed(&run("packet:none", &[]), "there is no such interface here");
    failed(&run("packet:lo", &[]), "carries no Ethernet frames");
    failed(&run("packet:tap0", &["--mtu", "9000"]), "MTU 9000 is not from 68 to the interface's 1500");
    failed(&run("tun:none", &[]), "mode tun user USER");
    failed(&run("tun:tap0", &[]), "no TUN of one queue");
    let mut command = run_as_nobody(&["--link", "packet:lo", "--address", "10.8.0.2/24", "--", "true"]);
    failed(&finish(&mut command, MINUTE), "carries no Ethernet frames");
    let words = ["--link", "packet:tap0", "--address", "10.8.0.2/24", "--", "true"];
    let mut command = namespace.command("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"]).arg(installed());
    failed(&finish(command.arg("run").args(words), MINUTE), "need CAP_NET_RAW");
}

#[test]
fn a_tun_carries_bare_packets_both_ways() {
    if !root_or_skip() {
        return;
    }
    let (namespace, folder) = (Namespace::with_tap(), Folder::new());
    let content = noise(full_or(20_000_000, 200_000_000) as usize);
    folder.file("file", &content);
    let make = "ip tuntap add dev tun0 mode tun vnet_hdr; ip addr add 10.9.0.1/24 dev tun0
                ip addr add fd09::1/64 dev tun0 nodad; ip link set tun0 up";
    assert!(namespace.command("sh").args(["-ec", make]).status().unwrap().success());
    let mut server = namespace.command(installed());
    server.args([
        "run",
        "--quiet",
        "--link",
        "tun:tun0",
        "--address",
        "10.9.0.2/24",
        "--address",
        "fd09::2/64",
    ]);
    server.args(["--", "/usr/bin/python3", "-m", "http.server", "80", "--bind", "::"]);
    let _server =
        Guard(server.current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    eventually(SOON, || {
        let words = ["-s", "-o", "/dev/null", "--max-time", "1", "http://10.9.0.2/"];
        namespace.command("curl").args(words).status().unwrap().success()
    });
    for url in ["http://10.9.0.2/file", "http://[fd09::2]/file"] {
        let output = finish(namespace.command("curl").args(["-s", url]), MINUTE);
        assert!(output.stdout == content, "{url}: {} octets came", output.stdout.len());
    }
}

/// A wire of one test: nobody else's hosts are on it.
struct Wire(Folder);

impl Wire {
    fn new() -> Wire {
        let wire = Wire(Folder::new());
        fs::set_permissions(wire.0.path(), fs::Permissions::from_mode(0o700)).unwrap();
        wire
    }

    fn run(&self, words: &[&str], script: &str) -> Command {
        let mut command = Command::new(built());
        command.args(["run", "--quiet", "--link", "wire:lab"]).args(words);
        command.args(["--", "/usr/bin/python3", "-uc", script]).env("XDG_RUNTIME_DIR", self.0.path());
        command.stdin(Stdio::piped());
        command
    }

    /// Starts a host that says a line when it is ready.
    fn start(&self, words: &[&str], script: &str) -> Member {
        let mut child = Guard(self.run(words, script).stdout(Stdio::piped()).spawn().unwrap());
        let mut said = BufReader::new(child.0.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Member { child, said }
    }

    fn finish(&self, words: &[&str], script: &str) -> Output {
        finish(self.run(words, script).stdin(Stdio::null()), MINUTE)
    }
}

struct Member {
    child: Guard,
    said: BufReader<std::process::ChildStdout>,
}

impl Member {
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

/// Prints each client, and sends back what it sends.
const ECHO: &str = "
import socket
s = socket.create_server(('', 7)); print('ready')
while True:
    c, peer = s.accept(); print(peer[0])
    while data := c.recv(1 << 16): c.sendall(data)
    c.close()
";

/// Sends much to the host named, and compares what comes back.
const SPEAK: &str = "
import socket, sys, threading
names = NAMES
for name in names:
    s = socket.create_connection((name, 7), timeout=10)
    sent = bytes(range(256)) * 20000
    threading.Thread(target=lambda: (s.sendall(sent), s.shutdown(socket.SHUT_WR))).start()
    got = b''
    while data := s.recv(1 << 16): got += data
    print(name, s.getpeername()[0], got == sent)
";

#[test]
fn hosts_on_a_wire_find_each_other_by_name() {
    let wire = Wire::new();
    let mut a = wire.start(&["--hostname", "alpha"], ECHO);
    let mut b = wire.start(&["--hostname", "beta", "--address", "10.0.3.40/24"], ECHO);
    let script = SPEAK.replace("NAMES", "['alpha', 'beta.portolan.internal', 'alpha.portolan.internal']");
    let output = wire.finish(&[], &script);
    let expected =
        "alpha 10.0.3.1 True\nbeta.portolan.internal 10.0.3.40 True\nalpha.portolan.internal 10.0.3.1 True\n";
    assert_eq!(text(&output.stdout), expected, "{}", text(&output.stderr));
    assert_eq!((a.line(), b.line()), ("10.0.3.3".into(), "10.0.3.3".into()));
    // A member that is killed, with its stack, leaves the others, and its place to the next.
    let killed = children(a.child.0.id());
    for child in &killed {
        // The command may have ended with its stack.
        let _ = Command::new("kill").args(["-KILL", &child.to_string()]).stderr(Stdio::null()).status();
    }
    let _ = a.child.0.kill();
    let _ = a.child.0.wait();
    // Its files are closed when it is a zombie at the latest.
    let stat = |process: &u32| fs::read_to_string(format!("/proc/{process}/stat"));
    let has_ended = |process: &u32| stat(process).map_or(true, |stat| stat.contains(") Z "));
    eventually(SOON, || killed.iter().all(has_ended));
    let output = wire.finish(&[], &SPEAK.replace("NAMES", "['beta']"));
    assert_eq!(text(&output.stdout), "beta 10.0.3.40 True\n", "{}", text(&output.stderr));
    assert_eq!(b.line(), "10.0.3.1", "the place that has become free");
    let lookup = "
import socket
try: print(socket.gethostbyname('alpha'))
except socket.gaierror as error: print('unknown')
print(socket.getnameinfo(('10.0.3.40', 7), 0)[0])";
    assert_eq!(text(&wire.finish(&[], lookup).stdout), "unknown\nbeta\n");
}

/// Programs that ask the servers of /etc/resolv.conf by themselves, wherever these are.
#[test]
fn dig_and_go_find_the_names_of_a_wires_hosts() {
    if !root_or_skip() {
        return;
    }
    let wire = Wire::new();
    let _a = wire.start(&["--hostname", "alpha"], ECHO);
    let go = wire.0.file(
        "look.go",
        b"package main\nimport (\"fmt\"; \"net\")\nfunc main() {\n fmt.Println(net.LookupHost(\"alpha\"))\n \
          _, err := net.LookupHost(\"nobody.portolan.internal\"); fmt.Println(err.(*net.DNSError).IsNotFound)\n}\n",
    );
    let program = wire.0.path().join("look");
    let mut compiler = Command::new("/usr/bin/go");
    compiler.args(["build", "-o"]).arg(&program).arg(go).env("CGO_ENABLED", "0").env("GO111MODULE", "off");
    compiler.env("GOCACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("go"));
    let output = finish(&mut compiler, 5 * MINUTE);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for servers in ["nameserver 127.0.0.53\n", "nameserver 192.0.2.53\n", ""] {
        let conf = wire.0.file("resolv.conf", servers.as_bytes());
        let script = format!(
            "mount --bind {} /etc/resolv.conf && {} run --quiet --link wire:lab -- sh -c '
             dig +short alpha; dig +short AAAA alpha.portolan.internal; dig +short -x 10.0.3.1; dig +tcp +short alpha
             dig nobody | grep -o \"status: [A-Z]*\"; {}'",
            conf.display(),
            built().display(),
            program.display()
        );
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", &script]).env("XDG_RUNTIME_DIR", wire.0.path());
        let output = finish(&mut command, MINUTE);
        let expected = "10.0.3.1\nfd00:0:0:3::1\nalpha.portolan.internal.\n10.0.3.1\nstatus: NXDOMAIN\n[10.0.3.1 fd00:0:0:3::1] <nil>\ntrue\n";
        assert_eq!(text(&output.stdout), expected, "{servers}: {}", text(&output.stderr));
    }
}

#[test]
fn the_fence_holds_on_a_wire_by_the_hosts_names() {
    let wire = Wire::new();
    let _members = [wire.start(&["--hostname", "alpha"], ECHO), wire.start(&["--hostname", "beta"], ECHO)];
    let script = "
import errno, socket
for name in ['alpha', 'beta', '10.0.3.1']:
    try: socket.create_connection((name, 7), timeout=10).close(); print(name, 'connected')
    except OSError as error: print(name, errno.errorcode.get(error.errno, error))";
    let output = wire.finish(&["--allow", "alpha:7"], script);
    let heard = text(&output.stderr);
    assert_eq!(text(&output.stdout), "alpha connected\nbeta EACCES\n10.0.3.1 connected\n", "{heard}");
    assert!(heard.contains("-> beta (10.0.3.2):7/tcp: no --allow matches"), "{heard}");
}

#[test]
fn names_and_addresses_on_a_wire_are_taken_once() {
    let wire = Wire::new();
    let _a = wire.start(&["--hostname", "alpha"], ECHO);
    failed(&wire.finish(&["--hostname", "alpha"], ""), "there is a host 'alpha' on it already");
    failed(&wire.finish(&["--address", "10.0.3.1/24"], ""), "10.0.3.1 is taken by the host 'alpha'");
    // Both have port 7, and their own loopback.
    let _b = wire.start(&["--hostname", "beta"], ECHO);
    // Another user's directory is not entered.
    if root_or_skip() {
        let mut command = run_as_nobody(&["--link", "wire:lab", "--", "true"]);
        let theirs = Folder::new();
        fs::create_dir(theirs.path().join("portolan")).unwrap();
        must(&["chown", "nobody", theirs.path().to_str().unwrap()]);
        let output = finish(command.env("XDG_RUNTIME_DIR", theirs.path()), MINUTE);
        failed(&output, "belongs to user 0");
    }
}

#[test]
fn many_hosts_join_and_leave_at_once() {
    let wire = Wire::new();
    let mut last = wire.start(&["--hostname", "last"], ECHO);
    let runs: Vec<Child> = (0..12)
        .map(|_| {
            let script = SPEAK.replace("NAMES", "['last']");
            let mut command = wire.run(&[], &script);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for run in runs {
        let output = finish_child(run, MINUTE);
        assert_eq!(text(&output.stdout), "last 10.0.3.1 True\n", "{}", text(&output.stderr));
    }
    let mut seen: Vec<String> = (0..12).map(|_| last.line()).collect();
    seen.sort();
    assert!(seen.iter().all(|address| address.starts_with("10.0.3.") && address != "10.0.3.1"), "{seen:?}");
    let _ = last.child.0.stdin.as_mut().unwrap().flush();
}
