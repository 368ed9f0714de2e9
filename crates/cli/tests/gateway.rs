//! What the machine's network says, as the program sees it: real routes, in a namespace where they can be broken.

#[allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
mod support;

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use support::*;

const MINUTE: Duration = Duration::from_secs(60);

/// Connects to each address, by UDP if it begins with a `u`, and prints the name of the error and the seconds it took.
const CONNECT: &str = "
import errno, socket, sys, time
for word in sys.argv[1:]:
    kind, address = (socket.SOCK_DGRAM, word[1:]) if word[0] == 'u' else (socket.SOCK_STREAM, word)
    s = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET, kind)
    s.settimeout(10)
    began = time.monotonic()
    try:
        s.connect((address, 80))
        if kind == socket.SOCK_DGRAM:
            s.send(b'x'); s.recv(10)
        said = 'connected'
    except OSError as error:
        said = errno.errorcode.get(error.errno, str(error))
    print(word, said, 'at once' if time.monotonic() - began < 1 else 'late')
";

/// `portolan run WORDS` over egress, inside the namespace.
fn egress(namespace: &Namespace, words: &[&str]) -> Command {
    let mut command = namespace.command(installed());
    command.args(["run", "--quiet", "--"]).args(words);
    command
}

#[test]
fn destinations_that_the_machine_cannot_reach_fail_at_once() {
    if !root_or_skip() {
        return;
    }
    let namespace = Namespace::with_tap();
    for route in [["unreachable", "198.51.100.0/25"], ["prohibit", "198.51.100.128/25"]] {
        assert!(namespace.command("ip").args(["route", "add"]).args(route).status().unwrap().success());
    }
    for route in [["unreachable", "2001:db8:2::/64"], ["prohibit", "2001:db8:3::/64"]] {
        assert!(namespace.command("ip").args(["-6", "route", "add"]).args(route).status().unwrap().success());
    }
    // As Linux reads the ICMP message: over IPv4 "administratively prohibited" is EHOSTUNREACH, over IPv6 EACCES.
    let expected = [
        ("192.0.2.1", "ENETUNREACH"),
        ("198.51.100.1", "EHOSTUNREACH"),
        ("198.51.100.129", "EHOSTUNREACH"),
        ("2001:db8::1", "ENETUNREACH"),
        ("2001:db8:2::1", "EHOSTUNREACH"),
        ("2001:db8:3::1", "EACCES"),
    ];
    let mut words = vec!["/usr/bin/python3".to_owned(), "-c".into(), CONNECT.into()];
    let mut lines = String::new();
    for prefix in ["", "u"] {
        for (address, errno) in expected {
            words.push(format!("{prefix}{address}"));
            lines += &format!("{prefix}{address} {errno} at once\n");
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let output = finish(&mut egress(&namespace, &words), MINUTE);
    assert_eq!(text(&output.stdout), lines, "{}", text(&output.stderr));
}

#[test]
fn a_destination_that_does_not_answer_is_silence() {
    if !root_or_skip() {
        return;
    }
    let namespace = Namespace::with_tap();
    // The machine gives up after one SYN and its repetition, three seconds in all, long before the program would.
    // Nobody reads the TAP, so the neighbour is known and the SYNs are lost.
    let given =
        "sysctl -qw net.ipv4.tcp_syn_retries=1 && ip neigh add 10.7.0.9 lladdr 02:00:00:00:00:09 dev tap0";
    assert!(namespace.command("sh").args(["-c", given]).status().unwrap().success());
    let holder = "import fcntl, struct, time; t = open('/dev/net/tun', 'r+b', buffering=0); \
                  fcntl.ioctl(t, 0x400454ca, struct.pack('16sH', b'tap0', 0x5002)); time.sleep(60)";
    let _holder = Guard(namespace.command("/usr/bin/python3").args(["-c", holder]).spawn().unwrap());
    let carrier = || {
        let shown = namespace.command("ip").args(["link", "show", "tap0"]).output().unwrap();
        text(&shown.stdout).contains("LOWER_UP")
    };
    eventually(Duration::from_secs(10), carrier);
    let began = Instant::now();
    let words = ["curl", "-sS", "--connect-timeout", "6", "http://10.7.0.9/"];
    let output = finish(&mut egress(&namespace, &words), MINUTE);
    assert_eq!(output.status.code(), Some(28), "curl's own time-out: {}", text(&output.stderr));
    assert!(began.elapsed() >= Duration::from_secs(6));
}

/// Opens connections to the port of the host's loopback given, after it has left the stack process room for so many
/// descriptors more.
const EXHAUST: &str = "
import os, socket, subprocess, sys
port, room = int(sys.argv[1]), int(sys.argv[2])
run = os.getppid()
stack = next(child for child in open(f'/proc/{run}/task/{run}/children').read().split()
             if open(f'/proc/{child}/comm').read() == 'portolan-stack\\n')
host = socket.gethostbyname('host.portolan.internal')
held = [socket.create_connection((host, port))]
in_use = {int(fd) for fd in os.listdir(f'/proc/{stack}/fd')}
limit = next(fd for fd in range(1 << 20) if fd not in in_use) + room
subprocess.run(['prlimit', '--pid', stack, f'--nofile={limit}:{limit}'], check=True)
said = []
for _ in range(8):
    s = socket.socket(); s.settimeout(5); held.append(s)
    try: s.connect((host, port)); said.append('ok')
    except OSError as error: said.append(type(error).__name__)
print(sorted(set(said)))
held[0].sendall(b'still here'); print(held[0].recv(100))
for s in held[1:]: s.close()
import time; time.sleep(1.5)
s = socket.create_connection((host, port), timeout=5); s.sendall(b'again'); print(s.recv(100))
";

#[test]
fn without_descriptors_connections_are_refused_at_once_and_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || std::io::copy(&mut &stream, &mut &stream));
        }
    });
    for room in ["2", "3", "4", "5"] {
        let mut command = Command::new(installed());
        command.args(["run", "--", "/usr/bin/python3", "-c", EXHAUST, &port, room]);
        let output = finish(&mut command, MINUTE);
        let expected = "['ConnectionRefusedError', 'ok']\nb'still here'\nb'again'\n";
        assert_eq!(text(&output.stdout), expected, "room for {room}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains("had no descriptor left"), "{}", text(&output.stderr));
    }
}

