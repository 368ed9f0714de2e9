//! How a connection ends: CLOSE, ABORT, resets, giving up, TIME-WAIT (RFC 9293 §3.6, §3.10.4, §3.10.5).

use portolan_link::Instant;
use portolan_wire::SeqNumber;

use crate::limits::Limit;
use crate::numbers::low_u32;
use crate::tcb::{Marks, Tcb};
use crate::timers::Timers;
use crate::{Context, Error, FinWait2, Signals, Slabs, State, Transition};

impl Tcb {
    /// No more text will be written: our FIN follows what is queued (RFC 9293 §3.10.4).
    ///
    /// # Errors
    /// `NotConnected` if there is no connection, or not yet.
    pub fn shutdown_write(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        match self.state {
            State::Closed | State::Listen | State::SynSent => return Err(Error::NotConnected),
            _ => {}
        }
        self.queue_fin(cx);
        self.rearm(cx);
        Ok(())
    }

    fn queue_fin(&mut self, cx: &mut Context<'_>) {
        if self.has(Marks::FIN_QUEUED) {
            return;
        }
        self.marks.insert(Marks::FIN_QUEUED);
        // In SYN-RECEIVED the transition waits for the handshake (RFC 9293 §3.10.4).
        if self.state.may_send() {
            self.move_on(cx, Transition::Close);
        }
    }

    /// No more text will be read: reading returns the end once the queue is empty. The peer is not told.
    ///
    /// # Errors
    /// `NotConnected` if there is no connection, or not yet.
    pub fn shutdown_read(&mut self) -> Result<(), Error> {
        match self.state {
            State::Closed | State::Listen | State::SynSent => return Err(Error::NotConnected),
            _ => {}
        }
        self.marks.insert(Marks::READ_SHUT);
        Ok(())
    }

    /// The application lets go of the connection, which ends in the background: FIN after what is queued, or
    /// RST if there is text that nobody will read now (RFC 2525 §2.17).
    pub fn close(&mut self, cx: &mut Context<'_>) -> Signals {
        self.marks.insert(Marks::ORPHAN);
        let signals = match self.state {
            State::Closed => Signals::CLOSED,
            State::Listen | State::SynSent => self.end(cx, None),
            _ if self.receive_queued(cx) > 0 => self.reset_now(cx, None),
            _ => {
                self.queue_fin(cx);
                if self.state == State::FinWait2 {
                    self.limit_fin_wait_2(cx);
                }
                Signals::empty()
            }
        };
        self.finish(cx, signals)
    }

    /// Ends the connection at once (RFC 9293 §3.10.5); `poll_segment` gives the RST, if one is due.
    pub fn abort(&mut self, cx: &mut Context<'_>) -> Signals {
        let signals = match self.state {
            State::Closed => Signals::CLOSED,
            _ => self.reset_now(cx, Some(Error::Aborted)),
        };
        self.drop_received(cx);
        self.finish(cx, signals)
    }

    /// Ends the connection with a RST, where the peer would not know otherwise.
    pub(crate) fn reset_now(&mut self, cx: &mut Context<'_>, error: Option<Error>) -> Signals {
        // RFC 9293 §3.10.5: no RST in SYN-SENT, and none once both sides have closed.
        let due = matches!(
            self.state,
            State::SynReceived | State::Established | State::FinWait1 | State::FinWait2 | State::CloseWait
        );
        let signals = self.end(cx, error);
        self.marks.set(Marks::RESET_DUE, due);
        signals
    }

