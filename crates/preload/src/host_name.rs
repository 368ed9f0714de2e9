//! gethostname(2) and uname(2): with `--hostname` the program sees the name that its host was given.

#![expect(unsafe_code, reason = "libc symbols")]

use libc::{c_char, c_int, size_t, utsname};
use portolan_protocol::{CALL_MAX, Operation, Reply};

use crate::errno::{self, Errno};
use crate::{control, memory, real, sandbox, state};

/// Linux's __NEW_UTS_LEN: octets of a name, without its NUL.
const NAME_MAX: usize = 64;

/// The host's name and a NUL.
struct HostName {
    octets: [u8; NAME_MAX + 1],
    len: usize,
}

impl HostName {
    /// The name that was given; `None` if there is none, and the machine's is right.
    fn given() -> Option<Self> {
        if !state::is_active() || sandbox::is_on() {
            return None;
        }
        let mut buffer = [0; CALL_MAX];
        let Ok(Reply::HostName(name)) = control::call(Operation::OwnName, &mut buffer) else { return None };
        let name = name.get(..NAME_MAX).unwrap_or(name);
        let mut octets = [0; NAME_MAX + 1];
        octets.get_mut(..name.len())?.copy_from_slice(name);
        Some(Self { octets, len: name.len() })
    }

    /// As glibc: what there is room for, and an error if that is not all.
    fn write(&self, to: *mut c_char, room: size_t) -> Result<c_int, Errno> {
        let whole = self.octets.get(..=self.len).unwrap_or(&[]);
        memory::write_bytes(to.cast(), whole.get(..room).unwrap_or(whole))?;
        if whole.len() > room { Err(Errno(libc::ENAMETOOLONG)) } else { Ok(0) }
    }
}

/// gethostname(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn gethostname(name: *mut c_char, len: size_t) -> c_int {
    match HostName::given() {
        Some(own) => errno::finish(own.write(name, len)),
        // SAFETY: the program's own arguments.
        None => unsafe { real::gethostname(name, len) },
    }
}

/// The checked form of gethostname(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn __gethostname_chk(name: *mut c_char, len: size_t, room: size_t) -> c_int {
    crate::io::check_room(len, room);
    // SAFETY: the program's own arguments.
    unsafe { gethostname(name, len) }
}

/// uname(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn uname(out: *mut utsname) -> c_int {
    // SAFETY: the program's own argument.
    let result = unsafe { real::uname(out) };
    let own = if result == 0 { HostName::given() } else { None };
    let Some(own) = own else { return result };
    // SAFETY: a field's address only; nothing is dereferenced.
    let field = unsafe { &raw mut (*out).nodename };
    errno::finish(memory::write_bytes(field.cast(), &own.octets).map(|()| result))
}
