//! What the command sees of the machine's files that belongs to its network: resolv.conf, and no service that would
//! look names up on the machine's own network.
//!
//! It has a mount namespace of its own, in which single files are covered. Where its file system changes, so does the
//! machine's.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change, unmount,
};

use super::interface::Failure;
use crate::engine::foreign::HOST_SERVICES;

/// Where programs read which servers to ask.
pub(crate) const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Where a folder may be made for a moment.
const FOLDERS: [&str; 4] = ["/tmp", "/var/tmp", "/dev/shm", "/run"];

/// Covers what must be covered, in a mount namespace of this process's own.
pub(super) fn cover(server: Option<IpAddr>, is_user_namespace: bool) -> Result<(), Failure> {
    let quiet = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    match mount_change("/", quiet) {
        // In a namespace of another user nothing goes back to the machine's anyway.
        Err(_) if is_user_namespace => {}
        other => other.map_err(|errno| Failure::at("separating the mounts")(errno.into()))?,
    }
    for service in HOST_SERVICES.iter().filter(|service| Path::new(service).exists()) {
        mount_bind("/dev/null", *service)
            .map_err(|errno| Failure::at("hiding the machine's name services")(errno.into()))?;
    }
    let Some(server) = server else { return Ok(()) };
    if !Path::new(RESOLV_CONF).exists() {
        // There is nothing to cover, of which the user is told. The C library asks 127.0.0.1 then, which is the command's
        // own: nothing leaks.
        return Ok(());
    }
    let ours = resolv_conf(&fs::read_to_string(RESOLV_CONF).unwrap_or_default(), server);
    let folder = folder().map_err(Failure::at("making a folder for a resolv.conf"))?;
    let covered = cover_with(&folder, &ours);
    let _ = fs::remove_dir(&folder);
    covered.map_err(Failure::at("covering /etc/resolv.conf"))
}

/// Covers the file with one of a file system in memory, which is mounted on a folder for that moment. A plain file that is
/// removed afterwards would do, but nothing could be mounted on it again by a run inside this one.
fn cover_with(folder: &Path, text: &str) -> io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("tmpfs", folder, "tmpfs", flags, Some(c"mode=755"))?;
    let path = folder.join("resolv.conf");
    let covered = fs::write(&path, text)
        .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o644)))
        .and_then(|()| Ok(mount_bind(&path, RESOLV_CONF)?));
    unmount(folder, UnmountFlags::DETACH)?;
    covered
}

/// The machine's file with one server, ours: its search list and options hold here too.
fn resolv_conf(machines: &str, server: IpAddr) -> String {
    let is_kept = |line: &&str| {
        let word = line.split_ascii_whitespace().next();
        word.is_some_and(|word| ["search", "domain", "options", "sortlist"].contains(&word))
    };
    let kept: String = machines.lines().filter(is_kept).map(|line| format!("{line}\n")).collect();
    format!("nameserver {server}\n{kept}")
}

/// A new folder.
fn folder() -> io::Result<PathBuf> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let name = format!("portolan-resolv-{:016x}", u64::from_ne_bytes(random));
    let mut failed = io::ErrorKind::NotFound.into();
    for place in FOLDERS {
        let path = Path::new(place).join(&name);
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_search_list_is_kept_and_its_servers_are_not() {
        let machines = "# comment\nnameserver 127.0.0.53\noptions edns0\nsearch a.test b.test\n nameserver ::1\nnonsense";
        let ours = resolv_conf(machines, IpAddr::from([10, 0, 2, 3]));
        assert_eq!(ours, "nameserver 10.0.2.3\noptions edns0\nsearch a.test b.test\n");
    }
}
