//! The Internet checksum (RFC 1071), whole, partial for offload, and incremental (RFC 1624).
//!
//! Start at [`Checksum`]. The sum is taken in the machine's byte order over wide words and swapped once at
//! the end, which RFC 1071 §2 (B) and §2 (C) show to be the same; that makes it vectorise without unsafe
//! code.

use crate::{Address, WireError};

#[cfg(test)]
mod tests;

/// An accumulator for the one's complement sum of 16-bit words.
#[derive(Clone, Copy, Debug, Default)]
pub struct Checksum {
    /// The sum of big-endian words, not folded.
    sum: u64,
    /// Whether an odd number of octets was added, so that the next one is the low half of a word.
    odd: bool,
}

impl Checksum {
    /// The sum of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { sum: 0, odd: false }
    }

    /// The sum of a pseudo header: IPv4's (RFC 9293 §3.1) or IPv6's (RFC 8200 §8.1), by the family of the
    /// addresses.
    ///
    /// `length` is that of transport header and payload in octets.
    #[must_use]
    pub fn pseudo(src: Address, dst: Address, protocol: u8, length: u32) -> Self {
        // One code path for both: the mapped form of an IPv4 address adds the word ffff, which is zero in
        // one's complement, and the field of RFC 8200 has the same words in another order.
        let mut sum = Self::new();
        sum.add(&src.octets()).add(&dst.octets()).add_u16(protocol.into()).add_u32(length);
        sum
    }

    /// Adds `bytes`, which continue what was added before, also in the middle of a word.
    #[inline]
    pub fn add(&mut self, bytes: &[u8]) -> &mut Self {
        self.add_word(u16::from_be(fold(sum_native(bytes))));
        self.odd ^= bytes.len() % 2 == 1;
        self
    }

    /// Adds the two octets of `value` in network order.
    pub fn add_u16(&mut self, value: u16) -> &mut Self {
        self.add_word(value);
        self
    }

    /// Adds the four octets of `value` in network order.
    pub fn add_u32(&mut self, value: u32) -> &mut Self {
        self.add_word(fold(value.into()));
        self
    }

    /// The checksum: the complement of the sum; 0 if what was added contains its own right checksum.
    #[must_use]
    pub fn finish(self) -> u16 {
        !self.partial()
    }

    /// The folded sum itself, which goes into the checksum field of a packet that a device completes.
    #[must_use]
    pub fn partial(self) -> u16 {
        fold(self.sum)
    }

    fn add_word(&mut self, word: u16) {
        // RFC 1071 §2 (B): words that start at an odd octet have a sum with swapped octets.
        self.sum += u64::from(if self.odd { word.swap_bytes() } else { word });
    }
}

/// The octets that one step of [`sum_blocks`] takes.
const BLOCK: usize = 64;

/// The one's complement sum, in native byte order and not folded, of `bytes` padded with zeros.
#[inline]
fn sum_native(bytes: &[u8]) -> u64 {
    let (blocks, tail) = bytes.as_chunks::<BLOCK>();
    let (words, rest) = tail.as_chunks::<8>();
    // A header is shorter than a block, and adding up empty lanes would take longer than the header.
    let mut sum = if blocks.is_empty() { 0 } else { sum_blocks(blocks) };
    for word in words {
        sum += halves(u64::from_ne_bytes(*word));
    }
    let rest = match rest.split_first_chunk() {
        // A word of four octets: IPv4 and TCP headers end with one.
        Some((word, rest)) => {
            sum += u64::from(u32::from_ne_bytes(*word));
            rest
        }
        None => rest,
    };
    match *rest {
        [] => {}
        [a] => sum += u64::from(u16::from_ne_bytes([a, 0])),
        [a, b] => sum += u64::from(u16::from_ne_bytes([a, b])),
        [a, b, c, ..] => sum += u64::from(u32::from_ne_bytes([a, b, c, 0])),
    }
    sum
}

/// The sum of whole blocks, in 33 bits.
fn sum_blocks(blocks: &[[u8; BLOCK]]) -> u64 {
    // Two running sums instead of an add with carry, which would not vectorise: `total`, of whole words, may
    // wrap; `high`, of their upper halves, cannot below 2^32 words; and what `total` has beyond `high` in its
    // upper half is the exact sum of the lower halves.
    let mut totals = [0u64; BLOCK / 8];
    let mut highs = [0u64; BLOCK / 8];
    for block in blocks {
        let (words, _) = block.as_chunks::<8>();
        for ((total, high), word) in totals.iter_mut().zip(&mut highs).zip(words) {
            let word = u64::from_ne_bytes(*word);
            *total = total.wrapping_add(word);
            *high = high.wrapping_add(word >> 32);
        }
    }
    let total = totals.into_iter().fold(0, u64::wrapping_add);
    let high = highs.into_iter().fold(0, u64::wrapping_add);
    let low = total.wrapping_sub(high << 32);
    let sum = halves(low) + halves(high);
    halves(sum)
}

