//! ICMP echo sockets (Linux's `SOCK_DGRAM` with `IPPROTO_ICMP`, icmp(7)): an application sends echo requests and hears
//! the answers to them, and nothing else of ICMP.
//!
//! What it writes and reads is the ICMP message. The identifier is the socket's port, in ICMP's own table of ports; the
//! host puts it in, and the checksum.

use portolan_link::Chunk;
use portolan_wire::{Address, Checksum, Endpoint, FlowKey, WireError, checksum, protocol};

use crate::SocketError;
use crate::drop::DropReason;
use crate::ip::input::Arrival;
use crate::link::ethernet::Frame;
use crate::stack::Stack;

/// Type, code, checksum, identifier, sequence number.
const HEADER_LEN: usize = 8;
const IDENT_OFFSET: usize = 4;
const CHECKSUM_OFFSET: usize = 2;
const REQUEST_V4: u8 = 8;
const REQUEST_V6: u8 = 128;

/// Whether an application may send this message: an echo request.
pub(super) fn check(message: &[u8], protocol: u8) -> Result<(), SocketError> {
    let request = if protocol == protocol::ICMPV4 { REQUEST_V4 } else { REQUEST_V6 };
    match message {
        [ty, 0, ..] if *ty == request && message.len() >= HEADER_LEN => Ok(()),
        _ => Err(SocketError::InvalidArgument),
    }
}

/// Writes an application's message with the socket's identifier and the checksum.
pub(super) fn emit(key: &FlowKey, message: &[u8], out: &mut [u8]) -> Result<(), WireError> {
    let out = out.get_mut(..message.len()).ok_or(WireError::Truncated)?;
    out.copy_from_slice(message);
    put(out, IDENT_OFFSET, key.local.port)?;
    fill_checksum(key.local.address, key.remote.address, key.protocol, out, CHECKSUM_OFFSET)
}

/// Writes the checksum of a whole message into the two octets at `offset`: ICMP's covers the message alone, every other
/// one a pseudo header too.
pub(super) fn fill_checksum(
    src: Address,
    dst: Address,
    protocol: u8,
    message: &mut [u8],
    offset: usize,
) -> Result<(), WireError> {
    put(message, offset, 0)?;
    let sum = match protocol {
        protocol::ICMPV4 => Checksum::new().add(message).finish(),
        _ => checksum::transport(src, dst, protocol, message),
    };
    put(message, offset, if sum == 0 && protocol != protocol::ICMPV4 { 0xffff } else { sum })
}

fn put(message: &mut [u8], at: usize, value: u16) -> Result<(), WireError> {
    let field = message.get_mut(at..).and_then(<[u8]>::first_chunk_mut);
    *field.ok_or(WireError::Truncated)? = value.to_be_bytes();
    Ok(())
}

impl Stack {
    /// An echo reply: the message goes to the socket that has asked.
    pub(crate) fn echo_reply_input(
        &mut self,
        frame: &mut Frame,
        arrival: &Arrival,
        ident: u16,
    ) -> Result<(), DropReason> {
        let key = FlowKey {
            local: Endpoint::new(arrival.dst, ident),
            remote: Endpoint::new(arrival.src, 0),
            protocol: arrival.protocol,
            zone: arrival.zone(),
        };
        let socket = self.ports.nearest(&key, arrival.link, |binding| self.hears(binding.socket, &key));
        let socket = socket.ok_or(DropReason::IcmpIgnored)?;
        let message: Chunk = self.text_from(frame, arrival.header_len);
        self.udp_deliver(socket, &key, message, arrival, 0)
    }
}
