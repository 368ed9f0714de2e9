use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll, Wake, Waker};

use portolan_link::{Checksum, Chunk, Gso, Medium, Offload};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::*;
use crate::fixture::pattern;

const CAPS: LinkCaps = LinkCaps { medium: Medium::Ethernet, mtu: 1500, gso_max: 65_535, checksum: true };
const NOW: Instant = Instant::ZERO;

fn push(batch: &mut TxBatch, head_len: usize, text: &[u8]) {
    let entry = batch.push().unwrap();
    entry.set_head_len(head_len).fill(0xee);
    entry.text.push(Chunk::from(text.to_vec()));
}

fn take(end: &mut WireEnd, pool: &mut Pool, max: usize) -> Vec<PacketBuf> {
    let mut batch = RxBatch::new(max);
    end.receive(NOW, pool, &mut batch).unwrap();
    batch.drain().collect()
}

#[test]
fn frames_cross_in_order_with_their_offloads() {
    let (mut a, mut b) = pair(CAPS, CAPS);
    let mut batch = TxBatch::new(8);
    let offload = Offload {
        checksum: Checksum::Partial { start: 34, offset: 16 },
        gso: Gso::Tcp { size: 1448, ecn: false },
        header_len: 54,
        hash: 7,
    };
    let lens = [0, 1, 1994, 1995, 16_000, 65_000];
    for len in lens {
        push(&mut batch, 54, &pattern(len));
        if len == 65_000 {
            batch.pop_back();
            push(&mut batch, 54, &pattern(len));
        }
    }
    assert_eq!(a.transmit(NOW, &mut batch), Ok(lens.len()));
    assert!(batch.is_empty());

    let last = batch.push().unwrap();
    last.set_head_len(60);
    last.offload = offload;
    a.transmit(NOW, &mut batch).unwrap();

    let mut pool = Pool::new();
    let frames = take(&mut b, &mut pool, 64);
    assert_eq!(frames.len(), lens.len() + 1);
    for (frame, len) in frames.iter().zip(lens) {
        let octets = [frame.bytes(), frame.tail()].concat();
        assert_eq!(octets[..54], [0xee; 54]);
        assert_eq!(octets[54..], pattern(len));
    }
    assert_eq!(frames.last().unwrap().offload, offload);
    assert!(take(&mut b, &mut pool, 64).is_empty());
}

#[test]
fn a_full_queue_is_back_pressure_and_keeps_order() {
    let (mut a, mut b) = pair(CAPS, CAPS);
    let mut batch = TxBatch::new(2 * FRAMES_MAX);
    for number in 0..2 * FRAMES_MAX {
        push(&mut batch, 14, &(number as u32).to_be_bytes());
    }
    assert_eq!(a.transmit(NOW, &mut batch), Ok(FRAMES_MAX));
    assert_eq!(a.transmit(NOW, &mut batch), Ok(0));
    assert!(!a.handle().is_ready());

    let mut pool = Pool::new();
    let mut numbers = Vec::new();
    let mut got = take(&mut b, &mut pool, FRAMES_MAX / 4);
    assert!(!a.handle().is_ready(), "a quarter of the queue is not worth a wake-up");
    got.extend(take(&mut b, &mut pool, FRAMES_MAX));
    assert!(a.handle().is_ready(), "the sender is told of the room");
    assert_eq!(a.transmit(NOW, &mut batch), Ok(FRAMES_MAX));
    got.extend(take(&mut b, &mut pool, FRAMES_MAX));
    for frame in &got {
        numbers.push(u32::from_be_bytes(frame.bytes()[14..18].try_into().unwrap()) as usize);
    }
    assert_eq!(numbers, (0..2 * FRAMES_MAX).collect::<Vec<_>>());
}

#[test]
fn octets_are_bounded_too() {
    let (mut a, _b) = pair(CAPS, CAPS);
    let mut batch = TxBatch::new(FRAMES_MAX);
    let text = pattern(65_000);
    for _ in 0..FRAMES_MAX {
        push(&mut batch, 54, &text);
    }
    let taken = a.transmit(NOW, &mut batch).unwrap();
    assert_eq!(taken, OCTETS_MAX.div_ceil(65_054));
}

#[test]
fn the_other_end_going_is_told_after_what_it_sent() {
    let (mut a, mut b) = pair(CAPS, CAPS);
    let mut batch = TxBatch::new(4);
    push(&mut batch, 14, b"last words");
    a.transmit(NOW, &mut batch).unwrap();
    drop(a);
    let mut pool = Pool::new();
    assert!(b.handle().is_ready());
    assert_eq!(take(&mut b, &mut pool, 4).len(), 1);
    assert_eq!(b.receive(NOW, &mut pool, &mut RxBatch::new(4)), Err(LinkError::Gone));
    push(&mut batch, 14, b"hello?");
    assert_eq!(b.transmit(NOW, &mut batch), Err(LinkError::Gone));
    assert!(batch.is_empty());
}

