//! A gateway: the second host takes whatever the first one sends into the world.

use std::io::ErrorKind;
use std::time::Duration;

use portolan::gateway::{InterceptStream, Intercepted, TcpRequest};
use portolan::{Host, TcpStream, UdpSocket};
use portolan_stack::{Config, Intercept, Refusal, UnreachableCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::{A, OFFLOADED, at, describe, soon};
use crate::stream::connect;

/// A host, and the gateway that it has for everything.
fn host_and_gateway() -> (Host, Host, InterceptStream) {
    let (a, b) = describe(OFFLOADED);
    let (a, worker_a) =
        a.gateway("10.0.0.2".parse().unwrap()).gateway("fd00::2".parse().unwrap()).build().unwrap();
    let (b, worker_b) = b
        .local_route("0.0.0.0/0".parse().unwrap())
        .local_route("::/0".parse().unwrap())
        .intercept(Intercept { tcp: true, udp: true, echo: true })
        .build()
        .unwrap();
    tokio::spawn(worker_a.run());
    tokio::spawn(worker_b.run());
    let stream = b.intercepted();
    (a, b, stream)
}

async fn next_request(stream: &mut InterceptStream) -> TcpRequest {
    match soon(stream.next()).await {
        Some(Intercepted::Tcp(request)) => request,
        _ => panic!("something else than a connection attempt"),
    }
}

#[tokio::test]
async fn a_connection_to_anywhere_is_accepted() {
    let (a, _b, mut stream) = host_and_gateway();
    for destination in ["198.51.100.7", "2001:db8::7"] {
        let client = a.clone();
        let connecting = tokio::spawn(async move { TcpStream::connect(&client, at(destination, 443)).await });
        let request = next_request(&mut stream).await;
        assert_eq!(request.flow().local.to_socket_addr(), at(destination, 443));
        let mut far = request.accept().unwrap();
        let mut near = soon(connecting).await.unwrap().unwrap();
        soon(far.write_all(b"from the world")).await.unwrap();
        let mut out = [0; 14];
        soon(near.read_exact(&mut out)).await.unwrap();
        assert_eq!(&out, b"from the world");
        assert_eq!(far.local_addr().unwrap(), at(destination, 443));
        assert_eq!(far.peer_addr().unwrap(), near.local_addr().unwrap());
    }
}

#[tokio::test]
async fn refusals_are_what_the_kernel_would_say() {
    let (a, _b, mut stream) = host_and_gateway();
    let refusals = [
        (Refusal::Reset, ErrorKind::ConnectionRefused),
        (Refusal::Unreachable(UnreachableCode::Network), ErrorKind::NetworkUnreachable),
        (Refusal::Unreachable(UnreachableCode::Host), ErrorKind::HostUnreachable),
        (Refusal::Unreachable(UnreachableCode::Port), ErrorKind::ConnectionRefused),
    ];
    for (refusal, kind) in refusals {
        let client = a.clone();
        let connecting =
            tokio::spawn(async move { TcpStream::connect(&client, at("198.51.100.7", 80)).await });
        next_request(&mut stream).await.refuse(refusal);
        let error = soon(connecting).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), kind, "{refusal:?}");
    }
    let client = a.clone();
    let connecting = tokio::spawn(async move { TcpStream::connect(&client, at("198.51.100.7", 80)).await });
    drop(next_request(&mut stream).await);
    assert_eq!(soon(connecting).await.unwrap().unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn silence_is_silence() {
    let (a, _b, mut stream) = host_and_gateway();
    let connecting = tokio::spawn(async move {
        tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(&a, at("198.51.100.7", 80))).await
    });
    next_request(&mut stream).await.refuse(Refusal::Silent);
    assert!(soon(connecting).await.unwrap().is_err(), "nobody answers");
}

