//! The faults of one direction of a wire, done to packets.

use std::collections::BinaryHeap;
use std::time::Duration;

use portolan_link::{Instant, Medium};

use super::chance::{Chance, Series};
use super::distribution::Distribution;
use super::loss::Weather;
use super::schedule::Course;
use super::{Impairment, Schedule, Slot, ecn};

/// Spare packet memory that is kept.
const SPARES_MAX: usize = 64;

/// Does to packets what an [`Impairment`] says, or a [`Schedule`] of them. Equal descriptions, seeds and calls give equal
/// results.
///
/// In the order of netem: a packet is duplicated or lost, then corrupted, then queued for the rate and delayed,
/// unless it is one of those that reordering sends on at once.
#[derive(Debug)]
pub struct Impairer {
    impairment: Impairment,
    course: Option<Course>,
    medium: Medium,
    chance: Chance,
    memory: Memory,
    held: BinaryHeap<Held>,
    /// When the last packet that was accepted has left the rate's bottleneck.
    bottleneck_free: Instant,
    turn: Turn,
    next_order: u64,
    spares: Vec<Vec<u8>>,
    stats: ImpairerStats,
}

/// What draws remember of those before them.
#[derive(Clone, Copy, Debug, Default)]
struct Memory {
    delay: Series,
    loss: Series,
    duplicate: Series,
    reorder: Series,
    corrupt: Series,
    weather: Weather,
    /// Packets since the last one that was reordered.
    since_reordered: u32,
}

