//! How a connection begins: actively, from a listener's embryo, and what the SYN agrees on.

use portolan_link::Instant;
use portolan_wire::tcp::Options;
use portolan_wire::{Mss, SeqNumber, WindowScale};

use crate::challenge::AnswerLimit;
use crate::congestion::Congestion;
use crate::embryo::{Agreed, Embryo};
use crate::limits::{Limit, LimitClock};
use crate::numbers::low_u32;
use crate::paws::Timestamps;
use crate::rtt::{Rtt, RttRound};
use crate::tcb::{Counters, Marks, ReceiveSpace, SendSpace, Tcb};
use crate::timers::Timers;
use crate::window::{BUFFER_MIN, scale_for};
use crate::{Context, Ecn, Segment, Signals, SocketOptions, State, TraceEvent, Transition};

/// RFC 9293 MUST-15: what a peer without an MSS option takes, in IPv4. For IPv6, which is not known here, the host
/// puts the option's default of 1220 into the segment.
const DEFAULT_MSS: u16 = Mss::DEFAULT_V4.get();

impl Tcb {
    /// Opens actively: SYN-SENT. The first [`Tcb::poll_segment`] gives the SYN. `iss` is from
    /// [`crate::isn::initial_sequence`], `timestamp_offset` from [`crate::isn::timestamp_offset`]; `flow` is
    /// the id in trace events.
    #[must_use]
    pub fn connect(
        cx: &mut Context<'_>,
        options: &SocketOptions,
        iss: SeqNumber,
        timestamp_offset: u32,
        flow: u64,
    ) -> Tcb {
        let mut tcb = Tcb::closed(cx, options, iss, flow);
        tcb.ts = Timestamps::new(timestamp_offset);
        tcb.rcv.scale = scale_for(cx.config, options.common.recv_buffer_max);
        tcb.marks.insert(Marks::SYN_DUE);
        tcb.marks.set(Marks::TIMESTAMPS, cx.config.timestamps);
        tcb.marks.set(Marks::SACK, cx.config.sack);
        tcb.marks.set(Marks::ECN, cx.config.asks_for_ecn(tcb.options.congestion));
        tcb.marks.set(Marks::ACCURATE, cx.config.ecn == Ecn::Accurate);
        tcb.begin_size_search(cx, cx.config.base_mss);
        cx.stats.active_opens += 1;
        tcb.move_on(cx, Transition::ActiveOpen);
        tcb
    }

    /// A connection whose handshake is being completed: SYN-RECEIVED. Give it next the very segment for which the
    /// embryo said [`crate::EmbryoVerdict::Establish`].
    #[must_use]
    pub fn from_embryo(cx: &mut Context<'_>, embryo: &Embryo, options: &SocketOptions, flow: u64) -> Tcb {
        let mut tcb = Tcb::closed(cx, options, embryo.iss, flow);
        tcb.ts = embryo.ts.resume(cx.now);
        tcb.marks.insert(Marks::PASSIVE);
        tcb.marks.set(Marks::TIMESTAMPS, embryo.has(Agreed::TIMESTAMPS));
        tcb.marks.set(Marks::SACK, embryo.has(Agreed::SACK));
        tcb.marks.set(Marks::ECN, embryo.has(Agreed::ECN));
        if let Some(codepoint) = embryo.accurate_codepoint() {
            tcb.begin_accurate(cx, codepoint);
        }
        tcb.snd.nxt = embryo.iss + 1;
        tcb.snd.mss = embryo.peer_mss;
        tcb.snd.wnd = u32::from(embryo.window);
        (tcb.snd.scale, tcb.rcv.scale) = (embryo.scales.snd(), embryo.scales.rcv());
        tcb.rcv.nxt = embryo.irs + 1;
        tcb.rcv.last_ack_sent = tcb.rcv.nxt;
        tcb.rcv.adv = tcb.rcv.nxt + u32::from(embryo.syn_ack_window);
        tcb.retries = if embryo.has(Agreed::ACKED) { 0 } else { embryo.retries };
        tcb.sent_at = embryo.sent_at.get();
        tcb.begin_size_search(cx, tcb.size_limit(cx));
        cx.stats.passive_opens += 1;
        tcb.move_on(cx, Transition::PassiveOpen);
        tcb.move_on(cx, Transition::ReceiveSyn);
        tcb.rearm(cx);
        tcb
    }

    fn closed(cx: &mut Context<'_>, options: &SocketOptions, iss: SeqNumber, flow: u64) -> Tcb {
        let most = options.common.recv_buffer_max;
        let buffer = cx.config.recv_buffer.initial.min(most).max(BUFFER_MIN);
        let mut tcb = Tcb {
            flow,
            timers: Timers::NONE,
            heard_at: cx.now,
            sent_at: cx.now,
            counters: Counters::default(),
            cc: Congestion::new(cx.config, DEFAULT_MSS, false),
            snd: SendSpace {
                iss,
                una: iss,
                nxt: iss,
                wnd: 0,
                max_wnd: 0,
                wl1: SeqNumber(0),
                wl2: SeqNumber(0),
                end: iss + 1,
                scale: WindowScale::default(),
                mss: DEFAULT_MSS,
            },
            rcv: ReceiveSpace {
                nxt: SeqNumber(0),
                adv: SeqNumber(0),
                last_ack_sent: SeqNumber(0),
                buffer,
                scale: WindowScale::default(),
                mss: DEFAULT_MSS.min(cx.mss),
                text_at_ms: low_u32(cx.now.as_millis()),
            },
            rtt: Rtt::new(cx.config),
            ts: Timestamps::default(),
            limits: LimitClock::default(),
            answers: AnswerLimit::default(),
            options: options.common,
            marks: Marks::empty(),
            flight: None,
            queues: None,
            rare: None,
            state: State::Closed,
            limit: Limit::Idle,
            error: None,
            last_drop: None,
            acks_owed: 0,
            quick_acks: cx.config.quick_acks,
            retries: 0,
            backoffs: 0,
            probes: 0,
        };
        tcb.keep_seldom(cx.slabs, &options.seldom);
        tcb
    }

