//! For gateways: flows to any destination, which somebody carries on by other means.
//!
//! A link is told to intercept with [`crate::HostBuilder::intercept`]. What a program on it sends to an address
//! that is not this host's own then appears in the [`InterceptStream`]: a TCP connection attempt that is not yet
//! answered, a UDP datagram, an echo request. Whoever reads the stream answers or refuses each.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use portolan_link::Instant;
use portolan_stack::{self as stack, Event, LinkId, Refusal, RequestId, Stack};
use portolan_wire::{Address, Endpoint, FlowKey};

use crate::handle::Handle;
use crate::shared::{Core, Phase};
use crate::tcp::TcpStream;
use crate::wakers::WakeList;

/// Datagrams and echo requests that wait to be read. Beyond that the newest is dropped, as on any full queue.
const DATAGRAMS_MAX: usize = 4_096;
/// Octets of memory that they may take meanwhile: a datagram can be 64 KiB.
const OCTETS_MAX: usize = 8 << 20;

/// What an intercepting link brought; from [`InterceptStream::next`].
pub enum Intercepted {
    /// Somebody wants to connect.
    Tcp(TcpRequest),
    /// A datagram arrived.
    Udp(UdpDatagram),
    /// Somebody pings.
    Echo(EchoRequest),
}

/// Everything that the host's intercepting links bring, for one reader; from [`crate::Host::intercepted`].
///
/// Dropping it refuses what is waiting and what comes later.
pub struct InterceptStream {
    core: Arc<Core>,
}

impl InterceptStream {
    pub(crate) fn new(core: &Arc<Core>) -> InterceptStream {
        core.lock().intercepts.wanted = true;
        InterceptStream { core: Arc::clone(core) }
    }

    /// The next one; `None` when the host has ended. Cancel safe.
    pub async fn next(&mut self) -> Option<Intercepted> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`InterceptStream::next`], for hand-written futures.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Intercepted>> {
        let mut shared = self.core.lock();
        if shared.phase == Phase::Ended {
            return Poll::Ready(None);
        }
        let intercepts = &mut shared.intercepts;
        let Some(waiting) = intercepts.queue.pop_front() else {
            intercepts.reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        intercepts.uncount(&waiting);
        let core = Arc::clone(&self.core);
        Poll::Ready(Some(match waiting {
            Waiting::Tcp { id, link, flow } => {
                Intercepted::Tcp(TcpRequest { core, id, link, flow, answered: false })
            }
            Waiting::Udp(datagram) => Intercepted::Udp(UdpDatagram { core, datagram }),
            Waiting::Echo(request) => Intercepted::Echo(EchoRequest { core, request }),
        }))
    }
}

impl Drop for InterceptStream {
    fn drop(&mut self) {
        self.core.with(|shared, now| {
            shared.intercepts.wanted = false;
            (shared.intercepts.datagrams, shared.intercepts.octets) = (0, 0);
            if shared.phase == Phase::Ended {
                return;
            }
            for waiting in std::mem::take(&mut shared.intercepts.queue) {
                refuse_unread(&mut shared.stack, now, &mut shared.intercepts.requests, waiting);
            }
        });
    }
}

/// A connection attempt whose SYN is not answered yet; SYNs that are sent again join it.
///
/// Dropping it refuses it with a reset.
pub struct TcpRequest {
    core: Arc<Core>,
    id: RequestId,
    link: LinkId,
    flow: FlowKey,
    answered: bool,
}

impl TcpRequest {
    /// The flow, from this side: `local` is where the program wants to go, `remote` is the program.
    pub fn flow(&self) -> &FlowKey {
        &self.flow
    }

    /// The link that it came by.
    pub fn link(&self) -> LinkId {
        self.link
    }

    /// Answers the handshake. The stream can be used at once; it is established when the program's ACK arrives, and
    /// reads and writes wait until then.
    ///
    /// Errors: `ECONNABORTED` and its like if the program gave up meanwhile, `ENOBUFS` or `ENFILE` at a limit of
    /// the stack; the request is gone then.
    pub fn accept(mut self) -> io::Result<TcpStream> {
        self.answered = true;
        let id = self.core.call(|stack, now| stack.accept_request(now, self.id))?;
        Ok(TcpStream::new(Handle::new(&self.core, id)))
    }

