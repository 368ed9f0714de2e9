//! Signals as messages: blocked, then read from a descriptor together with who sent them (signalfd(2)).
//!
//! Who sent a signal matters: one that the terminal sent has reached the command too, one from kill(2) has not.
#![allow(unsafe_code, reason = "sigprocmask and signalfd have no safe binding")]

use std::fmt;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::process::Pid;

/// What ends a program that only looks.
pub const ENDINGS: &[i32] = &[libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

/// What concerns who has started a command: its end, and what it is to hear of.
pub const OF_A_COMMAND: &[i32] = &[
    libc::SIGCHLD,
    libc::SIGINT,
    libc::SIGTERM,
    libc::SIGHUP,
    libc::SIGQUIT,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGWINCH,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
    libc::SIGCONT,
];

/// A signal that has arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arrived {
    /// Its number.
    pub number: i32,
    /// Whether a process sent it, rather than the terminal or the kernel.
    pub from_process: bool,
    /// The process that sent it, where that is known.
    pub sender: Option<Pid>,
}

/// The blocked signals and the descriptor they are read from.
#[derive(Debug)]
pub struct Signals {
    file: std::fs::File,
    before: Mask,
}

/// What a thread has blocked. Children inherit it, through exec too.
#[derive(Clone, Copy)]
pub struct Mask(libc::sigset_t);

impl Mask {
    /// The calling thread's.
    pub fn of_this_thread() -> io::Result<Mask> {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: without a new set the call only writes the present one.
        let error = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), set.as_mut_ptr()) };
        if error != 0 {
            return Err(io::Error::from_raw_os_error(error));
        }
        // SAFETY: it has been written.
        Ok(Mask(unsafe { set.assume_init() }))
    }

    /// Makes it the calling thread's. Async-signal-safe.
    pub fn set(&self) {
        // SAFETY: the set is initialised, and the call changes nothing but the thread's mask.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut());
        }
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mask")
    }
}

impl Signals {
    /// Blocks these signals of this thread, which should be the only one, and opens the descriptor. A child needs
    /// [`Signals::before`] again.
    pub fn open(taken: &[i32]) -> io::Result<Signals> {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        let mut before = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigemptyset initialises the set that the calls after it read, pthread_sigmask that which was
        // before; all arguments are valid for the calls, and nobody else owns the descriptor of signalfd.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            for number in taken {
                libc::sigaddset(set.as_mut_ptr(), *number);
            }
            let error = libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), before.as_mut_ptr());
            if error != 0 {
                return Err(io::Error::from_raw_os_error(error));
            }
            let fd = libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(Signals { file: OwnedFd::from_raw_fd(fd).into(), before: Mask(before.assume_init()) })
        }
    }

    /// What was blocked before, for children.
    pub fn before(&self) -> Mask {
        self.before
    }

    /// The next signal, `None` when none is waiting.
    pub fn take_next(&mut self) -> Option<Arrived> {
        // The layout of signalfd_siginfo: number at 0, errno at 4, code at 8, process at 12, each four octets, 128 in all.
        let mut info = [0; size_of::<libc::signalfd_siginfo>()];
        if self.file.read(&mut info).ok()? != info.len() {
            return None;
        }
        let word = |at: usize| info.get(at..at + 4)?.try_into().ok().map(i32::from_ne_bytes);
        // SI_USER is 0, sigqueue and tgkill are negative, the kernel's own codes are positive.
        let from_process = word(8)? <= 0;
        let sender = word(12).filter(|pid| from_process && *pid > 0).and_then(Pid::from_raw);
        Some(Arrived { number: word(0)?, from_process, sender })
    }

    /// Stops this process by a stop signal that is taken, or SIGSTOP, as if it were not taken; returns when somebody has
    /// continued it. In a process group that nobody could continue (an orphaned one) the kernel lets it run on, unless
    /// it is SIGSTOP.
    pub fn stop_by(&self, number: i32) {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigemptyset initialises the set that the calls after it read; raise takes a number, and the signal
        // waits, being blocked, until the first pthread_sigmask, which returns when we are continued.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            libc::sigaddset(set.as_mut_ptr(), number);
            libc::raise(number);
            libc::pthread_sigmask(libc::SIG_UNBLOCK, set.as_ptr(), std::ptr::null_mut());
            libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut());
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
