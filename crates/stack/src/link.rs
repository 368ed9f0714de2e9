//! The host's links: their settings, queues, neighbours and lists of active connections.
//!
//! Start with [`Interface`]. Frames come in by `ethernet`; `neighbor/table` is what ARP (`arp`) and Neighbor
//! Discovery (`ip/ndp`) fill, and `neighbor` who changes it; `output` finds the station for a packet and queues it.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use portolan_link::{Chunk, Instant, LinkCaps, Medium, Offload};
use portolan_wire::ethernet::EtherType;
use portolan_wire::{Address, Cidr, EthernetAddress, Family};

use crate::connection::Connection;
use crate::event::Event;
use crate::ip::membership::{Member, Reporting};
use crate::list::{Ends, List};
use crate::random::Keyed;
use crate::slab::Slab;
use crate::stack::Stack;
use crate::{Config, Intercept, LinkConfig, LinkId, SettingError};

pub(crate) mod arp;
pub(crate) mod ethernet;
pub(crate) mod gro;
pub(crate) mod neighbor;
pub(crate) mod output;

use neighbor::Neighbours;

/// The most addresses of one link.
pub(crate) const ADDRESSES_MAX: usize = 64;
/// The most links of a host.
const LINKS_MAX: usize = 1024;
/// A name's length on Linux, IFNAMSIZ less its zero.
const NAME_MAX: usize = 15;

/// One link as its host sees it.
#[derive(Debug)]
pub(crate) struct Interface {
    pub(crate) id: LinkId,
    pub(crate) name: String,
    pub(crate) caps: LinkCaps,
    pub(crate) ethernet: EthernetAddress,
    pub(crate) addresses: Vec<Cidr>,
    pub(crate) intercept: Intercept,
    pub(crate) neighbours: Neighbours,
    /// Connections that have something to send.
    pub(crate) active: Ends,
    /// Connections that wait for a neighbour.
    pub(crate) parked: Ends,
    /// Stateless replies.
    replies: VecDeque<Outgoing>,
    /// Octets of memory behind these.
    reply_octets: usize,
    /// Datagrams of sockets.
    pub(crate) datagrams: VecDeque<Outgoing>,
    /// Sockets that found `datagrams` full.
    pub(crate) blocked: Vec<u32>,
    /// RFC 5227 §2.4: when we last defended an address.
    pub(crate) defended_at: Option<Instant>,
    /// The groups that sockets have joined here.
    pub(crate) members: Vec<Member>,
    pub(crate) reporting: Reporting,
}

/// A packet that is complete but for its link header.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) packet: Chunk,
    pub(crate) ethertype: EtherType,
    /// The station; meaningless on a link of bare IP packets.
    pub(crate) station: EthernetAddress,
    /// What is left to do; positions count from the front of `packet`.
    pub(crate) offload: Offload,
    /// The socket that sent it, which hears when it cannot be delivered.
    pub(crate) sender: Option<u32>,
}

impl Outgoing {
    /// Octets of memory behind it.
    pub(crate) fn footprint(&self) -> usize {
        self.packet.footprint()
    }
}

impl Interface {
    pub(crate) fn new(id: LinkId, caps: LinkCaps, link: LinkConfig, keyed: Keyed) -> Interface {
        Interface {
            id,
            name: link.name.chars().take(NAME_MAX).collect(),
            caps,
            ethernet: link.ethernet,
            addresses: Vec::new(),
            intercept: Intercept::default(),
            neighbours: Neighbours::new(keyed),
            active: Ends::EMPTY,
            parked: Ends::EMPTY,
            replies: VecDeque::new(),
            reply_octets: 0,
            datagrams: VecDeque::new(),
            blocked: Vec::new(),
            defended_at: None,
            members: Vec::new(),
            reporting: Reporting::default(),
        }
    }

    pub(crate) fn has_address(&self, address: Address) -> bool {
        self.addresses.iter().any(|cidr| cidr.address() == address)
    }

