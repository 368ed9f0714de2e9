//! Socket options, under the names of RFC 9293 and of Linux's `socket(7)`, `tcp(7)` and `ip(7)`.

use portolan_tcp::{FastOpenKnob, Keepalive, Signals, SocketOptions};

use crate::fast_open::FastOpenKeys;
use crate::socket::listen::Opening;
use crate::socket::{Flags, Kind};
use crate::stack::Stack;
use crate::{LinkId, SocketError, SocketId};

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
    /// SO_LINGER in seconds. 0 makes close reset; other values are for whoever waits.
    Linger(Option<u16>),
    /// SO_RCVBUF in octets.
    ReceiveBuffer(u32),
    /// SO_SNDBUF in octets.
    SendBuffer(u32),
    /// TCP_NODELAY.
    NoDelay(bool),
    /// SO_KEEPALIVE.
    KeepAlive(bool),
    /// TCP_KEEPIDLE in seconds.
    KeepIdle(u16),
    /// TCP_KEEPINTVL in seconds.
    KeepInterval(u16),
    /// TCP_KEEPCNT.
    KeepCount(u8),
    /// TCP_USER_TIMEOUT in milliseconds; 0 is off.
    UserTimeout(u32),
    /// TCP_MAXSEG in octets.
    MaxSegment(u16),
    /// TCP_SYNCNT: retransmissions of a SYN, 1 to 127.
    SynCount(u8),
    /// TCP_FASTOPEN: how many Fast Opens may be pending at a listener; 0 is off.
    FastOpen(u32),
    /// TCP_FASTOPEN_KEY: the keys of a listener's cookies.
    FastOpenKey(FastOpenKeys),
    /// TCP_FASTOPEN_CONNECT; before connect only.
    FastOpenConnect(bool),
    /// TCP_FASTOPEN_NO_COOKIE; before connect, or at a listener.
    FastOpenNoCookie(bool),
    /// IP_TTL and IPV6_UNICAST_HOPS.
    Ttl(u8),
    /// IP_TOS and IPV6_TCLASS, without the ECN bits for TCP.
    Tos(u8),
    /// SO_BINDTODEVICE; before bind only.
    BindToLink(Option<LinkId>),
}

