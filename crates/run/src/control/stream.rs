//! Carries one connection between a program's end and the stack's socket.
//!
//! Both directions are tried in turn until each would block; each holds at most one scratch buffer's worth of
//! octets that the other side had no room for. What TCP has and AF_UNIX has not is made with the canary: see
//! [`super::canary`]. Urgent octets go to the program as AF_UNIX's own (Linux 5.15), so that MSG_OOB, SIOCATMARK,
//! POLLPRI and SIGURG are the kernel's; from the program they come by a control call, because in that direction the
//! canary is in the way. How a connection ends decides what is left in the program's queue:
//!
//! | the end | what is done |
//! |---|---|
//! | both directions ended with FIN | the canary is read, then the end is closed |
//! | reset, time-out, unreachable | the errno is kept for SO_ERROR, and the end closed with the canary in it |
//! | the program closed cleanly | its last text and a FIN are sent; the stack finishes in the background |
//! | the program closed with text unread, or with SO_LINGER {1, 0} | the connection is reset |

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::canary::{CanaryReader, Front};
use super::end::End;
use super::network::{Errno, HostSocket};
use super::socket::Record;
use crate::os::unix;

/// Octets moved at a time: large, because a small write costs the kernel a buffer of its own.
pub(super) const SCRATCH_LEN: usize = 256 * 1024;

/// Octets in the program's queue that do not count for the window: to count them costs a call, which is much beside a
/// short message.
const UNCOUNTED: usize = 4096;

/// Rounds of both directions before other tasks get their turn.
const ROUNDS: u32 = 8;

/// How often it is looked whether all was delivered that a lingering close waits for.
const LINGER_STEP: Duration = Duration::from_millis(2);

/// The buffer that all connections of the thread share: nothing stays in it between two calls.
pub(super) type Scratch = Rc<RefCell<Box<[u8]>>>;

/// Octets that were taken from one side and that the other had no room for.
#[derive(Default)]
struct Pending {
    octets: Vec<u8>,
    done: usize,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.done == self.octets.len()
    }

    fn rest(&self) -> &[u8] {
        self.octets.get(self.done..).unwrap_or(&[])
    }

    fn advance(&mut self, len: usize) {
        self.done += len;
        if self.is_empty() {
            // Idle connections hold no memory.
            *self = Self::default();
        }
    }

    fn keep(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }
}

/// How a connection ended, as far as the program is concerned.
enum Outcome {
    /// Both directions have ended, or the program is gone.
    Finished,
    /// The network ended it with this errno.
    Failed(Errno),
    /// The program ended it, and the other host is to see a reset.
    Aborted,
}

/// One connection.
pub(super) struct Carrier {
    end: End,
    socket: Rc<HostSocket>,
    record: Rc<Record>,
    reader: CanaryReader,
    scratch: Scratch,
    up: Pending,
    /// Octets of the queue that go before the urgent one that waits.
    before_urgent: Option<usize>,
    down: Pending,
    /// Octets given to the program since its queue was last seen empty.
    given: usize,
    /// Octets that count for the receive window although they were read.
    untaken: u32,
    /// What waits in `down` is one urgent octet.
    down_is_urgent: bool,
    /// A FIN was sent.
    up_has_ended: bool,
    /// The other host's FIN was passed on.
    down_has_ended: bool,
    /// The first error of the stack's socket.
    error: Option<Errno>,
}

impl Carrier {
    /// For a program that connects.
    pub(super) fn for_connect(
        end: End,
        socket: Rc<HostSocket>,
        record: Rc<Record>,
        scratch: Scratch,
    ) -> Self {
        let front = Front::Taken(portolan_protocol::FILLER_LEN);
        Self::new(end, socket, record, scratch, front)
    }

    /// For a connection that was handed to a listening program.
    pub(super) fn for_accept(end: End, socket: Rc<HostSocket>, record: Rc<Record>, scratch: Scratch) -> Self {
        let front = Front::Unknown(record.target.id.0);
        Self::new(end, socket, record, scratch, front)
    }

    fn new(end: End, socket: Rc<HostSocket>, record: Rc<Record>, scratch: Scratch, front: Front) -> Self {
        Self {
            end,
            socket,
            record,
            reader: CanaryReader::new(front),
            scratch,
            up: Pending::default(),
            before_urgent: None,
            down: Pending::default(),
            given: 0,
            untaken: 0,
            down_is_urgent: false,
            up_has_ended: false,
            down_has_ended: false,
            error: None,
        }
    }

