//! AF_NETLINK sockets of the family ROUTE: programs ask for interfaces and addresses there (getifaddrs of every libc, Go,
//! ip). The kernel would tell of the machine's.
//!
//! Such a socket is a pair of AF_UNIX ones. The program has one end, whose name says what it is; requests that it writes
//! come out at ours, and the answers go back. Changes are refused with EPERM, as for an ordinary user.

use std::os::fd::{AsFd, OwnedFd};

use portolan_native::Errno;
use portolan_protocol::{Name, SocketId};
use rustix::event::epoll;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::call::{Answer, Call, wait_to_receive, wait_to_send};
use super::interface::{Interface, broadcast};
use super::message::{Message, Told};
use super::notifier::Engine;
use super::stack::errno_of;
use crate::os::unix;

/// Of linux/netlink.h and linux/rtnetlink.h.
const NETLINK_ROUTE: i32 = 0;
const SOL_NETLINK: i32 = 270;
const DONE: u16 = 3;
const ERROR: u16 = 2;
const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;
const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;
const FLAG_MULTI: u16 = 2;
const FLAG_ACK: u16 = 4;
const FLAG_DUMP: u16 = 0x300;

/// Octets of struct nlmsghdr.
const HEADER_LEN: usize = 16;
/// A message goes out before it outgrows the buffer of a page that receivers have.
const PART_MAX: usize = 3072;
/// Sockets that are answered at most.
const SOCKETS_MAX: usize = 256;

/// Tokens of our ends begin here: above those of threads.
pub(super) const TOKENS: u64 = 1 << 40;

impl Engine {
    /// socket(2) with AF_NETLINK.
    pub(super) fn open_netlink(&mut self, call: &Call<'_>) -> Result<Answer, Errno> {
        let (kind, protocol) = (call.int(1), call.int(2));
        if protocol != NETLINK_ROUTE {
            return Err(Errno(libc::EPROTONOSUPPORT));
        }
        if self.netlinks.len() >= SOCKETS_MAX {
            return Err(Errno(libc::ENOBUFS));
        }
        let failed = |error: rustix::io::Errno| Errno(error.raw_os_error());
        let (theirs, ours) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .map_err(failed)?;
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|_| Errno(libc::EIO))?;
        let port = call.thread.identity().map_err(|error| errno_of(&error))?.process;
        unix::bind_name(theirs.as_fd(), &Name::Netlink { id: SocketId(id), port })
            .map_err(|error| errno_of(&error))?;
        if kind & libc::SOCK_NONBLOCK != 0 {
            rustix::io::ioctl_fionbio(&theirs, true).map_err(failed)?;
        }
        let token = self.next_netlink;
        self.next_netlink += 1;
        epoll::add(&self.poll, &ours, epoll::EventData::new_u64(token), epoll::EventFlags::IN)
            .map_err(failed)?;
        self.netlinks.insert(token, ours);
        let close_on_exec = kind & libc::SOCK_CLOEXEC != 0;
        Ok(Answer::Descriptor { socket: theirs, close_on_exec, of_listener: None })
    }

    /// A call on a program's end.
    pub(super) fn netlink(&mut self, call: &Call<'_>, fd: OwnedFd, port: u32) -> Result<Answer, Errno> {
        match i64::from(call.notification.number) {
            libc::SYS_bind | libc::SYS_connect => Ok(Answer::ZERO),
            libc::SYS_getsockname => call.write_name(&address(port), call.argument(1), call.argument(2)),
            libc::SYS_getpeername => call.write_name(&address(0), call.argument(1), call.argument(2)),
            libc::SYS_setsockopt if call.int(1) == SOL_NETLINK => Ok(Answer::ZERO),
            libc::SYS_getsockopt if call.int(1) == libc::SOL_SOCKET => {
                let known = match call.int(2) {
                    libc::SO_DOMAIN => libc::AF_NETLINK,
                    libc::SO_TYPE => libc::SOCK_RAW,
                    libc::SO_PROTOCOL => NETLINK_ROUTE,
                    _ => return Ok(Answer::Run),
                };
                call.write_value(&known.to_ne_bytes(), call.argument(3), call.argument(4))
            }
            libc::SYS_sendto => send(call, fd, &Message::plain(call)),
            libc::SYS_sendmsg => send(call, fd, &Message::at(call, call.argument(1), call.int(2))?),
            libc::SYS_recvfrom => self.receive_netlink(call, fd, &Message::plain(call)),
            libc::SYS_recvmsg => {
                let message = Message::at(call, call.argument(1), call.int(2))?;
                self.receive_netlink(call, fd, &message)
            }
            _ => Ok(Answer::Run),
        }
    }

    fn receive_netlink(&mut self, call: &Call<'_>, fd: OwnedFd, message: &Message) -> Result<Answer, Errno> {
        let peeks = message.flags & libc::MSG_PEEK != 0;
        let len = match unix::receive_with_descriptor(fd.as_fd(), &mut self.scratch, peeks) {
            Ok(received) => received.len,
            Err(error) => match errno_of(&error) {
                Errno(libc::EAGAIN) => return wait_to_receive(fd, message.flags & libc::MSG_DONTWAIT == 0),
                error => return Err(error),
            },
        };
        let text = self.scratch.get(..len).unwrap_or_default();
        let copied = text.get(..message.len()).unwrap_or(text);
        call.thread.write_pieces(copied, &message.pieces).map_err(|error| errno_of(&error))?;
        let flags = if copied.len() < len { libc::MSG_TRUNC } else { 0 };
        message.tell(call, &Told { name: &address(0), control: &[], flags })?;
        let tells_true_len = message.flags & libc::MSG_TRUNC != 0;
        Ok(Answer::Value(if tells_true_len { len } else { copied.len() }))
    }

    /// A request has come out at our end, or the program's end is closed.
    pub(super) fn answer_netlink(&mut self, token: u64) {
        let mut request = [0; 4096];
        let Some(end) = self.netlinks.get(&token) else { return };
        let len = match unix::receive(end.as_fd(), &mut request) {
            Ok(len) if len > 0 => len.min(request.len()),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
            _ => {
                let _ = epoll::delete(&self.poll, end);
                self.netlinks.remove(&token);
                return;
            }
        };
        let interfaces = self.interfaces();
        let Some(end) = self.netlinks.get(&token) else { return };
        let port = match unix::peer_name(end.as_fd()) {
            Ok(Some(Name::Netlink { port, .. })) => port,
            _ => 0,
        };
        for part in replies(request.get(..len).unwrap_or_default(), port, &interfaces) {
            // A program that does not read loses answers, as the kernel would drop them.
            let _ = unix::write(end.as_fd(), &part);
        }
    }
}

