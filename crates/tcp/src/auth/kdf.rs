//! The algorithms of the Authentication Option (RFC 5926): from master key to traffic key, and from segment to MAC.

use aes::Aes128;
use cmac::Cmac;
use hmac::{Hmac, KeyInit, Mac as _};
use portolan_wire::{Endpoint, SeqNumber};
use sha1::Sha1;

use super::Mac;

/// The label of every key derivation (RFC 5926 §3.1.1).
const LABEL: &[u8] = b"TCP-AO";

/// A pair of key derivation function and MAC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum AoAlgorithm {
    /// KDF_HMAC_SHA1 and HMAC-SHA-1-96 (RFC 5926 §3.1.1.1, §3.2.1).
    HmacSha1,
    /// KDF_AES_128_CMAC and AES-128-CMAC-96 (RFC 5926 §3.1.1.2, §3.2.2).
    Aes128Cmac,
}

/// One end of a connection as a key derivation sees it.
pub(super) type Side = (Endpoint, SeqNumber);

/// A traffic key: 20 octets for HMAC-SHA-1, 16 for AES-128-CMAC.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct TrafficKey {
    algorithm: AoAlgorithm,
    octets: [u8; 20],
}

impl AoAlgorithm {
    /// RFC 5925 §5.2, RFC 5926 §3.1: the key for segments from `src` to `dst`.
    pub(super) fn traffic_key(self, master: &[u8], src: Side, dst: Side) -> Option<TrafficKey> {
        let bits: u16 = match self {
            AoAlgorithm::HmacSha1 => 160,
            AoAlgorithm::Aes128Cmac => 128,
        };
        let ((src, src_isn), (dst, dst_isn)) = (src, dst);
        let ports_and_numbers = [
            &src.port.to_be_bytes()[..],
            &dst.port.to_be_bytes(),
            &src_isn.0.to_be_bytes(),
            &dst_isn.0.to_be_bytes(),
            &bits.to_be_bytes(),
        ];
        let mut octets = [0; 20];
        let (from, to) = (src.address, dst.address);
        let (from_v6, to_v6) = (from.octets(), to.octets());
        let (from_v4, to_v4) = (from.v4_octets(), to.v4_octets());
        let addresses: [&[u8]; 2] = match (&from_v4, &to_v4) {
            (Some(from), Some(to)) => [from, to],
            _ => [&from_v6, &to_v6],
        };
        let parts = [&[1][..], LABEL].into_iter().chain(addresses).chain(ports_and_numbers);
        match self {
            AoAlgorithm::HmacSha1 => octets = hmac_sha1(master, parts)?,
            AoAlgorithm::Aes128Cmac => {
                // RFC 5926 §3.1.1.2: a master key of another length is made one of 128 bits first.
                let key = match <[u8; 16]>::try_from(master) {
                    Ok(key) => key,
                    Err(_) => aes_128_cmac(&[0; 16], core::iter::once(master))?,
                };
                octets.get_mut(..16)?.copy_from_slice(&aes_128_cmac(&key, parts)?);
            }
        }
        Some(TrafficKey { algorithm: self, octets })
    }
}

impl TrafficKey {
    /// RFC 5926 §3.2: the first 96 bits.
    pub(super) fn mac<'a>(&self, parts: impl Iterator<Item = &'a [u8]>) -> Option<Mac> {
        Some(match self.algorithm {
            AoAlgorithm::HmacSha1 => Mac::of(&hmac_sha1(&self.octets, parts)?, 12),
            AoAlgorithm::Aes128Cmac => Mac::of(&aes_128_cmac(self.octets.first_chunk()?, parts)?, 12),
        })
    }

    /// Its octets.
    #[cfg(test)]
    pub(super) fn octets(&self) -> &[u8] {
        match self.algorithm {
            AoAlgorithm::HmacSha1 => &self.octets,
            AoAlgorithm::Aes128Cmac => &self.octets[..16],
        }
    }
}

fn hmac_sha1<'a>(key: &[u8], parts: impl Iterator<Item = &'a [u8]>) -> Option<[u8; 20]> {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).ok()?;
    parts.for_each(|part| mac.update(part));
    Some(mac.finalize().into_bytes().into())
}

fn aes_128_cmac<'a>(key: &[u8; 16], parts: impl Iterator<Item = &'a [u8]>) -> Option<[u8; 16]> {
    let mut mac = Cmac::<Aes128>::new_from_slice(key).ok()?;
    parts.for_each(|part| mac.update(part));
    Some(mac.finalize().into_bytes().into())
}
