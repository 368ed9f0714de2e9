//! One socket of a program: the stack's socket, and where it stands between socket(2) and close(2).

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Waker;

use portolan_protocol::request::Target;
use portolan_protocol::{Address, Family, Reply, Transport};
use portolan_stack::Outgoing;
use portolan_wire::protocol;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::end::End;
use super::network::{Errno, Host, HostSocket};
use super::owner::Owner;
use crate::os::unix;
use crate::owners::Owners;
use crate::summary::escape;

mod queue;

/// How far a socket has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Fresh, bound, or any UDP socket.
    Open,
    /// The handshake is under way.
    Connecting,
    /// The handshake is complete; later also while text is still carried after a FIN.
    Connected,
    /// The program's own socket listens.
    Listening,
    /// The handshake failed.
    Failed,
    /// It was connected and is no more.
    Ended,
}

/// Who keeps a socket alive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Holder {
    /// The task that carries its octets sees the end by itself.
    Carrier,
    /// A program that may be gone: its socket's name is probed.
    Program,
    /// Nobody: it has ended and waits to be forgotten.
    Nobody,
}

/// An urgent octet on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Urgent {
    pub(super) octet: u8,
    /// Octets that were in the program's queue, the canary with them, when it was sent.
    pub(super) behind: usize,
}

/// A socket that a program has told of.
pub(super) struct Record {
    pub(super) target: Target,
    socket: RefCell<Option<Rc<HostSocket>>>,
    /// Has the options of a connection that has ended.
    late: RefCell<Option<Rc<HostSocket>>>,
    phase: Cell<Phase>,
    /// It came from a listener, so its identity is in no name that could be probed.
    is_accepted: bool,
    /// The program's end, while a task has it.
    end: RefCell<Weak<AsyncFd<OwnedFd>>>,
    /// The program knows that the handshake is complete.
    is_told: Cell<bool>,
    /// For SO_ERROR.
    error: Cell<Option<Errno>>,
    /// The process that used it last, 0 if unknown, and who is told of its port.
    user: Cell<u32>,
    owners: Option<Arc<Owners>>,
    /// Kept for getsockname and getpeername after the stack's socket is closed.
    addresses: Cell<(Option<SocketAddr>, Option<SocketAddr>)>,
    task: RefCell<Option<AbortHandle>>,
    /// An urgent octet that the program wants to be sent behind what it has written.
    urgent: Cell<Option<Urgent>>,
    /// The task that carries octets.
    carrier: RefCell<Option<Waker>>,
    /// What of a connection's text is between the program's queue and the stack's socket.
    carried: Cell<queue::Carried>,
    /// The handshake is over, one way or the other.
    settled: Notify,
    /// The process that made it; of an accepted one, its listener.
    owner: RefCell<Option<Rc<Owner>>>,
}

impl Record {
    /// A socket that a program has just created.
    pub(super) fn new(host: &Host, target: Target, owners: &Arc<Owners>) -> Result<Self, Errno> {
        let socket = HostSocket::new(host, target.kind)?;
        let owners = Some(Arc::clone(owners));
        Ok(Self { owners, ..Self::with_socket(target, socket, Phase::Open, false) })
    }

    /// A connection of a listener.
    pub(super) fn accepted(target: Target, socket: HostSocket, end: &End) -> Self {
        let record = Self::with_socket(target, socket, Phase::Connected, true);
        record.is_told.set(true);
        *record.end.borrow_mut() = end.watch();
        record
    }

    fn with_socket(target: Target, socket: HostSocket, phase: Phase, is_accepted: bool) -> Self {
        Self {
            target,
            socket: RefCell::new(Some(Rc::new(socket))),
            late: RefCell::default(),
            phase: Cell::new(phase),
            is_accepted,
            end: RefCell::default(),
            is_told: Cell::new(false),
            error: Cell::new(None),
            user: Cell::new(0),
            owners: None,
            addresses: Cell::new((None, None)),
            task: RefCell::new(None),
            urgent: Cell::new(None),
            carrier: RefCell::new(None),
            carried: Cell::default(),
            settled: Notify::new(),
            owner: RefCell::default(),
        }
    }

