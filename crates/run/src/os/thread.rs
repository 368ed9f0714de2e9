//! A thread of another program: its descriptors and its memory.
#![allow(unsafe_code, reason = "process_vm_readv and process_vm_writev have no safe binding")]

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, Signal, pidfd_getfd, pidfd_open, pidfd_send_signal};

/// PIDFD_THREAD (Linux 6.9): for any thread, not only for a process's first.
const FOR_THREAD: PidfdFlags = PidfdFlags::from_bits_retain(libc::O_EXCL as u32);

/// A thread of a program. It may end at any time: then its memory and descriptors are errors.
#[derive(Debug)]
pub struct Thread {
    number: u32,
    pidfd: OwnedFd,
}

/// A piece of a program's memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Piece {
    /// Its address there.
    pub address: u64,
    /// Its length in octets.
    pub len: u64,
}

/// Who a thread is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Its process.
    pub process: u32,
    /// Its effective user.
    pub user: u32,
    /// Its effective capabilities, a bit each; 0 for one in a user namespace of its own, where they mean nothing here.
    pub capabilities: u64,
}

impl Thread {
    /// The thread of this number. The caller makes sure afterwards that it is the one it means.
    pub fn open(number: u32) -> io::Result<Thread> {
        let pid =
            |number: u32| i32::try_from(number).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound);
        let pidfd = match pidfd_open(pid(number)?, FOR_THREAD) {
            // Before 6.9 only a process has one; its threads share descriptors unless they take pains.
            Err(rustix::io::Errno::INVAL) => {
                pidfd_open(pid(identity(number)?.process)?, PidfdFlags::empty())?
            }
            opened => opened?,
        };
        Ok(Thread { number, pidfd })
    }

    /// Becomes readable when the thread, or on an old kernel its process, ends.
    pub fn end(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// A copy of one of its descriptors. Errors: EBADF if it has none of this number.
    pub fn descriptor(&self, number: i32) -> io::Result<OwnedFd> {
        // A program may name any number; the call below takes only those that can be descriptors.
        if number < 0 {
            return Err(io::Error::from_raw_os_error(libc::EBADF));
        }
        Ok(pidfd_getfd(&self.pidfd, number, PidfdGetfdFlags::empty())?)
    }

    /// Whether a descriptor of its closes on exec; false if that cannot be found out.
    pub fn closes_on_exec(&self, number: i32) -> bool {
        let about = fs::read_to_string(format!("/proc/{}/fdinfo/{number}", self.number)).unwrap_or_default();
        let flags = about.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = flags.and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok());
        flags.is_some_and(|flags| flags & libc::O_CLOEXEC != 0)
    }

    /// Sends it a signal; one that has ended needs none.
    pub fn signal(&self, signal: Signal) {
        let _ = pidfd_send_signal(&self.pidfd, signal);
    }

    /// Who it is.
    pub fn identity(&self) -> io::Result<Identity> {
        identity(self.number)
    }

    /// Fills `out` from its memory. Errors: EFAULT if any of it is not there.
    pub fn read(&self, address: u64, out: &mut [u8]) -> io::Result<()> {
        let len = out.len();
        let copied = self.read_pieces(out, &[Piece { address, len: len as u64 }])?;
        if copied == len { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EFAULT)) }
    }

    /// Writes to its memory. Errors: EFAULT if any of it is not there.
    pub fn write(&self, address: u64, octets: &[u8]) -> io::Result<()> {
        let len = octets.len();
        let copied = self.write_pieces(octets, &[Piece { address, len: len as u64 }])?;
        if copied == len { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EFAULT)) }
    }

    /// Copies from pieces of its memory, at most 1,024, until `out` is full or they end. Returns the octets copied.
    pub fn read_pieces(&self, out: &mut [u8], pieces: &[Piece]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        let local = libc::iovec { iov_base: out.as_mut_ptr().cast(), iov_len: out.len() };
        let remote: Vec<libc::iovec> = pieces.iter().map(as_iovec).collect();
        // SAFETY: the local part is a live buffer with its true length; the remote one is the kernel's to check.
        let copied = unsafe {
            libc::process_vm_readv(
                self.number.cast_signed(),
                &raw const local,
                1,
                remote.as_ptr(),
                remote.len() as libc::c_ulong,
                0,
            )
        };
        usize::try_from(copied).map_err(|_| io::Error::last_os_error())
    }

    /// Copies to pieces of its memory, at most 1,024, until they are full or `octets` ends. Returns the octets copied.
    pub fn write_pieces(&self, octets: &[u8], pieces: &[Piece]) -> io::Result<usize> {
        if octets.is_empty() {
            return Ok(0);
        }
        let local = libc::iovec { iov_base: octets.as_ptr().cast_mut().cast(), iov_len: octets.len() };
        let remote: Vec<libc::iovec> = pieces.iter().map(as_iovec).collect();
        // SAFETY: as above; the kernel only reads from the local part.
        let copied = unsafe {
            libc::process_vm_writev(
                self.number.cast_signed(),
                &raw const local,
                1,
                remote.as_ptr(),
                remote.len() as libc::c_ulong,
                0,
            )
        };
        usize::try_from(copied).map_err(|_| io::Error::last_os_error())
    }
}

