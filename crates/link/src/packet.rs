//! A received frame on its way up.

use crate::pool::{Buffer, Pool};
use crate::{Chunks, Offload};

/// A frame or packet with one owner, consumed from the front as each layer reads its header.
///
/// It has one part or two, so that a driver can offer the kernel a small buffer and a large one in one `readv`: a
/// small frame then occupies 2 KiB and a super-segment's text lies in the second part. Headers are in the first
/// part, which is at least 2 KiB, so they are contiguous.
#[derive(Debug)]
pub struct PacketBuf {
    head: Buffer,
    tail: Option<Buffer>,
    /// What the deliverer says of the packet; positions in it count from the start of the frame.
    pub offload: Offload,
    consumed: u32,
}

impl PacketBuf {
    /// An empty packet with room for `len` octets in one part.
    pub fn with_room(pool: &mut Pool, len: usize) -> PacketBuf {
        PacketBuf { head: pool.take(len), tail: None, offload: Offload::default(), consumed: 0 }
    }

    /// An empty packet in two parts: a small one for headers and a large one for what may follow.
    pub fn in_two_parts(pool: &mut Pool, head_len: usize, tail_len: usize) -> PacketBuf {
        let mut packet = PacketBuf::with_room(pool, head_len);
        packet.tail = Some(pool.take(tail_len));
        packet
    }

    /// A packet with a copy of `octets`, in one part.
    pub fn copy(pool: &mut Pool, octets: &[u8]) -> PacketBuf {
        let mut packet = PacketBuf::with_room(pool, octets.len());
        packet.head.append(octets);
        packet
    }

    /// The room of both parts, for a driver to fill in order; see [`PacketBuf::set_filled`].
    pub fn room_mut(&mut self) -> [&mut [u8]; 2] {
        let tail = self.tail.as_mut().map_or(&mut [][..], Buffer::spare_mut);
        [self.head.spare_mut(), tail]
    }

    /// Says that the driver filled `len` octets of [`PacketBuf::room_mut`]. A second part that was not needed goes
    /// back to the pool.
    pub fn set_filled(&mut self, pool: &mut Pool, len: usize) {
        let in_head = len.min(self.head.spare_mut().len());
        self.head.extend_filled(in_head);
        if in_head == len {
            if let Some(tail) = self.tail.take() {
                pool.give(tail);
            }
        } else if let Some(tail) = &mut self.tail {
            tail.extend_filled(len - in_head);
        }
    }

    /// Appends octets to the last part, as far as there is room; returns how many that were.
    pub fn append(&mut self, octets: &[u8]) -> usize {
        self.tail.as_mut().unwrap_or(&mut self.head).append(octets)
    }

    /// The contiguous octets at the front: all of them unless there is a second part.
    pub fn bytes(&self) -> &[u8] {
        self.head.as_slice()
    }

    /// The contiguous octets at the front, writable.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.head.as_mut_slice()
    }

    /// The octets of the second part; empty if there is none.
    pub fn tail(&self) -> &[u8] {
        self.tail.as_ref().map_or(&[], Buffer::as_slice)
    }

    /// Octets not yet consumed, in both parts.
    pub fn len(&self) -> usize {
        self.head.len() + self.tail.as_ref().map_or(0, Buffer::len)
    }

    /// Whether all octets are consumed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Octets consumed so far: the position in the frame of the next octet, which [`Offload`]'s positions count in.
    pub fn consumed(&self) -> usize {
        self.consumed as usize
    }

    /// Drops `len` octets from the front; at most all.
    pub fn consume(&mut self, len: usize) {
        let len = len.min(self.len());
        let in_head = len.min(self.head.len());
        self.head.consume(in_head);
        if let Some(tail) = &mut self.tail {
            tail.consume(len - in_head);
        }
        self.consumed = self.consumed.saturating_add(u32::try_from(len).unwrap_or(u32::MAX));
    }

    /// Keeps the first `len` octets, so that padding behind a short packet goes; no effect if there are fewer.
    pub fn truncate(&mut self, len: usize) {
        let head_len = self.head.len();
        self.head.truncate(len);
        if let Some(tail) = &mut self.tail {
            tail.truncate(len.saturating_sub(head_len));
        }
    }

    /// Turns what is left into shared text, appended to `out`.
    ///
    /// Each part is adopted as it is if its text fills at least half of its memory, else copied into the smallest
    /// class that holds it: adopting costs less than copying out of cache, but a short text must not pin 64 KiB.
    pub fn into_text(self, pool: &mut Pool, out: &mut Chunks) {
        for part in [Some(self.head), self.tail].into_iter().flatten() {
            if part.is_empty() {
                pool.give(part);
            } else if part.len() * 2 >= part.footprint() {
                out.push(pool.freeze(part));
            } else {
                out.push(pool.copy(part.as_slice()));
                pool.give(part);
            }
        }
    }

    /// Gives the memory back to the pool.
    pub fn recycle(self, pool: &mut Pool) {
        pool.give(self.head);
        if let Some(tail) = self.tail {
            pool.give(tail);
        }
    }
}

#[cfg(test)]
mod tests;
