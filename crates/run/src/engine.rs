//! Engines: how a command is put onto its stack.
//!
//! | engine | reaches | by |
//! |---|---|---|
//! | `preload` | what the dynamic loader loads | libc's socket calls, in the program (`crates/preload`) |
//! | `seccomp` | every program: static ones, Go's, raw system calls | the calls themselves, held by the kernel and answered here |
//! | `netns` | every program, with a kernel's interface and the kernel's own TCP | a namespace of the command's own ([`crate::netns`]) |
//!
//! The first two speak the same protocol with the stack process, so a socket may wander from a program of one to a program of the
//! other. With both, the library makes the common calls cheap, and the filter is the net that lets nothing slip past it.
//!
//! Of `seccomp`, start in [`filter`], then [`notifier`]; the calls are in `open`, `connect`, `query`, `message`. What it
//! cannot do: `read` and `write` are not seen, so a connection that timed out reads as reset, and close does not wait
//! for SO_LINGER; `docs/data/compatibility/differences.csv` is the whole list, decision 021 says why. The descriptors of a
//! program that is not dumpable, nor root's, cannot be looked at: what could lead out of the command's network is refused
//! to it. A task has one listener at most, so such runs do not nest. Neither of the two is a boundary against a program that
//! wants out.

mod call;
mod connect;
mod datagram;
mod filter;
pub(crate) mod foreign;
mod interface;
mod message;
mod netlink;
mod notifier;
mod open;
mod query;
mod socket;
mod stack;
mod stream;

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};

use portolan_protocol::Rendezvous;

use crate::os::seccomp;
use notifier::Notifier;

/// What the user asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Choice {
    /// What works here.
    #[default]
    Auto,
    /// The library alone.
    Preload,
    /// The filter alone.
    Seccomp,
    /// A network namespace.
    Netns,
}

/// What is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Engine {
    /// The library alone.
    Preload,
    /// The filter alone.
    Seccomp,
    /// The library, and the filter behind it.
    Both,
    /// A network namespace: the kernel's own TCP.
    Netns,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Engine::Preload => "preload",
            Engine::Seccomp => "seccomp",
            Engine::Both => "preload+seccomp",
            Engine::Netns => "netns",
        })
    }
}

/// Reads the value of `--engine`.
pub fn parse(text: &str) -> Result<Choice, crate::config::ConfigError> {
    match text {
        "auto" => Ok(Choice::Auto),
        "preload" => Ok(Choice::Preload),
        "seccomp" => Ok(Choice::Seccomp),
        "netns" => Ok(Choice::Netns),
        _ => Err(crate::config::ConfigError(format!(
            "'{}' is no engine; there are auto, preload, seccomp and netns",
            text.escape_default()
        ))),
    }
}

/// Why the filter could not be had, in one line.
pub fn why_no_filter(error: &io::Error) -> String {
    let why = match error.raw_os_error() {
        Some(libc::EBUSY) => {
            "this program runs under such a filter already (of another portolan run, or of a container), and the kernel \
             allows one"
                .into()
        }
        Some(libc::ENOSYS | libc::EINVAL) => "the kernel has no user notification (Linux 5.9 has it)".into(),
        Some(libc::EPERM | libc::EACCES) => "it is forbidden here".into(),
        _ => error.to_string(),
    };
    format!("the engine seccomp cannot be used: {why}")
}

/// Whether this process may put a program under a filter and reach its descriptors: starts one that ends at once.
pub fn try_filter() -> io::Result<()> {
    let (ours, childs) = UnixStream::pair()?;
    let mut command = Command::new("/proc/self/exe");
    command.arg(crate::doctor::PROBE_NOTHING).env_remove("LD_PRELOAD");
    seccomp::attach(&mut command, filter::program(0), ours.as_raw_fd(), childs);
    let taker = std::thread::spawn(move || {
        let listener = seccomp::take_over(ours.as_fd())?;
        seccomp::acknowledge(ours.as_fd()).map(|()| listener)
    });
    let spawned = command.spawn();
    drop(command);
    let taken = taker.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
    if let Ok(mut child) = spawned {
        child.wait()?;
    }
    taken.map(drop)
}

/// A filter whose command is being started.
#[derive(Debug)]
pub struct Pending(Receiver<io::Result<()>>);

impl Pending {
    /// Whether the command is under the filter, once it has been started or could not be.
    pub fn outcome(&self) -> io::Result<()> {
        self.0.recv().unwrap_or_else(|_| Err(io::ErrorKind::UnexpectedEof.into()))
    }
}

/// Makes the command start under the filter; its calls are answered by a thread of this process. Without a filter it does
/// not start. `tell` says a line to the user.
pub fn attach(command: &mut Command, rendezvous: Rendezvous, tell: fn(&str)) -> io::Result<Pending> {
    let (ours, childs) = UnixStream::pair()?;
    seccomp::attach(command, filter::program(rendezvous.cookie()), ours.as_raw_fd(), childs);
    let (started, is_started) = channel();
    std::thread::Builder::new().name("engine".into()).spawn(move || {
        let notifier = seccomp::take_over(ours.as_fd())
            .and_then(|listener| Notifier::new(listener, rendezvous, Box::new(tell)));
        let notifier = notifier.and_then(|notifier| seccomp::acknowledge(ours.as_fd()).map(|()| notifier));
        drop(ours);
        match notifier {
            Ok(notifier) => {
                let _ = started.send(Ok(()));
                notifier.run();
            }
            Err(error) => drop(started.send(Err(error))),
        }
    })?;
    Ok(Pending(is_started))
}
