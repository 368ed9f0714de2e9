//! AF_UNIX sockets under abstract names: the stack process's ends of programs' sockets.

#![expect(unsafe_code, reason = "tokio's registration of a descriptor")]

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use portolan_protocol::{Name, SEND_BUFFER, Transport};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown, SocketAddrAny, SocketAddrUnix, SocketFlags, SocketType,
    acceptfrom_with, bind, connect, listen, recv, send, shutdown, socket_with, sockopt,
};
use tokio::io::unix::AsyncFd;

/// The process at the other end, as it was when it connected (SO_PEERCRED).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Its number; 0 if it is in another namespace.
    pub pid: i32,
    /// Its effective user.
    pub uid: u32,
}

/// Linux's limit for the backlog of a listener, unless the administrator has raised it.
const BACKLOG: i32 = 4096;

fn socket_type(transport: Transport) -> SocketType {
    match transport {
        Transport::Tcp => SocketType::STREAM,
        _ => SocketType::SEQPACKET,
    }
}

fn socket(transport: Transport) -> io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    Ok(socket_with(AddressFamily::UNIX, socket_type(transport), flags, None)?)
}

fn address(name: &Name) -> io::Result<SocketAddrUnix> {
    Ok(SocketAddrUnix::new_abstract_name(name.encode().as_bytes())?)
}

/// Registers a socket with the runtime that calls. Errors: the system's, at its limits.
pub fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd owns an open descriptor, and AsyncFd gives it out by reference only, so that it is neither
    // closed nor replaced while it is registered.
    Ok(unsafe { AsyncFd::register(fd) }?)
}

/// A listener on a name, SOCK_STREAM for TCP and SOCK_SEQPACKET for UDP. Errors: `EADDRINUSE` if the name is taken.
pub fn listener(transport: Transport, name: &Name) -> io::Result<OwnedFd> {
    let fd = socket(transport)?;
    bind(&fd, &address(name)?)?;
    listen(&fd, BACKLOG)?;
    Ok(fd)
}

/// The next connection and the name that its other end is bound to, if that is one of ours. `EAGAIN` without one.
pub fn accept(listener: BorrowedFd<'_>) -> io::Result<(OwnedFd, Option<Name>)> {
    accept_with(listener, true)
}

/// As [`accept`]; the connection blocks if it is to.
pub fn accept_with(listener: BorrowedFd<'_>, is_nonblocking: bool) -> io::Result<(OwnedFd, Option<Name>)> {
    let nonblocking = if is_nonblocking { SocketFlags::NONBLOCK } else { SocketFlags::empty() };
    let (fd, peer) = acceptfrom_with(listener, nonblocking | SocketFlags::CLOEXEC)?;
    Ok((fd, peer.and_then(decode)))
}

/// A stream socket bound to `own`, to be connected to a program's listener.
pub fn bound_stream(own: &Name) -> io::Result<OwnedFd> {
    let fd = socket(Transport::Tcp)?;
    bind(&fd, &address(own)?)?;
    Ok(fd)
}

/// A control connection to a stack process; calls on it wait.
pub fn control_connection(own: &Name, rendezvous: &Name) -> io::Result<OwnedFd> {
    let fd = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    bind(&fd, &address(own)?)?;
    connect(&fd, &address(rendezvous)?)?;
    Ok(fd)
}

/// Receives one message, waiting for it; 0 at the end of the connection.
pub fn receive_waiting(fd: BorrowedFd<'_>, out: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::io::retry_on_intr(|| recv(fd, &mut *out, RecvFlags::empty()))?.0)
}

/// Connects to a program's listener. `EAGAIN` while its backlog is full, `ECONNREFUSED` when it is gone.
pub fn connect_to(fd: BorrowedFd<'_>, name: &Name) -> io::Result<()> {
    Ok(connect(fd, &address(name)?)?)
}

/// True while somebody holds a socket of this name, and also if that cannot be found out.
pub fn is_held(transport: Transport, name: &Name) -> bool {
    let Ok(fd) = socket(transport) else { return true };
    address(name).is_ok_and(|address| bind(&fd, &address) == Err(Errno::ADDRINUSE))
}

/// The process at the other end of a connected socket.
pub fn peer(fd: BorrowedFd<'_>) -> io::Result<Peer> {
    let credentials = sockopt::socket_peercred(fd)?;
    Ok(Peer { pid: credentials.pid.as_raw_pid(), uid: credentials.uid.as_raw() })
}

/// The socket's own name, if it is one of ours.
pub fn own_name(fd: BorrowedFd<'_>) -> Option<Name> {
    decode(rustix::net::getsockname(fd).ok()?)
}

/// The name of a connected socket's peer, if it is one of ours; `ENOTCONN` without a peer.
pub fn peer_name(fd: BorrowedFd<'_>) -> io::Result<Option<Name>> {
    Ok(rustix::net::getpeername(fd)?.and_then(decode))
}

fn decode(address: SocketAddrAny) -> Option<Name> {
    Name::decode(SocketAddrUnix::try_from(address).ok()?.abstract_name()?).ok()
}

/// A fresh socket of a program, bound to its name; it blocks, and closes on exec.
pub fn program_socket(transport: Transport, name: &Name) -> io::Result<OwnedFd> {
    let fd = socket_with(AddressFamily::UNIX, socket_type(transport), SocketFlags::CLOEXEC, None)?;
    bind(&fd, &address(name)?)?;
    set_program_buffer(fd.as_fd())?;
    Ok(fd)
}

/// Gives a socket a name.
pub fn bind_name(fd: BorrowedFd<'_>, name: &Name) -> io::Result<()> {
    Ok(bind(fd, &address(name)?)?)
}