    /// The stack's socket; `ENOTCONN` once the connection has ended.
    pub(super) fn socket(&self) -> Result<Rc<HostSocket>, Errno> {
        self.socket.borrow().clone().ok_or(Errno::NOTCONN)
    }

    /// The stack's socket, or a fresh one in its place once the connection has ended: programs set options then too.
    pub(super) fn socket_for_options(&self, host: &Host) -> Result<Rc<HostSocket>, Errno> {
        if let Ok(socket) = self.socket() {
            return Ok(socket);
        }
        let mut late = self.late.borrow_mut();
        if late.is_none() {
            *late = Some(Rc::new(HostSocket::new(host, self.target.kind)?));
        }
        late.clone().ok_or(Errno::NOTCONN)
    }

    /// The process that made it.
    pub(super) fn owner(&self) -> Option<Rc<Owner>> {
        self.owner.borrow().clone()
    }

    /// Notes who made it, unless that is known.
    pub(super) fn set_owner(&self, owner: &Rc<Owner>) {
        self.owner.borrow_mut().get_or_insert_with(|| Rc::clone(owner));
    }

    /// The stack process's end of the program's socket, while a task has it.
    pub(super) fn end(&self) -> Option<Rc<AsyncFd<OwnedFd>>> {
        self.end.borrow().upgrade()
    }

    pub(super) fn holder(&self) -> Holder {
        match self.phase.get() {
            Phase::Ended | Phase::Failed if self.is_accepted => Holder::Nobody,
            Phase::Ended | Phase::Failed => Holder::Program,
            _ if self.end.borrow().upgrade().is_some() => Holder::Carrier,
            _ => Holder::Program,
        }
    }

    /// A process uses it.
    pub(super) fn used_by(&self, pid: u32) {
        self.user.set(pid);
    }

    /// It may have a port now: says whose that is. Before a packet can leave, so that nobody asks too early.
    fn note_user(&self) {
        let port = self.local().map_or(0, |local| local.port());
        if let Some(owners) = self.owners.as_ref().filter(|_| port != 0 && self.user.get() != 0) {
            let number = match self.target.kind.transport {
                Transport::Tcp => protocol::TCP,
                Transport::Udp => protocol::UDP,
                Transport::UdpLite => protocol::UDPLITE,
                Transport::Ping if self.target.kind.family == Family::V4 => protocol::ICMPV4,
                Transport::Ping => protocol::ICMPV6,
                Transport::Raw(protocol) => protocol,
            };
            owners.note(number, port, self.user.get());
        }
    }

    /// bind(2).
    pub(super) fn bind(&self, address: Address) -> Result<(), Errno> {
        if self.phase.get() != Phase::Open || address.lacks_scope() {
            return Err(Errno::INVAL);
        }
        self.socket()?.bind(self.native(address))?;
        self.note_user();
        Ok(())
    }

    /// listen(2). True if it did not listen before.
    pub(super) fn listen(&self, backlog: u32) -> Result<bool, Errno> {
        let was_open = match self.phase.get() {
            Phase::Open => true,
            Phase::Listening => false,
            _ => return Err(Errno::INVAL),
        };
        self.socket()?.listen(backlog)?;
        self.note_user();
        self.phase.set(Phase::Listening);
        Ok(was_open)
    }

    /// shutdown(2) of a listener: the stack's socket is replaced by a fresh one.
    pub(super) fn stop_listening(&self, host: &Host) -> Result<(), Errno> {
        if self.phase.get() == Phase::Listening {
            self.close();
            *self.socket.borrow_mut() = Some(Rc::new(HostSocket::new(host, self.target.kind)?));
            self.phase.set(Phase::Open);
        }
        Ok(())
    }

