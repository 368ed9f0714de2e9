//! The transmission control block (RFC 9293 §3.3.1): the record of one connection.
//!
//! Here are its fields and what reads them. What changes them is in `open` (the beginning), `input` (segments),
//! `output` (sending), `application` (calls), `deadline` (time) and `close` (the end).

use bitflags::bitflags;
use portolan_link::{Instant, Pool};
use portolan_wire::{SeqNumber, WindowScale};

use crate::challenge::AnswerLimit;
use crate::congestion::Congestion;
use crate::context::Queues;
use crate::flight::Flight;
use crate::limits::{Limit, LimitClock};
use crate::paws::Timestamps;
use crate::rtt::Rtt;
use crate::slab::Slot;
use crate::timers::Timers;
use crate::{
    CommonOptions, Context, DropReason, Error, SeldomOptions, Signals, Slabs, SocketOptions, State, TimeWait,
    TraceEvent, Transition,
};

/// The send sequence space (RFC 9293 §3.3.1, figure 3).
#[derive(Clone, Copy, Debug)]
pub(crate) struct SendSpace {
    pub(crate) iss: SeqNumber,
    pub(crate) una: SeqNumber,
    pub(crate) nxt: SeqNumber,
    /// In octets, scale applied. RFC 9293 MUST-1, REC-1: unsigned, and wider than the field.
    pub(crate) wnd: u32,
    /// The largest SND.WND so far.
    pub(crate) max_wnd: u32,
    pub(crate) wl1: SeqNumber,
    pub(crate) wl2: SeqNumber,
    /// After the last octet written: the number of the next, or of our FIN.
    pub(crate) end: SeqNumber,
    /// How the peer's windows are scaled.
    pub(crate) scale: WindowScale,
    /// The MSS that the peer announced.
    pub(crate) mss: u16,
}

/// The receive sequence space (RFC 9293 §3.3.1, figure 4). RCV.WND is `adv - nxt`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceiveSpace {
    pub(crate) nxt: SeqNumber,
    /// The right edge of the window that the peer may rely on. It never moves left.
    pub(crate) adv: SeqNumber,
    /// RFC 7323 §4.3: Last.ACK.sent.
    pub(crate) last_ack_sent: SeqNumber,
    /// Octets of the buffer now.
    pub(crate) buffer: u32,
    /// How our windows are scaled.
    pub(crate) scale: WindowScale,
    /// The most octets of text that came in one segment.
    pub(crate) mss: u16,
    /// When text last came, in milliseconds.
    pub(crate) text_at_ms: u32,
}

impl ReceiveSpace {
    /// RCV.WND in octets.
    pub(crate) fn wnd(&self) -> u32 {
        self.adv.since(self.nxt).unwrap_or(0)
    }
}

/// Counters of one connection, for [`crate::Info`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) bytes_acked: u64,
    pub(crate) bytes_received: u64,
    /// Segments delivered to the peer, our SYN among them.
    pub(crate) delivered: u32,
    pub(crate) segs_in: u32,
    pub(crate) segs_out: u32,
    /// Of these, the segments with text.
    pub(crate) text_segs_in: u32,
    pub(crate) text_segs_out: u32,
}

