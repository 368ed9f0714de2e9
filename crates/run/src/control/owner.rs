//! Which process made a socket, and what leads from the stack's socket to the program's: for those who look.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::rc::Rc;

use portolan_protocol::Name;
use portolan_stack::SocketId;

use super::registry::Registry;
use super::socket::Record;
use crate::admin::message::Trail;
use crate::os::unix::Peer;

/// The process that made a socket, as it was then.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owner {
    /// The name that the kernel has for it (`/proc/PID/comm`), as it is: escape it before it is shown.
    pub name: String,
    /// Its number.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
}

impl Owner {
    /// The process at the other end of a control connection; `None` where the kernel does not say which it is.
    pub(super) fn of(peer: Peer) -> Option<Rc<Owner>> {
        let pid = u32::try_from(peer.pid).ok().filter(|pid| *pid != 0)?;
        let name = std::fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
        let name = String::from_utf8_lossy(name.strip_suffix(b"\n").unwrap_or(&name)).into_owned();
        Some(Rc::new(Owner { name, pid, uid: peer.uid }))
    }
}

/// What is known of a socket of the stack that a program holds.
#[derive(Clone, Debug)]
pub struct Held {
    /// Who made it.
    pub owner: Option<Rc<Owner>>,
    /// How to find the program's socket; `None` once the connection has no end any more.
    pub trail: Option<Trail>,
}

/// The sockets of programs, for those who look.
#[derive(Clone)]
pub struct Holdings(pub(super) Rc<Registry>);

impl Holdings {
    /// What is known of every socket that a program holds, by the stack's name for it.
    pub fn by_socket(&self) -> HashMap<SocketId, Held> {
        let records = self.0.all();
        records.iter().filter_map(|record| Some((record.socket().ok()?.id()?, held(record)))).collect()
    }
}

fn held(record: &Record) -> Held {
    let trail = match record.end() {
        Some(end) => rustix::fs::fstat(end.get_ref().as_fd()).ok().map(|about| Trail::PeerOf(about.st_ino)),
        None => {
            let name = Name::Socket { id: record.target.id, kind: record.target.kind };
            Some(Trail::Named(name.encode().as_bytes().to_vec()))
        }
    };
    Held { owner: record.owner(), trail }
}
