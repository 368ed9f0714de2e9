//! The library's own system calls: on its own memory, and without a trace in errno.

#![expect(unsafe_code, reason = "system calls")]

use core::ffi::CStr;
use core::ptr;

use libc::{c_int, c_long, c_void, iovec, pid_t, socklen_t};
use portolan_protocol::Name;

use crate::address::UnixAddress;
use crate::errno::{self, Errno};
use crate::real;
use crate::state::cookie;

/// One system call: its result or its error, errno as before.
macro_rules! call {
    ($number:expr $(, $argument:expr)*) => {{
        let saved = errno::get();
        // SAFETY: each caller in this file passes memory of its own with its true length.
        let result = unsafe { real::syscall()($number $(, $argument)*) };
        crate::passing::forget_cookie();
        let result = if result < 0 { Err(Errno(errno::get())) } else { Ok(result) };
        errno::set(saved);
        result
    }};
}

fn to_int(result: c_long) -> c_int {
    c_int::try_from(result).unwrap_or(c_int::MAX)
}

/// An AF_UNIX socket of this type (flags included).
pub(crate) fn unix_socket(kind: c_int) -> Result<c_int, Errno> {
    call!(libc::SYS_socket, libc::AF_UNIX, kind, 0).map(to_int)
}

/// Binds to an abstract name.
pub(crate) fn bind(fd: c_int, name: &Name) -> Result<(), Errno> {
    let address = UnixAddress::from_name(name);
    call!(libc::SYS_bind, fd, address.as_ptr(), address.len(), 0usize, 0usize, cookie()).map(drop)
}

/// Connects to an abstract name.
pub(crate) fn connect(fd: c_int, name: &Name) -> Result<(), Errno> {
    let address = UnixAddress::from_name(name);
    call!(libc::SYS_connect, fd, address.as_ptr(), address.len(), 0usize, 0usize, cookie()).map(drop)
}

/// The next connection of a listener, closed on exec.
pub(crate) fn accept(fd: c_int) -> Result<c_int, Errno> {
    let no_address = ptr::null_mut::<c_void>();
    call!(libc::SYS_accept4, fd, no_address, no_address, libc::SOCK_CLOEXEC).map(to_int)
}

/// So many descriptors are asked about by one call of [`open_among`].
pub(crate) const GROUP: usize = 256;

/// Which of [`GROUP`] descriptors from `first` on are open; all of them if the kernel does not say.
pub(crate) fn open_among(first: c_int) -> [bool; GROUP] {
    let mut asked = [libc::pollfd { fd: 0, events: 0, revents: 0 }; GROUP];
    for (slot, fd) in asked.iter_mut().zip(first..) {
        slot.fd = fd;
    }
    let answered = call!(libc::SYS_poll, asked.as_mut_ptr(), GROUP, 0);
    asked.map(|one| answered.is_err() || one.revents & libc::POLLNVAL == 0)
}

/// Whether the descriptor is a socket of any kind.
pub(crate) fn is_socket(fd: c_int) -> bool {
    // SAFETY: integers, for which zero is a value.
    let mut about: libc::stat = unsafe { core::mem::zeroed() };
    call!(libc::SYS_fstat, fd, &raw mut about).is_ok() && about.st_mode & libc::S_IFMT == libc::S_IFSOCK
}

/// The socket's own name, if it is one of ours.
pub(crate) fn own_name(fd: c_int) -> Option<Name> {
    let mut address = UnixAddress::EMPTY;
    let (pointer, len) = address.as_mut();
    call!(libc::SYS_getsockname, fd, pointer, len, 0usize, 0usize, cookie()).ok()?;
    address.name()
}

/// The name of a connected socket's peer, if it is one of ours; `ENOTCONN` without a peer.
pub(crate) fn peer_name(fd: c_int) -> Result<Option<Name>, Errno> {
    let mut address = UnixAddress::EMPTY;
    let (pointer, len) = address.as_mut();
    call!(libc::SYS_getpeername, fd, pointer, len, 0usize, 0usize, cookie())?;
    Ok(address.name())
}