bitflags! {
    /// What is agreed, pending or known, one bit each.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(crate) struct Marks: u32 {
        /// RFC 9293 MUST-11: came from LISTEN.
        const PASSIVE = 1 << 0;
        /// Both sides agreed on SACK.
        const SACK = 1 << 1;
        /// Both sides agreed on timestamps.
        const TIMESTAMPS = 1 << 2;
        /// A SYN or SYN-ACK is to be sent.
        const SYN_DUE = 1 << 3;
        /// A RST that ends this connection is to be sent.
        const RESET_DUE = 1 << 4;
        /// A RST for a segment that is none of this connection is to be sent; `Rare::stray` is its number.
        const STRAY_RESET_DUE = 1 << 5;
        /// A window probe or keepalive probe is to be sent.
        const PROBE_DUE = 1 << 6;
        /// The application has closed its side; our FIN follows the text.
        const FIN_QUEUED = 1 << 7;
        /// The peer's FIN has arrived, in order.
        const FIN_RECEIVED = 1 << 8;
        /// The application has let go of the connection.
        const ORPHAN = 1 << 9;
        /// The application will read no more.
        const READ_SHUT = 1 << 10;
        /// A write found too little room.
        const WANTS_WRITE = 1 << 11;
        /// Text goes both ways in turn, so that an ACK is likely to find company.
        const INTERACTIVE = 1 << 12;
        /// The retransmission timer is running for window probes.
        const PERSIST = 1 << 13;
        /// The window has been small for long: send what fits (RFC 9293 §3.8.6.2.1).
        const OVERRIDE = 1 << 14;
        /// The end of what was written waits for more (`MSG_MORE`), until the peer says something; in SYN-SENT, the
        /// last ACK of the handshake does.
        const HELD = 1 << 15;
        /// The host has no way to send what is to be sent; the retransmission timer says for how long.
        const UNSENDABLE = 1 << 16;
        /// Both sides agreed on ECN; until then, our SYN asks for it.
        const ECN = 1 << 24;
        /// Marks were seen: every segment echoes them.
        const ECE_DUE = 1 << 25;
        /// The next new text says that the window was reduced.
        const CWR_DUE = 1 << 26;
        /// The peer has sent a segment that could be marked.
        const ECN_SEEN = 1 << 27;
        /// ECN is accurate (RFC 9768).
        const ACCURATE = 1 << 28;
        /// The SYN waits for the first write, which it takes along.
        const SYN_DEFERRED = 1 << 29;
        /// A Fast Open that is not answered: the SYN-ACK is not acknowledged, though the connection is open.
        const UNPROVEN = 1 << 30;
        /// A SYN brought or took text that was accepted (`TCPI_OPT_SYN_DATA`).
        const SYN_DATA = 1 << 31;
    }
}

/// One connection.
#[derive(Debug)]
pub struct Tcb {
    pub(crate) flow: u64,
    pub(crate) timers: Timers,
    /// When an acceptable segment last came.
    pub(crate) heard_at: Instant,
    /// When a SYN or text was last sent.
    pub(crate) sent_at: Instant,
    pub(crate) counters: Counters,
    pub(crate) cc: Congestion,
    pub(crate) snd: SendSpace,
    pub(crate) rcv: ReceiveSpace,
    pub(crate) rtt: Rtt,
    pub(crate) ts: Timestamps,
    pub(crate) limits: LimitClock,
    /// RFC 5961 §7.
    pub(crate) answers: AnswerLimit,
    pub(crate) options: CommonOptions,
    pub(crate) marks: Marks,
    pub(crate) flight: Option<Slot>,
    pub(crate) queues: Option<Slot>,
    pub(crate) rare: Option<Slot>,
    pub(crate) state: State,
    /// What keeps it from sending more; `limits` counts the time.
    pub(crate) limit: Limit,
    pub(crate) error: Option<Error>,
    pub(crate) last_drop: Option<DropReason>,
    /// ACKs that are to be sent at once.
    pub(crate) acks_owed: u8,
    /// Segments that are yet to be acknowledged without delay.
    pub(crate) quick_acks: u8,
    /// Retransmissions of the first octet, or of the SYN.
    pub(crate) retries: u8,
    /// Doublings of the RTO (RFC 6298 §5.5).
    pub(crate) backoffs: u8,
    /// Probes without an answer.
    pub(crate) probes: u8,
}

impl Tcb {
    /// The state. RFC 7413 §4.2.2: a Fast Open is in SYN-RECEIVED until its SYN-ACK is acknowledged.
    #[must_use]
    pub fn state(&self) -> State {
        match self.state {
            State::Established if self.has(Marks::UNPROVEN) => State::SynReceived,
            state => state,
        }
    }

    /// The options.
    #[must_use]
    pub fn options(&self, slabs: &Slabs) -> SocketOptions {
        SocketOptions { common: self.options, seldom: self.seldom(slabs) }
    }

