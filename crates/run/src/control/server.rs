//! The rendezvous: programs attach here, and their control calls are answered.
//!
//! Three kinds of connections arrive at one name: streams of programs that connect, UDP sockets, and control
//! connections; the names of their other ends tell which. Any local user can read the rendezvous's name in
//! /proc/net/unix. So a control connection must show the secret from the environment, which only the same user can
//! read, and an end is taken only for a socket that such a connection has told of. The user alone would say too
//! little and too much: a server may give up root, and keeps its sockets.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use portolan_protocol::reply::AddressList;
use portolan_protocol::request::Target;
use portolan_protocol::{
    Address, MESSAGE_MAX, Name, Operation, ProtocolError, Rendezvous, Reply, Request, Transport,
};
use tokio::io::unix::AsyncFd;
use tokio::sync::{Notify, watch};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, timeout};

use super::datagram::DatagramCarrier;
use super::end::End;
use super::hints::Hints;
use super::lookup::{self, Names};
use super::network::{Errno, Host};
use super::owner::{Holdings, Owner};
use super::registry::Registry;
use super::socket::{Record, to_host};
use super::spare::Spare;
use super::stream::{Carrier, SCRATCH_LEN, Scratch};
use super::supervisors::Supervisors;
use super::{interfaces, listener, options, sweep};
use crate::gateway::{Counters, refusal};
use crate::os::unix::{self, Peer};
use crate::owners::Owners;

/// A pause after a failed accept: at the limit of descriptors the queue would otherwise be asked again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// What datagrams may take to leave before an option that they would heed is changed.
const LEAVING_TIME: Duration = Duration::from_millis(20);

/// What a process may take to show the secret.
const GREETING_TIME: Duration = Duration::from_secs(5);

/// What the control server is told.
pub struct ControlConfig {
    /// Its name, and the secret that programs show.
    pub rendezvous: Rendezvous,
    /// Ports below this are for root only (`net.ipv4.ip_unprivileged_port_start`); 0 lets everyone have all, which
    /// suits a command that has a network of its own.
    pub unprivileged_port_start: u16,
    /// The host's name, if it was given one.
    pub hostname: Option<String>,
    /// Resolves names.
    pub names: Rc<dyn Names>,
    /// Counts the connections that had to be refused.
    pub counters: Arc<Counters>,
    /// Is told whose ports they are.
    pub owners: Arc<Owners>,
    /// Who may act for other processes.
    pub supervisors: Rc<Supervisors>,
    /// Told when a program has begun to listen or listens no more.
    pub listening: watch::Sender<()>,
}

/// A control server whose names are taken, so that programs may be started.
pub struct ControlServer {
    config: ControlConfig,
    registry: Rc<Registry>,
    streams: AsyncFd<OwnedFd>,
    messages: AsyncFd<OwnedFd>,
    controls: AsyncFd<OwnedFd>,
}

/// What all tasks of the server share.
struct Shared {
    config: ControlConfig,
    registry: Rc<Registry>,
    scratch: Scratch,
    sweep: Rc<Notify>,
    hints: Rc<Hints>,
}

impl ControlServer {
    /// Takes the names, for programs that get this host's sockets. Errors: the system's, `EADDRINUSE` if another stack
    /// process has this rendezvous. Needs a tokio runtime with I/O and time.
    pub fn bind(config: ControlConfig, host: Host) -> io::Result<Self> {
        let name = config.rendezvous.name();
        let streams = unix::watch(unix::listener(Transport::Tcp, &name)?)?;
        let messages = unix::watch(unix::listener(Transport::Udp, &name)?)?;
        let controls = unix::watch(unix::listener(Transport::Udp, &config.rendezvous.control_name())?)?;
        let owners = Arc::clone(&config.owners);
        let registry = Rc::new(Registry::new(host, owners, config.listening.clone()));
        Ok(Self { config, registry, streams, messages, controls })
    }

