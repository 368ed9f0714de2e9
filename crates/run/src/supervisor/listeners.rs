//! Waking whoever waits in accept when the stack process is gone.
//!
//! A program's listener is an AF_UNIX socket of its own, so nothing ends its wait when the stack dies. Each listener
//! that carries one of our names is taken from its process (pidfd_getfd) and shut down: accept then fails with EINVAL,
//! which the library turns into ENETDOWN. We are an ancestor, so Yama's level 1 allows it.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use portolan_protocol::Name;
use rustix::net::Shutdown;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

/// __SO_ACCEPTCON, the flag of a listening socket in /proc/net/unix.
const LISTENING: u32 = 0x1_0000;

/// Shuts every listener of our descendants down. Returns the processes that could not be looked into, as
/// `NAME (PID)`.
pub(super) fn shut_down() -> Vec<String> {
    // Names hold any octets; ours that matter here are plain text.
    let table = fs::read("/proc/net/unix").unwrap_or_default();
    let ours = our_listeners(&String::from_utf8_lossy(&table));
    let mut untouched = Vec::new();
    for pid in descendant_pids() {
        if !ours.is_empty() && shut_down_in(pid, &ours).is_none() && still_runs(pid) {
            untouched.push(describe(pid));
        }
    }
    untouched
}

/// The descendants that still run, as `NAME (PID)`.
pub(super) fn descendants() -> Vec<String> {
    descendant_pids().into_iter().filter(|pid| still_runs(*pid)).map(describe).collect()
}

/// `None` when the process cannot be looked into.
fn shut_down_in(pid: u32, ours: &HashSet<u64>) -> Option<()> {
    let descriptors: Vec<i32> = fs::read_dir(format!("/proc/{pid}/fd"))
        .ok()?
        .flatten()
        .filter(|entry| socket_inode(&entry.path()).is_some_and(|inode| ours.contains(&inode)))
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    if descriptors.is_empty() {
        return Some(());
    }
    let pidfd = pidfd_open(Pid::from_raw(pid.try_into().ok()?)?, PidfdFlags::empty()).ok()?;
    for descriptor in descriptors {
        let socket = pidfd_getfd(&pidfd, descriptor, PidfdGetfdFlags::empty()).ok()?;
        rustix::net::shutdown(&socket, Shutdown::Both).ok()?;
    }
    Some(())
}

/// The inode of `socket:[INODE]`.
fn socket_inode(link: &Path) -> Option<u64> {
    let target = fs::read_link(link).ok()?;
    target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// Inodes of listening sockets whose abstract names are programs' sockets of ours. In the table an abstract name starts
/// with '@' and has '@' for each NUL in it.
fn our_listeners(table: &str) -> HashSet<u64> {
    table
        .lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let flags = u32::from_str_radix(words.get(3)?, 16).ok()?;
            let name = words.get(7)?.strip_prefix('@')?;
            let ours = matches!(Name::decode(name.as_bytes()), Ok(Name::Socket { .. }));
            (flags & LISTENING != 0 && ours).then(|| words.get(6)?.parse().ok())?
        })
        .collect()
}

/// Every process below us but the children that this program made for itself are the command's. The stack process is
/// no program of the command's and holds no listener of this kind, so it need not be told apart here.
fn descendant_pids() -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        if let Some(parent) = stat_field(pid, 1).and_then(|word| word.parse().ok()) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut next = vec![u32::try_from(getpid().as_raw_nonzero().get()).unwrap_or(0)];
    while let Some(parent) = next.pop() {
        // Each process has one parent, so nobody is met twice; a table read while it changes is bounded all the same.
        let below = children.remove(&parent).unwrap_or_default();
        found.extend(&below);
        next.extend(below);
    }
    found
}

/// A field of /proc/PID/stat after the name, counted from 0: the state, then the parent.
fn stat_field(pid: u32, index: usize) -> Option<String> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(index).map(str::to_owned)
}

fn still_runs(pid: u32) -> bool {
    stat_field(pid, 0).is_some_and(|state| state != "Z" && state != "X")
}

fn describe(pid: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    format!("{} ({pid})", name.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_listeners_are_told_from_other_sockets() {
        let id = "0".repeat(32);
        let table = format!(
            "Num       RefCount Protocol Flags    Type St Inode Path\n\
             0000000000000000: 00000002 00000000 00010000 0001 01 101 @portolanSt4{id}\n\
             0000000000000000: 00000002 00000000 00000000 0001 01 102 @portolanSt4{id}\n\
             0000000000000000: 00000002 00000000 00010000 0001 01 103 @portolanR{id}\n\
             0000000000000000: 00000002 00000000 00010000 0001 01 104 /run/dbus/socket\n\
             0000000000000000: 00000003 00000000 00000000 0001 03 105\nnonsense\n"
        );
        assert_eq!(our_listeners(&table), HashSet::from([101]));
    }

    #[test]
    fn a_child_is_found_below_us() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert!(descendant_pids().contains(&child.id()));
        assert!(describe(child.id()).contains(&format!("({})", child.id())));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
