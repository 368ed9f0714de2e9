//! Socket options, under the names of RFC 9293 and of Linux's `socket(7)`, `tcp(7)` and `ip(7)`.
//!
//! Here they are typed; [`super::sockopt`] has them in Linux's numbers and octets.

use portolan_tcp::{
    CongestionAlgorithm, FastOpenKnob, FinWait2, OptionFlags, Signals, SocketOptions, UserTimeoutOption,
};

use crate::fast_open::FastOpenKeys;
use crate::socket::{Flags, Kind};
use crate::stack::Stack;
use crate::{LinkId, SocketError, SocketId};

/// The least send buffer that SO_SNDBUF sets (Linux's SOCK_MIN_SNDBUF).
pub(crate) const SEND_BUFFER_MIN: u32 = 4608;

/// The least receive buffer that SO_RCVBUF sets (Linux's SOCK_MIN_RCVBUF).
const RECEIVE_BUFFER_MIN: u32 = 2304;

/// TCP_MAXSEG's range (Linux's TCP_MIN_MSS and MAX_TCP_WINDOW).
const MAX_SEGMENT: core::ops::RangeInclusive<u16> = 88..=32_767;

/// The most seconds or probes that the keepalive options take (Linux's MAX_TCP_KEEPIDLE and its like).
const KEEPALIVE_SECONDS_MAX: u16 = 32_767;
const KEEPALIVE_PROBES_MAX: u8 = 127;

/// An option with its value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SocketOption {
    /// SO_REUSEADDR.
    ReuseAddress(bool),
    /// SO_REUSEPORT.
    ReusePort(bool),
    /// IPV6_V6ONLY; before bind only.
    V6Only(bool),
    /// SO_BROADCAST.
    Broadcast(bool),
    /// Whether [`crate::Event::Warned`] is wanted, as IP_RECVERR asks for its queue on Linux.
    Warnings(bool),
    /// SO_LINGER in seconds. 0 makes close reset; other values are for whoever waits.
    Linger(Option<u16>),
    /// SO_RCVBUF in octets. As on Linux, twice as much is set, and given back.
    ReceiveBuffer(u32),
    /// SO_SNDBUF in octets. As on Linux, twice as much is set, and given back.
    SendBuffer(u32),
    /// SO_RCVLOWAT in octets, at least 1.
    ReceiveLowWater(u32),
    /// SO_OOBINLINE.
    OobInline(bool),
    /// TCP_NODELAY.
    NoDelay(bool),
    /// TCP_CORK.
    Cork(bool),
    /// SO_KEEPALIVE.
    KeepAlive(bool),
    /// TCP_KEEPIDLE in seconds.
    KeepIdle(u16),
    /// TCP_KEEPINTVL in seconds.
    KeepInterval(u16),
    /// TCP_KEEPCNT.
    KeepCount(u8),
    /// TCP_SYNCNT.
    SynRetries(u8),
    /// TCP_LINGER2.
    FinWait2(FinWait2),
    /// TCP_USER_TIMEOUT in milliseconds; 0 is off.
    UserTimeout(u32),
    /// Whether the peer has a say in that, and what it is told (RFC 5482).
    UserTimeoutOption(UserTimeoutOption),
    /// TCP_NOTSENT_LOWAT in octets; 0 is the host's.
    NotsentLowWater(u32),
    /// TCP_WINDOW_CLAMP in octets; 0, before connect only, is none.
    WindowClamp(u32),
    /// TCP_MAXSEG in octets; 0 is no limit.
    MaxSegment(u16),
    /// TCP_CONGESTION, by the number that the name has on this host ([`CongestionAlgorithm::by_name`]).
    Congestion(CongestionAlgorithm),
    /// SO_MAX_PACING_RATE in octets per second; `None` is no limit.
    MaxPacingRate(Option<u64>),
    /// TCP_FASTOPEN: how many Fast Opens may be pending at a listener; 0 is off.
    FastOpen(u32),
    /// TCP_FASTOPEN_KEY: the keys of a listener's cookies.
    FastOpenKey(FastOpenKeys),
    /// TCP_FASTOPEN_CONNECT; before connect only.
    FastOpenConnect(bool),
    /// TCP_FASTOPEN_NO_COOKIE; before connect, or at a listener.
    FastOpenNoCookie(bool),
    /// TCP_DEFER_ACCEPT as a number of SYN-ACKs, after which a listener waits for text no more; 0 is off.
    DeferAccept(u8),
    /// IP_TTL and IPV6_UNICAST_HOPS.
    Ttl(u8),
    /// IP_TOS and IPV6_TCLASS, without the ECN bits for TCP.
    Tos(u8),
    /// SO_BINDTODEVICE; before bind only.
    BindToLink(Option<LinkId>),
}

