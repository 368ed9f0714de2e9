//! Seccomp user notification (seccomp_unotify(2)): a filter for a child, and its listener.
#![allow(unsafe_code, reason = "prctl, seccomp and the listener's ioctls have no safe bindings")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// One instruction of a classic BPF program.
pub type Instruction = libc::sock_filter;

/// SECCOMP_USER_NOTIF_FLAG_CONTINUE: the kernel runs the call as it stands.
const FLAG_CONTINUE: u32 = 1;
/// SECCOMP_ADDFD_FLAG_SETFD: at a number that is given.
const ADDFD_SETFD: u32 = 1;
/// SECCOMP_ADDFD_FLAG_SEND: and answer the call with its number, in one step.
const ADDFD_SEND: u32 = 2;

const fn ioctl(direction: u64, number: u64, size: usize) -> libc::c_ulong {
    direction << 30 | (size as u64) << 16 | (b'!' as u64) << 8 | number
}
const RECEIVE: libc::c_ulong = ioctl(3, 0, size_of::<libc::seccomp_notif>());
const SEND: libc::c_ulong = ioctl(3, 1, size_of::<libc::seccomp_notif_resp>());
const ID_VALID: libc::c_ulong = ioctl(1, 2, size_of::<u64>());
const ADDFD: libc::c_ulong = ioctl(1, 3, size_of::<libc::seccomp_notif_addfd>());
/// Linux 6.6: the woken thread is expected to run at once, on the same processor.
const SET_FLAGS: libc::c_ulong = ioctl(1, 4, size_of::<u64>());

/// Puts the calling thread and all that comes of it under a filter, and returns the listener's number, close-on-exec.
/// Gives up new privileges on exec unless this process may do without that. Async-signal-safe. Errors: EBUSY under
/// another filter with a listener, EINVAL or ENOSYS where the kernel has none, EPERM or EACCES where it is forbidden.
fn install(program: &[Instruction]) -> io::Result<RawFd> {
    let len = u16::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut() };
    let set = || {
        // SAFETY: the program lives through the call, which copies it.
        let listener = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
                &raw const program,
            )
        };
        if listener < 0 { Err(io::Error::last_os_error()) } else { Ok(listener as RawFd) }
    };
    match set() {
        Err(error) if error.raw_os_error() == Some(libc::EACCES) => {
            // SAFETY: no pointers.
            if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } < 0 {
                return Err(io::Error::last_os_error());
            }
            set()
        }
        result => result,
    }
}

/// A call that a thread is held in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Notification {
    /// Names the call as long as the thread is held in it.
    pub id: u64,
    /// The thread.
    pub thread: u32,
    /// The call's number.
    pub number: i32,
    /// Where in the program it was made.
    pub at: u64,
    /// Its arguments.
    pub arguments: [u64; 6],
}

/// Where the calls of a filter arrive.
#[derive(Debug)]
pub struct Listener(OwnedFd);

impl Listener {
    /// Of the descriptor that [`install`] made.
    pub fn new(fd: OwnedFd) -> Listener {
        let sync_wake_up = 1u64;
        // SAFETY: no pointers. A kernel that does not know it says EINVAL, and nothing is lost.
        unsafe { libc::ioctl(fd.as_raw_fd(), SET_FLAGS, sync_wake_up) };
        Listener(fd)
    }