    /// connect(2) of a stream.
    pub(super) fn connect(&self, address: Address, waits: bool) -> Result<Reply<'static>, Errno> {
        match self.phase.get() {
            Phase::Open => {
                self.socket()?.connect(to_host(self.native(address)))?;
                self.note_user();
                self.phase.set(Phase::Connecting);
                self.is_told.set(waits);
                Ok(Reply::Connecting)
            }
            Phase::Connecting => {
                self.is_told.set(waits);
                Err(Errno::ALREADY)
            }
            Phase::Connected | Phase::Ended if !self.is_told.replace(true) => Ok(Reply::Done),
            Phase::Failed => match (self.error.take(), self.is_told.replace(true)) {
                (Some(error), _) => Err(error),
                // As on Linux, where SO_ERROR has told why, and this call only that.
                (None, false) => Err(Errno::CONNABORTED),
                (None, true) => Ok(Reply::Spent),
            },
            _ => Err(Errno::ISCONN),
        }
    }

    /// connect(2) of a UDP socket.
    pub(super) fn set_destination(&self, address: Address) -> Result<(), Errno> {
        self.socket()?.connect(to_host(self.native(address)))?;
        self.note_user();
        Ok(())
    }

    /// Whether a UDP socket may send so many octets there, in datagrams of `segment`.
    pub(super) fn check_destination(
        &self,
        address: Address,
        source: Address,
        len: u32,
        segment: Option<u16>,
    ) -> Result<(), Errno> {
        let to = (address != Address::UNSPECIFIED).then(|| to_host(self.native(address)).into());
        let from = (!source.is_unspecified()).then(|| source.to_socket_addr().ip().into());
        let outgoing = Outgoing { to, from, segment, ..Outgoing::default() };
        self.socket()?.check_send(&outgoing, len as usize)
    }

    /// connect(2) of a UDP socket with AF_UNSPEC.
    pub(super) fn clear_destination(&self) -> Result<(), Errno> {
        self.socket()?.disconnect()
    }

    /// A socket of datagrams of which none is waiting to be sent.
    pub(super) fn is_quiet(&self) -> bool {
        !self.target.kind.transport.is_stream() && !self.has_waiting_datagrams()
    }

    /// The program's end has a datagram in its queue that was not looked at yet, which is as good as sent.
    pub(super) fn has_waiting_datagrams(&self) -> bool {
        let end = self.end.borrow().upgrade();
        !self.target.kind.transport.is_stream()
            && end.is_some_and(|end| unix::queued(end.get_ref().as_fd()).is_ok_and(|octets| octets > 0))
    }

    /// A UDP socket that sends without having been bound gets a port now.
    pub(super) fn ensure_bound(&self) -> Result<(), Errno> {
        let socket = self.socket()?;
        // A raw socket has no port and hears all of its protocol from the beginning.
        let is_raw = matches!(self.target.kind.transport, Transport::Raw(_));
        if is_raw || socket.local().is_some_and(|local| local.port() != 0) {
            return Ok(());
        }
        socket.bind(SocketAddr::new(unspecified(self.target.kind.family), 0))?;
        self.note_user();
        Ok(())
    }

    /// A task takes the program's end. False if there is nothing to carry, or another has it.
    pub(super) fn attach(&self, end: &End) -> bool {
        let fits = match self.target.kind.transport {
            Transport::Tcp => self.phase.get() == Phase::Connecting,
            _ => true,
        };
        let is_free = self.end.borrow().upgrade().is_none();
        if fits && is_free {
            *self.end.borrow_mut() = end.watch();
        }
        fits && is_free
    }

    /// Ends an attempt to connect that nobody can carry. True if it had not failed by itself.
    pub(super) fn refuse(&self) -> bool {
        if self.phase.get() != Phase::Connecting || self.end.borrow().upgrade().is_some() {
            return false;
        }
        let Ok(socket) = self.socket() else { return false };
        let failed = socket.take_error();
        socket.abort();
        self.ended(Some(failed.unwrap_or(Errno::CONNREFUSED)));
        failed.is_none()
    }

    /// The handshake is complete.
    pub(super) fn connected(&self) {
        if self.phase.get() == Phase::Connecting {
            self.phase.set(Phase::Connected);
            self.settled.notify_waiters();
        }
    }

    pub(super) fn is_connecting(&self) -> bool {
        self.phase.get() == Phase::Connecting
    }

    /// Waits until the program's end shows how connecting went. The carrier's turn that calls [`Record::connected`] also
    /// makes the end writable, and whoever waits here is polled after it.
    pub(super) async fn told(&self) {
        while self.is_connecting() {
            self.settled.notified().await;
        }
    }

    /// The connection, or the attempt to connect, has ended.
    pub(super) fn ended(&self, error: Option<Errno>) {
        self.error.set(error);
        let was_connecting = self.phase.get() == Phase::Connecting;
        self.phase.set(if was_connecting { Phase::Failed } else { Phase::Ended });
        self.settled.notify_waiters();
        self.addresses.set((self.local(), self.remote()));
        *self.socket.borrow_mut() = None;
    }

    /// send(2) with MSG_OOB. One octet at a time, so that each stands where the program has written it.
    pub(super) fn send_urgent(&self, octet: u8) -> Result<(), Errno> {
        if self.phase.get() != Phase::Connected {
            return Err(Errno::PIPE);
        }
        if self.urgent.get().is_some() {
            return Err(Errno::AGAIN);
        }
        let end = self.end.borrow().upgrade().ok_or(Errno::PIPE)?;
        let behind = unix::queued(end.get_ref().as_fd()).unwrap_or(0);
        self.urgent.set(Some(Urgent { octet, behind }));
        if let Some(carrier) = self.carrier.borrow_mut().take() {
            carrier.wake();
        }
        Ok(())
    }

    /// The urgent octet that waits to be sent.
    pub(super) fn urgent(&self) -> Option<Urgent> {
        self.urgent.get()
    }

    /// The urgent octet was sent.
    pub(super) fn urgent_is_sent(&self) {
        self.urgent.set(None);
    }

    /// Whom to wake for an urgent octet.
    pub(super) fn note_carrier(&self, waker: &Waker) {
        let mut carrier = self.carrier.borrow_mut();
        if !carrier.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *carrier = Some(waker.clone());
        }
    }

    /// The listener's task, to be ended with the record.
    pub(super) fn set_task(&self, task: AbortHandle) {
        *self.task.borrow_mut() = Some(task);
    }

    /// The program is gone: the stack's socket is closed.
    pub(super) fn close(&self) {
        if let Some(task) = self.task.borrow_mut().take() {
            task.abort();
        }
        // At once: the task that was ended holds the socket until it is dropped, and with it the port.
        if let Some(socket) = self.socket.borrow_mut().take() {
            socket.close();
        }
    }

    /// SO_ERROR, taken away.
    pub(super) fn take_error(&self) -> Option<Errno> {
        self.error.take().or_else(|| self.socket().ok()?.take_error())
    }

    pub(super) fn local(&self) -> Option<SocketAddr> {
        self.socket().ok().and_then(|socket| socket.local()).or(self.addresses.get().0)
    }

    pub(super) fn remote(&self) -> Option<SocketAddr> {
        self.socket().ok().and_then(|socket| socket.remote()).or(self.addresses.get().1)
    }

    /// getpeername(2): there is no peer before the handshake is complete.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        let has_peer = !matches!(self.phase.get(), Phase::Connecting | Phase::Failed);
        self.remote().filter(|_| has_peer)
    }

    /// getsockname(2): the wildcard address before it is bound.
    pub(super) fn local_address(&self) -> Address {
        if self.has_waiting_datagrams() {
            let _ = self.ensure_bound();
        }
        let unbound = SocketAddr::new(unspecified(self.target.kind.family), 0);
        self.local().unwrap_or(unbound).into()
    }

    /// What it is, in a few words for the user: its addresses, whether it listens, and whose it is.
    pub(super) fn describe(&self) -> String {
        let local = self.local_address().to_socket_addr();
        let what = match (self.phase.get(), self.remote()) {
            (Phase::Listening, _) => format!("the listener on {local}"),
            (_, Some(remote)) => format!("the connection {local} to {remote}"),
            _ => format!("the socket on {local}"),
        };
        match self.owner() {
            Some(owner) => format!("{what} of {} (process {})", escape(&owner.name), owner.pid),
            None => what,
        }
    }

    /// SO_LINGER says that closing means a reset.
    pub(super) fn lingers_not(&self) -> bool {
        self.socket().is_ok_and(|socket| socket.lingers_not())
    }

    /// An address as the stack knows it. An unspecified one is of the socket's own family.
    fn native(&self, address: Address) -> SocketAddr {
        match (self.target.kind.family, address.is_unspecified()) {
            (family, true) if address.to_v4().is_none() || family == Family::V4 => {
                SocketAddr::new(unspecified(family), address.port)
            }
            _ => address.to_socket_addr(),
        }
    }
}

fn unspecified(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

/// To connect to the unspecified address is, on Linux, to connect to this host.
pub(super) fn to_host(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    address
}
