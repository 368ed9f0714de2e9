//! The send buffer: how much a write may take, when there is room again, and how the buffer grows.
//!
//! As on Linux, text is charged with an overhead for each unit of about a super-segment, and for each record that ends
//! (`MSG_EOR`), since nothing is added to its unit. A unit that was begun may be filled whatever the buffer says, and a
//! writer that found no room is woken when two thirds of it or less are used.
//! The buffer grows with the congestion window while it, and not the window, keeps the connection from sending, unless
//! the application has chosen its size (`SO_SNDBUF`).

use crate::tcb::{Marks, Tcb};
use crate::{Context, OptionFlags, Signals};

/// Octets of memory that Linux charges for a unit of text beside the text: the least `sk_buff` of a stream.
const UNIT_OVERHEAD: u32 = 1280;

/// What Linux adds to a segment's text when it reckons how much memory a window needs: headers and shared information,
/// then the `sk_buff` itself.
const SEGMENT_OVERHEAD: u32 = 640;
const RECORD_OVERHEAD: u32 = 256;

/// Linux's TCP_INIT_CWND, in segments.
const SEGMENTS_MIN: u32 = 10;

/// The longest unit, in octets: the largest super-segment without its headers.
const UNIT_MAX: u32 = 65_535 - 320;

/// A peer whose windows are no larger than this is not spared half of them (Linux's TCP_MSS_DEFAULT).
const WINDOW_TINY: u32 = 536;

/// What a write may take, and how full the last unit is afterwards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Room {
    pub(crate) octets: u32,
    pub(crate) tail: u32,
}

/// A write on its way into units.
struct Filling {
    /// Octets in a full unit.
    unit: u32,
    /// Octets of what is written here that the windows let go now.
    sendable: u32,
    /// Octets written and not sent.
    unsent: u32,
    /// Octets in the last unit that are not sent.
    tail: u32,
    /// Octets of the write so far.
    taken: u32,
}

impl Filling {
    /// Whether the next octet is the first of a unit.
    fn begins_unit(&self) -> bool {
        self.tail == 0 || self.tail >= self.unit
    }

    /// Fills the last unit, or a new one if that is full, until the write has `len` octets.
    fn fill(&mut self, len: u32) {
        if self.begins_unit() {
            self.tail = 0;
        }
        let part = (self.unit - self.tail).min(len - self.taken);
        self.taken += part;
        self.tail += part;
        self.unsent += part;
    }

    /// A full unit is sent as far as the windows allow; what is left of it can be filled up again.
    fn send(&mut self) {
        let sent = self.sendable.min(self.unsent);
        self.sendable -= sent;
        self.unsent -= sent;
        self.tail = self.tail.min(self.unsent);
    }
}

impl Tcb {
    /// Octets of text in a full unit: whole segments, and no more than half of the peer's largest window.
    pub(crate) fn unit(&self, cx: &Context<'_>) -> u32 {
        let full = u32::from(self.full_text(cx));
        let window = self.snd.max_wnd;
        let most = if window > WINDOW_TINY { UNIT_MAX.min(window / 2) } else { UNIT_MAX.min(window.max(1)) };
        (most - most % full).max(full)
    }

    /// How much of a write of `len` octets is taken now.
    pub(crate) fn write_room(&self, cx: &Context<'_>, len: u32) -> Room {
        let queued = self.send_queued(cx);
        if cx.is_short_for_writers() {
            // The least that moves at all.
            let octets = cx.config.memory_min.max(1).saturating_sub(queued).min(len);
            return Room { octets, tail: octets };
        }
        let mut filling = self.filling(cx);
        loop {
            if filling.begins_unit()
                && !self.has_memory(cx, queued + filling.taken, filling.unsent, filling.unit)
            {
                return Room { octets: filling.taken, tail: filling.tail };
            }
            filling.fill(len);
            if filling.taken == len {
                return Room { octets: filling.taken, tail: filling.tail };
            }
            filling.send();
        }
    }

    /// What a write finds.
    fn filling(&self, cx: &Context<'_>) -> Filling {
        Filling {
            unit: self.unit(cx),
            sendable: self.sendable(cx).saturating_sub(self.unsent()),
            unsent: self.unsent(),
            tail: cx.slabs.queues(self.queues).map_or(0, |queues| queues.send.tail(self.snd.nxt)),
            taken: 0,
        }
    }

    /// A write of `len` octets is about to be queued: says which segments will carry PSH (`push.rs`). `more` is to
    /// come, if the application says so.
    pub(crate) fn push_write(&mut self, cx: &mut Context<'_>, len: u32, more: bool) {
        if len == 0 {
            return;
        }
        let mut filling = self.filling(cx);
        let (start, max_wnd) = (self.snd.end, self.snd.max_wnd);
        let pushes = &mut self.queues_or_new(cx.slabs).send.pushes;
        if !filling.begins_unit() {
            pushes.retract(start);
        }
        let mut pushed = false;
        loop {
            if filling.begins_unit() {
                if pushed {
                    pushes.mark(start + filling.taken);
                }
                pushed = false;
            }
            filling.fill(len);
            let end = start + filling.taken;
            let overdue = pushes.is_overdue(end, max_wnd);
            if overdue {
                pushes.ask(end);
                pushed = true;
            }
            if filling.taken == len {
                if overdue || !more {
                    pushes.push(end);
                } else if pushed {
                    pushes.mark(end);
                }
                return;
            }
            filling.send();
        }
    }

