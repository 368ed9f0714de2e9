//! The stack process as its supervisor sees it.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::Refusal;
use crate::admin::message::Identity;
use crate::channel::{Channel, HIDDEN_ARGUMENT, News, Order};
use crate::config::Config;
use crate::os::signals::Mask;

/// How long the stack process may take to start.
const START_TIME: Duration = Duration::from_secs(10);

/// A stack process that has said that it is ready.
#[derive(Debug)]
pub(super) struct StackProcess {
    pid: Pid,
    channel: Option<Channel>,
    alive: bool,
}

impl StackProcess {
    /// Starts it and waits until its control server listens. `capture` becomes its standard output, where frames are
    /// recorded. Returns the variable that the command must inherit, too.
    pub(super) fn start(
        config: Config,
        library: Option<&Path>,
        identity: Identity,
        capture: Option<OwnedFd>,
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
        let child = command.spawn().map_err(cannot)?;
        // Our copies of its ends go now, so that the end of the stream is seen when it dies.
        drop(command);
        let mut started =
            StackProcess { pid: Pid::from_child(&child), channel: Some(Channel::new(ours)), alive: true };
        let library = library.map(Path::to_owned);
        let variable = started.handshake(Order::Start { config: Box::new(config), library, identity })?;
        Ok((started, variable))
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
        if std::mem::take(&mut self.alive) {
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
