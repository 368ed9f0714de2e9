//! The port table: who is bound where, who may bind too, and which ephemeral port comes next.
//!
//! The rules are Linux's (`inet_csk_bind_conflict`, `udp_lib_get_port`): addresses conflict if one is a wildcard or
//! both are equal; SO_REUSEADDR lets TCP sockets share a port of which none listens, and UDP sockets any; SO_REUSEPORT
//! lets all share that set it. A connection in TIME-WAIT counts as the connection did.

use alloc::vec;
use alloc::vec::Vec;

use hashbrown::HashMap;
use portolan_wire::{Address, Endpoint, Family, FlowKey, protocol};
use smallvec::SmallVec;

use crate::random::{Keyed, Random};
use crate::{LinkId, SocketError};

/// Counters of RFC 6056 §3.3.4: destinations that share one see each other's connections as gaps, so there are many.
const COUNTERS: usize = 1 << 16;

/// A socket's claim on a port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Binding {
    pub(crate) socket: u32,
    /// The address, or the unspecified one of the socket's family.
    pub(crate) address: Address,
    /// Whether an IPv6 wildcard leaves IPv4 alone.
    pub(crate) v6_only: bool,
    pub(crate) reuse_address: bool,
    pub(crate) reuse_port: bool,
    pub(crate) listening: bool,
    /// The link that the socket is bound to; 0 if none.
    pub(crate) link: u16,
}

impl Binding {
    fn is_dual(&self) -> bool {
        self.address == Address::UNSPECIFIED && !self.v6_only
    }

    /// Whether packets to this address are the binding's, and how exactly it asked for them.
    fn matches(&self, address: Address, link: LinkId) -> Option<u8> {
        if self.link != 0 && self.link != link.index() {
            return None;
        }
        let exact = u8::from(self.link != 0);
        if self.address == address {
            return Some(4 + exact);
        }
        let same_family = self.address.family() == address.family();
        match self.address.is_unspecified() {
            true if same_family => Some(2 + exact),
            true if self.is_dual() && address.family() == Family::V4 => Some(exact),
            _ => None,
        }
    }

    /// Whether some address would be both bindings'.
    fn overlaps(&self, other: &Binding) -> bool {
        if self.link != 0 && other.link != 0 && self.link != other.link {
            return false;
        }
        if self.is_dual() || other.is_dual() {
            // A dual-stack wildcard has all of IPv4, and all of IPv6.
            return true;
        }
        self.address.family() == other.address.family()
            && (self.address == other.address
                || self.address.is_unspecified()
                || other.address.is_unspecified())
    }

    fn conflicts(&self, other: &Binding, protocol: u8) -> bool {
        let both_reuse = self.reuse_address && other.reuse_address;
        let shared = match protocol {
            protocol::TCP => both_reuse && !other.listening,
            _ => both_reuse,
        };
        let shared = shared || self.reuse_port && other.reuse_port;
        self.socket != other.socket && self.overlaps(other) && !shared
    }
}

#[derive(Debug, Default)]
struct Port {
    bindings: SmallVec<[Binding; 1]>,
    /// Connections with this local port that no binding of their own stands for.
    connections: u32,
    /// Of these, those whose socket did not have SO_REUSEADDR.
    exclusive: u32,
}

impl Port {
    fn is_unused(&self) -> bool {
        self.bindings.is_empty() && self.connections == 0
    }
}

/// The ports of a host, TCP's and UDP's.
#[derive(Debug)]
pub(crate) struct Ports {
    ports: HashMap<(u8, u16), Port, Keyed>,
    counters: Vec<u16>,
    range: (u16, u16),
}

impl Ports {
    pub(crate) fn new(keyed: Keyed, range: (u16, u16)) -> Ports {
        let range = (range.0.max(1), range.1.max(range.0).max(1));
        // The offset of each destination is secret, so the counters may begin at zero.
        Ports { ports: HashMap::with_hasher(keyed), counters: vec![0; COUNTERS], range }
    }

    /// The first and the last ephemeral port.
    pub(crate) fn range(&self) -> (u16, u16) {
        self.range
    }

    pub(crate) fn len(&self) -> usize {
        self.ports.len()
    }

    /// Octets of the table, its slack included.
    pub(crate) fn table_octets(&self) -> usize {
        self.ports.allocation_size()
    }

    /// Claims a port for a socket.
    pub(crate) fn bind(&mut self, protocol: u8, port: u16, binding: Binding) -> Result<(), SocketError> {
        let entry = self.ports.entry((protocol, port)).or_default();
        let by_connections = entry.exclusive > 0 || entry.connections > 0 && !binding.reuse_address;
        let conflict = entry.bindings.iter().any(|other| binding.conflicts(other, protocol));
        if conflict || by_connections && !binding.reuse_port {
            return Err(SocketError::AddressInUse);
        }
        entry.bindings.push(binding);
        Ok(())
    }

    /// Claims an ephemeral port, chosen at random (RFC 6056 §3.3.1).
    pub(crate) fn bind_ephemeral(
        &mut self,
        protocol: u8,
        binding: Binding,
        random: &mut Random,
    ) -> Result<u16, SocketError> {
        let count = u32::from(self.range.1 - self.range.0) + 1;
        let start = random.secret_below(count);
        for step in 0..count {
            let port = self.nth(start.wrapping_add(step) % count);
            if self.ports.get(&(protocol, port)).is_none_or(Port::is_unused) {
                self.bind(protocol, port, binding)?;
                return Ok(port);
            }
        }
        Err(SocketError::AddressInUse)
    }

