//! The control connection: one descriptor per process, checked before each use.
//!
//! It sits at a high number, closes on exec, and its own name holds the process that opened it. So a child
//! after fork or vfork, and a process whose program closed every descriptor it did not know, notice and open
//! another. Calls are short, one at a time under a futex lock, with signals blocked, so that a handler that
//! calls a hook never finds its own thread holding the lock. Look-ups take long: each has a connection of its own.

#![expect(unsafe_code, reason = "registers a fork handler with libc")]

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};

use libc::c_int;
pub(crate) use portolan_native::errno::gone;
use portolan_protocol::{
    CALL_MAX, MESSAGE_MAX, Name, Operation, ProtocolError, Rendezvous, Reply, Request, SocketId, VERSION,
};

use crate::errno::Errno;
use crate::{state, sys};

/// The control descriptor, or -1.
static DESCRIPTOR: AtomicI32 = AtomicI32::new(-1);
/// 0 free, 1 held, 2 held and waited for.
static LOCK: AtomicU32 = AtomicU32::new(0);
/// The number of the last request.
static NUMBER: AtomicU32 = AtomicU32::new(0);
/// The stack process, as SO_PEERCRED names it here.
static STACK_PROCESS: AtomicI32 = AtomicI32::new(-1);
/// The stack process's user.
static STACK_USER: AtomicU32 = AtomicU32::new(u32::MAX);
/// The user that greeted it: one who gives up root is to be judged as what he has become.
static GREETED_AS: AtomicU32 = AtomicU32::new(u32::MAX);
/// A version mismatch has been reported.
static HAS_COMPLAINED: AtomicBool = AtomicBool::new(false);

/// A process whose control connection its parent opened, because it cannot reach the stack process by itself.
static HEIR: AtomicI32 = AtomicI32::new(0);

/// The highest number that the descriptor is put at: a higher one makes the kernel copy a large table on
/// every fork.
const HIGHEST: c_int = 4095;

/// In a control connection's name: opened for a child whose number is not known yet.
const NO_PROCESS: u32 = 0;

/// Seconds that a look-up may take in all.
const LOOK_UP_SECONDS: i64 = 60;

/// A message buffer for calls.
pub(crate) type CallBuffer = [u8; CALL_MAX];

/// A child of fork has the lock as another thread may have left it, and nobody to release it.
pub(crate) fn register_fork_handler() {
    extern "C" fn in_child() {
        LOCK.store(0, Ordering::Relaxed);
    }
    // SAFETY: the handler only stores to an atomic. A child of vfork does not run it, and must not: it shares
    // the parent's memory, whose other threads do release the lock.
    unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
}

/// Opens the control connection if it is not open, so that later calls need no descriptor.
pub(crate) fn prepare() -> Result<(), Errno> {
    locked(|| ensure_open().map(drop))
}

/// Whether the stack process has ended. An open connection to it tells by its end of file.
pub(crate) fn stack_is_gone() -> bool {
    let alive = locked(|| {
        let fd = ensure_open()?;
        match sys::receive(fd, &mut [0; 1], libc::MSG_PEEK | libc::MSG_DONTWAIT) {
            Ok(0) => Err(Errno::NETDOWN),
            Ok(_) | Err(Errno(libc::EAGAIN)) => Ok(()),
            Err(error) => Err(gone(error)),
        }
    });
    alive == Err(Errno::NETDOWN)
}

/// As [`stack_is_gone`], for who has seen another end of it close: a process that dies closes one after the other.
pub(crate) fn stack_is_going() -> bool {
    const LOOKS: u32 = 5;
    (0..LOOKS).any(|look| {
        if look > 0 {
            sys::pause_ms(1);
        }
        stack_is_gone()
    })
}

/// Opens a control connection for a child that is about to be made in another network namespace, where abstract
/// names lead nowhere. The child takes it with [`inherit`], the parent closes it.
pub(crate) fn open_for_child() -> Result<c_int, Errno> {
    let rendezvous = state::rendezvous().ok_or(Errno::NETDOWN)?;
    open(rendezvous, NO_PROCESS)
}

