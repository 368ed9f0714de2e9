//! Carries frames between two TAPs over a wire with faults, so that two kernels meet on the wire that ours meets one on.

use std::os::fd::OwnedFd;
use std::thread::{self, JoinHandle};
use std::time::Instant as Clock;

use portolan_drivers::{PollLink, Readiness, Tap};
use portolan_link::{HEAD_MAX, Instant, Link, PacketBuf, Pool, RxBatch, TxBatch};
use portolan_sim::impair::ShapedLink;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Frames moved at a time.
const BATCH: usize = 64;

/// A running bridge; it ends when it is dropped.
pub(crate) struct Bridge {
    stop: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Bridge {
    /// Carries frames between `near` and the far end of `wire`.
    pub(crate) fn start(near: Tap, wire: ShapedLink<Tap>) -> Result<Bridge, String> {
        let (stopped, stop) = rustix::pipe::pipe().map_err(|error| format!("pipe: {error}"))?;
        let thread = thread::Builder::new()
            .name("bridge".to_owned())
            .spawn(move || carry(near, wire, &stopped))
            .map_err(|error| format!("a thread: {error}"))?;
        Ok(Bridge { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn carry(mut near: Tap, mut wire: ShapedLink<Tap>, stopped: &OwnedFd) {
    let clock = Clock::now();
    let mut pool = Pool::new();
    let mut frames = RxBatch::new(BATCH);
    let (mut outward, mut inward) = (TxBatch::new(BATCH), TxBatch::new(BATCH));
    loop {
        let micros = u64::try_from(clock.elapsed().as_micros()).unwrap_or(u64::MAX);
        let now = Instant::from_micros(micros);
        wire.handle_timeout(now);
        let out = move_frames(now, &mut near, &mut wire, &mut pool, &mut frames, &mut outward);
        let back = move_frames(now, &mut wire, &mut near, &mut pool, &mut frames, &mut inward);
        if out || back {
            continue;
        }
        let wait_us = wire.next_deadline().map_or(100_000, |at| at.micros_since(now).min(100_000));
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::try_from(wait_us * 1_000).unwrap_or(0) };
        let Readiness::Fd(far) = wire.readiness() else { return };
        let Readiness::Fd(close) = near.readiness() else { return };
        let mut fds = [
            PollFd::from_borrowed_fd(close, PollFlags::IN),
            PollFd::from_borrowed_fd(far, PollFlags::IN),
            PollFd::new(stopped, PollFlags::IN),
        ];
        let _ = poll(&mut fds, Some(&timeout));
        if !fds[2].revents().is_empty() {
            return;
        }
    }
}

/// Moves what has arrived on one link to the other; whether there was anything.
fn move_frames(
    now: Instant,
    from: &mut impl Link,
    to: &mut impl Link,
    pool: &mut Pool,
    frames: &mut RxBatch,
    out: &mut TxBatch,
) -> bool {
    let moved = out.is_empty() && from.receive(now, pool, frames).is_ok_and(|count| count > 0);
    for packet in frames.drain() {
        load(&packet, pool, out);
        packet.recycle(pool);
    }
    // What a full device leaves is offered again.
    let _ = to.transmit(now, out);
    moved
}

fn load(packet: &PacketBuf, pool: &mut Pool, out: &mut TxBatch) {
    let bytes = packet.bytes();
    let Some((head, rest)) = bytes.split_at_checked(bytes.len().min(HEAD_MAX)) else { return };
    let Some(entry) = out.push() else { return };
    entry.set_head_len(head.len()).copy_from_slice(head);
    for part in [rest, packet.tail()] {
        if !part.is_empty() {
            entry.text.push(pool.copy(part));
        }
    }
}