/// An option whose value is an int.
pub(crate) fn option(fd: c_int, name: c_int) -> Result<c_int, Errno> {
    let mut value: c_int = 0;
    let mut len = size_of::<c_int>() as socklen_t;
    call!(libc::SYS_getsockopt, fd, libc::SOL_SOCKET, name, &raw mut value, &raw mut len, cookie())?;
    Ok(value)
}

/// Sets an option whose value is an int.
pub(crate) fn set_option(fd: c_int, name: c_int, value: c_int) -> Result<(), Errno> {
    let len = size_of::<c_int>() as socklen_t;
    call!(libc::SYS_setsockopt, fd, libc::SOL_SOCKET, name, &raw const value, len, cookie()).map(drop)
}

/// SO_SNDTIMEO as poll(2) wants it: milliseconds, rounded up, or -1 for none.
pub(crate) fn send_timeout_ms(fd: c_int) -> c_int {
    let mut value = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let mut len = size_of::<libc::timeval>() as socklen_t;
    let name = libc::SO_SNDTIMEO;
    let known =
        call!(libc::SYS_getsockopt, fd, libc::SOL_SOCKET, name, &raw mut value, &raw mut len, cookie());
    if known.is_err() || (value.tv_sec == 0 && value.tv_usec == 0) {
        return -1;
    }
    let milliseconds =
        value.tv_sec.saturating_mul(1000).saturating_add(value.tv_usec.saturating_add(999) / 1000);
    c_int::try_from(milliseconds).unwrap_or(c_int::MAX)
}

/// SO_RCVTIMEO in whole seconds.
pub(crate) fn set_receive_timeout(fd: c_int, seconds: i64) -> Result<(), Errno> {
    let value = libc::timeval { tv_sec: seconds, tv_usec: 0 };
    let len = size_of::<libc::timeval>() as socklen_t;
    call!(libc::SYS_setsockopt, fd, libc::SOL_SOCKET, libc::SO_RCVTIMEO, &raw const value, len, cookie())
        .map(drop)
}

/// The process and user at the other end of a connected AF_UNIX socket.
pub(crate) fn peer_credentials(fd: c_int) -> Result<(pid_t, u32), Errno> {
    let mut value = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut len = size_of::<libc::ucred>() as socklen_t;
    let name = libc::SO_PEERCRED;
    call!(libc::SYS_getsockopt, fd, libc::SOL_SOCKET, name, &raw mut value, &raw mut len, cookie())?;
    Ok((value.pid, value.uid))
}

/// Sends without blocking and without SIGPIPE.
pub(crate) fn send_now(fd: c_int, bytes: &[u8]) -> Result<usize, Errno> {
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    let no_address = ptr::null::<c_void>();
    call!(libc::SYS_sendto, fd, bytes.as_ptr(), bytes.len(), flags, no_address, 0).map(|len| len as usize)
}

/// Sends one message, waiting for room, without SIGPIPE.
pub(crate) fn send(fd: c_int, bytes: &[u8]) -> Result<(), Errno> {
    let no_address = ptr::null::<c_void>();
    call!(libc::SYS_sendto, fd, bytes.as_ptr(), bytes.len(), libc::MSG_NOSIGNAL, no_address, 0).map(drop)
}

/// Receives one message, or with MSG_PEEK looks at it.
pub(crate) fn receive(fd: c_int, out: &mut [u8], flags: c_int) -> Result<usize, Errno> {
    let no_address = ptr::null_mut::<c_void>();
    call!(libc::SYS_recvfrom, fd, out.as_mut_ptr(), out.len(), flags, no_address, no_address)
        .map(|len| len as usize)
}

/// Closes a descriptor of the library's own.
pub(crate) fn close(fd: c_int) {
    let _ = call!(libc::SYS_close, fd);
}

/// The number of the file behind a descriptor.
pub(crate) fn inode(fd: c_int) -> Result<u64, Errno> {
    // SAFETY: all zeros is a valid stat.
    let mut stat: libc::stat = unsafe { core::mem::zeroed() };
    call!(libc::SYS_fstat, fd, &raw mut stat)?;
    Ok(stat.st_ino)
}

