//! Connections in SYN-RECEIVED: half-open, and small, so that a flood of SYNs costs octets and not connections.
//!
//! A SYN for a listener, or a request that a gateway accepts, makes an embryo, which answers with SYN-ACKs until the
//! last ACK of the handshake makes a connection of it.

use portolan_link::{Chunks, CompactInstant, Instant};
use portolan_tcp::{EmbryoDeadline, EmbryoVerdict, PassiveOpen, Segment, Tcb, isn};
use portolan_wire::tcp::FastOpen;
use portolan_wire::{FlowKey, SeqNumber};

use crate::SocketError;
use crate::connection::{Connection, PortHold};
use crate::demux::{Incoming, Slot};
use crate::drop::DropReason;
use crate::event::Pending;
use crate::fast_open::FastOpenVerdict;
use crate::link::ethernet::Frame;
use crate::list::{Linked, Links, NONE};
use crate::socket::Kind as SocketKind;
use crate::stack::Stack;
use crate::timer::{Kind, Owner};

/// Queues of embryos, by how often their SYN-ACK's time has run out. From the last one on, every wait is the longest.
pub(crate) const QUEUES: usize = 32;

/// Connections in SYN-RECEIVED that every listener may have before its SYNs get cookies.
const RECORDS_BEFORE_COOKIES: u32 = 16;

/// A connection in SYN-RECEIVED. There may be very many, so each is 112 octets.
#[derive(Debug)]
pub(crate) struct EmbryoRecord {
    pub(crate) key: FlowKey,
    pub(crate) embryo: portolan_tcp::Embryo,
    opened_at: CompactInstant,
    links: Links,
    /// The index of [`EmbryoRecord::parent`].
    owner: u32,
    mss: u16,
    /// The queue that it is in.
    queue: u8,
    from_listener: bool,
}

impl EmbryoRecord {
    /// A record that is in no table and no queue yet.
    pub(crate) fn new(
        key: FlowKey,
        embryo: portolan_tcp::Embryo,
        parent: Parent,
        mss: u16,
        opened_at: Instant,
    ) -> EmbryoRecord {
        EmbryoRecord {
            key,
            embryo,
            opened_at: opened_at.into(),
            links: Links::NONE,
            owner: parent.owner(),
            mss,
            queue: 0,
            from_listener: matches!(parent, Parent::Listener(_)),
        }
    }

    pub(crate) fn parent(&self) -> Parent {
        if self.from_listener { Parent::Listener(self.owner) } else { Parent::Socket(self.owner) }
    }
}

impl Linked for EmbryoRecord {
    fn links(&self) -> &Links {
        &self.links
    }

    fn links_mut(&mut self) -> &mut Links {
        &mut self.links
    }
}

/// Who waits for an embryo to become a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Parent {
    /// A listener's index.
    Listener(u32),
    /// The index of the socket that a request was accepted with.
    Socket(u32),
}

impl Parent {
    /// The index of the socket that settings are taken from.
    pub(crate) fn owner(self) -> u32 {
        let (Parent::Listener(owner) | Parent::Socket(owner)) = self;
        owner
    }
}

impl Stack {
    /// A SYN for a listener (RFC 9293 §3.10.7.2).
    pub(crate) fn listener_input(
        &mut self,
        listener: u32,
        incoming: &Incoming,
        frame: &mut Frame,
        min_iss: Option<SeqNumber>,
    ) -> Result<(), DropReason> {
        if !self.accept_queue_has_room(listener) {
            self.engine.stats.tcp_host.listen_overflows += 1;
            return Err(DropReason::AcceptQueueFull);
        }
        let cookies = self.engine.config.tcp.syn_cookies;
        // A few clients at once are no flood, however short the queue is; and nobody repeats the SYN-ACK of a cookie.
        let least = if cookies > 0 { RECORDS_BEFORE_COOKIES } else { 1 };
        let full = !self.syn_queue_has_room(listener, least)
            || self.flows.embryos.len() >= self.engine.config.embryos_max;
        // A SYN that follows TIME-WAIT needs a number that no cookie can have (RFC 6191).
        let keyed = self.auth.has_key(listener, incoming.key.remote.address);
        if min_iss.is_none() && !keyed && (cookies > 1 || full && cookies > 0) {
            return self.send_syn_cookie(listener, incoming);
        }
        if full && (cookies == 0 || keyed) {
            self.engine.stats.tcp_host.listen_overflows += 1;
            return Err(DropReason::SynQueueFull);
        }
        // A signature leaves no room for a cookie.
        let verdict =
            if keyed { FastOpenVerdict::Handshake(None) } else { self.fast_open_verdict(listener, incoming) };
        match verdict {
            FastOpenVerdict::Open(reply) => self.take_fast_open(listener, incoming, frame, min_iss, reply),
            FastOpenVerdict::Handshake(reply) => {
                let parent = Parent::Listener(listener);
                self.new_embryo(&incoming.key, &incoming.segment, parent, min_iss, reply).map(|_| ())
            }
        }
    }

