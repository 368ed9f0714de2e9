//! Groups: which a socket has joined (RFC 1112 §6, RFC 3542 §6), and the datagrams that this host sends to its own members.
//!
//! A link listens to a group as long as one of the host's sockets is a member. As on Linux, a socket that is bound to the
//! port hears whatever comes to a group that any socket has joined; a member hears the sources that it wants (RFC 3678).
//! Routers are told by `ip/membership`.

use alloc::vec::Vec;

use portolan_wire::{Address, FlowKey};

use crate::ip::input::Arrival;
use crate::ip::membership::{Filter, Member};
use crate::socket::Kind;
use crate::stack::Stack;
use crate::{LinkId, SocketError, SocketId};

/// Linux's igmp_max_memberships, for both families.
const GROUPS_MAX: usize = 20;
/// Linux's igmp_max_msf, for both families: sources of one membership.
const SOURCES_MAX: usize = 10;

/// What is to become of one source of a membership.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SourceChange {
    /// IP_ADD_SOURCE_MEMBERSHIP, MCAST_JOIN_SOURCE_GROUP.
    Join,
    /// IP_DROP_SOURCE_MEMBERSHIP, MCAST_LEAVE_SOURCE_GROUP.
    Leave,
    /// IP_BLOCK_SOURCE, MCAST_BLOCK_SOURCE.
    Block,
    /// IP_UNBLOCK_SOURCE, MCAST_UNBLOCK_SOURCE.
    Unblock,
}

/// What a socket says of groups.
#[derive(Clone, Debug)]
pub(crate) struct Multicast {
    groups: Vec<(Address, LinkId)>,
    /// IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS.
    pub(crate) hop_limit: u8,
    /// IP_MULTICAST_LOOP: whether the host's own members hear what the socket sends.
    pub(crate) loops: bool,
    /// IP_MULTICAST_IF: the link that datagrams to groups leave by.
    pub(crate) link: Option<LinkId>,
}

impl Default for Multicast {
    fn default() -> Multicast {
        Multicast { groups: Vec::new(), hop_limit: 1, loops: true, link: None }
    }
}

impl Stack {
    /// Joins a group on a link, or on the one that the route to it takes.
    ///
    /// # Errors
    /// `InvalidArgument` for what is no group, `NoSuchLink`, `AddressInUse` for one that was joined, `NoBuffers`.
    pub(crate) fn join_group(
        &mut self,
        id: SocketId,
        group: Address,
        link: Option<LinkId>,
    ) -> Result<(), SocketError> {
        self.add_membership(id, group, link, Filter::any())
    }

    fn add_membership(
        &mut self,
        id: SocketId,
        group: Address,
        link: Option<LinkId>,
        filter: Filter,
    ) -> Result<(), SocketError> {
        let membership = self.membership(group, link)?;
        let multicast = self.multicast_mut(id)?;
        if multicast.groups.contains(&membership) {
            return Err(SocketError::AddressInUse);
        }
        if multicast.groups.len() >= GROUPS_MAX {
            return Err(SocketError::NoBuffers);
        }
        multicast.groups.push(membership);
        let member = Member { socket: id.index, group, filter };
        self.change_members(membership.1, group, |members| members.push(member));
        Ok(())
    }

    /// Changes which sources of a group a socket hears.
    ///
    /// # Errors
    /// As on Linux: those of [`Stack::join_group`], `InvalidArgument` without a membership and for one of the other kind,
    /// `AddressNotAvailable` for a source that is there already, or is not.
    pub(crate) fn change_source(
        &mut self,
        id: SocketId,
        group: Address,
        link: Option<LinkId>,
        source: Address,
        change: SourceChange,
    ) -> Result<(), SocketError> {
        let membership = self.membership(group, link)?;
        let has_joined = self.multicast_mut(id)?.groups.contains(&membership);
        if !has_joined && change == SourceChange::Join {
            let filter = Filter { excludes: false, sources: alloc::vec![source] };
            return self.add_membership(id, group, link, filter);
        }
        let mut filter = self.filter_of(id.index, membership).ok_or(SocketError::InvalidArgument)?;
        let excludes = matches!(change, SourceChange::Block | SourceChange::Unblock);
        if filter.excludes != excludes {
            // Linux: what says nothing of sources may become the other kind.
            if !filter.sources.is_empty() {
                return Err(SocketError::InvalidArgument);
            }
            filter.excludes = excludes;
        }
        let at = filter.sources.iter().position(|known| *known == source);
        match (change, at) {
            (SourceChange::Join | SourceChange::Block, None) if filter.sources.len() >= SOURCES_MAX => {
                return Err(SocketError::NoBuffers);
            }
            (SourceChange::Join | SourceChange::Block, None) => filter.sources.push(source),
            (SourceChange::Leave, Some(_)) if filter.sources.len() == 1 => {
                return self.leave_group(id, group, link);
            }
            (SourceChange::Leave | SourceChange::Unblock, Some(at)) => {
                filter.sources.remove(at);
            }
            (SourceChange::Join | SourceChange::Block, Some(_))
            | (SourceChange::Leave | SourceChange::Unblock, None) => {
                return Err(SocketError::AddressNotAvailable);
            }
        }
        self.set_filter(id.index, membership, filter);
        Ok(())
    }

