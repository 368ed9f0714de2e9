//! Carries a UDP socket's datagrams between a program's SEQPACKET end and the stack's socket.
//!
//! Each direction holds at most one datagram that the other side had no room for; the rest waits, and is dropped,
//! where UDP drops: in the stack's queue. What ICMP says of a connected socket's datagrams reaches the program as a
//! header with an errno in it. A bare socket's messages are text alone, see [`portolan_protocol::datagram`].

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portolan_protocol::datagram::Timestamp;
use portolan_protocol::{Address, DatagramHeader, Family};
use portolan_stack::{Outgoing, Tells, Told};

use super::end::End;
use super::hints::Hints;
use super::network::{Errno, HostSocket, Received};
use super::socket::{Record, to_host};
use super::stream::Scratch;
use super::tag::Tags;
use crate::os::unix;

/// Datagrams of each direction before other tasks get their turn.
const ROUNDS: u32 = 64;

/// One UDP socket.
pub(super) struct DatagramCarrier {
    end: End,
    socket: Rc<HostSocket>,
    record: Rc<Record>,
    scratch: Scratch,
    hints: Rc<Hints>,
    /// A message of the program's that the stack had no room for.
    up: Option<Vec<u8>>,
    /// A message for the program whose queue was full.
    down: Option<Vec<u8>>,
    tags: Tags,
    /// The program sends no more: shutdown(SHUT_WR). It may still receive.
    up_has_ended: bool,
}

impl DatagramCarrier {
    pub(super) fn new(
        end: End,
        socket: Rc<HostSocket>,
        record: Rc<Record>,
        scratch: Scratch,
        hints: Rc<Hints>,
    ) -> Self {
        Self {
            end,
            socket,
            record,
            scratch,
            hints,
            up: None,
            down: None,
            tags: Tags::default(),
            up_has_ended: false,
        }
    }

    /// Carries until the program has closed its socket, or shut both directions.
    pub(super) async fn run(mut self) {
        poll_fn(|cx| self.poll_carry(cx)).await;
    }

