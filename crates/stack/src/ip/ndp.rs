//! Neighbor Discovery for IPv6 (RFC 4861): solicitations and advertisements. Routers are configured by hand, so what
//! they advertise is not heard.

use portolan_wire::ndp::{Message, NdpOption, Options};
use portolan_wire::{Address, EthernetAddress, icmpv6, protocol};

use crate::LinkId;
use crate::drop::DropReason;
use crate::event::Event;
use crate::ip::input::Arrival;
use crate::ip::output::Envelope;
use crate::ip::route::Hop;
use crate::link::neighbor::Heard;
use crate::link::output::Class;
use crate::stack::Stack;

/// RFC 4861 §3.1: a hop limit that no router has lowered, so that the sender is on the link.
const HOP_LIMIT: u8 = 255;
/// RFC 4861 §4.6.1: a link-layer address option for Ethernet.
const STATION_OPTION_LEN: usize = 8;

impl Stack {
    pub(crate) fn ndp_input(
        &mut self,
        arrival: &Arrival,
        message: Message,
        options: &[u8],
    ) -> Result<(), DropReason> {
        // RFC 4861 §7.1.1, §7.1.2.
        if arrival.hop_limit != HOP_LIMIT || arrival.link == LinkId::LOOPBACK {
            return Err(DropReason::NdpInvalid);
        }
        let stations = Stations::read(options).ok_or(DropReason::NdpInvalid)?;
        match message {
            Message::NeighborSolicitation { target } => {
                self.on_solicitation(arrival, target, stations.source)
            }
            Message::NeighborAdvertisement { target, solicited, override_cached, .. } => {
                // RFC 4861 §7.1.2: an advertisement to many answers nobody.
                if solicited && arrival.dst.is_multicast() || target.is_unspecified() {
                    return Err(DropReason::NdpInvalid);
                }
                self.on_advertisement(arrival, target, stations.target, solicited, override_cached)
            }
            Message::RouterSolicitation | Message::RouterAdvertisement(_) | Message::Redirect { .. } => {
                Err(DropReason::IcmpIgnored)
            }
        }
    }

    fn on_solicitation(
        &mut self,
        arrival: &Arrival,
        target: Address,
        source: Option<EthernetAddress>,
    ) -> Result<(), DropReason> {
        let interface = self.interface(arrival.link).ok_or(DropReason::LinkUnknown)?;
        let unspecified = arrival.src.is_unspecified();
        // RFC 4861 §7.1.1: who has no address yet asks the group and gives no station.
        if unspecified && (source.is_some() || !arrival.dst.is_multicast()) || target.is_unspecified() {
            return Err(DropReason::NdpInvalid);
        }
        if !interface.has_address(target) {
            return Err(DropReason::IcmpIgnored);
        }
        if !unspecified && let Some(source) = source.filter(|source| source.is_unicast()) {
            let heard = Heard { solicited: false, overrides: true, creates: true };
            self.hear_neighbour(arrival.link, arrival.src, Some(source), heard);
        }
        // RFC 4861 §7.2.4: to one without an address, the answer goes to all nodes and is not a solicited one.
        let to = if unspecified { Address::ALL_NODES } else { arrival.src };
        self.send_advertisement(arrival.link, target, to, !unspecified);
        Ok(())
    }

    fn on_advertisement(
        &mut self,
        arrival: &Arrival,
        target: Address,
        station: Option<EthernetAddress>,
        solicited: bool,
        overrides: bool,
    ) -> Result<(), DropReason> {
        let interface = self.interface(arrival.link).ok_or(DropReason::LinkUnknown)?;
        let (own, ethernet) = (interface.has_address(target), interface.ethernet);
        if own {
            // RFC 4862 §5.4.4: somebody else claims our address.
            if let Some(station) = station.filter(|station| *station != ethernet) {
                self.event(Event::AddressConflict(arrival.link, target, station));
            }
            return Err(DropReason::NdpInvalid);
        }
        if interface.neighbours.find(target).is_none() {
            return Err(DropReason::IcmpIgnored);
        }
        if station.is_some_and(|station| !station.is_unicast()) {
            return Err(DropReason::NdpInvalid);
        }
        // The flag is the sender's claim; whether we asked, we know better.
        let solicited = solicited && self.asks_neighbour(arrival.link, target);
        let heard = Heard { solicited, overrides, creates: false };
        self.hear_neighbour(arrival.link, target, station, heard);
        Ok(())
    }

    /// Asks for a neighbour: the group of its address, or the station that is known.
    pub(crate) fn send_solicitation(
        &mut self,
        link: LinkId,
        target: Address,
        station: Option<EthernetAddress>,
    ) {
        let Some(interface) = self.interface(link) else { return };
        let Some(src) = interface.address_towards(target) else { return };
        let dst = if station.is_some() { target } else { target.solicited_node() };
        let option = NdpOption::SourceLinkLayer(interface.ethernet);
        self.send_ndp(link, src, dst, Message::NeighborSolicitation { target }, option);
    }

    /// RFC 4861 §7.2.6: an unsolicited advertisement of a new address.
    pub(crate) fn announce_v6(&mut self, link: LinkId, address: Address) {
        self.send_advertisement(link, address, Address::ALL_NODES, false);
    }

    fn send_advertisement(&mut self, link: LinkId, target: Address, dst: Address, solicited: bool) {
        let Some(interface) = self.interface(link) else { return };
        let option = NdpOption::TargetLinkLayer(interface.ethernet);
        let message =
            Message::NeighborAdvertisement { target, router: false, solicited, override_cached: true };
        self.send_ndp(link, target, dst, message, option);
    }

    fn send_ndp(
        &mut self,
        link: LinkId,
        src: Address,
        dst: Address,
        message: Message,
        option: NdpOption<'_>,
    ) {
        let mut options = [0; STATION_OPTION_LEN];
        let Some(interface) = self.interface(link).filter(|interface| interface.is_ethernet()) else {
            return;
        };
        let hop = Hop { link, next_hop: dst, mtu: interface.caps.mtu, advertised_mss: None };
        if option.emit(&mut options).is_err() {
            return;
        }
        let envelope = Envelope {
            src,
            dst,
            protocol: protocol::ICMPV6,
            hop_limit: HOP_LIMIT,
            tos: 0,
            flow_label: 0,
            dont_fragment: true,
            id: 0,
            via: None,
        };
        let sent = self.send_built_to(hop, &envelope, Class::Reply, |out| {
            icmpv6::Message::Ndp(message).emit(src, dst, &options, out)
        });
        if sent.is_ok() {
            self.engine.stats.icmpv6.out_msgs += 1;
        }
    }
}

/// The stations that the options name.
#[derive(Clone, Copy, Debug, Default)]
struct Stations {
    source: Option<EthernetAddress>,
    target: Option<EthernetAddress>,
}

impl Stations {
    /// RFC 4861 §4.6: an option of length 0 spoils the message; options that are not known are skipped.
    fn read(options: &[u8]) -> Option<Stations> {
        let mut stations = Stations::default();
        for option in Options::new(options) {
            match option.ok()? {
                NdpOption::SourceLinkLayer(station) => stations.source = Some(station),
                NdpOption::TargetLinkLayer(station) => stations.target = Some(station),
                _ => {}
            }
        }
        Some(stations)
    }
}