    /// Whether this is the broadcast address of one of the link's networks.
    pub(crate) fn is_subnet_broadcast(&self, address: Address) -> bool {
        address.is_v4() && self.addresses.iter().any(|cidr| cidr.broadcast() == Some(address))
    }

    /// Whether the host listens to this group here: all nodes, the solicited-node group of each address, and what sockets
    /// have joined.
    ///
    /// 224.0.0.1 is all hosts (RFC 1112 §7.2).
    pub(crate) fn is_member(&self, group: Address) -> bool {
        group == Address::ALL_NODES
            || group == Address::v4(224, 0, 0, 1)
            || self.members.iter().any(|member| member.group == group)
            || self
                .addresses
                .iter()
                .any(|cidr| cidr.address().is_v6() && cidr.address().solicited_node() == group)
    }

    /// An address of the link to speak to `peer` with: of the same network if there is one, else of the same scope.
    pub(crate) fn address_towards(&self, peer: Address) -> Option<Address> {
        let family = self.addresses.iter().filter(|cidr| cidr.address().family() == peer.family());
        let rank = |cidr: &&Cidr| {
            let own = cidr.address();
            (own.is_link_local() == peer.is_link_local(), cidr.contains(peer), cidr.prefix_len())
        };
        // `max_by_key` would take the last of equals; the first address added is the primary one.
        family.rev().max_by_key(rank).map(|cidr| cidr.address())
    }

    pub(crate) fn is_ethernet(&self) -> bool {
        self.caps.medium == Medium::Ethernet
    }

    /// The largest packet of a family: an IPv6 link has an MTU of at least 1280 (RFC 8200 §5).
    pub(crate) fn mtu(&self, family: Family) -> u16 {
        match family {
            Family::V4 => self.caps.mtu.max(68),
            Family::V6 => self.caps.mtu.max(1280),
        }
    }

    /// Whether [`Stack::poll_transmit`] has something to do here.
    pub(crate) fn wants_transmit(&self) -> bool {
        !(self.active.is_empty() && self.replies.is_empty() && self.datagrams.is_empty())
    }

    /// Puts a connection at the end of one of the lists, if it is in none.
    pub(crate) fn enlist(&mut self, connections: &mut Slab<Connection>, index: u32, list: List) {
        match list {
            List::Active => self.active.enlist(connections, index, list),
            List::Parked => self.parked.enlist(connections, index, list),
        }
    }

    /// Lets all that waited for a neighbour try again.
    pub(crate) fn unpark(&mut self, connections: &mut Slab<Connection>) {
        while let Some(index) = self.parked.front() {
            self.parked.delist(connections, index);
            self.active.enlist(connections, index, List::Active);
        }
    }

    /// The reply that has waited longest.
    pub(crate) fn next_reply(&mut self) -> Option<Outgoing> {
        let reply = self.replies.pop_front()?;
        self.reply_octets -= reply.footprint();
        Some(reply)
    }

    /// Queues a reply; false if the queue is full.
    pub(crate) fn queue_reply(&mut self, reply: Outgoing, config: &Config) -> bool {
        let room =
            self.replies.len() < config.reply_queue_max && self.reply_octets < config.waiting_octets_max;
        if room {
            self.reply_octets += reply.footprint();
            self.replies.push_back(reply);
        }
        room
    }
}