#[test]
fn buffers_travel_in_a_circle() {
    let (mut a, mut b) = pair(CAPS, CAPS);
    let mut batch = TxBatch::new(32);
    let mut pool = Pool::new();
    let mut allocated = Vec::new();
    for _ in 0..200 {
        for _ in 0..16 {
            push(&mut batch, 54, &[1; 1400]);
            push(&mut batch, 54, &[1; 60_000]);
        }
        a.transmit(NOW, &mut batch).unwrap();
        for frame in take(&mut b, &mut pool, 64) {
            frame.recycle(&mut pool);
        }
        allocated.push(a.pool.stats().allocated + pool.stats().allocated);
    }
    assert_eq!(allocated[20], allocated[199], "a wire in steady state allocates no buffer");
}

struct CountWakes(AtomicUsize);

impl Wake for CountWakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_waker_is_called_once_per_sleep() {
    let (mut a, mut b) = pair(CAPS, CAPS);
    let wakes = Arc::new(CountWakes(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&wakes));
    let mut cx = Context::from_waker(&waker);
    let mut pool = Pool::new();
    let mut batch = TxBatch::new(4);
    for round in 1..=3 {
        assert_eq!(b.handle().poll_ready(&mut cx), Poll::Pending);
        for _ in 0..2 {
            push(&mut batch, 14, b"x");
            a.transmit(NOW, &mut batch).unwrap();
        }
        assert_eq!(wakes.0.load(Ordering::SeqCst), round);
        assert_eq!(b.handle().poll_ready(&mut cx), Poll::Ready(()));
        assert_eq!(take(&mut b, &mut pool, 4).len(), 2);
    }
}

#[test]
fn a_rest_in_the_queue_keeps_the_end_ready() {
    let (mut a, mut b) = pair(CAPS, CAPS);
    let mut batch = TxBatch::new(4);
    for _ in 0..3 {
        push(&mut batch, 14, b"x");
    }
    a.transmit(NOW, &mut batch).unwrap();
    let mut pool = Pool::new();
    assert_eq!(take(&mut b, &mut pool, 2).len(), 2);
    assert!(b.handle().is_ready());
    assert_eq!(take(&mut b, &mut pool, 2).len(), 1);
    assert!(!b.handle().is_ready());
}

fn is_readable(handle: &WireHandle, milliseconds: i64) -> bool {
    let fd = handle.event_fd().unwrap();
    let timeout = Timespec { tv_sec: 0, tv_nsec: milliseconds * 1_000_000 };
    poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&timeout)).unwrap() == 1
}

#[test]
fn the_eventfd_is_readable_while_the_end_is_ready() {
    let (mut a, mut b) = pair(CAPS, CAPS);
    let mut batch = TxBatch::new(4);
    let mut pool = Pool::new();
    // Made late: it must tell of what was there before.
    push(&mut batch, 14, b"x");
    a.transmit(NOW, &mut batch).unwrap();
    assert!(is_readable(b.handle(), 0));
    take(&mut b, &mut pool, 4);
    assert!(!is_readable(b.handle(), 0));
    push(&mut batch, 14, b"x");
    a.transmit(NOW, &mut batch).unwrap();
    assert!(is_readable(b.handle(), 0));
}

#[test]
fn two_threads_lose_and_reorder_nothing() {
    const FRAMES: usize = 100_000;
    let (mut a, mut b) = pair(CAPS, CAPS);
    let sender = std::thread::spawn(move || {
        let mut batch = TxBatch::new(32);
        let mut number = 0_usize;
        while number < FRAMES || !batch.is_empty() {
            while number < FRAMES && !batch.is_full() {
                push(&mut batch, 14, &number.to_be_bytes());
                number += 1;
            }
            a.transmit(NOW, &mut batch).unwrap();
            if !batch.is_empty() {
                assert!(is_readable(a.handle(), 900), "woken when there is room");
                let mut pool = Pool::new();
                assert!(take(&mut a, &mut pool, 1).is_empty());
            }
        }
        a
    });
    let (mut pool, mut next) = (Pool::new(), 0_usize);
    while next < FRAMES {
        assert!(is_readable(b.handle(), 900), "woken when there are frames, at {next}");
        for frame in take(&mut b, &mut pool, 50) {
            assert_eq!(frame.bytes()[14..22], next.to_be_bytes());
            frame.recycle(&mut pool);
            next += 1;
        }
    }
    sender.join().unwrap();
}
