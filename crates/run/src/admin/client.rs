//! The other side of the admin socket: finds hosts and asks them.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use portolan_filter::Filter;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::AdminError;
use super::directory::Directory;
use super::message::{Hello, Info, Reply, Request, Shape, SocketRow, VERSION};
use crate::channel::Channel;

/// What a host may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// A connection to a host that speaks our version.
#[derive(Debug)]
pub struct Client {
    name: String,
    channel: Channel,
}

/// Connects to every host of this user, or to the named one alone. Those that do not answer are told of in the second
/// list; sockets that nobody listens on are removed.
pub fn connect(only: Option<&str>) -> Result<(Vec<Client>, Vec<AdminError>), AdminError> {
    if let Some(name) = only {
        return Client::connect(name).map(|client| (vec![client], Vec::new()));
    }
    let names = Directory::find()?.map_or(Ok(Vec::new()), |directory| directory.names())?;
    let (mut clients, mut failures) = (Vec::new(), Vec::new());
    for name in names {
        match Client::connect(&name) {
            Ok(client) => clients.push(client),
            // It has just ended, or was killed some time ago.
            Err(AdminError::NotRunning { .. }) => {}
            Err(failure) => failures.push(failure),
        }
    }
    Ok((clients, failures))
}

impl Client {
    /// Connects to the host of this name.
    pub fn connect(name: &str) -> Result<Client, AdminError> {
        let not_running = || AdminError::NotRunning { name: name.to_owned() };
        let directory = Directory::find()?;
        let Some(directory) = directory else { return Err(not_running()) };
        let path = directory.socket(name)?;
        match UnixStream::connect(&path) {
            Ok(stream) => Client::greet(name, stream),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                remove_stale(&directory, &path)?;
                Err(not_running())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(not_running()),
            Err(error) => Err(AdminError::Silent { name: name.to_owned(), why: error.to_string() }),
        }
    }

    /// Over a stream that is connected to a host of this name: both sides say their version.
    pub fn greet(name: &str, stream: UnixStream) -> Result<Client, AdminError> {
        let mut client = Client { name: name.to_owned(), channel: Channel::new(stream) };
        client.channel.set_timeout(ANSWER_TIME).map_err(|error| client.silent(&error))?;
        client.say(&Hello { portolan: VERSION })?;
        let Hello { portolan: theirs } = client.hear()?;
        if theirs == VERSION {
            Ok(client)
        } else {
            Err(AdminError::Version { name: client.name, theirs, ours: VERSION })
        }
    }

    /// The host's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Asks and waits for the answer.
    pub fn ask(&mut self, request: &Request) -> Result<Reply, AdminError> {
        self.say(request)?;
        match self.hear()? {
            Reply::Failed(line) => Err(AdminError::Refused { name: self.name.clone(), line }),
            reply => Ok(reply),
        }
    }

    /// Who the host is.
    pub fn info(&mut self) -> Result<Info, AdminError> {
        match self.ask(&Request::Info)? {
            Reply::Info(info) => Ok(info),
            _ => Err(self.beside_the_point()),
        }
    }

    /// Everything that is open in the host.
    pub fn sockets(&mut self) -> Result<Vec<SocketRow>, AdminError> {
        match self.ask(&Request::Sockets)? {
            Reply::Sockets(rows) => Ok(rows),
            _ => Err(self.beside_the_point()),
        }
    }

    /// The frames of the host that a filter lets pass: a pcapng stream, whose first octets may have come already. It
    /// ends after this side of the stream has been shut down.
    pub fn capture(mut self, filter: Filter) -> Result<(UnixStream, Vec<u8>), AdminError> {
        match self.ask(&Request::Capture(filter))? {
            Reply::Done => Ok(self.channel.into_parts()),
            _ => Err(self.beside_the_point()),
        }
    }

    /// Changes what the host's wire does, where it is given, and says what it does then.
    pub fn shape(&mut self, up: Option<String>, down: Option<String>) -> Result<Shape, AdminError> {
        match self.ask(&Request::Shape { up, down })? {
            Reply::Shape(shape) => Ok(shape),
            _ => Err(self.beside_the_point()),
        }
    }

    /// Lets a command run in the host: the connection, whose end is the host's, and the variable that the command must
    /// inherit.
    pub fn join(mut self) -> Result<(Channel, (String, String)), AdminError> {
        match self.ask(&Request::Join)? {
            Reply::Joined(variable) => {
                self.channel.set_timeout(Duration::ZERO).map_err(|error| self.silent(&error))?;
                Ok((self.channel, variable))
            }
            _ => Err(self.beside_the_point()),
        }
    }

    /// Ends the host, and waits until it has ended.
    pub fn down(mut self) -> Result<(), AdminError> {
        match self.ask(&Request::Down)? {
            Reply::Done => {}
            _ => return Err(self.beside_the_point()),
        }
        match self.channel.receive::<Reply>() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(self.silent(&error)),
            _ => Ok(()),
        }
    }

    /// The error of an answer to another question.
    pub fn beside_the_point(&self) -> AdminError {
        AdminError::Silent { name: self.name.clone(), why: "its answer is to another question".into() }
    }

    /// A host that refuses to serve us may say why and close before it has read anything.
    fn say<T: Serialize>(&mut self, message: &T) -> Result<(), AdminError> {
        match self.channel.send(message) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(self.silent(&error)),
            _ => Ok(()),
        }
    }

    fn hear<T: DeserializeOwned>(&mut self) -> Result<T, AdminError> {
        self.channel.receive().map_err(|error| self.silent(&error))
    }

    fn silent(&self, error: &io::Error) -> AdminError {
        let why = match error.kind() {
            io::ErrorKind::WouldBlock => format!("nothing came within {} s", ANSWER_TIME.as_secs()),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                "it ended while it was asked".into()
            }
            io::ErrorKind::InvalidData => "what came is no message".into(),
            _ => error.to_string(),
        };
        AdminError::Silent { name: self.name.clone(), why }
    }
}

/// Removes a socket unless somebody listens on it by now.
fn remove_stale(directory: &Directory, path: &Path) -> Result<(), AdminError> {
    let _lock = directory.lock()?;
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if UnixStream::connect(path).is_err_and(refused) {
        let _ = std::fs::remove_file(path);
    }
    Ok(())
}
