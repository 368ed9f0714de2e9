//! What an application does with a TCP connection.

use portolan_link::{Chunk, Instant};
use portolan_tcp::{Context, Error, FastOpenKnob, Info, Signals, State, Tcb, WriteFlags, isn};
use portolan_wire::{Address, Endpoint, Family, FlowKey, protocol};

use crate::connection::{Connection, Path, PortHold, socket_error};
use crate::demux::Slot;
use crate::event::{Pending, PortsExhausted};
use crate::ip::input::zone_of;
use crate::ip::source_route::SourceRoute;
use crate::list::{NONE, Place};
use crate::socket::{Flags, How, Kind, Ready};
use crate::stack::Stack;
use crate::{Event, SocketError, SocketId};

impl Stack {
    /// Connects and writes in one call, `sendto` with MSG_FASTOPEN (RFC 7413 §4.2.1): with a cookie of the server, octets
    /// go with the SYN, and the answer is how many; without one, the SYN asks for it. On a socket whose handshake is
    /// over it only writes.
    ///
    /// # Errors
    /// `NotSupported` if the host does not use it or the socket is not TCP's, `InProgress` if the SYN goes alone,
    /// `AlreadyConnecting`, and those of [`Stack::connect`] and [`Stack::write`].
    pub fn send_fast_open(
        &mut self,
        now: Instant,
        id: SocketId,
        remote: Endpoint,
        octets: &[u8],
    ) -> Result<usize, SocketError> {
        self.advance(now);
        if !self.engine.config.tcp.fast_open.contains(FastOpenKnob::CLIENT) {
            return Err(SocketError::NotSupported);
        }
        match self.socket(id)?.kind {
            Kind::Udp(_) | Kind::Listener(_) => return Err(SocketError::NotSupported),
            Kind::Fresh(_) => {
                let key = self.flow_to(id, remote, None)?;
                self.open(id, key, true)?;
                if !self.awaits_first_write(id) {
                    return Err(SocketError::InProgress);
                }
            }
            Kind::Connection(_) if self.state(id) == Ok(State::SynSent) && !self.awaits_first_write(id) => {
                return Err(SocketError::AlreadyConnecting);
            }
            _ => {}
        }
        self.write(now, id, octets)
    }

    /// Whether a connect has been answered before it was tried, because its SYN waits for the first write
    /// (TCP_FASTOPEN_CONNECT).
    #[must_use]
    pub fn awaits_first_write(&self, id: SocketId) -> bool {
        match self.socket(id).map(|socket| &socket.kind) {
            Ok(Kind::Connection(index)) => {
                self.flows.connections.get(*index).is_some_and(|connection| connection.tcb.is_deferred())
            }
            _ => false,
        }
    }

    /// Starts to connect a TCP socket, and [`crate::Event::Connected`] or [`crate::Event::ConnectFailed`] will tell;
    /// or sets a UDP socket's peer, at once. With TCP_FASTOPEN_CONNECT and a cookie of the server,
    /// [`crate::Event::Connected`] comes at once, and the SYN waits for the first write.
    ///
    /// # Errors
    /// `AlreadyConnected`, `AlreadyConnecting`, `FamilyNotSupported`, `NetworkUnreachable` and others of the route,
    /// `AddressNotAvailable` without a free port, `AddressInUse` if the same flow exists, `NotSupported` for a
    /// listener, and a connect's late error, once.
    pub fn connect(&mut self, now: Instant, id: SocketId, remote: Endpoint) -> Result<(), SocketError> {
        self.connect_by(now, id, remote, None)
    }

    /// As [`Stack::connect`], by a source route if one is given: every segment passes its stations (RFC 9293 MUST-51).
    /// It is for TCP over IPv4; a UDP socket's peer has none.
    ///
    /// # Errors
    /// As [`Stack::connect`]; `FamilyNotSupported` for a route to an IPv6 address, `NoBuffers` for too many routes.
    pub fn connect_by(
        &mut self,
        now: Instant,
        id: SocketId,
        remote: Endpoint,
        route: Option<SourceRoute>,
    ) -> Result<(), SocketError> {
        self.advance(now);
        let socket = self.socket_mut(id)?;
        match socket.kind {
            Kind::Udp(_) => return self.connect_udp(id, remote),
            Kind::Fresh(_) => {}
            Kind::Listener(_) => return Err(SocketError::NotSupported),
            Kind::Embryo(_) => return Err(SocketError::AlreadyConnecting),
            Kind::Connection(index) => return Err(self.why_not_connect(id, index)),
            Kind::Ended => return Err(socket.error.take().unwrap_or(SocketError::ConnectionAborted)),
        }
        let fast = self.opening_of(id.index).fast_open_connect;
        let key = self.flow_to(id, remote, route)?;
        self.open(id, key, fast)?;
        if self.awaits_first_write(id) {
            self.pend(id.index, Pending::CONNECTED | Pending::WRITABLE);
        }
        Ok(())
    }

