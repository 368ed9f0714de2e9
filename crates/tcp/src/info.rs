//! What a connection says of itself: Linux's `TCP_INFO` and RFC 4898, as far as they mean something here.

use crate::flight::Flight;
use crate::numbers::low_u32;
use crate::output::Blocked;
use crate::recovery::CaState;
use crate::reordering::Reordering;
use crate::tcb::{Marks, Tcb};
use crate::{Context, State};

/// A connection's figures at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Info {
    /// The state.
    pub state: State,
    /// Whether timestamps are in use.
    pub timestamps: bool,
    /// Whether selective acknowledgements are in use.
    pub sack: bool,
    /// Whether both sides agreed on ECN.
    pub ecn: bool,
    /// Whether that is accurate (RFC 9768).
    pub accurate_ecn: bool,
    /// Whether the peer has sent a segment that could be marked.
    pub ecn_seen: bool,
    /// Octets delivered that the peer says were marked.
    pub delivered_ce: u32,
    /// Octets per second at which text leaves, or would leave if it were paced; `u64::MAX` before the first
    /// round trip.
    pub pacing_rate: u64,
    /// The limit that the application has set to that; `u64::MAX` for none.
    pub max_pacing_rate: u64,
    /// Whether a SYN brought or took text that was accepted (`TCPI_OPT_SYN_DATA`).
    pub syn_data: bool,
    /// Whether the connection came from a Fast Open's SYN (`TCPI_OPT_TFO_CHILD`).
    pub fast_open_child: bool,
    /// The shift of windows that the peer sends.
    pub snd_wscale: u8,
    /// The shift of windows that this side sends.
    pub rcv_wscale: u8,
    /// Smoothed round-trip time in microseconds; 0 before the first measurement.
    pub rtt_us: u32,
    /// Mean deviation of the round-trip time in microseconds.
    pub rttvar_us: u32,
    /// The least round-trip time measured, in microseconds; 0 before the first measurement.
    pub min_rtt_us: u32,
    /// The retransmission timeout without backoff, in microseconds.
    pub rto_us: u32,
    /// Timeouts in a row.
    pub backoff: u8,
    /// Zero-window and keepalive probes without an answer.
    pub probes: u8,
    /// The congestion window in octets.
    pub cwnd: u32,
    /// The congestion window in segments of `snd_mss`.
    pub cwnd_segments: u32,
    /// The slow-start threshold in octets; `u32::MAX` before the first loss.
    pub ssthresh: u32,
    /// The slow-start threshold in segments of `snd_mss`; `u32::MAX` before the first loss.
    pub ssthresh_segments: u32,
    /// Octets of text in a full segment to the peer, options deducted.
    pub snd_mss: u16,
    /// The largest segment the peer has sent, in octets of text.
    pub rcv_mss: u16,
    /// SND.WND in octets.
    pub snd_wnd: u32,
    /// RCV.WND in octets.
    pub rcv_wnd: u32,
    /// Octets of the receive buffer now.
    pub rcv_space: u32,
    /// Segments sent again in the current round.
    pub retransmits: u8,
    /// Segments sent again so far.
    pub total_retransmits: u32,
    /// Octets of text sent, retransmissions included.
    pub bytes_sent: u64,
    /// Octets of text sent again.
    pub bytes_retransmitted: u64,
    /// Octets of text that the peer acknowledged.
    pub bytes_acked: u64,
    /// Octets of text received in order.
    pub bytes_received: u64,
    /// Segments sent.
    pub segs_out: u32,
    /// Segments received.
    pub segs_in: u32,
    /// Segments sent with text.
    pub text_segs_out: u32,
    /// Segments received with text that was new.
    pub text_segs_in: u32,
    /// Segments received out of order.
    pub out_of_order: u32,
    /// The largest segment that the peer was told of, in octets, timestamps deducted.
    pub advertised_mss: u16,
    /// The largest segment that the path takes, in octets of text and options.
    pub path_mss: u16,
    /// How long an ACK may wait for company, in microseconds.
    pub delayed_ack_us: u32,
    /// The round trip as the receiver sees it, in microseconds; 0 before the first measurement.
    pub rcv_rtt_us: u32,
    /// Octets of the receive buffer that a window may use now.
    pub rcv_ssthresh: u32,
    /// Milliseconds since text or a SYN was last sent.
    pub last_text_sent_ms: u32,
    /// Milliseconds since text last came.
    pub last_text_received_ms: u32,
    /// Milliseconds since a segment last came that was acceptable.
    pub last_ack_received_ms: u32,
    /// Retransmission timeouts.
    pub timeouts: u16,
    /// Rows of timeouts that an acknowledgement ended.
    pub timeout_recoveries: u16,
    /// Milliseconds that those rows took.
    pub timeout_recovery_ms: u32,
    /// What it is doing about losses.
    pub ca_state: CaState,
    /// Segments by which the network is assumed to reorder: RFC 6675's DupThresh.
    pub reordering: u32,
    /// How often text arrived after text above it, though it was sent once.
    pub reord_seen: u32,
    /// Segments that the peer reported as duplicates (RFC 2883).
    pub dsack_dups: u32,
    /// Octets sent and not acknowledged.
    pub unacked: u32,
    /// Of these, the octets acknowledged selectively, or without SACK by duplicates.
    pub sacked: u32,
    /// Of these, the octets held for lost.
    pub lost: u32,
    /// Of these, the octets sent again since.
    pub retrans_out: u32,
    /// Segments sent and not acknowledged.
    pub unacked_segments: u32,
    /// Of these, the segments acknowledged selectively, or without SACK by duplicates.
    pub sacked_segments: u32,
    /// Of these, the segments held for lost.
    pub lost_segments: u32,
    /// Of these, the segments sent again since.
    pub retrans_segments: u32,
    /// Octets delivered to the peer so far, as far as is known.
    pub delivered: u64,
    /// Segments delivered to the peer so far, its ACK of our SYN counted.
    pub delivered_segments: u32,
    /// The delivery rate in octets per second, as last measured; 0 before.
    pub delivery_rate: u64,
    /// Whether the application limited that measurement.
    pub delivery_rate_app_limited: bool,
    /// RFC 6675's pipe: octets assumed to be in the network.
    pub in_flight: u32,
    /// Octets written and not yet sent.
    pub not_sent: u32,
    /// Microseconds with something to send or unacknowledged, in steps of a millisecond.
    pub busy_us: u64,
    /// Of these, the time limited by the peer's window.
    pub rwnd_limited_us: u64,
    /// Of these, the time limited by the send buffer.
    pub sndbuf_limited_us: u64,
    /// Whether the application, and not the network, limits the sending rate now.
    pub app_limited: bool,
}