    /// Waits for the handshake, if there is one to wait for, then carries until the connection has ended.
    pub(super) async fn run(mut self) {
        let outcome = match poll_fn(|cx| self.poll_connect(cx)).await {
            Ok(()) => {
                poll_fn(|cx| self.poll_writable(cx)).await;
                self.record.connected();
                poll_fn(|cx| self.poll_carry(cx)).await
            }
            Err(outcome) => outcome,
        };
        match outcome {
            Outcome::Finished => {
                self.linger().await;
                self.record.ended(None);
                self.reader.disarm(self.end.fd(), &mut self.scratch.borrow_mut());
            }
            Outcome::Aborted => {
                self.record.ended(None);
                self.socket.abort();
            }
            Outcome::Failed(error) => {
                self.record.ended(Some(error));
                self.wait_until_armed().await;
            }
        }
    }

    /// With SO_LINGER and a time the program's close waits, and asks how much there is left to deliver.
    async fn linger(&self) {
        let Some(time) = self.socket.linger_time() else { return };
        let until = Instant::now() + time;
        while self.socket.unacknowledged() > 0 && Instant::now() < until {
            tokio::time::sleep(LINGER_STEP).await;
        }
    }

    /// The end of the handshake. A program that closes meanwhile leaves nothing behind.
    fn poll_connect(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Outcome>> {
        loop {
            let is_woken = self.end.poll_wake(cx);
            match self.socket.poll_connected(cx) {
                Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Outcome::Failed(error))),
                // Fast Open: what the program writes goes with the SYN.
                Poll::Pending if self.socket.awaits_first_write() => return Poll::Ready(Ok(())),
                Poll::Pending if self.end.hangup().is_closed => return Poll::Ready(Err(Outcome::Aborted)),
                Poll::Pending if is_woken => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// The end of the filler, which the program may still be writing when the handshake is complete. Only without it is the
    /// program's end writable to stay, and only then may the other side, on this host, be told.
    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let is_woken = self.end.poll_wake(cx);
            let is_drained = self.reader.drain_filler(self.end.fd(), &mut self.scratch.borrow_mut());
            if is_drained || self.end.hangup().has_ended {
                return Poll::Ready(());
            }
            if !is_woken {
                return Poll::Pending;
            }
        }
    }