    /// Refuses the connection as a router or the destination would.
    pub fn refuse(mut self, how: Refusal) {
        self.answered = true;
        self.core.with_live(|stack, now| stack.refuse_request(now, self.id, how));
    }

    /// Waits until the program has given up, so that the host's own attempt can be given up too. Cancel safe.
    pub async fn gone(&mut self) {
        poll_fn(|cx| self.poll_gone(cx)).await;
    }

    /// As [`TcpRequest::gone`], for hand-written futures.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut shared = self.core.lock();
        if shared.phase == Phase::Ended {
            return Poll::Ready(());
        }
        match shared.intercepts.requests.get_mut(&self.id) {
            Some(request) if !request.gone => {
                request.waiter = Some(cx.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }
}

impl Drop for TcpRequest {
    fn drop(&mut self) {
        self.core.lock().intercepts.requests.remove(&self.id);
        if !self.answered {
            self.core.with_live(|stack, now| stack.refuse_request(now, self.id, Refusal::Reset));
        }
    }
}

/// One UDP datagram to somebody else.
pub struct UdpDatagram {
    core: Arc<Core>,
    datagram: stack::Intercepted,
}

impl UdpDatagram {
    /// The flow, from this side: `local` is where the program sent to, `remote` is the program.
    pub fn flow(&self) -> &FlowKey {
        &self.datagram.flow
    }

    /// The link that it came by.
    pub fn link(&self) -> LinkId {
        self.datagram.link
    }

    /// What the datagram carries.
    pub fn payload(&self) -> &[u8] {
        self.datagram.payload.as_slice()
    }

    /// A handle to answer on this flow with, now and later.
    pub fn reply_handle(&self) -> UdpReply {
        UdpReply { core: Arc::clone(&self.core), link: self.datagram.link, flow: self.datagram.flow }
    }

    /// Answers with an ICMP error that quotes this datagram. [`Refusal::Silent`] and [`Refusal::Reset`] send nothing.
    pub fn refuse(&self, how: Refusal) {
        self.core.with_live(|stack, now| stack.udp_refuse(now, &self.datagram, how));
    }
}

/// Sends datagrams back to a program, in the name of the destination that it had sent to.
#[derive(Clone)]
pub struct UdpReply {
    core: Arc<Core>,
    link: LinkId,
    flow: FlowKey,
}

impl UdpReply {
    /// The flow, from this side.
    pub fn flow(&self) -> &FlowKey {
        &self.flow
    }

    /// Sends one datagram to the program, from the flow's `local` end. It does not wait: a full link drops it.
    ///
    /// Errors: `EMSGSIZE` for more than a datagram can hold, `ENETDOWN` when the host has ended.
    pub fn send(&self, payload: &[u8]) -> io::Result<()> {
        self.core.call(|stack, now| stack.udp_reply(now, self.link, &self.flow, payload))
    }

    /// The same from another source, as a server may answer from an address or port of its own choice.
    pub fn send_from(&self, from: Endpoint, payload: &[u8]) -> io::Result<()> {
        let flow = FlowKey { local: from, ..self.flow };
        self.core.call(|stack, now| stack.udp_reply(now, self.link, &flow, payload))
    }
}

/// One echo request (ping) to somebody else.
pub struct EchoRequest {
    core: Arc<Core>,
    request: stack::EchoRequest,
}

impl EchoRequest {
    /// Who pings.
    pub fn from(&self) -> Address {
        self.request.from
    }

    /// Who is pinged.
    pub fn to(&self) -> Address {
        self.request.to
    }

    /// The link that it came by.
    pub fn link(&self) -> LinkId {
        self.request.link
    }

    /// The identifier, which tells one ping program from another.
    pub fn ident(&self) -> u16 {
        self.request.ident
    }

    /// The sequence number.
    pub fn seq(&self) -> u16 {
        self.request.seq
    }

    /// The octets to be echoed.
    pub fn data(&self) -> &[u8] {
        self.request.data.as_slice()
    }

    /// Answers in the name of the destination, with what the real one answered.
    pub fn reply(self, data: &[u8]) -> io::Result<()> {
        self.core.call(|stack, now| {
            stack.echo_reply(now, &self.request, data);
            Ok(())
        })
    }

    /// Answers with an ICMP error.
    pub fn refuse(self, how: Refusal) {
        self.core.with_live(|stack, now| stack.echo_refuse(now, &self.request, how));
    }
}

/// The queue behind [`InterceptStream`], and the requests that are not answered yet.
#[derive(Default)]
pub(crate) struct InterceptQueue {
    wanted: bool,
    queue: VecDeque<Waiting>,
    /// How many in `queue` are not TCP. The stack bounds the TCP requests itself.
    datagrams: usize,
    /// Octets of memory behind these.
    octets: usize,
    reader: Option<Waker>,
    requests: HashMap<RequestId, Request>,
}

enum Waiting {
    Tcp { id: RequestId, link: LinkId, flow: FlowKey },
    Udp(stack::Intercepted),
    Echo(stack::EchoRequest),
}

impl Waiting {
    /// Octets of memory behind a datagram or an echo request.
    fn datagram_octets(&self) -> Option<usize> {
        match self {
            Waiting::Tcp { .. } => None,
            Waiting::Udp(datagram) => Some(datagram.payload.footprint()),
            Waiting::Echo(request) => Some(request.data.footprint()),
        }
    }
}

#[derive(Default)]
struct Request {
    gone: bool,
    waiter: Option<Waker>,
}

impl InterceptQueue {
    /// Takes an event of the stack that may be for a gateway; other events mean nothing here.
    pub(crate) fn on_event(&mut self, stack: &mut Stack, now: Instant, event: Event, wakes: &mut WakeList) {
        let waiting = match event {
            Event::Request(id, link, flow) => {
                self.requests.insert(id, Request::default());
                Waiting::Tcp { id, link, flow }
            }
            Event::RequestGone(id) => return self.on_gone(id, wakes),
            Event::Datagram(datagram) => Waiting::Udp(datagram),
            Event::Echo(request) => Waiting::Echo(request),
            _ => return,
        };
        if !self.wanted {
            return refuse_unread(stack, now, &mut self.requests, waiting);
        }
        if let Some(octets) = waiting.datagram_octets() {
            if self.datagrams >= DATAGRAMS_MAX || self.octets >= OCTETS_MAX {
                return;
            }
            self.datagrams += 1;
            self.octets += octets;
        }
        self.queue.push_back(waiting);
        self.reader.take().into_iter().for_each(|waker| wakes.push(waker));
    }

    /// Something was read.
    fn uncount(&mut self, waiting: &Waiting) {
        if let Some(octets) = waiting.datagram_octets() {
            self.datagrams -= 1;
            self.octets -= octets;
        }
    }

    fn on_gone(&mut self, id: RequestId, wakes: &mut WakeList) {
        if let Some(request) = self.requests.get_mut(&id) {
            request.gone = true;
            request.waiter.take().into_iter().for_each(|waker| wakes.push(waker));
        }
        // One that nobody has read yet need not be read any more.
        let before = self.queue.len();
        self.queue.retain(|waiting| !matches!(waiting, Waiting::Tcp { id: waiting, .. } if *waiting == id));
        if self.queue.len() < before {
            self.requests.remove(&id);
        }
    }

    pub(crate) fn wake_everyone(&mut self, wakes: &mut WakeList) {
        let waiters = self.requests.values_mut().filter_map(|request| request.waiter.take());
        self.reader.take().into_iter().chain(waiters).for_each(|waker| wakes.push(waker));
    }
}

/// What a gateway that is not there would have read.
fn refuse_unread(
    stack: &mut Stack,
    now: Instant,
    requests: &mut HashMap<RequestId, Request>,
    waiting: Waiting,
) {
    if let Waiting::Tcp { id, .. } = waiting {
        requests.remove(&id);
        stack.refuse_request(now, id, Refusal::Reset);
    }
}
