//! The thread that answers the calls of programs under the filter.
//!
//! One thread takes every call, so no two of them are ever half done. A call that has to wait (accept, a handshake, a
//! datagram) is put aside with a copy of the program's socket and made again when that is ready; a call whose thread
//! was interrupted or killed is forgotten. A thread is held in one call at a time, so it names what is put aside.
//!
//! A signal may interrupt a thread after its call was done and before it was told. The kernel then makes the same call
//! again, or the program does: the answer is kept for that.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use portolan_native::Errno;
use portolan_protocol::request::Target;
use portolan_protocol::{Name, Rendezvous};
use rustix::event::{PollFlags, Timespec, epoll};

use super::call::{Answer, Call, Then, Wait};
use super::netlink::TOKENS;
use super::socket::Socket;
use super::stack::{Stack, errno_of};
use crate::os::seccomp::{Listener, Notification};
use crate::os::thread::Thread;
use crate::os::unix;

/// Tokens of the two descriptors that are always watched; a waiting thread's two are its number twice and that plus 1.
const CALLS: u64 = u64::MAX;
const STACK: u64 = u64::MAX - 1;

/// Text of the longest datagram and its header, and text of streams.
const SCRATCH_LEN: usize = 128 * 1024;

/// How long an answer is kept for the same call.
const KEPT_TIME: Duration = Duration::from_secs(1);

/// Says one line to the user.
pub(super) type Tell = Box<dyn Fn(&str) + Send>;

/// What calls are answered with.
pub(super) struct Engine {
    pub(super) stack: Stack,
    pub(super) scratch: Box<[u8]>,
    pub(super) tell: Tell,
    pub(super) has_reported_foreign: bool,
    pub(super) has_reported_hidden: bool,
    /// What is watched: see [`Notifier`].
    pub(super) poll: OwnedFd,
    /// Our ends of AF_NETLINK sockets, and the token of the next.
    pub(super) netlinks: HashMap<u64, OwnedFd>,
    pub(super) next_netlink: u64,
    /// Connections that were accepted for a thread that did not wait for them to the end.
    kept: HashMap<Target, VecDeque<OwnedFd>>,
}

/// A call that is put aside.
struct Waiting {
    notification: Notification,
    thread: Thread,
    wait: Wait,
    /// Its place in the order in which calls were put aside.
    turn: u64,
}

/// An answer that did not reach its thread.
struct Untold {
    notification: Notification,
    result: Result<i64, i32>,
    at: Instant,
}

/// The engine's loop.
pub(super) struct Notifier {
    listener: Listener,
    engine: Engine,
    waiting: HashMap<u32, Waiting>,
    /// The turn of the next call that is put aside.
    next_turn: u64,
    untold: HashMap<u32, Untold>,
}

