//! Starting the command with its engine.
//!
//! `auto` takes the library and the filter together. Where the system has no filter it takes the library alone, for
//! commands that the library reaches. What neither reaches runs in a namespace, with the kernel's TCP; and where that
//! cannot be had it is refused: what is not attached is not run.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command};

use portolan_protocol::Rendezvous;
use rustix::net::{AddressFamily, SocketType};
use rustix::process::{Rlimit, geteuid};

use super::command::About;
use super::{Refusal, command, tell};
use crate::config::Config;
use crate::engine::{self, Choice, Engine};
use crate::key_log;
use crate::library::Library;
use crate::netns::message::Setup;
use crate::netns::{self, Namespace, Preparation};
use crate::os::signals::Mask;

/// What is started.
pub(super) struct Launch<'a> {
    /// The file of the program.
    pub(super) file: &'a Path,
    /// The program as it was typed, and its arguments.
    pub(super) program: &'a OsStr,
    pub(super) arguments: &'a [OsString],
    /// Where its TLS libraries are to write their keys.
    pub(super) keys: Option<&'a Path>,
    /// Standard output is ours, so the command's goes to standard error.
    pub(super) to_stderr: bool,
    /// The signals that it is to have blocked.
    pub(super) mask: Mask,
    /// Its limit of descriptors, which is not ours: the engine holds two for each call that waits.
    pub(super) descriptors: Rlimit,
}

/// What the engines of sockets need beside the command.
pub(super) struct Sockets<'a> {
    /// Name and value of what the command must inherit.
    pub(super) variable: &'a (String, String),
    pub(super) library: &'a Library,
}

/// Why a try failed.
enum Failure {
    /// The filter could not be had.
    Filter(io::Error),
    /// The program could not be started.
    Program(io::Error),
    /// Something of our own.
    Other(Refusal),
}

/// Refuses to run inside another run: its engine would take our sockets for its own.
pub(super) fn refuse_nested() -> Result<(), Refusal> {
    let is_marked =
        std::env::var_os(portolan_protocol::environment::STACK).is_some_and(|value| !value.is_empty());
    // What the kernel says of an AF_UNIX socket that is not connected; of TCP's it says ENOTCONN. A read is not seen by the
    // outer engine, which answers everything else as TCP would.
    let is_ours = || {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None);
        socket.is_ok_and(|socket| rustix::io::read(&socket, &mut [0u8; 1]) == Err(rustix::io::Errno::INVAL))
    };
    if is_marked || is_ours() {
        return Err(Refusal::new(
            "this is inside a portolan run, and they do not nest; start the command without portolan, or this run outside",
        ));
    }
    Ok(())
}

