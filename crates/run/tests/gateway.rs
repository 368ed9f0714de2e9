//! The gateway between a host on a wire and the machine's own sockets, on its loopback.

mod support;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use portolan::{Host, TcpStream, UdpSocket};
use portolan_run::config::Config;
use portolan_run::dns::exchange::{Exchange, Transport};
use portolan_run::fence::Fence;
use portolan_run::gateway::Counters;
use portolan_run::plan::Plan;
use portolan_run::web;
use portolan_wire::{Address, EthernetAddress};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// host.portolan.internal.
const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 2, 5));
const SOON: Duration = Duration::from_secs(10);

/// A command's host, with a gateway at the other end of its wire. Both end with the runtime.
fn command() -> (Host, Arc<Counters>) {
    let (host, counters, _) = guarded();
    (host, counters)
}

/// The same, with the gateway's fence.
fn guarded() -> (Host, Arc<Counters>, Arc<Fence>) {
    let (ours, counters, fence) = support::gateway();
    let plan = Plan::new(&Config::default()).unwrap();
    let mut inner = Host::builder().link("portolan0", EthernetAddress([2, 0, 0, 0, 0, 15]), ours);
    for network in &plan.addresses {
        inner = inner.address(support::cidr(network.address));
    }
    for gateway in &plan.gateways {
        inner = inner.gateway(Address::from(*gateway));
    }
    let (host, worker) = inner.build().unwrap();
    tokio::spawn(worker.run());
    (host, counters, fence)
}

async fn listener() -> (tokio::net::TcpListener, SocketAddr) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, SocketAddr::new(HOST, port))
}

async fn pair(host: &Host) -> (TcpStream, tokio::net::TcpStream) {
    let (listener, at) = listener().await;
    let (inside, outside) = tokio::join!(TcpStream::connect(host, at), listener.accept());
    (inside.unwrap(), outside.unwrap().0)
}

#[tokio::test]
async fn a_connection_carries_octets_both_ways_and_each_fin_alone() {
    let (host, _) = command();
    let (mut inside, mut outside) = pair(&host).await;
    let sent: Vec<u8> = (0..1_500_000).map(web::octet).collect();
    let echo = async {
        let mut received = Vec::new();
        outside.read_to_end(&mut received).await.unwrap();
        outside.write_all(&received).await.unwrap();
        outside.shutdown().await.unwrap();
    };
    let client = async {
        inside.write_all(&sent).await.unwrap();
        inside.shutdown().await.unwrap();
        let mut received = Vec::new();
        inside.read_to_end(&mut received).await.unwrap();
        received
    };
    let (received, ()) = timeout(SOON, async { tokio::join!(client, echo) }).await.unwrap();
    assert!(received == sent, "{} octets came back", received.len());
}

