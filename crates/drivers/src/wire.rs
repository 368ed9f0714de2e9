//! The in-process wire: a cable between two stacks of one process, which may run on two threads.
//!
//! Super-segments and partial checksums cross it as they are, because memory corrupts nothing. Each direction is a
//! bounded queue behind one lock, taken once per batch; frames are copied outside it. Buffers travel in a circle: for
//! every frame that the receiving stack keeps, it sends back an empty buffer from its own pool, so a wire in steady
//! state allocates nothing. Start at [`pair`]; sleeping and waking is `wire/bell.rs`.

mod bell;

use std::collections::VecDeque;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portolan_link::{Instant, Link, LinkCaps, LinkError, PacketBuf, Pool, RxBatch, TxBatch, TxEntry};

use crate::{PollLink, Readiness};
use bell::Bell;

pub use bell::WireHandle;

/// Frames that wait in one direction, at most.
const FRAMES_MAX: usize = 256;
/// Octets that wait in one direction; the frame that reaches this is the last that is taken.
const OCTETS_MAX: usize = 2 * 1024 * 1024;
/// Octets of a frame's first part. A longer frame gets a second one.
const HEAD_ROOM: usize = 2 * 1024;

/// Two ends of a new wire. `caps_a` and `caps_b` are what each end tells its own stack.
pub fn pair(caps_a: LinkCaps, caps_b: LinkCaps) -> (WireEnd, WireEnd) {
    let (a_to_b, b_to_a) = (Arc::new(Lane::default()), Arc::new(Lane::default()));
    let (bell_a, bell_b) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
    let a = WireEnd::new(caps_a, (&a_to_b, &bell_b), (&b_to_a, &bell_a));
    let b = WireEnd::new(caps_b, (&b_to_a, &bell_a), (&a_to_b, &bell_b));
    (a, b)
}

/// One direction of a wire.
#[derive(Debug, Default)]
struct Lane {
    queue: Mutex<Queue>,
    /// Copies of the queue's lengths that can be read without the lock. Only the sender makes them larger.
    frames: AtomicUsize,
    octets: AtomicUsize,
    /// Whether one of the ends is gone.
    is_cut: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<PacketBuf>,
    octets: usize,
    /// Empty buffers on their way back to the sender.
    returned: Vec<PacketBuf>,
    sender_waits: bool,
}

impl Queue {
    fn has_room(&self) -> bool {
        self.frames.len() < FRAMES_MAX && self.octets < OCTETS_MAX
    }

    /// Whether a waiting sender is worth waking: not for every single frame.
    fn is_half_empty(&self) -> bool {
        self.frames.len() <= FRAMES_MAX / 2 && self.octets <= OCTETS_MAX / 2
    }
}

impl Lane {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A queue is whole between any two statements, so a panic elsewhere does not spoil it.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, queue: &Queue) {
        self.frames.store(queue.frames.len(), Ordering::Release);
        self.octets.store(queue.octets, Ordering::Release);
    }
}

/// One end of a wire.
#[derive(Debug)]
pub struct WireEnd {
    caps: LinkCaps,
    outgoing: Arc<Lane>,
    incoming: Arc<Lane>,
    peer: Arc<Bell>,
    handle: WireHandle,
    /// Where outgoing frames are copied into.
    pool: Pool,
    staged: Vec<PacketBuf>,
    /// Empty buffers for the other end, and those that came back from it.
    returns: Vec<PacketBuf>,
    collected: Vec<PacketBuf>,
}

impl WireEnd {
    fn new(caps: LinkCaps, out: (&Arc<Lane>, &Arc<Bell>), incoming: (&Arc<Lane>, &Arc<Bell>)) -> WireEnd {
        WireEnd {
            caps,
            outgoing: Arc::clone(out.0),
            peer: Arc::clone(out.1),
            incoming: Arc::clone(incoming.0),
            handle: WireHandle::new(Arc::clone(incoming.1)),
            pool: Pool::new(),
            staged: Vec::new(),
            returns: Vec::new(),
            collected: Vec::new(),
        }
    }

    /// What to wait on. It can be cloned, and outlives this end.
    pub fn handle(&self) -> &WireHandle {
        &self.handle
    }

    /// Changes what this end tells its stack.
    pub fn set_caps(&mut self, caps: LinkCaps) {
        self.caps = caps;
    }

