//! Options of Neighbor Discovery (RFC 4861 §4.6, RFC 8106 §5.1).

use super::v6_octets;
use crate::writer::Writer;
use crate::{Address, EthernetAddress, WireError};

#[cfg(test)]
mod tests;

const SOURCE_LINK_LAYER: u8 = 1;
const TARGET_LINK_LAYER: u8 = 2;
const PREFIX_INFORMATION: u8 = 3;
const REDIRECTED_HEADER: u8 = 4;
const MTU: u8 = 5;
const RDNSS: u8 = 25;

/// One option.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NdpOption<'a> {
    /// The sender's station.
    SourceLinkLayer(EthernetAddress),
    /// The target's station.
    TargetLinkLayer(EthernetAddress),
    /// A prefix of the link.
    PrefixInformation(PrefixInformation),
    /// The front of the packet that caused a redirect.
    RedirectedHeader(&'a [u8]),
    /// The link's MTU in octets.
    Mtu(u32),
    /// Recursive DNS servers (RFC 8106).
    Rdnss {
        /// How long they may be used, in seconds; `u32::MAX` is for ever, 0 no longer.
        lifetime_s: u32,
        /// Their addresses.
        servers: Servers<'a>,
    },
    /// Any other option, by its length alone.
    Unknown {
        /// The type.
        kind: u8,
        /// What follows type and length, up to the next option: 6 octets, 14, 22 and so on.
        data: &'a [u8],
    },
}

/// A prefix of the link (RFC 4861 §4.6.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PrefixInformation {
    /// The prefix; bits after `prefix_len` mean nothing.
    pub prefix: Address,
    /// Its length in bits, 0 to 128.
    pub prefix_len: u8,
    /// Whether its addresses are on the link.
    pub on_link: bool,
    /// Whether hosts may make addresses from it (RFC 4862).
    pub autonomous: bool,
    /// How long it is valid, in seconds; `u32::MAX` is for ever.
    pub valid_s: u32,
    /// How long addresses made from it are preferred, in seconds; `u32::MAX` is for ever.
    pub preferred_s: u32,
}

/// Addresses of DNS servers as an option lists them; none is IPv4.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Servers<'a>(&'a [[u8; 16]]);

impl<'a> Servers<'a> {
    /// The servers whose 16 octets each these are, or `None` if there is none, or an IPv4-mapped address
    /// among them.
    #[must_use]
    pub fn new(addresses: &'a [[u8; 16]]) -> Option<Self> {
        let bad = addresses.iter().any(|octets| Address::from_octets(*octets).is_v4());
        (!addresses.is_empty() && !bad).then_some(Self(addresses))
    }

    /// The addresses in order.
    pub fn iter(self) -> impl Iterator<Item = Address> + 'a {
        self.0.iter().map(|octets| Address::from_octets(*octets))
    }
}

/// The options of a message, in order, up to the first bad one.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    rest: &'a [u8],
}

impl<'a> Options<'a> {
    /// The options in `bytes`, which follow a message's fixed part.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn take(&mut self) -> Result<NdpOption<'a>, WireError> {
        let &[kind, units] = self.rest.first_chunk().ok_or(WireError::Truncated)?;
        let (option, rest) =
            self.rest.split_at_checked(usize::from(units) * 8).ok_or(WireError::Truncated)?;
        // RFC 4861 §4.6: a message with an option of length 0 is discarded; it would also never end.
        let data = option.get(2..).ok_or(WireError::BadOption)?;
        self.rest = rest;
        parse(kind, data)
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = Result<NdpOption<'a>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let option = self.take();
        if option.is_err() {
            self.rest = &[];
        }
        Some(option)
    }
}

fn parse(kind: u8, data: &[u8]) -> Result<NdpOption<'_>, WireError> {
    match kind {
        SOURCE_LINK_LAYER => Ok(NdpOption::SourceLinkLayer(station(data)?)),
        TARGET_LINK_LAYER => Ok(NdpOption::TargetLinkLayer(station(data)?)),
        PREFIX_INFORMATION => Ok(NdpOption::PrefixInformation(PrefixInformation::parse(data)?)),
        REDIRECTED_HEADER => Ok(NdpOption::RedirectedHeader(data.get(6..).ok_or(WireError::BadOption)?)),
        MTU => match *data {
            [_, _, a, b, c, d] => Ok(NdpOption::Mtu(u32::from_be_bytes([a, b, c, d]))),
            _ => Err(WireError::BadOption),
        },
        RDNSS => rdnss(data),
        kind => Ok(NdpOption::Unknown { kind, data }),
    }
}

