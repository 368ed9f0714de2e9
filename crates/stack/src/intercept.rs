//! The gateway's side: connections, datagrams and echoes that are for others, handed up and answered later.
//!
//! A SYN that nobody here listens for becomes a request. Nothing is answered until the application says how: its own
//! connect to the real destination decides. SYNs that are sent again join their request, a reset withdraws it, and
//! requests are bounded in number and time, so that a flood of SYNs costs a few octets each.

use portolan_link::Instant;
use portolan_tcp::{Segment, reset_for};
use portolan_wire::FlowKey;
use portolan_wire::tcp::Flags as TcpFlags;

use crate::demux::{Incoming, Slot};
use crate::drop::DropReason;
use crate::embryo::Parent;
use crate::event::{EchoRequest, Event, Intercepted, Quote, Refusal, UnreachableCode};
use crate::ip::icmp_error::Complaint;
use crate::link::ethernet::Frame;
use crate::list::NONE;
use crate::socket::Kind as SocketKind;
use crate::socket::udp::send::{Head, Manner, Whole};
use crate::stack::Stack;
use crate::timer::{Kind, Owner, TimerId};
use crate::{LinkId, RequestId, SocketError, SocketId};

/// A SYN that waits for the application's answer.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) key: FlowKey,
    link: LinkId,
    segment: Segment,
    quote: Quote,
    timer: Option<TimerId>,
}

impl Stack {
    /// A SYN for a destination beyond this gateway.
    pub(crate) fn new_request(&mut self, incoming: &Incoming, frame: &Frame) -> Result<(), DropReason> {
        let config = &self.engine.config;
        if self.flows.requests.len() >= config.requests_max {
            return Err(DropReason::RequestsFull);
        }
        if !self.events.has_room(config) {
            return Err(DropReason::EventsFull);
        }
        let deadline = self.engine.now.plus_micros(config.request_timeout_us);
        let request = Request {
            key: incoming.key,
            link: frame.link,
            segment: incoming.segment,
            quote: Quote::new(frame.bytes()),
            timer: None,
        };
        let index = self.flows.requests.insert(request);
        self.flows.insert(Slot::Request(index));
        let timer = self.timers.set(deadline, Owner { kind: Kind::Request, index });
        if let Some(request) = self.flows.requests.get_mut(index) {
            request.timer = Some(timer);
        }
        let id = self.request_id(index);
        self.event(Event::Request(id, frame.link, incoming.key));
        Ok(())
    }

    /// A segment for a flow that is still a request.
    pub(crate) fn request_input(&mut self, index: u32, incoming: &Incoming) -> Result<(), DropReason> {
        let Some(request) = self.flows.requests.get_mut(index) else { return Err(DropReason::TcpSegment) };
        let flags = incoming.segment.flags;
        let same = incoming.segment.seq == request.segment.seq;
        if flags.contains(TcpFlags::RST) {
            // RFC 5961 §3.2 in spirit: a reset counts if it names the number that is expected.
            let next = request.segment.seq + 1;
            if !same && incoming.segment.seq != next {
                return Err(DropReason::TcpSegment);
            }
            self.withdraw_request(index);
            return Ok(());
        }
        let opens = flags.contains(TcpFlags::SYN) && !flags.intersects(TcpFlags::ACK | TcpFlags::FIN);
        if opens && same {
            return Ok(());
        }
        if opens {
            // The program has given up and tries again from the same port: what it offers now is what counts.
            request.segment = incoming.segment;
            return Ok(());
        }
        Err(DropReason::TcpSegment)
    }

    /// Answers a request with a connection: the SYN-ACK is sent, and [`Event::Connected`] will tell.
    ///
    /// # Errors
    /// `InvalidArgument` if the request is gone or answered, `TooManySockets`, `NoBuffers`.
    pub fn accept_request(&mut self, now: Instant, id: RequestId) -> Result<SocketId, SocketError> {
        self.advance(now);
        let index = self.request_index(id)?;
        let Some(family) = self.flows.requests.get(index).map(|request| request.key.local.address.family())
        else {
            return Err(SocketError::InvalidArgument);
        };
        let socket = self.new_socket(family, SocketKind::Ended)?;
        let Some(request) = self.take_request(index) else { return Err(SocketError::InvalidArgument) };
        let parent = Parent::Socket(socket.index);
        let embryo = match self.new_embryo(&request.key, &request.segment, parent, None, None) {
            Ok(embryo) => embryo,
            Err(_) => {
                self.sockets.remove(socket.index);
                self.refuse(&request, Refusal::Reset);
                return Err(SocketError::NoBuffers);
            }
        };
        let record = self.socket_mut(socket)?;
        record.kind = SocketKind::Embryo(embryo);
        record.local = request.key.local;
        Ok(socket)
    }