    /// The flow of a connection to `remote`, if that can be one; by a source route, if one is given.
    fn flow_to(
        &mut self,
        id: SocketId,
        remote: Endpoint,
        route: Option<SourceRoute>,
    ) -> Result<FlowKey, SocketError> {
        let socket = self.socket(id)?;
        // Linux: to connect to the unspecified address is to connect to oneself.
        let remote = Endpoint::new(or_loopback(remote.address), remote.port);
        if !socket.speaks(remote.address) {
            return Err(SocketError::FamilyNotSupported);
        }
        if remote.port == 0 || remote.address.is_multicast() || remote.address.is_broadcast() {
            return Err(SocketError::NetworkUnreachable);
        }
        if route.is_some() && !remote.address.is_v4() {
            return Err(SocketError::FamilyNotSupported);
        }
        let first_stop = route.as_ref().map_or(remote.address, SourceRoute::first);
        let key = self.choose_flow(id, remote, first_stop)?;
        if self.begin_source_route(&key, route) { Ok(key) } else { Err(SocketError::NoBuffers) }
    }

    fn why_not_connect(&mut self, id: SocketId, index: u32) -> SocketError {
        let Some(connection) = self.flows.connections.get(index) else {
            return SocketError::AlreadyConnected;
        };
        let deferred = connection.tcb.is_deferred();
        let connecting = connection.established_at.is_none() && connection.in_table && !deferred;
        match self.take_error(id) {
            Some(error) => error,
            None if connecting => SocketError::AlreadyConnecting,
            None => SocketError::AlreadyConnected,
        }
    }

    /// The flow of a new connection: route, source address and port.
    fn choose_flow(
        &mut self,
        id: SocketId,
        remote: Endpoint,
        first_stop: Address,
    ) -> Result<FlowKey, SocketError> {
        let socket = self.socket(id)?;
        let (bound, local, device) = (socket.is_bound(), socket.local, socket.device);
        let hop = self.route(first_stop, device)?;
        if self.is_group(&hop, remote.address) {
            // RFC 9293 MUST-46: also a network's own broadcast address.
            return Err(SocketError::NetworkUnreachable);
        }
        // RFC 9293 MUST-43, MUST-44: the application's choice, or else the route's; and the flow keeps it (MUST-45).
        let address = if local.address.is_unspecified() {
            self.source_address(&hop, first_stop)?
        } else {
            local.address
        };
        if address.family() != remote.address.family() {
            return Err(SocketError::NetworkUnreachable);
        }
        let zone = zone_of(remote.address, hop.link).max(zone_of(address, hop.link));
        let key =
            |port| FlowKey { local: Endpoint::new(address, port), remote, protocol: protocol::TCP, zone };
        if bound {
            let key = key(local.port);
            return match self.flows.find(&key) {
                None => Ok(key),
                // Linux: a port of one's own choice may follow a connection in TIME-WAIT only with SO_REUSEADDR.
                Some(Slot::TimeWait(old)) if self.reuses_address(id.index) => {
                    self.delete_time_wait(old);
                    Ok(key)
                }
                Some(_) => Err(SocketError::AddressNotAvailable),
            };
        }
        let flows = &self.flows;
        let keyed = self.engine.random.port_key(self.engine.now);
        let chosen =
            self.ports.choose(protocol::TCP, address, remote, keyed, |port| flows.find(&key(port)).is_none());
        match chosen {
            Some(port) => Ok(key(port)),
            None => {
                self.tell_of_exhausted_ports(address, remote);
                Err(SocketError::AddressNotAvailable)
            }
        }
    }

    /// Once a second at most.
    fn tell_of_exhausted_ports(&mut self, local: Address, remote: Endpoint) {
        let now = self.engine.now;
        if self.ports_told_at.is_none_or(|told| now.micros_since(told) >= 1_000_000) {
            self.ports_told_at = Some(now);
            let range = self.ports.range();
            self.event(Event::PortsExhausted(PortsExhausted { local, remote, range }));
        }
    }

