//! Frames come in (RFC 894, RFC 2464): which are for this host, and what they carry.

use portolan_link::{Checksum, Medium, PacketBuf};
use portolan_wire::ethernet::{EtherType, Header};

use crate::LinkId;
use crate::drop::DropReason;
use crate::stack::Stack;

/// A frame on its way up, and what the layers have found out about it.
pub(crate) struct Frame {
    /// Taken by whoever keeps its octets; what is left goes back to the pool.
    pub(crate) packet: Option<PacketBuf>,
    pub(crate) link: LinkId,
    /// Whether the link sent it to a group: such a packet is never answered with an error (RFC 1122 §3.2.2).
    pub(crate) link_group: bool,
}

impl Frame {
    /// The contiguous octets that are left.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.packet.as_ref().map_or(&[], PacketBuf::bytes)
    }

    /// All octets that are left, those of a second part included.
    pub(crate) fn len(&self) -> usize {
        self.packet.as_ref().map_or(0, PacketBuf::len)
    }

    pub(crate) fn consume(&mut self, len: usize) {
        if let Some(packet) = &mut self.packet {
            packet.consume(len);
        }
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        if let Some(packet) = &mut self.packet {
            packet.truncate(len);
        }
    }

    /// Whether the deliverer vouches for the transport checksum: it was verified, or the packet has not been on a
    /// wire yet.
    pub(crate) fn checksum_known_good(&self) -> bool {
        self.packet.as_ref().is_some_and(|packet| packet.offload.checksum != Checksum::None)
    }
}

impl Stack {
    /// Takes one frame through all layers, and counts it once: as delivered, or under the reason of its drop.
    pub(crate) fn on_frame(&mut self, link: LinkId, packet: PacketBuf) {
        self.engine.stats.frames_in += 1;
        let mut frame = Frame { packet: Some(packet), link, link_group: false };
        match self.frame_input(&mut frame) {
            Ok(()) => self.engine.stats.frames_delivered += 1,
            Err(reason) => self.engine.drop(reason),
        }
        if let Some(packet) = frame.packet {
            packet.recycle(&mut self.engine.pool);
        }
    }

    fn frame_input(&mut self, frame: &mut Frame) -> Result<(), DropReason> {
        let interface = self.interface(frame.link).ok_or(DropReason::LinkUnknown)?;
        let ethertype = match interface.caps.medium {
            Medium::Ip => match frame.bytes().first().ok_or(DropReason::FrameShort)? >> 4 {
                4 => EtherType::IPV4,
                6 => EtherType::IPV6,
                _ => return Err(DropReason::IpHeader),
            },
            Medium::Ethernet => {
                let (header, _) = Header::parse(frame.bytes()).map_err(|_| DropReason::FrameShort)?;
                let (dst, src, ethertype) = (header.dst(), header.src(), header.ethertype());
                if !src.is_unicast() {
                    return Err(DropReason::FrameSource);
                }
                // Groups that nobody is in are dropped by IP, which knows them by their addresses.
                if dst.is_unicast() && dst != interface.ethernet {
                    return Err(DropReason::FrameNotForUs);
                }
                frame.link_group = !dst.is_unicast();
                frame.consume(Header::LEN);
                ethertype
            }
        };
        match ethertype {
            EtherType::IPV4 => self.ipv4_input(frame),
            EtherType::IPV6 => self.ipv6_input(frame),
            EtherType::ARP => self.arp_input(frame),
            _ => Err(DropReason::EtherType),
        }
    }
}
