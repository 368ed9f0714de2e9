//! ARP: who has an IPv4 address (RFC 826), and whether somebody else claims ours (RFC 5227).

use portolan_wire::arp::{Op, Packet};
use portolan_wire::ethernet::EtherType;
use portolan_wire::{Address, EthernetAddress};

use crate::LinkId;
use crate::drop::DropReason;
use crate::event::Event;
use crate::link::Outgoing;
use crate::link::ethernet::Frame;
use crate::link::neighbor::Heard;
use crate::stack::Stack;

/// RFC 5227 §1.1: DEFEND_INTERVAL.
const DEFEND_US: u64 = 10_000_000;

impl Stack {
    pub(crate) fn arp_input(&mut self, frame: &mut Frame) -> Result<(), DropReason> {
        let packet = Packet::parse(frame.bytes()).map_err(|_| DropReason::ArpMalformed)?;
        let interface = self.interface(frame.link).ok_or(DropReason::LinkUnknown)?;
        let Packet { op, sender_mac, sender_ip, target_ip, .. } = packet;
        if !sender_mac.is_unicast()
            || sender_ip.is_multicast()
            || sender_ip.is_broadcast()
            || sender_ip.is_loopback()
        {
            return Err(DropReason::ArpSender);
        }
        if interface.has_address(sender_ip) {
            return self.address_conflict(frame.link, sender_ip, sender_mac);
        }
        let for_us = interface.has_address(target_ip);
        // RFC 826: the sender is merged into the table, but becomes an entry only if it talks to us.
        let probe = sender_ip.is_unspecified();
        let known = interface.neighbours.find(sender_ip).is_some();
        if !probe && (known || for_us) {
            let solicited = op == Op::Reply && self.asks_neighbour(frame.link, sender_ip);
            let creates = op == Op::Request && for_us;
            let heard = Heard { solicited, overrides: true, creates };
            self.hear_neighbour(frame.link, sender_ip, Some(sender_mac), heard);
        }
        match op {
            Op::Request if for_us => {
                self.send_arp(frame.link, Op::Reply, target_ip, sender_mac, sender_ip, sender_mac);
                Ok(())
            }
            _ if known && !probe => Ok(()),
            _ => Err(DropReason::ArpIgnored),
        }
    }

    /// RFC 5227 §2.4 (b): another station uses our address. We say once per interval that it is ours.
    fn address_conflict(
        &mut self,
        link: LinkId,
        address: Address,
        station: EthernetAddress,
    ) -> Result<(), DropReason> {
        let now = self.engine.now;
        let Some(interface) = self.interface_mut(link) else { return Err(DropReason::LinkUnknown) };
        if interface.ethernet == station {
            // Our own frame, sent back to us by the link.
            return Err(DropReason::ArpSender);
        }
        if interface.defended_at.is_none_or(|last| now.micros_since(last) >= DEFEND_US) {
            interface.defended_at = Some(now);
            self.announce_v4(link, address);
            self.event(Event::AddressConflict(link, address, station));
        }
        Err(DropReason::ArpSender)
    }

    /// RFC 5227 §2.3: an announcement, a request for our own address.
    pub(crate) fn announce_v4(&mut self, link: LinkId, address: Address) {
        let all = EthernetAddress::BROADCAST;
        self.send_arp(link, Op::Request, address, EthernetAddress::default(), address, all);
    }

    /// Asks for a neighbour: all stations, or the one that is known.
    pub(crate) fn send_arp_request(
        &mut self,
        link: LinkId,
        target: Address,
        station: Option<EthernetAddress>,
    ) {
        let sender = self.interface(link).and_then(|interface| interface.address_towards(target));
        // RFC 5227 §2.1: without an address of our own, the sender stays 0.0.0.0.
        let sender = sender.unwrap_or(Address::V4_UNSPECIFIED);
        let to = station.unwrap_or(EthernetAddress::BROADCAST);
        self.send_arp(link, Op::Request, sender, EthernetAddress::default(), target, to);
    }

    fn send_arp(
        &mut self,
        link: LinkId,
        op: Op,
        sender_ip: Address,
        target_mac: EthernetAddress,
        target_ip: Address,
        to: EthernetAddress,
    ) {
        let Some(Some(interface)) = self.links.get_mut(usize::from(link.0)) else { return };
        if !interface.is_ethernet() {
            return;
        }
        let packet = Packet { op, sender_mac: interface.ethernet, sender_ip, target_mac, target_ip };
        let reply = Outgoing {
            packet: self.engine.pool.copy(&packet.emit()),
            ethertype: EtherType::ARP,
            station: to,
            offload: portolan_link::Offload::default(),
            sender: None,
        };
        if !interface.queue_reply(reply, &self.engine.config) {
            self.engine.drop(DropReason::ReplyQueueFull);
        }
    }
}