    /// Sends the SYN; with Fast Open, if `fast`, and then it may wait for the first write.
    fn open(&mut self, id: SocketId, key: FlowKey, fast: bool) -> Result<(), SocketError> {
        if self.flows.connections.len() >= self.engine.config.connections_max {
            return Err(SocketError::NoBuffers);
        }
        let options = self.tcp_options_of(id.index);
        let no_cookie = self.opening_of(id.index).fast_open_no_cookie;
        let keyed = self.auth.has_key(id.index, key.remote.address);
        let offer = if fast && !keyed { self.fast_open_offer(&key, no_cookie) } else { None };
        let now = self.engine.now;
        let iss = isn::initial_sequence(self.engine.random.isn.key(), &key, now);
        let offset = isn::timestamp_offset(self.engine.random.isn.key(), &key);
        let flow = self.next_flow_id();
        let device = self.device_of(id.index);
        let hop = self.route(self.first_stop(&key), key.zone.max(device))?;
        let mss = self.path_mss(&key, hop.mtu);
        let auth = self.auth.auth_for(id.index, key.remote.address, iss, None);
        let mut cx = self.engine.context(mss, 0);
        let mut tcb = Tcb::connect(&mut cx, &options, iss, offset, flow);
        tcb.set_auth(&mut cx, auth);
        if let Some(offer) = offer {
            tcb.use_fast_open(&mut cx, &offer);
        }
        let deferred = tcb.is_deferred();
        let reuse = self.reuses_address(id.index);
        let (ttl, tos) = self.ttl_tos_of(id.index);
        let index = self.flows.connections.insert(Connection {
            key,
            tcb,
            path: Path { mss, ..Path::UNKNOWN },
            place: Place::NOWHERE,
            timer: None,
            socket: id.index,
            listener: NONE,
            opened_at: now,
            established_at: None,
            in_table: true,
            holds_port: Some(PortHold { reuse }),
            device,
            ttl,
            tos,
        });
        self.flows.insert(Slot::Connection(index));
        self.ports.hold_connection(&key, reuse);
        let socket = self.socket_mut(id)?;
        socket.kind = Kind::Connection(index);
        if !socket.is_bound() {
            socket.local = key.local;
        }
        if !deferred {
            self.activate(index);
        }
        Ok(())
    }

    /// Writes octets to be sent; returns how many were taken.
    ///
    /// # Errors
    /// `WouldBlock`, `NotConnected`, `BrokenPipe`, and the connection's error, once.
    pub fn write(&mut self, now: Instant, id: SocketId, octets: &[u8]) -> Result<usize, SocketError> {
        self.tcp_call(now, id, |tcb, cx| tcb.write(cx, octets))
    }

    /// As [`Stack::write`], and says what follows: more (MSG_MORE), or another record (MSG_EOR);
    /// or that it is urgent (MSG_OOB).
    ///
    /// # Errors
    /// As [`Stack::write`].
    pub fn write_with(
        &mut self,
        now: Instant,
        id: SocketId,
        octets: &[u8],
        flags: WriteFlags,
    ) -> Result<usize, SocketError> {
        self.tcp_call(now, id, |tcb, cx| tcb.write_with(cx, octets, flags))
    }

    /// Writes a chunk to be sent, without copying; what was taken is consumed from it.
    ///
    /// # Errors
    /// As [`Stack::write`].
    pub fn write_chunk(
        &mut self,
        now: Instant,
        id: SocketId,
        chunk: &mut Chunk,
    ) -> Result<usize, SocketError> {
        self.tcp_call(now, id, |tcb, cx| tcb.write_chunk(cx, chunk))
    }

    /// Reads text; 0 octets with room in `out` are the peer's FIN.
    ///
    /// # Errors
    /// `WouldBlock`, `NotConnected`, and the connection's error, once.
    pub fn read(&mut self, now: Instant, id: SocketId, out: &mut [u8]) -> Result<usize, SocketError> {
        self.tcp_call(now, id, |tcb, cx| tcb.read(cx, out))
    }

    /// Reads text without copying, at most `max` octets; `None` is the peer's FIN.
    ///
    /// # Errors
    /// As [`Stack::read`].
    pub fn read_chunk(
        &mut self,
        now: Instant,
        id: SocketId,
        max: usize,
    ) -> Result<Option<Chunk>, SocketError> {
        self.tcp_call(now, id, |tcb, cx| tcb.read_chunk(cx, max))
    }

