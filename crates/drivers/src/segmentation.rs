//! Segmentation and checksums in software: what a network card does with [`Offload`], for those who need the packets
//! that a real wire would carry.
//!
//! A shaped wire loses and corrupts packets, not super-segments; a capture shows what an observer of the cable would
//! see; and a kernel older than an offload cannot be handed it. Start at [`Segmenter::cut`]. A frame that comes from
//! outside may lie about itself in any way: that is a [`SegmentError`].
//!
//! RFC 9293 §3.1 and RFC 768 for the checksums, RFC 3168 §6.1.2 for CWR, RFC 6864 for the identification.

use portolan_link::{Checksum, Gso, Medium, Offload};
use portolan_wire::checksum::Checksum as Sum;
use thiserror::Error;

const ETHERNET_LEN: usize = 14;
const VLAN_TAG_LEN: usize = 4;
const VLAN_TAGS_MAX: usize = 2;
const EXTENSIONS_MAX: usize = 8;

const PROTOCOL_TCP: u8 = 6;
const PROTOCOL_UDP: u8 = 17;
const UDP_HEADER_LEN: usize = 8;
const UDP_CHECKSUM_AT: usize = 6;
const TCP_CHECKSUM_AT: usize = 16;
const TCP_FLAGS_AT: usize = 13;
const FIN_PSH: u8 = 0x01 | 0x08;
const CWR: u8 = 0x80;

/// Why a frame cannot be finished as its [`Offload`] asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum SegmentError {
    /// The headers are cut short, or not those of the protocol that is to be cut.
    #[error("the frame's headers are not those of its super-segment")]
    Headers,
    /// The checksum field lies outside the frame.
    #[error("the checksum field lies outside the frame")]
    Checksum,
}

/// Turns frames with unfinished business into finished ones. Holds memory that it uses again.
#[derive(Debug)]
pub struct Segmenter {
    medium: Medium,
    whole: Vec<u8>,
    segment: Vec<u8>,
}

impl Segmenter {
    /// A segmenter for frames of `medium`.
    pub fn new(medium: Medium) -> Segmenter {
        Segmenter { medium, whole: Vec::new(), segment: Vec::new() }
    }

    /// Passes to `emit`, in order, the frames that the frame made of `parts` stands for: each a single packet with a
    /// finished checksum. Returns how many they were. On an error nothing was emitted.
    pub fn cut<'a>(
        &mut self,
        offload: &Offload,
        parts: impl IntoIterator<Item = &'a [u8]>,
        mut emit: impl FnMut(&[u8]),
    ) -> Result<usize, SegmentError> {
        self.whole.clear();
        for part in parts {
            self.whole.extend_from_slice(part);
        }
        let size = match offload.gso {
            Gso::None => {
                if let Checksum::Partial { start, offset } = offload.checksum {
                    finish_checksum(&mut self.whole, start.into(), offset.into())
                        .ok_or(SegmentError::Checksum)?;
                }
                emit(&self.whole);
                return Ok(1);
            }
            Gso::Tcp { size, .. } | Gso::Udp { size } => usize::from(size.max(1)),
        };
        let layout = Layout::of(self.medium, &self.whole, offload.gso).ok_or(SegmentError::Headers)?;
        let (headers, text) = self.whole.split_at_checked(layout.text).ok_or(SegmentError::Headers)?;
        let count = text.len().div_ceil(size).max(1);
        for index in 0..count {
            let from = index * size;
            let piece = text.get(from..text.len().min(from + size)).ok_or(SegmentError::Headers)?;
            self.segment.clear();
            self.segment.extend_from_slice(headers);
            self.segment.extend_from_slice(piece);
            let position = Position { index, from, is_last: index + 1 == count };
            layout.adjust(&mut self.segment, position).ok_or(SegmentError::Headers)?;
            emit(&self.segment);
        }
        Ok(count)
    }
}

/// The IP version of a frame: 4 or 6, `None` for what is not IP.
pub fn network_version(medium: Medium, frame: &[u8]) -> Option<u8> {
    let network = network_offset(medium, frame)?;
    frame.get(network).map(|octet| octet >> 4).filter(|version| matches!(version, 4 | 6))
}

/// Which segment of a super-segment is meant.
#[derive(Clone, Copy)]
struct Position {
    index: usize,
    /// Position of its text in the whole.
    from: usize,
    is_last: bool,
}

/// Where the headers of a super-segment start, counted from the start of the frame.
#[derive(Clone, Copy)]
struct Layout {
    is_v6: bool,
    is_tcp: bool,
    network: usize,
    transport: usize,
    text: usize,
}

impl Layout {
    /// Finds the headers of a TCP or UDP packet, as `gso` says, that is not a fragment. What it finds lies within
    /// `frame`, so that [`Layout::adjust`] cannot fail.
    fn of(medium: Medium, frame: &[u8], gso: Gso) -> Option<Layout> {
        let network = network_offset(medium, frame)?;
        let is_tcp = matches!(gso, Gso::Tcp { .. });
        let is_v6 = network_version(medium, frame)? == 6;
        let packet = frame.get(network..)?;
        let (protocol, header_len) = if is_v6 { upper_of_v6(packet)? } else { upper_of_v4(packet)? };
        if protocol != if is_tcp { PROTOCOL_TCP } else { PROTOCOL_UDP } {
            return None;
        }
        let transport = network + header_len;
        let text = if is_tcp {
            let header_len = usize::from(frame.get(transport + 12)? >> 4) * 4;
            transport + Some(header_len).filter(|&len| len >= 20)?
        } else {
            transport + UDP_HEADER_LEN
        };
        (text <= frame.len()).then_some(Layout { is_v6, is_tcp, network, transport, text })
    }

