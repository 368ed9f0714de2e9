//! The data path allocates nothing in steady state: drivers, worker, stack and sockets together.

mod common;

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use common::{B, OFFLOADED, PLAIN, at, on_runtime, soon};
use portolan::{TcpListener, TcpStream};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const BLOCK: usize = 1 << 20;

/// One test only: the counters are the process's.
#[tokio::test]
async fn a_stream_in_steady_state_allocates_nothing() {
    for (caps, frames) in [(OFFLOADED, 256), (PLAIN, 11_000)] {
        let (a, b) = on_runtime(caps);
        let listener = TcpListener::bind(&b, at(B, 7)).unwrap();
        let (near, far) =
            soon(async { tokio::join!(TcpStream::connect(&a, at(B, 7)), listener.accept()) }).await;
        let (mut near, mut far) = (near.unwrap(), far.unwrap().0);
        let block = vec![1; BLOCK];
        let mut out = vec![0; BLOCK];
        let mut transfer = async |rounds| {
            for _ in 0..rounds {
                soon(async { tokio::join!(near.write_all(&block), far.read_exact(&mut out)) })
                    .await
                    .1
                    .unwrap();
            }
        };
        // Windows open and pools fill.
        soon(transfer(32)).await;
        let region = Region::new(ALLOCATOR);
        soon(transfer(16)).await;
        let allocations = region.change().allocations;
        // Some for each MiB are the wire's, which hands lists of buffers back; none are for each frame.
        assert!(allocations < 60, "{allocations} allocations in 16 MiB, which are about {frames} frames");
        a.shutdown();
        b.shutdown();
    }
}
