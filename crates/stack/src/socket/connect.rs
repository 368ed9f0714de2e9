//! Active opens: connect(2), and the text that goes with the SYN.

use portolan_link::Instant;
use portolan_tcp::{FastOpenKnob, State, Tcb, isn};
use portolan_wire::{Address, Endpoint, Family, FlowKey, protocol};

use crate::connection::{Connection, PortHold};
use crate::demux::Slot;
use crate::event::{Pending, PortsExhausted};
use crate::ip::input::zone_of;
use crate::ip::source_route::SourceRoute;
use crate::socket::Kind;
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
        socket.check_family(remote.address)?;
        if remote.address.is_multicast() || remote.address.is_broadcast() {
            return Err(SocketError::NetworkUnreachable);
        }
        if remote.port == 0 {
            // Nobody can listen there (RFC 6335 §6), so nobody need be asked.
            return Err(SocketError::ConnectionRefused);
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
            let flows = &self.flows;
            let time_waits = (0..flows.time_waits.bound())
                .filter_map(|index| flows.time_waits.get(index))
                .filter(|record| record.key.remote == remote && record.key.local.address == local)
                .count();
            self.event(Event::PortsExhausted(PortsExhausted { local, remote, range, time_waits }));
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
        let index = self.enter_connection(Connection {
            socket: id.index,
            holds_port: Some(PortHold { reuse }),
            device,
            ttl,
            tos,
            ..Connection::new(key, tcb, mss, now)
        });
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
}

fn or_loopback(address: Address) -> Address {
    match address {
        _ if !address.is_unspecified() => address,
        _ if address.family() == Family::V4 => Address::LOOPBACK_V4,
        _ => Address::LOOPBACK_V6,
    }
}
