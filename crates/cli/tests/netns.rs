//! The engine netns: any program, on the kernel's own TCP, behind our gateway. As an ordinary user, where not said
//! otherwise.

#[allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
mod support;

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use support::*;

const MINUTE: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(10);

/// `portolan run --engine netns WORDS` as nobody, who has a folder of his own for what is found by its name.
struct Nobody(Folder);

impl Nobody {
    fn new() -> Nobody {
        let nobody = Nobody(Folder::writable());
        let runtime = nobody.0.path().join("runtime");
        fs::create_dir(&runtime).unwrap();
        must(&["chown", "nobody", runtime.to_str().unwrap()]);
        fs::set_permissions(&runtime, fs::Permissions::from_mode(0o700)).unwrap();
        nobody
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = run_as_nobody(&[&["--engine", "netns"], words].concat());
        command.env("XDG_RUNTIME_DIR", self.0.path().join("runtime"));
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        finish(&mut self.command(words), MINUTE)
    }

    /// Another verb, of the same user.
    fn verb(&self, words: &[&str]) -> String {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"])
            .arg(installed())
            .args(words);
        command.env("XDG_RUNTIME_DIR", self.0.path().join("runtime")).current_dir("/");
        let output = finish(&mut command, MINUTE);
        assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }
}

#[test]
fn the_world_is_reached_by_name_over_both_families() {
    if !root_or_skip() {
        return;
    }
    let folder = Folder::new();
    let content = noise(full_or(5_000_000, 200_000_000) as usize);
    folder.file("file", &content);
    let (_server, port) = python_server(folder.path());
    let nobody = Nobody::new();
    let url = format!("http://host.portolan.internal:{port}/file");
    let output = nobody.run(&["--", "curl", "-4", "-sS", &url]);
    assert!(output.stdout == content, "{}: {}", output.stdout.len(), text(&output.stderr));
    let said = text(&output.stderr);
    assert!(said.starts_with("portolan: engine netns, link egress, 1 flow\n"), "{said}");
    assert!(said.contains(&format!("  host.portolan.internal:{port}/tcp  closed")), "{said}");
    assert!(said.contains("the command's TCP was the kernel's"), "{said}");
    let output = nobody.run(&["--", "curl", "-6", "-sS", "http://portolan.internal/bytes/1M"]);
    assert_eq!(output.stdout.len(), 1 << 20, "{}", text(&output.stderr));
    // Datagrams, names over both transports, echoes; and who one is.
    let script = "dig +short portolan.internal AAAA; dig +tcp +short portolan.internal A
        ping -q -c 1 -W 5 10.0.2.2 | grep -c ' 0% packet loss'; ping -q -6 -c 1 -W 5 fd00::4 | grep -c ' 0% packet loss'
        id -un; hostname; cat /proc/sys/net/ipv4/ip_default_ttl; cat /sys/class/net/portolan0/mtu 2>/dev/null
        ip -o link | wc -l; ip -o link show portolan0 | grep -o 'mtu 1400'";
    let words =
        ["--hostname", "away", "--mtu", "1400", "--sysctl", "net.ipv4.ip_default_ttl=77", "--", "sh", "-c"];
    let output = nobody.run(&[&words[..], &[script]].concat());
    let expected = "fd00::4\n10.0.2.4\n1\n1\nnobody\naway\n77\n2\nmtu 1400\n";
    assert_eq!(text(&output.stdout), expected, "{}", text(&output.stderr));
}

#[test]
fn what_is_sent_last_arrives() {
    if !root_or_skip() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let reader = std::thread::spawn(move || {
        let mut octets = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut octets).map(|_| octets)
    });
    let script = format!("head -c 3000000 /dev/zero | nc -N host.portolan.internal {port}");
    let output = Nobody::new().run(&["--quiet", "--up", "rate 20mbit", "--", "sh", "-c", &script]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(reader.join().unwrap().unwrap().len(), 3_000_000);
}