    /// The sockets of programs, to be looked at from the same thread.
    pub fn holdings(&self) -> Holdings {
        Holdings(Rc::clone(&self.registry))
    }

    /// Serves programs, until it is dropped or its own sockets fail.
    ///
    /// Runs on the thread that polls it; not cancel safe in so far as every connection ends with it.
    pub async fn serve(self) -> io::Result<Infallible> {
        let shared = Rc::new(Shared {
            registry: self.registry,
            scratch: Rc::new(RefCell::new(vec![0; SCRATCH_LEN].into_boxed_slice())),
            sweep: Rc::new(Notify::new()),
            hints: Rc::default(),
            config: self.config,
        });
        let tasks = LocalSet::new();
        tasks.spawn_local(sweep::run(Rc::clone(&shared.registry), Rc::clone(&shared.sweep)));
        let Self { streams, messages, controls, .. } = self;
        let (mut spare, mut control_spare) = (Spare::new(streams.get_ref()), Spare::new(controls.get_ref()));
        tasks
            .run_until(async {
                tokio::select! {
                    failed = accept_each(&streams, &shared, || shared.turn_away(&mut spare, &streams)) => failed,
                    // These wait: a UDP socket that is turned away would be of no use for ever after.
                    failed = accept_each(&messages, &shared, || shared.hints.out_of_descriptors()) => failed,
                    failed = accept_each(&controls, &shared, || shared.turn_away(&mut control_spare, &controls)) => failed,
                }
            })
            .await
    }
}

/// Takes connections for ever; `on_full` is called when one is waiting and no descriptor is left.
async fn accept_each(
    listener: &AsyncFd<OwnedFd>,
    shared: &Rc<Shared>,
    mut on_full: impl FnMut(),
) -> io::Result<Infallible> {
    loop {
        let mut guard = listener.readable().await?;
        match guard.try_io(|listener| unix::accept(listener.as_fd())) {
            Ok(Ok((fd, name))) => shared.take(fd, name),
            Ok(Err(error)) => {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                if refusal::is_out_of_descriptors(&error) {
                    on_full();
                }
            }
            Err(_would_block) => {}
        }
    }
}

impl Shared {
    /// Starts what a new connection is for; one that is for nothing is closed.
    fn take(self: &Rc<Self>, fd: OwnedFd, name: Option<Name>) {
        match name {
            Some(Name::Control { .. }) => {
                if let (Ok(peer), Ok(fd)) = (unix::peer(fd.as_fd()), unix::watch(fd)) {
                    spawn_local(Rc::clone(self).answer_each(fd, peer));
                }
            }
            Some(Name::Socket { id, kind }) => {
                let target = Target { id, kind };
                // A failure closes the end, which the program sees as a reset.
                let _ = match kind.transport {
                    Transport::Tcp => self.attach_stream(fd, target),
                    _ => self.attach_datagrams(fd, target),
                };
            }
            _ => {}
        }
    }

    /// Refuses one connection of a program, which would else wait until another one ends.
    fn turn_away(&self, spare: &mut Spare, listener: &AsyncFd<OwnedFd>) {
        self.hints.out_of_descriptors();
        spare.with(listener.get_ref(), |end, name| {
            if let Some(Name::Socket { id, .. }) = name
                && self.registry.find(id).is_some_and(|record| record.refuse())
            {
                self.config.counters.out_of_descriptors.fetch_add(1, Ordering::Relaxed);
            }
            // The program learns of it by the close, and asks for the error then.
            drop(end);
        });
    }

    fn attach_stream(&self, fd: OwnedFd, target: Target) -> Option<()> {
        let record = self.registry.find(target.id)?;
        let socket = record.socket().ok()?;
        let end = End::new(fd).ok()?;
        if record.attach(&end) {
            spawn_local(Carrier::for_connect(end, socket, record, Rc::clone(&self.scratch)).run());
        }
        Some(())
    }

