//! Why a system call failed, as its number.

use core::fmt;

use portolan_stack::SocketError;

/// A Linux error number, never 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Errno(pub i32);

macro_rules! numbers {
    ($($name:ident)*) => {
        impl Errno {
            $(
                #[doc = concat!("Linux's `", stringify!($name), "`.")]
                pub const $name: Errno = Errno(libc::$name);
            )*

            /// The number's name, such as `EAGAIN`; `None` for one that no call of a machine gives.
            #[must_use]
            pub fn name(self) -> Option<&'static str> {
                match self {
                    $(Errno::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

numbers! {
    EPERM ENOENT EBADF EAGAIN ENOMEM EACCES EFAULT EEXIST EINVAL ENFILE EMFILE ENOTTY ESPIPE EPIPE ERANGE
    EDEADLK EDESTADDRREQ EMSGSIZE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EAFNOSUPPORT EADDRINUSE
    EADDRNOTAVAIL ENETDOWN ENETUNREACH ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN ETIMEDOUT ECONNREFUSED
    EHOSTUNREACH EALREADY EINPROGRESS ENOTSOCK EPROTO
}

impl From<SocketError> for Errno {
    fn from(error: SocketError) -> Errno {
        Errno(error.errno())
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "errno {}", self.0),
        }
    }
}

impl core::error::Error for Errno {}
