//! Random identifiers: a socket's, and the secret that a control connection shows.

use core::fmt;

/// A socket's identity: 128 random bits, drawn by whoever creates it, never used twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketId(pub [u8; 16]);

/// What a process must show before the stack process answers it: 128 random bits from the environment, where
/// only the same user can read them (the names of sockets, in `/proc/net/unix`, everyone can).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub [u8; 16]);

impl SocketId {
    /// The identifier as 32 lower-case hexadecimal digits.
    pub fn to_hex(self) -> [u8; 32] {
        to_hex(self.0)
    }

    /// The identifier in 32 hexadecimal digits; anything else gives `None`.
    pub fn from_hex(text: &[u8]) -> Option<Self> {
        from_hex(text).map(Self)
    }
}

impl Secret {
    /// The secret as 32 lower-case hexadecimal digits.
    pub fn to_hex(self) -> [u8; 32] {
        to_hex(self.0)
    }

    /// The secret in 32 hexadecimal digits; anything else gives `None`.
    pub fn from_hex(text: &[u8]) -> Option<Self> {
        from_hex(text).map(Self)
    }
}

impl fmt::Debug for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

fn to_hex(octets: [u8; 16]) -> [u8; 32] {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + (nibble - 10) };
    let mut out = [0; 32];
    for (pair, octet) in out.chunks_exact_mut(2).zip(octets) {
        pair.copy_from_slice(&[digit(octet >> 4), digit(octet & 15)]);
    }
    out
}

fn from_hex(text: &[u8]) -> Option<[u8; 16]> {
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let text: &[u8; 32] = text.try_into().ok()?;
    let mut out = [0; 16];
    for (octet, pair) in out.iter_mut().zip(text.as_chunks::<2>().0) {
        let [high, low] = *pair;
        *octet = nibble(high)? << 4 | nibble(low)?;
    }
    Some(out)
}
