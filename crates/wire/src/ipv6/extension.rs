//! IPv6 extension headers (RFC 8200 §4): the walk from the fixed header to the upper layer, and their
//! options.
//!
//! Start at [`Packet::extensions`]. Everything is bounded, because chains of headers and of options are a
//! known way to burn a receiver's time (RFC 8504 §5.3): at most 8 headers, at most 8 options that are not
//! padding in each.

use super::{Header, Packet};
use crate::{WireError, protocol};

#[cfg(test)]
mod tests;

/// RFC 8504 §5.3 leaves the number to the host; no known use has more than four.
pub const MAX_HEADERS: usize = 8;
/// RFC 8504 §5.3: options of one header that are not padding.
pub const MAX_OPTIONS: usize = 8;

const PAD1: u8 = 0;
const PADN: u8 = 1;
const ROUTER_ALERT: u8 = 5;

/// RFC 4443 §3.4: erroneous header field encountered.
const CODE_FIELD: u8 = 0;
/// RFC 4443 §3.4: unrecognized Next Header type encountered.
const CODE_NEXT_HEADER: u8 = 1;
/// RFC 4443 §3.4: unrecognized IPv6 option encountered.
const CODE_OPTION: u8 = 2;
/// RFC 7112 §6: IPv6 First Fragment has incomplete IPv6 Header Chain.
const CODE_INCOMPLETE: u8 = 3;

/// What lies behind the extension headers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Upper<'a> {
    /// The protocol number. Behind a fragment header with an offset it is what that header says, and nothing
    /// has looked at the octets.
    pub protocol: u8,
    /// Where `payload` starts, in octets from the start of the IPv6 header.
    pub offset: usize,
    /// Which octet named `protocol`, from the start of the IPv6 header: the pointer of a Parameter Problem of
    /// code 1.
    pub next_header_at: usize,
    /// What follows the last extension header.
    pub payload: &'a [u8],
    /// The fragment header, if the packet has one.
    pub fragment: Option<Fragment>,
    /// The value of a Router Alert option (RFC 2711), if the packet has one: 0 is MLD.
    pub router_alert: Option<u16>,
}

/// A fragment header (RFC 8200 §4.5).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Fragment {
    /// Where the fragment belongs in the fragmentable part, in octets, a multiple of 8.
    pub offset: u16,
    /// Whether later fragments exist.
    pub more: bool,
    /// The identification.
    pub id: u32,
    /// The protocol number of what follows the header, or would follow it in the first fragment.
    pub next_header: u8,
    /// Where the header starts, in octets from the start of the IPv6 header; not used by
    /// [`emit`](Self::emit).
    pub at: usize,
}

impl Fragment {
    /// 8 octets.
    pub const LEN: usize = 8;

    /// Whether it is the whole packet after all (RFC 6946).
    #[must_use]
    pub const fn is_atomic(&self) -> bool {
        self.offset == 0 && !self.more
    }

    /// Writes 8 octets to the front of `out` and returns 8.
    ///
    /// # Errors
    /// `BadHeader` for an offset that is no multiple of 8, `Truncated` if `out` is too short.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, WireError> {
        if !self.offset.is_multiple_of(8) {
            return Err(WireError::BadHeader);
        }
        let [high, low] = (self.offset | u16::from(self.more)).to_be_bytes();
        let [a, b, c, d] = self.id.to_be_bytes();
        *out.first_chunk_mut().ok_or(WireError::Truncated)? = [self.next_header, 0, high, low, a, b, c, d];
        Ok(Self::LEN)
    }
}

/// A Hop-by-Hop Options header that carries the Router Alert `value` (RFC 2711), as MLD needs it.
#[must_use]
pub const fn router_alert(next_header: u8, value: u16) -> [u8; 8] {
    let [high, low] = value.to_be_bytes();
    [next_header, 0, ROUTER_ALERT, 2, high, low, PADN, 0]
}

/// Whether, and with what, the sender of a bad packet is told: an ICMPv6 Parameter Problem (RFC 4443 §3.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Report {
    /// Drop in silence.
    Never,
    /// Tell, unless the packet was for a multicast address.
    UnlessMulticast {
        /// The code of the Parameter Problem.
        code: u8,
        /// The octet that is wrong, from the start of the IPv6 header.
        pointer: u32,
    },
    /// Tell even then: an option's type asked for it (RFC 8200 §4.2, action bits 10).
    Always {
        /// The code of the Parameter Problem.
        code: u8,
        /// The octet that is wrong, from the start of the IPv6 header.
        pointer: u32,
    },
}