    /// Answers a SYN: makes an embryo and sends its SYN-ACK, the first one with `reply` as its Fast Open option.
    pub(crate) fn new_embryo(
        &mut self,
        key: &FlowKey,
        segment: &Segment,
        parent: Parent,
        min_iss: Option<SeqNumber>,
        reply: Option<FastOpen>,
    ) -> Result<u32, DropReason> {
        if self.flows.embryos.len() >= self.engine.config.embryos_max {
            return Err(DropReason::SynQueueFull);
        }
        let (embryo, mss) = self.make_embryo(key, segment, parent, min_iss)?;
        let now = self.engine.now;
        let record = EmbryoRecord::new(*key, embryo, parent, mss, now);
        let index = self.flows.embryos.insert(record);
        self.flows.insert(Slot::Embryo(index));
        if let Parent::Listener(listener) = parent {
            self.embryo_joined(listener);
        }
        self.send_syn_ack(index, reply);
        self.enqueue_embryo(index);
        Ok(index)
    }

    /// The embryo of a SYN, in no table yet, and the largest text of its path.
    pub(crate) fn make_embryo(
        &self,
        key: &FlowKey,
        segment: &Segment,
        parent: Parent,
        min_iss: Option<SeqNumber>,
    ) -> Result<(portolan_tcp::Embryo, u16), DropReason> {
        let mut iss = isn::initial_sequence(self.engine.random.isn.key(), key, self.engine.now);
        if let Some(min_iss) = min_iss
            && iss.before(min_iss)
        {
            iss = min_iss;
        }
        let md5 = self.auth.has_md5_key(parent.owner(), key.remote.address);
        self.with_passive_open(key, parent, |stack, open| {
            let mut embryo = portolan_tcp::Embryo::on_syn(open, segment, iss);
            embryo.limit_window(stack.engine.slabs.window_max(&stack.engine.config.tcp));
            if md5 {
                embryo.forgo_timestamps();
            }
            embryo
        })
    }