impl Notifier {
    /// Errors: the system's, or the stack process's if it is gone.
    pub(super) fn new(listener: Listener, rendezvous: Rendezvous, tell: Tell) -> io::Result<Notifier> {
        let stack = Stack::connect(rendezvous)?;
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&poll, &listener, epoll::EventData::new_u64(CALLS), epoll::EventFlags::IN)?;
        epoll::add(&poll, &stack, epoll::EventData::new_u64(STACK), epoll::EventFlags::RDHUP)?;
        let engine = Engine {
            stack,
            scratch: vec![0; SCRATCH_LEN].into_boxed_slice(),
            tell,
            has_reported_foreign: false,
            has_reported_hidden: false,
            poll,
            netlinks: HashMap::new(),
            next_netlink: TOKENS,
            kept: HashMap::new(),
        };
        Ok(Notifier { listener, engine, waiting: HashMap::new(), next_turn: 0, untold: HashMap::new() })
    }

    /// Answers until no program is left under the filter.
    pub(super) fn run(mut self) {
        let mut events = Vec::with_capacity(64);
        loop {
            events.clear();
            let timeout = self.next_limit().map(|at| {
                let left = at.saturating_duration_since(Instant::now());
                Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() }
            });
            let waited =
                epoll::wait(&self.engine.poll, rustix::buffer::spare_capacity(&mut events), timeout.as_ref());
            if waited.is_err_and(|error| error != rustix::io::Errno::INTR) {
                return;
            }
            // Of several that wait for the same, the first in line comes first, as in the kernel.
            events.sort_by_key(|event: &epoll::Event| self.turn(event.data.u64()));
            for event in &events {
                let flags = event.flags;
                match event.data.u64() {
                    CALLS if flags.contains(epoll::EventFlags::IN) => self.take_call(),
                    CALLS => return,
                    STACK => self.stack_is_gone(),
                    token @ TOKENS.. => self.engine.answer_netlink(token),
                    token => self.wake(token),
                }
            }
            self.end_late();
            self.engine.drop_kept();
        }
    }

    /// The place in line of a descriptor's thread.
    fn turn(&self, token: u64) -> u64 {
        self.waiting.get(&((token >> 1) as u32)).map_or(0, |waiting| waiting.turn)
    }

    fn take_call(&mut self) {
        // Else the thread was interrupted before its call was taken.
        let Ok(notification) = self.listener.receive() else { return };
        // Whatever this thread was waiting in before, it is no longer.
        self.forget(notification.thread);
        let untold = self.untold.remove(&notification.thread);
        if let Some(untold) = untold.filter(|untold| untold.is_of(&notification)) {
            return self.answer(notification, untold.result);
        }
        let call = match Call::new(&self.listener, notification) {
            Ok(Some(call)) => call,
            Ok(None) => return,
            // A call that nobody answers would be held for ever.
            Err(Errno(errno)) => return self.answer(notification, Err(errno)),
        };
        let result = self.engine.perform(&call);
        let thread = call.thread;
        self.conclude(notification, thread, result);
    }

    fn conclude(&mut self, notification: Notification, thread: Thread, result: Result<Answer, Errno>) {
        match result {
            Ok(Answer::Value(value)) => self.answer(notification, Ok(value as i64)),
            Err(Errno(errno)) => self.answer(notification, Err(errno)),
            Ok(Answer::Run) => {
                let _ = self.listener.let_run(notification.id);
            }
            Ok(Answer::Descriptor { socket, close_on_exec, of_listener }) => {
                let given = self.listener.answer_with(notification.id, socket.as_fd(), close_on_exec);
                if let Err(error) = given {
                    if let Some(listener) = of_listener {
                        self.engine.kept.entry(listener).or_default().push_back(socket);
                    }
                    // A thread that was interrupted makes the call again, and gets a descriptor then.
                    if error.raw_os_error() != Some(libc::ENOENT) {
                        self.answer(notification, Err(errno_of(&error).0));
                    }
                }
            }
            Ok(Answer::Wait(wait)) => {
                let turn = self.next_turn;
                self.next_turn += 1;
                self.put_aside(Waiting { notification, thread, wait, turn });
            }
        }
    }

    /// Tells a thread how its call ended.
    fn answer(&mut self, notification: Notification, result: Result<i64, i32>) {
        if self.listener.answer(notification.id, result).is_err() {
            let at = Instant::now();
            self.untold.retain(|_, untold| untold.at + KEPT_TIME > at);
            self.untold.insert(notification.thread, Untold { notification, result, at });
        }
    }

    fn put_aside(&mut self, waiting: Waiting) {
        let token = u64::from(waiting.notification.thread) << 1;
        let events = epoll::EventFlags::from_bits_retain(waiting.wait.events.bits().into());
        let watched = epoll::add(
            &self.engine.poll,
            &waiting.wait.socket,
            epoll::EventData::new_u64(token),
            events | epoll::EventFlags::ONESHOT,
        )
        .and_then(|()| {
            let data = epoll::EventData::new_u64(token | 1);
            epoll::add(&self.engine.poll, waiting.thread.end(), data, epoll::EventFlags::IN)
        });
        match watched {
            Ok(()) => drop(self.waiting.insert(waiting.notification.thread, waiting)),
            Err(error) => self.answer(waiting.notification, Err(error.raw_os_error())),
        }
    }

    /// Takes a call out of those that wait.
    fn forget(&mut self, thread: u32) -> Option<Waiting> {
        let waiting = self.waiting.remove(&thread)?;
        // A copy of the descriptor may live on in the program, so closing ours does not end the watch.
        let _ = epoll::delete(&self.engine.poll, &waiting.wait.socket);
        let _ = epoll::delete(&self.engine.poll, waiting.thread.end());
        Some(waiting)
    }

    fn wake(&mut self, token: u64) {
        let Some(waiting) = self.forget((token >> 1) as u32) else { return };
        if !self.listener.is_valid(waiting.notification.id) {
            return;
        }
        let over = waiting.wait.events | PollFlags::ERR | PollFlags::HUP;
        if !unix::readiness(waiting.wait.socket.as_fd()).intersects(over) {
            // Another one was first: this one keeps its place in line.
            return self.put_aside(waiting);
        }
        let Waiting { notification, thread, wait, .. } = waiting;
        let call = Call { listener: &self.listener, notification, thread };
        let result = match wait.then {
            Then::Again => self.engine.perform(&call),
            Then::Opened => self.engine.send_opened(&call),
            Then::Connected => match Socket::identify(wait.socket) {
                Ok(socket) => self.engine.connected(socket),
                Err(_) => Err(Errno(libc::EBADF)),
            },
        };
        let result = result.map(|answer| match answer {
            // A wait that goes on does not begin anew.
            Answer::Wait(again) => Answer::Wait(Wait { limit: wait.limit, ..again }),
            other => other,
        });
        let thread = call.thread;
        self.conclude(notification, thread, result);
    }

    fn next_limit(&self) -> Option<Instant> {
        let limits = self.waiting.values().filter_map(|waiting| Some(waiting.wait.limit?.0));
        let look = (!self.engine.kept.is_empty()).then(|| Instant::now() + KEPT_TIME);
        limits.chain(look).min()
    }

    /// Ends the calls whose time is over.
    fn end_late(&mut self) {
        let now = Instant::now();
        let is_late = |waiting: &Waiting| waiting.wait.limit.is_some_and(|(at, _)| at <= now);
        let late: Vec<u32> =
            self.waiting.iter().filter(|(_, waiting)| is_late(waiting)).map(|(thread, _)| *thread).collect();
        for thread in late {
            if let Some(Waiting { notification, wait: Wait { limit: Some((_, error)), .. }, .. }) =
                self.forget(thread)
            {
                self.answer(notification, Err(error.0));
            }
        }
    }

    /// Nothing that waits will ever be ready.
    fn stack_is_gone(&mut self) {
        let _ = epoll::delete(&self.engine.poll, &self.engine.stack);
        let threads: Vec<u32> = self.waiting.keys().copied().collect();
        for thread in threads {
            if let Some(waiting) = self.forget(thread) {
                self.answer(waiting.notification, Err(libc::ENETDOWN));
            }
        }
    }
}