    fn attach_datagrams(&self, fd: OwnedFd, target: Target) -> Option<()> {
        let record = self.registry.find(target.id)?;
        let socket = record.socket().ok()?;
        let end = End::new(fd).ok()?;
        if record.attach(&end) {
            let carrier =
                DatagramCarrier::new(end, socket, record, Rc::clone(&self.scratch), Rc::clone(&self.hints));
            let registry = Rc::clone(&self.registry);
            spawn_local(async move {
                carrier.run().await;
                // Shut both ways it is bound still; then the sweep sees its end.
                let name = Name::Socket { id: target.id, kind: target.kind };
                if !unix::is_held(target.kind.transport, &name) {
                    registry.remove(target.id);
                }
            });
        }
        Some(())
    }

    /// Answers one process's control calls until it is gone or talks nonsense.
    async fn answer_each(self: Rc<Self>, fd: AsyncFd<OwnedFd>, peer: Peer) {
        let mut message = [0; MESSAGE_MAX];
        // A stranger holds a descriptor of ours for so long and no longer.
        if let Ok(true) = timeout(GREETING_TIME, self.greet(&fd, &mut message)).await {
            self.answer_known(&fd, &mut message, peer).await;
        }
        self.sweep.notify_one();
    }

    /// The next message; `None` at the end of the connection.
    async fn receive<'a>(
        &self,
        fd: &AsyncFd<OwnedFd>,
        message: &'a mut [u8; MESSAGE_MAX],
    ) -> Option<Request<'a>> {
        let len = loop {
            let mut guard = fd.readable().await.ok()?;
            match guard.try_io(|fd| unix::receive(fd.as_fd(), message)) {
                Ok(received) => break received.ok().filter(|len| *len > 0)?,
                Err(_would_block) => {}
            }
        };
        let request = Request::decode(message.get(..len)?);
        if let Err(ProtocolError::Version(_)) = request {
            // Our version is in the answer, and the library says both.
            self.send(fd, 0, Reply::Done);
        }
        request.ok()
    }

    /// Waits for the secret. False if there is another message, or another secret.
    async fn greet(&self, fd: &AsyncFd<OwnedFd>, message: &mut [u8; MESSAGE_MAX]) -> bool {
        let Some(request) = self.receive(fd, message).await else { return false };
        let is_known = request.operation == Operation::Hello { secret: self.config.rendezvous.secret };
        self.send(fd, request.number, if is_known { Reply::Done } else { Reply::Failed(Errno::ACCES.0) });
        is_known
    }

    async fn answer_known(&self, fd: &AsyncFd<OwnedFd>, message: &mut [u8; MESSAGE_MAX], peer: Peer) {
        let (mut caller, mut owner) = (peer, Owner::of(peer));
        while let Some(request) = self.receive(fd, message).await {
            if let Operation::ActFor { process, user } = request.operation
                && self.config.supervisors.has(peer.pid)
            {
                // Nobody but root may speak for others than itself: the secret is in every command's environment.
                let uid = if peer.uid == 0 { user } else { peer.uid };
                caller = Peer { pid: process.cast_signed(), uid };
                owner = Owner::of(caller);
                self.send(fd, request.number, Reply::Done);
                continue;
            }
            let socket = request.operation.socket();
            self.answer(fd, request.number, request.operation, caller).await;
            let record = socket.and_then(|socket| self.registry.find(socket.id));
            if let (Some(record), Some(owner)) = (record, &owner) {
                record.set_owner(owner);
            }
        }
    }

    async fn answer(&self, fd: &AsyncFd<OwnedFd>, number: u32, operation: Operation<'_>, peer: Peer) {
        match operation {
            Operation::LookUpName { family, only_configured, name } => {
                let asker = u32::try_from(peer.pid).ok().filter(|pid| *pid != 0);
                let found = self.config.names.by_name(name, family, only_configured, asker).await;
                match &found {
                    Ok(found) => {
                        let addresses: Vec<_> = found.addresses.iter().copied().map(lookup::octets).collect();
                        let addresses = AddressList::new(&addresses);
                        let canonical = found.canonical.as_bytes();
                        self.send(fd, number, Reply::Addresses { canonical, addresses });
                    }
                    Err(failure) => self.send(fd, number, Reply::LookUpFailed(*failure)),
                }
            }
            Operation::LookUpAddress { address } => {
                match self.config.names.by_address(address.to_socket_addr().ip()).await {
                    Ok(name) => self.send(fd, number, Reply::HostName(name.as_bytes())),
                    Err(failure) => self.send(fd, number, Reply::LookUpFailed(failure)),
                }
            }
            Operation::OwnName => match &self.config.hostname {
                Some(name) => self.send(fd, number, Reply::HostName(name.as_bytes())),
                None => self.send(fd, number, Reply::Failed(Errno::NOENT.0)),
            },
            Operation::Interface { nth } => interfaces::tell(self.registry.host(), nth, |reply| {
                self.send(fd, number, reply);
            }),
            Operation::GetOption { socket, level, name } => {
                let host = self.registry.host();
                let value =
                    self.registry.record(socket).and_then(|record| options::get(&record, host, level, name));
                match value {
                    Ok(value) => self.send(fd, number, Reply::Value(&value)),
                    Err(error) => self.send(fd, number, Reply::Failed(error.0)),
                }
            }
            Operation::TakeReport { socket } => {
                let record = self.registry.record(socket);
                let report =
                    record.and_then(|record| record.socket()).and_then(|socket| socket.take_report());
                match report {
                    Ok(report) => self.send(fd, number, Reply::Value(&report)),
                    Err(error) => self.send(fd, number, Reply::Failed(error.0)),
                }
            }
            operation => {
                self.let_datagrams_leave(&operation).await;
                let reply = self.perform(operation, peer).unwrap_or_else(|error| Reply::Failed(error.0));
                self.send(fd, number, reply);
            }
        }
    }

    /// What changes how datagrams leave counts for those that the program sends from now on: the ones in its queue leave
    /// before. Not for ever: the link may be full.
    async fn let_datagrams_leave(&self, operation: &Operation<'_>) {
        let (Operation::SetOption { socket, .. }
        | Operation::Connect { socket, .. }
        | Operation::Disconnect { socket }) = operation
        else {
            return;
        };
        let Some(record) = self.registry.find(socket.id) else { return };
        let until = Instant::now() + LEAVING_TIME;
        while record.has_waiting_datagrams() && Instant::now() < until {
            tokio::task::yield_now().await;
        }
    }

    /// The socket's record, which is this process's from now on.
    fn owned(&self, target: Target, peer: Peer) -> Result<Rc<Record>, Errno> {
        let record = self.registry.record_of(target, peer.uid == 0)?;
        record.used_by(u32::try_from(peer.pid).unwrap_or(0));
        Ok(record)
    }

    /// The calls that are answered at once and with nothing of variable length.
    fn perform(&self, operation: Operation<'_>, peer: Peer) -> Result<Reply<'static>, Errno> {
        match operation {
            Operation::Bind { socket, address } => {
                let start = self.config.unprivileged_port_start;
                if peer.uid != 0 && (1..start).contains(&address.port) {
                    self.hints.port_is_reserved(socket.kind.transport, address, start);
                    return Err(Errno::ACCES);
                }
                let record = self.owned(socket, peer)?;
                let bound = match record.bind(address) {
                    // The port may be held by a program that is gone.
                    Err(Errno::ADDRINUSE) if sweep::free_port(&self.registry, address.port) => {
                        record.bind(address)
                    }
                    result => result,
                };
                if bound == Err(Errno::ADDRINUSE) {
                    self.hints.port_is_busy(&self.registry, socket.kind.transport, address);
                }
                bound.map(|()| Reply::Done)
            }
            Operation::Listen { socket, backlog } => {
                let record = self.owned(socket, peer)?;
                if record.listen(backlog)? {
                    self.registry.add_listener(&record);
                    self.sweep.notify_one();
                    let scratch = Rc::clone(&self.scratch);
                    let task = listener::run(Rc::clone(&self.registry), Rc::clone(&record), scratch);
                    record.set_task(spawn_local(task).abort_handle());
                }
                Ok(Reply::Done)
            }
            Operation::Connect { socket, address, waits } => {
                let record = self.owned(socket, peer)?;
                match socket.kind.transport {
                    Transport::Tcp => {
                        sweep::close_port(&self.registry, address.port);
                        let connecting = record.connect(address, waits)?;
                        self.registry.note_connecting(&record);
                        Ok(connecting)
                    }
                    _ => {
                        // What is sent next must not be taken by a socket of this host that was closed just now.
                        if to_host(address.to_socket_addr()).ip().is_loopback() {
                            sweep::free_port(&self.registry, address.port);
                        }
                        record.set_destination(address).map(|()| Reply::Done)
                    }
                }
            }
            Operation::Disconnect { socket } => {
                self.registry.record(socket)?.clear_destination().map(|()| Reply::Done)
            }
            Operation::Shutdown { socket, .. } => {
                if socket.kind.transport == Transport::Tcp {
                    self.registry.record(socket)?.stop_listening(self.registry.host())?;
                    self.registry.remove_listener(socket.id);
                }
                Ok(Reply::Done)
            }
            Operation::LocalAddress { socket } => {
                let local = self.owned(socket, peer)?.local_address();
                Ok(Reply::Address(interfaces::with_scope(self.registry.host(), local)))
            }
            Operation::RemoteAddress { socket } => {
                let remote: Option<SocketAddr> = self.registry.record(socket)?.peer();
                remote.map(|remote| Reply::Address(Address::from(remote))).ok_or(Errno::NOTCONN)
            }
            Operation::SetOption { socket, level, name, value } => {
                let record = self.owned(socket, peer)?;
                let set = options::set(&record, self.registry.host(), peer, (level, name), value);
                if set == Err(Errno::NOPROTOOPT) {
                    self.hints.option_is_missing(level, name);
                }
                set.map(|()| Reply::Done)
            }
            Operation::TakeError { socket } => {
                let error = self.registry.find(socket.id).and_then(|record| record.take_error());
                Ok(Reply::Count(error.map_or(0, |error| error.0.unsigned_abs())))
            }
            Operation::OutQueue { socket } => Ok(Reply::Count(self.registry.record(socket)?.out_queue())),
            Operation::Undelivered { socket } => {
                Ok(Reply::Count(self.registry.find(socket.id).map_or(0, |record| record.undelivered())))
            }
            Operation::CheckDestination { socket, address, source, len, segment } => {
                let record = self.registry.record(socket)?;
                record.check_destination(address, source, len, segment).map(|()| Reply::Done)
            }
            Operation::Urgent { socket, octet } => {
                let record = self.registry.find(socket.id).ok_or(Errno::PIPE)?;
                record.send_urgent(octet).map(|()| Reply::Done)
            }
            Operation::ActFor { .. } => Err(Errno::PERM),
            // Answered by the callers.
            Operation::Hello { .. }
            | Operation::GetOption { .. }
            | Operation::TakeReport { .. }
            | Operation::Interface { .. }
            | Operation::OwnName
            | Operation::LookUpName { .. }
            | Operation::LookUpAddress { .. } => Err(Errno::OPNOTSUPP),
        }
    }

    /// Sends a reply. A process that takes no replies has filled its own queue with requests, and loses them.
    fn send(&self, fd: &AsyncFd<OwnedFd>, number: u32, reply: Reply<'_>) {
        let mut message = [0; MESSAGE_MAX];
        let encoded = reply.encode(number, &mut message);
        let encoded = encoded.or_else(|_| Reply::Failed(Errno::INVAL.0).encode(number, &mut message));
        if let Some(message) = encoded.ok().and_then(|len| message.get(..len)) {
            let _ = unix::write(fd.as_fd(), message);
        }
    }
}
