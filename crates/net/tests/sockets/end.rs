//! How connections end when they do not end in order, and how hosts end.

use std::io::ErrorKind;
use std::time::Duration;

use portolan::{TcpListener, TcpStream, UdpSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::{A, B, B6, OFFLOADED, at, describe, on_runtime, soon};
use crate::stream::connect;

const ECONNRESET: Option<i32> = Some(104);
const ENETDOWN: Option<i32> = Some(100);

#[tokio::test]
async fn nobody_listens() {
    let (a, b) = on_runtime(OFFLOADED);
    for address in [B, B6] {
        let error = soon(TcpStream::connect(&a, at(address, 9))).await.unwrap_err();
        assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::ConnectionRefused, Some(111)));
    }
    drop(b);
}

#[tokio::test]
async fn there_is_no_route() {
    let (a, _b) = on_runtime(OFFLOADED);
    let error = soon(TcpStream::connect(&a, at("192.0.2.1", 9))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NetworkUnreachable);
}

#[tokio::test]
async fn unread_text_makes_a_close_a_reset() {
    let (a, b) = on_runtime(OFFLOADED);
    let (mut near, far) = connect(&a, &b).await;
    near.write_all(b"never read").await.unwrap();
    soon(far.readable()).await.unwrap();
    drop(far);
    let error = soon(near.read(&mut [0; 8])).await.unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::ConnectionReset, ECONNRESET));
    assert_eq!(soon(near.write(b"x")).await.unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn an_abort_is_seen_by_a_waiting_reader_and_a_waiting_writer() {
    let (a, b) = on_runtime(OFFLOADED);
    let (near, far) = connect(&a, &b).await;
    let (mut from, mut to) = near.into_split();
    let reader = tokio::spawn(async move { from.read(&mut [0; 8]).await });
    let writer = tokio::spawn(async move {
        loop {
            if let Err(error) = to.write_all(&[0; 1 << 16]).await {
                break error;
            }
        }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    far.abort();
    let read = soon(reader).await.unwrap().unwrap_err();
    let write = soon(writer).await.unwrap();
    for error in [&read, &write] {
        assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
    }
    let kinds = [read.kind(), write.kind()];
    assert!(kinds.contains(&ErrorKind::ConnectionReset), "the reset is reported once");
}

#[tokio::test]
async fn no_linger_is_a_reset() {
    let (a, b) = on_runtime(OFFLOADED);
    let (near, mut far) = connect(&a, &b).await;
    near.set_linger(Some(Duration::ZERO)).unwrap();
    drop(near);
    assert_eq!(soon(far.read(&mut [0; 8])).await.unwrap_err().raw_os_error(), ECONNRESET);
}

#[tokio::test]
async fn dropping_a_stream_sends_what_was_written() {
    let (a, b) = on_runtime(OFFLOADED);
    let (mut near, mut far) = connect(&a, &b).await;
    let text = vec![7; 100_000];
    near.write_all(&text).await.unwrap();
    drop(near);
    let mut received = Vec::new();
    soon(far.read_to_end(&mut received)).await.unwrap();
    assert_eq!(received, text);
}

#[tokio::test]
async fn a_shutdown_resets_peers_and_ends_the_worker() {
    let (a, b) = describe(OFFLOADED);
    let ((a, worker_a), (b, worker_b)) = (a.build().unwrap(), b.build().unwrap());
    let ending = tokio::spawn(worker_a.run());
    tokio::spawn(worker_b.run());
    let (mut near, mut far) = connect(&a, &b).await;
    let listener = TcpListener::bind(&a, at(A, 80)).unwrap();
    let udp = UdpSocket::bind(&a, at(A, 53)).unwrap();
    let accepting = tokio::spawn(async move { listener.accept().await });
    let receiving = tokio::spawn(async move { udp.recv(&mut [0; 8]).await });
    tokio::task::yield_now().await;

    a.shutdown();
    assert_eq!(soon(far.read(&mut [0; 8])).await.unwrap_err().raw_os_error(), ECONNRESET);
    soon(ending).await.unwrap().unwrap();
    assert!(a.has_ended() && !b.has_ended());
    assert!(soon(accepting).await.unwrap().is_err());
    assert!(soon(receiving).await.unwrap().is_err());
    assert_eq!(soon(near.read(&mut [0; 8])).await.unwrap_err().raw_os_error(), ENETDOWN);
    assert_eq!(TcpListener::bind(&a, at(A, 81)).unwrap_err().raw_os_error(), ENETDOWN);
}

#[tokio::test]
async fn a_dropped_worker_leaves_nobody_waiting() {
    let (a, _b) = describe(OFFLOADED);
    let (a, worker) = a.build().unwrap();
    let task = tokio::spawn(worker.run());
    let listener = TcpListener::bind(&a, at(A, 80)).unwrap();
    let accepting = tokio::spawn(async move { listener.accept().await });
    tokio::time::sleep(Duration::from_millis(20)).await;
    task.abort();
    assert_eq!(soon(accepting).await.unwrap().unwrap_err().raw_os_error(), ENETDOWN);
}

#[tokio::test]
async fn a_cut_wire_removes_the_link_and_not_the_host() {
    let (a, b) = describe(OFFLOADED);
    let ((a, worker_a), (b, worker_b)) = (a.build().unwrap(), b.build().unwrap());
    tokio::spawn(worker_a.run());
    let other = tokio::spawn(worker_b.run());
    drop(connect(&a, &b).await);
    other.abort();
    let _ = other.await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(soon(TcpStream::connect(&a, at(B, 7))).await.is_err());
    let listener = TcpListener::bind(&a, at("127.0.0.1", 80)).unwrap();
    let (near, far) =
        soon(async { tokio::join!(TcpStream::connect(&a, at("127.0.0.1", 80)), listener.accept()) }).await;
    assert!(near.is_ok() && far.is_ok());
}
