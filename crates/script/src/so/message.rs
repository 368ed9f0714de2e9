//! C's structures: `struct msghdr` with its pieces and control messages, and socket addresses.

#![expect(unsafe_code, reason = "pointers of C")]

use core::ffi::c_void;
use core::ptr;

use libc::{iovec, msghdr, sockaddr, socklen_t};
use portolan_wire::Family;

use crate::Errno;
use crate::machine::{ControlMessage, Message, SocketAddress};

/// Octets at `pointer` as a slice; empty if it is null.
///
/// # Safety
/// `pointer` is null or points to `len` octets that live as long as the call.
pub(super) unsafe fn octets<'a>(pointer: *const c_void, len: usize) -> &'a [u8] {
    if pointer.is_null() || len == 0 {
        return &[];
    }
    // SAFETY: the caller vouches for the octets.
    unsafe { core::slice::from_raw_parts(pointer.cast(), len) }
}

/// Copies octets to `pointer`, at most `room`; nothing if it is null.
///
/// # Safety
/// `pointer` is null or points to `room` octets that can be written.
pub(super) unsafe fn store(pointer: *mut c_void, room: usize, octets: &[u8]) {
    if !pointer.is_null() {
        // SAFETY: the caller vouches for the room, and the source is a slice of another object.
        unsafe { ptr::copy_nonoverlapping(octets.as_ptr(), pointer.cast(), octets.len().min(room)) };
    }
}

/// The pieces of an `iovec` array.
///
/// # Safety
/// `iov` points to `count` valid pieces.
pub(super) unsafe fn pieces<'a>(iov: *const iovec, count: usize) -> &'a [iovec] {
    if iov.is_null() || count == 0 {
        return &[];
    }
    // SAFETY: the caller vouches for the array.
    unsafe { core::slice::from_raw_parts(iov, count) }
}

/// What the pieces hold, to be sent.
///
/// # Safety
/// Each piece points to its octets.
pub(super) unsafe fn gather(pieces: &[iovec]) -> Vec<Vec<u8>> {
    // SAFETY: the caller vouches for each piece.
    pieces.iter().map(|piece| unsafe { octets(piece.iov_base, piece.iov_len) }.to_vec()).collect()
}

/// Fills the pieces in order.
///
/// # Safety
/// Each piece points to room for its length.
pub(super) unsafe fn scatter(pieces: &[iovec], mut octets: &[u8]) {
    for piece in pieces {
        let (part, rest) = octets.split_at_checked(piece.iov_len).unwrap_or((octets, &[]));
        // SAFETY: the caller vouches for each piece.
        unsafe { store(piece.iov_base, piece.iov_len, part) };
        octets = rest;
    }
}

/// A socket address argument; `None` if the pointer is null.
///
/// # Safety
/// `address` is null or points to `len` octets.
pub(super) unsafe fn address(
    address: *const sockaddr,
    len: socklen_t,
) -> Result<Option<SocketAddress>, Errno> {
    if address.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller vouches for the octets.
    SocketAddress::decode(unsafe { octets(address.cast(), len as usize) }).map(Some)
}

/// Stores a socket address and its length, cut to the room, as accept(2) does.
///
/// # Safety
/// `len` is null or points to the room at `to`.
pub(super) unsafe fn store_address(to: *mut sockaddr, len: *mut socklen_t, octets: &[u8]) {
    if to.is_null() || len.is_null() {
        return;
    }
    // SAFETY: the caller vouches for both pointers.
    unsafe {
        store(to.cast(), *len as usize, octets);
        *len = socklen_t::try_from(octets.len()).unwrap_or(0);
    }
}

/// Fills in a `struct msghdr` from what was received.
///
/// # Safety
/// `header` points to a valid `struct msghdr`.
pub(super) unsafe fn store_message(header: *mut msghdr, message: &Message) {
    // SAFETY: the caller vouches for the header and all that it points to.
    unsafe {
        let header = &mut *header;
        scatter(pieces(header.msg_iov, header.msg_iovlen), &message.octets);
        let mut control = Vec::new();
        header.msg_flags = message.flags;
        for entry in &message.control {
            let encoded = encode(entry);
            if control.len() + encoded.len() > header.msg_controllen {
                header.msg_flags |= libc::MSG_CTRUNC;
                break;
            }
            control.extend(encoded);
        }
        store(header.msg_control, header.msg_controllen, &control);
        header.msg_controllen = control.len();
    }
}

/// A control message with its header, padded to the header's alignment.
fn encode(message: &ControlMessage) -> Vec<u8> {
    let (level, kind, data) = match *message {
        ControlMessage::Timestamping(nanos) => {
            let mut data = [0; 48];
            let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
            data[..8].copy_from_slice(&seconds.to_ne_bytes());
            data[8..16].copy_from_slice(&rest.to_ne_bytes());
            (libc::SOL_SOCKET, libc::SO_TIMESTAMPING, data.to_vec())
        }
        ControlMessage::Inq(octets) => (libc::SOL_TCP, libc::TCP_CM_INQ, octets.to_ne_bytes().to_vec()),
        ControlMessage::ExtendedError { family, errno, origin, kind, code, info, data } => {
            let mut out = errno.to_ne_bytes().to_vec();
            out.extend([origin, kind, code, 0]);
            out.extend(info.to_ne_bytes());
            out.extend(data.to_ne_bytes());
            // The offender's address follows; there is none.
            match family {
                Family::V4 => (libc::SOL_IP, libc::IP_RECVERR, [out, vec![0; 16]].concat()),
                Family::V6 => (libc::SOL_IPV6, libc::IPV6_RECVERR, [out, vec![0; 28]].concat()),
            }
        }
    };
    let mut out = (16 + data.len()).to_ne_bytes().to_vec();
    out.extend(level.to_ne_bytes());
    out.extend(kind.to_ne_bytes());
    out.extend(data);
    out.resize(out.len().next_multiple_of(8), 0);
    out
}