/// A connection to the machine's loopback, made by the bare calls of a 32-bit program: connect, then write "32" and end
/// with 0, or with connect's errno.
const NARROW: &str = "
.globl _start
_start:
    push $0
    push $1
    push $2
    mov %esp, %ecx
    mov $102, %eax
    mov $1, %ebx
    int $0x80
    mov %eax, %esi
    push $0
    push $0
    push $ADDRESS
    push $PORT_AND_FAMILY
    mov %esp, %edx
    push $16
    push %edx
    push %esi
    mov %esp, %ecx
    mov $102, %eax
    mov $3, %ebx
    int $0x80
    test %eax, %eax
    js out
    push $0x0a3233
    mov %esp, %ecx
    mov %esi, %ebx
    mov $3, %edx
    mov $4, %eax
    int $0x80
    xor %eax, %eax
out:
    neg %eax
    mov %eax, %ebx
    mov $1, %eax
    int $0x80
";

fn narrow(folder: &Folder, address: [u8; 4], port: u16) -> PathBuf {
    let [high, low] = port.to_be_bytes();
    let source = NARROW
        .replace("PORT_AND_FAMILY", &u32::from_le_bytes([2, 0, high, low]).to_string())
        .replace("ADDRESS", &u32::from_le_bytes(address).to_string());
    let source = folder.file("narrow.s", source.as_bytes());
    let (object, program) = (folder.path().join("narrow.o"), folder.path().join("narrow"));
    let path = |path: &PathBuf| path.to_str().unwrap().to_owned();
    must(&["as", "--32", "-o", &path(&object), &path(&source)]);
    must(&["ld", "-m", "elf_i386", "-o", &path(&program), &path(&object)]);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program
}

#[test]
fn auto_takes_a_namespace_for_a_32_bit_program() {
    if !root_or_skip() {
        return;
    }
    let folder = Folder::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let program = narrow(&folder, [10, 0, 2, 5], listener.local_addr().unwrap().port());
    let program = program.to_str().unwrap();
    let output = finish(&mut run_as_nobody(&["--", program]), MINUTE);
    let said = text(&output.stderr);
    assert!(output.status.success() && said.contains("engine netns, link egress, 1 flow"), "{said}");
    let mut octets = Vec::new();
    listener.accept().unwrap().0.read_to_end(&mut octets).unwrap();
    assert_eq!(octets, b"32\n");
    for engine in ["preload", "seccomp"] {
        let output = finish(&mut run_as_nobody(&["--engine", engine, "--", program]), MINUTE);
        assert_eq!(output.status.code(), Some(125));
        let said = text(&output.stderr);
        assert!(said.contains("is a 32-bit program") && said.contains("--engine netns"), "{said}");
    }
}

#[test]
fn n13_nothing_reaches_the_machine_from_a_namespace() {
    if !root_or_skip() {
        return;
    }
    let folder = Folder::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let datagrams = UdpSocket::bind(("127.0.0.1", port)).unwrap();
    listener.set_nonblocking(true).unwrap();
    datagrams.set_nonblocking(true).unwrap();
    let program = narrow(&folder, [127, 0, 0, 1], port);
    let script = format!(
        "{0}; echo $?
        for host in 127.0.0.1 10.0.2.5 10.0.2.2; do curl -s -m 5 http://$host:{port}/ >/dev/null; echo $?; done
        echo x | nc -u -w 1 127.0.0.1 {port}; echo x | nc -u -w 1 10.0.2.5 {port}; getent hosts deb.debian.org; echo $?",
        program.display()
    );
    let output = Nobody::new().run(&["--link", "none", "--quiet", "--", "sh", "-c", &script]);
    let refused = format!("{}\n", libc_errno("ECONNREFUSED"));
    assert_eq!(text(&output.stdout), format!("{refused}7\n7\n7\n2\n"), "{}", text(&output.stderr));
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "a connection");
    assert_eq!(datagrams.recv(&mut [0; 16]).unwrap_err().kind(), io::ErrorKind::WouldBlock, "a datagram");
    // The witness can see: without us the same program reaches it.
    assert!(Command::new(&program).status().unwrap().success());
    listener.accept().unwrap();
}

