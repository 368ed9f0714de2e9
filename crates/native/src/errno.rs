//! Error numbers.

use libc::c_int;

/// A Linux error number, never 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Errno(pub c_int);

impl Errno {
    /// What calls give once the stack process is gone.
    pub const NETDOWN: Self = Self(libc::ENETDOWN);
}

/// What the errors of a connection whose other end has gone mean to the program.
pub fn gone(error: Errno) -> Errno {
    match error {
        Errno(libc::ECONNREFUSED | libc::ECONNRESET | libc::EPIPE | libc::ENOTCONN) => Errno::NETDOWN,
        other => other,
    }
}