    fn poll_carry(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        self.record.note_carrier(cx.waker());
        for _ in 0..ROUNDS {
            let is_woken = self.end.poll_wake(cx);
            if is_woken {
                self.reader.wake();
            }
            let hangup = self.end.hangup();
            // After our own FIN the kernel's HUP may mean a program that has only shut its side too.
            let is_gone = hangup.is_closed && !self.down_has_ended;
            if hangup.has_error || is_gone && !self.down.is_empty() {
                return Poll::Ready(Outcome::Aborted);
            }
            if hangup.is_closed && self.record.lingers_not() {
                return Poll::Ready(Outcome::Aborted);
            }
            let mut has_moved = self.carry_up(cx, hangup.has_ended);
            self.record.note_carried(self.reader.stale(), self.up.rest().len());
            if !is_gone {
                has_moved |= self.carry_down(cx);
                self.note_untaken();
            }
            if let Some(error) = self.error
                && self.down.is_empty()
            {
                return Poll::Ready(Outcome::Failed(error));
            }
            if self.up_has_ended && (self.down_has_ended && self.down.is_empty() || is_gone) {
                return Poll::Ready(Outcome::Finished);
            }
            if !is_woken && !has_moved {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Program to network. True if anything moved.
    fn carry_up(&mut self, cx: &mut Context<'_>, program_has_ended: bool) -> bool {
        let mut has_moved = false;
        while !self.up_has_ended && self.error.is_none() {
            if !self.up.is_empty() {
                match self.socket.poll_write(cx, self.up.rest()) {
                    Poll::Ready(Ok(len)) => self.up.advance(len),
                    // The SYN could take nothing along.
                    Poll::Ready(Err(Errno::INPROGRESS)) => {}
                    Poll::Ready(Err(error)) => self.error = Some(error),
                    Poll::Pending => break,
                }
                has_moved = true;
                continue;
            }
            if self.is_urgent_next() {
                let Some(urgent) = self.record.urgent() else { break };
                match self.socket.poll_write_urgent(cx, urgent.octet) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(Errno::INPROGRESS)) => continue,
                    Poll::Ready(Err(error)) => self.error = Some(error),
                    Poll::Pending => break,
                }
                self.record.urgent_is_sent();
                self.before_urgent = None;
                has_moved = true;
                continue;
            }
            if self.reader.is_dry() && !program_has_ended && self.record.urgent().is_none() {
                break;
            }
            let scratch = Rc::clone(&self.scratch);
            let mut scratch = scratch.borrow_mut();
            let taken = match self.before_urgent {
                Some(most) => self.reader.take_up_to(self.end.fd(), &mut scratch, most),
                None => self.reader.take(self.end.fd(), &mut scratch),
            };
            let text = match taken {
                Ok(text) => text,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => &[],
                Err(_) => break,
            };
            self.before_urgent = self.before_urgent.map(|left| left.saturating_sub(text.len()));
            if text.is_empty() {
                if program_has_ended {
                    self.socket.shutdown_write();
                    self.up_has_ended = true;
                    has_moved = true;
                }
                break;
            }
            has_moved = true;
            match self.socket.poll_write(cx, text) {
                Poll::Ready(Ok(len)) => self.up.keep(text.get(len..).unwrap_or(&[])),
                Poll::Pending | Poll::Ready(Err(Errno::INPROGRESS)) => self.up.keep(text),
                Poll::Ready(Err(error)) => self.error = Some(error),
            }
        }
        has_moved
    }

    /// Whether an urgent octet waits, and all that the program had written before it is on its way.
    fn is_urgent_next(&mut self) -> bool {
        let Some(urgent) = self.record.urgent() else { return false };
        let left = match self.before_urgent {
            Some(left) => left,
            // Nothing was taken since the program asked for it: this is what it had written.
            None => self.reader.untaken(self.end.fd(), urgent.behind).unwrap_or(0),
        };
        self.before_urgent = Some(left);
        left == 0
    }

    /// Network to program. True if anything moved.
    fn carry_down(&mut self, cx: &mut Context<'_>) -> bool {
        let mut has_moved = false;
        loop {
            if !self.down.is_empty() {
                match write_to_program(&self.end, self.down.rest(), self.down_is_urgent) {
                    Some(0) => break,
                    Some(len) => {
                        self.given += len;
                        self.down.advance(len);
                    }
                    None => self.down = Pending::default(),
                }
                has_moved = true;
                continue;
            }
            if self.down_has_ended {
                if self.error.is_none()
                    && let Poll::Ready(error) = self.socket.poll_failed(cx)
                {
                    // As Linux: a reset that comes after the FIN is EPIPE.
                    self.error = Some(if error == Errno::CONNRESET { Errno::PIPE } else { error });
                    has_moved = true;
                }
                break;
            }
            let scratch = Rc::clone(&self.scratch);
            let mut scratch = scratch.borrow_mut();
            self.down_is_urgent = self.socket.is_urgent_next();
            let room = if self.down_is_urgent { 1 } else { scratch.len() };
            let uncounted = if self.untaken > 0 { 0 } else { UNCOUNTED.saturating_sub(self.given) };
            let uncounted = u32::try_from(uncounted).unwrap_or(u32::MAX);
            match self.socket.poll_read(cx, scratch.get_mut(..room).unwrap_or_default(), uncounted) {
                Poll::Pending => break,
                Poll::Ready(Ok((0, _))) => {
                    self.down_has_ended = true;
                    // After an error the end of text is the reset itself, which closing brings about.
                    if self.error.is_none() {
                        unix::shut_write(self.end.fd());
                    }
                }
                Poll::Ready(Ok((len, is_counted))) => {
                    if is_counted {
                        self.untaken = self.untaken.saturating_add(u32::try_from(len).unwrap_or(u32::MAX));
                    }
                    let text = scratch.get(..len).unwrap_or(&[]);
                    // A program that has shut its reading side discards what comes.
                    let sent = write_to_program(&self.end, text, self.down_is_urgent).unwrap_or(len);
                    self.given += sent;
                    self.down.keep(text.get(sent..).unwrap_or(&[]));
                }
                Poll::Ready(Err(error)) => {
                    self.error.get_or_insert(error);
                    self.down_has_ended = true;
                }
            }
            has_moved = true;
        }
        has_moved
    }

    /// What the program has not read yet takes room in the receive window, wherever it waits: a slow reader must close it.
    fn note_untaken(&mut self) {
        if self.given == 0 && self.untaken == 0 {
            return;
        }
        // The kernel counts memory, which is more.
        let queued = unix::unread(self.end.fd()).unwrap_or(0).min(self.given);
        if queued == 0 {
            self.given = 0;
        }
        let untaken = u32::try_from(queued + self.down.rest().len()).unwrap_or(u32::MAX);
        if self.untaken != untaken && self.untaken > 0 {
            self.untaken = untaken;
            self.socket.set_untaken(untaken);
        }
    }

    /// A program that has not accepted yet has left no canary; until it does, or goes away, it must not see the end.
    async fn wait_until_armed(&mut self) {
        while !self.reader.is_armed(self.end.fd()) && !self.end.hangup().has_ended {
            self.end.wake().await;
        }
    }
}

/// What the program's queue has taken: 0 when it is full, `None` when nobody will read it.
fn write_to_program(end: &End, text: &[u8], is_urgent: bool) -> Option<usize> {
    let written = match unix::write_with(end.fd(), text, is_urgent) {
        // A kernel whose AF_UNIX knows nothing urgent: the octet stands in line.
        Err(error) if is_urgent && error.raw_os_error() == Some(libc::EOPNOTSUPP) => {
            unix::write(end.fd(), text)
        }
        written => written,
    };
    match written {
        Ok(len) => Some(len),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
            Some(0)
        }
        Err(_) => None,
    }
}
