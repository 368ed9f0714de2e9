//! getaddrinfo(3). The result is laid out as glibc lays it out (one block per entry with the address in it, the
//! canonical name in a block of its own), so that glibc's freeaddrinfo frees it.

#![expect(unsafe_code, reason = "a libc symbol, and lists in malloc's memory")]

use core::ffi::CStr;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::ptr;

use libc::{addrinfo, c_char, c_int};
use portolan_protocol::reply::LookUpFailure;
use portolan_protocol::{Address, Family};

use super::numeric::{self, Numeric};
use super::query::{self, Failure, Found};
use super::service;
use crate::address::Sockaddr;
use crate::errno::{self, Errno};
use crate::{real, state};

/// EAI_ADDRFAMILY of <netdb.h>, which the libc crate does not have.
const EAI_ADDRFAMILY: c_int = -9;
/// EAI_IDN_ENCODE's flags of <netdb.h>: asked for, and without effect on ASCII names.
const AI_IDN_FLAGS: c_int = 0x40 | 0x80 | 0x100 | 0x200;

const AI_KNOWN: c_int = libc::AI_PASSIVE
    | libc::AI_CANONNAME
    | libc::AI_NUMERICHOST
    | libc::AI_V4MAPPED
    | libc::AI_ALL
    | libc::AI_ADDRCONFIG
    | libc::AI_NUMERICSERV
    | AI_IDN_FLAGS;

/// What the caller wants.
#[derive(Clone, Copy)]
struct Hints {
    flags: c_int,
    family: Option<Family>,
    kind: c_int,
    protocol: c_int,
}

impl Hints {
    fn has(&self, flag: c_int) -> bool {
        self.flags & flag != 0
    }

    fn read(hints: Option<&addrinfo>, has_node: bool) -> Result<Self, c_int> {
        let Some(hints) = hints else {
            // glibc's default, where POSIX would have none.
            let flags = libc::AI_V4MAPPED | libc::AI_ADDRCONFIG;
            return Ok(Self { flags, family: None, kind: 0, protocol: 0 });
        };
        let is_canonical_without_name = hints.ai_flags & libc::AI_CANONNAME != 0 && !has_node;
        if hints.ai_flags & !AI_KNOWN != 0 || is_canonical_without_name {
            return Err(libc::EAI_BADFLAGS);
        }
        let family = match hints.ai_family {
            libc::AF_UNSPEC => None,
            libc::AF_INET => Some(Family::V4),
            libc::AF_INET6 => Some(Family::V6),
            _ => return Err(libc::EAI_FAMILY),
        };
        Ok(Self { flags: hints.ai_flags, family, kind: hints.ai_socktype, protocol: hints.ai_protocol })
    }
}

/// One kind of socket that the service can be reached with.
#[derive(Clone, Copy)]
struct Choice {
    kind: c_int,
    protocol: c_int,
    port: u16,
}

/// getaddrinfo(3).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn getaddrinfo(
    node: *const c_char,
    service: *const c_char,
    hints: *const addrinfo,
    result: *mut *mut addrinfo,
) -> c_int {
    if !state::is_active() {
        // SAFETY: the program's own arguments.
        return unsafe { real::getaddrinfo(node, service, hints, result) };
    }
    // SAFETY: the function's contract: strings that end with NUL, and hints, each possibly null.
    let (node, service, hints) = unsafe { (text(node), text(service), hints.as_ref()) };
    match resolve(node, service, hints) {
        Ok(list) => {
            // SAFETY: the function's contract: a place for the result.
            unsafe { *result = list };
            0
        }
        Err(error) => error,
    }
}

/// # Safety
/// Null, or a string that ends with NUL and outlives the result.
unsafe fn text<'a>(pointer: *const c_char) -> Option<&'a CStr> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    let text = unsafe { CStr::from_ptr(pointer) };
    // "*" stands for any host and any service in glibc.
    if text == c"*" { None } else { Some(text) }
}

fn resolve(
    node: Option<&CStr>,
    service: Option<&CStr>,
    hints: Option<&addrinfo>,
) -> Result<*mut addrinfo, c_int> {
    if node.is_none() && service.is_none() {
        return Err(libc::EAI_NONAME);
    }
    let hints = Hints::read(hints, node.is_some())?;
    let (choices, count) = choices(&hints, service)?;
    let choices = choices.get(..count).unwrap_or(&[]);
    let named = match node {
        None => Named { found: unnamed(&hints), family: hints.family, scope: 0 },
        Some(node) => named(&hints, node)?,
    };
    let found = &named.found;
    let canonical = match node {
        Some(node) if hints.has(libc::AI_CANONNAME) => {
            Some(if found.canonical().is_empty() { node.to_bytes() } else { found.canonical() })
        }
        _ => None,
    };
    build(&hints, &named, choices, canonical)
}