/// The sum of the two halves of a word.
const fn halves(word: u64) -> u64 {
    (word & 0xffff_ffff) + (word >> 32)
}

/// Folds a sum to 16 bits with end-around carry; 0 only for 0.
const fn fold(sum: u64) -> u16 {
    let sum = halves(sum);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    let [.., high, low] = sum.to_be_bytes();
    u16::from_be_bytes([high, low])
}

/// The checksum after the word `old`, which it covers, has become `new` (RFC 1624 §3, equation 3).
///
/// UDP over IPv4 needs care around it: a checksum of 0 says that there is none and must stay, and a result of
/// 0 must be sent as ffff.
#[must_use]
pub fn update(checksum: u16, old: u16, new: u16) -> u16 {
    update_sums(checksum, old, new)
}

/// As [`update`], for four octets at an even offset.
#[must_use]
pub fn update_u32(checksum: u16, old: u32, new: u32) -> u16 {
    update_sums(checksum, fold(old.into()), fold(new.into()))
}

/// As [`update`], for octets at an even offset; `old` and `new` may differ in length only at the end of the
/// data.
#[must_use]
pub fn update_bytes(checksum: u16, old: &[u8], new: &[u8]) -> u16 {
    update_sums(checksum, Checksum::new().add(old).partial(), Checksum::new().add(new).partial())
}

fn update_sums(checksum: u16, old: u16, new: u16) -> u16 {
    !fold(u64::from(!checksum) + u64::from(!old) + u64::from(new))
}

/// The checksum of a transport header and its payload, under the pseudo header; 0 if `bytes` carry the right
/// one.
///
/// Bytes beyond 4 GiB do not exist in IP; they give a sum that no field matches.
#[must_use]
pub fn transport(src: Address, dst: Address, protocol: u8, bytes: &[u8]) -> u16 {
    pseudo_of(src, dst, protocol, bytes).add(bytes).finish()
}

/// Writes the checksum of `bytes` into the two octets at `offset`, which need not be zero before.
///
/// A sum of 0 is written as ffff, its equal in one's complement, because 0 means "no checksum" in UDP (RFC
/// 768).
///
/// # Errors
/// `Truncated` if the field is not within `bytes`.
pub(crate) fn fill_transport(
    src: Address,
    dst: Address,
    protocol: u8,
    bytes: &mut [u8],
    offset: usize,
) -> Result<(), WireError> {
    fill_partial(src, dst, protocol, bytes, offset)?;
    complete(bytes, 0, offset)
}

/// Writes the folded sum of the pseudo header alone into the two octets at `offset`, for a device to
/// complete.
pub(crate) fn fill_partial(
    src: Address,
    dst: Address,
    protocol: u8,
    bytes: &mut [u8],
    offset: usize,
) -> Result<(), WireError> {
    let partial = pseudo_of(src, dst, protocol, bytes).partial();
    *field(bytes, offset)? = partial.to_be_bytes();
    Ok(())
}

/// Completes a partial checksum in software: sums `bytes` from `start` and writes the result at `start +
/// offset`.
///
/// The field holds the pseudo header's sum before, as a device would expect it (virtio 1.2 §5.1.6.2).
///
/// # Errors
/// `Truncated` if the field is not within `bytes`.
pub fn complete(bytes: &mut [u8], start: usize, offset: usize) -> Result<(), WireError> {
    let covered = bytes.get_mut(start..).ok_or(WireError::Truncated)?;
    let checksum = match Checksum::new().add(covered).finish() {
        0 => 0xffff,
        checksum => checksum,
    };
    *field(covered, offset)? = u16::to_be_bytes(checksum);
    Ok(())
}

fn pseudo_of(src: Address, dst: Address, protocol: u8, bytes: &[u8]) -> Checksum {
    Checksum::pseudo(src, dst, protocol, u32::try_from(bytes.len()).unwrap_or(u32::MAX))
}

fn field(bytes: &mut [u8], offset: usize) -> Result<&mut [u8; 2], WireError> {
    bytes.get_mut(offset..).and_then(<[u8]>::first_chunk_mut).ok_or(WireError::Truncated)
}