impl Untold {
    /// Whether a call is the one that this answers.
    fn is_of(&self, other: &Notification) -> bool {
        Notification { id: other.id, ..self.notification } == *other && self.at.elapsed() < KEPT_TIME
    }
}

impl Engine {
    /// Answers one call.
    fn perform(&mut self, call: &Call<'_>) -> Result<Answer, Errno> {
        match self.dispatch(call) {
            Err(Errno(libc::EPERM)) if call.is_of_hidden() => self.hidden(call),
            result => result,
        }
    }

    fn dispatch(&mut self, call: &Call<'_>) -> Result<Answer, Errno> {
        match i64::from(call.notification.number) {
            libc::SYS_socket => self.open(call),
            libc::SYS_bind => self.bind(call),
            libc::SYS_listen => self.listen(call),
            libc::SYS_accept => self.accept(call, 0),
            libc::SYS_accept4 => self.accept(call, call.int(3)),
            libc::SYS_connect => self.connect(call),
            libc::SYS_shutdown => self.shutdown(call),
            libc::SYS_getsockname => self.local_name(call),
            libc::SYS_getpeername => self.peer_name(call),
            libc::SYS_getsockopt => self.option(call),
            libc::SYS_setsockopt => self.set_option(call),
            libc::SYS_ioctl => self.ioctl(call),
            libc::SYS_sendto => self.send_to(call),
            libc::SYS_recvfrom => self.receive_from(call),
            libc::SYS_sendmsg => self.send_message(call),
            libc::SYS_recvmsg => self.receive_message(call),
            libc::SYS_sendmmsg => self.many(call, true),
            libc::SYS_recvmmsg => self.many(call, false),
            _ => Ok(Answer::Run),
        }
    }

    /// Resets the connections that were kept for listeners that are gone, as the kernel resets what nobody has accepted.
    fn drop_kept(&mut self) {
        let Engine { kept, stack, .. } = self;
        kept.retain(|listener, connections| {
            let name = Name::Socket { id: listener.id, kind: listener.kind };
            let is_held = unix::is_held(listener.kind.transport, &name);
            if !is_held {
                for connection in connections.drain(..).filter_map(|fd| Socket::identify(fd).ok()) {
                    stack.reset_when_closed(&connection);
                }
            }
            is_held
        });
    }

    /// A connection that was kept for a listener.
    pub(super) fn take_kept(&mut self, listener: Target) -> Option<OwnedFd> {
        let kept = self.kept.get_mut(&listener)?;
        let first = kept.pop_front();
        if kept.is_empty() {
            self.kept.remove(&listener);
        }
        first
    }
}