/// The number of an errno, by the system's own table.
fn libc_errno(name: &str) -> String {
    let script = format!("import errno; print(errno.{name})");
    must(&["/usr/bin/python3", "-c", &script]).trim().to_owned()
}

#[test]
fn the_fence_refuses_and_says_who_it_was() {
    if !root_or_skip() {
        return;
    }
    let nobody = Nobody::new();
    let log = nobody.0.path().join("refusals");
    let script =
        "curl -s -m 5 http://10.0.2.5:9/ >/dev/null; echo $?; curl -s -m 5 http://other.test/; echo $?
        curl -s http://portolan.internal/bytes/3 | wc -c";
    let words =
        ["--allow", "portolan.internal:80", "--deny-log", log.to_str().unwrap(), "--", "sh", "-c", script];
    let output = nobody.run(&words);
    let said = text(&output.stderr);
    assert_eq!(text(&output.stdout), "7\n6\n3\n", "{said}");
    let log = fs::read_to_string(log).unwrap();
    let entries: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |what: &str| {
        entries.iter().find(|entry| entry["protocol"] == what).unwrap_or_else(|| panic!("{log}"))
    };
    assert_eq!((&of("tcp")["address"], &of("tcp")["process"]), (&"10.0.2.5".into(), &"curl".into()), "{log}");
    assert_eq!((&of("dns")["name"], &of("dns")["process"]), (&"other.test".into(), &"curl".into()), "{log}");
    assert!(said.contains("no --allow matches"), "{said}");
}

