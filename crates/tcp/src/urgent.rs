//! Urgent text: RFC 9293 §3.8.5 with RFC 6093.
//!
//! The urgent pointer says where urgent text ends: it names the octet that follows it (RFC 9293 MUST-62). Urgent text
//! is read where it stands (RFC 6093 §3.2 and §6), unless [`OptionFlags::OOB_INLINE`] is off: then, as on Linux, its last
//! octet is left out of the stream and read by [`Tcb::read_urgent`], once. Either way the application hears of it at
//! once ([`Signals::URGENT`]), can ask how much of it is still to be read, and no read goes over the mark, which lies
//! before the last urgent octet.
//!
//! Both pointers live in the connection's record of rarely used features. Start with [`Tcb::take_urgent`] for what the
//! peer says, and with [`Tcb::mark_urgent`] for what the application says.

use portolan_wire::SeqNumber;
use portolan_wire::tcp::Flags;

use crate::tcb::{Marks, Tcb};
use crate::{Context, Error, OptionFlags, Segment, SegmentPlan, Signals, Slabs, State};

/// Where urgent text ends, both ways; `None` without any that is still to be read, or to be acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Urgent {
    /// RCV.UP.
    received: Option<SeqNumber>,
    /// The last urgent octet was read out of line.
    is_taken: bool,
    /// SND.UP.
    sent: Option<SeqNumber>,
}

impl Tcb {
    /// The sixth check of RFC 9293 §3.10.7.4: RCV.UP moves forward, and the application is told. A pointer to text that
    /// has arrived already says nothing new.
    pub(crate) fn take_urgent(&mut self, cx: &mut Context<'_>, segment: &Segment, signals: &mut Signals) {
        if !segment.has(Flags::URG) || !self.state.may_receive() || self.has(Marks::ORPHAN) {
            return;
        }
        let pointer = segment.seq + u32::from(segment.urgent);
        let known = self.urgent_end(cx.slabs).is_some_and(|end| pointer.at_or_before(end));
        if known || pointer.at_or_before(self.rcv.nxt) {
            return;
        }
        // What was left out for its own sake is not read as text because something else has become urgent.
        self.leave_out_urgent(cx);
        let urgent = &mut cx.slabs.rare_or_new(&mut self.rare).urgent;
        (urgent.received, urgent.is_taken) = (Some(pointer), false);
        // RFC 9293 MUST-32: whether the text is there or not.
        *signals |= Signals::URGENT;
    }

    /// Octets from the next one to be read to the end of urgent text, as far as the peer has told; 0 if no urgent text
    /// is to come (RFC 9293 MUST-33).
    #[must_use]
    pub fn urgent_remaining(&self, cx: &Context<'_>) -> u32 {
        let Some(end) = self.urgent_end(cx.slabs) else { return 0 };
        // Behind a FIN there is no text, whatever a pointer says.
        let end = if self.has(Marks::FIN_RECEIVED) { end.min(self.text_end()) } else { end };
        end.since(self.read_position(cx.slabs)).unwrap_or(0)
    }

    /// Whether the next octet to be read is the last urgent one (SIOCATMARK).
    #[must_use]
    pub fn at_mark(&self, cx: &Context<'_>) -> bool {
        self.urgent_end(cx.slabs) == Some(self.read_position(cx.slabs) + 1)
    }

    /// Whether urgent text has arrived to its end and is not read to its end, in line or out of line (POLLPRI).
    #[must_use]
    pub fn urgent_is_here(&self, cx: &Context<'_>) -> bool {
        let taken = cx.slabs.rare(self.rare).is_some_and(|rare| rare.urgent.is_taken);
        self.arrived_end(cx.slabs).is_some() && !taken
    }

    /// Reads the last urgent octet out of line (`MSG_OOB`), and leaves it to be read again if `peek`; `Ok(None)` if it
    /// will not come any more.
    ///
    /// # Errors
    /// `NothingUrgent` if there is none, if it was read already or stays in line; `WouldBlock` if it is yet to come.
    pub fn read_urgent(&mut self, cx: &mut Context<'_>, peek: bool) -> Result<Option<u8>, Error> {
        let urgent = cx.slabs.rare(self.rare).map(|rare| rare.urgent).unwrap_or_default();
        if self.stays_in_line() || urgent.is_taken || self.urgent_end(cx.slabs).is_none() {
            return Err(Error::NothingUrgent);
        }
        let Some(end) = self.arrived_end(cx.slabs) else {
            let over =
                self.state == State::Closed || self.marks.intersects(Marks::FIN_RECEIVED | Marks::READ_SHUT);
            return if over { Ok(None) } else { Err(Error::WouldBlock) };
        };
        let ahead = end.back(1).since(self.read_position(cx.slabs)).unwrap_or(0);
        let mut octet = [0];
        if let Some(queues) = cx.slabs.queues(self.queues) {
            queues.receive.peek_from(ahead as usize, &mut octet);
        }
        if let Some(rare) = cx.slabs.rare_mut(self.rare).filter(|_| !peek) {
            rare.urgent.is_taken = true;
        }
        Ok(Some(octet[0]))
    }

