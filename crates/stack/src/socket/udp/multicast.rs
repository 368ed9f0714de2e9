//! Groups: which a socket has joined (RFC 1112 §6, RFC 3542 §6), and the datagrams that this host sends to its own members.
//!
//! A link listens to a group as long as one of the host's sockets is a member. As on Linux, a socket that is bound to the
//! port hears whatever comes to a group that any socket has joined. Routers are not told (no IGMP, no MLD): a group reaches
//! as far as a link that floods.

use alloc::vec::Vec;

use portolan_wire::{Address, FlowKey};

use crate::ip::input::Arrival;
use crate::socket::Kind;
use crate::stack::Stack;
use crate::{LinkId, SocketError, SocketId};

/// Linux's igmp_max_memberships, for both families.
const GROUPS_MAX: usize = 20;

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
        let membership = self.membership(group, link)?;
        let multicast = self.multicast_mut(id)?;
        if multicast.groups.contains(&membership) {
            return Err(SocketError::AddressInUse);
        }
        if multicast.groups.len() >= GROUPS_MAX {
            return Err(SocketError::NoBuffers);
        }
        multicast.groups.push(membership);
        if let Some(interface) = self.interface_mut(membership.1) {
            interface.groups.push(group);
        }
        Ok(())
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
        self.forget_membership(membership);
        Ok(())
    }

    /// A socket that is closed leaves all its groups.
    pub(super) fn leave_groups(&mut self, multicast: Multicast) {
        for membership in multicast.groups {
            self.forget_membership(membership);
        }
    }

    fn forget_membership(&mut self, (group, link): (Address, LinkId)) {
        if let Some(interface) = self.interface_mut(link)
            && let Some(at) = interface.groups.iter().position(|known| *known == group)
        {
            interface.groups.swap_remove(at);
        }
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
            if self.hears(socket, &arrived) {
                let copy = self.engine.pool.copy(payload);
                // A queue that is full is counted, and nobody else's business.
                let _ = self.udp_deliver(socket, &arrived, copy, &arrival, 0);
            }
        }
    }
}
