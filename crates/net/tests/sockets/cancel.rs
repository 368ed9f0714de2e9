//! Calls that are dropped before they are done lose nothing.

use std::time::Duration;

use portolan::{TcpListener, TcpStream, UdpSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::{A, B, OFFLOADED, at, on_runtime, soon};
use crate::stream::connect;

#[tokio::test]
async fn cancelled_reads_lose_no_text() {
    let (a, b) = on_runtime(OFFLOADED);
    let (mut near, mut far) = connect(&a, &b).await;
    let writing = tokio::spawn(async move {
        for octet in 0..=255 {
            near.write_all(&[octet]).await.unwrap();
            tokio::time::sleep(Duration::from_micros(u64::from(octet) * 7)).await;
        }
    });
    let (mut text, mut cancelled) = (Vec::new(), 0);
    let mut out = [0; 16];
    loop {
        match tokio::time::timeout(Duration::from_micros(100), far.read(&mut out)).await {
            Ok(Ok(0)) => break,
            Ok(len) => text.extend_from_slice(&out[..len.unwrap()]),
            Err(_) => cancelled += 1,
        }
    }
    writing.await.unwrap();
    assert_eq!(text, (0..=255).collect::<Vec<u8>>());
    assert!(cancelled > 0);
}

#[tokio::test]
async fn cancelled_accepts_lose_no_connection() {
    let (a, b) = on_runtime(OFFLOADED);
    let listener = TcpListener::bind(&b, at(B, 80)).unwrap();
    let connecting = tokio::spawn(async move {
        let mut streams = Vec::new();
        for _ in 0..50 {
            streams.push(TcpStream::connect(&a, at(B, 80)).await.unwrap());
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        streams
    });
    let (mut accepted, mut cancelled) = (Vec::new(), 0);
    soon(async {
        while accepted.len() < 50 {
            // Two wait, and both are dropped when either is done or the time is over.
            let [one, two] = [listener.accept(), listener.accept()];
            tokio::select! {
                stream = one => accepted.push(stream.unwrap()),
                stream = two => accepted.push(stream.unwrap()),
                () = tokio::time::sleep(Duration::from_micros(200)) => cancelled += 1,
            }
        }
    })
    .await;
    assert_eq!(soon(connecting).await.unwrap().len(), 50);
    assert!(cancelled > 0);
}

#[tokio::test]
async fn cancelled_receives_lose_no_datagram() {
    let (a, b) = on_runtime(OFFLOADED);
    let near = UdpSocket::bind(&a, at(A, 0)).unwrap();
    let far = UdpSocket::bind(&b, at(B, 53)).unwrap();
    let sending = tokio::spawn(async move {
        for number in 0..100_u8 {
            near.send_to(&[number], at(B, 53)).await.unwrap();
            tokio::time::sleep(Duration::from_micros(300)).await;
        }
    });
    let mut seen = Vec::new();
    let mut out = [0; 4];
    soon(async {
        while seen.len() < 100 {
            if let Ok(len) = tokio::time::timeout(Duration::from_micros(100), far.recv(&mut out)).await {
                assert_eq!(len.unwrap(), 1);
                seen.push(out[0]);
            }
        }
    })
    .await;
    sending.await.unwrap();
    assert_eq!(seen, (0..100).collect::<Vec<u8>>());
}

#[tokio::test]
async fn a_cancelled_connect_leaves_nothing() {
    let (a, b) = on_runtime(OFFLOADED);
    // Nobody has this address, so the attempt lasts.
    let attempt = TcpStream::connect(&a, at("10.0.0.99", 80));
    assert!(tokio::time::timeout(Duration::from_millis(50), attempt).await.is_err());
    assert_eq!(a.with_stack(|stack, _| stack.counts().sockets), 0);
    drop(b);
}
