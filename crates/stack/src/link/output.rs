//! Packets that are complete go to a link: the neighbour is found, and the packet queued or kept waiting.

use portolan_link::{Chunk, Offload};
use portolan_wire::ethernet::EtherType;
use portolan_wire::{Address, EthernetAddress};

use crate::drop::DropReason;
use crate::ip::route::Hop;
use crate::link::Outgoing;
use crate::link::neighbor::Resolution;
use crate::stack::Stack;

/// Which queue of a link a packet takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    /// Something that a remote's packet caused: bounded, dropped when there is no room.
    Reply,
    /// A socket's datagram: the caller has looked that there is room.
    Datagram { sender: u32 },
}

impl Stack {
    /// Sends an IP packet to its next hop.
    pub(crate) fn send_packet(
        &mut self,
        hop: Hop,
        packet: Chunk,
        offload: Offload,
        class: Class,
    ) -> Result<(), DropReason> {
        let v4 = hop.next_hop.is_v4();
        let octets = packet.len() as u64;
        let ethertype = if v4 { EtherType::IPV4 } else { EtherType::IPV6 };
        let sender = match class {
            Class::Reply => None,
            Class::Datagram { sender } => Some(sender),
        };
        let mut outgoing =
            Outgoing { packet, ethertype, station: EthernetAddress::default(), offload, sender };
        let stats = self.engine.ip_stats(v4);
        stats.out_requests += 1;
        stats.out_octets += octets;
        match self.resolve(hop.link, hop.next_hop) {
            Ok(Resolution::Station(station)) => outgoing.station = station,
            Ok(Resolution::Wait(neighbour)) => {
                self.wait_for_neighbour(hop.link, neighbour, outgoing);
                return Ok(());
            }
            Err(reason) => return self.not_sent(v4, reason),
        }
        let Some(Some(interface)) = self.links.get_mut(usize::from(hop.link.0)) else {
            return self.not_sent(v4, DropReason::NoRoute);
        };
        match class {
            Class::Datagram { .. } => interface.datagrams.push_back(outgoing),
            Class::Reply => {
                if !interface.queue_reply(outgoing, &self.engine.config) {
                    return self.not_sent(v4, DropReason::ReplyQueueFull);
                }
            }
        }
        Ok(())
    }

    fn not_sent(&mut self, v4: bool, reason: DropReason) -> Result<(), DropReason> {
        self.engine.ip_stats(v4).out_discards += 1;
        self.engine.drop(reason);
        Err(reason)
    }

    /// Whether the address is one that a packet goes to many with.
    pub(crate) fn is_group(&self, hop: &Hop, address: Address) -> bool {
        address.is_multicast()
            || address.is_broadcast()
            || self.interface(hop.link).is_some_and(|interface| interface.is_subnet_broadcast(address))
    }
}
