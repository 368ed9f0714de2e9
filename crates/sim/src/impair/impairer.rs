//! The faults of one direction of a wire, done to packets.

use std::collections::BinaryHeap;

use chacha20::ChaCha8Rng;
use portolan_link::Instant;
use rand_core::{Rng, SeedableRng};

use super::{Impairment, Percent};

/// Spare packet memory that is kept.
const SPARES_MAX: usize = 64;

/// Does to packets what an [`Impairment`] says. Equal descriptions, seeds and calls give equal results.
///
/// In the order of netem: a packet is duplicated or lost, then corrupted, then queued for the rate and delayed,
/// unless it is one of those that reordering sends on at once.
#[derive(Debug)]
pub struct Impairer {
    impairment: Impairment,
    random: ChaCha8Rng,
    held: BinaryHeap<Held>,
    /// When the last packet that was accepted has left the rate's bottleneck.
    bottleneck_free: Instant,
    next_order: u64,
    spares: Vec<Vec<u8>>,
    stats: ImpairerStats,
}

/// What an [`Impairer`] has done so far, in packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ImpairerStats {
    /// Handed in.
    pub pushed: u64,
    /// Handed out.
    pub delivered: u64,
    /// Lost on purpose.
    pub lost: u64,
    /// Dropped because `limit` packets were held.
    pub overflowed: u64,
    /// Copies made.
    pub duplicated: u64,
    /// Packets that skipped the delay.
    pub reordered: u64,
    /// Packets with a flipped bit.
    pub corrupted: u64,
}

/// A packet on its way. The greatest is the one that is due first.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    at: Instant,
    order: u64,
    packet: Vec<u8>,
}

impl Ord for Held {
    fn cmp(&self, other: &Held) -> std::cmp::Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Held) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Impairer {
    /// An impairer whose random draws follow from `seed`.
    pub fn new(impairment: Impairment, seed: u64) -> Impairer {
        Impairer {
            impairment,
            random: ChaCha8Rng::seed_from_u64(seed),
            held: BinaryHeap::new(),
            bottleneck_free: Instant::ZERO,
            next_order: 0,
            spares: Vec::new(),
            stats: ImpairerStats::default(),
        }
    }

    /// What is done to packets.
    pub fn impairment(&self) -> Impairment {
        self.impairment
    }

    /// Changes what is done to the packets that are pushed from now on.
    pub fn set_impairment(&mut self, impairment: Impairment) {
        self.impairment = impairment;
    }

    /// What was done so far.
    pub fn stats(&self) -> ImpairerStats {
        self.stats
    }

    /// Packets on their way.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Takes a packet that enters the wire at `now`: at most the MTU, checksums finished.
    pub fn push(&mut self, now: Instant, packet: &[u8]) {
        self.stats.pushed += 1;
        let mut copies = 1;
        if self.happens(self.impairment.duplicate) {
            self.stats.duplicated += 1;
            copies += 1;
        }
        if self.happens(self.impairment.loss) {
            self.stats.lost += 1;
            copies -= 1;
        }
        for _ in 0..copies {
            self.hold(now, packet);
        }
    }

    /// A packet that has reached the other end by `now`, in order of arrival. Its memory may be handed back with
    /// [`Impairer::recycle`].
    pub fn poll(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.held.peek()?.at > now {
            return None;
        }
        self.stats.delivered += 1;
        self.held.pop().map(|held| held.packet)
    }

    /// When [`Impairer::poll`] has a packet to give.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.held.peek().map(|held| held.at)
    }

    /// Takes back the memory of a packet, to be used again.
    pub fn recycle(&mut self, packet: Vec<u8>) {
        if self.spares.len() < SPARES_MAX {
            self.spares.push(packet);
        }
    }

    fn hold(&mut self, now: Instant, packet: &[u8]) {
        if self.held.len() >= self.impairment.limit as usize {
            self.stats.overflowed += 1;
            return;
        }
        let mut copy = self.spares.pop().unwrap_or_default();
        copy.clear();
        copy.extend_from_slice(packet);
        if self.happens(self.impairment.corrupt) {
            self.flip_a_bit(&mut copy);
        }
        let at = if self.happens(self.impairment.reorder) {
            self.stats.reordered += 1;
            now
        } else {
            self.leaves_bottleneck(now, packet.len()) + std::time::Duration::from_micros(self.draw_delay_us())
        };
        let order = self.next_order;
        self.next_order += 1;
        self.held.push(Held { at, order, packet: copy });
    }

    fn flip_a_bit(&mut self, packet: &mut [u8]) {
        let Some(index) = self.below(packet.len() as u64) else { return };
        let bit = self.random.next_u32() % 8;
        if let Some(octet) = usize::try_from(index).ok().and_then(|index| packet.get_mut(index)) {
            *octet ^= 1 << bit;
            self.stats.corrupted += 1;
        }
    }

    /// When a packet of `len` octets that is queued at `now` has been put on the wire.
    fn leaves_bottleneck(&mut self, now: Instant, len: usize) -> Instant {
        let Some(rate) = self.impairment.rate else { return now };
        let nanos = (len as u128 * 8 * 1_000_000_000).div_ceil(u128::from(rate.max(1)));
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        self.bottleneck_free = self.bottleneck_free.max(now) + std::time::Duration::from_nanos(nanos);
        self.bottleneck_free
    }

    fn draw_delay_us(&mut self) -> u64 {
        let Impairment { delay_us, jitter_us, .. } = self.impairment;
        let drawn = self.below(jitter_us.saturating_mul(2).saturating_add(1)).unwrap_or(0);
        (delay_us + drawn).saturating_sub(jitter_us)
    }

    /// A draw from 0 to `bound` - 1; `None` for a bound of 0. The bias, below 2^-30 for what is drawn here, is of no
    /// account.
    fn below(&mut self, bound: u64) -> Option<u64> {
        if bound <= 1 {
            return bound.checked_sub(1);
        }
        let scaled = u128::from(self.random.next_u64()) * u128::from(bound);
        u64::try_from(scaled >> 64).ok()
    }

    /// Draws whether something that has this share happens. What cannot happen draws nothing.
    fn happens(&mut self, share: Percent) -> bool {
        !share.is_zero() && self.random.next_u32() <= share.parts()
    }
}

#[cfg(test)]
mod tests;
