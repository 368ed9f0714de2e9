//! getnameinfo(3).

#![expect(unsafe_code, reason = "a libc symbol")]

use core::fmt::{self, Write};

use libc::{c_char, c_int, sockaddr, socklen_t};
use portolan_protocol::reply::LookUpFailure;
use portolan_protocol::{Address, Family};

use super::addrinfo::to_eai;
use super::query::{self, Failure};
use super::service;
use crate::address::{self, Given};
use crate::{real, state};

/// NI_NUMERICSCOPE of <netdb.h>, which the libc crate does not have.
const NI_NUMERICSCOPE: c_int = 256;

/// getnameinfo(3).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn getnameinfo(
    address: *const sockaddr,
    len: socklen_t,
    host: *mut c_char,
    host_len: socklen_t,
    service: *mut c_char,
    service_len: socklen_t,
    flags: c_int,
) -> c_int {
    let given = if state::is_active() { address::read(address, len).ok() } else { None };
    let Some(Given::Inet(family, address)) = given else {
        // SAFETY: the program's own arguments.
        return unsafe { real::getnameinfo(address, len, host, host_len, service, service_len, flags) };
    };
    if flags & libc::NI_NAMEREQD != 0 && host.is_null() && service.is_null() {
        return libc::EAI_NONAME;
    }
    // SAFETY: the function's contract: null, or room for so many octets.
    let (mut host, mut service) = unsafe { (Text::new(host, host_len), Text::new(service, service_len)) };
    let wrote_host = host.as_mut().map_or(Ok(()), |host| write_host(host, address, family, flags));
    let wrote = wrote_host.and_then(|()| {
        service.as_mut().map_or(Ok(()), |service| write_service(service, address.port, flags))
    });
    match wrote {
        Ok(()) => 0,
        Err(error) => error,
    }
}

fn write_host(out: &mut Text, address: Address, family: Family, flags: c_int) -> Result<(), c_int> {
    if flags & libc::NI_NUMERICHOST == 0 {
        match query::by_address(address.ip) {
            Ok(name) => return out.put(name.as_bytes()).map_err(|_| libc::EAI_OVERFLOW),
            Err(Failure::Name(LookUpFailure::TryAgain)) if flags & libc::NI_NAMEREQD != 0 => {
                return Err(libc::EAI_AGAIN);
            }
            Err(failure @ Failure::System(_)) => return Err(to_eai(failure)),
            Err(_) if flags & libc::NI_NAMEREQD != 0 => return Err(libc::EAI_NONAME),
            Err(_) => {}
        }
    }
    let written = match (family, address.to_v4()) {
        (Family::V4, Some(ip)) => write!(out, "{ip}"),
        _ => write!(out, "{}", address.ip).and_then(|()| write_scope(out, address, flags)),
    };
    written.map_err(|_| libc::EAI_OVERFLOW)
}

/// The scope behind a `%`: an interface's name for a link-local address, unless a number is wanted.
fn write_scope(out: &mut Text, address: Address, flags: c_int) -> fmt::Result {
    if address.scope == 0 {
        return Ok(());
    }
    let segments = address.ip.segments();
    let is_link_local = segments[0] & 0xffc0 == 0xfe80 || segments[0] & 0xff0f == 0xff02;
    let mut name = [0u8; libc::IF_NAMESIZE];
    let is_named = is_link_local
        && flags & NI_NUMERICSCOPE == 0
        // SAFETY: room for IF_NAMESIZE octets, as the function wants.
        && !unsafe { libc::if_indextoname(address.scope, name.as_mut_ptr().cast()) }.is_null();
    out.put(b"%")?;
    if is_named {
        out.put(name.split(|octet| *octet == 0).next().unwrap_or(&[]))
    } else {
        write!(out, "{}", address.scope)
    }
}

fn write_service(out: &mut Text, port: u16, flags: c_int) -> Result<(), c_int> {
    let protocol = if flags & libc::NI_DGRAM != 0 { c"udp" } else { c"tcp" };
    let named = if flags & libc::NI_NUMERICSERV != 0 {
        None
    } else {
        service::with_name(port, protocol, |name| out.put(name.to_bytes()))
    };
    named.unwrap_or_else(|| write!(out, "{port}")).map_err(|_| libc::EAI_OVERFLOW)
}

/// The caller's buffer for a string, ended with a NUL after every addition.
struct Text {
    start: *mut u8,
    room: usize,
}

impl Text {
    /// # Safety
    /// Null, or writable for `len` octets as long as this lives.
    unsafe fn new(start: *mut c_char, len: socklen_t) -> Option<Self> {
        (!start.is_null() && len > 0).then_some(Self { start: start.cast(), room: len as usize })
    }

    fn put(&mut self, text: &[u8]) -> fmt::Result {
        if text.len() >= self.room {
            return Err(fmt::Error);
        }
        // SAFETY: the room is larger than the text, so the NUL fits too.
        unsafe {
            core::ptr::copy_nonoverlapping(text.as_ptr(), self.start, text.len());
            self.start = self.start.add(text.len());
            self.start.write(0);
        }
        self.room -= text.len();
        Ok(())
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes())
    }
}