    /// Octets that can be read before the mark (`SIOCINQ`): none at the mark, if the urgent octet is out of line.
    #[must_use]
    pub fn queued_before_mark(&self, cx: &Context<'_>) -> u32 {
        let queued = self.receive_queued(cx);
        let mark = self.urgent_end(cx.slabs).filter(|_| !self.stays_in_line()).map(|end| end.back(1));
        mark.and_then(|mark| mark.since(self.read_position(cx.slabs)))
            .map_or(queued, |ahead| queued.min(ahead))
    }

    /// Octets in the queue that the next read leaves out: 1 if it begins with an urgent octet out of line.
    pub(crate) fn left_out(&self, slabs: &Slabs) -> u32 {
        let first = self.read_position(slabs);
        u32::from(!self.stays_in_line() && self.arrived_end(slabs) == Some(first + 1))
    }

    /// Takes an urgent octet that is out of line, and that would be read next, out of the queue.
    pub(crate) fn leave_out_urgent(&mut self, cx: &mut Context<'_>) {
        let octets = self.left_out(cx.slabs);
        if octets > 0
            && let Some(queues) = cx.slabs.queues_mut(self.queues)
        {
            queues.receive.consume(cx.pool, octets as usize);
            self.pass_mark(cx.slabs);
            self.on_taken(cx, octets);
        }
    }

    fn stays_in_line(&self) -> bool {
        self.options.has(OptionFlags::OOB_INLINE)
    }

    /// RCV.UP, if text has arrived as far and the application has not read as far.
    fn arrived_end(&self, slabs: &Slabs) -> Option<SeqNumber> {
        self.urgent_end(slabs).filter(|end| end.at_or_before(self.text_end()))
    }

    /// How many of `max` octets a read may take: none beyond the mark, unless it begins there.
    pub(crate) fn up_to_mark(&self, slabs: &Slabs, max: usize) -> usize {
        let mark = self.urgent_end(slabs).map(|end| end.back(1));
        match mark.and_then(|mark| mark.since(self.read_position(slabs))) {
            Some(ahead @ 1..) => max.min(ahead as usize),
            _ => max,
        }
    }

    /// After a read: urgent text that has been read to its end is forgotten.
    pub(crate) fn pass_mark(&self, slabs: &mut Slabs) {
        let passed = self.urgent_end(slabs).is_none();
        if let Some(rare) = slabs.rare_mut(self.rare).filter(|_| passed) {
            (rare.urgent.received, rare.urgent.is_taken) = (None, false);
        }
    }

    /// RCV.UP, if the application has not read as far.
    fn urgent_end(&self, slabs: &Slabs) -> Option<SeqNumber> {
        let end = slabs.rare(self.rare)?.urgent.received?;
        end.after(self.read_position(slabs)).then_some(end)
    }

    /// The number of the next octet to be read.
    fn read_position(&self, slabs: &Slabs) -> SeqNumber {
        let queued = slabs.queues(self.queues).map_or(0, |queues| queues.receive.len());
        self.text_end().back(queued)
    }

    /// The number after the last octet of text that came in order.
    fn text_end(&self) -> SeqNumber {
        self.rcv.nxt.back(u32::from(self.has(Marks::FIN_RECEIVED)))
    }

    /// All that has been written is urgent: SND.UP. If none of it can go, an ACK tells the peer, who takes the pointer
    /// from it even with its window shut (RFC 9293 MUST-66).
    pub(crate) fn mark_urgent(&mut self, cx: &mut Context<'_>) {
        cx.slabs.rare_or_new(&mut self.rare).urgent.sent = Some(self.snd.end);
        if self.state.is_synchronized() && self.decide_text(cx, u32::MAX).is_err() {
            self.owe_ack();
        }
    }

    /// Whether the peer has not acknowledged all urgent text.
    pub(crate) fn sends_urgent(&self, slabs: &Slabs) -> bool {
        self.urgent_pointer(slabs, self.snd.una).is_some()
    }

    /// The urgent pointer of a segment from `seq` on, if urgent text ends behind it. RFC 9293 MUST-31: an end that is too
    /// far for the field is pointed to as far as it goes, and later segments point on.
    pub(crate) fn urgent_pointer(&self, slabs: &Slabs, seq: SeqNumber) -> Option<u16> {
        let end = slabs.rare(self.rare)?.urgent.sent?;
        let ahead = end.since(seq).filter(|ahead| *ahead > 0)?;
        Some(u16::try_from(ahead).unwrap_or(u16::MAX))
    }

    /// Sets URG and the pointer while there is urgent text ahead of the segment.
    pub(crate) fn point_to_urgent(&self, slabs: &mut Slabs, plan: &mut SegmentPlan) {
        let Some(urgent) = slabs.rare_mut(self.rare).map(|rare| &mut rare.urgent) else { return };
        // What is acknowledged is forgotten before the numbers come round.
        urgent.sent = urgent.sent.filter(|end| end.after(self.snd.una));
        if let Some(pointer) = self.urgent_pointer(slabs, plan.seq) {
            plan.flags |= Flags::URG;
            plan.urgent = pointer;
        }
    }
}

#[cfg(test)]
mod tests;