impl Tcb {
    /// The connection's figures.
    #[must_use]
    pub fn info(&self, cx: &Context<'_>) -> Info {
        let empty = Flight::default();
        let flight = cx.slabs.flight(self.flight).unwrap_or(&empty);
        let snd_mss = self.full_text(cx);
        let segments = |octets: u32| if octets == u32::MAX { octets } else { octets / u32::from(snd_mss) };
        let (cwnd, ssthresh) = (self.cwnd(cx.slabs), self.cc.threshold());
        let duplicates = flight.recovery.duplicates;
        let mishaps = cx.slabs.mishaps(self.rare);
        let timeouts = mishaps.timeouts;
        let at_rest = Reordering::resume(mishaps.learned);
        let reordering = cx.slabs.flight(self.flight).map_or(&at_rest, |flight| &flight.reordering);
        let millis_since = |then| low_u32(cx.now.micros_since(then) / 1_000);
        let (busy_us, rwnd_limited_us, sndbuf_limited_us) = self.limits_us(cx.now);
        let counters = &self.counters;
        let bytes_retransmitted = mishaps.bytes_retransmitted();
        let unacked_text = self.snd.nxt.min(self.snd.end).since(self.snd.una).unwrap_or(0);
        Info {
            state: self.state(),
            timestamps: self.has(Marks::TIMESTAMPS),
            sack: self.has(Marks::SACK),
            ecn: self.has(Marks::ECN),
            accurate_ecn: self.has(Marks::ACCURATE),
            ecn_seen: self.has(Marks::ECN_SEEN),
            delivered_ce: cx.slabs.rare(self.rare).map_or(0, |rare| rare.delivered_ce),
            syn_data: self.has(Marks::SYN_DATA),
            fast_open_child: cx.slabs.rare(self.rare).is_some_and(|rare| rare.fast_open.child),
            pacing_rate: self.pacing_rate(cx).or_else(|| self.window_rate(cx)).unwrap_or(u64::MAX),
            max_pacing_rate: match self.seldom(cx.slabs).max_pacing_rate {
                0 => u64::MAX,
                limit => limit,
            },
            snd_wscale: self.snd.scale.get(),
            rcv_wscale: self.rcv.scale.get(),
            rtt_us: self.rtt.srtt_us(),
            rttvar_us: self.rtt.rttvar_us(),
            min_rtt_us: self.rtt.min_us(),
            rto_us: self.rtt.rto_us(cx.config, 0),
            backoff: self.backoffs,
            probes: self.probes,
            cwnd,
            cwnd_segments: segments(cwnd),
            ssthresh,
            ssthresh_segments: segments(ssthresh),
            snd_mss,
            rcv_mss: self.rcv.mss,
            snd_wnd: self.snd.wnd,
            rcv_wnd: self.rcv.wnd(),
            rcv_space: self.rcv.buffer,
            retransmits: self.retries,
            total_retransmits: mishaps.retransmits,
            bytes_sent: counters.bytes_acked + u64::from(unacked_text) + bytes_retransmitted,
            bytes_retransmitted,
            bytes_acked: counters.bytes_acked,
            bytes_received: counters.bytes_received,
            segs_out: counters.segs_out,
            segs_in: counters.segs_in,
            text_segs_out: counters.text_segs_out,
            text_segs_in: counters.text_segs_in,
            out_of_order: mishaps.out_of_order,
            advertised_mss: cx
                .advertised_mss
                .min(self.options.mss_limit())
                .saturating_sub(self.timestamps_len()),
            path_mss: cx.mss,
            delayed_ack_us: cx.config.delayed_ack_us,
            rcv_rtt_us: cx.slabs.queues(self.queues).map_or(0, |queues| queues.autotune.rtt_us()),
            rcv_ssthresh: self.rcv.buffer.min(self.opened(cx)),
            last_text_sent_ms: millis_since(self.sent_at),
            last_text_received_ms: low_u32(cx.now.as_millis()).wrapping_sub(self.rcv.text_at_ms),
            last_ack_received_ms: millis_since(self.heard_at),
            timeouts: timeouts.total,
            timeout_recoveries: timeouts.recoveries,
            timeout_recovery_ms: timeouts.time_ms,
            ca_state: flight.recovery.state,
            reordering: reordering.degree(cx.config),
            reord_seen: reordering.learned.seen,
            dsack_dups: mishaps.dsacks,
            unacked: self.outstanding(),
            sacked: flight.sacked.octets + duplicates.octets,
            lost: flight.lost.octets,
            retrans_out: flight.resent.octets,
            unacked_segments: flight.outstanding.segments,
            sacked_segments: flight.sacked.segments + duplicates.segments,
            lost_segments: flight.lost.segments,
            retrans_segments: flight.resent.segments,
            delivered: self.delivered(cx.slabs),
            delivered_segments: counters.delivered,
            delivery_rate: flight.rate.last.0,
            delivery_rate_app_limited: flight.rate.last.1,
            in_flight: flight.in_flight(),
            not_sent: self.unsent(),
            busy_us,
            rwnd_limited_us,
            sndbuf_limited_us,
            app_limited: matches!(self.decide_text(cx, u32::MAX), Err(Blocked::NoText))
                && flight.recovery.state == CaState::Open
                && self.in_flight(cx.slabs).saturating_add(u32::from(snd_mss)) <= cwnd,
        }
    }
}
