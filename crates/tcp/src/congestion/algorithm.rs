//! The algorithms by name (`TCP_CONGESTION`, `tcp_congestion_control`).

use alloc::boxed::Box;
use core::fmt;

use super::CongestionControl;
use crate::Config;

/// Which congestion controller a connection has (`TCP_CONGESTION`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum CongestionAlgorithm {
    /// RFC 5681 with RFC 6582; `reno`.
    NewReno,
    /// RFC 9438; `cubic`.
    #[default]
    Cubic,
    /// RFC 8257; `dctcp`.
    Dctcp,
    /// draft-ietf-ccwg-bbr, version 3; `bbr`.
    Bbr,
    /// The host's [`UserAlgorithm`] of this number.
    User(u8),
    /// One that was given to this connection alone; its name is its own.
    Own,
}

impl CongestionAlgorithm {
    /// The algorithms that every host has.
    pub const BUILT_IN: [CongestionAlgorithm; 4] = [
        CongestionAlgorithm::Cubic,
        CongestionAlgorithm::NewReno,
        CongestionAlgorithm::Bbr,
        CongestionAlgorithm::Dctcp,
    ];

    /// The algorithm of this name on a host with these knobs; `None` if there is none.
    #[must_use]
    pub fn by_name(config: &Config, name: &str) -> Option<CongestionAlgorithm> {
        CongestionAlgorithm::all(config).find(|algorithm| algorithm.name(config) == name)
    }

    /// All algorithms of a host with these knobs (`tcp_available_congestion_control`).
    pub fn all(config: &Config) -> impl Iterator<Item = CongestionAlgorithm> + use<> {
        let users = u8::try_from(config.user_congestion.len()).unwrap_or(u8::MAX);
        CongestionAlgorithm::BUILT_IN.into_iter().chain((0..users).map(CongestionAlgorithm::User))
    }

    /// Whether every segment has to be one that can be marked.
    #[must_use]
    pub const fn needs_ecn(self) -> bool {
        matches!(self, CongestionAlgorithm::Dctcp)
    }

    /// The name, as Linux calls it.
    #[must_use]
    pub fn name(self, config: &Config) -> &'static str {
        match self {
            CongestionAlgorithm::NewReno => "reno",
            CongestionAlgorithm::Cubic => "cubic",
            CongestionAlgorithm::Dctcp => "dctcp",
            CongestionAlgorithm::Bbr => "bbr",
            CongestionAlgorithm::User(number) => {
                config.user_congestion.get(usize::from(number)).map_or("custom", |user| user.name)
            }
            CongestionAlgorithm::Own => "custom",
        }
    }
}

/// An algorithm of a user's own, by its name.
#[derive(Clone, Copy)]
pub struct UserAlgorithm {
    /// The name for `TCP_CONGESTION`: at most 15 octets.
    pub name: &'static str,
    /// Makes a controller whose window is so many octets, with this slow-start threshold.
    pub new: fn(cwnd: u32, ssthresh: u32) -> Box<dyn CongestionControl>,
}

impl PartialEq for UserAlgorithm {
    fn eq(&self, other: &UserAlgorithm) -> bool {
        self.name == other.name
    }
}

impl Eq for UserAlgorithm {}

impl fmt::Debug for UserAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserAlgorithm({})", self.name)
    }
}

#[cfg(test)]
mod tests;
