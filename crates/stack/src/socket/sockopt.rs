//! setsockopt(2) and getsockopt(2) in Linux's numbers, layouts and errnos: the one table for everybody who speaks them.
//!
//! Levels are checked as Linux does (an option of TCP on a UDP socket is ENOPROTOOPT, and so is every option that is
//! not known here), lengths and ranges before anything changes. What changes the stack becomes a typed
//! [`SocketOption`]; what does not is remembered and given back ([`remembered`]). Privileges are for the caller to
//! check: the stack knows no users.

use alloc::vec::Vec;

use portolan_link::Instant;
use portolan_tcp::{FinWait2, OptionFlags, SocketOptions};
use portolan_wire::{Family, protocol};

use crate::fast_open::FastOpenKeys;
use crate::socket::{Flags, Kind};
use crate::stack::Stack;
use crate::{LinkId, SocketError, SocketId, SocketOption};

mod authentication;
mod congestion;
mod md5;
pub(crate) mod number;
pub(crate) mod remembered;
mod tcp_info;

use number::{IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, SOL_SOCKET, ip, ipv6, so, tcp};

/// Linux's TCP_CA_NAME_MAX.
const CONGESTION_NAME_MAX: usize = 16;

/// Linux's TCP_FIN_TIMEOUT_MAX, in seconds.
const FIN_WAIT2_SECONDS_MAX: i32 = 120;

/// SO_SNDBUF of a UDP socket that has not set it (net.core.wmem_default).
const UDP_SEND_BUFFER: i32 = 212_992;