/// In a child: this is the process's control connection from now on. Its own children cannot open another.
pub(crate) fn inherit(fd: c_int) {
    HEIR.store(sys::process(), Ordering::Relaxed);
    let old = DESCRIPTOR.load(Ordering::Relaxed);
    if old >= 0 && sys::duplicate_onto(fd, old, true).is_ok() {
        sys::close(fd);
    } else {
        DESCRIPTOR.store(place_high(fd), Ordering::Relaxed);
    }
}

/// The stack process and its user, to be compared with SO_PEERCRED of accepted connections.
pub(crate) fn stack_credentials() -> Result<(c_int, u32), Errno> {
    if STACK_PROCESS.load(Ordering::Relaxed) < 0 {
        prepare()?;
    }
    Ok((STACK_PROCESS.load(Ordering::Relaxed), STACK_USER.load(Ordering::Relaxed)))
}

/// Asks the stack process. The answer borrows from `buffer`; a failure becomes its errno, and ENETDOWN stands
/// for a stack process that is gone.
pub(crate) fn call<'a>(operation: Operation<'_>, buffer: &'a mut CallBuffer) -> Result<Reply<'a>, Errno> {
    let len = locked(|| {
        let fd = ensure_open()?;
        exchange(fd, operation, buffer)
    })?;
    match Reply::decode(buffer.get(..len).unwrap_or(&[])) {
        Ok((_, Reply::Failed(errno))) => Err(Errno(errno)),
        Ok((_, reply)) => Ok(reply),
        Err(_) => Err(Errno(libc::EPROTO)),
    }
}

/// As [`call`], for operations that are answered with `Done` or a failure.
pub(crate) fn order(operation: Operation<'_>) -> Result<(), Errno> {
    call(operation, &mut [0; CALL_MAX]).map(drop)
}

/// A look-up of a name or an address, on a connection of its own and without the lock.
pub(crate) fn look_up<'a>(
    operation: Operation<'_>,
    buffer: &'a mut [u8; MESSAGE_MAX],
) -> Result<Reply<'a>, Errno> {
    let rendezvous = state::rendezvous().ok_or(Errno::NETDOWN)?;
    let fd = open(rendezvous, sys::process().cast_unsigned())?;
    let _ = sys::set_receive_timeout(fd, LOOK_UP_SECONDS);
    let outcome = exchange(fd, operation, buffer);
    sys::close(fd);
    match Reply::decode(buffer.get(..outcome?).unwrap_or(&[])) {
        Ok((_, Reply::Failed(errno))) => Err(Errno(errno)),
        Ok((_, reply)) => Ok(reply),
        Err(_) => Err(Errno(libc::EPROTO)),
    }
}

/// The control descriptor of this process, opened if need be. Under the lock.
fn ensure_open() -> Result<c_int, Errno> {
    let rendezvous = state::rendezvous().ok_or(Errno::NETDOWN)?;
    let old = DESCRIPTOR.load(Ordering::Relaxed);
    let old_name = if old < 0 { None } else { sys::own_name(old) };
    match old_name {
        Some(Name::Control { pid, .. })
            if pid == sys::process().cast_unsigned() && GREETED_AS.load(Ordering::Relaxed) == sys::user() =>
        {
            Ok(old)
        }
        Some(Name::Control { pid: NO_PROCESS, .. }) if HEIR.load(Ordering::Relaxed) == sys::process() => {
            Ok(old)
        }
        // Inherited over fork, or of another user: take its place, so that a vfork child leaves the parent's number as it was.
        Some(Name::Control { pid, .. }) => match replace(old, rendezvous) {
            // A process that forbade itself new descriptors before it changed its user.
            Err(_) if pid == sys::process().cast_unsigned() => Ok(old),
            replaced => replaced.map(|()| old),
        },
        _ => {
            let new = open(rendezvous, sys::process().cast_unsigned())?;
            let placed = place_high(new);
            DESCRIPTOR.store(placed, Ordering::Relaxed);
            Ok(placed)
        }
    }
}

/// Opens a connection of this process's own in the place of an old one.
fn replace(old: c_int, rendezvous: Rendezvous) -> Result<(), Errno> {
    let new = open(rendezvous, sys::process().cast_unsigned())?;
    let placed = sys::duplicate_onto(new, old, true);
    sys::close(new);
    placed
}