impl Stack {
    /// Sets an option.
    ///
    /// # Errors
    /// `InvalidArgument` for a value or a time that the option does not allow, `NoSuchOption` for the wrong kind of
    /// socket, `NotSupported` for TCP_FASTOPEN_CONNECT on a host without Fast Open.
    pub fn set_option(
        &mut self,
        now: portolan_link::Instant,
        id: SocketId,
        option: SocketOption,
    ) -> Result<(), SocketError> {
        self.advance(now);
        match option {
            SocketOption::ReuseAddress(on) => self.set_sharing(id, Flags::REUSE_ADDRESS, on),
            SocketOption::ReusePort(on) => self.set_sharing(id, Flags::REUSE_PORT, on),
            SocketOption::V6Only(on) => self.set_before_bind(id, |socket| {
                socket.flags.set(Flags::V6_ONLY, on);
            }),
            SocketOption::BindToLink(link) => {
                if link.is_some_and(|link| !self.is_link(link)) {
                    return Err(SocketError::InvalidArgument);
                }
                let device = link.map_or(0, LinkId::index);
                self.set_before_bind(id, |socket| socket.device = device)
            }
            SocketOption::Broadcast(on) => {
                self.socket_mut(id)?.flags.set(Flags::BROADCAST, on);
                Ok(())
            }
            SocketOption::Warnings(on) => {
                self.socket_mut(id)?.flags.set(Flags::WARNINGS, on);
                Ok(())
            }
            SocketOption::Linger(seconds) => {
                self.socket_mut(id)?.linger = seconds;
                Ok(())
            }
            SocketOption::Ttl(0) => Err(SocketError::InvalidArgument),
            SocketOption::Ttl(ttl) => self.set_envelope(id, |own_ttl, _| *own_ttl = ttl),
            SocketOption::Tos(tos) => self.set_envelope(id, |_, own_tos| *own_tos = tos),
            SocketOption::ReceiveBuffer(octets) => self.set_receive_buffer(id, octets),
            SocketOption::FastOpen(_)
            | SocketOption::FastOpenKey(_)
            | SocketOption::FastOpenConnect(_)
            | SocketOption::FastOpenNoCookie(_)
            | SocketOption::DeferAccept(_) => self.set_opening(id, option),
            SocketOption::WindowClamp(0)
                if !matches!(self.socket(id)?.kind, Kind::Fresh(_) | Kind::Ended) =>
            {
                Err(SocketError::InvalidArgument)
            }
            option => self.set_tcp_option(id, option),
        }
    }

    /// SO_REUSEADDR and SO_REUSEPORT may change after bind, and then count for those who bind later.
    fn set_sharing(&mut self, id: SocketId, flag: Flags, on: bool) -> Result<(), SocketError> {
        let socket = self.socket_mut(id)?;
        socket.flags.set(flag, on);
        if socket.is_bound() {
            let (protocol, port, flags) = (socket.protocol(), socket.local.port, socket.flags);
            self.ports.update(protocol, port, id.index, |binding| {
                binding.reuse_address = flags.contains(Flags::REUSE_ADDRESS);
                binding.reuse_port = flags.contains(Flags::REUSE_PORT);
            })?;
        }
        Ok(())
    }

