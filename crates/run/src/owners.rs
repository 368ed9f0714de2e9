//! Whose flow is it: the process behind a local port of the command's host.
//!
//! The control server notes who binds, connects or sends; whoever sees a packet asks. A port that is used again has a new
//! owner then, so nothing is ever removed, and nothing grows beyond the number of ports. Where the command's sockets are
//! the kernel's, whoever asks has it looked up ([`namespace`]).

mod namespace;

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use namespace::Namespace;
use serde::Serialize;

/// The owners of ports, shared by all threads of a stack process.
#[derive(Debug, Default)]
pub struct Owners {
    noted: Mutex<HashMap<(u8, u16), Process>>,
    namespace: OnceLock<Namespace>,
}

/// A process of the command.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Process {
    /// Its number, as this machine counts.
    pub pid: u32,
    /// What it calls itself (`/proc/PID/comm`); empty once it is gone. Any octets: to be escaped.
    pub name: String,
}

impl Owners {
    /// From now on the ports are those of the kernel in the network namespace that this process is in.
    pub fn look_into(&self, member: u32) {
        // A command has one.
        let _ = self.namespace.set(Namespace::of(member));
    }

    /// `pid` has `port` of an IP protocol from now on; for ICMP the port is the echo identifier. Its name is read now,
    /// because the last packets of a connection are often sent after its process has ended.
    pub fn note(&self, protocol: u8, port: u16, pid: u32) {
        let process = Process::find(pid);
        self.lock().insert((protocol, port), process);
    }

    /// The process that has a port, or had it last.
    pub fn of(&self, protocol: u8, port: u16) -> Option<Process> {
        match self.namespace.get() {
            Some(namespace) => namespace.owner(protocol, port),
            None => self.lock().get(&(protocol, port)).cloned(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(u8, u16), Process>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Process {
    /// A process by its number.
    pub fn find(pid: u32) -> Process {
        let comm = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
        Process { pid, name: String::from_utf8_lossy(&comm).trim_end_matches('\n').to_owned() }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", if self.name.is_empty() { "?" } else { &self.name }, self.pid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_who_took_a_port_owns_it() {
        let owners = Owners::default();
        owners.note(6, 4000, 1);
        owners.note(6, 4000, std::process::id());
        owners.note(17, 4000, 1);
        let mine = owners.of(6, 4000).unwrap();
        assert_eq!(mine.pid, std::process::id());
        assert!(!mine.name.is_empty() && !mine.name.contains('\n'), "{mine}");
        assert_eq!(owners.of(17, 4000).map(|process| process.pid), Some(1));
        assert_eq!(owners.of(6, 4001), None);
        assert_eq!(Process { pid: 7, name: String::new() }.to_string(), "?[7]");
    }
}