#[tokio::test]
async fn the_machines_refusal_is_the_programs() {
    let (host, _) = command();
    let (gone, at) = listener().await;
    drop(gone);
    let refused = timeout(SOON, TcpStream::connect(&host, at)).await.unwrap().unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn forbidden_destinations_fail_at_once_and_are_counted() {
    let (host, _, fence) = guarded();
    let metadata: SocketAddr = "169.254.169.254:80".parse().unwrap();
    let refused = timeout(SOON, TcpStream::connect(&host, metadata)).await.unwrap().unwrap_err();
    assert!(matches!(refused.raw_os_error(), Some(libc::EHOSTUNREACH | libc::EACCES)), "{refused}");
    assert_eq!(fence.refused_flows(), 1);
}

#[tokio::test]
async fn resets_pass_in_both_directions() {
    let (host, _) = command();
    let (mut inside, outside) = pair(&host).await;
    socket2::SockRef::from(&outside).set_linger(Some(Duration::ZERO)).unwrap();
    drop(outside);
    let error = timeout(SOON, inside.read_u8()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);

    let (inside, mut outside) = pair(&host).await;
    inside.abort();
    let error = timeout(SOON, outside.read_u8()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_reader_that_stops_stops_the_writer() {
    let (host, _) = command();
    let (mut inside, mut outside) = pair(&host).await;
    let text = vec![7; 1 << 20];
    let mut written = 0u64;
    // Every buffer on the way is bounded, so the writer comes to a stop.
    while let Ok(result) = timeout(Duration::from_millis(700), inside.write(&text)).await {
        written += result.unwrap() as u64;
        assert!(written < 256 << 20, "nothing holds the writer back");
    }
    let drain = async {
        let mut octets = vec![0; 1 << 20];
        let mut read = 0;
        loop {
            match outside.read(&mut octets).await.unwrap() {
                0 => break read,
                len => read += len as u64,
            }
        }
    };
    inside.shutdown().await.unwrap();
    assert_eq!(timeout(SOON, drain).await.unwrap(), written, "and nothing is lost");
}

async fn echo_socket() -> (tokio::net::UdpSocket, SocketAddr) {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, SocketAddr::new(HOST, port))
}

fn client(host: &Host) -> UdpSocket {
    UdpSocket::bind(host, (Ipv4Addr::UNSPECIFIED, 0)).unwrap()
}

#[tokio::test]
async fn an_endpoint_keeps_its_port_whomever_it_talks_to() {
    let (host, _) = command();
    let socket = client(&host);
    let mut seen = Vec::new();
    for (server, at) in [echo_socket().await, echo_socket().await] {
        socket.send_to(b"hello", at).await.unwrap();
        let mut buffer = [0; 100];
        let (len, from) = timeout(SOON, server.recv_from(&mut buffer)).await.unwrap().unwrap();
        seen.push(from);
        server.send_to(&buffer[..len], from).await.unwrap();
        let (len, from) = timeout(SOON, socket.recv_from(&mut buffer)).await.unwrap().unwrap();
        assert_eq!((&buffer[..len], from), (&b"hello"[..], at), "the answer comes from whom was asked");
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn a_flow_with_the_machines_loopback_hears_nobody_elsewhere() {
    let (host, _) = command();
    let (server, at) = echo_socket().await;
    let (_socket, flow) = open_flow(&host, &server, at).await;
    assert_eq!(flow.ip(), IpAddr::V4(Ipv4Addr::LOCALHOST));
    let other = std::net::UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 2), flow.port()));
    assert!(other.is_ok(), "its socket is bound to 127.0.0.1 alone: {other:?}");
}

#[tokio::test]
async fn a_refused_datagram_comes_back_as_an_error() {
    let (host, _) = command();
    let (gone, at) = echo_socket().await;
    drop(gone);
    let socket = client(&host);
    socket.connect(at).unwrap();
    socket.send(b"anyone?").await.unwrap();
    let error = timeout(SOON, socket.recv(&mut [0; 10])).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn datagrams_of_every_size_pass() {
    let (host, _) = command();
    let (server, at) = echo_socket().await;
    let socket = client(&host);
    let mut buffer = vec![0; 65_535];
    for size in [0, 1, 1472, 1473, 9000, 65_507] {
        let sent: Vec<u8> = (0..size).map(web::octet).collect();
        socket.send_to(&sent, at).await.unwrap();
        let (len, from) = timeout(SOON, server.recv_from(&mut buffer)).await.unwrap().unwrap();
        assert!(buffer[..len] == sent, "{size} octets outward");
        server.send_to(&sent, from).await.unwrap();
        let (len, _) = timeout(SOON, socket.recv_from(&mut buffer)).await.unwrap().unwrap();
        assert!(buffer[..len] == sent, "{size} octets inward");
    }
}

#[tokio::test]
async fn the_wires_own_servers_answer() {
    let (host, _) = command();
    let dns: SocketAddr = "10.0.2.3:53".parse().unwrap();
    let query =
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x08portolan\x08internal\x00\x00\x01\x00\x01";
    for transport in [Transport::Udp, Transport::Tcp] {
        let reply = timeout(SOON, host.exchange(dns, query, transport)).await.unwrap().unwrap();
        assert!(reply.ends_with(&[10, 0, 2, 4]), "{transport:?}: {reply:?}");
    }
    let site: SocketAddr = "10.0.2.4:80".parse().unwrap();
    let mut stream = timeout(SOON, TcpStream::connect(&host, site)).await.unwrap().unwrap();
    stream.write_all(b"GET /bytes/5 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut reply = Vec::new();
    timeout(SOON, stream.read_to_end(&mut reply)).await.unwrap().unwrap();
    assert!(reply.ends_with(&(0..5).map(web::octet).collect::<Vec<u8>>()));
    let other: SocketAddr = "10.0.2.4:81".parse().unwrap();
    let refused = timeout(SOON, TcpStream::connect(&host, other)).await.unwrap().unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn the_machines_fin_leaves_the_other_direction_open() {
    let (host, _) = command();
    let (mut inside, mut outside) = pair(&host).await;
    outside.write_all(b"all there is").await.unwrap();
    outside.shutdown().await.unwrap();
    let mut received = Vec::new();
    timeout(SOON, inside.read_to_end(&mut received)).await.unwrap().unwrap();
    assert_eq!(received, b"all there is");
    inside.write_all(b"and an answer").await.unwrap();
    inside.shutdown().await.unwrap();
    received.clear();
    timeout(SOON, outside.read_to_end(&mut received)).await.unwrap().unwrap();
    assert_eq!(received, b"and an answer");
}

/// Sends one datagram and returns the socket, and where the machine's server has seen it come from.
async fn open_flow(host: &Host, server: &tokio::net::UdpSocket, at: SocketAddr) -> (UdpSocket, SocketAddr) {
    let socket = client(host);
    socket.send_to(b"hello", at).await.unwrap();
    let (_, from) = timeout(SOON, server.recv_from(&mut [0; 10])).await.unwrap().unwrap();
    (socket, from)
}

/// Whether the machine's socket behind a flow is still there: its port cannot be bound.
fn is_open(flow: SocketAddr) -> bool {
    std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, flow.port())).is_err()
}

/// Lets the tasks of the gateway see what time it is.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_flow_ends_after_five_idle_minutes() {
    let (host, _) = command();
    let (server, at) = echo_socket().await;
    let (socket, flow) = open_flow(&host, &server, at).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(290)).await;
    tokio::time::resume();
    server.send_to(b"an answer counts", flow).await.unwrap();
    timeout(SOON, socket.recv_from(&mut [0; 20])).await.unwrap().unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(290)).await;
    settle().await;
    assert!(is_open(flow), "used 290 s ago");
    tokio::time::advance(Duration::from_secs(11)).await;
    settle().await;
    assert!(!is_open(flow), "idle for 301 s");
}

