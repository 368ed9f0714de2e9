//! Reading a program's end and always leaving one octet: the canary.
//!
//! When the stack process closes an end with an octet unread, the kernel itself raises ECONNRESET and POLLERR in
//! the program. So after each read the last octet stays in the queue; it has been forwarded already, and is
//! skipped the next time. On connect the library puts a filler in first, of which all but one octet is drained
//! when the handshake is complete: that is the program's POLLOUT edge.

use std::io;
use std::os::fd::BorrowedFd;

use crate::os::unix;

/// What is at the front of the queue.
pub(super) enum Front {
    /// A connection that was accepted natively: perhaps this canary, perhaps text at once.
    Unknown([u8; 16]),
    /// So many octets that are no text, or were taken already.
    Taken(usize),
}

/// Takes text from a program's end.
pub(super) struct CanaryReader {
    front: Front,
    /// Everything was taken that had come by the last wake-up.
    is_dry: bool,
}

impl CanaryReader {
    pub(super) fn new(front: Front) -> Self {
        Self { front, is_dry: false }
    }

    /// Something may have come.
    pub(super) fn wake(&mut self) {
        self.is_dry = false;
    }

    /// Nothing is there to be taken until the next wake-up; to know it without a system call is most of what a small
    /// message costs.
    pub(super) fn is_dry(&self) -> bool {
        self.is_dry
    }

    /// There is an octet that can be left unread, so that closing now means a reset.
    pub(super) fn is_armed(&self, fd: BorrowedFd<'_>) -> bool {
        unix::queued(fd).is_ok_and(|queued| queued > 0)
    }

    /// Octets at the front of the queue that are no text, or were taken already.
    pub(super) fn stale(&self) -> usize {
        match self.front {
            Front::Unknown(canary) => canary.len(),
            Front::Taken(taken) => taken,
        }
    }

    /// How many of the first `queued` octets of the queue are new text.
    pub(super) fn untaken(&mut self, fd: BorrowedFd<'_>, queued: usize) -> io::Result<usize> {
        if let Front::Unknown(canary) = self.front
            && queued > 0
        {
            self.front = Front::Taken(recognise(fd, canary)?);
        }
        Ok(match self.front {
            Front::Unknown(_) => 0,
            Front::Taken(taken) => queued.saturating_sub(taken),
        })
    }

    /// As [`CanaryReader::take`], at most `most` octets.
    pub(super) fn take_up_to<'a>(
        &mut self,
        fd: BorrowedFd<'_>,
        scratch: &'a mut [u8],
        most: usize,
    ) -> io::Result<&'a [u8]> {
        // What is in front and not new needs room as well: an octet, once a filler or a canary is recognised.
        self.untaken(fd, unix::queued(fd)?)?;
        while let Front::Taken(2..) = self.front
            && let Front::Taken(taken) = &mut self.front
        {
            let surplus = (*taken - 1).min(scratch.len());
            *taken -= unix::read(fd, &mut scratch[..surplus])?;
        }
        let old = if let Front::Taken(taken) = self.front { taken } else { 0 };
        let room = scratch.len().min(most + old);
        if most == 0 { Ok(&[]) } else { self.take(fd, &mut scratch[..room]) }
    }

    /// Reads the filler but for its last octet, as far as it has come. True when it is gone.
    pub(super) fn drain_filler(&mut self, fd: BorrowedFd<'_>, scratch: &mut [u8]) -> bool {
        while let Front::Taken(taken @ 2..) = &mut self.front {
            let surplus = (*taken - 1).min(scratch.len());
            match unix::read(fd, &mut scratch[..surplus]) {
                Ok(len @ 1..) => *taken -= len,
                _ => return false,
            }
        }
        true
    }

    /// Takes new text: what of `scratch` holds it, empty if there is none. `scratch` needs room for two octets or more.
    pub(super) fn take<'a>(&mut self, fd: BorrowedFd<'_>, scratch: &'a mut [u8]) -> io::Result<&'a [u8]> {
        let queued = unix::queued(fd)?;
        self.is_dry = false;
        if let Front::Unknown(canary) = self.front {
            if queued == 0 {
                self.is_dry = true;
                return Ok(&[]);
            }
            self.front = Front::Taken(recognise(fd, canary)?);
        }
        let Front::Taken(taken) = &mut self.front else { return Ok(&[]) };
        let mut queued = queued;
        while *taken > 1 && queued > 0 {
            let surplus = (*taken - 1).min(queued).min(scratch.len());
            let len = unix::read(fd, &mut scratch[..surplus])?;
            *taken -= len;
            queued -= len;
        }
        if queued <= *taken {
            self.is_dry = true;
            return Ok(&[]);
        }
        // All but one octet, of which `taken` (none or one) are old; then a look at the next, which stays.
        let want = (queued - 1).min(scratch.len() - 1);
        let mut len = 0;
        if want > 0 {
            len = unix::read(fd, &mut scratch[..want])?;
        }
        let looked = unix::peek(fd, &mut scratch[len..=len])?;
        self.is_dry = len + looked == queued;
        let old = std::mem::replace(taken, looked);
        Ok(scratch.get(old..len + looked).unwrap_or(&[]))
    }

    /// Reads what is left, so that closing now means the end of text and not a reset.
    pub(super) fn disarm(&mut self, fd: BorrowedFd<'_>, scratch: &mut [u8]) {
        while unix::read(fd, scratch).is_ok_and(|len| len > 0) {}
    }
}

/// How many octets at the front are the canary: all of it, or none when accept was called behind the library's back.
fn recognise(fd: BorrowedFd<'_>, canary: [u8; 16]) -> io::Result<usize> {
    let mut front = [0; 16];
    let len = unix::peek(fd, &mut front)?;
    Ok(if len == 16 && front == canary { 16 } else { 0 })
}

#[cfg(test)]
mod tests;