/// An option's name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SocketOptionName {
    /// SO_REUSEADDR.
    ReuseAddress,
    /// SO_REUSEPORT.
    ReusePort,
    /// IPV6_V6ONLY.
    V6Only,
    /// SO_BROADCAST.
    Broadcast,
    /// SO_LINGER.
    Linger,
    /// SO_RCVBUF.
    ReceiveBuffer,
    /// SO_SNDBUF.
    SendBuffer,
    /// TCP_NODELAY.
    NoDelay,
    /// SO_KEEPALIVE.
    KeepAlive,
    /// TCP_KEEPIDLE.
    KeepIdle,
    /// TCP_KEEPINTVL.
    KeepInterval,
    /// TCP_KEEPCNT.
    KeepCount,
    /// TCP_USER_TIMEOUT.
    UserTimeout,
    /// TCP_MAXSEG.
    MaxSegment,
    /// TCP_SYNCNT.
    SynCount,
    /// TCP_FASTOPEN.
    FastOpen,
    /// TCP_FASTOPEN_KEY.
    FastOpenKey,
    /// TCP_FASTOPEN_CONNECT.
    FastOpenConnect,
    /// TCP_FASTOPEN_NO_COOKIE.
    FastOpenNoCookie,
    /// IP_TTL and IPV6_UNICAST_HOPS.
    Ttl,
    /// IP_TOS and IPV6_TCLASS.
    Tos,
    /// SO_BINDTODEVICE.
    BindToLink,
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
            | SocketOption::FastOpenNoCookie(_) => self.set_opening(id, option),
            option => self.set_tcp_option(id, option),
        }
    }

    /// An option's present value.
    ///
    /// # Errors
    /// `NoSuchOption` for the wrong kind of socket.
    pub fn option(&self, id: SocketId, name: SocketOptionName) -> Result<SocketOption, SocketError> {
        let socket = self.socket(id)?;
        let flag = |flag| socket.flags.contains(flag);
        Ok(match name {
            SocketOptionName::ReuseAddress => SocketOption::ReuseAddress(flag(Flags::REUSE_ADDRESS)),
            SocketOptionName::ReusePort => SocketOption::ReusePort(flag(Flags::REUSE_PORT)),
            SocketOptionName::V6Only => SocketOption::V6Only(flag(Flags::V6_ONLY)),
            SocketOptionName::Broadcast => SocketOption::Broadcast(flag(Flags::BROADCAST)),
            SocketOptionName::Linger => SocketOption::Linger(socket.linger),
            SocketOptionName::Ttl => SocketOption::Ttl(socket.ttl),
            SocketOptionName::Tos => SocketOption::Tos(socket.tos),
            SocketOptionName::BindToLink => {
                SocketOption::BindToLink((socket.device != 0).then_some(LinkId(socket.device)))
            }
            SocketOptionName::ReceiveBuffer => match &socket.kind {
                Kind::Udp(udp) => SocketOption::ReceiveBuffer(udp.octets_max),
                _ => SocketOption::ReceiveBuffer(self.present_tcp_options(id)?.recv_buffer_max),
            },
            SocketOptionName::FastOpen => SocketOption::FastOpen(self.opening(id)?.fast_open_backlog),
            SocketOptionName::FastOpenKey => {
                let keys = self.opening(id)?.fast_open_keys;
                SocketOption::FastOpenKey(keys.unwrap_or_else(|| self.fast_open_keys()))
            }
            SocketOptionName::FastOpenConnect => {
                SocketOption::FastOpenConnect(self.opening(id)?.fast_open_connect)
            }
            SocketOptionName::FastOpenNoCookie => {
                SocketOption::FastOpenNoCookie(self.opening(id)?.fast_open_no_cookie)
            }
            name => tcp_option(&self.present_tcp_options(id)?, &self.engine.config.tcp, name),
        })
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
        if let Kind::Udp(udp) = &mut self.socket_mut(id)?.kind {
            // Linux: SOCK_MIN_RCVBUF.
            udp.octets_max = octets.max(2304);
            return Ok(());
        }
        self.set_tcp_option(id, SocketOption::ReceiveBuffer(octets))
    }

    /// The settings until there is a connection; the defaults where there is one.
    fn opening(&self, id: SocketId) -> Result<Opening, SocketError> {
        match &self.socket(id)?.kind {
            Kind::Udp(_) => Err(SocketError::NoSuchOption),
            _ => Ok(self.opening_of(id.index)),
        }
    }

    fn set_opening(&mut self, id: SocketId, option: SocketOption) -> Result<(), SocketError> {
        let somaxconn = self.engine.config.somaxconn;
        let client = self.engine.config.tcp.fast_open.contains(FastOpenKnob::CLIENT);
        let (opening, listens) = match &mut self.socket_mut(id)?.kind {
            Kind::Fresh(fresh) => (&mut fresh.opening, false),
            Kind::Listener(listener) => (&mut listener.opening, true),
            Kind::Udp(_) => return Err(SocketError::NoSuchOption),
            _ => return Err(SocketError::InvalidArgument),
        };
        match option {
            SocketOption::FastOpenConnect(_) if !client => return Err(SocketError::NotSupported),
            SocketOption::FastOpenConnect(on) if !listens => opening.fast_open_connect = on,
            SocketOption::FastOpen(backlog) => opening.fast_open_backlog = backlog.min(somaxconn),
            SocketOption::FastOpenKey(keys) => opening.fast_open_keys = Some(keys),
            SocketOption::FastOpenNoCookie(on) => opening.fast_open_no_cookie = on,
            _ => return Err(SocketError::InvalidArgument),
        }
        Ok(())
    }

    fn set_tcp_option(&mut self, id: SocketId, option: SocketOption) -> Result<(), SocketError> {
        let mut options = self.present_tcp_options(id)?;
        change(&mut options, self.engine.config.tcp.keepalive, option)?;
        match &mut self.socket_mut(id)?.kind {
            Kind::Fresh(fresh) => fresh.options = options,
            Kind::Listener(listener) => listener.options = options,
            Kind::Connection(index) => {
                let index = *index;
                let wants = self.with_tcb(index, |tcb, cx| {
                    tcb.set_options(cx, &options);
                    tcb.wants_transmit(cx)
                });
                let signals = if wants == Some(true) { Signals::TRANSMIT } else { Signals::empty() };
                self.settle(index, signals);
            }
            _ => {}
        }
        Ok(())
    }

    fn present_tcp_options(&self, id: SocketId) -> Result<SocketOptions, SocketError> {
        match &self.socket(id)?.kind {
            Kind::Udp(_) => Err(SocketError::NoSuchOption),
            Kind::Connection(index) => {
                let connection = self.flows.connections.get(*index).ok_or(SocketError::NotConnected)?;
                Ok(connection.tcb.options())
            }
            _ => Ok(self.tcp_options_of(id.index)),
        }
    }
}

