//! What the supervisor and the stack process tell each other: JSON, a line each, over a socket pair.
//!
//! The stack process finds its end at standard input. The end of the stream means that the other side is gone.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::admin::message::Identity;
use crate::config::Config;
use crate::summary::Report;

/// The first argument of a stack process: the program starts itself again with it.
pub const HIDDEN_ARGUMENT: &str = "--portolan-stack-process";

/// The longest line: a report with all its rows.
const LINE_MAX: usize = 64 << 20;

/// From the supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    /// The first message.
    Start {
        /// What to start.
        config: Box<Config>,
        /// The directory that holds the preload library of this run. The stack process removes it when the supervisor
        /// was killed and cannot.
        library: Option<PathBuf>,
        /// Who the host is, for those who look.
        identity: Identity,
        /// What leads to the command if it is in a namespace of its own.
        wire: Option<Wire>,
    },
    /// The command has ended: let what it sent last arrive, then end.
    Finish,
    /// Reset every connection and end.
    Abort,
}

/// The wire to a command in a namespace.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Wire {
    /// The number of the descriptor that is its other end, a packet socket.
    pub descriptor: i32,
    /// The process that is or becomes the command.
    pub process: u32,
}

/// From the stack process.
#[derive(Debug, Serialize, Deserialize)]
pub enum News {
    /// The control server listens; the command may start.
    Ready {
        /// Name and value of the variable that the library looks for.
        variable: (String, String),
    },
    /// It cannot start; one line that says why.
    Failed(String),
    /// Every link is closed.
    Ended(Report),
    /// Something that the user should know now, one line.
    Note(String),
}

/// One end of the channel, used from synchronous code.
#[derive(Debug)]
pub struct Channel {
    stream: UnixStream,
    received: Vec<u8>,
    /// How much of it holds no end of a line.
    looked_at: usize,
}

impl Channel {
    /// Over this end of a socket pair.
    pub fn new(stream: UnixStream) -> Channel {
        Channel { stream, received: Vec::new(), looked_at: 0 }
    }

    /// Sends one message.
    pub fn send<T: Serialize>(&mut self, message: &T) -> io::Result<()> {
        self.stream.write_all(&line(message)?)
    }

    /// The next message, waiting for it as long as [`Channel::set_timeout`] says: `WouldBlock` when none came in
    /// time, `UnexpectedEof` when the other side is gone.
    pub fn receive<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        let mut piece = [0; 16 * 1024];
        loop {
            let unseen = self.received.get(self.looked_at..).unwrap_or_default();
            if let Some(end) = unseen.iter().position(|octet| *octet == b'\n') {
                let line: Vec<u8> = self.received.drain(..=self.looked_at + end).collect();
                self.looked_at = 0;
                return serde_json::from_slice(&line).map_err(io::Error::from);
            }
            self.looked_at = self.received.len();
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(len) if self.received.len() + len > LINE_MAX => {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                Ok(len) => self.received.extend(piece.iter().take(len)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The socket, and what came behind the last message.
    pub fn into_parts(self) -> (UnixStream, Vec<u8>) {
        (self.stream, self.received)
    }

    /// How long [`Channel::receive`] waits; zero for not at all.
    pub fn set_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        self.stream.set_nonblocking(timeout.is_zero())?;
        self.stream.set_read_timeout(Some(timeout).filter(|timeout| !timeout.is_zero()))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// A message as it is sent.
pub fn line<T: Serialize>(message: &T) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}
