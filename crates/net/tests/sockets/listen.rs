//! Listening and accepting.

use std::io::ErrorKind;
use std::sync::Arc;

use portolan::{TcpListener, TcpSocket, TcpStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::{B, B6, OFFLOADED, PLAIN, at, on_runtime, soon};

#[tokio::test]
async fn connections_wait_in_the_backlog() {
    let (a, b) = on_runtime(OFFLOADED);
    let socket = TcpSocket::new_v4(&b).unwrap();
    socket.bind(at(B, 80)).unwrap();
    let listener = socket.listen(16).unwrap();
    let mut streams = Vec::new();
    for _ in 0..16 {
        streams.push(soon(TcpStream::connect(&a, at(B, 80))).await.unwrap());
    }
    for stream in &streams {
        let (_, peer) = listener.try_accept().unwrap();
        assert_eq!(peer, stream.local_addr().unwrap(), "in the order in which they came");
    }
    assert_eq!(listener.try_accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[tokio::test]
async fn a_full_backlog_delays_and_does_not_refuse() {
    let (a, b) = on_runtime(OFFLOADED);
    let socket = TcpSocket::new_v4(&b).unwrap();
    socket.bind(at(B, 80)).unwrap();
    let listener = socket.listen(2).unwrap();
    let connecting: Vec<_> = (0..8)
        .map(|_| {
            let a = a.clone();
            tokio::spawn(async move { TcpStream::connect(&a, at(B, 80)).await })
        })
        .collect();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let mut accepted = Vec::new();
    for _ in 0..8 {
        accepted.push(soon(listener.accept()).await.unwrap());
    }
    for task in connecting {
        soon(task).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_thousand_connections_live_at_once() {
    let (a, b) = on_runtime(PLAIN);
    let listener = TcpListener::bind(&b, at(B, 80)).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.into_split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    let gate = Arc::new(tokio::sync::Barrier::new(1000));
    let tasks: Vec<_> = (0..1000_u32)
        .map(|number| {
            let (a, gate) = (a.clone(), Arc::clone(&gate));
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(&a, at(B, 80)).await.unwrap();
                gate.wait().await;
                for round in 0..3 {
                    let word = (number * 3 + round).to_be_bytes();
                    stream.write_all(&word).await.unwrap();
                    let mut echo = [0; 4];
                    stream.read_exact(&mut echo).await.unwrap();
                    assert_eq!(echo, word);
                }
            })
        })
        .collect();
    for task in tasks {
        soon(task).await.unwrap();
    }
}

#[tokio::test]
async fn many_tasks_accept_from_one_listener() {
    let (a, b) = on_runtime(OFFLOADED);
    let listener = Arc::new(TcpListener::bind(&b, at(B, 80)).unwrap());
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let listener = Arc::clone(&listener);
            tokio::spawn(async move { listener.accept().await.unwrap() })
        })
        .collect();
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(soon(TcpStream::connect(&a, at(B, 80))).await.unwrap());
    }
    for task in tasks {
        soon(task).await.unwrap();
    }
}

#[tokio::test]
async fn a_listener_on_any_address_hears_both_families() {
    let (a, b) = on_runtime(OFFLOADED);
    let listener = TcpListener::bind(&b, at("::", 80)).unwrap();
    for address in [B, B6] {
        let (near, far) =
            soon(async { tokio::join!(TcpStream::connect(&a, at(address, 80)), listener.accept()) }).await;
        assert_eq!(near.unwrap().local_addr().unwrap(), far.unwrap().1);
    }
    drop(listener);
    let socket = TcpSocket::new_v6(&b).unwrap();
    socket.set_only_v6(true).unwrap();
    socket.bind(at("::", 81)).unwrap();
    let _listener = socket.listen(1).unwrap();
    assert_eq!(
        soon(TcpStream::connect(&a, at(B, 81))).await.unwrap_err().kind(),
        ErrorKind::ConnectionRefused
    );
    soon(TcpStream::connect(&a, at(B6, 81))).await.unwrap();
}

#[tokio::test]
async fn ports_and_addresses_are_checked() {
    let (_a, b) = on_runtime(OFFLOADED);
    let first = TcpListener::bind(&b, at(B, 0)).unwrap();
    let taken = first.local_addr().unwrap();
    assert!(taken.port() >= 32_768);
    assert_eq!(TcpListener::bind(&b, taken).unwrap_err().kind(), ErrorKind::AddrInUse);
    let error = TcpListener::bind(&b, at("10.0.0.77", 80)).unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::AddrNotAvailable, Some(99)));
    drop(first);
    TcpListener::bind(&b, taken).unwrap();
}
