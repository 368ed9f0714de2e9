use super::*;
use crate::{Chunk, Pool};

fn push(batch: &mut TxBatch, mark: u8) {
    let entry = batch.push().expect("room");
    entry.set_head_len(1).copy_from_slice(&[mark]);
    entry.text.push(Chunk::from(alloc::vec![mark; 2]));
}

fn marks(batch: &TxBatch) -> Vec<u8> {
    batch.iter().map(|entry| entry.head()[0]).collect()
}

#[test]
fn a_full_link_leaves_the_rest_in_order() {
    let mut batch = TxBatch::new(3);
    (1..=3).for_each(|mark| push(&mut batch, mark));
    assert!(batch.push().is_none());
    batch.advance(2);
    push(&mut batch, 4);
    push(&mut batch, 5);
    assert_eq!(marks(&batch), [3, 4, 5]);
    assert!(batch.is_full());
    assert_eq!(batch.entries.len(), 3, "entries are used again");
    batch.advance(99);
    assert!(batch.is_empty());
    assert!(batch.front().is_none());
}

#[test]
fn sent_text_is_let_go_at_once() {
    let mut pool = Pool::new();
    let mut batch = TxBatch::new(2);
    batch.push().unwrap().text.push(pool.copy(b"x"));
    batch.advance(1);
    let _other = pool.copy(b"y");
    assert_eq!(pool.stats().allocated, 1);
}

#[test]
fn an_entry_taken_back_leaves_no_trace() {
    let mut batch = TxBatch::new(2);
    push(&mut batch, 1);
    push(&mut batch, 2);
    batch.pop_back();
    assert_eq!(marks(&batch), [1]);
    let entry = batch.push().unwrap();
    assert!(entry.is_empty());
}

#[test]
fn an_entry_reads_as_one_run_of_octets() {
    let mut batch = TxBatch::new(1);
    push(&mut batch, 9);
    let entry = batch.front().unwrap();
    let mut out = [0; 8];
    assert_eq!(entry.copy_to(&mut out), 3);
    assert_eq!(out, [9, 9, 9, 0, 0, 0, 0, 0]);
    assert_eq!(entry.copy_to(&mut out[..2]), 2);
}

#[test]
fn a_full_receive_batch_gives_the_frame_back() {
    let mut pool = Pool::new();
    let mut batch = RxBatch::new(1);
    batch.push(PacketBuf::copy(&mut pool, b"a")).unwrap();
    assert!(batch.push(PacketBuf::copy(&mut pool, b"b")).is_err());
    assert_eq!(batch.drain().count(), 1);
    assert!(!batch.is_full());
}

#[test]
fn a_part_of_a_batch_is_sent_on_its_own() {
    let mut batch = TxBatch::new(4);
    for octet in 0..4 {
        batch.push().unwrap().set_head_len(1).fill(octet);
    }
    batch.advance(1);
    let seen = batch.with_first(2, |batch| {
        let seen: Vec<u8> = batch.iter().map(|entry| entry.head()[0]).collect();
        batch.advance(1);
        seen
    });
    assert_eq!(seen, [1, 2]);
    assert_eq!(batch.iter().map(|entry| entry.head()[0]).collect::<Vec<u8>>(), [2, 3]);
    assert_eq!(batch.with_first(9, |batch| batch.len()), 2);
}
