//! The table of functions, in packetdrill's order. Each takes the machine first, and fails with -1 and errno.

#![expect(unsafe_code, reason = "the C interface of packetdrill")]

use core::ffi::{c_int, c_long, c_longlong, c_uint, c_ulong, c_void};
use std::sync::Arc;

use libc::{
    epoll_event, iovec, loff_t, msghdr, nfds_t, pollfd, size_t, sockaddr, socklen_t, ssize_t, timeval,
};

use crate::Errno;
use crate::machine::{EpollEvent, Message, PollFd, SocketAddress};
use crate::so::control;
use crate::so::message::{address, gather, octets, pieces, scatter, store, store_address, store_message};
use crate::so::world::World;

/// The machine, as C carries it.
type User = *mut c_void;

/// `struct packetdrill_interface`.
#[repr(C)]
#[expect(missing_docs, reason = "packetdrill.h names them; they are the system calls")]
pub struct Interface {
    pub userdata: User,
    pub free: unsafe extern "C" fn(User),
    pub socket: unsafe extern "C" fn(User, c_int, c_int, c_int) -> c_int,
    pub bind: unsafe extern "C" fn(User, c_int, *const sockaddr, socklen_t) -> c_int,
    pub listen: unsafe extern "C" fn(User, c_int, c_int) -> c_int,
    pub accept: unsafe extern "C" fn(User, c_int, *mut sockaddr, *mut socklen_t) -> c_int,
    pub connect: unsafe extern "C" fn(User, c_int, *const sockaddr, socklen_t) -> c_int,
    pub read: unsafe extern "C" fn(User, c_int, *mut c_void, size_t) -> ssize_t,
    pub readv: unsafe extern "C" fn(User, c_int, *const iovec, c_int) -> ssize_t,
    pub recv: unsafe extern "C" fn(User, c_int, *mut c_void, size_t, c_int) -> ssize_t,
    pub recvfrom: unsafe extern "C" fn(
        User,
        c_int,
        *mut c_void,
        size_t,
        c_int,
        *mut sockaddr,
        *mut socklen_t,
    ) -> ssize_t,
    pub recvmsg: unsafe extern "C" fn(User, c_int, *mut msghdr, c_int) -> ssize_t,
    pub write: unsafe extern "C" fn(User, c_int, *const c_void, size_t) -> ssize_t,
    pub writev: unsafe extern "C" fn(User, c_int, *const iovec, c_int) -> ssize_t,
    pub send: unsafe extern "C" fn(User, c_int, *const c_void, size_t, c_int) -> ssize_t,
    pub sendto: unsafe extern "C" fn(
        User,
        c_int,
        *const c_void,
        size_t,
        c_int,
        *const sockaddr,
        socklen_t,
    ) -> ssize_t,
    pub sendmsg: unsafe extern "C" fn(User, c_int, *const msghdr, c_int) -> ssize_t,
    pub fcntl: unsafe extern "C" fn(User, c_int, c_int, c_long) -> c_int,
    pub ioctl: unsafe extern "C" fn(User, c_int, c_ulong, *mut c_int) -> c_int,
    pub close: unsafe extern "C" fn(User, c_int) -> c_int,
    pub shutdown: unsafe extern "C" fn(User, c_int, c_int) -> c_int,
    pub getsockopt: unsafe extern "C" fn(User, c_int, c_int, c_int, *mut c_void, *mut socklen_t) -> c_int,
    pub setsockopt: unsafe extern "C" fn(User, c_int, c_int, c_int, *const c_void, socklen_t) -> c_int,
    pub poll: unsafe extern "C" fn(User, *mut pollfd, nfds_t, c_int) -> c_int,
    pub netdev_send: unsafe extern "C" fn(User, *const c_void, size_t) -> c_int,
    pub netdev_receive: unsafe extern "C" fn(User, *mut c_void, *mut size_t, *mut c_longlong) -> c_int,
    pub usleep: unsafe extern "C" fn(User, c_uint) -> c_int,
    pub gettimeofday: unsafe extern "C" fn(User, *mut timeval, *mut c_void) -> c_int,
    pub epoll_create: unsafe extern "C" fn(User, c_int) -> c_int,
    pub epoll_ctl: unsafe extern "C" fn(User, c_int, c_int, c_int, *mut epoll_event) -> c_int,
    pub epoll_wait: unsafe extern "C" fn(User, c_int, *mut epoll_event, c_int, c_int) -> c_int,
    pub pipe: unsafe extern "C" fn(User, *mut c_int) -> c_int,
    pub splice: unsafe extern "C" fn(User, c_int, *mut loff_t, c_int, *mut loff_t, size_t, c_uint) -> ssize_t,
}

