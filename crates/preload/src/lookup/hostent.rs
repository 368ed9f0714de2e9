//! gethostbyname(3), gethostbyaddr(3) and their re-entrant forms.

#![expect(unsafe_code, reason = "libc symbols, and records of pointers in the caller's buffer")]

use core::cell::UnsafeCell;
use core::ffi::CStr;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::ptr;

use libc::{c_char, c_int, c_void, hostent, size_t, socklen_t};
use portolan_protocol::Family;
use portolan_protocol::reply::LookUpFailure;

use super::numeric::{self, Numeric};
use super::query::{self, Failure, Found};
use crate::errno::{self, Errno};
use crate::{real, state};

// <netdb.h>'s h_errno values.
const NETDB_INTERNAL: c_int = -1;
const HOST_NOT_FOUND: c_int = 1;
const TRY_AGAIN: c_int = 2;
const NO_RECOVERY: c_int = 3;
const NO_DATA: c_int = 4;

unsafe extern "C" {
    fn __h_errno_location() -> *mut c_int;
}

/// Where the forms without `_r` put their answer: one per process, as in glibc.
struct Shared(UnsafeCell<Storage>);

#[repr(C, align(16))]
struct Storage {
    entry: hostent,
    buffer: [u8; 4096],
}

// SAFETY: gethostbyname is documented as unsafe for threads; a program that calls it from two has this coming.
unsafe impl Sync for Shared {}

static SHARED: Shared = Shared(UnsafeCell::new(Storage {
    entry: hostent {
        h_name: ptr::null_mut(),
        h_aliases: ptr::null_mut(),
        h_addrtype: 0,
        h_length: 0,
        h_addr_list: ptr::null_mut(),
    },
    buffer: [0; 4096],
}));

/// gethostbyname(3).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn gethostbyname(name: *const c_char) -> *mut hostent {
    if !state::is_active() {
        // SAFETY: the program's own arguments.
        return unsafe { real::gethostbyname(name) };
    }
    // SAFETY: the function's contract.
    unsafe { shared(Question::Name(CStr::from_ptr(name), Family::V4)) }
}

/// gethostbyname2(3).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn gethostbyname2(name: *const c_char, family: c_int) -> *mut hostent {
    match family_of(family) {
        // SAFETY: the function's contract.
        Some(family) if state::is_active() => unsafe { shared(Question::Name(CStr::from_ptr(name), family)) },
        // SAFETY: the program's own arguments.
        _ => unsafe { real::gethostbyname2(name, family) },
    }
}

/// gethostbyaddr(3).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn gethostbyaddr(
    address: *const c_void,
    len: socklen_t,
    family: c_int,
) -> *mut hostent {
    // SAFETY: the function's contract.
    match unsafe { address_of(address, len, family) } {
        // SAFETY: the shared record is this function's to fill.
        Some(question) if state::is_active() => unsafe { shared(question) },
        // SAFETY: the program's own arguments.
        _ => unsafe { real::gethostbyaddr(address, len, family) },
    }
}

/// gethostbyname_r(3).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn gethostbyname_r(
    name: *const c_char,
    entry: *mut hostent,
    buffer: *mut c_char,
    len: size_t,
    result: *mut *mut hostent,
    h_errno: *mut c_int,
) -> c_int {
    if !state::is_active() {
        // SAFETY: the program's own arguments.
        return unsafe { real::gethostbyname_r(name, entry, buffer, len, result, h_errno) };
    }
    // SAFETY: the function's contract.
    unsafe {
        let question = Question::Name(CStr::from_ptr(name), Family::V4);
        reentrant(question, entry, buffer, len, result, h_errno)
    }
}

/// gethostbyname2_r(3).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn gethostbyname2_r(
    name: *const c_char,
    family: c_int,
    entry: *mut hostent,
    buffer: *mut c_char,
    len: size_t,
    result: *mut *mut hostent,
    h_errno: *mut c_int,
) -> c_int {
    match family_of(family) {
        // SAFETY: the function's contract.
        Some(family) if state::is_active() => unsafe {
            let question = Question::Name(CStr::from_ptr(name), family);
            reentrant(question, entry, buffer, len, result, h_errno)
        },
        // SAFETY: the program's own arguments.
        _ => unsafe { real::gethostbyname2_r(name, family, entry, buffer, len, result, h_errno) },
    }
}

