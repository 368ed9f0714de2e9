//! Whose a port is where the sockets are the kernel's: nobody tells of binds there, so it is looked up when it is asked for.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Process;
use crate::kernel_sockets;
use crate::ss::users::holders;

/// How long an answer is good for: a port may be another's soon after.
const KNOWN_TIME: Duration = Duration::from_secs(10);
/// How long one is that nobody has been found.
const UNKNOWN_TIME: Duration = Duration::from_millis(100);

/// The ports of a namespace.
#[derive(Debug)]
pub(super) struct Namespace {
    /// A process that is in it.
    member: u32,
    known: Mutex<HashMap<(u8, u16), Known>>,
}

#[derive(Debug)]
struct Known {
    process: Option<Process>,
    since: Instant,
}

impl Namespace {
    pub(super) fn of(member: u32) -> Namespace {
        Namespace { member, known: Mutex::default() }
    }

    /// The process that has a port; once it has ended, the one that had it.
    pub(super) fn owner(&self, protocol: u8, port: u16) -> Option<Process> {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(&(protocol, port));
        if let Some(Known { process, since }) = known
            && since.elapsed() < if process.is_some() { KNOWN_TIME } else { UNKNOWN_TIME }
        {
            return process.clone();
        }
        let before = known.and_then(|known| known.process.clone());
        let process = self.look_up(protocol, port).or(before);
        all.insert((protocol, port), Known { process: process.clone(), since: Instant::now() });
        process
    }

    fn look_up(&self, protocol: u8, port: u16) -> Option<Process> {
        let sockets = kernel_sockets::of(self.member, protocol);
        let wanted: HashSet<u64> = sockets
            .iter()
            .filter(|socket| socket.local.port() == port && socket.inode != 0)
            .map(|socket| socket.inode)
            .collect();
        if wanted.is_empty() {
            return None;
        }
        let user = holders(&wanted).into_values().flatten().min()?;
        Some(Process { pid: user.pid, name: user.name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_port_is_found_and_remembered() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let namespace = Namespace::of(std::process::id());
        let own = namespace.owner(17, port).unwrap();
        assert_eq!(own.pid, std::process::id());
        drop(socket);
        assert_eq!(namespace.owner(17, port), Some(own));
        assert_eq!(namespace.owner(132, 1), None);
    }
}