/// The kinds of socket that fit the hints, with the service's port under each.
fn choices(hints: &Hints, service: Option<&CStr>) -> Result<([Choice; 3], usize), c_int> {
    const KNOWN: [(c_int, c_int, Option<&CStr>); 3] = [
        (libc::SOCK_STREAM, libc::IPPROTO_TCP, Some(c"tcp")),
        (libc::SOCK_DGRAM, libc::IPPROTO_UDP, Some(c"udp")),
        (libc::SOCK_RAW, libc::IPPROTO_IP, None),
    ];
    let number = match service.map(|service| numeric::port(service.to_bytes())) {
        None => Some(0),
        Some(Some(Some(port))) => Some(port),
        Some(Some(None)) => return Err(libc::EAI_SERVICE),
        Some(None) if hints.has(libc::AI_NUMERICSERV) => return Err(libc::EAI_NONAME),
        Some(None) => None,
    };
    let mut list = [Choice { kind: 0, protocol: 0, port: 0 }; 3];
    let mut count = 0;
    let mut fits = false;
    for (kind, protocol, name) in KNOWN {
        let is_raw = name.is_none();
        if hints.kind != 0 && hints.kind != kind
            || hints.protocol != 0 && !is_raw && hints.protocol != protocol
            || hints.protocol != 0 && is_raw && hints.kind != kind
        {
            continue;
        }
        fits = true;
        let port = match (number, service, name) {
            (Some(port), ..) => Some(port),
            (None, Some(service), Some(name)) => service::port(service, name),
            _ => None,
        };
        if let (Some(port), Some(slot)) = (port, list.get_mut(count)) {
            *slot = Choice { kind, protocol: if is_raw { hints.protocol } else { protocol }, port };
            count += 1;
        }
    }
    match (fits, count) {
        (false, _) if hints.kind != 0 => Err(libc::EAI_SOCKTYPE),
        (false, _) | (true, 0) => Err(libc::EAI_SERVICE),
        _ => Ok((list, count)),
    }
}

/// Without a name: the wildcard addresses for a listener, else loopback.
fn unnamed(hints: &Hints) -> Found {
    let (v4, v6) = match hints.has(libc::AI_PASSIVE) {
        true => (Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED),
        false => (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST),
    };
    match hints.family {
        Some(Family::V4) => Found::one(v4.to_ipv6_mapped()),
        Some(Family::V6) => Found::one(v6),
        // The orders in which glibc gives them.
        None if hints.has(libc::AI_PASSIVE) => Found::two(v4.to_ipv6_mapped(), v6),
        None => Found::two(v6, v4.to_ipv6_mapped()),
    }
}

/// The addresses of a name.
struct Named {
    found: Found,
    /// The family of all entries; `None` where each address tells its own.
    family: Option<Family>,
    /// The scope that was written with a numeric address.
    scope: u32,
}

fn named(hints: &Hints, node: &CStr) -> Result<Named, c_int> {
    let (found, family, scope) = match (numeric::address(node), hints.family) {
        (Some(Numeric::V4(ip)), None | Some(Family::V4)) => (Found::one(ip.to_ipv6_mapped()), Family::V4, 0),
        (Some(Numeric::V4(ip)), Some(Family::V6)) if hints.has(libc::AI_V4MAPPED) => {
            (Found::one(ip.to_ipv6_mapped()), Family::V6, 0)
        }
        (Some(Numeric::V6(ip, scope)), None | Some(Family::V6)) => (Found::one(ip), Family::V6, scope),
        (Some(_), _) => return Err(EAI_ADDRFAMILY),
        (None, _) if hints.has(libc::AI_NUMERICHOST) => return Err(libc::EAI_NONAME),
        (None, family) => return Ok(Named { found: look_up(hints, node, family)?, family, scope: 0 }),
    };
    Ok(Named { found, family: Some(family), scope })
}

