//! Job control: we stop when the command stops, and it goes on when we do.
//!
//! A shell waits for us, not for the command. The stop signals of the terminal (control-Z is SIGTSTP) reach our whole
//! process group, but what they mean is the command's to decide: an editor gives the terminal back first, another
//! program ignores them. So they are taken here, the command's own stop is waited for, and then we stop by the same
//! signal: the shell sees a stopped job and has its terminal again. A command that stops itself, as editors and pagers
//! do, is seen in the same way. Whoever continues us continues the command; one that had the terminal for a process group
//! of its own, as an interactive shell, gets it back, because a shell gives it to the group that it knows: ours.

use std::fs;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Pid, Signal, getpgid, getpgrp, getpid, kill_process};
use rustix::termios::{tcgetpgrp, tcsetpgrp};

use crate::os::signals::{Arrived, Signals};

/// Generations that are looked through for who has sent a signal.
const GENERATIONS_MAX: usize = 64;

/// The command as a job of whoever started us.
#[derive(Debug)]
pub(super) struct Job {
    command: Pid,
    is_stopped: bool,
    /// The command's own process group, if it had the terminal when it stopped.
    group: Option<Pid>,
    /// We have been continued, and the command may have been with us.
    is_resumed: bool,
}

impl Job {
    pub(super) fn new(command: Pid) -> Job {
        Job { command, is_stopped: false, group: None, is_resumed: false }
    }

    /// The command has stopped by this signal: so do we, if that gives somebody the terminal back.
    pub(super) fn stopped(&mut self, by: i32, signals: &Signals) {
        self.is_stopped = true;
        let foreground = terminal().and_then(|terminal| tcgetpgrp(terminal).ok());
        self.group = foreground.filter(|group| getpgid(Some(self.command)).ok() == Some(*group));
        let has_terminal = self.group.is_some() || foreground == Some(getpgrp());
        // SIGSTOP that has nothing to do with a terminal is undone in the same way: by SIGCONT for the command, which
        // would not help us.
        if by != libc::SIGSTOP || has_terminal {
            signals.stop_by(by);
        }
    }

    /// The command runs again.
    pub(super) fn continued(&mut self) {
        self.is_stopped = false;
    }

    /// Somebody has continued us.
    pub(super) fn resume(&mut self) {
        self.is_resumed = true;
    }

    /// If we have been continued, so is the command, unless it is known to run.
    pub(super) fn go_on(&mut self) {
        if std::mem::take(&mut self.is_resumed) && self.is_stopped {
            self.is_stopped = false;
            self.give_terminal();
            let _ = kill_process(self.command, Signal::CONT);
        }
    }

    /// Whether a signal is the command's own: it has been sent by a program of the run to the process group that all
    /// of us are in, and the command has it.
    pub(super) fn has_sent(&self, signal: &Arrived) -> bool {
        let mut process = signal.sender;
        for _ in 0..GENERATIONS_MAX {
            match process {
                Some(ours) if ours == self.command => return getpgid(signal.sender).ok() == Some(getpgrp()),
                Some(other) if other != getpid() => process = parent(other),
                _ => return false,
            }
        }
        false
    }

    /// Gives the command's group the terminal that it had, if it is ours to give.
    fn give_terminal(&self) {
        if let (Some(group), Some(terminal)) = (self.group, terminal())
            && tcgetpgrp(&terminal).ok() == Some(getpgrp())
        {
            let _ = tcsetpgrp(&terminal, group);
        }
    }
}

/// Our controlling terminal, if there is one.
fn terminal() -> Option<OwnedFd> {
    open("/dev/tty", OFlags::RDONLY | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty()).ok()
}

/// A process's parent, as /proc/PID/stat has it.
fn parent(process: Pid) -> Option<Pid> {
    let stat = fs::read(format!("/proc/{}/stat", process.as_raw_nonzero())).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    // The name, in parentheses, may hold anything; behind it: the state, the parent.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok().and_then(Pid::from_raw)
}
