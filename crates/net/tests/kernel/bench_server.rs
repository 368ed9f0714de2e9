//! The neutral bench end, `examples/bench_server.rs`: the kernel's clients at its five ports, over every kind of TAP.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::common::{at, check, pattern};
use crate::namespace::Namespace;

/// Where the server is.
const OURS: &str = "10.9.0.2";
/// How long anything may take that is expected to happen at once.
const SOON: Duration = Duration::from_secs(10);
/// Connections at a time on every port.
const CLIENTS: u64 = 4;

/// The server, in the namespace that this thread is in. It is killed with the value.
struct Server(Child);

impl Server {
    fn start(arguments: &str) -> Server {
        let child = Command::new(build())
            .args(["--link", "tap:tap0", "--address", "10.9.0.2/24"])
            .args(arguments.split_whitespace())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let server = Server(child);
        let began = Instant::now();
        while let Err(error) = TcpStream::connect_timeout(&port(5005), SOON) {
            assert!(began.elapsed() < SOON, "nobody listens: {error}");
            thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// SIGTERM ends it.
    fn terminate(mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        let began = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < SOON, "SIGTERM does not end it");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The example's binary, in the profile of this test. Cargo builds examples with all tests, but not with this one alone.
fn build() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "-p", "portolan", "--example", "bench_server", "--target-dir"]);
    cargo.arg(profile.parent().unwrap()).current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().unwrap().success());
    profile.join("examples/bench_server")
}

fn port(number: u16) -> SocketAddr {
    at(OURS, number)
}

fn connect(number: u16) -> TcpStream {
    let stream = TcpStream::connect_timeout(&port(number), SOON).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.set_write_timeout(Some(SOON)).unwrap();
    stream
}

/// 5001 takes whatever is sent.
fn discarded(client: u64) {
    let mut stream = connect(5001);
    let mut text = vec![0; 1 << 20];
    pattern(client, 0, &mut text);
    for _ in 0..16 {
        stream.write_all(&text).unwrap();
    }
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut text).unwrap(), 0, "it says nothing, and closes when its peer has");
}

/// 5002 sends without being asked, for as long as it is read.
fn supplied(_: u64) {
    let mut stream = connect(5002);
    let mut text = vec![1; 1 << 16];
    let mut received = 0;
    while received < 16 << 20 {
        let len = stream.read(&mut text).unwrap();
        assert!(len > 0, "it never ends by itself");
        received += len;
    }
}

/// 5003 and 5004 send back what they get.
fn echoed(number: u16, client: u64) {
    let mut stream = connect(number);
    stream.set_nodelay(true).unwrap();
    let mut octets = [0; 64];
    for round in 0..200 {
        pattern(client, round, &mut octets);
        stream.write_all(&octets).unwrap();
        let mut echo = [0; 64];
        stream.read_exact(&mut echo).unwrap();
        check(client, round, &echo);
    }
    const LEN: usize = 8 << 20;
    let mut clone = stream.try_clone().unwrap();
    let writer = thread::spawn(move || {
        let mut text = vec![0; LEN];
        pattern(client, 1000, &mut text);
        clone.write_all(&text).unwrap();
        // The client closes first.
        clone.shutdown(Shutdown::Write).unwrap();
    });
    let mut text = vec![0; LEN];
    stream.read_exact(&mut text).unwrap();
    check(client, 1000, &text);
    writer.join().unwrap();
    assert_eq!(stream.read(&mut octets).unwrap(), 0, "then the server closes too");
}

/// 5005 accepts, and no more: it reads nothing, and does not close when its peer does.
fn held(_: u64) {
    let mut stream = connect(5005);
    stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let text = vec![0; 1 << 20];
    let mut written = 0;
    let stopped = loop {
        match stream.write(&text) {
            Ok(len) => written += len,
            Err(error) => break error.kind(),
        }
        assert!(written < 64 << 20, "somebody reads this");
    };
    assert_eq!(stopped, ErrorKind::WouldBlock);
    assert_eq!(stream.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock, "it says nothing");
    let mut other = connect(5005);
    other.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    other.shutdown(Shutdown::Write).unwrap();
    assert_eq!(other.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock, "it does not close");
}

/// Opens and closes connections one after the other, as the benchmark for connections does.
fn in_turn(client: u64) {
    for round in 0..100 {
        let mut stream = connect(5004);
        let mut octets = [0; 1];
        pattern(client, round, &mut octets);
        stream.write_all(&octets).unwrap();
        let mut echo = [0; 1];
        stream.read_exact(&mut echo).unwrap();
        assert_eq!(echo, octets);
    }
}

fn serves(name: &str, vnet_hdr: bool, mtu: Option<u16>, arguments: &str) {
    let Some(namespace) = Namespace::enter(name, vnet_hdr) else { return };
    if let Some(mtu) = mtu {
        namespace.run(&format!("ip link set tap0 mtu {mtu}"));
    }
    let server = Server::start(arguments);
    let services: [fn(u64); 6] =
        [discarded, supplied, |client| echoed(5003, client), |client| echoed(5004, client), held, in_turn];
    for service in services {
        let clients: Vec<_> = (1..=CLIENTS).map(|client| thread::spawn(move || service(client))).collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
    }
    // All ports at a time.
    let clients: Vec<_> = services.map(|service| thread::spawn(move || service(9))).into();
    clients.into_iter().for_each(|client| client.join().unwrap());
    server.terminate();
}

#[test]
fn the_bench_server_serves_over_a_plain_tap() {
    serves("bench", false, None, "");
}

#[test]
fn the_bench_server_serves_over_a_tap_with_offload() {
    serves("bench-vnet", true, None, "--offload");
}

#[test]
fn the_bench_server_serves_over_a_jumbo_tap() {
    serves("bench-jumbo", false, Some(65_520), "--mtu 65520");
}

#[test]
fn the_bench_server_says_what_is_wrong() {
    for (arguments, complaint) in [
        (&["--address", "10.1.0.2/24"][..], "--link tap:NAME is missing"),
        (&["--link", "tap:tap0"], "--address A.B.C.D/N is missing"),
        (&["--link", "eth0", "--address", "10.1.0.2/24"], "--link eth0: not understood"),
        (&["--mtu", "70000"], "--mtu 70000: not understood"),
        (&["--speed", "9"], "--speed: no such option"),
        (&["--address"], "--address needs a value"),
    ] {
        let output = Command::new(build()).args(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said, format!("bench_server: {complaint}\n"));
        assert_eq!(output.status.code(), Some(1));
    }
}
