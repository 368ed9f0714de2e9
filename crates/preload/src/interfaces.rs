//! getifaddrs(3), if_nametoindex(3) and their relatives: the interfaces of the program's own network.
//!
//! glibc asks the kernel by netlink, which tells of the machine's. What is given here is laid out as glibc lays it out
//! (getifaddrs's list in one block, each name of if_nameindex in a block of its own), so that glibc's freeifaddrs and
//! if_freenameindex free it. These functions may allocate, as glibc's do.

#![expect(unsafe_code, reason = "libc symbols, and lists in malloc's memory")]

use core::ffi::CStr;
use core::mem::zeroed;
use core::net::Ipv4Addr;
use core::ptr;

use libc::{c_char, c_int, c_uint, ifaddrs, sockaddr, sockaddr_ll};
use portolan_native::inet::Sockaddr;
use portolan_protocol::interface::{INTERFACE_NAME_MAX, Interface, split};
use portolan_protocol::{Address, CALL_MAX, Family, Operation, Reply};

use crate::errno::{self, Errno};
use crate::{control, memory, real, state};

/// What Linux shows of an interface that is up.
const UP: c_int = libc::IFF_UP | libc::IFF_RUNNING | 0x10000;

/// A name with its NUL.
type NameRoom = [c_char; INTERFACE_NAME_MAX + 1];

/// One entry of getifaddrs's list and all that it points to.
#[repr(C)]
struct Entry {
    head: ifaddrs,
    name: NameRoom,
    link: sockaddr_ll,
    /// Address, netmask and broadcast address.
    inet: [Sockaddr; 3],
}

/// An entry of the list before it has its place in memory.
struct Row {
    name: NameRoom,
    flags: c_int,
    what: What,
}

enum What {
    Link(sockaddr_ll),
    Inet { family: Family, address: Address, netmask: Address, broadcast: Option<Address> },
}

/// Calls `each` for every interface.
fn for_each(mut each: impl FnMut(&Interface<'_>)) -> Result<(), Errno> {
    for nth in 0.. {
        match control::call(Operation::Interface { nth }, &mut [0; CALL_MAX]) {
            Ok(Reply::Interface(interface)) => each(&interface),
            Err(Errno(libc::ENODEV)) => break,
            Err(error) => return Err(error),
            Ok(_) => return Err(Errno(libc::EPROTO)),
        }
    }
    Ok(())
}

/// getifaddrs(3).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn getifaddrs(list: *mut *mut ifaddrs) -> c_int {
    if !state::is_active() {
        // SAFETY: the program's own arguments.
        return unsafe { real::getifaddrs(list) };
    }
    let mut rows = [const { Vec::new() }; 3];
    let made = for_each(|interface| {
        let [links, v4, v6] = &mut rows;
        links.push(link_row(interface));
        for joined in interface.addresses {
            let (ip, prefix) = split(joined);
            let address = Address::v6(ip, 0, 0);
            match address.to_v4() {
                Some(ip) => v4.push(v4_row(interface, ip, prefix)),
                None => v6.push(v6_row(interface, address, prefix)),
            }
        }
    });
    // As Linux: all links, then IPv4, then IPv6.
    let made = made.and_then(|()| place(&rows.into_iter().flatten().collect::<Vec<_>>()));
    errno::finish(
        made.and_then(|block| memory::write_bytes(list.cast(), &block.expose_provenance().to_ne_bytes()))
            .map(|()| 0),
    )
}

fn name_of(interface: &Interface<'_>) -> NameRoom {
    let mut name = [0; INTERFACE_NAME_MAX + 1];
    for (to, from) in name.iter_mut().take(INTERFACE_NAME_MAX).zip(interface.name) {
        *to = from.cast_signed();
    }
    name
}

fn flags_of(interface: &Interface<'_>) -> c_int {
    match interface.index {
        1 => UP | libc::IFF_LOOPBACK,
        _ => UP | libc::IFF_BROADCAST | libc::IFF_MULTICAST,
    }
}

fn link_row(interface: &Interface<'_>) -> Row {
    // SAFETY: all zeros is a valid address.
    let mut link: sockaddr_ll = unsafe { zeroed() };
    link.sll_family = libc::AF_PACKET as u16;
    link.sll_ifindex = interface.index.cast_signed();
    link.sll_hatype = match (interface.index, interface.ethernet) {
        (1, _) => libc::ARPHRD_LOOPBACK,
        (_, Some(_)) => libc::ARPHRD_ETHER,
        (_, None) => libc::ARPHRD_NONE,
    };
    link.sll_halen = 6;
    link.sll_addr[..6].copy_from_slice(&interface.ethernet.unwrap_or_default());
    Row { name: name_of(interface), flags: flags_of(interface), what: What::Link(link) }
}

fn v4_row(interface: &Interface<'_>, ip: Ipv4Addr, prefix: u8) -> Row {
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
    let broadcast = Ipv4Addr::from(u32::from(ip) | !mask);
    let what = What::Inet {
        family: Family::V4,
        address: Address::v4(ip, 0),
        netmask: Address::v4(Ipv4Addr::from(mask), 0),
        broadcast: (interface.index != 1).then(|| Address::v4(broadcast, 0)),
    };
    Row { name: name_of(interface), flags: flags_of(interface), what }
}

