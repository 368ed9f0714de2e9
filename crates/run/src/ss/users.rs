//! The processes that hold a socket, found as ss finds them: by the inodes under `/proc/PID/fd`.
//!
//! The program's socket is an AF_UNIX one. The kernel says through sock_diag(7) which one is the peer of the stack
//! process's end, and which one has a name. Where it does not, or the program is in another network namespace, the
//! process that made the socket stands in, without a descriptor.

use std::collections::{HashMap, HashSet};

use crate::admin::message::{SocketRow, Trail, User};
use crate::os::unix_diag::{self, UnixSocket};

/// Replaces the users of all rows by those who hold the sockets now, and fills in their inodes.
pub(super) fn resolve<'a>(rows: impl Iterator<Item = &'a mut SocketRow>) {
    let found = Sockets::new(unix_diag::dump().unwrap_or_default());
    let mut rows: Vec<_> = rows.collect();
    let mut wanted = HashSet::new();
    for row in &mut rows {
        row.inode = row.trail.as_ref().and_then(|trail| found.follow(trail));
        wanted.extend(row.inode);
    }
    let holders = holders(&wanted);
    for row in rows {
        if let Some(users) = row.inode.and_then(|inode| holders.get(&inode)) {
            row.users.clone_from(users);
        }
    }
}

/// The AF_UNIX sockets of the namespace.
struct Sockets {
    by_peer: HashMap<u64, u64>,
    by_name: HashMap<Vec<u8>, u64>,
}

impl Sockets {
    fn new(all: Vec<UnixSocket>) -> Sockets {
        let mut sockets = Sockets { by_peer: HashMap::new(), by_name: HashMap::new() };
        for UnixSocket { inode, peer, name } in all {
            match (peer, name) {
                (Some(peer), _) => drop(sockets.by_peer.insert(peer, inode)),
                // An accepted connection has its listener's name, too, but has a peer.
                (None, Some(name)) => drop(sockets.by_name.insert(name, inode)),
                (None, None) => {}
            }
        }
        sockets
    }

    fn follow(&self, trail: &Trail) -> Option<u64> {
        match trail {
            Trail::PeerOf(end) => self.by_peer.get(end).copied(),
            Trail::Named(name) => self.by_name.get(name).copied(),
        }
    }
}

/// Who holds each of these inodes, among the processes that we may look at.
pub(crate) fn holders(wanted: &HashSet<u64>) -> HashMap<u64, Vec<User>> {
    let mut holders: HashMap<u64, Vec<User>> = HashMap::new();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    for pid in numbers {
        let mut name = None;
        for descriptor in std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
            let inode = std::fs::read_link(descriptor.path()).ok().and_then(|link| {
                link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok()
            });
            let Some(inode) = inode.filter(|inode| wanted.contains(inode)) else { continue };
            let name = name.get_or_insert_with(|| comm(pid)).clone();
            let fd = descriptor.file_name().to_str().and_then(|fd| fd.parse().ok());
            holders.entry(inode).or_default().push(User { name, pid, fd });
        }
    }
    for users in holders.values_mut() {
        users.sort();
    }
    holders
}

fn comm(pid: u32) -> String {
    let name = std::fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    String::from_utf8_lossy(name.strip_suffix(b"\n").unwrap_or(&name)).into_owned()
}
