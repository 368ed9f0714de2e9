//! TCP_MD5SIG and TCP_MD5SIG_EXT: Linux's `struct tcp_md5sig`.

use portolan_link::Instant;
use portolan_tcp::Md5Key;
use portolan_wire::{Address, Cidr, Family};

use super::number::tcp;
use super::{AF_INET, AF_INET6};
use crate::stack::Stack;
use crate::{SocketError, SocketId};

/// Octets of the structure: an address of 128, then flags, prefix length, key length, link, key.
const LEN: usize = 216;
const FLAGS_AT: usize = 128;
const KEY_AT: usize = 136;

/// TCP_MD5SIG_FLAG_PREFIX: the key is for a network. The other flag binds it to a VRF, which this host has not.
const FLAG_PREFIX: u8 = 1;

impl Stack {
    /// Sets or, with an empty key, removes the key for a peer or, with TCP_MD5SIG_EXT, a network.
    pub(super) fn set_md5_signature(
        &mut self,
        now: Instant,
        id: SocketId,
        name: i32,
        value: &[u8],
    ) -> Result<(), SocketError> {
        let family = self.socket(id)?.family;
        let (peers, key) = read(name, family, value).ok_or(SocketError::InvalidArgument)?;
        let key = match key {
            [] => None,
            key => Some(Md5Key::new(key).ok_or(SocketError::InvalidArgument)?),
        };
        self.set_md5_key(now, id, peers, key)
    }
}

/// The peers and the key.
fn read(name: i32, family: Family, value: &[u8]) -> Option<(Cidr, &[u8])> {
    let value = value.get(..LEN)?;
    let &[flags, prefix_len, key_low, key_high] = value.get(FLAGS_AT..)?.first_chunk()?;
    let key_len = usize::from(u16::from_ne_bytes([key_low, key_high]));
    let key = value.get(KEY_AT..)?.get(..key_len)?;
    let address = peer(family, value)?;
    let prefix_len = match (name, flags) {
        (tcp::MD5SIG_EXT, FLAG_PREFIX) => prefix_len,
        (tcp::MD5SIG_EXT, 0) | (tcp::MD5SIG, _) => address.family().bits(),
        _ => return None,
    };
    Some((Cidr::new(address, prefix_len)?, key))
}

/// The address of a `sockaddr_in` or `sockaddr_in6`, as the socket's family asks for.
pub(super) fn peer(family: Family, value: &[u8]) -> Option<Address> {
    let named = i32::from(u16::from_ne_bytes(*value.first_chunk()?));
    match family {
        Family::V4 if named == AF_INET => {
            let &[a, b, c, d] = value.get(4..)?.first_chunk()?;
            Some(Address::v4(a, b, c, d))
        }
        Family::V6 if named == AF_INET6 => Some(Address::from_octets(*value.get(8..)?.first_chunk()?)),
        _ => None,
    }
}
