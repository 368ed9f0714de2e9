//! What can be wrong with bytes from a link, and with the text of an address.

use core::fmt;

/// Why bytes could not be parsed, or a header not be written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum WireError {
    /// The bytes end before the header does, or before the length that it states; or the buffer to write to
    /// is too short.
    Truncated,
    /// A length field contradicts the header that it stands in, or a value to write does not fit its length
    /// field.
    BadLength,
    /// The version field is not the one that was asked for.
    BadVersion,
    /// The checksum does not match.
    BadChecksum,
    /// An option has an impossible length or content.
    BadOption,
    /// Another field has a value that the protocol does not allow.
    BadHeader,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "truncated",
            Self::BadLength => "bad length",
            Self::BadVersion => "bad version",
            Self::BadChecksum => "bad checksum",
            Self::BadOption => "bad option",
            Self::BadHeader => "bad header",
        })
    }
}

impl core::error::Error for WireError {}

/// Why a text is not the address that was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ParseAddressError {
    /// Not an IPv4 or IPv6 address.
    Address,
    /// Not an address with a port: `192.0.2.1:80` or `[2001:db8::1]:80`.
    Endpoint,
    /// The prefix length is missing or no number.
    PrefixLength,
    /// The prefix length is more than this, the number of bits in the address.
    PrefixTooLong(u8),
    /// Not an Ethernet address: six pairs of hexadecimal digits.
    Ethernet,
}

impl fmt::Display for ParseAddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str("not an IPv4 or IPv6 address"),
            Self::Endpoint => f.write_str("not an address and port, as in 192.0.2.1:80 or [2001:db8::1]:80"),
            Self::PrefixLength => f.write_str("no prefix length, as in 192.0.2.1/24 or 2001:db8::1/64"),
            Self::PrefixTooLong(max) => write!(f, "prefix length above {max}"),
            Self::Ethernet => f.write_str("not an Ethernet address, as in 02:00:00:00:00:01"),
        }
    }
}

impl core::error::Error for ParseAddressError {}
