//! Text through connections.

use std::io::ErrorKind;
use std::net::Shutdown;

use portolan::{Chunk, Host, TcpListener, TcpStream, TraceEvent, Tracer};
use portolan_link::LinkCaps;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::common::{
    A, A6, B, B6, OFFLOADED, PLAIN, at, check, describe, on_runtime, on_threads, pattern, soon,
};

const MIB: u64 = 1024 * 1024;

/// A connection from `a` to port 7 of `b`.
pub(crate) async fn connect(a: &Host, b: &Host) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(b, at(B, 7)).unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(a, at(B, 7)), listener.accept());
    (near.unwrap(), far.unwrap().0)
}

async fn send_pattern(seed: u64, octets: u64, mut to: impl AsyncWrite + Unpin) {
    let (mut offset, mut buffer) = (0, vec![0; 100_000]);
    while offset < octets {
        let len = (octets - offset).min(buffer.len() as u64) as usize;
        pattern(seed, offset, &mut buffer[..len]);
        to.write_all(&buffer[..len]).await.unwrap();
        offset += len as u64;
    }
    to.shutdown().await.unwrap();
}

async fn check_pattern(seed: u64, octets: u64, mut from: impl AsyncRead + Unpin) {
    let (mut offset, mut buffer) = (0, vec![0; 100_000]);
    loop {
        let len = from.read(&mut buffer).await.unwrap();
        if len == 0 {
            break;
        }
        check(seed, offset, &buffer[..len]);
        offset += len as u64;
    }
    assert_eq!(offset, octets);
}

/// `octets` each way at the same time.
async fn both_ways(a: &Host, b: &Host, octets: u64) {
    let (near, far) = connect(a, b).await;
    let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
    let tasks = [
        tokio::spawn(send_pattern(1, octets, near_write)),
        tokio::spawn(check_pattern(1, octets, far_read)),
        tokio::spawn(send_pattern(2, octets, far_write)),
        tokio::spawn(check_pattern(2, octets, near_read)),
    ];
    for task in tasks {
        soon(task).await.unwrap();
    }
}

#[tokio::test]
async fn large_texts_cross_both_ways_in_super_segments() {
    let (a, b) = on_runtime(OFFLOADED);
    both_ways(&a, &b, 64 * MIB).await;
}

