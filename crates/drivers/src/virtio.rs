//! `virtio_net_hdr`, which stands before every frame of a TAP device opened with `IFF_VNET_HDR` (virtio 1.2
//! §5.1.6), in its legacy form of ten octets in the machine's byte order.
//!
//! A header that arrives is untrusted: whoever owns the other end writes it, and false positions in it have been
//! holes in kernels. [`parse`] checks every field against the frame and believes nothing that it does not need.

use portolan_link::{Checksum, Gso, Offload};

/// Octets of the header.
pub(crate) const HEADER_LEN: usize = 10;

const FLAG_NEEDS_CHECKSUM: u8 = 1;
const FLAG_DATA_VALID: u8 = 2;
const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;
const GSO_UDP_L4: u8 = 5;
const GSO_ECN: u8 = 0x80;

/// The shortest transport headers: UDP's, and TCP's without options.
const UDP_HEADER_LEN: usize = 8;
const TCP_HEADER_LEN: usize = 20;

/// What is wrong with a header; its frame is dropped and counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HeaderFault {
    /// The checksum field, or the header it belongs to, lies outside the frame.
    ChecksumOutside,
    /// A kind of super-segment that does not exist or was not offered.
    UnknownSegmentation,
    /// A super-segment whose segments are empty or longer than the frame, or whose checksum is not partial.
    BadSegmentation,
}

/// Reads the header of a frame of `frame_len` octets.
///
/// `hdr_len` is not looked at: it is a hint how much to copy, and the stack finds the headers' end itself.
pub(crate) fn parse(header: &[u8; HEADER_LEN], frame_len: usize) -> Result<Offload, HeaderFault> {
    let [flags, gso_type, _, _, size @ .., start0, start1, offset0, offset1] = *header;
    let segment_size = u16::from_ne_bytes(size);
    let (start, offset) = (u16::from_ne_bytes([start0, start1]), u16::from_ne_bytes([offset0, offset1]));

    let needs_checksum = flags & FLAG_NEEDS_CHECKSUM != 0;
    let checksum = if needs_checksum {
        if usize::from(start) + usize::from(offset) + 2 > frame_len {
            return Err(HeaderFault::ChecksumOutside);
        }
        Checksum::Partial { start, offset }
    } else if flags & FLAG_DATA_VALID != 0 {
        Checksum::Valid
    } else {
        Checksum::None
    };

    let ecn = gso_type & GSO_ECN != 0;
    let (gso, transport_len) = match gso_type & !GSO_ECN {
        GSO_NONE if !ecn => return Ok(Offload { checksum, ..Offload::default() }),
        GSO_TCPV4 | GSO_TCPV6 => (Gso::Tcp { size: segment_size, ecn }, TCP_HEADER_LEN),
        GSO_UDP_L4 if !ecn => (Gso::Udp { size: segment_size }, UDP_HEADER_LEN),
        _ => return Err(HeaderFault::UnknownSegmentation),
    };
    let headers_min = usize::from(start) + transport_len;
    if !needs_checksum || segment_size == 0 || headers_min + usize::from(segment_size) > frame_len {
        return Err(HeaderFault::BadSegmentation);
    }
    Ok(Offload { checksum, gso, ..Offload::default() })
}

/// Writes the header for a frame to be sent. `is_v6` tells the two kinds of TCP super-segments apart, and
/// `header_len` is where the frame's text starts.
pub(crate) fn emit(offload: &Offload, is_v6: bool, header_len: usize) -> [u8; HEADER_LEN] {
    let (flags, start, offset) = match offload.checksum {
        Checksum::Partial { start, offset } => (FLAG_NEEDS_CHECKSUM, start, offset),
        Checksum::None | Checksum::Valid => (0, 0, 0),
    };
    let (gso_type, size) = match offload.gso {
        Gso::None => (GSO_NONE, 0),
        Gso::Tcp { size, ecn } => {
            let family = if is_v6 { GSO_TCPV6 } else { GSO_TCPV4 };
            (if ecn { family | GSO_ECN } else { family }, size)
        }
        Gso::Udp { size } => (GSO_UDP_L4, size),
    };
    let header_len = if gso_type == GSO_NONE { 0 } else { u16::try_from(header_len).unwrap_or(0) };
    let ([len0, len1], [size0, size1]) = (header_len.to_ne_bytes(), size.to_ne_bytes());
    let ([start0, start1], [offset0, offset1]) = (start.to_ne_bytes(), offset.to_ne_bytes());
    [flags, gso_type, len0, len1, size0, size1, start0, start1, offset0, offset1]
}

#[cfg(test)]
mod tests;