/// SO_TYPE's numbers.
const SOCK_STREAM: i32 = 1;
const SOCK_DGRAM: i32 = 2;

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
        self.check_level(id, level)?;
        match level {
            SOL_SOCKET => self.set_at_socket_level(now, id, name, value),
            IPPROTO_TCP => self.set_at_tcp_level(now, id, name, value),
            _ => self.set_at_ip_level(now, id, level, name, value),
        }
    }

    /// getsockopt(2): the option's value in Linux's layout. The caller gives the application as much of it as it has
    /// room for.
    ///
    /// # Errors
    /// `NoSuchOption`, `NotConnected` for what only a connection has.
    pub fn getsockopt(
        &mut self,
        now: Instant,
        id: SocketId,
        level: i32,
        name: i32,
    ) -> Result<Vec<u8>, SocketError> {
        self.advance(now);
        self.check_level(id, level)?;
        match level {
            SOL_SOCKET => self.get_at_socket_level(id, name),
            IPPROTO_TCP => self.get_at_tcp_level(id, name),
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
        self.socket_mut(id)?.remembered.set(level, name, kept.into());
        Ok(())
    }

    fn recall(&self, id: SocketId, level: i32, name: i32) -> Result<Vec<u8>, SocketError> {
        let socket = self.socket(id)?;
        let default = remembered::default(level, name, socket.protocol() == protocol::TCP)?;
        let kept = socket.remembered.get(level, name).and_then(|kept| i32::try_from(kept).ok());
        Ok(int(kept.unwrap_or(default)))
    }

    fn set_at_socket_level(
        &mut self,
        now: Instant,
        id: SocketId,
        name: i32,
        value: &[u8],
    ) -> Result<(), SocketError> {
        if name == so::BINDTODEVICE {
            let link = self.link_named(text(value))?;
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
            so::SNDBUF | so::SNDBUFFORCE | so::KEEPALIVE | so::OOBINLINE | so::RCVLOWAT => {
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

    fn get_at_socket_level(&mut self, id: SocketId, name: i32) -> Result<Vec<u8>, SocketError> {
        let socket = self.socket(id)?;
        let flag = |flag| i32::from(socket.flags.contains(flag));
        let is_tcp = socket.protocol() == protocol::TCP;
        let kept = |default: i64| socket.remembered.get(SOL_SOCKET, name).unwrap_or(default);
        Ok(int(match name {
            so::REUSEADDR => flag(Flags::REUSE_ADDRESS),
            so::REUSEPORT => flag(Flags::REUSE_PORT),
            so::BROADCAST => flag(Flags::BROADCAST),
            so::TYPE if is_tcp => SOCK_STREAM,
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

    fn set_at_tcp_level(
        &mut self,
        now: Instant,
        id: SocketId,
        name: i32,
        value: &[u8],
    ) -> Result<(), SocketError> {
        match name {
            tcp::CONGESTION if value.is_empty() => return Err(SocketError::InvalidArgument),
            tcp::CONGESTION => {
                let name = text(value.get(..CONGESTION_NAME_MAX - 1).unwrap_or(value));
                return self.set_congestion(now, id, name);
            }
            tcp::MD5SIG | tcp::MD5SIG_EXT => return self.set_md5_signature(now, id, name, value),
            tcp::AO_ADD_KEY | tcp::AO_DEL_KEY | tcp::AO_INFO => {
                return self.set_authentication(now, id, name, value);
            }
            tcp::FASTOPEN_KEY => {
                let keys = FastOpenKeys::read(value).ok_or(SocketError::InvalidArgument)?;
                return self.set_option(now, id, SocketOption::FastOpenKey(keys));
            }
            _ => {}
        }
        let number = int_at(value, 0)?;
        let on = number != 0;
        let option = match name {
            tcp::NODELAY => SocketOption::NoDelay(on),
            tcp::CORK => SocketOption::Cork(on),
            tcp::MAXSEG => SocketOption::MaxSegment(narrow(number)?),
            tcp::KEEPIDLE => SocketOption::KeepIdle(narrow(number)?),
            tcp::KEEPINTVL => SocketOption::KeepInterval(narrow(number)?),
            tcp::KEEPCNT => SocketOption::KeepCount(narrow(number)?),
            tcp::SYNCNT => SocketOption::SynRetries(narrow(number)?),
            tcp::USER_TIMEOUT => SocketOption::UserTimeout(narrow(number)?),
            tcp::NOTSENT_LOWAT => SocketOption::NotsentLowWater(number.cast_unsigned()),
            tcp::WINDOW_CLAMP => SocketOption::WindowClamp(number.cast_unsigned()),
            tcp::LINGER2 => SocketOption::FinWait2(match number {
                ..0 => FinWait2::Never,
                0 => FinWait2::Usual,
                seconds => FinWait2::Seconds(narrow(seconds.min(FIN_WAIT2_SECONDS_MAX))?),
            }),
            tcp::QUICKACK => return self.set_quick_ack(id, number & 1 != 0),
            tcp::DEFER_ACCEPT => SocketOption::DeferAccept(syn_acks_in(number)),
            tcp::FASTOPEN => SocketOption::FastOpen(narrow(number)?),
            tcp::FASTOPEN_CONNECT if matches!(number, 0 | 1) => SocketOption::FastOpenConnect(on),
            tcp::FASTOPEN_NO_COOKIE if matches!(number, 0 | 1) => SocketOption::FastOpenNoCookie(on),
            tcp::FASTOPEN_CONNECT | tcp::FASTOPEN_NO_COOKIE => return Err(SocketError::InvalidArgument),
            _ => return self.remember(id, IPPROTO_TCP, name, number),
        };
        self.set_option(now, id, option)
    }

    /// TCP_QUICKACK, which means nothing before there is a connection.
    fn set_quick_ack(&mut self, id: SocketId, on: bool) -> Result<(), SocketError> {
        let Kind::Connection(index) = self.socket(id)?.kind else { return Ok(()) };
        let signals = self.with_tcb(index, |tcb, cx| tcb.set_quick_ack(cx, on));
        self.settle(index, signals.unwrap_or_default());
        Ok(())
    }

    fn get_at_tcp_level(&mut self, id: SocketId, name: i32) -> Result<Vec<u8>, SocketError> {
        let socket = self.socket(id)?;
        let SocketOptions { common, seldom } = self.present_tcp_options(id)?;
        let keepalive = seldom.keepalive.or(self.engine.config.tcp.keepalive);
        let config = &self.engine.config.tcp;
        Ok(int(match name {
            tcp::NODELAY => i32::from(common.has(OptionFlags::NODELAY)),
            tcp::CORK => i32::from(common.has(OptionFlags::CORK)),
            tcp::MAXSEG => self.present_mss(id, common.mss_clamp)?,
            tcp::KEEPIDLE => keepalive.time_s.into(),
            tcp::KEEPINTVL => keepalive.interval_s.into(),
            tcp::KEEPCNT => keepalive.probes.into(),
            tcp::SYNCNT if seldom.syn_retries == 0 => config.syn_retries.into(),
            tcp::SYNCNT => seldom.syn_retries.into(),
            tcp::USER_TIMEOUT => to_int(common.user_timeout_ms),
            tcp::NOTSENT_LOWAT => seldom.notsent_low_water.cast_signed(),
            tcp::WINDOW_CLAMP => to_int(seldom.window_clamp),
            tcp::LINGER2 => match seldom.fin_wait2 {
                FinWait2::Never => -1,
                FinWait2::Usual => to_int(config.fin_wait2_us / 1_000_000),
                FinWait2::Seconds(seconds) => seconds.into(),
            },
            tcp::QUICKACK => match socket.kind {
                Kind::Connection(index) => {
                    i32::from(self.with_tcb(index, |tcb, _| tcb.quick_ack()).unwrap_or(true))
                }
                _ => 1,
            },
            tcp::CONGESTION => return self.congestion_name(id),
            tcp::CC_INFO => return self.cc_info(id),
            tcp::AO_INFO => return self.authentication_info(id),
            tcp::AO_GET_KEYS => return self.authentication_keys(id),
            tcp::INFO => return self.tcp_info(id),
            tcp::DEFER_ACCEPT => seconds_of(self.opening_of(id.index).defer_accept),
            tcp::FASTOPEN => to_int(self.opening_of(id.index).fast_open_backlog),
            tcp::FASTOPEN_CONNECT => i32::from(self.opening_of(id.index).fast_open_connect),
            tcp::FASTOPEN_NO_COOKIE => i32::from(self.opening_of(id.index).fast_open_no_cookie),
            tcp::FASTOPEN_KEY => return Ok(self.fast_open_keys_of(id.index).write()),
            _ => return self.recall(id, IPPROTO_TCP, name),
        }))
    }

    /// TCP_MAXSEG: what a full segment of the connection holds, or what is to limit it.
    fn present_mss(&mut self, id: SocketId, clamp: u16) -> Result<i32, SocketError> {
        match self.socket(id)?.kind {
            Kind::Connection(_) => Ok(self.info(id)?.snd_mss.into()),
            _ if clamp > 0 => Ok(clamp.into()),
            // RFC 9293 MUST-15.
            _ => Ok(536),
        }
    }

    fn set_at_ip_level(
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

    fn get_at_ip_level(&mut self, id: SocketId, level: i32, name: i32) -> Result<Vec<u8>, SocketError> {
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

/// Linux's TCP_RTO_MAX in seconds, as far as TCP_DEFER_ACCEPT is concerned.
const DEFER_STEP_MAX: i32 = 120;

/// How many SYN-ACKs go in so many seconds, the first wait being one second and each twice the last.
fn syn_acks_in(seconds: i32) -> u8 {
    let (mut count, mut step, mut passed) = (0_u8, 1, 0);
    while passed < seconds && count < u8::MAX {
        count += 1;
        passed += step;
        step = (2 * step).min(DEFER_STEP_MAX);
    }
    count
}

/// The seconds that so many SYN-ACKs take.
fn seconds_of(syn_acks: u8) -> i32 {
    let (mut step, mut passed) = (1, 0);
    for _ in 0..syn_acks {
        passed += step;
        step = (2 * step).min(DEFER_STEP_MAX);
    }
    passed
}
#[cfg(test)]
mod tests;
