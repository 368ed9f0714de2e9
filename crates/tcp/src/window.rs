//! The receive window: what to offer to the peer (RFC 9293 §3.8.6, RFC 7323 §2).
//!
//! No more is promised than the receive buffer has room for, than the application allows (`TCP_WINDOW_CLAMP`), and than
//! the host has memory for: [`Slabs::window_max`]. What was promised stays promised (SHLD-14), so that under pressure
//! the right edge stands still until the peer has caught up with it; then it moves by what the host can keep, a segment
//! at least while nothing waits to be read.

use portolan_link::Instant;
use portolan_wire::{SeqNumber, WindowScale};

use crate::numbers::{to_u16, to_u32};
use crate::tcb::Tcb;
use crate::{Config, Context, Slabs};

/// The smallest receive buffer in octets, whatever an application asks for (Linux's `SOCK_MIN_RCVBUF`).
pub(crate) const BUFFER_MIN: u32 = 2304;

/// Where a window begins that opens slowly: what a SYN can say, rounded up to whole units of any usual scale.
const WINDOW_FIRST: u32 = 65_536;

/// Octets of memory that out-of-order text may take beyond twice the buffer.
const CHARGE_SLACK: usize = 64 * 1024;

/// The scale that lets a window field express `buffer_max` octets.
pub(crate) fn scale_for(config: &Config, buffer_max: u32) -> WindowScale {
    if !config.window_scaling {
        return WindowScale::new(0);
    }
    let needed = (0..=14).find(|shift| buffer_max >> shift <= u32::from(u16::MAX)).unwrap_or(14);
    WindowScale::new(needed.min(config.max_window_scale))
}

/// The window of a SYN, which is never scaled (RFC 7323 §2.2).
pub(crate) fn syn_window(window: u32) -> u16 {
    to_u16(window)
}

impl Slabs {
    /// The most octets of window to promise now. Half of the memory that is left, since short segments can take twice
    /// as much of it as they bring; and what every connection may have, however little is left.
    #[must_use]
    pub fn window_max(&self, config: &Config) -> u32 {
        to_u32(config.memory_max.saturating_sub(self.memory()) / 2).max(config.memory_min)
    }
}

impl Tcb {
    /// Octets that fit into the receive buffer. RFC 9293 MAY-8: none, for as long as nobody reads.
    fn receive_room(&self, cx: &Context<'_>) -> u32 {
        let queues = cx.slabs.queues(self.queues);
        let (held, charge) = queues.map_or((0, 0), |queues| {
            let charge = to_u32(queues.receive.ready_charge());
            (queues.receive.len().max(charge / 2).saturating_add(queues.untaken), charge)
        });
        // A window of less than a unit cannot be said, and one that never opens would be the end.
        let unit = 1 << self.rcv.scale.get();
        let limit = self.seldom(cx.slabs).window_limit().max(unit);
        let room = self.rcv.buffer.max(unit).saturating_sub(held).min(limit);
        room.min(self.opened(cx)).min(self.memory_room(cx, charge))
    }

    /// The window of a SYN.
    pub(crate) fn first_window(&self, cx: &Context<'_>) -> u32 {
        let limit = self.seldom(cx.slabs).window_limit();
        self.rcv.buffer.min(limit).min(cx.slabs.window_max(cx.config))
    }

    /// Octets that the host has memory for, of which this connection's text takes `charge` already.
    fn memory_room(&self, cx: &Context<'_>, charge: u32) -> u32 {
        let left = to_u32(cx.config.memory_max.saturating_sub(cx.slabs.memory()) / 2);
        // A connection that holds less than its share is never refused a segment; see `has_no_memory_for`.
        let share = match cx.config.memory_min.saturating_sub(charge) {
            0 => 0,
            share => share.max(self.rcv.mss.into()).next_multiple_of(1 << self.rcv.scale.get()),
        };
        left.max(share)
    }

    /// Octets to which the window has opened, if it opens slowly ([`Config::window_opens_slowly`]).
    pub(crate) fn opened(&self, cx: &Context<'_>) -> u32 {
        if !cx.config.window_opens_slowly {
            return u32::MAX;
        }
        let grown = cx.slabs.queues(self.queues).map_or(0, |queues| queues.autotune.opened());
        WINDOW_FIRST.saturating_add(grown)
    }