/// The slot that packets leave in.
#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    /// `None` before the first one.
    opens: Option<Instant>,
    packets: u32,
    octets: u32,
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
    /// Marked in place of being lost.
    pub marked: u64,
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
    /// An impairer of Ethernet frames whose random draws follow from `seed`. A schedule's time counts from
    /// [`Instant::ZERO`].
    pub fn new(schedule: impl Into<Schedule>, seed: u64) -> Impairer {
        let mut impairer = Impairer {
            impairment: Impairment::default(),
            course: None,
            medium: Medium::Ethernet,
            chance: Chance::new(seed),
            memory: Memory::default(),
            held: BinaryHeap::new(),
            bottleneck_free: Instant::ZERO,
            turn: Turn::default(),
            next_order: 0,
            spares: Vec::new(),
            stats: ImpairerStats::default(),
        };
        impairer.set_schedule(Instant::ZERO, schedule.into());
        impairer
    }

    /// The same for what another medium carries.
    pub fn over(self, medium: Medium) -> Impairer {
        Impairer { medium, ..self }
    }

    /// What is done to packets now.
    pub fn impairment(&self) -> Impairment {
        self.impairment
    }

    /// Whether packets pass as they are, now and later, and none is on its way.
    pub fn is_idle(&self) -> bool {
        self.impairment.is_none() && self.course.is_none() && self.held.is_empty()
    }

    /// Changes what is done to the packets that are pushed from now on.
    pub fn set_impairment(&mut self, impairment: Impairment) {
        self.impairment = impairment;
        self.course = None;
        self.turn = Turn::default();
    }

    /// The same for a schedule whose time counts from `origin`.
    pub fn set_schedule(&mut self, origin: Instant, schedule: Schedule) {
        self.set_impairment(schedule.first());
        self.course = Some(Course::new(schedule, origin)).filter(Course::goes_on);
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
        self.keep_course(now);
        self.stats.pushed += 1;
        let Impairment { duplicate, duplicate_correlation, .. } = self.impairment;
        let mut copies = 1;
        if self.memory.duplicate.happens(&mut self.chance, duplicate, duplicate_correlation) {
            self.stats.duplicated += 1;
            copies += 1;
        }
        let mut memory = None;
        if self.loses() {
            memory = self.marked(packet);
            if memory.is_none() {
                self.stats.lost += 1;
                copies -= 1;
            }
        }
        for _ in 0..copies {
            self.hold(now, memory.as_deref().unwrap_or(packet));
        }
        memory.into_iter().for_each(|memory| self.recycle(memory));
        self.plan_turn();
    }

    /// A packet that has reached the other end by `now`, in order of arrival. Its memory may be handed back with
    /// [`Impairer::recycle`].
    pub fn poll(&mut self, now: Instant) -> Option<Vec<u8>> {
        let due = self.held.peek()?.at;
        if due > now || self.turn.opens.is_some_and(|opens| opens > now) {
            return None;
        }
        self.stats.delivered += 1;
        let packet = self.held.pop().map(|held| held.packet)?;
        self.use_turn(now, packet.len());
        self.plan_turn();
        Some(packet)
    }

    /// When [`Impairer::poll`] has a packet to give.
    pub fn next_deadline(&self) -> Option<Instant> {
        let due = self.held.peek()?.at;
        Some(self.turn.opens.map_or(due, |opens| opens.max(due)))
    }

    /// Takes back the memory of a packet, to be used again.
    pub fn recycle(&mut self, packet: Vec<u8>) {
        if self.spares.len() < SPARES_MAX {
            self.spares.push(packet);
        }
    }

    fn keep_course(&mut self, now: Instant) {
        let Some(course) = &mut self.course else { return };
        let change = course.change(now);
        if !course.goes_on() {
            self.course = None;
        }
        if let Some(impairment) = change {
            self.impairment = impairment;
            self.turn = Turn::default();
        }
    }

    fn loses(&mut self) -> bool {
        let Impairment { loss, loss_correlation, burst, .. } = self.impairment;
        match burst {
            Some(burst) => burst.loses(&mut self.memory.weather, &mut self.chance),
            None => self.memory.loss.happens(&mut self.chance, loss, loss_correlation),
        }
    }

    /// A copy with a congestion mark, if that is to be done in place of a loss and can be.
    fn marked(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        if !self.impairment.ecn {
            return None;
        }
        let mut copy = self.copy(packet);
        if ecn::mark(self.medium, &mut copy) {
            self.stats.marked += 1;
            return Some(copy);
        }
        self.recycle(copy);
        None
    }

    fn copy(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut copy = self.spares.pop().unwrap_or_default();
        copy.clear();
        copy.extend_from_slice(packet);
        copy
    }

    fn hold(&mut self, now: Instant, packet: &[u8]) {
        if self.held.len() >= self.impairment.limit as usize {
            self.stats.overflowed += 1;
            return;
        }
        let mut copy = self.copy(packet);
        let Impairment { corrupt, corrupt_correlation, .. } = self.impairment;
        if self.memory.corrupt.happens(&mut self.chance, corrupt, corrupt_correlation) {
            self.flip_a_bit(&mut copy);
        }
        let at = if self.skips_the_delay() {
            self.stats.reordered += 1;
            now
        } else {
            self.leaves_bottleneck(now, packet.len()) + Duration::from_micros(self.draw_delay_us())
        };
        let order = self.next_order;
        self.next_order += 1;
        self.held.push(Held { at, order, packet: copy });
    }

    /// One in `gap` packets may be reordered.
    fn skips_the_delay(&mut self) -> bool {
        let Impairment { reorder, reorder_correlation, gap, .. } = self.impairment;
        if reorder.is_zero() {
            return false;
        }
        let skips = self.memory.since_reordered + 1 >= gap
            && self.memory.reorder.happens(&mut self.chance, reorder, reorder_correlation);
        self.memory.since_reordered = if skips { 0 } else { self.memory.since_reordered.saturating_add(1) };
        skips
    }

    fn flip_a_bit(&mut self, packet: &mut [u8]) {
        let Some(index) = self.chance.below(packet.len() as u64) else { return };
        let bit = self.chance.bits() % 8;
        if let Some(octet) = usize::try_from(index).ok().and_then(|index| packet.get_mut(index)) {
            *octet ^= 1 << bit;
            self.stats.corrupted += 1;
        }
    }

    /// When a packet of `len` octets that is queued at `now` has been put on the wire.
    fn leaves_bottleneck(&mut self, now: Instant, len: usize) -> Instant {
        let Some(rate) = self.impairment.rate else { return now };
        let octets = self.impairment.octets_on_link(len);
        let nanos = (u128::from(octets) * 8 * 1_000_000_000).div_ceil(u128::from(rate.max(1)));
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        self.bottleneck_free = self.bottleneck_free.max(now) + Duration::from_nanos(nanos);
        self.bottleneck_free
    }

    fn draw_delay_us(&mut self) -> u64 {
        let Impairment { delay_us, jitter_us, delay_correlation, distribution, .. } = self.impairment;
        if jitter_us == 0 {
            return delay_us;
        }
        let width = jitter_us.saturating_mul(2).saturating_add(1);
        if distribution == Distribution::Uniform && delay_correlation.is_zero() {
            return (delay_us + self.chance.below(width).unwrap_or(0)).saturating_sub(jitter_us);
        }
        let draw = self.memory.delay.next(&mut self.chance, delay_correlation);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an hour in microseconds is far below 2^53, and a float's conversion saturates"
        )]
        let delay = (delay_us as f64 + jitter_us as f64 * distribution.quantile(draw)).round() as u64;
        delay
    }

    /// Plans the next slot, when the packet that is due first comes after the last one has opened.
    fn plan_turn(&mut self) {
        if let Some(slot) = self.impairment.slot
            && let Some(due) = self.held.peek().map(|held| held.at)
            && self.turn.opens.is_none_or(|opens| opens < due)
        {
            self.next_turn(slot, due);
        }
    }

    /// Counts a packet that has left; a slot that is full is followed by another.
    fn use_turn(&mut self, now: Instant, len: usize) {
        let Some(slot) = self.impairment.slot else { return };
        self.turn.packets += 1;
        self.turn.octets = self.turn.octets.saturating_add(u32::try_from(len).unwrap_or(u32::MAX));
        let is_full = slot.packets > 0 && self.turn.packets >= slot.packets
            || slot.octets > 0 && self.turn.octets >= slot.octets;
        if is_full {
            self.next_turn(slot, now);
        }
    }

    fn next_turn(&mut self, slot: Slot, from: Instant) {
        let wait = slot.min_us + self.chance.below(slot.max_us - slot.min_us + 1).unwrap_or(0);
        self.turn = Turn { opens: Some(from.plus_micros(wait)), packets: 0, octets: 0 };
    }
}

#[cfg(test)]
mod tests;
