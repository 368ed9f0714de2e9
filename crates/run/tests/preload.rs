//! Programs on the stack through the preload library: what they see of their sockets equals what they see on the
//! kernel, line for line, and real programs work.

mod stage;

use std::os::fd::OwnedFd;
use std::process::Command;

use portolan_protocol::{MESSAGE_MAX, Name, Operation, Rendezvous, Reply, Request, Secret, SocketId};
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketType};
use stage::{Stage, eventually, finish, library, program};

/// Runs one part of `behaviour.c` on the kernel and on the stack.
fn assert_as_on_the_kernel(part: &str) {
    let program = program("behaviour");
    let kernel = finish(Command::new(&program).arg(part));
    assert!(kernel.status.success(), "on the kernel: {kernel:?}");
    let stage = Stage::new();
    let ours = finish(stage.command(&program).arg(part));
    let (expected, got) = (String::from_utf8_lossy(&kernel.stdout), String::from_utf8_lossy(&ours.stdout));
    let mut differences = Vec::new();
    for (index, (expected, got)) in expected.lines().zip(got.lines()).enumerate() {
        if expected != got {
            differences.push(format!("line {}: kernel `{expected}`, here `{got}`", index + 1));
        }
    }
    assert!(differences.is_empty(), "{part}:\n{}", differences.join("\n"));
    assert_eq!(expected.lines().count(), got.lines().count(), "{part} ended early: {ours:?}");
    assert!(ours.status.success(), "{part}: {ours:?}");
}

#[test]
fn fresh_sockets() {
    assert_as_on_the_kernel("fresh");
}

#[test]
fn bind_and_listen() {
    assert_as_on_the_kernel("binds");
}

#[test]
fn connect_and_accept() {
    assert_as_on_the_kernel("connects");
}

#[test]
fn resets() {
    assert_as_on_the_kernel("resets");
}

#[test]
fn options() {
    assert_as_on_the_kernel("options");
}

// RFC 9293 §3.8.5
#[test]
fn urgent_octets() {
    assert_as_on_the_kernel("urgent");
}

// RFC 7413 §4
#[test]
fn fast_opens() {
    assert_as_on_the_kernel("fast_open");
}

#[test]
fn datagrams() {
    assert_as_on_the_kernel("datagrams");
}

#[test]
fn datagrams_after_a_shutdown() {
    assert_as_on_the_kernel("datagram_shutdown");
}

#[test]
fn reports_of_icmp() {
    assert_as_on_the_kernel("reports");
}

#[test]
fn calls_by_number() {
    assert_as_on_the_kernel("raw_calls");
}

/// As root: a network namespace is made.
#[test]
fn children_in_sandboxes_keep_their_sockets() {
    if std::env::var_os("PORTOLAN_ALLOW_MISSING").is_none() || rustix::process::geteuid().is_root() {
        assert_as_on_the_kernel("sandboxes");
    }
}

#[test]
fn n13_processes_and_limits() {
    assert_as_on_the_kernel("processes");
}

#[test]
fn names_without_a_look_up() {
    assert_as_on_the_kernel("names");
}

#[test]
fn without_the_variable_the_library_does_nothing() {
    let program = program("behaviour");
    let plain = finish(Command::new(&program).arg("fresh"));
    let loaded = finish(Command::new(&program).arg("fresh").env("LD_PRELOAD", library()));
    assert_eq!(String::from_utf8_lossy(&plain.stdout), String::from_utf8_lossy(&loaded.stdout));
}

