//! Congestion control: the interface between a connection and the algorithm that decides how much may be in
//! flight.
//!
//! A connection finds losses, hears of marks and counts octets; a controller turns that into a window, and perhaps
//! into a rate. To try an algorithm of your own, implement [`CongestionControl`] and give it to one connection
//! with [`crate::Tcb::set_congestion_control`], or to a host under a name with [`UserAlgorithm`].
//!
//! [`Congestion`] is what every connection keeps: the two figures that the rest of it asks for. The controller
//! itself is a [`record::Record`] in a slab, taken with the first text that is sent and given back after long idle
//! (`docs/decisions/010-the-controller-is-a-record-of-the-busy.md`).

mod algorithm;
mod bbr;
mod cubic;
mod dctcp;
mod hystart;
pub(crate) mod record;
mod reno;
#[cfg(test)]
pub(crate) mod testing;
mod usage;
mod validation;
mod window;

use alloc::vec::Vec;

use portolan_link::Instant;
use portolan_wire::SeqNumber;

pub use algorithm::{CongestionAlgorithm, UserAlgorithm};
pub use bbr::Bbr;
pub use cubic::{Cubic, CubicRules};
pub use dctcp::Dctcp;
pub(crate) use record::Congestion;
pub use reno::NewReno;

use crate::Config;

/// The largest window: what the largest scaled receive window can use.
pub(crate) const WINDOW_MAX: u32 = 1 << 30;

/// What a controller may know of its connection at the moment of a call.
#[derive(Debug)]
pub struct CcContext<'a> {
    /// The time.
    pub now: Instant,
    /// Octets of text in a full segment.
    pub mss: u16,
    /// Smoothed round-trip time in microseconds; 0 before the first measurement.
    pub srtt_us: u32,
    /// The retransmission timeout without backoff, in microseconds.
    pub rto_us: u32,
    /// RFC 6675's pipe: octets assumed to be in the network. As it was before an acknowledgement, a segment that
    /// is sent, or a sign of congestion; at a timeout, what is left once the lost are taken out.
    pub in_flight: u32,
    /// RFC 5681's FlightSize: octets sent and not acknowledged, before this event.
    pub outstanding: u32,
    /// SND.UNA, after this event.
    pub una: SeqNumber,
    /// SND.NXT.
    pub nxt: SeqNumber,
    /// A fresh random number.
    pub random: u64,
    /// The host's knobs.
    pub config: &'a Config,
}

impl CcContext<'_> {
    /// Octets of the initial window (RFC 6928).
    #[must_use]
    pub fn initial_window(&self) -> u32 {
        u32::from(self.config.initial_window.max(1)) * u32::from(self.mss)
    }
}

/// A segment that was just planned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sent {
    /// Octets of text.
    pub text_len: u32,
    /// Whether it was sent before.
    pub retransmission: bool,
    /// Whether the application, and not the path, limits what is in flight.
    pub app_limited: bool,
}

/// What one acknowledgement brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AckSample {
    /// Octets newly acknowledged cumulatively; 0 if only blocks beyond a gap were reported.
    pub acked: u32,
    /// Octets newly known to have arrived, cumulatively or selectively. A window grows by these, if `acked` is
    /// not 0: what a duplicate reported before counts then no more.
    pub delivered: u32,
    /// Octets newly held for lost.
    pub lost: u32,
    /// Octets delivered so far on this connection.
    pub delivered_total: u64,
    /// What was in flight before, in octets.
    pub prior_in_flight: u32,
    /// Of those delivered, the octets that the network has marked, as far as the peer says (RFC 3168).
    pub marked: u32,
    /// The round-trip time measured with it, in microseconds.
    pub rtt_us: Option<u32>,
    /// The delivery rate measured with it.
    pub rate: Option<RateSample>,
    /// Whether the window, and not the application or the peer, limited what was sent (RFC 7661).
    pub window_limited: bool,
    /// Whether the application, and not the path, limits what is in flight.
    pub app_limited: bool,
    /// Whether the window is being reduced, by fast recovery or after a sign of congestion: it is then not to
    /// grow.
    pub in_recovery: bool,
}

/// What an acknowledgement says of the path's delivery rate (draft-ietf-ccwg-bbr §4.1): it concerns the segment
/// that was sent last of those that it delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RateSample {
    /// Octets delivered since that segment was sent.
    pub delivered: u32,
    /// The time in which they were, in microseconds: that of sending or that of acknowledging, the longer; at
    /// least 1.
    pub interval_us: u32,
    /// How long ago that segment was sent, in microseconds.
    pub rtt_us: u32,
    /// [`AckSample::delivered_total`] when it was sent.
    pub prior_delivered: u64,
    /// What was in flight when it had been sent, in octets.
    pub tx_in_flight: u32,
    /// Octets held for lost since it was sent.
    pub lost: u32,
    /// Whether the application was the limit when it was sent.
    pub app_limited: bool,
    /// Whether it had been sent more than once.
    pub retransmission: bool,
}

