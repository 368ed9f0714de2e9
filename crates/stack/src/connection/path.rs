//! The way of a connection's segments: the link, the next hop, and how large they may be.

use portolan_wire::{Family, FlowKey};

use crate::LinkId;
use crate::event::Warning;
use crate::ip::route::Hop;
use crate::list::NONE;
use crate::stack::Stack;

/// Where a connection's packets go. It is looked up when it is first used and when the host's routes have changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Path {
    /// The routes' generation at the look-up; 0 is never one.
    pub(crate) generation: u32,
    pub(crate) link: LinkId,
    /// The largest text without options.
    pub(crate) mss: u16,
    /// The neighbour's number at its link, and the generation of that place.
    pub(crate) neighbour: u32,
    pub(crate) neighbour_generation: u32,
    pub(crate) flow_label: u32,
}

impl Path {
    pub(crate) const UNKNOWN: Path = Path {
        generation: 0,
        link: LinkId::LOOPBACK,
        mss: 536,
        neighbour: NONE,
        neighbour_generation: 0,
        flow_label: 0,
    };
}

/// The largest text of a segment without options on a path of this MTU. RFC 9293 MUST-67: and in an MSS option.
pub(crate) fn mss_of(mtu: u16, family: Family) -> u16 {
    let headers = match family {
        Family::V4 => 40,
        Family::V6 => 60,
    };
    mtu.saturating_sub(headers).max(1)
}

impl Stack {
    /// A connection's segments have been sent again for nothing: its neighbour is asked whether it is there, and its
    /// route looked up anew (RFC 9293 MUST-20); and the application hears of it (SHLD-9).
    pub(super) fn doubt_path(&mut self, index: u32) {
        let Some(connection) = self.flows.connections.get_mut(index) else { return };
        let Path { link, neighbour, neighbour_generation, .. } = connection.path;
        connection.path.generation = Path::UNKNOWN.generation;
        let known = self.interface(link).and_then(|interface| interface.neighbours.generation(neighbour));
        if known == Some(neighbour_generation) {
            self.doubt_neighbour(link, neighbour);
        }
        self.warn(index, Warning::Retransmitting);
    }

    /// Looks the path up again if the routes have changed since. False if there is none.
    pub(crate) fn refresh_path(&mut self, index: u32) -> bool {
        let Some(connection) = self.flows.connections.get(index) else { return false };
        if connection.path.generation == self.path_generation {
            return true;
        }
        let (key, zone) = (connection.key, connection.zone());
        let Ok(hop) = self.route(self.first_stop(&key), zone) else { return false };
        self.delist(index);
        let path = Path {
            generation: self.path_generation,
            link: hop.link,
            mss: self.path_mss(&key, hop.mtu),
            flow_label: self.flow_label(&key),
            ..Path::UNKNOWN
        };
        if let Some(connection) = self.flows.connections.get_mut(index) {
            connection.path = path;
        }
        true
    }

    /// The largest text of a segment without TCP options on a flow's path, whose first link's MTU is given.
    ///
    /// RFC 9293 MUST-16, §3.7.1: IP options count too.
    pub(crate) fn path_mss(&self, key: &FlowKey, link_mtu: u16) -> u16 {
        let remote = key.remote.address;
        let mss = mss_of(self.path_mtu(remote, link_mtu), remote.family());
        mss.saturating_sub(self.ip_options_len(key)).max(1)
    }

    /// What a flow's peer is told of the segments that may come: what the route says, or what the path takes the other
    /// way.
    pub(crate) fn advertised_mss(&self, key: &FlowKey, hop: &Hop) -> u16 {
        hop.advertised_mss.unwrap_or_else(|| self.path_mss(key, hop.mtu))
    }

    /// What the peer of a connection is told of the segments that may come, or would be told now.
    pub(crate) fn advertised_mss_of(&self, index: u32) -> Option<u16> {
        let connection = self.flows.connections.get(index)?;
        let hop = self.route(self.first_stop(&connection.key), connection.zone()).ok()?;
        Some(self.advertised_mss(&connection.key, &hop))
    }

    /// Makes the next look at every connection's path a new look-up, and lets those try again that had none.
    pub(crate) fn paths_changed(&mut self) {
        self.path_generation = self.path_generation.wrapping_add(1).max(1);
        for index in 0..self.flows.connections.bound() {
            if self.with_tcb(index, |tcb, cx| tcb.wants_transmit(cx)) == Some(true) {
                self.activate(index);
            }
        }
    }
}
