//! The host's timers: one hierarchical wheel (Varghese and Lauck, scheme 7).
//!
//! Time is counted in ticks of 16.4 us. Level `n` has 64 slots of 64^n ticks each; a timer lies on the level of the
//! highest digit in which its tick differs from the present one, so that setting and cancelling are O(1), and a timer
//! moves down at most once per level before it fires. Timers fire at or after their deadline, never before.
//!
//! An owner has at most one timer. It does not move it when its deadline moves later, as happens with every ACK: the
//! timer fires at the old time, finds a later deadline, and is set again.

use portolan_link::Instant;

use crate::slab::Slab;

const TICK_BITS: u32 = 14;
const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
/// Nine digits of 6 bits hold any tick of a 64-bit clock of nanoseconds.
const LEVELS: usize = 9;
const NONE: u32 = u32::MAX;
/// The place of a timer that is due and waits to be popped.
const DUE: u16 = u16::MAX;

/// A timer that is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TimerId(u32);

/// What a timer is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Kind {
    Connection,
    Embryo,
    TimeWait,
    Request,
    /// The number holds the link in its upper half and the neighbour in its lower.
    Neighbour,
    Reassembly,
    /// The number is the link's.
    Membership,
}

/// Whose timer it is: a record's kind and number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Owner {
    pub(crate) kind: Kind,
    pub(crate) index: u32,
}

#[derive(Clone, Copy, Debug)]
struct Timer {
    tick: u64,
    prev: u32,
    next: u32,
    index: u32,
    place: u16,
    kind: Kind,
}

/// All timers of a host.
#[derive(Debug)]
pub(crate) struct Wheel {
    elapsed: u64,
    timers: Slab<Timer>,
    slots: [[u32; SLOTS]; LEVELS],
    occupied: [u64; LEVELS],
    due: u32,
}

impl Wheel {
    pub(crate) const fn new() -> Wheel {
        let slots = [[NONE; SLOTS]; LEVELS];
        Wheel { elapsed: 0, timers: Slab::new(), slots, occupied: [0; LEVELS], due: NONE }
    }

    pub(crate) fn len(&self) -> usize {
        self.timers.len()
    }

    /// Octets of memory per timer.
    #[cfg(test)]
    pub(crate) const fn timer_octets() -> usize {
        Slab::<Timer>::place_octets()
    }

    /// Sets a timer that fires at `deadline` or up to a tick later.
    pub(crate) fn set(&mut self, deadline: Instant, owner: Owner) -> TimerId {
        let tick = tick_at_or_after(deadline);
        let timer = Timer { tick, prev: NONE, next: NONE, index: owner.index, place: DUE, kind: owner.kind };
        let id = self.timers.insert(timer);
        self.link(id);
        TimerId(id)
    }

    /// Whether the timer fires no later than one set for `deadline` would.
    pub(crate) fn fires_by(&self, id: TimerId, deadline: Instant) -> bool {
        self.timers.get(id.0).is_some_and(|timer| timer.tick <= tick_at_or_after(deadline))
    }

    /// Cancels a timer. One that has fired is gone already, and must not be named again.
    pub(crate) fn cancel(&mut self, id: TimerId) {
        self.unlink(id.0);
        self.timers.remove(id.0);
    }

    /// Takes out one timer that is due at `now`.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Owner> {
        let present = now.as_nanos() >> TICK_BITS;
        while self.due == NONE {
            let Some((level, slot, start)) = self.next_slot().filter(|&(_, _, start)| start <= present)
            else {
                self.elapsed = self.elapsed.max(present);
                return None;
            };
            self.elapsed = start;
            self.empty_slot(level, slot);
        }
        let id = self.due;
        self.unlink(id);
        let timer = self.timers.remove(id)?;
        Some(Owner { kind: timer.kind, index: timer.index })
    }

    /// When [`Wheel::pop`] has something to do: never later than the first deadline, and earlier only when a timer
    /// has to move down a level.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        if self.due != NONE {
            return Some(Instant::ZERO);
        }
        self.next_slot().map(|(_, _, start)| Instant::from_nanos(start << TICK_BITS))
    }

    /// The first occupied slot and the tick with which it begins. Timers of a lower level are all earlier than those
    /// of a higher one, and no occupied slot lies behind the present digit of its level.
    fn next_slot(&self) -> Option<(usize, usize, u64)> {
        let level = self.occupied.iter().position(|&slots| slots != 0)?;
        let slot = self.occupied.get(level)?.trailing_zeros();
        let shift = DIGIT_BITS * u32::try_from(level).ok()?;
        let above = self.elapsed.checked_shr(shift + DIGIT_BITS).unwrap_or(0);
        let start = above.checked_shl(shift + DIGIT_BITS).unwrap_or(0) | u64::from(slot) << shift;
        Some((level, slot as usize, start))
    }

    /// Gives each timer of a slot whose time has begun its place on a lower level, or among those that are due.
    fn empty_slot(&mut self, level: usize, slot: usize) {
        let mut id = core::mem::replace(self.head(place(level, slot)), NONE);
        if let Some(occupied) = self.occupied.get_mut(level) {
            *occupied &= !(1 << slot);
        }
        while let Some(timer) = self.timers.get_mut(id) {
            let next = timer.next;
            (timer.prev, timer.next) = (NONE, NONE);
            self.link(id);
            id = next;
        }
    }

    fn link(&mut self, id: u32) {
        let Some(timer) = self.timers.get(id) else { return };
        let place = self.place_of(timer.tick);
        let head = core::mem::replace(self.head(place), id);
        if let Some(next) = self.timers.get_mut(head) {
            next.prev = id;
        }
        if let Some(timer) = self.timers.get_mut(id) {
            (timer.prev, timer.next, timer.place) = (NONE, head, place);
        }
        if let Some(occupied) = self.occupied.get_mut(usize::from(place) / SLOTS) {
            *occupied |= 1 << (usize::from(place) % SLOTS);
        }
    }

    fn unlink(&mut self, id: u32) {
        let Some(&Timer { prev, next, place, .. }) = self.timers.get(id) else { return };
        if let Some(before) = self.timers.get_mut(prev) {
            before.next = next;
        } else {
            *self.head(place) = next;
        }
        if let Some(after) = self.timers.get_mut(next) {
            after.prev = prev;
        }
        if prev == NONE
            && next == NONE
            && let Some(occupied) = self.occupied.get_mut(usize::from(place) / SLOTS)
        {
            *occupied &= !(1 << (usize::from(place) % SLOTS));
        }
    }

    fn place_of(&self, tick: u64) -> u16 {
        if tick <= self.elapsed {
            return DUE;
        }
        let highest = (tick ^ self.elapsed).ilog2();
        let level = highest / DIGIT_BITS;
        let slot = tick >> (level * DIGIT_BITS) & (SLOTS as u64 - 1);
        place(level as usize, usize::try_from(slot).unwrap_or(0))
    }

    fn head(&mut self, place: u16) -> &mut u32 {
        let (level, slot) = (usize::from(place) / SLOTS, usize::from(place) % SLOTS);
        match self.slots.get_mut(level).and_then(|slots| slots.get_mut(slot)) {
            Some(head) => head,
            None => &mut self.due,
        }
    }
}

fn place(level: usize, slot: usize) -> u16 {
    u16::try_from(level * SLOTS + slot).unwrap_or(DUE)
}

fn tick_at_or_after(deadline: Instant) -> u64 {
    deadline.as_nanos().div_ceil(1 << TICK_BITS)
}

#[cfg(test)]
mod tests;
