//! Where packets go: addresses, routes, and the choice among them (RFC 1122 §3.3.1, RFC 6724).

use alloc::vec::Vec;

use portolan_link::Instant;
use portolan_wire::{Address, Cidr, Family, FlowKey};

use crate::connection::mss_of;
use crate::link::ADDRESSES_MAX;
use crate::stack::Stack;
use crate::{LinkId, SettingError, SocketError};

/// The most routes of a host.
const ROUTES_MAX: usize = 4096;

/// RFC 791: what every link takes. In IPv6 it is 1280, but as on Linux who sets a route may know better.
const MTU_MIN: u16 = 68;

/// One route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// Which destinations it is for.
    pub destination: Cidr,
    /// The router; none if the destinations are on the link.
    pub via: Option<Address>,
    /// Over which link.
    pub link: LinkId,
    /// What is done with packets to such destinations.
    pub kind: RouteKind,
    /// Of routes with equal prefixes, the least counts.
    pub metric: u32,
}

/// What is known of the paths of a route.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RouteLimits {
    /// The MTU of the paths in octets, if it is less than their link's (`mtu` of Linux's ip-route(8)).
    pub mtu: Option<u16>,
    /// The largest segment that peers are told of, in octets of text and options; without it, what the path takes
    /// (`advmss`). `TCP_MAXSEG` lowers it, and so does what the link can receive.
    pub advertised_mss: Option<u16>,
}

/// What a route does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RouteKind {
    /// Sends packets on.
    Unicast,
    /// Accepts packets that come over the link, as if the destination were the host's own: with 0.0.0.0/0 and ::/0,
    /// the ground a gateway stands on. Sockets may be bound to them. It sends nothing.
    Local,
    /// Refuses to send, with EHOSTUNREACH.
    Unreachable,
}

/// The next step of a packet on its way out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Hop {
    pub(crate) link: LinkId,
    pub(crate) next_hop: Address,
    pub(crate) mtu: u16,
    /// [`RouteLimits::advertised_mss`].
    pub(crate) advertised_mss: Option<u16>,
}

/// All routes, the longest prefixes first, of these the least metrics.
#[derive(Debug, Default)]
pub(crate) struct Routes(Vec<(Route, RouteLimits)>);

impl Routes {
    /// The best route of an accepted kind to this destination, over this link if one is named.
    pub(crate) fn best(
        &self,
        dst: Address,
        link: Option<LinkId>,
        accept: impl Fn(RouteKind) -> bool,
    ) -> Option<&(Route, RouteLimits)> {
        let fits = |(route, _): &&(Route, RouteLimits)| {
            accept(route.kind)
                && link.is_none_or(|link| route.link == link)
                && route.destination.contains(dst)
        };
        self.0.iter().find(fits)
    }

    pub(crate) fn remove_link(&mut self, link: LinkId) {
        self.0.retain(|(route, _)| route.link != link);
    }

    fn add(&mut self, route: Route) -> Result<(), SettingError> {
        if self.0.iter().any(|(known, _)| *known == route) {
            return Err(SettingError::Duplicate);
        }
        if self.0.len() >= ROUTES_MAX {
            return Err(SettingError::Full(ROUTES_MAX));
        }
        let rank = |route: &Route| (u8::MAX - route.destination.prefix_len(), route.metric);
        let at = self.0.partition_point(|(other, _)| rank(other) <= rank(&route));
        self.0.insert(at, (route, RouteLimits::default()));
        Ok(())
    }
}

fn is_host_address(address: Address) -> bool {
    !(address.is_unspecified() || address.is_multicast() || address.is_broadcast())
}

impl Stack {
    /// Gives the host an address on a link, and a route to the address's network. The network learns of it at once
    /// (RFC 5227 §2.3, RFC 4861 §7.2.6).
    ///
    /// # Errors
    /// `NoSuchLink`, `Loopback`, `NotAHostAddress`, `Duplicate`, `Full`.
    pub fn add_address(&mut self, now: Instant, link: LinkId, cidr: Cidr) -> Result<(), SettingError> {
        self.advance(now);
        let address = cidr.address();
        if !is_host_address(address) || address.is_loopback() || cidr.broadcast() == Some(address) {
            return Err(SettingError::NotAHostAddress);
        }
        let duplicate = self.is_own(address) && !(address.is_v6() && address.is_link_local());
        let interface = self.setting_link(link)?;
        if duplicate || interface.has_address(address) {
            return Err(SettingError::Duplicate);
        }
        if interface.addresses.len() >= ADDRESSES_MAX {
            return Err(SettingError::Full(ADDRESSES_MAX));
        }
        interface.addresses.push(cidr);
        let Some(network) = Cidr::new(cidr.network(), cidr.prefix_len()) else {
            return Err(SettingError::NotAHostAddress);
        };
        let route = Route { destination: network, via: None, link, kind: RouteKind::Unicast, metric: 0 };
        match self.routes.add(route) {
            // Two addresses of one network share its route.
            Ok(()) | Err(SettingError::Duplicate) => {}
            Err(error) => return Err(error),
        }
        if address.is_v4() {
            self.announce_v4(link, address);
        } else {
            self.announce_v6(link, address);
        }
        self.paths_changed();
        Ok(())
    }

