//! The engine `netns`: the command in a network namespace of its own, with an interface of the kernel's.
//!
//! ```text
//! COMMAND ── the kernel's TCP ── portolan0 ═ veth ═ gateway ── packet socket ──> gateway's host ── ordinary sockets ──> the world
//! \_____ the command's namespace ________/   \_ one that nobody is in _/         \__ the stack process __/
//! ```
//!
//! Any program runs so, since nothing of it is intercepted: its sockets are the kernel's, and so is its TCP. Portolan is
//! the router at the other end: everything that crosses is recorded, shaped and fenced there. No socket of the machine's
//! network can be made inside; what other processes do for the command over AF_UNIX is another matter.
//!
//! The process that becomes the command makes the namespaces around itself ([`inside`]): its interface ([`interface`], by
//! [`netlink`]), and its resolv.conf ([`files`]). It hands the packet socket of the wire's other end over, which goes to
//! the stack process. When that ends, nobody answers on the wire any more; when the command and all that it has started
//! end, the kernel removes the namespaces.

mod files;
pub mod inside;
pub(crate) mod interface;
pub mod message;
mod netlink;

pub(crate) use files::RESOLV_CONF;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::config::{Config, ConfigError, LinkChoice};
use crate::os::namespace::pass_descriptor;
use message::{Said, Setup, receive, send};

/// The first argument of a process that becomes the command: the program starts itself again with it.
pub const HIDDEN_ARGUMENT: &str = "--portolan-namespace";

/// Namespaces that are made, and the process that will be the command.
#[derive(Debug)]
pub struct Namespace {
    child: Child,
    channel: OwnedFd,
}

/// Why the command does not run.
#[derive(Debug)]
pub enum Failure {
    /// The namespaces could not be made: one line.
    Namespace(String),
    /// The command could not be executed.
    Program(io::Error),
}

/// A channel to a process that becomes the command, and what to start it with.
pub struct Preparation {
    ours: OwnedFd,
    theirs: OwnedFd,
}

impl Preparation {
    /// A channel whose other end is still ours.
    pub fn new() -> io::Result<Preparation> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok(Preparation { ours, theirs })
    }

    /// The command that is to be started: this program, by its own file. Its arguments so far are ours; those of the
    /// command follow: its file, its name for itself, its arguments.
    pub fn command(&self) -> Command {
        let mut command = Command::new("/proc/self/exe");
        let number = pass_descriptor(&mut command, self.theirs.as_fd());
        // What the user preloads is meant for the command.
        command.arg(HIDDEN_ARGUMENT).arg(number.to_string()).env_remove("LD_PRELOAD");
        command
    }

    /// Starts it. Returns the namespaces, and the wire's other end.
    pub fn make(self, mut command: Command, setup: &Setup) -> Result<(Namespace, OwnedFd), Failure> {
        let Preparation { ours, theirs } = self;
        let lost = |error: io::Error| Failure::Namespace(format!("the process that makes them: {error}"));
        let child = command.spawn().map_err(lost)?;
        drop((command, theirs));
        let mut namespace = Namespace { child, channel: ours };
        let said =
            send(namespace.channel.as_fd(), setup, None).and_then(|()| receive(namespace.channel.as_fd()));
        match said {
            Ok((Said::Made, Some(wire))) => Ok((namespace, wire)),
            Ok((Said::Failed(step, errno), _)) => {
                namespace.give_up();
                Err(Failure::Namespace(explain(&step, errno)))
            }
            Ok(_) => {
                namespace.give_up();
                Err(lost(io::ErrorKind::InvalidData.into()))
            }
            Err(error) => {
                namespace.give_up();
                Err(lost(error))
            }
        }
    }
}

impl Namespace {
    /// Executes the command, which is a child of this process then.
    pub fn start(mut self) -> Result<Child, Failure> {
        let ended = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
        match send(self.channel.as_fd(), &(), None).and_then(|()| receive(self.channel.as_fd())) {
            // Its end of the channel closes with exec.
            Err(error) if ended(&error) => Ok(self.child),
            Ok((Said::NotExecuted(errno), _)) => {
                self.give_up();
                Err(Failure::Program(io::Error::from_raw_os_error(errno)))
            }
            _ => {
                self.give_up();
                Err(Failure::Namespace("the process that was to become the command is gone".into()))
            }
        }
    }

    /// The process that is to become the command.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Ends the process that has not become the command.
    pub fn give_up(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Why there is no namespace, and what would help.
fn explain(step: &str, errno: Option<i32>) -> String {
    let help = match errno {
        Some(libc::EPERM | libc::EACCES) => {
            "; this user may not make namespaces here: as root, sysctl -w kernel.unprivileged_userns_clone=1 \
             kernel.apparmor_restrict_unprivileged_userns=0 (those of the two that exist), or in a container allow \
             unshare and mount"
        }
        Some(libc::ENOSPC | libc::EUSERS) => "; as root: sysctl -w user.max_user_namespaces=15000",
        Some(libc::EOPNOTSUPP) => "; as root: modprobe veth",
        _ => "",
    };
    format!("{step}{help}")
}

/// What makes no sense in a namespace of the command's own is refused: one line.
pub fn check(config: &Config, joins: bool) -> Result<(), ConfigError> {
    let what = match &config.link {
        _ if joins => "--in NAME shares a host's own TCP, which a namespace has not; without --engine netns it does".into(),
        LinkChoice::Egress | LinkChoice::None if config.share_loopback => {
            "--share-loopback: in a namespace the loopback is the kernel's; the machine's is host.portolan.internal there".into()
        }
        LinkChoice::Egress | LinkChoice::None => return Ok(()),
        link => format!("--link {link} is for a stack of the command's own; a namespace has the links egress and none"),
    };
    Err(ConfigError(format!("--engine netns: {what}")))
}