/// Moves a new descriptor to the highest free number, out of the way of programs that expect the lowest ones.
fn place_high(new: c_int) -> c_int {
    let highest = (sys::descriptor_limit() - 1).min(HIGHEST);
    for least in (highest.saturating_sub(63)..=highest).rev() {
        if let Ok(placed) = sys::duplicate_at_least(new, least) {
            sys::close(new);
            return placed;
        }
    }
    new
}

/// Connects to the stack process and greets it, for this process.
fn open(rendezvous: Rendezvous, process: u32) -> Result<c_int, Errno> {
    let fd = sys::unix_socket(libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC)?;
    let greeted = greet(fd, rendezvous, process);
    if greeted.is_err() {
        sys::close(fd);
    }
    greeted.map(|()| fd)
}

fn greet(fd: c_int, rendezvous: Rendezvous, process: u32) -> Result<(), Errno> {
    let id = SocketId(sys::random()?);
    sys::bind(fd, &Name::Control { id, pid: process })?;
    sys::connect(fd, &rendezvous.control_name()).map_err(gone)?;
    let (process, user) = sys::peer_credentials(fd)?;
    STACK_PROCESS.store(process, Ordering::Relaxed);
    STACK_USER.store(user, Ordering::Relaxed);
    let mut buffer = [0; CALL_MAX];
    let len =
        exchange(fd, Operation::Hello { secret: rendezvous.secret }, &mut buffer).map_err(
            |error| match error {
                // It took the connection, closed it, and is still there: it has no descriptor for it.
                Errno::NETDOWN if is_listening(rendezvous) => Errno(libc::ENFILE),
                error => error,
            },
        )?;
    match Reply::decode(buffer.get(..len).unwrap_or(&[])) {
        Ok((_, Reply::Done)) => {
            GREETED_AS.store(sys::user(), Ordering::Relaxed);
            Ok(())
        }
        Ok((_, Reply::Failed(errno))) => Err(Errno(errno)),
        Ok(_) | Err(_) => Err(Errno(libc::EPROTO)),
    }
}

fn is_listening(rendezvous: Rendezvous) -> bool {
    let Ok(fd) = sys::unix_socket(libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC) else { return false };
    let connected = sys::connect(fd, &rendezvous.control_name());
    sys::close(fd);
    connected.is_ok()
}

/// One request and its answer, as octets in `buffer`. Answers to other numbers belong to calls that were cut
/// short, and are passed over.
fn exchange(fd: c_int, operation: Operation<'_>, buffer: &mut [u8]) -> Result<usize, Errno> {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let len = Request { number, operation }.encode(buffer).map_err(|_| Errno(libc::EINVAL))?;
    sys::send(fd, buffer.get(..len).unwrap_or(&[])).map_err(gone)?;
    loop {
        let len = match sys::receive(fd, buffer, 0) {
            Ok(0) => return Err(Errno::NETDOWN),
            Ok(len) => len,
            Err(Errno(libc::EINTR)) => continue,
            Err(error) => return Err(gone(error)),
        };
        match Reply::decode(buffer.get(..len).unwrap_or(&[])) {
            Ok((answered, _)) if answered != number => {}
            Err(ProtocolError::Version(theirs)) => {
                complain_about_version(theirs);
                return Err(Errno(libc::EPROTO));
            }
            _ => return Ok(len),
        }
    }
}

fn complain_about_version(theirs: u16) {
    if HAS_COMPLAINED.swap(true, Ordering::Relaxed) {
        return;
    }
    let mut line = Line { octets: [0; 192], len: 0 };
    // A line that does not fit is cut, which is better than silence.
    let _ = writeln!(
        line,
        "portolan: the preload library speaks protocol {VERSION}, the stack process {theirs}: \
         use a library and a program of one build"
    );
    sys::complain(line.octets.get(..line.len).unwrap_or(&[]));
}

/// Text put together without allocation.
struct Line {
    octets: [u8; 192],
    len: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.octets.get_mut(self.len..).and_then(|rest| rest.get_mut(..text.len()));
        room.ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}

/// Runs a call under the lock with signals blocked.
fn locked<T>(run: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
    let signals = sys::block_signals();
    if LOCK.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
        while LOCK.swap(2, Ordering::Acquire) != 0 {
            sys::futex_wait(&LOCK, 2);
        }
    }
    let result = run();
    if LOCK.swap(0, Ordering::Release) == 2 {
        sys::futex_wake(&LOCK);
    }
    sys::restore_signals(signals);
    result
}
