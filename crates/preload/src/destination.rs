//! Whether a datagram may go where it is sent to, asked before it is out of the program's hands.
//!
//! The kernel refuses at once a datagram that has no route, or that is a broadcast without SO_BROADCAST. So the stack
//! process is asked, and what it has allowed is remembered by a hash of socket and addresses: only the first datagram
//! to a place costs a call. Where a length may be refused too, so does the first one of each. A hash that is forgotten, or written by two threads at once, costs one call more.

use core::sync::atomic::{AtomicU64, Ordering};

use portolan_protocol::{DatagramHeader, Operation};

use crate::control;
use crate::errno::Errno;
use crate::socket::Socket;

/// What was allowed last, each at the place that its hash says.
static ALLOWED: [AtomicU64; 128] = [const { AtomicU64::new(0) }; 128];

/// Fails with the errno that the kernel's sendto would give for a datagram with this header. `len` is that of its text
/// where it may matter, else 0.
pub(crate) fn check(socket: Socket, header: &DatagramHeader, len: u32) -> Result<(), Errno> {
    let hash = hash(socket, header, len);
    let Some(place) = ALLOWED.get((hash >> 57) as usize) else { return Ok(()) };
    if place.load(Ordering::Relaxed) == hash {
        return Ok(());
    }
    control::order(Operation::CheckDestination {
        socket: socket.own,
        address: header.remote,
        source: header.local,
        len,
        segment: header.segment,
    })?;
    place.store(hash, Ordering::Relaxed);
    Ok(())
}

/// The identity is random, so that a plain mixing will do. Never 0, which stands for an empty place.
fn hash(socket: Socket, header: &DatagramHeader, len: u32) -> u64 {
    let id = u128::from_le_bytes(socket.own.id.0);
    let (address, source) = (header.remote, header.local);
    let lengths = u128::from(len) << 32 | u128::from(header.segment.map_or(u32::MAX, u32::from));
    let mixed = [id, address.ip.to_bits(), source.ip.to_bits(), lengths << 32 | u128::from(address.scope)]
        .into_iter()
        .flat_map(|word| [word as u64, (word >> 64) as u64])
        .fold(0u64, |hash, word| (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29));
    mixed | 1
}