    /// CLOSED, for whatever reason. Text that waits to be sent is gone; text that was received can still be read.
    pub(crate) fn end(&mut self, cx: &mut Context<'_>, error: Option<Error>) -> Signals {
        if matches!(self.state, State::SynSent | State::SynReceived) && error == Some(Error::TimedOut) {
            cx.stats.attempt_fails += 1;
        }
        if self.state != State::Closed {
            self.move_on(cx, Transition::Abort);
        }
        self.error = self.error.or(error);
        self.marks.remove(
            Marks::SYN_DUE
                | Marks::SYN_DEFERRED
                | Marks::UNPROVEN
                | Marks::PROBE_DUE
                | Marks::OVERRIDE
                | Marks::PERSIST
                | Marks::WANTS_WRITE,
        );
        self.acks_owed = 0;
        self.timers = Timers::NONE;
        self.set_limit(cx.now, Limit::Idle);
        cx.slabs.give_flight(&mut self.flight);
        cx.slabs.give_congestion(&mut self.cc.slot);
        if let Some(queues) = cx.slabs.queues_mut(self.queues) {
            queues.send.clear(cx.pool);
            queues.receive.later.clear();
            queues.receive.fin = None;
        }
        // Nothing is outstanding any more; a RST that is due still finds SND.NXT.
        self.snd.una = self.snd.nxt;
        self.snd.end = self.snd.nxt;
        self.marks.remove(Marks::FIN_QUEUED);
        Signals::CLOSED | Signals::READABLE | Signals::WRITABLE
    }

    fn drop_received(&mut self, cx: &mut Context<'_>) {
        cx.slabs.give_queues(&mut self.queues, cx.pool);
    }

    /// The peer does not answer (RFC 9293 §3.8.3, R2): the connection is given up.
    pub(crate) fn give_up(&mut self, cx: &mut Context<'_>, error: Error) -> Signals {
        cx.stats.given_up += 1;
        Signals::TIMED_OUT | self.end(cx, Some(error))
    }

    /// How long the peer has kept its window shut before text of ours, in microseconds; `None` if it does not.
    #[must_use]
    pub fn shut_out_us(&self, slabs: &Slabs, now: Instant) -> Option<u64> {
        if self.snd.wnd == 0 && self.outstanding() > 0 && self.retries > 0 {
            // Text was on its way when the window shut; a peer that acknowledges none of it must not be spared for that.
            return Some(now.micros_since(slabs.flight(self.flight)?.progress_at));
        }
        let shut = self.has(Marks::PERSIST) && self.unsent() > 0 && self.window_from(self.snd.nxt) == 0;
        // Text may have waited for longer, but gone in pieces; or there was none to wait.
        let waited_us = self.limited_us(now, Limit::ReceiveWindow)?.min(now.micros_since(self.sent_at));
        shut.then_some(waited_us)
    }

    /// How long text has waited beyond a gap while none came, in microseconds; `None` if none waits.
    #[must_use]
    pub fn gap_us(&self, slabs: &Slabs, now: Instant) -> Option<u64> {
        let waits = slabs.queues(self.queues).is_some_and(|queues| !queues.receive.later.is_empty());
        let silent_ms = low_u32(now.as_millis()).wrapping_sub(self.rcv.text_at_ms);
        waits.then(|| u64::from(silent_ms) * 1_000)
    }

    /// The host needs the memory of text that came out of order. RFC 2018 §8: the peer keeps it until it is acknowledged
    /// cumulatively, and sends it again.
    pub fn forget_out_of_order(&mut self, cx: &mut Context<'_>) {
        if let Some(queues) = cx.slabs.queues_mut(self.queues) {
            cx.stats.out_of_order_forgotten += 1;
            queues.receive.later.clear();
        }
        cx.slabs.recharge(self.queues);
    }

    /// The host needs the memory of the text that the peer does not take (RFC 6429 §3).
    pub fn give_up_shut_out(&mut self, cx: &mut Context<'_>) -> Signals {
        cx.stats.shut_out_given_up += 1;
        let signals = Signals::TIMED_OUT | self.reset_now(cx, Some(Error::TimedOut));
        self.finish(cx, signals)
    }

    /// Both sides have closed, and our ACK of the peer's FIN may be lost: wait for its FIN to come again
    /// (RFC 9293 §3.6.1).
    pub(crate) fn begin_time_wait(&mut self, cx: &mut Context<'_>, signals: &mut Signals) {
        self.timers = Timers { idle: cx.now.plus_micros(u64::from(cx.config.time_wait_us)), ..Timers::NONE };
        self.marks.remove(Marks::PROBE_DUE | Marks::OVERRIDE | Marks::PERSIST);
        cx.slabs.give_flight(&mut self.flight);
        cx.slabs.give_congestion(&mut self.cc.slot);
        *signals |= Signals::TIME_WAIT;
    }