/// A flow that has only ever asked port 53 is over sooner. In a network namespace of its own, for that port.
#[test]
fn a_flow_of_questions_for_names_ends_after_thirty_idle_seconds() {
    const NAME: &str = "a_flow_of_questions_for_names_ends_after_thirty_idle_seconds";
    if std::env::var_os("PORTOLAN_TEST_INSIDE").is_none() {
        if std::env::var_os("PORTOLAN_ALLOW_MISSING").is_some() && !rustix::process::geteuid().is_root() {
            return;
        }
        let mut command = std::process::Command::new("unshare");
        command.args(["--net", "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""]);
        command.arg(std::env::current_exe().unwrap()).args(["--exact", NAME]);
        let output = command.env("PORTOLAN_TEST_INSIDE", "1").output().unwrap();
        let (said, complained) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && said.contains("1 passed"), "as root: {said}{complained}");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (host, _) = command();
        let server = tokio::net::UdpSocket::bind("127.0.0.1:53").await.unwrap();
        let (_asker, asked) = open_flow(&host, &server, SocketAddr::new(HOST, 53)).await;
        let (other, general) = open_flow(&host, &server, SocketAddr::new(HOST, 53)).await;
        let (busy, at) = echo_socket().await;
        // Whoever has asked anybody else keeps its port as long as any flow.
        other.send_to(b"hello", at).await.unwrap();
        timeout(SOON, busy.recv_from(&mut [0; 10])).await.unwrap().unwrap();
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(29)).await;
        settle().await;
        assert!(is_open(asked), "used 29 s ago");
        tokio::time::advance(Duration::from_secs(2)).await;
        settle().await;
        assert!(!is_open(asked), "idle for 31 s");
        assert!(is_open(general));
    });
}