    /// The right edge to offer next.
    ///
    /// RFC 9293 §3.8.6.2.2, MUST-39: it moves by a full segment or half the buffer at least, so that the peer
    /// does not send silly segments. SHLD-14: it never moves left.
    pub(crate) fn next_right_edge(&self, cx: &Context<'_>) -> SeqNumber {
        let unit_mask = (1 << self.rcv.scale.get()) - 1;
        let most = self.rcv.scale.window_octets(u16::MAX);
        let wanted = self.receive_room(cx).min(most) & !unit_mask;
        let step = (self.rcv.buffer / 2).min(u32::from(self.rcv.mss));
        if wanted >= self.rcv.wnd().saturating_add(planted!(16, 1, step.max(1))) {
            self.rcv.nxt + wanted
        } else {
            self.rcv.adv
        }
    }

    /// The window field for a segment that is sent now, and moves the right edge to what it promises.
    pub(crate) fn offer_window(&mut self, cx: &Context<'_>) -> u16 {
        self.rcv.adv = self.next_right_edge(cx);
        let scale = self.rcv.scale.get();
        let wnd = self.rcv.wnd();
        // Rounding up keeps the edge from moving left in the peer's eyes; without room for that, it does by
        // less than a unit, as RFC 7323 §2.4 allows, and what the peer had been promised is still accepted.
        let up = wnd.saturating_add((1 << scale) - 1) >> scale;
        if up << scale <= self.receive_room(cx) {
            let field = to_u16(up);
            self.rcv.adv = self.rcv.adv.max(self.rcv.nxt + self.rcv.scale.window_octets(field));
            return field;
        }
        to_u16(wnd >> scale)
    }

    /// The application has taken `octets`: the buffer may grow, and the peer may have to be told of the room.
    pub(crate) fn on_taken(&mut self, cx: &mut Context<'_>, octets: u32) {
        cx.slabs.recharge(self.queues);
        let srtt_us = self.rtt.srtt_us();
        if let Some(queues) = cx.slabs.queues_mut(self.queues)
            && let Some(needed) = queues.autotune.on_read(cx.now, octets, srtt_us)
        {
            self.rcv.buffer = self.rcv.buffer.max(needed.min(self.options.recv_buffer_max));
        }
        self.tell_of_room(cx);
    }

    /// Owes the peer an ACK if there is much more room than it knows.
    pub(crate) fn tell_of_room(&mut self, cx: &Context<'_>) {
        if !self.state.may_receive() {
            return;
        }
        // A window that has at least doubled is worth an ACK of its own; anything less goes with the next segment.
        let offered = self.rcv.wnd();
        let next = self.next_right_edge(cx).since(self.rcv.nxt).unwrap_or(0);
        if next > offered && next >= offered.saturating_mul(2) {
            self.owe_ack();
        }
    }

    /// Octets of memory that out-of-order text may be charged now.
    pub(crate) fn reassembly_charge_max(&self, slabs: &Slabs) -> usize {
        let ready = slabs.queues(self.queues).map_or(0, |queues| queues.receive.ready_charge());
        (2 * self.rcv.buffer as usize + CHARGE_SLACK).saturating_sub(ready)
    }

    /// Notes the size of a segment with text, for the decisions on ACKs and windows.
    pub(crate) fn note_segment_size(&mut self, cx: &Context<'_>, text_len: u32) {
        // A super-segment stands for many, and does not tell how long each was.
        if text_len <= u32::from(cx.mss) {
            self.rcv.mss = self.rcv.mss.max(to_u16(text_len));
        }
    }

    /// Feeds the receiver's view of the round trip to autotuning.
    pub(crate) fn note_echo(&mut self, cx: &mut Context<'_>, echo: u32) {
        let Some(rtt_us) = self.ts.round_trip_us(echo, cx.now) else { return };
        let rtt_us = crate::numbers::micros_u32(rtt_us);
        if let Some(queues) = cx.slabs.queues_mut(self.queues) {
            queues.autotune.on_echo(rtt_us);
        }
    }

    /// Whether the application's text has found the peer silent for `us` microseconds.
    pub(crate) fn silent_for(&self, now: Instant, us: u64) -> bool {
        now.micros_since(self.heard_at) >= us
    }
}

#[cfg(test)]
mod tests;