    /// Takes the next call, waiting for one. Errors: ENOENT if the thread was interrupted meanwhile.
    pub fn receive(&self) -> io::Result<Notification> {
        // SAFETY: integers alone, which the kernel wants zeroed and fills in.
        let (done, notification) = unsafe {
            let mut notification: libc::seccomp_notif = std::mem::zeroed();
            (libc::ioctl(self.0.as_raw_fd(), RECEIVE, &raw mut notification), notification)
        };
        if done < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Notification {
            id: notification.id,
            thread: notification.pid,
            number: notification.data.nr,
            at: notification.data.instruction_pointer,
            arguments: notification.data.args,
        })
    }

    /// Whether the thread is still held in the call.
    pub fn is_valid(&self, id: u64) -> bool {
        // SAFETY: the id lives through the call.
        unsafe { libc::ioctl(self.0.as_raw_fd(), ID_VALID, &raw const id) == 0 }
    }

    /// Ends the call with a value, or with `-errno`. Errors: ENOENT if the thread was interrupted.
    pub fn answer(&self, id: u64, result: Result<i64, i32>) -> io::Result<()> {
        let (val, error) = match result {
            Ok(value) => (value, 0),
            Err(errno) => (0, -errno),
        };
        self.send(libc::seccomp_notif_resp { id, val, error, flags: 0 })
    }

    /// Lets the kernel run the call as it stands.
    pub fn let_run(&self, id: u64) -> io::Result<()> {
        self.send(libc::seccomp_notif_resp { id, val: 0, error: 0, flags: FLAG_CONTINUE })
    }

    fn send(&self, mut response: libc::seccomp_notif_resp) -> io::Result<()> {
        // SAFETY: the response lives through the call.
        let sent = unsafe { libc::ioctl(self.0.as_raw_fd(), SEND, &raw mut response) };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Gives the program a descriptor at the lowest free number, and ends the call with it. Errors: EMFILE at the
    /// program's limit, ENOENT if the thread was interrupted; then the program has no descriptor.
    pub fn answer_with(&self, id: u64, fd: BorrowedFd<'_>, close_on_exec: bool) -> io::Result<()> {
        self.add(id, fd, close_on_exec, ADDFD_SEND, 0)
    }

    /// Puts a descriptor in the place of the program's number `at`. The call goes on.
    pub fn replace(&self, id: u64, fd: BorrowedFd<'_>, at: u32, close_on_exec: bool) -> io::Result<()> {
        self.add(id, fd, close_on_exec, ADDFD_SETFD, at)
    }

    fn add(&self, id: u64, fd: BorrowedFd<'_>, close_on_exec: bool, flags: u32, at: u32) -> io::Result<()> {
        let newfd_flags = if close_on_exec { libc::O_CLOEXEC as u32 } else { 0 };
        let srcfd = fd.as_raw_fd().cast_unsigned();
        let addition = libc::seccomp_notif_addfd { id, flags, srcfd, newfd: at, newfd_flags };
        // SAFETY: the structure lives through the call, and the descriptor is open.
        let added = unsafe { libc::ioctl(self.0.as_raw_fd(), ADDFD, &raw const addition) };
        if added < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What the child says: its process and the listener's number, or an errno below 0.
const REPORT_LEN: usize = 8;

/// Makes the command start under a filter. The child, between fork and exec, installs it, says so at its end of a pair
/// of sockets, and goes on when [`acknowledge`] is called at the other; `parents` is that one's number, which the child
/// closes.
pub fn attach(command: &mut Command, program: Vec<Instruction>, parents: RawFd, childs: UnixStream) {
    // SAFETY: the closure makes system calls on descriptors and memory of its own: no allocation, no lock.
    unsafe {
        command.pre_exec(move || {
            libc::close(parents);
            hand_over(&program, childs.as_fd())
        });
    }
}

fn hand_over(program: &[Instruction], to_parent: BorrowedFd<'_>) -> io::Result<()> {
    let installed = install(program);
    let number = match &installed {
        Ok(number) => *number,
        Err(error) => -error.raw_os_error().unwrap_or(libc::EINVAL),
    };
    let mut report = [0; REPORT_LEN];
    let (process, listener) = report.split_at_mut(4);
    process.copy_from_slice(&std::process::id().to_ne_bytes());
    listener.copy_from_slice(&number.to_ne_bytes());
    rustix::io::write(to_parent, &report)?;
    // The listener stays open until the parent has it. An end without an answer is a parent that has failed.
    let answered = rustix::io::read(to_parent, &mut [0u8; 1])?;
    if let Ok(number) = &installed {
        // SAFETY: it is this process's own, made above, and nobody else's.
        drop(unsafe { OwnedFd::from_raw_fd(*number) });
    }
    match installed {
        Ok(_) if answered == 0 => Err(io::Error::from_raw_os_error(libc::ECONNABORTED)),
        installed => installed.map(drop),
    }
}

/// The parent's side: waits for the child's report and takes the listener. `Err` with the child's errno if it could
/// not install the filter; also when the child ended before.
pub fn take_over(from_child: BorrowedFd<'_>) -> io::Result<Listener> {
    let mut report = [0; REPORT_LEN];
    if rustix::io::read(from_child, &mut report)? != REPORT_LEN {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let [a, b, c, d, e, f, g, h] = report;
    let (process, number) = (i32::from_ne_bytes([a, b, c, d]), i32::from_ne_bytes([e, f, g, h]));
    if number < 0 { Err(io::Error::from_raw_os_error(-number)) } else { take(process, number) }
}

/// Lets the child go on.
pub fn acknowledge(to_child: BorrowedFd<'_>) -> io::Result<()> {
    rustix::io::write(to_child, &[0])?;
    Ok(())
}

fn take(process: i32, number: RawFd) -> io::Result<Listener> {
    use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
    let process = Pid::from_raw(process).ok_or(io::ErrorKind::InvalidData)?;
    let process = pidfd_open(process, PidfdFlags::empty())?;
    Ok(Listener::new(pidfd_getfd(process, number, PidfdGetfdFlags::empty())?))
}