    /// Answers a request with no. One that is gone needs no answer.
    pub fn refuse_request(&mut self, now: Instant, id: RequestId, refusal: Refusal) {
        self.advance(now);
        if let Ok(index) = self.request_index(id)
            && let Some(request) = self.take_request(index)
        {
            self.refuse(&request, refusal);
        }
    }

    fn refuse(&mut self, request: &Request, refusal: Refusal) {
        match refusal {
            Refusal::Reset => {
                if let Some(plan) = reset_for(&request.segment) {
                    self.send_reset(&request.key, &plan);
                }
            }
            refusal => self.refuse_packet(request.link, &request.quote, refusal),
        }
    }

    /// Says no to a packet by ICMP.
    fn refuse_packet(&mut self, link: LinkId, quote: &Quote, refusal: Refusal) {
        let complaint = match refusal {
            Refusal::Silent => return,
            Refusal::Reset => Complaint::Unreachable(UnreachableCode::Port),
            Refusal::Unreachable(code) => Complaint::Unreachable(code),
            Refusal::PacketTooBig(mtu) => Complaint::TooBig(mtu),
        };
        self.send_icmp_error(link, quote.as_slice(), complaint, 0);
    }

    /// Answers an intercepted datagram, or sends another one, as the outside endpoint `flow.local` to `flow.remote`.
    ///
    /// # Errors
    /// `NetworkDown` without the link, those of the route, `MessageTooLong`, `WouldBlock` if the link's queue is full.
    pub fn udp_reply(
        &mut self,
        now: Instant,
        link: LinkId,
        flow: &FlowKey,
        payload: &[u8],
    ) -> Result<(), SocketError> {
        self.advance(now);
        if !self.is_link(link) {
            return Err(SocketError::NetworkDown);
        }
        let hop = self.route(flow.remote.address, flow.zone)?;
        let (hop_limit, overhead) = (self.engine.config.hop_limit, 28);
        if payload.len() + overhead > usize::from(u16::MAX) {
            return Err(SocketError::MessageTooLong);
        }
        self.send_datagram(
            hop,
            flow,
            payload,
            Manner { whole: Whole::No, hop_limit, tos: 0, head: Head::Udp },
            NONE,
        )
    }

    /// Says no to an intercepted datagram.
    pub fn udp_refuse(&mut self, now: Instant, datagram: &Intercepted, refusal: Refusal) {
        self.advance(now);
        self.refuse_packet(datagram.link, &datagram.quote, refusal);
    }

    /// Answers an intercepted echo request.
    pub fn echo_reply(&mut self, now: Instant, request: &EchoRequest, data: &[u8]) {
        self.advance(now);
        self.send_echo_reply(request, data);
    }

    /// Says no to an intercepted echo request.
    pub fn echo_refuse(&mut self, now: Instant, request: &EchoRequest, refusal: Refusal) {
        self.advance(now);
        self.refuse_packet(request.link, &request.quote, refusal);
    }

    /// A request's time is up, or its program has given up.
    pub(crate) fn withdraw_request(&mut self, index: u32) {
        let id = self.request_id(index);
        if self.take_request(index).is_some() {
            self.event(Event::RequestGone(id));
        }
    }

    /// Resets all requests, when the host shuts down.
    pub(crate) fn refuse_all_requests(&mut self) {
        for index in 0..self.flows.requests.bound() {
            if let Some(request) = self.take_request(index) {
                self.refuse(&request, Refusal::Reset);
            }
        }
    }

    fn take_request(&mut self, index: u32) -> Option<Request> {
        let request = self.flows.requests.get_mut(index)?;
        let key = request.key;
        if let Some(timer) = request.timer.take() {
            self.timers.cancel(timer);
        }
        self.flows.remove(Slot::Request(index), &key);
        self.flows.requests.remove(index)
    }

    pub(crate) fn on_request_timeout(&mut self, index: u32) {
        if let Some(request) = self.flows.requests.get_mut(index) {
            request.timer = None;
            self.withdraw_request(index);
        }
    }

    fn request_id(&self, index: u32) -> RequestId {
        let generation = self.flows.requests.generation(index).unwrap_or(0);
        RequestId(u64::from(generation) << 32 | u64::from(index))
    }

    fn request_index(&self, id: RequestId) -> Result<u32, SocketError> {
        let [a, b, c, d, e, f, g, h] = id.0.to_be_bytes();
        let (generation, index) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
        match self.flows.requests.generation(index) {
            Some(present) if present == generation && self.flows.requests.get(index).is_some() => Ok(index),
            _ => Err(SocketError::InvalidArgument),
        }
    }
}
