//! Any link, with faults on both of its directions, which can be changed while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time;

use portolan_drivers::segmentation::Segmenter;
use portolan_drivers::{PollLink, Readiness};
use portolan_link::{
    HEAD_MAX, Instant, Link, LinkCaps, LinkError, Offload, PacketBuf, Pool, RxBatch, TxBatch,
};

use super::{Impairer, ImpairerStats, Schedule};

/// How soon, in microseconds, a full inner link is tried again. It wakes the worker itself, but a worker with nothing
/// else to send need not call.
const RETRY_US: u64 = 500;
/// Frames that are moved to or from the inner link at a time.
const BATCH: usize = 64;

/// A link whose wire has faults, one [`Impairer`] per direction.
///
/// A direction without faults hands frames on as they are. With faults the stack above may go on sending super-segments and partial checksums: frames are cut and finished here, and
/// what is delivered are single packets whose checksums the stack must verify. After [`Link::handle_timeout`] a
/// worker calls [`Link::receive`], because frames come due without the inner link telling.
#[derive(Debug)]
pub struct ShapedLink<L> {
    inner: L,
    outbound: Direction,
    inbound: Direction,
    /// Frames that have crossed the wire outward and wait for the inner link.
    departing: TxBatch,
    /// Frames taken from the inner link; empty between calls.
    arrived: RxBatch,
    pool: Pool,
    retry_at: Option<Instant>,
    handle: ShapeHandle,
    /// The version of the handle's wishes that is in force.
    version: u64,
}

/// Changes what a [`ShapedLink`] does, from any thread. Clones are the same handle.
#[derive(Clone, Debug)]
pub struct ShapeHandle {
    desk: Arc<Desk>,
    /// Up and down are those of the host at the other end.
    is_mirrored: bool,
}

#[derive(Debug)]
struct Desk {
    /// Grows with every wish, so that the link need not take the lock to see that there is none.
    version: AtomicU64,
    wishes: Mutex<[Wish; 2]>,
}

/// What one direction is to do, and since when.
#[derive(Clone, Debug)]
struct Wish {
    schedule: Schedule,
    since: time::Instant,
    version: u64,
}

impl ShapeHandle {
    fn new(schedules: [Schedule; 2]) -> ShapeHandle {
        let wishes = schedules.map(|schedule| Wish { schedule, since: time::Instant::now(), version: 0 });
        let desk = Desk { version: AtomicU64::new(0), wishes: Mutex::new(wishes) };
        ShapeHandle { desk: Arc::new(desk), is_mirrored: false }
    }

    /// The same, for which up is what the host at the other end sends.
    pub fn mirrored(self) -> ShapeHandle {
        ShapeHandle { is_mirrored: !self.is_mirrored, ..self }
    }

    fn in_order<T>(&self, [up, down]: [T; 2]) -> [T; 2] {
        if self.is_mirrored { [down, up] } else { [up, down] }
    }

    /// Changes what is sent (`up`), what is received, or both, from the next packet on; `None` leaves a direction as it
    /// is. Packets on their way are not touched. A schedule's time counts from now.
    pub fn set(&self, up: Option<Schedule>, down: Option<Schedule>) {
        let mut wishes = self.wishes();
        let version = self.desk.version.load(Ordering::Relaxed) + 1;
        for (wish, schedule) in wishes.iter_mut().zip(self.in_order([up, down])) {
            if let Some(schedule) = schedule {
                *wish = Wish { schedule, since: time::Instant::now(), version };
            }
        }
        self.desk.version.store(version, Ordering::Release);
    }

    /// What is sent and what is received, as it was set.
    pub fn shown(&self) -> [Schedule; 2] {
        let [outbound, inbound] = &*self.wishes();
        self.in_order([outbound.schedule.clone(), inbound.schedule.clone()])
    }

    fn wishes(&self) -> MutexGuard<'_, [Wish; 2]> {
        self.desk.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Direction {
    impairer: Impairer,
    segmenter: Segmenter,
    /// Frames dropped because what they say of themselves is not true.
    unusable: u64,
}

impl Direction {
    fn new(schedule: Schedule, seed: u64, caps: &LinkCaps) -> Direction {
        Direction {
            impairer: Impairer::new(schedule, seed).over(caps.medium),
            segmenter: Segmenter::new(caps.medium),
            unusable: 0,
        }
    }

    fn push<'a>(&mut self, now: Instant, offload: &Offload, parts: impl IntoIterator<Item = &'a [u8]>) {
        let impairer = &mut self.impairer;
        if self.segmenter.cut(offload, parts, |packet| impairer.push(now, packet)).is_err() {
            self.unusable += 1;
        }
    }
}

impl<L: Link> ShapedLink<L> {
    /// Puts `outbound` on what the stack sends over `inner` and `inbound` on what it receives. Random draws follow
    /// from `seed`, differently for each direction. Schedules count from [`Instant::ZERO`].
    pub fn new(
        inner: L,
        outbound: impl Into<Schedule>,
        inbound: impl Into<Schedule>,
        seed: u64,
    ) -> ShapedLink<L> {
        let caps = inner.caps();
        let (outbound, inbound) = (outbound.into(), inbound.into());
        let handle = ShapeHandle::new([outbound.clone(), inbound.clone()]);
        ShapedLink {
            inner,
            outbound: Direction::new(outbound, seed, &caps),
            inbound: Direction::new(inbound, !seed, &caps),
            departing: TxBatch::new(BATCH),
            arrived: RxBatch::new(BATCH),
            pool: Pool::new(),
            retry_at: None,
            handle,
            version: 0,
        }
    }

