//! The process that becomes the command: makes the namespaces around itself, hands the wire's other end over, and
//! executes the command when it is told to.
//!
//! It keeps its number, its parent, its terminal and its user, so that signals and the exit status need nobody between.
//! An ordinary user has the rights to make all this in a user namespace of his own, in which he is himself and nobody
//! else, and loses them with exec. Root needs no user namespace, and so remains root for the command.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use rustix::process::{Pid, Signal, getegid, geteuid, getppid, set_parent_process_death_signal};

use super::files;
use super::interface::{self, Failure};
use super::message::{Said, Setup, receive, send};
use crate::config::Config;
use crate::os::namespace::{take_descriptor, unshare};
use crate::os::signals::Mask;

/// Runs what `portolan run` has started with [`super::HIDDEN_ARGUMENT`]: the number of the channel, the file of the
/// command, its name for itself, its arguments. Returns only if it could not become the command.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let parent = getppid();
    let mut arguments = arguments.into_iter();
    let number = arguments.next().and_then(|number| number.to_str()?.parse().ok());
    let (Some(number), Some(file), Some(name)) = (number, arguments.next(), arguments.next()) else {
        return ExitCode::FAILURE;
    };
    let Ok(channel) = take_descriptor(number) else { return ExitCode::FAILURE };
    // A supervisor that is gone needs no answer, and its command is not started.
    let _ = become_command(&channel, parent, &file, &name, arguments);
    ExitCode::FAILURE
}

fn become_command(
    channel: &OwnedFd,
    parent: Option<Pid>,
    file: &OsStr,
    name: &OsStr,
    arguments: impl Iterator<Item = OsString>,
) -> io::Result<()> {
    let (setup, _) = receive::<Setup>(channel.as_fd())?;
    let wire = match make(&setup) {
        Ok(wire) => wire,
        Err(Failure { step, error }) => {
            let said = Said::Failed(format!("{step}: {error}"), error.raw_os_error());
            return send(channel.as_fd(), &said, None);
        }
    };
    send(channel.as_fd(), &Said::Made, Some(wire.as_fd()))?;
    drop(wire);
    receive::<()>(channel.as_fd())?;
    // The kernel forgets it when rights change.
    set_parent_process_death_signal(Some(Signal::TERM))?;
    if getppid() != parent {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    let mut command = Command::new(file);
    command.arg0(name).args(arguments);
    if let Some(preload) = &setup.preload {
        command.env("LD_PRELOAD", preload);
    }
    crate::os::process::keep_mask(&mut command, Mask::of_this_thread()?);
    let error = command.exec();
    let errno = error.raw_os_error().unwrap_or(libc::EIO);
    send(channel.as_fd(), &Said::NotExecuted(errno), None)
}

/// Makes what a command without options would get, in a process that ends soon after: whether it could be made.
pub fn probe() -> Result<(), String> {
    let setup = Setup::new(&Config::default()).map_err(|error| error.to_string())?;
    make(&setup)
        .map(drop)
        .map_err(|Failure { step, error }| super::explain(&format!("{step}: {error}"), error.raw_os_error()))
}

/// Makes the namespaces, and returns the other end of the wire.
pub(super) fn make(setup: &Setup) -> Result<OwnedFd, Failure> {
    let is_user_namespace = separate(setup.hostname.is_some())?;
    let wire = interface::make(setup)?;
    set_knobs(setup, is_user_namespace)?;
    if let Some(hostname) = &setup.hostname {
        rustix::system::sethostname(hostname.as_bytes())
            .map_err(|errno| Failure::at("setting the host name")(errno.into()))?;
    }
    files::cover(setup.server, is_user_namespace)?;
    Ok(wire)
}

/// Leaves the machine's namespaces; whether for those of a user namespace of its own.
fn separate(has_name: bool) -> Result<bool, Failure> {
    let kinds = libc::CLONE_NEWNS | libc::CLONE_NEWNET | if has_name { libc::CLONE_NEWUTS } else { 0 };
    let (user, group) = (geteuid(), getegid());
    if user.is_root() && unshare(kinds).is_ok() {
        return Ok(false);
    }
    unshare(kinds | libc::CLONE_NEWUSER).map_err(Failure::at("making a user namespace"))?;
    // Without it the kernel takes no map of groups from an ordinary user.
    let lines = [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("{0} {0} 1", user.as_raw())),
        ("/proc/self/gid_map", format!("{0} {0} 1", group.as_raw())),
    ];
    for (file, line) in lines {
        fs::write(file, line).map_err(Failure::at("naming the user in his namespace"))?;
    }
    Ok(true)
}

/// What the other engines give a command too: every port, and ping; then what the user wants.
fn set_knobs(setup: &Setup, is_user_namespace: bool) -> Result<(), Failure> {
    let group = getegid().as_raw();
    let groups = if is_user_namespace { format!("{group} {group}") } else { "0 2147483647".into() };
    // A system where they cannot be set has other ways to ping and to listen.
    let _ = write_knob("net.ipv4.ip_unprivileged_port_start", "0");
    let _ = write_knob("net.ipv4.ping_group_range", &groups);
    for sysctl in &setup.sysctls {
        write_knob(sysctl.key(), sysctl.value()).map_err(Failure::at("setting what --sysctl asks for"))?;
    }
    Ok(())
}

fn write_knob(key: &str, value: &str) -> io::Result<()> {
    fs::write(format!("/proc/sys/{}", key.replace('.', "/")), value)
}