/// Sends datagrams of 1,400 octets through a router whose next link takes 1,300, and prints what becomes of them.
const TOO_BIG: &str = "
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, 10, 2)  # IP_MTU_DISCOVER, IP_PMTUDISC_DO
s.connect(('10.9.2.9', 9)); s.settimeout(5)
s.send(bytes(1400)); time.sleep(0.5)
";

#[test]
fn a_path_that_is_too_narrow_is_told_with_its_mtu() {
    if !root_or_skip() {
        return;
    }
    let (namespace, router) = (Namespace::with_tap(), Namespace::with_tap());
    let script = format!(
        "ip link add a0 type veth peer name r0 netns {}; ip addr add 10.9.1.2/24 dev a0; ip link set a0 up
         ip route add default via 10.9.1.1",
        router.name()
    );
    assert!(namespace.command("sh").args(["-ec", &script]).status().unwrap().success());
    let script = "ip addr add 10.9.1.1/24 dev r0; ip link set r0 up; sysctl -qw net.ipv4.ip_forward=1
         ip link add r1 mtu 1300 type veth peer name b0; ip link set b0 up
         ip addr add 10.9.2.1/24 dev r1; ip link set r1 up";
    assert!(router.command("sh").args(["-ec", script]).status().unwrap().success());
    let folder = Folder::new();
    let file = folder.path().join("narrow.pcapng");
    let mut command = namespace.command(installed());
    command.args(["run", "--quiet", "--pcap"]).arg(&file).args(["--", "/usr/bin/python3", "-c", TOO_BIG]);
    let output = finish(&mut command, MINUTE);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = ["-Y", "icmp.type == 3 && icmp.code == 4", "-T", "fields", "-e", "icmp.mtu"];
    let mtu = must(&[&["tshark", "-r", file.to_str().unwrap()][..], &shown].concat());
    assert_eq!(mtu.trim(), "1300", "one message of the gateway's, with the next link's MTU");
}
