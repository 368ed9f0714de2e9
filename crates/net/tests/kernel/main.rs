//! The Linux kernel on the other end of a TAP, in a network namespace that each test makes for itself.
//!
//! They need root. Without it they fail and say so, or pass unseen if `PORTOLAN_ALLOW_MISSING` is set.

mod bench_server;
#[path = "../common/mod.rs"]
mod common;
mod namespace;

use std::io::{ErrorKind, Read, Write};
use std::net::{self, Shutdown, SocketAddr};
use std::thread;
use std::time::Duration;

use portolan::blocking::{TcpListener, TcpStream, UdpSocket};
use portolan::{Host, Intercepted, Worker};
use portolan_drivers::{Tap, TapOptions};
use portolan_stack::{Intercept, Refusal, UnreachableCode};
use portolan_wire::EthernetAddress;

use common::{at, check, pattern};
use namespace::Namespace;

/// The kernel's addresses are .1 and ::1, ours .2 and ::2.
const KERNEL: [&str; 2] = ["10.9.0.1", "fd09::1"];
const OURS: [&str; 2] = ["10.9.0.2", "fd09::2"];

/// A host on a TAP of this thread's namespace.
fn host(offload: bool) -> (Host, Worker) {
    let options = TapOptions { vnet_hdr: offload, offload, ..TapOptions::default() };
    let tap = Tap::open("tap0", options).unwrap();
    Host::builder()
        .link("tap0", EthernetAddress([2, 0, 0, 0, 0, 2]), tap)
        .address("10.9.0.2/24".parse().unwrap())
        .address("fd09::2/64".parse().unwrap())
        .build()
        .unwrap()
}

/// Sends text `seed` and checks that text `seed + 1` comes, `len` octets each, at the same time.
fn exchange<S: Read + Write + Send + 'static>(
    seed: u64,
    len: usize,
    clone: S,
    mut stream: S,
    finish: fn(&S),
) {
    let mut clone = clone;
    let sending = thread::spawn(move || {
        let mut text = vec![0; len];
        pattern(seed, 0, &mut text);
        clone.write_all(&text).unwrap();
        finish(&clone);
        clone
    });
    let mut text = Vec::new();
    stream.read_to_end(&mut text).unwrap();
    assert_eq!(text.len(), len);
    check(seed ^ 1, 0, &text);
    drop(sending.join().unwrap());
}

fn exchange_kernel(seed: u64, len: usize, stream: net::TcpStream) {
    let finish = |stream: &net::TcpStream| stream.shutdown(Shutdown::Write).unwrap();
    exchange(seed, len, stream.try_clone().unwrap(), stream, finish);
}

fn exchange_ours(seed: u64, len: usize, stream: TcpStream) {
    let finish = |stream: &TcpStream| stream.shutdown(Shutdown::Write).unwrap();
    exchange(seed, len, stream.try_clone().unwrap(), stream, finish);
}

/// Connections from either side, in both families, 32 MiB both ways at the same time.
fn text_crosses(name: &str, offload: bool) {
    const LEN: usize = 32 << 20;
    let Some(_namespace) = Namespace::enter(name, offload) else { return };
    let (host, worker) = host(offload);
    let running = worker.spawn_thread();
    for (kernel, ours) in KERNEL.into_iter().zip(OURS) {
        let listener = TcpListener::bind(&host, at(ours, 80)).unwrap();
        let client = thread::spawn(move || net::TcpStream::connect(at(ours, 80)).unwrap());
        let (stream, _) = listener.accept().unwrap();
        let client = client.join().unwrap();
        let theirs = thread::spawn(move || exchange_kernel(2, LEN, client));
        exchange_ours(3, LEN, stream);
        theirs.join().unwrap();

        let listener = net::TcpListener::bind(at(kernel, 81)).unwrap();
        let stream = TcpStream::connect(&host, at(kernel, 81)).unwrap();
        let (server, peer) = listener.accept().unwrap();
        assert_eq!(peer, stream.local_addr().unwrap());
        let theirs = thread::spawn(move || exchange_kernel(4, LEN, server));
        exchange_ours(5, LEN, stream);
        theirs.join().unwrap();
    }
    host.shutdown();
    running.join().unwrap().unwrap();
}

#[test]
fn text_crosses_a_plain_tap() {
    text_crosses("plain", false);
}

#[test]
fn text_crosses_a_tap_with_offload() {
    text_crosses("offload", true);
}

#[test]
fn text_crosses_with_the_worker_as_a_task() {
    let Some(_namespace) = Namespace::enter("task", true) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (host, worker) = host(true);
    let task_host = host.clone();
    let running = thread::spawn(move || runtime.block_on(worker.run()));
    let listener = TcpListener::bind(&task_host, at(OURS[0], 80)).unwrap();
    let client =
        thread::spawn(|| exchange_kernel(2, 8 << 20, net::TcpStream::connect(at(OURS[0], 80)).unwrap()));
    exchange_ours(3, 8 << 20, listener.accept().unwrap().0);
    client.join().unwrap();
    host.shutdown();
    running.join().unwrap().unwrap();
}

