//! Datagrams.

use std::io::ErrorKind;

use portolan::UdpSocket;

use crate::common::{A, A6, B, B6, OFFLOADED, at, on_runtime, soon};

#[tokio::test]
async fn datagrams_keep_their_bounds_in_both_families() {
    let (a, b) = on_runtime(OFFLOADED);
    for (here, there) in [(A, B), (A6, B6)] {
        let near = UdpSocket::bind(&a, at(here, 0)).unwrap();
        let far = UdpSocket::bind(&b, at(there, 53)).unwrap();
        for payload in [&b"one"[..], b"", b"three", &[5; 1400]] {
            assert_eq!(soon(near.send_to(payload, at(there, 53))).await.unwrap(), payload.len());
        }
        let mut out = [0; 2000];
        for len in [3, 0, 5, 1400] {
            let received = soon(far.recv_msg(&mut out)).await.unwrap();
            assert_eq!((received.len, received.full_len), (len, len));
            assert_eq!((received.from, received.to), (near.local_addr().unwrap(), at(there, 53)));
        }
        let from = near.local_addr().unwrap();
        far.try_send_to(b"back", from).unwrap();
        let (len, from) = soon(near.recv_from(&mut out)).await.unwrap();
        assert_eq!((&out[..len], from), (&b"back"[..], at(there, 53)));
    }
}

#[tokio::test]
async fn a_datagram_longer_than_the_buffer_is_cut() {
    let (a, b) = on_runtime(OFFLOADED);
    let near = UdpSocket::bind(&a, at(A, 0)).unwrap();
    let far = UdpSocket::bind(&b, at(B, 53)).unwrap();
    near.send_to(&[1; 100], at(B, 53)).await.unwrap();
    near.send_to(b"next", at(B, 53)).await.unwrap();
    let mut out = [0; 10];
    let received = soon(far.recv_msg(&mut out)).await.unwrap();
    assert_eq!((received.len, received.full_len), (10, 100));
    assert_eq!(soon(far.recv(&mut out)).await.unwrap(), 4, "the rest of the first is gone");
}

#[tokio::test]
async fn a_datagram_longer_than_the_mtu_arrives() {
    let (a, b) = on_runtime(OFFLOADED);
    let near = UdpSocket::bind(&a, at(A, 0)).unwrap();
    let far = UdpSocket::bind(&b, at(B, 53)).unwrap();
    let payload: Vec<u8> = (0..9000_u32).map(|n| n as u8).collect();
    let mut out = vec![0; 65_536];
    // The neighbour is found out first: meanwhile not all fragments would be kept.
    near.send_to(b"hello", at(B, 53)).await.unwrap();
    soon(far.recv(&mut out)).await.unwrap();
    near.send_to(&payload, at(B, 53)).await.unwrap();
    let len = soon(far.recv(&mut out)).await.unwrap();
    assert_eq!(out[..len], payload);
    let error = near.try_send_to(&vec![0; 65_508], at(B, 53)).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(90), "EMSGSIZE");
}

#[tokio::test]
async fn a_connected_socket_hears_its_peer_only_and_its_refusal() {
    let (a, b) = on_runtime(OFFLOADED);
    let near = UdpSocket::bind(&a, at(A, 1000)).unwrap();
    let [peer, stranger] = [53, 54].map(|port| UdpSocket::bind(&b, at(B, port)).unwrap());
    near.connect(at(B, 53)).unwrap();
    assert_eq!(near.peer_addr().unwrap(), at(B, 53));
    stranger.send_to(b"stranger", at(A, 1000)).await.unwrap();
    peer.send_to(b"peer", at(A, 1000)).await.unwrap();
    let mut out = [0; 20];
    assert_eq!(soon(near.recv(&mut out)).await.unwrap(), 4);

    drop(peer);
    near.send(b"anybody?").await.unwrap();
    let error = soon(near.recv(&mut out)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_burst_is_sent_and_received_whole_when_the_reader_keeps_up() {
    let (a, b) = on_runtime(OFFLOADED);
    let near = UdpSocket::bind(&a, at(A, 0)).unwrap();
    let far = UdpSocket::bind(&b, at(B, 53)).unwrap();
    // The first makes the neighbours known.
    near.send_to(b"hello", at(B, 53)).await.unwrap();
    let mut out = [0; 8];
    soon(far.recv(&mut out)).await.unwrap();
    for round in 0..500_u64 {
        for number in 0..20 {
            near.send_to(&(round * 20 + number).to_be_bytes(), at(B, 53)).await.unwrap();
        }
        for number in 0..20 {
            assert_eq!(soon(far.recv(&mut out)).await.unwrap(), 8);
            assert_eq!(u64::from_be_bytes(out), round * 20 + number);
        }
    }
}