/// Opens a file or a directory to read it.
pub(crate) fn open(path: &CStr) -> Result<c_int, Errno> {
    call!(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC, 0).map(to_int)
}

/// Reads octets.
pub(crate) fn read(fd: c_int, out: &mut [u8]) -> Result<usize, Errno> {
    call!(libc::SYS_read, fd, out.as_mut_ptr(), out.len()).map(|len| len as usize)
}

/// The next entries of a directory, each a `struct linux_dirent64`.
pub(crate) fn directory_entries(fd: c_int, out: &mut [u8]) -> Result<usize, Errno> {
    call!(libc::SYS_getdents64, fd, out.as_mut_ptr(), out.len()).map(|len| len as usize)
}

/// Where a symbolic link leads.
pub(crate) fn read_link(path: &CStr, out: &mut [u8]) -> Result<usize, Errno> {
    call!(libc::SYS_readlink, path.as_ptr(), out.as_mut_ptr(), out.len()).map(|len| len as usize)
}

/// epoll_ctl(2).
pub(crate) fn epoll_control(
    epoll: c_int,
    operation: c_int,
    fd: c_int,
    event: libc::epoll_event,
) -> Result<(), Errno> {
    call!(libc::SYS_epoll_ctl, epoll, operation, fd, &raw const event).map(drop)
}

/// The file status flags, O_NONBLOCK among them.
pub(crate) fn status_flags(fd: c_int) -> c_int {
    call!(libc::SYS_fcntl, fd, libc::F_GETFL, 0usize).map_or(0, to_int)
}

/// True if the descriptor closes on exec.
pub(crate) fn is_close_on_exec(fd: c_int) -> bool {
    call!(libc::SYS_fcntl, fd, libc::F_GETFD, 0usize).is_ok_and(|flags| to_int(flags) & libc::FD_CLOEXEC != 0)
}

/// poll(2) says POLLHUP.
pub(crate) fn is_hung_up(fd: c_int) -> bool {
    let mut entry = libc::pollfd { fd, events: 0, revents: 0 };
    let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let no_mask = ptr::null::<c_void>();
    let polled =
        call!(libc::SYS_ppoll, &raw mut entry, 1usize, &raw const at_once, no_mask, size_of::<u64>());
    polled.is_ok() && entry.revents & libc::POLLHUP != 0
}

/// A copy at the lowest free number that is at least `least`, close-on-exec.
pub(crate) fn duplicate_at_least(fd: c_int, least: c_int) -> Result<c_int, Errno> {
    call!(libc::SYS_fcntl, fd, libc::F_DUPFD_CLOEXEC, c_long::from(least)).map(to_int)
}

/// A copy at exactly this number.
pub(crate) fn duplicate_onto(fd: c_int, onto: c_int, close_on_exec: bool) -> Result<(), Errno> {
    call!(libc::SYS_dup3, fd, onto, if close_on_exec { libc::O_CLOEXEC } else { 0 }).map(drop)
}

/// The soft limit on descriptors.
pub(crate) fn descriptor_limit() -> c_int {
    let mut limit = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
    let no_new = ptr::null::<c_void>();
    match call!(libc::SYS_prlimit64, 0, libc::RLIMIT_NOFILE, no_new, &raw mut limit) {
        Ok(_) => c_int::try_from(limit.rlim_cur).unwrap_or(c_int::MAX),
        Err(_) => 1024,
    }
}

/// The calling process; never cached, so it is right in a vfork child.
pub(crate) fn process() -> pid_t {
    call!(libc::SYS_getpid).map_or(0, to_int)
}

/// The effective user; never cached, as threads may change it behind libc's back.
pub(crate) fn user() -> u32 {
    call!(libc::SYS_geteuid).map_or(u32::MAX, |user| user as u32)
}

