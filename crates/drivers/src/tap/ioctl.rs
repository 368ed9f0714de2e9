//! The control calls of TUN/TAP devices and of interfaces, each as a safe function.
//!
//! Sources: `linux/if_tun.h`, `linux/sockios.h`, netdevice(7).
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::os::fd::BorrowedFd;

use rustix::io::Result;
use rustix::ioctl::{IntegerSetter, Opcode, Setter, Updater, ioctl, opcode};

const TUNSETIFF: Opcode = opcode::write::<c_int>(b'T', 202);
const TUNSETOFFLOAD: Opcode = opcode::write::<u32>(b'T', 208);
const TUNSETVNETHDRSZ: Opcode = opcode::write::<c_int>(b'T', 216);
const SIOCGIFFLAGS: Opcode = 0x8913;
const SIOCGIFMTU: Opcode = 0x8921;
const SIOCGIFHWADDR: Opcode = 0x8927;

/// `IFF_TAP | IFF_NO_PI`: Ethernet frames without a prefix of their own.
pub(super) const MODE_TAP: u16 = 0x0002 | 0x1000;
/// `IFF_TUN | IFF_NO_PI`: bare IP packets.
pub(super) const MODE_TUN: u16 = 0x0001 | 0x1000;
/// `IFF_VNET_HDR`: a virtio header before every frame.
pub(super) const MODE_VNET_HDR: u16 = 0x4000;
/// `IFF_UP`, among an interface's flags.
pub(super) const FLAG_UP: u16 = 1;

/// `TUN_F_*`: what we take from the kernel unfinished.
pub(crate) mod offload {
    pub(crate) const CHECKSUM: u32 = 0x01;
    pub(crate) const TCP: u32 = 0x02 | 0x04 | 0x08;
    pub(crate) const UDP: u32 = 0x20 | 0x40;
}

/// `struct ifreq`: a name, then a union of 24 octets on 64-bit machines, of which we use the first eight.
#[repr(C)]
#[derive(Clone, Copy)]
struct InterfaceRequest {
    name: [u8; 16],
    value: [u8; 24],
}

impl InterfaceRequest {
    /// A request for the interface `name`, which has at most 15 octets; what is beyond is cut off.
    fn new(name: &str) -> InterfaceRequest {
        let mut request = InterfaceRequest { name: [0; 16], value: [0; 24] };
        for (to, from) in request.name.iter_mut().take(15).zip(name.bytes()) {
            *to = from;
        }
        request
    }
}

/// Attaches the open `/dev/net/tun` to the interface `name`, which is created if there is none.
pub(super) fn attach(fd: BorrowedFd<'_>, name: &str, mode: u16) -> Result<()> {
    let mut request = InterfaceRequest::new(name);
    let [low, high] = mode.to_ne_bytes();
    request.value = [0; 24];
    for (to, from) in request.value.iter_mut().zip([low, high]) {
        *to = from;
    }
    // SAFETY: TUNSETIFF reads and writes one `struct ifreq`, which `InterfaceRequest` is as large as, and keeps no
    // pointer to it.
    unsafe { ioctl(fd, Updater::<TUNSETIFF, InterfaceRequest>::new(&mut request)) }
}

/// Says which super-segments and unfinished checksums we take.
pub(super) fn set_offload(fd: BorrowedFd<'_>, flags: u32) -> Result<()> {
    let flags = flags as usize;
    // SAFETY: TUNSETOFFLOAD takes its argument as a number, not as a pointer.
    unsafe { ioctl(fd, IntegerSetter::<TUNSETOFFLOAD>::new_usize(flags)) }
}

/// Sets the length of the virtio header.
pub(super) fn set_header_len(fd: BorrowedFd<'_>, len: usize) -> Result<()> {
    let len = c_int::try_from(len).map_err(|_| rustix::io::Errno::INVAL)?;
    // SAFETY: TUNSETVNETHDRSZ reads one `int`.
    unsafe { ioctl(fd, Setter::<TUNSETVNETHDRSZ, c_int>::new(len)) }
}

/// The MTU of the interface `name`, asked through any socket.
pub(crate) fn mtu(socket: BorrowedFd<'_>, name: &str) -> Result<u32> {
    let [a, b, c, d, ..] = query::<SIOCGIFMTU>(socket, name)?;
    Ok(u32::from_ne_bytes([a, b, c, d]))
}

/// The flags (`IFF_*`) of the interface `name`.
pub(crate) fn flags(socket: BorrowedFd<'_>, name: &str) -> Result<u16> {
    let [a, b, ..] = query::<SIOCGIFFLAGS>(socket, name)?;
    Ok(u16::from_ne_bytes([a, b]))
}

/// The Ethernet address of the interface `name`: that of the kernel's end.
pub(super) fn ethernet(socket: BorrowedFd<'_>, name: &str) -> Result<[u8; 6]> {
    hardware(socket, name).map(|(_, address)| address)
}

/// The interface's kind (`ARPHRD_*`) and address.
pub(crate) fn hardware(socket: BorrowedFd<'_>, name: &str) -> Result<(u16, [u8; 6])> {
    let [low, high, a, b, c, d, e, f, ..] = query::<SIOCGIFHWADDR>(socket, name)?;
    Ok((u16::from_ne_bytes([low, high]), [a, b, c, d, e, f]))
}

fn query<const OPCODE: Opcode>(socket: BorrowedFd<'_>, name: &str) -> Result<[u8; 24]> {
    let mut request = InterfaceRequest::new(name);
    // SAFETY: the opcodes that this module passes are SIOCGIF* calls, which read and write one `struct ifreq`.
    unsafe { ioctl(socket, Updater::<OPCODE, InterfaceRequest>::new(&mut request))? };
    Ok(request.value)
}