/// SO_SNDBUF as every program's stream has it.
pub fn set_program_buffer(fd: BorrowedFd<'_>) -> io::Result<()> {
    Ok(sockopt::set_socket_send_buffer_size(fd, SEND_BUFFER.unsigned_abs() as usize)?)
}

/// Lets a SEQPACKET socket send messages of at most `len` octets, or of one more if that is odd: longer ones are EMSGSIZE.
pub fn limit_message(fd: BorrowedFd<'_>, len: usize) -> io::Result<()> {
    /// What the kernel leaves of SO_SNDBUF for something else (net/unix/af_unix.c), and how often it counts it.
    const RESERVED: usize = 32;
    const COUNTED: usize = 2;
    Ok(sockopt::set_socket_send_buffer_size(fd, (len + RESERVED).div_ceil(COUNTED))?)
}

/// What poll(2) says of a socket now, of what can be read and written.
pub fn readiness(fd: BorrowedFd<'_>) -> PollFlags {
    let mut entries = [PollFd::from_borrowed_fd(fd, PollFlags::IN | PollFlags::OUT)];
    match poll(&mut entries, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
        Ok(_) => entries[0].revents(),
        Err(_) => PollFlags::empty(),
    }
}

/// Whether a read, or an accept, does not wait.
pub fn is_readable(fd: BorrowedFd<'_>) -> bool {
    readiness(fd).intersects(PollFlags::IN | PollFlags::ERR | PollFlags::HUP)
}

/// Sends one message with a descriptor, without SIGPIPE.
pub fn write_with_descriptor(
    fd: BorrowedFd<'_>,
    octets: &[u8],
    descriptor: BorrowedFd<'_>,
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor];
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    Ok(rustix::net::sendmsg(fd, &[IoSlice::new(octets)], &mut control, flags)?)
}

/// A message that may have brought a descriptor.
#[derive(Debug)]
pub struct Message {
    /// Its true length, even if the buffer was too short.
    pub len: usize,
    /// What came with it.
    pub descriptor: Option<OwnedFd>,
}

/// Receives one message, or with `peeks` looks at it. `EAGAIN` if there is none.
pub fn receive_with_descriptor(fd: BorrowedFd<'_>, out: &mut [u8], peeks: bool) -> io::Result<Message> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC | RecvFlags::CMSG_CLOEXEC;
    if peeks {
        flags |= RecvFlags::PEEK;
    }
    let len = rustix::net::recvmsg(fd, &mut [IoSliceMut::new(out)], &mut control, flags)?.bytes;
    let descriptor = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    Ok(Message { len, descriptor })
}

/// Octets that wait to be read.
pub fn queued(fd: BorrowedFd<'_>) -> io::Result<usize> {
    Ok(usize::try_from(rustix::io::ioctl_fionread(fd)?).unwrap_or(usize::MAX))
}

/// Octets of memory behind what was written and the other end has not read; 0 if it has read all.
pub fn unread(fd: BorrowedFd<'_>) -> io::Result<usize> {
    let mut octets: libc::c_int = 0;
    // SAFETY: SIOCOUTQ, also called TIOCOUTQ, writes one int, which lives here.
    if unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCOUTQ, &raw mut octets) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(usize::try_from(octets).unwrap_or(0))
}

/// Reads, or receives one message; its true length even if the buffer was too short. `EAGAIN` if there is nothing.
pub fn receive(fd: BorrowedFd<'_>, out: &mut [u8]) -> io::Result<usize> {
    Ok(recv(fd, out, RecvFlags::TRUNC.union(RecvFlags::DONTWAIT))?.1)
}

/// Reads from a stream. `EAGAIN` if there is nothing.
pub fn read(fd: BorrowedFd<'_>, out: &mut [u8]) -> io::Result<usize> {
    Ok(recv(fd, out, RecvFlags::DONTWAIT)?.1)
}

/// Looks at the front of what waits.
pub fn peek(fd: BorrowedFd<'_>, out: &mut [u8]) -> io::Result<usize> {
    Ok(recv(fd, out, RecvFlags::DONTWAIT.union(RecvFlags::PEEK))?.1)
}

/// Sends without SIGPIPE. `EAGAIN` without room, `EPIPE` if the program is gone or reads no more.
pub fn write(fd: BorrowedFd<'_>, octets: &[u8]) -> io::Result<usize> {
    write_with(fd, octets, false)
}

/// As [`write()`]; the last octet is urgent if `is_urgent`.
pub fn write_with(fd: BorrowedFd<'_>, octets: &[u8], is_urgent: bool) -> io::Result<usize> {
    let urgent = if is_urgent { SendFlags::OOB } else { SendFlags::empty() };
    Ok(send(fd, octets, SendFlags::DONTWAIT | SendFlags::NOSIGNAL | urgent)?)
}

/// Lets the program see the end of text.
pub fn shut_write(fd: BorrowedFd<'_>) {
    // A program that is gone has seen the end already.
    let _ = shutdown(fd, Shutdown::Write);
}

/// How far the other end has gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Hangup {
    /// It writes no more: a shutdown or a close.
    pub has_ended: bool,
    /// Neither direction is open. If this end has not shut its own, the other has closed both.
    pub is_closed: bool,
    /// It closed without having read everything.
    pub has_error: bool,
}

/// Asks how far the other end has gone.
pub fn hangup(fd: BorrowedFd<'_>) -> Hangup {
    let mut entries = [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::RDHUP)];
    if poll(&mut entries, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_err() {
        return Hangup::default();
    }
    let flags = entries[0].revents();
    Hangup {
        has_ended: flags.intersects(PollFlags::RDHUP | PollFlags::HUP),
        is_closed: flags.contains(PollFlags::HUP),
        has_error: flags.contains(PollFlags::ERR),
    }
}
