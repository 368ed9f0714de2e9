//! setrlimit(2) and prlimit(2): a process that forbids itself new descriptors keeps its control connection.
//!
//! Servers do so before they talk to strangers. The connection has to be open by then, because later calls can open
//! none.

#![expect(unsafe_code, reason = "libc symbols")]

use libc::{c_int, pid_t, rlimit, rlimit64};

use crate::{control, real, state};

/// Opens the control connection while that is still allowed.
fn before(resource: c_int) {
    if resource == libc::RLIMIT_NOFILE as c_int && state::is_active() {
        // A stack process that is gone is reported by the calls that need it.
        let _ = control::prepare();
    }
}

/// setrlimit(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn setrlimit(resource: c_int, limit: *const rlimit) -> c_int {
    before(resource);
    // SAFETY: the program's own arguments.
    unsafe { real::setrlimit(resource, limit) }
}

/// setrlimit(2) of programs with large files.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn setrlimit64(resource: c_int, limit: *const rlimit64) -> c_int {
    before(resource);
    // SAFETY: the program's own arguments.
    unsafe { real::setrlimit64(resource, limit) }
}

/// prlimit(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn prlimit(
    process: pid_t,
    resource: c_int,
    new: *const rlimit,
    old: *mut rlimit,
) -> c_int {
    if !new.is_null() {
        before(resource);
    }
    // SAFETY: the program's own arguments.
    unsafe { real::prlimit(process, resource, new, old) }
}

/// prlimit(2) of programs with large files.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn prlimit64(
    process: pid_t,
    resource: c_int,
    new: *const rlimit64,
    old: *mut rlimit64,
) -> c_int {
    if !new.is_null() {
        before(resource);
    }
    // SAFETY: the program's own arguments.
    unsafe { real::prlimit64(process, resource, new, old) }
}
