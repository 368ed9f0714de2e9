use portolan_link::{Chunk, Pool};
use portolan_wire::SeqNumber;

use super::ReceiveQueue;
use crate::testing::stream;

fn filled(lens: &[usize]) -> (ReceiveQueue, Pool, usize) {
    let (mut queue, mut pool, mut total) = (ReceiveQueue::default(), Pool::new(), 0);
    for len in lens {
        let chunk = pool.copy(&stream(total as u64, *len));
        queue.push(&mut pool, chunk);
        total += len;
        queue.check(SeqNumber(0)).unwrap();
    }
    (queue, pool, total)
}

#[test]
fn text_is_read_in_order_in_any_pieces() {
    let (mut queue, mut pool, total) = filled(&[1448, 10, 1, 20_000, 3, 1448]);
    let mut read = 0;
    for len in [5, 1448, 7, 100_000] {
        let mut out = std::vec![0; len];
        assert_eq!(queue.peek(&mut out), len.min(total - read));
        let got = queue.read(&mut pool, &mut out);
        assert_eq!(out[..got], stream(read as u64, got));
        read += got;
        queue.check(SeqNumber(0)).unwrap();
    }
    assert_eq!(read, total);
    assert_eq!(queue.ready_charge(), 0);
}

#[test]
fn chunks_are_handed_out_without_copying() {
    let (mut queue, mut pool, _) = filled(&[1448, 100]);
    let taken = pool.stats().taken;
    assert_eq!(queue.read_chunk(&mut pool, 1000).unwrap().as_slice(), stream(0, 1000));
    assert_eq!(queue.read_chunk(&mut pool, 10_000).unwrap().as_slice(), stream(1000, 448));
    assert_eq!(queue.read_chunk(&mut pool, 10_000).unwrap().as_slice(), stream(1448, 100));
    assert!(queue.read_chunk(&mut pool, 1).is_none());
    assert_eq!(pool.stats().taken, taken);
    queue.check(SeqNumber(0)).unwrap();
}

#[test]
fn tiny_texts_are_charged_about_their_length() {
    let (queue, _, total) = filled(&[3; 5000]);
    assert!(queue.ready_charge() <= total + 2048 + 2048, "{} for {total}", queue.ready_charge());
}

#[test]
fn a_chunk_that_pins_much_is_copied() {
    let (mut queue, mut pool) = (ReceiveQueue::default(), Pool::new());
    let big = Chunk::from(stream(0, 60_000));
    queue.push(&mut pool, big.slice(0, 100));
    assert!(queue.ready_charge() < 3000);
}