    fn poll_carry(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..ROUNDS {
            let is_woken = self.end.poll_wake(cx);
            let Ok(has_sent) = self.carry_up(cx) else { return Poll::Ready(()) };
            let has_received = self.carry_down(cx);
            if !is_woken && !has_sent && !has_received {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Program to network, one datagram. An error is the end of the program's socket.
    fn carry_up(&mut self, cx: &mut Context<'_>) -> Result<bool, io::Error> {
        if self.up_has_ended {
            return if self.end.hangup().is_closed {
                Err(io::ErrorKind::UnexpectedEof.into())
            } else {
                Ok(false)
            };
        }
        if let Some(message) = self.up.take() {
            return Ok(self.send(cx, &message));
        }
        let scratch = Rc::clone(&self.scratch);
        let mut scratch = scratch.borrow_mut();
        match unix::receive(self.end.fd(), &mut scratch) {
            // Of a bare socket that is open it is an empty datagram.
            Ok(0) if self.is_bare() && !unix::hangup(self.end.fd()).has_ended => Ok(self.send(cx, &[])),
            // Not a datagram, which would have a header. Whether it is a close is asked in the next round.
            Ok(0) => {
                self.up_has_ended = true;
                Ok(true)
            }
            // A message that does not fit is no datagram of ours.
            Ok(len) => Ok(scratch.get(..len).is_some_and(|message| self.send(cx, message))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives one message to the stack. False if it has to wait.
    fn send(&mut self, cx: &mut Context<'_>, message: &[u8]) -> bool {
        let Some((header, text)) = self.split(message) else { return true };
        let outgoing = self.outgoing(&header);
        let sent = match self.record.ensure_bound().and(outgoing) {
            Ok(outgoing) => self.socket.poll_send(cx, text, &outgoing),
            Err(error) => Poll::Ready(Err(error)),
        };
        match sent {
            Poll::Pending => {
                self.up = Some(message.to_vec());
                false
            }
            Poll::Ready(Ok(())) => true,
            // What a call that is seen would have been told.
            Poll::Ready(Err(error @ (Errno::DESTADDRREQ | Errno::MSGSIZE))) if self.is_bare() => {
                self.hints.datagram_is_lost(&self.record, error);
                true
            }
            Poll::Ready(Err(error)) => {
                // As with an ICMP error, only a connected socket is told.
                if is_default(header.remote) {
                    self.report(error);
                }
                true
            }
        }
    }

    /// How the program wants a datagram to leave.
    fn outgoing(&self, header: &DatagramHeader) -> Result<Outgoing, Errno> {
        let DatagramHeader { remote, local, interface, hop_limit, traffic_class, segment, .. } = *header;
        Ok(Outgoing {
            to: (!is_default(remote)).then(|| to_host(remote.to_socket_addr()).into()),
            from: (!local.is_unspecified()).then(|| local.to_socket_addr().ip().into()),
            link: if interface == 0 { None } else { Some(self.socket.link_of(interface)?) },
            hop_limit,
            tos: traffic_class,
            segment,
        })
    }

    fn is_bare(&self) -> bool {
        self.record.target.kind.is_bare
    }

    /// A message's header and text; `None` for what is no message.
    fn split<'a>(&self, message: &'a [u8]) -> Option<(DatagramHeader, &'a [u8])> {
        let headed = match self.is_bare() {
            true => message.strip_prefix(&self.record.target.id.0),
            false => Some(message),
        };
        let Some(headed) = headed else {
            return Some((DatagramHeader::new(u32::try_from(message.len()).ok()?), message));
        };
        let (header, text) = headed.split_first_chunk()?;
        Some((DatagramHeader::decode(header).ok()?, text))
    }

    /// Network to program, one datagram. True if anything moved.
    fn carry_down(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(message) = self.down.take() {
            return self.deliver(&message);
        }
        let scratch = Rc::clone(&self.scratch);
        let mut scratch = scratch.borrow_mut();
        let Some((header, text)) = scratch.split_first_chunk_mut::<{ DatagramHeader::LEN }>() else {
            return false;
        };
        match self.socket.poll_receive(cx, text) {
            Poll::Pending => false,
            Poll::Ready(Ok(received)) => {
                *header = self.header(&received).encode();
                let len = DatagramHeader::LEN + received.len;
                scratch.get(..len).is_none_or(|message| self.deliver(message))
            }
            Poll::Ready(Err(error)) => {
                self.report(error);
                // Asked again, so that what comes next wakes; but for a socket that is closed, of which nothing comes.
                error != Errno::BADF
            }
        }
    }

    /// Gives one message to the program. False if its queue is full.
    fn deliver(&mut self, message: &[u8]) -> bool {
        match self.write(message) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.down = Some(message.to_vec());
                false
            }
            // A program that has shut its reading side discards what comes.
            _ => true,
        }
    }

    /// Writes a header and text in the socket's own way.
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        match message.split_first_chunk() {
            Some((header, text)) if self.is_bare() => {
                let tag = self.tags.of(header)?;
                unix::write_with_descriptor(self.end.fd(), text, tag)
            }
            _ => unix::write(self.end.fd(), message),
        }
    }

    fn report(&mut self, error: Errno) {
        let mut header = DatagramHeader::new(0);
        header.errno = error.0;
        self.deliver(&header.encode());
    }

    /// What is told with a datagram: the addresses, and what the program has asked for as control messages.
    fn header(&self, received: &Received) -> DatagramHeader {
        let mut header = DatagramHeader::new(u32::try_from(received.len).unwrap_or(u32::MAX));
        header.remote = Address::from(received.from);
        header.local = Address::from(received.to);
        header.interface = received.interface;
        header.segment = received.segment;
        if let Some((told, age_us)) = received.told {
            self.tell(&mut header, told, age_us);
        }
        header
    }

    fn tell(&self, header: &mut DatagramHeader, told: Told, age_us: u64) {
        let (hop_limit, class) = match header.remote.to_v4() {
            Some(_) => (Tells::TTL, Tells::TOS),
            None => (Tells::HOP_LIMIT, Tells::TRAFFIC_CLASS),
        };
        let info = match self.record.target.kind.family {
            Family::V4 => Tells::PACKET_INFO_V4,
            Family::V6 => Tells::PACKET_INFO_V6,
        };
        header.hop_limit = told.tells.contains(hop_limit).then_some(told.hop_limit);
        header.traffic_class = told.tells.contains(class).then_some(told.tos);
        header.wants_packet_info = told.tells.contains(info);
        let age = Duration::from_micros(age_us);
        if told.timestamp != 0
            && let Ok(now) = SystemTime::now().duration_since(UNIX_EPOCH)
        {
            let at_ns = u64::try_from(now.saturating_sub(age).as_nanos()).unwrap_or(u64::MAX);
            header.timestamp = Some(Timestamp { option: told.timestamp, at_ns });
        }
    }
}

/// The program has named no destination.
fn is_default(remote: Address) -> bool {
    remote == Address::UNSPECIFIED
}
