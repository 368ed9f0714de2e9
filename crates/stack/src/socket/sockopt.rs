//! setsockopt(2) and getsockopt(2) in Linux's numbers, layouts and errnos: the one table for everybody who speaks them.
//!
//! Levels are checked as Linux does (an option of TCP on a UDP socket is ENOPROTOOPT, and so is every option that is
//! not known here), lengths and ranges before anything changes. What changes the stack becomes a typed
//! [`crate::SocketOption`]; what does not is remembered and given back ([`remembered`]). Privileges are for the caller to
//! check: the stack knows no users.
//!
//! `at_socket`, `at_ip`, `at_tcp`, `at_udp` and `at_raw` have a level each, `at_group` what is about groups, `authentication` and `md5` the keys.

use alloc::vec::Vec;

use portolan_link::Instant;
use portolan_wire::{Family, protocol};

use crate::socket::Kind;
use crate::stack::Stack;
use crate::{SocketError, SocketId};

mod at_group;
mod at_ip;
mod at_raw;
mod at_socket;
mod at_tcp;
mod at_udp;
mod authentication;
mod congestion;
mod md5;
pub(crate) mod number;
pub(crate) mod remembered;
mod tcp_info;

use number::{IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE, SOL_SOCKET};

/// Linux's TCP_CA_NAME_MAX.
const CONGESTION_NAME_MAX: usize = 16;

/// SO_DOMAIN's numbers.
const AF_INET: i32 = 2;
const AF_INET6: i32 = 10;

/// The int at the front of a value.
fn int_at(value: &[u8], at: usize) -> Result<i32, SocketError> {
    let octets = value.get(at..).and_then(|rest| rest.first_chunk());
    octets.map(|octets| i32::from_ne_bytes(*octets)).ok_or(SocketError::InvalidArgument)
}

fn long_at(value: &[u8], at: usize) -> Result<i64, SocketError> {
    let octets = value.get(at..).and_then(|rest| rest.first_chunk());
    octets.map(|octets| i64::from_ne_bytes(*octets)).ok_or(SocketError::InvalidArgument)
}

fn int(value: i32) -> Vec<u8> {
    value.to_ne_bytes().to_vec()
}

fn to_int(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

/// A value that must fit; `InvalidArgument` if it does not.
fn narrow<T: TryFrom<i32>>(value: i32) -> Result<T, SocketError> {
    T::try_from(value).map_err(|_| SocketError::InvalidArgument)
}

/// The text before the first zero.
fn text(value: &[u8]) -> &[u8] {
    value.split(|octet| *octet == 0).next().unwrap_or(&[])
}

impl Stack {
    /// setsockopt(2): `value` is what the application's pointer and length name, in the machine's byte order.
    ///
    /// # Errors
    /// Linux's: `NoSuchOption`, `InvalidArgument` for a length or a value that the option does not take,
    /// `OutOfDomain`, `NoSuchName`, `NoSuchLink`.
    pub fn setsockopt(
        &mut self,
        now: Instant,
        id: SocketId,
        level: i32,
        name: i32,
        value: &[u8],
    ) -> Result<(), SocketError> {
        self.advance(now);
        if let Some(set) = self.set_at_raw_level(id, level, name, value) {
            return set;
        }
        self.check_level(id, level)?;
        if let Some(set) = self.set_at_group_level(id, level, name, value) {
            return set;
        }
        match level {
            SOL_SOCKET => self.set_at_socket_level(now, id, name, value),
            IPPROTO_TCP => self.set_at_tcp_level(now, id, name, value),
            IPPROTO_UDP | IPPROTO_UDPLITE => self.set_at_udp_level(id, name, int_at(value, 0)?),
            _ => self.set_at_ip_level(now, id, level, name, value),
        }
    }

    /// getsockopt(2): the option's value in Linux's layout. The caller gives the application as much of it as it has
    /// room for.
    ///
    /// # Errors
    /// `NoSuchOption`, `NotSupported` for a level that an IPv4 socket has not, `NotConnected` for what only a connection has.
    pub fn getsockopt(
        &mut self,
        now: Instant,
        id: SocketId,
        level: i32,
        name: i32,
    ) -> Result<Vec<u8>, SocketError> {
        self.advance(now);
        if let Some(value) = self.get_at_raw_level(id, level, name) {
            return Ok(value);
        }
        self.check_level(id, level).map_err(|error| {
            match (error, self.socket(id).map(|socket| socket.family)) {
                // Linux's IPv4 tells, where it is asked and not told, that there is no such level.
                (SocketError::NoSuchOption, Ok(Family::V4)) => SocketError::NotSupported,
                (error, _) => error,
            }
        })?;
        if let Some(value) = self.get_at_group_level(id, level, name) {
            return Ok(value);
        }
        match level {
            SOL_SOCKET => self.get_at_socket_level(id, name),
            IPPROTO_TCP => self.get_at_tcp_level(id, name),
            IPPROTO_UDP | IPPROTO_UDPLITE => self.get_at_udp_level(id, name),
            _ => self.get_at_ip_level(id, level, name),
        }
    }

    /// Whether this kind of socket has options of this level.
    fn check_level(&self, id: SocketId, level: i32) -> Result<(), SocketError> {
        let socket = self.socket(id)?;
        let has = match level {
            SOL_SOCKET | IPPROTO_IP => true,
            IPPROTO_TCP => socket.protocol() == protocol::TCP,
            IPPROTO_IPV6 => socket.family == Family::V6,
            IPPROTO_UDP | IPPROTO_UDPLITE => matches!(&socket.kind, Kind::Udp(udp) if udp.has_ports()),
            _ => false,
        };
        if has { Ok(()) } else { Err(SocketError::NoSuchOption) }
    }

    fn is_tcp(&self, id: SocketId) -> Result<bool, SocketError> {
        Ok(self.socket(id)?.protocol() == protocol::TCP)
    }

    /// Checks and keeps an option that changes nothing in the stack.
    fn remember(&mut self, id: SocketId, level: i32, name: i32, value: i32) -> Result<(), SocketError> {
        let is_tcp = self.is_tcp(id)?;
        let kept = remembered::checked(level, name, is_tcp, value)?;
        let socket = self.socket_mut(id)?;
        socket.remembered.set(level, name, kept.into());
        if let Kind::Udp(udp) = &mut socket.kind {
            udp.wishes.note(level, name, kept);
        }
        Ok(())
    }

    fn recall(&self, id: SocketId, level: i32, name: i32) -> Result<Vec<u8>, SocketError> {
        let socket = self.socket(id)?;
        let default = remembered::default(level, name, socket.protocol() == protocol::TCP)?;
        let kept = socket.remembered.get(level, name).and_then(|kept| i32::try_from(kept).ok());
        Ok(int(kept.unwrap_or(default)))
    }
}

#[cfg(test)]
mod tests;
