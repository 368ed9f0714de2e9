//! A translator of source ports, as a home router has one (RFC 4787 and RFC 5382 in spirit): endpoint-independent
//! mappings, and silence for what no mapping leads to.

use std::collections::BTreeMap;

use portolan_wire::checksum;

use super::find_tcp;

/// Ports below this are servers' and pass as they are.
const INSIDE_MIN: u16 = 1024;
/// The first port that is seen from outside.
const OUTSIDE_FIRST: u16 = 20_000;
const CHECKSUM_AT: usize = 16;

/// The mappings of one wire. Checksums are updated (RFC 1624) and not computed anew, so that what was corrupt before
/// stays so.
#[derive(Debug, Default)]
pub struct Nat {
    /// From ports inside to ports outside, as it is now.
    outside: BTreeMap<u16, u16>,
    /// From every port outside that was ever given to the port inside. None is given twice.
    inside: BTreeMap<u16, u16>,
}

impl Nat {
    /// Forgets all mappings, as a router that restarts: the next packet of each flow comes from a new port.
    pub fn rebind(&mut self) {
        self.outside.clear();
    }

    /// The port inside that a port outside stands or stood for.
    pub fn port_inside(&self, outside: u16) -> Option<u16> {
        self.inside.get(&outside).copied()
    }

    /// Translates a frame on its way out.
    pub(crate) fn outward(&mut self, frame: &mut [u8]) {
        let Some(port) = Port::find(frame, 0).filter(|port| port.number >= INSIDE_MIN) else { return };
        let next = OUTSIDE_FIRST + u16::try_from(self.inside.len()).unwrap_or(u16::MAX - OUTSIDE_FIRST);
        let outside = *self.outside.entry(port.number).or_insert(next);
        self.inside.insert(outside, port.number);
        port.replace(frame, outside);
    }

    /// Translates a frame on its way in; false if it is to be dropped.
    pub(crate) fn inward(&mut self, frame: &mut [u8]) -> bool {
        let Some(port) = Port::find(frame, 2).filter(|port| port.number >= INSIDE_MIN) else { return true };
        let Some(inside) = self.port_inside(port.number) else { return false };
        let is_present = self.outside.get(&inside) == Some(&port.number);
        if is_present {
            port.replace(frame, inside);
        }
        is_present
    }
}

/// One of the two ports of a segment in a frame.
#[derive(Clone, Copy)]
struct Port {
    number: u16,
    /// Where it stands in the frame, and where the checksum does.
    at: usize,
    checksum_at: usize,
}

impl Port {
    /// The port that stands `offset` octets after the start of the segment.
    fn find(frame: &[u8], offset: usize) -> Option<Port> {
        let (_, _, segment) = find_tcp(frame)?;
        let number = u16::from_be_bytes(*frame.get(segment + offset..)?.first_chunk()?);
        Some(Port { number, at: segment + offset, checksum_at: segment + CHECKSUM_AT })
    }

    fn replace(self, frame: &mut [u8], number: u16) {
        let old = frame.get(self.checksum_at..).and_then(|rest| rest.first_chunk().copied());
        let Some(old) = old.map(u16::from_be_bytes) else { return };
        let updated = checksum::update(old, self.number, number);
        for (at, value) in [(self.at, number), (self.checksum_at, updated)] {
            if let Some(place) = frame.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
                *place = value.to_be_bytes();
            }
        }
    }
}
