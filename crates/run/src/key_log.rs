//! TLS keys for a recording: what the command's TLS libraries write to their SSLKEYLOGFILE.
//!
//! The file is the one that the user's environment names; only lines that are added while the command runs are taken.
//! Without one, a run with `--pcap` gives the command a file of its own, which only the user can read and which goes
//! away at the end: OpenSSL in curl, Python and others, GnuTLS and NSS then write to it unasked. Keys go into the
//! recording and nowhere else.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::admin::AdminError;
use crate::admin::directory::Directory;

/// The variable that TLS libraries look for.
pub const VARIABLE: &str = "SSLKEYLOGFILE";

/// Octets that are taken at one time, and the longest line.
const PIECE_MAX: u64 = 1 << 20;

/// A file for one run's keys, which goes away with the value.
#[derive(Debug)]
pub struct PrivateFile {
    path: PathBuf,
}

impl PrivateFile {
    /// Makes it beside the sockets of hosts, where only this user can enter.
    pub fn make() -> Result<PrivateFile, AdminError> {
        let path = Directory::make()?.path().join(format!("run-{}.keys", std::process::id()));
        // A process of this number that was killed may have left one.
        let _ = std::fs::remove_file(&path);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(_) => Ok(PrivateFile { path }),
            Err(error) => Err(AdminError::Directory { path, why: error.to_string() }),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PrivateFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The reader of an SSLKEYLOGFILE that grows.
#[derive(Debug)]
pub struct KeyLog {
    path: PathBuf,
    /// Not there until the command makes it.
    file: Option<File>,
    /// A line without its end.
    half: Vec<u8>,
}

impl KeyLog {
    /// Takes what is added to the file from now on.
    pub fn new(path: PathBuf) -> KeyLog {
        let mut log = KeyLog { file: open(&path), path, half: Vec::new() };
        if let Some(file) = &mut log.file
            && file.seek(SeekFrom::End(0)).is_err()
        {
            log.file = None;
        }
        log
    }

    /// The lines that were added since, as far as they are keys.
    pub fn take(&mut self) -> Vec<u8> {
        if self.file.is_none() {
            self.file = open(&self.path);
        }
        let Some(file) = &mut self.file else { return Vec::new() };
        let mut octets = std::mem::take(&mut self.half);
        // What cannot be read is as good as not written.
        let _ = file.take(PIECE_MAX).read_to_end(&mut octets);
        let whole = octets.iter().rposition(|octet| *octet == b'\n').map_or(0, |last| last + 1);
        self.half = octets.split_off(whole);
        if self.half.len() as u64 > PIECE_MAX {
            self.half.clear();
        }
        let lines = octets.split_inclusive(|octet| *octet == b'\n').filter(|line| is_key(line));
        lines.flatten().copied().collect()
    }
}

/// Only a file, and without waiting: a FIFO has another reader.
fn open(path: &Path) -> Option<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).ok()?;
    file.metadata().is_ok_and(|about| about.is_file()).then_some(file)
}

/// `LABEL CLIENT_RANDOM SECRET`, the last two in hexadecimal.
fn is_key(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    let mut words = line.split(|octet| *octet == b' ');
    let label = words.next().is_some_and(|label| {
        !label.is_empty() && label.iter().all(|octet| matches!(octet, b'A'..=b'Z' | b'0'..=b'9' | b'_'))
    });
    let mut hexadecimal =
        || words.next().is_some_and(|word| word.len() >= 2 && word.iter().all(u8::is_ascii_hexdigit));
    label && hexadecimal() && hexadecimal() && words.next().is_none()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn only_what_is_added_and_only_whole_keys_are_taken() {
        let path = std::env::temp_dir().join(format!("portolan-keys-{}", std::process::id()));
        std::fs::write(&path, "CLIENT_RANDOM 00 11\n").unwrap();
        let mut log = KeyLog::new(path.clone());
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        assert_eq!(log.take(), b"");
        file.write_all(b"# a comment\nCLIENT_RANDOM 22 33\nSERVER_TRAFFIC_SECRET_0 4").unwrap();
        assert_eq!(log.take(), b"CLIENT_RANDOM 22 33\n");
        file.write_all(b"4 55\nnonsense\nlower 00 11\nX 0g 11\nX 00 11 22\n").unwrap();
        assert_eq!(log.take(), b"SERVER_TRAFFIC_SECRET_0 44 55\n");
        file.write_all(&vec![b'x'; 3 << 20]).unwrap();
        for _ in 0..5 {
            assert_eq!(log.take(), b"");
        }
        assert!(log.half.len() as u64 <= PIECE_MAX);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_file_that_comes_later_is_read_from_its_start() {
        let path = std::env::temp_dir().join(format!("portolan-later-{}", std::process::id()));
        let mut log = KeyLog::new(path.clone());
        assert_eq!(log.take(), b"");
        std::fs::write(&path, "CLIENT_RANDOM 00 11\n").unwrap();
        assert_eq!(log.take(), b"CLIENT_RANDOM 00 11\n");
        std::fs::remove_file(&path).unwrap();
    }
}