    /// An ephemeral port for a connection to `remote` that `is_free` allows: ports may be shared by connections to
    /// different destinations.
    ///
    /// RFC 6056 §3.3.4: double-hash port selection.
    pub(crate) fn choose(
        &mut self,
        protocol: u8,
        local: Address,
        remote: Endpoint,
        keyed: Keyed,
        mut is_free: impl FnMut(u16) -> bool,
    ) -> Option<u16> {
        let flow = FlowKey { local: Endpoint::new(local, 0), remote, protocol, zone: 0 };
        let [a, b, c, d, .., e, f] = keyed.flow(&flow).to_be_bytes();
        let offset = portolan_tcp::planted!(66, 0, u32::from_be_bytes([a, b, c, d]));
        let counter = usize::from(u16::from_be_bytes([e, f]));
        let count = u32::from(self.range.1 - self.range.0) + 1;
        for _ in 0..count {
            let counter = self.counters.get_mut(counter)?;
            let n = offset.wrapping_add((*counter).into()) % count;
            *counter = counter.wrapping_add(1);
            let port = self.nth(n);
            let bound = self.ports.get(&(protocol, port)).is_some_and(|entry| !entry.bindings.is_empty());
            if !bound && portolan_tcp::planted!(65, true, is_free(port)) {
                return Some(port);
            }
        }
        // The counter turns over at a number that is no multiple of the range, which may have left out a few.
        (0..count).map(|n| self.nth(n)).find(|port| {
            let bound = self.ports.get(&(protocol, *port)).is_some_and(|entry| !entry.bindings.is_empty());
            !bound && is_free(*port)
        })
    }

    /// The `n`th port of the ephemeral range.
    fn nth(&self, n: u32) -> u16 {
        self.range.0.saturating_add(u16::try_from(n).unwrap_or(0))
    }

    /// Gives a socket's claim up.
    pub(crate) fn release(&mut self, protocol: u8, port: u16, socket: u32) {
        if let Some(entry) = self.ports.get_mut(&(protocol, port)) {
            entry.bindings.retain(|binding| binding.socket != socket);
            self.forget_unused(protocol, port);
        }
    }

    /// Changes a socket's claim, if nobody's objects.
    pub(crate) fn update(
        &mut self,
        protocol: u8,
        port: u16,
        socket: u32,
        change: impl FnOnce(&mut Binding),
    ) -> Result<(), SocketError> {
        let entry = self.ports.get_mut(&(protocol, port)).ok_or(SocketError::InvalidArgument)?;
        let at = entry.bindings.iter().position(|binding| binding.socket == socket);
        let mut changed = *at.and_then(|at| entry.bindings.get(at)).ok_or(SocketError::InvalidArgument)?;
        change(&mut changed);
        if changed.listening && entry.bindings.iter().any(|other| changed.conflicts(other, protocol)) {
            return Err(SocketError::AddressInUse);
        }
        if let Some(binding) = at.and_then(|at| entry.bindings.get_mut(at)) {
            *binding = changed;
        }
        Ok(())
    }

    pub(crate) fn hold_connection(&mut self, key: &FlowKey, reuse: bool) {
        let entry = self.ports.entry((key.protocol, key.local.port)).or_default();
        entry.connections += 1;
        entry.exclusive += u32::from(!reuse);
    }

    pub(crate) fn release_connection(&mut self, key: &FlowKey, reuse: bool) {
        if let Some(entry) = self.ports.get_mut(&(key.protocol, key.local.port)) {
            entry.connections = entry.connections.saturating_sub(1);
            entry.exclusive = entry.exclusive.saturating_sub(u32::from(!reuse));
            self.forget_unused(key.protocol, key.local.port);
        }
    }

    fn forget_unused(&mut self, protocol: u8, port: u16) {
        if self.ports.get(&(protocol, port)).is_some_and(Port::is_unused) {
            self.ports.remove(&(protocol, port));
        }
    }

    /// The socket that listens for a connection like this, which is asked for over `link`.
    ///
    /// RFC 9293 MUST-41, MUST-42: others on the same port are none of its business.
    pub(crate) fn listener(&self, key: &FlowKey, link: LinkId) -> Option<u32> {
        self.nearest(key, link, |binding| binding.listening)
    }

    /// The socket whose claim fits best; of equals, with SO_REUSEPORT, one by the flow's hash.
    pub(crate) fn nearest(
        &self,
        key: &FlowKey,
        link: LinkId,
        accept: impl Fn(&Binding) -> bool,
    ) -> Option<u32> {
        let entry = self.ports.get(&(key.protocol, key.local.port))?;
        let fits = |binding: &Binding| {
            if accept(binding) { binding.matches(key.local.address, link) } else { None }
        };
        let best = entry.bindings.iter().filter_map(fits).max()?;
        let mut equals = entry.bindings.iter().filter(|binding| fits(binding) == Some(best));
        let count = equals.clone().count();
        if count > 1 && equals.clone().all(|binding| binding.reuse_port) {
            let count = u64::try_from(count).ok()?;
            let pick = self.ports.hasher().flow(key) % count;
            return equals.nth(usize::try_from(pick).ok()?).map(|binding| binding.socket);
        }
        // Linux: of sockets that share by SO_REUSEADDR, the last one bound hears.
        equals.next_back().map(|binding| binding.socket)
    }

    /// All sockets with a claim on a group's packet.
    pub(crate) fn all(&self, key: &FlowKey, link: LinkId) -> SmallVec<[u32; 8]> {
        let entry = self.ports.get(&(key.protocol, key.local.port));
        let bindings = entry.map_or(&[][..], |entry| &entry.bindings);
        let fits = |binding: &&Binding| binding.matches(key.local.address, link).is_some();
        bindings.iter().filter(fits).map(|binding| binding.socket).collect()
    }
}

#[cfg(test)]
mod tests;