const SERVE: &str = "
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        body = bytes((i * 167 + (i >> 8)) & 255 for i in range(65536)) * int(self.path[1:])
        self.send_response(200); self.send_header('Content-Length', str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer.address_family = 10
http.server.ThreadingHTTPServer(('::', 80), Handler).serve_forever()
";

#[test]
fn curl_fetches_from_python_over_both_families() {
    let stage = Stage::new();
    let mut server = stage.command("/usr/bin/python3").args(["-c", SERVE]).spawn().unwrap();
    let expected: Vec<u8> =
        (0..65_536_u32).map(|i| (i.wrapping_mul(167).wrapping_add(i >> 8)) as u8).collect();
    for url in ["http://127.0.0.1/64", "http://[::1]/64", "http://here.example/64"] {
        let fetch = || {
            let output = finish(stage.command("curl").args(["-sS", url]));
            if output.status.success() {
                Ok(output)
            } else {
                Err(std::io::Error::other(format!("{output:?}")))
            }
        };
        let output = eventually(url, fetch);
        assert_eq!(output.stdout.len(), 64 * expected.len());
        assert!(output.stdout.chunks(expected.len()).all(|chunk| chunk == expected), "{url}");
    }
    stage::kill(server.id());
    server.wait().unwrap();
    // The port of a killed program is closed.
    eventually("the port closes", || {
        let output = finish(stage.command("curl").args(["-sS", "-m", "5", "http://127.0.0.1/1"]));
        if output.status.code() == Some(7) {
            Ok(())
        } else {
            Err(std::io::Error::other(format!("{output:?}")))
        }
    });
}

#[test]
fn a_name_that_does_not_exist_is_curls_exit_6() {
    let stage = Stage::new();
    let output = finish(stage.command("curl").args(["-sS", "http://missing.example/"]));
    assert_eq!(output.status.code(), Some(6), "{output:?}");
}

#[test]
fn a_closed_port_can_be_bound_at_once() {
    let stage = Stage::new();
    let script = "
import socket
for i in range(50):
    first = socket.create_server(('127.0.0.1', 0)); address = first.getsockname(); first.close()
    assert socket.socket().connect_ex(address) == 111
    socket.create_server(address).close()
print('fine')
";
    let output = finish(stage.command("/usr/bin/python3").args(["-c", script]));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "fine\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn look_ups_reach_the_stack_process() {
    let stage = Stage::new();
    let script = "
import socket
def say(call):
    try: print(call())
    except OSError as error: print(type(error).__name__, error.args[0])
say(lambda: [a[4][0] for a in socket.getaddrinfo('here.example', 80, type=socket.SOCK_STREAM)])
say(lambda: socket.getaddrinfo('here.example', 'http', socket.AF_INET, socket.SOCK_STREAM, 0, socket.AI_CANONNAME))
say(lambda: socket.getaddrinfo('six.example', 80, socket.AF_INET))
say(lambda: socket.getaddrinfo('slow.example', 80))
say(lambda: socket.getaddrinfo('missing.example', 80))
say(lambda: socket.gethostbyname('here.example'))
say(lambda: socket.gethostbyname_ex('here.example'))
say(lambda: socket.gethostbyaddr('127.0.0.1'))
say(lambda: socket.getnameinfo(('127.0.0.1', 80), 0))
say(lambda: socket.getnameinfo(('192.0.2.1', 9), socket.NI_NAMEREQD))
say(lambda: socket.getnameinfo(('192.0.2.1', 54321), 0))
";
    let output = finish(stage.command("/usr/bin/python3").args(["-c", script]));
    let expected = "\
['::1', '127.0.0.1']
[(<AddressFamily.AF_INET: 2>, <SocketKind.SOCK_STREAM: 1>, 6, 'canonical.example', ('127.0.0.1', 80))]
gaierror -5
gaierror -3
gaierror -2
127.0.0.1
('canonical.example', [], ['127.0.0.1'])
('localhost', [], ['127.0.0.1'])
('localhost', 'http')
gaierror -2
('192.0.2.1', '54321')
";
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        expected,
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn n5_a_wrong_secret_gets_no_answer() {
    let stage = Stage::new();
    let script = "import socket; print(socket.socket().connect_ex(('127.0.0.1', 9)))";
    let mut command = stage.command("/usr/bin/python3");
    let text = command.get_envs().find(|(name, _)| *name == "PORTOLAN_STACK").unwrap().1.unwrap().to_owned();
    let mut text = text.into_string().unwrap();
    let last = if text.pop() == Some('0') { '1' } else { '0' };
    text.push(last);
    let output = finish(command.args(["-c", script]).env("PORTOLAN_STACK", text));
    // EACCES, and no host's network instead.
    assert_eq!(String::from_utf8_lossy(&output.stdout), "13\n");
}

#[test]
fn a_program_that_gives_up_root_keeps_its_network() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let stage = Stage::new();
    let script = "
import os, socket
server = socket.create_server(('127.0.0.1', 80))
os.setuid(65534)
client = socket.create_connection(('127.0.0.1', 80))
taken, _ = server.accept()
client.sendall(b'tcp'); print(taken.recv(9))
a = socket.socket(type=socket.SOCK_DGRAM); a.bind(('127.0.0.1', 0))
b = socket.socket(type=socket.SOCK_DGRAM); b.sendto(b'udp', a.getsockname()); print(a.recv(9))
if os.fork() == 0:
    socket.create_connection(('127.0.0.1', 80)); os._exit(0)
print(os.wait()[1])
";
    let output = finish(stage.command("/usr/bin/python3").args(["-c", script]));
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said, "b'tcp'\nb'udp'\n0\n", "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_raw_socket_sends_as_often_as_it_is_asked() {
    let stage = Stage::new();
    let script = "import socket\n\
        s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 253)\n\
        s.settimeout(20)\n\
        for text in b'one', b'two', b'three':\n\
        \x20   s.sendto(text, ('127.0.0.1', 0))\n\
        \x20   print(s.recv(100)[20:].decode())\n";
    let output = finish(stage.command("/usr/bin/python3").args(["-c", script]));
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said, "one\ntwo\nthree\n", "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_inherited_udp_socket_is_one_at_any_number() {
    let stage = Stage::new();
    let script = "import os, socket, sys\n\
        s = socket.socket(type=socket.SOCK_DGRAM)\n\
        s.bind(('127.0.0.1', 0))\n\
        s.sendto(b'text', s.getsockname())\n\
        os.dup2(s.fileno(), 300, inheritable=True)\n\
        os.execv(sys.executable, [sys.executable, '-c', 'import os; print(os.read(300, 99))'])\n";
    let output = finish(stage.command("/usr/bin/python3").args(["-c", script]));
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said, "b'text'\n", "{}", String::from_utf8_lossy(&output.stderr));
}