    /// A SYN arrived, with or without an ACK of ours: takes what it says and agrees to.
    pub(crate) fn take_syn(&mut self, cx: &mut Context<'_>, segment: &Segment) {
        let promised = self.rcv.wnd();
        self.rcv.nxt = segment.seq + 1;
        self.rcv.last_ack_sent = self.rcv.nxt;
        self.rcv.adv = self.rcv.nxt + promised;
        self.agree(cx, &segment.options);
        self.agree_ecn(cx, segment);
        self.take_user_timeout(cx, segment);
        // RFC 7323 §2.2: the window of a SYN is not scaled.
        self.set_send_window(
            cx,
            segment,
            planted!(50, self.snd.scale.window_octets(segment.window), u32::from(segment.window)),
        );
    }

    /// Both sides have to offer an option for it to be used.
    fn agree(&mut self, cx: &Context<'_>, theirs: &Options) {
        self.snd.mss = theirs.mss.map_or(DEFAULT_MSS, Mss::get);
        match theirs.window_scale.filter(|_| cx.config.window_scaling) {
            Some(shift) => self.snd.scale = WindowScale::new(shift),
            None => (self.snd.scale, self.rcv.scale) = (WindowScale::default(), WindowScale::default()),
        }
        self.marks.set(Marks::SACK, cx.config.sack && theirs.sack_permitted);
        match theirs.timestamps.filter(|_| cx.config.timestamps) {
            Some(timestamps) => self.ts.take_first(timestamps.value, cx.now),
            None => self.marks.remove(Marks::TIMESTAMPS),
        }
    }

    /// Our SYN is acknowledged by `segment`: the connection is open.
    pub(crate) fn establish(
        &mut self,
        cx: &mut Context<'_>,
        segment: &Segment,
        event: Transition,
        signals: &mut Signals,
    ) {
        let syn_lost = self.retries > 0;
        self.snd.una = segment.ack;
        self.timers.retransmit = Instant::MAX;
        self.settle_syn_text(cx, segment, signals);
        self.measure_handshake(cx, segment, syn_lost, self.sent_at);
        (self.retries, self.backoffs) = (0, 0);
        self.counters.delivered += 1;
        self.rcv.text_at_ms = low_u32(cx.now.as_millis());
        if self.cc.slot.is_none() {
            self.cc = Congestion::new(cx.config, self.full_text(cx), syn_lost);
        }
        self.move_on(cx, event);
        self.announce_user_timeout(cx);
        *signals |= Signals::ESTABLISHED | Signals::WRITABLE;
        if self.has(Marks::FIN_QUEUED) {
            // RFC 9293 §3.10.4: a CLOSE in SYN-RECEIVED is queued until the connection is open.
            self.move_on(cx, Transition::Close);
        }
    }

    /// RFC 9293 MUST-18 (Karn): a SYN that was sent twice measures nothing, unless timestamps tell which one is
    /// meant.
    pub(crate) fn measure_handshake(
        &mut self,
        cx: &mut Context<'_>,
        segment: &Segment,
        syn_lost: bool,
        sent_at: Instant,
    ) {
        let echo = segment.options.timestamps.filter(|_| self.has(Marks::TIMESTAMPS)).map(|ts| ts.echo);
        let sample_us = if sent_at == Instant::ZERO {
            // A SYN cookie's: only the echo knows.
            match echo.and_then(|echo| self.ts.round_trip_us(echo, cx.now)) {
                Some(sample_us) => Some(sample_us),
                None => return,
            }
        } else if syn_lost {
            echo.and_then(|echo| self.ts.round_trip_us(echo, cx.now))
        } else {
            Some(cx.now.micros_since(sent_at))
        };
        match sample_us {
            Some(sample_us) => self.measure(cx, sample_us, sample_us),
            None => self.rtt.on_syn_lost(cx.config),
        }
    }

    /// Takes in the round trip of the first, and of the last segment that an acknowledgement answers.
    pub(crate) fn measure(&mut self, cx: &mut Context<'_>, sample_us: u64, last_us: u64) {
        // RFC 7323 appendix G: ExpectedSamples.
        let expected = match cx.config.rtt_averaging {
            true => self.outstanding().div_ceil(2 * u32::from(self.full_text(cx).max(1))),
            false => 1,
        };
        let mut none = RttRound::default();
        let round = cx.slabs.flight_mut(self.flight).map_or(&mut none, |flight| &mut flight.rtt);
        self.rtt.sample(cx.config, round, sample_us, expected, (self.snd.una, self.snd.nxt));
        self.rtt.sample_min(round, last_us, cx.now);
        // RFC 9293 MUST-18: the backoff holds until there is a valid measurement.
        self.backoffs = 0;
        let event = TraceEvent::Rtt {
            sample_us: crate::numbers::micros_u32(sample_us),
            srtt_us: self.rtt.srtt_us(),
            rttvar_us: self.rtt.rttvar_us(),
            min_us: self.rtt.min_us(),
        };
        self.trace(cx, event);
    }
}
