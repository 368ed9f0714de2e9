//! What a link driver needs, and nothing else: packets, chunks, the pool they come from, what hardware can
//! finish for us, and the [`Link`] trait.
//!
//! This crate is small and slow-moving on purpose, because everybody who writes a driver depends on it. It does no
//! I/O and reads no clock. Start with [`Link`]; a received frame is a [`PacketBuf`], a frame to be sent is a
//! [`TxEntry`], and octets that several places share are a [`Chunk`].
#![no_std]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::cast_possible_truncation)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::cast_possible_truncation))]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod batch;
mod chunk;
mod link;
mod offload;
mod packet;
mod pool;
mod time;

pub use batch::{HEAD_MAX, RxBatch, SLICES_MAX, TxBatch, TxEntry};
pub use chunk::{Chunk, Chunks};
pub use link::{Link, LinkCaps, LinkError, Medium};
pub use offload::{Checksum, Gso, Offload};
pub use packet::PacketBuf;
pub use pool::{Buffer, Pool, PoolStats};
pub use time::{CompactInstant, Instant};