    /// Reads text and leaves it in the queue.
    ///
    /// # Errors
    /// As [`Stack::read`].
    pub fn peek(&mut self, now: Instant, id: SocketId, out: &mut [u8]) -> Result<usize, SocketError> {
        self.tcp_call(now, id, |tcb, cx| tcb.peek(cx, out))
    }

    /// Reads the last urgent octet out of line (MSG_OOB), and leaves it there if `peek`; `None` if it will not come any
    /// more.
    ///
    /// # Errors
    /// `InvalidArgument` if there is none, if it was read already, or if it stays in line (SO_OOBINLINE); `WouldBlock` if
    /// it is yet to come; `NotConnected`.
    pub fn read_urgent(&mut self, now: Instant, id: SocketId, peek: bool) -> Result<Option<u8>, SocketError> {
        self.tcp_call(now, id, |tcb, cx| tcb.read_urgent(cx, peek))
    }

    /// Octets that can be read before the mark of urgent text (SIOCINQ).
    ///
    /// # Errors
    /// `BadSocket`, `NotConnected`.
    pub fn queued_before_mark(&mut self, id: SocketId) -> Result<u32, SocketError> {
        let index = self.connection_of(id)?;
        self.with_tcb(index, |tcb, cx| tcb.queued_before_mark(cx)).ok_or(SocketError::NotConnected)
    }

    /// Ends one direction or both. The peer hears of the writing side only.
    ///
    /// # Errors
    /// `NotConnected`.
    pub fn shutdown_socket(&mut self, now: Instant, id: SocketId, how: How) -> Result<(), SocketError> {
        self.advance(now);
        let socket = self.socket_mut(id)?;
        let (reading, writing) = (how != How::Write, how != How::Read);
        match &socket.kind {
            Kind::Udp(udp) if udp.remote.is_none() => return Err(SocketError::NotConnected),
            Kind::Udp(_) => {
                socket.flags.set(Flags::WRITE_CLOSED, writing || socket.flags.contains(Flags::WRITE_CLOSED));
            }
            Kind::Connection(_) => {}
            _ => return Err(SocketError::NotConnected),
        }
        let tcp = matches!(socket.kind, Kind::Connection(_));
        socket.flags.set(Flags::READ_CLOSED, reading || socket.flags.contains(Flags::READ_CLOSED));
        if tcp && reading {
            self.tcp_call(now, id, |tcb, _| tcb.shutdown_read())?;
        }
        if tcp && writing {
            self.tcp_call(now, id, |tcb, cx| tcb.shutdown_write(cx))?;
        }
        if reading {
            self.pend(id.index, crate::event::Pending::READABLE);
        }
        Ok(())
    }

    /// The figures of a connection.
    ///
    /// # Errors
    /// `NotConnected`, `NotSupported` for UDP.
    pub fn info(&mut self, id: SocketId) -> Result<Info, SocketError> {
        let index = self.connection_of(id)?;
        self.connection_info(index).ok_or(SocketError::NotConnected)
    }

    /// Octets that can be read: text, or those of the next datagram.
    ///
    /// # Errors
    /// `BadSocket`, `NotConnected`.
    pub fn receive_queued(&mut self, id: SocketId) -> Result<u32, SocketError> {
        if let Kind::Udp(udp) = &self.socket(id)?.kind {
            let next = udp.queue.front().map_or(0, |received| received.payload.len());
            return Ok(u32::try_from(next).unwrap_or(u32::MAX));
        }
        let index = self.connection_of(id)?;
        self.with_tcb(index, |tcb, cx| tcb.receive_queued(cx)).ok_or(SocketError::NotConnected)
    }

    /// Octets written and not yet acknowledged.
    ///
    /// # Errors
    /// `BadSocket`, `NotConnected`.
    pub fn send_queued(&mut self, id: SocketId) -> Result<u32, SocketError> {
        let index = self.connection_of(id)?;
        self.with_tcb(index, |tcb, cx| tcb.send_queued(cx)).ok_or(SocketError::NotConnected)
    }

