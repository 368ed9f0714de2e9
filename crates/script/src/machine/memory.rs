//! Regular files, as far as scripts need them: contents in memory, read from and never written to.

use crate::Errno;
use crate::machine::file::{Fd, File};
use crate::machine::{Machine, Message};

/// A file that is open for reading.
#[derive(Debug)]
pub(crate) struct MemoryFile {
    pub(crate) contents: Vec<u8>,
    pub(crate) position: usize,
}

impl Machine {
    /// open(2) of a file with these contents.
    pub fn open(&mut self, contents: Vec<u8>) -> Fd {
        self.files.insert(File::Memory(MemoryFile { contents, position: 0 }))
    }

    pub(crate) fn read_memory(&mut self, fd: Fd, max: usize) -> Result<Message, Errno> {
        let File::Memory(file) = self.files.get_mut(fd)? else { return Err(Errno::EBADF) };
        let rest = file.contents.get(file.position..).unwrap_or(&[]);
        let octets = rest.get(..max).unwrap_or(rest).to_vec();
        file.position += octets.len();
        Ok(Message { octets, ..Message::default() })
    }
}
