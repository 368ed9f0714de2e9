//! The options of the levels IPPROTO_IP and IPPROTO_IPV6.

use alloc::vec::Vec;

use portolan_link::Instant;

use super::number::{IPPROTO_IP, IPPROTO_IPV6, ip, ipv6};
use super::{int, int_at, narrow};
use crate::socket::Flags;
use crate::stack::Stack;
use crate::{SocketError, SocketId, SocketOption};

impl Stack {
    pub(super) fn set_at_ip_level(
        &mut self,
        now: Instant,
        id: SocketId,
        level: i32,
        name: i32,
        value: &[u8],
    ) -> Result<(), SocketError> {
        let number = match *value {
            // The options of IPv4 may be a single octet.
            [octet, ..] if level == IPPROTO_IP && value.len() < size_of::<i32>() => i32::from(octet),
            _ => int_at(value, 0)?,
        };
        let usual = i32::from(self.engine.config.hop_limit);
        let option = match (level, name) {
            (IPPROTO_IP, ip::TTL) | (IPPROTO_IPV6, ipv6::UNICAST_HOPS) => {
                SocketOption::Ttl(narrow(if number == -1 { usual } else { number })?)
            }
            // Linux cuts the number to its octet in one family and refuses it in the other.
            (IPPROTO_IP, ip::TOS) => SocketOption::Tos(number.to_le_bytes()[0]),
            (IPPROTO_IPV6, ipv6::TCLASS) => SocketOption::Tos(narrow(if number == -1 { 0 } else { number })?),
            (IPPROTO_IPV6, ipv6::V6ONLY) => SocketOption::V6Only(number != 0),
            (IPPROTO_IP, ip::MTU_DISCOVER) | (IPPROTO_IPV6, ipv6::MTU_DISCOVER) => {
                if !(0..=5).contains(&number) {
                    return Err(SocketError::InvalidArgument);
                }
                self.socket_mut(id)?.remembered.set(level, name, number.into());
                return Ok(());
            }
            _ => return self.remember(id, level, name, number),
        };
        self.set_option(now, id, option)
    }

    pub(super) fn get_at_ip_level(
        &mut self,
        id: SocketId,
        level: i32,
        name: i32,
    ) -> Result<Vec<u8>, SocketError> {
        let socket = self.socket(id)?;
        Ok(int(match (level, name) {
            (IPPROTO_IP, ip::TTL) | (IPPROTO_IPV6, ipv6::UNICAST_HOPS) => socket.ttl.into(),
            (IPPROTO_IP, ip::TOS) | (IPPROTO_IPV6, ipv6::TCLASS) => socket.tos.into(),
            (IPPROTO_IPV6, ipv6::V6ONLY) => i32::from(socket.flags.contains(Flags::V6_ONLY)),
            // Linux: IP_PMTUDISC_WANT.
            (IPPROTO_IP, ip::MTU_DISCOVER) | (IPPROTO_IPV6, ipv6::MTU_DISCOVER) => {
                socket.remembered.get(level, name).and_then(|kept| i32::try_from(kept).ok()).unwrap_or(1)
            }
            (IPPROTO_IP, ip::MTU) | (IPPROTO_IPV6, ipv6::MTU) => {
                let remote = self.remote(id)?;
                let hop = self.route(remote.address, socket.device)?;
                i32::from(self.path_mtu(remote.address, hop.mtu))
            }
            _ => return self.recall(id, level, name),
        }))
    }
}
