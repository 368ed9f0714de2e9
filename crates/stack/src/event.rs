//! What a host tells its application: sockets that changed, and what a gateway is asked.
//!
//! Events say "look again". A socket has one set of pending flags and at most one place in the queue, however often
//! it changes, so that events cost no memory and may be lost or repeated without loss of data. What has no socket yet
//! (requests, intercepted datagrams and echoes, conflicts, summaries) is queued whole, up to a limit.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use bitflags::bitflags;
use portolan_link::Chunk;
use portolan_wire::{Address, Endpoint, EthernetAddress, FlowKey};

use crate::flow::FlowSummary;
use crate::{Config, LinkId, RequestId, SocketError, SocketId};

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A connect, or an accepted request, is established.
    Connected(SocketId),
    /// A connect, or an accepted request, failed.
    ConnectFailed(SocketId, SocketError),
    /// There is text or a datagram to read, or the end of it.
    Readable(SocketId),
    /// The peer has urgent text, which may still be on its way: see [`crate::Stack::urgent_remaining`].
    Urgent(SocketId),
    /// There is room to write again.
    Writable(SocketId),
    /// A listener has a connection to accept.
    Acceptable(SocketId),
    /// The peer has sent FIN: what is queued is all that will come.
    PeerClosed(SocketId),
    /// The connection was reset or timed out, or a datagram was refused.
    Failed(SocketId, SocketError),
    /// Something went wrong that the connection may survive; only with [`crate::SocketOption::Warnings`].
    Warned(SocketId, Warning),
    /// Somebody behind an intercepted link asks for a connection: see [`crate::Stack::accept_request`].
    Request(RequestId, LinkId, FlowKey),
    /// He has given up; the request is gone.
    RequestGone(RequestId),
    /// A datagram from an intercepted link.
    Datagram(Intercepted),
    /// An echo request from an intercepted link.
    Echo(EchoRequest),
    /// Another station claims our address (RFC 5227 §2.4).
    AddressConflict(LinkId, Address, EthernetAddress),
    /// A connect has failed because every ephemeral port is in use for its destination; told once a second at most.
    PortsExhausted(PortsExhausted),
    /// A link's capabilities or presence changed.
    LinkChanged(LinkId),
    /// A flow has ended; only with [`crate::Config::flow_summaries`].
    FlowClosed(Box<FlowSummary>),
}

/// No ephemeral port is left for a destination. Shown, it is one line that says what to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortsExhausted {
    /// This host's address.
    pub local: Address,
    /// Where to.
    pub remote: Endpoint,
    /// The first and the last port that could have been taken.
    pub range: (u16, u16),
    /// How many of them a connection in TIME-WAIT to the same destination has.
    pub time_waits: usize,
}

impl core::fmt::Display for PortsExhausted {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let PortsExhausted { local, remote, range: (first, last), time_waits } = self;
        write!(
            f,
            "cannot connect from {local} to {remote}: all ports from {first} to {last} are in use for this \
             destination, {time_waits} of them in TIME-WAIT; keep connections open, connect from another address, or \
             widen the range"
        )
    }
}

impl Event {
    /// Octets of memory behind what it carries.
    fn footprint(&self) -> usize {
        match self {
            Event::Datagram(datagram) => datagram.payload.footprint(),
            Event::Echo(request) => request.data.footprint(),
            _ => 0,
        }
    }
}

/// What a connection may survive (RFC 9293 §3.9.1.8).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Warning {
    /// An ICMP error about a segment under way: what it says.
    Icmp(SocketError),
    /// The peer has been silent through R1 retransmissions (RFC 9293 §3.8.3).
    Retransmitting,
}

/// The front of a packet as it came, which an ICMP error about it must carry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    octets: [u8; Quote::MAX],
    len: u8,
}

impl Quote {
    /// The longest IPv4 header and a UDP or the fixed TCP header.
    pub const MAX: usize = 80;

    pub(crate) fn new(packet: &[u8]) -> Quote {
        let mut octets = [0; Quote::MAX];
        let mut len = 0;
        for (to, from) in octets.iter_mut().zip(packet) {
            *to = *from;
            len += 1;
        }
        Quote { octets, len }
    }