    /// The options that few applications set.
    pub(crate) fn seldom(&self, slabs: &Slabs) -> SeldomOptions {
        slabs.rare(self.rare).map_or_else(SeldomOptions::default, |rare| rare.options)
    }

    /// Takes memory for options that few applications set, if one of them is not as usual.
    pub(crate) fn keep_seldom(&mut self, slabs: &mut Slabs, options: &SeldomOptions) {
        if slabs.rare(self.rare).is_some() || *options != SeldomOptions::default() {
            slabs.rare_or_new(&mut self.rare).options = *options;
        }
    }

    /// Changes the options. The buffers' limits hold from now on; the window scale is what it was at the SYN.
    pub fn set_options(&mut self, cx: &mut Context<'_>, options: &SocketOptions) {
        let figures = self.figures(cx);
        self.set_algorithm(cx, options.common.congestion);
        let congestion = self.options.congestion;
        self.options = CommonOptions { congestion, ..options.common };
        self.keep_seldom(cx.slabs, &options.seldom);
        let buffer_max = options.common.recv_buffer_max.max(crate::window::BUFFER_MIN);
        self.rcv.buffer = self.rcv.buffer.min(buffer_max);
        if !self.has_final_deadline() {
            self.timers.idle = Instant::MAX;
        }
        self.announce_user_timeout(cx);
        self.rearm(cx);
        self.trace_changes(cx, figures);
    }

    /// Why the connection ended, if it did with an error.
    #[must_use]
    pub fn error(&self) -> Option<Error> {
        self.error
    }

    /// Why the last discarded segment was discarded.
    #[must_use]
    pub fn last_drop(&self) -> Option<DropReason> {
        self.last_drop
    }

    /// Whether the peer's FIN has arrived, in order.
    #[must_use]
    pub fn fin_received(&self) -> bool {
        self.has(Marks::FIN_RECEIVED)
    }

