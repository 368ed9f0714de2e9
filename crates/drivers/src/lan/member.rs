//! Another member of the Ethernet: a connection, and the frames that wait for room in it.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use portolan_link::{SLICES_MAX, TxEntry};
use portolan_wire::EthernetAddress;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg};

/// Octets of frames that wait for a member; the frame that reaches this is the last that is taken.
const WAITING_MAX: usize = 4 << 20;

/// A connection to a member.
#[derive(Debug)]
pub(super) struct Member {
    fd: OwnedFd,
    /// The address that it was last heard with.
    pub(super) station: Option<EthernetAddress>,
    /// Whether the poller waits for room.
    pub(super) is_watched: bool,
    waiting: VecDeque<Vec<u8>>,
    octets: usize,
}

impl Member {
    pub(super) fn new(fd: OwnedFd) -> Member {
        Member { fd, station: None, is_watched: false, waiting: VecDeque::new(), octets: 0 }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Reads one message; what is longer than `out` is cut. Errors: `EAGAIN`, `EPIPE` at the end, the system's.
    pub(super) fn read(&mut self, out: &mut [u8]) -> Result<usize, Errno> {
        let len = rustix::io::retry_on_intr(|| recv(&self.fd, &mut *out, RecvFlags::DONTWAIT))?.0;
        // No member sends an empty message: this is the end.
        if len == 0 { Err(Errno::PIPE) } else { Ok(len) }
    }

    /// Sends one frame, or keeps it until there is room. False if it was lost. Errors: the member has gone.
    pub(super) fn send(&mut self, header: &[u8], entry: &TxEntry) -> Result<bool, Errno> {
        if !self.is_waiting() {
            let mut parts = [IoSlice::new(&[]); SLICES_MAX + 2];
            let mut count = 0;
            for slice in std::iter::once(header).chain(entry.slices()) {
                let Some(part) = parts.get_mut(count) else { return Ok(false) };
                *part = IoSlice::new(slice);
                count += 1;
            }
            match write(&self.fd, parts.get(..count).unwrap_or_default()) {
                Err(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM) => {}
                Err(Errno::MSGSIZE) => return Ok(false),
                written => return written.map(|()| true),
            }
        }
        if self.octets >= WAITING_MAX {
            return Ok(false);
        }
        let frame: Vec<u8> = std::iter::once(header).chain(entry.slices()).flatten().copied().collect();
        self.octets += frame.len();
        self.waiting.push_back(frame);
        Ok(true)
    }

    /// Sends what has waited, as far as there is room. Errors: the member has gone.
    pub(super) fn flush(&mut self) -> Result<(), Errno> {
        while let Some(frame) = self.waiting.front() {
            match write(&self.fd, &[IoSlice::new(frame)]) {
                Err(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM) => return Ok(()),
                Ok(()) | Err(Errno::MSGSIZE) => {
                    self.octets -= frame.len();
                    self.waiting.pop_front();
                }
                Err(gone) => return Err(gone),
            }
        }
        Ok(())
    }
}

fn write(fd: &OwnedFd, parts: &[IoSlice<'_>]) -> Result<(), Errno> {
    let mut control = SendAncillaryBuffer::default();
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    rustix::io::retry_on_intr(|| sendmsg(fd, parts, &mut control, flags)).map(drop)
}
