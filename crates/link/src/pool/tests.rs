use super::*;

#[test]
fn the_smallest_class_that_fits_is_chosen() {
    let mut pool = Pool::new();
    assert_eq!(pool.take(1).footprint(), 2 * 1024);
    assert_eq!(pool.take(2 * 1024 + 1).footprint(), 16 * 1024);
    assert_eq!(pool.take(65_550).footprint(), 66 * 1024);
    assert_eq!(pool.take(100_000).footprint(), 100_000);
}

#[test]
fn a_frozen_buffer_is_reused_once_the_last_chunk_is_gone() {
    let mut pool = Pool::new();
    let chunk = pool.copy(b"text");
    let clone = chunk.clone();
    drop(chunk);
    let other = pool.copy(b"more");
    assert_eq!(pool.stats().allocated, 2, "the first buffer is still shared");
    assert_eq!(clone.as_slice(), b"text");
    drop((clone, other));
    let _third = pool.copy(b"again");
    assert_eq!(pool.stats(), PoolStats { taken: 3, allocated: 2 });
}

#[test]
fn a_buffer_given_back_is_reused() {
    let mut pool = Pool::new();
    let buffer = pool.take(100);
    pool.give(buffer);
    let again = pool.take(100);
    assert!(again.is_empty());
    assert_eq!(pool.stats().allocated, 1);
}

#[test]
fn what_the_pool_keeps_is_bounded() {
    let mut pool = Pool::new();
    let max = KEPT_OCTETS / CLASSES[2];
    let lent: Vec<_> = (0..max + 50).map(|_| pool.copy(&[0; 60_000])).collect();
    assert_eq!(pool.classes[2].lent.len(), max);
    drop(lent);
    pool.trim();
    assert_eq!(pool.classes[2].lent.len(), 0);
}

#[test]
fn filling_stops_at_the_end_of_the_room() {
    let mut pool = Pool::new();
    let mut buffer = pool.take(10);
    assert_eq!(buffer.append(&[7; 3000]), 2048);
    assert_eq!(buffer.append(&[7; 1]), 0);
    buffer.extend_filled(9);
    assert_eq!(buffer.len(), 2048);
    buffer.consume(2000);
    buffer.truncate(40);
    assert_eq!(buffer.as_slice(), &[7; 40]);
    buffer.consume(1000);
    assert!(buffer.is_empty());
}