/// gethostbyaddr_r(3).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn gethostbyaddr_r(
    address: *const c_void,
    address_len: socklen_t,
    family: c_int,
    entry: *mut hostent,
    buffer: *mut c_char,
    len: size_t,
    result: *mut *mut hostent,
    h_errno: *mut c_int,
) -> c_int {
    // SAFETY: the function's contract.
    match unsafe { address_of(address, address_len, family) } {
        // SAFETY: the function's contract.
        Some(question) if state::is_active() => unsafe {
            reentrant(question, entry, buffer, len, result, h_errno)
        },
        // SAFETY: the program's own arguments.
        _ => unsafe {
            real::gethostbyaddr_r(address, address_len, family, entry, buffer, len, result, h_errno)
        },
    }
}

enum Question<'a> {
    Name(&'a CStr, Family),
    Address(Ipv6Addr),
}

fn family_of(family: c_int) -> Option<Family> {
    match family {
        libc::AF_INET => Some(Family::V4),
        libc::AF_INET6 => Some(Family::V6),
        _ => None,
    }
}

/// # Safety
/// `address` points to `len` octets.
unsafe fn address_of<'a>(address: *const c_void, len: socklen_t, family: c_int) -> Option<Question<'a>> {
    match (family_of(family)?, len) {
        (Family::V4, 4) => {
            // SAFETY: the caller's promise.
            let octets = unsafe { address.cast::<[u8; 4]>().read_unaligned() };
            Some(Question::Address(Ipv4Addr::from(octets).to_ipv6_mapped()))
        }
        (Family::V6, 16) => {
            // SAFETY: the caller's promise.
            let octets = unsafe { address.cast::<[u8; 16]>().read_unaligned() };
            Some(Question::Address(Ipv6Addr::from(octets)))
        }
        _ => None,
    }
}

/// Why there is no record: an h_errno, and ERANGE or another errno for NETDB_INTERNAL.
struct Refusal(c_int, c_int);

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Name(LookUpFailure::NotFound) => Self(HOST_NOT_FOUND, 0),
            Failure::Name(LookUpFailure::NoData) => Self(NO_DATA, 0),
            Failure::Name(LookUpFailure::TryAgain) => Self(TRY_AGAIN, 0),
            Failure::Name(LookUpFailure::Failed) => Self(NO_RECOVERY, 0),
            Failure::System(Errno(errno)) => Self(NETDB_INTERNAL, errno),
        }
    }
}

/// # Safety
/// Only from the functions that are documented to share one record.
unsafe fn shared(question: Question<'_>) -> *mut hostent {
    let storage = SHARED.0.get();
    // SAFETY: the caller's promise; addresses of fields of the one static record.
    let (entry, buffer) = unsafe { (&raw mut (*storage).entry, &raw mut (*storage).buffer) };
    // SAFETY: the record and its buffer, of this length.
    match unsafe { answer(question, entry, buffer.cast(), 4096) } {
        Ok(()) => entry,
        Err(Refusal(h_errno, errno)) => {
            // SAFETY: the thread's own.
            unsafe { *__h_errno_location() = h_errno };
            if errno != 0 {
                errno::set(errno);
            }
            ptr::null_mut()
        }
    }
}

/// # Safety
/// `entry`, `result` and `h_errno` can be written, and `buffer` for `len` octets.
unsafe fn reentrant(
    question: Question<'_>,
    entry: *mut hostent,
    buffer: *mut c_char,
    len: size_t,
    result: *mut *mut hostent,
    h_errno: *mut c_int,
) -> c_int {
    // SAFETY: the caller's promise.
    let answered = unsafe { answer(question, entry, buffer.cast(), len) };
    let (found, code, errno) = match answered {
        Ok(()) => (entry, 0, 0),
        Err(Refusal(code, errno)) => (ptr::null_mut(), code, errno),
    };
    // SAFETY: the caller's promise.
    unsafe {
        *result = found;
        *h_errno = code;
    }
    errno
}

