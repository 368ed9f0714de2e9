//! Published ports: clients of the machine reach the program, and the program sees who they are.

#[allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
mod support;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use support::*;

const MINUTE: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(10);

/// A program behind a published port.
struct Served {
    run: Guard,
    said: BufReader<ChildStdout>,
    /// The machine's port.
    port: u16,
}

/// `portolan run --publish PUBLICATION -- python3 -c SCRIPT`, once the script has said that it is ready. The word PORT
/// in `publication` becomes a free port of the machine.
fn serve(publication: &str, script: &str) -> Served {
    let port = free_port();
    let publication = publication.replace("PORT", &port.to_string());
    let mut command = Command::new(built());
    command.args(["run", "--quiet", "--publish", &publication, "--", "/usr/bin/python3", "-uc", script]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(child.stdout.take().unwrap());
    let mut served = Served { run: Guard(child), said, port };
    assert_eq!(served.line(), "ready");
    served
}

impl Served {
    /// The next line that the program prints.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn connect(&self) -> TcpStream {
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let stream = TcpStream::connect_timeout(&at, SOON).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.set_write_timeout(Some(SOON)).unwrap();
        stream
    }

    /// Tells the program to go on.
    fn tell(&mut self, line: &str) {
        writeln!(self.run.0.stdin.as_mut().unwrap(), "{line}").unwrap();
    }
}

/// Waits until the machine's port is open; the program listens by then.
fn until_open(port: u16) {
    eventually(SOON, || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
}

/// Prints each client, then sends everything back.
const ECHO: &str = "
import socket
s = socket.create_server(('', 80)); print('ready')
while True:
    c, peer = s.accept(); print(*peer[:2])
    while data := c.recv(65536): c.sendall(data)
    c.close()
";

#[test]
fn a_client_of_the_machines_loopback_is_its_host_with_its_own_port() {
    let mut served = serve("PORT:80", ECHO);
    until_open(served.port);
    assert!(served.line().starts_with("10.0.2.5 "));
    let mut stream = served.connect();
    let own = stream.local_addr().unwrap().port();
    assert_eq!(served.line(), format!("10.0.2.5 {own}"));
    let sent = noise(3 << 20);
    let copy = sent.clone();
    let mut writer = stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        writer.write_all(&copy).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    sender.join().unwrap();
    assert!(received == sent, "{} octets came back after the client's FIN", received.len());
}

#[test]
fn a_client_of_another_address_keeps_it() {
    if !root_or_skip() {
        return;
    }
    let namespace = Namespace::with_tap();
    let folder = Folder::new();
    let server = folder.file(
        "server.py",
        ECHO.replace("('', 80)", "('::', 80), family=socket.AF_INET6, dualstack_ipv6=True").as_bytes(),
    );
    let wide = ["run", "--quiet", "--publish", "10.7.0.1:8080:80", "--publish", "[fd07::1]:8080:80", "--"];
    let mut command = namespace.command(installed());
    command.args(wide).args(["/usr/bin/python3", "-u"]).arg(server).stdout(Stdio::piped());
    let mut run = Guard(command.spawn().unwrap());
    let mut said = BufReader::new(run.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(said.next().unwrap(), "ready");
    let client = "
import socket, sys, time
for address in ('10.7.0.1', 'fd07::1'):
    for _ in range(500):
        try: s = socket.create_connection((address, 8080), timeout=5); break
        except ConnectionRefusedError: time.sleep(0.02)
    s.sendall(b'x'); s.recv(1); print(s.getsockname()[1])
";
    let output = finish(namespace.command("/usr/bin/python3").args(["-c", client]), MINUTE);
    let ports = text(&output.stdout);
    let mut ports = ports.lines();
    assert_eq!(said.next().unwrap(), format!("::ffff:10.7.0.1 {}", ports.next().unwrap()));
    assert_eq!(said.next().unwrap(), format!("fd07::1 {}", ports.next().unwrap()));
}

/// The addresses that somebody listens on in a network namespace.
fn listening(namespace: &Namespace) -> Vec<String> {
    let output = namespace.command("ss").args(["-Htuln"]).output().unwrap();
    let text = text(&output.stdout);
    text.lines().filter_map(|line| line.split_whitespace().nth(4)).map(str::to_owned).collect()
}

#[test]
fn j14_by_default_only_the_loopback_listens_and_a_wildcard_is_warned_of() {
    if !root_or_skip() {
        return;
    }
    for (publication, expected, warned) in [
        ("80", &["127.0.0.1:80", "[::1]:80"][..], false),
        ("80/udp", &["127.0.0.1:80", "[::1]:80"], false),
        ("0.0.0.0:80", &["0.0.0.0:80"], true),
        ("[::]:80", &["[::]:80"], true),
    ] {
        let namespace = Namespace::with_tap();
        let mut command = namespace.command(installed());
        let server = ECHO.replace("('', 80)", "('::', 80), family=socket.AF_INET6, dualstack_ipv6=True");
        command.args(["run", "--quiet", "--publish", publication, "--", "/usr/bin/python3", "-uc", &server]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut ready = [0; 6];
        child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
        eventually(SOON, || !listening(&namespace).is_empty());
        std::thread::sleep(Duration::from_millis(100));
        let mut found = listening(&namespace);
        found.sort();
        assert_eq!(found, expected, "{publication}");
        signal(child.id(), "TERM");
        let said = text(&finish_child(child, MINUTE).stderr);
        assert_eq!(said.contains("every address of this machine"), warned, "{publication}: {said}");
        assert!(said.lines().filter(|line| line.starts_with("portolan:")).count() <= 1, "{said}");
    }
}

/// Listens after the first line, and no more after the second.
const ON_AND_OFF: &str = "
import socket, sys
print('ready')
sys.stdin.readline(); s = socket.create_server(('', 80)); print('listens')
sys.stdin.readline(); s.close(); print('closed')
sys.stdin.readline()
";

#[test]
fn the_port_is_open_while_the_program_listens() {
    let mut served = serve("PORT:80", ON_AND_OFF);
    let refused = |port| {
        let tried = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
        tried.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    };
    assert!(refused(served.port), "nobody listens yet");
    served.tell("");
    assert_eq!(served.line(), "listens");
    until_open(served.port);
    served.tell("");
    assert_eq!(served.line(), "closed");
    eventually(Duration::from_secs(1), || refused(served.port));
    // The port is held meanwhile.
    assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, served.port)).is_err());
}