    /// Whether the connection has ended and has nothing more to send, a RST included: it can be deleted.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.state == State::Closed && !self.marks.intersects(Marks::RESET_DUE | Marks::STRAY_RESET_DUE)
    }

    /// The record that stands in for this connection in TIME-WAIT.
    #[must_use]
    pub fn time_wait_record(&self, cx: &Context<'_>) -> TimeWait {
        TimeWait::new(self, cx)
    }

    /// Deletes the connection and gives its memory back.
    pub fn release(mut self, slabs: &mut Slabs, pool: &mut Pool) {
        slabs.give_flight(&mut self.flight);
        slabs.give_queues(&mut self.queues, pool);
        slabs.give_rare(&mut self.rare);
        slabs.give_congestion(&mut self.cc.slot);
    }

    pub(crate) fn has(&self, mark: Marks) -> bool {
        self.marks.contains(mark)
    }

    /// The id that trace events of this connection have.
    #[must_use]
    pub fn trace_id(&self) -> u64 {
        self.flow
    }

    pub(crate) fn trace(&self, cx: &mut Context<'_>, event: TraceEvent) {
        cx.tracer.event(cx.now, self.flow, event);
    }

    /// Goes where the transition table says.
    pub(crate) fn move_on(&mut self, cx: &mut Context<'_>, event: Transition) {
        let Some(to) = self.state.next(event) else { return };
        let from = core::mem::replace(&mut self.state, to);
        let counts = |state| matches!(state, State::Established | State::CloseWait);
        match (counts(from), counts(to)) {
            (false, true) => cx.stats.curr_estab += 1,
            (true, false) => cx.stats.curr_estab = cx.stats.curr_estab.saturating_sub(1),
            _ => {}
        }
        self.trace(cx, TraceEvent::State { from, to });
    }

    /// The octets of text in a full segment, without SACK blocks.
    ///
    /// RFC 9293 MUST-16, SHLD-6; RFC 6691 §3: the MSS is for text and options together.
    pub(crate) fn full_text(&self, cx: &Context<'_>) -> u16 {
        self.text_and_options(cx) - self.timestamps_len() - self.signature_len(cx.slabs)
    }

    /// The octets of the timestamps option in each segment, padding included.
    pub(crate) fn timestamps_len(&self) -> u16 {
        if self.has(Marks::TIMESTAMPS) { 12 } else { 0 }
    }

    /// The octets of text and options in a full segment; never below 48, so that text always has room.
    pub(crate) fn text_and_options(&self, cx: &Context<'_>) -> u16 {
        self.size_limit(cx).min(self.searched_size(cx.slabs)).max(48)
    }

    /// As [`Tcb::text_and_options`], without what a search for the path's size has found.
    pub(crate) fn size_limit(&self, cx: &Context<'_>) -> u16 {
        let peer = self.snd.mss.max(cx.config.min_mss);
        peer.min(cx.mss).min(self.options.mss_limit()).max(48)
    }

    /// Octets written and not sent.
    pub(crate) fn unsent(&self) -> u32 {
        self.snd.end.since(self.snd.nxt).unwrap_or(0)
    }

    pub(crate) fn fin_is_sent(&self) -> bool {
        self.snd.nxt.after(self.snd.end)
    }

    /// Whether our FIN is queued and not sent.
    pub(crate) fn fin_is_due(&self) -> bool {
        self.has(Marks::FIN_QUEUED) && !self.fin_is_sent()
    }

    /// RFC 5681's FlightSize, SYN and FIN counted.
    pub(crate) fn outstanding(&self) -> u32 {
        self.snd.nxt.since(self.snd.una).unwrap_or(0)
    }

    /// RFC 6675's pipe.
    pub(crate) fn in_flight(&self, slabs: &Slabs) -> u32 {
        slabs.flight(self.flight).map_or(0, Flight::in_flight)
    }

    /// Octets known to have been delivered to the peer so far.
    pub(crate) fn delivered(&self, slabs: &Slabs) -> u64 {
        let later = slabs.flight(self.flight).map_or(0, Flight::arrived);
        self.counters.bytes_acked + u64::from(later)
    }

    /// Whether the application, and not the path, limits what is in flight.
    pub(crate) fn is_app_limited(&self, slabs: &Slabs) -> bool {
        slabs.flight(self.flight).is_some_and(|flight| flight.rate.is_app_limited())
    }

    /// Whether the window is being reduced in proportion to what arrives (RFC 9937).
    pub(crate) fn is_reducing(&self, slabs: &Slabs) -> bool {
        slabs.flight(self.flight).is_some_and(|flight| flight.recovery.is_reducing())
    }

    fn has_own_recovery(&self, slabs: &Slabs) -> bool {
        slabs.congestion(self.cc.slot).is_some_and(|record| record.controller.get().has_own_recovery())
    }

    /// The congestion window in octets, as it limits what is sent now.
    pub(crate) fn cwnd(&self, slabs: &Slabs) -> u32 {
        match slabs.flight(self.flight) {
            Some(flight) if flight.recovery.is_reducing() && !self.has_own_recovery(slabs) => {
                flight.recovery.prr.cwnd
            }
            _ => self.cc.window(),
        }
    }

    /// The RTO with backoff, in microseconds.
    pub(crate) fn rto_us(&self, cx: &Context<'_>) -> u64 {
        u64::from(self.rtt.rto_us(cx.config, self.backoffs))
    }

    pub(crate) fn queues_or_new<'a>(&mut self, slabs: &'a mut Slabs) -> &'a mut Queues {
        slabs.queues_or_new(&mut self.queues, self.snd.end)
    }

    /// What every call does last: timers follow what happened, and the host learns whether there is something
    /// to send.
    pub(crate) fn finish(&mut self, cx: &mut Context<'_>, signals: Signals) -> Signals {
        cx.slabs.recharge(self.queues);
        self.rearm(cx);
        let transmit = if self.wants_transmit(cx) { Signals::TRANSMIT } else { Signals::empty() };
        signals | transmit
    }
}

#[cfg(test)]
mod tests;
