//! Names with a real server: dnsmasq on the loopback of a machine that exists for the test only, as systemd-resolved is on
//! many machines.

#[allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
mod support;

use std::process::Command;
use std::time::Duration;

use support::*;

/// Asks 127.0.0.53 by itself, over UDP and over TCP, as programs do that read resolv.conf without libc.
const RAW_QUERY: &str = "
import socket, struct
query = struct.pack('>HHHHHH', 7, 0x100, 1, 0, 0, 0) + b'\\x07example\\x04test\\x00' + struct.pack('>HH', 1, 1)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.settimeout(5)
udp.sendto(query, ('127.0.0.53', 53)); print('udp', socket.inet_ntoa(udp.recv(512)[-4:]))
tcp = socket.create_connection(('127.0.0.53', 53), 5); tcp.sendall(struct.pack('>H', len(query)) + query)
print('tcp', socket.inet_ntoa(tcp.recv(512)[-4:]))
";

/// Runs a shell script in new mount and network namespaces whose resolv.conf names 127.0.0.53, where dnsmasq knows one
/// name and nothing else.
fn with_dnsmasq(folder: &Folder, script: &str) -> std::process::Output {
    let resolv = folder.file("resolv.conf", b"nameserver 127.0.0.53\n");
    let query = folder.file("query.py", RAW_QUERY.as_bytes());
    let script = format!(
        "set -e
        ip link set lo up
        mount --bind {} /etc/resolv.conf
        dnsmasq --keep-in-foreground --no-resolv --no-hosts --listen-address=127.0.0.53 --bind-interfaces \
            --address=/example.test/192.0.2.7 --user=root --pid-file= --log-facility=/dev/null &
        server=$!
        trap 'kill $server' EXIT
        for _ in $(seq 100); do ss -Hlun 'sport = 53' | grep -q 127.0.0.53 && break; sleep 0.05; done
        portolan={} query={}
        {script}",
        resolv.display(),
        installed().display(),
        query.display(),
    );
    finish(Command::new("unshare").args(["-m", "-n", "sh", "-c", &script]), Duration::from_secs(60))
}

#[test]
fn names_are_asked_of_the_machines_own_server() {
    if !root_or_skip() {
        return;
    }
    let folder = Folder::new();
    let output = with_dnsmasq(&folder, "$portolan run -- getent ahostsv4 example.test");
    let (answer, report) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{report}");
    assert!(answer.starts_with("192.0.2.7"), "{answer}");
    assert!(report.contains("10.0.2.3:53/udp"), "the question crosses the command's wire: {report}");
}

#[test]
fn a_name_that_the_server_does_not_know_is_not_found() {
    if !root_or_skip() {
        return;
    }
    let output = with_dnsmasq(&Folder::new(), "$portolan run --quiet -- getent ahosts nowhere.test");
    assert_eq!(output.status.code(), Some(2), "getent's word for a name that is not found: {output:?}");
}

#[test]
fn programs_that_ask_the_servers_of_resolv_conf_themselves_are_answered() {
    if !root_or_skip() {
        return;
    }
    let output = with_dnsmasq(&Folder::new(), "$portolan run --quiet -- /usr/bin/python3 $query");
    assert_eq!(text(&output.stdout), "udp 192.0.2.7\ntcp 192.0.2.7\n", "{}", text(&output.stderr));
}

/// hostname and uname are asked of libc; the machine's own name stays what it was.
#[test]
fn a_program_sees_the_name_of_its_host() {
    let script = "hostname; uname -n; python3 -c 'import os, socket; print(socket.gethostname(), os.uname().nodename)'";
    let mut named = Command::new(built());
    named.args(["run", "--quiet", "--link", "none", "--hostname", "web-1.example", "--", "sh", "-c", script]);
    let output = finish(&mut named, Duration::from_secs(30));
    assert_eq!(text(&output.stdout), "web-1.example\nweb-1.example\nweb-1.example web-1.example\n");
    let machine = finish(Command::new("uname").arg("-n"), Duration::from_secs(30));
    let mut unnamed = Command::new(built());
    unnamed.args(["run", "--quiet", "--link", "none", "--", "uname", "-n"]);
    assert_eq!(finish(&mut unnamed, Duration::from_secs(30)).stdout, machine.stdout);
}