    /// Octets from the next one to be read to the end of urgent text, as far as the peer has told; 0 if there is none
    /// (RFC 9293 MUST-33).
    ///
    /// # Errors
    /// `BadSocket`, `NotConnected`.
    pub fn urgent_remaining(&mut self, id: SocketId) -> Result<u32, SocketError> {
        let index = self.connection_of(id)?;
        self.with_tcb(index, |tcb, cx| tcb.urgent_remaining(cx)).ok_or(SocketError::NotConnected)
    }

    /// Whether the next octet to be read is the last urgent one (SIOCATMARK). No read goes over this mark.
    ///
    /// # Errors
    /// `BadSocket`, `NotConnected`.
    pub fn at_mark(&mut self, id: SocketId) -> Result<bool, SocketError> {
        let index = self.connection_of(id)?;
        self.with_tcb(index, |tcb, cx| tcb.at_mark(cx)).ok_or(SocketError::NotConnected)
    }

    /// Says that a writer is blocked until the connection is open.
    ///
    /// # Errors
    /// `BadSocket`, `NotConnected`.
    pub fn expect_text(&mut self, id: SocketId) -> Result<(), SocketError> {
        let index = self.connection_of(id)?;
        self.with_tcb(index, |tcb, _| tcb.expect_text()).ok_or(SocketError::NotConnected)
    }

    /// Octets that can be written.
    ///
    /// # Errors
    /// `BadSocket`, `NotConnected`.
    pub fn send_room(&mut self, id: SocketId) -> Result<u32, SocketError> {
        let index = self.connection_of(id)?;
        self.with_tcb(index, |tcb, cx| tcb.send_room(cx)).ok_or(SocketError::NotConnected)
    }

    /// One call of the application into a Tcb, with what follows from it. An error that waits at the socket is
    /// reported once; after that the connection answers for itself.
    fn tcp_call<R>(
        &mut self,
        now: Instant,
        id: SocketId,
        call: impl FnOnce(&mut Tcb, &mut Context<'_>) -> Result<R, Error>,
    ) -> Result<R, SocketError> {
        self.advance(now);
        let socket = self.socket_mut(id)?;
        let index = match socket.kind {
            Kind::Connection(index) => index,
            Kind::Udp(_) => return Err(SocketError::NotSupported),
            Kind::Embryo(_) => return Err(SocketError::WouldBlock),
            Kind::Ended => return Err(socket.error.take().unwrap_or(SocketError::NotConnected)),
            Kind::Fresh(_) | Kind::Listener(_) => return Err(SocketError::NotConnected),
        };
        let called = self.with_tcb(index, |tcb, cx| {
            let result = call(tcb, cx);
            (result, if tcb.wants_transmit(cx) { Signals::TRANSMIT } else { Signals::empty() })
        });
        let (result, signals) = called.ok_or(SocketError::NotConnected)?;
        self.settle(index, signals);
        result.map_err(|error| {
            let passing = matches!(error, Error::WouldBlock | Error::InProgress);
            let waiting = if passing { None } else { self.take_error(id) };
            waiting.unwrap_or(socket_error(error))
        })
    }

    /// What a call on a connection would find now.
    pub(crate) fn connection_readiness(&mut self, index: u32, read_closed: bool) -> Ready {
        let figures = self.with_tcb(index, |tcb, cx| {
            let open = (tcb.is_open(), tcb.is_deferred(), tcb.urgent_is_here(cx));
            let options = tcb.options(cx.slabs);
            // As on Linux, no more is waited for than half of the buffer.
            let low_water = options.seldom.receive_low_water.min(options.common.recv_buffer_max / 2).max(1);
            let enough = tcb.readable(cx) >= low_water;
            (enough, tcb.poll_writable(cx), tcb.fin_received(), tcb.state(), open)
        });
        let Some((enough, has_room, fin, state, (open, deferred, priority))) = figures else {
            return Ready::default();
        };
        let ended = self.flows.connections.get(index).is_none_or(|connection| !connection.in_table);
        let connecting = !open && !ended;
        Ready {
            readable: !connecting && (enough || fin || ended || read_closed),
            // Linux: what would fail at once does not block.
            writable: deferred || !connecting && (has_room || !state.may_send()),
            hangup: ended || fin && !state.may_send() && state != portolan_tcp::State::Established,
            peer_closed: fin || ended,
            priority,
            error: false,
        }
    }
}

fn or_loopback(address: Address) -> Address {
    match address {
        _ if !address.is_unspecified() => address,
        _ if address.family() == Family::V4 => Address::LOOPBACK_V4,
        _ => Address::LOOPBACK_V6,
    }
}
