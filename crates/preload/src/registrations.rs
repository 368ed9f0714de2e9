//! What else in the process knows a socket: epoll instances, and other descriptors of the same socket.
//!
//! When a fresh socket is put in a used one's place, all of them are to go with it. An epoll instance tells what it
//! watches in /proc, with the program's own data; a descriptor's link there names its socket.

use core::ffi::CStr;

use libc::c_int;

use crate::errno::Errno;
use crate::{sandbox, sys};

/// So many of each are moved; a program with more for one socket loses the rest.
const MOST: usize = 16;

/// An entry of an epoll instance.
#[derive(Clone, Copy)]
struct Entry {
    epoll: c_int,
    fd: c_int,
    event: libc::epoll_event,
}

/// What knows a socket.
pub(crate) struct Registrations {
    entries: [Option<Entry>; MOST],
    copies: [Option<c_int>; MOST],
}

impl Registrations {
    /// Finds them. What cannot be found out is left out: the process may have no /proc, or no descriptor left.
    pub(crate) fn of(fd: c_int) -> Self {
        let mut found = Self { entries: [None; MOST], copies: [None; MOST] };
        if sandbox::is_on() {
            return found;
        }
        if let Ok(inode) = sys::inode(fd) {
            let _ = each_descriptor(|other| found.look(fd, inode, other));
        }
        found
    }

    fn look(&mut self, fd: c_int, inode: u64, other: c_int) {
        let mut path = Path::new(b"/proc/self/fd/", other);
        let mut target = [0; 64];
        let Ok(len) = sys::read_link(path.as_c_str(), &mut target) else { return };
        match target.get(..len) {
            Some(b"anon_inode:[eventpoll]") => {
                let _ = each_line(other, |line| {
                    if let Some((known, event)) =
                        read_entry(line).filter(|(.., of)| *of == inode).map(|(a, b, _)| (a, b))
                    {
                        keep(&mut self.entries, Entry { epoll: other, fd: known, event });
                    }
                });
            }
            Some([b's', b'o', b'c', b'k', b'e', b't', b':', b'[', rest @ ..])
                if other != fd && number(rest, 10) == Some(inode) =>
            {
                keep(&mut self.copies, other);
            }
            _ => {}
        }
    }

    /// Takes the old socket out of the epoll instances: they would keep it.
    pub(crate) fn withdraw(&self) {
        for entry in self.entries.iter().flatten() {
            let _ = sys::epoll_control(entry.epoll, libc::EPOLL_CTL_DEL, entry.fd, entry.event);
        }
    }

    /// Puts the new socket in the other descriptors' place.
    pub(crate) fn replace_copies(&self, new: c_int) {
        for copy in self.copies.iter().flatten() {
            let _ = sys::duplicate_onto(new, *copy, sys::is_close_on_exec(*copy));
        }
    }

    /// Registers the new socket where the old one was.
    pub(crate) fn restore(&self) {
        for entry in self.entries.iter().flatten() {
            let _ = sys::epoll_control(entry.epoll, libc::EPOLL_CTL_ADD, entry.fd, entry.event);
        }
    }
}

fn keep<T>(places: &mut [Option<T>; MOST], value: T) {
    if let Some(place) = places.iter_mut().find(|place| place.is_none()) {
        *place = Some(value);
    }
}

/// A path that ends with a number.
struct Path {
    octets: [u8; 48],
}

impl Path {
    fn new(front: &[u8], number: c_int) -> Self {
        let mut octets = [0; 48];
        octets[..front.len()].copy_from_slice(front);
        let (mut digits, mut rest) = ([0; 10], number.unsigned_abs());
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        let digits = &digits[at..];
        octets[front.len()..front.len() + digits.len()].copy_from_slice(digits);
        Self { octets }
    }

    fn as_c_str(&mut self) -> &CStr {
        CStr::from_bytes_until_nul(&self.octets).unwrap_or(c"")
    }
}

/// Every descriptor of the process, but for the one that is needed to find them.
fn each_descriptor(mut look: impl FnMut(c_int)) -> Result<(), Errno> {
    let directory = sys::open(c"/proc/self/fd")?;
    let mut buffer = [0u8; 2048];
    while let Ok(len @ 1..) = sys::directory_entries(directory, &mut buffer) {
        let mut rest = buffer.get(..len).unwrap_or(&[]);
        // struct linux_dirent64: inode, offset, length of the entry, type, name.
        while let Some(&[a, b]) = rest.get(16..18) {
            let entry_len = usize::from(u16::from_ne_bytes([a, b]));
            let name = rest.get(19..entry_len).unwrap_or(&[]);
            let name = name.split(|octet| *octet == 0).next().unwrap_or(&[]);
            if let Some(fd) =
                number(name, 10).and_then(|fd| c_int::try_from(fd).ok()).filter(|fd| *fd != directory)
            {
                look(fd);
            }
            rest = rest.get(entry_len.max(1)..).unwrap_or(&[]);
        }
    }
    sys::close(directory);
    Ok(())
}

/// The lines of what /proc tells of a descriptor.
fn each_line(fd: c_int, mut look: impl FnMut(&[u8])) -> Result<(), Errno> {
    let file = sys::open(Path::new(b"/proc/self/fdinfo/", fd).as_c_str())?;
    let (mut buffer, mut kept) = ([0u8; 2048], 0);
    while let Ok(len @ 1..) = sys::read(file, &mut buffer[kept..]) {
        let end = kept + len;
        let mut start = 0;
        while let Some(at) = buffer[start..end].iter().position(|octet| *octet == b'\n') {
            look(&buffer[start..start + at]);
            start += at + 1;
        }
        buffer.copy_within(start..end, 0);
        kept = end - start;
    }
    sys::close(file);
    Ok(())
}

/// `tfd: 5 events: 1d data: 1234  pos:0 ino:2f sdev:8`: the descriptor, what is wanted of it, and its inode.
fn read_entry(line: &[u8]) -> Option<(c_int, libc::epoll_event, u64)> {
    let mut words = line.split(|octet| matches!(octet, b' ' | b':')).filter(|word| !word.is_empty());
    let mut field = |name: &[u8], base| {
        words.find(|word| *word == name)?;
        number(words.next()?, base)
    };
    let fd = c_int::try_from(field(b"tfd", 10)?).ok()?;
    let events = u32::try_from(field(b"events", 16)?).ok()?;
    let data = field(b"data", 16)?;
    Some((fd, libc::epoll_event { events, u64: data }, field(b"ino", 16)?))
}

/// The number at the front of a text.
fn number(text: &[u8], base: u32) -> Option<u64> {
    let mut value = None;
    for octet in text {
        let Some(digit) = char::from(*octet).to_digit(base) else { break };
        value = Some(value.unwrap_or(0u64).checked_mul(base.into())?.checked_add(digit.into())?);
    }
    value
}
