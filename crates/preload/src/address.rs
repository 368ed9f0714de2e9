//! Socket addresses in libc's layout: the program's AF_INET and AF_INET6 ones, and our own abstract names.

use core::mem::offset_of;

use libc::{c_int, sockaddr, sockaddr_un, socklen_t};
use portolan_native::inet;
pub(crate) use portolan_native::inet::{Given, Sockaddr};
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

/// A copy of an AF_UNIX address in the program's memory; `None` if it is of another family, or for the kernel to refuse.
pub(crate) fn read_unix(pointer: *const sockaddr, len: socklen_t) -> Option<UnixAddress> {
    let mut address = UnixAddress::EMPTY;
    let mut octets = [0u8; size_of::<sockaddr_un>()];
    let given =
        octets.get_mut(..len as usize).filter(|given| given.len() >= size_of::<libc::sa_family_t>())?;
    memory::read_slice(pointer.cast::<u8>(), given).ok()?;
    let (family, path) = octets.split_at(offset_of!(sockaddr_un, sun_path));
    address.storage.sun_family = libc::sa_family_t::from_ne_bytes(family.try_into().ok()?);
    for (to, from) in address.storage.sun_path.iter_mut().zip(path) {
        *to = from.cast_signed();
    }
    address.len = len;
    (c_int::from(address.storage.sun_family) == libc::AF_UNIX).then_some(address)
}

/// Reads an address from the program's memory: EFAULT for a bad pointer, EINVAL for one too short.
pub(crate) fn read(pointer: *const sockaddr, len: socklen_t) -> Result<Given, Errno> {
    let len = len as usize;
    if len > size_of::<libc::sockaddr_storage>() {
        return Err(Errno(libc::EINVAL));
    }
    let mut octets = [0u8; inet::LEN_MAX];
    let len = len.min(octets.len());
    memory::read_slice(pointer.cast::<u8>(), &mut octets[..len])?;
    inet::read(&octets[..len])
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
