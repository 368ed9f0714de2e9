//! TCP Fast Open (RFC 7413): text that goes with the SYN.
//!
//! The client's side: [`Tcb::use_fast_open`] before the first segment says what the SYN may carry. The SYN waits
//! for the first write, takes with it what fits, and is repeated without text and without the option. What the
//! SYN-ACK says of it, the host learns by [`Tcb::fast_open_news`].
//!
//! The server's side: [`Tcb::from_fast_open`] makes a connection of a SYN whose cookie is good, before the
//! handshake is over. Its SYN-ACK stands for SYN-RECEIVED: until that is acknowledged ([`Marks::UNPROVEN`]), the
//! retransmission timer repeats the SYN-ACK and nothing else, and [`Tcb::state`] says SYN-RECEIVED; in all other
//! respects the connection is open. Cookies are made and checked by the host.

use portolan_link::{Chunks, Instant};
use portolan_wire::SeqNumber;
use portolan_wire::tcp::{FastOpen, Flags};

use crate::challenge::{Discard, Reply, Step};
use crate::congestion::Congestion;
use crate::flight::Sending;
use crate::numbers::to_u32;
use crate::tcb::{Marks, Tcb};
use crate::{Context, DropReason, Embryo, Error, Segment, Signals, SocketOptions, State, Transition};

/// Octets that stay free for options in a SYN with text: all that a header can hold, because middleboxes add
/// options of their own.
const OPTIONS_MAX: u16 = 40;

/// How an active open uses Fast Open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FastOpenOffer {
    /// The option of the first SYN: a cookie or a request; none where none is needed.
    pub option: Option<FastOpen>,
    /// Whether the SYN may carry text: there is a cookie, or none is needed.
    pub text: bool,
    /// The MSS that the server announced last time, which limits that text.
    pub mss: Option<u16>,
}

/// What a connection has found out about Fast Open on the way to its peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FastOpenNews {
    /// The SYN-ACK has come.
    Answer {
        /// The MSS that the server announced.
        mss: u16,
        /// The cookie for the next connection, if it brought one and the SYN had the option.
        cookie: Option<FastOpen>,
        /// The option that asked for a cookie and got none; whether it was the experimental one.
        unanswered: Option<bool>,
    },
    /// Timeout after timeout: something on the way may drop what it does not know.
    BlackHole,
}

/// What a connection remembers of Fast Open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct FastOpenState {
    /// The option of the first SYN or SYN-ACK.
    option: Option<FastOpen>,
    /// The limit that [`FastOpenOffer::mss`] sets; 0 for none.
    mss: u16,
    /// Whether the SYN may carry, or has carried, text or the option.
    offered: bool,
    /// Whether the connection came from a SYN that was taken at once.
    pub(crate) child: bool,
    /// The number of that SYN.
    irs: SeqNumber,
    /// Whether the SYN has gone again because the path did not take its text.
    shortened: bool,
    news: Option<FastOpenNews>,
}

impl Tcb {
    /// Makes an active open use Fast Open (RFC 7413 §4.2.1); to be called before the first segment is sent. If
    /// the SYN may carry text, it waits for the first write.
    pub fn use_fast_open(&mut self, cx: &mut Context<'_>, offer: &FastOpenOffer) {
        let rare = cx.slabs.rare_or_new(&mut self.rare);
        rare.fast_open = FastOpenState {
            option: offer.option,
            mss: offer.mss.unwrap_or(0),
            offered: true,
            ..FastOpenState::default()
        };
        if offer.text {
            self.marks.remove(Marks::SYN_DUE);
            self.marks.insert(Marks::SYN_DEFERRED);
        }
    }

    /// Whether the SYN waits for the first write.
    #[must_use]
    pub fn is_deferred(&self) -> bool {
        self.has(Marks::SYN_DEFERRED)
    }

    /// Whether this is a Fast Open's connection whose SYN-ACK is not acknowledged yet.
    #[must_use]
    pub fn is_unproven(&self) -> bool {
        self.has(Marks::UNPROVEN)
    }