/// A control connection of our own making.
fn raw_control(rendezvous: Rendezvous) -> OwnedFd {
    let socket = net::socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
    let name = Name::Control { id: SocketId([1; 16]), pid: 1 }.encode();
    net::bind(&socket, &SocketAddrUnix::new_abstract_name(name.as_bytes()).unwrap()).unwrap();
    let name = rendezvous.control_name().encode();
    net::connect(&socket, &SocketAddrUnix::new_abstract_name(name.as_bytes()).unwrap()).unwrap();
    socket
}

#[test]
fn n5_nonsense_on_the_control_socket_harms_nobody() {
    let stage = Stage::new();
    let mut hello = [0; MESSAGE_MAX];
    let operation = Operation::Hello { secret: stage.rendezvous().secret };
    let len = Request { number: 1, operation }.encode(&mut hello).unwrap();
    let long = vec![0xff; 60_000];
    let cases: [&[u8]; 6] =
        [b"x", &[0; 8], &[0xff; 300], &long, &hello[..len - 1], &[1, 0, 99, 0, 0, 0, 0, 0]];
    for greets in [false, true] {
        for case in cases {
            let socket = raw_control(stage.rendezvous());
            let mut answer = [0; MESSAGE_MAX];
            if greets {
                net::send(&socket, &hello[..len], SendFlags::empty()).unwrap();
                let (_, len) = net::recv(&socket, &mut answer, RecvFlags::empty()).unwrap();
                assert_eq!(Reply::decode(&answer[..len]), Ok((1, Reply::Done)));
            }
            net::send(&socket, case, SendFlags::empty()).unwrap();
            // Another version is answered; then the connection ends.
            while net::recv(&socket, &mut answer, RecvFlags::empty()).is_ok_and(|(_, len)| len > 0) {}
        }
    }
    let output = finish(stage.command("curl").args(["-sS", "http://127.0.0.1:9/"]));
    assert_eq!(output.status.code(), Some(7), "{output:?}");
}

#[test]
fn a_stack_process_of_another_version_is_named() {
    let rendezvous = Rendezvous { id: SocketId([2; 16]), secret: Secret([2; 16]) };
    let name = rendezvous.control_name().encode();
    let listener = net::socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
    net::bind(&listener, &SocketAddrUnix::new_abstract_name(name.as_bytes()).unwrap()).unwrap();
    net::listen(&listener, 8).unwrap();
    std::thread::spawn(move || {
        while let Ok(connection) = net::accept(&listener) {
            let mut message = [0; MESSAGE_MAX];
            let _ = net::recv(&connection, &mut message, RecvFlags::empty());
            message[..2].copy_from_slice(&999_u16.to_le_bytes());
            let _ = net::send(&connection, &message[..8], SendFlags::empty());
        }
    });
    let script = "import socket; print(socket.socket().connect_ex(('127.0.0.1', 9)))";
    let mut command = Command::new("/usr/bin/python3");
    command.env("LD_PRELOAD", library());
    command.env("PORTOLAN_STACK", std::str::from_utf8(&rendezvous.to_text()).unwrap());
    let output = finish(command.args(["-c", script]));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "71\n", "EPROTO");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("speaks protocol 2, the stack process 999"), "{said}");
}

#[test]
fn when_the_stack_dies_blocked_reads_return() {
    let mut stage = Stage::new();
    let script = "
import socket
a = socket.create_server(('127.0.0.1', 0))
b = socket.create_connection(a.getsockname())
c, _ = a.accept()
u = socket.socket(type=socket.SOCK_DGRAM); u.bind(('127.0.0.1', 0))
print('ready', flush=True)
for call in (lambda: b.recv(1), lambda: c.recv(1), lambda: u.recv(1), lambda: socket.create_connection(('127.0.0.1', 9))):
    try: print(call())
    except OSError as error: print(error.errno)
";
    let mut child = stage
        .command("/usr/bin/python3")
        .args(["-c", script])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    stage.stop();
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    // ECONNRESET for connections, ENETDOWN for what has no peer.
    assert_eq!(rest, ["104", "104", "100", "100"]);
    child.wait().unwrap();
}