    /// Copies frames from `batch` as far as the other end has room; returns how many.
    fn stage(&mut self, batch: &mut TxBatch) -> usize {
        let mut frames = self.outgoing.frames.load(Ordering::Acquire);
        let mut octets = self.outgoing.octets.load(Ordering::Acquire);
        let mut count = 0;
        while frames < FRAMES_MAX
            && octets < OCTETS_MAX
            && let Some(entry) = batch.front()
        {
            let packet = copy_entry(&mut self.pool, entry);
            frames += 1;
            octets += packet.len();
            count += 1;
            self.staged.push(packet);
            batch.advance(1);
        }
        count
    }
}

impl Link for WireEnd {
    fn caps(&self) -> LinkCaps {
        self.caps
    }

    fn receive(&mut self, _now: Instant, pool: &mut Pool, batch: &mut RxBatch) -> Result<usize, LinkError> {
        // Silenced before looking, so that whatever comes after the look rings again.
        self.handle.silence();
        let was_cut = self.incoming.is_cut.load(Ordering::Acquire);
        if self.incoming.frames.load(Ordering::Acquire) == 0 {
            return if was_cut { Err(LinkError::Gone) } else { Ok(0) };
        }
        let first = batch.len();
        let mut lens = [0; FRAMES_MAX];
        let mut queue = self.incoming.lock();
        queue.returned.append(&mut self.returns);
        for len in &mut lens {
            if batch.is_full() {
                break;
            }
            let Some(packet) = queue.frames.pop_front() else { break };
            *len = packet.len();
            queue.octets -= packet.len();
            // It was checked that the batch is not full.
            let _ = batch.push(packet);
        }
        let wake_sender = queue.sender_waits && queue.is_half_empty();
        queue.sender_waits &= !wake_sender;
        let is_rest = !queue.frames.is_empty();
        self.incoming.publish(&queue);
        drop(queue);

        if wake_sender {
            self.peer.ring();
        }
        if is_rest {
            self.handle.ring();
        }
        let count = batch.len() - first;
        for &len in lens.iter().take(count) {
            self.returns.push(empty_packet(pool, len));
        }
        Ok(count)
    }

    fn transmit(&mut self, _now: Instant, batch: &mut TxBatch) -> Result<usize, LinkError> {
        if self.outgoing.is_cut.load(Ordering::Acquire) {
            batch.clear();
            return Err(LinkError::Gone);
        }
        let mut total = 0;
        while !batch.is_empty() {
            let count = self.stage(batch);
            total += count;
            let mut queue = self.outgoing.lock();
            for packet in self.staged.drain(..) {
                queue.octets += packet.len();
                queue.frames.push_back(packet);
            }
            // The receiver may have made room since it was measured. Only a queue that is full under the lock is
            // waited for: then the receiver has something to take, and rings when it has.
            queue.sender_waits = !batch.is_empty() && !queue.has_room();
            let is_full = queue.sender_waits;
            self.outgoing.publish(&queue);
            std::mem::swap(&mut queue.returned, &mut self.collected);
            drop(queue);
            if count > 0 {
                self.peer.ring();
            }
            for packet in self.collected.drain(..) {
                packet.recycle(&mut self.pool);
            }
            if is_full {
                break;
            }
        }
        Ok(total)
    }
}

impl PollLink for WireEnd {
    fn readiness(&self) -> Readiness<'_> {
        Readiness::Wakers(&self.handle)
    }
}

impl Drop for WireEnd {
    fn drop(&mut self) {
        self.outgoing.is_cut.store(true, Ordering::Release);
        self.incoming.is_cut.store(true, Ordering::Release);
        self.peer.ring();
    }
}

/// An empty packet with room for a frame of `len` octets.
fn empty_packet(pool: &mut Pool, len: usize) -> PacketBuf {
    match len.checked_sub(HEAD_ROOM) {
        None | Some(0) => PacketBuf::with_room(pool, HEAD_ROOM),
        Some(tail_len) => PacketBuf::in_two_parts(pool, HEAD_ROOM, tail_len),
    }
}

/// A copy of a frame that is to be sent, as the receiver sees it.
fn copy_entry(pool: &mut Pool, entry: &TxEntry) -> PacketBuf {
    let mut packet = empty_packet(pool, entry.len());
    // Writing to a slice fills it from its front and stops at its end.
    let [mut head, mut tail] = packet.room_mut();
    let mut len = 0;
    for slice in entry.slices() {
        let in_head = head.write(slice).unwrap_or(0);
        let rest = slice.get(in_head..).unwrap_or_default();
        len += in_head + tail.write(rest).unwrap_or(0);
    }
    packet.set_filled(pool, len);
    packet.offload = entry.offload;
    packet
}

#[cfg(test)]
mod tests;
