//! Headers that come with bare datagrams: files of 64 octets, whose descriptors are sent along.
//!
//! A program mostly hears from a few others, so the last few files are kept and sent again.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use portolan_protocol::DatagramHeader;
use rustix::fs::{MemfdFlags, memfd_create};

/// Files that a socket keeps.
const KEPT: usize = 8;

type Octets = [u8; DatagramHeader::LEN];

/// A socket's last headers, the one used last in front.
#[derive(Default)]
pub(super) struct Tags(Vec<(Octets, OwnedFd)>);

impl Tags {
    /// The file that holds this header, its length taken out. Errors: the system's, at its limits.
    pub(super) fn of(&mut self, header: &Octets) -> io::Result<BorrowedFd<'_>> {
        let mut octets = *header;
        // The message's own length tells it.
        octets.iter_mut().take(size_of::<u32>()).for_each(|octet| *octet = 0);
        match self.0.iter().position(|(known, _)| *known == octets) {
            Some(at) => self.0.get_mut(..=at).unwrap_or_default().rotate_right(1),
            None => {
                let file = memfd_create("portolan-datagram", MemfdFlags::CLOEXEC)?;
                rustix::io::pwrite(&file, &octets, 0)?;
                self.0.truncate(KEPT - 1);
                self.0.insert(0, (octets, file));
            }
        }
        let first = self.0.first().ok_or(io::ErrorKind::NotFound)?;
        Ok(first.1.as_fd())
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_header_is_kept_and_the_oldest_forgotten() {
        let mut tags = Tags::default();
        let of = |tags: &mut Tags, interface: u32, len: u32| {
            let header = DatagramHeader { interface, ..DatagramHeader::new(len) };
            let file = tags.of(&header.encode()).unwrap();
            let mut octets = [0; DatagramHeader::LEN];
            rustix::io::pread(file, &mut octets, 0).unwrap();
            assert_eq!(DatagramHeader::decode(&octets), Ok(DatagramHeader { len: 0, ..header }));
            file.as_raw_fd()
        };
        let first = of(&mut tags, 0, 10);
        assert_eq!(of(&mut tags, 0, 20), first, "only the length differs");
        for other in 1..KEPT as u32 {
            of(&mut tags, other, 1);
        }
        assert_eq!(of(&mut tags, 0, 1), first, "used again, so it is no longer the oldest");
        of(&mut tags, 100, 1);
        assert_eq!(tags.0.len(), KEPT);
        assert!(tags.0.iter().any(|(_, file)| file.as_raw_fd() == first));
    }
}
