//! IPv4 options (RFC 791 §3.1, RFC 2113): what a packet carries, and where one is malformed.
//!
//! What to do with them is the stack's decision: RFC 7126 wants source routes dropped.

use crate::Address;

#[cfg(test)]
mod tests;

const END_OF_LIST: u8 = 0;
/// RFC 791 §3.1: padding before an option.
pub const NO_OPERATION: u8 = 1;
const RECORD_ROUTE: u8 = 7;
const TIMESTAMP: u8 = 68;
/// RFC 791 §3.1.
pub const LOOSE_SOURCE_ROUTE: u8 = 131;
/// RFC 791 §3.1.
pub const STRICT_SOURCE_ROUTE: u8 = 137;
const ROUTER_ALERT: u8 = 148;

/// The longest options area, in octets.
pub const OPTIONS_MAX: usize = super::Header::MAX_LEN - super::Header::LEN;

/// One option.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ipv4Option<'a> {
    /// The rest is padding.
    EndOfList,
    /// Padding before an option.
    NoOperation,
    /// Routers write their addresses here.
    RecordRoute(Route<'a>),
    /// The packet is to pass these addresses, and may pass others.
    LooseSourceRoute(Route<'a>),
    /// The packet is to pass these addresses and no others.
    StrictSourceRoute(Route<'a>),
    /// Routers write the time here.
    Timestamp {
        /// Where the next entry goes, in octets from the option's first, counting from 1; at least 5.
        pointer: u8,
        /// The stations that found no room, 0 to 15.
        overflow: u8,
        /// 0 times only, 1 with addresses, 3 with addresses given by the sender.
        flags: u8,
        /// The entries.
        data: &'a [u8],
    },
    /// Routers are to look at the packet (RFC 2113); the value is 0.
    RouterAlert(u16),
    /// Any other option, by its length alone.
    Unknown {
        /// The type octet: copied flag, class and number.
        kind: u8,
        /// What follows type and length.
        data: &'a [u8],
    },
}

/// The content of a route option.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route<'a> {
    /// Where the next address is taken from or goes, in octets from the option's first, counting from 1; at
    /// least 4.
    pub pointer: u8,
    /// The addresses, used or not, 4 octets each.
    pub data: &'a [u8],
}

impl<'a> Route<'a> {
    /// The addresses, used or not.
    pub fn addresses(self) -> impl Iterator<Item = Address> + 'a {
        let (addresses, _) = self.data.as_chunks::<4>();
        addresses.iter().map(|octets| Address::from(*octets))
    }

    /// Whether no address is left to visit, or no room to record one.
    #[must_use]
    pub fn is_exhausted(self) -> bool {
        usize::from(self.pointer) > self.data.len() + 3
    }
}

/// An option that breaks its own rules; nothing after it can be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MalformedOption {
    /// The octet of the IP header that is wrong, counting from 0: the pointer of a Parameter Problem (RFC
    /// 792).
    pub pointer: u8,
}

/// The options of a header, in order, up to the end of the list or the first malformed one.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    rest: &'a [u8],
    /// Where `rest` starts in the header.
    at: u8,
}

impl<'a> Options<'a> {
    /// The options in `bytes`, which follow the fixed header; octets beyond the 40 possible ones are not
    /// looked at.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes.get(..OPTIONS_MAX).unwrap_or(bytes), at: 20 }
    }

    /// Takes the option with a length octet that `rest` starts with.
    fn take(&mut self, kind: u8) -> Result<Ipv4Option<'a>, MalformedOption> {
        let malformed = |octet| MalformedOption { pointer: self.at + octet };
        let len = *self.rest.get(1).ok_or(malformed(0))?;
        let (option, rest) = self.rest.split_at_checked(len.into()).ok_or(malformed(1))?;
        let data = option.get(2..).ok_or(malformed(1))?;
        let option = match kind {
            RECORD_ROUTE => Ipv4Option::RecordRoute(route(data).map_err(malformed)?),
            LOOSE_SOURCE_ROUTE => Ipv4Option::LooseSourceRoute(route(data).map_err(malformed)?),
            STRICT_SOURCE_ROUTE => Ipv4Option::StrictSourceRoute(route(data).map_err(malformed)?),
            TIMESTAMP => timestamp(data).map_err(malformed)?,
            ROUTER_ALERT => match *data {
                [high, low] => Ipv4Option::RouterAlert(u16::from_be_bytes([high, low])),
                _ => return Err(malformed(1)),
            },
            kind => Ipv4Option::Unknown { kind, data },
        };
        self.rest = rest;
        self.at += len;
        Ok(option)
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = Result<Ipv4Option<'a>, MalformedOption>;

    fn next(&mut self) -> Option<Self::Item> {
        let (kind, rest) = self.rest.split_first()?;
        match *kind {
            END_OF_LIST => {
                self.rest = &[];
                Some(Ok(Ipv4Option::EndOfList))
            }
            NO_OPERATION => {
                self.rest = rest;
                self.at += 1;
                Some(Ok(Ipv4Option::NoOperation))
            }
            kind => {
                let option = self.take(kind);
                if option.is_err() {
                    self.rest = &[];
                }
                Some(option)
            }
        }
    }
}

/// The route in the octets after type and length, or the option's octet that is wrong.
fn route(data: &[u8]) -> Result<Route<'_>, u8> {
    let (&pointer, data) = data.split_first().ok_or(1)?;
    let route = Route { pointer, data };
    if pointer < 4 || !room(pointer, 4, data.len() + 3) { Err(2) } else { Ok(route) }
}

/// The timestamps in the octets after type and length, or the option's octet that is wrong.
fn timestamp(data: &[u8]) -> Result<Ipv4Option<'_>, u8> {
    let Some((&[pointer, overflow_flags], data)) = data.split_first_chunk::<2>() else { return Err(1) };
    let (overflow, flags) = (overflow_flags >> 4, overflow_flags & 0x0f);
    let entry = match flags {
        0 => 4,
        1 | 3 => 8,
        _ => return Err(3),
    };
    if pointer < 5 || !room(pointer, entry, data.len() + 4) {
        return Err(2);
    }
    Ok(Ipv4Option::Timestamp { pointer, overflow, flags, data })
}

/// Whether an option of `len` octets is full, or has room at `pointer` for a whole entry (RFC 1122 §3.2.1.8).
fn room(pointer: u8, entry: usize, len: usize) -> bool {
    let before = usize::from(pointer) - 1;
    before >= len || before + entry <= len
}