#[test]
fn refusals_and_resets_look_as_between_kernels() {
    let Some(_namespace) = Namespace::enter("ends", false) else { return };
    let (host, worker) = host(false);
    worker.spawn_thread();
    for (kernel, ours) in KERNEL.into_iter().zip(OURS) {
        assert_eq!(net::TcpStream::connect(at(ours, 9)).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert_eq!(
            TcpStream::connect(&host, at(kernel, 9)).unwrap_err().kind(),
            ErrorKind::ConnectionRefused
        );

        let listener = TcpListener::bind(&host, at(ours, 80)).unwrap();
        let mut client = net::TcpStream::connect(at(ours, 80)).unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.abort();
        assert_eq!(client.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::ConnectionReset);

        // Unread text makes the kernel's close a reset.
        let client = net::TcpStream::connect(at(ours, 80)).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"unread").unwrap();
        while client.peek(&mut [0; 8]).unwrap() == 0 {}
        drop(client);
        assert_eq!(stream.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
    let listener = TcpListener::bind(&host, at(OURS[0], 80)).unwrap();
    let mut client = net::TcpStream::connect(at(OURS[0], 80)).unwrap();
    let _stream = listener.accept().unwrap();
    client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    host.shutdown();
    assert_eq!(client.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::ConnectionReset, "by the shutdown");
}

#[test]
fn datagrams_cross_in_both_families() {
    let Some(_namespace) = Namespace::enter("udp", true) else { return };
    let (host, worker) = host(true);
    worker.spawn_thread();
    for (kernel, ours) in KERNEL.into_iter().zip(OURS) {
        let theirs = net::UdpSocket::bind(at(kernel, 53)).unwrap();
        theirs.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let socket = UdpSocket::bind(&host, at(ours, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let near: SocketAddr = socket.local_addr().unwrap();
        let mut out = vec![0; 10_000];
        for len in [0, 1, 1472, 9000] {
            let mut payload = vec![0; len];
            pattern(8, len as u64, &mut payload);
            socket.send_to(&payload, at(kernel, 53)).unwrap();
            let (received, from) = theirs.recv_from(&mut out).unwrap();
            assert_eq!((received, from), (len, near));
            theirs.send_to(&out[..received], from).unwrap();
            let (echoed, from) = socket.recv_from(&mut out).unwrap();
            assert_eq!((echoed, from), (len, at(kernel, 53)));
            check(8, len as u64, &out[..echoed]);
        }
        drop(theirs);
        socket.connect(at(kernel, 53)).unwrap();
        socket.send(b"anybody?").unwrap();
        assert_eq!(socket.recv(&mut out).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
    host.shutdown();
}

#[test]
fn a_gateway_answers_the_kernels_pings_to_anywhere() {
    let Some(namespace) = Namespace::enter("echo", false) else { return };
    let tap = Tap::open("tap0", TapOptions { vnet_hdr: false, ..TapOptions::default() }).unwrap();
    let (host, worker) = Host::builder()
        .link("tap0", EthernetAddress([2, 0, 0, 0, 0, 2]), tap)
        .address("10.9.0.2/24".parse().unwrap())
        .local_route("0.0.0.0/0".parse().unwrap())
        .intercept(Intercept { tcp: true, udp: true, echo: true })
        .build()
        .unwrap();
    let running = worker.spawn_thread();
    let mut intercepted = host.intercepted();
    let gateway = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            while let Some(next) = intercepted.next().await {
                match next {
                    Intercepted::Echo(request) if request.to().to_string() == "198.51.100.7" => {
                        let data = request.data().to_vec();
                        request.reply(&data).unwrap();
                    }
                    Intercepted::Echo(request) => request.refuse(Refusal::Unreachable(UnreachableCode::Host)),
                    _ => {}
                }
            }
        });
    });
    namespace.run("ip route add 198.51.100.0/24 via 10.9.0.2");
    namespace.run("ping -c 2 -i 0.1 -W 5 198.51.100.7");
    let said = namespace.output("ping -c 1 -W 1 198.51.100.8");
    assert!(said.contains("From 10.9.0.2") && said.contains("Destination Host Unreachable"), "{said}");
    namespace.run("ping -c 1 -W 5 10.9.0.2");
    host.shutdown();
    running.join().unwrap().unwrap();
    gateway.join().unwrap();
}

#[test]
fn a_removed_device_ends_its_connections_and_not_the_host() {
    let Some(namespace) = Namespace::enter("removed", false) else { return };
    let (host, worker) = host(false);
    let running = worker.spawn_thread();
    let listener = TcpListener::bind(&host, at(OURS[0], 80)).unwrap();
    let _client = net::TcpStream::connect(at(OURS[0], 80)).unwrap();
    let _accepted = listener.accept().unwrap();
    namespace.run("ip link set tap0 down");
    thread::sleep(Duration::from_millis(300));
    namespace.run("ip link set tap0 up");
    namespace.run("ip addr add fd09::1/64 dev tap0 nodad");
    net::TcpStream::connect(at(OURS[0], 80)).expect("a link that was down is used again");
    namespace.run("ip link del tap0");
    thread::sleep(Duration::from_millis(300));
    assert!(TcpStream::connect_timeout(&host, &at(KERNEL[0], 80), Duration::from_secs(5)).is_err());
    host.shutdown();
    running.join().unwrap().unwrap();
}
