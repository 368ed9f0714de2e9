//! The options of the level SOL_SOCKET.

use alloc::vec::Vec;

use portolan_link::Instant;
use portolan_tcp::{OptionFlags, SocketOptions};
use portolan_wire::{Family, protocol};

use super::number::{SOL_SOCKET, so};
use super::{AF_INET, AF_INET6, int, int_at, long_at, text, to_int};
use crate::socket::option::{SEND_BUFFER_MIN, doubled};
use crate::socket::{Flags, Kind};
use crate::stack::Stack;
use crate::{LinkId, SocketError, SocketId, SocketOption};

/// SO_SNDBUF of a UDP socket that has not set it (net.core.wmem_default).
const UDP_SEND_BUFFER: i32 = 212_992;
/// SO_TYPE's numbers.
const SOCK_STREAM: i32 = 1;
const SOCK_DGRAM: i32 = 2;
const SOCK_RAW: i32 = 3;

impl Stack {
    pub(super) fn set_at_socket_level(
        &mut self,
        now: Instant,
        id: SocketId,
        name: i32,
        value: &[u8],
    ) -> Result<(), SocketError> {
        if name == so::BINDTODEVICE {
            let link = self.link_named(text(value))?;
            // A record has no way to say so: to be told is better than not to be heeded.
            if link == Some(LinkId::LOOPBACK) {
                return Err(SocketError::NotSupported);
            }
            return self.set_option(now, id, SocketOption::BindToLink(link));
        }
        let number = int_at(value, 0)?;
        // Linux takes sizes as unsigned, so that a negative one is very large.
        let octets = number.cast_unsigned();
        let on = number != 0;
        let is_tcp = self.is_tcp(id)?;
        let option = match name {
            so::REUSEADDR => SocketOption::ReuseAddress(on),
            so::REUSEPORT => SocketOption::ReusePort(on),
            so::BROADCAST => SocketOption::Broadcast(on),
            so::RCVBUF | so::RCVBUFFORCE => SocketOption::ReceiveBuffer(octets),
            so::SNDBUF | so::SNDBUFFORCE if is_tcp => SocketOption::SendBuffer(octets),
            so::KEEPALIVE if is_tcp => SocketOption::KeepAlive(on),
            so::OOBINLINE if is_tcp => SocketOption::OobInline(on),
            so::RCVLOWAT if is_tcp => {
                SocketOption::ReceiveLowWater(u32::try_from(number).unwrap_or(i32::MAX.cast_unsigned()))
            }
            so::LINGER => return self.set_linger(id, number, int_at(value, 4)?),
            so::RCVTIMEO | so::RCVTIMEO_NEW => return self.set_time(id, so::RCVTIMEO, value),
            so::SNDTIMEO | so::SNDTIMEO_NEW => return self.set_time(id, so::SNDTIMEO, value),
            so::MAX_PACING_RATE => {
                // Octets per second: an unsigned long, or an unsigned int.
                let rate = match long_at(value, 0) {
                    Ok(rate) => Some(rate.cast_unsigned()).filter(|rate| *rate != u64::MAX),
                    Err(_) => Some(octets.into()).filter(|rate| *rate != u64::from(u32::MAX)),
                };
                if is_tcp {
                    return self.set_option(now, id, SocketOption::MaxPacingRate(rate));
                }
                let rate = rate.map_or(-1, u64::cast_signed);
                self.socket_mut(id)?.remembered.set(SOL_SOCKET, name, rate);
                return Ok(());
            }
            so::SNDBUF | so::SNDBUFFORCE => {
                let octets = doubled(octets.min(self.engine.config.send_buffer_max), SEND_BUFFER_MIN);
                self.socket_mut(id)?.remembered.set(SOL_SOCKET, so::SNDBUF, octets.into());
                return Ok(());
            }
            so::KEEPALIVE | so::OOBINLINE | so::RCVLOWAT => {
                self.socket_mut(id)?.remembered.set(SOL_SOCKET, name, number.into());
                return Ok(());
            }
            _ => return self.remember(id, SOL_SOCKET, name, number),
        };
        self.set_option(now, id, option)
    }

    fn set_linger(&mut self, id: SocketId, on: i32, seconds: i32) -> Result<(), SocketError> {
        let socket = self.socket_mut(id)?;
        socket.linger = (on != 0).then(|| u16::try_from(seconds).unwrap_or(u16::MAX));
        if on != 0 {
            socket.remembered.set(SOL_SOCKET, so::LINGER, seconds.into());
        }
        Ok(())
    }

    /// A `struct timeval`, kept in microseconds.
    fn set_time(&mut self, id: SocketId, name: i32, value: &[u8]) -> Result<(), SocketError> {
        let (seconds, micros) = (long_at(value, 0)?, long_at(value, 8)?);
        if !(0..1_000_000).contains(&micros) {
            return Err(SocketError::OutOfDomain);
        }
        let total = seconds.max(0).saturating_mul(1_000_000).saturating_add(micros);
        self.socket_mut(id)?.remembered.set(SOL_SOCKET, name, total);
        Ok(())
    }

    /// The link of this name; none for the empty one, which takes a binding back.
    fn link_named(&self, name: &[u8]) -> Result<Option<LinkId>, SocketError> {
        if name.is_empty() {
            return Ok(None);
        }
        let named = |id: &LinkId| self.link_name(*id).is_some_and(|own| own.as_bytes() == name);
        let found =
            (0..self.links.len()).filter_map(|index| u16::try_from(index).ok()).map(LinkId).find(named);
        found.map(Some).ok_or(SocketError::NoSuchLink)
    }

