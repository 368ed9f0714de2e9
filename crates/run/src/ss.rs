//! `portolan ss`: the sockets of running hosts, with the words, options and columns of iproute2's `ss`.
//!
//! [`list`] asks the hosts over their admin sockets and keeps what is wanted: [`filter`] reads ss's filter language,
//! [`users`] finds the processes that hold a socket. [`render`] prints: [`table`] has the columns, [`details`] the
//! figures of `-i`.

mod details;
pub mod filter;
mod table;
pub(crate) mod users;

use serde::Serialize;

use crate::admin::AdminError;
use crate::admin::client::{self, Client};
use crate::admin::message::{SocketRow, SocketState};
use filter::Filter;

pub use table::render;

/// What the user wants to see.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// `-t`. With neither this nor `udp`, both.
    pub tcp: bool,
    /// `-u`.
    pub udp: bool,
    /// `-l`: those that wait for somebody.
    pub listening: bool,
    /// `-a`: all.
    pub all: bool,
    /// `-n`: ports and rates as plain numbers.
    pub numeric: bool,
    /// `-p`: the processes that hold them.
    pub processes: bool,
    /// `-i`: the figures of connections.
    pub info: bool,
    /// `-e`: user, inode and number.
    pub extended: bool,
    /// `-o`: the timer that runs.
    pub options: bool,
    /// `-m`: what is queued, and the limits of that.
    pub memory: bool,
    /// `-O`: a socket on one line, whatever is shown of it.
    pub one_line: bool,
    /// One host only.
    pub host: Option<String>,
    /// The filter.
    pub filter: Filter,
}

/// The sockets of one host.
#[derive(Clone, Debug, Serialize)]
pub struct HostSockets {
    /// The host's name.
    pub host: String,
    /// Those that are wanted.
    pub sockets: Vec<SocketRow>,
}

impl Query {
    /// Whether rows of this protocol are wanted.
    fn takes_protocol(&self, protocol: &str) -> bool {
        match protocol {
            "tcp" => self.tcp || !self.udp,
            _ => self.udp || !self.tcp,
        }
    }

    /// Whether both protocols are wanted, so that the table says which one a row is of.
    fn takes_both(&self) -> bool {
        self.tcp == self.udp
    }

    /// The states that are wanted: the filter's, or those that the options stand for.
    fn states(&self) -> filter::States {
        let options = if self.all {
            filter::States::ALL
        } else if self.listening {
            filter::States::of(&[SocketState::Listening, SocketState::Closed])
        } else {
            filter::States::OPEN
        };
        self.filter.states.unwrap_or(options)
    }

    fn takes(&self, row: &SocketRow) -> bool {
        self.takes_protocol(&row.protocol) && self.states().contains(row.state) && self.filter.takes(row)
    }
}

/// What is open in the hosts, and the hosts that did not answer.
pub fn list(query: &Query) -> Result<(Vec<HostSockets>, Vec<AdminError>), AdminError> {
    let (clients, mut failures) = client::connect(query.host.as_deref())?;
    let mut hosts = Vec::new();
    for mut client in clients {
        match ask(&mut client, query) {
            Ok(host) => hosts.push(host),
            Err(failure) => failures.push(failure),
        }
    }
    if query.processes || query.extended {
        users::resolve(hosts.iter_mut().flat_map(|host| &mut host.sockets));
    }
    // It leads nowhere outside of this machine's kernel.
    for row in hosts.iter_mut().flat_map(|host| &mut host.sockets) {
        row.trail = None;
    }
    Ok((hosts, failures))
}

fn ask(client: &mut Client, query: &Query) -> Result<HostSockets, AdminError> {
    let mut sockets = client.sockets()?;
    sockets.retain(|row| query.takes(row));
    Ok(HostSockets { host: client.name().to_owned(), sockets })
}