impl Launch<'_> {
    /// What is to be tried: a namespace where `auto` finds that nothing else can do.
    pub(super) fn choose(
        &self,
        choice: Choice,
        config: &Config,
        joins: bool,
    ) -> Result<(Choice, About), Refusal> {
        let about = command::examine(self.file)?;
        if choice == Choice::Netns || (!about.is_beyond_filter && choice != Choice::Auto) {
            return Ok((choice, about));
        }
        let Some(why) = &about.beyond_loader else { return Ok((choice, about)) };
        let reason = if about.is_beyond_filter {
            format!("{why}, which the engines preload and seccomp cannot reach")
        } else {
            match engine::try_filter() {
                Ok(()) => return Ok((choice, about)),
                Err(error) => {
                    format!("{why}, so the engine preload cannot reach it; {}", engine::why_no_filter(&error))
                }
            }
        };
        if choice != Choice::Auto {
            return Err(Refusal::new(format_args!("{reason}; --engine netns does")));
        }
        netns::check(config, joins).map_err(|error| Refusal::new(format_args!("{reason}; {error}")))?;
        Ok((Choice::Netns, about))
    }

    /// Makes the namespaces of the command, which is not executed yet. Returns the wire's other end, too.
    pub(super) fn make_namespace(
        &self,
        config: &Config,
        about: &About,
    ) -> Result<(Namespace, OwnedFd), Refusal> {
        let failed = |why: &dyn std::fmt::Display| {
            Refusal::new(format_args!("the engine netns cannot be used: {why}"))
        };
        if let Some(why) =
            about.beyond_loader.as_ref().filter(|_| about.is_privileged && !geteuid().is_root())
        {
            tell(&format!("{why}; here it runs without them, as in every user namespace"));
        }
        if !Path::new(netns::RESOLV_CONF).exists() {
            tell(
                "there is no /etc/resolv.conf to lead the command's names to Portolan: it finds those of /etc/hosts only",
            );
        }
        let setup = Setup::new(config).map_err(|error| failed(&error))?;
        let preparation = Preparation::new().map_err(|error| failed(&error))?;
        let mut command = preparation.command();
        command.arg(self.file).arg(self.program).args(self.arguments);
        self.prepare(&mut command)?;
        preparation.make(command, &setup).map_err(|failure| match failure {
            netns::Failure::Namespace(why) => failed(&why),
            netns::Failure::Program(error) => command::refused(self.program, &error),
        })
    }

    /// Executes the command in its namespaces.
    pub(super) fn start_in(&self, namespace: Namespace) -> Result<(Child, Engine), Refusal> {
        match namespace.start() {
            Ok(child) => Ok((child, Engine::Netns)),
            Err(netns::Failure::Program(error)) => Err(command::refused(self.program, &error)),
            Err(netns::Failure::Namespace(why)) => Err(Refusal::new(why)),
        }
    }

    /// Starts the command with the engine that was asked for, or with the first that works, but for a namespace.
    pub(super) fn start(
        &self,
        choice: Choice,
        about: &About,
        sockets: &Sockets<'_>,
    ) -> Result<(Child, Engine), Refusal> {
        let engines: &[Engine] = match choice {
            Choice::Auto => &[Engine::Both, Engine::Preload],
            Choice::Preload => &[Engine::Preload],
            Choice::Seccomp => &[Engine::Seccomp],
            Choice::Netns => &[],
        };
        let mut no_filter = None;
        for engine in engines {
            match (engine, &about.beyond_loader) {
                (Engine::Preload, Some(why)) => {
                    let instead = no_filter
                        .map_or("--engine seccomp reaches it".into(), |error| engine::why_no_filter(&error));
                    return Err(Refusal::new(format_args!(
                        "{why}, so the engine preload cannot reach it; {instead}"
                    )));
                }
                (_, Some(why)) if about.is_privileged => {
                    tell(&format!("{why}; here it runs without them, as the engine seccomp wants it"));
                }
                _ => {}
            }
            match self.spawn(*engine, sockets) {
                Ok(child) => return Ok((child, *engine)),
                Err(Failure::Filter(error)) => no_filter = Some(error),
                Err(Failure::Program(error)) => return Err(command::refused(self.program, &error)),
                Err(Failure::Other(refusal)) => return Err(refusal),
            }
        }
        let error = no_filter.unwrap_or_else(|| io::ErrorKind::Unsupported.into());
        Err(Refusal::new(engine::why_no_filter(&error)))
    }

    /// What every engine gives the command.
    fn prepare(&self, command: &mut Command) -> Result<(), Refusal> {
        if let Some(file) = self.keys {
            command.env(key_log::VARIABLE, file);
        }
        if self.to_stderr {
            let stderr = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3)
                .map_err(|error| Refusal::new(format_args!("no standard error for the command: {error}")))?;
            command.stdout(stderr);
        }
        crate::os::process::prepare_child(command, self.mask);
        crate::os::process::set_descriptor_limit(command, self.descriptors);
        Ok(())
    }

    fn spawn(&self, engine: Engine, sockets: &Sockets<'_>) -> Result<Child, Failure> {
        let (name, value) = sockets.variable;
        let mut command = Command::new(self.file);
        command.args(self.arguments).env(name, value);
        if engine != Engine::Seccomp {
            command.env("LD_PRELOAD", preload_value(sockets.library));
        }
        command::keep_name(&mut command, self.program);
        self.prepare(&mut command).map_err(Failure::Other)?;
        if engine == Engine::Preload {
            return command.spawn().map_err(Failure::Program);
        }
        let rendezvous = Rendezvous::from_text(value.as_bytes());
        let rendezvous = rendezvous
            .ok_or_else(|| Failure::Other(Refusal::new("the stack process gave a malformed variable")))?;
        let pending = engine::attach(&mut command, rendezvous, tell).map_err(Failure::Filter)?;
        let spawned = command.spawn();
        // The child's end of the connection to the engine goes with it.
        drop(command);
        match (pending.outcome(), spawned) {
            (Ok(()), spawned) => spawned.map_err(Failure::Program),
            (Err(error), _) => Err(Failure::Filter(error)),
        }
    }
}

/// Our library first, then whatever the user preloads.
fn preload_value(library: &Library) -> OsString {
    let mut value = library.path().as_os_str().to_owned();
    if let Some(others) = std::env::var_os("LD_PRELOAD").filter(|others| !others.is_empty()) {
        value.push(":");
        value.push(others);
    }
    value
}
