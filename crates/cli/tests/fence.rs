//! The fence with real programs, a real DNS server and a real network behind it.

#[allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
mod support;

use std::fs;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use support::*;

const MINUTE: Duration = Duration::from_secs(60);

/// A machine that exists for one test: dnsmasq knows example.test and other.test and writes down what it is asked, and a
/// web server says "hello" at their addresses, at port 80.
struct Machine {
    folder: Folder,
}

impl Machine {
    fn new() -> Machine {
        Machine { folder: Folder::new() }
    }

    /// Runs a shell script there; `$portolan` is the program, `$log` a file for --deny-log.
    fn run(&self, script: &str) -> Output {
        let resolv = self.folder.file("resolv.conf", b"nameserver 127.0.0.53\n");
        self.folder.file("index.html", b"hello\n");
        let folder = self.folder.path().display();
        let script = format!(
            "set -e
            ip link set lo up
            for address in 192.0.2.7 192.0.2.8 169.254.169.254; do ip addr add $address/32 dev lo; done
            ip addr add 2001:db8::7/128 dev lo nodad
            mount --bind {resolv} /etc/resolv.conf
            dnsmasq --keep-in-foreground --no-resolv --no-hosts --listen-address=127.0.0.53 --bind-interfaces \
                --address=/example.test/192.0.2.7 --address=/other.test/192.0.2.8 --cname=alias.test,www.example.test \
                --host-record=www.example.test,192.0.2.7 --address=/six.test/2001:db8::7 \
                --address=/door.test/10.0.2.5 --address=/inner.test/127.0.0.1 \
                --log-queries=extra --log-facility={folder}/asked --user=root --pid-file= &
            server=$!
            /usr/bin/python3 -m http.server 80 --bind :: --directory {folder} >/dev/null 2>&1 &
            web=$!
            trap 'kill $server $web' EXIT
            for _ in $(seq 100); do ss -Hlun 'sport = 53' | grep -q 127.0.0.53 && break; sleep 0.05; done
            for _ in $(seq 100); do ss -Hltn 'sport = 80' | grep -q LISTEN && break; sleep 0.05; done
            portolan={portolan} log={folder}/refused
            {script}",
            resolv = resolv.display(),
            portolan = installed().display(),
        );
        finish(Command::new("unshare").args(["-m", "-n", "bash", "-c", &script]), MINUTE)
    }

    /// As [`Machine::run`], with servers that send datagrams back at 192.0.2.7, ports 4000 and 4001; `$folder` is ours.
    fn run_with_echo(&self, script: &str) -> Output {
        self.folder.file(
            "echo.py",
            b"import socket, sys\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('192.0.2.7', int(sys.argv[1])))\n\
              while True:\n    d, a = s.recvfrom(100); s.sendto(d, a)\n",
        );
        let folder = self.folder.path().display();
        self.run(&format!(
            "folder={folder}
            for port in 4000 4001; do timeout 20 /usr/bin/python3 $folder/echo.py $port >/dev/null 2>&1 & done
            for port in 4000 4001; do
                for _ in $(seq 200); do ss -Hlun sport = $port | grep -q $port && break; sleep 0.05; done
            done
            {script}"
        ))
    }