#[tokio::test]
async fn the_flow_that_was_used_longest_ago_makes_room() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    rustix::process::setrlimit(
        rustix::process::Resource::Nofile,
        rustix::process::Rlimit { current: limit.maximum, ..limit },
    )
    .unwrap();
    let (host, counters) = command();
    let (server, at) = echo_socket().await;
    let mut flows = Vec::new();
    for _ in 0..4096 {
        flows.push(open_flow(&host, &server, at).await);
    }
    // The first is used again, so the second is the oldest.
    flows[0].0.send_to(b"again", at).await.unwrap();
    timeout(SOON, server.recv_from(&mut [0; 10])).await.unwrap().unwrap();
    assert_eq!(counters.udp_evicted.load(Ordering::Relaxed), 0);
    let (_newest, newest) = open_flow(&host, &server, at).await;
    settle().await;
    assert_eq!(counters.udp_evicted.load(Ordering::Relaxed), 1);
    assert!(!is_open(flows[1].1), "the oldest has gone");
    assert!(is_open(flows[0].1) && is_open(flows[2].1) && is_open(newest), "and nothing else");
}

/// Whether anything on this machine listens on any of `ports`, by TCP or UDP.
fn anything_listens(ports: &[u16]) -> bool {
    let is_taken = |port: &u16| {
        std::net::TcpListener::bind(("0.0.0.0", *port)).is_err()
            || std::net::UdpSocket::bind(("0.0.0.0", *port)).is_err()
    };
    ports.iter().any(is_taken)
}

#[tokio::test]
async fn j4_text_that_asks_for_ports_opens_none() {
    let (host, _, fence) = guarded();
    // Free ones, which the texts name.
    let free = || std::net::UdpSocket::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port();
    let ports = [free(), free(), free()];
    let [media, data, h245] = ports;
    let register = format!(
        "REGISTER sip:example.test SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.2.15:{media}\r\nContact: <sip:a@10.0.2.15:{media}>\r\n\
         Content-Type: application/sdp\r\n\r\nm=audio {media} RTP/AVP 0\r\n"
    );
    let port = format!("PORT 10,0,2,15,{},{}\r\n", data >> 8, data & 255);
    let post = format!("POST / HTTP/1.1\r\nContent-Length: 99999\r\n\r\n{}", "x".repeat(1400));
    let dcc = format!("PRIVMSG a :\u{1}DCC CHAT chat 167772687 {h245}\u{1}\r\n");
    // Each in a segment of its own, so that it begins at a packet's boundary, as the attack wants it.
    for (number, text) in [post, register, port, dcc].into_iter().enumerate() {
        let (mut inside, mut outside) = pair(&host).await;
        inside.write_all(text.as_bytes()).await.unwrap();
        let mut received = vec![0; text.len()];
        timeout(SOON, outside.read_exact(&mut received)).await.unwrap().unwrap();
        assert!(received == text.as_bytes(), "text {number} arrives as it was sent");
        settle().await;
        assert!(!anything_listens(&ports), "text {number} opened a port");
    }
    assert_eq!(fence.refused_flows(), 0);
}

#[tokio::test]
async fn j5_lines_of_old_protocols_pass_unchanged_at_every_truncation() {
    let (host, _) = command();
    let lines: [&[u8]; 5] = [
        b"\x01DCC SEND file 167772687 6667 99999999999999999999\x01\r\n",
        b"USERID : UNIX : 6667 , 113\r\n",
        b"PORT 10,0,2,15,255,255\r\n227 Entering Passive Mode (10,0,2,15,255,255)\r\n",
        b"EPRT |1|10.0.2.15|65535|\r\n",
        b"NICK \xff\xfe\x00%s%n\r\n",
    ];
    let (mut inside, mut outside) = pair(&host).await;
    let mut sent = Vec::new();
    let send = async {
        for line in lines {
            for len in 1..=line.len() {
                inside.write_all(&line[..len]).await.unwrap();
                // Now and then at a packet's boundary.
                if len % 8 == 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                sent.extend_from_slice(&line[..len]);
            }
        }
        inside.shutdown().await.unwrap();
    };
    let mut received = Vec::new();
    let receive = async { outside.read_to_end(&mut received).await.unwrap() };
    timeout(SOON, async { tokio::join!(send, receive) }).await.unwrap();
    assert!(received == sent, "{} of {} octets", received.len(), sent.len());
}