    /// What changes the faults while the link runs.
    pub fn handle(&self) -> ShapeHandle {
        self.handle.clone()
    }

    /// Takes over what the handle was told since the last look.
    fn heed(&mut self, now: Instant) {
        let version = self.handle.desk.version.load(Ordering::Acquire);
        if version == self.version {
            return;
        }
        let wishes = self.handle.wishes().clone();
        for (direction, wish) in [&mut self.outbound, &mut self.inbound].into_iter().zip(wishes) {
            if wish.version > self.version {
                let origin = now.since(Instant::ZERO).saturating_sub(wish.since.elapsed());
                direction.impairer.set_schedule(Instant::ZERO + origin, wish.schedule);
            }
        }
        self.version = version;
    }

    /// The link within.
    pub fn inner(&self) -> &L {
        &self.inner
    }

    /// What was done to packets: outbound, then inbound.
    pub fn stats(&self) -> [ImpairerStats; 2] {
        [self.outbound.impairer.stats(), self.inbound.impairer.stats()]
    }

    /// Frames dropped before the wire, outbound and inbound, because their offloads contradict their headers.
    pub fn unusable(&self) -> [u64; 2] {
        [self.outbound.unusable, self.inbound.unusable]
    }

    /// Hands the packets that have crossed the wire to the inner link, as far as it takes them.
    fn depart(&mut self, now: Instant) -> Result<(), LinkError> {
        self.retry_at = None;
        loop {
            while !self.departing.is_full()
                && let Some(packet) = self.outbound.impairer.poll(now)
            {
                let packet = self.load(packet);
                self.outbound.impairer.recycle(packet);
            }
            if self.departing.is_empty() {
                return Ok(());
            }
            self.inner.transmit(now, &mut self.departing)?;
            if !self.departing.is_empty() {
                self.retry_at = Some(now.plus_micros(RETRY_US));
                return Ok(());
            }
        }
    }

    /// Appends one packet to the frames that depart; returns its memory.
    fn load(&mut self, packet: Vec<u8>) -> Vec<u8> {
        let head_len = packet.len().min(HEAD_MAX);
        if let (Some(entry), Some((head, text))) = (self.departing.push(), packet.split_at_checked(head_len))
        {
            entry.set_head_len(head_len).copy_from_slice(head);
            entry.text.push(self.pool.copy(text));
        }
        packet
    }

    /// Takes what the inner link has and puts it on the wire inward.
    fn arrive(&mut self, now: Instant, pool: &mut Pool) -> Result<(), LinkError> {
        loop {
            let count = self.inner.receive(now, pool, &mut self.arrived)?;
            for packet in self.arrived.drain() {
                self.inbound.push(now, &packet.offload, [packet.bytes(), packet.tail()]);
                packet.recycle(pool);
            }
            if count < BATCH {
                return Ok(());
            }
        }
    }
}

impl<L: Link> Link for ShapedLink<L> {
    fn caps(&self) -> LinkCaps {
        self.inner.caps()
    }

    fn receive(&mut self, now: Instant, pool: &mut Pool, batch: &mut RxBatch) -> Result<usize, LinkError> {
        self.heed(now);
        if self.inbound.impairer.is_idle() {
            return self.inner.receive(now, pool, batch);
        }
        let error = self.arrive(now, pool).err();
        let mut count = 0;
        while !batch.is_full()
            && let Some(packet) = self.inbound.impairer.poll(now)
        {
            // It was checked that the batch is not full.
            let _ = batch.push(PacketBuf::copy(pool, &packet));
            self.inbound.impairer.recycle(packet);
            count += 1;
        }
        match error {
            // What is still on the wire arrives before the end does.
            Some(error) if count == 0 && self.inbound.impairer.held() == 0 => Err(error),
            _ => Ok(count),
        }
    }

    fn transmit(&mut self, now: Instant, batch: &mut TxBatch) -> Result<usize, LinkError> {
        self.heed(now);
        if self.outbound.impairer.is_idle() && self.departing.is_empty() {
            return self.inner.transmit(now, batch);
        }
        let mut count = 0;
        while let Some(entry) = batch.front() {
            self.outbound.push(now, &entry.offload, entry.slices());
            batch.advance(1);
            count += 1;
        }
        self.depart(now)?;
        Ok(count)
    }

    fn next_deadline(&self) -> Option<Instant> {
        let departure =
            if self.departing.is_empty() { self.outbound.impairer.next_deadline() } else { self.retry_at };
        let deadlines = [self.inner.next_deadline(), departure, self.inbound.impairer.next_deadline()];
        deadlines.into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.inner.handle_timeout(now);
        // A broken inner link says so again when it is used.
        let _ = self.depart(now);
    }
}

impl<L: PollLink> PollLink for ShapedLink<L> {
    fn readiness(&self) -> Readiness<'_> {
        self.inner.readiness()
    }
}

#[cfg(test)]
mod tests;