/// # Safety
/// `entry` can be written, and `buffer` for `len` octets.
unsafe fn answer(
    question: Question<'_>,
    entry: *mut hostent,
    buffer: *mut u8,
    len: usize,
) -> Result<(), Refusal> {
    let mut arena = Arena { next: buffer, room: len };
    match question {
        Question::Name(name, family) => {
            let found = find(name, family)?;
            let canonical = if found.canonical().is_empty() { name.to_bytes() } else { found.canonical() };
            // SAFETY: the caller's promise.
            unsafe { fill(entry, &mut arena, canonical, family, found.addresses()) }
        }
        Question::Address(ip) => {
            let name = query::by_address(ip)?;
            let family = if ip.to_ipv4_mapped().is_some() { Family::V4 } else { Family::V6 };
            // SAFETY: the caller's promise.
            unsafe { fill(entry, &mut arena, name.as_bytes(), family, &[ip]) }
        }
    }
    .ok_or(Refusal(NETDB_INTERNAL, libc::ERANGE))
}

fn find(name: &CStr, family: Family) -> Result<Found, Failure> {
    match (numeric::address(name), family) {
        (Some(Numeric::V4(ip)), Family::V4) => Ok(Found::one(ip.to_ipv6_mapped())),
        (Some(Numeric::V6(ip, _)), Family::V6) => Ok(Found::one(ip)),
        (Some(_), _) => Err(Failure::Name(LookUpFailure::NotFound)),
        (None, family) => query::by_name(name.to_bytes(), Some(family), false),
    }
}

/// Pieces of the caller's buffer, from the front.
struct Arena {
    next: *mut u8,
    room: usize,
}

impl Arena {
    /// A piece of this length, aligned; `None` when the buffer is too short.
    fn take(&mut self, len: usize, alignment: usize) -> Option<*mut u8> {
        let padding = self.next.align_offset(alignment);
        let used = padding.checked_add(len)?;
        self.room = self.room.checked_sub(used)?;
        let piece = self.next.wrapping_add(padding);
        self.next = piece.wrapping_add(len);
        Some(piece)
    }

    /// A copy of octets.
    fn copy(&mut self, octets: &[u8], alignment: usize) -> Option<*mut u8> {
        let piece = self.take(octets.len(), alignment)?;
        // SAFETY: the piece is this long and inside the caller's buffer.
        unsafe { ptr::copy_nonoverlapping(octets.as_ptr(), piece, octets.len()) };
        Some(piece)
    }

    /// A list of pointers with a null at its end, all null so far.
    fn pointers(&mut self, count: usize) -> Option<*mut *mut c_char> {
        let list: *mut *mut c_char =
            self.take((count + 1) * size_of::<*mut c_char>(), align_of::<*mut c_char>())?.cast();
        for index in 0..=count {
            // SAFETY: the piece has room for one more than the count.
            unsafe { list.add(index).write(ptr::null_mut()) };
        }
        Some(list)
    }
}

/// # Safety
/// `entry` can be written.
unsafe fn fill(
    entry: *mut hostent,
    arena: &mut Arena,
    name: &[u8],
    family: Family,
    addresses: &[Ipv6Addr],
) -> Option<()> {
    let list = arena.pointers(addresses.len())?;
    let aliases = arena.pointers(0)?;
    for (index, ip) in addresses.iter().enumerate() {
        let octets = ip.octets();
        let octets = if family == Family::V4 { &octets[12..] } else { &octets[..] };
        let copy = arena.copy(octets, 4)?;
        // SAFETY: the list was made for this many.
        unsafe { list.add(index).write(copy.cast()) };
    }
    let text = arena.copy(name, 1)?;
    arena.copy(&[0], 1)?;
    let (kind, len) = match family {
        Family::V4 => (libc::AF_INET, 4),
        Family::V6 => (libc::AF_INET6, 16),
    };
    // SAFETY: the caller's promise.
    unsafe {
        entry.write(hostent {
            h_name: text.cast(),
            h_aliases: aliases,
            h_addrtype: kind,
            h_length: len,
            h_addr_list: list,
        });
    }
    Some(())
}
