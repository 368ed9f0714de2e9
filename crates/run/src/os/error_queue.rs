//! A socket's queue of ICMP errors: IP_RECVERR and MSG_ERRQUEUE (ip(7)).
#![allow(unsafe_code, reason = "recvmsg with MSG_ERRQUEUE has no safe binding")]

use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};

/// One error about a datagram that the socket sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueuedError {
    /// What send would have said: ECONNREFUSED, EHOSTUNREACH, EMSGSIZE ...
    pub errno: i32,
    /// Where the datagram went.
    pub destination: SocketAddr,
    /// With EMSGSIZE the path's MTU, else 0.
    pub info: u32,
}

/// Asks for errors to be queued on a UDP socket of this family.
pub fn enable(socket: BorrowedFd<'_>, v4: bool) -> io::Result<()> {
    let (level, name) =
        if v4 { (libc::IPPROTO_IP, libc::IP_RECVERR) } else { (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) };
    let on: libc::c_int = 1;
    // SAFETY: the option's value is an int that lives through the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Takes one error from the queue; `WouldBlock` when it is empty.
pub fn take(socket: BorrowedFd<'_>) -> io::Result<QueuedError> {
    // Room for one control message: the header, sock_extended_err (16) and the offender's address (28). The queue
    // also gives back the datagram's text; one octet of it is enough.
    #[repr(align(8))]
    struct Control([u8; 256]);
    let mut control = Control([0; 256]);
    let mut text = [0u8; 1];
    let mut name = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut slice = libc::iovec { iov_base: text.as_mut_ptr().cast(), iov_len: text.len() };
    // SAFETY: an all-zero msghdr is valid; the pointers put into it are to locals that live through the call, with
    // their true lengths. CMSG_* walk the control buffer within msg_controllen, which the kernel has set, and each
    // message is read without assuming alignment after its length is checked.
    unsafe {
        let mut message: libc::msghdr = MaybeUninit::zeroed().assume_init();
        message.msg_name = name.as_mut_ptr().cast();
        message.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        message.msg_iov = &raw mut slice;
        message.msg_iovlen = 1;
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = control.0.len();
        if libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT) < 0 {
            return Err(io::Error::last_os_error());
        }
        let destination = address(&name.assume_init()).ok_or(io::ErrorKind::InvalidData)?;
        let mut at = libc::CMSG_FIRSTHDR(&raw const message);
        while !at.is_null() {
            let header = at.read_unaligned();
            let ours = matches!(
                (header.cmsg_level, header.cmsg_type),
                (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
            );
            let needed = libc::CMSG_LEN(size_of::<libc::sock_extended_err>() as u32) as usize;
            if ours && header.cmsg_len >= needed {
                let error = libc::CMSG_DATA(at).cast::<libc::sock_extended_err>().read_unaligned();
                return Ok(QueuedError { errno: error.ee_errno as i32, destination, info: error.ee_info });
            }
            at = libc::CMSG_NXTHDR(&raw const message, at);
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

/// The address in a sockaddr that the kernel filled in.
fn address(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let start = (&raw const *storage).cast::<u8>();
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: sockaddr_storage is larger than sockaddr_in and at least as aligned; every bit pattern is valid.
            let v4 = unsafe { start.cast::<libc::sockaddr_in>().read() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddr::new(IpAddr::V4(ip), u16::from_be(v4.sin_port)))
        }
        libc::AF_INET6 => {
            // SAFETY: as above, for sockaddr_in6.
            let v6 = unsafe { start.cast::<libc::sockaddr_in6>().read() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Some(SocketAddr::new(IpAddr::V6(ip), u16::from_be(v6.sin6_port)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_refused_datagram_comes_back_with_its_destination() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(gone) = UdpSocket::bind(any) else { continue };
            let closed = gone.local_addr().unwrap();
            drop(gone);
            let socket = UdpSocket::bind(any).unwrap();
            enable(socket.as_fd(), closed.is_ipv4()).unwrap();
            assert_eq!(take(socket.as_fd()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
            socket.send_to(b"anyone?", closed).unwrap();
            let error = take(socket.as_fd()).unwrap();
            assert_eq!((error.errno, error.destination), (libc::ECONNREFUSED, closed));
        }
    }
}
