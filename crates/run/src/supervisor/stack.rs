//! The stack process as its supervisor sees it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::Refusal;
use crate::admin::client::Client;
use crate::admin::message::Identity;
use crate::channel::{Channel, HIDDEN_ARGUMENT, News, Order, Wire};
use crate::config::Config;
use crate::os::namespace::pass_descriptor;
use crate::os::signals::Mask;

/// How long the stack process may take to start.
const START_TIME: Duration = Duration::from_secs(10);

/// A stack process that has said that it is ready.
#[derive(Debug)]
pub(super) struct StackProcess {
    pid: Pid,
    channel: Option<Channel>,
    alive: bool,
    /// It is a host of its own, which outlives us: its name.
    joined: Option<String>,
}

impl StackProcess {
    /// Starts it and waits until its control server listens. `capture` becomes its standard output, where frames are
    /// recorded; `wire` is the gateway's end of that to a namespace, and the process in it. Returns the variable that the command must inherit, too.
    pub(super) fn start(
        config: Config,
        library: Option<&Path>,
        identity: Identity,
        capture: Option<OwnedFd>,
        wire: Option<(OwnedFd, u32)>,
        mask: Mask,
    ) -> Result<(StackProcess, (String, String)), Refusal> {
        let cannot = |error: io::Error| Refusal::new(format_args!("cannot start the stack process: {error}"));
        let (ours, theirs) = UnixStream::pair().map_err(cannot)?;
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0("portolan-stack")
            .arg(HIDDEN_ARGUMENT)
            .stdin(OwnedFd::from(theirs))
            .stdout(capture.map_or_else(Stdio::null, Stdio::from))
            // What the user preloads is meant for the command.
            .env_remove("LD_PRELOAD");
        crate::os::process::prepare_child(&mut command, mask);
        let told = wire.as_ref().map(|(end, process)| Wire {
            descriptor: pass_descriptor(&mut command, end.as_fd()),
            process: *process,
        });
        let child = command.spawn().map_err(cannot)?;
        // Our copies of its ends go now, so that the end of the stream is seen when it dies.
        drop((command, wire));
        let mut started = StackProcess {
            pid: Pid::from_child(&child),
            channel: Some(Channel::new(ours)),
            alive: true,
            joined: None,
        };
        let library = library.map(Path::to_owned);
        let variable =
            started.handshake(Order::Start { config: Box::new(config), library, identity, wire: told })?;
        Ok((started, variable))
    }

    /// Joins a host that `portolan up` has started. Returns the variable that the command must inherit, too.
    pub(super) fn join(name: &str) -> Result<(StackProcess, (String, String)), Refusal> {
        let mut client = Client::connect(name).map_err(Refusal::new)?;
        let info = client.info().map_err(Refusal::new)?;
        let pid = i32::try_from(info.identity.pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| Refusal::new(format_args!("the host '{name}' has no process")))?;
        let (channel, variable) = client.join().map_err(Refusal::new)?;
        let joined = Some(name.to_owned());
        Ok((StackProcess { pid, channel: Some(channel), alive: true, joined }, variable))
    }

    /// The name of the host that we had joined, if it has ended; told once.
    pub(super) fn take_lost_host(&mut self) -> Option<String> {
        if self.alive || self.channel.is_some() { None } else { self.joined.take() }
    }

    fn handshake(&mut self, order: Order) -> Result<(String, String), Refusal> {
        let Some(channel) = &mut self.channel else {
            return Err(Refusal::new("no channel to the stack process"));
        };
        let said = channel
            .set_timeout(START_TIME)
            .and_then(|()| channel.send(&order))
            .and_then(|()| channel.receive::<News>())
            .and_then(|news| channel.set_timeout(Duration::ZERO).map(|()| news));
        match said {
            Ok(News::Ready { variable }) => Ok(variable),
            Ok(News::Failed(line)) => Err(Refusal::new(line)),
            Ok(other) => Err(Refusal::new(format_args!("the stack process said {other:?} first"))),
            Err(error) => Err(Refusal::new(format_args!("the stack process did not start: {error}"))),
        }
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    pub(super) fn is_alive(&self) -> bool {
        self.alive
    }

    /// For poll; `None` when its end has been seen.
    pub(super) fn channel(&self) -> Option<&Channel> {
        self.channel.as_ref()
    }

    /// Tells it something. One that is gone hears nothing, and its end is seen elsewhere.
    pub(super) fn order(&mut self, order: &Order) {
        if self.joined.is_some() {
            // It goes on without us; what our command has open ends with the command.
            (self.joined, self.channel, self.alive) = (None, None, false);
        }
        if let Some(channel) = &mut self.channel {
            let _ = channel.send(order);
        }
    }

    /// What it has said, `None` when nothing is waiting.
    pub(super) fn news(&mut self) -> Option<News> {
        match self.channel.as_mut()?.receive() {
            Ok(news) => Some(news),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(_) => {
                self.channel = None;
                self.alive &= self.joined.is_none();
                None
            }
        }
    }

    /// It has been reaped.
    pub(super) fn set_ended(&mut self) {
        self.alive = false;
    }

    /// Ends it at once, if it still lives.
    pub(super) fn kill(&mut self) {
        if std::mem::take(&mut self.alive) && self.joined.is_none() {
            let _ = kill_process(self.pid, Signal::KILL);
            let _ = waitpid(Some(self.pid), WaitOptions::empty());
        }
    }
}

impl Drop for StackProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
