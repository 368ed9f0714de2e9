//! Congestion control: the interface between a connection and the algorithm that decides how much may be in
//! flight.
//!
//! A connection finds losses and counts octets; a controller turns that into a window. [`Controller`] holds one,
//! by value where it is small. To try an algorithm of your own, implement [`CongestionControl`].

mod reno;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use portolan_link::Instant;
pub use reno::NewReno;

use crate::{Config, CongestionAlgorithm};

/// What a controller may know of its connection at the moment of a call.
#[derive(Debug)]
pub struct CcContext<'a> {
    /// The time.
    pub now: Instant,
    /// Octets of text in a full segment.
    pub mss: u16,
    /// Smoothed round-trip time in microseconds; 0 before the first measurement.
    pub srtt_us: u32,
    /// RFC 6675's pipe: octets assumed to be in the network. As it was before an acknowledgement, a segment that
    /// is sent, or a sign of congestion; at a timeout, what is left once the lost are taken out.
    pub in_flight: u32,
    /// RFC 5681's FlightSize: octets sent and not acknowledged, before this event.
    pub outstanding: u32,
    /// A fresh random number.
    pub random: u64,
    /// The host's knobs.
    pub config: &'a Config,
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

/// An algorithm that decides how many octets may be in flight.
pub trait CongestionControl: Send {
    /// A segment was planned.
    fn on_transmit(&mut self, cx: &mut CcContext<'_>, segment: &Sent);
    /// An acknowledgement brought something new.
    fn on_ack(&mut self, cx: &mut CcContext<'_>, sample: &AckSample);
    /// There is congestion. The window named here is where the reduction ends: on the way there, proportional rate
    /// reduction (RFC 9937) says how much may be in flight, unless [`CongestionControl::has_own_recovery`].
    fn on_congestion(&mut self, cx: &mut CcContext<'_>, event: CongestionEvent);
    /// The retransmission timer ran out; what was in flight is held for lost, but for what was sent lately. `first`
    /// says that it is the first time in a row.
    fn on_timeout(&mut self, cx: &mut CcContext<'_>, first: bool);
    /// The last reduction was for nothing: what was held for lost had only been late. `prior` is what it was
    /// before (RFC 4015 §3.2).
    fn on_spurious(&mut self, cx: &mut CcContext<'_>, prior: &Prior);
    /// Text is to be sent after more than an RTO without any (RFC 5681 §4.1).
    fn on_idle(&mut self, cx: &mut CcContext<'_>);
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
    fn pacing_rate(&self) -> Option<u64>;
    /// Appends the state to `out`, for a hand-over.
    fn freeze(&self, out: &mut Vec<u8>);
}

/// The controller of a connection.
pub enum Controller {
    /// RFC 5681 with RFC 6582.
    NewReno(NewReno),
    /// A user's own. Boxed twice, so that the connections that have none pay only for a thin pointer.
    Custom(Box<Box<dyn CongestionControl>>),
}

impl Controller {
    /// The controller that `config` asks for, with the window of a new connection: RFC 6928's, or one segment if
    /// the handshake lost a SYN (RFC 5681 §3.1).
    pub(crate) fn new(config: &Config, mss: u16, syn_lost: bool) -> Controller {
        let segments = if syn_lost { 1 } else { config.initial_window.max(1) };
        match config.congestion {
            CongestionAlgorithm::NewReno => {
                Controller::NewReno(NewReno::new(u32::from(segments) * u32::from(mss)))
            }
        }
    }

    pub(crate) fn get(&self) -> &dyn CongestionControl {
        match self {
            Controller::NewReno(reno) => reno,
            Controller::Custom(custom) => custom.as_ref().as_ref(),
        }
    }

    pub(crate) fn get_mut(&mut self) -> &mut dyn CongestionControl {
        match self {
            Controller::NewReno(reno) => reno,
            Controller::Custom(custom) => custom.as_mut().as_mut(),
        }
    }

    /// The congestion window in octets.
    #[must_use]
    pub fn window(&self) -> u32 {
        self.get().window()
    }

    /// The slow-start threshold in octets.
    #[must_use]
    pub fn threshold(&self) -> u32 {
        self.get().threshold()
    }
}

impl fmt::Debug for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Controller::NewReno(reno) => reno.fmt(f),
            Controller::Custom(_) => write!(f, "Custom {{ cwnd: {} }}", self.window()),
        }
    }
}
