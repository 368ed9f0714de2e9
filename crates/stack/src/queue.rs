//! Records that wait equally long, in a list with one timer for all of them.
//!
//! Who comes last is due last, so only the first needs a timer, and a record costs its two links. The timer is not moved
//! when the first leaves: it fires, finds a later deadline, and is set again. If a knob has changed how long the wait
//! is, a record leaves no earlier than those before it.

use portolan_link::Instant;

use crate::list::{Ends, Linked};
use crate::slab::Slab;
use crate::timer::{Owner, TimerId, Wheel};

/// A list of records in the order of their deadlines, and the timer of the first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Queue {
    ends: Ends,
    /// Set while there is a record, but for the moment in which it has just fired.
    timer: Option<TimerId>,
}

impl Queue {
    pub(crate) const EMPTY: Queue = Queue { ends: Ends::EMPTY, timer: None };

    /// The record that is due first.
    pub(crate) fn front(&self) -> Option<u32> {
        self.ends.front()
    }

    /// Appends a record that is in no list and due at `deadline`; `owner` is whom the queue's timer calls.
    pub(crate) fn push<T: Linked>(
        &mut self,
        records: &mut Slab<T>,
        timers: &mut Wheel,
        index: u32,
        deadline: Instant,
        owner: Owner,
    ) {
        self.ends.push_back(records, index);
        if self.front() == Some(index) {
            self.keep_timer(timers, deadline, owner);
        }
    }

    /// Takes a record of this queue out.
    pub(crate) fn remove<T: Linked>(&mut self, records: &mut Slab<T>, timers: &mut Wheel, index: u32) {
        self.ends.remove(records, index);
        if self.ends.is_empty()
            && let Some(timer) = self.timer.take()
        {
            timers.cancel(timer);
        }
    }

    /// The timer has fired. Once what is due has been done, [`Queue::keep_timer`] sets it again.
    pub(crate) fn timer_fired(&mut self) {
        self.timer = None;
    }

    /// Sets the timer, unless it is set, for the first record's deadline.
    pub(crate) fn keep_timer(&mut self, timers: &mut Wheel, deadline: Instant, owner: Owner) {
        if self.timer.is_none() {
            self.timer = Some(timers.set(deadline, owner));
        }
    }

    /// The queue's length, if its links match and it has a timer just when it has a record; else what is wrong.
    pub(crate) fn check<T: Linked>(&self, records: &Slab<T>, timers: &Wheel) -> Result<usize, &'static str> {
        let len = self.ends.check(records)?;
        let is_timed = self.timer.is_some_and(|timer| timers.fires_by(timer, Instant::MAX));
        if is_timed == (len > 0) { Ok(len) } else { Err("a queue without a record's timer, or the reverse") }
    }
}

#[cfg(test)]
mod tests;