/// The modified EUI-64 link-local address of a station (RFC 4291 §2.5.6, appendix A).
pub(crate) fn eui64_link_local(station: EthernetAddress) -> Address {
    let [a, b, c, d, e, f] = station.0;
    Address::from_octets([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
}

impl Stack {
    /// Adds a link, with its IPv6 link-local address (RFC 4291 appendix A).
    ///
    /// After 1,023 links the last one's name is given again and nothing is added.
    pub fn add_link(&mut self, now: Instant, caps: LinkCaps, link: LinkConfig) -> LinkId {
        self.advance(now);
        let Some(number) = u16::try_from(self.links.len()).ok().filter(|&n| usize::from(n) < LINKS_MAX)
        else {
            return self.links.last().and_then(Option::as_ref).map_or(LinkId::LOOPBACK, |link| link.id);
        };
        let id = LinkId(number);
        let link_local = eui64_link_local(link.ethernet);
        self.links.push(Some(Interface::new(id, caps, link, self.engine.random.tables)));
        if caps.medium == Medium::Ethernet
            && let Some(cidr) = Cidr::new(link_local, 64)
        {
            // A new link has no address yet, so that neither limit nor duplicate can be met.
            let _ = self.add_address(now, id, cidr);
        }
        id
    }

    /// Tells the host that a link's capabilities have changed. Paths over it are looked up again.
    ///
    /// # Errors
    /// `NoSuchLink`, `Loopback`.
    pub fn set_link_caps(&mut self, now: Instant, link: LinkId, caps: LinkCaps) -> Result<(), SettingError> {
        self.advance(now);
        let interface = self.setting_link(link)?;
        interface.caps = caps;
        self.paths_changed();
        self.event(Event::LinkChanged(link));
        Ok(())
    }

    /// Removes a link with its addresses, neighbours and routes. Connections over it stay, and find another route or
    /// none. Its name is not used again.
    ///
    /// # Errors
    /// `NoSuchLink`, `Loopback`.
    pub fn remove_link(&mut self, now: Instant, link: LinkId) -> Result<(), SettingError> {
        self.advance(now);
        let interface = self.setting_link(link)?;
        let (mut active, mut parked) = (interface.active, interface.parked);
        for timer in interface.neighbours.take_timers().into_iter().chain(interface.reporting.take_timer()) {
            self.timers.cancel(timer);
        }
        for ends in [&mut active, &mut parked] {
            while let Some(index) = ends.front() {
                ends.delist(&mut self.flows.connections, index);
            }
        }
        if let Some(place) = self.links.get_mut(usize::from(link.0)) {
            *place = None;
        }
        self.routes.remove_link(link);
        self.paths_changed();
        self.event(Event::LinkChanged(link));
        Ok(())
    }

    /// The link's name, as `ip link` would show it.
    #[must_use]
    pub fn link_name(&self, link: LinkId) -> Option<&str> {
        self.interface(link).map(|interface| interface.name.as_str())
    }

    /// Every link, the loopback first.
    pub fn links(&self) -> impl Iterator<Item = LinkId> + '_ {
        self.links.iter().flatten().map(|interface| interface.id)
    }

    /// What the link can do, and the station's address on it.
    #[must_use]
    pub fn link_config(&self, link: LinkId) -> Option<(LinkCaps, EthernetAddress)> {
        self.interface(link).map(|interface| (interface.caps, interface.ethernet))
    }

    /// The addresses of a link, the primary one first.
    pub fn addresses(&self, link: LinkId) -> impl Iterator<Item = Cidr> + '_ {
        self.interface(link).into_iter().flat_map(|interface| interface.addresses.iter().copied())
    }

    /// Chooses what a gateway hears from a link, which may be the loopback; see [`Intercept`].
    ///
    /// # Errors
    /// `NoSuchLink`.
    pub fn set_intercept(&mut self, link: LinkId, intercept: Intercept) -> Result<(), SettingError> {
        self.interface_mut(link).ok_or(SettingError::NoSuchLink)?.intercept = intercept;
        Ok(())
    }

    /// Whether [`Stack::poll_transmit`] has something to do for this link.
    #[must_use]
    pub fn wants_transmit(&self, link: LinkId) -> bool {
        self.interface(link).is_some_and(Interface::wants_transmit)
    }

    pub(crate) fn interface(&self, link: LinkId) -> Option<&Interface> {
        self.links.get(usize::from(link.0))?.as_ref()
    }

    pub(crate) fn interface_mut(&mut self, link: LinkId) -> Option<&mut Interface> {
        self.links.get_mut(usize::from(link.0))?.as_mut()
    }

    /// A link whose settings may be changed.
    pub(crate) fn setting_link(&mut self, link: LinkId) -> Result<&mut Interface, SettingError> {
        if link == LinkId::LOOPBACK {
            return Err(SettingError::Loopback);
        }
        self.interface_mut(link).ok_or(SettingError::NoSuchLink)
    }
}
