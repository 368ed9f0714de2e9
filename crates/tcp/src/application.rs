//! The application's calls: SEND, RECEIVE and their like (RFC 9293 §3.10.2 and §3.10.3).

use bitflags::bitflags;
use portolan_link::{Chunk, Instant};

use crate::context::Queues;
use crate::numbers::to_u32;
use crate::send_buffer::Room;
use crate::tcb::{Marks, Tcb};
use crate::{Context, Error, Signals, State};

bitflags! {
    /// What a write says of itself.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct WriteFlags: u8 {
        /// More follows soon: a segment that is not full waits for it, 200 ms or so (`MSG_MORE`).
        const MORE = 1;
        /// A record ends here: no segment holds text of it and of the next (`MSG_EOR`).
        const END_OF_RECORD = 1 << 1;
        /// It is urgent, and so is all that was written before (`MSG_OOB`; RFC 9293 §3.8.5).
        const URGENT = 1 << 2;
    }
}

impl Tcb {
    /// Copies octets into the send queue; returns how many, at least one unless `octets` is empty.
    ///
    /// # Errors
    /// `WouldBlock` if there is no room or no connection yet, `InProgress` if only the SYN goes, `BrokenPipe` after
    /// [`Tcb::shutdown_write`] and after the end, `NotConnected` before the beginning, or the error that ended the
    /// connection, once.
    pub fn write(&mut self, cx: &mut Context<'_>, octets: &[u8]) -> Result<usize, Error> {
        self.write_with(cx, octets, WriteFlags::empty())
    }

    /// As [`Tcb::write`], and says what follows. The flags count only if all octets were taken, but what was taken of
    /// urgent text is urgent.
    ///
    /// # Errors
    /// As [`Tcb::write`].
    pub fn write_with(
        &mut self,
        cx: &mut Context<'_>,
        octets: &[u8],
        flags: WriteFlags,
    ) -> Result<usize, Error> {
        let room = self.room_to_write(cx, octets.len())?;
        if self.connects_with_nothing(room.octets as usize) {
            return Err(Error::InProgress);
        }
        let taken = octets.get(..room.octets as usize).unwrap_or(octets);
        let flags = if taken.len() == octets.len() { flags } else { flags & WriteFlags::URGENT };
        self.push_write(cx, to_u32(taken.len()), flags.contains(WriteFlags::MORE));
        let queues = self.queues_or_new(cx.slabs);
        queues.send.append(cx.pool, taken);
        self.after_write(cx, taken.len(), room, flags);
        Ok(taken.len())
    }

    /// Puts a chunk into the send queue without copying, unless it is very short; what was taken is consumed
    /// from it.
    ///
    /// # Errors
    /// As [`Tcb::write`].
    pub fn write_chunk(&mut self, cx: &mut Context<'_>, chunk: &mut Chunk) -> Result<usize, Error> {
        let room = self.room_to_write(cx, chunk.len())?;
        if self.connects_with_nothing(room.octets as usize) {
            return Err(Error::InProgress);
        }
        let taken = chunk.split_to(room.octets as usize);
        let len = taken.len();
        self.push_write(cx, to_u32(len), false);
        let queues = self.queues_or_new(cx.slabs);
        queues.send.append_chunk(cx.pool, taken);
        self.after_write(cx, len, room, WriteFlags::empty());
        Ok(len)
    }

    /// How many of `len` octets can be written now.
    fn room_to_write(&mut self, cx: &Context<'_>, len: usize) -> Result<Room, Error> {
        if self.has(Marks::FIN_QUEUED) {
            return Err(Error::BrokenPipe);
        }
        match self.state {
            State::Closed => return Err(self.error.take().unwrap_or(Error::BrokenPipe)),
            State::Listen => return Err(Error::NotConnected),
            State::SynSent if self.has(Marks::SYN_DEFERRED) => {
                let octets = to_u32(self.syn_text_max(cx).min(len));
                return Ok(Room { octets, tail: octets });
            }
            State::SynSent | State::SynReceived => {
                self.marks.insert(Marks::WANTS_WRITE);
                return Err(Error::WouldBlock);
            }
            _ => {}
        }
        let room = self.write_room(cx, to_u32(len));
        if (room.octets as usize) < len {
            self.marks.insert(Marks::WANTS_WRITE);
        }
        if room.octets == 0 && len > 0 { Err(Error::WouldBlock) } else { Ok(room) }
    }

