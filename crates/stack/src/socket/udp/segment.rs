//! Datagrams of one length that are sent, carried and received as one: Linux's UDP_SEGMENT and UDP_GRO.
//!
//! What is sent so is one super-segment as far as the links can carry it, and is cut where it has to be: here for a link
//! without offloads and for a socket that wants its datagrams one by one. To a socket with UDP_GRO, datagrams that came in
//! one batch and follow one another are given as one, with the length of each.

use alloc::collections::VecDeque;

use portolan_link::{Chunk, Gso};
use portolan_wire::{Address, FlowKey, ipv4, ipv6, udp};

use super::send::{Head, Manner, Whole};
use super::{ENTRY_OCTETS, Received, Udp};
use crate::drop::DropReason;
use crate::ip::input::Arrival;
use crate::ip::route::Hop;
use crate::link::ethernet::Frame;
use crate::socket::Kind;
use crate::stack::Stack;
use crate::{LinkId, SocketError};

/// Linux's UDP_MAX_SEGMENTS: datagrams in one call.
const SENT_MAX: usize = 128;
/// Linux's UDP_GRO_CNT_MAX: datagrams that are received as one.
const MERGED_MAX: usize = 64;
/// What fits one packet of IP.
const MERGED_OCTETS_MAX: usize = 65_507;

/// Octets of payload in each datagram of a super-segment but the last; 0 if the frame is none.
pub(super) fn size_of_each(frame: &Frame, payload_len: usize) -> Result<u16, DropReason> {
    match frame.packet.as_ref().map(|packet| packet.offload.gso) {
        // A link may say anything.
        Some(Gso::Udp { size }) if payload_len > usize::from(size) * SENT_MAX => {
            Err(DropReason::UdpMalformed)
        }
        Some(Gso::Udp { size }) => Ok(size),
        _ => Ok(0),
    }
}

/// The datagrams of a super-segment; with `size` 0 the payload is one.
pub(super) fn pieces(payload: &[u8], size: u16) -> impl Iterator<Item = &[u8]> {
    let is_one = size == 0 || payload.is_empty();
    let one = is_one.then_some(payload);
    let many = if is_one { &[] } else { payload };
    one.into_iter().chain(many.chunks(usize::from(size.max(1))))
}

impl Stack {
    /// Whether a payload may be sent by this hop, in datagrams of `size` octets; with 0 it is one.
    ///
    /// # Errors
    /// As on Linux: `MessageTooLong` for what may not be fragmented, as the many may not, and is too long for the path,
    /// `InvalidArgument` for too many, `NotSupported` for many of what is not UDP.
    pub(super) fn check_lengths(
        &self,
        hop: &Hop,
        dst: Address,
        len: usize,
        manner: &Manner,
        size: u16,
    ) -> Result<(), SocketError> {
        let size = usize::from(size);
        let mtu = match manner.whole {
            Whole::ByLink => hop.mtu,
            _ => self.path_mtu(dst, hop.mtu),
        };
        let ip = if dst.is_v4() { ipv4::Header::LEN } else { ipv6::Header::LEN };
        let each = if size == 0 { len } else { size.min(len) };
        let must_fit = size != 0 || manner.whole != Whole::No && manner.head != Head::RawWithHeader;
        if must_fit && ip + manner.head.len() + each > usize::from(mtu) {
            return Err(SocketError::MessageTooLong);
        }
        if size != 0 && len > size * SENT_MAX {
            return Err(SocketError::InvalidArgument);
        }
        if size == 0 || manner.head == Head::Udp { Ok(()) } else { Err(SocketError::NotSupported) }
    }

    /// Sends a payload in datagrams of `size` octets: one super-segment if the link takes it.
    pub(super) fn send_segments(
        &mut self,
        hop: Hop,
        key: &FlowKey,
        payload: &[u8],
        manner: Manner,
        sender: u32,
        size: u16,
    ) -> Result<(), SocketError> {
        self.wait_for_room(hop.link, sender)?;
        let is_many = size != 0 && payload.len() > usize::from(size);
        if is_many && self.takes_super_segment(hop.link, headers_len(key) + payload.len()) {
            return self.queue_datagram(hop, key, payload, manner, sender, Gso::Udp { size });
        }
        for piece in pieces(payload, size) {
            self.queue_datagram(hop, key, piece, manner, sender, Gso::None)?;
        }
        Ok(())
    }

    /// The loopback needs no offloads: it is this host.
    fn takes_super_segment(&self, link: LinkId, len: usize) -> bool {
        self.interface(link).is_some_and(|interface| {
            interface.caps.checksum && (link == LinkId::LOOPBACK || len <= interface.caps.gso_max as usize)
        })
    }

    /// Gives a socket a super-segment: whole if it wants that, else datagram by datagram.
    pub(super) fn deliver_segments(
        &mut self,
        index: u32,
        key: &FlowKey,
        payload: Chunk,
        arrival: &Arrival,
        size: u16,
    ) -> Result<(), DropReason> {
        let merges = match self.sockets.get(index).map(|socket| &socket.kind) {
            Some(Kind::Udp(udp)) => udp.wishes.merges,
            _ => false,
        };
        if merges || size == 0 {
            return self.udp_deliver(index, key, payload, arrival, size);
        }
        let mut result = Ok(());
        for piece in pieces(payload.as_slice(), size) {
            // Each keeps its own octets alive, and not all of them.
            let piece = self.engine.pool.copy(piece);
            result = result.and(self.udp_deliver(index, key, piece, arrival, 0));
        }
        result
    }
}

fn headers_len(key: &FlowKey) -> usize {
    let ip = if key.remote.address.is_v4() { ipv4::Header::LEN } else { ipv6::Header::LEN };
    ip + udp::Header::LEN
}

impl Udp {
    /// Copies the datagrams that follow `first` and are to be received with it, behind its `len` octets; the octets there
    /// are then, and the length of each datagram.
    pub(super) fn merge(&mut self, first: &Received, len: usize, out: &mut [u8]) -> (usize, u16) {
        let size = first.payload.len();
        let (mut len, mut count) = (len, 1);
        if first.segment != 0 || first.batch == 0 || !self.wishes.merges || len != size || size == 0 {
            return (len, first.segment);
        }
        while count < MERGED_MAX
            && let Some(next) = take_next(&mut self.queue, first, out.len().min(MERGED_OCTETS_MAX) - len)
        {
            self.queued_octets -= next.payload.footprint() + ENTRY_OCTETS;
            let octets = next.payload.as_slice();
            if let Some(to) = out.get_mut(len..len + octets.len()) {
                to.copy_from_slice(octets);
            }
            (len, count) = (len + octets.len(), count + 1);
            if octets.len() < size {
                break;
            }
        }
        (len, if count > 1 { u16::try_from(size).unwrap_or(0) } else { 0 })
    }
}

/// The next datagram, if it came with `first` and says the same of itself, and fits.
fn take_next(queue: &mut VecDeque<Received>, first: &Received, room: usize) -> Option<Received> {
    let next = queue.front()?;
    let len = next.payload.len();
    let continues = next.batch == first.batch
        && next.segment == 0
        && (next.from, next.to, next.link) == (first.from, first.to, first.link)
        && (next.hop_limit, next.tos) == (first.hop_limit, first.tos)
        && len != 0
        && len <= first.payload.len().min(room);
    if continues { queue.pop_front() } else { None }
}