    /// Whether text may go both ways: the handshake is over, or Fast Open does not wait for that.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state.is_synchronized()
    }

    /// What [`Signals::FAST_OPEN`] announced, once.
    pub fn fast_open_news(&mut self, cx: &mut Context<'_>) -> Option<FastOpenNews> {
        cx.slabs.rare_mut(self.rare)?.fast_open.news.take()
    }

    fn fast_open_state(&self, cx: &Context<'_>) -> FastOpenState {
        cx.slabs.rare(self.rare).map_or(FastOpenState::default(), |rare| rare.fast_open)
    }

    /// Octets of text that the SYN takes (RFC 7413 §4.2.1): what the server would take in a segment full of
    /// options.
    pub(crate) fn syn_text_max(&self, cx: &Context<'_>) -> usize {
        let known = Some(self.fast_open_state(cx).mss).filter(|mss| *mss > 0);
        let peer = known.map_or(cx.mss, |mss| mss.max(cx.config.min_mss));
        let clamp = self.options.mss_limit();
        usize::from(peer.min(cx.mss).min(clamp).saturating_sub(OPTIONS_MAX))
    }

    /// The first write has come: the SYN is due, with it or, if it brought nothing, alone.
    pub(crate) fn end_deferral(&mut self) {
        if self.has(Marks::SYN_DEFERRED) {
            self.marks.remove(Marks::SYN_DEFERRED);
            self.marks.insert(Marks::SYN_DUE);
        }
    }

    /// The option of the first SYN or SYN-ACK. RFC 7413 §4.2.1: what is sent again does without.
    pub(crate) fn syn_option(&self, cx: &Context<'_>) -> Option<FastOpen> {
        self.fast_open_state(cx).option
    }

    /// Puts into `text` what the first SYN takes along; returns how many octets.
    pub(crate) fn collect_syn_text(&mut self, cx: &mut Context<'_>, text: &mut Chunks) -> u32 {
        let first = self.snd.iss + 1;
        let written = self.snd.end.since(first).unwrap_or(0);
        let Some(queues) = cx.slabs.queues_mut(self.queues).filter(|_| written > 0) else { return 0 };
        queues.send.collect(cx.pool, first, written, text)
    }

    /// The SYN-ACK of an active open has come: what was sent with the SYN has arrived, or goes again at once; and
    /// the host learns what is new about the server.
    pub(crate) fn settle_syn_text(&mut self, cx: &mut Context<'_>, segment: &Segment, signals: &mut Signals) {
        self.note_answer(cx, segment, signals);
        let first = self.snd.iss + 1;
        if self.snd.nxt == first {
            return;
        }
        let acked = self.snd.una.since(first).unwrap_or(0);
        self.counters.bytes_acked += u64::from(acked);
        if let Some(queues) = cx.slabs.queues_mut(self.queues) {
            queues.send.acknowledge(cx.pool, self.snd.una);
        }
        let left = self.outstanding();
        if left == 0 {
            self.marks.insert(Marks::SYN_DATA);
            cx.stats.fast_open_active += 1;
            return;
        }
        // RFC 7413 §4.2.1: no sign of congestion, the server just did not take it.
        cx.stats.fast_open_active_fail += 1;
        let sending = Sending {
            seq: self.snd.una,
            len: left,
            mss: self.full_text(cx),
            now: self.sent_at,
            delivered: self.delivered(cx.slabs),
            joins: true,
        };
        let flight = cx.slabs.flight_or_new(&mut self.flight, self.rare);
        flight.on_sent(&sending, false);
        flight.begin_again(self.snd.nxt);
        if let Some(queues) = cx.slabs.queues_mut(self.queues) {
            queues.send.pushes.mark(self.snd.nxt);
        }
    }

    fn note_answer(&mut self, cx: &mut Context<'_>, segment: &Segment, signals: &mut Signals) {
        let state = self.fast_open_state(cx);
        if !state.offered || !segment.has(Flags::SYN) {
            return;
        }
        let sent_text = self.snd.nxt != self.snd.iss + 1;
        // A cookie that nobody asked for is not taken.
        let cookie = segment.options.fast_open.filter(|reply| state.option.is_some() && !reply.is_request());
        let asked = state.option.filter(|_| cookie.is_none() && !sent_text && self.retries == 0);
        let mss = self.snd.mss;
        let unanswered = asked.map(|option| option.is_experimental());
        cx.slabs.rare_or_new(&mut self.rare).fast_open.news =
            Some(FastOpenNews::Answer { mss, cookie, unanswered });
        *signals |= Signals::FAST_OPEN;
    }

    /// A timeout, before it is acted upon: RFC 7413 §4.1.3.1 asks to notice networks that drop what they do not
    /// know. As on Linux, the third in a row says so, or an end before that; but only while nothing was delivered after
    /// a SYN that had a part in it, and if the host itself could send.
    pub(crate) fn suspect_black_hole(&mut self, cx: &mut Context<'_>, given_up: bool) -> Signals {
        let suspicious = self.retries == 2 || self.retries < 2 && given_up;
        let was_sent = self.outstanding() > 0 && !self.marks.intersects(Marks::UNSENDABLE | Marks::PERSIST);
        let begins = match self.state {
            State::SynSent => true,
            _ => self.has(Marks::SYN_DATA) && self.counters.delivered <= 1,
        };
        if !(suspicious && was_sent && begins && self.fast_open_state(cx).offered) {
            return Signals::empty();
        }
        cx.stats.fast_open_black_holes += 1;
        cx.slabs.rare_or_new(&mut self.rare).fast_open.news = Some(FastOpenNews::BlackHole);
        Signals::FAST_OPEN
    }

    /// RFC 7413 §4.2.2: the connection of a SYN with a good cookie, with the SYN's text in it. Its SYN-ACK is
    /// due, with `reply` as its option; `embryo` is the record of that SYN.
    #[must_use]
    pub fn from_fast_open(
        cx: &mut Context<'_>,
        embryo: &Embryo,
        options: &SocketOptions,
        flow: u64,
        segment: &Segment,
        reply: Option<FastOpen>,
        text: &mut Chunks,
    ) -> (Tcb, Signals) {
        let mut tcb = Tcb::from_embryo(cx, embryo, options, flow);
        let figures = tcb.figures(cx);
        let rare = cx.slabs.rare_or_new(&mut tcb.rare);
        rare.fast_open =
            FastOpenState { option: reply, child: true, irs: segment.seq, ..FastOpenState::default() };
        tcb.snd.una = tcb.snd.nxt;
        tcb.marks.insert(Marks::UNPROVEN | Marks::SYN_DUE);
        // The SYN's codepoint is not kept for this SYN-ACK, which therefore agrees on RFC 3168's ECN.
        tcb.marks.remove(Marks::ACCURATE);
        tcb.set_send_window(cx, segment, u32::from(segment.window));
        tcb.cc = Congestion::new(cx.config, tcb.full_text(cx), false);
        tcb.move_on(cx, Transition::SynAcked);
        let mut segment = *segment;
        segment.text_len = to_u32(text.len());
        let mut signals = Signals::WRITABLE;
        tcb.take_text(cx, &segment, text, &mut signals);
        text.clear();
        tcb.marks.set(Marks::SYN_DATA, tcb.rcv.nxt != embryo.irs + 1);
        // The SYN-ACK acknowledges the text.
        tcb.acks_owed = 0;
        tcb.timers.ack = Instant::MAX;
        cx.stats.fast_open_passive += 1;
        let signals = tcb.finish(cx, signals);
        tcb.trace_changes(cx, figures);
        (tcb, signals)
    }

    /// The SYN that this connection came from, again: its SYN-ACK was lost, or is under way.
    pub(crate) fn is_own_syn(&self, cx: &Context<'_>, segment: &Segment) -> bool {
        self.has(Marks::UNPROVEN) && !segment.has(Flags::ACK) && self.fast_open_state(cx).irs == segment.seq
    }

    /// RFC 9293 §3.10.7.4, fifth check, SYN-RECEIVED: is our SYN-ACK acknowledged?
    pub(crate) fn prove(&mut self, cx: &mut Context<'_>, segment: &Segment, signals: &mut Signals) -> Step {
        if segment.ack.before(self.snd.una) || segment.ack.after(self.snd.nxt) {
            return Err(Discard::new(DropReason::BadAck, Reply::Reset(segment.ack)));
        }
        self.marks.remove(Marks::UNPROVEN | Marks::SYN_DUE);
        self.timers.retransmit = Instant::MAX;
        // Text may have been sent since; the SYN's arrival is when the SYN-ACK went.
        self.measure_handshake(cx, segment, self.retries > 0, self.heard_at);
        (self.retries, self.backoffs) = (0, 0);
        self.counters.delivered += 1;
        *signals |= Signals::ESTABLISHED | Signals::WRITABLE;
        Ok(())
    }

    /// The SYN-ACK's time is up: it goes again, or the connection is given up. RFC 7413 §4.2.2: nothing else is
    /// sent again before it is acknowledged.
    pub(crate) fn on_unproven_timeout(&mut self, cx: &mut Context<'_>) -> Signals {
        if self.retries >= cx.config.synack_retries {
            return self.give_up(cx, Error::TimedOut);
        }
        self.retries = self.retries.saturating_add(1);
        self.backoffs = self.backoffs.saturating_add(1);
        cx.stats.timeouts += 1;
        self.marks.insert(Marks::SYN_DUE);
        self.timers.retransmit = self.retransmit_deadline(cx);
        self.trace(cx, crate::TraceEvent::Timeout { backoffs: self.backoffs });
        Signals::empty()
    }

    /// An ICMP error says that the path takes only `mss` octets of text and options, and the SYN's text was more:
    /// the SYN goes again at once, without it. Whether it was so.
    pub(crate) fn shorten_syn(&mut self, cx: &mut Context<'_>, mss: u16) -> bool {
        let text_len = self.snd.nxt.since(self.snd.iss + 1).unwrap_or(0);
        let too_large = self.state == State::SynSent
            && text_len > u32::from(mss.saturating_sub(OPTIONS_MAX))
            && !self.fast_open_state(cx).shortened;
        if too_large {
            self.marks.insert(Marks::SYN_DUE);
            cx.slabs.rare_or_new(&mut self.rare).fast_open.shortened = true;
        }
        too_large
    }
}

#[cfg(test)]
mod tests;
