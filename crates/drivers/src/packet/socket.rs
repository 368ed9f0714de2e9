//! The address and the options of packet sockets, each as a safe function (`linux/if_packet.h`, packet(7)).
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::{Errno, Result};

/// Not in every version of the C library's headers.
const PACKET_IGNORE_OUTGOING: c_int = 23;
/// The kernel's structures have these as 16 bits, the C library's headers as ints.
const AF_PACKET: u16 = 17;
const ETH_P_ALL: u16 = 3;
const PACKET_MR_PROMISC: u16 = 1;

/// Puts a virtio header before every frame, both ways.
pub(super) fn expect_headers(fd: BorrowedFd<'_>) -> Result<()> {
    set(fd, libc::PACKET_VNET_HDR, &1)
}

/// Leaves out what this machine sends (Linux 4.20).
pub(super) fn ignore_outgoing(fd: BorrowedFd<'_>) -> Result<()> {
    set(fd, PACKET_IGNORE_OUTGOING, &1)
}

/// Makes the interface take frames to any station, for as long as the socket is open.
pub(super) fn hear_all_stations(fd: BorrowedFd<'_>, index: u32) -> Result<()> {
    let request = libc::packet_mreq {
        mr_ifindex: c_int::try_from(index).map_err(|_| Errno::NODEV)?,
        mr_type: PACKET_MR_PROMISC,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    set(fd, libc::PACKET_ADD_MEMBERSHIP, &request)
}

/// Begins to receive every frame of the interface.
pub(super) fn bind(fd: BorrowedFd<'_>, index: u32) -> Result<()> {
    let address = libc::sockaddr_ll {
        sll_family: AF_PACKET,
        sll_protocol: ETH_P_ALL.to_be(),
        sll_ifindex: c_int::try_from(index).map_err(|_| Errno::NODEV)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let len = length_of::<libc::sockaddr_ll>()?;
    // SAFETY: the address is a whole `sockaddr_ll`, and bind keeps no pointer to it.
    done(unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), len) })
}

fn set<T>(fd: BorrowedFd<'_>, name: c_int, value: &T) -> Result<()> {
    let len = length_of::<T>()?;
    // SAFETY: the value is valid for its length, and setsockopt keeps no pointer to it.
    done(unsafe {
        libc::setsockopt(fd.as_raw_fd(), libc::SOL_PACKET, name, std::ptr::from_ref(value).cast(), len)
    })
}

fn length_of<T>() -> Result<libc::socklen_t> {
    libc::socklen_t::try_from(size_of::<T>()).map_err(|_| Errno::INVAL)
}

fn done(result: c_int) -> Result<()> {
    if result == 0 {
        return Ok(());
    }
    Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL))
}
