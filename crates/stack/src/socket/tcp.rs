//! What an application does with a TCP connection.

use portolan_link::{Chunk, Instant};
use portolan_tcp::{Context, Error, Info, Signals, Tcb, WriteFlags};

use crate::connection::socket_error;
use crate::socket::{Flags, How, Kind, Ready};
use crate::stack::Stack;
use crate::{SocketError, SocketId};

impl Stack {
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

    /// As [`Stack::read`] for those who hand the text on and have a queue of their own: what is in there goes on to take
    /// room in the receive window, until [`Stack::set_untaken`] says otherwise.
    ///
    /// # Errors
    /// As [`Stack::read`].
    pub fn read_untaken(&mut self, now: Instant, id: SocketId, out: &mut [u8]) -> Result<usize, SocketError> {
        self.tcp_call(now, id, |tcb, cx| tcb.read_untaken(cx, out))
    }

    /// How many octets of what was read are not the application's yet.
    ///
    /// # Errors
    /// `BadSocket`, `NotConnected`.
    pub fn set_untaken(&mut self, now: Instant, id: SocketId, octets: u32) -> Result<(), SocketError> {
        self.tcp_call(now, id, |tcb, cx| {
            tcb.set_untaken(cx, octets);
            Ok(())
        })
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