fn change(options: &mut SocketOptions, usual: Keepalive, option: SocketOption) -> Result<(), SocketError> {
    let keepalive = options.keepalive.unwrap_or(usual);
    match option {
        SocketOption::NoDelay(on) => options.nodelay = on,
        SocketOption::SendBuffer(octets) => options.send_buffer_max = octets.max(4608),
        SocketOption::ReceiveBuffer(octets) => options.recv_buffer_max = octets.max(2304),
        SocketOption::UserTimeout(millis) => options.user_timeout_ms = millis,
        // Linux: TCP_MIN_MSS.
        SocketOption::SynCount(retries) if (1..=127).contains(&retries) => options.syn_retries = retries,
        SocketOption::MaxSegment(octets) if octets >= 88 => options.mss_clamp = Some(octets),
        SocketOption::KeepAlive(on) => options.keepalive = on.then_some(keepalive),
        SocketOption::KeepIdle(time_s) if time_s > 0 => {
            options.keepalive = Some(Keepalive { time_s, ..keepalive });
        }
        SocketOption::KeepInterval(interval_s) if interval_s > 0 => {
            options.keepalive = Some(Keepalive { interval_s, ..keepalive });
        }
        SocketOption::KeepCount(probes) if probes > 0 => {
            options.keepalive = Some(Keepalive { probes, ..keepalive });
        }
        _ => return Err(SocketError::InvalidArgument),
    }
    Ok(())
}

fn tcp_option(
    options: &SocketOptions,
    config: &portolan_tcp::Config,
    name: SocketOptionName,
) -> SocketOption {
    let keepalive = options.keepalive.unwrap_or(config.keepalive);
    match name {
        SocketOptionName::SendBuffer => SocketOption::SendBuffer(options.send_buffer_max),
        SocketOptionName::KeepAlive => SocketOption::KeepAlive(options.keepalive.is_some()),
        SocketOptionName::KeepIdle => SocketOption::KeepIdle(keepalive.time_s),
        SocketOptionName::KeepInterval => SocketOption::KeepInterval(keepalive.interval_s),
        SocketOptionName::KeepCount => SocketOption::KeepCount(keepalive.probes),
        SocketOptionName::UserTimeout => SocketOption::UserTimeout(options.user_timeout_ms),
        SocketOptionName::SynCount if options.syn_retries == 0 => SocketOption::SynCount(config.syn_retries),
        SocketOptionName::SynCount => SocketOption::SynCount(options.syn_retries),
        SocketOptionName::MaxSegment => SocketOption::MaxSegment(options.mss_clamp.unwrap_or(536)),
        _ => SocketOption::NoDelay(options.nodelay),
    }
}