fn station(data: &[u8]) -> Result<EthernetAddress, WireError> {
    data.try_into().map(EthernetAddress).map_err(|_| WireError::BadOption)
}

fn rdnss(data: &[u8]) -> Result<NdpOption<'_>, WireError> {
    let (&[_, _, a, b, c, d], addresses) = data.split_first_chunk().ok_or(WireError::BadOption)?;
    match addresses.as_chunks() {
        (addresses, []) => {
            let servers = Servers::new(addresses).ok_or(WireError::BadOption)?;
            Ok(NdpOption::Rdnss { lifetime_s: u32::from_be_bytes([a, b, c, d]), servers })
        }
        _ => Err(WireError::BadOption),
    }
}

impl PrefixInformation {
    fn parse(data: &[u8]) -> Result<Self, WireError> {
        let (&[prefix_len, flags, a, b, c, d, e, f, g, h, _, _, _, _], prefix) =
            data.split_first_chunk().ok_or(WireError::BadOption)?;
        let prefix: [u8; 16] = prefix.try_into().map_err(|_| WireError::BadOption)?;
        let prefix = Address::from_ipv6_wire(prefix).map_err(|_| WireError::BadOption)?;
        if prefix_len > 128 {
            return Err(WireError::BadOption);
        }
        Ok(Self {
            prefix,
            prefix_len,
            on_link: flags & 0x80 != 0,
            autonomous: flags & 0x40 != 0,
            valid_s: u32::from_be_bytes([a, b, c, d]),
            preferred_s: u32::from_be_bytes([e, f, g, h]),
        })
    }

    fn emit(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        if self.prefix_len > 128 {
            return Err(WireError::BadOption);
        }
        let flags = u8::from(self.on_link) << 7 | u8::from(self.autonomous) << 6;
        writer.put(&[PREFIX_INFORMATION, 4, self.prefix_len, flags])?;
        writer.put(&self.valid_s.to_be_bytes())?;
        writer.put(&self.preferred_s.to_be_bytes())?;
        writer.put(&[0; 4])?;
        writer.put(&v6_octets(self.prefix)?)
    }
}

impl NdpOption<'_> {
    /// Writes the option to the front of `out` and returns its length, a multiple of 8.
    ///
    /// A redirected header is cut to whole units of 8 octets, since it quotes what has no end of its own.
    ///
    /// # Errors
    /// `Truncated` if `out` is too short; `BadOption` for unknown data that does not fill units of 8 octets
    /// with type and length, or is above 2,038 octets; `BadHeader` for an IPv4 prefix.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let mut writer = Writer::new(out);
        match *self {
            Self::SourceLinkLayer(station) => {
                writer.put(&[SOURCE_LINK_LAYER, 1])?;
                writer.put(&station.0)?;
            }
            Self::TargetLinkLayer(station) => {
                writer.put(&[TARGET_LINK_LAYER, 1])?;
                writer.put(&station.0)?;
            }
            Self::PrefixInformation(prefix) => prefix.emit(&mut writer)?,
            Self::RedirectedHeader(quoted) => {
                let (quoted, _) = quoted.as_chunks::<8>();
                writer.put(&[REDIRECTED_HEADER, units(8 + quoted.len() * 8)?, 0, 0, 0, 0, 0, 0])?;
                writer.put(quoted.as_flattened())?;
            }
            Self::Mtu(mtu) => {
                writer.put(&[MTU, 1, 0, 0])?;
                writer.put(&mtu.to_be_bytes())?;
            }
            Self::Rdnss { lifetime_s, servers } => {
                writer.put(&[RDNSS, units(8 + servers.0.len() * 16)?, 0, 0])?;
                writer.put(&lifetime_s.to_be_bytes())?;
                writer.put(servers.0.as_flattened())?;
            }
            Self::Unknown { kind, data } => {
                writer.put(&[kind, units(2 + data.len())?])?;
                writer.put(data)?;
            }
        }
        Ok(writer.written())
    }
}

/// The length octet of an option of `len` octets.
fn units(len: usize) -> Result<u8, WireError> {
    if !len.is_multiple_of(8) {
        return Err(WireError::BadOption);
    }
    u8::try_from(len / 8).map_err(|_| WireError::BadOption)
}