    /// The octets, from the IP header on.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or(&[])
    }
}

impl core::fmt::Debug for Quote {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Quote({} octets)", self.len)
    }
}

/// A datagram that a gateway is to carry on.
#[derive(Clone, Debug)]
pub struct Intercepted {
    /// Where it came in.
    pub link: LinkId,
    /// Its flow as the host sees it: `local` is the outside endpoint that the sender meant, `remote` the sender.
    pub flow: FlowKey,
    /// What it carries.
    pub payload: Chunk,
    /// Its headers, for [`crate::Stack::udp_refuse`].
    pub quote: Quote,
}

/// An echo request that a gateway is to carry on.
#[derive(Clone, Debug)]
pub struct EchoRequest {
    /// Where it came in.
    pub link: LinkId,
    /// Who asks.
    pub from: Address,
    /// Who is asked.
    pub to: Address,
    /// Which program asks.
    pub ident: u16,
    /// Which of its requests this is.
    pub seq: u16,
    /// What the answer must carry.
    pub data: Chunk,
    /// Its headers, for [`crate::Stack::echo_refuse`].
    pub quote: Quote,
}

/// How a gateway says no.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// RST for TCP, port unreachable for others.
    Reset,
    /// An ICMP destination unreachable.
    Unreachable(UnreachableCode),
    /// An ICMP fragmentation needed or packet too big, with the MTU that fits.
    PacketTooBig(u16),
    /// No answer at all; the sender will time out.
    Silent,
}

/// Why a destination cannot be reached, in both families' ICMP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UnreachableCode {
    /// No route: ENETUNREACH at the sender.
    Network,
    /// The host does not answer: EHOSTUNREACH.
    Host,
    /// Nobody listens: ECONNREFUSED.
    Port,
    /// Forbidden: EHOSTUNREACH in IPv4, EACCES in IPv6.
    Admin,
}

bitflags! {
    /// What a socket's owner has not been told yet.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub(crate) struct Pending: u16 {
        const CONNECTED = 1;
        const CONNECT_FAILED = 1 << 1;
        const READABLE = 1 << 2;
        const WRITABLE = 1 << 3;
        const ACCEPTABLE = 1 << 4;
        const PEER_CLOSED = 1 << 5;
        const FAILED = 1 << 6;
        /// The socket has its place in the queue.
        const QUEUED = 1 << 7;
        const URGENT = 1 << 8;
    }
}

/// What waits to be told.
#[derive(Debug)]
pub(crate) enum Queued {
    Socket(SocketId),
    Other(Event),
}

/// The queue of events.
#[derive(Debug, Default)]
pub(crate) struct Events {
    pub(crate) queue: VecDeque<Queued>,
    others: usize,
    /// Octets of memory behind what they carry: a datagram of 64 KiB costs its sender no more than a small one.
    octets: usize,
}

impl Events {
    /// Gives a socket its place; its flags say that it has none.
    pub(crate) fn push_socket(&mut self, id: SocketId) {
        self.queue.push_back(Queued::Socket(id));
    }

    /// Whether another event that is not a socket's fits.
    pub(crate) fn has_room(&self, config: &Config) -> bool {
        self.others < config.events_max && self.octets < config.events_octets_max
    }

    /// Queues an event that is not a socket's; false if there is no room.
    pub(crate) fn push(&mut self, event: Event, config: &Config) -> bool {
        let room = self.has_room(config);
        if room {
            self.others += 1;
            self.octets += event.footprint();
            self.queue.push_back(Queued::Other(event));
        }
        room
    }

    pub(crate) fn pop(&mut self) -> Option<Queued> {
        let queued = self.queue.pop_front()?;
        if let Queued::Other(event) = &queued {
            self.others -= 1;
            self.octets -= event.footprint();
        }
        Some(queued)
    }

    /// Gives a socket that has more to tell its place back at the front.
    pub(crate) fn put_back(&mut self, id: SocketId) {
        self.queue.push_front(Queued::Socket(id));
    }
}
