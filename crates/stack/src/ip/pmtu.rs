//! The path MTUs that routers have told us (RFC 1191, RFC 8201), for datagrams and for new connections. A connection
//! that runs keeps its own.

use hashbrown::HashMap;
use portolan_link::Instant;
use portolan_wire::{Address, Family};

use crate::random::Keyed;
use crate::stack::Stack;

/// Destinations that are remembered. When they are full, further reports are not: a lost packet costs less than an
/// attacker's say in what is forgotten.
const ENTRIES_MAX: usize = 1024;
/// RFC 1191 §6.3, RFC 8201 §4: the estimate is raised again after ten minutes.
const LIFETIME_US: u64 = 600_000_000;
/// Linux's net.ipv4.route.min_pmtu: smaller reports are forgeries or mistakes.
const MIN_V4: u16 = 552;
/// RFC 8201 §4: reports below the minimum link MTU are ignored.
const MIN_V6: u16 = 1280;

/// What is remembered.
#[derive(Debug)]
pub(crate) struct PathMtus(HashMap<Address, (u16, Instant), Keyed>);

impl PathMtus {
    pub(crate) fn new(keyed: Keyed) -> PathMtus {
        PathMtus(HashMap::with_hasher(keyed))
    }
}

impl Stack {
    /// The MTU of the path to `dst`, whose first link's MTU is given.
    pub(crate) fn path_mtu(&self, dst: Address, link_mtu: u16) -> u16 {
        match self.path_mtus.0.get(&dst) {
            Some(&(mtu, until)) if until > self.engine.now => mtu.min(link_mtu),
            _ => link_mtu,
        }
    }

    /// Takes note of a path's MTU.
    pub(crate) fn learn_path_mtu(&mut self, dst: Address, mtu: u16) {
        let until = self.engine.now.plus_micros(LIFETIME_US);
        let known = self.path_mtus.0.contains_key(&dst);
        if self.path_mtus.0.len() >= ENTRIES_MAX && !known {
            let now = self.engine.now;
            self.path_mtus.0.retain(|_, (_, until)| *until > now);
        }
        if self.path_mtus.0.len() < ENTRIES_MAX || known {
            self.path_mtus.0.insert(dst, (mtu, until));
        }
    }
}

/// What is believed of a report: no less than any path takes, or, in IPv6, nothing at all below that.
pub(crate) fn believable_mtu(dst: Address, mtu: u32) -> Option<u16> {
    let mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
    match dst.family() {
        Family::V4 => Some(mtu.max(MIN_V4)),
        Family::V6 => Some(mtu).filter(|&mtu| mtu >= MIN_V6),
    }
}