fn look_up(hints: &Hints, node: &CStr, family: Option<Family>) -> Result<Found, c_int> {
    let only_configured = hints.has(libc::AI_ADDRCONFIG);
    let wants_mapped = family == Some(Family::V6) && hints.has(libc::AI_V4MAPPED);
    if wants_mapped && hints.has(libc::AI_ALL) {
        return query::by_name(node.to_bytes(), None, only_configured).map_err(to_eai);
    }
    match query::by_name(node.to_bytes(), family, only_configured) {
        Err(Failure::Name(_)) if wants_mapped => {
            query::by_name(node.to_bytes(), Some(Family::V4), only_configured).map_err(to_eai)
        }
        result => result.map_err(to_eai),
    }
}

/// The number that getaddrinfo returns for a failed look-up.
pub(super) fn to_eai(failure: Failure) -> c_int {
    match failure {
        Failure::Name(LookUpFailure::NotFound) => libc::EAI_NONAME,
        Failure::Name(LookUpFailure::NoData) => libc::EAI_NODATA,
        Failure::Name(LookUpFailure::TryAgain) => libc::EAI_AGAIN,
        Failure::Name(LookUpFailure::Failed) => libc::EAI_FAIL,
        Failure::System(Errno(errno)) => {
            errno::set(errno);
            libc::EAI_SYSTEM
        }
    }
}

/// The list, an entry per address and kind of socket.
fn build(
    hints: &Hints,
    named: &Named,
    choices: &[Choice],
    canonical: Option<&[u8]>,
) -> Result<*mut addrinfo, c_int> {
    let mut first: *mut addrinfo = ptr::null_mut();
    let mut last: *mut addrinfo = ptr::null_mut();
    for ip in named.found.addresses() {
        let own = if ip.to_ipv4_mapped().is_some() { Family::V4 } else { Family::V6 };
        let family = named.family.unwrap_or(own);
        for choice in choices {
            let entry =
                new_entry(hints, Address { ip: *ip, port: choice.port, scope: named.scope }, family, *choice);
            if entry.is_null() {
                free(first);
                return Err(libc::EAI_MEMORY);
            }
            if last.is_null() {
                first = entry;
            } else {
                // SAFETY: the last entry was made below and nobody else has it yet.
                unsafe { (*last).ai_next = entry };
            }
            last = entry;
        }
    }
    if let Some(canonical) = canonical
        && !first.is_null()
    {
        let copy = copy_text(canonical);
        if copy.is_null() {
            free(first);
            return Err(libc::EAI_MEMORY);
        }
        // SAFETY: the first entry was made below and nobody else has it yet.
        unsafe { (*first).ai_canonname = copy };
    }
    if first.is_null() { Err(libc::EAI_NONAME) } else { Ok(first) }
}

/// One entry with its address behind it, in malloc's memory; null without memory.
fn new_entry(hints: &Hints, address: Address, family: Family, choice: Choice) -> *mut addrinfo {
    let (native, len) = Sockaddr::new(address, family);
    let octets = native.as_bytes(len);
    // SAFETY: a block of this length, or null.
    let entry: *mut addrinfo = unsafe { libc::calloc(1, size_of::<addrinfo>() + octets.len()) }.cast();
    if entry.is_null() {
        return entry;
    }
    // SAFETY: the block has room for the entry and, behind it, for the address.
    unsafe {
        let behind = entry.add(1).cast::<u8>();
        ptr::copy_nonoverlapping(octets.as_ptr(), behind, octets.len());
        entry.write(addrinfo {
            ai_flags: hints.flags,
            ai_family: if family == Family::V4 { libc::AF_INET } else { libc::AF_INET6 },
            ai_socktype: choice.kind,
            ai_protocol: choice.protocol,
            ai_addrlen: len,
            ai_addr: behind.cast(),
            ai_canonname: ptr::null_mut(),
            ai_next: ptr::null_mut(),
        });
    }
    entry
}

fn copy_text(text: &[u8]) -> *mut c_char {
    // SAFETY: zeroed room for the text and its NUL, or null.
    let copy: *mut c_char = unsafe { libc::calloc(1, text.len() + 1) }.cast();
    if !copy.is_null() {
        // SAFETY: the room was made for it.
        unsafe { ptr::copy_nonoverlapping(text.as_ptr(), copy.cast(), text.len()) };
    }
    copy
}

fn free(list: *mut addrinfo) {
    if !list.is_null() {
        // SAFETY: laid out as glibc's own.
        unsafe { libc::freeaddrinfo(list) };
    }
}