impl Interface {
    pub(super) fn new(world: Arc<World>) -> Interface {
        Interface {
            userdata: Arc::into_raw(world).cast_mut().cast(),
            free,
            socket,
            bind,
            listen,
            accept,
            connect,
            read,
            readv,
            recv,
            recvfrom,
            recvmsg,
            write,
            writev,
            send,
            sendto,
            sendmsg,
            fcntl,
            ioctl,
            close,
            shutdown,
            getsockopt,
            setsockopt,
            poll,
            netdev_send,
            netdev_receive,
            usleep,
            gettimeofday,
            epoll_create,
            epoll_ctl,
            epoll_wait,
            pipe,
            splice,
        }
    }
}

/// The machine behind a pointer that [`Interface::new`] gave.
///
/// # Safety
/// `user` is `userdata` of a table that was not freed.
unsafe fn world<'a>(user: User) -> &'a World {
    // SAFETY: the pointer came from `Arc::into_raw`, and `free` was not called.
    unsafe { &*user.cast::<World>() }
}

/// A result in libc's form.
fn finish(result: Result<i32, Errno>) -> c_int {
    result.unwrap_or_else(|Errno(errno)| {
        // SAFETY: the pointer is the calling thread's own and always valid.
        unsafe { *libc::__errno_location() = errno };
        -1
    })
}

/// A result in libc's form, for calls that give a length.
fn finish_len(result: Result<usize, Errno>) -> ssize_t {
    match result.map(ssize_t::try_from) {
        Ok(Ok(len)) => len,
        Ok(Err(_)) => finish(Err(Errno::EINVAL)) as ssize_t,
        Err(errno) => finish(Err(errno)) as ssize_t,
    }
}

fn done<T>(result: Result<T, Errno>) -> c_int {
    finish(result.map(|_| 0))
}

// SAFETY of all functions below: packetdrill calls them as it would call the system calls of the same names, with
// pointers that are valid for those, and with its `userdata` first.

unsafe extern "C" fn free(user: User) {
    // SAFETY: `userdata`, given back once.
    let world = unsafe { Arc::from_raw(user.cast::<World>()) };
    world.close();
    drop(world);
    control::knock();
}

unsafe extern "C" fn socket(user: User, domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    // SAFETY: see above.
    finish(unsafe { world(user) }.now(|machine| machine.socket(domain, kind, protocol)))
}

unsafe extern "C" fn bind(user: User, fd: c_int, to: *const sockaddr, len: socklen_t) -> c_int {
    // SAFETY: see above.
    let to = unsafe { address(to, len) }.and_then(|to| to.ok_or(Errno::EFAULT));
    // SAFETY: see above.
    done(to.and_then(|to| unsafe { world(user) }.now(|machine| machine.bind(fd, to))))
}

unsafe extern "C" fn listen(user: User, fd: c_int, backlog: c_int) -> c_int {
    // SAFETY: see above.
    done(unsafe { world(user) }.now(|machine| machine.listen(fd, backlog)))
}

unsafe extern "C" fn accept(user: User, fd: c_int, from: *mut sockaddr, len: *mut socklen_t) -> c_int {
    // SAFETY: see above.
    let accepted = unsafe { world(user) }.wait(move |machine, wait| {
        machine.accept(wait, fd).map_ok(|(new, remote)| {
            let family = machine.family(fd);
            (new, SocketAddress::encode(remote, family))
        })
    });
    finish(accepted.map(|(new, remote)| {
        // SAFETY: see above.
        unsafe { store_address(from, len, &remote) };
        new
    }))
}

