//! What an application sets for one of its connections or listeners.

use bitflags::bitflags;

use crate::congestion::CongestionAlgorithm;
use crate::user_timeout::UserTimeoutOption;
use crate::{Config, Keepalive};

bitflags! {
    /// Options of one connection that are on or off.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct OptionFlags: u16 {
        /// Sends small segments at once: no Nagle algorithm (`TCP_NODELAY`; RFC 9293 MUST-17).
        const NODELAY = 1 << 0;
        /// Sends full segments only, until it is taken back or time is up (`TCP_CORK`).
        const CORK = 1 << 1;
        /// Asks a silent peer whether it is still there (`SO_KEEPALIVE`; RFC 9293 MUST-24, MUST-25).
        const KEEPALIVE = 1 << 2;
        /// Urgent text stays in line (`SO_OOBINLINE`; RFC 6093 §3.2).
        const OOB_INLINE = 1 << 3;
        /// The application has chosen the size of the receive buffer: it does not grow by itself.
        const RECV_BUFFER_LOCKED = 1 << 4;
        /// The application has chosen the size of the send buffer: it does not grow by itself.
        const SEND_BUFFER_LOCKED = 1 << 5;
    }
}

/// The knobs of one connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SocketOptions {
    /// Those that every connection has at hand.
    pub common: CommonOptions,
    /// Those that few applications set: a connection has memory for them once one is not as usual.
    pub seldom: SeldomOptions,
}

/// The part of [`SocketOptions`] that every connection has at hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommonOptions {
    /// What is on.
    pub flags: OptionFlags,
    /// An upper limit of the MSS, both sent and used; 0 for none (`TCP_MAXSEG`).
    pub mss_clamp: u16,
    /// The most octets of the receive buffer (`SO_RCVBUF`). It decides the window scale at the time of the SYN.
    pub recv_buffer_max: u32,
    /// The most octets of the send buffer (`SO_SNDBUF`).
    pub send_buffer_max: u32,
    /// Milliseconds that sent text may stay unacknowledged before the connection is given up; 0 leaves that to
    /// [`Config::retries2`] (`TCP_USER_TIMEOUT`; RFC 9293 MUST-21).
    pub user_timeout_ms: u32,
    /// The congestion controller (`TCP_CONGESTION`).
    pub congestion: CongestionAlgorithm,
}

/// The part of [`SocketOptions`] that few applications set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SeldomOptions {
    /// When to probe a silent peer, if [`OptionFlags::KEEPALIVE`] is on; what is 0 is as [`Config::keepalive`] says.
    pub keepalive: Keepalive,
    /// Octets that are to be readable before a reader is woken (`SO_RCVLOWAT`).
    pub receive_low_water: u32,
    /// Octets written and not sent below which there is room to write; 0 leaves that to
    /// [`Config::notsent_low_water`] (`TCP_NOTSENT_LOWAT`).
    pub notsent_low_water: u32,
    /// An upper limit of the receive window in octets; 0 for none (`TCP_WINDOW_CLAMP`).
    pub window_clamp: u32,
    /// How long FIN-WAIT-2 may last after the application has closed (`TCP_LINGER2`).
    pub fin_wait2: FinWait2,
    /// The most octets per second; 0 for no limit (`SO_MAX_PACING_RATE`).
    pub max_pacing_rate: u64,
    /// Retransmissions of a SYN; 0 leaves that to [`Config::syn_retries`] (`TCP_SYNCNT`).
    pub syn_retries: u8,
    /// Whether the peer has a say in the user timeout, and what it is told (RFC 5482).
    pub user_timeout_option: UserTimeoutOption,
}

/// How long a connection without an application waits in FIN-WAIT-2 for the peer's FIN (`TCP_LINGER2`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FinWait2 {
    /// As long as [`Config::fin_wait2_us`] says.
    #[default]
    Usual,
    /// Not at all: the connection ends when its FIN is acknowledged.
    Never,
    /// This many seconds.
    Seconds(u8),
}

impl Default for SeldomOptions {
    fn default() -> SeldomOptions {
        SeldomOptions {
            keepalive: Keepalive { time_s: 0, interval_s: 0, probes: 0 },
            receive_low_water: 1,
            notsent_low_water: 0,
            window_clamp: 0,
            fin_wait2: FinWait2::Usual,
            max_pacing_rate: 0,
            syn_retries: 0,
            user_timeout_option: UserTimeoutOption { enabled: None, advertised_s: None, changeable: None },
        }
    }
}

impl SeldomOptions {
    /// The upper limit of the receive window in octets.
    pub(crate) fn window_limit(&self) -> u32 {
        if self.window_clamp == 0 { u32::MAX } else { self.window_clamp }
    }
}

impl CommonOptions {
    /// Whether this option is on.
    #[must_use]
    pub fn has(&self, flag: OptionFlags) -> bool {
        self.flags.contains(flag)
    }

    /// The upper limit of the MSS: what the application has set, or what the field can hold.
    #[must_use]
    pub fn mss_limit(&self) -> u16 {
        if self.mss_clamp == 0 { u16::MAX } else { self.mss_clamp }
    }
}

impl SocketOptions {
    /// The options that a new socket has on a host with these knobs.
    #[must_use]
    pub fn new(config: &Config) -> SocketOptions {
        SocketOptions {
            common: CommonOptions {
                flags: if config.oob_inline { OptionFlags::OOB_INLINE } else { OptionFlags::empty() },
                mss_clamp: 0,
                recv_buffer_max: config.recv_buffer.max,
                send_buffer_max: config.send_buffer.max,
                user_timeout_ms: 0,
                congestion: config.congestion,
            },
            seldom: SeldomOptions::default(),
        }
    }
}

impl Default for SocketOptions {
    fn default() -> SocketOptions {
        SocketOptions::new(&Config::default())
    }
}