    /// Whether another unit may be begun while so much is queued and so much of it not sent.
    fn has_memory(&self, cx: &Context<'_>, queued: u32, unsent: u32, unit: u32) -> bool {
        self.charged(cx, queued, unit) < u64::from(self.send_capacity(cx))
            && unsent < self.notsent_low_water(cx)
    }

    /// Octets written and not sent at which there is no room to write (`TCP_NOTSENT_LOWAT`).
    fn notsent_low_water(&self, cx: &Context<'_>) -> u32 {
        match self.seldom(cx.slabs).notsent_low_water {
            0 => cx.config.notsent_low_water.max(1),
            own => own,
        }
    }

    /// Octets from SND.NXT on, in whole segments, that the windows let go now.
    fn sendable(&self, cx: &Context<'_>) -> u32 {
        let full = u32::from(self.full_text(cx));
        let room = self.window_from(self.snd.nxt).min(self.congestion_room(cx.slabs));
        room - room % full
    }

    /// Whether a writer would find room worth being woken for.
    #[must_use]
    pub fn is_writable(&self, cx: &Context<'_>) -> bool {
        self.is_writable_with(cx, self.unsent())
    }

    /// As [`Tcb::is_writable`], with `unsent` octets not sent.
    fn is_writable_with(&self, cx: &Context<'_>, unsent: u32) -> bool {
        let queued = self.send_queued(cx);
        if cx.is_short_for_writers() {
            return u64::from(queued) * 3 <= u64::from(cx.config.memory_min.max(1)) * 2;
        }
        let charged = self.charged(cx, queued, self.unit(cx));
        charged * 3 <= u64::from(self.send_capacity(cx)) * 2
            && unsent.saturating_mul(2) < self.notsent_low_water(cx)
    }

    /// As [`Tcb::is_writable`]; if there is no room now, [`Signals::WRITABLE`] will say when there is.
    pub fn poll_writable(&mut self, cx: &Context<'_>) -> bool {
        let writable = self.is_writable(cx);
        if !writable && self.state.may_send() {
            self.marks.insert(Marks::WANTS_WRITE);
        }
        writable
    }

    /// An acknowledgement was taken in: the buffer may grow, and a writer may be waiting for room.
    pub(crate) fn check_space(&mut self, cx: &mut Context<'_>, signals: &mut Signals) {
        if !self.has(Marks::WANTS_WRITE) {
            return;
        }
        // As if all that the windows allow had been sent already.
        let full = u32::from(self.full_text(cx));
        let sent_soon = self.sendable(cx).min(self.unsent());
        let in_flight = self.in_flight(cx.slabs).saturating_add(sent_soon);
        let window_full = in_flight.saturating_add(full) > self.cc.window();
        if !window_full && !cx.is_short_for_writers() {
            let wanted = self.worth_of_window(cx);
            if let Some(queues) = cx.slabs.queues_mut(self.queues) {
                queues.send_buffer = queues.send_buffer.max(wanted);
            }
        }
        if self.is_writable_with(cx, self.unsent() - sent_soon) {
            self.marks.remove(Marks::WANTS_WRITE);
            *signals |= Signals::WRITABLE;
        }
    }

    /// Octets of buffer that keep the congestion window filled: two of it, with what Linux charges for each segment.
    fn worth_of_window(&self, cx: &Context<'_>) -> u32 {
        let full = u32::from(self.full_text(cx));
        let each = full.saturating_add(SEGMENT_OVERHEAD).next_power_of_two() + RECORD_OVERHEAD;
        let segments = (self.cc.window() / full).max(SEGMENTS_MIN);
        segments.saturating_mul(2).saturating_mul(each)
    }

    /// SO_SNDBUF as it is now, in octets.
    pub(crate) fn send_capacity(&self, cx: &Context<'_>) -> u32 {
        let most = self.options.send_buffer_max;
        if self.options.has(OptionFlags::SEND_BUFFER_LOCKED) {
            return most;
        }
        let grown = cx.slabs.queues(self.queues).map_or(0, |queues| queues.send_buffer);
        let full = u32::from(self.full_text(cx));
        let first =
            (full.saturating_add(SEGMENT_OVERHEAD).next_power_of_two() + RECORD_OVERHEAD) * 2 * SEGMENTS_MIN;
        cx.config.send_buffer.initial.max(first).max(grown).min(most).max(1)
    }

    /// Octets of memory that Linux would charge for `queued` octets in units of `unit`, and for the records among them.
    fn charged(&self, cx: &Context<'_>, queued: u32, unit: u32) -> u64 {
        let records = cx.slabs.queues(self.queues).map_or(0, |queues| queues.send.records());
        let units = u64::from(queued.div_ceil(unit.max(1))) + u64::from(records);
        u64::from(queued) + units * u64::from(UNIT_OVERHEAD)
    }
}

#[cfg(test)]
mod tests;