/// The thread has CAP_NET_ADMIN or CAP_NET_RAW.
pub(crate) fn may_mark() -> bool {
    /// _LINUX_CAPABILITY_VERSION_3, and the two of linux/capability.h.
    const VERSION: u32 = 0x2008_0522;
    const WANTED: u32 = 1 << 12 | 1 << 13;
    let header = [VERSION, 0];
    // Effective, permitted, inheritable; twice 32 bits.
    let mut sets = [[0u32; 3]; 2];
    call!(libc::SYS_capget, header.as_ptr(), sets.as_mut_ptr()).is_ok() && sets[0][0] & WANTED != 0
}

/// Sixteen random octets.
pub(crate) fn random() -> Result<[u8; 16], Errno> {
    let mut octets = [0u8; 16];
    call!(libc::SYS_getrandom, octets.as_mut_ptr(), octets.len(), 0)?;
    Ok(octets)
}

/// Blocks every signal and returns the mask that was.
pub(crate) fn block_signals() -> u64 {
    let all = u64::MAX;
    let mut before = 0u64;
    let _ =
        call!(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const all, &raw mut before, size_of::<u64>());
    before
}

/// Restores what [`block_signals`] returned.
pub(crate) fn restore_signals(mask: u64) {
    let nowhere = ptr::null_mut::<c_void>();
    let _ = call!(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const mask, nowhere, size_of::<u64>());
}

/// True if every signal that has a handler was installed with SA_RESTART, so that the kernel would have
/// started a blocked connect again.
pub(crate) fn signals_restart() -> bool {
    /// The kernel's layout, which is not libc's.
    #[repr(C)]
    struct Action {
        handler: usize,
        flags: libc::c_ulong,
        restorer: usize,
        mask: u64,
    }
    (1..=64).all(|signal| {
        let mut action = Action { handler: 0, flags: 0, restorer: 0, mask: 0 };
        let nothing = ptr::null::<c_void>();
        let known = call!(libc::SYS_rt_sigaction, signal, nothing, &raw mut action, size_of::<u64>());
        known.is_err()
            || action.handler == libc::SIG_DFL
            || action.handler == libc::SIG_IGN
            || action.flags & libc::SA_RESTART as libc::c_ulong != 0
    })
}

/// Sends SIGPIPE to the calling thread, as the kernel does on a write to a broken connection.
pub(crate) fn raise_sigpipe() {
    if let Ok(thread) = call!(libc::SYS_gettid) {
        let _ = call!(libc::SYS_tgkill, process(), to_int(thread), libc::SIGPIPE);
    }
}

/// Sleeps.
pub(crate) fn pause_ms(milliseconds: i64) {
    let time = libc::timespec { tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000 };
    let nowhere = ptr::null_mut::<c_void>();
    let _ = call!(libc::SYS_nanosleep, &raw const time, nowhere);
}

/// CLOCK_MONOTONIC in nanoseconds.
pub(crate) fn monotonic_ns() -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let _ = call!(libc::SYS_clock_gettime, libc::CLOCK_MONOTONIC, &raw mut time);
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
}

/// Waits while `word` holds `value`.
pub(crate) fn futex_wait(word: &core::sync::atomic::AtomicU32, value: u32) {
    let forever = ptr::null::<c_void>();
    let _ =
        call!(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG, value, forever);
}

/// Wakes one waiter.
pub(crate) fn futex_wake(word: &core::sync::atomic::AtomicU32) {
    let _ = call!(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, 1);
}

/// One line on standard error, in one piece.
pub(crate) fn complain(line: &[u8]) {
    let _ = call!(libc::SYS_write, 2, line.as_ptr(), line.len());
}

/// Copies between this process's own addresses, with EFAULT instead of SIGSEGV.
pub(crate) fn copy_checked(from: *const c_void, to: *mut c_void, len: usize) -> Result<(), Errno> {
    let local = iovec { iov_base: to, iov_len: len };
    let remote = iovec { iov_base: from.cast_mut(), iov_len: len };
    match call!(
        libc::SYS_process_vm_readv,
        process(),
        &raw const local,
        1usize,
        &raw const remote,
        1usize,
        0usize
    ) {
        Ok(copied) if copied as usize == len => Ok(()),
        Ok(_) => Err(Errno(libc::EFAULT)),
        Err(error) => Err(error),
    }
}
