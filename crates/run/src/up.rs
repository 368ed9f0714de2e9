//! `portolan up` and `down`: hosts that outlive one command.
//!
//! A host is a stack process without a supervisor. It is found by its admin socket, NAME.sock, and what it has to say is
//! written to NAME.log beside that. Commands come into it with `portolan run --in NAME`.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::admin::AdminError;
use crate::admin::client::Client;
use crate::admin::directory::Directory;
use crate::admin::message::{Identity, Info};
use crate::channel::{Channel, HIDDEN_ARGUMENT, News, Order};
use crate::config::Config;

/// How long a host may take to start.
const START_TIME: Duration = Duration::from_secs(10);

/// How long each of the things it says at first may take after the one before.
const NOTE_TIME: Duration = Duration::from_millis(20);

/// What the names of runs begin with, which `up` leaves to them.
const RUN_PREFIX: &str = "run-";

/// What has become of an attempt to start a host.
#[derive(Debug)]
pub enum Outcome {
    /// It runs, and this is what it had to say.
    Started(Vec<String>),
    /// It has been running.
    WasRunning {
        /// Who it is.
        info: Box<Info>,
        /// The options that it was started with another value of than it is wanted with.
        differences: Vec<&'static str>,
    },
}

/// Starts a host of this name, or finds that there is one. Fails with one line.
pub fn up(name: &str, config: Config) -> Result<Outcome, String> {
    if name.starts_with(RUN_PREFIX) {
        return Err(format!(
            "'{name}' is no name for a host: those of `portolan run` begin with '{RUN_PREFIX}'"
        ));
    }
    match Client::connect(name).and_then(|mut client| client.info()) {
        Ok(info) => {
            let differences = match &info.settings {
                Some(settings) => config.differences(settings),
                None if info.link == config.link.to_string() => Vec::new(),
                None => vec!["--link"],
            };
            return Ok(Outcome::WasRunning { info: Box::new(info), differences });
        }
        Err(AdminError::NotRunning { .. }) => {}
        Err(failure) => return Err(failure.to_string()),
    }
    let directory = Directory::make().map_err(|failure| failure.to_string())?;
    directory.socket(name).map_err(|failure| failure.to_string())?;
    let log = log_of(&directory, name);
    let cannot = |error: io::Error| format!("cannot start the host '{name}': {error}");
    let (ours, theirs) = UnixStream::pair().map_err(cannot)?;
    spawn(theirs, &log).map_err(|error| {
        format!("cannot start the host '{name}' with its log in {}: {error}", log.display())
    })?;
    let identity = Identity { name: name.to_owned(), pid: 0, command: Vec::new() };
    greet(
        Channel::new(ours),
        Order::Start { config: Box::new(config), library: None, identity, wire: None },
        &log,
    )
    .map(Outcome::Started)
}

/// Ends the host of this name: its connections are reset. Its log goes with it; that of a host which ended by itself
/// stays, to be read.
pub fn down(name: &str) -> Result<(), AdminError> {
    Client::connect(name)?.down()?;
    if let Some(directory) = Directory::find()? {
        let _ = std::fs::remove_file(log_of(&directory, name));
    }
    Ok(())
}

fn log_of(directory: &Directory, name: &str) -> PathBuf {
    directory.path().join(format!("{name}.log"))
}

/// A stack process that belongs to nobody.
fn spawn(channel: UnixStream, log: &Path) -> io::Result<()> {
    let log = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(log)?;
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("portolan-stack")
        .arg(HIDDEN_ARGUMENT)
        .current_dir("/")
        .stdin(OwnedFd::from(channel))
        .stdout(Stdio::null())
        .stderr(log)
        .env_remove("LD_PRELOAD");
    command.spawn().map(drop)
}

/// Waits until it listens; returns what it said.
fn greet(mut channel: Channel, order: Order, log: &Path) -> Result<Vec<String>, String> {
    let said = channel
        .set_timeout(START_TIME)
        .and_then(|()| channel.send(&order))
        .and_then(|()| channel.receive::<News>());
    match said {
        Ok(News::Ready { .. }) => {}
        Ok(News::Failed(line)) => return Err(line),
        Ok(other) => return Err(format!("the host said {other:?} first")),
        Err(error) => return Err(format!("the host did not start: {error}; see {}", log.display())),
    }
    let mut notes = Vec::new();
    // What it knows at once comes at once, before it waits for anything.
    while let Ok(News::Note(line)) = channel.set_timeout(NOTE_TIME).and_then(|()| channel.receive()) {
        notes.push(line);
    }
    Ok(notes)
}