#[tokio::test]
async fn datagrams_are_answered_in_the_name_of_their_destination() {
    let (a, _b, mut stream) = host_and_gateway();
    for (here, destination) in [(A, "198.51.100.7"), ("fd00::1", "2001:db8::7")] {
        let near = UdpSocket::bind(&a, at(here, 0)).unwrap();
        near.connect(at(destination, 53)).unwrap();
        near.send(b"who is it?").await.unwrap();
        let Some(Intercepted::Udp(datagram)) = soon(stream.next()).await else { panic!("no datagram") };
        assert_eq!(datagram.payload(), b"who is it?");
        assert_eq!(datagram.flow().local.to_socket_addr(), at(destination, 53));
        assert_eq!(datagram.flow().remote.to_socket_addr(), near.local_addr().unwrap());
        datagram.reply_handle().send(b"nobody").unwrap();
        let mut out = [0; 16];
        assert_eq!(soon(near.recv(&mut out)).await.unwrap(), 6);

        near.send(b"again").await.unwrap();
        let Some(Intercepted::Udp(datagram)) = soon(stream.next()).await else { panic!("no datagram") };
        datagram.refuse(Refusal::Unreachable(UnreachableCode::Port));
        assert_eq!(soon(near.recv(&mut out)).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
}

#[tokio::test]
async fn a_request_that_nobody_wants_any_more_is_gone() {
    let (a, b) = describe(OFFLOADED);
    let (a, worker_a) = a.gateway("10.0.0.2".parse().unwrap()).build().unwrap();
    let (b, worker_b) = b
        .config(Config { request_timeout_us: 100_000, ..Config::default() })
        .local_route("0.0.0.0/0".parse().unwrap())
        .intercept(Intercept { tcp: true, udp: false, echo: false })
        .build()
        .unwrap();
    tokio::spawn(worker_a.run());
    tokio::spawn(worker_b.run());
    let mut stream = b.intercepted();
    let connecting = tokio::spawn(async move { TcpStream::connect(&a, at("198.51.100.7", 80)).await });
    let mut request = next_request(&mut stream).await;
    soon(request.gone()).await;
    assert_eq!(request.accept().unwrap_err().kind(), ErrorKind::InvalidInput, "it is too late");
    connecting.abort();
}

#[tokio::test]
async fn flows_are_summed_up_when_they_end() {
    let (a, b) = describe(OFFLOADED);
    let config = || Config { flow_summaries: true, ..Config::default() };
    let ((a, worker_a), (b, worker_b)) = (a.config(config()).build().unwrap(), b.build().unwrap());
    tokio::spawn(worker_a.run());
    tokio::spawn(worker_b.run());
    let mut flows = a.flow_events();
    assert!(flows.try_next().is_none());
    let (mut near, mut far) = connect(&a, &b).await;
    near.write_all(&[1; 3000]).await.unwrap();
    far.write_all(&[2; 500]).await.unwrap();
    soon(near.read_exact(&mut [0; 500])).await.unwrap();
    soon(far.read_exact(&mut [0; 3000])).await.unwrap();
    let (local, remote) = (near.local_addr().unwrap(), near.peer_addr().unwrap());
    drop(near);
    drop(far);
    let summary = soon(flows.next()).await.unwrap();
    assert_eq!(summary.flow.local.to_socket_addr(), local);
    assert_eq!(summary.flow.remote.to_socket_addr(), remote);
    assert_eq!((summary.octets_sent, summary.octets_received), (3000, 500));
    assert!(summary.handshake_us().is_some());
    assert_eq!(flows.missed(), 0);
    a.shutdown();
    assert!(soon(flows.next()).await.is_none(), "the host has ended");
}

#[tokio::test]
async fn without_a_reader_everything_is_refused() {
    let (a, _b, stream) = host_and_gateway();
    drop(stream);
    let error = soon(TcpStream::connect(&a, at("198.51.100.7", 80))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn large_datagrams_that_nobody_reads_take_bounded_memory() {
    let (a, _b, mut stream) = host_and_gateway();
    let socket = UdpSocket::bind(&a, at(A, 0)).unwrap();
    let payload = vec![7; 60_000];
    // The neighbour has to be known before more than a few can be on their way.
    soon(socket.send_to(b"first", at("198.51.100.7", 53))).await.unwrap();
    assert!(matches!(soon(stream.next()).await, Some(Intercepted::Udp(_))));
    for _ in 0..500 {
        soon(socket.send_to(&payload, at("198.51.100.7", 53))).await.unwrap();
    }
    // The last ones are on their way.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut octets = 0;
    while let Ok(Some(Intercepted::Udp(datagram))) =
        tokio::time::timeout(Duration::from_millis(100), stream.next()).await
    {
        assert!(datagram.payload() == payload);
        octets += payload.len();
    }
    assert!(octets > 1 << 20, "{octets} octets: some must wait");
    assert!(octets < 9 << 20, "{octets} octets: as many as were sent");
}