/// Why a packet's extension headers do not lead to its upper layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExtensionError {
    /// What is wrong.
    pub error: WireError,
    /// Whether to tell the sender.
    pub report: Report,
}

impl ExtensionError {
    fn silent(error: WireError) -> Self {
        Self { error, report: Report::Never }
    }

    fn told(error: WireError, code: u8, pointer: usize) -> Self {
        Self { error, report: Report::UnlessMulticast { code, pointer: pointer_field(pointer) } }
    }
}

/// An offset in a packet as a Parameter Problem states it; a packet has at most 65,575 octets.
fn pointer_field(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// One extension header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extension<'a> {
    /// Its own protocol number.
    pub kind: u8,
    /// Where it starts, in octets from the start of the IPv6 header.
    pub at: usize,
    /// Which octet named `kind`, from the start of the IPv6 header.
    pub next_header_at: usize,
    /// The whole header, at least 8 octets.
    pub bytes: &'a [u8],
}

impl Extension<'_> {
    /// The fields of a fragment header, or `None` for another header.
    #[must_use]
    pub fn fragment(&self) -> Option<Fragment> {
        if self.kind != protocol::FRAGMENT {
            return None;
        }
        let &[next_header, _, high, low, a, b, c, d] = self.bytes.first_chunk()?;
        let offset_flags = u16::from_be_bytes([high, low]);
        Some(Fragment {
            offset: offset_flags & !7,
            more: offset_flags & 1 != 0,
            id: u32::from_be_bytes([a, b, c, d]),
            next_header,
            at: self.at,
        })
    }
}

/// The extension headers of a packet in order, up to the first that is not one or cannot be read.
///
/// The chain also ends at a fragment header with an offset: what follows that is the middle of something.
#[derive(Clone, Debug)]
pub struct Extensions<'a> {
    rest: &'a [u8],
    at: usize,
    next_header: u8,
    next_header_at: usize,
    headers_left: usize,
    ended: bool,
}

impl<'a> Extensions<'a> {
    pub(super) fn new(packet: Packet<'a>) -> Self {
        Self {
            rest: packet.payload,
            at: Header::LEN,
            next_header: packet.header.next_header(),
            next_header_at: 6,
            headers_left: MAX_HEADERS,
            ended: false,
        }
    }

    /// The protocol number of what follows the headers seen so far.
    #[must_use]
    pub fn protocol(&self) -> u8 {
        self.next_header
    }

    /// What follows the headers seen so far.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn take(&mut self) -> Result<Extension<'a>, WireError> {
        self.headers_left = self.headers_left.checked_sub(1).ok_or(WireError::BadHeader)?;
        let &[next_header, units] = self.rest.first_chunk().ok_or(WireError::Truncated)?;
        let len = match self.next_header {
            protocol::FRAGMENT => Fragment::LEN,
            _ => (usize::from(units) + 1) * 8,
        };
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(WireError::Truncated)?;
        let extension =
            Extension { kind: self.next_header, at: self.at, next_header_at: self.next_header_at, bytes };
        self.rest = rest;
        self.next_header_at = self.at;
        self.at += len;
        self.next_header = next_header;
        Ok(extension)
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = Result<Extension<'a>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended || !is_extension(self.next_header) {
            return None;
        }
        let extension = self.take();
        self.ended = match &extension {
            Ok(extension) => extension.fragment().is_some_and(|fragment| fragment.offset != 0),
            Err(_) => true,
        };
        Some(extension)
    }
}

const fn is_extension(protocol: u8) -> bool {
    matches!(
        protocol,
        protocol::HOP_BY_HOP | protocol::ROUTING | protocol::FRAGMENT | protocol::DESTINATION_OPTIONS
    )
}