impl RateSample {
    /// The rate in octets per second.
    #[must_use]
    pub fn octets_per_s(&self) -> u64 {
        u64::from(self.delivered) * 1_000_000 / u64::from(self.interval_us.max(1))
    }
}

/// Signs of congestion other than a timeout.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CongestionEvent {
    /// A loss was found by acknowledgements. Reported once per window of text.
    Loss,
    /// The peer has reported congestion experienced (RFC 3168). Reported once per window of text.
    Ecn,
}

/// Window and threshold before they were reduced.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Prior {
    /// The congestion window in octets.
    pub cwnd: u32,
    /// The slow-start threshold in octets; `u32::MAX` if there was none.
    pub ssthresh: u32,
}

/// What `TCP_CC_INFO` says of an algorithm, beside its name and what [`crate::Info`] says of any.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum CcInfo {
    /// Nothing.
    #[default]
    None,
    /// `tcp_dctcp_info`.
    Dctcp {
        /// The share of octets that are marked, in 1/1024.
        alpha_per_1024: u32,
        /// Octets acknowledged in the present observation window.
        acked: u32,
        /// Of these, the octets that were marked.
        marked: u32,
    },
    /// `tcp_bbr_info`.
    Bbr {
        /// The estimate of the bandwidth, in octets per second.
        bandwidth: u64,
        /// The least round-trip time, in microseconds; `u32::MAX` before the first.
        min_rtt_us: u32,
        /// How much faster than the bandwidth it sends, in 1/256.
        pacing_gain_per_256: u32,
        /// How much more than the bandwidth-delay product may be in flight, in 1/256.
        cwnd_gain_per_256: u32,
    },
}

/// An algorithm that decides how many octets may be in flight (RFC 9293 MAY-18: there may be many).
pub trait CongestionControl: Send {
    /// The name that `TCP_CONGESTION` reads.
    fn name(&self) -> &'static str {
        "custom"
    }
    /// A segment was planned.
    fn on_transmit(&mut self, cx: &mut CcContext<'_>, segment: &Sent);
    /// An acknowledgement brought something new.
    fn on_ack(&mut self, cx: &mut CcContext<'_>, sample: &AckSample);
    /// There is congestion. The window named here is where the reduction ends: on the way there, proportional rate
    /// reduction (RFC 9937) says how much may be in flight, unless [`CongestionControl::has_own_recovery`].
    fn on_congestion(&mut self, cx: &mut CcContext<'_>, event: CongestionEvent);
    /// What was outstanding when congestion, or a timeout, was found is acknowledged.
    fn on_recovered(&mut self, _cx: &mut CcContext<'_>) {}
    /// The retransmission timer ran out; what was in flight is held for lost, but for what was sent lately. `first`
    /// says that it is the first time in a row.
    fn on_timeout(&mut self, cx: &mut CcContext<'_>, first: bool);
    /// The last reduction was for nothing: what was held for lost had only been late. `prior` is what it was
    /// before (RFC 4015 §3.2).
    fn on_spurious(&mut self, cx: &mut CcContext<'_>, prior: &Prior);
    /// Less of the window was used than it holds (RFC 7661): it is to be `cwnd` octets at most.
    fn on_unvalidated(&mut self, _cx: &mut CcContext<'_>, _cwnd: u32) {}
    /// Text is to be sent after `idle_us` microseconds without any, which is more than an RTO (RFC 5681 §4.1).
    fn on_idle(&mut self, cx: &mut CcContext<'_>, idle_us: u64);
    /// The congestion window in octets.
    fn window(&self) -> u32;
    /// The slow-start threshold in octets; `u32::MAX` if there is none.
    fn threshold(&self) -> u32 {
        u32::MAX
    }
    /// Whether the window is the algorithm's own during recovery as well, so that there is no proportional rate
    /// reduction.
    fn has_own_recovery(&self) -> bool {
        false
    }
    /// Octets per second at which to send; `None` sends as the window allows.
    fn pacing_rate(&self) -> Option<u64> {
        None
    }
    /// What `TCP_CC_INFO` reads.
    fn info(&self) -> CcInfo {
        CcInfo::None
    }
    /// Appends the state to `out`, for a hand-over.
    fn freeze(&self, out: &mut Vec<u8>);
}

/// Appends numbers to the octets of a hand-over.
pub(crate) fn freeze_u32s(out: &mut Vec<u8>, values: &[u32]) {
    for value in values {
        out.extend_from_slice(&value.to_be_bytes());
    }
}