    /// Whether this is the write that a SYN has waited for, but it brings nothing: then the SYN goes alone.
    fn connects_with_nothing(&mut self, room: usize) -> bool {
        let alone = room == 0 && self.has(Marks::SYN_DEFERRED);
        if alone {
            self.end_deferral();
        }
        alone
    }

    fn after_write(&mut self, cx: &mut Context<'_>, len: usize, room: Room, flags: WriteFlags) {
        self.end_deferral();
        self.snd.end += to_u32(len);
        if len > 0 {
            let more = flags.contains(WriteFlags::MORE);
            self.marks.set(Marks::HELD, more);
            self.marks.remove(Marks::OVERRIDE);
            let queues = self.queues_or_new(cx.slabs);
            queues.send.end_unit(room.tail, flags.contains(WriteFlags::END_OF_RECORD));
            if flags.contains(WriteFlags::URGENT) {
                self.mark_urgent(cx);
            }
        }
        cx.slabs.recharge(self.queues);
        self.note_limit_if_blocked(cx);
        self.rearm(cx);
    }

    /// Copies received text out; `Ok(0)` with room in `out` is the peer's FIN, or the end that
    /// [`Tcb::shutdown_read`] set.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing to read, `NotConnected` before the beginning, or the error that ended
    /// the connection, once.
    pub fn read(&mut self, cx: &mut Context<'_>, out: &mut [u8]) -> Result<usize, Error> {
        self.read_as(cx, out, false)
    }

    /// As [`Tcb::read`] for an application that only hands the text on: it goes on to take room in the receive window,
    /// until [`Tcb::set_untaken`] says otherwise.
    ///
    /// # Errors
    /// As [`Tcb::read`].
    pub fn read_untaken(&mut self, cx: &mut Context<'_>, out: &mut [u8]) -> Result<usize, Error> {
        self.read_as(cx, out, true)
    }

    /// How many octets of what was read take room in the receive window still.
    pub fn set_untaken(&mut self, cx: &mut Context<'_>, octets: u32) {
        if let Some(queues) = cx.slabs.queues_mut(self.queues) {
            queues.untaken = octets;
        }
        self.tell_of_room(cx);
    }

    fn read_as(&mut self, cx: &mut Context<'_>, out: &mut [u8], untaken: bool) -> Result<usize, Error> {
        if out.is_empty() {
            return Ok(0);
        }
        self.leave_out_urgent(cx);
        let most = self.up_to_mark(cx.slabs, out.len());
        let out = out.get_mut(..most).unwrap_or_default();
        let len = cx.slabs.queues_mut(self.queues).map_or(0, |queues| queues.receive.read(cx.pool, out));
        if len == 0 {
            return self.nothing_to_read().map(|()| 0);
        }
        self.pass_mark(cx.slabs);
        if untaken && let Some(queues) = cx.slabs.queues_mut(self.queues) {
            queues.untaken = queues.untaken.saturating_add(to_u32(len));
        }
        self.on_taken(cx, to_u32(len));
        Ok(len)
    }

    /// Takes received text out without copying, at most `max` octets and at least one; `Ok(None)` is the peer's
    /// FIN.
    ///
    /// # Errors
    /// As [`Tcb::read`].
    pub fn read_chunk(&mut self, cx: &mut Context<'_>, max: usize) -> Result<Option<Chunk>, Error> {
        self.leave_out_urgent(cx);
        let most = self.up_to_mark(cx.slabs, max.max(1));
        let queues = cx.slabs.queues_mut(self.queues);
        let chunk = queues.and_then(|queues| queues.receive.read_chunk(cx.pool, most));
        let Some(chunk) = chunk else { return self.nothing_to_read().map(|()| None) };
        self.pass_mark(cx.slabs);
        self.on_taken(cx, to_u32(chunk.len()));
        Ok(Some(chunk))
    }

