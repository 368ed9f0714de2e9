//! Datagrams that leave: which way, and who writes what of them.

use portolan_link::{Checksum, Gso, Instant, Offload};
use portolan_wire::{Address, Endpoint, FlowKey, WireError, udp, udp_lite};

use super::ancillary::Outgoing;
use super::{echo, raw, segment};
use crate::drop::DropReason;
use crate::ip::input::zone_of;
use crate::ip::output::Envelope;
use crate::ip::route::Hop;
use crate::link::output::Class;
use crate::socket::sockopt::number::{IPPROTO_IP, IPPROTO_IPV6, ip, ipv6};
use crate::socket::{Flags, Kind, Socket};
use crate::stack::Stack;
use crate::{LinkId, SocketError, SocketId};

/// The longest payload: 65,535 octets less the IPv4 and UDP headers.
const PAYLOAD_MAX: usize = 65_507;
/// [`udp::CHECKSUM_OFFSET`] as an offload has it.
const CHECKSUM_OFFSET: u16 = 6;

/// What an IP header says of a datagram that is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) whole: Whole,
    pub(crate) hop_limit: u8,
    pub(crate) tos: u8,
    pub(crate) head: Head,
}

impl Manner {
    /// As the call says, else the socket.
    fn of(socket: &Socket, outgoing: &Outgoing) -> Result<Manner, SocketError> {
        let Kind::Udp(udp) = &socket.kind else { return Err(SocketError::NotSupported) };
        let to = outgoing.to.or(udp.remote);
        Ok(Manner {
            whole: Whole::of(socket, to),
            hop_limit: outgoing.hop_limit.unwrap_or(match to {
                Some(to) if to.address.is_multicast() => udp.multicast.hop_limit,
                _ => socket.ttl,
            }),
            tos: outgoing.tos.unwrap_or(socket.tos),
            head: udp.head(),
        })
    }
}

/// The length of each datagram that a call sends; 0 if it sends one.
fn segment_of(socket: &Socket, outgoing: &Outgoing) -> u16 {
    match &socket.kind {
        Kind::Udp(udp) if udp.has_ports() => outgoing.segment.unwrap_or(udp.segment),
        _ => 0,
    }
}

/// Whether a datagram that is too long may be sent in fragments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Whole {
    /// It may.
    No,
    /// It must not, and the path's MTU is what counts (IP_PMTUDISC_DO).
    ByPath,
    /// It must not, whatever is known of the path (IP_PMTUDISC_PROBE).
    ByLink,
}

impl Whole {
    /// As IP_MTU_DISCOVER and IPV6_MTU_DISCOVER say, which count for packets of their own family.
    fn of(socket: &Socket, to: Option<Endpoint>) -> Whole {
        let (level, name) = match to {
            Some(to) if to.address.is_v6() => (IPPROTO_IPV6, ipv6::MTU_DISCOVER),
            _ => (IPPROTO_IP, ip::MTU_DISCOVER),
        };
        match socket.remembered.get(level, name) {
            Some(2) => Whole::ByPath,
            Some(3) => Whole::ByLink,
            _ => Whole::No,
        }
    }
}

/// Who writes what of a datagram behind the IP header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Head {
    /// UDP's header is the host's.
    Udp,
    /// UDP-Lite's is too; the checksum covers so many octets.
    UdpLite(u16),
    /// The identifier and the checksum of ICMP's are the host's.
    Echo,
    /// All is the application's, but perhaps the checksum at this offset.
    Raw(Option<u16>),
    /// The IP header is, too.
    RawWithHeader,
}

impl Head {
    /// Octets that the host puts in front of the payload.
    pub(super) fn len(self) -> usize {
        if matches!(self, Head::Udp | Head::UdpLite(_)) { udp::Header::LEN } else { 0 }
    }
}

/// Which way a datagram goes.
struct Way {
    hop: Hop,
    source: Address,
    remote: Endpoint,
}

impl Stack {
    /// Sends a datagram: to `to`, or to the socket's peer; from the socket's address, or from `from`, which may be
    /// any that the host accepts packets for. Returns the octets of the payload.
    ///
    /// # Errors
    /// `DestinationRequired`, `MessageTooLong`, `AccessDenied` for a broadcast without SO_BROADCAST, `WouldBlock` if the
    /// link's queue is full, those of the route, `InvalidArgument` for a source that is not the host's, and an error
    /// that has waited, once.
    pub fn send_to(
        &mut self,
        now: Instant,
        id: SocketId,
        payload: &[u8],
        to: Option<Endpoint>,
        from: Option<Address>,
    ) -> Result<usize, SocketError> {
        self.send_message(now, id, payload, &Outgoing { to, from, ..Outgoing::default() })
    }

