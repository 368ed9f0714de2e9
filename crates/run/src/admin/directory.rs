//! Where the sockets of hosts lie: `portolan` in $XDG_RUNTIME_DIR, or `/tmp/portolan-UID` where there is none.
//!
//! The directory is its user's alone (mode 0700). One that belongs to somebody else, or that others can enter, is
//! refused, because anybody can make directories in /tmp. Making and removing sockets is done under a lock on the
//! directory, so that nobody takes a socket for stale that is just being made.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::AdminError;

/// The longest path of a Unix socket, in octets (sun_path less the final NUL).
pub const PATH_MAX: usize = 107;

/// The longest name of a host, in octets.
pub const NAME_MAX: usize = 64;

/// What the names of sockets end with.
const SUFFIX: &str = ".sock";

/// The bits of a mode that let others in.
const OTHERS: u32 = 0o077;

/// A directory of sockets that has been found good.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
}

/// While this lives, no other process makes or removes a socket of the directory.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held for its lock")] File);

impl Directory {
    /// This user's directory, made if it is not there.
    pub fn make() -> Result<Directory, AdminError> {
        let path = path_of_user();
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                let why = format!("cannot be made ({error}); set XDG_RUNTIME_DIR to a directory of yours");
                return Err(AdminError::Directory { path, why });
            }
            _ => {}
        }
        Directory::at(path)
    }

    /// This user's directory; `None` if it is not there, so that no host runs.
    pub fn find() -> Result<Option<Directory>, AdminError> {
        let path = path_of_user();
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            _ => Directory::at(path).map(Some),
        }
    }

    /// Checks whose it is and who can enter it.
    fn at(path: PathBuf) -> Result<Directory, AdminError> {
        let why = match path.symlink_metadata() {
            Err(error) => error.to_string(),
            Ok(about) if !about.is_dir() => "is no directory; remove it".into(),
            Ok(about) if about.uid() != own_uid() => format!(
                "belongs to user {}, not to {}; have it removed, or set XDG_RUNTIME_DIR to a directory of yours",
                about.uid(),
                own_uid()
            ),
            Ok(about) if about.mode() & OTHERS != 0 => {
                format!("others can enter it (mode {:04o}); chmod 700 it", about.mode() & 0o7777)
            }
            Ok(_) => return Ok(Directory { path }),
        };
        Err(AdminError::Directory { path, why })
    }

    /// The socket of a host. Fails if the name is none, or the path too long.
    pub fn socket(&self, name: &str) -> Result<PathBuf, AdminError> {
        if !is_name(name) {
            return Err(AdminError::Name { name: name.to_owned() });
        }
        let path = self.path.join(format!("{name}{SUFFIX}"));
        if path.as_os_str().as_bytes().len() > PATH_MAX {
            return Err(AdminError::PathTooLong { path });
        }
        Ok(path)
    }

    /// The names of all sockets, sorted.
    pub fn names(&self) -> Result<Vec<String>, AdminError> {
        let entries = fs::read_dir(&self.path).map_err(|error| self.unusable(&error))?;
        let mut names: Vec<String> = entries
            .flatten()
            .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(SUFFIX)?.to_owned()))
            .filter(|name| is_name(name))
            .collect();
        names.sort();
        Ok(names)
    }

    /// Waits for the lock.
    pub fn lock(&self) -> Result<Lock, AdminError> {
        let file = File::open(&self.path).map_err(|error| self.unusable(&error))?;
        flock(&file, FlockOperation::LockExclusive).map_err(|error| self.unusable(&error.into()))?;
        Ok(Lock(file))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn unusable(&self, error: &io::Error) -> AdminError {
        AdminError::Directory { path: self.path.clone(), why: error.to_string() }
    }
}

/// Whether a host can have this name: it is a file's name, and is printed as it is.
pub fn is_name(name: &str) -> bool {
    let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    (1..=NAME_MAX).contains(&name.len())
        && name.bytes().all(plain)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// A runtime directory that is not this user's, as root finds it behind sudo, is as good as none.
fn path_of_user() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| {
        path.is_absolute() && fs::metadata(path).is_ok_and(|about| about.is_dir() && about.uid() == own_uid())
    });
    match runtime {
        Some(runtime) => runtime.join("portolan"),
        None => PathBuf::from(format!("/tmp/portolan-{}", own_uid())),
    }
}