    /// The lines of the log.
    fn refusals(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.path().join("refused")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What dnsmasq was asked.
    fn asked(&self) -> String {
        fs::read_to_string(self.folder.path().join("asked")).unwrap_or_default()
    }
}

#[test]
fn a_name_that_is_allowed_is_reached_and_another_is_refused_and_logged() {
    if !root_or_skip() {
        return;
    }
    let machine = Machine::new();
    let output = machine.run(
        "$portolan run --quiet --allow example.test:80 --deny-log $log -- curl -sS http://example.test/
        $portolan run --quiet --allow example.test:80 --deny-log $log -- curl -sS http://other.test/ || echo status $?",
    );
    let (said, heard) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(said, "hello\nstatus 6\n", "{heard}");
    // curl writes its line in two pieces, and ours may come in between.
    assert!(heard.contains("Could not resolve host: other.test"), "{heard}");
    let refused: Vec<&str> = heard.lines().filter(|line| line.starts_with("portolan: refused: ")).collect();
    assert_eq!(refused.len(), 1, "once: {heard}");
    let (who, what) = refused[0].strip_prefix("portolan: refused: ").unwrap().split_once(" -> ").unwrap();
    assert!(who.starts_with("curl[") && who.ends_with(']'), "{who}");
    assert_eq!(what, "other.test/dns: no --allow matches");
    let log = machine.refusals();
    assert_eq!(log.len(), 1, "{log:?}");
    assert_eq!((&log[0]["process"], &log[0]["name"]), (&"curl".into(), &"other.test".into()));
    assert_eq!((&log[0]["protocol"], &log[0]["rule"]), (&"dns".into(), &"no --allow matches".into()));
    assert_eq!(who, format!("curl[{}]", log[0]["pid"]));
    assert!(machine.asked().contains("example.test"));
    assert!(
        !machine.asked().contains("other.test"),
        "a name that is not allowed is not asked: {}",
        machine.asked()
    );
}

#[test]
fn the_port_and_the_address_count_too() {
    if !root_or_skip() {
        return;
    }
    let machine = Machine::new();
    let output = machine.run(
        "run() { $portolan run --quiet --deny-log $log \"$@\" || echo status $?; }
        run --allow example.test:443 -- curl -sS http://example.test/
        run --allow example.test -- curl -sS http://192.0.2.8/
        run --allow six.test:443 -- curl -sS http://six.test/
        run --allow six.test:80 -- curl -sS http://six.test/
        run --deny 192.0.2.0/24 -- curl -sS http://example.test/
        run --allow 192.0.2.0/24:80 --allow udp:53 -- curl -sS http://other.test/
        run --allow www.example.test -- curl -sS http://alias.test/
        run --allow alias.test -- curl -sS http://alias.test/
        run --allow example.test -- curl -sS http://portolan.internal/echo -d usable
        run --allow example.test -- curl -sS --resolve example.test:80:192.0.2.7 http://example.test/",
    );
    let (said, heard) = (text(&output.stdout), text(&output.stderr));
    let expected =
        ["status 7", "status 7", "status 7", "hello", "status 7", "hello", "status 6", "hello", "usable"];
    // A program that brings its own answers is judged by the address alone, which ours have not bound.
    assert_eq!(said, expected.join("\n") + "status 7\n", "{heard}");
    for line in [
        "-> example.test (192.0.2.7):80/tcp: no --allow matches",
        "-> 192.0.2.8:80/tcp: no --allow matches",
        "-> 192.0.2.7:80/tcp: no --allow matches",
        "-> six.test (2001:db8::7):80/tcp: no --allow matches",
        "-> example.test (192.0.2.7):80/tcp: --deny 192.0.2.0/24",
        "-> alias.test/dns: no --allow matches",
    ] {
        assert_eq!(heard.matches(line).count(), 1, "{line}: {heard}");
    }
    let log = machine.refusals();
    assert!(log.iter().all(|line| line["process"] == "curl"), "{log:?}");
    assert!(log.iter().any(|line| line["address"] == "2001:db8::7" && line["port"] == 80));
}

/// Connects where it must not, sends datagrams to one allowed and one forbidden port, and asks for a forbidden name by a
/// query of its own.
const DATAGRAMS: &str = "
import errno, socket, struct
for address in ('192.0.2.8', '2001:db8::7'):
    try: socket.create_connection((address, 80), 5)
    except OSError as error: print(address, errno.errorcode.get(error.errno, error))
for port in (4000, 4001):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(3)
    s.connect(('192.0.2.7', port)); s.send(b'x')
    try: print(port, s.recv(10))
    except OSError as error: print(port, errno.errorcode.get(error.errno, error))
query = struct.pack('>HHHHHH', 7, 0x100, 1, 0, 0, 0) + b'\\x05other\\x04test\\x00' + struct.pack('>HH', 1, 1)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(3); s.bind(('', 5555))
s.sendto(query, ('127.0.0.53', 53)); print('rcode', s.recv(512)[3] & 15)
";

#[test]
fn datagrams_are_judged_and_so_are_queries_of_the_programs_own() {
    if !root_or_skip() {
        return;
    }
    let machine = Machine::new();
    machine.folder.file("datagrams.py", DATAGRAMS.as_bytes());
    let output = machine.run_with_echo(
        "$portolan run --quiet --allow udp:192.0.2.0/24:4000 --allow example.test --deny-log $log -- \
            /usr/bin/python3 $folder/datagrams.py",
    );
    let heard = text(&output.stderr);
    // What `reject with icmpx admin-prohibited` gives.
    let connected = "192.0.2.8 EHOSTUNREACH\n2001:db8::7 EACCES\n";
    assert_eq!(
        text(&output.stdout),
        format!("{connected}4000 b'x'\n4001 EHOSTUNREACH\nrcode 3\n"),
        "{heard}"
    );
    assert!(heard.contains("-> 192.0.2.7:4001/udp: no --allow matches"), "{heard}");
    assert!(heard.contains("-> other.test/dns: no --allow matches"), "{heard}");
    assert!(!machine.asked().contains("other.test"), "{}", machine.asked());
    assert!(
        machine.refusals().iter().all(|line| line["process"] == "python3"),
        "whose query it was is known"
    );
}

#[test]
fn a_refused_port_leaves_the_datagrams_of_the_others_alone() {
    if !root_or_skip() {
        return;
    }
    let machine = Machine::new();
    machine.folder.file("datagrams.py", DATAGRAMS.as_bytes());
    let output = machine.run_with_echo(
        "$portolan run --quiet --deny udp:4001 -- /usr/bin/python3 $folder/datagrams.py | grep ^400",
    );
    let heard = text(&output.stderr);
    assert_eq!(text(&output.stdout), "4000 b'x'\n4001 EHOSTUNREACH\n", "{heard}");
}

#[test]
fn j8_the_metadata_service_is_refused_and_logged_unless_it_is_meant() {
    if !root_or_skip() {
        return;
    }
    let machine = Machine::new();
    let output = machine.run(
        "run() { $portolan run --quiet --deny-log $log \"$@\" -- curl -sS -m 10 http://169.254.169.254/ || echo status $?; }
        run
        run --allow '*'
        run --allow 169.254.169.254",
    );
    let heard = text(&output.stderr);
    assert_eq!(text(&output.stdout), "status 7\nstatus 7\nhello\n", "{heard}");
    assert_eq!(heard.matches("-> 169.254.169.254:80/tcp: a cloud's metadata service").count(), 2, "{heard}");
    assert_eq!(machine.refusals().len(), 2);
}

#[test]
fn j7_the_machines_loopback_needs_its_name_and_its_rule() {
    if !root_or_skip() {
        return;
    }
    let machine = Machine::new();
    let output = machine.run(
        "run() { $portolan run --quiet --deny-log $log \"$@\" || echo status $?; }
        run -- curl -sS http://host.portolan.internal/
        run -- curl -sS -m 5 http://10.0.2.2/
        run --allow example.test -- curl -sS http://host.portolan.internal/
        run --allow host.portolan.internal:80 -- curl -sS http://host.portolan.internal/
        run --deny host.portolan.internal -- curl -sS http://10.0.2.5/
        run -- curl -sS http://portolan.internal/delay/1500 >/dev/null &
        for _ in $(seq 100); do ss -Hxlp | grep -q portolan-stack && break; sleep 0.05; done
        ss -Hxlp | grep -q portolan-stack && echo control is here
        ss -Hltunp | grep portolan || echo and on no network",
    );
    let heard = text(&output.stderr);
    let expected = "hello\nstatus 7\nstatus 7\nhello\nstatus 7\ncontrol is here\nand on no network\n";
    assert_eq!(text(&output.stdout), expected, "{heard}");
    assert!(heard.contains("host.portolan.internal (10.0.2.5):80/tcp: no --allow matches"), "{heard}");
}

#[test]
fn a_name_whose_owner_points_it_at_the_machines_loopback_opens_nothing() {
    if !root_or_skip() {
        return;
    }
    let machine = Machine::new();
    let output = machine.run(
        "run() { $portolan run --quiet --deny-log $log \"$@\" || echo status $?; }
        run --allow door.test -- curl -sS http://door.test/
        run --share-loopback --allow inner.test -- curl -sS http://inner.test/
        run --share-loopback --allow inner.test --allow 127.0.0.1 -- curl -sS http://inner.test/",
    );
    let heard = text(&output.stderr);
    assert_eq!(text(&output.stdout), "status 7\nstatus 7\nhello\n", "{heard}");
    for line in [
        "-> host.portolan.internal (10.0.2.5):80/tcp: no --allow",
        "-> inner.test (127.0.0.1):80/tcp: no --allow",
    ] {
        assert_eq!(heard.matches(line).count(), 1, "{line}: {heard}");
    }
}

/// Connects to each address and port given, and prints the outcome.
const CONNECT: &str = "
import errno, socket, sys
for word in sys.argv[1:]:
    host, port = word.rsplit(':', 1)
    try: socket.create_connection((host, int(port)), 5).close(); print(word, 'connected')
    except socket.gaierror: print(word, 'unknown')
    except OSError as error: print(word, errno.errorcode.get(error.errno, error))
";

/// A TAP whose other end is a network with web servers at 10.7.0.1 and fd07::1, port 8000, and dnsmasq at 10.7.0.1: it
/// knows example.test, other.test, and hint.test, whose only address is a hint of its HTTPS record.
struct Tapped {
    namespace: Namespace,
    folder: Folder,
    _servers: Vec<Guard>,
}

impl Tapped {
    fn new() -> Tapped {
        let (namespace, folder) = (Namespace::with_tap(), Folder::new());
        let web = |bind: &str| {
            let mut server = namespace.command("/usr/bin/python3");
            server
                .args(["-m", "http.server", "8000", "--bind", bind])
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            Guard(server.spawn().unwrap())
        };
        let mut names = namespace.command("dnsmasq");
        names.args([
            "--keep-in-foreground",
            "--no-resolv",
            "--no-hosts",
            "--listen-address=10.7.0.1",
            "--bind-interfaces",
            "--address=/example.test/10.7.0.1",
            "--address=/other.test/10.7.0.1",
            // Priority 1, the name itself, ipv4hint=10.7.0.1.
            "--dns-rr=hint.test,65,000100000400040a070001",
            "--user=root",
            "--pid-file=",
            "--log-queries=extra",
            &format!("--log-facility={}", folder.path().join("asked").display()),
        ]);
        let servers = vec![web("10.7.0.1"), web("fd07::1"), Guard(names.spawn().unwrap())];
        let listens = |what: &str| {
            let shown = namespace.command("ss").args(["-Hlntu"]).output().unwrap();
            text(&shown.stdout).contains(what)
        };
        eventually(MINUTE, || {
            ["10.7.0.1:53", "10.7.0.1:8000", "[fd07::1]:8000"].iter().all(|what| listens(what))
        });
        Tapped { namespace, folder, _servers: servers }
    }