    /// Calls `make` with what a passive open of this flow is made with; gives the largest text of its path too.
    pub(crate) fn with_passive_open<R>(
        &self,
        key: &FlowKey,
        parent: Parent,
        make: impl FnOnce(&Stack, &PassiveOpen<'_>) -> R,
    ) -> Result<(R, u16), DropReason> {
        let hop = self
            .route(self.first_stop(key), key.zone.max(self.device_of(parent.owner())))
            .map_err(|_| DropReason::SourceUnroutable)?;
        let options = self.tcp_options_of(parent.owner());
        let mss = self.path_mss(key, hop.mtu);
        let open = PassiveOpen {
            now: self.engine.now,
            config: &self.engine.config.tcp,
            options: &options,
            mss: self.advertised_mss(key, &hop).min(options.common.mss_limit()),
            timestamp_offset: isn::timestamp_offset(self.engine.random.isn.key(), key),
        };
        Ok((make(self, &open), mss))
    }

    /// A segment for a connection in SYN-RECEIVED.
    pub(crate) fn embryo_input(
        &mut self,
        index: u32,
        incoming: &Incoming,
        frame: &mut Frame,
    ) -> Result<(), DropReason> {
        let now = self.engine.now;
        let Some(record) = self.flows.embryos.get(index) else { return Err(DropReason::TcpSegment) };
        let (key, parent) = (record.key, record.parent());
        let defer = self.opening_of(parent.owner()).defer_accept;
        let Some(record) = self.flows.embryos.get_mut(index) else { return Err(DropReason::TcpSegment) };
        let verdict = record.embryo.on_segment(&self.engine.config.tcp, now, &incoming.segment, defer);
        match verdict {
            EmbryoVerdict::Establish => {
                if let Parent::Listener(listener) = parent
                    && !self.accept_queue_has_room(listener)
                {
                    return Err(self.refuse_completed(index));
                }
                if self.flows.connections.len() >= self.engine.config.connections_max {
                    return Err(DropReason::ConnectionsFull);
                }
                let Some(record) = self.take_embryo(index) else { return Err(DropReason::TcpSegment) };
                let connection = self.hatch(record);
                self.complete(connection, parent, incoming, frame)
            }
            EmbryoVerdict::Reset(plan) => {
                self.send_reset(&key, &plan);
                Err(DropReason::TcpSegment)
            }
            EmbryoVerdict::SynAck => {
                self.send_syn_ack(index, None);
                Ok(())
            }
            EmbryoVerdict::Challenge(plan) => {
                self.send_control(&key, &plan, self.engine.config.hop_limit, 0);
                Err(DropReason::TcpSegment)
            }
            EmbryoVerdict::Delete => {
                self.delete_embryo(index, Some(SocketError::ConnectionReset));
                Ok(())
            }
            EmbryoVerdict::Ignore => Err(DropReason::TcpSegment),
        }
    }

    /// A handshake is over, but the accept queue is full. As on Linux, its last ACK is as if it had been lost, and the
    /// SYN-ACK goes again; or, by the knob, the peer is told.
    fn refuse_completed(&mut self, index: u32) -> DropReason {
        self.engine.stats.tcp_host.listen_overflows += 1;
        if self.engine.config.tcp.abort_on_overflow {
            self.reset_embryo(index);
        }
        DropReason::AcceptQueueFull
    }

    /// Gives a new connection the segment that completed its handshake, and its listener the connection.
    pub(crate) fn complete(
        &mut self,
        connection: u32,
        parent: Parent,
        incoming: &Incoming,
        frame: &mut Frame,
    ) -> Result<(), DropReason> {
        let mut text = Chunks::new();
        if incoming.segment.text_len > 0
            && let Some(mut packet) = frame.packet.take()
        {
            packet.consume(packet.len().saturating_sub(incoming.segment.text_len as usize));
            packet.into_text(&mut self.engine.pool, &mut text);
        }
        let taken = self.connection_input(connection, &incoming.segment, &mut text);
        if let Parent::Listener(listener) = parent {
            self.enqueue_accepted(listener, connection);
        }
        taken
    }

    /// Makes a connection of an embryo that is in no table.
    pub(crate) fn hatch(&mut self, record: EmbryoRecord) -> u32 {
        let (parent, opened_at) = (record.parent(), record.opened_at.get());
        let EmbryoRecord { key, embryo, mss, .. } = record;
        let options = self.tcp_options_of(parent.owner());
        let flow = self.next_flow_id();
        let (iss, irs) = embryo.initial_numbers();
        let auth = self.auth.auth_for(parent.owner(), key.remote.address, iss, Some(irs));
        let mut cx = self.engine.context(mss, 0);
        let mut tcb = Tcb::from_embryo(&mut cx, &embryo, &options, flow);
        tcb.set_auth(&mut cx, auth);
        self.enter_child(&key, parent, mss, opened_at, tcb)
    }

    /// Enters a connection that was opened passively into the tables.
    pub(crate) fn enter_child(
        &mut self,
        key: &FlowKey,
        parent: Parent,
        mss: u16,
        opened_at: Instant,
        tcb: Tcb,
    ) -> u32 {
        let (owner, listener) = match parent {
            Parent::Listener(listener) => (listener, listener),
            Parent::Socket(socket) => (socket, NONE),
        };
        let socket = if listener == NONE { owner } else { NONE };
        let (ttl, tos) = self.ttl_tos_of(owner);
        let holds_port = (listener != NONE).then(|| PortHold { reuse: self.reuses_address(owner) });
        let device = self.device_of(owner);
        let connection = self.enter_connection(Connection {
            socket,
            listener,
            holds_port,
            device,
            ttl,
            tos,
            ..Connection::new(*key, tcb, mss, opened_at)
        });
        if let Some(record) = self.sockets.get_mut(socket) {
            record.kind = SocketKind::Connection(connection);
        }
        self.refresh_path(connection);
        connection
    }

    /// Removes an embryo from all tables.
    fn take_embryo(&mut self, index: u32) -> Option<EmbryoRecord> {
        let record = self.flows.embryos.get(index)?;
        let (key, parent) = (record.key, record.parent());
        self.dequeue_embryo(index);
        if let Parent::Listener(listener) = parent {
            self.embryo_left(listener);
        }
        self.flows.remove(Slot::Embryo(index), &key);
        self.flows.embryos.remove(index)
    }

    /// Forgets an embryo. The socket of an accepted request hears why.
    pub(crate) fn delete_embryo(&mut self, index: u32, error: Option<SocketError>) {
        let Some(record) = self.take_embryo(index) else { return };
        self.engine.stats.tcp.attempt_fails += 1;
        if let Parent::Socket(socket) = record.parent()
            && let Some(socket_record) = self.sockets.get_mut(socket)
        {
            socket_record.kind = SocketKind::Ended;
            socket_record.error = error;
            self.pend(socket, Pending::CONNECT_FAILED);
        }
    }

    /// A queue's timer has fired: the SYN-ACKs whose time has run out go again, or their embryos are given up.
    pub(crate) fn on_embryo_timeout(&mut self, queue: u32) {
        let Ok(number) = usize::try_from(queue) else { return };
        if let Some(queue) = self.flows.embryo_queues.get_mut(number) {
            queue.timer_fired();
        }
        let now = self.engine.now;
        // What stays in the queue waits again, were it for no time at all.
        for _ in 0..self.flows.embryos.len() {
            match self.first_embryo(number) {
                Some((index, deadline)) if deadline <= now => self.on_embryo_deadline(index),
                _ => break,
            }
        }
        if let Some((_, deadline)) = self.first_embryo(number)
            && let Some(queue) = self.flows.embryo_queues.get_mut(number)
        {
            queue.keep_timer(&mut self.timers, deadline, owner_of(number));
        }
    }

    fn on_embryo_deadline(&mut self, index: u32) {
        let now = self.engine.now;
        let Some(record) = self.flows.embryos.get(index) else { return };
        let defer = self.opening_of(record.owner).defer_accept;
        let Some(record) = self.flows.embryos.get_mut(index) else { return };
        match record.embryo.on_deadline(&self.engine.config.tcp, now, defer) {
            EmbryoDeadline::GiveUp => return self.delete_embryo(index, Some(SocketError::TimedOut)),
            EmbryoDeadline::Resend => self.send_syn_ack(index, None),
            EmbryoDeadline::Wait => {}
        }
        self.dequeue_embryo(index);
        self.enqueue_embryo(index);
    }

    /// The first embryo of a queue, and when it is due.
    fn first_embryo(&self, queue: usize) -> Option<(u32, Instant)> {
        let index = self.flows.embryo_queues.get(queue)?.front()?;
        Some((index, self.flows.embryos.get(index)?.embryo.next_deadline()))
    }

    fn enqueue_embryo(&mut self, index: u32) {
        let flows = &mut self.flows;
        let Some(record) = flows.embryos.get_mut(index) else { return };
        let number = usize::from(record.embryo.timeouts()).min(QUEUES - 1);
        record.queue = u8::try_from(number).unwrap_or(0);
        let deadline = record.embryo.next_deadline();
        if let Some(queue) = flows.embryo_queues.get_mut(number) {
            queue.push(&mut flows.embryos, &mut self.timers, index, deadline, owner_of(number));
        }
    }

    fn dequeue_embryo(&mut self, index: u32) {
        let flows = &mut self.flows;
        let Some(record) = flows.embryos.get(index) else { return };
        if let Some(queue) = flows.embryo_queues.get_mut(usize::from(record.queue)) {
            queue.remove(&mut flows.embryos, &mut self.timers, index);
        }
    }

    fn send_syn_ack(&mut self, index: u32, reply: Option<FastOpen>) {
        let Some(record) = self.flows.embryos.get(index) else { return };
        let mut plan = record.embryo.syn_ack(self.engine.now);
        plan.options.fast_open = reply;
        let (key, parent) = (record.key, record.parent());
        let (ttl, tos) = self.ttl_tos_of(parent.owner());
        self.send_control(&key, &plan, ttl, tos);
    }
}

/// Whom the timer of a queue calls.
fn owner_of(queue: usize) -> Owner {
    Owner { kind: Kind::Embryo, index: u32::try_from(queue).unwrap_or(0) }
}
