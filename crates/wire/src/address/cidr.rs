//! An address with the length of its network's prefix (RFC 4632 §3.1, RFC 4291 §2.3).

use core::fmt;
use core::str::FromStr;

use super::Address;
use crate::ParseAddressError;

#[cfg(test)]
mod tests;

/// An address and the number of leading bits that name its network, as in `10.0.0.1/24`.
///
/// Bits after the prefix may be set: this is a host in a network as well as a network.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cidr {
    address: Address,
    prefix_len: u8,
}

impl Cidr {
    /// `address/prefix_len`, or `None` if the prefix is longer than an address of that family (32 or 128
    /// bits).
    #[must_use]
    pub const fn new(address: Address, prefix_len: u8) -> Option<Self> {
        if prefix_len <= address.family().bits() { Some(Self { address, prefix_len }) } else { None }
    }

    /// The network of one address: `/32` or `/128`.
    #[must_use]
    pub const fn host(address: Address) -> Self {
        Self { address, prefix_len: address.family().bits() }
    }

    /// The address, with the bits after the prefix as they were given.
    #[must_use]
    pub const fn address(self) -> Address {
        self.address
    }

    /// The address with the bits after the prefix cleared.
    #[must_use]
    pub fn network(self) -> Address {
        Address::from_u128(self.address.to_u128() & !self.host_mask())
    }

    /// The prefix length in the address's own family: 0 to 32, or 0 to 128.
    #[must_use]
    pub const fn prefix_len(self) -> u8 {
        self.prefix_len
    }

    /// Whether `address` is of the same family and has the same prefix.
    #[must_use]
    pub fn contains(self, address: Address) -> bool {
        self.address.family() == address.family()
            && (self.address.to_u128() ^ address.to_u128()) & !self.host_mask() == 0
    }

    /// The directed broadcast address; none in IPv6, nor in a `/31` (RFC 3021) or `/32`.
    #[must_use]
    pub fn broadcast(self) -> Option<Address> {
        (self.address.is_v4() && self.prefix_len < 31)
            .then(|| Address::from_u128(self.address.to_u128() | self.host_mask()))
    }

    /// The bits after the prefix, of 128.
    fn host_mask(self) -> u128 {
        let host_bits = self.address.family().bits() - self.prefix_len;
        1u128.checked_shl(host_bits.into()).map_or(u128::MAX, |bit| bit - 1)
    }
}

impl FromStr for Cidr {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        let (address, prefix_len) = text.split_once('/').ok_or(ParseAddressError::PrefixLength)?;
        let address: Address = address.parse()?;
        if prefix_len.is_empty() || !prefix_len.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(ParseAddressError::PrefixLength);
        }
        let too_long = ParseAddressError::PrefixTooLong(address.family().bits());
        let prefix_len = prefix_len.parse().map_err(|_| too_long)?;
        Self::new(address, prefix_len).ok_or(too_long)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

impl fmt::Debug for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