    /// Nobody waits for the peer's text any more, so its FIN has to come in time.
    pub(crate) fn limit_fin_wait_2(&mut self, cx: &Context<'_>) {
        let wait_us = match self.seldom(cx.slabs).fin_wait2 {
            FinWait2::Usual => u64::from(cx.config.fin_wait2_us),
            FinWait2::Never => 0,
            FinWait2::Seconds(seconds) => u64::from(seconds) * 1_000_000,
        };
        self.timers.idle = cx.now.plus_micros(wait_us);
    }

    /// Whether the idle timer runs for the end of a state, and not for keepalive or memory.
    pub(crate) fn has_final_deadline(&self) -> bool {
        match self.state {
            State::TimeWait => true,
            State::FinWait2 => self.has(Marks::ORPHAN),
            _ => false,
        }
    }

    /// Whether `seq` is the number of an octet that was sent and not acknowledged.
    #[must_use]
    pub fn is_under_way(&self, seq: SeqNumber) -> bool {
        // The SYN-ACK of a Fast Open lies before SND.UNA.
        let unproven = u32::from(self.has(Marks::UNPROVEN));
        seq.in_window(self.snd.una.back(unproven), self.outstanding() + unproven)
    }

    /// An ICMP error arrived that quotes sequence number `seq`. `hard` is RFC 1122's hard error (port or protocol
    /// unreachable); `error` is what the application gets to see if the connection ends by it.
    ///
    /// RFC 5927 §4.1: an error that quotes no octet under way is forged or late. §5.2: an open connection
    /// survives any other (RFC 9293 MUST-56, SHLD-25). An active opening ends by it, as on Linux; a passive one
    /// by a hard error.
    pub fn on_unreachable(
        &mut self,
        cx: &mut Context<'_>,
        seq: SeqNumber,
        hard: bool,
        error: Error,
    ) -> Signals {
        let figures = self.figures(cx);
        let under_way = self.is_under_way(seq);
        cx.stats.out_of_window_icmps += u64::from(!under_way);
        let signals = match self.state() {
            State::SynSent | State::SynReceived if under_way && (hard || self.state == State::SynSent) => {
                cx.stats.attempt_fails += 1;
                Signals::TIMED_OUT | self.end(cx, Some(error))
            }
            _ => {
                if seq == self.snd.una && !hard {
                    self.revert_backoff(cx);
                }
                Signals::empty()
            }
        };
        let signals = self.finish(cx, signals);
        self.trace_changes(cx, figures);
        signals
    }

    /// An ICMP error arrived that quotes `seq` and says that the path takes no more than `mss` octets of text
    /// and options. The caller has taken note, so that [`Context::mss`] is that from now on; what was too large
    /// goes again. `None` if that tells the connection nothing: `seq` is not under way, or its segments are no larger.
    pub fn on_mtu(&mut self, cx: &mut Context<'_>, seq: SeqNumber, mss: u16) -> Option<Signals> {
        let figures = self.figures(cx);
        let under_way = self.is_under_way(seq);
        let too_large = mss < self.snd.mss.max(cx.config.min_mss);
        if under_way && self.shorten_syn(cx, mss) {
            self.timers.retransmit = portolan_link::Instant::MAX;
        } else if under_way
            && too_large
            && let Some(flight) = cx.slabs.flight_mut(self.flight)
        {
            // RFC 1191 §6.5: no sign of congestion, so the window stays.
            flight.begin_again(self.snd.nxt);
            self.set_retransmit_alarm(cx);
            let octets = self.full_text(cx);
            self.trace(cx, crate::TraceEvent::Mss { octets });
        } else {
            return None;
        }
        let signals = self.finish(cx, Signals::empty());
        self.trace_changes(cx, figures);
        Some(signals)
    }
}

#[cfg(test)]
mod tests;
