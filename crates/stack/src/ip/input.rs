//! What both versions have in common on the way in: is the packet for this host, may its source be, and which
//! transport takes it.

use portolan_wire::{Address, Family, protocol};

use crate::LinkId;
use crate::drop::DropReason;
use crate::ip::icmp_error::Complaint;
use crate::ip::route::RouteKind;
use crate::link::ethernet::Frame;
use crate::stack::Stack;

/// A packet that has been found good, as its transport needs to know it. Its octets are still in the frame, from the
/// IP header on, without padding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) link: LinkId,
    pub(crate) src: Address,
    pub(crate) dst: Address,
    pub(crate) protocol: u8,
    pub(crate) hop_limit: u8,
    /// DSCP and ECN.
    pub(crate) tos: u8,
    /// Octets in front of the transport header.
    pub(crate) header_len: usize,
    /// Where the IPv6 header says what the transport is.
    pub(crate) next_header_at: usize,
    /// Whether it was sent to many, by the link or by its address.
    pub(crate) group: bool,
    /// Whether the destination is one of the host's own addresses, and not one that it only accepts for others.
    pub(crate) assigned: bool,
}

impl Arrival {
    /// The zone of flows between these addresses: see [`portolan_wire::FlowKey`].
    pub(crate) fn zone(&self) -> u16 {
        zone_of(self.src, self.link).max(zone_of(self.dst, self.link))
    }
}

/// The zone of flows with this address over this link.
pub(crate) fn zone_of(address: Address, link: LinkId) -> u16 {
    if address.is_v6() && address.is_link_local() { link.index() } else { 0 }
}

/// How a destination is this host's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Destination {
    /// One of its addresses.
    Assigned,
    /// Accepted by a local route.
    Accepted,
    /// A group or broadcast address that it listens to.
    Group,
}

impl Stack {
    /// Whether a packet that came over this link is for this host. The strong host model (RFC 1122 §3.3.4.2): an
    /// address is reachable over its own link only.
    pub(crate) fn destination(&self, link: LinkId, dst: Address) -> Option<Destination> {
        let interface = self.interface(link)?;
        if interface.has_address(dst) {
            return Some(Destination::Assigned);
        }
        if dst.is_multicast() {
            return interface.is_member(dst).then_some(Destination::Group);
        }
        if dst.is_broadcast() || interface.is_subnet_broadcast(dst) {
            return Some(Destination::Group);
        }
        if link == LinkId::LOOPBACK {
            return self.is_own(dst).then_some(Destination::Assigned);
        }
        let local = self.routes.best(dst, Some(link), |kind| kind == RouteKind::Local).is_some();
        local.then_some(Destination::Accepted)
    }

    /// Whether no packet with this source may come over this link (RFC 1122 §3.2.1.3, RFC 4291 §2.7, RFC 6890).
    pub(crate) fn is_martian_source(&self, link: LinkId, src: Address) -> bool {
        if link == LinkId::LOOPBACK {
            return src.is_multicast() || src.is_broadcast();
        }
        let class_e = src.v4_octets().is_some_and(|[first, ..]| first >= 240);
        let this_network = src.v4_octets().is_some_and(|[first, ..]| first == 0);
        src.is_multicast()
            || src.is_loopback()
            || class_e
            || this_network
            || self.is_own(src)
            || self.interface(link).is_some_and(|interface| interface.is_subnet_broadcast(src))
    }

    /// Gives a good packet to its transport.
    pub(crate) fn transport_input(&mut self, frame: &mut Frame, arrival: Arrival) -> Result<(), DropReason> {
        let v4 = arrival.src.family() == Family::V4;
        // RFC 4291 §2.5.2: a source of :: is for hosts that look for their own address, which is ICMPv6's business.
        if arrival.src.is_unspecified() && arrival.protocol != protocol::ICMPV6 {
            return Err(DropReason::Martian);
        }
        self.engine.ip_stats(v4).in_delivers += 1;
        let was_taken = self.raw_input(frame, &arrival);
        match arrival.protocol {
            protocol::TCP => self.tcp_input(frame, arrival),
            protocol::UDP | protocol::UDPLITE => self.udp_input(frame, arrival),
            protocol::ICMPV4 if v4 => self.icmpv4_input(frame, arrival),
            protocol::ICMPV6 if !v4 => self.icmpv6_input(frame, arrival),
            _ if v4 && arrival.protocol == protocol::IGMP && !was_taken => self.igmp_input(frame, &arrival),
            protocol::IGMP if v4 => {
                let _ = self.igmp_input(frame, &arrival);
                Ok(())
            }
            _ if was_taken => Ok(()),
            _ => {
                let stats = self.engine.ip_stats(v4);
                stats.in_delivers -= 1;
                stats.in_unknown_protos += 1;
                // RFC 8200 §4.7: nothing follows, and nothing is wrong.
                if v4 || arrival.protocol != protocol::NO_NEXT_HEADER {
                    self.complain(frame, &arrival, Complaint::Protocol);
                }
                Err(DropReason::ProtocolUnknown)
            }
        }
    }
}