/// Walks the extension headers of `packet`; see [`Packet::extensions`].
pub(super) fn walk(packet: Packet<'_>) -> Result<Upper<'_>, ExtensionError> {
    let mut chain = Extensions::new(packet);
    let mut fragment = None;
    let mut router_alert = None;
    for extension in chain.by_ref() {
        let extension = extension.map_err(|error| unreadable(error, fragment))?;
        match extension.kind {
            // RFC 8200 §4.1: Hop-by-Hop Options only directly after the IPv6 header.
            protocol::HOP_BY_HOP if extension.at != Header::LEN => {
                return Err(ExtensionError::told(
                    WireError::BadHeader,
                    CODE_NEXT_HEADER,
                    extension.next_header_at,
                ));
            }
            protocol::HOP_BY_HOP => router_alert = options(&extension)?,
            protocol::DESTINATION_OPTIONS => _ = options(&extension)?,
            protocol::ROUTING => routing(&extension)?,
            // RFC 8200 §4.1: each header at most once; fragments of fragments hide their upper layer from
            // filters.
            _ if fragment.is_some() => {
                return Err(ExtensionError::told(WireError::BadHeader, CODE_FIELD, extension.next_header_at));
            }
            _ => fragment = extension.fragment(),
        }
    }
    Ok(Upper {
        protocol: chain.next_header,
        offset: chain.at,
        next_header_at: chain.next_header_at,
        payload: chain.rest,
        fragment,
        router_alert,
    })
}

fn unreadable(error: WireError, fragment: Option<Fragment>) -> ExtensionError {
    match (error, fragment) {
        // RFC 7112 §5: a first fragment has the whole header chain, else a filter could not judge it.
        (WireError::Truncated, Some(Fragment { more: true, .. })) => {
            ExtensionError::told(error, CODE_INCOMPLETE, 0)
        }
        _ => ExtensionError::silent(error),
    }
}

/// Judges a Routing header. We implement no routing type, so segments left are an error (RFC 8200 §4.4), and
/// that includes the deprecated type 0 (RFC 5095 §3).
fn routing(extension: &Extension<'_>) -> Result<(), ExtensionError> {
    match extension.bytes {
        [_, _, _, 0, ..] => Ok(()),
        _ => Err(ExtensionError::told(WireError::BadHeader, CODE_FIELD, extension.at + 2)),
    }
}

/// Judges the options of a Hop-by-Hop or Destination Options header, and gives back the Router Alert among
/// them.
fn options(extension: &Extension<'_>) -> Result<Option<u16>, ExtensionError> {
    let mut at = extension.at + 2;
    let mut rest = extension.bytes.get(2..).unwrap_or_default();
    let mut options_left = MAX_OPTIONS;
    let mut router_alert = None;
    while let Some((&kind, after)) = rest.split_first() {
        if kind == PAD1 {
            rest = after;
            at += 1;
            continue;
        }
        let malformed = ExtensionError::told(WireError::BadOption, CODE_FIELD, at + 1);
        let (&len, after) = after.split_first().ok_or(malformed)?;
        let (data, after) = after.split_at_checked(len.into()).ok_or(malformed)?;
        if kind != PADN {
            options_left = options_left.checked_sub(1).ok_or(ExtensionError::silent(WireError::BadOption))?;
        }
        match (kind, data) {
            (PADN, _) => {}
            (ROUTER_ALERT, &[high, low]) if extension.kind == protocol::HOP_BY_HOP => {
                router_alert = Some(u16::from_be_bytes([high, low]));
            }
            (ROUTER_ALERT, _) => return Err(malformed),
            (kind, _) => unrecognized(kind, at)?,
        }
        rest = after;
        at += 2 + usize::from(len);
    }
    Ok(router_alert)
}

/// RFC 8200 §4.2: the two highest bits of an option's type say what a host does that does not know it. A
/// jumbo payload (RFC 2675) is among the unknown: no link here carries one.
fn unrecognized(kind: u8, at: usize) -> Result<(), ExtensionError> {
    let (error, code, pointer) = (WireError::BadOption, CODE_OPTION, pointer_field(at));
    match kind >> 6 {
        0b00 => Ok(()),
        0b01 => Err(ExtensionError::silent(error)),
        0b10 => Err(ExtensionError { error, report: Report::Always { code, pointer } }),
        _ => Err(ExtensionError { error, report: Report::UnlessMulticast { code, pointer } }),
    }
}