    fn set_before_bind(
        &mut self,
        id: SocketId,
        set: impl FnOnce(&mut crate::socket::Socket),
    ) -> Result<(), SocketError> {
        let socket = self.socket_mut(id)?;
        if socket.is_bound() || !matches!(socket.kind, Kind::Fresh(_) | Kind::Udp(_)) {
            return Err(SocketError::InvalidArgument);
        }
        set(socket);
        Ok(())
    }

    /// RFC 9293 MUST-48, MUST-49, SHLD-21: at any time, for all packets from then on.
    fn set_envelope(&mut self, id: SocketId, set: impl Fn(&mut u8, &mut u8)) -> Result<(), SocketError> {
        let socket = self.socket_mut(id)?;
        set(&mut socket.ttl, &mut socket.tos);
        if let Kind::Connection(index) = socket.kind
            && let Some(connection) = self.flows.connections.get_mut(index)
        {
            set(&mut connection.ttl, &mut connection.tos);
        }
        Ok(())
    }

    fn set_receive_buffer(&mut self, id: SocketId, octets: u32) -> Result<(), SocketError> {
        let octets_max = doubled(octets.min(self.engine.config.receive_buffer_max), RECEIVE_BUFFER_MIN);
        if let Kind::Udp(udp) = &mut self.socket_mut(id)?.kind {
            udp.octets_max = octets_max;
            return Ok(());
        }
        self.set_tcp_option(id, SocketOption::ReceiveBuffer(octets))
    }

    fn set_opening(&mut self, id: SocketId, option: SocketOption) -> Result<(), SocketError> {
        let somaxconn = self.engine.config.somaxconn;
        let client = self.engine.config.tcp.fast_open.contains(FastOpenKnob::CLIENT);
        let (opening, listens) = match &mut self.socket_mut(id)?.kind {
            Kind::Fresh(fresh) => (&mut fresh.opening, false),
            Kind::Listener(listener) => (&mut listener.opening, true),
            Kind::Udp(_) => return Err(SocketError::NoSuchOption),
            // Linux takes these at any time.
            _ if matches!(option, SocketOption::FastOpenKey(_) | SocketOption::DeferAccept(_)) => {
                return Ok(());
            }
            _ => return Err(SocketError::InvalidArgument),
        };
        match option {
            SocketOption::FastOpenConnect(_) if !client => return Err(SocketError::NotSupported),
            SocketOption::FastOpenConnect(on) if !listens => opening.fast_open_connect = on,
            SocketOption::FastOpen(backlog) => opening.fast_open_backlog = backlog.min(somaxconn),
            SocketOption::FastOpenKey(keys) => opening.fast_open_keys = Some(keys),
            SocketOption::FastOpenNoCookie(on) => opening.fast_open_no_cookie = on,
            SocketOption::DeferAccept(syn_acks) => opening.defer_accept = syn_acks,
            _ => return Err(SocketError::InvalidArgument),
        }
        Ok(())
    }

    fn set_tcp_option(&mut self, id: SocketId, option: SocketOption) -> Result<(), SocketError> {
        let mut options = self.present_tcp_options(id)?;
        let option = match option {
            SocketOption::SendBuffer(octets) => {
                SocketOption::SendBuffer(octets.min(self.engine.config.send_buffer_max))
            }
            SocketOption::ReceiveBuffer(octets) => {
                SocketOption::ReceiveBuffer(octets.min(self.engine.config.receive_buffer_max))
            }
            option => option,
        };
        change(&mut options, option)?;
        match &mut self.socket_mut(id)?.kind {
            Kind::Fresh(fresh) => fresh.options = options,
            Kind::Listener(listener) => listener.options = options,
            Kind::Connection(index) => {
                let index = *index;
                let wants = self.with_tcb(index, |tcb, cx| {
                    tcb.set_options(cx, &options);
                    if matches!(option, SocketOption::NoDelay(true) | SocketOption::Cork(false)) {
                        tcb.push(cx);
                    }
                    tcb.wants_transmit(cx)
                });
                let signals = if wants == Some(true) { Signals::TRANSMIT } else { Signals::empty() };
                self.settle(index, signals);
            }
            _ => {}
        }
        Ok(())
    }