    /// Adds a route.
    ///
    /// # Errors
    /// `NoSuchLink`, `BadNextHop`, `Duplicate`, `Full`.
    pub fn add_route(&mut self, now: Instant, route: Route) -> Result<(), SettingError> {
        self.advance(now);
        self.setting_link(route.link)?;
        let family = route.destination.address().family();
        if route.via.is_some_and(|via| via.family() != family || !is_host_address(via)) {
            return Err(SettingError::BadNextHop);
        }
        self.routes.add(route)?;
        self.paths_changed();
        Ok(())
    }

    /// Says what is known of a route's paths. New packets go by it at once, and connections too.
    ///
    /// # Errors
    /// `NoSuchRoute`.
    pub fn set_route_limits(
        &mut self,
        now: Instant,
        route: &Route,
        limits: RouteLimits,
    ) -> Result<(), SettingError> {
        self.advance(now);
        let known = self.routes.0.iter_mut().find(|(known, _)| known == route);
        let (_, known) = known.ok_or(SettingError::NoSuchRoute)?;
        *known = limits;
        self.paths_changed();
        Ok(())
    }

    /// The routes, in the order in which they are tried.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.routes.0.iter().map(|(route, _)| route)
    }

    /// Whether the address is one of the host's, on any link.
    pub(crate) fn is_own(&self, address: Address) -> bool {
        address.is_loopback() || self.links.iter().flatten().any(|interface| interface.has_address(address))
    }

    /// Whether a local route makes this address, a single host's, as good as the host's own: as on Linux, a socket may
    /// then speak in its name.
    pub(crate) fn is_accepted(&self, address: Address) -> bool {
        is_host_address(address) && self.routes.best(address, None, |kind| kind == RouteKind::Local).is_some()
    }

    /// The next step towards a destination. A zone other than 0 is the only link that may be used.
    ///
    /// # Errors
    /// `NetworkUnreachable`, `HostUnreachable`.
    pub(crate) fn route(&self, dst: Address, zone: u16) -> Result<Hop, SocketError> {
        if self.is_own(dst) {
            return self.hop(LinkId::LOOPBACK, dst, RouteLimits::default());
        }
        let bound = (zone != 0).then_some(LinkId(zone));
        let on_link = dst.is_multicast() || dst.is_broadcast() || dst.is_v6() && dst.is_link_local();
        if on_link && let Some(link) = bound.or_else(|| self.usual_link(dst.family())) {
            return self.hop(link, dst, RouteLimits::default());
        }
        let (route, limits) = self
            .routes
            .best(dst, bound, |kind| kind != RouteKind::Local)
            .ok_or(SocketError::NetworkUnreachable)?;
        match route.kind {
            RouteKind::Unreachable => Err(SocketError::HostUnreachable),
            _ => self.hop(route.link, route.via.unwrap_or(dst), *limits),
        }
    }

    fn hop(&self, link: LinkId, next_hop: Address, limits: RouteLimits) -> Result<Hop, SocketError> {
        let interface = self.interface(link).ok_or(SocketError::NetworkUnreachable)?;
        let link_mtu = interface.mtu(next_hop.family());
        let mtu = limits.mtu.map_or(link_mtu, |mtu| mtu.clamp(MTU_MIN, link_mtu));
        let most = mss_of(link_mtu, next_hop.family());
        Ok(Hop { link, next_hop, mtu, advertised_mss: limits.advertised_mss.map(|mss| mss.min(most)) })
    }

    /// The link for destinations that do not name one: that of the default route, or else the first.
    fn usual_link(&self, family: Family) -> Option<LinkId> {
        let default = self
            .routes
            .0
            .iter()
            .rev()
            .find(|(route, _)| {
                route.kind == RouteKind::Unicast
                    && route.destination.prefix_len() == 0
                    && route.destination.address().family() == family
            })
            .map(|(route, _)| route.link);
        default.or_else(|| self.links.iter().flatten().map(|link| link.id).find(|&id| id != LinkId::LOOPBACK))
    }

    /// The source address for packets to `dst` by this hop (RFC 6724 §5, rules 1, 2 and 8; RFC 1122 §3.3.4.3).
    pub(crate) fn source_address(&self, hop: &Hop, dst: Address) -> Result<Address, SocketError> {
        if hop.link == LinkId::LOOPBACK {
            // Linux: all of 127.0.0.0/8 is the host's, and one address what it speaks from.
            let is_loopback_v4 = dst.is_v4() && dst.is_loopback();
            return Ok(if is_loopback_v4 { Address::LOOPBACK_V4 } else { dst });
        }
        let interface = self.interface(hop.link).ok_or(SocketError::NetworkUnreachable)?;
        let towards = if dst.is_multicast() || dst.is_broadcast() { hop.next_hop } else { dst };
        let nearest = interface.address_towards(if towards.is_v4() { hop.next_hop } else { towards });
        nearest.ok_or(SocketError::AddressNotAvailable)
    }

    /// RFC 6437 §3: a label that is the same for all packets of a flow and tells nothing else.
    pub(crate) fn flow_label(&self, key: &FlowKey) -> u32 {
        if key.remote.address.is_v4() {
            return 0;
        }
        u32::try_from(self.engine.random.labels.flow(key) & 0x000f_ffff).unwrap_or(0)
    }
}