fn v6_row(interface: &Interface<'_>, mut address: Address, prefix: u8) -> Row {
    let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
    if address.lacks_scope() {
        address.scope = interface.index;
    }
    let netmask = Address::v6(mask.into(), 0, 0);
    let what = What::Inet { family: Family::V6, address, netmask, broadcast: None };
    Row { name: name_of(interface), flags: flags_of(interface), what }
}

/// The rows as a list in one block of malloc's memory; null for none.
fn place(rows: &[Row]) -> Result<*mut ifaddrs, Errno> {
    if rows.is_empty() {
        return Ok(ptr::null_mut());
    }
    // SAFETY: any size may be asked for.
    let block: *mut Entry = unsafe { libc::calloc(rows.len(), size_of::<Entry>()) }.cast();
    if block.is_null() {
        return Err(Errno(libc::ENOMEM));
    }
    for (at, row) in rows.iter().enumerate() {
        // SAFETY: the block has room for so many entries, of which all zeros is a valid value, and nobody else has it.
        let entry = unsafe { &mut *block.add(at) };
        entry.name = row.name;
        entry.head.ifa_name = entry.name.as_mut_ptr();
        entry.head.ifa_flags = row.flags.cast_unsigned();
        if at + 1 < rows.len() {
            entry.head.ifa_next = block.wrapping_add(at + 1).cast();
        }
        match row.what {
            What::Link(link) => {
                entry.link = link;
                entry.head.ifa_addr = (&raw mut entry.link).cast();
            }
            What::Inet { family, address, netmask, broadcast } => {
                let room = [Some(address), Some(netmask), broadcast];
                for (place, given) in entry.inet.iter_mut().zip(room) {
                    *place = Sockaddr::new(given.unwrap_or(Address::UNSPECIFIED), family).0;
                }
                let [address, netmask, broadcast_room] = &mut entry.inet;
                entry.head.ifa_addr = ptr::from_mut(address).cast::<sockaddr>();
                entry.head.ifa_netmask = ptr::from_mut(netmask).cast::<sockaddr>();
                if broadcast.is_some() {
                    entry.head.ifa_ifu = ptr::from_mut(broadcast_room).cast::<sockaddr>();
                }
            }
        }
    }
    Ok(block.cast())
}

/// if_nametoindex(3): 0 and ENODEV for no interface.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn if_nametoindex(name: *const c_char) -> c_uint {
    if !state::is_active() {
        // SAFETY: the program's own arguments.
        return unsafe { real::if_nametoindex(name) };
    }
    // SAFETY: libc's function reads it as well, to its NUL.
    let wanted = unsafe { CStr::from_ptr(name) }.to_bytes();
    let mut found = 0;
    let asked = for_each(|interface| {
        if interface.name == wanted {
            found = interface.index;
        }
    });
    if found == 0 {
        errno::set(asked.err().map_or(libc::ENODEV, |Errno(errno)| errno));
    }
    found
}

/// if_indextoname(3): null and ENXIO for no interface.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn if_indextoname(index: c_uint, name: *mut c_char) -> *mut c_char {
    if !state::is_active() {
        // SAFETY: the program's own arguments.
        return unsafe { real::if_indextoname(index, name) };
    }
    let mut found = None;
    let asked = for_each(|interface| {
        if interface.index == index {
            found = Some(name_of(interface));
        }
    });
    let written = match (found, asked) {
        (Some(room), _) => memory::write_bytes(name.cast(), &room.map(c_char::cast_unsigned)),
        (None, Err(error)) => Err(error),
        (None, Ok(())) => Err(Errno(libc::ENXIO)),
    };
    match written {
        Ok(()) => name,
        Err(Errno(errno)) => {
            errno::set(errno);
            ptr::null_mut()
        }
    }
}

/// if_nameindex(3).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn if_nameindex() -> *mut libc::if_nameindex {
    if !state::is_active() {
        // SAFETY: no arguments.
        return unsafe { real::if_nameindex() };
    }
    let mut known = Vec::new();
    if let Err(Errno(errno)) = for_each(|interface| known.push((interface.index, name_of(interface)))) {
        errno::set(errno);
        return ptr::null_mut();
    }
    // SAFETY: any size may be asked for; zeros end the list.
    let list: *mut libc::if_nameindex =
        unsafe { libc::calloc(known.len() + 1, size_of::<libc::if_nameindex>()) }.cast();
    if list.is_null() {
        return list;
    }
    for (at, (index, name)) in known.iter().enumerate() {
        // SAFETY: the list has room for so many entries; the name ends with NUL. Without memory for a name the list
        // ends there for those who look at names.
        unsafe {
            *list.add(at) = libc::if_nameindex { if_index: *index, if_name: libc::strdup(name.as_ptr()) }
        };
    }
    list
}