unsafe extern "C" fn connect(user: User, fd: c_int, to: *const sockaddr, len: socklen_t) -> c_int {
    // SAFETY: see above.
    let to = unsafe { address(to, len) }.and_then(|to| to.ok_or(Errno::EFAULT));
    // SAFETY: see above.
    done(to.and_then(|to| unsafe { world(user) }.wait(move |machine, wait| machine.connect(wait, fd, to))))
}

/// # Safety
/// As the functions of the table.
unsafe fn receive(user: User, fd: c_int, len: usize, flags: c_int) -> Result<Message, Errno> {
    // SAFETY: see above.
    unsafe { world(user) }.wait(move |machine, wait| machine.receive(wait, fd, len, flags))
}

/// Linux's answer to a buffer that is not there.
fn present<T>(pointer: *const T, len: usize) -> Result<(), Errno> {
    if pointer.is_null() && len > 0 { Err(Errno::EFAULT) } else { Ok(()) }
}

unsafe extern "C" fn read(user: User, fd: c_int, out: *mut c_void, len: size_t) -> ssize_t {
    // SAFETY: see above.
    unsafe { recv(user, fd, out, len, 0) }
}

unsafe extern "C" fn readv(user: User, fd: c_int, iov: *const iovec, count: c_int) -> ssize_t {
    // SAFETY: see above.
    let pieces = unsafe { pieces(iov, usize::try_from(count).unwrap_or(0)) };
    let len = pieces.iter().map(|piece| piece.iov_len).sum();
    // SAFETY: see above.
    finish_len(unsafe { receive(user, fd, len, 0) }.map(|message| {
        // SAFETY: see above.
        unsafe { scatter(pieces, &message.octets) };
        message.octets.len()
    }))
}

unsafe extern "C" fn recv(user: User, fd: c_int, out: *mut c_void, len: size_t, flags: c_int) -> ssize_t {
    // SAFETY: see above.
    finish_len(present(out, len).and_then(|()| unsafe { receive(user, fd, len, flags) }).map(|message| {
        // SAFETY: see above.
        unsafe { store(out, len, &message.octets) };
        message.octets.len()
    }))
}

unsafe extern "C" fn recvfrom(
    user: User,
    fd: c_int,
    out: *mut c_void,
    len: size_t,
    flags: c_int,
    from: *mut sockaddr,
    from_len: *mut socklen_t,
) -> ssize_t {
    // SAFETY: see above.
    let family = unsafe { world(user) }.now(|machine| machine.family(fd));
    // SAFETY: see above.
    finish_len(present(out, len).and_then(|()| unsafe { receive(user, fd, len, flags) }).map(|message| {
        let sender = message.from.map(|sender| SocketAddress::encode(sender, family)).unwrap_or_default();
        // SAFETY: see above.
        unsafe {
            store(out, len, &message.octets);
            store_address(from, from_len, &sender);
        }
        message.octets.len()
    }))
}

unsafe extern "C" fn recvmsg(user: User, fd: c_int, header: *mut msghdr, flags: c_int) -> ssize_t {
    // SAFETY: see above.
    let pieces = unsafe { pieces((*header).msg_iov, (*header).msg_iovlen) };
    let len = pieces.iter().map(|piece| piece.iov_len).sum();
    // SAFETY: see above.
    finish_len(unsafe { receive(user, fd, len, flags) }.map(|message| {
        // SAFETY: see above.
        unsafe { store_message(header, &message) };
        message.octets.len()
    }))
}

/// # Safety
/// As the functions of the table.
unsafe fn transmit(
    user: User,
    fd: c_int,
    parts: Vec<Vec<u8>>,
    flags: c_int,
    to: Option<SocketAddress>,
) -> ssize_t {
    // SAFETY: see above.
    finish_len(unsafe { world(user) }.wait(move |machine, wait| {
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        machine.send(wait, fd, &parts, flags, to)
    }))
}

unsafe extern "C" fn write(user: User, fd: c_int, data: *const c_void, len: size_t) -> ssize_t {
    // SAFETY: see above.
    unsafe { send(user, fd, data, len, 0) }
}

unsafe extern "C" fn writev(user: User, fd: c_int, iov: *const iovec, count: c_int) -> ssize_t {
    // SAFETY: see above.
    unsafe {
        let parts = gather(pieces(iov, usize::try_from(count).unwrap_or(0)));
        transmit(user, fd, parts, 0, None)
    }
}

