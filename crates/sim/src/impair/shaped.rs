//! Any link, with faults on both of its directions.

use portolan_drivers::segmentation::Segmenter;
use portolan_drivers::{PollLink, Readiness};
use portolan_link::{
    HEAD_MAX, Instant, Link, LinkCaps, LinkError, Offload, PacketBuf, Pool, RxBatch, TxBatch,
};

use super::{Impairer, ImpairerStats, Impairment};

/// How soon, in microseconds, a full inner link is tried again. It wakes the worker itself, but a worker with nothing
/// else to send need not call.
const RETRY_US: u64 = 500;
/// Frames that are moved to or from the inner link at a time.
const BATCH: usize = 64;

/// A link whose wire has faults, one [`Impairer`] per direction.
///
/// The stack above may go on sending super-segments and partial checksums: frames are cut and finished here, and
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
}

#[derive(Debug)]
struct Direction {
    impairer: Impairer,
    segmenter: Segmenter,
    /// Frames dropped because what they say of themselves is not true.
    unusable: u64,
}

impl Direction {
    fn new(impairment: Impairment, seed: u64, caps: &LinkCaps) -> Direction {
        Direction {
            impairer: Impairer::new(impairment, seed),
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
    /// from `seed`, differently for each direction.
    pub fn new(inner: L, outbound: Impairment, inbound: Impairment, seed: u64) -> ShapedLink<L> {
        let caps = inner.caps();
        ShapedLink {
            inner,
            outbound: Direction::new(outbound, seed, &caps),
            inbound: Direction::new(inbound, !seed, &caps),
            departing: TxBatch::new(BATCH),
            arrived: RxBatch::new(BATCH),
            pool: Pool::new(),
            retry_at: None,
        }
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
