//! Socket addresses in libc's layout: the program's AF_INET and AF_INET6 ones, and our own abstract names.

use core::mem::offset_of;
use core::net::{Ipv4Addr, Ipv6Addr};

use libc::{c_int, sockaddr, sockaddr_in, sockaddr_in6, sockaddr_un, socklen_t};
use portolan_protocol::{Address, Family, Name};

use crate::errno::Errno;
use crate::memory;

/// An abstract AF_UNIX address.
pub(crate) struct UnixAddress {
    storage: sockaddr_un,
    len: socklen_t,
}

impl UnixAddress {
    /// Room for the kernel to write any name.
    pub(crate) const EMPTY: Self = Self {
        storage: sockaddr_un { sun_family: 0, sun_path: [0; 108] },
        len: size_of::<sockaddr_un>() as socklen_t,
    };

    /// The address of a name.
    pub(crate) fn from_name(name: &Name) -> Self {
        let mut address = Self::EMPTY;
        address.storage.sun_family = libc::AF_UNIX as libc::sa_family_t;
        let encoded = name.encode();
        let octets = encoded.as_bytes();
        for (to, from) in address.storage.sun_path.iter_mut().skip(1).zip(octets) {
            *to = from.cast_signed();
        }
        address.len = (offset_of!(sockaddr_un, sun_path) + 1 + octets.len()) as socklen_t;
        address
    }

    /// For calls that read it.
    pub(crate) fn as_ptr(&self) -> *const sockaddr {
        (&raw const self.storage).cast()
    }

    /// Its length for calls that read it.
    pub(crate) fn len(&self) -> socklen_t {
        self.len
    }

    /// For calls that write it.
    pub(crate) fn as_mut(&mut self) -> (*mut sockaddr, *mut socklen_t) {
        ((&raw mut self.storage).cast(), &raw mut self.len)
    }

    /// What the kernel wrote, if it is a name of ours.
    pub(crate) fn name(&self) -> Option<Name> {
        let len = (self.len as usize).checked_sub(offset_of!(sockaddr_un, sun_path) + 1)?;
        if c_int::from(self.storage.sun_family) != libc::AF_UNIX || self.storage.sun_path[0] != 0 {
            return None;
        }
        let mut octets = [0u8; 107];
        for (to, from) in octets.iter_mut().zip(&self.storage.sun_path[1..]) {
            *to = from.cast_unsigned();
        }
        Name::decode(octets.get(..len)?).ok()
    }
}

/// An address that the program passed in.
pub(crate) enum Given {
    /// AF_INET or AF_INET6, in whatever family it was written.
    Inet(Family, Address),
    /// AF_UNSPEC, with the IPv4 address that bind(2) tolerates there.
    Unspecified(Address),
    /// Another family.
    Other,
}

/// Reads an address from the program's memory: EFAULT for a bad pointer, EINVAL for one too short.
pub(crate) fn read(pointer: *const sockaddr, len: socklen_t) -> Result<Given, Errno> {
    let mut octets = [0u8; size_of::<sockaddr_in6>()];
    let len = (len as usize).min(octets.len());
    if len < size_of::<libc::sa_family_t>() {
        return Err(Errno(libc::EINVAL));
    }
    memory::read_slice(pointer.cast::<u8>(), &mut octets[..len])?;
    let family = c_int::from(libc::sa_family_t::from_ne_bytes([octets[0], octets[1]]));
    // sockaddr_in and sockaddr_in6 both have the port at octet 2; addresses at 4 and 8, the scope at 24.
    let port = u16::from_be_bytes([octets[2], octets[3]]);
    let v4 = Address::v4(Ipv4Addr::new(octets[4], octets[5], octets[6], octets[7]), port);
    match family {
        libc::AF_INET if len >= size_of::<sockaddr_in>() => Ok(Given::Inet(Family::V4, v4)),
        // RFC 2133's address had no scope, and Linux still takes its 24 octets.
        libc::AF_INET6 if len >= 24 => {
            let mut ip = [0; 16];
            ip.copy_from_slice(&octets[8..24]);
            let scope = u32::from_ne_bytes([octets[24], octets[25], octets[26], octets[27]]);
            Ok(Given::Inet(Family::V6, Address::v6(Ipv6Addr::from(ip), port, scope)))
        }
        libc::AF_INET | libc::AF_INET6 => Err(Errno(libc::EINVAL)),
        libc::AF_UNSPEC => Ok(Given::Unspecified(v4)),
        _ => Ok(Given::Other),
    }
}

/// An address in libc's layout: of AF_INET or AF_INET6, the unused end zero.
#[repr(C, align(8))]
pub(crate) struct Sockaddr([u8; size_of::<sockaddr_in6>()]);

impl Sockaddr {
    /// For a socket of this family (an AF_INET6 one sees IPv4 addresses mapped), and its length.
    pub(crate) fn new(address: Address, family: Family) -> (Self, socklen_t) {
        let mut octets = [0; size_of::<sockaddr_in6>()];
        let number = match family {
            Family::V4 => libc::AF_INET,
            Family::V6 => libc::AF_INET6,
        };
        octets[..2].copy_from_slice(&(number as libc::sa_family_t).to_ne_bytes());
        octets[2..4].copy_from_slice(&address.port.to_be_bytes());
        match family {
            Family::V4 => {
                let ip = address.to_v4().unwrap_or(Ipv4Addr::UNSPECIFIED);
                octets[4..8].copy_from_slice(&ip.octets());
                (Self(octets), size_of::<sockaddr_in>() as socklen_t)
            }
            Family::V6 => {
                octets[8..24].copy_from_slice(&address.ip.octets());
                octets[24..28].copy_from_slice(&address.scope.to_ne_bytes());
                (Self(octets), size_of::<sockaddr_in6>() as socklen_t)
            }
        }
    }

    /// The octets of an address of this length.
    pub(crate) fn as_bytes(&self, len: socklen_t) -> &[u8] {
        self.0.get(..len as usize).unwrap_or(&self.0)
    }
}

/// Gives the program an address as accept, getsockname and recvfrom do: as much as there is room for, and the
/// true length.
pub(crate) fn write(
    address: Address,
    family: Family,
    to: *mut sockaddr,
    len: *mut socklen_t,
) -> Result<(), Errno> {
    let (native, true_len) = Sockaddr::new(address, family);
    let room = memory::read::<u32>(len)?;
    if room > i32::MAX as u32 {
        return Err(Errno(libc::EINVAL));
    }
    memory::write_bytes(to.cast(), native.as_bytes(room.min(true_len)))?;
    memory::write(len, true_len)
}