    /// Corrects the headers of one segment that was copied from those of the whole.
    fn adjust(&self, frame: &mut [u8], position: Position) -> Option<()> {
        let packet_len = frame.len() - self.network;
        let transport_len = frame.len() - self.transport;
        if self.is_v6 {
            put(frame, self.network + 4, u16::try_from(packet_len - 40).ok()?)?;
        } else {
            put(frame, self.network + 2, u16::try_from(packet_len).ok()?)?;
            let id = get(frame, self.network + 4)?;
            // The identification counts on; it is 16 bits and wraps.
            let step = u16::try_from(position.index & 0xffff).ok()?;
            put(frame, self.network + 4, id.wrapping_add(step))?;
            put(frame, self.network + 10, 0)?;
            let sum = Sum::new().add(frame.get(self.network..self.transport)?).finish();
            put(frame, self.network + 10, sum)?;
        }
        if self.is_tcp {
            self.adjust_tcp(frame, position)?;
        } else {
            put(frame, self.transport + 4, u16::try_from(transport_len).ok()?)?;
        }
        self.sum_transport(frame, transport_len)
    }

    fn adjust_tcp(&self, frame: &mut [u8], position: Position) -> Option<()> {
        let seq = frame.get_mut(self.transport + 4..)?.first_chunk_mut::<4>()?;
        let step = u32::try_from(position.from).ok()?;
        *seq = u32::from_be_bytes(*seq).wrapping_add(step).to_be_bytes();
        let flags = frame.get_mut(self.transport + TCP_FLAGS_AT)?;
        if !position.is_last {
            *flags &= !FIN_PSH;
        }
        if position.index > 0 {
            // RFC 3168 §6.1.2: CWR is said once.
            *flags &= !CWR;
        }
        Some(())
    }

    /// Sums the pseudo header and the transport segment anew.
    fn sum_transport(&self, frame: &mut [u8], transport_len: usize) -> Option<()> {
        let (field, protocol) =
            if self.is_tcp { (TCP_CHECKSUM_AT, PROTOCOL_TCP) } else { (UDP_CHECKSUM_AT, PROTOCOL_UDP) };
        put(frame, self.transport + field, 0)?;
        let addresses = if self.is_v6 { 8..40 } else { 12..20 };
        let packet = frame.get(self.network..)?;
        let mut sum = Sum::new();
        sum.add(packet.get(addresses)?).add_u16(protocol.into());
        sum.add_u32(u32::try_from(transport_len).ok()?).add(frame.get(self.transport..)?);
        put(frame, self.transport + field, never_absent(sum.finish(), field))
    }
}

/// Completes a partial checksum: sums from `start` to the end, and stores the complement at `start + offset`.
fn finish_checksum(frame: &mut [u8], start: usize, offset: usize) -> Option<()> {
    get(frame, start + offset)?;
    let sum = Sum::new().add(frame.get(start..)?).finish();
    put(frame, start + offset, never_absent(sum, offset))
}

/// RFC 768: a UDP checksum of zero says that there is none, so a sum of zero is sent as its other form.
fn never_absent(sum: u16, offset: usize) -> u16 {
    if sum == 0 && offset == UDP_CHECKSUM_AT { 0xffff } else { sum }
}

/// Position of the IP header; `None` if the frame carries no IP.
fn network_offset(medium: Medium, frame: &[u8]) -> Option<usize> {
    if medium == Medium::Ip {
        return Some(0);
    }
    let mut offset = ETHERNET_LEN;
    for _ in 0..=VLAN_TAGS_MAX {
        match get(frame, offset - 2)? {
            0x0800 | 0x86dd => return Some(offset),
            0x8100 | 0x88a8 => offset += VLAN_TAG_LEN,
            _ => return None,
        }
    }
    None
}

/// Protocol and header length of an IPv4 packet that is not a fragment.
fn upper_of_v4(packet: &[u8]) -> Option<(u8, usize)> {
    let header_len = usize::from(packet.first()? & 0x0f) * 4;
    let is_fragment = get(packet, 6)? & 0x3fff != 0;
    (header_len >= 20 && !is_fragment).then_some((*packet.get(9)?, header_len))
}

/// Protocol and length of all headers of an IPv6 packet that is not a fragment.
fn upper_of_v6(packet: &[u8]) -> Option<(u8, usize)> {
    let (mut next, mut offset) = (*packet.get(6)?, 40);
    for _ in 0..EXTENSIONS_MAX {
        // RFC 8200 §4: hop-by-hop options, routing, destination options.
        if !matches!(next, 0 | 43 | 60) {
            break;
        }
        let header = packet.get(offset..)?.first_chunk::<2>()?;
        (next, offset) = (header[0], offset + (usize::from(header[1]) + 1) * 8);
    }
    Some((next, offset))
}

fn get(frame: &[u8], at: usize) -> Option<u16> {
    frame.get(at..)?.first_chunk().copied().map(u16::from_be_bytes)
}

fn put(frame: &mut [u8], at: usize, value: u16) -> Option<()> {
    *frame.get_mut(at..)?.first_chunk_mut()? = value.to_be_bytes();
    Some(())
}

#[cfg(test)]
mod tests;