#[test]
fn a_program_that_hears_only_itself_is_told_of() {
    let port = free_port();
    let script = "import socket, sys; s = socket.create_server(('127.0.0.1', 80)); sys.stdin.readline()";
    let mut command = Command::new(built());
    command.args(["run", "--quiet", "--publish", &format!("127.0.0.1:{port}:80"), "--"]);
    let mut child = command
        .args(["/usr/bin/python3", "-c", script])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("on its own loopback only") && line.contains("0.0.0.0:80"), "{line}");
    drop(child.stdin.take());
    child.wait().unwrap();
}

/// Resets its first client, waits for the reset of the second.
const RESETS: &str = "
import socket, struct
s = socket.create_server(('', 80)); print('ready')
c, _ = s.accept(); c.recv(1)
c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); c.close()
c, _ = s.accept(); c.sendall(b'x')
try: print(c.recv(1))
except ConnectionResetError: print('reset')
";

#[test]
fn resets_pass_both_ways() {
    let mut served = serve("PORT:80", RESETS);
    let connect = || loop {
        match TcpStream::connect((Ipv4Addr::LOCALHOST, served.port)) {
            Ok(stream) => return stream,
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let mut first = connect();
    first.write_all(b"x").unwrap();
    assert_eq!(first.read(&mut [0; 1]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    let second = connect();
    // To close with unread text is to reset.
    second.peek(&mut [0; 1]).unwrap();
    drop(second);
    assert_eq!(served.line(), "reset");
}

/// Sends without end, and counts; reads nothing.
const DELUGE: &str = "
import socket, sys
s = socket.create_server(('', 80)); print('ready')
c, _ = s.accept(); c.settimeout(1); sent = 0
try:
    while sent < 1 << 30: sent += c.send(bytes(1 << 16))
except TimeoutError: pass
print(sent); c.close(); sys.stdin.readline()
";

#[test]
fn a_client_that_stops_reading_stops_the_program() {
    let mut served = serve("PORT:80", DELUGE);
    until_open_without_connecting(&served);
    let mut stream = served.connect();
    let sent: usize = served.line().parse().unwrap();
    assert!(sent < 256 << 20, "{sent} octets were taken");
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    assert_eq!(received.len(), sent, "and nothing is lost");
}

/// For a program that takes one client only.
fn until_open_without_connecting(served: &Served) {
    let row = format!("0100007F:{:04X} 00000000:0000 0A", served.port);
    eventually(SOON, || std::fs::read_to_string("/proc/net/tcp").unwrap().contains(&row));
}

/// Prints each sender, and answers.
const UDP_ECHO: &str = "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 53)); print('ready')
while True:
    data, peer = s.recvfrom(65536); print(*peer); s.sendto(data, peer)
";

#[test]
fn datagrams_find_the_program_and_answers_their_senders() {
    let mut served = serve("PORT:53/udp", UDP_ECHO);
    let clients: Vec<UdpSocket> = (0..20).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    let mut buffer = vec![0; 65_536];
    for (round, size) in [1, 0, 1472, 9000, 65_507].into_iter().enumerate() {
        for client in &clients {
            client.set_read_timeout(Some(SOON)).unwrap();
            let sent = vec![round as u8; size];
            client.send_to(&sent, ("127.0.0.1", served.port)).unwrap();
            let (len, from) = client.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..len], from.port()), (&sent[..], served.port));
            assert_eq!(served.line(), format!("10.0.2.5 {}", client.local_addr().unwrap().port()));
        }
    }
}

#[test]
fn a_busy_port_stops_the_run_and_a_free_one_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let busy_udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let udp_port = busy_udp.local_addr().unwrap().port();
    for publication in [format!("{port}"), format!("127.0.0.1:{port}:80"), format!("{udp_port}/udp")] {
        let mut command = Command::new(built());
        let output = finish(command.args(["run", "--publish", &publication, "--", "true"]), MINUTE);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(125), "{said}");
        assert!(said.lines().count() == 1 && said.contains("is in use on this machine"), "{said}");
        assert!(said.contains(&publication), "{said}");
    }
    let mut command = Command::new(built());
    let words = ["run", "--quiet", "--publish", "127.0.0.1:0:80", "--publish", "0:53/udp", "--", "true"];
    let said = text(&finish(command.args(words), MINUTE).stderr);
    let mut lines = said.lines();
    assert!(lines.next().unwrap().starts_with("portolan: --publish 127.0.0.1:0:80: 127.0.0.1:"), "{said}");
    let both = lines.next().unwrap();
    assert!(both.contains(" and [::1]:") && both.ends_with(" lead to port 53"), "{said}");
}

#[test]
fn each_run_has_its_own_port_space() {
    let (mut one, mut two) = (serve("PORT:80", ECHO), serve("PORT:80", ECHO));
    for served in [&mut one, &mut two] {
        until_open(served.port);
        let began = Instant::now();
        let mut stream = served.connect();
        stream.write_all(b"hello").unwrap();
        let mut buffer = [0; 5];
        stream.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"hello", "after {:?}", began.elapsed());
    }
}