    /// The options of a TCP socket, whatever its state.
    pub(crate) fn present_tcp_options(&self, id: SocketId) -> Result<SocketOptions, SocketError> {
        match &self.socket(id)?.kind {
            Kind::Udp(_) => Err(SocketError::NoSuchOption),
            Kind::Connection(index) => {
                let connection = self.flows.connections.get(*index).ok_or(SocketError::NotConnected)?;
                Ok(connection.tcb.options(&self.engine.slabs))
            }
            _ => Ok(self.tcp_options_of(id.index)),
        }
    }
}

/// Twice the octets that were asked for, since Linux counts its own overhead in; and not too few.
pub(crate) fn doubled(octets: u32, least: u32) -> u32 {
    octets.saturating_mul(2).max(least)
}

fn change(options: &mut SocketOptions, option: SocketOption) -> Result<(), SocketError> {
    let SocketOptions { common, seldom } = options;
    match option {
        SocketOption::NoDelay(on) => common.flags.set(OptionFlags::NODELAY, on),
        SocketOption::Cork(on) => common.flags.set(OptionFlags::CORK, on),
        SocketOption::OobInline(on) => common.flags.set(OptionFlags::OOB_INLINE, on),
        SocketOption::SendBuffer(octets) => {
            common.send_buffer_max = doubled(octets, SEND_BUFFER_MIN);
            common.flags |= OptionFlags::SEND_BUFFER_LOCKED;
        }
        SocketOption::ReceiveBuffer(octets) => {
            common.recv_buffer_max = doubled(octets, RECEIVE_BUFFER_MIN);
            common.flags |= OptionFlags::RECV_BUFFER_LOCKED;
        }
        SocketOption::ReceiveLowWater(octets) => seldom.receive_low_water = octets.max(1),
        SocketOption::Congestion(algorithm) => common.congestion = algorithm,
        SocketOption::MaxPacingRate(rate) => seldom.max_pacing_rate = rate.map_or(0, |rate| rate.max(1)),
        SocketOption::UserTimeout(millis) => common.user_timeout_ms = millis,
        SocketOption::UserTimeoutOption(option) => seldom.user_timeout_option = option,
        SocketOption::NotsentLowWater(octets) => seldom.notsent_low_water = octets,
        SocketOption::WindowClamp(0) => seldom.window_clamp = 0,
        SocketOption::WindowClamp(octets) => seldom.window_clamp = octets.max(RECEIVE_BUFFER_MIN / 2),
        SocketOption::FinWait2(wait) => seldom.fin_wait2 = wait,
        SocketOption::MaxSegment(octets) if octets == 0 || MAX_SEGMENT.contains(&octets) => {
            common.mss_clamp = octets;
        }
        SocketOption::KeepAlive(on) => common.flags.set(OptionFlags::KEEPALIVE, on),
        SocketOption::KeepIdle(time_s @ 1..=KEEPALIVE_SECONDS_MAX) => seldom.keepalive.time_s = time_s,
        SocketOption::KeepInterval(interval_s @ 1..=KEEPALIVE_SECONDS_MAX) => {
            seldom.keepalive.interval_s = interval_s;
        }
        SocketOption::KeepCount(probes @ 1..=KEEPALIVE_PROBES_MAX) => seldom.keepalive.probes = probes,
        SocketOption::SynRetries(retries @ 1..=KEEPALIVE_PROBES_MAX) => seldom.syn_retries = retries,
        _ => return Err(SocketError::InvalidArgument),
    }
    Ok(())
}