fn send(call: &Call<'_>, fd: OwnedFd, message: &Message) -> Result<Answer, Errno> {
    let mut text = vec![0; message.len().min(4096)];
    let copied = call.thread.read_pieces(&mut text, &message.pieces).map_err(|error| errno_of(&error))?;
    match unix::write(fd.as_fd(), text.get(..copied).unwrap_or_default()).map_err(|error| errno_of(&error)) {
        Err(Errno(libc::EAGAIN)) => wait_to_send(fd, message.flags & libc::MSG_DONTWAIT == 0),
        result => result.map(Answer::Value),
    }
}

/// struct sockaddr_nl.
fn address(port: u32) -> [u8; 12] {
    let mut octets = [0; 12];
    let (family, rest) = octets.split_at_mut(4);
    family.iter_mut().zip((libc::AF_NETLINK as u16).to_ne_bytes()).for_each(|(to, from)| *to = from);
    rest.iter_mut().zip(port.to_ne_bytes()).for_each(|(to, from)| *to = from);
    octets
}

/// The answers to what a program has written, each to be one message.
fn replies(mut requests: &[u8], port: u32, interfaces: &[Interface]) -> Vec<Vec<u8>> {
    let mut writer = Writer { parts: Vec::new(), part: Vec::new(), port };
    while let Some((header, _)) = requests.split_first_chunk::<HEADER_LEN>() {
        let [l0, l1, l2, l3, t0, t1, f0, f1, s0, s1, s2, s3, ..] = *header;
        let len = u32::from_ne_bytes([l0, l1, l2, l3]) as usize;
        let (kind, flags) = (u16::from_ne_bytes([t0, t1]), u16::from_ne_bytes([f0, f1]));
        let number = u32::from_ne_bytes([s0, s1, s2, s3]);
        let Some(body) = requests.get(HEADER_LEN..len) else { break };
        let dumps = flags & FLAG_DUMP == FLAG_DUMP;
        let multi = if dumps { FLAG_MULTI } else { 0 };
        let mut error = 0;
        match kind {
            GET_LINK => {
                let wanted = |interface: &&Interface| dumps || is_meant(body, interface);
                let mut found = false;
                for interface in interfaces.iter().filter(wanted) {
                    found = true;
                    writer.push(NEW_LINK, multi, number, &link(interface));
                }
                error = if found || dumps { 0 } else { libc::ENODEV };
            }
            GET_ADDRESS if dumps => {
                let family = body.first().copied().map_or(0, i32::from);
                for body in interfaces.iter().flat_map(|interface| addresses(interface, family)) {
                    writer.push(NEW_ADDRESS, multi, number, &body);
                }
            }
            // Routes, neighbours and rules: none are told.
            _ if kind >= NEW_LINK && kind % 4 == 2 => error = if dumps { 0 } else { libc::ENETUNREACH },
            _ => error = libc::EPERM,
        }
        if dumps && error == 0 {
            writer.push(DONE, multi, number, &0i32.to_ne_bytes());
        } else if error != 0 || flags & FLAG_ACK != 0 {
            writer.push(ERROR, 0, number, &[&(-error).to_ne_bytes(), header.as_slice()].concat());
        }
        requests = requests.get(len.max(HEADER_LEN).next_multiple_of(4)..).unwrap_or_default();
    }
    writer.finish()
}

