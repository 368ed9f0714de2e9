//! The options of the levels IPPROTO_UDP and IPPROTO_UDPLITE: as on Linux a socket of either protocol has both levels.

use alloc::vec::Vec;

use super::number::{IPPROTO_UDP, udp as number, udplite};
use super::{int, narrow};
use crate::socket::Kind;
use crate::socket::udp::ancillary::Coverage;
use crate::stack::Stack;
use crate::{SocketError, SocketId};

impl Stack {
    pub(super) fn set_at_udp_level(
        &mut self,
        id: SocketId,
        name: i32,
        value: i32,
    ) -> Result<(), SocketError> {
        let socket = self.socket_mut(id)?;
        let Kind::Udp(udp) = &mut socket.kind else { return Err(SocketError::NoSuchOption) };
        let is_lite = i32::from(udp.protocol) != IPPROTO_UDP;
        match name {
            number::SEGMENT => udp.segment = narrow(value)?,
            number::GRO => udp.wishes.merges = value != 0,
            // Every datagram has a checksum here, and one over IPv6 needs it.
            number::NO_CHECK6_TX | number::NO_CHECK6_RX => {
                socket.remembered.set(IPPROTO_UDP, name, i64::from(value != 0));
            }
            udplite::SEND_CSCOV if is_lite => udp.coverage.sent = Coverage::from_option(value),
            udplite::RECV_CSCOV if is_lite => udp.coverage.received = Some(Coverage::from_option(value)),
            _ => return Err(SocketError::NoSuchOption),
        }
        Ok(())
    }

    pub(super) fn get_at_udp_level(&self, id: SocketId, name: i32) -> Result<Vec<u8>, SocketError> {
        let socket = self.socket(id)?;
        let Kind::Udp(udp) = &socket.kind else { return Err(SocketError::NoSuchOption) };
        Ok(int(match name {
            number::SEGMENT => udp.segment.into(),
            number::GRO => udp.wishes.merges.into(),
            number::NO_CHECK6_TX | number::NO_CHECK6_RX => {
                i32::from(socket.remembered.get(IPPROTO_UDP, name) == Some(1))
            }
            udplite::SEND_CSCOV => udp.coverage.sent.into(),
            udplite::RECV_CSCOV => udp.coverage.received.unwrap_or(0).into(),
            _ => return Err(SocketError::NoSuchOption),
        }))
    }
}
