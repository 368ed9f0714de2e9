//! The preload library: where it comes from, and where the loader finds it.
//!
//! `crates/cli/build.rs` builds the library and puts its octets into the program, so that the installed program is
//! one file. The loader wants a path, and it must be one that every descendant of the command can open: also one
//! that gave its privileges up, also after any number of execs. Therefore, in order:
//!
//! 1. `libportolan_preload.so` beside the program, when it holds the very octets that the program carries;
//! 2. a file that the supervisor writes for this run and removes at its end, in the first directory that allows
//!    programs: $XDG_RUNTIME_DIR is not asked, because only its owner can enter it;
//! 3. a memfd of the supervisor, as `/proc/PID/fd/N`. `/proc/self/fd/N` would not survive the first exec, and PID's
//!    directory is closed to other users; but on a read-only machine it is all there is.
//!
//! A library of another version is never used: it would speak another protocol with the stack process.

use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, MemfdFlags, StatVfsMountFlags, flock};

/// The library's file name.
pub const FILE_NAME: &str = "libportolan_preload.so";

/// What the names of their directories begin with; sixteen hexadecimal digits follow.
const PREFIX: &str = "portolan-";

/// How old a directory without a lock is at least that a killed run has left.
const LEFTOVER_AGE: Duration = Duration::from_secs(10);

/// Directories that are tried for the file of one run.
const DIRECTORIES: [&str; 4] = ["/tmp", "/var/tmp", "/dev/shm", "/run"];

/// A library that the loader can be pointed at, for as long as this value lives.
#[derive(Debug)]
pub struct Library {
    path: PathBuf,
    /// What must be undone: a directory to remove.
    directory: Option<PathBuf>,
    /// What must be kept open: the memfd, or the directory with our lock on it.
    _held: Option<OwnedFd>,
}

impl Library {
    /// Places a library with these octets. Fails with the last reason when no place is good.
    pub fn place(octets: &[u8]) -> io::Result<Library> {
        if let Some(path) = sibling(octets) {
            return Ok(Library { path, directory: None, _held: None });
        }
        for directory in DIRECTORIES.map(Path::new) {
            remove_leftovers(directory);
            if let Ok(library) = Library::write_under(directory, octets) {
                return Ok(library);
            }
        }
        Library::in_memory(octets)
    }

    /// The path for LD_PRELOAD.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory that was made for this run, if one was.
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// A directory of our own in `parent`, and the library in it, both for everybody to read.
    fn write_under(parent: &Path, octets: &[u8]) -> io::Result<Library> {
        if rustix::fs::statvfs(parent)?
            .f_flag
            .intersects(StatVfsMountFlags::NOEXEC | StatVfsMountFlags::RDONLY)
        {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let directory = parent.join(format!("{PREFIX}{:016x}", u64::from_ne_bytes(random)));
        // Created by us or not at all, and writable by us alone: nobody can put another file there.
        fs::DirBuilder::new().mode(0o755).create(&directory)?;
        let path = directory.join(FILE_NAME);
        let mut library = Library { path, directory: Some(directory), _held: None };
        // The user's umask may have taken the rights of others away.
        if let Some(directory) = &library.directory {
            fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
            let held = OwnedFd::from(fs::File::open(directory)?);
            flock(&held, FlockOperation::LockShared)?;
            library._held = Some(held);
        }
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o755).open(&library.path)?;
        file.write_all(octets)?;
        file.set_permissions(fs::Permissions::from_mode(0o755))?;
        Ok(library)
    }

    fn in_memory(octets: &[u8]) -> io::Result<Library> {
        let memfd = rustix::fs::memfd_create(FILE_NAME, MemfdFlags::CLOEXEC)?;
        let mut file = fs::File::from(memfd);
        file.write_all(octets)?;
        let memfd = OwnedFd::from(file);
        let path = format!("/proc/{}/fd/{}", std::process::id(), memfd.as_raw_fd()).into();
        Ok(Library { path, directory: None, _held: Some(memfd) })
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        if let Some(directory) = &self.directory {
            // It is ours alone; what cannot be removed is 300 KiB of nobody's secret.
            let _ = fs::remove_file(&self.path);
            let _ = fs::remove_dir(directory);
        }
    }
}

/// Removes what runs of this user have left that were killed together with their stack process: directories that
/// nobody holds a lock on, and that are not just being made.
fn remove_leftovers(parent: &Path) {
    let own = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let is_ours = number.is_some_and(|number| {
            number.len() == 16 && number.bytes().all(|digit| digit.is_ascii_hexdigit())
        });
        // Not followed, if it is a link.
        let Some(about) =
            entry.metadata().ok().filter(|about| is_ours && about.is_dir() && about.uid() == own)
        else {
            continue;
        };
        let is_old = about.modified().is_ok_and(|made| made.elapsed().is_ok_and(|age| age > LEFTOVER_AGE));
        let directory = entry.path();
        if is_old
            && fs::File::open(&directory)
                .is_ok_and(|held| flock(held, FlockOperation::NonBlockingLockExclusive).is_ok())
        {
            let _ = fs::remove_file(directory.join(FILE_NAME));
            let _ = fs::remove_dir(directory);
        }
    }
}

/// The library beside the program, if it is the same one and LD_PRELOAD can name it.
fn sibling(octets: &[u8]) -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?.with_file_name(FILE_NAME);
    let nameable = path.to_str().is_some_and(|path| !path.contains([':', ' ', '\t', '\n', '$']));
    let same = fs::metadata(&path).ok()?.len() == octets.len() as u64 && fs::read(&path).ok()? == octets;
    (nameable && same && readable_by_all(&path)).then_some(path)
}

/// Whether any user can reach and read the file: a descendant that changes its user must find it too.
fn readable_by_all(path: &Path) -> bool {
    let file = fs::metadata(path).is_ok_and(|about| about.permissions().mode() & 0o004 != 0);
    let reachable =
        |directory: &Path| fs::metadata(directory).is_ok_and(|about| about.permissions().mode() & 0o001 != 0);
    file && path.ancestors().skip(1).all(reachable)
}

#[cfg(test)]
mod tests;
