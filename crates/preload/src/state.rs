//! What the library keeps in a process: where the stack process is, and hints that spare system calls.
//!
//! Nothing here is a descriptor table. A hint that is wrong costs a system call or a less exact errno, never
//! a wrong socket: the socket's own name decides.

#![expect(unsafe_code, reason = "the loader calls the initialiser; the environment is read through libc")]

use core::ffi::CStr;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use libc::c_int;
use portolan_protocol::{Name, Rendezvous, Secret, SocketId, environment};

use crate::{control, real, sys};

const FRESH: u32 = 0;
const OFF: u32 = 1;
const ON: u32 = 2;

/// Inherited descriptors are looked for below this number.
const LOOKED_AT: c_int = 4096;

/// Whether the environment names a stack process.
static PHASE: AtomicU32 = AtomicU32::new(FRESH);

/// The rendezvous, as words so that reading needs no lock: id, then secret.
static RENDEZVOUS: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];

/// The process may hold UDP sockets of ours, so that read and write must look at each descriptor.
static HAS_DATAGRAMS: AtomicBool = AtomicBool::new(false);

/// A socket was told to linger on close, so that close must look at each descriptor.
static HAS_LINGER: AtomicBool = AtomicBool::new(false);

/// A UDP socket may be told of errors, so that poll must look at what is readable.
static HAS_REPORTS: AtomicBool = AtomicBool::new(false);

/// A listener was told to keep urgent octets in line, which what it accepts must be told too.
static HAS_INLINE: AtomicBool = AtomicBool::new(false);

/// A UDP socket may refuse text for its length, so that each length is asked about.
static HAS_LENGTH_LIMITS: AtomicBool = AtomicBool::new(false);

/// Descriptors that are probably streams of ours: their writes go out with MSG_NOSIGNAL, so that the errno
/// can be put right before the signal is raised.
static STREAMS: [AtomicU64; 256] = [const { AtomicU64::new(0) }; 256];

#[used]
#[unsafe(link_section = ".init_array")]
static INITIALISER: extern "C" fn() = initialise;

/// Runs when the library is loaded, and before that if another library's initialiser opens a socket.
extern "C" fn initialise() {
    if PHASE.load(Ordering::Acquire) != FRESH {
        return;
    }
    let Some(rendezvous) = from_environment() else {
        PHASE.store(OFF, Ordering::Release);
        return;
    };
    let words = [rendezvous.id.0, rendezvous.secret.0].map(u128::from_le_bytes);
    for (slot, word) in RENDEZVOUS.chunks_exact(2).zip(words) {
        slot[0].store(word as u64, Ordering::Relaxed);
        slot[1].store((word >> 64) as u64, Ordering::Relaxed);
    }
    PHASE.store(ON, Ordering::Release);
    real::resolve_all();
    control::register_fork_handler();
    look_at_descriptors();
}

/// Learns which descriptors are ours, as after an exec, when the process may have inherited some.
pub(crate) fn look_at_descriptors() {
    for first in (0..LOOKED_AT).step_by(sys::GROUP) {
        for (fd, is_open) in (first..).zip(sys::open_among(first)) {
            // Only of a socket the name is asked: an inherited filter may have death as the answer.
            if is_open && sys::is_socket(fd) {
                note_socket(fd);
            }
        }
    }
}

fn note_socket(fd: c_int) {
    match sys::own_name(fd) {
        Some(Name::Socket { kind, .. }) if kind.is_bare => {}
        Some(Name::Socket { kind, .. }) if kind.transport.is_stream() => hint_stream(fd, true),
        Some(Name::Socket { .. }) => {
            note_datagrams();
            note_length_limits();
            note_reports();
        }
        _ => {}
    }
}

/// Whether the process probably has a socket of ours.
pub(crate) fn has_sockets() -> bool {
    has_datagrams() || STREAMS.iter().any(|word| word.load(Ordering::Relaxed) != 0)
}

