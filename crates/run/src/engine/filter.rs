//! The seccomp filter: which calls the kernel shows us, which it refuses, and which it runs.
//!
//! What moves octets of streams is never looked at. A filter sees numbers and arguments and nothing behind a pointer:
//! not what kind of socket a descriptor is, not an address. So every call that may be about an Internet socket is
//! shown; [`super::notifier`] lets those run that are not. Calls of the preload library carry a cookie in the sixth
//! argument, which none of them uses, and run at once.
//!
//! The program is put together here, each instruction one of classic BPF over `struct seccomp_data`.

use crate::os::seccomp::Instruction;

/// AUDIT_ARCH_X86_64 and AUDIT_ARCH_I386 of linux/audit.h.
const X86_64: u32 = 0xc000_003e;
const I386: u32 = 0x4000_0003;
/// From here on numbers are the x32 ABI's.
const X32: u32 = 0x4000_0000;

/// SECCOMP_RET_*.
const ALLOW: u32 = 0x7fff_0000;
const NOTIFY: u32 = 0x7fc0_0000;
const ERRNO: u32 = 0x0005_0000;

/// Where the fields of struct seccomp_data are.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const fn argument(index: u32) -> u32 {
    16 + 8 * index
}

/// BPF: load a word; return; jump if equal, if at least, if a bit is set; jump always.
const LOAD: u16 = 0x20;
const RETURN: u16 = 0x06;
const JUMP: u16 = 0x05;
const IF_EQUAL: u16 = 0x15;
const IF_AT_LEAST: u16 = 0x35;
const IF_ANY_BIT: u16 = 0x45;

/// Calls on sockets that leave the sixth argument alone.
const ALWAYS: [i64; 14] = [
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_connect,
    libc::SYS_shutdown,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_sendmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvmmsg,
];

/// io_uring would make socket calls that no filter sees.
const IO_URING: [i64; 3] = [libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register];

/// The 32-bit calls that make sockets or io_uring: socketcall, socket, io_uring_setup.
const REFUSED_I386: [u32; 3] = [102, 359, 425];

/// ioctl requests from SIOCGSTAMP on are a network's; what is below belongs to any descriptor.
const SIOC_FIRST: u32 = 0x8906;
const SIOC_LAST: u32 = 0x89ff;

/// The program; `cookie` is what the preload library's own calls carry.
pub(super) fn program(cookie: u64) -> Vec<Instruction> {
    let mut to = Assembler::default();
    to.load(ARCHITECTURE);
    to.when(IF_EQUAL, I386, i386);
    to.unless(IF_EQUAL, X86_64, |to| to.result(ERRNO | libc::ENOSYS as u32));
    to.load(NUMBER);
    to.when(IF_AT_LEAST, X32, |to| to.result(ERRNO | libc::ENOSYS as u32));
    for number in IO_URING {
        to.when(IF_EQUAL, number as u32, |to| to.result(ERRNO | libc::ENOSYS as u32));
    }
    to.when(IF_EQUAL, libc::SYS_socket as u32, socket);
    to.when(IF_EQUAL, libc::SYS_sendto as u32, |to| address_or_flags(to, libc::MSG_OOB | libc::MSG_FASTOPEN));
    to.when(IF_EQUAL, libc::SYS_recvfrom as u32, |to| address_or_flags(to, libc::MSG_ERRQUEUE));
    to.when(IF_EQUAL, libc::SYS_ioctl as u32, |to| ioctl(to, cookie));
    for number in ALWAYS {
        to.when(IF_EQUAL, number as u32, |to| unless_ours(to, cookie));
    }
    to.result(ALLOW);
    to.0
}

/// 32-bit programs run, without a network.
fn i386(to: &mut Assembler) {
    to.load(NUMBER);
    for number in REFUSED_I386 {
        to.when(IF_EQUAL, number, |to| to.result(ERRNO | libc::ENOSYS as u32));
    }
    to.result(ALLOW);
}

/// AF_UNIX and AF_ALG have nothing to do with a network. Everything that is not known is refused.
fn socket(to: &mut Assembler) {
    to.load(argument(0));
    for domain in [libc::AF_UNIX, libc::AF_ALG] {
        to.when(IF_EQUAL, domain as u32, |to| to.result(ALLOW));
    }
    for domain in [libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK] {
        to.when(IF_EQUAL, domain as u32, |to| to.result(NOTIFY));
    }
    to.result(ERRNO | libc::EAFNOSUPPORT as u32);
}

/// sendto and recvfrom: shown only with an address, or with a flag that the AF_UNIX socket has another meaning for.
fn address_or_flags(to: &mut Assembler, flags: i32) {
    to.load(argument(3));
    to.when(IF_ANY_BIT, flags as u32, |to| to.result(NOTIFY));
    for half in [0, 4] {
        to.load(argument(4) + half);
        to.unless(IF_EQUAL, 0, |to| to.result(NOTIFY));
    }
    to.result(ALLOW);
}

fn ioctl(to: &mut Assembler, cookie: u64) {
    to.load(argument(1));
    for request in [libc::TIOCOUTQ as u32, libc::FIONREAD as u32] {
        to.when(IF_EQUAL, request, |to| unless_ours(to, cookie));
    }
    to.when(IF_AT_LEAST, SIOC_FIRST, |to| {
        to.when(IF_AT_LEAST, SIOC_LAST + 1, |to| to.result(ALLOW));
        unless_ours(to, cookie);
    });
    to.result(ALLOW);
}

/// Shows the call unless it carries the cookie.
fn unless_ours(to: &mut Assembler, cookie: u64) {
    to.load(argument(5));
    to.unless(IF_EQUAL, cookie as u32, |to| to.result(NOTIFY));
    to.load(argument(5) + 4);
    to.unless(IF_EQUAL, (cookie >> 32) as u32, |to| to.result(NOTIFY));
    to.result(ALLOW);
}

/// Instructions so far.
#[derive(Default)]
struct Assembler(Vec<Instruction>);

impl Assembler {
    fn push(&mut self, code: u16, jt: u8, jf: u8, k: u32) {
        self.0.push(Instruction { code, jt, jf, k });
    }

    fn load(&mut self, field: u32) {
        self.push(LOAD, 0, 0, field);
    }

    fn result(&mut self, value: u32) {
        self.push(RETURN, 0, 0, value);
    }

    /// `body`, which must end with a result, if the condition holds for what was loaded last; else goes on.
    fn when(&mut self, condition: u16, value: u32, body: impl FnOnce(&mut Assembler)) {
        self.push(condition, 1, 0, value);
        self.skipped(body);
    }

    /// The same if it does not hold.
    fn unless(&mut self, condition: u16, value: u32, body: impl FnOnce(&mut Assembler)) {
        self.push(condition, 0, 1, value);
        self.skipped(body);
    }

    /// A jump around `body`: conditional jumps reach only 255 instructions.
    fn skipped(&mut self, body: impl FnOnce(&mut Assembler)) {
        let jump = self.0.len();
        self.push(JUMP, 0, 0, 0);
        body(self);
        let len = self.0.len() - jump - 1;
        if let Some(jump) = self.0.get_mut(jump) {
            jump.k = u32::try_from(len).unwrap_or(u32::MAX);
        }
    }
}

#[cfg(test)]
mod tests;
