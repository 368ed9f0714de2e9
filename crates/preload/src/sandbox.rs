//! prctl(2) and seccomp(2): a process that forbids itself system calls.
//!
//! Browsers do so in the children that read what strangers send. A call that the process has not asked for itself may be
//! answered with its death, so from then on the library makes none for a descriptor that may be anybody's: it looks
//! only at those that it has known before as the process's own, and reads the program's memory itself, where a bad
//! pointer is then SIGSEGV and no EFAULT.

#![expect(unsafe_code, reason = "a libc symbol")]

use core::sync::atomic::{AtomicBool, Ordering};

use libc::{c_int, c_ulong};

use crate::{control, real, state};

/// The process has installed a filter. Processes that it forks have it too; what they exec starts with false, and finds
/// out by trying.
static IS_ON: AtomicBool = AtomicBool::new(false);

/// See the head of this file.
pub(crate) fn is_on() -> bool {
    IS_ON.load(Ordering::Relaxed)
}

/// Whether a system call may be spent to learn what a descriptor is.
pub(crate) fn may_look_at(fd: c_int) -> bool {
    !is_on() || state::has_datagrams() || state::is_probably_stream(fd)
}

/// prctl(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn prctl(
    option: c_int,
    a: c_ulong,
    b: c_ulong,
    c: c_ulong,
    d: c_ulong,
) -> c_int {
    // SAFETY: the program's own arguments.
    let call = || unsafe { real::prctl(option, a, b, c, d) };
    if option == libc::PR_SET_SECCOMP && state::is_active() {
        enter(call, |result| *result == 0)
    } else {
        call()
    }
}

/// Makes the call that may forbid later ones. What they would do has to be done before it.
pub(crate) fn enter<T>(call: impl FnOnce() -> T, has_succeeded: impl FnOnce(&T) -> bool) -> T {
    state::look_at_descriptors();
    if state::has_sockets() {
        // A stack process that is gone is reported by the calls that need it.
        let _ = control::prepare();
    }
    let result = call();
    if has_succeeded(&result) {
        IS_ON.store(true, Ordering::Relaxed);
    }
    result
}