fn from_environment() -> Option<Rendezvous> {
    let mut name = [0u8; environment::STACK.len() + 1];
    name[..environment::STACK.len()].copy_from_slice(environment::STACK.as_bytes());
    // SAFETY: the name ends with NUL; nothing else runs yet that could change the environment.
    let value = unsafe { libc::getenv(name.as_ptr().cast()) };
    if value.is_null() {
        return None;
    }
    // SAFETY: getenv gives a string that ends with NUL.
    let text = unsafe { CStr::from_ptr(value) }.to_bytes();
    let rendezvous = Rendezvous::from_text(text);
    if rendezvous.is_none() && !text.is_empty() {
        sys::complain(b"portolan: PORTOLAN_STACK is malformed, so this program uses the host's network\n");
    }
    rendezvous
}

/// The stack process's rendezvous; `None` when the library is to do nothing.
pub(crate) fn rendezvous() -> Option<Rendezvous> {
    if !is_active() {
        return None;
    }
    let word = |index: usize| u128::from(RENDEZVOUS[index].load(Ordering::Relaxed));
    let id = SocketId((word(0) | word(1) << 64).to_le_bytes());
    let secret = Secret((word(2) | word(3) << 64).to_le_bytes());
    Some(Rendezvous { id, secret })
}

/// What the library's own system calls carry, see [`crate::passing`].
pub(crate) fn cookie() -> u64 {
    // The low half of the secret, as `Rendezvous::cookie` has it.
    RENDEZVOUS[2].load(Ordering::Relaxed)
}

/// False when the environment names no stack process: every hook then passes on.
pub(crate) fn is_active() -> bool {
    match PHASE.load(Ordering::Acquire) {
        ON => true,
        OFF => false,
        _ => {
            initialise();
            PHASE.load(Ordering::Acquire) == ON
        }
    }
}

/// The descriptor is a UDP socket of ours, whatever the hints say.
pub(crate) fn is_datagram_socket(fd: c_int) -> bool {
    matches!(sys::own_name(fd), Some(Name::Socket { kind, .. }) if !kind.transport.is_stream() && !kind.is_bare)
}

/// From now on read and write look at each descriptor.
pub(crate) fn note_datagrams() {
    HAS_DATAGRAMS.store(true, Ordering::Relaxed);
}

/// See [`note_datagrams`].
pub(crate) fn has_datagrams() -> bool {
    HAS_DATAGRAMS.load(Ordering::Relaxed)
}

/// From now on poll looks at datagrams.
pub(crate) fn note_reports() {
    HAS_REPORTS.store(true, Ordering::Relaxed);
}

/// See [`note_reports`].
pub(crate) fn has_reports() -> bool {
    HAS_REPORTS.load(Ordering::Relaxed)
}

/// From now on accept looks at the listener's SO_OOBINLINE.
pub(crate) fn note_inline() {
    HAS_INLINE.store(true, Ordering::Relaxed);
}

/// See [`note_inline`].
pub(crate) fn has_inline() -> bool {
    HAS_INLINE.load(Ordering::Relaxed)
}

/// From now on the stack process is asked about each new length.
pub(crate) fn note_length_limits() {
    HAS_LENGTH_LIMITS.store(true, Ordering::Relaxed);
}

/// See [`note_length_limits`].
pub(crate) fn has_length_limits() -> bool {
    HAS_LENGTH_LIMITS.load(Ordering::Relaxed)
}

/// From now on close looks at each descriptor.
pub(crate) fn note_linger() {
    HAS_LINGER.store(true, Ordering::Relaxed);
}

/// See [`note_linger`].
pub(crate) fn has_linger() -> bool {
    HAS_LINGER.load(Ordering::Relaxed)
}

/// Records whether a descriptor is probably a stream of ours.
pub(crate) fn hint_stream(fd: c_int, is_stream: bool) {
    if let Some((word, bit)) = stream_bit(fd) {
        if is_stream {
            word.fetch_or(bit, Ordering::Relaxed);
        } else {
            word.fetch_and(!bit, Ordering::Relaxed);
        }
    }
}

/// The descriptor is probably a stream of ours.
pub(crate) fn is_probably_stream(fd: c_int) -> bool {
    stream_bit(fd).is_some_and(|(word, bit)| word.load(Ordering::Relaxed) & bit != 0)
}

fn stream_bit(fd: c_int) -> Option<(&'static AtomicU64, u64)> {
    let fd = usize::try_from(fd).ok()?;
    Some((STREAMS.get(fd / 64)?, 1 << (fd % 64)))
}
