//! Which addresses belong to which names: what our DNS answers have said lately.
//!
//! A binding lives as long as its record's TTL, at least [`FLOOR`], and from then on for as long as it is used:
//! programs keep addresses longer than DNS says, and a stream of datagrams must not break off in the middle.
//!
//! Not every binding opens its address to an `--allow`: whoever answers for a name could otherwise open what is not his.
//! To a `--deny` all bindings count.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How long a binding lives at least: from the answer, and from each use.
pub const FLOOR: Duration = Duration::from_secs(300);
/// Bindings that are remembered; then the one that would end first goes.
const BINDINGS_MAX: usize = 8192;

/// The names of addresses.
#[derive(Debug, Default)]
pub struct Bindings {
    by_address: HashMap<IpAddr, Vec<Binding>>,
    count: usize,
}

#[derive(Debug)]
struct Binding {
    name: String,
    /// `None` for ever: a table of ours says so, which does not change while we run.
    until: Option<Instant>,
    /// Whether an `--allow` of the name lets flows to the address through.
    opens: bool,
}

impl Binding {
    fn holds(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| until >= now)
    }
}

impl Bindings {
    /// `address` belongs to `name` for `ttl` from `now`; without `ttl` for ever. If it `opens`, also to an `--allow`.
    pub fn bind(&mut self, name: &str, address: IpAddr, ttl: Option<Duration>, opens: bool, now: Instant) {
        let until = ttl.map(|ttl| now + ttl.max(FLOOR));
        let bindings = self.by_address.entry(address.to_canonical()).or_default();
        match bindings.iter_mut().find(|binding| binding.name == name) {
            Some(known) => {
                // None is for ever, and the greatest.
                known.until = known.until.and_then(|known| until.map(|until| known.max(until)));
                known.opens |= opens;
            }
            None => {
                bindings.push(Binding { name: name.to_owned(), until, opens });
                self.count += 1;
                self.make_room(now);
            }
        }
    }

    /// The names that are bound to an address.
    pub fn names(&self, address: IpAddr, now: Instant) -> Vec<&str> {
        self.holding(address, now).map(|binding| binding.name.as_str()).collect()
    }

    /// Those of them that open it to an `--allow`.
    pub fn opening_names(&self, address: IpAddr, now: Instant) -> Vec<&str> {
        let opening = self.holding(address, now).filter(|binding| binding.opens);
        opening.map(|binding| binding.name.as_str()).collect()
    }

    fn holding(&self, address: IpAddr, now: Instant) -> impl Iterator<Item = &Binding> {
        let bindings = self.by_address.get(&address).map(Vec::as_slice).unwrap_or_default();
        bindings.iter().filter(move |binding| binding.holds(now))
    }

    /// A flow to this address was let through by one of its names: these bindings are in use.
    pub fn touch(&mut self, address: IpAddr, now: Instant) {
        for binding in self.by_address.get_mut(&address).into_iter().flatten() {
            if let Some(until) = binding.until.as_mut().filter(|until| **until >= now) {
                *until = (*until).max(now + FLOOR);
            }
        }
    }

    /// Forgets what has ended, and if that is not enough what will end first.
    fn make_room(&mut self, now: Instant) {
        if self.count <= BINDINGS_MAX {
            return;
        }
        self.retain(|binding| binding.holds(now));
        if self.count > BINDINGS_MAX {
            let mut ends: Vec<Instant> =
                self.by_address.values().flatten().filter_map(|binding| binding.until).collect();
            // An eighth at once, so that this is not done for each new one.
            let at = (BINDINGS_MAX / 8).min(ends.len().saturating_sub(1));
            if ends.is_empty() {
                return;
            }
            let (_, last, _) = ends.select_nth_unstable(at);
            let last = *last;
            self.retain(|binding| binding.until.is_none_or(|until| until > last));
        }
    }

    fn retain(&mut self, keep: impl Fn(&Binding) -> bool) {
        for bindings in self.by_address.values_mut() {
            bindings.retain(&keep);
        }
        self.by_address.retain(|_, bindings| !bindings.is_empty());
        self.count = self.by_address.values().map(Vec::len).sum();
    }
}

#[cfg(test)]
mod tests;
