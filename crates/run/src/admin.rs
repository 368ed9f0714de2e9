//! The admin socket: how `portolan ss`, `ls` and the other verbs speak with a host that runs.
//!
//! Every stack process listens on a Unix stream socket, NAME.sock in a directory that only its user can enter
//! ([`directory`]). NAME is `run-PID` with the supervisor's process, or what the user has named the host. Both sides say
//! [`message::Hello`] first, with the version that they speak; then the client sends a [`message::Request`] and gets a
//! [`message::Reply`], as often as it likes: JSON, a line each.
//!
//! [`server`] is the stack process's side, [`client`] the other one. A client is served only if it is the same user's
//! or root's. Nobody can hold the host up: lines, times and the number of clients are limited, and each client has a
//! task of its own. Start reading in [`message`].

mod capture;
pub mod client;
pub mod directory;
pub mod message;
pub mod server;
mod sockets;

use std::path::PathBuf;

use crate::summary::escape;

/// Why a host cannot be spoken with, or cannot be found by others: one line each.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The directory of sockets cannot be made or used.
    #[error("{}: {why}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it, and what would help.
        why: String,
    },
    /// A socket's path does not fit into an address.
    #[error(
        "the socket's path {} has {} octets and may have {}; set XDG_RUNTIME_DIR to a shorter one",
        path.display(), path.as_os_str().len(), directory::PATH_MAX
    )]
    PathTooLong {
        /// The socket.
        path: PathBuf,
    },
    /// No name of a host.
    #[error(
        "'{}' is no host's name: at most {} letters, digits, '.', '_' and '-', a letter or digit first",
        escape(name),
        directory::NAME_MAX
    )]
    Name {
        /// As it was given.
        name: String,
    },
    /// The socket cannot be made.
    #[error("cannot listen on {}: {why}", path.display())]
    Listen {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
    /// There is a host of this name.
    #[error("the host '{name}' runs already{}; `portolan ls` shows it", pid.map_or(String::new(), |pid| format!(" (process {pid})")))]
    Running {
        /// Its name.
        name: String,
        /// Its process, if the system says.
        pid: Option<i32>,
    },
    /// Nobody listens under this name.
    #[error("no host '{}' is running; `portolan ls` shows those that are", escape(name))]
    NotRunning {
        /// As it was given.
        name: String,
    },
    /// There is no host at all.
    #[error("no host is running; start one with `portolan run`, or read a file with -r")]
    NoneRuns,
    /// There are several.
    #[error("several hosts are running, so say which one: {names}")]
    Several {
        /// Their names.
        names: String,
    },
    /// The host does not talk.
    #[error("the host '{name}' does not answer: {why}")]
    Silent {
        /// Its name.
        name: String,
        /// What happened instead.
        why: String,
    },
    /// The host speaks another version.
    #[error(
        "the host '{name}' speaks version {theirs} of the admin protocol and this program version {ours}; \
         use the program that has started it"
    )]
    Version {
        /// Its name.
        name: String,
        /// The host's version.
        theirs: u32,
        /// Ours.
        ours: u32,
    },
    /// The host has answered that it will not.
    #[error("the host '{name}' says: {}", escape(line))]
    Refused {
        /// Its name.
        name: String,
        /// Its words.
        line: String,
    },
}