unsafe extern "C" fn send(user: User, fd: c_int, data: *const c_void, len: size_t, flags: c_int) -> ssize_t {
    match present(data, len) {
        // SAFETY: see above.
        Ok(()) => unsafe { transmit(user, fd, vec![octets(data, len).to_vec()], flags, None) },
        Err(errno) => finish_len(Err(errno)),
    }
}

unsafe extern "C" fn sendto(
    user: User,
    fd: c_int,
    data: *const c_void,
    len: size_t,
    flags: c_int,
    to: *const sockaddr,
    to_len: socklen_t,
) -> ssize_t {
    // SAFETY: see above.
    unsafe {
        match present(data, len).and_then(|()| address(to, to_len)) {
            Ok(to) => transmit(user, fd, vec![octets(data, len).to_vec()], flags, to),
            Err(errno) => finish_len(Err(errno)),
        }
    }
}

unsafe extern "C" fn sendmsg(user: User, fd: c_int, header: *const msghdr, flags: c_int) -> ssize_t {
    // SAFETY: see above.
    unsafe {
        let header = &*header;
        let parts = gather(pieces(header.msg_iov, header.msg_iovlen));
        match address(header.msg_name.cast(), header.msg_namelen) {
            // A name of no length is none.
            Err(_) if header.msg_namelen == 0 => transmit(user, fd, parts, flags, None),
            Ok(to) => transmit(user, fd, parts, flags, to),
            Err(errno) => finish_len(Err(errno)),
        }
    }
}

unsafe extern "C" fn fcntl(user: User, fd: c_int, command: c_int, argument: c_long) -> c_int {
    // C passes an int or nothing: the upper half means nothing.
    #[expect(clippy::cast_possible_truncation, reason = "only the low half is an argument")]
    let argument = argument as c_int;
    // SAFETY: see above.
    finish(unsafe { world(user) }.now(|machine| machine.fcntl(fd, command, argument)))
}

unsafe extern "C" fn ioctl(user: User, fd: c_int, request: c_ulong, value: *mut c_int) -> c_int {
    // packetdrill keeps requests in an int.
    let request = request & 0xffff_ffff;
    // SAFETY: see above.
    done(unsafe { world(user) }.now(|machine| machine.ioctl(fd, request)).map(|result| {
        // SAFETY: see above.
        unsafe { store(value.cast(), 4, &result.to_ne_bytes()) };
    }))
}

unsafe extern "C" fn close(user: User, fd: c_int) -> c_int {
    // SAFETY: see above.
    done(unsafe { world(user) }.now(|machine| machine.close(fd)))
}

unsafe extern "C" fn shutdown(user: User, fd: c_int, how: c_int) -> c_int {
    // SAFETY: see above.
    done(unsafe { world(user) }.now(|machine| machine.shutdown(fd, how)))
}

unsafe extern "C" fn getsockopt(
    user: User,
    fd: c_int,
    level: c_int,
    name: c_int,
    out: *mut c_void,
    len: *mut socklen_t,
) -> c_int {
    // SAFETY: see above.
    let room = unsafe { *len } as usize;
    // SAFETY: see above.
    done(unsafe { world(user) }.now(|machine| machine.getsockopt(fd, level, name, room)).map(|value| {
        // SAFETY: see above.
        unsafe {
            store(out, room, &value);
            *len = socklen_t::try_from(value.len()).unwrap_or(0);
        }
    }))
}

unsafe extern "C" fn setsockopt(
    user: User,
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *const c_void,
    len: socklen_t,
) -> c_int {
    // SAFETY: see above.
    let value = unsafe { octets(value, len as usize) };
    // SAFETY: see above.
    done(unsafe { world(user) }.now(|machine| machine.setsockopt(fd, level, name, value)))
}

unsafe extern "C" fn poll(user: User, fds: *mut pollfd, count: nfds_t, limit_ms: c_int) -> c_int {
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: see above.
    let fds = unsafe { core::slice::from_raw_parts_mut(fds, count) };
    let mut asked: Vec<PollFd> =
        fds.iter().map(|entry| PollFd { fd: entry.fd, events: entry.events, revents: 0 }).collect();
    // SAFETY: see above.
    let found = unsafe { world(user) }.wait(move |machine, wait| {
        machine.poll(wait, &mut asked, limit_ms).map_ok(|found| (found, asked.clone()))
    });
    finish(found.map(|(found, answered)| {
        for (entry, answer) in fds.iter_mut().zip(answered) {
            entry.revents = answer.revents;
        }
        i32::try_from(found).unwrap_or(i32::MAX)
    }))
}