    /// IP_MSFILTER: all that a socket wants of a group at once.
    ///
    /// # Errors
    /// As [`Stack::change_source`].
    pub(crate) fn replace_filter(
        &mut self,
        id: SocketId,
        group: Address,
        link: Option<LinkId>,
        filter: Filter,
    ) -> Result<(), SocketError> {
        let membership = self.membership(group, link)?;
        if filter.sources.len() > SOURCES_MAX {
            return Err(SocketError::NoBuffers);
        }
        self.filter_of(id.index, membership).ok_or(SocketError::InvalidArgument)?;
        if filter == Filter::default() {
            return self.leave_group(id, group, link);
        }
        self.set_filter(id.index, membership, filter);
        Ok(())
    }

    fn filter_of(&self, socket: u32, (group, link): (Address, LinkId)) -> Option<Filter> {
        let members = &self.interface(link)?.members;
        let member = members.iter().find(|member| member.socket == socket && member.group == group)?;
        Some(member.filter.clone())
    }

    fn set_filter(&mut self, socket: u32, (group, link): (Address, LinkId), filter: Filter) {
        self.change_members(link, group, |members| {
            let own = members.iter_mut().find(|member| member.socket == socket && member.group == group);
            if let Some(member) = own {
                member.filter = filter;
            }
        });
    }

    /// Whether a socket wants what a source sends to a group; one that is no member does.
    pub(super) fn wants_source(&self, socket: u32, key: &FlowKey, link: LinkId) -> bool {
        let Some(interface) = self.interface(link) else { return true };
        let group = key.local.address;
        let own = interface.members.iter().find(|member| member.socket == socket && member.group == group);
        own.is_none_or(|member| member.filter.passes(key.remote.address))
    }

    /// Leaves a group.
    ///
    /// # Errors
    /// As [`Stack::join_group`]; `AddressNotAvailable` for one that was not joined.
    pub(crate) fn leave_group(
        &mut self,
        id: SocketId,
        group: Address,
        link: Option<LinkId>,
    ) -> Result<(), SocketError> {
        let membership = self.membership(group, link)?;
        let groups = &mut self.multicast_mut(id)?.groups;
        let at = groups.iter().position(|known| *known == membership);
        groups.remove(at.ok_or(SocketError::AddressNotAvailable)?);
        self.forget_membership(id.index, membership);
        Ok(())
    }

    /// A socket that is closed leaves all its groups.
    pub(super) fn leave_groups(&mut self, socket: u32, multicast: Multicast) {
        for membership in multicast.groups {
            self.forget_membership(socket, membership);
        }
    }

    fn forget_membership(&mut self, socket: u32, (group, link): (Address, LinkId)) {
        self.change_members(link, group, |members| {
            members.retain(|member| member.socket != socket || member.group != group);
        });
    }

    fn membership(&self, group: Address, link: Option<LinkId>) -> Result<(Address, LinkId), SocketError> {
        if !group.is_multicast() {
            return Err(SocketError::InvalidArgument);
        }
        let link = match link {
            Some(link) => link,
            None => self.route(group, 0).map_err(|_| SocketError::NoSuchLink)?.link,
        };
        if self.is_link(link) { Ok((group, link)) } else { Err(SocketError::NoSuchLink) }
    }

    pub(crate) fn multicast_mut(&mut self, id: SocketId) -> Result<&mut Multicast, SocketError> {
        match &mut self.socket_mut(id)?.kind {
            Kind::Udp(udp) => Ok(&mut udp.multicast),
            _ => Err(SocketError::ProtocolError),
        }
    }

    /// A datagram that was sent to a group: the members on this host hear it as well.
    pub(super) fn loop_back(&mut self, key: &FlowKey, payload: &[u8], link: LinkId, hop_limit: u8, tos: u8) {
        let group = key.remote.address;
        if !self.interface(link).is_some_and(|interface| interface.is_member(group)) {
            return;
        }
        let arrived = FlowKey { local: key.remote, remote: key.local, ..*key };
        let arrival = Arrival {
            link,
            src: key.local.address,
            dst: group,
            protocol: key.protocol,
            hop_limit,
            tos,
            header_len: 0,
            next_header_at: 0,
            group: true,
            assigned: false,
        };
        for socket in self.ports.all(&arrived, link) {
            if self.hears(socket, &arrived) && self.wants_source(socket, &arrived, link) {
                let copy = self.engine.pool.copy(payload);
                // A queue that is full is counted, and nobody else's business.
                let _ = self.udp_deliver(socket, &arrived, copy, &arrival, 0);
            }
        }
    }
}