#[tokio::test]
async fn large_texts_cross_both_ways_in_plain_segments() {
    let (a, b) = on_runtime(PLAIN);
    both_ways(&a, &b, 64 * MIB).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_texts_cross_between_threads() {
    let (a, b) = on_threads(OFFLOADED);
    both_ways(&a, &b, 64 * MIB).await;
    a.shutdown();
    b.shutdown();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_texts_cross_on_a_runtime_with_threads() {
    let (a, b) = on_runtime(PLAIN);
    both_ways(&a, &b, 16 * MIB).await;
}

#[tokio::test]
async fn an_odd_mtu_makes_no_difference() {
    let (a, b) = on_runtime(LinkCaps { mtu: 1281, ..OFFLOADED });
    both_ways(&a, &b, MIB + 1).await;
}

#[tokio::test]
async fn echo_works_in_both_families() {
    let (a, b) = on_runtime(OFFLOADED);
    for (address, any) in [(B, "0.0.0.0"), (B6, "::")] {
        let listener = TcpListener::bind(&b, at(any, 80)).unwrap();
        let echo = tokio::spawn(async move {
            let (stream, peer) = listener.accept().await.unwrap();
            let (mut from, mut to) = stream.into_split();
            tokio::io::copy(&mut from, &mut to).await.unwrap();
            peer
        });
        let mut stream = soon(TcpStream::connect(&a, at(address, 80))).await.unwrap();
        stream.write_all(b"is anybody there?").await.unwrap();
        let mut answer = [0; 17];
        soon(stream.read_exact(&mut answer)).await.unwrap();
        assert_eq!(&answer, b"is anybody there?");
        assert_eq!(stream.peer_addr().unwrap(), at(address, 80));
        let near = stream.local_addr().unwrap();
        assert_eq!(near.ip(), at(if address == B { A } else { A6 }, 0).ip());
        stream.shutdown().await.unwrap();
        assert_eq!(soon(stream.read(&mut answer)).await.unwrap(), 0);
        assert_eq!(soon(echo).await.unwrap(), near);
    }
}

#[tokio::test]
async fn a_host_talks_to_itself_without_any_link() {
    let (host, worker) = Host::builder().build().unwrap();
    tokio::spawn(worker.run());
    for address in ["127.0.0.1", "::1"] {
        let listener = TcpListener::bind(&host, at(address, 0)).unwrap();
        let target = listener.local_addr().unwrap();
        let (near, far) =
            soon(async { tokio::join!(TcpStream::connect(&host, target), listener.accept()) }).await;
        let (near, far) = (near.unwrap(), far.unwrap().0);
        let sending = tokio::spawn(send_pattern(3, MIB, near));
        soon(check_pattern(3, MIB, far)).await;
        sending.await.unwrap();
    }
}

#[tokio::test]
async fn one_direction_ends_and_the_other_goes_on() {
    let (a, b) = on_runtime(OFFLOADED);
    let (mut near, mut far) = connect(&a, &b).await;
    near.write_all(b"question").await.unwrap();
    near.shutdown().await.unwrap();
    let mut text = Vec::new();
    soon(far.read_to_end(&mut text)).await.unwrap();
    assert_eq!(text, b"question");
    assert_eq!(near.try_write(b"more").unwrap_err().kind(), ErrorKind::BrokenPipe);
    far.write_all(b"a late answer").await.unwrap();
    drop(far);
    let mut text = Vec::new();
    soon(near.read_to_end(&mut text)).await.unwrap();
    assert_eq!(text, b"a late answer");
}

#[tokio::test]
async fn chunks_cross_without_a_copy() {
    let (a, b) = on_runtime(OFFLOADED);
    let (near, far) = connect(&a, &b).await;
    let mut octets = vec![0; 3 * MIB as usize];
    pattern(4, 0, &mut octets);
    let mut chunk = Chunk::from(octets);
    let sending = tokio::spawn(async move {
        near.write_chunk(&mut chunk).await.unwrap();
        assert!(chunk.is_empty());
        near.shutdown_now(Shutdown::Write).unwrap();
        near
    });
    let mut offset = 0;
    while let Some(chunk) = soon(far.read_chunk(50_000)).await.unwrap() {
        assert!((1..=50_000).contains(&chunk.len()));
        check(4, offset, chunk.as_slice());
        offset += chunk.len() as u64;
    }
    assert_eq!(offset, 3 * MIB);
    drop(sending.await.unwrap());
}

#[tokio::test]
async fn peeking_and_trying_take_nothing_away() {
    let (a, b) = on_runtime(OFFLOADED);
    let (near, far) = connect(&a, &b).await;
    let mut out = [0; 8];
    assert_eq!(far.try_read(&mut out).unwrap_err().kind(), ErrorKind::WouldBlock);
    near.try_write(b"abc").unwrap();
    soon(far.readable()).await.unwrap();
    assert_eq!(far.peek(&mut out).await.unwrap(), 3);
    assert_eq!(far.peek(&mut out[..2]).await.unwrap(), 2);
    assert_eq!(far.try_read(&mut out).unwrap(), 3);
    assert_eq!(&out[..3], b"abc");
    assert_eq!(far.try_read(&mut out).unwrap_err().raw_os_error(), Some(11));
}

#[tokio::test]
async fn a_slow_reader_holds_the_writer_back() {
    let (a, b) = on_runtime(OFFLOADED);
    let (near, far) = connect(&a, &b).await;
    let block = vec![0; 1 << 16];
    let mut written = 0;
    let stuck = std::time::Duration::from_millis(300);
    while tokio::time::timeout(stuck, near.writable()).await.is_ok() {
        written += near.try_write(&block).unwrap_or(0);
        assert!(written < 64 << 20, "somebody keeps more than a window and a send buffer");
    }
    // Less than a third of the buffer is free, and that a write still takes, as on Linux.
    let error = loop {
        match near.try_write(&block) {
            Ok(len) => written += len,
            Err(error) => break error,
        }
        assert!(written < 64 << 20, "somebody keeps more than a window and a send buffer");
    };
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    let (mut read, mut out) = (0, vec![0; 1 << 16]);
    while read < written / 2 {
        read += soon(async {
            far.readable().await.unwrap();
            far.try_read(&mut out)
        })
        .await
        .unwrap_or(0);
    }
    soon(near.writable()).await.unwrap();
    assert!(near.try_write(&block).unwrap() > 0);
}

#[tokio::test]
async fn one_task_reads_and_writes_at_a_time() {
    let (a, b) = on_runtime(OFFLOADED);
    let (mut near, mut far) = connect(&a, &b).await;
    let echo = tokio::spawn(async move {
        let (mut from, mut to) = far.split();
        tokio::io::copy(&mut from, &mut to).await.unwrap();
        to.shutdown().await.unwrap();
    });
    let (from, to) = near.split();
    soon(async { tokio::join!(send_pattern(5, MIB, to), check_pattern(5, MIB, from)) }).await;
    soon(echo).await.unwrap();
}

#[tokio::test]
async fn halves_are_joined_again_only_with_each_other() {
    let (a, b) = on_runtime(OFFLOADED);
    let (near, far) = connect(&a, &b).await;
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    let error = near_read.reunite(far_write).unwrap_err();
    let mut near = error.0.reunite(near_write).unwrap();
    let mut far = far_read.reunite(error.1).unwrap();
    near.write_all(b"whole").await.unwrap();
    let mut out = [0; 5];
    soon(far.read_exact(&mut out)).await.unwrap();
    assert_eq!(&out, b"whole");
}

#[tokio::test]
async fn figures_of_a_connection_can_be_read() {
    let (a, b) = on_runtime(OFFLOADED);
    let (mut near, mut far) = connect(&a, &b).await;
    near.write_all(&[1; 5000]).await.unwrap();
    soon(far.read_exact(&mut [0; 5000])).await.unwrap();
    near.set_nodelay(true).unwrap();
    assert_eq!(far.info().unwrap().bytes_received, 5000);
    assert!(near.take_error().unwrap().is_none());
}

/// RFC 4898: who builds a host can listen to its connections.
#[tokio::test]
async fn the_changes_within_connections_are_told_to_a_tracer() {
    struct Rtts(std::sync::mpsc::Sender<(u64, u32)>);
    impl Tracer for Rtts {
        fn event(&mut self, _now: portolan_link::Instant, flow: u64, event: TraceEvent) {
            if let TraceEvent::Rtt { srtt_us, .. } = event {
                let _ = self.0.send((flow, srtt_us));
            }
        }
    }
    let (told, heard) = std::sync::mpsc::channel();
    let (a, b) = describe(PLAIN);
    let ((a, worker_a), (b, worker_b)) = (a.tracer(Rtts(told)).build().unwrap(), b.build().unwrap());
    tokio::spawn(worker_a.run());
    tokio::spawn(worker_b.run());
    let (_near, _far) = soon(connect(&a, &b)).await;
    let (flow, srtt_us) = heard.try_recv().expect("the handshake is measured");
    let known = a.with_stack(|stack, _| stack.flows()[0].trace_id);
    assert!(flow == known && srtt_us > 0);
}
