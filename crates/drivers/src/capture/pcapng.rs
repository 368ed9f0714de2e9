//! The blocks of a pcapng file (draft-ietf-opsawg-pcapng), in little-endian order with nanosecond timestamps.

use portolan_link::Medium;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const DECRYPTION_SECRETS: u32 = 10;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const LINKTYPE_ETHERNET: u16 = 1;
const LINKTYPE_RAW: u16 = 101;

const OPTION_END: u16 = 0;
const OPTION_COMMENT: u16 = 1;
const SECTION_APPLICATION: u16 = 4;
const INTERFACE_NAME: u16 = 2;
const INTERFACE_RESOLUTION: u16 = 9;
const PACKET_FLAGS: u16 = 2;
const STATISTICS_RECEIVED: u16 = 4;
const STATISTICS_DROPPED: u16 = 5;

/// The kind of secrets that an SSLKEYLOGFILE has: "TLSK".
const TLS_KEY_LOG: u32 = 0x544c_534b;

/// The longest comment that is written, in octets.
const COMMENT_MAX: usize = 1024;

/// Which way a frame went, as seen from the stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Received by the stack.
    Inbound,
    /// Sent by the stack.
    Outbound,
    /// Not known.
    Unknown,
}

/// The block that starts a file.
pub(super) fn section_header(out: &mut Vec<u8>) {
    block(out, SECTION_HEADER, |out| {
        out.extend_from_slice(&BYTE_ORDER_MAGIC.to_le_bytes());
        out.extend_from_slice(&1_u16.to_le_bytes());
        out.extend_from_slice(&0_u16.to_le_bytes());
        // The section's length: not known in advance.
        out.extend_from_slice(&u64::MAX.to_le_bytes());
        option(out, SECTION_APPLICATION, b"portolan");
        option(out, OPTION_END, &[]);
    });
}

/// The block that describes an interface; its number is its place among these blocks, from 0.
pub(super) fn interface(out: &mut Vec<u8>, name: &str, medium: Medium) {
    let link_type = match medium {
        Medium::Ethernet => LINKTYPE_ETHERNET,
        Medium::Ip => LINKTYPE_RAW,
    };
    block(out, INTERFACE_DESCRIPTION, |out| {
        out.extend_from_slice(&link_type.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        // Frames are recorded whole.
        out.extend_from_slice(&0_u32.to_le_bytes());
        option(out, INTERFACE_NAME, name.as_bytes());
        // Timestamps count units of 10^-9 seconds.
        option(out, INTERFACE_RESOLUTION, &[9]);
        option(out, OPTION_END, &[]);
    });
}

/// The block of one frame at `nanos` nanoseconds of Unix time. It had `len` octets, of which `frame` may be the first.
pub(super) fn packet(
    out: &mut Vec<u8>,
    interface: u32,
    nanos: u64,
    direction: Direction,
    frame: &[u8],
    len: u32,
    comment: Option<&str>,
) {
    let [a, b, c, d, e, f, g, h] = nanos.to_le_bytes();
    // A frame has at most 64 KiB and a few headers.
    let captured = u32::try_from(frame.len()).unwrap_or(u32::MAX);
    block(out, ENHANCED_PACKET, |out| {
        out.extend_from_slice(&interface.to_le_bytes());
        out.extend_from_slice(&[e, f, g, h]);
        out.extend_from_slice(&[a, b, c, d]);
        out.extend_from_slice(&captured.to_le_bytes());
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(frame);
        pad(out, frame.len());
        if let Some(comment) = comment {
            let len = comment.floor_char_boundary(COMMENT_MAX);
            option(out, OPTION_COMMENT, comment.as_bytes().get(..len).unwrap_or_default());
        }
        let flags: u32 = match direction {
            Direction::Inbound => 1,
            Direction::Outbound => 2,
            Direction::Unknown => 0,
        };
        option(out, PACKET_FLAGS, &flags.to_le_bytes());
        option(out, OPTION_END, &[]);
    });
}

/// The block of secrets that open packets behind it: lines of an SSLKEYLOGFILE.
pub(super) fn secrets(out: &mut Vec<u8>, lines: &[u8]) {
    block(out, DECRYPTION_SECRETS, |out| {
        out.extend_from_slice(&TLS_KEY_LOG.to_le_bytes());
        out.extend_from_slice(&u32::try_from(lines.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(lines);
        pad(out, lines.len());
    });
}

/// The block that says how many packets an interface has brought until `nanos`, and how many of them are missing.
pub(super) fn statistics(out: &mut Vec<u8>, interface: u32, nanos: u64, received: u64, dropped: u64) {
    let [a, b, c, d, e, f, g, h] = nanos.to_le_bytes();
    block(out, INTERFACE_STATISTICS, |out| {
        out.extend_from_slice(&interface.to_le_bytes());
        out.extend_from_slice(&[e, f, g, h]);
        out.extend_from_slice(&[a, b, c, d]);
        option(out, STATISTICS_RECEIVED, &received.to_le_bytes());
        option(out, STATISTICS_DROPPED, &dropped.to_le_bytes());
        option(out, OPTION_END, &[]);
    });
}

/// The length of the whole blocks within the first `len` octets of `blocks`.
pub(super) fn whole_blocks(blocks: &[u8], len: usize) -> usize {
    let mut whole = 0;
    while let Some(octets) = blocks.get(whole + 4..).and_then(|rest| rest.first_chunk()) {
        let next = whole + u32::from_le_bytes(*octets) as usize;
        if next > len {
            break;
        }
        whole = next;
    }
    whole
}

/// Type and total length, body, and the total length again.
fn block(out: &mut Vec<u8>, block_type: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&block_type.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    body(out);
    let len = u32::try_from(out.len() + 4 - start).unwrap_or(u32::MAX).to_le_bytes();
    if let Some(field) = out.get_mut(start + 4..).and_then(|rest| rest.first_chunk_mut()) {
        *field = len;
    }
    out.extend_from_slice(&len);
}

/// Code, length, value, padding to four octets. Values are short.
fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    out.extend_from_slice(&code.to_le_bytes());
    out.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(value);
    pad(out, value.len());
}

fn pad(out: &mut Vec<u8>, len: usize) {
    out.resize(out.len() + len.next_multiple_of(4) - len, 0);
}