    /// As [`Stack::send_to`], with all that can be said of how the datagram is to leave.
    ///
    /// # Errors
    /// Those of [`Stack::send_to`].
    pub fn send_message(
        &mut self,
        now: Instant,
        id: SocketId,
        payload: &[u8],
        outgoing: &Outgoing,
    ) -> Result<usize, SocketError> {
        self.advance(now);
        let socket = self.socket_mut(id)?;
        if let Some(error) = socket.error.take() {
            return Err(error);
        }
        let (local, bound, protocol) = (socket.local, socket.is_bound(), socket.protocol());
        let manner = Manner::of(socket, outgoing)?;
        let segment = segment_of(socket, outgoing);
        let Kind::Udp(udp) = &socket.kind else { return Err(SocketError::NotSupported) };
        let (has_ports, loops) = (udp.has_ports(), udp.multicast.loops);
        if payload.len() > PAYLOAD_MAX + udp::Header::LEN - manner.head.len() {
            return Err(SocketError::MessageTooLong);
        }
        match manner.head {
            Head::Echo => echo::check(payload, protocol)?,
            Head::Raw(Some(at)) if usize::from(at) + 2 > payload.len() => {
                return Err(SocketError::InvalidArgument);
            }
            _ => {}
        }
        let Way { hop, source, remote } = self.way(id, outgoing)?;
        let local = if bound { local } else { self.claim_port(id.index, local)? };
        let zone = zone_of(remote.address, hop.link);
        let key = FlowKey { local: Endpoint::new(source, local.port), remote, protocol, zone };
        self.check_lengths(&hop, remote.address, payload.len(), &manner, segment)?;
        // RFC 1112 §6.1: a group's datagram with no hop left goes to this host's members alone.
        let goes_out = manner.hop_limit != 0 && hop.link != LinkId::LOOPBACK;
        if !remote.address.is_multicast() || goes_out {
            self.send_segments(hop, &key, payload, manner, id.index, segment)?;
        }
        if remote.address.is_multicast() && (loops || hop.link == LinkId::LOOPBACK) && has_ports {
            for piece in segment::pieces(payload, segment) {
                self.loop_back(&key, piece, hop.link, manner.hop_limit, manner.tos);
            }
        }
        let (now, summaries) = (self.engine.now, self.engine.config.flow_summaries);
        if summaries
            && has_ports
            && let Kind::Udp(udp) = &mut self.socket_mut(id)?.kind
        {
            udp.count(&key, now, payload.len(), 0);
        }
        Ok(payload.len())
    }

    /// Whether `len` octets could be sent as [`Stack::send_message`] would: for those who queue datagrams in front of the
    /// host, and must refuse at once what it would refuse.
    ///
    /// # Errors
    /// Those of [`Stack::send_message`], but for its memory and what has waited.
    pub fn check_send_to(&self, id: SocketId, outgoing: &Outgoing, len: usize) -> Result<(), SocketError> {
        let Way { hop, remote, .. } = self.way(id, outgoing)?;
        let socket = self.socket(id)?;
        let (manner, segment) = (Manner::of(socket, outgoing)?, segment_of(socket, outgoing));
        self.check_lengths(&hop, remote.address, len, &manner, segment)
    }

    /// How a datagram leaves.
    fn way(&self, id: SocketId, outgoing: &Outgoing) -> Result<Way, SocketError> {
        let Outgoing { to, from, link, .. } = *outgoing;
        let socket = self.socket(id)?;
        let Kind::Udp(udp) = &socket.kind else { return Err(SocketError::NotSupported) };
        if socket.flags.contains(Flags::WRITE_CLOSED) {
            return Err(SocketError::BrokenPipe);
        }
        let remote = to.or(udp.remote).ok_or(SocketError::DestinationRequired)?;
        socket.check_family(remote.address)?;
        let remote = match udp.has_ports() {
            true if remote.port == 0 => return Err(SocketError::InvalidArgument),
            true => remote,
            false => Endpoint::new(remote.address, 0),
        };
        let link = link.or(udp.multicast.link.filter(|_| remote.address.is_multicast()));
        let device = link.map_or(socket.device, LinkId::index);
        let hop = match link {
            // No route says so: the loopback's groups are this host's own.
            Some(LinkId::LOOPBACK) if remote.address.is_multicast() => {
                let mtu = self.interface(LinkId::LOOPBACK).map_or(u16::MAX, |lo| lo.caps.mtu);
                Hop { link: LinkId::LOOPBACK, next_hop: remote.address, mtu, advertised_mss: None }
            }
            _ => self.route(remote.address, device)?,
        };
        self.check_broadcast(socket, &hop, remote.address)?;
        let mut source = if to.is_none() { udp.source } else { None };
        let own = socket.local.address;
        if !own.is_unspecified() && !own.is_multicast() && !own.is_broadcast() {
            source = source.or(Some(own));
        }
        let source = match from.or(source) {
            Some(source) => source,
            None => self.source_address(&hop, remote.address)?,
        };
        if source.family() != remote.address.family() {
            return Err(SocketError::NetworkUnreachable);
        }
        // RFC 1122 §3.2.1.3 and §3.3.4.2: in nobody else's name, and the loopback's stays at home.
        let is_ours = from.is_none_or(|from| self.is_own(from) || self.is_accepted(from));
        if !is_ours || source.is_loopback() && hop.link != LinkId::LOOPBACK {
            return Err(SocketError::InvalidArgument);
        }
        Ok(Way { hop, source, remote })
    }

