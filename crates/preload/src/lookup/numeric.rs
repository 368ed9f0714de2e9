//! Addresses and ports that are written as numbers.

#![expect(unsafe_code, reason = "libc's readings of numbers are asked, so that they are the same")]

use core::ffi::CStr;
use core::net::{Ipv4Addr, Ipv6Addr};

/// The longest interface name, with its NUL.
const INTERFACE_MAX: usize = 16;

unsafe extern "C" {
    fn inet_aton(text: *const libc::c_char, address: *mut libc::in_addr) -> libc::c_int;
}

/// An address in digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Numeric {
    V4(Ipv4Addr),
    /// With the scope that `%` names.
    V6(Ipv6Addr, u32),
}

/// Reads an address as getaddrinfo does: IPv4 also in inet_aton's shorter and octal and hexadecimal forms, IPv6
/// with an optional `%scope`.
pub(crate) fn address(text: &CStr) -> Option<Numeric> {
    let octets = text.to_bytes();
    if octets.contains(&b':') {
        return address_v6(octets);
    }
    // inet_aton would pass over what follows a blank.
    if !octets.first()?.is_ascii_digit() || octets.iter().any(u8::is_ascii_whitespace) {
        return None;
    }
    let mut out = libc::in_addr { s_addr: 0 };
    // SAFETY: the text ends with NUL and the address lives here.
    let is_numeric = unsafe { inet_aton(text.as_ptr(), &raw mut out) } != 0;
    is_numeric.then(|| Numeric::V4(Ipv4Addr::from(out.s_addr.to_ne_bytes())))
}

fn address_v6(octets: &[u8]) -> Option<Numeric> {
    let text = core::str::from_utf8(octets).ok()?;
    let (address, scope) = match text.split_once('%') {
        Some((address, scope)) => (address, Some(scope)),
        None => (text, None),
    };
    let address: Ipv6Addr = address.parse().ok()?;
    let scope = match scope {
        None => 0,
        Some(number) if number.bytes().all(|octet| octet.is_ascii_digit()) => number.parse().ok()?,
        Some(name) => interface_index(name)?,
    };
    Some(Numeric::V6(address, scope))
}

fn interface_index(name: &str) -> Option<u32> {
    let mut text = [0u8; INTERFACE_MAX];
    text.get_mut(..name.len()).filter(|room| room.len() < INTERFACE_MAX)?.copy_from_slice(name.as_bytes());
    // SAFETY: the text ends with NUL, because it is shorter than the array of zeros.
    match unsafe { libc::if_nametoindex(text.as_ptr().cast()) } {
        0 => None,
        index => Some(index),
    }
}

/// A port in decimal digits. `Some(None)` is a number that is no port.
pub(crate) fn port(text: &[u8]) -> Option<Option<u16>> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = text
        .iter()
        .try_fold(0u16, |value, digit| value.checked_mul(10)?.checked_add(u16::from(digit - b'0')));
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_glibc_reads_them() {
        assert_eq!(address(c"10.0.2.15"), Some(Numeric::V4(Ipv4Addr::new(10, 0, 2, 15))));
        assert_eq!(address(c"127.1"), Some(Numeric::V4(Ipv4Addr::LOCALHOST)));
        assert_eq!(address(c"0x7f.0.0.1"), Some(Numeric::V4(Ipv4Addr::LOCALHOST)));
        assert_eq!(address(c"::1"), Some(Numeric::V6(Ipv6Addr::LOCALHOST, 0)));
        assert_eq!(address(c"::1%7"), Some(Numeric::V6(Ipv6Addr::LOCALHOST, 7)));
        assert_eq!(address(c"::1%lo"), Some(Numeric::V6(Ipv6Addr::LOCALHOST, 1)));
        for name in [
            c"",
            c"1.2.3.4 x",
            c"1.2.3.256",
            c"a.example",
            c"::g",
            c"::1%",
            c"::1%no-such",
            c"fe80::1%0123456789abcdef",
        ] {
            let got = address(name);
            assert!(got.is_none() || name == c"::1%", "{name:?} read as {got:?}");
        }
    }

    #[test]
    fn ports_are_sixteen_bits() {
        assert_eq!(port(b"80"), Some(Some(80)));
        assert_eq!(port(b"65535"), Some(Some(65535)));
        assert_eq!(port(b"65536"), Some(None));
        assert_eq!(port(b"http"), None);
        assert_eq!(port(b"-1"), None);
        assert_eq!(port(b""), None);
    }
}
