//! Calls on descriptors that are not ours: they run, unless they would lead out of the command's network.
//!
//! No Internet socket of the machine is made under the filter. What a program has of them it inherited or was sent.

use std::os::fd::{AsFd, OwnedFd};

use portolan_native::Errno;
use portolan_protocol::Name;
use rustix::net::{AddressFamily, sockopt};

use super::call::{Answer, Call};
use super::notifier::Engine;
use crate::os::unix;

/// Sockets of services that would look names up, or fetch things, on the machine's own network.
pub(crate) const HOST_SERVICES: [&str; 8] = [
    "/run/nscd/socket",
    "/var/run/nscd/socket",
    "/run/systemd/resolve/io.systemd.Resolve",
    "/run/systemd/resolve/io.systemd.Resolve.Monitor",
    "/run/dbus/system_bus_socket",
    "/var/run/dbus/system_bus_socket",
    "/run/avahi-daemon/socket",
    "/var/run/avahi-daemon/socket",
];

impl Engine {
    /// A call on a descriptor that is not ours. Errors: ENETUNREACH for a send to the machine's network.
    pub(super) fn foreign(&mut self, call: &Call<'_>, fd: OwnedFd) -> Result<Answer, Errno> {
        if let Some(Name::Netlink { port, .. }) = unix::own_name(fd.as_fd()) {
            return self.netlink(call, fd, port);
        }
        if !is_inet(&fd) {
            return Ok(Answer::Run);
        }
        self.report(call);
        let number = i64::from(call.notification.number);
        let sends = [libc::SYS_connect, libc::SYS_sendto, libc::SYS_sendmsg, libc::SYS_sendmmsg];
        if sends.contains(&number) { Err(Errno(libc::ENETUNREACH)) } else { Ok(Answer::Run) }
    }

    /// connect(2): services that look names up on the machine's network do not exist.
    pub(super) fn connect_foreign(&mut self, call: &Call<'_>, fd: OwnedFd) -> Result<Answer, Errno> {
        if sockopt::socket_domain(&fd) == Ok(AddressFamily::UNIX) {
            let mut octets = [0; size_of::<libc::sockaddr_un>()];
            let len = (call.argument(2) as usize).min(octets.len());
            let octets = octets.get_mut(..len).unwrap_or_default();
            call.read(call.argument(1), octets)?;
            let path = octets.get(2..).unwrap_or_default().split(|octet| *octet == 0).next();
            if HOST_SERVICES.iter().any(|service| Some(service.as_bytes()) == path) {
                return Err(Errno(libc::ENOENT));
            }
        }
        self.foreign(call, fd)
    }

    /// Says once that a program has a socket of the machine.
    fn report(&mut self, call: &Call<'_>) {
        let Ok(identity) = call.thread.identity() else { return };
        if self.has_reported_foreign {
            return;
        }
        self.has_reported_foreign = true;
        let name = std::fs::read_to_string(format!("/proc/{}/comm", identity.process)).unwrap_or_default();
        (self.tell)(&format!(
            "{} ({}) has descriptor {}, an Internet socket of this machine that it inherited: what it reads and writes \
             there is not on the command's network; close such descriptors before portolan run",
            name.trim_end(),
            identity.process,
            call.int(0)
        ));
    }
}

fn is_inet(fd: &OwnedFd) -> bool {
    matches!(sockopt::socket_domain(fd), Ok(AddressFamily::INET | AddressFamily::INET6))
}