    /// RFC 1122 §3.3.6: only who says so sends broadcasts.
    pub(super) fn check_broadcast(&self, socket: &Socket, hop: &Hop, to: Address) -> Result<(), SocketError> {
        let is_broadcast = self.is_group(hop, to) && !to.is_multicast();
        if is_broadcast && !socket.flags.contains(Flags::BROADCAST) {
            return Err(SocketError::AccessDenied);
        }
        Ok(())
    }

    /// Builds a datagram and queues it at its link, if there is room.
    pub(crate) fn send_datagram(
        &mut self,
        hop: Hop,
        key: &FlowKey,
        payload: &[u8],
        manner: Manner,
        sender: u32,
    ) -> Result<(), SocketError> {
        self.wait_for_room(hop.link, sender)?;
        self.queue_datagram(hop, key, payload, manner, sender, Gso::None)
    }

    /// Whether a link's queue takes another datagram; if not, the sender hears when it does.
    pub(super) fn wait_for_room(&mut self, link: LinkId, sender: u32) -> Result<(), SocketError> {
        let max = self.engine.config.datagram_queue_max.max(1);
        let interface = self.interface_mut(link).ok_or(SocketError::NetworkDown)?;
        if interface.datagrams.len() < max {
            return Ok(());
        }
        if !interface.blocked.contains(&sender) {
            interface.blocked.push(sender);
        }
        Err(SocketError::WouldBlock)
    }

    /// Builds a datagram, or a super-segment of many, and queues it.
    pub(super) fn queue_datagram(
        &mut self,
        hop: Hop,
        key: &FlowKey,
        payload: &[u8],
        manner: Manner,
        sender: u32,
        gso: Gso,
    ) -> Result<(), SocketError> {
        let interface = self.interface(hop.link).ok_or(SocketError::NetworkDown)?;
        let partial = interface.caps.checksum && manner.head == Head::Udp;
        let (src, dst) = (key.local.address, key.remote.address);
        let mut envelope = Envelope {
            src,
            dst,
            protocol: key.protocol,
            hop_limit: manner.hop_limit,
            tos: manner.tos,
            flow_label: self.flow_label(key),
            dont_fragment: manner.whole != Whole::No,
            id: self.fragment_id(dst),
            via: None,
        };
        let mut payload = payload;
        if manner.head == Head::RawWithHeader {
            let own = raw::envelope_of(payload, &envelope).ok_or(SocketError::InvalidArgument)?;
            (envelope, payload) = own;
        }
        let room = manner.head.len() + payload.len();
        let mtu = usize::from(self.path_mtu(dst, hop.mtu));
        let most = match manner.whole {
            Whole::No => usize::MAX,
            Whole::ByPath => mtu,
            Whole::ByLink => hop.mtu.into(),
        };
        if gso == Gso::None && envelope.len() + room > most {
            return Err(SocketError::MessageTooLong);
        }
        let partial = partial && (gso != Gso::None || envelope.len() + room <= mtu);
        let start = u16::try_from(envelope.len()).unwrap_or(0);
        let checksum =
            if partial { Checksum::Partial { start, offset: CHECKSUM_OFFSET } } else { Checksum::None };
        u16::try_from(room).map_err(|_| SocketError::MessageTooLong)?;
        let header_len = if gso == Gso::None { 0 } else { start + CHECKSUM_OFFSET + 2 };
        let offload = Offload { checksum, gso, header_len, hash: 0 };
        let sent = self.send_long_with(hop, &envelope, Class::Datagram { sender }, room, offload, |out| {
            write(key, payload, manner.head, partial, out)?;
            Ok(room)
        });
        match sent {
            Ok(()) => {
                self.engine.stats.udp.out_datagrams += u64::from(manner.head.len() != 0);
                Ok(())
            }
            // As on Linux, a neighbour's failure is no error of the call.
            Err(DropReason::NeighbourLimit | DropReason::NeighbourUnresolved) => Ok(()),
            Err(_) => Err(SocketError::NoBuffers),
        }
    }
}

/// Writes what goes behind the IP header; with `partial` the device completes the checksum.
fn write(key: &FlowKey, payload: &[u8], head: Head, partial: bool, out: &mut [u8]) -> Result<(), WireError> {
    match head {
        Head::Echo => return echo::emit(key, payload, out),
        Head::Raw(checksum_at) => return raw::emit(key, payload, checksum_at, out),
        Head::RawWithHeader => return raw::emit(key, payload, None, out),
        Head::Udp | Head::UdpLite(_) => {}
    }
    let (src, dst) = (key.local.address, key.remote.address);
    let header = udp::Emit {
        src_port: key.local.port,
        dst_port: key.remote.port,
        payload_len: u16::try_from(payload.len()).map_err(|_| WireError::BadLength)?,
    };
    let at = header.emit(out)?;
    out.get_mut(at..).ok_or(WireError::Truncated)?.copy_from_slice(payload);
    match head {
        Head::UdpLite(covered) => udp_lite::fill(src, dst, out, covered),
        _ if partial => udp::fill_partial_checksum(src, dst, out),
        _ => udp::fill_checksum(src, dst, out),
    }
}
