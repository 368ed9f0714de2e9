//! The AF_UNIX sockets of this network namespace, as sock_diag(7) tells of them.

use std::io;

use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};

/// linux/netlink.h, linux/sock_diag.h, linux/unix_diag.h.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const REQUEST_DUMP: u16 = 0x301;
const MESSAGE_ERROR: u16 = 2;
const MESSAGE_DONE: u16 = 3;
const AF_UNIX: u8 = 1;
const ALL_STATES: u32 = u32::MAX;
const SHOW_NAME_AND_PEER: u32 = 1 | 4;
const ATTRIBUTE_NAME: u16 = 0;
const ATTRIBUTE_PEER: u16 = 2;

/// The lengths of a message's header, and of what follows it before the attributes.
const HEADER: usize = 16;
const FIXED: usize = 16;

/// Room for one datagram of answers; the kernel fills at most 32 KiB.
const ROOM: usize = 64 * 1024;

/// One socket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnixSocket {
    /// Its inode, as in `/proc/PID/fd`.
    pub inode: u64,
    /// The inode of the socket that it is connected to.
    pub peer: Option<u64>,
    /// The octets of an abstract name, without the NUL in front.
    pub name: Option<Vec<u8>>,
}

/// Every AF_UNIX socket of the namespace. Errors: the system's, where the kernel has no sock_diag.
pub fn dump() -> io::Result<Vec<UnixSocket>> {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(SOCK_DIAG))?;
    sendto(&socket, &request(), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut sockets = Vec::new();
    let mut room = vec![0; ROOM];
    loop {
        let (_, len) = recv(&socket, room.as_mut_slice(), RecvFlags::empty())?;
        let mut rest = room.get(..len).unwrap_or_default();
        while let Some((kind, body, next)) = message(rest) {
            match kind {
                MESSAGE_DONE => return Ok(sockets),
                MESSAGE_ERROR => return Err(io::ErrorKind::Unsupported.into()),
                _ => sockets.extend(read(body)),
            }
            rest = next;
        }
        if len == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// nlmsghdr and unix_diag_req.
fn request() -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER + 24);
    out.extend_from_slice(&40_u32.to_ne_bytes());
    out.extend_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    out.extend_from_slice(&REQUEST_DUMP.to_ne_bytes());
    // Sequence number and port; then family, protocol and padding, states, inode, what to show, and a cookie.
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&[AF_UNIX, 0, 0, 0]);
    out.extend_from_slice(&ALL_STATES.to_ne_bytes());
    out.extend_from_slice(&0_u32.to_ne_bytes());
    out.extend_from_slice(&SHOW_NAME_AND_PEER.to_ne_bytes());
    out.extend_from_slice(&[0xff; 8]);
    out
}

/// The first message: its kind, its body, and what follows it.
fn message(octets: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let len = u32_at(octets, 0)? as usize;
    let kind = u16_at(octets, 4)?;
    let body = octets.get(HEADER..len)?;
    Some((kind, body, octets.get(len.next_multiple_of(4)..).unwrap_or_default()))
}

/// unix_diag_msg and its attributes.
fn read(body: &[u8]) -> Option<UnixSocket> {
    let mut socket = UnixSocket { inode: u32_at(body, 4)?.into(), peer: None, name: None };
    let mut rest = body.get(FIXED..)?;
    while let (Some(len), Some(kind)) = (u16_at(rest, 0), u16_at(rest, 2)) {
        let Some(value) = rest.get(4..usize::from(len)) else { break };
        match kind {
            ATTRIBUTE_NAME => socket.name = value.strip_prefix(b"\0").map(<[u8]>::to_vec),
            ATTRIBUTE_PEER => socket.peer = u32_at(value, 0).filter(|peer| *peer != 0).map(u64::from),
            _ => {}
        }
        rest = rest.get(usize::from(len).next_multiple_of(4)..).unwrap_or_default();
    }
    Some(socket)
}

fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..)?.first_chunk().map(|two| u16::from_ne_bytes(*two))
}

fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..)?.first_chunk().map(|four| u32::from_ne_bytes(*four))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

    use super::*;

    fn inode(socket: &impl AsRawFd) -> u64 {
        let link = std::fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).unwrap();
        let text = link.to_str().unwrap();
        text.strip_prefix("socket:[").unwrap().strip_suffix(']').unwrap().parse().unwrap()
    }

    #[test]
    fn names_and_peers_are_the_kernels() {
        let name = format!("portolan-test-{}", std::process::id());
        let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let (a, b) = UnixStream::pair().unwrap();
        let all = dump().unwrap();
        let of = |wanted: u64| all.iter().find(|socket| socket.inode == wanted).unwrap();
        assert_eq!(of(inode(&a)).peer, Some(inode(&b)));
        assert_eq!(of(inode(&listener)).name.as_deref(), Some(name.as_bytes()));
        assert_eq!(of(inode(&listener)).peer, None);
    }

    #[test]
    fn half_a_message_is_none() {
        assert_eq!(message(&[40, 0, 0, 0, 20, 0, 0]), None);
        assert_eq!(message(&[0; 16]), None);
        assert_eq!(read(&[1; 10]), None);
        let endless = [[1; 16].as_slice(), &[0, 0, 0, 0]].concat();
        assert_eq!(read(&endless).map(|socket| socket.peer), Some(None));
    }
}