unsafe extern "C" fn netdev_send(user: User, packet: *const c_void, len: size_t) -> c_int {
    // SAFETY: see above.
    let packet = unsafe { octets(packet, len) };
    // SAFETY: see above.
    unsafe { world(user) }.now(|machine| machine.inject(packet));
    0
}

unsafe extern "C" fn netdev_receive(
    user: User,
    out: *mut c_void,
    len: *mut size_t,
    at_us: *mut c_longlong,
) -> c_int {
    // SAFETY: see above.
    unsafe {
        match world(user).next_packet() {
            Some((packet, at)) => {
                store(out, *len, &packet.octets);
                *len = packet.octets.len().min(*len);
                *at_us = c_longlong::try_from(at).unwrap_or(c_longlong::MAX);
            }
            None => *len = 0,
        }
    }
    0
}

/// Microseconds of each wait that packetdrill keeps to spin for.
const SPIN_US: u64 = 20;

unsafe extern "C" fn usleep(user: User, micros: c_uint) -> c_int {
    // SAFETY: see above.
    unsafe { world(user) }.sleep(u64::from(micros) + SPIN_US);
    0
}

unsafe extern "C" fn gettimeofday(user: User, out: *mut timeval, _zone: *mut c_void) -> c_int {
    // SAFETY: see above.
    let us = i64::try_from(unsafe { world(user) }.time_us()).unwrap_or(i64::MAX);
    // SAFETY: see above.
    unsafe { *out = timeval { tv_sec: us / 1_000_000, tv_usec: us % 1_000_000 } };
    0
}

unsafe extern "C" fn epoll_create(user: User, size: c_int) -> c_int {
    // SAFETY: see above.
    finish(unsafe { world(user) }.now(|machine| machine.epoll_create(size)))
}

unsafe extern "C" fn epoll_ctl(
    user: User,
    epoll: c_int,
    operation: c_int,
    fd: c_int,
    event: *mut epoll_event,
) -> c_int {
    let event = if event.is_null() {
        EpollEvent::default()
    } else {
        // SAFETY: see above.
        let event = unsafe { event.read_unaligned() };
        EpollEvent { events: event.events, data: event.u64 }
    };
    // SAFETY: see above.
    done(unsafe { world(user) }.now(|machine| machine.epoll_ctl(epoll, operation, fd, event)))
}

unsafe extern "C" fn epoll_wait(
    user: User,
    epoll: c_int,
    out: *mut epoll_event,
    max: c_int,
    limit_ms: c_int,
) -> c_int {
    let max = usize::try_from(max).unwrap_or(0);
    // SAFETY: see above.
    let found =
        unsafe { world(user) }.wait(move |machine, wait| machine.epoll_wait(wait, epoll, max, limit_ms));
    finish(found.map(|found| {
        for (at, event) in found.iter().enumerate() {
            // SAFETY: there is room for `max` events, and no more were found.
            unsafe { out.add(at).write_unaligned(epoll_event { events: event.events, u64: event.data }) };
        }
        i32::try_from(found.len()).unwrap_or(i32::MAX)
    }))
}

unsafe extern "C" fn pipe(user: User, fds: *mut c_int) -> c_int {
    // SAFETY: see above.
    let ends = unsafe { world(user) }.now(crate::Machine::pipe);
    // SAFETY: see above.
    unsafe { fds.cast::<[c_int; 2]>().write(ends) };
    0
}

unsafe extern "C" fn splice(
    user: User,
    from: c_int,
    _from_offset: *mut loff_t,
    to: c_int,
    _to_offset: *mut loff_t,
    len: size_t,
    flags: c_uint,
) -> ssize_t {
    // SAFETY: see above.
    finish_len(unsafe { world(user) }.wait(move |machine, wait| machine.splice(wait, from, to, len, flags)))
}
