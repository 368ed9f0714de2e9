//! Control messages and socket names, shared by the preload library and the stack process.
//!
//! A program's socket is an AF_UNIX socket whose abstract name says what it stands for ([`name`]); control
//! calls are numbered messages over one SEQPACKET connection per process ([`request`], [`reply`]); a UDP
//! datagram travels behind a fixed header ([`datagram`]). Everything is little-endian, has a length limit,
//! is encoded into and decoded from the caller's arrays, and no bytes make decoding panic.
//!
//! Start reading in [`name`], then [`request`]. The crate has no dependency and no allocation, because one
//! of its users runs inside other people's signal handlers.

#![no_std]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::cast_possible_truncation
    )
)]

mod address;
mod codec;
pub mod datagram;
pub mod environment;
mod id;
pub mod interface;
pub mod name;
pub mod reply;
mod report;
pub mod request;

pub use address::Address;
pub use codec::ProtocolError;
pub use datagram::DatagramHeader;
pub use environment::Rendezvous;
pub use id::{Secret, SocketId};
pub use name::{Family, Kind, Name, NameBuf, Transport};
pub use reply::Reply;
pub use report::{ErrorReport, REPORT_TEXT_MAX};
pub use request::{Operation, Request};

/// The version of everything in this crate. The first eight octets of a message keep their layout in every
/// version, so that each side can name the other's.
pub const VERSION: u16 = 2;

/// The longest control message, in octets: a look-up's answer with [`reply::ADDRESSES_MAX`] addresses.
pub const MESSAGE_MAX: usize = 2048;

/// The longest message that is not part of a look-up, in octets. Hooks keep two of these on the stack, which
/// may be a signal handler's.
pub const CALL_MAX: usize = 512;

/// Octets that the library sends on connect, so that the descriptor is not writable before the handshake is
/// complete: more than a quarter of the doubled [`SEND_BUFFER`]. One octet more follows in a segment of its
/// own: the first canary.
pub const FILLER_LEN: usize = 128 * 1024;

/// SO_SNDBUF of the program's end of a stream. The unread canary pins the whole kernel buffer that it came in,
/// and with the default a single large one would leave the descriptor unwritable for good.
pub const SEND_BUFFER: i32 = 212_992;
