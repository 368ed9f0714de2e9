//! Links with timers of their own: a wire with delay and faults under a real worker.

use std::time::{Duration, Instant};

use portolan::{Host, TcpListener, TcpStream, Worker};
use portolan_drivers::wire;
use portolan_sim::impair::{Impairment, ShapedLink};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::{B, OFFLOADED, at, check, describe_one, pattern, soon};

/// Two hosts; what `a` sends and receives crosses a wire with these faults.
fn shaped(faults: &str) -> [(Host, Worker); 2] {
    let (left, right) = wire::pair(OFFLOADED, OFFLOADED);
    let faults: Impairment = faults.parse().unwrap();
    let left = ShapedLink::new(left, faults, faults, 1);
    [describe_one(1, left).build().unwrap(), describe_one(2, right).build().unwrap()]
}

/// Text there and back; returns the shortest of five round trips.
async fn there_and_back(a: &Host, b: &Host, octets: usize) -> Duration {
    let listener = TcpListener::bind(b, at(B, 7)).unwrap();
    let echo = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (mut from, mut to) = stream.into_split();
        tokio::io::copy(&mut from, &mut to).await.unwrap();
    });
    let mut stream = soon(TcpStream::connect(a, at(B, 7))).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut shortest = Duration::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        stream.write_all(b"x").await.unwrap();
        soon(stream.read_exact(&mut [0])).await.unwrap();
        shortest = shortest.min(start.elapsed());
    }
    let (mut from, mut to) = stream.into_split();
    let sending = tokio::spawn(async move {
        let mut text = vec![0; octets];
        pattern(6, 0, &mut text);
        to.write_all(&text).await.unwrap();
    });
    let mut text = Vec::new();
    soon(from.read_to_end(&mut text)).await.unwrap();
    assert_eq!(text.len(), octets);
    check(6, 0, &text);
    sending.await.unwrap();
    echo.await.unwrap();
    shortest
}

#[tokio::test]
async fn delay_is_kept_by_a_worker_that_is_a_task() {
    let [(a, worker_a), (b, worker_b)] = shaped("delay 20ms");
    tokio::spawn(worker_a.run());
    tokio::spawn(worker_b.run());
    let shortest = there_and_back(&a, &b, 1 << 20).await;
    assert!((Duration::from_millis(40)..Duration::from_millis(80)).contains(&shortest), "{shortest:?}");
}

#[tokio::test]
async fn delay_is_kept_by_a_worker_on_a_thread() {
    let [(a, worker_a), (b, worker_b)] = shaped("delay 5ms");
    worker_a.spawn_thread();
    worker_b.spawn_thread();
    let shortest = there_and_back(&a, &b, 1 << 20).await;
    assert!((Duration::from_millis(10)..Duration::from_millis(40)).contains(&shortest), "{shortest:?}");
    a.shutdown();
    b.shutdown();
}

#[tokio::test]
async fn faults_lose_no_text() {
    let [(a, worker_a), (b, worker_b)] = shaped("delay 2ms loss 2% reorder 5% duplicate 1% corrupt 0.5%");
    tokio::spawn(worker_a.run());
    tokio::spawn(worker_b.run());
    there_and_back(&a, &b, 1 << 20).await;
}