    pub(super) fn get_at_socket_level(&mut self, id: SocketId, name: i32) -> Result<Vec<u8>, SocketError> {
        let socket = self.socket(id)?;
        let flag = |flag| i32::from(socket.flags.contains(flag));
        let is_tcp = socket.protocol() == protocol::TCP;
        let kept = |default: i64| socket.remembered.get(SOL_SOCKET, name).unwrap_or(default);
        Ok(int(match name {
            so::REUSEADDR => flag(Flags::REUSE_ADDRESS),
            so::REUSEPORT => flag(Flags::REUSE_PORT),
            so::BROADCAST => flag(Flags::BROADCAST),
            so::TYPE if is_tcp => SOCK_STREAM,
            so::TYPE if matches!(&socket.kind, Kind::Udp(udp) if udp.raw.is_some()) => SOCK_RAW,
            so::TYPE => SOCK_DGRAM,
            so::PROTOCOL => i32::from(socket.protocol()),
            so::DOMAIN if socket.family == Family::V4 => AF_INET,
            so::DOMAIN => AF_INET6,
            so::ACCEPTCONN => i32::from(matches!(socket.kind, Kind::Listener(_))),
            so::SNDLOWAT => 1,
            so::ERROR => self.take_error(id).map_or(0, SocketError::errno),
            so::LINGER => {
                let seconds = i32::try_from(kept(0)).unwrap_or(0);
                return Ok([i32::from(socket.linger.is_some()), seconds].map(i32::to_ne_bytes).concat());
            }
            so::RCVTIMEO | so::RCVTIMEO_NEW | so::SNDTIMEO | so::SNDTIMEO_NEW => {
                let old =
                    if matches!(name, so::RCVTIMEO | so::RCVTIMEO_NEW) { so::RCVTIMEO } else { so::SNDTIMEO };
                let micros = socket.remembered.get(SOL_SOCKET, old).unwrap_or(0);
                return Ok([micros / 1_000_000, micros % 1_000_000].map(i64::to_ne_bytes).concat());
            }
            so::MAX_PACING_RATE if is_tcp => {
                let rate = self.present_tcp_options(id)?.seldom.max_pacing_rate;
                return Ok(if rate == 0 { u64::MAX } else { rate }.to_ne_bytes().to_vec());
            }
            so::MAX_PACING_RATE => return Ok(kept(-1).to_ne_bytes().to_vec()),
            so::BINDTODEVICE => {
                let link = if socket.device == 0 { None } else { self.link_name(LinkId(socket.device)) };
                return Ok(link.map_or_else(Vec::new, |name| [name.as_bytes(), &[0]].concat()));
            }
            so::RCVBUF => to_int(self.present_receive_buffer(id)?),
            so::SNDBUF if is_tcp => to_int(self.present_send_buffer(id)?),
            so::SNDBUF => i32::try_from(kept(UDP_SEND_BUFFER.into())).unwrap_or(i32::MAX),
            so::KEEPALIVE | so::OOBINLINE | so::RCVLOWAT if is_tcp => {
                let SocketOptions { common, seldom } = self.present_tcp_options(id)?;
                match name {
                    so::KEEPALIVE => i32::from(common.has(OptionFlags::KEEPALIVE)),
                    so::OOBINLINE => i32::from(common.has(OptionFlags::OOB_INLINE)),
                    _ => to_int(seldom.receive_low_water),
                }
            }
            so::KEEPALIVE | so::OOBINLINE => i32::from(kept(0) != 0),
            so::RCVLOWAT => i32::try_from(kept(1)).unwrap_or(1),
            _ => return self.recall(id, SOL_SOCKET, name),
        }))
    }

    /// SO_RCVBUF and SO_SNDBUF as they are now.
    pub(crate) fn buffers(&mut self, id: SocketId) -> Result<(u32, u32), SocketError> {
        let receive = self.present_receive_buffer(id)?;
        let socket = self.socket(id)?;
        if let Kind::Udp(_) = socket.kind {
            let kept = socket.remembered.get(SOL_SOCKET, so::SNDBUF).unwrap_or(UDP_SEND_BUFFER.into());
            return Ok((receive, u32::try_from(kept).unwrap_or(u32::MAX)));
        }
        Ok((receive, self.present_send_buffer(id)?))
    }

    /// SO_RCVBUF as it is now.
    fn present_receive_buffer(&mut self, id: SocketId) -> Result<u32, SocketError> {
        match self.socket(id)?.kind {
            Kind::Udp(ref udp) => Ok(udp.octets_max),
            Kind::Connection(index) => {
                self.with_tcb(index, |tcb, _| tcb.receive_buffer()).ok_or(SocketError::NotConnected)
            }
            _ => {
                let initial = self.engine.config.tcp.recv_buffer.initial;
                let common = self.present_tcp_options(id)?.common;
                let locked = common.has(OptionFlags::RECV_BUFFER_LOCKED);
                Ok(if locked { common.recv_buffer_max } else { initial })
            }
        }
    }

    /// SO_SNDBUF as it is now.
    fn present_send_buffer(&mut self, id: SocketId) -> Result<u32, SocketError> {
        if let Kind::Connection(index) = self.socket(id)?.kind {
            return self.with_tcb(index, |tcb, cx| tcb.send_buffer(cx)).ok_or(SocketError::NotConnected);
        }
        let initial = self.engine.config.tcp.send_buffer.initial;
        let common = self.present_tcp_options(id)?.common;
        Ok(if common.has(OptionFlags::SEND_BUFFER_LOCKED) { common.send_buffer_max } else { initial })
    }
}