#[test]
fn the_wire_is_shaped_recorded_and_looked_at() {
    if !root_or_skip() {
        return;
    }
    let nobody = Nobody::new();
    let pcap = nobody.0.path().join("a.pcapng");
    let pcap = pcap.to_str().unwrap();
    let script = "curl -s -o /dev/null -w '%{time_connect}\\n' http://10.0.2.4/bytes/3; read go
        curl -s -o /dev/null -w '%{time_connect}\\n' http://10.0.2.4/bytes/3; curl -s http://10.0.2.4/delay/3000 &
        sleep 1; echo waiting; read go; kill $!";
    let mut command =
        nobody.command(&["--quiet", "--pcap", pcap, "--up", "delay 100ms", "--", "sh", "-c", script]);
    let mut run =
        Guard(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap());
    let mut said = BufReader::new(run.0.stdout.take().unwrap());
    let mut line = || {
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    let delayed: f64 = line().parse().unwrap();
    assert!((0.1..1.0).contains(&delayed), "{delayed}");
    let name = nobody.verb(&["ls", "--json"]);
    let name: serde_json::Value = serde_json::from_str(&name).unwrap();
    let name = name[0]["name"].as_str().unwrap_or_else(|| panic!("{name}")).to_owned();
    nobody.verb(&["shape", &name, "none"]);
    let mut go = run.0.stdin.take().unwrap();
    go.write_all(b"\n").unwrap();
    let free: f64 = line().parse().unwrap();
    assert!(free < 0.1, "{free}");
    assert_eq!(line(), "waiting");
    let sockets = nobody.verb(&["ss", "-tnp"]);
    let row = sockets.lines().find(|row| row.contains("10.0.2.4:80")).unwrap_or_else(|| panic!("{sockets}"));
    let words: Vec<&str> = row.split_whitespace().collect();
    assert!(words[3].starts_with("10.0.2.15:") && words[4] == "10.0.2.4:80", "{row}");
    assert!(row.contains("\"curl\""), "{row}");
    go.write_all(b"\n").unwrap();
    assert!(wait(&mut run.0, SOON).unwrap().success());
    let frames = must(&[
        "tshark",
        "-r",
        pcap,
        "-Y",
        "http.request",
        "-T",
        "fields",
        "-e",
        "ip.src",
        "-e",
        "frame.comment",
    ]);
    assert!(
        frames.lines().count() == 3 && frames.lines().all(|frame| frame.starts_with("10.0.2.15\tcurl (pid ")),
        "{frames}"
    );
}

#[test]
fn statuses_and_signals_pass() {
    if !root_or_skip() {
        return;
    }
    let nobody = Nobody::new();
    let status = |words: &[&str]| nobody.run(&[&["--quiet", "--"], words].concat()).status.code();
    assert_eq!(status(&["sh", "-c", "exit 7"]), Some(7));
    assert_eq!(status(&["sh", "-c", "kill -KILL $$"]), Some(137));
    assert_eq!(status(&["no-such-command-here"]), Some(127));
    let odd = nobody.0.file("odd", b"#!/no/such/interpreter\n");
    fs::set_permissions(&odd, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(status(&[odd.to_str().unwrap()]), Some(127));
    let script = "trap 'echo got; exit 3' TERM; echo ready; while :; do sleep 0.1; done";
    let mut command = nobody.command(&["--quiet", "--", "sh", "-c", script]);
    let mut run = Guard(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut said = BufReader::new(run.0.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    signal(run.0.id(), "TERM");
    said.read_line(&mut line).unwrap();
    assert_eq!((line.as_str(), wait(&mut run.0, SOON).unwrap().code()), ("ready\ngot\n", Some(3)));
}

#[test]
fn nobody_outlives_the_others() {
    if !root_or_skip() {
        return;
    }
    let nobody = Nobody::new();
    let start = || {
        let script = "echo ready; exec sleep 60";
        let mut command = nobody.command(&["--quiet", "--", "sh", "-c", script]);
        let mut run = Guard(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
        let mut ready = [0; 6];
        run.0.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
        let children = children(run.0.id());
        let named =
            |child: &&u32| fs::read_to_string(format!("/proc/{child}/comm")).unwrap() == "portolan-stack\n";
        let stack = *children.iter().find(named).unwrap();
        let program = *children.iter().find(|child| **child != stack).unwrap();
        (run, stack, program)
    };
    let has_ended = |process: u32| {
        let stat = fs::read_to_string(format!("/proc/{process}/stat"));
        stat.map_or(true, |stat| stat.contains(") Z "))
    };
    // The supervisor: then the command and the stack process end, too.
    let (mut run, stack, program) = start();
    let _ = run.0.kill();
    eventually(SOON, || has_ended(stack) && has_ended(program));
    // The command: its own status, and nothing is left.
    let (mut run, stack, program) = start();
    signal(program, "KILL");
    let status = wait(&mut run.0, SOON).unwrap();
    assert_eq!((status.code(), status.signal()), (Some(137), None));
    assert!(has_ended(stack));
    // The stack process: the command goes on without an interface.
    let (mut run, stack, program) = start();
    let interfaces = || fs::read_to_string(format!("/proc/{program}/net/dev")).unwrap_or_default();
    assert!(interfaces().contains("portolan0:"));
    signal(stack, "KILL");
    eventually(SOON, || !interfaces().contains("portolan0:"));
    assert!(!has_ended(program));
    signal(program, "TERM");
    assert_eq!(wait(&mut run.0, SOON).unwrap().code(), Some(143));
    let mut said = String::new();
    run.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("the command has no network any more"), "{said}");
}

#[test]
fn published_ports_are_open_while_the_program_listens() {
    if !root_or_skip() {
        return;
    }
    let (nobody, port) = (Nobody::new(), free_port());
    let script = "import socket, sys
print('ready', flush=True); sys.stdin.readline()
s = socket.create_server(('', 80)); c, peer = s.accept(); print(peer[0], flush=True); c.sendall(c.recv(9)); c.close()";
    let publish = format!("{port}:80");
    let mut command =
        nobody.command(&["--quiet", "--publish", &publish, "--", "/usr/bin/python3", "-c", script]);
    let mut run = Guard(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
    let mut said = BufReader::new(run.0.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let connect = || TcpStream::connect(("127.0.0.1", port));
    assert_eq!(connect().unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    run.0.stdin.take().unwrap().write_all(b"\n").unwrap();
    let mut client = None;
    eventually(SOON, || {
        client = connect().ok();
        client.is_some()
    });
    let mut client = client.unwrap();
    client.write_all(b"through").unwrap();
    let mut back = String::new();
    client.read_to_string(&mut back).unwrap();
    said.read_line(&mut line).unwrap();
    assert_eq!((back.as_str(), line.as_str()), ("through", "ready\n10.0.2.5\n"));
    assert!(wait(&mut run.0, SOON).unwrap().success());
}

#[test]
fn root_keeps_its_rights_and_has_a_network_of_its_own_too() {
    if !root_or_skip() {
        return;
    }
    let script =
        "id -u; cat /proc/self/uid_map | tr -s ' '; curl -sS http://portolan.internal/bytes/5 | wc -c
        chroot / setpriv --reuid=nobody id -un";
    let mut command = Command::new(built());
    command.args(["run", "--quiet", "--engine", "netns", "--", "sh", "-c", script]).stdin(Stdio::null());
    let output = finish(&mut command, MINUTE);
    assert_eq!(text(&output.stdout), "0\n 0 0 4294967295\n5\nnobody\n", "{}", text(&output.stderr));
}

#[test]
fn runs_nest_in_a_namespace() {
    if !root_or_skip() {
        return;
    }
    // Of another network each: an address of the outer one's would be the inner gateway's own.
    let inner = |engine: &str| {
        let portolan = installed().to_str().unwrap();
        let words = ["--address", "10.5.0.15/24", "--", "curl", "-sS", "http://portolan.internal/bytes/4K"];
        let outer = ["--quiet", "--", portolan, "run", "--quiet", "--engine", engine];
        Nobody::new().run(&[&outer[..], &words].concat())
    };
    for engine in ["auto", "netns"] {
        let output = inner(engine);
        assert_eq!(output.stdout.len(), 4096, "{engine}: {}", text(&output.stderr));
    }
}

#[test]
fn what_makes_no_sense_there_is_refused_in_one_line() {
    let refused = |words: &[&str], why: &str| {
        let mut command = Command::new(built());
        let output =
            finish(command.args(["run", "--engine", "netns"]).args(words).args(["--", "true"]), MINUTE);
        let said = text(&output.stderr);
        assert!(
            output.status.code() == Some(2) && said.lines().count() == 1 && said.contains(why),
            "{words:?}: {said}"
        );
    };
    refused(&["--link", "tap:tap0", "--address", "10.1.0.2/24"], "has the links egress and none");
    refused(&["--link", "wire:lab"], "has the links egress and none");
    refused(&["--share-loopback"], "host.portolan.internal");
    refused(&["--in", "lab"], "--in NAME shares a host's own TCP");
}

/// Where a user may make no namespaces, that is said, with what would help.
#[test]
fn a_system_without_namespaces_is_told() {
    if !root_or_skip() {
        return;
    }
    // A user namespace whose limit of further ones is 0, and root in it who may not do without one.
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-sys_admin \
                  \"$PORTOLAN\" run --engine netns -- true";
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"]);
    command.args(["unshare", "-Ur", "sh", "-c", script]);
    command.env("PORTOLAN", installed()).stdin(Stdio::null()).current_dir("/");
    let output = finish(&mut command, MINUTE);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{said}");
    assert!(said.contains("the engine netns cannot be used: making a user namespace"), "{said}");
    assert!(said.contains("user.max_user_namespaces"), "{said}");
}