    /// Copies received text and leaves it in the queue; `Ok(0)` as for [`Tcb::read`].
    ///
    /// # Errors
    /// As [`Tcb::read`]; an error of the connection is left in place.
    pub fn peek(&self, cx: &Context<'_>, out: &mut [u8]) -> Result<usize, Error> {
        let most = self.up_to_mark(cx.slabs, out.len());
        let out = out.get_mut(..most).unwrap_or_default();
        let skip = self.left_out(cx.slabs) as usize;
        let len = cx.slabs.queues(self.queues).map_or(0, |queues| queues.receive.peek_from(skip, out));
        if len > 0 || out.is_empty() {
            return Ok(len);
        }
        self.why_nothing_to_read().map(|()| 0)
    }

    /// The end of the text, or why there is none now; reports the connection's error once.
    fn nothing_to_read(&mut self) -> Result<(), Error> {
        let result = self.why_nothing_to_read();
        if result.is_err() && result == self.error.map_or(Ok(()), Err) {
            self.error = None;
        }
        result
    }

    fn why_nothing_to_read(&self) -> Result<(), Error> {
        if self.has(Marks::FIN_RECEIVED) || self.has(Marks::READ_SHUT) {
            return Ok(());
        }
        match self.state {
            State::Closed => self.error.map_or(Ok(()), Err),
            State::Listen => Err(Error::NotConnected),
            _ => Err(Error::WouldBlock),
        }
    }

    /// Octets in the receive queue, in order.
    #[must_use]
    pub fn receive_queued(&self, cx: &Context<'_>) -> u32 {
        cx.slabs.queues(self.queues).map_or(0, |queues| queues.receive.len())
    }

    /// Octets that reads give, those beyond the mark too.
    #[must_use]
    pub fn readable(&self, cx: &Context<'_>) -> u32 {
        self.receive_queued(cx) - self.left_out(cx.slabs)
    }

    /// Octets written and not yet acknowledged.
    #[must_use]
    pub fn send_queued(&self, cx: &Context<'_>) -> u32 {
        cx.slabs.queues(self.queues).map_or(0, |queues: &Queues| queues.send.len())
    }

    /// Octets that can be written.
    #[must_use]
    pub fn send_room(&self, cx: &Context<'_>) -> u32 {
        self.write_room(cx, u32::MAX).octets
    }

    /// A writer is blocked until the connection is open: its text will take the last ACK of the handshake along.
    pub fn expect_text(&mut self) {
        if self.state == State::SynSent {
            self.marks.insert(Marks::HELD);
        }
    }

    /// SO_SNDBUF as it is now, in octets.
    #[must_use]
    pub fn send_buffer(&self, cx: &Context<'_>) -> u32 {
        self.send_capacity(cx)
    }

    /// SO_RCVBUF as it is now, in octets.
    #[must_use]
    pub fn receive_buffer(&self) -> u32 {
        self.rcv.buffer
    }

    /// TCP_QUICKACK: whether segments are acknowledged without delay; as on Linux only until text goes both ways in
    /// turn again.
    pub fn set_quick_ack(&mut self, cx: &mut Context<'_>, on: bool) -> Signals {
        self.marks.set(Marks::INTERACTIVE, !on);
        if on && self.timers.ack < Instant::MAX {
            self.owe_ack();
        }
        self.finish(cx, Signals::empty())
    }

    /// Whether segments are acknowledged without delay (TCP_QUICKACK).
    #[must_use]
    pub fn quick_ack(&self) -> bool {
        !self.has(Marks::INTERACTIVE)
    }
}

#[cfg(test)]
mod tests;
