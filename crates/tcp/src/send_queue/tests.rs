use std::vec::Vec;

use portolan_link::{Chunk, Chunks, Pool, SLICES_MAX};
use portolan_wire::SeqNumber;

use super::SendQueue;
use crate::testing::stream;

const START: SeqNumber = SeqNumber(u32::MAX - 1000);

fn queue() -> (SendQueue, Pool) {
    let mut queue = SendQueue::default();
    queue.begin(START);
    (queue, Pool::new())
}

fn collect(queue: &mut SendQueue, pool: &mut Pool, at: u32, len: u32) -> Vec<u8> {
    let mut chunks = Chunks::new();
    let got = queue.collect(pool, START + at, len, &mut chunks);
    assert_eq!(got as usize, chunks.len());
    let mut text = std::vec![0; chunks.len()];
    chunks.copy_to(&mut text);
    text
}

#[test]
fn any_run_is_found_again() {
    let (mut queue, mut pool) = queue();
    let mut written = 0;
    for len in [10, 3000, 1, 20_000, 300, 70_000, 5] {
        queue.append(&mut pool, &stream(written, len));
        written += len as u64;
        queue.check().unwrap();
    }
    for (at, len) in [(0, 10), (5, 4000), (3009, 5), (20_000, 60_000), (92_500, 500)] {
        assert_eq!(collect(&mut queue, &mut pool, at, len as u32), stream(u64::from(at), len));
    }
    assert_eq!(collect(&mut queue, &mut pool, 93_310, 100).len(), 6, "no more than there is");
}

#[test]
fn acknowledged_text_is_forgotten() {
    let (mut queue, mut pool) = queue();
    queue.append(&mut pool, &stream(0, 5000));
    queue.append_chunk(&mut pool, Chunk::from(stream(5000, 1000)));
    queue.acknowledge(&mut pool, START + 2500);
    queue.check().unwrap();
    assert_eq!(queue.len(), 3500);
    assert_eq!(collect(&mut queue, &mut pool, 2500, 3500), stream(2500, 3500));
    queue.acknowledge(&mut pool, START + 6000);
    queue.check().unwrap();
    assert!(queue.is_empty());
}

#[test]
fn small_writes_share_a_buffer_also_after_being_sent() {
    let (mut queue, mut pool) = queue();
    for at in 0..500 {
        queue.append(&mut pool, &stream(at, 1));
        collect(&mut queue, &mut pool, at as u32, 1);
    }
    assert!(queue.pieces.is_empty(), "all is in the open buffer");
    assert!(pool.stats().allocated < 20, "{:?}", pool.stats());
    assert_eq!(collect(&mut queue, &mut pool, 0, 500), stream(0, 500));
}

#[test]
fn a_large_chunk_is_shared_and_a_tiny_one_copied() {
    let (mut queue, mut pool) = queue();
    queue.append_chunk(&mut pool, Chunk::from(stream(0, 40_000)));
    assert_eq!(pool.stats().taken, 0);
    queue.append_chunk(&mut pool, Chunk::from(stream(40_000, 100)));
    assert_eq!(pool.stats().taken, 1);
    assert_eq!(collect(&mut queue, &mut pool, 39_990, 110), stream(39_990, 110));
}

#[test]
fn no_more_chunks_than_one_frame_takes() {
    let (mut queue, mut pool) = queue();
    for at in 0..200 {
        queue.append_chunk(&mut pool, Chunk::from(stream(at * 300, 300)));
    }
    let mut chunks = Chunks::new();
    assert_eq!(queue.collect(&mut pool, START, 60_000, &mut chunks) as usize, SLICES_MAX * 300);
    assert_eq!(chunks.count(), SLICES_MAX);
}

#[test]
fn steady_traffic_allocates_nothing() {
    let (mut queue, mut pool) = queue();
    let mut seq = START;
    let mut allocated = 0;
    for round in 0..2_000_u64 {
        queue.append(&mut pool, &stream(round * 8000, 8000));
        let mut chunks = Chunks::new();
        assert_eq!(queue.collect(&mut pool, seq, 8000, &mut chunks), 8000);
        drop(chunks);
        seq += 8000;
        queue.acknowledge(&mut pool, seq);
        if round == 100 {
            allocated = pool.stats().allocated;
        }
    }
    assert_eq!(pool.stats().allocated, allocated);
}

#[test]
fn short_chunks_between_short_writes_pin_no_buffer_each() {
    let (mut queue, mut pool) = queue();
    let mut written = 0;
    for _ in 0..500 {
        queue.append(&mut pool, &stream(written, 1));
        queue.append_chunk(&mut pool, Chunk::from(stream(written + 1, 300)));
        written += 301;
    }
    queue.check().unwrap();
    assert!(pool.stats().allocated * 2048 <= written + 2048, "{:?}", pool.stats());
    assert_eq!(collect(&mut queue, &mut pool, 0, 10_000), stream(0, 10_000));
}

#[test]
fn records_end_where_they_were_marked() {
    let (mut queue, mut pool) = queue();
    for len in [10, 1, 3000] {
        queue.append(&mut pool, &stream(u64::from(queue.len()), len));
        queue.end_unit(0, true);
        queue.end_unit(0, true);
    }
    queue.append(&mut pool, &stream(3011, 100));
    assert_eq!(queue.records(), 3, "each once");
    let ends = [0, 9, 10, 11, 3010, 3011].map(|at| queue.record_end(START + at));
    let [a, b, c] = [10, 11, 3011].map(|at| Some(START + at));
    assert_eq!(ends, [a, a, b, c, c, None]);
    assert!(queue.ends_record(START + 11) && !queue.ends_record(START + 12));
    queue.acknowledge(&mut pool, START + 11);
    queue.check().unwrap();
    assert_eq!((queue.records(), queue.record_end(START + 11)), (1, c));
}