fn as_iovec(piece: &Piece) -> libc::iovec {
    let address = std::ptr::without_provenance_mut(piece.address as usize);
    libc::iovec { iov_base: address, iov_len: piece.len as usize }
}

/// Who the thread of this number is, as its status tells.
pub fn identity(thread: u32) -> io::Result<Identity> {
    let status = fs::read_to_string(format!("/proc/{thread}/status"))?;
    let word = |name: &str, index: usize| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_ascii_whitespace().nth(index)
    };
    let namespace = |process: &str| fs::read_link(format!("/proc/{process}/ns/user")).ok();
    let is_at_home = namespace(&thread.to_string()) == namespace("self");
    let found = || {
        Some(Identity {
            process: word("Tgid:", 0)?.parse().ok()?,
            // Real, effective, saved, for files.
            user: word("Uid:", 1)?.parse().ok()?,
            capabilities: u64::from_str_radix(word("CapEff:", 0)?, 16)
                .ok()
                .filter(|_| is_at_home)
                .unwrap_or(0),
        })
    };
    found().ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn this_thread() -> Thread {
        Thread::open(rustix::thread::gettid().as_raw_nonzero().get().cast_unsigned()).unwrap()
    }

    #[test]
    fn memory_is_copied_and_a_bad_address_is_efault() {
        let thread = this_thread();
        let text = *b"abcdef";
        let address = text.as_ptr().addr() as u64;
        let mut out = [0; 4];
        let pieces = [Piece { address, len: 1 }, Piece { address: address + 3, len: 3 }];
        assert_eq!(thread.read_pieces(&mut out, &pieces).unwrap(), 4);
        assert_eq!(&out, b"adef");
        assert_eq!(thread.read(8, &mut out).unwrap_err().raw_os_error(), Some(libc::EFAULT));
        assert_eq!(thread.write(8, &out).unwrap_err().raw_os_error(), Some(libc::EFAULT));
    }

    #[test]
    fn it_knows_its_process_from_any_of_its_threads() {
        let identity = std::thread::spawn(|| this_thread().identity().unwrap()).join().unwrap();
        assert_eq!(identity.process, std::process::id());
        assert_eq!(identity.user, rustix::process::geteuid().as_raw());
    }

    #[test]
    fn a_number_that_no_descriptor_has_is_an_error_and_no_panic() {
        let own = this_thread();
        for number in [-1, -100, i32::MIN, i32::MAX] {
            let error = own.descriptor(number).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EBADF), "{number}");
        }
        assert!(own.descriptor(0).is_ok());
    }
}
