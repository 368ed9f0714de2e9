//! Bytes to typed headers and back: Ethernet, ARP, IP, ICMP, UDP, TCP.
//!
//! The lowest floor of the house. It owns the layout of every header, the addresses, the sequence numbers and
//! the checksum; it keeps no state, allocates nothing and copies no payload. A parser borrows: it gives back
//! a header that lies in the caller's bytes, and the rest. What can be judged from the bytes alone is judged
//! here (versions, lengths, checksums, option syntax); what needs a host (is this address mine, is that port
//! open) is judged above.
//!
//! Start reading at [`ipv4`] for the pattern that every protocol follows, at [`tcp::Options`] for the
//! options, at [`ipv6::Packet::extensions`] for the walk over extension headers, and at [`display`] for one
//! line per packet.
//!
//! Bytes from outside never make a function of this crate panic or loop: indexing, unwrapping and narrowing
//! casts are denied by lint, and every iterator consumes at least one octet per step.
//!
//! ```
//! use portolan_wire::{Address, display, icmpv4, ipv4, protocol};
//!
//! let mut packet = [0; 36];
//! let (src, dst) = (Address::v4(10, 0, 0, 1), Address::v4(10, 0, 0, 2));
//! let (protocol, ttl, payload_len) = (protocol::ICMPV4, 64, 16);
//! let header = ipv4::Emit { src, dst, protocol, ttl, payload_len, ..Default::default() }.emit(&mut packet)?;
//! let echo = icmpv4::Message::EchoRequest { ident: 1, seq: 2 };
//! echo.emit(b"are you?", &mut packet[header..])?;
//!
//! let parsed = ipv4::parse(&packet)?;
//! assert_eq!(icmpv4::parse(parsed.payload)?, (echo, &b"are you?"[..]));
//! assert_eq!(
//!     display::ip(&packet).to_string(),
//!     "IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 1, seq 2, length 16"
//! );
//! # Ok::<(), portolan_wire::WireError>(())
//! ```

#![no_std]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::cast_possible_truncation)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::cast_possible_truncation))]

#[cfg(test)]
extern crate std;

pub mod address;
pub mod arp;
pub mod checksum;
pub mod display;
pub mod error;
pub mod ethernet;
pub mod icmpv4;
pub mod icmpv6;
pub mod ipv4;
pub mod ipv6;
pub mod membership;
pub mod ndp;
pub mod protocol;
pub mod seq;
pub mod tcp;
pub mod udp;
pub mod udp_lite;
pub mod vlan;
mod writer;

pub use address::{Address, Cidr, Endpoint, EthernetAddress, Family, FlowKey};
pub use checksum::Checksum;
pub use error::{ParseAddressError, WireError};
pub use seq::{Mss, SeqNumber, WindowScale};
