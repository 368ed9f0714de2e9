//! The MD5 signature (RFC 2385), which BGP still speaks.

use core::fmt;

use md5::{Digest, Md5};
use portolan_wire::{Address, protocol};

use super::{Mac, Message};
use crate::numbers::{to_u16, to_u32};

/// A key of at most 80 octets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Md5Key {
    octets: [u8; Md5Key::MAX_LEN],
    len: u8,
}

impl Md5Key {
    /// The longest key in octets (Linux's TCP_MD5SIG_MAXKEYLEN).
    pub const MAX_LEN: usize = 80;

    /// The key; `None` if it is empty or too long.
    #[must_use]
    pub fn new(key: &[u8]) -> Option<Md5Key> {
        let mut octets = [0; Md5Key::MAX_LEN];
        octets.get_mut(..key.len())?.copy_from_slice(key);
        let len = u8::try_from(key.len()).ok().filter(|&len| len > 0)?;
        Some(Md5Key { octets, len })
    }

    /// RFC 2385 §2: pseudo header, header without options and checksum, text, key.
    pub(super) fn mac(&self, src: Address, dst: Address, message: &Message<'_>) -> Mac {
        let mut digest = Md5::new();
        let len = to_u32(message.len());
        match (src.v4_octets(), dst.v4_octets()) {
            (Some(src), Some(dst)) => {
                digest.update(src);
                digest.update(dst);
                digest.update([0, protocol::TCP]);
                digest.update(to_u16(len).to_be_bytes());
            }
            _ => {
                digest.update(src.octets());
                digest.update(dst.octets());
                digest.update(len.to_be_bytes());
                digest.update([0, 0, 0, protocol::TCP]);
            }
        }
        digest.update(message.fixed);
        for part in message.text {
            digest.update(part);
        }
        digest.update(self.octets.get(..self.len.into()).unwrap_or_default());
        Mac::of(&digest.finalize(), 16)
    }
}

impl fmt::Debug for Md5Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Md5Key(secret)")
    }
}