    /// What dnsmasq was asked.
    fn asked(&self) -> String {
        fs::read_to_string(self.folder.path().join("asked")).unwrap()
    }
}

#[test]
fn a_link_without_a_gateway_has_the_fence_at_its_own_end() {
    if !root_or_skip() {
        return;
    }
    let tapped = Tapped::new();
    let refused = tapped.folder.path().join("refused");
    let words = [
        "--dns",
        "10.7.0.1",
        "--allow",
        "example.test:8000",
        "--deny-log",
        refused.to_str().unwrap(),
        "--",
        "/usr/bin/python3",
        "-c",
        CONNECT,
        "10.7.0.1:8000",
        "example.test:8000",
        "example.test:8001",
        "other.test:8000",
        "fd07::1:8000",
        "10.7.0.1:8000",
    ];
    let output = finish(&mut tapped.namespace.portolan(&words), MINUTE);
    let heard = text(&output.stderr);
    let expected = "10.7.0.1:8000 EHOSTUNREACH\nexample.test:8000 connected\nexample.test:8001 EHOSTUNREACH\n\
                    other.test:8000 unknown\nfd07::1:8000 EACCES\n10.7.0.1:8000 connected\n";
    assert_eq!(text(&output.stdout), expected, "{heard}");
    for line in
        ["-> 10.7.0.1:8000/tcp: no", "-> example.test (10.7.0.1):8001/tcp: no", "-> other.test/dns: no"]
    {
        assert_eq!(heard.matches(line).count(), 1, "{line}: {heard}");
    }
    assert!(heard.contains("refused: python3["), "{heard}");
    assert!(heard.contains("portolan: flows refused by the fence: 3"), "as a gateway counts them: {heard}");
    let asked = tapped.asked();
    assert!(asked.contains("example.test") && !asked.contains("other.test"), "{asked}");
    assert_eq!(fs::read_to_string(refused).unwrap().lines().count(), 4);
}

/// Asks 10.7.0.1 over TCP for each name given as `NAME/TYPE`, all over one connection, the octets of each query one by one;
/// then connects to 10.7.0.1, port 8000.
const ASK_OVER_TCP: &str = "
import errno, socket, struct, sys
s = socket.create_connection(('10.7.0.1', 53), 5)
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for number, word in enumerate(sys.argv[1:]):
    name, kind = word.rsplit('/', 1)
    labels = b''.join(bytes([len(l)]) + l.encode() for l in name.split('.')) + b'\\0'
    query = struct.pack('>HHHHHH', number, 0x100, 1, 0, 0, 0) + labels + struct.pack('>HH', int(kind), 1)
    for octet in struct.pack('>H', len(query)) + query: s.send(bytes([octet]))
    size = struct.unpack('>H', s.recv(2, socket.MSG_WAITALL))[0]
    print(name, 'rcode', s.recv(size, socket.MSG_WAITALL)[3] & 15)
print('then', len(s.recv(1)) if sys.argv[-1].startswith('other') else 'open')
try: socket.create_connection(('10.7.0.1', 8000), 5).close(); print('connected')
except OSError as error: print(errno.errorcode.get(error.errno, error))
";

#[test]
fn names_asked_over_tcp_without_a_gateway_are_judged_and_learned() {
    if !root_or_skip() {
        return;
    }
    let tapped = Tapped::new();
    let ask = |allow: &str, names: &[&str]| {
        let words =
            ["--quiet", "--dns", "10.7.0.1", "--allow", allow, "--", "/usr/bin/python3", "-c", ASK_OVER_TCP];
        let output = finish(&mut tapped.namespace.portolan(&[&words, names].concat()), MINUTE);
        (text(&output.stdout), text(&output.stderr))
    };
    let (said, heard) = ask("example.test:8000", &["example.test/1", "other.test/1"]);
    assert_eq!(said, "example.test rcode 0\nother.test rcode 3\nthen 0\nconnected\n", "{heard}");
    assert_eq!(heard.matches("-> other.test/dns: no --allow matches").count(), 1, "{heard}");
    assert!(heard.starts_with("portolan: refused: python3["), "{heard}");
    assert!(!tapped.asked().contains("other.test"), "{}", tapped.asked());

    // An address that only a hint tells of.
    let (said, heard) = ask("hint.test:8000", &["hint.test/65"]);
    assert_eq!(said, "hint.test rcode 0\nthen open\nconnected\n", "{heard}");
    let (said, heard) = ask("hint.test:8001", &["hint.test/65"]);
    assert_eq!(said, "hint.test rcode 0\nthen open\nEHOSTUNREACH\n", "{heard}");
    assert!(heard.contains("-> hint.test (10.7.0.1):8000/tcp: no"), "{heard}");

    // A real client.
    let words = [
        "--quiet",
        "--dns",
        "10.7.0.1",
        "--allow",
        "example.test",
        "--",
        "dig",
        "+tcp",
        "+time=5",
        "@10.7.0.1",
    ];
    let dig = |name: &str| {
        text(&finish(&mut tapped.namespace.portolan(&[&words[..], &[name]].concat()), MINUTE).stdout)
    };
    assert!(dig("example.test").contains("10.7.0.1"), "{}", dig("example.test"));
    let refused = dig("other.test");
    assert!(refused.contains("NXDOMAIN") && refused.contains("EDE: 15 (Blocked)"), "{refused}");
}

#[test]
fn a_repeated_refusal_is_counted_in_the_log_while_the_command_runs() {
    let folder = Folder::new();
    let log = folder.path().join("refused");
    let script = "
import socket, time
for _ in range(5):
    try: socket.create_connection(('192.0.2.1', 80))
    except OSError: pass
time.sleep(100)";
    let mut command = Command::new(built());
    command.args(["run", "--quiet", "--deny", "192.0.2.0/24", "--deny-log"]).arg(&log);
    command.args(["--", "/usr/bin/python3", "-c", script]).stderr(Stdio::null());
    let _running = Guard(command.spawn().unwrap());
    let counts = || -> Vec<u64> {
        let text = fs::read_to_string(&log).unwrap_or_default();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|line| line["count"].as_u64().unwrap()).collect()
    };
    eventually(MINUTE, || counts().iter().sum::<u64>() == 5);
    assert_eq!(counts()[0], 1, "the first had a line of its own: {:?}", counts());
}

#[test]
fn rules_that_make_no_sense_are_refused_before_anything_runs() {
    for (words, said) in [
        (&["--allow", "example.test:http"][..], "'http' is no port"),
        (&["--deny", "10.0.0.0/33"], "the prefix is longer than the address"),
        (&["--allow", ""], "the rule is empty"),
        (&["--deny-log", "-"], "--deny-log needs a file's name"),
    ] {
        let output = finish(Command::new(built()).arg("run").args(words).args(["--", "true"]), MINUTE);
        let heard = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{heard}");
        assert!(heard.contains(said) && heard.lines().count() == 1, "{heard}");
    }
    let output =
        finish(Command::new(built()).args(["run", "--deny-log", "/nowhere/log", "--", "true"]), MINUTE);
    assert_eq!(output.status.code(), Some(125));
    assert!(text(&output.stderr).contains("--deny-log /nowhere/log: "), "{}", text(&output.stderr));
}
