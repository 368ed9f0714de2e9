//! A look-up's question and answer.

use core::net::Ipv6Addr;

use portolan_protocol::reply::{ADDRESSES_MAX, LookUpFailure};
use portolan_protocol::request::NAME_MAX;
use portolan_protocol::{Address, Family, MESSAGE_MAX, Operation, Reply};

use crate::control;
use crate::errno::Errno;

/// Why a look-up gave nothing.
pub(crate) enum Failure {
    /// The stack process said so.
    Name(LookUpFailure),
    /// The stack process could not be asked.
    System(Errno),
}

/// A name's addresses.
pub(crate) struct Found {
    addresses: [Ipv6Addr; ADDRESSES_MAX],
    count: usize,
    canonical: HostName,
}

impl Found {
    /// The addresses in order; IPv4 ones are mapped.
    pub(crate) fn addresses(&self) -> &[Ipv6Addr] {
        self.addresses.get(..self.count).unwrap_or(&[])
    }

    /// The canonical name; empty when it is the name that was asked for.
    pub(crate) fn canonical(&self) -> &[u8] {
        self.canonical.as_bytes()
    }

    /// One address that needed no look-up.
    pub(crate) fn one(address: Ipv6Addr) -> Self {
        let mut addresses = [Ipv6Addr::UNSPECIFIED; ADDRESSES_MAX];
        addresses[0] = address;
        Self { addresses, count: 1, canonical: HostName::EMPTY }
    }

    /// Two addresses that needed no look-up.
    pub(crate) fn two(first: Ipv6Addr, second: Ipv6Addr) -> Self {
        let mut found = Self::one(first);
        found.addresses[1] = second;
        found.count = 2;
        found
    }
}

/// A host name, without a NUL.
pub(crate) struct HostName {
    octets: [u8; NAME_MAX],
    len: usize,
}

impl HostName {
    const EMPTY: Self = Self { octets: [0; NAME_MAX], len: 0 };

    /// The name's octets.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or(&[])
    }

    fn new(name: &[u8]) -> Self {
        let mut copy = Self::EMPTY;
        // A NUL from outside would cut the name short in the program.
        let name = name.split(|octet| *octet == 0).next().unwrap_or(&[]);
        if let Some(room) = copy.octets.get_mut(..name.len()) {
            room.copy_from_slice(name);
            copy.len = name.len();
        }
        copy
    }
}

/// Asks for a name's addresses, of one family or of both.
pub(crate) fn by_name(name: &[u8], family: Option<Family>, only_configured: bool) -> Result<Found, Failure> {
    if !is_host_name(name) || name.len() > NAME_MAX {
        return Err(Failure::Name(LookUpFailure::NotFound));
    }
    let mut buffer = [0; MESSAGE_MAX];
    match control::look_up(Operation::LookUpName { family, only_configured, name }, &mut buffer) {
        Ok(Reply::Addresses { canonical, addresses }) => {
            let mut found = Found::one(Ipv6Addr::UNSPECIFIED);
            found.count = 0;
            for (slot, address) in found.addresses.iter_mut().zip(addresses.iter()) {
                *slot = address;
                found.count += 1;
            }
            found.canonical = HostName::new(canonical);
            if found.count == 0 { Err(Failure::Name(LookUpFailure::NoData)) } else { Ok(found) }
        }
        other => Err(failure(other)),
    }
}

/// Whether glibc would ask anybody for such a name: letters, digits, `-`, `_` and `.`, and no `-` in front.
fn is_host_name(name: &[u8]) -> bool {
    let is_allowed = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.');
    name.first().is_some_and(|first| *first != b'-') && name.iter().all(is_allowed)
}

/// Asks for an address's name.
pub(crate) fn by_address(ip: Ipv6Addr) -> Result<HostName, Failure> {
    let mut buffer = [0; MESSAGE_MAX];
    let address = Address { ip, port: 0, scope: 0 };
    match control::look_up(Operation::LookUpAddress { address }, &mut buffer) {
        Ok(Reply::HostName(name)) if !name.is_empty() => Ok(HostName::new(name)),
        other => Err(failure(other)),
    }
}

fn failure(reply: Result<Reply<'_>, Errno>) -> Failure {
    match reply {
        Ok(Reply::LookUpFailed(failure)) => Failure::Name(failure),
        Ok(_) => Failure::System(Errno(libc::EPROTO)),
        // The time limit of a look-up.
        Err(Errno(libc::EAGAIN)) => Failure::Name(LookUpFailure::TryAgain),
        Err(error) => Failure::System(error),
    }
}

#[cfg(test)]
mod tests;
