//! The search for the largest segment that a path takes, without a word from any router (RFC 4821; the probing phases
//! of RFC 8899 are the same for datagrams).
//!
//! A connection that searches has a size in use and a range in which the path's limit lies. When much is to be sent, one
//! segment is larger: a probe, in the middle of the range (`output/size_probe.rs`). If it arrives, its size is in use;
//! if it and nothing else is lost, it was too large, and that is no sign of congestion. A row of timeouts lowers the
//! size, whether the connection has searched before or not: the path may be a black hole, where routers drop what is too
//! large and say nothing.
//!
//! Sizes count octets of text and options, as [`Context::mss`]. A connection that has never searched takes no memory
//! for it.

use portolan_link::Instant;
use portolan_wire::SeqNumber;

use crate::flight::Flight;
use crate::tcb::Tcb;
use crate::{Config, Context, Slabs};

/// When a host's connections search (`tcp_mtu_probing`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MtuProbing {
    /// Never: what routers say is all that is known.
    Off,
    /// Those whose segments seem to fall into a black hole.
    #[default]
    AfterBlackHole,
    /// All. Active opens begin with [`Config::base_mss`]; passive opens, as on Linux, with what their host knows.
    Always,
}

/// A connection's search.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SizeSearch {
    /// RFC 4821's eff_pmtu: nothing but a probe is larger.
    size: u16,
    /// RFC 4821 §7.1: search_low and search_high.
    low: u16,
    high: u16,
    began_at: Instant,
}

/// A probe that is under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SizeProbe {
    pub(crate) seq: SeqNumber,
    pub(crate) end: SeqNumber,
    pub(crate) size: u16,
}

impl SizeSearch {
    fn new(size: u16, low: u16, now: Instant) -> SizeSearch {
        SizeSearch { size, low: low.min(size), high: u16::MAX, began_at: now }
    }

    /// The range that is left, on a path and with a peer whose limit is known to be `limit`.
    fn range(&self, limit: u16) -> (u16, u16) {
        let high = self.high.min(limit);
        // What is in use has arrived often enough.
        let low = if self.low.midpoint(high) <= self.size { self.size } else { self.low };
        (low.min(high), high)
    }

    /// RFC 4821 §7.3: the size to probe with; none when the search is over.
    fn next_size(&self, limit: u16, config: &Config) -> Option<u16> {
        let (low, high) = self.range(limit);
        if high - low >= config.mtu_probe_threshold.max(1) {
            return Some(low.midpoint(high));
        }
        // The last step: most paths take all that their first link takes.
        (self.high >= limit && limit > self.size).then_some(limit)
    }

    /// As it goes on at `now`: RFC 4821 §7.2 and §7.8: the path may have become wider since it ended.
    fn at(self, now: Instant, limit: u16, config: &Config) -> SizeSearch {
        let interval_us = u64::from(config.mtu_probe_interval_s) * 1_000_000;
        let is_over = self.next_size(limit, config).is_none();
        if is_over && self.size < limit && now.micros_since(self.began_at) >= interval_us {
            SizeSearch::new(self.size, self.size, now)
        } else {
            self
        }
    }
}

/// The next smaller size to try where segments of `octets` do not arrive: the base first, then half as much each time
/// (RFC 4821 §7.7), until it makes a difference; none if segments are that small already.
fn lowered(octets: u16, size: u16, config: &Config) -> Option<u16> {
    let floor = config.mtu_probe_floor.max(config.min_mss);
    let mut lower = size;
    while lower >= octets && lower > floor {
        lower = if lower > config.base_mss { config.base_mss } else { lower / 2 }.max(floor);
    }
    (lower < octets && lower < size).then_some(lower)
}

impl Tcb {
    fn size_search<'a>(&self, slabs: &'a Slabs) -> Option<&'a SizeSearch> {
        slabs.rare(self.rare)?.size_search.as_ref()
    }

    /// The size in use; the largest number if the connection does not search.
    pub(crate) fn searched_size(&self, slabs: &Slabs) -> u16 {
        self.size_search(slabs).map_or(u16::MAX, |search| search.size)
    }

    /// A connection begins, with segments of at most `size`: it searches if all do.
    pub(crate) fn begin_size_search(&mut self, cx: &mut Context<'_>, size: u16) {
        if cx.config.mtu_probing == MtuProbing::Always {
            let search = SizeSearch::new(size, cx.config.base_mss, cx.now);
            cx.slabs.rare_or_new(&mut self.rare).size_search = Some(search);
        }
    }

    /// The size of the probe to send next, if the connection searches.
    pub(crate) fn next_probe_size(&self, cx: &Context<'_>) -> Option<u16> {
        let (limit, search) = (self.size_limit(cx), self.size_search(cx.slabs)?);
        search.at(cx.now, limit, cx.config).next_size(limit, cx.config)
    }

    /// A probe was sent.
    pub(crate) fn on_size_probe_sent(&mut self, cx: &mut Context<'_>, probe: SizeProbe) {
        let limit = self.size_limit(cx);
        if let Some(rare) = cx.slabs.rare_mut(self.rare) {
            rare.size_search = rare.size_search.map(|search| search.at(cx.now, limit, cx.config));
        }
        if let Some(flight) = cx.slabs.flight_mut(self.flight) {
            flight.size_probe = Some(probe);
        }
    }

    /// RFC 4821 §7.6.1: a probe has arrived. Windows count octets, so they need no change.
    pub(crate) fn on_size_probe_acked(&mut self, cx: &mut Context<'_>, probe: SizeProbe) {
        cx.stats.mtu_probes_acked += 1;
        if let Some(search) = cx.slabs.rare_mut(self.rare).and_then(|rare| rare.size_search.as_mut()) {
            search.size = search.size.max(probe.size);
            search.low = search.size;
        }
    }

    /// RFC 4821 §7.6.2: a probe was lost, and nothing else.
    pub(crate) fn on_size_probe_lost(&mut self, cx: &mut Context<'_>, probe: SizeProbe) {
        cx.stats.mtu_probes_lost += 1;
        if let Some(search) = cx.slabs.rare_mut(self.rare).and_then(|rare| rare.size_search.as_mut()) {
            search.high = search.high.min(probe.size.saturating_sub(1)).max(search.size);
        }
    }

    /// A retransmission timeout, counted already. RFC 4821 §7.6.3: a probe at the front was lost, if also for another
    /// reason. §7.6.4: of any other, nothing is known. §7.7: timeouts in a row may mean a black hole.
    pub(crate) fn on_timeout_of_size(&mut self, cx: &mut Context<'_>) {
        let probe = cx.slabs.flight_mut(self.flight).and_then(|flight| flight.size_probe.take());
        if let Some(probe) = probe.filter(|probe| probe.seq == self.snd.una) {
            self.on_size_probe_lost(cx, probe);
        }
        let off = cx.config.mtu_probing == MtuProbing::Off;
        // A shut window loses text as well, and what would say that it has opened may have been lost.
        let timeouts = if self.snd.wnd == 0 { self.backoffs / 2 } else { self.retries };
        if off || timeouts < cx.config.retries1 {
            return;
        }
        let Some(head) = cx.slabs.flight(self.flight).and_then(Flight::head_text) else { return };
        let size = self.text_and_options(cx);
        let octets = head.saturating_add(size - self.full_text(cx));
        if let Some(lower) = lowered(octets, size, cx.config) {
            cx.stats.mtu_black_holes += 1;
            let search = SizeSearch::new(lower, lower, cx.now);
            cx.slabs.rare_or_new(&mut self.rare).size_search = Some(search);
        }
    }
}

#[cfg(test)]
mod tests;