/// Whether a request for one link means this one: by its number, or by an attribute that is its name.
fn is_meant(body: &[u8], interface: &Interface) -> bool {
    // struct ifinfomsg has the number at octet 4 and is 16 octets long.
    let number = body.get(4..8).and_then(|four| four.try_into().ok()).map_or(0, u32::from_ne_bytes);
    let attributes = body.get(16..).unwrap_or_default();
    let name = attributes.get(4..).and_then(|name| name.split(|octet| *octet == 0).next());
    number == interface.index || number == 0 && name == Some(&interface.name)
}

/// Messages under way.
struct Writer {
    parts: Vec<Vec<u8>>,
    part: Vec<u8>,
    port: u32,
}

impl Writer {
    fn push(&mut self, kind: u16, flags: u16, number: u32, body: &[u8]) {
        if self.part.len() + HEADER_LEN + body.len() > PART_MAX {
            self.parts.push(std::mem::take(&mut self.part));
        }
        self.part.extend(((HEADER_LEN + body.len()) as u32).to_ne_bytes());
        self.part.extend(kind.to_ne_bytes());
        self.part.extend(flags.to_ne_bytes());
        self.part.extend(number.to_ne_bytes());
        self.part.extend(self.port.to_ne_bytes());
        self.part.extend(body);
        self.part.resize(self.part.len().next_multiple_of(4), 0);
    }

    fn finish(mut self) -> Vec<Vec<u8>> {
        if !self.part.is_empty() {
            self.parts.push(self.part);
        }
        self.parts
    }
}

/// An attribute (struct rtattr), padded.
fn attribute(to: &mut Vec<u8>, kind: u16, value: &[u8]) {
    to.extend(((4 + value.len()) as u16).to_ne_bytes());
    to.extend(kind.to_ne_bytes());
    to.extend(value);
    to.resize(to.len().next_multiple_of(4), 0);
}

/// The body of RTM_NEWLINK: struct ifinfomsg, IFLA_IFNAME, IFLA_MTU, IFLA_ADDRESS and IFLA_BROADCAST.
fn link(interface: &Interface) -> Vec<u8> {
    /// IFF_LOWER_UP.
    const LOWER_UP: u32 = 0x1_0000;
    let mut body = vec![0, 0];
    body.extend(interface.hardware().to_ne_bytes());
    body.extend(interface.index.to_ne_bytes());
    body.extend((interface.flags() | LOWER_UP).to_ne_bytes());
    body.extend([0; 4]);
    attribute(&mut body, 3, &[&interface.name, [0].as_slice()].concat());
    attribute(&mut body, 4, &interface.mtu.to_ne_bytes());
    if interface.ethernet.is_some() || interface.is_loopback() {
        attribute(&mut body, 1, &interface.ethernet.unwrap_or_default());
        attribute(&mut body, 2, &[if interface.is_loopback() { 0 } else { 0xff }; 6]);
    }
    body
}

/// The bodies of RTM_NEWADDR of one family, or of both for 0.
fn addresses(interface: &Interface, family: i32) -> Vec<Vec<u8>> {
    /// IFA_F_PERMANENT.
    const PERMANENT: u8 = 0x80;
    let mut bodies = Vec::new();
    for (address, prefix) in &interface.addresses {
        let v4 = address.to_v4();
        let own = if v4.is_some() { libc::AF_INET } else { libc::AF_INET6 };
        if family != 0 && family != own {
            continue;
        }
        let scope = match address.ip {
            _ if interface.is_loopback() => 254,
            ip if ip.is_unicast_link_local() => 253,
            _ => 0,
        };
        let mut body = vec![own as u8, *prefix, PERMANENT, scope];
        body.extend(interface.index.to_ne_bytes());
        match v4 {
            Some(ip) => {
                attribute(&mut body, 1, &ip.octets());
                attribute(&mut body, 2, &ip.octets());
                if !interface.is_loopback() {
                    attribute(&mut body, 4, &broadcast(ip, *prefix).octets());
                }
                attribute(&mut body, 3, &[&interface.name, [0].as_slice()].concat());
            }
            None => attribute(&mut body, 1, &address.ip.octets()),
        }
        bodies.push(body);
    }
    bodies
}

#[cfg(test)]
mod tests;
